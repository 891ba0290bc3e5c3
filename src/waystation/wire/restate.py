"""A provider's error, said as the native provider of the tool's own protocol would have said it.

What a tool does about an error — waits, gives up, compacts, asks to sign in — hangs on status, type and code, and
those are words of one protocol. So what kind of thing went wrong is found first, then named anew. The sentence stays
the provider's.
"""

import msgspec

from waystation.model import Wire
from waystation.wire.overflow import overflow_error, overflow_of
from waystation.wire.stream_error import StreamError

_OPENAI = frozenset((Wire.RESPONSES, Wire.CHAT))


class _Words(msgspec.Struct, frozen=True, gc=False):
    """One kind of error in the three vocabularies; a status of 0 leaves the provider's."""

    anthropic: tuple[int, str]
    openai: tuple[int, str, str]
    google: tuple[int, str]


_INVALID = "invalid_request_error"
_BAD = _Words((400, _INVALID), (400, _INVALID, "invalid_request"), (400, "INVALID_ARGUMENT"))
_SERVER = _Words((0, "api_error"), (0, "server_error", "server_error"), (0, "INTERNAL"))
_LIMITED = _Words(
    (429, "rate_limit_error"), (429, "rate_limit_error", "rate_limit_exceeded"), (429, "RESOURCE_EXHAUSTED")
)
# An account without money: Anthropic's tools wait for a 429 to pass, and show a 402.
_UNPAID = _Words(
    (402, "billing_error"), (429, "insufficient_quota", "insufficient_quota"), (429, "RESOURCE_EXHAUSTED")
)
# 529 is Anthropic's own; and Codex takes OpenAI's word for overload, `server_is_overloaded`, as final.
_OVERLOADED = _Words((529, "overloaded_error"), (503, "server_error", "server_error"), (503, "UNAVAILABLE"))
_TIMEOUT = _Words((504, "timeout_error"), (504, "server_error", "timeout"), (504, "DEADLINE_EXCEEDED"))
_FILTERED = _Words((400, _INVALID), (400, _INVALID, "content_filter"), (400, "INVALID_ARGUMENT"))

_BY_STATUS: dict[int, _Words] = {
    402: _UNPAID,
    403: _Words(
        (403, "permission_error"), (403, _INVALID, "insufficient_permissions"), (403, "PERMISSION_DENIED")
    ),
    404: _Words((404, "not_found_error"), (404, _INVALID, "model_not_found"), (404, "NOT_FOUND")),
    408: _TIMEOUT,
    409: _Words((409, "conflict_error"), (409, _INVALID, "conflict"), (409, "ABORTED")),
    413: _Words((413, "request_too_large"), (413, _INVALID, "request_too_large"), (413, "INVALID_ARGUMENT")),
    429: _LIMITED,
    503: _OVERLOADED,
    504: _TIMEOUT,
    529: _OVERLOADED,
}
_BY_WORD: dict[str, _Words] = {
    "insufficient_quota": _UNPAID,
    "billing_error": _UNPAID,
    "billing_hard_limit_reached": _UNPAID,
    "overloaded_error": _OVERLOADED,
    "server_is_overloaded": _OVERLOADED,
    "slow_down": _OVERLOADED,
    "ThrottlingException": _LIMITED,
    "throttlingException": _LIMITED,
    "ModelTimeoutException": _TIMEOUT,
    "modelTimeoutException": _TIMEOUT,
    "serviceUnavailableException": _OVERLOADED,
    "ServiceUnavailableException": _OVERLOADED,
    "content_filter": _FILTERED,
}


def restate(
    error: StreamError, spoken: Wire, asked: Wire, *, prompt: int | None = None, window: int | None = None
) -> StreamError:
    """`error` of a provider that speaks `spoken`, for a tool that speaks `asked`.

    `prompt` and `window` are what is known here of the prompt's length and the model's window, for a provider that
    does not say.
    """
    overflow = overflow_of(error)
    if overflow is not None:
        return overflow_error(
            asked,
            overflow.prompt if overflow.prompt is not None else prompt,
            overflow.window if overflow.window is not None else window,
        )
    if spoken is asked or (spoken in _OPENAI and asked in _OPENAI):
        return error
    words = _kind(error)
    if asked is Wire.MESSAGES:
        return _as(error, *words.anthropic)
    if asked is Wire.GENERATE:
        return _as(error, *words.google)
    return _as(error, *words.openai)


def _kind(error: StreamError) -> _Words:
    known = _BY_WORD.get(error.code) or _BY_WORD.get(error.type)
    if known is None and "credit balance is too low" in error.message[:500].lower():
        known = _UNPAID
    return known or _BY_STATUS.get(error.http_status) or (_SERVER if error.http_status >= 500 else _BAD)


def _as(error: StreamError, status: int, kind: str, code: str = "") -> StreamError:
    message = error.message or "The provider gave no reason."
    return StreamError(kind, message, status or error.http_status, error.retry_after, code)
