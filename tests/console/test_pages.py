"""The pages of sign-in, as a browser meets them."""

import re
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from tests.identity_fixture import BASE_URL, REDIRECT, VERIFIER, authorize_query, sign_in
from tests.store_fixture import Clock
from waystation.identity import OPERATOR, Identity
from waystation.store import Store


class Form(HTMLParser):
    """The forms of a page: where each goes, its hidden fields and its buttons."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.buttons: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((found["action"], {}))
        elif tag == "input" and found.get("type") == "hidden":
            self.forms[-1][1][found["name"]] = found["value"]
        elif tag == "button" and "value" in found:
            self.buttons.append(found["value"])


def form(response: Any, number: int = 0) -> tuple[str, dict[str, str]]:
    return Form(response.text).forms[number]


def submit(client: TestClient, page: Any, *, number: int = 0, headers: Any = None, **fields: str) -> Any:
    action, hidden = form(page, number)
    return client.post(action, data={**hidden, **fields}, headers=headers)


def link_path(home: Identity, name: str | None = None) -> str:
    return urlsplit(home.service.sign_in_link(name, by=OPERATOR).url).path


def enter(client: TestClient, home: Identity, name: str | None = None) -> None:
    """Signs the browser in by a welcome link."""
    page = client.get(link_path(home, name))
    assert submit(client, page).status_code == 303


# Welcome


def test_a_welcome_link_signs_the_browser_in(client: TestClient, home: Identity) -> None:
    path = link_path(home)
    page = client.get(path)
    assert page.status_code == 200
    assert "ada@example.com" in page.text
    response = submit(client, page)
    assert (response.status_code, response.headers["location"]) == (303, "/")
    cookie = next(value for value in response.headers.get_list("set-cookie") if "__Host-waystation=" in value)
    assert {"HttpOnly", "Secure", "Path=/", "SameSite=lax"} <= set(cookie.split("; "))
    assert "Domain" not in cookie
    landed = client.get("/")
    assert landed.status_code == 200
    assert "You’re in." in landed.text
    assert f"curl -fsSL {BASE_URL}/install | sh" in landed.text
    assert "way claude" in landed.text


def test_looking_at_a_link_does_not_use_it_up(client: TestClient, home: Identity) -> None:
    path = link_path(home)
    for _ in range(3):
        assert client.get(path).status_code == 200
        assert client.head(path).status_code == 200
    assert submit(client, client.get(path)).status_code == 303


def test_a_link_works_once(client: TestClient, home: Identity) -> None:
    path = link_path(home)
    page = client.get(path)
    submit(client, page)
    again = client.get(path)
    assert again.status_code == 410
    assert "waystation sign-in-link" in again.text
    fresh_form = form(client.get(link_path(home)))[1]
    assert client.post(path, data=fresh_form).status_code == 410


def test_a_made_up_or_late_link_shows_the_way(client: TestClient, home: Identity, clock: Clock) -> None:
    assert client.get("/welcome/nonsense").status_code == 410
    path = link_path(home)
    page = client.get(path)
    clock.forward(31 * 60)
    assert submit(client, page).status_code == 410


def test_signing_in_again_ends_this_browsers_earlier_session(client: TestClient, home: Identity) -> None:
    enter(client, home)
    enter(client, home)
    assert len(home.service.sessions(by=OPERATOR)) == 1


def test_over_plain_http_the_cookie_still_works(home: Identity, client: TestClient, store: Store) -> None:
    from starlette.applications import Starlette

    from waystation import console, identity

    base = "http://127.0.0.1:8080"
    local = identity.build(store, base_url=base, agents=lambda _: {}, now=home.service._now)
    browser = TestClient(
        Starlette(routes=[*local.routes, *console.routes(local)]),
        base_url=base,
        follow_redirects=False,
        headers={"origin": "http://localhost:8080"},
    )
    response = submit(browser, browser.get(link_path(local)))
    cookie = next(
        value for value in response.headers.get_list("set-cookie") if value.startswith("waystation=")
    )
    assert "Secure" not in cookie
    assert "HttpOnly" in cookie
    assert browser.get("/").status_code == 200


# Forms


@pytest.mark.parametrize(
    ("fields", "headers"),
    [
        ({"csrf": ""}, {}),
        ({"csrf": "0" * 64}, {}),
        ({}, {"origin": "https://evil.example"}),
        ({}, {"origin": "null"}),
        ({}, {"sec-fetch-site": "cross-site"}),
    ],
)
def test_a_form_from_elsewhere_is_refused(
    client: TestClient, home: Identity, fields: dict[str, Any], headers: dict[str, str]
) -> None:
    path = link_path(home)
    page = client.get(path)
    response = submit(client, page, headers=headers, **fields)
    assert response.status_code == 403
    assert client.get(path).status_code == 200, "the link is still good"
    assert submit(client, page).status_code == 303


def test_a_form_token_of_another_browser_is_refused(client: TestClient, home: Identity) -> None:
    path = link_path(home)
    stolen = form(client.get(path))[1]
    client.cookies.clear()
    client.get(path)
    assert client.post(path, data=stolen).status_code == 403


def test_a_form_token_from_before_signing_in_is_refused(client: TestClient, home: Identity) -> None:
    before = form(client.get(link_path(home)))[1]
    enter(client, home)
    assert client.post("/device", data=before | {"user_code": "x"}).status_code == 403


@pytest.mark.parametrize("path", ["/oauth/authorize", "/device", "/sessions/ses_x/end", "/welcome/x"])
def test_every_form_wants_its_token(client: TestClient, home: Identity, path: str) -> None:
    enter(client, home)
    assert client.post(path, data={"decision": "approve"}).status_code == 403


def test_a_form_that_cannot_be_read_is_refused(client: TestClient) -> None:
    assert client.post("/device", json={"csrf": "x"}).status_code == 400


# Consent


def test_consent_leads_back_to_way_with_a_working_code(client: TestClient, home: Identity) -> None:
    enter(client, home)
    page = client.get("/oauth/authorize", params=authorize_query())
    assert page.status_code == 200
    for shown in ("ada@example.com", "Ada&#39;s laptop", "way, the command line", "127.0.0.1:53123"):
        assert shown in page.text
    response = submit(client, page, decision="approve")
    assert response.status_code == 303
    assert response.headers["location"].startswith(REDIRECT + "?")
    reply = parse_qs(urlsplit(response.headers["location"]).query)
    assert (reply["state"], reply["iss"]) == (["st&te=1"], [BASE_URL])
    token = client.post(
        "/oauth/token",
        data={
            "grant_type": "authorization_code",
            "client_id": "way",
            "code": reply["code"][0],
            "redirect_uri": REDIRECT,
            "code_verifier": VERIFIER,
        },
    )
    assert token.status_code == 200


@pytest.mark.parametrize("fields", [{"decision": "deny"}, {}])
def test_without_a_yes_the_computer_is_turned_away(
    client: TestClient, home: Identity, fields: dict[str, Any]
) -> None:
    enter(client, home)
    response = submit(client, client.get("/oauth/authorize", params=authorize_query()), **fields)
    reply = parse_qs(urlsplit(response.headers["location"]).query)
    assert (reply["error"], reply["state"]) == (["access_denied"], ["st&te=1"])
    assert "code" not in reply


def test_asking_for_consent_gives_no_code(client: TestClient, home: Identity) -> None:
    """No silent approval, however often the same computer has been let in."""
    enter(client, home)
    for _ in range(2):
        page = client.get("/oauth/authorize", params=authorize_query())
        assert page.status_code == 200
        submit(client, page, decision="approve")


def test_without_a_session_the_page_says_how_to_get_one(client: TestClient, home: Identity) -> None:
    page = client.get("/oauth/authorize", params=authorize_query())
    assert page.status_code == 401
    assert "waystation sign-in-link" in page.text
    assert "reload this page" in page.text


def test_an_unproven_address_is_never_redirected_to(client: TestClient, home: Identity) -> None:
    enter(client, home)
    page = client.get(
        "/oauth/authorize", params=authorize_query(redirect_uri="https://evil.example/callback")
    )
    assert page.status_code == 400
    assert "location" not in page.headers
    assert "evil" not in page.text


def test_changed_fields_of_the_form_are_checked_again(client: TestClient, home: Identity) -> None:
    enter(client, home)
    page = client.get("/oauth/authorize", params=authorize_query())
    response = submit(client, page, decision="approve", redirect_uri="https://evil.example/callback")
    assert response.status_code == 400
    downgraded = submit(client, page, decision="approve", code_challenge_method="plain")
    assert parse_qs(urlsplit(downgraded.headers["location"]).query)["error"] == ["invalid_request"]


def test_a_faulty_request_goes_back_to_the_client(client: TestClient) -> None:
    response = client.get("/oauth/authorize", params=authorize_query(response_type="token"))
    assert response.status_code == 303
    assert response.headers["location"].startswith(REDIRECT + "?error=unsupported_response_type")


@pytest.mark.parametrize(
    ("redirect_uri", "form_action"),
    [
        (REDIRECT, "form-action 'self' http://127.0.0.1:53123"),
        ("http://[::1]:53123/callback", None),
    ],
)
def test_the_content_policy_lets_the_consent_form_return(
    client: TestClient, home: Identity, redirect_uri: str, form_action: str | None
) -> None:
    """Browsers hold a form's redirect against `form-action`, whose grammar has no IPv6 literals."""
    enter(client, home)
    page = client.get("/oauth/authorize", params=authorize_query(redirect_uri=redirect_uri))
    policy = page.headers["content-security-policy"]
    assert (form_action in policy) if form_action else ("form-action" not in policy)


