"""Edits of the user's own files, and taking them back to the byte."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.way.conftest import PROGRAM, Laptop
from tests.way.test_jsonc import indents, objects

from way import files
from way.errors import WayError

KEYS = ("security", "auth", "selectedType")


def hold(path: Path, value: str = "ours") -> files.Held | None:
    return files.set_json("gemini", str(path), KEYS, value, why="a test")


def kind(path: Path) -> object:
    return json.loads(path.read_text())["security"]["auth"]["selectedType"]


@given(data=objects, indent=indents, end=st.sampled_from(["", "\n", "\r\n"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_a_released_edit_leaves_the_very_bytes(
    here: Laptop, data: dict[str, object], indent: int | None, end: str
) -> None:
    path = here.home / "settings.json"
    before = (json.dumps(data, indent=indent) + end).encode()
    path.write_bytes(before)
    try:
        held = hold(path)
    except WayError:
        assert path.read_bytes() == before
        return
    if held is not None:
        assert kind(path) == "ours"
        held.release()
    assert path.read_bytes() == before
    assert files.edits() == []


def test_a_file_that_was_not_there_is_gone_again(here: Laptop) -> None:
    path = here.home / ".tool" / "settings.json"
    held = hold(path)
    assert held is not None
    assert kind(path) == "ours"
    held.release()
    assert not path.exists()


def test_what_the_user_set_himself_is_not_ours_to_undo(here: Laptop) -> None:
    path = here.home / "settings.json"
    path.write_text('{"security": {"auth": {"selectedType": "ours"}}}')
    assert hold(path) is None
    assert files.edits() == []


def test_the_last_to_leave_undoes_it(here: Laptop) -> None:
    path = here.home / "settings.json"
    path.write_text("{}")
    first, second = hold(path), hold(path)
    assert first is not None
    assert second is not None
    first.release()
    assert kind(path) == "ours"
    second.release()
    assert path.read_text() == "{}"


def test_what_somebody_changed_meanwhile_stays(here: Laptop) -> None:
    path = here.home / "settings.json"
    path.write_text('{\n  "theme": "dark"\n}\n')
    held = hold(path)
    assert held is not None
    path.write_text(path.read_text().replace('"dark"', '"light"'))
    held.release()
    assert path.read_text() == '{\n  "theme": "light"\n}\n'


def test_the_value_before_comes_back_into_a_changed_file(here: Laptop) -> None:
    path = here.home / "settings.json"
    path.write_text('{"security": {"auth": {"selectedType": "oauth-personal"}}, "a": 1}')
    held = hold(path)
    assert held is not None
    path.write_text(path.read_text().replace('"a": 1', '"a": 2'))
    held.release()
    assert path.read_text() == '{"security": {"auth": {"selectedType": "oauth-personal"}}, "a": 2}'


def test_a_value_that_somebody_else_set_is_left_alone(here: Laptop) -> None:
    path = here.home / "settings.json"
    path.write_text("{}")
    hold(path)
    theirs = '{"security": {"auth": {"selectedType": "theirs"}}}'
    path.write_text(theirs)
    assert [outcome for _, outcome in files.revert()] == [files.LEFT_ALONE]
    assert path.read_text() == theirs


def test_a_file_that_was_deleted_stays_deleted(here: Laptop) -> None:
    path = here.home / "settings.json"
    path.write_text("{}")
    held = hold(path)
    assert held is not None
    path.unlink()
    held.release()
    assert not path.exists()
    assert files.edits() == []


def test_settings_that_are_not_json_are_not_touched(here: Laptop) -> None:
    path = here.home / "settings.json"
    path.write_text("{broken")
    with pytest.raises(WayError, match="not valid JSON"):
        hold(path)
    assert path.read_text() == "{broken"
    assert files.edits() == []


def test_mode_and_link_of_a_dotfile_stay(here: Laptop) -> None:
    target, path = here.home / "dotfiles.json", here.home / "settings.json"
    target.write_text("{}")
    target.chmod(0o644)
    path.symlink_to(target)
    held = hold(path)
    assert held is not None
    assert path.is_symlink()
    assert kind(target) == "ours"
    held.release()
    assert path.is_symlink()
    assert target.read_text() == "{}"
    assert stat.S_IMODE(target.stat().st_mode) == 0o644


def test_a_killed_session_is_put_right_by_the_next(here: Laptop) -> None:
    path = here.home / "settings.json"
    path.write_text("{}")
    code = (
        f"import os, signal, sys; sys.path.insert(0, {str(Path(PROGRAM).parent)!r})\n"
        "from way import files\n"
        f"kept = files.set_json('gemini', {str(path)!r}, {KEYS!r}, 'ours', why='a test')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-IS", "-c", code], env={**os.environ, **here.env}, check=False)
    assert kind(path) == "ours"
    assert [edit.path for edit in files.left_over()] == [str(path)]
    assert [edit.path for edit in files.sweep()] == [str(path)]
    assert path.read_text() == "{}"


def test_a_living_session_is_not_swept_away(here: Laptop) -> None:
    path = here.home / "settings.json"
    path.write_text("{}")
    held = hold(path)
    assert files.sweep() == []
    assert kind(path) == "ours"
    assert held is not None
    held.release()


@pytest.mark.parametrize("before", [None, b"", b"alias x=y\n", b"no newline at the end"])
def test_added_lines_come_out_to_the_byte(here: Laptop, before: bytes | None) -> None:
    path = here.home / ".profile"
    if before is not None:
        path.write_bytes(before)
    assert files.append_block("path", str(path), "export A=1\n", why="a test")
    assert path.read_text().endswith("export A=1\n")
    assert not files.append_block("path", str(path), "export A=1\n", why="a test"), "once is enough"
    assert [outcome for _, outcome in files.revert("path")] == [files.RESTORED]
    assert (path.read_bytes() if path.exists() else None) == before


def test_added_lines_come_out_of_a_file_that_was_changed_since(here: Laptop) -> None:
    path = here.home / ".profile"
    path.write_text("one\n")
    files.append_block("path", str(path), "export A=1\n", why="a test")
    path.write_text(path.read_text() + "two\n")
    assert [outcome for _, outcome in files.revert()] == [files.TAKEN_OUT]
    assert path.read_text() == "one\ntwo\n"


def test_revert_of_one_tool_leaves_the_others(here: Laptop) -> None:
    path = here.home / ".profile"
    path.write_text("one\n")
    files.append_block("path", str(path), "export A=1\n", why="a test")
    assert files.revert("gemini") == []
    assert len(files.edits()) == 1


def test_backups_are_for_their_owners_eyes_only(here: Laptop) -> None:
    path = here.home / "settings.json"
    path.write_text('{"key": "secret"}')
    hold(path)
    (record,) = (here.way_home / "edits").glob("*.json")
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert stat.S_IMODE(record.parent.stat().st_mode) == 0o700
