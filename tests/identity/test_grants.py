"""The token endpoint over HTTP: every grant, happy and unhappy, in the shapes of the RFCs."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from tests.identity_fixture import (
    BASE_URL,
    CHALLENGE,
    REDIRECT,
    VERIFIER,
    authorize_query,
    bearer,
    code_for,
    sign_in,
    who,
)
from tests.store_fixture import Clock
from waystation.identity import OPERATOR, Caller, Identity, OAuthError, RedirectedError, TokenSet
from waystation.model import Principal, Refusal, RefusalKind
from waystation.store import Store

LINK = "urn:waystation:one-time-link"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def token(client: TestClient, **form: str) -> Any:
    return client.post("/oauth/token", data={"client_id": "way"} | form)


def error_of(response: Any) -> str:
    body = response.json()
    assert set(body) == {"error", "error_description"}
    assert response.headers["cache-control"] == "no-store"
    return str(body["error"])


def redeem_code(client: TestClient, code: str, **changes: str) -> Any:
    form = {"code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER} | changes
    return token(client, grant_type="authorization_code", **form)


# The answer


def test_tokens_come_in_the_shape_of_rfc_6749(client: TestClient, home: Identity) -> None:
    response = redeem_code(client, code_for(home, who(home, sign_in(home))))
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert (body["token_type"], body["expires_in"], body["scope"]) == (
        "Bearer",
        1800,
        "openid offline_access",
    )
    principal = home.verifier.verify(body["access_token"].encode())
    assert isinstance(principal, Principal)
    assert (principal.name, principal.device) == ("ada@example.com", "Ada's laptop")


@pytest.mark.parametrize(
    ("form", "error", "status"),
    [
        ({}, "invalid_request", 400),
        ({"grant_type": "password"}, "unsupported_grant_type", 400),
        ({"grant_type": "refresh_token", "client_id": "way"}, "invalid_request", 400),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "invalid_request", 400),
        ({"grant_type": "refresh_token", "refresh_token": "x", "client_id": "evil"}, "invalid_client", 401),
        ({"grant_type": "refresh_token", "refresh_token": "x", "client_id": "way"}, "invalid_grant", 400),
        ({"grant_type": "authorization_code", "client_id": "way", "code": "x"}, "invalid_request", 400),
        ({"grant_type": DEVICE, "client_id": "way"}, "invalid_request", 400),
        ({"grant_type": DEVICE, "client_id": "way", "device_code": "x"}, "invalid_grant", 400),
        ({"grant_type": LINK, "client_id": "way"}, "invalid_request", 400),
        ({"grant_type": LINK, "client_id": "way", "code": "x"}, "invalid_grant", 400),
    ],
)
def test_what_is_wrong_is_said_in_oauths_words(
    client: TestClient, form: dict[str, str], error: str, status: int
) -> None:
    response = client.post("/oauth/token", data=form)
    assert (error_of(response), response.status_code) == (error, status)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b'{"grant_type":"refresh_token"}', "application/json", 400),
        (b"grant_type=refresh_token&grant_type=refresh_token", "application/x-www-form-urlencoded", 400),
        (b"grant_type=%ff%fe", "application/x-www-form-urlencoded", 400),
        ("grant_type=ü".encode(), "application/x-www-form-urlencoded", 400),
        (b"a=1&" * 20000, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"a%d=1" % n for n in range(70)), "application/x-www-form-urlencoded", 400),
    ],
)
def test_bodies_that_are_no_form_are_refused(
    client: TestClient, body: bytes, content_type: str, status: int
) -> None:
    response = client.post("/oauth/token", content=body, headers={"content-type": content_type})
    assert (error_of(response), response.status_code) == ("invalid_request", status)


# Authorization code


def test_a_code_works_once_and_its_replay_ends_what_it_opened(client: TestClient, home: Identity) -> None:
    code = code_for(home, who(home, sign_in(home)))
    first = redeem_code(client, code).json()
    assert error_of(redeem_code(client, code)) == "invalid_grant"
    refusal = home.verifier.verify(first["access_token"].encode())
    assert isinstance(refusal, Refusal)
    assert refusal.kind is RefusalKind.REVOKED
    after = token(client, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert error_of(after) == "invalid_grant"


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": CHALLENGE},
        {"code_verifier": "short"},
        {"redirect_uri": "http://127.0.0.1:53124/callback"},
        {"redirect_uri": ""},
    ],
)
def test_a_code_with_the_wrong_proof_is_refused_and_spent(
    client: TestClient, home: Identity, changes: dict[str, str]
) -> None:
    code = code_for(home, who(home, sign_in(home)))
    assert error_of(redeem_code(client, code, **changes)) == "invalid_grant"
    assert error_of(redeem_code(client, code)) == "invalid_grant", "a second guess must not be possible"


def test_a_code_is_good_for_two_minutes(client: TestClient, home: Identity, clock: Clock) -> None:
    by = who(home, sign_in(home))
    code = code_for(home, by)
    clock.forward(121)
    assert error_of(redeem_code(client, code)) == "invalid_grant"


def test_a_code_is_redeemed_by_exactly_one_of_many(home: Identity) -> None:
    code = code_for(home, who(home, sign_in(home)))
    form = {"client_id": "way", "code": code, "redirect_uri": REDIRECT, "code_verifier": VERIFIER}

    def redeem(_: int) -> bool:
        try:
            home.service.authorization.redeem(form, Caller())
        except OAuthError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(redeem, range(6))).count(True) == 1


@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost:53123/callback",
        "http://127.0.0.1/callback",
        "http://127.0.0.1:53123/callback/",
        "http://127.0.0.1:53123/callback?x=1",
        "http://127.0.0.1:53123/callback#x",
        "http://127.0.0.1:53123/other",
        "https://127.0.0.1:53123/callback",
        "http://127.0.0.1:0/callback",
        "http://127.0.0.1:65536/callback",
        "http://127.0.0.1:53123@evil.example/callback",
        "http://127.0.0.1.evil.example:80/callback",
        "http://user@127.0.0.1:53123/callback",
        "http://[::2]:53123/callback",
        "http://127.0.0.1:53123/callback\n",
        "http://127.0.0.1:٥٣/callback",
        "//127.0.0.1:53123/callback",
        "javascript:alert(1)",
        "",
    ],
)
def test_only_the_exact_loopback_address_is_redirected_to(home: Identity, uri: str) -> None:
    with pytest.raises(OAuthError, match="redirect_uri"):
        home.service.authorization.check(authorize_query() | {"redirect_uri": uri})


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1/callback", "http://[::1]:65535/callback"])
def test_any_loopback_port_will_do(home: Identity, uri: str) -> None:
    assert home.service.authorization.check(authorize_query(redirect_uri=uri)).redirect_uri == uri


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ""}, "invalid_request"),
        ({"code_challenge": "too-short"}, "invalid_request"),
        ({"scope": "openid admin"}, "invalid_scope"),
    ],
)
def test_other_faults_are_told_to_the_client(home: Identity, changes: dict[str, str], error: str) -> None:
    with pytest.raises(RedirectedError) as raised:
        home.service.authorization.check(authorize_query(**changes))
    target = urlsplit(raised.value.location)
    reply = parse_qs(target.query)
    assert raised.value.location.startswith(REDIRECT + "?")
    assert (reply["error"], reply["state"], reply["iss"]) == ([error], ["st&te=1"], [BASE_URL])


def test_an_unknown_client_is_never_redirected(home: Identity) -> None:
    with pytest.raises(OAuthError, match="not known"):
        home.service.authorization.check(authorize_query(client_id="evil"))


# One-time link


def test_a_link_signs_a_terminal_in_once(client: TestClient, home: Identity) -> None:
    link = home.service.sign_in_link(by=OPERATOR)
    code = link.url.rsplit("/", 1)[1]
    response = token(client, grant_type=LINK, code=code, device_name=" my\x00 \u202elap top\n")
    principal = home.verifier.verify(response.json()["access_token"].encode())
    assert isinstance(principal, Principal)
    assert principal.device == "my lap top"
    assert error_of(token(client, grant_type=LINK, code=link.url)) == "invalid_grant"


def test_a_link_is_good_for_half_an_hour(client: TestClient, home: Identity, clock: Clock) -> None:
    link = home.service.sign_in_link(by=OPERATOR)
    clock.forward(30 * 60)
    assert error_of(token(client, grant_type=LINK, code=link.url)) == "invalid_grant"


def test_a_link_is_used_by_exactly_one_of_many(home: Identity) -> None:
    form = {"client_id": "way", "code": home.service.sign_in_link(by=OPERATOR).url}
    code = form["code"].rsplit("/", 1)[1]

    def use(number: int) -> bool:
        try:
            if number % 2:
                home.service.links.redeem(form, Caller())
            else:
                home.service.links.open_browser(code, Caller())
        except (OAuthError, LookupError):
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(use, range(8))).count(True) == 1


def test_a_link_of_somebody_switched_off_does_nothing(client: TestClient, home: Identity) -> None:
    home.service.add_user("bob@example.com", by=OPERATOR)
    link = home.service.sign_in_link("bob@example.com", by=OPERATOR)
    home.service.disable_user("bob@example.com", by=OPERATOR)
    assert error_of(token(client, grant_type=LINK, code=link.url)) == "invalid_grant"


# Device code


def _start(client: TestClient) -> Any:
    response = client.post("/oauth/device", data={"client_id": "way", "device_name": "runner"})
    assert response.status_code == 200
    return response.json()


def test_a_device_is_signed_in_after_approval(client: TestClient, home: Identity, clock: Clock) -> None:
    by = who(home, sign_in(home))
    started = _start(client)
    assert set(started) == {
        "device_code",
        "user_code",
        "verification_uri",
        "verification_uri_complete",
        "expires_in",
        "interval",
    }
    assert started["verification_uri"] == f"{BASE_URL}/device"
    assert started["expires_in"] == 600
    ask = {"grant_type": DEVICE, "device_code": started["device_code"]}
    assert error_of(token(client, **ask)) == "authorization_pending"
    shown = home.service.device.look_up(started["user_code"].lower().replace("-", " "), by)
    assert (shown.device, shown.address) == ("runner", "10.1.2.3")
    home.service.device.decide(started["user_code"], by, approve=True)
    clock.forward(started["interval"])
    body = token(client, **ask).json()
    principal = home.verifier.verify(body["access_token"].encode())
    assert isinstance(principal, Principal)
    assert (principal.name, principal.device) == ("ada@example.com", "runner")
    assert error_of(token(client, **ask)) == "invalid_grant", "a device code works once"


def test_a_denied_device_is_told_so(client: TestClient, home: Identity) -> None:
    started = _start(client)
    home.service.device.decide(started["user_code"], who(home, sign_in(home)), approve=False)
    assert error_of(token(client, grant_type=DEVICE, device_code=started["device_code"])) == "access_denied"


def test_a_device_code_expires(client: TestClient, home: Identity, clock: Clock) -> None:
    started = _start(client)
    by = who(home, sign_in(home))
    clock.forward(600)
    assert error_of(token(client, grant_type=DEVICE, device_code=started["device_code"])) == "expired_token"
    with pytest.raises(LookupError):
        home.service.device.decide(started["user_code"], by, approve=True)


def test_a_hasty_device_is_slowed_down(client: TestClient, clock: Clock) -> None:
    started = _start(client)
    ask = {"grant_type": DEVICE, "device_code": started["device_code"]}
    assert error_of(token(client, **ask)) == "authorization_pending"
    clock.forward(1)
    assert error_of(token(client, **ask)) == "slow_down"
    clock.forward(started["interval"])
    assert error_of(token(client, **ask)) == "slow_down", "the interval has grown"
    clock.forward(started["interval"] + 10)
    assert error_of(token(client, **ask)) == "authorization_pending"


def test_user_codes_cannot_be_guessed(client: TestClient, home: Identity, clock: Clock) -> None:
    by = who(home, sign_in(home))
    started = _start(client)
    for number in range(10):
        with pytest.raises(LookupError):
            home.service.device.look_up(f"BCDFGHJ{'BCDFGHJKLM'[number]}", by)
    with pytest.raises(Exception, match="Too many attempts") as raised:
        home.service.device.look_up(started["user_code"], by)
    assert getattr(raised.value, "retry_after", 0) == 600
    clock.forward(601)
    fresh = _start(client)
    assert home.service.device.look_up(fresh["user_code"], by).device == "runner"


def test_codes_cannot_be_piled_up(client: TestClient) -> None:
    for _ in range(30):
        _start(client)
    response = client.post("/oauth/device", data={"client_id": "way"})
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) > 0
    assert error_of(response) == "temporarily_unavailable"


def test_the_right_code_is_no_guess(client: TestClient, home: Identity) -> None:
    by = who(home, sign_in(home))
    started = _start(client)
    for _ in range(30):
        home.service.device.look_up(started["user_code"], by)


# Revocation endpoint


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_revoking_either_token_ends_the_sign_in(client: TestClient, home: Identity, kind: str) -> None:
    tokens = sign_in(home)
    response = client.post("/oauth/revoke", data={"client_id": "way", "token": getattr(tokens, kind)})
    assert response.status_code == 200
    refusal = home.verifier.verify(tokens.access_token.encode())
    assert isinstance(refusal, Refusal)
    assert refusal.kind is RefusalKind.REVOKED
    assert "way login" in refusal.message
    again = token(client, grant_type="refresh_token", refresh_token=tokens.refresh_token)
    assert error_of(again) == "invalid_grant"


def test_revoking_what_is_not_known_gives_nothing_away(client: TestClient) -> None:
    assert client.post("/oauth/revoke", data={"client_id": "way", "token": "nonsense"}).status_code == 200


def test_revoking_needs_a_client_and_a_token(client: TestClient) -> None:
    assert error_of(client.post("/oauth/revoke", data={"client_id": "way"})) == "invalid_request"
    assert (
        error_of(client.post("/oauth/revoke", data={"token": "x", "client_id": "evil"})) == "invalid_client"
    )


# Discovery


def test_the_metadata_matches_what_is_offered(client: TestClient) -> None:
    body = client.get("/.well-known/oauth-authorization-server").json()
    assert body["issuer"] == BASE_URL
    assert body["code_challenge_methods_supported"] == ["S256"]
    assert body["token_endpoint_auth_methods_supported"] == ["none"]
    assert body["authorization_response_iss_parameter_supported"] is True
    exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
    grants = {"authorization_code", "refresh_token", DEVICE, LINK, exchange}
    assert set(body["grant_types_supported"]) == grants
    for name, address in body.items():
        if name.endswith(("_endpoint", "_uri")):
            assert address.startswith(BASE_URL + "/")
            assert client.request("OPTIONS", address.removeprefix(BASE_URL)).status_code != 404


def test_addresses_do_not_follow_the_host_header(client: TestClient) -> None:
    body = client.get("/.well-known/oauth-authorization-server", headers={"host": "evil.example"}).json()
    assert "evil" not in str(body)
    started = client.post("/oauth/device", data={"client_id": "way"}, headers={"host": "evil.example"}).json()
    assert "evil" not in str(started)


def test_the_key_set_is_public_halves_only(client: TestClient) -> None:
    keys = client.get("/.well-known/jwks.json").json()["keys"]
    assert [set(key) for key in keys] == [{"kty", "crv", "x", "kid", "use", "alg"}]


def test_what_the_endpoints_issue_is_accepted_by_the_api(client: TestClient, home: Identity) -> None:
    code = code_for(home, who(home, sign_in(home)))
    body = redeem_code(client, code).json()
    tokens = TokenSet(body["access_token"], body["refresh_token"], body["expires_in"])
    assert client.get("/api/v1/me", headers=bearer(tokens)).json()["session"]["device"] == "Ada's laptop"


def test_opening_a_session_is_audited(home: Identity, store: Store) -> None:
    sign_in(home)
    actions = [event.action for event in store.audit.since()]
    assert actions == ["user.added", "link.created", "link.created", "session.opened"]
