"""Limit events on their way to the lake: files of JSON lines, one folder a node.

    DATA/limit-events/<node>/<number>.jsonl

The gateway appends to the newest; the lake writer moves the older ones into the table `limit_events` and deletes
them (`ledger.limit_events`). Standard library only: the gateway's own process writes here.
"""

import os
from collections.abc import Sequence
from pathlib import Path

FOLDER = "limit-events"
_ROTATE_BYTES = 1 << 20


class EventLog:
    """Appends lines, each write synced. One writer a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    def append(self, lines: Sequence[bytes]) -> None:
        """Raises OSError; then some of them may be there."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path()
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())

    def turn(self) -> None:
        """Closes the present file, so that the lake writer takes it."""
        if self._number and self._name(self._number).exists():
            self._number += 1
            self._name(self._number).touch(mode=0o600)

    def _path(self) -> Path:
        if not self._number:
            self._number = max((number(path) for path in files(self._folder)), default=0) + 1
            self._number = max(self._number, _taken(self._folder) + 1)
        path = self._name(self._number)
        if path.exists() and path.stat().st_size > _ROTATE_BYTES:
            self._number += 1
            path = self._name(self._number)
        return path

    def _name(self, at: int) -> Path:
        return self._folder / f"{at:010d}.jsonl"


def files(folder: Path) -> list[Path]:
    """Oldest first."""
    return sorted(folder.glob("[0-9]*.jsonl"))


def number(path: Path) -> int:
    return int(path.stem)


def mark_taken(folder: Path, at: int) -> None:
    """Remembers the number of the last file that is in the lake, so that none is given twice."""
    (folder / "taken").write_text(str(at))


def _taken(folder: Path) -> int:
    try:
        return int((folder / "taken").read_text())
    except (OSError, ValueError):
        return 0


def folders(data: Path) -> list[Path]:
    """Of all nodes that keep theirs here."""
    parent = data / FOLDER
    return sorted(path for path in parent.iterdir() if path.is_dir()) if parent.is_dir() else []
