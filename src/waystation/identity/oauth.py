"""The OAuth endpoints that machines talk to. What people see of it is in the console.

Addresses in answers come from the configured base URL, never from the request's Host.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from waystation.identity.actor import Caller, clean_device
from waystation.identity.clients import SCOPES, find_client
from waystation.identity.errors import OAuthError, invalid_request
from waystation.identity.forms import read_form
from waystation.identity.keyring import KeyRing
from waystation.identity.machines import EXCHANGE_GRANT, Exchanged, Machines
from waystation.identity.service import IdentityService
from waystation.identity.signins import TokenSet
from waystation.identity.verifier import TokenVerifier
from waystation.model import Principal

LINK_GRANT = "urn:waystation:one-time-link"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}

_Redeem = Callable[[Mapping[str, str], Caller], TokenSet | Exchanged]
_Endpoint = Callable[[Request], Awaitable[Response]]


def caller_of(request: Request, device: str = "") -> Caller:
    return Caller(clean_device(device), request.client.host if request.client else "")


class OAuthEndpoints:
    def __init__(
        self,
        service: IdentityService,
        machines: Machines,
        verifier: TokenVerifier,
        keys: KeyRing,
        *,
        base_url: str,
    ) -> None:
        self._service = service
        self._verifier = verifier
        self._keys = keys
        self._base_url = base_url
        self._grants: dict[str, _Redeem] = {
            "authorization_code": service.authorization.redeem,
            "refresh_token": lambda form, _caller: service.refresh.redeem(form),
            DEVICE_GRANT: service.device.redeem,
            LINK_GRANT: service.links.redeem,
            EXCHANGE_GRANT: machines.exchange,
        }

    def routes(self) -> list[Route]:
        return [
            Route("/oauth/token", _answering(self.token), methods=["POST"]),
            Route("/oauth/device", _answering(self.device_authorization), methods=["POST"]),
            Route("/oauth/revoke", _answering(self.revoke), methods=["POST"]),
            Route("/.well-known/oauth-authorization-server", self.metadata, methods=["GET"]),
            Route("/.well-known/jwks.json", self.jwks, methods=["GET"]),
        ]

    async def token(self, request: Request) -> Response:
        form = await read_form(request)
        grant_type = form.get("grant_type")
        if grant_type is None:
            raise invalid_request("grant_type is missing.")
        redeem = self._grants.get(grant_type)
        if redeem is None:
            raise OAuthError("unsupported_grant_type", f"The grants are: {', '.join(self._grants)}.")
        caller = caller_of(request, form.get("device_name", ""))
        tokens = await anyio.to_thread.run_sync(redeem, form, caller)
        return JSONResponse(tokens.body(), headers=_NO_STORE)

    async def device_authorization(self, request: Request) -> Response:
        form = await read_form(request)
        caller = caller_of(request, form.get("device_name", ""))
        started = await anyio.to_thread.run_sync(self._service.device.start, form, caller)
        return JSONResponse(started.body(), headers=_NO_STORE)

    async def revoke(self, request: Request) -> Response:
        """RFC 7009: the answer is the same whether or not there was anything to revoke."""
        form = await read_form(request)
        find_client(form.get("client_id", ""))
        if "token" not in form:
            raise invalid_request("token is missing.")
        await anyio.to_thread.run_sync(self._revoke, form)
        return Response(status_code=200, headers=_NO_STORE)

    def _revoke(self, form: Mapping[str, str]) -> None:
        known = self._verifier.verify(form["token"].encode())
        if isinstance(known, Principal):
            self._service.end_session(known.session, by=known)
        else:
            self._service.refresh.revoke(form)

    async def metadata(self, _request: Request) -> Response:
        """RFC 8414."""
        body: dict[str, Any] = {
            "issuer": self._base_url,
            "authorization_endpoint": f"{self._base_url}/oauth/authorize",
            "token_endpoint": f"{self._base_url}/oauth/token",
            "device_authorization_endpoint": f"{self._base_url}/oauth/device",
            "revocation_endpoint": f"{self._base_url}/oauth/revoke",
            "jwks_uri": f"{self._base_url}/.well-known/jwks.json",
            "scopes_supported": list(SCOPES),
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": list(self._grants),
            "token_endpoint_auth_methods_supported": ["none"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return JSONResponse(body, headers={"Cache-Control": "public, max-age=300"})

    async def jwks(self, _request: Request) -> Response:
        return JSONResponse(self._keys.jwks(), headers={"Cache-Control": "public, max-age=300"})


def _answering(endpoint: _Endpoint) -> _Endpoint:
    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except OAuthError as error:
            headers = dict(_NO_STORE)
            if error.retry_after is not None:
                headers["Retry-After"] = str(error.retry_after)
            return JSONResponse(error.body(), status_code=error.status, headers=headers)

    return answer
