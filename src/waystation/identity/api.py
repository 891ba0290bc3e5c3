"""`/api/v1`: who am I, what should my tools use, where am I signed in."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from waystation import __version__
from waystation.identity.browser import BrowserSessions
from waystation.identity.errors import NotAllowed, NotFound
from waystation.identity.service import IdentityService
from waystation.identity.verifier import TokenVerifier
from waystation.model import Principal, Refusal, RefusalKind
from waystation.store import Clock, Session

Agents = Callable[[Principal], dict[str, Any]]
"""What the policy wants a person's coding tools to be set up with (`Plan.agent_defaults`)."""

_SAFE = frozenset({"GET", "HEAD"})
_NO_STORE = {"Cache-Control": "no-store"}
_Endpoint = Callable[[Request, Principal], Awaitable[Response]]


class Api:
    def __init__(
        self,
        service: IdentityService,
        verifier: TokenVerifier,
        browsers: BrowserSessions,
        *,
        base_url: str,
        agents: Agents,
        now: Clock,
    ) -> None:
        self._service = service
        self._verifier = verifier
        self._browsers = browsers
        self._base_url = base_url
        self._agents = agents
        self._now = now

    def routes(self) -> list[Route]:
        return [
            Route("/api/v1/me", self._signed_in(self.me), methods=["GET"]),
            Route("/api/v1/agents", self._signed_in(self.agents), methods=["GET"]),
            Route("/api/v1/sessions", self._signed_in(self.sessions), methods=["GET"]),
            Route("/api/v1/sessions/{session_id}", self._signed_in(self.end_session), methods=["DELETE"]),
        ]

    async def me(self, _request: Request, principal: Principal) -> Response:
        session = await anyio.to_thread.run_sync(self._service.session, principal)
        body = {
            "principal": {
                "id": principal.id,
                "name": principal.name,
                "kind": principal.kind.value,
                "groups": sorted(principal.groups),
                "roles": sorted(principal.roles),
                "cost_center": principal.cost_center,
            },
            "session": None if session is None else _own_session(session, principal),
            "token_expires_at": principal.expires_at,
            "gateway": {"url": self._base_url, "version": __version__},
            "server_time": self._now(),
        }
        return JSONResponse(body, headers=_NO_STORE)

    async def agents(self, _request: Request, principal: Principal) -> Response:
        return JSONResponse(self._agents(principal), headers=_NO_STORE)

    async def sessions(self, _request: Request, principal: Principal) -> Response:
        found = await anyio.to_thread.run_sync(lambda: self._service.sessions(by=principal))
        return JSONResponse(
            {"sessions": [_own_session(session, principal) for session in found]}, headers=_NO_STORE
        )

    async def end_session(self, request: Request, principal: Principal) -> Response:
        session_id = request.path_params["session_id"]
        await anyio.to_thread.run_sync(lambda: self._service.end_session(session_id, by=principal))
        return Response(status_code=204)

    def _signed_in(self, endpoint: _Endpoint) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            who = await self._who(request)
            if isinstance(who, Refusal):
                return _refused(who)
            try:
                return await endpoint(request, who)
            except NotAllowed as error:
                return problem(403, "not_allowed", str(error))
            except NotFound as error:
                return problem(404, "not_found", str(error))

        return answer

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
        {"error": {"type": kind, "message": message}}, status_code=status, headers=_NO_STORE | (headers or {})
    )


def _refused(refusal: Refusal) -> Response:
    challenge = 'Bearer realm="waystation", error="invalid_token"'
    return problem(401, refusal.kind.value, refusal.message, {"WWW-Authenticate": challenge})


def session_fields(session: Session) -> dict[str, Any]:
    """A sign-in as the API and the operator's commands show it; nothing in it signs anybody in."""
    return {
        "id": session.id,
        "user": session.user_name,
        "client": session.client,
        "device": session.device,
        "address": session.address,
        "created_at": session.created_at,
        "used_at": session.used_at,
        "ends_at": session.ends_at,
    }


def _own_session(session: Session, principal: Principal) -> dict[str, Any]:
    return session_fields(session) | {"current": session.id == principal.session}
