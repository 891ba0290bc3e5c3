"""Programs of agent frameworks, run by the Python that has the frameworks."""

import ast
import contextlib
import dataclasses
import json
import os
import select
import signal
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.documents import ROOT
from tests.gateway import clean_environment
from tests.stage import Row

PYTHON = ROOT / ".venv-frameworks" / "bin" / "python"
_WARM = Path(__file__).with_name("warm.py")
_LIMIT = 60
"""Seconds that a program may take."""


@dataclasses.dataclass(frozen=True, repr=False)
class Run:
    """What a program did."""

    status: int
    said: str
    complained: str
    folder: Path
    writes: list[str]
    """Each file of its folder that it opened for writing, as often as it did."""
    rows: list[Row]
    """The ledger's new rows, in order."""

    def read(self, name: str) -> str | None:
        path = self.folder / name
        return path.read_text() if path.exists() else None

    def __repr__(self) -> str:
        rows = [(r["outcome"], r["http_status"], r["error"], r["requested_model"]) for r in self.rows]
        return f"exit {self.status}, rows {rows}\n{self.said[-800:]}\n{self.complained[-1200:]}"


class Warm:
    """A process that has loaded a framework, and starts programs; see warm.py."""

    def __init__(self, modules: Iterable[str]) -> None:
        self._process = subprocess.Popen(
            [PYTHON, _WARM, *modules],
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            start_new_session=True,
        )

    def run(self, folder: Path, words: Iterable[str], environment: Mapping[str, str]) -> int:
        """The exit status of the folder's agent.py. Fails where it takes longer than it may."""
        job = {"folder": str(folder), "words": list(words), "environment": dict(environment)}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        ready, _, _ = select.select([self._process.stdout], [], [], _LIMIT)
        if not ready:
            self.stop()
            raise AssertionError(f"still running after {_LIMIT} s: {(folder / 'complained').read_text()}")
        return int(self._process.stdout.readline())

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """With whatever it has started: it has a session of its own."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def modules_of(programs: Iterable[str]) -> list[str]:
    """What these programs import, first things first."""
    return list(dict.fromkeys(name for program in programs for name in _imports(program)))


def _imports(program: str) -> Iterator[str]:
    for statement in ast.parse(program).body:
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module:
            yield statement.module
