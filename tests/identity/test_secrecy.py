"""No secret in a log line, an error, a repr or a page that is not meant to show it."""

import logging

import pytest
from starlette.testclient import TestClient

from tests.identity_fixture import REDIRECT, VERIFIER, bearer, code_for, sign_in, who
from waystation.identity import OPERATOR, Caller, Identity, OAuthError
from waystation.store.database import EngineDatabase

LINK = "urn:waystation:one-time-link"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def test_no_secret_is_logged_or_answered_where_it_does_not_belong(
    client: TestClient, home: Identity, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    secrets: list[str] = []
    answers: list[str] = []

    def post(path: str, **form: str) -> dict[str, str]:
        response = client.post(path, data={"client_id": "way", **form})
        answers.append(response.text if response.status_code != 200 else "")
        body: dict[str, str] = response.json() if response.text else {}
        secrets.extend(
            str(body[name]) for name in ("access_token", "refresh_token", "device_code") if name in body
        )
        return body

    with caplog.at_level(logging.DEBUG):
        link = home.service.sign_in_link(by=OPERATOR)
        code = link.url.rsplit("/", 1)[1]
        tokens = post("/oauth/token", grant_type=LINK, code=link.url)
        post("/oauth/token", grant_type=LINK, code=link.url)
        authorization = code_for(home, who(home, sign_in(home)))
        proof = {"redirect_uri": REDIRECT, "code_verifier": VERIFIER}
        post("/oauth/token", grant_type="authorization_code", code=authorization, **proof)
        post("/oauth/token", grant_type="authorization_code", code=authorization, **proof)
        rotated = post("/oauth/token", grant_type="refresh_token", refresh_token=tokens["refresh_token"])
        post("/oauth/token", grant_type="refresh_token", refresh_token=rotated["refresh_token"] + "x")
        started = post("/oauth/device")
        post("/oauth/token", grant_type=DEVICE, device_code=started["device_code"])
        post("/oauth/revoke", token=rotated["refresh_token"])
        answers.append(
            client.get("/api/v1/me", headers={"authorization": f"Bearer {tokens['access_token']}"}).text
        )
        answers.append(client.get("/api/v1/me", headers={"authorization": "Bearer sk-ant-canary"}).text)
        opened = home.service.links.open_browser(
            home.service.sign_in_link(by=OPERATOR).url.rsplit("/", 1)[1], Caller()
        )
        secrets.extend([code, authorization, opened.cookie, "sk-ant-canary", VERIFIER])
    seen = caplog.text + "".join(capfd.readouterr()) + "".join(answers)
    assert len(secrets) > 8
    for secret in secrets:
        assert secret not in seen


def test_no_secret_is_in_a_repr(home: Identity) -> None:
    link = home.service.sign_in_link(by=OPERATOR)
    code = link.url.rsplit("/", 1)[1]
    opened = home.service.links.open_browser(code, Caller())
    tokens = sign_in(home)
    started = home.service.device.start({"client_id": "way"}, Caller())
    for thing, secret in (
        (link, code),
        (opened, opened.cookie),
        (tokens, tokens.refresh_token),
        (tokens, tokens.access_token),
        (started, started.device_code),
        (started, started.user_code),
    ):
        assert secret not in repr(thing)
        assert secret not in str(thing)
    assert home.service._store.keys.usable(now=1)[0].private_key.hex() not in repr(
        home.service._store.keys.usable(now=1)
    )


def test_an_error_does_not_quote_the_credential(home: Identity) -> None:
    with pytest.raises(OAuthError) as raised:
        home.service.refresh.redeem({"client_id": "way", "refresh_token": "wsr_canary"})
    assert "canary" not in str(raised.value)


def test_an_unforeseen_error_shows_nothing_of_the_statement(
    home: Identity, client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLAlchemy would put a failing statement's values into its message: they are switched off."""
    database = home.service._store._database
    assert isinstance(database, EngineDatabase)
    database.engine.dispose()
    with database.write() as connection:
        connection.exec_driver_sql("DROP TABLE refresh_tokens")
    with pytest.raises(Exception, match="refresh_tokens") as raised:
        home.service.refresh.redeem({"client_id": "way", "refresh_token": "wsr_canary"})
    from waystation.identity.secret import digest

    assert digest("wsr_canary").hex() not in str(raised.value)
    assert repr(digest("wsr_canary"))[2:12] not in str(raised.value)


def test_the_api_repeats_no_token(client: TestClient, home: Identity) -> None:
    tokens = sign_in(home)
    for path in ("/api/v1/me", "/api/v1/sessions", "/api/v1/agents"):
        assert tokens.access_token not in client.get(path, headers=bearer(tokens)).text
