"""What the gateway itself asks of providers: a whole answer, or why there is none.

By the same pools as everything else, so the same certificates are checked; with a deadline for all of it, and a
bound on its size. Redirects are not followed: a credential goes to the address that the policy names.
"""

import asyncio
import time
from collections.abc import Callable

import msgspec

from waystation import __version__
from waystation.model import Wire
from waystation.policy import Endpoint
from waystation.relay.core import Credential
from waystation.relay.downstream import Header
from waystation.relay.foreign import ANTHROPIC_VERSION
from waystation.relay.pool import Origin, UpstreamPools
from waystation.relay.upstream import Lost
from waystation.wire import BadBody, decode_body

_REASONS = {
    Lost.UNREACHABLE: "it was not reached",
    Lost.UNTRUSTED: "its certificate is not trusted",
    Lost.RESET: "it closed the connection",
    Lost.CUT: "it broke off its answer",
    Lost.GARBLED: "what it answered is not HTTP",
}


class NoAnswer(Exception):
    """There was no whole answer. The message says why in a few words, and nothing that anybody sent."""


class Whole(msgspec.Struct, frozen=True):
    status: int
    body: bytes


async def fetch(
    pools: UpstreamPools,
    endpoint: Endpoint,
    query: bytes = b"",
    *,
    credential: Credential,
    verify: bool,
    within: float,
    at_most: int,
    wall_clock: Callable[[], float] = time.time,
) -> Whole:
    """GETs an address of a provider, with the gateway's own credential. Raises NoAnswer.

    `within`: seconds, from the connection to the last byte. `at_most`: bytes, as sent and as decoded.
    """
    head = _head(endpoint, endpoint.target_with(query), credential, wall_clock())
    collector = _Collector(asyncio.get_running_loop().create_future(), at_most)
    call = pools.of(Origin(endpoint.host, endpoint.port, endpoint.tls, verify)).call(head, b"", collector)
    try:
        async with asyncio.timeout(within):
            await collector.whole
    except TimeoutError:
        raise NoAnswer(f"it did not answer within {within:g} seconds") from None
    finally:
        call.abort()  # nothing, once it has ended
    try:
        return Whole(collector.status, decode_body(collector.coding, collector.body(), at_most))
    except BadBody:
        raise NoAnswer("its answer cannot be decoded, or is too large") from None


def _head(endpoint: Endpoint, target: bytes, credential: Credential, now: float) -> bytes:
    headers: list[Header] = [
        (b"host", endpoint.authority),
        (b"accept", b"application/json"),
        (b"accept-encoding", b"identity"),
        (b"user-agent", b"waystation/" + __version__.encode()),
    ]
    if endpoint.wire is Wire.MESSAGES and b"anthropic-version" not in dict(endpoint.headers):
        headers.append(ANTHROPIC_VERSION)
    headers += endpoint.headers
    if isinstance(credential, tuple):
        headers.append(credential)
    elif credential is not None:
        headers += credential(b"GET", target, headers, b"", now)
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    return b"GET " + target + b" HTTP/1.1\r\n" + lines + b"\r\n"


class _Collector:
    """Puts the pieces of one answer together."""

    def __init__(self, whole: "asyncio.Future[None]", at_most: int) -> None:
        self.whole = whole
        self.status = 0
        self.coding = b""
        self._pieces: list[bytes] = []
        self._left = at_most

    def body(self) -> bytes:
        return b"".join(self._pieces)

    def on_upstream_head(self, status: int, headers: list[Header]) -> None:
        self.status = status
        self.coding = next((value for name, value in headers if name == b"content-encoding"), b"")

    def on_upstream_data(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left < 0:
            self._pieces.clear()
            self._fail("its answer is too large")
        elif not self.whole.done():
            self._pieces.append(data)

    def on_upstream_end(self) -> None:
        if not self.whole.done():
            self.whole.set_result(None)

    def on_upstream_lost(self, reason: Lost) -> None:
        self._fail(_REASONS[reason])

    def _fail(self, why: str) -> None:
        if not self.whole.done():
            self.whole.set_exception(NoAnswer(why))
