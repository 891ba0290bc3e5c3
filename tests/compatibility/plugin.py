"""Keeps what tests prove. Loaded by tests/conftest.py."""

import dataclasses
import json
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest

from tests.compatibility import FEATURES

RESULTS = ".pytest_cache/compatibility"
"""Below the repository: a file for each process that ran tests."""
_PROOFS = pytest.StashKey[list["Proof"]]()


@dataclasses.dataclass(frozen=True)
class Proof:
    """One thing that one test has shown."""

    feature: str
    """Of `FEATURES`, or `left out`."""
    source: str
    """A protocol that tools speak; or a tool, in a row of the matrix."""
    target: str
    """The protocol of a provider."""
    claim: str
    """`full`, `partial: what`, `none: why`; for `left out`, names."""
    asked: str = ""
    """The protocol that a tool spoke."""


Prove = Callable[..., None]


@pytest.fixture
def proves(request: pytest.FixtureRequest) -> Prove:
    """`proves("thinking", source, target, "partial: …")`: holds if the test passes."""

    def prove(feature: str, source: str, target: str, claim: str = "full", *, asked: str = "") -> None:
        assert feature in FEATURES or feature == "left out", feature
        kept = request.node.stash.setdefault(_PROOFS, [])
        kept.append(Proof(feature, str(source), str(target), claim, asked))

    return prove


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "feature(name, source, target): proves it in full for that pair of protocols; a name of a parameter of the "
        "test stands for the parameter's value",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" or (report.when == "setup" and report.failed):
        proofs = [*item.stash.get(_PROOFS, []), *_marked(item)]
        if proofs or any(item.iter_markers("feature")):
            _keep(item, report.passed, proofs)
    return report


def _marked(item: pytest.Item) -> Iterator[Proof]:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    for marker in item.iter_markers("feature"):
        name, source, target = marker.args
        yield Proof(name, str(parameters.get(source, source)), str(parameters.get(target, target)), "full")


def _keep(item: pytest.Item, passed: bool, proofs: list[Proof]) -> None:
    folder = Path(item.config.rootpath, RESULTS)
    folder.mkdir(parents=True, exist_ok=True)
    test = item.nodeid.partition("[")[0]
    with (folder / f"{os.getpid()}.jsonl").open("a") as file:
        for proof in proofs:
            file.write(json.dumps({"test": test, "passed": passed, **dataclasses.asdict(proof)}) + "\n")
