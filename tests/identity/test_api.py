"""`/api/v1`: who am I, my tools' defaults, my sessions."""

import pytest
from starlette.testclient import TestClient

from tests.identity_fixture import BASE_URL, bearer, sign_in, who
from tests.store_fixture import Clock
from waystation import __version__
from waystation.identity import OPERATOR, Caller, Identity


def test_me_says_who_where_and_what_time_it_is(client: TestClient, home: Identity, clock: Clock) -> None:
    home.service.add_user("bob@example.com", by=OPERATOR, groups=["eng", "ai"], cost_center="R&D")
    tokens = sign_in(home, "bob@example.com", device="bob's laptop")
    response = client.get("/api/v1/me", headers=bearer(tokens))
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    principal = who(home, tokens)
    assert body["principal"] == {
        "id": principal.id,
        "name": "bob@example.com",
        "kind": "user",
        "groups": ["ai", "eng"],
        "roles": ["member"],
        "cost_center": "R&D",
    }
    assert body["session"]["id"] == principal.session
    assert body["session"]["device"] == "bob's laptop"
    assert body["session"]["current"] is True
    assert body["token_expires_at"] == int(clock.time) + 1800
    assert body["gateway"] == {"url": BASE_URL, "version": __version__}
    assert body["server_time"] == clock.time


@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1/agents", "/api/v1/sessions"])
@pytest.mark.parametrize("header", [None, "Bearer nonsense", "Basic YTpi", "Bearer", ""])
def test_without_a_token_the_way_in_is_shown(client: TestClient, path: str, header: str | None) -> None:
    response = client.get(path, headers={} if header is None else {"authorization": header})
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer ")
    assert response.json()["error"]["message"]
    assert response.json()["error"]["type"] == "unauthenticated"


def test_a_token_in_the_query_is_no_token(client: TestClient, home: Identity) -> None:
    assert client.get(f"/api/v1/me?access_token={sign_in(home).access_token}").status_code == 401


def test_a_revoked_token_is_told_apart(client: TestClient, home: Identity) -> None:
    tokens = sign_in(home)
    home.service.end_session(who(home, tokens).session, by=OPERATOR)
    response = client.get("/api/v1/me", headers=bearer(tokens))
    assert (response.status_code, response.json()["error"]["type"]) == (401, "revoked")


def test_agents_come_from_the_policy(client: TestClient, home: Identity) -> None:
    response = client.get("/api/v1/agents", headers=bearer(sign_in(home)))
    assert response.json() == {"claude": {"model": "for ada@example.com"}}


def test_people_see_their_own_sessions_and_admins_all(client: TestClient, home: Identity) -> None:
    home.service.add_user("bob@example.com", by=OPERATOR)
    ada, bob, bob2 = sign_in(home), sign_in(home, "bob@example.com"), sign_in(home, "bob@example.com")
    own = client.get("/api/v1/sessions", headers=bearer(bob)).json()["sessions"]
    assert {session["id"] for session in own} == {who(home, bob).session, who(home, bob2).session}
    assert [session["id"] for session in own if session["current"]] == [who(home, bob).session]
    everybody = client.get("/api/v1/sessions", headers=bearer(ada)).json()["sessions"]
    assert {session["user"] for session in everybody} == {"ada@example.com", "bob@example.com"}


def test_people_end_their_own_sessions_at_once(client: TestClient, home: Identity) -> None:
    home.service.add_user("bob@example.com", by=OPERATOR)
    bob, lost = sign_in(home, "bob@example.com"), sign_in(home, "bob@example.com")
    path = f"/api/v1/sessions/{who(home, lost).session}"
    assert client.delete(path, headers=bearer(bob)).status_code == 204
    assert client.get("/api/v1/me", headers=bearer(lost)).status_code == 401
    assert client.get("/api/v1/me", headers=bearer(bob)).status_code == 200


def test_S3_nobody_ends_or_even_finds_the_sessions_of_others(client: TestClient, home: Identity) -> None:
    home.service.add_user("bob@example.com", by=OPERATOR)
    ada, bob = sign_in(home), sign_in(home, "bob@example.com")
    theirs = client.delete(f"/api/v1/sessions/{who(home, ada).session}", headers=bearer(bob))
    missing = client.delete("/api/v1/sessions/ses_nowhere", headers=bearer(bob))
    assert (theirs.status_code, theirs.content) == (404, missing.content)
    assert client.get("/api/v1/me", headers=bearer(ada)).status_code == 200


def test_admins_end_the_sessions_of_others(client: TestClient, home: Identity) -> None:
    home.service.add_user("bob@example.com", by=OPERATOR)
    ada, bob = sign_in(home), sign_in(home, "bob@example.com")
    assert client.delete(f"/api/v1/sessions/{who(home, bob).session}", headers=bearer(ada)).status_code == 204
    assert client.get("/api/v1/me", headers=bearer(bob)).status_code == 401


def test_a_browsers_cookie_works_too_but_changes_need_our_own_pages(
    client: TestClient, home: Identity
) -> None:
    link = home.service.sign_in_link(by=OPERATOR)
    opened = home.service.links.open_browser(link.url.rsplit("/", 1)[1], Caller())
    client.cookies.set(home.browsers.session_cookie, opened.cookie)
    assert client.get("/api/v1/me").json()["principal"]["name"] == "ada@example.com"
    path = f"/api/v1/sessions/{opened.session.id}"
    for headers in (
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "null"},
    ):
        assert client.delete(path, headers=headers).status_code == 401
    assert client.delete(path, headers={"sec-fetch-site": "same-origin"}).status_code == 204
    assert client.get("/api/v1/me").status_code == 401


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "gateway.example/../admin", ""])
def test_S5_the_host_header_decides_nothing(client: TestClient, home: Identity, host: str) -> None:
    assert client.get("/api/v1/me", headers={"host": host}).status_code == 401
    assert client.get("/api/v1/me", headers={"host": host} | bearer(sign_in(home))).status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/v1/me/", "//api/v1/me", "/api/v1/../v1/me", "/API/v1/me", "/api/v1/%6de"]
)
def test_S5_other_spellings_of_an_address_let_nobody_in(client: TestClient, path: str) -> None:
    assert client.get(path).status_code in (307, 401, 404)
