"""Signing in at a real OpenID Connect provider, and everything that must not sign anybody in."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.identity_fixture import BASE_URL, agents, bearer, sign_in, who
from tests.oidc.fixture import OidcProvider, running_provider
from tests.store_fixture import Clock
from waystation import console, identity
from waystation.identity import OPERATOR, Identity
from waystation.model import Principal
from waystation.policy import SignInSpec
from waystation.store import Store, open_store


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    with running_provider(f"{BASE_URL}/oauth/callback") as running:
        yield running


@pytest.fixture
def spec(provider: OidcProvider) -> SignInSpec:
    from waystation.policy import load

    text = "version: 1\n" + provider.policy()
    found = load(text, filename="test").policy.sign_in
    assert found is not None
    return found


@pytest.fixture
def now() -> Clock:
    import time

    return Clock(time.time())


@pytest.fixture
def store(tmp_path, now: Clock) -> Iterator[Store]:  # type: ignore[no-untyped-def]  # pytest's own fixture
    opened = open_store(tmp_path / "data", now=now)
    yield opened
    opened.close()


@pytest.fixture
def home(store: Store, now: Clock, spec: SignInSpec, monkeypatch: pytest.MonkeyPatch) -> Identity:
    monkeypatch.setenv("OIDC_SECRET_OF_THE_TEST", "the-secret-of-the-test")
    built = identity.build(store, base_url=BASE_URL, agents=agents, sign_in=lambda: spec, now=now)
    built.service.first_run(name="ada@example.com")
    return built


@pytest.fixture
def browser(home: Identity, now: Clock) -> TestClient:
    app = Starlette(routes=[*home.routes, *console.routes(home, now=now)])
    return TestClient(app, base_url=BASE_URL, follow_redirects=False, headers={"origin": BASE_URL})


def _begin(browser: TestClient, path: str = "/signin") -> str:
    answer = browser.get(path)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def _come_in(browser: TestClient, provider: OidcProvider, path: str = "/signin") -> str:
    back = provider.visit(_begin(browser, path))
    answer = browser.get(back)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def _me(browser: TestClient) -> dict[str, object]:
    answer = browser.get("/api/v1/me")
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()["principal"]
    return found


def test_somebody_new_is_made_with_groups_and_cost_center(
    browser: TestClient, provider: OidcProvider
) -> None:
    provider.person("bob", email="Bob@Example.com", groups=["dev", "on call"], cost_center="4711")
    assert _come_in(browser, provider) == "/"
    me = _me(browser)
    assert me["name"] == "bob@example.com"
    assert me["groups"] == ["dev", "on call"]
    assert (me["cost_center"], me["roles"]) == ("4711", ["member"])


def test_groups_are_taken_over_at_each_sign_in(
    browser: TestClient, provider: OidcProvider, home: Identity, store: Store
) -> None:
    provider.person("bob", email="bob@example.com", groups=["dev", "ops"])
    _come_in(browser, provider)
    tokens = sign_in(home, "bob@example.com")
    assert who(home, tokens).groups == {"dev", "ops"}
    provider.person("bob", email="robert@example.com", groups=["dev"])
    _come_in(browser, provider)
    assert who(home, tokens).groups == {"dev"}, "a token from before means what is true now"
    assert len([user for user in store.users.all() if user.source == "oidc"]) == 1


def test_the_page_that_was_asked_for_comes_back(browser: TestClient, provider: OidcProvider) -> None:
    provider.person("bob", email="bob@example.com")
    asked = browser.get("/device?user_code=BCDF-GHJK").headers["location"]
    assert asked == "/signin?next=%2Fdevice%3Fuser_code%3DBCDF-GHJK"
    assert _come_in(browser, provider, asked) == "/device?user_code=BCDF-GHJK"


@pytest.mark.parametrize("path", ["//evil.example/", "https://evil.example/", "/\\evil.example", "x"])
def test_nobody_is_led_away_after_signing_in(browser: TestClient, provider: OidcProvider, path: str) -> None:
    provider.person("bob", email="bob@example.com")
    assert _come_in(browser, provider, f"/signin?next={path}") == "/"


def test_the_request_has_pkce_state_and_nonce(browser: TestClient) -> None:
    query = parse_qs(urlsplit(_begin(browser)).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["redirect_uri"] == [f"{BASE_URL}/oauth/callback"]
    assert len(query["state"][0]) >= 43
    assert len(query["nonce"][0]) >= 43


def _refused(browser: TestClient, address: str) -> str:
    answer = browser.get(address)
    assert answer.status_code == 403, answer.text
    assert browser.get("/api/v1/me").status_code == 401
    return answer.text


def test_a_reply_counts_once_and_only_in_the_browser_that_asked(
    browser: TestClient, provider: OidcProvider, home: Identity
) -> None:
    provider.person("bob", email="bob@example.com")
    back = provider.visit(_begin(browser))
    stranger = TestClient(browser.app, base_url=BASE_URL, follow_redirects=False)
    assert "another browser" in _refused(stranger, back)
    cookies = dict(browser.cookies)
    assert browser.get(back).status_code == 303
    again = TestClient(browser.app, base_url=BASE_URL, follow_redirects=False, cookies=cookies)
    assert "finished already" in _refused(again, back)


def test_a_reply_with_a_forged_code_or_another_issuer_is_refused(
    browser: TestClient, provider: OidcProvider, store: Store
) -> None:
    provider.person("bob", email="bob@example.com")
    back = provider.visit(_begin(browser))
    code = parse_qs(urlsplit(back).query)["code"][0]
    _refused(browser, back.replace(code, "x" * 43))
    back = provider.visit(_begin(browser))
    issuer = parse_qs(urlsplit(back).query)["iss"][0]
    assert "Another identity provider" in _refused(browser, f"{back.partition('&iss=')[0]}&iss={issuer}0")
    refused = [event for event in store.audit.since() if event.action == "signin.refused"]
    assert len(refused) == 2
    assert not [user for user in store.users.all() if user.source == "oidc"]


def test_what_the_provider_refuses_is_said(browser: TestClient, provider: OidcProvider) -> None:
    provider.person("")
    assert "access_denied" in _refused(browser, provider.visit(_begin(browser)))


def test_without_a_mail_address_nobody_is_made(browser: TestClient, provider: OidcProvider) -> None:
    provider.person("nobody")
    assert "sign_in.claims.mail" in _refused(browser, provider.visit(_begin(browser)))


def test_an_unproven_mail_address_makes_nobody_the_owner(browser: TestClient, provider: OidcProvider) -> None:
    provider.person("mallory", email="ada@example.com")
    assert "does not vouch" in _refused(browser, provider.visit(_begin(browser)))
    provider.person("ada", email="ada@example.com", email_verified=True)
    _come_in(browser, provider)
    assert _me(browser)["roles"] == ["member", "owner"]
    provider.person("mallory", email="ada@example.com", email_verified=True)
    back = provider.visit(_begin(browser))
    assert browser.get(back).status_code == 403, "the name belongs to another subject by now"


def test_somebody_switched_off_stays_out(browser: TestClient, provider: OidcProvider, home: Identity) -> None:
    provider.person("bob", email="bob@example.com")
    _come_in(browser, provider)
    home.service.disable_user("bob@example.com", by=OPERATOR)
    assert "switched off" in _refused(browser, provider.visit(_begin(browser)))


def test_the_owners_link_still_works_and_is_audited(
    browser: TestClient, home: Identity, store: Store
) -> None:
    """Break-glass: when the identity provider is down, whoever has the gateway's files can still come in."""
    tokens = sign_in(home)
    assert isinstance(home.verifier.verify(tokens.access_token.encode()), Principal)
    assert browser.get("/api/v1/me", headers=bearer(tokens)).status_code == 200
    assert [event.action for event in store.audit.since()][-2:] == ["link.created", "session.opened"]
    assert store.audit.since()[-1].detail["how"] == "link"


