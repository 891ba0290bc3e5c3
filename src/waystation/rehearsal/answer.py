"""What the rehearsal model says, in terms that the four protocols share."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Any

import msgspec

from waystation.model import Usage

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


class Text(msgspec.Struct, frozen=True):
    text: str


class Thinking(msgspec.Struct, frozen=True):
    """Reasoning. What of it is visible is for the protocol and the request to say."""

    text: str


class Call(msgspec.Struct, frozen=True):
    """A call of a tool that the caller declared; `input` is text for a freeform tool."""

    name: str
    input: dict[str, Any] | str
    namespace: str = ""

    @property
    def arguments(self) -> str:
        """The input as a model writes it: JSON, or plain text for a freeform tool."""
        return self.input if isinstance(self.input, str) else msgspec.json.encode(self.input).decode()


Said = Text | Thinking | Call


class Finish(StrEnum):
    """Why the model stopped."""

    STOP = "stop"
    LENGTH = "length"
    TOOLS = "tools"
    STOP_SEQUENCE = "stop_sequence"
    REFUSAL = "refusal"
    FAILED = "failed"
    """Responses only: `response.failed` with usage."""


class Answer(msgspec.Struct):
    said: tuple[Said, ...]
    finish: Finish = Finish.STOP
    stop_sequence: str | None = None
    usage: Usage = Usage()
    first_usage: Usage | None = None
    """What the stream's first event claims, where usage grows until the last."""
    interleave: bool = False
    """Stream parallel calls' arguments alternately, where the protocol can say that."""
    usage_known: bool = True
    """False: the provider forgets to report usage."""


class Ids:
    """Identifiers derived from the request, so that the same request gets the same bytes."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed
        self._n = 0

    def make(self, prefix: str, length: int, alphabet: str = _BASE62) -> str:
        self._n += 1
        number = int.from_bytes(
            hashlib.blake2b(self._seed, digest_size=64, person=self._n.to_bytes(8, "big")).digest()
        )
        base = len(alphabet)
        digits: list[str] = []
        for _ in range(length):
            number, digit = divmod(number, base)
            digits.append(alphabet[digit])
        return prefix + "".join(digits)

    def noise(self) -> str:
        """Eight characters of filler, as OpenAI pads its deltas with."""
        self._n += 1
        return hashlib.blake2b(self._seed, digest_size=4, person=self._n.to_bytes(8, "big")).hexdigest()

    def hex(self, prefix: str, length: int) -> str:
        return self.make(prefix, length, "0123456789abcdef")


def pieces(text: str, size: int = 0) -> list[str]:
    """Cut as a model streams: word by word (a word with the space before it), or every `size` characters."""
    if size:
        return [text[i : i + size] for i in range(0, len(text), size)]
    found: list[str] = []
    start = 0
    for i in range(1, len(text)):
        if text[i] == " " and text[i - 1] != " ":
            found.append(text[start:i])
            start = i
    if text:
        found.append(text[start:])
    return found
