"""Whose API is rehearsed: its addresses, keys, headers and errors."""

from enum import StrEnum

from waystation.model import Wire


class Vendor(StrEnum):
    """The value is the first part of the vendor's addresses here."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GEMINI = "gemini"
    BEDROCK = "bedrock"


def vendor_of(wire: Wire) -> Vendor:
    return Vendor(wire.value.partition(".")[0])
