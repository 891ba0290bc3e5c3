"""The permission matrix: each role × each address of the whole gateway."""

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, Route
from starlette.testclient import TestClient

from tests.identity_fixture import BASE_URL, bearer, sign_in
from waystation import console
from waystation.identity import ENDPOINTS, GRANTS, OPERATOR, ROLES, Identity, Permission, TokenSet, allows

_GUARDED = sorted(
    (method, path) for (method, path), needed in ENDPOINTS.items() if path.startswith("/api/v1/")
)
_ELSEWHERE = {("GET", "/api/v1/me/limits")}
"""Guarded, but made by the application room."""


def _methods(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    for route in routes:
        if isinstance(route, Route):
            for method in sorted((route.methods or {"GET"}) - {"HEAD"}):
                yield method, route.path
        else:
            assert isinstance(route, Mount)
            assert route.path == "/static"


def test_no_address_is_without_a_rule(home: Identity) -> None:
    assert set(_methods([*home.routes, *console.routes(home)])) <= set(ENDPOINTS)


def test_the_roles_are_what_they_are() -> None:
    assert set(GRANTS) == set(ROLES)
    for role, granted in GRANTS.items():
        assert not granted & {Permission.PUBLIC, Permission.SIGNED_IN, Permission.PROVISIONER}, role
        assert Permission.OWN in granted
    writes = {permission for permission in Permission if permission.value.endswith((".write", ".end"))}
    assert not GRANTS["auditor"] & writes, "an auditor changes nothing"
    assert not GRANTS["member"] - {Permission.OWN}
    assert GRANTS["owner"] - GRANTS["admin"] == {Permission.OWNERS_WRITE}
    assert not allows(["nobody's role", ""], Permission.OWN)


@pytest.fixture
def tokens(home: Identity) -> dict[str, TokenSet]:
    found = {}
    for role in ROLES:
        if role != "owner":
            home.service.add_user(f"{role}@example.com", by=OPERATOR, roles=[role])
        found[role] = sign_in(home, "ada@example.com" if role == "owner" else f"{role}@example.com")
    return found


def test_each_role_at_each_address(home: Identity, tokens: dict[str, TokenSet]) -> None:
    """Refused with 403 exactly where the matrix says so; nobody without a token gets anywhere."""
    browser = TestClient(Starlette(routes=list(home.routes)), base_url=BASE_URL)
    places: dict[str, Any] = {
        "name": "nobody",
        "session_id": "ses_none",
        "federation_id": "fed_none",
        "provisioner_id": "prv_none",
    }
    wrong = []
    for method, path in _GUARDED:
        if (method, path) in _ELSEWHERE or ENDPOINTS[method, path] is Permission.POLICY_READ:
            continue
        address = path.format(**places)
        assert browser.request(method, address, json={}).status_code == 401, (method, path)
        for role in ROLES:
            status = browser.request(method, address, json={}, headers=bearer(tokens[role])).status_code
            assert status < 500, (method, path, role)
            if (status != 403) != allows([role], ENDPOINTS[method, path]):
                wrong.append((role, method, path, status))
    assert not wrong


def test_roles_by_the_policy_count_and_never_make_an_owner(
    home: Identity, tokens: dict[str, TokenSet]
) -> None:
    from waystation.identity.service import IdentityService

    named = {"member@example.com": frozenset({"owner", "auditor"})}
    service = home.service
    assert isinstance(service, IdentityService)
    service._policy_roles = lambda principal: named.get(principal.name, frozenset())
    browser = TestClient(Starlette(routes=list(home.routes)), base_url=BASE_URL)
    assert browser.get("/api/v1/audit", headers=bearer(tokens["member"])).status_code == 200
    assert browser.get("/api/v1/provisioners", headers=bearer(tokens["member"])).status_code == 403


def test_a_role_holds_from_the_next_request_on(home: Identity, tokens: dict[str, TokenSet]) -> None:
    browser = TestClient(Starlette(routes=list(home.routes)), base_url=BASE_URL)
    asks: dict[str, Any] = {"headers": bearer(tokens["member"])}
    assert browser.get("/api/v1/users", **asks).status_code == 403
    owner: dict[str, Any] = {"headers": bearer(tokens["owner"])}
    body = {"roles": ["member", "auditor"]}
    assert browser.put("/api/v1/users/member@example.com/roles", json=body, **owner).status_code == 200
    assert browser.get("/api/v1/users", **asks).status_code == 200
    assert browser.get("/api/v1/me", **asks).json()["principal"]["roles"] == ["auditor", "member"]
    admin: dict[str, Any] = {"headers": bearer(tokens["admin"])}
    body = {"roles": ["owner"]}
    assert browser.put("/api/v1/users/member@example.com/roles", json=body, **admin).status_code == 403
    body = {"roles": ["member"]}
    assert browser.put("/api/v1/users/ada@example.com/roles", json=body, **owner).status_code == 403, (
        "the last owner"
    )
    assert browser.put("/api/v1/users/ada@example.com/roles", content=b"{", **owner).status_code == 400


def test_an_admin_sees_and_ends_everybodys_sessions(home: Identity, tokens: dict[str, TokenSet]) -> None:
    browser = TestClient(Starlette(routes=list(home.routes)), base_url=BASE_URL)
    admin, member = bearer(tokens["admin"]), bearer(tokens["member"])
    own = browser.get("/api/v1/sessions", headers=member).json()["sessions"]
    assert [session["user"] for session in own] == ["member@example.com"]
    theirs = browser.get("/api/v1/users/member@example.com/sessions", headers=admin).json()["sessions"]
    assert [session["id"] for session in theirs] == [own[0]["id"]]
    auditor = bearer(tokens["auditor"])
    assert len(browser.get("/api/v1/sessions", headers=auditor).json()["sessions"]) == len(ROLES)
    assert browser.delete(f"/api/v1/sessions/{own[0]['id']}", headers=auditor).status_code == 404
    assert browser.delete(f"/api/v1/sessions/{own[0]['id']}", headers=admin).status_code == 204
    assert browser.get("/api/v1/me", headers=member).status_code == 401
