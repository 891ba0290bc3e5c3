"""What an operator changes by command is in force within a second, and no request that may go on feels it."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.faults.traffic import WIRES
from tests.gateway import WAYSTATION, clean_environment
from tests.relay.tool import sent
from tests.stage import Stage, eventually, fetch, staged
from waystation.model import Wire
from waystation.policy import default_policy
from waystation.store import open_store

pytestmark = pytest.mark.faults
_SOON = 1.0
"""Seconds within which a running gateway takes over what another process wrote."""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("changes")) as running:
        yield running


# Policy


async def test_a_policy_of_another_process_is_in_force_within_a_second_and_no_request_fails(
    stage: Stage, tmp_path: Path
) -> None:
    new = tmp_path / "policy.yaml"
    new.write_text(_with_model(stage, "claude-of-tomorrow"))
    assert _model_behind(stage, "claude-of-tomorrow") == "claude-of-tomorrow"  # by the pattern claude-*
    async with _work_going_on(stage) as statuses:
        before = len(statuses)
        await asyncio.to_thread(stage.gateway.command, "policy", "apply", str(new))
        took = await _until(lambda: _model_behind(stage, "claude-of-tomorrow") == "claude-sonnet-4-5")
    assert took < _SOON
    assert len(statuses) > before + 10
    assert set(statuses) == {200}
    version = fetch(f"{stage.url}/readyz").json["policy"]["version"]
    answer = stage.say(Wire.MESSAGES, model="claude-of-tomorrow")
    assert stage.row(answer.headers["x-waystation-request-id"])["plan_version"] == version


async def test_a_broken_policy_is_refused_whole(stage: Stage, tmp_path: Path) -> None:
    broken = tmp_path / "policy.yaml"
    text = _with_model(stage, "claude-never")
    broken.write_text(text.replace("routes: [{provider: rehearsal}]", "routes: [{provider: reharsal}]", 1))
    before = fetch(f"{stage.url}/readyz").json["policy"]
    async with _work_going_on(stage) as statuses:
        refused = await asyncio.to_thread(_command, stage, "policy", "apply", str(broken))
        assert refused.returncode != 0
        assert "“rehearsal”" in refused.stderr, "it names the nearest valid name"
        await asyncio.to_thread(eventually, lambda: len(statuses) > 20)
    assert set(statuses) == {200}
    assert fetch(f"{stage.url}/readyz").json["policy"] == before


def test_a_broken_policy_file_keeps_a_gateway_from_starting_and_changes_nothing(tmp_path: Path) -> None:
    """This fault only shows when the document is compiled: two prices for one model of one provider."""
    model = "routes: [{provider: rehearsal, model: same}]"
    broken = tmp_path / "broken.yaml"
    broken.write_text(
        "version: 1\nproviders:\n  rehearsal: {kind: rehearsal}\nmodels:\n"
        f"  one: {{{model}, price: {{input: 1, output: 1}}}}\n  two: {{{model}, price: {{input: 2, output: 1}}}}\n"
    )
    started = subprocess.run(
        [WAYSTATION, "serve", "--data", str(tmp_path / "data"), "--port", "0", "--policy", str(broken)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert started.returncode == 2
    assert f"{broken}:" in started.stderr, "it names the file"
    store = open_store(tmp_path / "data")
    try:
        assert store.policies.current() is None
    finally:
        store.close()


async def test_a_policy_that_this_release_cannot_read_leaves_the_old_one_in_force(
    stage: Stage, tmp_path: Path
) -> None:
    before = fetch(f"{stage.url}/readyz").json["policy"]["version"]
    store = open_store(stage.gateway.data)
    try:
        store.policies.append(
            "version: 1\nteleport: true\n", who="a newer release", note="", base_version=before
        )
    finally:
        store.close()
    async with _work_going_on(stage) as statuses:
        took = await _until(lambda: fetch(f"{stage.url}/readyz").json["policy"]["last_error"])
        await asyncio.to_thread(eventually, lambda: len(statuses) > 20)
    assert took < 2 * _SOON
    assert set(statuses) == {200}
    told = fetch(f"{stage.url}/readyz")
    assert (told.status, told.json["policy"]["version"]) == (200, before)
    assert "teleport" in told.json["policy"]["last_error"]

    good = tmp_path / "policy.yaml"
    good.write_text(_with_model(stage, "claude-again"))
    assert _command(stage, "policy", "apply", str(good)).returncode == 0
    healed = {"version": before + 2, "last_error": None}
    await _until(lambda: fetch(f"{stage.url}/readyz").json["policy"] == healed)


# Revocation


async def test_a_session_that_is_revoked_by_command_is_refused_within_a_second(stage: Stage) -> None:
    visitor = stage.visitor("leaving@example.com")
    slow = visitor.request(
        Wire.MESSAGES, "[[rehearse: stall seconds=3]] say one two three four five", stream=True
    )
    async with sent(stage.port, slow) as under_way:
        await under_way.head()
        stage.gateway.command("sessions", "revoke", _session(visitor))
        assert await _until(lambda: visitor.say(Wire.MESSAGES).status == 401) < _SOON
        await under_way.all()  # what was let in is finished; only what comes next is refused
        assert under_way.complete
        assert under_way.status == 200
    for wire in WIRES:
        refused = visitor.say(wire)
        assert refused.status == 401
        assert "way login" in refused.json["error"]["message"]
        assert refused.headers["x-should-retry"] == "false"
    assert _renew(visitor) == 400
    assert stage.say(Wire.MESSAGES).status == 200, "nobody else is touched"


async def test_a_user_who_is_switched_off_is_refused_within_a_second_and_let_in_again_by_a_new_sign_in(
    stage: Stage,
) -> None:
    visitor = stage.visitor("off@example.com")
    assert visitor.say(Wire.MESSAGES).status == 200
    stage.gateway.command("users", "disable", "off@example.com")
    assert await _until(lambda: visitor.say(Wire.MESSAGES).status == 401) < _SOON
    assert _renew(visitor) == 400
    stage.gateway.command("users", "enable", "off@example.com")
    assert stage.visitor("off@example.com").say(Wire.MESSAGES).status == 200
    assert visitor.say(Wire.MESSAGES).status == 401, "an old token stays refused"


def test_a_session_that_its_owner_ends_is_refused_at_once(stage: Stage) -> None:
    visitor = stage.visitor("tidy@example.com")
    assert visitor.say(Wire.MESSAGES).status == 200
    path = f"{stage.url}/api/v1/sessions/{_session(visitor)}"
    assert fetch(path, method="DELETE", headers=dict([visitor.auth])).status == 204
    assert visitor.say(Wire.MESSAGES).status == 401


async def test_a_token_is_refused_from_the_second_in_which_it_ends(stage: Stage) -> None:
    """What it let in before goes on: an answer may take longer than a token lives."""
    brief = stage.service("brief", lifetime=3)
    slow = brief.request(Wire.CHAT, "[[rehearse: stall seconds=4]] say one two three four five", stream=True)
    async with sent(stage.port, slow) as under_way:
        await under_way.head()
        assert under_way.status == 200
        assert brief.say(Wire.MESSAGES).status == 200
        await _until(lambda: brief.say(Wire.MESSAGES).status == 401)
        assert "expired" in brief.say(Wire.MESSAGES).json["error"]["message"]
        await under_way.all()
        assert under_way.complete
        assert b"[DONE]" in under_way.body


def _session(visitor: Stage) -> str:
    me = fetch(f"{visitor.url}/api/v1/me", headers=dict([visitor.auth])).json
    found: str = me["session"]["id"]
    return found


def _renew(visitor: Stage) -> int:
    form = f"grant_type=refresh_token&client_id=way&refresh_token={visitor.tokens.refresh}"
    return fetch(f"{visitor.url}/oauth/token", data=form.encode()).status


# Helpers


def _model_behind(stage: Stage, name: str) -> str:
    """The provider's own name of a model, which it says in its answer."""
    found: str = stage.say(Wire.MESSAGES, model=name).json["model"]
    return found


