"""`waystation policy …` as an operator uses it, on a real store."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from waystation.cli import policy as policy_cli
from waystation.policy import json_schema, load
from waystation.store import StoredPolicy, VersionConflict, open_store

FIRST = """\
version: 1
providers:
  lab: {kind: openai-compatible, base_url: http://lab.internal/v1}
models:
  qwen3: {routes: [{provider: lab}], price: {input: 0, output: 0}}
"""
SECOND = FIRST.replace("qwen3: {", "qwen3: {display_name: Qwen 3, ")
BROKEN = FIRST.replace("provider: lab", "provider: lob")


class Operator:
    """Types commands; each works on the same data folder and sees no provider keys."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._env: dict[str, str | None] = {
            "WAYSTATION_DATA": str(self.data),
            "COLUMNS": "200",
            "NO_COLOR": "1",
        }
        self._env |= dict.fromkeys(
            ("WAYSTATION_DATABASE", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY")
        )
        self._env |= dict.fromkeys(("GOOGLE_API_KEY", "OPENROUTER_API_KEY", "AZURE_OPENAI_API_KEY"))

    def file(self, text: str, name: str = "policy.yaml") -> str:
        path = self.folder / name
        path.write_text(text, "utf-8")
        return str(path)

    def run(self, *words: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(policy_cli.app, list(words), input=stdin, env=self._env)

    def ok(self, *words: str) -> str:
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def read_json(self, *words: str, code: int = 0) -> Any:
        result = self.run(*words, "--json")
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)


@pytest.fixture
def operator(tmp_path: Path) -> Operator:
    return Operator(tmp_path)


def test_check_says_that_a_policy_is_sound_and_what_is_worth_a_look(operator: Operator) -> None:
    assert "is sound: 1 provider, 1 model, 0 groups." in operator.ok("check", operator.file(FIRST))
    unpriced = FIRST.replace(", price: {input: 0, output: 0}", "")
    notes = operator.read_json("check", operator.file(unpriced))["notes"]
    assert notes == [
        "lab/qwen3 has no known price, so its cost will be unknown (state one in models.qwen3.price)."
    ]
    assert not operator.data.exists()  # checking needs no store


def test_check_shows_each_fault_with_its_line_and_a_caret(operator: Operator) -> None:
    path = operator.file(BROKEN)
    result = operator.run("check", path)
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{path}:5:31  models.qwen3.routes[0].provider",
        "  5 │   qwen3: {routes: [{provider: lob}], price: {input: 0, output: 0}}",
        "    │                               ^",
        "  no provider has this name; did you mean “lab”?",
        "",
        "✗ one fault; nothing was applied.",
    ]


def test_check_for_programs(operator: Operator) -> None:
    [error] = operator.read_json("check", operator.file(BROKEN), code=1)["errors"]
    assert (error["line"], error["column"], error["field"]) == (5, 31, "models.qwen3.routes[0].provider")


def test_a_secret_is_not_echoed(operator: Operator) -> None:
    text = FIRST.replace("http://lab.internal/v1", "http://lab/v1, credential: sk-live-cAnArYcAnArY99")
    for extra in ((), ("--json",)):
        result = operator.run("check", operator.file(text), *extra)
        assert result.exit_code == 1
        assert "cAnArY" not in result.output + result.stderr
        assert "secrets are references" in result.output + result.stderr


def test_a_policy_can_come_from_standard_input(operator: Operator) -> None:
    assert operator.run("check", "-", stdin=FIRST).exit_code == 0
    assert "<stdin>:5:31" in operator.run("check", "-", stdin=BROKEN).stderr


def test_files_that_cannot_be_read_are_told_in_a_sentence(operator: Operator) -> None:
    missing = operator.run("check", str(operator.folder / "nowhere.yaml"))
    assert missing.exit_code == 1
    assert "cannot be read: No such file or directory." in missing.stderr
    (operator.folder / "binary").write_bytes(b"version: 1\nx: \xff\xfe\n")
    binary = operator.run("check", str(operator.folder / "binary"))
    assert binary.exit_code == 1
    assert "binary:2:1" in binary.stderr
    assert "not UTF-8" in binary.stderr


def test_apply_puts_a_policy_in_force_and_shows_what_changes(operator: Operator) -> None:
    shown = operator.ok("apply", operator.file(FIRST), "--note", "first try")
    assert "Changes against the embedded default" in shown
    assert "+  The provider lab (openai-compatible at http://lab.internal/v1) is new." in shown
    assert "✓ Version 1 is in force" in shown
    second = operator.ok("apply", operator.file(SECOND))
    assert "Changes against version 1" in second
    assert "models.qwen3.display_name is set to Qwen 3." in second
    store = open_store(operator.data)
    stored = store.policies.current()
    store.close()
    assert stored is not None
    assert (stored.version, stored.text) == (2, SECOND)


