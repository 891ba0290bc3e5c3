"""The files of a journal directory: which there are, in what order, and whose journal it is.

    identity.json                     which journal this is (a random id, and the node's name)
    lock                              held by the one process that writes
    00000000000000000001.wsj1         a segment, named by the first sequence number it may hold
    ….wsj1.cut-<offset>               bytes that recovery cut off a torn tail, kept for inspection
    ….wsj1.damaged                    a drained segment that held unreadable bytes, kept for inspection

The segment with the highest number is the active one; every other is sealed and never written again.
"""

import contextlib
import os
import secrets
from pathlib import Path
from typing import NamedTuple

import msgspec

SUFFIX = ".wsj1"
"""The 1 is the version of the frame format."""
_DIGITS = 20


class Segment(NamedTuple):
    first_seq: int
    path: Path


class Identity(msgspec.Struct, frozen=True):
    """Names one sequence of numbers. A new directory is a new journal, so its numbers may start over."""

    id: str
    node: str

    @property
    def app_id(self) -> str:
        """Under which the lake remembers how far this journal has been drained."""
        return f"waystation/ledger/{self.node}/{self.id}"


def segment_path(directory: Path, first_seq: int) -> Path:
    return directory / f"{first_seq:0{_DIGITS}d}{SUFFIX}"


def list_segments(directory: Path) -> list[Segment]:
    """In the order of their numbers; none where the directory does not exist."""
    found: list[Segment] = []
    with contextlib.suppress(FileNotFoundError), os.scandir(directory) as entries:
        for entry in entries:
            stem, dot, _ = entry.name.partition(".")
            if entry.name == stem + SUFFIX and dot and len(stem) == _DIGITS and stem.isdecimal():
                found.append(Segment(int(stem), Path(entry.path)))
    found.sort()
    return found


def read_identity(directory: Path) -> Identity | None:
    """None where no journal has been opened here yet."""
    try:
        return msgspec.json.decode((directory / "identity.json").read_bytes(), type=Identity)
    except FileNotFoundError:
        return None


def ensure_identity(directory: Path, node: str) -> Identity:
    """Read the directory's identity, or give it one. Durable before it returns.

    Raises:
        ValueError: the directory belongs to another node.
    """
    known = read_identity(directory)
    if known is not None:
        if known.node != node:
            raise ValueError(f"{directory} is the journal of node {known.node!r}, not of {node!r}")
        return known
    fresh = Identity(secrets.token_hex(8), node)
    write_durably(directory / "identity.json", msgspec.json.encode(fresh))
    return fresh


def write_durably(path: Path, content: bytes) -> None:
    """Write a small file so that after a power loss it is either absent (or as it was) or complete."""
    draft = path.with_name(path.name + ".new")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)


def sync_directory(directory: Path) -> None:
    """Make the creation, renaming and removal of the directory's files durable."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