# Device page


def start_device(client: TestClient, device_name: str = "runner") -> dict[str, str]:
    response = client.post("/oauth/device", data={"client_id": "way", "device_name": device_name})
    started: dict[str, str] = response.json()
    return started


def poll(client: TestClient, started: dict[str, str]) -> Any:
    grant = "urn:ietf:params:oauth:grant-type:device_code"
    return client.post(
        "/oauth/token",
        data={"grant_type": grant, "client_id": "way", "device_code": started["device_code"]},
    )


@pytest.mark.parametrize(("decision", "status"), [("approve", 200), ("deny", 400)])
def test_a_typed_code_is_shown_and_decided(
    client: TestClient, home: Identity, decision: str, status: int
) -> None:
    started = start_device(client)
    enter(client, home)
    page = client.get("/device")
    assert page.status_code == 200
    shown = submit(client, page, user_code=started["user_code"].lower())
    for text in (started["user_code"], "runner", "10.1.2.3", "just now", "ada@example.com"):
        assert text in shown.text
    done = submit(client, shown, decision=decision)
    assert done.status_code == 200
    assert poll(client, started).status_code == status


def test_the_complete_address_shows_the_request_at_once(client: TestClient, home: Identity) -> None:
    started = start_device(client)
    enter(client, home)
    complete = started["verification_uri_complete"].removeprefix(BASE_URL)
    assert "Is this your computer?" in client.get(complete).text
    assert poll(client, started).json()["error"] == "authorization_pending", "looking approves nothing"


