"""Errors in each provider's own shape, outside and inside a stream."""

from __future__ import annotations

from typing import Any

import msgspec

from waystation.model import Wire
from waystation.rehearsal.ask import Json, Rejection
from waystation.rehearsal.speaking.events import Event, Role, amazon_exception, crlf, named, unnamed
from waystation.rehearsal.vendor import Vendor

_ANTHROPIC_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_OPENAI_KINDS = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("insufficient_quota", "insufficient_quota"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    429: ("requests", "rate_limit_exceeded"),
    500: ("server_error", None),
    503: ("server_error", "server_is_overloaded"),
}
_GOOGLE_KINDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_AMAZON_KINDS = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    503: "ServiceUnavailableException",
}
_MESSAGES = {
    400: "The request is invalid.",
    401: "The API key is invalid.",
    402: "The account has no credit left.",
    403: "The API key may not use this resource.",
    404: "There is no such resource.",
    413: "The request is too large.",
    429: "The rate limit is reached.",
    500: "Internal server error.",
    503: "The service is overloaded. Please try again later.",
    504: "The request timed out.",
    529: "Overloaded",
}


def rejection(
    vendor: Vendor, status: int, message: str = "", kind: str = "", code: str | None = None
) -> Rejection:
    """A refusal with this status, in the provider's own words for it unless others are given."""
    text = message or _MESSAGES.get(status, "The request failed.") + (" (rehearsed)" if status != 529 else "")
    if vendor is Vendor.ANTHROPIC:
        fallback = "api_error" if status >= 500 else "invalid_request_error"
        return Rejection(status, text, kind=kind or _ANTHROPIC_KINDS.get(status, fallback))
    if vendor is Vendor.BEDROCK:
        fallback = "InternalServerException" if status >= 500 else "ValidationException"
        return Rejection(status, text, kind=kind or _AMAZON_KINDS.get(status, fallback))
    if vendor is Vendor.GEMINI:
        return Rejection(status, text, kind=kind or _GOOGLE_KINDS.get(status, "UNKNOWN"))
    known = _OPENAI_KINDS.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    return Rejection(status, text, kind=kind or known[0], code=code or (known[1] if not kind else None))


def body(vendor: Vendor, refused: Rejection, request_id: str) -> Json:
    """The error body that goes with the status."""
    if vendor is Vendor.ANTHROPIC:
        return {
            "type": "error",
            "error": {"type": refused.kind, "message": refused.message},
            "request_id": request_id,
        }
    if vendor is Vendor.BEDROCK:
        return {"message": refused.message}
    if vendor is Vendor.GEMINI:
        return {"error": {"code": refused.status, "message": refused.message, "status": refused.kind}}
    return {"error": openai_error(refused)}


def openai_error(refused: Rejection) -> Json:
    return {"message": refused.message, "type": refused.kind, "param": refused.param, "code": refused.code}


def in_stream(wire: Wire, refused: Rejection, sequence_number: int = 0) -> Event:
    """The same error as an event of a stream whose status was 200."""
    if wire is Wire.MESSAGES:
        error: Any = {"type": refused.kind, "message": refused.message}
        return named(Role.TERMINAL, {"type": "error", "error": error})
    if wire is Wire.RESPONSES:
        said = {"type": "error", "sequence_number": sequence_number, **openai_error(refused)}
        said["type"] = "error"
        said["code"] = refused.code or refused.kind
        return named(Role.TERMINAL, said)
    if wire is Wire.CONVERSE:
        name = "ModelStreamErrorException" if refused.kind == "ModelErrorException" else refused.kind
        return amazon_exception(Role.TERMINAL, name[:1].lower() + name[1:], {"message": refused.message})
    if wire is Wire.GENERATE:
        return crlf(Role.TERMINAL, body(Vendor.GEMINI, refused, ""))
    return unnamed(Role.TERMINAL, {"error": openai_error(refused)})


def error_chunk(refused: Rejection, created: Event | None) -> Event:
    """Chat Completions: a chunk without choices and with an `error`, as OpenRouter sends it."""
    frame: Json = msgspec.json.decode(created.data.partition(b"data: ")[2]) if created is not None else {}
    frame.pop("usage", None)
    return unnamed(Role.TERMINAL, {**frame, "choices": [], "error": openai_error(refused)})


def failed_response(refused: Rejection, sequence_number: int, created: Event | None) -> Event:
    """`response.failed` as the last event of the stream that `created` began, without usage."""
    response: Json = {"id": "resp_rehearsal", "object": "response", "output": []}
    if created is not None:
        response = msgspec.json.decode(created.data.partition(b"data: ")[2])["response"]
    response["status"] = "failed"
    response["error"] = {"code": refused.code or "server_error", "message": refused.message}
    said = {"type": "response.failed", "sequence_number": sequence_number, "response": response}
    return named(Role.TERMINAL, said)
