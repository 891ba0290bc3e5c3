"""`waystation sign-in-link`, `users` and `sessions`, as an operator types them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.identity_fixture import agents
from waystation import identity
from waystation.cli import people
from waystation.identity import Caller, Identity
from waystation.model import Principal, Refusal
from waystation.store import open_store

URL = "http://127.0.0.1:8999"
Run = Callable[..., Result]


@pytest.fixture
def gateway(tmp_path: Path) -> Identity:
    """A gateway that has been started once in this folder, and goes on running."""
    home = identity.build(open_store(tmp_path), base_url=URL, agents=agents)
    home.service.first_run(name="ada@example.com")
    return home


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def invoke(command: str, *words: str, data: Path = tmp_path) -> Result:
        return CliRunner().invoke(getattr(people, command), [*words, "--data", str(data)])

    return invoke


def said(result: Result) -> dict[str, object]:
    assert result.exit_code == 0, result.output
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_a_link_for_the_owner_at_the_gateways_address(gateway: Identity, run: Run) -> None:
    link = said(run("sign_in_link", "--json"))
    assert str(link["url"]).startswith(f"{URL}/welcome/")
    assert link["user"] == "ada@example.com"
    gateway.service.links.redeem({"client_id": "way", "code": str(link["url"])}, Caller())


def test_a_link_in_words(gateway: Identity, run: Run) -> None:
    result = run("sign_in_link", "--base-url", "https://gateway.example/")
    assert "https://gateway.example/welcome/" in result.stdout
    assert "way login --link" in result.stdout


def test_people_are_added_listed_and_switched_off(gateway: Identity, run: Run) -> None:
    added = said(
        run(
            "users",
            "add",
            "Bob@example.com",
            "--role",
            "admin",
            "--group",
            "eng",
            "--cost-center",
            "R&D",
            "--json",
        )
    )
    assert (added["name"], added["roles"], added["groups"]) == ("bob@example.com", ["admin"], ["eng"])
    names = [user["name"] for user in said(run("users", "list", "--json"))["users"]]  # type: ignore[attr-defined]
    assert sorted(names) == ["ada@example.com", "bob@example.com"]
    assert "bob@example.com" in run("users", "list").stdout
    assert said(run("users", "disable", "bob@example.com", "--json"))["active"] is False
    assert "switched off" in run("users", "list").stdout
    assert said(run("users", "enable", "bob@example.com", "--json"))["active"] is True


def test_a_running_gateway_takes_over_what_the_command_ends(gateway: Identity, run: Run) -> None:
    link = str(said(run("sign_in_link", "--json"))["url"])
    tokens = gateway.service.links.redeem(
        {"client_id": "way", "code": link}, Caller("[red]laptop", "10.0.0.1")
    )
    token = tokens.access_token.encode()
    assert isinstance(gateway.verifier.verify(token), Principal)
    listed = said(run("sessions", "list", "--json"))["sessions"]
    assert isinstance(listed, list)
    assert (listed[0]["user"], listed[0]["device"]) == ("ada@example.com", "[red]laptop")
    assert said(run("sessions", "revoke", listed[0]["id"], "--json"))["revoked"] is True
    gateway.poller.poll()
    assert isinstance(gateway.verifier.verify(token), Refusal)
    assert "Nobody" in run("sessions", "list").stdout


@pytest.mark.parametrize(
    ("command", "words", "says"),
    [
        ("sign_in_link", ["nobody@example.com"], "nobody called nobody@example.com"),
        ("users", ["disable", "ada@example.com"], "last owner"),
        ("users", ["add", "ada@example.com"], "already somebody"),
        ("users", ["add", "bob@example.com", "--role", "root"], "the roles are"),
        ("sessions", ["revoke", "ses_nowhere"], "no such session"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    gateway: Identity, run: Run, command: str, words: list[str], says: str
) -> None:
    result = run(command, *words)
    assert result.exit_code == 1
    assert says in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_folder_without_a_gateway_is_not_made_into_one(run: Run, tmp_path: Path) -> None:
    result = run("users", "list", data=tmp_path / "elsewhere")
    assert result.exit_code == 1
    assert "waystation serve" in result.stderr
    assert not (tmp_path / "elsewhere").exists()
