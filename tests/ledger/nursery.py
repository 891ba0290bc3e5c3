"""Runs and kills the children of `victim.py`."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


class Nursery:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run_and_kill(self, after_s: float, **order: Any) -> list[str]:
        """Start a child, kill it (9) after a while, and return what it said until then."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(json.dumps(order) + "\n")
        stdin.flush()
        # The child may speak before its parent has told its number.
        said: list[str] = []
        while not (line := stdout.readline().strip()).startswith("PID "):
            said.append(line)
        child = int(line.split()[1])
        time.sleep(after_s)
        os.kill(child, signal.SIGKILL)
        while not (line := stdout.readline().strip()).startswith("END "):
            said.append(line)
        assert line == f"END -{signal.SIGKILL.value}", f"the child ended by itself: {line}"
        return said


@contextmanager
def nursery(*arguments: str) -> Iterator[Nursery]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.ledger.victim", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        try:
            yield Nursery(process)
        finally:
            process.kill()
