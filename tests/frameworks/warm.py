"""Runs programs one after the other, each in a process of its own, with the modules that they import loaded before:
loading a framework takes longer than all else that these tests do with it.

    python warm.py MODULE…

reads jobs from standard input, a JSON object a line with `folder`, `words` and `environment`, and answers each with
the program's exit status on a line. A program is the folder's agent.py. What it says goes to the folder's files `said`
and `complained`; and the name of each file that it opens for writing there to `writes`, so that a test sees how often
a tool really ran, whatever the framework makes of it.
"""

import contextlib
import importlib
import json
import os
import runpy
import sys
import threading
from typing import Any


def next_job() -> dict[str, Any] | None:
    """In a new process, the job that it is to do; in this one None, when there are no more."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            job: dict[str, Any] = json.loads(line)
            return job
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    return None


def settle(folder: str, environment: dict[str, str]) -> None:
    """Makes this process as if it had been started there."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for descriptor, name, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, "said", os.O_WRONLY | os.O_CREAT),
        (2, "complained", os.O_WRONLY | os.O_CREAT),
    ):
        file = os.open(name, flags, 0o600)
        os.dup2(file, descriptor)
        os.close(file)


def count_writes(folder: str) -> None:
    log = open("writes", "a", buffering=1)  # noqa: SIM115 - as long as the program runs

    def note(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            path, mode, _flags = args
            if isinstance(path, str) and isinstance(mode, str) and "w" in mode:
                where, name = os.path.split(os.path.join(folder, path))
                if where == folder:
                    log.write(name + "\n")

    sys.addaudithook(note)


if __name__ == "__main__":
    for module in sys.argv[1:]:
        with contextlib.suppress(ImportError):  # a file that lies beside the program
            importlib.import_module(module)
    assert threading.active_count() == 1, "a fork would leave threads behind"
    job = next_job()
    if job is not None:
        settle(job["folder"], job["environment"])
        count_writes(job["folder"])
        sys.argv = ["agent.py", *job["words"]]
        sys.path[0] = job["folder"]
        runpy.run_path("agent.py", run_name="__main__")
