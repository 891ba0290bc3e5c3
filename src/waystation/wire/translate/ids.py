"""The ids of tool calls, in a form that each protocol takes, and back.

A provider's id goes to the tool as it is where the tool's protocol allows it, else in an encoding that gives it
back (E75): what the tool replays is decoded first and then fitted to the provider that is asked next. So a
provider sees its own ids again, and an id never depends on how often the conversation was translated.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from hashlib import blake2b

from waystation.model import Wire

_MARK = "ws1_"
_CUT_MARK = "ws1h_"
_SAFE = re.compile(r"[a-zA-Z0-9_-]+\Z")
_STRICT = frozenset((Wire.MESSAGES, Wire.CONVERSE))
"""Their ids match `^[a-zA-Z0-9_-]+$`."""
_LONGEST = {Wire.MESSAGES: 64, Wire.CONVERSE: 64, Wire.RESPONSES: 64, Wire.CHAT: 40}
"""Converse's model and OpenAI's errors say so; of Anthropic no limit is known, and 64 has always worked."""


def encode(ident: str, wire: Wire, salt: str = "") -> str:
    """`ident` for a tool that speaks `wire`; `decode` gives it back. A `salt` makes another one of it."""
    if not salt and not ident.startswith(_MARK) and (wire not in _STRICT or _SAFE.match(ident)):
        return ident
    packed = base64.urlsafe_b64encode(f"{ident}\0{salt}".encode())
    return _MARK + packed.decode("ascii").rstrip("=")


def decode(ident: str) -> str:
    """The provider's id in what a tool replays; an id that we did not encode is itself."""
    if not ident.startswith(_MARK):
        return ident
    packed = ident[len(_MARK) :]
    try:
        plain = base64.b64decode(packed + "=" * (-len(packed) % 4), b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return ident
    found, _, salt = plain.rpartition("\0")
    return found if encode(found, Wire.MESSAGES, salt) == ident else ident


class CallIds:
    """Ids for the calls of one request to a provider: each call gets one of its own (E73)."""

    __slots__ = ("_again", "_longest", "_minted", "_replayed", "_reserved", "_strict", "_used")

    def __init__(self, wire: Wire, replayed: Iterable[str]) -> None:
        """`replayed`: the ids in the conversation as the tool sent them."""
        self._strict = wire in _STRICT
        self._longest = _LONGEST.get(wire, 256)
        self._replayed = replayed
        self._reserved: set[str] | None = None
        self._used: set[str] = set()
        self._again: dict[str, int] = {}
        self._minted = 0

    def fit(self, replayed: str) -> str:
        """The id for the next call in the conversation. It depends on what stands before, not behind."""
        ident = decode(replayed)
        if not ident:
            return self._mint()
        fitted = ident
        if (
            len(ident) > self._longest
            or (self._strict and not _SAFE.match(ident))
            or ident.startswith(_CUT_MARK)
        ):
            fitted = _cut(ident)
        while fitted in self._used:  # two turns with the same id
            again = self._again[replayed] = self._again.get(replayed, 0) + 1
            fitted = _cut(f"{replayed}\0{again}")
        self._used.add(fitted)
        return fitted

    def _mint(self) -> str:
        if self._reserved is None:
            self._reserved = set(map(decode, self._replayed))
        while True:
            self._minted += 1
            ident = f"call_ws{self._minted}"  # as no provider names its own, which may come later
            if ident not in self._reserved and ident not in self._used:
                self._used.add(ident)
                return ident


class AnswerIds:
    """Ids for the calls of one answer to the tool: none that the conversation already has."""

    __slots__ = ("_answer", "_minted", "_taken", "_wire")

    def __init__(self, wire: Wire, answer: str, replayed: Iterable[str]) -> None:
        """`answer`: an id of the answer, unique (`AnswerHead.id`)."""
        self._wire = wire
        self._answer = answer
        self._taken = set(replayed)
        self._minted = 0

    def raised(self, ident: str) -> str:
        """The tool's id for a call of which the provider's is `ident`; empty where it has none (Gemini)."""
        raised = encode(ident, self._wire) if ident else self._next("call_")
        while raised in self._taken:
            raised = encode(ident, self._wire, self._next("")) if ident else self._next("call_")
        self._taken.add(raised)
        return raised

    def _next(self, prefix: str) -> str:
        self._minted += 1
        return f"{prefix}{self._answer}_{self._minted}"


def _cut(ident: str) -> str:
    return _CUT_MARK + blake2b(ident.encode(), digest_size=16).hexdigest()
