"""The admission seam: the one place where it is decided whether a request may go on.

Who (token), may (plan), and whatever later issues add — limits, budgets, guards — as further gates. A gate
decides from memory: it may not wait, and it refuses with a sentence for the person.
"""

from collections.abc import Sequence
from typing import Protocol

from waystation.model import Principal, Refusal, RefusalKind, Surface
from waystation.policy import Plan, Resolution
from waystation.relay.addresses import Address
from waystation.relay.downstream import Request
from waystation.wire import RequestFacts


class Verifier(Protocol):
    """Turns a token into a principal, or refuses; `waystation.identity` implements it."""

    def verify(self, token: bytes) -> Principal | Refusal: ...


class Gate(Protocol):
    """One further question put to a request that the plan would let pass. None lets it pass."""

    def __call__(
        self, principal: Principal, address: Address, facts: RequestFacts, resolution: Resolution
    ) -> Refusal | None: ...


_QUERY_KEY = Refusal(
    RefusalKind.BAD_REQUEST,
    "The key is in the URL (`?key=`), where proxies and logs would keep it: send it as the x-goog-api-key "
    "or Authorization header instead.",
    rule="identity.query_key",
)
_NO_TOKEN = Refusal(
    RefusalKind.UNAUTHENTICATED,
    "No Waystation token came with this request: start the tool with `way <tool>`, or sign in with `way login`.",
    rule="identity.token",
)


def find_token(request: Request, surface: Surface) -> bytes | Refusal:
    """The token that came with a request.

    A key in the query string is refused (RFC 6750 §5.3: URLs are logged).
    """
    if surface is Surface.GEMINI and request.query and _has_query_key(request.query):
        return _QUERY_KEY
    return request.head.token or _NO_TOKEN


def _has_query_key(query: bytes) -> bool:
    return any(part.startswith(b"key=") for part in query.split(b"&"))


class Admission:
    """Decides from the present plan. `plan` is replaced whole when policy changes; requests keep theirs."""

    def __init__(self, verifier: Verifier, plan: Plan, gates: Sequence[Gate] = ()) -> None:
        self._verifier = verifier
        self.plan = plan
        self._gates = tuple(gates)

    def identify(self, request: Request, surface: Surface) -> Principal | Refusal:
        """Who asks; decided on the head alone, before any of the body is kept."""
        token = find_token(request, surface)
        if isinstance(token, Refusal):
            return token
        return self._verifier.verify(token)

    def admit(
        self, principal: Principal, address: Address, facts: RequestFacts, resolution: Resolution
    ) -> Resolution | Refusal:
        """Whether a request that the plan lets pass may go there now, or why it may not."""
        for gate in self._gates:
            refusal = gate(principal, address, facts, resolution)
            if refusal is not None:
                return refusal
        return resolution
