"""Agent frameworks as PyPI ships them, before a real gateway, whose providers the test scripts.

Each is run by the Python of `.venv-frameworks`, which `./test` makes: some of them want other versions of what the
tests themselves use.
"""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.clients.laptop import STAY_HERE
from tests.frameworks.pages import blocks
from tests.frameworks.running import PYTHON, Run, Warm, modules_of
from tests.gateway import BIN, WAY, clean_environment
from tests.stage import Stage, staged
from waystation.identity import OPERATOR
from waystation.rehearsal import RehearsalServer

ACCOUNT = "night-clerk"
"""The service account that most programs have a token of."""
DEVELOPER = "ada@example.com"
"""Who is signed in on the laptop of those that call `way token`."""
PROVIDERS = {"claude": "anth", "gpt": "oai", "gemini": "goog", "qwen3": "vllm"}
"""The only provider of each family's models; it speaks that vendor's protocols and no other."""


def _policy(url: str) -> str:
    return f"""
version: 1
routing: {{backoff: 0.05}}
providers:
  anth: {{kind: anthropic, base_url: "{url}/anthropic", credential: "env:PROVIDER_KEY"}}
  oai: {{kind: openai, base_url: "{url}/openai/v1", credential: "env:PROVIDER_KEY"}}
  goog: {{kind: google, base_url: "{url}/gemini", credential: "env:PROVIDER_KEY"}}
  vllm: {{kind: openai-compatible, base_url: "{url}/openai/v1", credential: "env:PROVIDER_KEY"}}
models:
  claude-of-others: {{groups: [others], routes: [{{provider: anth}}]}}
  "claude-*": {{routes: [{{provider: anth}}]}}
  "gpt-*": {{routes: [{{provider: oai}}]}}
  "gemini-*": {{routes: [{{provider: goog}}]}}
  "qwen3-*": {{routes: [{{provider: vllm}}]}}
access:
  default: allow
  contact: "#ai-platform"
  groups:
    others: {{members: [somebody@example.com]}}
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent not in item.path.parents:
            continue
        item.add_marker(pytest.mark.frameworks)
        if "needs_no_framework" not in item.keywords and not os.access(PYTHON, os.X_OK):
            reason = "THE FRAMEWORKS ARE NOT INSTALLED: run ./test, which gets them"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    env = {"PROVIDER_KEY": "sk-provider"}
    with staged(tmp_path_factory.mktemp("frameworks"), policy=_policy, env=env) as running:
        yield running


@pytest.fixture(scope="session")
def _signed_in(_running: Stage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder where `way token` answers."""
    home = tmp_path_factory.mktemp("laptop")
    with _running.identity(_running.url) as (service, _):
        service.add_user(DEVELOPER, by=OPERATOR)
        link = service.sign_in_link(DEVELOPER, by=OPERATOR).url
    subprocess.run(
        [WAY, "login", "--link", link], env=clean_environment(HOME=str(home)), check=True, capture_output=True
    )
    return home


@pytest.fixture(scope="session")
def _account(_running: Stage) -> Stage:
    return _running.service(ACCOUNT, lifetime=3600)


@pytest.fixture
def stage(_running: Stage) -> Stage:
    """With no script, and nothing received."""
    _running.provider.rehearsal.prompter.clear()
    _running.provider.requests.clear()
    return _running


@pytest.fixture
def provider(stage: Stage) -> RehearsalServer:
    return stage.provider


Runner = Callable[..., Run]


@pytest.fixture(scope="session")
def _warm() -> Iterator[dict[str, Warm]]:
    """By framework, those that have been needed so far."""
    started: dict[str, Warm] = {}
    yield started
    for process in started.values():
        process.stop()


@pytest.fixture
def run(stage: Stage, _account: Stage, _signed_in: Path, _warm: dict[str, Warm], tmp_path: Path) -> Runner:
    """`run(framework, text, *words, asks_way=False, beside=())`: that program, in a folder and a home of its own,
    which has copies of the files `beside` too."""

    def start(
        framework: str, text: str, *words: str, asks_way: bool = False, beside: Sequence[Path] = ()
    ) -> Run:
        folder = tmp_path / f"agent-{time.monotonic_ns()}"
        folder.mkdir()
        for file in beside:
            shutil.copy(file, folder)
        (folder / "agent.py").write_text(text)
        if framework not in _warm or not _warm[framework].runs:
            _warm[framework] = Warm(modules_of([*blocks(framework), text]))
        before = {row["attempt_id"] for row in stage.rows()}
        environment = clean_environment(
            HOME=str(_signed_in if asks_way else folder),
            PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}",
            WAYSTATION_URL=stage.url,
            IS_SANDBOX="1",
            **STAY_HERE,
            **({} if asks_way else {"WAYSTATION_TOKEN": _account.token}),
        )
        status = _warm[framework].run(folder, words, environment)
        stage.gateway.wait_until_idle()
        return Run(
            status,
            (folder / "said").read_text(),
            (folder / "complained").read_text(),
            folder,
            (folder / "writes").read_text().split(),
            [row for row in stage.rows() if row["attempt_id"] not in before],
        )

    return start
