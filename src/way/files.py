"""Edits of files that belong to the user: only where a tool leaves no other way, and undone to the byte.

Each edit has a record in way's own folder with the file as it was. Reverting restores those bytes where the
file is still as we left it. Where somebody has changed it since, only our own change is taken out; where
that is gone too, nothing is touched. An edit is either lasting (`way revert` or `way uninstall` undoes it)
or lives with the processes that hold it: the last one to leave undoes it, and if that one was killed, the
next way to run does.
"""

from __future__ import annotations

import base64
import json
import os

from way import jsonc, paths
from way.errors import WayError
from way.lock import FileLock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

RESTORED = "restored"
"""The file is byte for byte what it was."""
TAKEN_OUT = "taken out"
"""Somebody had changed the file since; only our change was undone."""
LEFT_ALONE = "left alone"
"""Our change was gone already."""


class Edit:
    """The record of one edit. `before` is None where there was no file."""

    __slots__ = ("after", "before", "block", "keys", "lasting", "owner", "path", "previous", "value", "why")

    def __init__(
        self,
        *,
        owner: str,
        path: str,
        why: str,
        lasting: bool,
        before: bytes | None,
        after: bytes,
        keys: Sequence[str] = (),
        value: str = "",
        previous: str | None = None,
        block: str = "",
    ) -> None:
        self.owner = owner
        self.path = path
        self.why = why
        self.lasting = lasting
        self.before = before
        self.after = after
        self.keys = list(keys)
        self.value = value
        self.previous = previous
        self.block = block

    @property
    def id(self) -> str:
        from binascii import crc32

        what = "\0".join((self.path, *self.keys))
        return f"{self.owner}-{crc32(what.encode('utf-8', 'surrogateescape')):08x}"

    def encode(self) -> bytes:
        fields: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        for name in ("before", "after"):
            raw = fields[name]
            fields[name] = None if raw is None else base64.b64encode(raw).decode("ascii")
        return json.dumps(fields, indent=1).encode("utf-8")

    @staticmethod
    def decode(raw: bytes) -> Edit:
        fields = json.loads(raw)
        for name in ("before", "after"):
            text = fields[name]
            fields[name] = None if text is None else base64.b64decode(text)
        return Edit(**fields)


class Held:
    """A process's hold on an edit that is not lasting. `release` when the tool has ended."""

    def __init__(self, edit: Edit, lock: FileLock) -> None:
        self._edit = edit
        self._lock = lock

    def release(self) -> None:
        with _exclusively():
            self._lock.release()
            if not _is_held(self._edit.id):
                _revert(self._edit.id)


def set_json(owner: str, path: str, keys: Sequence[str], value: object, *, why: str) -> Held | None:
    """Sets one value in a JSON settings file for as long as it is held; None where it is the user's own.

    The file's comments, order and spacing stay. Raises WayError where the file is not JSON.
    """
    wanted = json.dumps(value)
    with _exclusively():
        edit = Edit(
            owner=owner, path=path, why=why, lasting=False, before=None, after=b"", keys=keys, value=wanted
        )
        known = _read(edit.id)
        content = paths.read(path)
        try:
            text = (content or b"{}\n").decode("utf-8")
            previous = jsonc.literal(text, keys)
            changed = jsonc.put(text, keys, wanted)
        except ValueError as error:
            raise WayError(f"{path} is not valid JSON ({error}); put it right and try again.") from None
        if known is None and previous == wanted:
            return None
        if known is not None and previous == wanted:
            edit = known  # ours already, by another session or by one that was killed
        else:
            if known is not None:
                _forget(known.id)
            edit.before, edit.after, edit.previous = content, changed.encode("utf-8"), previous
            paths.write_atomically(_record(edit.id), edit.encode())
            _write_like_before(path, edit.after)
        lock = FileLock(_lease(edit.id, f"{os.getpid()}-{os.urandom(3).hex()}"))
        if not lock.try_acquire():
            raise WayError(f"{_lease(edit.id, '')} cannot be locked; delete that folder and try again.")
        return Held(edit, lock)


def append_block(owner: str, path: str, block: str, *, why: str) -> bool:
    """Adds lines at the end of a text file, once; whether they were added now. Lasting."""
    with _exclusively():
        before = paths.read(path)
        if before is not None and block.encode("utf-8") in before:
            return False
        joint = b"" if not before or before.endswith(b"\n") else b"\n"
        after = (before or b"") + joint + block.encode("utf-8")
        edit = Edit(owner=owner, path=path, why=why, lasting=True, before=before, after=after, block=block)
        paths.write_atomically(_record(edit.id), edit.encode())
        _write_like_before(path, after)
        return True


