"""One event of a stream, with what faults need to know about it."""

from __future__ import annotations

from enum import Enum
from typing import Any

import msgspec

from waystation.wire import eventstream

_encode = msgspec.json.Encoder().encode


class Role(Enum):
    PREAMBLE = "preamble"
    """Before any content: says that the request was accepted and nothing else."""
    CONTENT = "content"
    CLOSING = "closing"
    """After the last content: finish reason, usage."""
    TERMINAL = "terminal"
    """The event without which the stream is not complete."""


class Event(msgspec.Struct, frozen=True):
    role: Role
    data: bytes
    """The whole event with its framing."""


def named(role: Role, body: dict[str, Any]) -> Event:
    """`event:` and `data:` lines; the name is the body's own type (Anthropic, Responses)."""
    return Event(role, b"event: %b\ndata: %b\n\n" % (body["type"].encode(), _encode(body)))


def unnamed(role: Role, body: Any) -> Event:
    """A `data:` line (Chat Completions)."""
    return Event(role, b"data: %b\n\n" % _encode(body))


def crlf(role: Role, body: Any) -> Event:
    """A `data:` line with CR LF line ends (Gemini)."""
    return Event(role, b"data: %b\r\n\r\n" % _encode(body))


def amazon(role: Role, name: str, body: dict[str, Any]) -> Event:
    """A frame of Amazon's binary event stream (Bedrock)."""
    return Event(role, eventstream.event(name, _encode(body)))


def amazon_exception(role: Role, name: str, body: dict[str, Any]) -> Event:
    """The frame that ends such a stream with an error."""
    return Event(role, eventstream.exception(name, _encode(body)))
