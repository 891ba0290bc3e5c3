"""The committed page says what the committed facts say, and every fact has a test."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.clients.matrix import ROWS
from tests.compatibility import FEATURES
from tests.compatibility.__main__ import FACTS, PAGE, ROOT
from tests.compatibility.plugin import RESULTS
from tests.compatibility.report import OF_TOOLS, Incomplete, claims, gathered, page, results
from tests.crossroads import FAMILIES


@pytest.fixture
def facts() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FACTS.read_text())
    return found


def test_the_page_is_made_of_the_facts(facts: dict[str, Any]) -> None:
    assert PAGE.read_text() == page(facts), "python -m tests.compatibility write"


def test_every_claim_has_a_test_that_there_is(facts: dict[str, Any]) -> None:
    for feature in FEATURES:
        assert facts["tests"][feature], feature
        for test in facts["tests"][feature]:
            file, _, function = test.partition("::")
            assert f"def {function}(" in Path(ROOT, file).read_text(), test


def test_every_tool_works_with_every_family(facts: dict[str, Any]) -> None:
    for name, row in ROWS.items():
        for family in row.families:
            for feature in ("text", "tools", "parallel", "usage"):
                assert claims(facts, name, family)[feature] == "full", (name, family, feature)


SAMPLE = """
import pytest

@pytest.mark.feature("images", "asked", "bedrock.converse")
@pytest.mark.parametrize("asked", ["openai.chat", "openai.responses"])
def test_marked(asked):
    assert asked == "openai.chat"

def test_proved(proves):
    proves("thinking", "qwen", "openai.chat", "partial: a little")

def test_nothing():
    pass
"""


def test_what_passes_and_what_fails_is_kept(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.compatibility.plugin", "--rootdir", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])}
    subprocess.run([*command, str(tmp_path)], cwd=tmp_path, env=environment, capture_output=True, timeout=60)
    kept = {(line["feature"], line["source"]): line for line in results(tmp_path / RESULTS)}
    assert len(kept) == 3
    assert kept["images", "openai.chat"]["passed"]
    assert not kept["images", "openai.responses"]["passed"]
    assert kept["thinking", "qwen"]["claim"] == "partial: a little"
    assert kept["thinking", "qwen"]["test"] == "test_sample.py::test_proved"


def proof(
    feature: str, source: str, target: str, claim: str = "full", *, passed: bool = True
) -> dict[str, Any]:
    return {"test": "t.py::test", "passed": passed, "feature": feature, "source": source, "target": target,
            "claim": claim, "asked": "openai.chat"}  # fmt: skip


def everything() -> list[dict[str, Any]]:
    cells = [(name, family) for name, row in ROWS.items() for family in row.families]
    of_tools = [proof(f, n, t) for n, t in cells for f in OF_TOOLS]
    of_tools += [proof("left out", n, t, "") for n, t in cells]
    of_pairs = [
        proof(feature, "openai.chat", target)
        for feature in ("images", "caching", "errors", "counting")
        for target in FAMILIES
    ]
    return of_tools + of_pairs


def test_a_claim_is_as_good_as_the_worst_that_was_shown() -> None:
    lines = [*everything(), proof("images", "openai.chat", "gemini.generate", "partial: only small ones")]
    lines += [proof("images", "openai.chat", "gemini.generate")]
    assert claims(gathered(lines), "qwen", "gemini.generate")["images"] == "partial: only small ones"
    assert "| Qwen Code | full | full | full | partial: images | full |" in page(gathered(lines))


def test_nothing_is_claimed_of_what_failed_or_did_not_run() -> None:
    with pytest.raises(Incomplete, match=r"failed: t\.py::test"):
        gathered([*everything(), proof("images", "openai.chat", "gemini.generate", passed=False)])
    for at in range(0, len(everything()), 7):
        with pytest.raises(Incomplete, match="nothing passed for"):
            gathered(everything()[:at] + everything()[at + 1 :])