def test_every_sign_in_is_audited_and_the_chain_holds(
    browser: TestClient, provider: OidcProvider, store: Store
) -> None:
    provider.person("bob", email="bob@example.com")
    _come_in(browser, provider)
    opened = store.audit.since()[-1]
    assert opened.action == "session.opened"
    assert opened.detail["how"].startswith("oidc http://127.0.0.1")
    assert not store.audit.verify().fault


def test_a_provider_that_is_away_is_said(store: Store, now: Clock, spec: SignInSpec) -> None:
    away = msgspec.structs.replace(spec, issuer="http://127.0.0.1:9", client_secret=None)
    home = identity.build(store, base_url=BASE_URL, agents=agents, sign_in=lambda: away, now=now)
    browser = TestClient(Starlette(routes=console.routes(home, now=now)), base_url=BASE_URL)
    assert "does not answer" in browser.get("/signin").text


def test_a_provider_on_the_private_network_must_be_allowed(
    store: Store, now: Clock, spec: SignInSpec
) -> None:
    far = msgspec.structs.replace(spec, network="public", client_secret=None)
    home = identity.build(store, base_url=BASE_URL, agents=agents, sign_in=lambda: far, now=now)
    browser = TestClient(Starlette(routes=console.routes(home, now=now)), base_url=BASE_URL)
    assert browser.get("/signin").status_code == 403
