"""Recorded streams of each protocol, and what a tap makes of them."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from waystation.model import Usage, Wire
from waystation.wire import StreamError, StreamTap, make_tap

FIXTURES = Path(__file__).parent / "fixtures"

STREAMS = {
    "messages.sse": Wire.MESSAGES,
    "messages_error_first.sse": Wire.MESSAGES,
    "messages_error_late.sse": Wire.MESSAGES,
    "messages_unknown.sse": Wire.MESSAGES,
    "responses.sse": Wire.RESPONSES,
    "responses_incomplete.sse": Wire.RESPONSES,
    "responses_failed.sse": Wire.RESPONSES,
    "responses_error_first.sse": Wire.RESPONSES,
    "responses_error_late.sse": Wire.RESPONSES,
    "chat.sse": Wire.CHAT,
    "chat_error.sse": Wire.CHAT,
    "generate.sse": Wire.GENERATE,
    "generate_error.sse": Wire.GENERATE,
    "generate_array.json": Wire.GENERATE,
}


class Seen(NamedTuple):
    """Everything a caller of a tap can observe at the end of a stream."""

    forwarded: bytes
    usage: Usage | None
    terminal: bool
    committed: bool
    error: StreamError | None
    finish_reason: str
    output_bytes: int
    output_events: int


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def events_of(name: str) -> list[bytes]:
    """The events of a recorded stream, each with its separator."""
    data = fixture(name)
    separator = b"\r\n\r\n" if b"\r\n" in data else b"\n\n"
    return [event + separator for event in data.split(separator)[:-1]]


def play(wire: Wire, chunks: Iterable[bytes], *, drop_usage_chunk: bool = False) -> tuple[StreamTap, bytes]:
    """A tap after the whole stream, and all the bytes that it forwarded."""
    tap = make_tap(wire, drop_usage_chunk=drop_usage_chunk)
    out = [tap.feed(chunk) for chunk in chunks]
    out.append(tap.close())
    return tap, b"".join(out)


def observe(wire: Wire, chunks: Iterable[bytes], *, drop_usage_chunk: bool = False) -> Seen:
    tap, forwarded = play(wire, chunks, drop_usage_chunk=drop_usage_chunk)
    return Seen(
        forwarded,
        tap.usage,
        tap.terminal,
        tap.committed,
        tap.error,
        tap.finish_reason,
        tap.output_bytes_seen,
        tap.output_events,
    )


def sse(*data: str, event: str = "") -> bytes:
    """Events with these data lines, all with the same event name."""
    head = f"event: {event}\n" if event else ""
    return "".join(f"{head}data: {line}\n\n" for line in data).encode()
