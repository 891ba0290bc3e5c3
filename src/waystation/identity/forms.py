"""Reading parameters strictly: small, UTF-8, each name at most once (RFC 6749 §3.2)."""

from collections.abc import Iterable
from urllib.parse import parse_qsl

from starlette.requests import Request

from waystation.identity.errors import OAuthError, invalid_request

MAX_BYTES = 32 * 1024
_FORM = "application/x-www-form-urlencoded"


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form body; empty ones count as absent. Raises OAuthError (`invalid_request`)."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != _FORM:
        raise invalid_request(f"The body must be {_FORM}.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise OAuthError("invalid_request", "The body is too large.", status=413)
    return _fields(_parse(bytes(body)))


def read_query(request: Request) -> dict[str, str]:
    """The same for the query string."""
    return _fields(_parse(request.scope.get("query_string", b"")))


def _parse(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(raw.decode("ascii"), errors="strict", max_num_fields=64)
    except ValueError:  # not ASCII, not UTF-8 once decoded, or too many
        raise invalid_request("The parameters cannot be read.") from None


def _fields(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise invalid_request(f"Parameter {name[:40]!r} is given twice.")
        fields[name] = value
    return fields
