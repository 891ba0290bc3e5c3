"""The relay's connections to the gateway: opened when needed, kept for the next request."""

from __future__ import annotations

import asyncio
import time
import urllib.request
from urllib.parse import unquote, urlsplit

from way.address import is_loopback
from way.pipes import Pipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl

_IDLE = 15.0
"""Seconds after which a connection is not used again: servers close idle ones, and a request that meets the
closing half-way is lost."""
_CONNECT_PATIENCE = 15.0


class Upstream:
    """Connections to one gateway. `prefix` goes before the path of each request."""

    def __init__(self, gateway: str) -> None:
        parts = urlsplit(gateway)
        self.host = parts.hostname or ""
        self.tls = parts.scheme == "https"
        self.port = parts.port or (443 if self.tls else 80)
        self.prefix = parts.path.rstrip("/").encode("ascii")
        self.authority = parts.netloc.encode("ascii")
        self._context: ssl.SSLContext | None = None
        self._idle: list[Pipe] = []
        self._proxy = _proxy_for(parts.scheme, self.host)

    async def take(self, *, new: bool = False) -> tuple[Pipe, bool]:
        """A connection, and whether it has been used before. Raises OSError."""
        now = time.monotonic()
        while self._idle and not new:
            pipe = self._idle.pop()
            if pipe.gone or pipe.waiting or now - pipe.idle_since > _IDLE:
                pipe.abort()
                continue
            return pipe, True
        return await asyncio.wait_for(self._connect(), _CONNECT_PATIENCE), False

    def give_back(self, pipe: Pipe) -> None:
        """For the next request: only after a complete answer, with nothing left to read."""
        if pipe.gone or len(self._idle) >= 16:
            pipe.close()
            return
        pipe.on_gone = None
        pipe.idle_since = time.monotonic()
        self._idle.append(pipe)

    async def _connect(self) -> Pipe:
        loop = asyncio.get_running_loop()
        if self._proxy is None:
            _, pipe = await loop.create_connection(
                Pipe,
                self.host,
                self.port,
                ssl=self._tls() if self.tls else None,
                server_hostname=self.host if self.tls else None,
            )
            return pipe
        return await self._connect_through(self._proxy)

    async def _connect_through(self, proxy: tuple[str, int, str]) -> Pipe:
        """By an HTTP proxy's CONNECT, as companies that let nothing else out want it."""
        host, port, credentials = proxy
        loop = asyncio.get_running_loop()
        transport, pipe = await loop.create_connection(Pipe, host, port)
        target = f"{self.host}:{self.port}"
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        if credentials:
            lines.append(f"Proxy-Authorization: Basic {credentials}")
        await pipe.write(("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = await pipe.read()
            if not data or len(answer) > 16_384:
                transport.abort()
                raise ConnectionError("the proxy gave no answer")
            answer += data
        status = answer.split(b" ", 2)[1:2]
        if status != [b"200"]:
            transport.abort()
            raise ConnectionError("the proxy refused the connection")
        if not self.tls:
            return pipe
        secured = await loop.start_tls(transport, pipe, self._tls(), server_hostname=self.host)
        assert secured is not None
        pipe.transport = secured
        return pipe

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            from way.tls import client_context

            self._context = client_context()
        return self._context


def _proxy_for(scheme: str, host: str) -> tuple[str, int, str] | None:
    """(host, port, credentials) of the proxy that the system or the environment names for this gateway."""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return None
    address = urllib.request.getproxies().get(scheme)
    if not address:
        return None
    parts = urlsplit(address if "://" in address else f"http://{address}")
    if parts.scheme != "http" or not parts.hostname:
        return None
    credentials = ""
    if parts.username is not None:
        from base64 import b64encode

        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        credentials = b64encode(pair.encode("utf-8")).decode("ascii")
    return parts.hostname, parts.port or 80, credentials
