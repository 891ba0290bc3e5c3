"""Names this gateway answers to, and pages that may post to it."""

import pytest
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from waystation.identity import HostAllowList, SameOrigin

_APP = HostAllowList(
    PlainTextResponse("in"), base_url="https://Gateway.Example:8443", extra=["alias.example"]
)


@pytest.mark.parametrize(
    "host",
    [
        "gateway.example",
        "GATEWAY.example:8443",
        "gateway.example:1",
        "alias.example",
        "localhost:8080",
        "127.0.0.1:8080",
        "[::1]:8080",
        "10.2.3.4",
    ],
)
def test_S9_its_own_names_and_addresses_pass(host: str) -> None:
    assert TestClient(_APP).get("/", headers={"host": host}).text == "in"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "gateway.example.evil.example",
        "evilgateway.example",
        "gateway.example@evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.1",
        "0x7f000001",
        "evil.example#gateway.example",
        "evil.example/gateway.example",
        "[::1",
        ":",
        "",
    ],
)
def test_S9_a_rebound_name_is_turned_away(host: str) -> None:
    response = TestClient(_APP).get("/", headers={"host": host})
    assert response.status_code == 421
    assert "does not answer" in response.text


async def test_S9_two_hosts_or_none_are_turned_away() -> None:
    for hosts in ([], [(b"host", b"localhost"), (b"host", b"evil.example")]):
        sent: list[dict[str, object]] = []

        async def send(message: object, sent: list[dict[str, object]] = sent) -> None:
            assert isinstance(message, dict)
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/", "headers": hosts}
        await _APP(scope, lambda: None, send)  # type: ignore[arg-type,return-value]
        assert sent[0]["status"] == 421


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"origin": "https://gateway.example"}, True),
        ({"origin": "https://gateway.example:443"}, True),
        ({"origin": "http://gateway.example"}, False),
        ({"origin": "https://gateway.example:8443"}, False),
        ({"origin": "https://gateway.example.evil.example"}, False),
        ({"origin": "https://localhost"}, False),
        ({"origin": "null"}, False),
        ({"origin": "https://[bad"}, False),
        ({}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none", "origin": "https://gateway.example"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "https://gateway.example"}, False),
    ],
)
def test_only_our_own_pages_post(headers: dict[str, str], allowed: bool) -> None:
    assert SameOrigin("https://gateway.example").allows(Headers(headers)) is allowed


def test_on_this_machine_its_names_are_one() -> None:
    local = SameOrigin("http://127.0.0.1:8080")
    for origin in ("http://127.0.0.1:8080", "http://localhost:8080", "http://[::1]:8080"):
        assert local.allows(Headers({"origin": origin}))
    assert not local.allows(Headers({"origin": "http://localhost:3000"})), "another program on this machine"
