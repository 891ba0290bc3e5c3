"""Claude Code's gateway sign-in: an unmodified `claude` signs in by itself, told only the address of this gateway.

Managed settings on the laptop say `forceLoginMethod: gateway` and `forceLoginGatewayUrl: <gateway>/anthropic`. Claude
Code then reads the discovery document under that address, runs the device flow (with neither a client id nor a scope),
sends its token with every request, renews it, and asks for settings about once an hour. The protocol is the one that
`claude gateway` (2.1.197) publishes of itself at `/protocol`; inference goes to `/anthropic/v1/messages` as ever.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from waystation.identity.api import Agents
from waystation.identity.errors import OAuthError
from waystation.identity.forms import read_form
from waystation.identity.guard import NO_STORE
from waystation.identity.oauth import DEVICE_GRANT, caller_of
from waystation.identity.service import IdentityService
from waystation.identity.verifier import TokenVerifier
from waystation.model import Refusal

BASE = "/anthropic"
CLIENT = "claude-code"
PROTOCOL_VERSION = 1


class ClaudeCodeGateway:
    def __init__(
        self, service: IdentityService, verifier: TokenVerifier, *, base_url: str, agents: Agents
    ) -> None:
        self._service = service
        self._verifier = verifier
        self._url = f"{base_url}{BASE}"
        self._agents = agents

    def routes(self) -> list[Route]:
        return [
            Route(f"{BASE}/.well-known/oauth-authorization-server", self.metadata, methods=["GET"]),
            Route(f"{BASE}/oauth/device_authorization", _answering(self.begin), methods=["POST"]),
            Route(f"{BASE}/oauth/token", _answering(self.token), methods=["POST"]),
            Route(f"{BASE}/managed/settings", self.settings, methods=["GET"]),
        ]

    async def metadata(self, _request: Request) -> Response:
        body: dict[str, Any] = {
            "issuer": self._url,
            "device_authorization_endpoint": f"{self._url}/oauth/device_authorization",
            "token_endpoint": f"{self._url}/oauth/token",
            "grant_types_supported": [DEVICE_GRANT, "refresh_token"],
            "response_types_supported": [],
            "token_endpoint_auth_methods_supported": ["none"],
            "gateway_protocol_version": PROTOCOL_VERSION,
        }
        return JSONResponse(body, headers={"Cache-Control": "public, max-age=300"})

    async def begin(self, request: Request) -> Response:
        """The body may be empty: Claude Code says nothing of itself here."""
        caller = caller_of(request, "Claude Code")
        started = await anyio.to_thread.run_sync(self._service.device.start, {"client_id": CLIENT}, caller)
        return JSONResponse(started.body(), headers=NO_STORE)

    async def token(self, request: Request) -> Response:
        form = await read_form(request) | {"client_id": CLIENT}
        caller = caller_of(request, "Claude Code")
        grant = form.get("grant_type")
        if grant == DEVICE_GRANT:
            tokens = await anyio.to_thread.run_sync(self._service.device.redeem, form, caller)
        elif grant == "refresh_token":
            try:
                tokens = await anyio.to_thread.run_sync(self._service.refresh.redeem, form)
            except OAuthError as error:
                # 401 is this protocol's word for: sign in again.
                status = 401 if error.error == "invalid_grant" else error.status
                raise OAuthError(error.error, error.description, status=status) from None
        else:
            raise OAuthError("unsupported_grant_type", f"The grants are {DEVICE_GRANT} and refresh_token.")
        return JSONResponse(tokens.body(), headers=NO_STORE)

    async def settings(self, request: Request) -> Response:
        """What the policy wants this person's Claude Code to be set to; 404 where it wants nothing."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        who = self._verifier.verify(token.strip().encode() if scheme.lower() == "bearer" else b"")
        if isinstance(who, Refusal):
            return _error(401, "authentication_error", who.message)
        wanted = self._agents(who).get("claude") or {}
        model = wanted.get("model")
        if not isinstance(model, str) or not model:
            return _error(404, "not_found_error", "The policy sets nothing for Claude Code.")
        # With the second, `/model` lists what this gateway lets through.
        settings = {"model": model, "env": {"CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1"}}
        checksum = "sha256:" + hashlib.sha256(msgspec.json.encode(settings, order="sorted")).hexdigest()
        headers = NO_STORE | {"ETag": f'"{checksum}"'}
        if checksum in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return JSONResponse({"uuid": checksum, "checksum": checksum, "settings": settings}, headers=headers)


def _error(status: int, kind: str, message: str) -> Response:
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return JSONResponse(body, status_code=status, headers=NO_STORE)


def _answering(
    endpoint: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except OAuthError as error:
            headers = NO_STORE | (
                {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}
            )
            return JSONResponse(error.body(), status_code=error.status, headers=headers)

    return answer
