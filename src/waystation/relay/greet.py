"""Small answers that need no token: greetings of a surface, and addresses that mean nothing."""

from waystation.model import Refusal, RefusalKind
from waystation.relay.downstream import Header, Request

_REFUSALS = {
    "not_found": (
        RefusalKind.NOT_FOUND,
        "There is nothing at {method} {path} on this gateway: check the base URL your tool is set to.",
    ),
    "method_not_allowed": (RefusalKind.METHOD_NOT_ALLOWED, "{method} is not how {path} is asked."),
    "upgrade_required": (
        RefusalKind.UPGRADE_REQUIRED,
        "This gateway takes requests by POST, not over a WebSocket; tools fall back to that by themselves.",
    ),
}


def greeting() -> tuple[int, list[Header], bytes]:
    """`HEAD /anthropic`: Claude Code asks so whether anybody is there, before it has a token."""
    return 200, [(b"content-type", b"text/plain; charset=utf-8")], b""


def too_large(limit: int) -> Refusal:
    """The refusal of a body of more than `limit` bytes."""
    return Refusal(
        RefusalKind.TOO_LARGE,
        f"The request is larger than {limit // (1024 * 1024)} MiB, the most that this gateway takes.",
        rule="relay.max_body",
    )


def address_refusal(error: str, request: Request) -> Refusal:
    """The refusal for an address on one of our surfaces that cannot be served."""
    kind, text = _REFUSALS[error]
    path = request.path.decode("latin-1")[:200]
    return Refusal(
        kind, text.format(method=request.method.decode("latin-1"), path=path), rule="relay.address"
    )


def wants_upgrade(request: Request) -> bool:
    """Whether the request asks for a WebSocket (E100)."""
    return request.method == b"GET" and request.head.upgrade == b"websocket"
