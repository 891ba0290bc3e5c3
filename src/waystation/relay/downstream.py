"""The side of the relay that faces the tool, as the exchange sees it.

Two things implement it: `listener.RelayProtocol` (uvicorn's protocol class of ours, the fast way) and
`asgi.AsgiDownstream` (plain ASGI: the fallback, and the oracle of the tests). A native engine could too.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from waystation.relay.headers import RequestHead

Header = tuple[bytes, bytes]


class Downstream(Protocol):
    """One response to one request. Calls come in order: send_head, send_body…, finish; or abort at any time."""

    def send_head(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        """Promises a response. `length` is its exact size in bytes, or None for a stream of unknown length."""

    def send_body(self, data: bytes) -> None:
        """Sends bytes now; never buffers on purpose."""

    def finish(self) -> None:
        """Ends the response; the connection may be used again."""

    def abort(self) -> None:
        """Cuts the connection: the only honest end for a response that cannot be completed."""


class Request:
    """One whole request as it came in; the body complete but still in the coding it came in."""

    __slots__ = ("arrived", "body", "head", "http_version", "method", "path", "query")

    def __init__(
        self,
        method: bytes,
        path: bytes,
        query: bytes,
        head: "RequestHead",
        body: bytes,
        arrived: float,
        http_version: str = "1.1",
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.head = head
        self.body = body
        self.arrived = arrived
        """Event-loop seconds at which the head was complete."""
        self.http_version = http_version
