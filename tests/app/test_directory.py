"""The company's directory and the running gateway: who joins a group may at once, who leaves may no more."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.gateway import RunningGateway, running_gateway
from tests.oidc.fixture import running_provider

POLICY = """\
version: 1
providers:
  rehearsal: {kind: rehearsal}
models:
  claude-lab: {groups: [research], routes: [{provider: rehearsal}], price: {input: 0, output: 0}}
access:
  groups: {research: {}}
"""
USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def _send(url: str, body: Any, token: str, method: str = "POST") -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.loads(answer.read() or b"{}")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"{}")


def _asks(gateway: RunningGateway, token: str) -> int:
    body = {"model": "claude-lab", "max_tokens": 20, "messages": [{"role": "user", "content": "hello"}]}
    return _send(f"{gateway.url}/anthropic/v1/messages", body, token)[0]


def _within_a_second(gateway: RunningGateway, token: str, *wanted: int) -> None:
    began = time.monotonic()
    while (status := _asks(gateway, token)) not in wanted:
        assert time.monotonic() - began < 1, f"still {status} after a second"
        time.sleep(0.02)  # between two looks; there is nothing to wait on


def _token(gateway: RunningGateway, name: str) -> str:
    link = json.loads(gateway.command("sign-in-link", name, "--json").stdout)["url"]
    form = {"grant_type": "urn:waystation:one-time-link", "client_id": "way", "code": link}
    body = urllib.parse.urlencode(form).encode()
    with urllib.request.urlopen(f"{gateway.url}/oauth/token", data=body, timeout=10) as answer:
        found: str = json.loads(answer.read())["access_token"]
    return found


def test_joining_a_group_lets_in_and_leaving_shuts_out_within_a_second(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text(POLICY)
    with running_gateway(tmp_path / "data", "--policy", str(policy)) as gateway:
        made = json.loads(gateway.command("scim", "token", "add", "Okta", "--json").stdout)
        scim, secret = made["url"], made["token"]
        assert scim == f"{gateway.url}/scim/v2"
        status, bob = _send(f"{scim}/Users", {"schemas": [USER], "userName": "bob@example.com"}, secret)
        assert status == 201
        _, group = _send(f"{scim}/Groups", {"schemas": [GROUP], "displayName": "research"}, secret)
        token = _token(gateway, "bob@example.com")
        assert _asks(gateway, token) == 400

        place = f"{scim}/Groups/{group['id']}"
        join = {"op": "add", "path": "members", "value": [{"value": bob["id"]}]}
        assert _send(place, {"schemas": [PATCH], "Operations": [join]}, secret, "PATCH")[0] == 200
        _within_a_second(gateway, token, 200)

        leave = {"op": "remove", "path": f'members[value eq "{bob["id"]}"]'}
        assert _send(place, {"schemas": [PATCH], "Operations": [leave]}, secret, "PATCH")[0] == 200
        _within_a_second(gateway, token, 400)

        off = {"op": "replace", "value": {"active": False}}
        assert (
            _send(f"{scim}/Users/{bob['id']}", {"schemas": [PATCH], "Operations": [off]}, secret, "PATCH")[0]
            == 200
        )
        _within_a_second(gateway, token, 401)
        assert "none changed" in gateway.command("audit", "verify").stdout


def test_a_running_gateway_sends_people_to_the_provider_of_its_policy(tmp_path: Path) -> None:
    with running_provider("http://127.0.0.1:1/oauth/callback") as provider:
        policy = tmp_path / "policy.yaml"
        policy.write_text(POLICY + provider.policy(client_secret=None))
        with running_gateway(tmp_path / "data", "--policy", str(policy)) as gateway:
            begin = _leads_to(f"{gateway.url}/device?user_code=BCDF-GHJK")
            assert begin.startswith("/signin?next=")
            assert _leads_to(f"{gateway.url}{begin}").startswith(f"{provider.issuer}/auth?")


def _leads_to(url: str) -> str:
    with pytest.raises(urllib.error.HTTPError) as redirect:
        urllib.request.build_opener(_NoRedirect).open(url, timeout=10)
    return str(redirect.value.headers["location"])


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None
