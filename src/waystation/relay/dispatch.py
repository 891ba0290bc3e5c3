"""What the requests of one connection to one route have in common.

A tool sends one request after another on a connection: the same headers, token, model and route, and so the
same head to the provider and the same words about whose request it is. They are put together once and used
for as long as nothing of it changes; each request is still admitted by itself.
"""

from typing import TYPE_CHECKING

from waystation.model import Operation, Route, Wire
from waystation.policy import Endpoint
from waystation.relay import foreign
from waystation.relay.downstream import Header

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
        "_signer",
        "_stream",
        "_target",
        "head",
        "labels",
        "pool",
        "route_header",
        "signed",
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
        self.route_header: Header = (b"x-waystation-route", route.id.encode("ascii", "replace"))
        """Says to the tool which route it was."""
        self._target = (
            endpoint.target_with(x.request.query) if endpoint.wire is x.address.wire else endpoint.target
        )
        credential = x.credentials[route.provider.id]
        self._signer = credential if callable(credential) else None
        self.signed = self._signer is not None
        """The credential depends on the request itself: its head is made by `sign`."""
        self.head = _request_head(x, route, endpoint, self._target)
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

    def sign(self, x: "Exchange", body: bytes) -> bytes:
        """The whole head of a request that has to be signed."""
        assert self._signer is not None
        length = b"%d" % len(body)
        unsigned = self.head + length + b"\r\n"
        lines = unsigned.split(b"\r\n")[1:-1]
        headers = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
        added = self._signer(b"POST", self._target, headers, body, x.relay.wall_clock())
        return unsigned + b"".join(name + b": " + value + b"\r\n" for name, value in added) + b"\r\n"


def _request_head(x: "Exchange", route: Route, endpoint: Endpoint, target: bytes) -> bytes:
    """The credential in it is the gateway's own; the tool's is not in it."""
    assert x.facts is not None
    if endpoint.wire is x.address.wire:
        outbound = x.request.head.outbound
        if route.provider.betas is not None and b"anthropic-beta: " in outbound:
            outbound = foreign.without_betas(outbound, route.provider.id, route.provider.betas)
        if endpoint.wire is Wire.MESSAGES and b"anthropic-version: " not in outbound:
            outbound += foreign.VERSION  # Anthropic refuses a request without
    else:
        outbound = foreign.outbound(
            endpoint.wire, x.address.operation or Operation.GENERATE, stream=x.facts.stream
        )
    lines = [b"POST ", target, b" HTTP/1.1\r\nhost: ", endpoint.authority, b"\r\n", outbound]
    for name, value in endpoint.headers:
        lines += (name, b": ", value, b"\r\n")
    credential = x.credentials[route.provider.id]
    if isinstance(credential, tuple):
        lines += (credential[0], b": ", credential[1], b"\r\n")
    # identity: the stream must be readable as it passes, and a tool's own preference is not the provider's (E08)
    lines.append(b"accept-encoding: identity\r\ncontent-length: ")
    return b"".join(lines)
