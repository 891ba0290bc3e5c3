"""What people and machines are told while the database of the control state is away: 503, and to come again."""

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from waystation.identity import problem

_MESSAGE = (
    "The gateway cannot reach its database at the moment: try again soon. Requests to models go on meanwhile."
)
_HEADERS = {"Retry-After": "2", "Cache-Control": "no-store"}


async def store_unreachable(request: Request, _error: Exception) -> Response:
    """Answers in the shape of the address: OAuth's (RFC 6749 section 4.1.2.1), the API's, or plain words."""
    path = request.url.path
    if path.startswith("/oauth/"):
        body = {"error": "temporarily_unavailable", "error_description": _MESSAGE}
        return JSONResponse(body, status_code=503, headers=_HEADERS)
    if path.startswith("/api/"):
        return problem(503, "temporarily_unavailable", _MESSAGE, _HEADERS)
    return PlainTextResponse(_MESSAGE + "\n", status_code=503, headers=_HEADERS)
