"""Refusals and broken streams, said in each protocol's own words.

Which status a tool neither retries nor hides was measured with the real tools: 400 is one request and its
text is shown by all of them; 402 too, except by Codex, which repeats it.
"""

from typing import Any

import msgspec

from waystation.model import Refusal, RefusalKind, Surface, Wire
from waystation.wire import tolerant
from waystation.wire.sse import parse_event
from waystation.wire.stream_error import STATUS_BY_TYPE, StreamError
from waystation.wire.tolerant import Count

Headers = list[tuple[bytes, bytes]]


class _Words(msgspec.Struct, frozen=True, gc=False):
    """One kind of refusal: its status, and the word for it in each protocol."""

    status: int
    anthropic: str
    openai: str
    code: str
    google: str


_INVALID = "invalid_request_error"
_WORDS: dict[RefusalKind, _Words] = {
    RefusalKind.UNAUTHENTICATED: _Words(
        401, "authentication_error", _INVALID, "invalid_api_key", "UNAUTHENTICATED"
    ),
    RefusalKind.REVOKED: _Words(401, "authentication_error", _INVALID, "session_revoked", "UNAUTHENTICATED"),
    RefusalKind.BAD_REQUEST: _Words(400, _INVALID, _INVALID, "bad_request", "INVALID_ARGUMENT"),
    RefusalKind.TOO_LARGE: _Words(
        413, "request_too_large", _INVALID, "request_too_large", "INVALID_ARGUMENT"
    ),
    RefusalKind.UNSUPPORTED_ENCODING: _Words(
        415, _INVALID, _INVALID, "unsupported_encoding", "INVALID_ARGUMENT"
    ),
    RefusalKind.UNKNOWN_MODEL: _Words(400, _INVALID, _INVALID, "model_not_found", "INVALID_ARGUMENT"),
    RefusalKind.MODEL_NOT_ALLOWED: _Words(
        400, _INVALID, _INVALID, "model_not_allowed", "FAILED_PRECONDITION"
    ),
    RefusalKind.NO_ROUTE: _Words(400, _INVALID, _INVALID, "no_route", "FAILED_PRECONDITION"),
    RefusalKind.RATE_LIMITED: _Words(
        429, "rate_limit_error", "rate_limit_error", "rate_limit_exceeded", "RESOURCE_EXHAUSTED"
    ),
    RefusalKind.BUDGET_EXHAUSTED: _Words(
        402, "billing_error", "billing_error", "budget_exhausted", "FAILED_PRECONDITION"
    ),
    RefusalKind.NOT_FOUND: _Words(404, "not_found_error", _INVALID, "not_found", "NOT_FOUND"),
    RefusalKind.METHOD_NOT_ALLOWED: _Words(405, _INVALID, _INVALID, "method_not_allowed", "INVALID_ARGUMENT"),
    RefusalKind.UPGRADE_REQUIRED: _Words(426, _INVALID, _INVALID, "upgrade_required", "FAILED_PRECONDITION"),
    RefusalKind.UPSTREAM_UNREACHABLE: _Words(
        502, "api_error", "server_error", "upstream_unreachable", "UNAVAILABLE"
    ),
    RefusalKind.UPSTREAM_TIMEOUT: _Words(
        504, "timeout_error", "server_error", "upstream_timeout", "DEADLINE_EXCEEDED"
    ),
    RefusalKind.UPSTREAM_BROKEN: _Words(502, "api_error", "server_error", "upstream_broken", "UNAVAILABLE"),
    RefusalKind.DRAINING: _Words(503, "overloaded_error", "server_error", "draining", "UNAVAILABLE"),
    RefusalKind.INTERNAL: _Words(500, "api_error", "server_error", "internal_error", "INTERNAL"),
}

_BY_STATUS: dict[int, RefusalKind] = {
    400: RefusalKind.BAD_REQUEST,
    401: RefusalKind.UNAUTHENTICATED,
    402: RefusalKind.BUDGET_EXHAUSTED,
    404: RefusalKind.NOT_FOUND,
    413: RefusalKind.TOO_LARGE,
    429: RefusalKind.RATE_LIMITED,
    503: RefusalKind.DRAINING,
    504: RefusalKind.UPSTREAM_TIMEOUT,
    529: RefusalKind.DRAINING,
}

_RETRY_SOON = (RefusalKind.DRAINING, RefusalKind.RATE_LIMITED)
_ANTHROPIC_TYPES = frozenset(
    {words.anthropic for words in _WORDS.values()} | {"permission_error", "conflict_error"}
)
_GOOGLE_STATUSES = frozenset(word for word in STATUS_BY_TYPE if word.isupper())
_WIRE_OF = {Surface.ANTHROPIC: Wire.MESSAGES, Surface.OPENAI: Wire.CHAT, Surface.GEMINI: Wire.GENERATE}


def refusal_response(
    wire_or_surface: Wire | Surface, refusal: Refusal, request_id: str
) -> tuple[int, Headers, bytes]:
    """Status, headers and body of a refusal in the caller's own protocol.

    The headers are those that belong to the refusal (content type, retry-after, challenge); request ids,
    length and connection headers are added where every answer gets them.
    """
    wire = wire_or_surface if isinstance(wire_or_surface, Wire) else _WIRE_OF[wire_or_surface]
    status = _WORDS[refusal.kind].status
    if refusal.kind is RefusalKind.BUDGET_EXHAUSTED and wire is Wire.RESPONSES:
        status = 400
    headers = _headers(refusal.retry_after)
    if refusal.kind is RefusalKind.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Bearer"))
    elif refusal.kind is RefusalKind.REVOKED:
        headers.append((b"www-authenticate", b'Bearer error="invalid_token"'))
        headers.append((b"x-should-retry", b"false"))
    elif refusal.kind in _RETRY_SOON and refusal.retry_after is None:
        headers.append((b"retry-after", b"1"))  # without it, some tools retry at once and others not at all
    elif refusal.kind is RefusalKind.UPGRADE_REQUIRED:
        headers.append((b"upgrade", b"HTTP/1.1"))
    return status, headers, error_object(wire, refusal, request_id=request_id, status=status)


