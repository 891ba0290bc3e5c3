"""`waystation token mint`, as an operator types it."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from waystation import identity
from waystation.cli.token import app
from waystation.model import Principal, PrincipalKind, Refusal
from waystation.store import open_store

URL = "http://127.0.0.1:8999"


def mint(data: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["mint", "--data", str(data), *words])


def who(data: Path, token: str, url: str = URL) -> Principal | Refusal:
    store = open_store(data)
    try:
        return identity.build(store, base_url=url, agents=lambda _: {}).verifier.verify(
            token.strip().encode()
        )
    finally:
        store.close()


def test_prints_a_token_that_the_gateway_takes(tmp_path: Path) -> None:
    result = mint(tmp_path, "--user", "ci", "--ttl", "15m", "--base-url", URL)
    assert result.exit_code == 0, result.output
    principal = who(tmp_path, result.stdout)
    assert isinstance(principal, Principal)
    assert (principal.name, principal.kind) == ("ci", PrincipalKind.SERVICE)
    assert principal.roles == frozenset({"member"})


def test_the_token_is_for_one_gateway_only(tmp_path: Path) -> None:
    result = mint(tmp_path, "--user", "ci", "--base-url", URL)
    assert isinstance(who(tmp_path, result.stdout, "http://127.0.0.1:8998"), Refusal)


def test_a_second_token_is_for_the_same_account(tmp_path: Path) -> None:
    first = who(tmp_path, mint(tmp_path, "--user", "ci", "--base-url", URL).stdout)
    second = who(tmp_path, mint(tmp_path, "--user", "ci", "--base-url", URL).stdout)
    assert isinstance(first, Principal)
    assert isinstance(second, Principal)
    assert first.id == second.id
    assert first.session != second.session, "each token can be revoked by itself"


@pytest.mark.parametrize("ttl", ["2h", "0m", "soon", "-5m", "61m"])
def test_no_token_lives_longer_than_an_hour(tmp_path: Path, ttl: str) -> None:
    result = mint(tmp_path, "--user", "ci", f"--ttl={ttl}")
    assert result.exit_code == 2
    assert "of one hour at most" in re.sub(r"[\s│]+", " ", result.output)


def test_people_sign_in_by_themselves(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    service = identity.build(store, base_url=URL, agents=lambda _: {}).service
    service.add_user("ada@example.org", by=identity.OPERATOR)
    store.close()
    result = mint(tmp_path, "--user", "ada@example.org")
    assert result.exit_code == 1
    assert "people sign in by themselves" in result.output
    assert not result.stdout.strip().startswith("ey")
