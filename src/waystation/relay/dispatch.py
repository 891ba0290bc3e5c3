"""What the requests of one connection to one route have in common.

A tool sends one request after another on a connection: the same headers, token, model and route, and so the
same head to the provider and the same words about whose request it is. They are put together once and used
for as long as nothing of it changes; each request is still admitted by itself.
"""

from typing import TYPE_CHECKING

from waystation.model import Route
from waystation.policy import Endpoint

if TYPE_CHECKING:
    from waystation.relay.exchange import Exchange

Labels = tuple[
    str, str, tuple[str, ...], str, str, str, str, str, str, str, str, str, str, str, str, str, bool
]
"""`principal_id` to `stream`: the columns that `Begin` and `Attempt` share, in their order."""

NOBODY: Labels = ("", "", (), "", "", "", "", "", "", "", "", "", "", "", "", "", False)


def labels(x: "Exchange", route: Route | None) -> Labels:
    """Whose request it is, from which tool, for what, to where."""
    principal, facts, address = x.principal, x.facts, x.address
    assert principal is not None
    assert facts is not None
    groups, cost_center = x.relay.standing(x.plan, principal)
    return (
        principal.id,
        principal.name,
        groups,
        cost_center,
        principal.session,
        principal.device,
        *x.tool,
        x.tool_session,
        address.surface,
        address.wire,
        address.operation or "",
        facts.model,
        route.id if route else "",
        route.provider.id if route else "",
        route.model if route else "",
        facts.stream,
    )


class Dispatch:
    """See the module. Made for one exchange and route; `fits` says whether it serves another exchange too."""

    __slots__ = (
        "_credentials",
        "_model",
        "_path",
        "_plan",
        "_principal",
        "_query",
        "_route",
        "_session",
        "_stream",
        "head",
        "labels",
        "pool",
    )

    def __init__(self, x: "Exchange", route: Route, endpoint: Endpoint) -> None:
        assert x.facts is not None
        self._plan = x.plan
        self._principal = x.principal
        self._credentials = x.credentials
        self._route = route
        self._path = x.request.path
        self._query = x.request.query
        self._model = x.facts.model
        self._stream = x.facts.stream
        self._session = x.tool_session
        self.labels = labels(x, route)
        self.pool = x.relay.pool(endpoint, route.provider.verify_tls)
        self.head = _request_head(x, route, endpoint)
        """The head of the request to the provider, up to the value of its content-length."""

    def fits(self, x: "Exchange", route: Route) -> bool:
        facts = x.facts
        return (
            facts is not None
            and self._route is route
            and self._plan is x.plan
            and self._principal is x.principal
            and self._credentials is x.credentials
            and self._stream is facts.stream
            and self._model == facts.model
            and self._path == x.request.path
            and self._query == x.request.query
            and self._session == x.tool_session
        )


def _request_head(x: "Exchange", route: Route, endpoint: Endpoint) -> bytes:
    """The credential in it is the gateway's own; the tool's is not in it."""
    lines = [
        b"POST ",
        endpoint.target_with(x.request.query),
        b" HTTP/1.1\r\nhost: ",
        endpoint.authority,
        b"\r\n",
        x.request.head.outbound,
    ]
    for name, value in endpoint.headers:
        lines += (name, b": ", value, b"\r\n")
    credential = x.credentials[route.provider.id]
    if credential is not None:
        lines += (credential[0], b": ", credential[1], b"\r\n")
    # identity: the stream must be readable as it passes, and a tool's own preference is not the provider's (E08)
    lines.append(b"accept-encoding: identity\r\ncontent-length: ")
    return b"".join(lines)
