"""The HTTP side of SCIM: who may, what came in, what goes out."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from waystation.identity.people import People
from waystation.identity.scim.directory import ScimDirectory
from waystation.identity.scim.errors import ScimError, invalid_filter, invalid_syntax, invalid_value
from waystation.identity.scim.filters import attribute_path, parse_filter
from waystation.identity.scim.schemas import GROUPS, LIST, SEARCH, USERS, Kind
from waystation.identity.secret import digest
from waystation.store import Clock, Provisioner, Store

MEDIA_TYPE = "application/scim+json"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_MOST = 200
_LARGEST = 4 << 20
_TOUCH = 60
"""Seconds between two notes of when a provisioner was last here."""
_Endpoint = Callable[[Request, Provisioner], Awaitable[Response]]


class ScimEndpoints:
    def __init__(self, store: Store, people: People, *, base_url: str, now: Clock) -> None:
        self._store = store
        self._directory = ScimDirectory(store, people, base_url=base_url, now=now)
        self._base = f"{base_url}/scim/v2"
        self._now = now

    def routes(self) -> list[Route]:
        here = self._directory
        routes = [
            *self._resources(
                USERS,
                here.users,
                here.user,
                here.add_user,
                here.replace_user,
                here.patch_user,
                here.delete_user,
            ),
            *self._resources(
                GROUPS,
                here.groups,
                here.group,
                here.add_group,
                here.replace_group,
                here.patch_group,
                here.delete_group,
            ),
        ]
        for path, answer in self._descriptions().items():
            routes.append(Route(f"/scim/v2/{path}", self._guarded(_fixed(answer)), methods=["GET"]))
        for path, listed in (("ResourceTypes", self._types()), ("Schemas", self._schemas())):
            routes.append(Route(f"/scim/v2/{path}/{{name}}", self._guarded(_one_of(listed)), methods=["GET"]))

        async def everything(request: Request, _by: Provisioner) -> Response:
            return await _search_in(here.everything, _search(await _body(request)))

        routes.append(Route("/scim/v2/.search", self._guarded(everything), methods=["POST"]))
        routes.append(Route("/scim/v2/{rest:path}", self._guarded(_nothing), methods=list(_METHODS)))
        return routes

    def _resources(
        self,
        kind: Kind,
        listed: Callable[..., Any],
        get: Callable[..., Any],
        add: Callable[..., Any],
        replace: Callable[..., Any],
        patch: Callable[..., Any],
        delete: Callable[..., Any],
    ) -> list[Route]:
        async def find(request: Request, _by: Provisioner) -> Response:
            return await search(_query(request))

        async def find_posted(request: Request, _by: Provisioner) -> Response:
            return await search(_search(await _body(request)))

        async def search(query: dict[str, str]) -> Response:
            return await _search_in(listed, query)

        async def read(request: Request, _by: Provisioner) -> Response:
            body = await anyio.to_thread.run_sync(get, request.path_params["id"])
            return _answer(_shown(body, _query(request)))

        async def create(request: Request, by: Provisioner) -> Response:
            given = _resource(await _body(request), kind)
            body = await anyio.to_thread.run_sync(lambda: add(given, by))
            return _answer(_shown(body, _query(request)), 201, {"Location": body["meta"]["location"]})

        async def overwrite(request: Request, by: Provisioner) -> Response:
            given = _resource(await _body(request), kind)
            body = await anyio.to_thread.run_sync(lambda: replace(request.path_params["id"], given, by))
            return _answer(_shown(body, _query(request)))

        async def change(request: Request, by: Provisioner) -> Response:
            given = await _body(request)
            body = await anyio.to_thread.run_sync(lambda: patch(request.path_params["id"], given, by))
            return _answer(_shown(body, _query(request)))

        async def remove(request: Request, by: Provisioner) -> Response:
            await anyio.to_thread.run_sync(lambda: delete(request.path_params["id"], by))
            return Response(status_code=204)

        one, all_of = f"/scim/v2/{kind.endpoint}/{{id}}", f"/scim/v2/{kind.endpoint}"
        return [
            Route(all_of, self._guarded(find), methods=["GET"]),
            Route(f"{all_of}/.search", self._guarded(find_posted), methods=["POST"]),
            Route(all_of, self._guarded(create), methods=["POST"]),
            Route(one, self._guarded(read), methods=["GET"]),
            Route(one, self._guarded(overwrite), methods=["PUT"]),
            Route(one, self._guarded(change), methods=["PATCH"]),
            Route(one, self._guarded(remove), methods=["DELETE"]),
        ]

    def _guarded(self, endpoint: _Endpoint) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                by = await anyio.to_thread.run_sync(self._who, request.headers.get("authorization", ""))
                return await endpoint(request, by)
            except ScimError as error:
                headers = (
                    {"WWW-Authenticate": 'Bearer realm="waystation scim"'} if error.status == 401 else {}
                )
                return _answer(error.body(), error.status, headers)

        return answer

    def _who(self, header: str) -> Provisioner:
        scheme, _, token = header.partition(" ")
        found = None
        if scheme.lower() == "bearer" and token:
            found = self._store.provisioners.find(digest(token.strip()))
        if found is None:
            raise ScimError(
                401, "Send the provisioner's token as `Authorization: Bearer …`: `waystation scim`."
            )
        now = int(self._now())
        if found.used_at is None or now - found.used_at >= _TOUCH:
            self._store.provisioners.touch(found.id, at=now)
        return found

    def _descriptions(self) -> dict[str, Any]:
        return {
            "ServiceProviderConfig": self._config(),
            "ResourceTypes": _list(self._types()),
            "Schemas": _list(self._schemas()),
        }

    def _config(self) -> dict[str, Any]:
        no = {"supported": False}
        return {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
            "patch": {"supported": True},
            "bulk": no | {"maxOperations": 0, "maxPayloadSize": 0},
            "filter": {"supported": True, "maxResults": _MOST},
            "changePassword": no,
            "sort": no,
            "etag": no,
            "authenticationSchemes": [
                {
                    "type": "oauthbearertoken",
                    "name": "OAuth Bearer Token",
                    "description": "A provisioner's token, from `waystation scim token add`.",
                    "primary": True,
                }
            ],
            "meta": self._meta("ServiceProviderConfig", "ServiceProviderConfig"),
        }

    def _types(self) -> list[dict[str, Any]]:
        return [
            {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
                "id": kind.name,
                "name": kind.name,
                "endpoint": f"/{kind.endpoint}",
                "description": f"{kind.name}s of the company's directory.",
                "schema": kind.schema,
                "schemaExtensions": [{"schema": kind.extension, "required": False}] if kind.extension else [],
                "meta": self._meta("ResourceType", f"ResourceTypes/{kind.name}"),
            }
            for kind in (USERS, GROUPS)
        ]

    def _schemas(self) -> list[dict[str, Any]]:
        described = [(kind.schema, kind.name, kind.attributes) for kind in (USERS, GROUPS)]
        described.append((USERS.extension, "EnterpriseUser", USERS.extension_attributes))
        return [
            {
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
                "id": urn,
                "name": name,
                "description": f"{name}, as far as the gateway keeps it.",
                "attributes": [attribute.body() for attribute in attributes],
                "meta": self._meta("Schema", f"Schemas/{urn}"),
            }
            for urn, name, attributes in described
        ]

    def _meta(self, kind: str, path: str) -> dict[str, str]:
        return {"resourceType": kind, "location": f"{self._base}/{path}"}


async def _search_in(listed: Callable[..., Any], query: dict[str, str]) -> Response:
    wanted = parse_filter(query["filter"]) if "filter" in query else None
    start = max(1, _number(query, "startIndex", 1))
    count = min(_MOST, max(0, _number(query, "count", 100)))
    total, found = await anyio.to_thread.run_sync(lambda: listed(wanted, start, count))
    shown = [_shown(body, query) for body in found]
    return _answer(
        {
            "schemas": [LIST],
            "totalResults": total,
            "startIndex": start,
            "itemsPerPage": len(shown),
            "Resources": shown,
        }
    )


async def _nothing(request: Request, _by: Provisioner) -> Response:
    known = ("Users", "Groups", "ServiceProviderConfig", "ResourceTypes", "Schemas")
    if request.path_params["rest"].partition("/")[0] in known:
        raise ScimError(405, f"{request.method} is not offered here.")
    raise ScimError(404, "There is nothing at this address: bulk requests and `/Me` are not offered.")


def _fixed(body: dict[str, Any]) -> _Endpoint:
    async def answer(request: Request, _by: Provisioner) -> Response:
        if "filter" in _query(request):
            raise ScimError(403, "Descriptions of the service are not filtered.")
        return _answer(body)

    return answer


def _one_of(listed: list[dict[str, Any]]) -> _Endpoint:
    async def answer(request: Request, _by: Provisioner) -> Response:
        name = request.path_params["name"]
        found = next((body for body in listed if body["id"].lower() == name.lower()), None)
        if found is None:
            raise ScimError(404, "There is no such description.")
        return _answer(found)

    return answer


def _list(resources: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "schemas": [LIST],
        "totalResults": len(resources),
        "startIndex": 1,
        "itemsPerPage": len(resources),
        "Resources": resources,
    }


async def _body(request: Request) -> Any:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST:
            raise ScimError(413, "The body is too large.")
    try:
        return msgspec.json.decode(bytes(body))
    except (msgspec.DecodeError, RecursionError):
        raise invalid_syntax("The body is not JSON.") from None


def _resource(body: Any, kind: Kind) -> dict[str, Any]:
    schemas = body.get("schemas") if isinstance(body, dict) else None
    if not isinstance(schemas, list) or kind.schema not in schemas:
        raise invalid_syntax(f"The body must be an object whose `schemas` has {kind.schema}.")
    found: dict[str, Any] = body
    return found


def _query(request: Request) -> dict[str, str]:
    try:
        raw = request.scope.get("query_string", b"").decode("ascii")
        return {
            name: values[-1] for name, values in parse_qs(raw, errors="strict", max_num_fields=64).items()
        }
    except ValueError:
        raise invalid_filter("The query cannot be read.") from None


def _search(body: Any) -> dict[str, str]:
    """The fields of a `.search` body as a query would have them."""
    if not isinstance(body, dict) or SEARCH not in (body.get("schemas") or ()):
        raise invalid_syntax(f"The body must be an object whose `schemas` has {SEARCH}.")
    query: dict[str, str] = {}
    for name in ("filter", "startIndex", "count", "attributes", "excludedAttributes"):
        value = body.get(name)
        if isinstance(value, list):
            value = ",".join(str(entry) for entry in value)
        if value is not None:
            query[name] = str(value)
    return query


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    try:
        return int(text[:20])
    except ValueError:
        raise invalid_value(f"{name} must be a whole number.") from None


def _shown(body: dict[str, Any], query: dict[str, str]) -> dict[str, Any]:
    """With only the attributes that were asked for (RFC 7644 section 3.9)."""
    wanted, unwanted = query.get("attributes"), query.get("excludedAttributes")
    if wanted:
        paths = [attribute_path(name.strip(), invalid_value) for name in wanted.split(",") if name.strip()]
        keep = {"schemas", "id"}
        shown = {key: value for key, value in body.items() if key in keep}
        for path in paths:
            _copy_into(shown, body, path.schema, path.name, path.sub)
        return shown
    if unwanted:
        names = {name.strip().lower() for name in unwanted.split(",")} - {"id", "schemas"}
        return {key: _less(key, value, names) for key, value in body.items() if key.lower() not in names}
    return body


def _copy_into(shown: dict[str, Any], body: dict[str, Any], schema: str, name: str, sub: str) -> None:
    whole = f"{schema}:{name}".lower() if schema else name.lower()
    for key, value in body.items():
        if key.lower() == whole:
            if sub and isinstance(value, dict):
                value = {k: v for k, v in value.items() if k.lower() == sub.lower()}
                shown[key] = shown.get(key, {}) | value
            elif sub and isinstance(value, list):
                shown[key] = [{k: v for k, v in entry.items() if k.lower() == sub.lower()} for entry in value]
            else:
                shown[key] = value
        elif schema and key.lower() == schema.lower() and isinstance(value, dict):
            _copy_into(shown.setdefault(key, {}), value, "", name, sub)
            if not shown[key]:
                del shown[key]


def _less(key: str, value: Any, names: set[str]) -> Any:
    def stays(name: str) -> bool:
        return f"{key}.{name}".lower() not in names and f"{key}:{name}".lower() not in names

    if isinstance(value, dict):
        return {name: inner for name, inner in value.items() if stays(name)}
    if isinstance(value, list):
        return [
            {name: inner for name, inner in entry.items() if stays(name)}
            if isinstance(entry, dict)
            else entry
            for entry in value
        ]
    return value


def _answer(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(body),
        status_code=status,
        headers={"Cache-Control": "no-store"} | (headers or {}),
        media_type=MEDIA_TYPE,
    )
