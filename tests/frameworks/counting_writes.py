"""Runs a program, and puts the name of each file that it opens for writing in its folder into the file `writes`.

    python counting_writes.py agent.py WORDS…

So a test sees how often a tool really ran, whatever the framework makes of it.
"""

import os
import runpy
import sys

_here = os.getcwd()
_log = open("writes", "a", buffering=1)  # noqa: SIM115 - as long as the program runs


def _note(event: str, args: tuple[object, ...]) -> None:
    if event == "open":
        path, mode, _flags = args
        if isinstance(path, str) and isinstance(mode, str) and "w" in mode:
            folder, name = os.path.split(os.path.join(_here, path))
            if folder == _here:
                _log.write(name + "\n")


if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    sys.path[0] = _here  # as if the program had been started by itself
    sys.addaudithook(_note)
    runpy.run_path(sys.argv[0], run_name="__main__")
