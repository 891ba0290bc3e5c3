"""Allow, or refuse with a reason that a person can act on."""

from enum import StrEnum

import msgspec


class RefusalKind(StrEnum):
    """Why a request goes no further. `wire.errors` gives each its status and shape per protocol."""

    UNAUTHENTICATED = "unauthenticated"
    """No token, or one that is not ours, or expired: a fresh token may help."""
    REVOKED = "revoked"
    """A token of a signed-out session or removed person: a fresh token from the same sign-in will not help."""
    BAD_REQUEST = "bad_request"
    TOO_LARGE = "too_large"
    UNSUPPORTED_ENCODING = "unsupported_encoding"
    UNKNOWN_MODEL = "unknown_model"
    MODEL_NOT_ALLOWED = "model_not_allowed"
    NO_ROUTE = "no_route"
    """The model exists but no provider of it speaks this protocol."""
    RATE_LIMITED = "rate_limited"
    BUDGET_EXHAUSTED = "budget_exhausted"
    NOT_FOUND = "not_found"
    """No such address on this surface."""
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UPGRADE_REQUIRED = "upgrade_required"
    """WebSocket was asked for: 426, so that Codex falls back to POST."""
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_BROKEN = "upstream_broken"
    """The provider answered something that is not HTTP, or cut its answer off."""
    DRAINING = "draining"
    INTERNAL = "internal"


class Refusal(msgspec.Struct, frozen=True):
    """A decision to refuse. `message` is one sentence for the developer and holds no secret."""

    kind: RefusalKind
    message: str
    rule: str = ""
    """Which rule of which policy section decided, e.g. `models.gpt-5.groups`."""
    retry_after: int | None = None
    """Seconds until the same request can succeed, where that is known."""
    param: str | None = None
    """The offending request field, in the caller's own protocol."""
