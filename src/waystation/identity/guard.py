"""The way into `/api/v1`: who asks, and may they; the same for every address, by the permission matrix."""

from collections.abc import Awaitable, Callable

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from waystation.identity.browser import BrowserSessions
from waystation.identity.errors import NotAllowed, NotFound
from waystation.identity.permissions import ENDPOINTS, Permission, roles_that_may
from waystation.identity.service import IdentityService
from waystation.identity.verifier import TokenVerifier
from waystation.model import Principal, Refusal, RefusalKind
from waystation.store import NameTaken

_SAFE = frozenset({"GET", "HEAD"})
NO_STORE = {"Cache-Control": "no-store"}
Endpoint = Callable[[Request, Principal], Awaitable[Response]]


class Guard:
    def __init__(self, service: IdentityService, verifier: TokenVerifier, browsers: BrowserSessions) -> None:
        self._service = service
        self._verifier = verifier
        self._browsers = browsers

    def route(self, method: str, path: str, endpoint: Endpoint) -> Route:
        """A route that lets in whom the matrix says. Raises KeyError if it says nothing of this address."""
        needed = ENDPOINTS[method, path]

        async def answer(request: Request) -> Response:
            who = await self._who(request)
            if isinstance(who, Refusal):
                return refused(who)
            if needed is not Permission.OWN and not await anyio.to_thread.run_sync(
                self._service.may, who, needed
            ):
                may = " or ".join(roles_that_may(needed))
                return problem(403, "not_allowed", f"This takes the role {may}, which you do not have.")
            try:
                return await endpoint(request, who)
            except NotAllowed as error:
                return problem(403, "not_allowed", str(error))
            except NotFound as error:
                return problem(404, "not_found", str(error))
            except NameTaken as error:
                return problem(409, "conflict", str(error))
            except ValueError as error:
                return problem(400, "invalid_request", str(error))

        return Route(path, answer, methods=[method])

    async def _who(self, request: Request) -> Principal | Refusal:
        """By bearer token; by cookie only without one, and for changes only from our own pages."""
        header = request.headers.get("authorization")
        if header is not None:
            scheme, _, token = header.partition(" ")
            if scheme.lower() != "bearer":
                return Refusal(RefusalKind.UNAUTHENTICATED, "Send the token as `Authorization: Bearer …`.")
            return self._verifier.verify(token.strip().encode())
        principal = await anyio.to_thread.run_sync(self._browsers.principal, request)
        if principal is None:
            return self._verifier.verify(b"")
        if request.method not in _SAFE and not self._browsers.same_origin(request):
            return Refusal(RefusalKind.UNAUTHENTICATED, "This change must come from the console's own pages.")
        return principal


def problem(status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(
        {"error": {"type": kind, "message": message}}, status_code=status, headers=NO_STORE | (headers or {})
    )


def refused(refusal: Refusal) -> Response:
    challenge = 'Bearer realm="waystation", error="invalid_token"'
    return problem(401, refusal.kind.value, refusal.message, {"WWW-Authenticate": challenge})
