"""`/api/v1`: who am I, what should my tools use, where am I signed in."""

from collections.abc import Callable
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from waystation import __version__
from waystation.identity.guard import Guard
from waystation.identity.service import IdentityService
from waystation.model import Principal
from waystation.store import Clock, Session

Agents = Callable[[Principal], dict[str, Any]]
"""What the policy wants a person's coding tools to be set up with (`Plan.agent_defaults`)."""

_NO_STORE = {"Cache-Control": "no-store"}


class Api:
    def __init__(
        self,
        service: IdentityService,
        guard: Guard,
        *,
        base_url: str,
        agents: Agents,
        now: Clock,
    ) -> None:
        self._service = service
        self._guard = guard
        self._base_url = base_url
        self._agents = agents
        self._now = now

    def routes(self) -> list[Route]:
        return [
            self._guard.route("GET", "/api/v1/me", self.me),
            self._guard.route("GET", "/api/v1/agents", self.agents),
            self._guard.route("GET", "/api/v1/sessions", self.sessions),
            self._guard.route("DELETE", "/api/v1/sessions/{session_id}", self.end_session),
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
