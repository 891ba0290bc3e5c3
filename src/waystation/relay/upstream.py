"""The side of the relay that faces providers: calls and the connections that carry them, by callbacks.

No task per request and no future per chunk: a response is a series of calls on the handler that asked for
it. Deadlines are kept by whoever owns the handler (`relay.watch`), which ends a call with `abort()`.
"""

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, cast

import httptools

from waystation.relay.downstream import Header

if TYPE_CHECKING:
    from waystation.relay.pool import OriginPool


class Lost(StrEnum):
    """How a call ended without a whole response."""

    UNREACHABLE = "unreachable"
    """No connection could be made: nothing was sent."""
    UNTRUSTED = "untrusted"
    """The provider's certificate did not verify: nothing was sent."""
    RESET = "reset"
    """The connection broke before any byte of a response."""
    CUT = "cut"
    """The connection broke after the response had begun."""
    GARBLED = "garbled"
    """What came back is not HTTP."""


class UpstreamHandler(Protocol):
    """Who asked. After `on_upstream_end` or `on_upstream_lost` nothing more is called."""

    def on_upstream_head(self, status: int, headers: list[Header]) -> None: ...

    def on_upstream_data(self, data: bytes) -> None: ...

    def on_upstream_end(self) -> None: ...

    def on_upstream_lost(self, reason: Lost) -> None: ...


class UpstreamCall:
    """One request on its way to a provider and its response coming back."""

    __slots__ = ("_connection", "_pool", "body", "finished", "fresh", "handler", "head", "paused", "sent")

    def __init__(self, pool: "OriginPool", head: bytes, body: bytes, handler: UpstreamHandler) -> None:
        self._pool = pool
        self.head = head
        self.body = body
        self.handler = handler
        self.finished = False
        self.paused = False
        self.sent = False
        """It is on its way: a connection took it."""
        self._connection: UpstreamConnection | None = None
        self.fresh = False

    def attach(self, connection: "UpstreamConnection", *, fresh: bool) -> None:
        self._connection = connection
        self.fresh = fresh
        self.sent = True
        if self.paused:
            connection.pause()

    def end(self) -> None:
        if not self.finished:
            self.finished = True
            self._connection = None
            self.handler.on_upstream_end()

    def lost(self, reason: Lost) -> None:
        """Tells the handler, or tries once more where the break says nothing about the provider.

        A kept-alive connection that dies before a byte of response was most likely closed by the server
        while idle (RFC 9112 §9.3.1): the request goes out once more, on a connection made for it.
        """
        if self.finished:
            return
        if reason is Lost.RESET and not self.fresh:
            self._connection = None
            self.fresh = True
            self._pool.connect_for(self)
            return
        self.finished = True
        self._connection = None
        self.handler.on_upstream_lost(reason)

    def abort(self) -> None:
        """Stops at once and closes the connection, so that the provider stops generating. Idempotent."""
        if not self.finished:
            self.finished = True
            if self._connection is not None:
                self._connection.abort()
                self._connection = None

    def pause(self) -> None:
        """Back-pressure: reads nothing more from the provider until `resume`."""
        self.paused = True
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        self.paused = False
        if self._connection is not None:
            self._connection.resume()


