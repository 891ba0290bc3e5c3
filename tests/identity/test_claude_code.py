"""Claude Code's gateway sign-in, request by request as the protocol that `claude gateway` publishes has it."""

from typing import Any

from starlette.testclient import TestClient

from tests.identity_fixture import BASE_URL, bearer, sign_in, who
from tests.store_fixture import Clock
from waystation.identity import OPERATOR, Identity
from waystation.model import Principal
from waystation.relay.addresses import is_relay_path, match

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
BASE = "/anthropic"


def _tokens(client: TestClient, home: Identity) -> dict[str, Any]:
    form = {"content-type": "application/x-www-form-urlencoded"}
    started = client.post(f"{BASE}/oauth/device_authorization", content=b"", headers=form).json()
    poll = {"grant_type": DEVICE, "device_code": started["device_code"]}
    assert client.post(f"{BASE}/oauth/token", data=poll).json()["error"] == "authorization_pending"
    ada = who(home, sign_in(home))
    assert home.service.device.look_up(started["user_code"], ada).client_name == "Claude Code"
    home.service.device.decide(started["user_code"], ada, approve=True)
    answer = client.post(f"{BASE}/oauth/token", data=poll)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_discovery_names_addresses_of_the_same_origin(client: TestClient) -> None:
    body = client.get(f"{BASE}/.well-known/oauth-authorization-server").json()
    assert body["device_authorization_endpoint"] == f"{BASE_URL}{BASE}/oauth/device_authorization"
    assert body["token_endpoint"] == f"{BASE_URL}{BASE}/oauth/token"
    assert "authorization_endpoint" not in body
    assert body["gateway_protocol_version"] == 1


def test_it_signs_in_renews_and_is_told_to_sign_in_again(client: TestClient, home: Identity) -> None:
    tokens = _tokens(client, home)
    assert tokens["token_type"] == "Bearer"
    principal = home.verifier.verify(tokens["access_token"].encode())
    assert isinstance(principal, Principal)
    session = home.service.session(principal)
    assert session is not None
    assert (session.client, session.device) == ("claude-code", "Claude Code")
    renew = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    renewed = client.post(f"{BASE}/oauth/token", data=renew)
    assert renewed.status_code == 200
    assert renewed.json()["refresh_token"] != tokens["refresh_token"]
    home.service.end_session(principal.session, by=OPERATOR)
    renew["refresh_token"] = renewed.json()["refresh_token"]
    over = client.post(f"{BASE}/oauth/token", data=renew)
    assert (over.status_code, over.json()["error"]) == (401, "invalid_grant")


def test_settings_are_pushed_and_kept_while_they_are_the_same(client: TestClient, home: Identity) -> None:
    tokens = {"authorization": f"Bearer {_tokens(client, home)['access_token']}"}
    answer = client.get(f"{BASE}/managed/settings", headers=tokens)
    body = answer.json()
    assert body["settings"]["model"] == "for ada@example.com"
    assert body["uuid"] == body["checksum"]
    again = client.get(f"{BASE}/managed/settings", headers=tokens | {"if-none-match": answer.headers["etag"]})
    assert again.status_code == 304
    refused = client.get(f"{BASE}/managed/settings", headers={"authorization": "Bearer x"})
    assert (refused.status_code, refused.json()["error"]["type"]) == (401, "authentication_error")


def test_another_clients_token_is_not_renewed_here(client: TestClient, home: Identity, clock: Clock) -> None:
    tokens = sign_in(home)
    renew = {"grant_type": "refresh_token", "refresh_token": tokens.refresh_token}
    assert client.post(f"{BASE}/oauth/token", data=renew).status_code == 401
    assert client.get("/api/v1/me", headers=bearer(tokens)).status_code == 200


def test_its_addresses_are_not_taken_for_requests_to_a_model() -> None:
    for path in (b".well-known/oauth-authorization-server", b"oauth/token", b"managed/settings"):
        assert not is_relay_path(b"/anthropic/" + path)
        assert match(b"POST", b"/anthropic/" + path) is None
    assert is_relay_path(b"/anthropic/v1/messages")
    assert is_relay_path(b"/anthropic/oauth/other")