async def _until(holds: Callable[[], object]) -> float:
    """Seconds until it holds; it is looked at in a thread."""
    began = time.monotonic()
    await asyncio.to_thread(eventually, holds)
    return time.monotonic() - began


@asynccontextmanager
async def _work_going_on(stage: Stage) -> AsyncIterator[list[int]]:
    """Tools that ask one request after another meanwhile; gives the statuses that they got so far."""
    statuses: list[int] = []
    stop = asyncio.Event()

    async def tool(wire: Wire) -> None:
        while not stop.is_set():
            async with sent(stage.port, stage.request(wire, "say hi", stream=True)) as answer:
                await answer.all()
                statuses.append(answer.status if answer.complete else 0)

    tools = [asyncio.create_task(tool(wire)) for wire in WIRES]
    try:
        await asyncio.to_thread(eventually, lambda: len(statuses) > 4)
        yield statuses
    finally:
        stop.set()
        await asyncio.gather(*tools)


def _with_model(stage: Stage, name: str) -> str:
    """The stage's policy, and one more model that is really claude-sonnet-4-5."""
    model = f"  {name}:\n    routes: [{{provider: rehearsal, model: claude-sonnet-4-5}}]\n"
    return default_policy({}, stage.provider.url).replace("\nmodels:\n", f"\nmodels:\n{model}", 1)


def _command(stage: Stage, *words: str) -> subprocess.CompletedProcess[str]:
    """As `RunningGateway.command`, whatever its exit status."""
    return subprocess.run(
        [WAYSTATION, *words, "--data", str(stage.gateway.data)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=60,
    )
