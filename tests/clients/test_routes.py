"""Routes that are dead, limited, stalled or cut: the real tools finish the task, and no tool call runs twice."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.laptop import TOOLS, Laptop, Run
from tests.gateway import RunningGateway, running_gateway

from waystation.rehearsal import RehearsalServer, Step, When, rehearsal_thread

WORK = When(tools=True)
POLICY = """\
version: 1
routing: {{stall_seconds: 1, affinity: none, patience: 0}}
providers:
  dead: {{kind: rehearsal, base_url: "http://127.0.0.1:{nobody}"}}
  first: {{kind: rehearsal, base_url: "{first}"}}
  second: {{kind: rehearsal, base_url: "{second}"}}
models:
"""
MODELS = {
    "claude-sonnet-4-5": "claude, opencode",
    "claude-haiku-4-5": "claude/small, opencode/small",
    "gpt-5.4": "codex",
    "gemini-2.5-pro": "gemini",
    "gemini-2.5-flash": "gemini/small",
}
ROUTE = """\
  {model}:
    agents: [{agents}]
    routes: [{{provider: dead}}, {{provider: first, priority: 1}}, {{provider: second, priority: 2}}]
    price: {{same_as: {vendor}}}
"""
FAULTS = {
    "failing, then limited": ("500", "429 retry-after=1"),
    "stalled, then cut": ("stall at=head seconds=20", "cut at=start ending=rst"),
}


@pytest.fixture(scope="module")
def providers() -> Iterator[tuple[RehearsalServer, RehearsalServer]]:
    with rehearsal_thread(keyless=True) as first, rehearsal_thread(keyless=True) as second:
        yield first, second


@pytest.fixture(scope="module", params=list(FAULTS.values()), ids=list(FAULTS))
def gateway_and_faults(
    request: pytest.FixtureRequest,
    providers: tuple[RehearsalServer, RehearsalServer],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[RunningGateway, tuple[str, str]]]:
    """A gateway for each kind of fault: what one has taught it about its routes must not spare it the other."""
    first, second = providers
    folder = tmp_path_factory.mktemp("routes")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = unused.getsockname()[1]
    text = POLICY.format(first=first.url, second=second.url, nobody=nobody)
    for model, agents in MODELS.items():
        vendor = {"c": "anthropic", "gp": "openai", "ge": "google"}[
            model[0] if model[0] == "c" else model[:2]
        ]
        text += ROUTE.format(model=model, agents=agents, vendor=vendor)
    (folder / "policy.yaml").write_text(text)
    with running_gateway(folder / "data", "--policy", str(folder / "policy.yaml")) as started:
        yield started, request.param


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "opencode-chat"])
def test_with_a_route_broken_the_task_is_done(
    tmp_path: Path,
    gateway_and_faults: tuple[RunningGateway, tuple[str, str]],
    providers: tuple[RehearsalServer, RehearsalServer],
    name: str,
) -> None:
    gateway, faults = gateway_and_faults
    first, _ = providers
    for provider in providers:
        provider.rehearsal.prompter.clear()
        provider.requests.clear()
    first.play(*(Step(when=WORK, times=1, faults=(fault,)) for fault in faults))
    laptop = Laptop(tmp_path / "home", gateway)
    laptop.sign_in()
    run = laptop.run(TOOLS[name])
    assert (run.status, run.hello) == (0, "hi"), run
    assert _failed(run) == 2, run
    assert any(row["outcome"] == "upstream_unreachable" for row in run.rows), run
    assert _answered_by_second(run) == 2, (
        f"once for the call, once for the answer; none is asked for twice: {run}"
    )


def _failed(run: Run) -> int:
    return sum(
        row["provider"] == "first" and row["outcome"] not in ("complete", "client_gone") for row in run.rows
    )


def _answered_by_second(run: Run) -> int:
    return sum(row["provider"] == "second" and row["outcome"] == "complete" for row in run.rows)