def test_a_wrong_code_is_said_so_and_ten_are_too_many(client: TestClient, home: Identity) -> None:
    enter(client, home)
    for _ in range(10):
        page = submit(client, client.get("/device"), user_code="BCDF-GHJK")
        assert page.status_code == 404
        assert 'role="alert"' in page.text
    page = submit(client, client.get("/device"), user_code="BCDF-GHJK")
    assert page.status_code == 429
    assert int(page.headers["retry-after"]) > 0


def test_the_device_page_wants_a_session(client: TestClient) -> None:
    started = start_device(client)
    complete = started["verification_uri_complete"].removeprefix(BASE_URL)
    page = client.get(complete)
    assert page.status_code == 401
    assert "runner" not in page.text, "strangers learn nothing of who is waiting"


def test_a_decision_cannot_be_repeated(client: TestClient, home: Identity) -> None:
    started = start_device(client)
    enter(client, home)
    shown = client.get(started["verification_uri_complete"].removeprefix(BASE_URL))
    submit(client, shown, decision="deny")
    again = submit(client, shown, decision="approve")
    assert again.status_code == 404
    assert poll(client, started).json()["error"] == "access_denied"


# Home and signing out


def test_home_lists_sessions_and_ends_them(client: TestClient, home: Identity, clock: Clock) -> None:
    tokens = sign_in(home, device="old laptop")
    enter(client, home)
    clock.forward(3 * 3600)
    page = client.get("/")
    assert "old laptop" in page.text
    assert "3 hours ago" in page.text
    assert "this browser" in page.text
    number = next(
        n
        for n, (action, _) in enumerate(Form(page.text).forms)
        if "/end" in action and "old laptop" in _near(page.text, action)
    )
    assert submit(client, page, number=number).status_code == 303
    assert "old laptop" not in client.get("/").text
    clock.forward(-3 * 3600)
    assert (
        client.get("/api/v1/me", headers={"authorization": f"Bearer {tokens.access_token}"}).status_code
        == 401
    )