def test_apply_refuses_a_faulty_policy_whole(operator: Operator) -> None:
    operator.ok("apply", operator.file(FIRST))
    assert operator.run("apply", operator.file(BROKEN)).exit_code == 1
    assert operator.ok("show") == FIRST
    assert len(operator.read_json("history")) == 1


def test_applying_the_same_text_again_makes_no_version(operator: Operator) -> None:
    operator.ok("apply", operator.file(FIRST))
    assert "Nothing to do" in operator.ok("apply", operator.file(FIRST))
    again = operator.read_json("apply", operator.file(FIRST))
    assert (again["applied"], again["version"]) == (False, 1)


def test_apply_against_an_old_version_is_refused(operator: Operator) -> None:
    applied = operator.read_json("apply", operator.file(FIRST), "--base", "0")
    assert (applied["applied"], applied["version"]) == (True, 1)
    result = operator.run("apply", operator.file(SECOND), "--base", "0")
    assert result.exit_code == 1
    assert "Version 1 is in force, not version 0: compare, then apply." in result.stderr
    assert operator.ok("show") == FIRST


class RacingStore:
    """Somebody else applies a version between our look and our append."""

    def current(self) -> StoredPolicy | None:
        return None

    def append(self, text: str, *, who: str, note: str, base_version: int | None) -> StoredPolicy:
        raise VersionConflict(base_version, 1)

    def history(self) -> list[StoredPolicy]:
        return []


def test_losing_a_race_is_told_and_changes_nothing(
    operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_cli, "_store", lambda *_: RacingStore())
    result = operator.run("apply", operator.file(FIRST))
    assert result.exit_code == 1
    assert "version 1 is in force" in result.stderr


def test_diff_changes_nothing(operator: Operator) -> None:
    operator.ok("apply", operator.file(FIRST))
    assert "No change against version 1." in operator.ok("diff", operator.file("# a comment\n" + FIRST))
    [change] = operator.read_json("diff", operator.file(SECOND))["changes"]
    assert (change["path"], change["old"], change["new"]) == ("models.qwen3.display_name", None, "Qwen 3")
    assert operator.ok("show") == FIRST


def test_history_lists_who_did_what_when_newest_first(operator: Operator) -> None:
    assert "embedded default is in force" in operator.ok("history")
    operator.ok("apply", operator.file(FIRST), "--note", "first try")
    operator.ok("apply", operator.file(SECOND), "--note", "with a name")
    newest, oldest = operator.read_json("history")
    assert (newest["version"], newest["note"]) == (2, "with a name")
    assert (oldest["version"], oldest["note"]) == (1, "first try")
    assert newest["who"]
    assert "text" not in newest
    listed = operator.ok("history").splitlines()
    assert listed[1].split()[:2] == ["2", "●"]
    assert listed[2].rstrip().endswith("first try")


def test_rollback_puts_an_old_text_in_force_as_a_new_version(operator: Operator) -> None:
    operator.ok("apply", operator.file(FIRST))
    operator.ok("apply", operator.file(SECOND))
    shown = operator.ok("rollback", "1")
    assert "models.qwen3.display_name is no longer set (it was Qwen 3)." in shown
    assert "Version 3 is in force: the text of version 1." in shown
    assert operator.ok("show") == FIRST
    assert operator.ok("show", "--version", "2") == SECOND
    assert operator.read_json("history")[0]["note"] == "rollback to version 1"


@pytest.mark.parametrize(("version", "says"), [("9", "there are versions 1 to 1"), ("1", "is the same text")])
def test_rollback_to_nowhere_is_refused(operator: Operator, version: str, says: str) -> None:
    operator.ok("apply", operator.file(FIRST))
    result = operator.run("rollback", version)
    assert result.exit_code == 1
    assert says in result.stderr
    assert len(operator.read_json("history")) == 1


def test_show_prints_the_embedded_default_so_that_it_can_be_edited_and_applied(operator: Operator) -> None:
    text = operator.ok("show")
    assert load(text, filename="shown").policy.providers["rehearsal"].kind == "rehearsal"
    assert operator.read_json("show")["version"] == 0
    assert operator.read_json("apply", operator.file(text))["changes"] == []


def test_schema_prints_the_schema(operator: Operator) -> None:
    assert json.loads(operator.ok("schema")) == json_schema()
