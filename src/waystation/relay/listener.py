"""uvicorn's HTTP protocol class of ours: serves the relay addresses itself, by callbacks.

Everything else (console, API, sign-in) goes on to the ASGI application as uvicorn would do it. uvicorn
keeps sockets, TLS, workers, signals and lifespan. See docs/decisions/relay-engine.md for why, and
`relay.asgi` for the same handler as plain ASGI.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from waystation.model import Principal, Refusal, RefusalKind
from waystation.relay.addresses import Address, is_relay_path, match
from waystation.relay.core import Relay
from waystation.relay.downstream import Header, Request
from waystation.relay.exchange import Exchange
from waystation.relay.greet import too_large
from waystation.relay.headers import RequestHead
from waystation.relay.known import KnownHead

_CLOSE = b"connection: close\r\n"
_PIPELINE_LIMIT = 32
_COALESCE_BELOW = 32768


class RelayProtocol(HttpToolsProtocol):
    """One connection from a tool (or a browser, for everything that is not the relay's)."""

    relay: Relay  # set on the subclass that `protocol_for` makes

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._exchange: Exchange | None = None
        self._incoming: _Incoming | None = None
        self._queue: deque[_Incoming] = deque()
        self._head: bytes = b""
        self._raw = b""  # the read being parsed, if it begins with the message that is being parsed
        self._length = b""
        self._request_head: RequestHead | None = (
            None  # the latest request's; the next one's is mostly the same
        )
        self._chunked = False
        self._bodiless = False  # the answer to a HEAD
        self._close_after = False
        self._message_since = 0.0  # when the message now being received last moved; 0: none is
        self._idle_since = 0.0
        self._is_relay = False
        self._ignoring = False  # what still comes on this connection; it closes after the answer in flight
        self._between = True  # the parser is between two messages
        self._known: KnownHead | None = None
        self._missing = 0  # body bytes still to come of a request whose head was known

    # ---------------------------------------------------------------- receiving
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it so
        super().connection_made(transport)
        self.relay.connections.add(self)
        self._message_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        if self._missing:
            data = self._take_body(data)
            if not data:
                return
        elif self._known is not None and self._between and self._exchange is None and not self._queue:
            request = self._known.read(data, self.relay.settings.max_body)
            if request is not None and (self.cycle is None or self.cycle.response_complete):
                self._take_known(*request)
                return
        self._message_since = self.loop.time()
        self._raw = data if self._between else b""
        super().data_received(data)
        self._raw = b""

    def _take_known(self, length: int, part: bytes) -> None:
        """A request whose head is, byte for byte, one that the parser has passed on this very connection."""
        known = self._known
        assert known is not None
        self._unset_keepalive_if_required()
        request = Request(known.method, known.path, known.query, known.head, b"", self.loop.time())
        incoming = _Incoming(request, keep_alive=True)
        self._decide(incoming)  # the token may have expired since
        if incoming.refusal is None:
            incoming.parts.append(part)
        self._missing = length - len(part)
        if self._missing:
            self._incoming = incoming
            self._message_since = request.arrived
        else:
            self._accept(incoming)

    def _take_body(self, data: bytes) -> bytes:
        """More of the body of a request whose head was known; returns what comes after it."""
        incoming, missing = self._incoming, self._missing
        assert incoming is not None
        rest = data[missing:] if len(data) > missing else b""
        if rest:
            data = data[:missing]
        self._missing = missing - len(data)
        if incoming.refusal is None:
            incoming.parts.append(data)
        if self._missing:
            self._message_since = self.loop.time()
        else:
            self._incoming = None
            self._message_since = 0.0
            self._accept(incoming)
        return rest

    def _unsupported_upgrade_warning(self) -> None:
        """The refusal has gone out already (426); it is no news for the log."""

    def send_400_response(self, msg: str) -> None:
        """What came is not HTTP, or is HTTP that two readers could read differently (request smuggling)."""
        if self._exchange is not None:
            self._close_after = True  # the answer in flight is to a good request; nothing after it is read
            self.flow.pause_reading()
            return
        request = Request(b"", self.url.partition(b"?")[0], b"", RequestHead([]), b"", self.loop.time())
        address = match(b"POST", request.path)
        if address is None:
            super().send_400_response(msg)
            return
        self._incoming = None
        incoming = _Incoming(request, keep_alive=False)
        incoming.address = address
        incoming.refusal = Refusal(
            RefusalKind.BAD_REQUEST, f"{msg} The connection is closed.", rule="relay.http"
        )
        self._start(incoming)

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []
        self._length = b""
        self._incoming = None
        self._between = False

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"content-length":
            self._length = value  # kept apart: all else is the same in each request of a connection
        else:
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        path, _, query = self.url.partition(b"?")
        if not is_relay_path(path):
            self._hand_to_asgi()
            return
        head = self._request_head
        if head is None or head.headers != self.headers:
            head = self._request_head = RequestHead(self.headers)
        request = Request(
            self.parser.get_method(),
            path,
            query,
            head,
            b"",
            self.loop.time(),
            self.parser.get_http_version(),
        )
        self._is_relay = True
        incoming = self._incoming = _Incoming(request, keep_alive=self.parser.should_keep_alive())
        self._decide(incoming)
        if incoming.keep_alive and request.http_version == "1.1" and not self.expect_100_continue:
            self._known = KnownHead.of(self._raw, request, self._length)
        if incoming.refusal is None and self.expect_100_continue and self._exchange is None:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _decide(self, incoming: "_Incoming") -> None:
        """What can be decided on the head alone, so that a stranger's body is not even kept."""
        request = incoming.request
        address = match(request.method, request.path)
        assert address is not None  # is_relay_path said so
        incoming.address = address
        who = self.relay.judge(request, address)
        if isinstance(who, Refusal):
            incoming.refusal = who
            if who.kind is RefusalKind.UPGRADE_REQUIRED:
                incoming.keep_alive = False  # the parser takes what follows for another protocol
        else:
            incoming.who = who
        length = self._length
        if length.isdigit() and int(length) > self.relay.settings.max_body:
            self._too_large(incoming)

    def _too_large(self, incoming: "_Incoming") -> None:
        incoming.refusal = too_large(self.relay.settings.max_body)
        incoming.parts.clear()
        if not incoming.answer_now:
            incoming.answer_now = True
            incoming.keep_alive = False
            self._accept(incoming)

    def on_body(self, body: bytes) -> None:
        incoming = self._incoming
        if incoming is None:
            if not self._ignoring:
                super().on_body(body)
        elif incoming.refusal is None:
            incoming.size += len(body)
            if incoming.size > self.relay.settings.max_body:
                self._too_large(incoming)
            else:
                incoming.parts.append(body)

    def on_message_complete(self) -> None:
        incoming = self._incoming
        self._message_since = 0.0
        self._between = True
        self._raw = b""  # what follows in this read is another message
        if incoming is None:
            if not self._ignoring:
                super().on_message_complete()
            return
        self._incoming = None
        if not incoming.answer_now:
            self._accept(incoming)

    def _accept(self, incoming: "_Incoming") -> None:
        """Starts the exchange, or queues it behind the one in flight (HTTP/1.1 pipelining)."""
        busy = self._exchange is not None or (self.cycle is not None and not self.cycle.response_complete)
        if not busy:
            self._start(incoming)
        elif len(self._queue) >= _PIPELINE_LIMIT:
            self.transport.close()
        else:
            self._queue.append(incoming)
            self.transport.pause_reading()

    def _start(self, incoming: "_Incoming") -> None:
        request, address = incoming.request, incoming.address
        assert address is not None
        parts = incoming.parts
        request.body = parts[0] if len(parts) == 1 else b"".join(parts)
        incoming.parts = []
        self._unset_keepalive_if_required()
        self._close_after = not incoming.keep_alive or request.http_version == "1.0"
        exchange = self._exchange = Exchange(self.relay, request, address, incoming.who, self)
        try:
            exchange.start(incoming.refusal)
        except Exception:
            self.logger.exception("relay failed before its first attempt")
            if exchange.head_sent:
                self.abort()
            else:
                exchange.refuse(
                    Refusal(
                        RefusalKind.INTERNAL,
                        f"The gateway failed (request {exchange.request_id}): try again.",
                    )
                )

    def _hand_to_asgi(self) -> None:
        """This message is not the relay's: gives it to uvicorn's own handling."""
        if self._exchange is not None or self._queue:
            # A pipelined request of another kind behind a relayed one: nobody does that; the client must
            # send it again, on a new connection (RFC 9112 §9.3.2 lets us).
            self._close_after = self._ignoring = True
            self.flow.pause_reading()
            return
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        if self._length:
            headers.append((b"content-length", self._length))
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expect
        self.headers = self.scope["headers"] = headers
        super().on_headers_complete()

    # ---------------------------------------------------------------- Downstream
    def send_head(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        exchange = self._exchange
        assert exchange is not None
        old = exchange.request.http_version == "1.0"
        lines = [STATUS_LINE[status]]
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
        self._chunked = length is None and not old
        if self._chunked:
            lines.append(b"transfer-encoding: chunked\r\n")
        elif length is not None:
            lines.append(b"content-length: %d\r\n" % length)
        else:
            self._close_after = True
        if self._close_after:
            lines.append(_CLOSE)
        lines.append(b"\r\n")
        self._head = b"".join(lines)
        self._bodiless = exchange.request.method == b"HEAD"
        if length == 0 or self._bodiless:
            self._flush_head()

    def _flush_head(self) -> None:
        head, self._head = self._head, b""
        if head and not self.transport.is_closing():
            self.transport.write(head)

    def send_body(self, data: bytes) -> None:
        transport = self.transport
        if transport.is_closing() or self._bodiless:
            return
        head = self._head
        if head:
            self._head = b""
        if self._chunked:
            if len(data) < _COALESCE_BELOW:
                transport.write(b"%b%x\r\n%b\r\n" % (head, len(data), data))
            else:
                transport.writelines((b"%b%x\r\n" % (head, len(data)), data, b"\r\n"))
        elif not head:
            transport.write(data)
        elif len(data) < _COALESCE_BELOW:
            transport.write(head + data)
        else:
            transport.writelines((head, data))

    def finish(self) -> None:
        exchange, self._exchange = self._exchange, None
        if self._head:
            self._flush_head()
        if self._chunked and not self.transport.is_closing():
            self.transport.write(b"0\r\n\r\n")
        self._chunked = False
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        if self._close_after or self.relay.draining:
            self.transport.close()
            return
        del exchange
        self._idle_since = self.loop.time()
        if self._queue:
            self.loop.call_soon(self._next)

    def abort(self) -> None:
        self._exchange = None
        self.transport.abort()

    def _next(self) -> None:
        if self._exchange is None and self._queue and not self.transport.is_closing():
            incoming = self._queue.popleft()
            if not self._queue:
                self.transport.resume_reading()
            self._start(incoming)

    # ---------------------------------------------------------------- connection
    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._queue and self._exchange is None:
            self._next()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._exchange is not None:
            self._exchange.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._exchange is not None:
            self._exchange.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        exchange, self._exchange = self._exchange, None
        self._queue.clear()
        self._incoming = None
        self.relay.connections.discard(self)
        if exchange is not None:
            exchange.client_gone()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Graceful: an exchange in flight ends first (its stream finishes), then the connection closes."""
        if self._exchange is not None:
            self._close_after = True
        elif self._incoming is not None:
            self._incoming.keep_alive = False
        else:
            super().shutdown()

    def check(self, now: float) -> None:
        """Closes a connection whose request does not arrive (slow-loris), or that has been idle for long."""
        if self._exchange is not None or self._queue:
            return
        if self._message_since:
            if now - self._message_since > self.relay.settings.receive_timeout:
                self._message_since = 0.0
                self.transport.close()
        elif (
            self._is_relay
            and self._idle_since
            and now - self._idle_since > self.relay.settings.client_keep_alive
        ):
            self.transport.close()


class _Incoming:
    """A request while it arrives."""

    __slots__ = ("address", "answer_now", "keep_alive", "parts", "refusal", "request", "size", "who")

    def __init__(self, request: Request, *, keep_alive: bool) -> None:
        self.request = request
        self.keep_alive = keep_alive
        self.address: Address | None = None
        self.who: Principal | None = None
        self.refusal: Refusal | None = None
        self.answer_now = False
        self.parts: list[bytes] = []
        self.size = 0


def protocol_for(relay: Relay) -> type[RelayProtocol]:
    """The protocol class to give to uvicorn (`Config(http=…)`), bound to one relay."""
    return type("BoundRelayProtocol", (RelayProtocol,), {"relay": relay})
