"""A conversation that has become too long for a model of another vendor: the tool compacts it and goes on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import crossroads
from tests.clients.heard import heard, speaks
from tests.clients.laptop import TOOLS, Laptop
from tests.clients.matrix import codex_catalogue
from tests.compatibility.test_protocols import TOO_LONG
from tests.crossroads import FAMILIES
from tests.gateway import running_gateway

from waystation.model import Usage, Wire
from waystation.rehearsal import RehearsalServer, Step, When, rehearsal_thread

TASK = (
    "create hello.txt containing hi, then run echo one >> ran.txt, "
    "then run echo two >> ran.txt and create notes.txt containing alpha in parallel, then read notes.txt"
)
FILES = {"hello.txt": "hi", "ran.txt": "one\ntwo", "notes.txt": "alpha"}
FULL = When(tools=True, rounds=2)
"""The request with which it becomes too long: the third of the task."""


@pytest.fixture(scope="module")
def providers() -> Iterator[RehearsalServer]:
    with rehearsal_thread(keyless=True) as server:
        yield server


@pytest.fixture(scope="module")
def developer(providers: RehearsalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    folder = tmp_path_factory.mktemp("compaction")
    document = folder / "policy.yaml"
    document.write_text(crossroads.policy(providers.url))
    with running_gateway(folder / "data", "--policy", str(document)) as gateway:
        laptop = Laptop(folder / "home", gateway)
        laptop.sign_in()
        yield laptop


@pytest.fixture(autouse=True)
def _clean(providers: RehearsalServer) -> None:
    providers.rehearsal.prompter.clear()
    providers.requests.clear()


@pytest.mark.parametrize("family", [Wire.RESPONSES, Wire.GENERATE, Wire.CONVERSE])
def test_E90_claude_code_compacts_when_a_provider_says_that_it_is_full(
    developer: Laptop, providers: RehearsalServer, family: Wire
) -> None:
    providers.play(Step(when=FULL, times=1, faults=(f"400 message='{TOO_LONG[family]}'",)))
    run = developer.run(TOOLS["claude"], TASK, model=FAMILIES[family].model)
    assert (run.status, run.files(*FILES)) == (0, FILES), run
    assert run.outcomes().count("upstream_error") == 1, run
    assert "This session is being continued" in words(providers, family)[-1]


@pytest.mark.parametrize("family", [Wire.MESSAGES, Wire.GENERATE])
def test_codex_compacts_by_the_usage_that_it_is_told(
    developer: Laptop, providers: RehearsalServer, family: Wire
) -> None:
    """It does so before a window is full, and ends where a provider says that it is: with models of OpenAI too."""
    catalogue: Path = codex_catalogue(developer)
    providers.play(Step(when=FULL, times=1, usage=Usage(input=265_000, output=20)))
    more = ("-c", f"model_catalog_json={catalogue}")
    run = developer.run(TOOLS["codex"], TASK, model=FAMILIES[family].model, more=more)
    assert (run.status, run.files(*FILES)) == (0, FILES), run
    assert "context compacted" in run.said, run
    assert "produced a summary of its thinking process" in words(providers, family)[-1]


def words(providers: RehearsalServer, family: Wire) -> list[str]:
    """What each request said on the user's side."""
    arrived = [r for r in providers.requests if r.method == "POST" and speaks(r.path) is family]
    return [heard(family, FAMILIES[family].upstream, request.body).ask.context for request in arrived]
