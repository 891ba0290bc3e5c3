"""One TCP or TLS connection as the relay wants it: read what is there, write with back-pressure, know at once
when the other side has gone. Smaller and quicker than asyncio's streams, and it can put bytes back.
"""

from __future__ import annotations

import asyncio
import collections
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_HIGH = 256 * 1024
"""Bytes that may wait to be read before the other side is made to wait."""


class Pipe(asyncio.Protocol):
    def __init__(self, on_made: Callable[[Pipe], None] | None = None) -> None:
        self._on_made = on_made
        self._chunks: collections.deque[bytes] = collections.deque()
        self._size = 0
        self._reading: asyncio.Future[None] | None = None
        self._writing: asyncio.Future[None] | None = None
        self._reading_paused = False
        self._writing_paused = False
        self._error: BaseException | None = None
        self.transport: asyncio.Transport | None = None
        self.gone = False
        """The other side has said that it will send no more, or the connection is lost."""
        self.on_gone: Callable[[], None] | None = None
        """Called once when that happens; unset it where it is no longer of interest."""
        self.idle_since = 0.0

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        # asyncio does so itself, but not for what a socket of protocol 0 has accepted; without it each answer
        # waits 40 ms for an acknowledgement between its head and its body
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._on_made is not None:
            self._on_made(self)

    def data_received(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)
        if self._size > _HIGH and not self._reading_paused and self.transport is not None:
            self._reading_paused = True
            self.transport.pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        self._end(None)
        encrypted = self.transport is not None and self.transport.get_extra_info("sslcontext") is not None
        return not encrypted  # keep our own side open; TLS cannot, and complains if asked to

    def connection_lost(self, exc: BaseException | None) -> None:
        self._end(exc or ConnectionResetError("the connection was closed"))
        if self._writing is not None and not self._writing.done():
            self._writing.set_result(None)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        if self._writing is not None and not self._writing.done():
            self._writing.set_result(None)

    def _end(self, error: BaseException | None) -> None:
        self._error = self._error or error
        first, self.gone = not self.gone, True
        self._wake_reader()
        if first and self.on_gone is not None:
            self.on_gone()

    def _wake_reader(self) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(None)

    # our side

    async def read(self) -> bytes:
        """What has arrived, b"" at the end. Never waits for more than the first byte."""
        while not self._chunks:
            if self.gone:
                return b""
            self._reading = asyncio.get_running_loop().create_future()
            try:
                await self._reading
            finally:
                self._reading = None
        chunk = self._chunks.popleft()
        self._size -= len(chunk)
        if self._reading_paused and self._size <= _HIGH // 2 and self.transport is not None:
            self._reading_paused = False
            if not self.transport.is_closing():
                self.transport.resume_reading()
        return chunk

    @property
    def waiting(self) -> int:
        """Bytes that have arrived and were not read."""
        return self._size

    def put_back(self, data: bytes) -> None:
        if data:
            self._chunks.appendleft(data)
            self._size += len(data)

    async def write(self, data: bytes) -> None:
        """Sends, and waits while the other side is too slow. Raises ConnectionError if it has gone."""
        if self.transport is None or self.transport.is_closing():
            raise ConnectionResetError("the connection was closed")
        self.transport.write(data)
        while self._writing_paused and not self.transport.is_closing():
            self._writing = asyncio.get_running_loop().create_future()
            try:
                await self._writing
            finally:
                self._writing = None

    def close(self) -> None:
        """Ends in order: what was written is still sent."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Ends at once, so that the other side sees a broken message and not a complete one."""
        if self.transport is not None:
            self.transport.abort()
