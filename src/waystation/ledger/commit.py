"""Group commit: one background thread that forces the journal's writes to the disk.

The event loop's thread only writes and leaves a note; this thread only syncs (and closes sealed segments).
They share no lock: each field below has one writer, and a note that is lost or doubled by a race costs at
most one early or one timed sync, never a missed one.
"""

import contextlib
import fcntl
import os
import sys
import threading
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from queue import Empty, SimpleQueue

from waystation.ledger.segments import sync_directory

NEVER = sys.maxsize


class _Note(Enum):
    WRITTEN = 1
    FULL = 2
    STOP = 3


def force_to_disk(fd: int) -> None:
    """Return only when the file's data is on the medium (on macOS `fsync` alone does not promise that)."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        fcntl.fcntl(fd, full)
    elif hasattr(os, "fdatasync"):
        os.fdatasync(fd)
    else:
        os.fsync(fd)


class GroupCommit(threading.Thread):
    """Syncs at the latest `wait_s` after a write, at once when `batch_bytes` have gathered."""

    def __init__(
        self, directory: Path, fd: int, *, wait_s: float, batch_bytes: int, position: Callable[[], int]
    ) -> None:
        """`position` tells the sequence number of the last frame that was written."""
        super().__init__(name="journal-commit", daemon=True)
        self.fd = fd
        """The active segment. Written by the loop's thread."""
        self.dirty = False
        """A write is waiting for its sync. Set by the loop's thread, cleared by this one before it syncs."""
        self.full_at = batch_bytes
        """How many bytes in all may have been written before the loop's thread asks for a sync at once."""
        self.written_bytes = 0
        """Written by the loop's thread."""
        self.error: OSError | None = None
        """Why the last sync failed; None after one that succeeded."""
        self.durable_seq = position()
        """All frames up to this one are on the disk."""
        self.syncs = 0
        self._directory = directory
        self._wait_s = wait_s
        self._batch_bytes = batch_bytes
        self._position = position
        self._notes: SimpleQueue[_Note | int] = SimpleQueue()

    # From the loop's thread.

    def wrote(self, count: int) -> None:
        self.written_bytes = total = self.written_bytes + count
        if not self.dirty:
            self.dirty = True
            self._notes.put(_Note.WRITTEN)
        if total >= self.full_at:
            self.full_at = NEVER
            self._notes.put(_Note.FULL)

    def seal(self, next_fd: int) -> None:
        """Make `next_fd` the active segment; the one before is synced once more and closed."""
        before, self.fd = self.fd, next_fd
        self._notes.put(before)

    def stop(self) -> None:
        """Sync what is left and end; returns when that is done."""
        self._notes.put(_Note.STOP)
        self.join()

    # This thread.

    def run(self) -> None:
        stopping = False
        while not stopping:
            note = self._notes.get()
            if note is _Note.STOP:
                stopping = True
            elif isinstance(note, int):
                self._finish(note)
                continue
            elif note is _Note.WRITTEN:
                stopping = self._gather()
            self._sync()

    def _gather(self) -> bool:
        """Let more writes come in before the sync; True when it is to be the last."""
        until = time.monotonic() + self._wait_s
        while (left := until - time.monotonic()) > 0:
            try:
                note = self._notes.get(timeout=left)
            except Empty:
                return False
            if isinstance(note, int):
                self._finish(note)
            elif note is not _Note.WRITTEN:
                return note is _Note.STOP
        return False

    def _sync(self) -> None:
        # Order matters: whatever is written after `dirty` is cleared leaves a note of its own.
        self.dirty = False
        self.full_at = self.written_bytes + self._batch_bytes
        written = self._position()
        try:
            force_to_disk(self.fd)
        except OSError as error:
            self.error = error
            return
        self.syncs += 1
        self.error = None
        self.durable_seq = max(self.durable_seq, written)

    def _finish(self, sealed: int) -> None:
        try:
            force_to_disk(sealed)
            sync_directory(self._directory)
        except OSError as error:
            self.error = error
        finally:
            with contextlib.suppress(OSError):
                os.close(sealed)
