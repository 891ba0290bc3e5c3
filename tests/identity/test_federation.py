"""RFC 8693: CI proves who it is by its own platform's token, and nothing else gets in."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from starlette.applications import Starlette
from starlette.testclient import TestClient

from tests.identity_fixture import BASE_URL
from tests.store_fixture import Clock
from waystation.identity import OPERATOR, Identity, NotAllowed
from waystation.identity import issuers as issuers_module
from waystation.model import Principal, PrincipalKind
from waystation.store import Store

GITHUB = "https://token.actions.githubusercontent.com"
SUBJECT = "repo:acme/shop:ref:refs/heads/main"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
KEY = RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"}, private=True)
OTHER = RSAKey.generate_key(2048, {"kid": "k1"}, private=True)


class Platform:
    """GitHub's two documents, and how often they were asked for."""

    def __init__(self) -> None:
        self.keys = [KEY]
        self.asked: list[str] = []

    def fetch(self, url: str, _reach: object) -> Any:
        self.asked.append(url)
        if url == f"{GITHUB}/.well-known/openid-configuration":
            return {"issuer": GITHUB, "jwks_uri": f"{GITHUB}/.well-known/jwks"}
        assert url == f"{GITHUB}/.well-known/jwks"
        return json.loads(json.dumps(KeySet(list(self.keys)).as_dict(private=False)))


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Platform:
    made = Platform()
    monkeypatch.setattr(issuers_module, "fetch_json", made.fetch)
    return made


@pytest.fixture
def ci(home: Identity, platform: Platform) -> TestClient:
    home.service.add_user("ci", by=OPERATOR, kind=PrincipalKind.SERVICE, groups=["bots"])
    home.machines.trust(
        "ci", issuer=GITHUB, audience="waystation", subject="repo:acme/*:ref:refs/heads/main", by=OPERATOR
    )
    return TestClient(Starlette(routes=list(home.routes)), base_url=BASE_URL)


Claims = Callable[..., dict[str, Any]]


@pytest.fixture
def claims(clock: Clock) -> Claims:
    numbers = iter(range(1000))

    def make(**changes: Any) -> dict[str, Any]:
        now = int(clock.time)
        usual = {
            "iss": GITHUB,
            "sub": SUBJECT,
            "aud": "waystation",
            "iat": now,
            "nbf": now - 60,
            "exp": now + 300,
        }
        merged = usual | {"jti": f"j{next(numbers)}"} | changes
        return {name: value for name, value in merged.items() if value is not None}

    return make


def _signed(claims: dict[str, Any], key: Any = KEY, alg: str = "RS256", **header: Any) -> str:
    return jwt.encode({"alg": alg, "kid": "k1", "typ": "JWT"} | header, claims, key, algorithms=[alg])


def _ask(ci: TestClient, token: str, **more: str) -> Any:
    form = {
        "grant_type": EXCHANGE,
        "subject_token": token,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    }
    return ci.post("/oauth/token", data=form | more)


def test_a_jobs_token_becomes_a_short_access_token(
    ci: TestClient, home: Identity, claims: Claims, store: Store
) -> None:
    answer = _ask(ci, _signed(claims()))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["issued_token_type"] == "urn:ietf:params:oauth:token-type:access_token"
    assert body["expires_in"] == 900
    assert "refresh_token" not in body
    principal = home.verifier.verify(body["access_token"].encode())
    assert isinstance(principal, Principal)
    assert (principal.name, principal.kind, principal.groups) == (
        "ci",
        PrincipalKind.SERVICE,
        frozenset({"bots"}),
    )
    opened = store.audit.since()[-1]
    assert (opened.action, GITHUB in opened.detail["how"]) == ("session.opened", True)


def test_a_token_counts_once(ci: TestClient, claims: Claims) -> None:
    token = _signed(claims())
    assert _ask(ci, token).status_code == 200
    assert "already" in _ask(ci, token).json()["error_description"]
    resigned = _signed(claims(jti="j0"))
    assert "already" in _ask(ci, resigned).json()["error_description"], "the same jti in another envelope"
    unnamed = _signed(claims(jti=None))
    assert _ask(ci, unnamed).status_code == 200
    assert _ask(ci, unnamed).status_code == 400


def _none(claims: dict[str, Any]) -> str:
    from base64 import urlsafe_b64encode as b64

    parts = [json.dumps({"alg": "none", "kid": "k1"}), json.dumps(claims)]
    return ".".join(b64(part.encode()).rstrip(b"=").decode() for part in parts) + "."


