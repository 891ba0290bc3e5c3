"""A client that sees bytes and how connections end, and nothing else."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from tests.rehearsal.asking import body, headers, target

from waystation.model import Wire
from waystation.rehearsal import RehearsalServer

FIN = "fin"
RESET = "reset"
OPEN = "open"
"""The connection was still open when nothing more came for a while."""


class Seen:
    """Everything that came back on one connection."""

    def __init__(self, raw: bytes, ended: str, arrivals: list[tuple[float, int]]) -> None:
        self.raw = raw
        self.ended = ended
        self.arrivals = arrivals
        """(seconds since the request was sent, bytes so far) for each read."""
        self.head, _, self.payload = raw.partition(b"\r\n\r\n")
        while self.head.startswith(b"HTTP/1.1 1"):  # informational responses come before the real one
            self.head, _, self.payload = self.payload.partition(b"\r\n\r\n")

    @property
    def status(self) -> int:
        return int(self.head.split(b" ", 2)[1]) if self.head else 0

    @property
    def lines(self) -> list[bytes]:
        """Header lines, lower-cased."""
        return self.head.lower().split(b"\r\n")[1:]

    @property
    def content(self) -> bytes:
        """The payload without its framing; what there is of it, if the framing is broken."""
        if b"transfer-encoding: chunked" not in self.lines:
            return self.payload
        out, rest = b"", self.payload
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            if not size.strip():
                break
            length = int(size, 16)
            out += rest[:length]
            rest = rest[length + 2 :]
        return out

    @property
    def missing(self) -> int | None:
        """Bytes that the HTTP response still lacks; less than 0 if there are too many, None if nobody can say."""
        if b"transfer-encoding: chunked" in self.lines:
            return 0 if self.payload.endswith(b"0\r\n\r\n") else None
        length = next(
            (int(h.partition(b":")[2]) for h in self.lines if h.startswith(b"content-length")), None
        )
        return None if length is None else length - len(self.payload)

    @property
    def framed_end(self) -> bool:
        """The HTTP response itself is complete."""
        return self.missing == 0

    @property
    def nothing_more(self) -> bool:
        return self.missing is not None and self.missing <= 0


def request(wire: Wire, words: str, *, stream: bool = True, **more: Any) -> bytes:
    """One HTTP/1.1 request as bytes."""
    raw = json.dumps(body(wire, words, stream=stream, **more)).encode()
    return encoded("POST", target(wire, stream=stream), headers(wire), raw)


def encoded(method: str, where: str, fields: tuple[tuple[bytes, bytes], ...], raw: bytes = b"") -> bytes:
    lines = [f"{method} {where} HTTP/1.1\r\nhost: rehearsal\r\ncontent-length: {len(raw)}\r\n".encode()]
    lines += [k + b": " + v + b"\r\n" for k, v in fields]
    return b"".join(lines) + b"\r\n" + raw


async def exchange(
    server: RehearsalServer,
    sent: bytes,
    *,
    over: Callable[[Seen], bool] = lambda seen: seen.nothing_more,
    linger: float = 0.03,
) -> Seen:
    """Send bytes, then read until the connection ends, or until it is over and nothing came for `linger` seconds."""
    reader, writer = await asyncio.open_connection(server.host, server.port)
    loop = asyncio.get_running_loop()
    writer.write(sent)
    begun = loop.time()
    raw, arrivals, ended = b"", [], OPEN
    patience = 10.0
    try:
        while True:
            try:
                data = await asyncio.wait_for(reader.read(1 << 20), patience)
            except TimeoutError:
                break
            except ConnectionResetError:
                ended = RESET
                break
            if not data:
                ended = FIN
                break
            raw += data
            arrivals.append((loop.time() - begun, len(raw)))
            if over(Seen(raw, OPEN, [])):
                patience = linger
    finally:
        writer.transport.abort()
    return Seen(raw, ended, arrivals)