def _near(html: str, action: str) -> str:
    """What stands in the list entry of a form."""
    return html[: html.index(action)].rsplit("<li>", 1)[1]


def test_signing_this_browser_out_takes_its_cookie(client: TestClient, home: Identity) -> None:
    enter(client, home)
    stolen = client.cookies[home.browsers.session_cookie]
    response = submit(client, client.get("/"))
    assert response.status_code == 303
    assert home.browsers.session_cookie not in client.cookies
    client.cookies.set(home.browsers.session_cookie, stolen)
    assert client.get("/").status_code == 401


def test_people_cannot_end_the_sessions_of_others(client: TestClient, home: Identity) -> None:
    home.service.add_user("bob@example.com", by=OPERATOR)
    sign_in(home)
    others = home.service.sessions(by=OPERATOR)[0]
    enter(client, home, "bob@example.com")
    hidden = form(client.get("/"))[1]
    assert client.post(f"/sessions/{others.id}/end", data=hidden).status_code == 404
    assert home.service.sessions(by=OPERATOR)


def test_a_browser_session_ends_when_idle(client: TestClient, home: Identity, clock: Clock) -> None:
    enter(client, home)
    for _ in range(4):
        clock.forward(6 * 24 * 3600)
        assert client.get("/").status_code == 200
    clock.forward(7 * 24 * 3600)
    assert client.get("/").status_code == 401


def test_somebody_switched_off_is_out_at_once(client: TestClient, home: Identity) -> None:
    home.service.add_user("bob@example.com", by=OPERATOR)
    enter(client, home, "bob@example.com")
    home.service.disable_user("bob@example.com", by=OPERATOR)
    assert client.get("/").status_code == 401


# What every page promises


def every_page(client: TestClient, home: Identity) -> list[Any]:
    pages = [
        client.get("/"),
        client.get("/device"),
        client.get("/welcome/nonsense"),
        client.get(link_path(home)),
    ]
    pages.append(client.get("/oauth/authorize", params=authorize_query(client_id="evil")))
    started = start_device(client)
    enter(client, home)
    pages += [client.get("/"), client.get("/device"), client.post("/device", data={})]
    pages.append(client.get("/oauth/authorize", params=authorize_query()))
    pages.append(client.get(started["verification_uri_complete"].removeprefix(BASE_URL)))
    return pages


def test_every_page_carries_the_protecting_headers(client: TestClient, home: Identity) -> None:
    for page in every_page(client, home):
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert page.headers["x-frame-options"] == "DENY"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["cache-control"] == "no-store"


def test_every_page_is_sound_html_without_inline_code(client: TestClient, home: Identity) -> None:
    for page in every_page(client, home):
        html = page.text
        assert '<html lang="en">' in html
        assert html.count("<h1") == 1
        assert "<main" in html
        assert re.search(r"<title>[^<]+ · Waystation</title>", html)
        assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|javascript:", html)
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//", html), "nothing comes from elsewhere"
        for identifier in re.findall(r"<label for=\"([^\"]+)\"", html):
            assert f'id="{identifier}"' in html


def test_what_a_computer_calls_itself_is_only_text(client: TestClient, home: Identity) -> None:
    started = start_device(client, device_name="<script>alert(1)</script>\u202e\r\n" + "x" * 200)
    enter(client, home)
    page = client.get(started["verification_uri_complete"].removeprefix(BASE_URL))
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert" in page.text
    assert "\u202e" not in page.text
    assert "x" * 65 not in page.text


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/static/waystation.css", "text/css"),
        ("/static/copy.js", "javascript"),
        ("/static/mark.svg", "image/svg+xml"),
    ],
)
def test_style_script_and_mark_are_served(client: TestClient, path: str, kind: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    assert kind in response.headers["content-type"]


@pytest.mark.parametrize("path", ["/static/../page.py", "/static/%2e%2e/page.py", "/static/nothing.css"])
def test_nothing_else_is_served(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404