class UpstreamConnection(asyncio.Protocol):
    """One connection to an origin; carries one call at a time."""

    __slots__ = (
        "_call",
        "_chunked",
        "_chunks",
        "_done",
        "_framed",
        "_headers",
        "_in_chunk",
        "_in_chunks",
        "_keep_alive",
        "_parser",
        "_pool",
        "_responding",
        "_status",
        "_surplus",
        "idle_since",
        "transport",
    )

    def __init__(self, pool: "OriginPool") -> None:
        self._pool = pool
        self._parser: Any = httptools.HttpResponseParser(self)
        self._call: UpstreamCall | None = None
        self._headers: list[Header] = []
        self._chunks: list[bytes] = []
        self._status = 0
        self._responding = False  # a byte of a response has come
        self._done = False  # the response's last byte has been parsed
        self._framed = False  # the response says where it ends (length or chunks)
        self._chunked = False  # the response comes in chunks, and the parser stands between two of them
        self._in_chunk = self._in_chunks = False
        self._keep_alive = False  # valid once _done: the parser only knows while it is in the message
        self._surplus = False  # more came than was asked for
        self.idle_since = 0.0
        self.transport: asyncio.Transport | None = None

    # -- used by calls and the pool
    def send(self, call: UpstreamCall, *, fresh: bool) -> None:
        self._call = call
        self._responding = self._done = self._surplus = False
        self._chunked = self._in_chunk = self._in_chunks = False
        call.attach(self, fresh=fresh)
        assert self.transport is not None
        if len(call.body) < 16384:
            self.transport.write(call.head + call.body)
        else:  # a large body is not copied behind its head
            self.transport.writelines((call.head, call.body))

    def pause(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.pause_reading()

    def resume(self) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def abort(self) -> None:
        self._call = None
        if self.transport is not None:
            self.transport.abort()

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()

    # -- asyncio.Protocol
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        call = self._call
        if call is None:  # bytes nobody asked for: the connection cannot be trusted any more
            self.close()
            return
        if self._chunked:
            body = _one_chunk(data)
            if body:  # what a provider writes for an event: the parser need not see it
                if not call.finished:
                    call.handler.on_upstream_data(body)
                return
            self._chunked = False  # until the parser is known to stand between two chunks again
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            # A handler's own mistake: end the call, and let the mistake be seen.
            self._break(Lost.GARBLED)
            raise
        except httptools.HttpParserError:
            self._break(Lost.GARBLED)
            return
        if self._chunks:
            chunks, self._chunks = self._chunks, []
            if not call.finished:
                call.handler.on_upstream_data(chunks[0] if len(chunks) == 1 else b"".join(chunks))
        if self._done:
            if self._call is not None:
                self._complete()
        elif self._responding and not self._in_chunk and data[-2:] == b"\r\n":
            # The last thing that the parser saw is a chunk's end, or the head's.
            self._chunked = self._in_chunks

    def eof_received(self) -> bool:
        return False  # closes; connection_lost follows

    def connection_lost(self, exc: Exception | None) -> None:
        self._pool.forget(self)
        call, self._call = self._call, None
        if call is None:
            return
        if self._responding and not self._framed and self._status >= 200 and exc is None:
            call.end()  # RFC 9112 §6.3, rule 8: without length or chunks the close is the end
        else:
            call.lost(Lost.CUT if self._responding else Lost.RESET)

    # -- httptools callbacks
    def on_message_begin(self) -> None:
        if self._done:  # a second response to one request: what follows belongs to nobody
            self._surplus = True
            return
        self._responding = True
        self._framed = False
        self._headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._surplus:
            return
        name = name.lower()
        if name == b"content-length":
            self._framed = True
        elif name == b"transfer-encoding":
            self._framed = True
            self._in_chunks = value.lower() == b"chunked"
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._surplus:
            return
        self._status = status = self._parser.get_status_code()
        if status in (204, 304):
            self._framed = True
        call = self._call
        if status >= 200 and call is not None and not call.finished:
            call.head = call.body = b""  # a response has begun: nothing will be sent again
            call.handler.on_upstream_head(status, self._headers)

    def on_chunk_header(self) -> None:
        self._in_chunk = True

    def on_chunk_complete(self) -> None:
        self._in_chunk = False

    def on_body(self, body: bytes) -> None:
        if not self._surplus:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        if self._status >= 200:  # 1xx: the real response is still to come (RFC 9110 §15.2)
            self._done = True
            self._keep_alive = self._parser.should_keep_alive()

    # -- ends
    def _complete(self) -> None:
        call, self._call = self._call, None
        reusable = self._keep_alive and self._framed and not self._surplus
        if call is None or call.finished:
            self.close()
            return
        if reusable:
            if call.paused:
                self.resume()
            self._pool.put_back(self)
        else:
            self.close()
        call.end()

    def _break(self, reason: Lost) -> None:
        call, self._call = self._call, None
        if self.transport is not None:
            self.transport.abort()
        if call is not None:
            call.lost(reason)


def _one_chunk(data: bytes) -> bytes:
    """The content of `data` if that is one whole chunk (RFC 9112 §7.1) without extensions; else empty.

    It is also empty for the last chunk, whose size is zero: the parser has to see that one.
    """
    end = data.find(b"\r\n", 1, 10)
    if end < 0:
        return b""
    size = data[:end]
    if not size.isalnum() or b"x" in size or b"X" in size:  # int() would take 0x10
        return b""
    try:
        length = int(size, 16)
    except ValueError:
        return b""
    if len(data) != end + length + 4 or data[-2:] != b"\r\n":
        return b""
    return data[end + 2 : -2]
