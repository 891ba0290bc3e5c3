"""`/api/v1` for those who run the gateway: people, roles, service accounts, provisioners, the audit log."""

from collections.abc import Callable
from typing import Any, TypeVar

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from waystation.identity.api import session_fields
from waystation.identity.guard import NO_STORE, Guard
from waystation.identity.machines import Machines
from waystation.identity.service import IdentityService
from waystation.model import Principal, PrincipalKind
from waystation.store import AuditLog, User

_MOST = 1000
_LARGEST = 64 * 1024
T = TypeVar("T")


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    roles: tuple[str, ...] = ("member",)
    groups: tuple[str, ...] = ()
    cost_center: str = ""


class NewRoles(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    roles: tuple[str, ...]


class NewTrust(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    issuer: str
    audience: str
    subject: str
    network: str = "public"


class NewProvisioner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    label: str


class AdminApi:
    def __init__(self, service: IdentityService, machines: Machines, audit: AuditLog, guard: Guard) -> None:
        self._service = service
        self._machines = machines
        self._audit = audit
        self._guard = guard

    def routes(self) -> list[Route]:
        route = self._guard.route
        return [
            route("GET", "/api/v1/users", self.users),
            route("POST", "/api/v1/users", self.add_user),
            route("PUT", "/api/v1/users/{name}/roles", self.set_roles),
            route("POST", "/api/v1/users/{name}/disable", self.disable),
            route("POST", "/api/v1/users/{name}/enable", self.enable),
            route("GET", "/api/v1/users/{name}/sessions", self.sessions_of),
            route("GET", "/api/v1/service-accounts", self.service_accounts),
            route("POST", "/api/v1/service-accounts", self.add_service_account),
            route("POST", "/api/v1/service-accounts/{name}/federations", self.trust),
            route("DELETE", "/api/v1/federations/{federation_id}", self.untrust),
            route("GET", "/api/v1/provisioners", self.provisioners),
            route("POST", "/api/v1/provisioners", self.add_provisioner),
            route("DELETE", "/api/v1/provisioners/{provisioner_id}", self.end_provisioner),
            route("GET", "/api/v1/audit", self.audit),
            route("GET", "/api/v1/audit/verify", self.verify_audit),
        ]

    async def users(self, _request: Request, by: Principal) -> Response:
        found = await _do(lambda: self._service.users(by=by))
        return _answer({"users": [user_fields(user) for user in found]})

    async def add_user(self, request: Request, by: Principal) -> Response:
        new = await _body(request, NewUser)
        added = await _do(
            lambda: self._service.add_user(
                new.name, by=by, roles=new.roles, groups=new.groups, cost_center=new.cost_center
            )
        )
        return _answer(user_fields(added), 201)

    async def set_roles(self, request: Request, by: Principal) -> Response:
        new = await _body(request, NewRoles)
        name = request.path_params["name"]
        return _answer(user_fields(await _do(lambda: self._service.set_roles(name, new.roles, by=by))))

    async def disable(self, request: Request, by: Principal) -> Response:
        name = request.path_params["name"]
        await _do(lambda: self._service.disable_user(name, by=by))
        return Response(status_code=204)

    async def enable(self, request: Request, by: Principal) -> Response:
        name = request.path_params["name"]
        await _do(lambda: self._service.enable_user(name, by=by))
        return Response(status_code=204)

    async def sessions_of(self, request: Request, by: Principal) -> Response:
        name = request.path_params["name"]
        found = await _do(lambda: self._service.sessions_of(name, by=by))
        return _answer({"sessions": [session_fields(session) for session in found]})

    async def service_accounts(self, _request: Request, by: Principal) -> Response:
        found = await _do(lambda: self._machines.accounts(by=by))
        listed = [
            user_fields(account) | {"federations": msgspec.to_builtins(trusted)} for account, trusted in found
        ]
        return _answer({"service_accounts": listed})

    async def add_service_account(self, request: Request, by: Principal) -> Response:
        new = await _body(request, NewUser)
        added = await _do(
            lambda: self._service.add_user(
                new.name,
                by=by,
                roles=new.roles,
                groups=new.groups,
                cost_center=new.cost_center,
                kind=PrincipalKind.SERVICE,
            )
        )
        return _answer(user_fields(added), 201)

    async def trust(self, request: Request, by: Principal) -> Response:
        new = await _body(request, NewTrust)
        name = request.path_params["name"]
        made = await _do(
            lambda: self._machines.trust(
                name,
                issuer=new.issuer,
                audience=new.audience,
                subject=new.subject,
                network=new.network,
                by=by,
            )
        )
        return _answer(msgspec.to_builtins(made), 201)

    async def untrust(self, request: Request, by: Principal) -> Response:
        federation_id = request.path_params["federation_id"]
        await _do(lambda: self._machines.untrust(federation_id, by=by))
        return Response(status_code=204)

    async def provisioners(self, _request: Request, by: Principal) -> Response:
        found = await _do(lambda: self._service.provisioners(by=by))
        return _answer({"provisioners": msgspec.to_builtins(found)})

    async def add_provisioner(self, request: Request, by: Principal) -> Response:
        new = await _body(request, NewProvisioner)
        made, token = await _do(lambda: self._service.add_provisioner(new.label, by=by))
        return _answer(msgspec.to_builtins(made) | {"token": token}, 201)

    async def end_provisioner(self, request: Request, by: Principal) -> Response:
        provisioner_id = request.path_params["provisioner_id"]
        await _do(lambda: self._service.end_provisioner(provisioner_id, by=by))
        return Response(status_code=204)

    async def audit(self, request: Request, _by: Principal) -> Response:
        """`after` is the number of the last event that one has; `limit` at most a thousand."""
        after = _number(request, "after", 0)
        limit = max(1, min(_MOST, _number(request, "limit", 100)))
        events = await _do(lambda: self._audit.since(after, limit=limit))
        return _answer({"events": msgspec.to_builtins(events)})

    async def verify_audit(self, _request: Request, _by: Principal) -> Response:
        return _answer(msgspec.to_builtins(await _do(self._audit.verify)))


def user_fields(user: User) -> dict[str, Any]:
    """Somebody as the API shows them."""
    return {
        "id": user.id,
        "name": user.name,
        "kind": user.kind.value,
        "roles": list(user.roles),
        "groups": list(user.groups),
        "cost_center": user.cost_center,
        "active": user.active,
        "source": user.source,
        "created_at": user.created_at,
    }


async def _do(work: Callable[[], T]) -> T:
    return await anyio.to_thread.run_sync(work)


async def _body(request: Request, kind: type[T]) -> T:
    """Raises ValueError with a sentence."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST:
            raise ValueError("The body is too large.")
    try:
        return msgspec.json.decode(bytes(body), type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise ValueError(f"The body is not what is wanted here: {error}.") from None


def _number(request: Request, name: str, default: int) -> int:
    try:
        return int(request.query_params.get(name, default))
    except ValueError:
        raise ValueError(f"{name} must be a whole number.") from None


def _answer(body: Any, status: int = 200) -> Response:
    return JSONResponse(body, status_code=status, headers=NO_STORE)
