"""Keep-alive connections to providers, pooled by origin."""

import asyncio
import logging
import ssl
from collections import deque
from contextlib import suppress

import msgspec

from waystation.relay.upstream import Lost, UpstreamCall, UpstreamConnection, UpstreamHandler

_log = logging.getLogger("waystation.relay")


class Origin(msgspec.Struct, frozen=True):
    """Where connections of one pool go."""

    host: str
    port: int
    tls: bool
    verify: bool = True


class OriginPool:
    """Keep-alive connections to one origin, newest first (the oldest may time out at the server)."""

    def __init__(self, origin: Origin, loop: asyncio.AbstractEventLoop, connect_timeout: float) -> None:
        self.origin = origin
        self._loop = loop
        self._connect_timeout = connect_timeout
        self._idle: deque[UpstreamConnection] = deque()
        self._connecting: set[asyncio.Task[None]] = set()
        self._tls: ssl.SSLContext | None = None

    def call(self, head: bytes, body: bytes, handler: UpstreamHandler) -> UpstreamCall:
        """Sends a request; the handler hears the rest. Never raises for what the network does."""
        call = UpstreamCall(self, head, body, handler)
        while self._idle:
            connection = self._idle.pop()
            if connection.transport is not None and not connection.transport.is_closing():
                connection.send(call, fresh=False)
                return call
        call.fresh = True
        self.connect_for(call)
        return call

    def connect_for(self, call: UpstreamCall) -> None:
        task = self._loop.create_task(self._connect(call))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, call: UpstreamCall) -> None:
        origin = self.origin
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await self._loop.create_connection(
                    lambda: UpstreamConnection(self), origin.host, origin.port, ssl=self._context()
                )
        except ssl.SSLCertVerificationError as error:
            self._tell("certificate not trusted", error.verify_message)
            call.lost(Lost.UNTRUSTED)
        except (OSError, TimeoutError) as error:
            self._tell("provider not reached", str(error) or type(error).__name__)
            call.lost(Lost.UNREACHABLE)
        else:
            if call.finished:  # the tool went away meanwhile: keep the connection for the next
                self.put_back(connection)
            else:
                connection.send(call, fresh=True)

    def _tell(self, what: str, why: str) -> None:
        fields = {"host": self.origin.host, "port": self.origin.port, "reason": why[:200]}
        _log.warning(what, extra={"fields": fields})

    def _context(self) -> ssl.SSLContext | None:
        if not self.origin.tls:
            return None
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
            if not self.origin.verify:
                self._tls.check_hostname = False
                self._tls.verify_mode = ssl.CERT_NONE
        return self._tls

    def put_back(self, connection: UpstreamConnection) -> None:
        connection.idle_since = self._loop.time()
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        if connection.idle_since:
            with suppress(ValueError):  # it may be carrying a call
                self._idle.remove(connection)

    def close_idle(self, before: float) -> None:
        """Closes connections that have been idle since before that loop time."""
        while self._idle and self._idle[0].idle_since < before:
            self._idle.popleft().close()

    @property
    def idle(self) -> int:
        return len(self._idle)

    def close(self) -> None:
        for task in self._connecting:
            task.cancel()
        while self._idle:
            self._idle.pop().close()


class UpstreamPools:
    """All origins' pools. `connect_timeout` in seconds; idle connections are closed after `keep_alive`."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        connect_timeout: float = 10.0,
        keep_alive: float = 55.0,
    ) -> None:
        self._loop = loop
        self._connect_timeout = connect_timeout
        self._keep_alive = keep_alive
        self._pools: dict[Origin, OriginPool] = {}

    def of(self, origin: Origin) -> OriginPool:
        pool = self._pools.get(origin)
        if pool is None:
            pool = self._pools[origin] = OriginPool(origin, self._loop, self._connect_timeout)
        return pool

    def sweep(self) -> None:
        before = self._loop.time() - self._keep_alive
        for pool in self._pools.values():
            pool.close_idle(before)

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()
