"""What goes in and what comes out: one HTTP request, and a reply as a series of moves on a socket.

A reply is not a body but a script for the connection, since half of what rehearsal is for cannot be said in
a body: silence at a chosen event, a reset, a length that lies. `serve` plays it over real TCP.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from urllib.parse import parse_qs, unquote

import msgspec

Headers = tuple[tuple[bytes, bytes], ...]


class Request(msgspec.Struct, frozen=True):
    """One request as it was received: raw target, header names in the case they came in, raw body."""

    method: str
    target: str
    headers: Headers
    body: bytes

    @property
    def path(self) -> str:
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(self.target.partition("?")[2], keep_blank_values=True)

    def header(self, name: str) -> str | None:
        """The first header of that name, whatever its case."""
        wanted = name.lower().encode()
        for key, value in self.headers:
            if key.lower() == wanted:
                return value.decode("latin-1")
        return None


class Pause(msgspec.Struct, frozen=True):
    """Say nothing for so many seconds."""

    seconds: float


class Break(Enum):
    """Ways to end a connection that are not the end of a response."""

    RESET = "reset"
    """TCP RST once the bytes before it are delivered."""
    HANG_UP = "hang_up"
    """An orderly FIN where the response was not over."""


Move = bytes | Pause | Break


class Framing(Enum):
    """How the end of the body is told."""

    LENGTH = "length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until_close"


class Reply(msgspec.Struct):
    """What to answer. `moves` are the body's pieces in order; each piece of bytes is flushed by itself."""

    status: int
    headers: list[tuple[bytes, bytes]]
    moves: Iterator[Move]
    framing: Framing = Framing.LENGTH
    length: int = 0
    """For `Framing.LENGTH`: what Content-Length says, true or not."""
    before_head: tuple[Move, ...] = ()
    """Played before the status line: pauses, a reset, raw 1xx responses."""
    close: bool = False
    """Say `connection: close` and close after the response."""
    close_quietly: bool = False
    """Close after the response without having said so."""

    @classmethod
    def whole(cls, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> Reply:
        return cls(status, headers, iter((body,) if body else ()), Framing.LENGTH, len(body))
