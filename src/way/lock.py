"""One at a time, across processes. The system releases the lock of a process that dies."""

from __future__ import annotations

import os
import sys
import time

from way import paths
from way.errors import WayError

if sys.platform == "win32":
    import msvcrt

    def _try(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


class FileLock:
    """An exclusive lock on a file of its own. Use as a context manager, or `try_acquire` and keep it."""

    def __init__(self, path: str, *, patience: float = 30.0) -> None:
        self._path = path
        self._patience = patience
        self._descriptor = -1

    def try_acquire(self) -> bool:
        paths.ensure_folder(os.path.dirname(self._path))
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        if _try(descriptor):
            self._descriptor = descriptor
            return True
        os.close(descriptor)
        return False

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> FileLock:
        deadline = time.monotonic() + self._patience
        while not self.try_acquire():
            if time.monotonic() > deadline:
                raise WayError(
                    f"Another way process has held {self._path} for {self._patience:.0f} s; "
                    "end it and try again."
                )
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