def convert_stream_error(wire: Wire, error: StreamError, request_id: str = "") -> tuple[int, Headers, bytes]:
    """Status, headers and body for an error that came inside a 200 stream before any of it was passed on."""
    return error.http_status, _headers(error.retry_after), error_object(wire, error, request_id=request_id)


def error_object(wire: Wire, error: StreamError | Refusal, *, request_id: str = "", status: int = 0) -> bytes:
    """The JSON error object of a protocol; `status` replaces the one that the error stands for."""
    words = _words(error)
    status = status or words.status
    param = error.param if isinstance(error, Refusal) else None
    shape: dict[str, Any]
    if wire is Wire.MESSAGES:
        shape = {"type": "error", "error": {"type": words.anthropic, "message": error.message}}
        if request_id:
            shape["request_id"] = request_id
    elif wire is Wire.GENERATE:
        inner: dict[str, Any] = {"code": status, "message": error.message, "status": words.google}
        if error.retry_after is not None and status in (429, 503):
            inner["details"] = [
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{error.retry_after}s"}
            ]
        shape = {"error": inner}
    elif wire is Wire.RESPONSES and param is None:  # Codex prints the body as it is, so it is short
        shape = {"error": {"message": error.message, "type": words.openai, "code": words.code}}
    else:
        shape = {
            "error": {"message": error.message, "type": words.openai, "param": param, "code": words.code}
        }
    return msgspec.json.encode(shape)


def terminal_event(wire: Wire, error: StreamError | Refusal, *, context: bytes = b"") -> bytes:
    """The event that ends a broken stream in the caller's dialect; never one that looks like success.

    `context` is the `response.created` event of a Responses stream, for the ids that its last event must
    repeat; a tap's own `failure` knows them and also mends an event that was cut off.
    """
    if wire is Wire.MESSAGES:
        return b"event: error\ndata: " + error_object(wire, error) + b"\n\n"
    if wire is Wire.RESPONSES:
        return failed_response(error, _so_far(context))
    return b"data: " + error_object(wire, error) + b"\n\n"


class ResponseSoFar(msgspec.Struct):
    """What the events of a Responses stream have said about their response."""

    id: str = "resp_failed"
    model: str = ""
    created_at: int = 0
    sequence_number: int = 0


def failed_response(error: StreamError | Refusal, so_far: ResponseSoFar) -> bytes:
    """A `response.failed` event, with all that the SDK's `Response` requires."""
    words = _words(error)
    event = {
        "type": "response.failed",
        "sequence_number": so_far.sequence_number,
        "response": {
            "id": so_far.id,
            "object": "response",
            "created_at": so_far.created_at,
            "status": "failed",
            "error": {"code": _failed_code(error, words), "message": error.message},
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "model": so_far.model,
            "output": [],
            "parallel_tool_calls": True,
            "temperature": None,
            "tool_choice": "auto",
            "tools": [],
            "top_p": None,
            "usage": None,
        },
    }
    return b"event: response.failed\ndata: " + msgspec.json.encode(event) + b"\n\n"


def keepalive(wire: Wire) -> bytes:
    """Bytes that keep a silent stream alive between two events and mean nothing to the tool."""
    if wire is Wire.MESSAGES:
        return b'event: ping\ndata: {"type": "ping"}\n\n'
    if wire is Wire.GENERATE:
        # Neither of Google's SDKs knows comments: Gemini CLI's stops reading at one, Python's raises. Blank
        # lines pass both.
        return b"\n\n"
    return b": keep-alive\n\n"


def _failed_code(error: StreamError | Refusal, words: _Words) -> str:
    """A code that the SDK knows (`ResponseError`) for our own failures; a provider's own code as it is."""
    if isinstance(error, StreamError):
        return words.code
    return "rate_limit_exceeded" if error.kind is RefusalKind.RATE_LIMITED else "server_error"


def _words(error: StreamError | Refusal) -> _Words:
    if isinstance(error, Refusal):
        return _WORDS[error.kind]
    status = error.http_status
    known = _BY_STATUS.get(status)
    if known is None:
        known = RefusalKind.BAD_REQUEST if status < 500 else RefusalKind.INTERNAL
    usual = _WORDS[known]
    return _Words(
        status=status,
        anthropic=error.type if error.type in _ANTHROPIC_TYPES else usual.anthropic,
        openai=usual.openai if error.type == "error" else error.type,
        code=error.code or (usual.code if error.type == "error" else error.type),
        google=error.type if error.type in _GOOGLE_STATUSES else usual.google,
    )


def _headers(retry_after: int | None) -> Headers:
    headers = [(b"content-type", b"application/json")]
    if retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(0, retry_after)))
    return headers


def _so_far(context: bytes) -> ResponseSoFar:
    so_far = ResponseSoFar()
    _, data, _ = parse_event(context)
    event = tolerant.decode(_created, data) if data is not None else None
    if event is not None:
        so_far.sequence_number = (event.sequence_number or 0) + 1
        if event.response is not None:
            so_far.id = event.response.id or so_far.id
            so_far.model = event.response.model or ""
            so_far.created_at = event.response.created_at or 0
    return so_far


class _CreatedResponse(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None
    created_at: Count | None = None


class _Created(msgspec.Struct, gc=False):
    sequence_number: Count | None = None
    response: _CreatedResponse | None = None


_created = msgspec.json.Decoder(_Created)
