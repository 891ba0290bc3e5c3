"""Serving rehearsal replies over real TCP, faults included.

A small HTTP/1.1 server of its own, since no general server lets a handler reset a connection mid-event, lie
about a length or send a 1xx. It is not meant to face the internet: it belongs on loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from types import TracebackType
from typing import Self, cast

import httptools

from waystation.rehearsal.exchange import Break, Framing, Headers, Move, Pause, Reply, Request
from waystation.rehearsal.provider import Rehearsal
from waystation.rehearsal.script import Script, Step
from waystation.rehearsal.vendor import Vendor

_log = logging.getLogger(__name__)
_LARGEST_BODY = 256 * 1024 * 1024
_REASONS = {s.value: s.phrase.encode() for s in HTTPStatus} | {529: b"Overloaded"}


class Recorded:
    """A request as it arrived, and what became of its answer. Times are `time.monotonic()`, in seconds."""

    __slots__ = (
        "body",
        "closed_early_at",
        "ended",
        "finished_at",
        "headers",
        "method",
        "moves",
        "received_at",
        "status",
        "target",
    )

    def __init__(self, request: Request, received_at: float) -> None:
        self.method = request.method
        self.target = request.target
        self.headers: Headers = request.headers
        self.body = request.body
        self.received_at = received_at
        self.status = 0
        """Status that was answered; 0 while there is none."""
        self.moves = 0
        """Pieces of the body that were written."""
        self.finished_at: float | None = None
        """When the last byte of the answer was handed to the kernel."""
        self.closed_early_at: float | None = None
        """When the client hung up before its answer was complete."""
        self.ended = asyncio.Event()
        """Set once the answer is finished, broken off, or no longer wanted."""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def hung_up(self) -> bool:
        return self.closed_early_at is not None

    def header(self, name: str) -> str | None:
        """The first header of that name, whatever its case."""
        return Request(self.method, self.target, self.headers, b"").header(name)

    def __repr__(self) -> str:
        return f"<{self.method} {self.path} {len(self.body)} bytes → {self.status or '…'}>"


class RehearsalServer:
    """`async with RehearsalServer(port=0) as server:` serves until the block ends, then closes everything.

    `record` is how many of the latest requests are kept in `requests`, bodies and headers included: 0 where
    the provider runs for people and not for a test. `keyless` lets requests without a key in.
    """

    def __init__(
        self,
        script: Script = Script(),  # noqa: B008 - frozen
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], float] = time.time,
        record: int = 1000,
        keyless: bool = False,
    ) -> None:
        self.rehearsal = Rehearsal(script, clock=clock, keyless=keyless)
        self.host = host
        self.port = port
        self.requests: list[Recorded] = []
        self._record = record
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    @property
    def url(self) -> str:
        """Base URL without a trailing slash; append `/anthropic`, `/openai/v1` or `/gemini`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def play(self, *steps: Step) -> None:
        """Append steps to the script; they take effect with the next request."""
        self.rehearsal.prompter.add(*steps)

    def list_models(self, vendor: Vendor, *names: str) -> None:
        """From the next request on, the vendor's list of models has these; it answers to any name as ever."""
        self.rehearsal.lists[vendor] = names

    async def start(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self.host, self.port, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        """Stop listening and close every connection, whatever it was doing."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.abort()
        self._server = None
        await asyncio.sleep(0)

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _recorded(self, request: Request) -> Recorded:
        recorded = Recorded(request, time.monotonic())
        if self._record:
            self.requests.append(recorded)
            if len(self.requests) > self._record:
                del self.requests[0]
        return recorded


class _Connection(asyncio.Protocol):
    """One client connection: requests are answered one after the other, pipelined ones in order."""

    def __init__(self, server: RehearsalServer) -> None:
        self._server = server
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._answering: Recorded | None = None
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []
        self._size = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are not subclasses of asyncio's
        self._server._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._server._connections.discard(self)
        self._transport = None
        if self._answering is not None:
            self._answering.closed_early_at = time.monotonic()
            self._answering.ended.set()
            self._answering = None
        if self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(b"HTTP/1.1 426 Upgrade Required\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        except httptools.HttpParserError:
            self._refuse(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _refuse(self, answer: bytes) -> None:
        if self._transport is not None:
            self._transport.write(answer)
            self._transport.close()

    # httptools callbacks

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers = []
        self._body = []
        self._size = 0

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        expects = any(n.lower() == b"expect" and v.lower() == b"100-continue" for n, v in self._headers)
        if expects and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._size += len(body)
        if self._size > _LARGEST_BODY:
            self._refuse(b"HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self._body = []
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        method = self._parser.get_method().decode()
        request = Request(method, self._target.decode("latin-1"), tuple(self._headers), b"".join(self._body))
        self._waiting.append((request, self._parser.should_keep_alive()))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._answer_all())

    # answering

    async def _answer_all(self) -> None:
        try:
            await self._answer_each()
        except Exception:
            _log.exception("the rehearsal provider failed to answer")
            self.abort()

    async def _answer_each(self) -> None:
        while self._waiting and self._transport is not None:
            request, keep_alive = self._waiting.popleft()
            recorded = self._server._recorded(request)
            self._answering = recorded
            reply = self._server.rehearsal.reply(request)
            ended = await self._play(request, reply, recorded)
            self._answering = None
            if not recorded.hung_up:
                recorded.finished_at = time.monotonic()
                recorded.ended.set()
            if ended or not keep_alive or _closes(reply):
                if self._transport is not None:
                    self._transport.close()
                return

    async def _play(self, request: Request, reply: Reply, recorded: Recorded) -> bool:
        """True if the connection was ended on the way."""
        for move in reply.before_head:
            if await self._move(move):
                return True
        recorded.status = reply.status
        self._write(_head(reply))
        if request.method == "HEAD":
            return False
        chunked = reply.framing is Framing.CHUNKED
        for move in reply.moves:
            if chunked and isinstance(move, bytes):
                move = b"%x\r\n%b\r\n" % (len(move), move)
            if await self._move(move):
                return True
            recorded.moves += 1
        if chunked:
            self._write(b"0\r\n\r\n")
        await self._writable.wait()
        return False

    async def _move(self, move: Move) -> bool:
        """Play one move; True if it ended the connection."""
        if isinstance(move, bytes):
            self._write(move)
            if not self._writable.is_set():
                await self._writable.wait()
            return False
        if isinstance(move, Pause):
            await asyncio.sleep(move.seconds)
            return False
        self._answering = None
        await self._flushed()
        if move is Break.RESET:
            self._reset()
        elif self._transport is not None:
            self._transport.close()
        return True

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def _flushed(self) -> None:
        """Wait until the kernel has everything that was written."""
        while self._transport is not None and self._transport.get_write_buffer_size():  # noqa: ASYNC110 - no event tells when the buffer is empty
            await asyncio.sleep(0.001)

    def _reset(self) -> None:
        """Close with RST instead of FIN: lingering for no time discards the connection."""
        if self._transport is None:
            return
        sock: socket.socket | None = self._transport.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()


def _closes(reply: Reply) -> bool:
    return reply.close or reply.close_quietly or reply.framing is Framing.UNTIL_CLOSE


def _head(reply: Reply) -> bytes:
    lines = [b"HTTP/1.1 %d %b\r\n" % (reply.status, _REASONS.get(reply.status, b"Unknown"))]
    lines += [b"%b: %b\r\n" % header for header in reply.headers]
    if reply.framing is Framing.CHUNKED:
        lines.append(b"transfer-encoding: chunked\r\n")
    elif reply.framing is Framing.LENGTH:
        lines.append(b"content-length: %d\r\n" % reply.length)
    if reply.close or reply.framing is Framing.UNTIL_CLOSE:
        lines.append(b"connection: close\r\n")
    lines.append(b"\r\n")
    return b"".join(lines)
