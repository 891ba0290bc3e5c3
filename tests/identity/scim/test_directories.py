"""The requests that Okta and Entra document, and what they do to people who are signed in."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.identity_fixture import BASE_URL, sign_in, who
from tests.store_fixture import Clock
from waystation import identity
from waystation.identity import OPERATOR, Identity
from waystation.identity.scim.schemas import ENTERPRISE, GROUP, PATCH, USER
from waystation.model import PrincipalKind, Refusal, RefusalKind
from waystation.store import Store, User


def _add(scim: TestClient, name: str = "bob@example.com", **more: Any) -> str:
    answer = scim.post("/Users", json={"schemas": [USER], "userName": name, "active": True, **more})
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


def _known(home: Identity, name: str) -> User:
    return next(user for user in home.service.users(by=OPERATOR) if user.name == name)


def _group(scim: TestClient, name: str, *members: str) -> str:
    body = {"schemas": [GROUP], "displayName": name, "members": [{"value": member} for member in members]}
    answer = scim.post("/Groups", json=body)
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


def _patch(scim: TestClient, path: str, *operations: dict[str, Any]) -> dict[str, Any]:
    answer = scim.patch(f"/{path}", json={"schemas": [PATCH], "Operations": list(operations)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_oktas_life_of_a_user(scim: TestClient, home: Identity) -> None:
    """Test connection, look for the name, create, read, replace, deactivate, reactivate."""
    assert scim.get("/Users", params={"startIndex": 1, "count": 2}).json()["totalResults"] == 1
    query: dict[str, str | int] = {
        "filter": 'userName eq "Test.User@okta.local"',
        "startIndex": 1,
        "count": 100,
    }
    assert scim.get("/Users", params=query).json()["totalResults"] == 0
    body = {
        "schemas": [USER],
        "userName": "Test.User@okta.local",
        "name": {"givenName": "Test", "familyName": "User"},
        "emails": [{"primary": True, "value": "test.user@okta.local", "type": "work"}],
        "displayName": "Test User",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
    }
    made = scim.post("/Users", json=body)
    assert made.status_code == 201
    user = made.json()
    assert "password" not in user
    assert user["userName"] == "Test.User@okta.local"
    assert made.headers["location"] == user["meta"]["location"] == f"{BASE_URL}/scim/v2/Users/{user['id']}"
    assert scim.get("/Users", params=query).json()["Resources"][0]["id"] == user["id"]
    assert scim.post("/Users", json=body).json()["scimType"] == "uniqueness"
    replaced = scim.put(f"/Users/{user['id']}", json=body | {"displayName": "T. User"}).json()
    assert replaced["displayName"] == "T. User"
    off = _patch(scim, f"Users/{user['id']}", {"op": "replace", "value": {"active": False}})
    assert off["active"] is False
    assert not _known(home, "test.user@okta.local").active
    assert _patch(scim, f"Users/{user['id']}", {"op": "replace", "value": {"active": True}})["active"] is True


def test_entras_operations_on_a_user(scim: TestClient, home: Identity) -> None:
    user = _add(
        scim, "bob@example.com", emails=[{"type": "work", "value": "bob@example.com", "primary": True}]
    )
    changed = _patch(
        scim,
        f"Users/{user}",
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "robert@example.com"},
        {"op": "Add", "path": 'phoneNumbers[type eq "work"].value', "value": "+49 30 1"},
        {"op": "Replace", "path": "name.familyName", "value": "Baker"},
        {"op": "Add", "path": f"{ENTERPRISE}:department", "value": "R&D"},
        {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "usr_1"},
        {"op": "Replace", "value": {"displayName": "Bob", f"{ENTERPRISE}:costCenter": "4711"}},
    )
    assert changed["emails"] == [{"type": "work", "value": "robert@example.com", "primary": True}]
    assert changed["phoneNumbers"] == [{"type": "work", "value": "+49 30 1"}]
    assert changed["name"] == {"familyName": "Baker"}
    assert changed[ENTERPRISE] == {
        "department": "R&D",
        "manager": {"value": "usr_1"},
        "costCenter": "4711",
    }
    assert _known(home, "bob@example.com").cost_center == "4711"
    off = _patch(scim, f"Users/{user}", {"op": "Replace", "path": "active", "value": "False"})
    assert off["active"] is False


def test_entras_operations_on_a_group(scim: TestClient) -> None:
    ann, bob, cid = (_add(scim, f"{name}@example.com") for name in ("ann", "bob", "cid"))
    group = _group(scim, "platform")
    added = {"op": "Add", "path": "members", "value": [{"$ref": None, "value": ann}, {"value": bob}]}
    assert [m["value"] for m in _patch(scim, f"Groups/{group}", added)["members"]] == sorted([ann, bob])
    removed = {"op": "Remove", "path": "members", "value": [{"value": ann}]}
    assert [m["value"] for m in _patch(scim, f"Groups/{group}", removed)["members"]] == [bob]
    swapped = _patch(
        scim,
        f"Groups/{group}",
        {"op": "add", "path": "members", "value": [{"value": cid}]},
        {"op": "remove", "path": f'members[value eq "{bob}"]'},
        {"op": "replace", "value": {"id": group, "displayName": "Platform"}},  # as Okta renames
    )
    assert (swapped["displayName"], [m["value"] for m in swapped["members"]]) == ("Platform", [cid])
    shown = scim.get(
        "/Groups", params={"excludedAttributes": "members", "filter": 'displayName eq "PLATFORM"'}
    )
    assert [("members" in found, found["id"]) for found in shown.json()["Resources"]] == [(False, group)]
    assert scim.get(f"/Users/{cid}").json()["groups"][0]["display"] == "Platform"


def test_joining_and_leaving_a_group_changes_what_a_token_means(
    scim: TestClient, home: Identity, store: Store, clock: Clock
) -> None:
    """Also in another gateway process, at its next look at the store."""
    user = _add(scim)
    elsewhere = identity.build(store, base_url=BASE_URL, agents=lambda _: {}, now=clock)
    tokens = sign_in(home, "bob@example.com")
    assert who(elsewhere, tokens).groups == frozenset()
    group = _group(scim, "research", user)
    assert who(home, tokens).groups == {"research"}
    assert elsewhere.poller.poll()
    assert who(elsewhere, tokens).groups == {"research"}
    _patch(scim, f"Groups/{group}", {"op": "replace", "value": {"displayName": "lab"}})
    assert who(home, tokens).groups == {"lab"}
    _patch(scim, f"Groups/{group}", {"op": "remove", "path": f'members[value eq "{user}"]'})
    assert who(home, tokens).groups == frozenset()
    elsewhere.poller.poll()
    assert who(elsewhere, tokens).groups == frozenset()
    _patch(scim, f"Groups/{group}", {"op": "add", "path": "members", "value": [{"value": user}]})
    assert scim.delete(f"/Groups/{group}").status_code == 204
    assert who(home, tokens).groups == frozenset()
    started_later = identity.build(store, base_url=BASE_URL, agents=lambda _: {}, now=clock)
    assert who(started_later, tokens).groups == frozenset()


@pytest.mark.parametrize("how", ["deactivated", "deleted"])
def test_somebody_who_leaves_is_refused_at_once(
    scim: TestClient, home: Identity, store: Store, clock: Clock, how: str
) -> None:
    user = _add(scim)
    elsewhere = identity.build(store, base_url=BASE_URL, agents=lambda _: {}, now=clock)
    tokens = sign_in(home, "bob@example.com")
    who(elsewhere, tokens)
    if how == "deleted":
        assert scim.delete(f"/Users/{user}").status_code == 204
        assert scim.get(f"/Users/{user}").status_code == 404
        assert scim.delete(f"/Users/{user}").status_code == 404
    else:
        _patch(scim, f"Users/{user}", {"op": "replace", "path": "active", "value": False})
    elsewhere.poller.poll()
    for room in (home, elsewhere):
        refusal = room.verifier.verify(tokens.access_token.encode())
        assert isinstance(refusal, Refusal)
        assert refusal.kind is RefusalKind.REVOKED
    if how == "deleted":
        assert _add(scim) != user, "a new person of the same name is somebody else"


def test_the_last_owner_and_service_accounts_are_out_of_reach(
    scim: TestClient, home: Identity, store: Store
) -> None:
    owner = scim.get("/Users", params={"filter": 'userName eq "ada@example.com"'}).json()["Resources"][0][
        "id"
    ]
    off = {"schemas": [PATCH], "Operations": [{"op": "replace", "path": "active", "value": False}]}
    assert scim.patch(f"/Users/{owner}", json=off).status_code == 403
    assert scim.delete(f"/Users/{owner}").status_code == 403
    name = {"schemas": [USER], "userName": "mallory@example.com"}
    assert scim.put(f"/Users/{owner}", json=name).status_code == 403
    assert home.service.users(by=OPERATOR)[0].active
    robot = home.service.add_user("ci", by=OPERATOR, kind=PrincipalKind.SERVICE)
    assert scim.get(f"/Users/{robot.id}").status_code == 404
    assert scim.get("/Users").json()["totalResults"] == 1


def test_pages_follow_each_other(scim: TestClient) -> None:
    for number in range(7):
        _add(scim, f"p{number}@example.com")
    seen: list[str] = []
    for start in (1, 4, 7, 10):
        page = scim.get("/Users", params={"startIndex": start, "count": 3}).json()
        assert page["totalResults"] == 8
        assert page["itemsPerPage"] == len(page["Resources"])
        seen += [user["userName"] for user in page["Resources"]]
    assert len(seen) == len(set(seen)) == 8
    assert scim.get("/Users", params={"count": 0}).json()["Resources"] == []
    assert scim.get("/Users", params={"count": -5, "startIndex": -1}).json()["itemsPerPage"] == 0


def test_without_a_provisioners_token_nothing_is_told(scim: TestClient, home: Identity) -> None:
    tokens = sign_in(home)
    for header in ("", "Bearer nonsense", f"Bearer {tokens.access_token}", "Basic YTpi"):
        for path in ("Users", "Groups", "Schemas", "ServiceProviderConfig", "Nowhere"):
            answer = scim.get(f"/{path}", headers={"authorization": header})
            assert answer.status_code == 401
            assert answer.json()["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"]
    [provisioner] = home.service.provisioners(by=OPERATOR)
    home.service.end_provisioner(provisioner.id, by=OPERATOR)
    assert scim.get("/Users").status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind"),
    [
        ("POST", "Users", "{", 400, "invalidSyntax"),
        ("POST", "Users", "[]", 400, "invalidSyntax"),
        ("POST", "Users", '{"schemas": []}', 400, "invalidSyntax"),
        ("POST", "Users", f'{{"schemas": ["{USER}"]}}', 400, "invalidValue"),
        (
            "POST",
            "Users",
            f'{{"schemas": ["{USER}"], "userName": 7, "active": "perhaps"}}',
            400,
            "invalidValue",
        ),
        ("POST", "Users", f'{{"schemas": ["{USER}"], "userName": "a\\u0000b"}}', 400, "invalidValue"),
        ("POST", "Users", f'{{"schemas": ["{USER}"], "userName": "x", "emails": [7]}}', 400, "invalidValue"),
        ("POST", "Groups", f'{{"schemas": ["{GROUP}"], "displayName": ""}}', 400, "invalidValue"),
        (
            "POST",
            "Groups",
            f'{{"schemas": ["{GROUP}"], "displayName": "g", "members": [{{"value": "no"}}]}}',
            400,
            "invalidValue",
        ),
        ("GET", "Users?filter=userName+eq", "", 400, "invalidFilter"),
        ("GET", "Users?filter=" + "(" * 500, "", 400, "invalidFilter"),
        ("GET", "Users?count=many", "", 400, "invalidValue"),
        ("PATCH", "Users/usr_none", "{}", 400, "invalidSyntax"),
        ("GET", "Users/usr_none", "", 404, ""),
        ("DELETE", "Users", "", 405, ""),
        ("POST", "Bulk", "{}", 404, ""),
        ("GET", "Me", "", 404, ""),
    ],
)
def test_junk_is_refused_in_scims_own_shape(
    scim: TestClient, method: str, path: str, body: str, status: int, kind: str
) -> None:
    answer = scim.request(method, f"/{path}", content=body)
    assert answer.status_code == status, answer.text
    error = answer.json()
    assert error["status"] == str(status)
    assert error.get("scimType", "") == kind
    assert error["detail"].endswith(".")


def test_every_act_of_the_directory_is_audited(scim: TestClient, store: Store) -> None:
    user = _add(scim)
    group = _group(scim, "research", user)
    scim.delete(f"/Groups/{group}")
    scim.delete(f"/Users/{user}")
    by_scim = [event.action for event in store.audit.since() if event.detail.get("by") == "scim"]
    assert by_scim == ["user.added", "group.added", "group.deleted", "user.deleted"]
    assert not store.audit.verify().fault
