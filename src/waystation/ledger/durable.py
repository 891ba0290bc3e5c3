"""A lake in a local folder survives a power loss: delta-rs writes and renames files, but does not sync them.

A journal segment may only go when the commits that hold its rows are on the disk; and a commit that a power
loss left half written is set aside, since all its rows are still in the journal.
"""

import os
from pathlib import Path
from urllib.parse import unquote

import msgspec

from waystation.ledger.commit import force_to_disk
from waystation.ledger.segments import sync_directory


class _Add(msgspec.Struct):
    path: str
    size: int


class _Action(msgspec.Struct):
    add: _Add | None = None


def commit_path(table: Path, version: int) -> Path:
    return table / "_delta_log" / f"{version:020d}.json"


def sync_commits(table: Path, after: int, last: int) -> None:
    """Force the commits `after + 1` … `last` and the files that they add to the disk."""
    directories = {table, table / "_delta_log"}
    for version in range(after + 1, last + 1):
        commit = commit_path(table, version)
        for add in _added(commit):
            file = table / unquote(add.path)
            if file.exists():  # not so where a later commit compacted it and a vacuum took it
                _sync_file(file)
                directories.add(file.parent)
        _sync_file(commit)
    for directory in directories:
        sync_directory(directory)


def sync_checkpoint(table: Path) -> None:
    """Force the newest checkpoint, and the pointer to it, to the disk."""
    log = table / "_delta_log"
    for file in (*log.glob("*.checkpoint*.parquet"), log / "_last_checkpoint"):
        if file.exists():
            _sync_file(file)
    sync_directory(log)


def set_aside_torn(table: Path) -> list[Path]:
    """Rename what a power loss left half written: at most the last commit, and the newest checkpoint.

    Nothing older can be, for each is synced before the next is made. Returns where they went.
    """
    log = table / "_delta_log"
    torn = [commit for commit in _commits(log)[-1:] if not _whole(table, commit)]
    torn += [file for file in sorted(log.glob("*.checkpoint.parquet"))[-1:] if not _is_parquet(file)]
    aside = [file.replace(file.with_name(file.name + ".torn")) for file in torn]
    if any(".checkpoint." in file.name for file in torn):
        (log / "_last_checkpoint").unlink(missing_ok=True)  # only a hint of where to start reading
    if aside:
        sync_directory(log)
    return aside


def _commits(log: Path) -> list[Path]:
    return sorted(file for file in log.glob("*.json") if len(file.stem) == 20 and file.stem.isdecimal())


def _is_parquet(file: Path) -> bool:
    return file.read_bytes()[-4:] == b"PAR1"


def _whole(table: Path, commit: Path) -> bool:
    try:
        added = _added(commit)
        return commit.stat().st_size > 0 and all(
            (table / unquote(add.path)).stat().st_size == add.size for add in added
        )
    except (msgspec.DecodeError, FileNotFoundError):
        return False


def _added(commit: Path) -> list[_Add]:
    decode = msgspec.json.Decoder(_Action).decode
    actions = [decode(line) for line in commit.read_bytes().splitlines() if line.strip()]
    return [action.add for action in actions if action.add is not None]


def _sync_file(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        force_to_disk(fd)
    finally:
        os.close(fd)
