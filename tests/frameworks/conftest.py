"""Agent frameworks as PyPI ships them, before a real gateway, whose providers the test scripts.

Each is run by the Python of `.venv-frameworks`, which `./test` makes: some of them want other versions of what the
tests themselves use.
"""

import dataclasses
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.clients.laptop import STAY_HERE
from tests.documents import ROOT
from tests.gateway import BIN, WAY, clean_environment
from tests.stage import Row, Stage, staged
from waystation.identity import OPERATOR
from waystation.rehearsal import RehearsalServer

PYTHON = ROOT / ".venv-frameworks" / "bin" / "python"
COUNTING = Path(__file__).with_name("counting_writes.py")
LIMIT = 60
"""Seconds that a program may take."""
ACCOUNT = "night-clerk"
"""The service account that most programs have a token of."""
DEVELOPER = "ada@example.com"
"""Who is signed in on the laptop of those that call `way token`."""
PROVIDERS = {"claude": "anth", "gpt": "oai", "gemini": "goog", "qwen3": "vllm"}
"""The only provider of each family's models; it speaks that vendor's protocols and no other."""


def _policy(url: str) -> str:
    return f"""
version: 1
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


@dataclasses.dataclass(frozen=True, repr=False)
class Run:
    """What a program did."""

    status: int
    said: str
    complained: str
    folder: Path
    writes: list[str]
    """Each file that it opened for writing, as often as it did."""
    rows: list[Row]
    """The ledger's new rows, in order."""

    def read(self, name: str) -> str | None:
        path = self.folder / name
        return path.read_text() if path.exists() else None

    def __repr__(self) -> str:
        rows = [(r["outcome"], r["http_status"], r["error"], r["requested_model"]) for r in self.rows]
        return f"exit {self.status}, rows {rows}\n{self.said[-800:]}\n{self.complained[-1200:]}"


Runner = Callable[..., Run]


@pytest.fixture
def run(stage: Stage, _account: Stage, _signed_in: Path, tmp_path: Path) -> Runner:
    """`run(text, *words, asks_way=False, beside=())`: that program, in a folder and a home of its own, which has
    copies of the files `beside` too."""

    def start(text: str, *words: str, asks_way: bool = False, beside: Sequence[Path] = ()) -> Run:
        folder = tmp_path / f"agent-{time.monotonic_ns()}"
        folder.mkdir()
        for file in beside:
            shutil.copy(file, folder)
        (folder / "agent.py").write_text(text)
        before = {row["attempt_id"] for row in stage.rows()}
        environment = clean_environment(
            HOME=str(_signed_in if asks_way else folder),
            PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}",
            WAYSTATION_URL=stage.url,
            IS_SANDBOX="1",
            **STAY_HERE,
            **({} if asks_way else {"WAYSTATION_TOKEN": _account.token}),
        )
        done = subprocess.run(
            [PYTHON, COUNTING, "agent.py", *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )
        stage.gateway.wait_until_idle()
        return Run(
            done.returncode,
            done.stdout,
            done.stderr,
            folder,
            (folder / "writes").read_text().split(),
            [row for row in stage.rows() if row["attempt_id"] not in before],
        )

    return start
