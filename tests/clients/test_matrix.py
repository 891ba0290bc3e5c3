"""Eight real tools × five providers' protocols: each writes a file, edits in two steps, and calls tools in parallel."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests import crossroads
from tests.clients.heard import Heard, heard, speaks
from tests.clients.laptop import LIMIT, Laptop, Run
from tests.clients.matrix import (
    CALLS,
    CELLS,
    FILES,
    LAST_RESULT,
    PROVIDED,
    ROWS,
    TASK,
    Row,
    codex_catalogue,
    may_be_left_out,
)
from tests.compatibility.plugin import Prove
from tests.crossroads import FAMILIES
from tests.gateway import running_gateway

from waystation.model import Wire
from waystation.rehearsal import RehearsalServer, rehearsal_thread


@pytest.fixture(scope="session")
def _providers() -> Iterator[RehearsalServer]:
    with rehearsal_thread(keyless=True) as server:
        yield server


@pytest.fixture
def providers(_providers: RehearsalServer) -> RehearsalServer:
    """All five, with nothing received."""
    _providers.requests.clear()
    return _providers


@pytest.fixture(scope="session")
def developer(_providers: RehearsalServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laptop]:
    """Signed in to a gateway at which all five meet; the laptop has all the tools."""
    folder = tmp_path_factory.mktemp("crossroads")
    document = folder / "policy.yaml"
    document.write_text(crossroads.policy(_providers.url))
    with running_gateway(folder / "data", "--policy", str(document)) as gateway:
        laptop = Laptop(folder / "home", gateway)
        laptop.sign_in()
        yield laptop


@pytest.fixture(scope="session")
def catalogue(developer: Laptop) -> Path:
    return codex_catalogue(developer)


@pytest.mark.timeout(3 * LIMIT)
@pytest.mark.parametrize(("name", "family"), CELLS, ids=[f"{name}-{family}" for name, family in CELLS])
def test_any_tool_with_any_model(
    request: pytest.FixtureRequest,
    developer: Laptop,
    providers: RehearsalServer,
    proves: Prove,
    name: str,
    family: Wire,
) -> None:
    row = ROWS[name]
    more: tuple[str, ...] = ()
    if row.catalogue:
        catalogue: Path = request.getfixturevalue("catalogue")
        more = ("-c", f"model_catalog_json={catalogue}", "-c", "model_reasoning_summary=auto")
    run = developer.run(row.tool, TASK, model=row.named(family), more=more, limit=2 * LIMIT)
    assert run.status == 0, run
    assert run.files(*FILES) == FILES, run
    assert LAST_RESULT in run.said, f"the last answer, which quotes what a tool has answered: {run}"

    asked = _assert_rows(run, row, family)
    requests = _work(providers, family)
    assert [len(request.ask.results) for request in requests] == [0, *CALLS], f"each answer's results: {run}"
    last = requests[-1]
    by_answer = [
        sum(at == answer for at, *_ in last.calls) for answer in dict.fromkeys(at for at, *_ in last.calls)
    ]
    assert by_answer == list(CALLS), f"parallel calls stay in one answer: {last.calls}"
    assert last.answered == [ident for _, ident, _ in last.calls], "one result a call, in their order"

    for feature in ("text", "tools", "parallel", "usage"):
        proves(feature, name, family, asked=asked)
    proves("thinking", name, family, _thinking(requests), asked=asked)
    left_out = {what for r in run.rows for what in r["dropped"].split(", ") if what}
    missed = [what for field, what in PROVIDED.items() if field in left_out]
    provided = f"partial: no {', no '.join(missed)}" if missed else "full" if last.provided else "not asked"
    proves("provided", name, family, provided, asked=asked)
    proves("left out", name, family, ", ".join(sorted(left_out)), asked=asked)


def _assert_rows(run: Run, row: Row, family: Wire) -> str:
    """The ledger has it all as it was. Gives the protocol that the tool spoke."""
    assert set(run.outcomes()) == {"complete"}, run
    model = FAMILIES[family].model
    rows = [r for r in run.rows if r["requested_model"] == model and r["operation"] == "generate"]
    spoken = {r["wire"] for r in rows}
    assert len(spoken) == 1, run
    asked = Wire(spoken.pop())
    assert asked == (family if family in row.wires else asked), "a model's own protocol is preferred"
    assert asked in row.wires
    for r in rows:
        assert r["tool"] == row.tool.binary, run
        assert (r["upstream_wire"], r["translated"]) == (family, asked is not family), run
        assert (r["usage_source"], r["usage_mismatch"]) == ("provider", False), run
        assert r["output_tokens"] > 0, run
        left_out = {what for what in r["dropped"].split(", ") if what}
        assert left_out <= may_be_left_out(asked, family), run
    return asked


def _work(providers: RehearsalServer, family: Wire) -> list[Heard]:
    """The requests of the task itself, without those for a title."""
    arrived = [r for r in providers.requests if r.method == "POST" and speaks(r.path) is family]
    found = [heard(family, FAMILIES[family].upstream, request.body) for request in arrived]
    return [request for request in found if request.ask.tools]


def _thinking(requests: list[Heard]) -> str:
    """The rehearsal provider checks the seals that come back, but cannot know which do not."""
    last = requests[-1]
    if last.seals >= len(CALLS):
        return "full"
    if last.ask.reasons is False:
        return "not asked"
    if not last.seals:
        return "partial: the tool sends no thoughts back"
    return f"partial: the thoughts of {last.seals} answers of {len(CALLS)} come back"
