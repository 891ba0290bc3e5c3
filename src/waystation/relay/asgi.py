"""The relay as a plain ASGI application: the same exchange behind another downstream.

Used where uvicorn's internals cannot be built on, and by the tests as the oracle: the same bytes must come
from here and from `relay.listener`.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from waystation.model import Principal, Refusal
from waystation.relay.addresses import match
from waystation.relay.core import Relay
from waystation.relay.downstream import Header, Request
from waystation.relay.exchange import Exchange
from waystation.relay.greet import too_large
from waystation.relay.headers import RequestHead

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_HIGH_WATER = 65536


class RelayApp:
    """ASGI 3 application for the relay addresses; hands everything else to `otherwise`."""

    def __init__(self, relay: Relay, otherwise: Callable[..., Awaitable[None]]) -> None:
        self._relay = relay
        self._otherwise = otherwise

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path: bytes = scope.get("raw_path", b"") if scope["type"] == "http" else b""
        address = match(scope["method"].encode("ascii"), path) if path else None
        if address is None:
            await self._otherwise(scope, receive, send)
            return
        relay = self._relay
        request = Request(
            scope["method"].encode("ascii"),
            path,
            scope["query_string"],
            RequestHead([(n, v) for n, v in scope["headers"] if n != b"content-length"]),
            b"",
            relay.now(),
        )
        who = relay.judge(request, address)
        refusal = who if isinstance(who, Refusal) else None
        body, refusal = await self._body(receive, refusal)
        request.body = body
        down = AsgiDownstream()
        principal = who if isinstance(who, Principal) else None
        exchange = Exchange(relay, request, address, principal, down)
        down.exchange = exchange
        exchange.start(refusal)
        await down.pump(receive, send)

    async def _body(self, receive: Receive, refusal: Refusal | None) -> tuple[bytes, Refusal | None]:
        parts: list[bytes] = []
        size = 0
        limit = self._relay.settings.max_body
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return b"", refusal
            part: bytes = message.get("body", b"")
            size += len(part)
            if refusal is None and size > limit:
                refusal = too_large(limit)
                parts.clear()
            if refusal is None:
                parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts), refusal


class AsgiDownstream:
    """Turns the exchange's calls into ASGI messages, with back-pressure from `send`."""

    def __init__(self) -> None:
        self.exchange: Exchange | None = None
        self._messages: deque[Message | None] = deque()
        self._size = 0
        self._wake = asyncio.Event()
        self._paused = False

    def send_head(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        sent = list(headers)
        if length is not None:
            sent.append((b"content-length", b"%d" % length))
        self._put({"type": "http.response.start", "status": status, "headers": sent})

    def send_body(self, data: bytes) -> None:
        self._size += len(data)
        self._put({"type": "http.response.body", "body": data, "more_body": True})
        if self._size > _HIGH_WATER and not self._paused and self.exchange is not None:
            self._paused = True
            self.exchange.pause()

    def finish(self) -> None:
        self._put({"type": "http.response.body", "body": b"", "more_body": False})

    def abort(self) -> None:
        self._put(None)

    def _put(self, message: Message | None) -> None:
        self._messages.append(message)
        self._wake.set()

    async def pump(self, receive: Receive, send: Send) -> None:
        """Sends until the response ends or the client is gone. Raising is how ASGI cuts a connection."""
        gone = asyncio.ensure_future(receive())
        try:
            while True:
                waiting = asyncio.ensure_future(self._wake.wait())
                await asyncio.wait((waiting, gone), return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                while self._messages:
                    message = self._messages.popleft()
                    if message is None:
                        raise ConnectionAbortedError(
                            "the provider's answer broke off and cannot be completed"
                        )
                    await send(message)
                    if message["type"] == "http.response.body":
                        self._size -= len(message["body"])
                        if not message["more_body"]:
                            return
                self._wake.clear()
                if self._paused and self.exchange is not None:
                    self._paused = False
                    self.exchange.resume()
                if gone.done():
                    return
        finally:
            gone.cancel()
            if self.exchange is not None:
                self.exchange.client_gone()
