"""Who acts: a signed-in principal, or somebody with access to the gateway's own files."""

import unicodedata
from typing import Final, TypeAlias

import msgspec

from waystation.model import Principal

MAX_DEVICE = 64


class Operator(msgspec.Struct, frozen=True):
    """Whoever can read the gateway's data directory: the command line on its machine. May do everything."""

    id: str = "operator"
    name: str = "operator"


OPERATOR: Final = Operator()

Actor: TypeAlias = Principal | Operator


class Caller(msgspec.Struct, frozen=True):
    """What is known of the other end. Both are for people's eyes: nothing is decided by them."""

    device: str = ""
    """What the device calls itself: untrusted, cleaned, at most 64 characters."""
    address: str = ""
    """Network address, as the listener saw it."""


def clean_device(text: str) -> str:
    """Printable, one line, short: it will be shown on a page where somebody decides whether to trust it."""
    printable = "".join(character for character in text if unicodedata.category(character)[0] != "C")
    return " ".join(printable.split())[:MAX_DEVICE]