def _by_public_key_as_secret(claims: dict[str, Any]) -> str:
    """The classic confusion: HMAC with the published key as the secret."""
    import hashlib
    import hmac
    from base64 import urlsafe_b64encode as b64

    parts = [json.dumps({"alg": "HS256", "kid": "k1"}), json.dumps(claims)]
    head = b".".join(b64(part.encode()).rstrip(b"=") for part in parts)
    mark = hmac.digest(KEY.as_pem(private=False), head, hashlib.sha256)
    return (head + b"." + b64(mark).rstrip(b"=")).decode()


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (_none, "not signed"),
        (_by_public_key_as_secret, "not signed"),
        (lambda claims: _signed(claims, OTHER), "not signed"),
        (lambda claims: _signed(claims)[:-8] + "AAAAAAAA", "not signed"),
        (lambda claims: _signed(claims | {"aud": "elsewhere"}), "another audience"),
        (lambda claims: _signed(claims | {"aud": ["elsewhere"]}), "another audience"),
        (lambda claims: _signed({k: v for k, v in claims.items() if k != "aud"}), "another audience"),
        (
            lambda claims: _signed(claims | {"sub": "repo:evil/shop:ref:refs/heads/main"}),
            "trusts the subject",
        ),
        (lambda claims: _signed(claims | {"sub": "repo:acme/x:y:ref:refs/heads/main"}), "trusts the subject"),
        (lambda claims: _signed(claims | {"sub": SUBJECT + ":more"}), "trusts the subject"),
        (lambda claims: _signed(claims | {"sub": 7}), "no subject"),
        (lambda claims: _signed(claims | {"exp": claims["iat"] - 61}), "expired"),
        (lambda claims: _signed({k: v for k, v in claims.items() if k != "exp"}), "`exp`"),
        (lambda claims: _signed(claims | {"exp": claims["iat"] + 86_402}), "longer than a day"),
        (lambda claims: _signed(claims | {"nbf": claims["iat"] + 120}), "future"),
        (lambda claims: _signed(claims | {"iat": claims["iat"] + 120}), "future"),
        (lambda claims: _signed(claims | {"iss": "https://evil.example"}), "trusts the issuer"),
        (lambda claims: "a.b.c", "no signed JWT"),
        (lambda claims: "junk", "no signed JWT"),
    ],
)
def test_what_is_no_proof_is_refused(
    ci: TestClient, claims: Claims, forge: Callable[[dict[str, Any]], str], reason: str
) -> None:
    answer = _ask(ci, forge(claims()))
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_grant"
    assert reason in answer.json()["error_description"]


def test_issuers_that_nobody_trusts_are_never_asked(
    ci: TestClient, claims: Claims, platform: Platform
) -> None:
    """S14: a token cannot make the gateway fetch an address."""
    _ask(ci, _signed(claims(iss="http://169.254.169.254/latest")))
    assert platform.asked == []


def test_keys_are_remembered_and_a_new_one_is_found(
    ci: TestClient, claims: Claims, platform: Platform, clock: Clock
) -> None:
    assert _ask(ci, _signed(claims())).status_code == 200
    assert _ask(ci, _signed(claims())).status_code == 200
    assert len(platform.asked) == 2
    new = ECKey.generate_key("P-256", {"kid": "k2"}, private=True)
    platform.keys.append(new)  # type: ignore[arg-type]  # a set of several kinds
    assert _ask(ci, _signed(claims(), new, "ES256", kid="k2")).status_code == 400, (
        "not within half a minute of a look"
    )
    clock.forward(31)
    assert _ask(ci, _signed(claims(), new, "ES256", kid="k2")).status_code == 200
    assert len(platform.asked) == 4


def test_an_account_that_is_switched_off_gets_nothing(ci: TestClient, home: Identity, claims: Claims) -> None:
    home.service.disable_user("ci", by=OPERATOR)
    assert "switched off" in _ask(ci, _signed(claims())).json()["error_description"]


def test_a_rule_that_is_taken_back_counts_no_more(ci: TestClient, home: Identity, claims: Claims) -> None:
    [(_, [rule])] = home.machines.accounts(by=OPERATOR)
    home.machines.untrust(rule.id, by=OPERATOR)
    assert _ask(ci, _signed(claims())).status_code == 400


def test_two_accounts_that_trust_the_same_job_must_be_told_apart(
    ci: TestClient, home: Identity, claims: Claims
) -> None:
    home.service.add_user("deploy", by=OPERATOR, kind=PrincipalKind.SERVICE)
    home.machines.trust("deploy", issuer=GITHUB, audience="waystation", subject=SUBJECT, by=OPERATOR)
    assert "service_account" in _ask(ci, _signed(claims())).json()["error_description"]
    token = _ask(ci, _signed(claims()), service_account="deploy").json()["access_token"]
    principal = home.verifier.verify(token.encode())
    assert isinstance(principal, Principal)
    assert principal.name == "deploy"


@pytest.mark.parametrize("subject", ["*", "*:*", "**", "", "a:*"])
def test_rules_that_would_let_anybody_in_are_refused(home: Identity, subject: str) -> None:
    home.service.add_user("ci", by=OPERATOR, kind=PrincipalKind.SERVICE)
    with pytest.raises(ValueError, match="subject"):
        home.machines.trust("ci", issuer=GITHUB, audience="waystation", subject=subject, by=OPERATOR)
    with pytest.raises(ValueError, match="https"):
        home.machines.trust("ci", issuer="http://x.example", audience="w", subject=SUBJECT, by=OPERATOR)


def test_a_person_cannot_be_acted_for(home: Identity) -> None:
    with pytest.raises(LookupError):
        home.machines.trust("ada@example.com", issuer=GITHUB, audience="w", subject=SUBJECT, by=OPERATOR)
    assert issubclass(NotAllowed, PermissionError)


def test_refusals_are_audited_without_the_token(ci: TestClient, claims: Claims, store: Store) -> None:
    token = _signed(claims(aud="elsewhere"))
    _ask(ci, token)
    event = store.audit.since()[-1]
    assert event.action == "signin.refused"
    assert token not in repr(event)
