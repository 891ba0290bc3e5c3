"""An error that a provider reported, as a status, a body, or an event inside a 200 stream."""

import math
import re
from typing import Any

import msgspec

STATUS_BY_TYPE: dict[str, int] = {
    # Anthropic, https://docs.anthropic.com/en/api/errors
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "conflict_error": 409,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
    # OpenAI: `type` and `code` values of errors and of failed responses
    "authentication_failed": 401,
    "invalid_api_key": 401,
    "insufficient_permissions": 403,
    "model_not_found": 404,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "usage_limit_reached": 429,
    "usage_not_included": 429,
    "server_error": 500,
    "internal_server_error": 500,
    "internal_error": 500,
    "server_is_overloaded": 503,
    "slow_down": 503,
    "service_unavailable": 503,
    "service_unavailable_error": 503,
    "vector_store_timeout": 504,
    "timeout": 504,
    "context_length_exceeded": 400,
    "invalid_prompt": 400,
    "invalid_encrypted_content": 400,
    "content_filter": 400,
    "bio_policy": 400,
    "data_residency_mismatch": 400,
    "misalignment_policy_violation": 400,
    "image_content_policy_violation": 400,
    "unsupported_image_media_type": 400,
    "failed_to_download_image": 400,
    # Google, google.rpc.Code
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "UNAUTHENTICATED": 401,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
}
"""The HTTP status that goes with an error type or code, for an error that came without one."""

_TRY_AGAIN = re.compile(r"(?:try again|retry) in\s*(\d+(?:\.\d+)?)\s*(ms|s|m)", re.IGNORECASE)
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s\Z")


class StreamError(msgspec.Struct, frozen=True):
    """What a provider said went wrong."""

    type: str
    """The provider's own type, code or status word; `error` where it gave none."""
    message: str
    http_status: int
    """The status it came with or, inside a 200 stream, the status that it corresponds to."""
    retry_after: int | None = None
    """Seconds, rounded up, where the provider named a time."""
    code: str = ""
    """A second, finer word that the provider gave beside `type`."""


def read_error(value: Any, status: int = 0) -> StreamError:
    """The error in an `error` field, whatever protocol it comes from.

    `status` is the HTTP status of the answer; 0 (or 200) means that it came in a stream and has none of its
    own.
    """
    if not isinstance(value, dict):
        message = value if isinstance(value, str) else ""
        return StreamError("error", message, status if status >= 400 else 500, seconds_in(message))
    message = _text(value.get("message")) or _text(value.get("detail"))
    kind, code, word = _text(value.get("type")), _text(value.get("code")), _text(value.get("status"))
    name = kind or word or code or "error"
    return StreamError(
        type=name,
        message=message,
        http_status=status if status >= 400 else _status(kind, code, word),
        retry_after=_retry_info(value.get("details")) or seconds_in(message),
        code=code if code != name and not code.isdigit() else "",
    )


def seconds_in(message: str) -> int | None:
    """Seconds named in prose such as "Please try again in 1.2s", rounded up."""
    match = _TRY_AGAIN.search(message)
    if match is None:
        return None
    scale = {"ms": 0.001, "s": 1.0, "m": 60.0}[match[2].lower()]
    return math.ceil(min(float(match[1]) * scale, 1e9))


def _status(*words: str) -> int:
    for word in words:
        if word.isdigit() and 400 <= int(word[:4]) <= 599:
            return int(word[:4])
    for word in reversed(words):  # a code or status word says more than a type does
        if word in STATUS_BY_TYPE:
            return STATUS_BY_TYPE[word]
    return 500


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return str(value) if type(value) is int and abs(value) < 10**6 else ""


def _retry_info(details: Any) -> int | None:
    """google.rpc.RetryInfo among the details of a Google error."""
    if isinstance(details, list):
        for detail in details:
            if isinstance(detail, dict) and str(detail.get("@type", "")).endswith("google.rpc.RetryInfo"):
                match = _SECONDS.match(_text(detail.get("retryDelay")))
                if match is not None:
                    return math.ceil(min(float(match[1]), 1e9))
    return None
