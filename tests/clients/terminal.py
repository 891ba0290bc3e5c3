"""A tool at work in a terminal: what it shows, and keys for it."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

_CONTROLS = re.compile(rb"\x1b\[[0-9;?>]*[A-Za-z]|\x1b\][^\x07]*\x07|\x1b.")
LIMIT = 40.0
"""Seconds that a tool may take to show anything in these tests."""


class Terminal:
    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._raw = b""

    @property
    def shown(self) -> str:
        """All that was ever shown, without colours and movements, with a blank for each of them."""
        return re.sub(r"\s+", " ", _CONTROLS.sub(b" ", self._raw).decode("utf-8", "replace"))

    def type(self, text: str) -> None:
        os.write(self._handle, text.encode())

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first place in what is shown that fits."""
        give_up = time.monotonic() + LIMIT
        while not (found := re.search(pattern, self.shown)):
            assert time.monotonic() < give_up, f"{pattern!r} was not shown:\n{self.shown[-3000:]}"
            self.read(0.1)
        return found

    def read(self, seconds: float) -> None:
        """Takes what is shown meanwhile; a terminal that nobody reads stops the tool."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if select.select([self._handle], [], [], left)[0]:
                try:
                    self._raw += os.read(self._handle, 65536)
                except OSError:  # it has ended
                    return


@contextlib.contextmanager
def terminal(words: Sequence[str], folder: Path, env: Mapping[str, str]) -> Iterator[Terminal]:
    """Starts a tool in a terminal of 120 columns, and stops it with everything that it has started."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
    process = subprocess.Popen(
        words,
        cwd=folder,
        env={**env, "PWD": str(folder), "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield Terminal(ours)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # it has a session of its own
        process.wait()
        os.close(ours)
