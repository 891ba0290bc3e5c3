"""An identity room over a fresh store, with people signed in and a client to talk HTTP to it."""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.store_fixture import Clock
from waystation import console, identity
from waystation.identity import OPERATOR, Caller, Identity, TokenSet
from waystation.model import Principal
from waystation.store import Store, open_store

BASE_URL = "https://gateway.example"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
REDIRECT = "http://127.0.0.1:53123/callback"


def agents(principal: Principal) -> dict[str, Any]:
    return {"claude": {"model": f"for {principal.name}"}}


@pytest.fixture
def store(data: Path, clock: Clock) -> Iterator[Store]:
    """SQLite only; what must hold on both databases asks for `reopen`."""
    opened = open_store(data, now=clock)
    yield opened
    opened.close()


@pytest.fixture
def home(store: Store, clock: Clock) -> Identity:
    """An identity room with one owner, ada@example.com, who has signed in."""
    built = identity.build(store, base_url=BASE_URL, agents=agents, now=clock)
    built.service.first_run(name="ada@example.com")
    return built


@pytest.fixture
def client(home: Identity, clock: Clock) -> TestClient:
    """A browser or a tool: same origin, no redirects followed."""
    app = Starlette(routes=[*home.routes, *console.routes(home, now=clock)])
    return TestClient(
        app,
        base_url=BASE_URL,
        follow_redirects=False,
        headers={"origin": BASE_URL},
        client=("10.1.2.3", 4711),
    )


def sign_in(home: Identity, name: str = "ada@example.com", device: str = "laptop") -> TokenSet:
    """Tokens as `way login --link` gets them."""
    link = home.service.sign_in_link(name, by=OPERATOR)
    return home.service.links.redeem({"client_id": "way", "code": link.url}, Caller(device, "10.1.2.3"))


def who(home: Identity, tokens: TokenSet) -> Principal:
    principal = home.verifier.verify(tokens.access_token.encode())
    assert isinstance(principal, Principal), principal
    return principal


def bearer(tokens: TokenSet) -> dict[str, str]:
    return {"authorization": f"Bearer {tokens.access_token}"}


def authorize_query(**changes: str) -> dict[str, str]:
    fields = {
        "response_type": "code",
        "client_id": "way",
        "redirect_uri": REDIRECT,
        "state": "st&te=1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "scope": "openid offline_access",
        "device_name": "Ada's laptop",
    }
    return {name: value for name, value in (fields | changes).items() if value}


def code_for(home: Identity, by: Principal, **changes: str) -> str:
    """An authorization code, as the browser brings it to the loopback address."""
    request = home.service.authorization.check(authorize_query(**changes))
    return parse_qs(urlsplit(home.service.authorization.approve(request, by)).query)["code"][0]