def edits() -> list[Edit]:
    """All that way has changed and not undone."""
    try:
        names = sorted(os.listdir(_folder()))
    except OSError:
        return []
    found = (_read(name[: -len(".json")]) for name in names if name.endswith(".json"))
    return [edit for edit in found if edit is not None]


def revert(owner: str = "") -> list[tuple[Edit, str]]:
    """Undoes the edits of one owner, or all, held or not. Returns each with what was done."""
    with _exclusively():
        return [(edit, _revert(edit.id) or LEFT_ALONE) for edit in edits() if owner in ("", edit.owner)]


def left_over() -> list[Edit]:
    """What killed sessions have left behind."""
    return [edit for edit in edits() if not edit.lasting and not _is_held(edit.id)]


def sweep() -> list[Edit]:
    """Undoes what killed sessions have left behind. Returns those edits."""
    if not os.path.isdir(_folder()):
        return []
    with _exclusively():
        stale = left_over()
        for edit in stale:
            _revert(edit.id)
        return stale


def _revert(edit_id: str) -> str:
    edit = _read(edit_id)
    if edit is None:
        return ""
    outcome = LEFT_ALONE
    now = paths.read(edit.path)
    if now is not None and now == edit.after:
        if edit.before is None:
            paths.remove(os.path.realpath(edit.path))
        else:
            _write_like_before(edit.path, edit.before)
        outcome = RESTORED
    elif now is not None:
        without = _without(edit, now)
        if without is not None:
            _write_like_before(edit.path, without)
            outcome = TAKEN_OUT
    _forget(edit_id)
    return outcome


def _without(edit: Edit, now: bytes) -> bytes | None:
    """The file as it is now, less our change; None where our change is not in it."""
    try:
        text = now.decode("utf-8")
        if edit.block:
            return text.replace(edit.block, "", 1).encode("utf-8") if edit.block in text else None
        if jsonc.literal(text, edit.keys) != edit.value:
            return None
        if edit.previous is not None:
            return jsonc.put(text, edit.keys, edit.previous).encode("utf-8")
        text = jsonc.drop(text, edit.keys)
        existing = (edit.before or b"{}").decode("utf-8")
        for depth in range(len(edit.keys) - 1, 0, -1):  # the objects that we made, if nothing else is in them
            parent = edit.keys[:depth]
            if jsonc.get(text, parent) == {} and jsonc.get(existing, parent) is jsonc.MISSING:
                text = jsonc.drop(text, parent)
        return text.encode("utf-8")
    except ValueError:
        return None


def _write_like_before(path: str, content: bytes) -> None:
    """Replaces what the name leads to (settings are often links into a dotfiles folder), keeping its mode."""
    target = os.path.realpath(path)
    try:
        mode = os.stat(target).st_mode & 0o777
    except OSError:
        mode = 0o600
    paths.write_atomically(target, content, mode=mode)


def _exclusively() -> FileLock:
    return FileLock(paths.in_home("edits.lock"))


def _folder() -> str:
    return paths.in_home("edits")


def _record(edit_id: str) -> str:
    return os.path.join(_folder(), f"{edit_id}.json")


def _lease(edit_id: str, name: str) -> str:
    return os.path.join(_folder(), f"{edit_id}.held", name)


def _read(edit_id: str) -> Edit | None:
    raw = paths.read(_record(edit_id))
    if raw is None:
        return None
    try:
        return Edit.decode(raw)
    except (ValueError, KeyError, TypeError):
        raise WayError(
            f"{_record(edit_id)} is damaged; delete it if the file it is about is in order."
        ) from None


def _is_held(edit_id: str) -> bool:
    """Whether a living process holds the edit. Holds of dead ones are cleared away."""
    held = False
    try:
        names = os.listdir(_lease(edit_id, ""))
    except OSError:
        return False
    for name in names:
        lock = FileLock(_lease(edit_id, name))
        if lock.try_acquire():
            paths.remove(_lease(edit_id, name))
            lock.release()
        else:
            held = True
    return held


def _forget(edit_id: str) -> None:
    paths.remove(_record(edit_id))
    if not _is_held(edit_id):
        try:
            os.rmdir(_lease(edit_id, ""))
        except OSError:
            return
