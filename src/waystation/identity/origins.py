"""Which names this gateway answers to, and which pages may post to it. Nothing here says who anybody is."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class HostAllowList:
    """Refuses requests that name another host: a page elsewhere must not reach us by rebinding its own name.

    The gateway's own name, `localhost` and plain IP addresses pass; rebinding needs a name, and load
    balancers' health checks use addresses.
    """

    def __init__(self, app: ASGIApp, *, base_url: str, extra: Iterable[str] = ()) -> None:
        self._app = app
        own = (urlsplit(base_url).hostname or "").lower()
        self._names = {own, "localhost", *(name.lower() for name in extra)} - {""}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            hosts = Headers(scope=scope).getlist("host")
            if len(hosts) != 1 or not self.allows(hosts[0]):
                answer = PlainTextResponse(
                    "This gateway does not answer to that host name. Use the address it was set up with.\n",
                    status_code=421,
                )
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def allows(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
            if name in self._names:
                return True
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


class SameOrigin:
    """Whether a request that changes something comes from one of our own pages."""

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        port = parts.port or _DEFAULT_PORTS[parts.scheme]
        names = {parts.hostname or ""}
        if names <= set(_LOCAL_NAMES):
            names = set(_LOCAL_NAMES)
        self._allowed = {(parts.scheme, name, port) for name in names}

    def allows(self, headers: Headers) -> bool:
        """By `Sec-Fetch-Site` where the browser sends it, else by `Origin`. Neither: not a browser's post."""
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site == "same-origin"
        origin = headers.get("origin")
        if origin is None:
            return False
        try:
            parts = urlsplit(origin)
            port = parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
        except ValueError:
            return False
        return (parts.scheme, parts.hostname or "", port) in self._allowed
