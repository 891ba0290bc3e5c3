"""What `way` adds on the laptop: `.venv/bin/python -m bench.way [TOOL…]`, signed in to a gateway that is up.

Prints medians of `way token`, and of `way TOOL` with `true` in the tool's place: the time from the shell's exec to
the tool's, and back.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_TOOLS = ("claude", "codex", "gemini", "opencode")


def _median_ms(command: Sequence[str], times: int, env: Mapping[str, str]) -> float:
    """Wall time from exec to exit; the first run is thrown away. Raises CalledProcessError."""
    taken = []
    for _ in range(times + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True, env=env)
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken[1:])


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.way", description=__doc__)
    parser.add_argument("tools", nargs="*", default=list(_TOOLS), help="which tools to launch")
    parser.add_argument("--way", default=str(Path(sys.executable).with_name("way")), help="binary")
    parser.add_argument("--times", type=int, default=25)
    wanted = parser.parse_args()
    nothing = shutil.which("true") or "true"
    environment = dict(os.environ)
    bare = _median_ms([nothing], wanted.times, environment)
    print(f"way token: {_median_ms([wanted.way, 'token'], wanted.times, environment):.0f} ms")
    for tool in wanted.tools:
        instead = environment | {f"WAY_{tool.upper()}_BIN": nothing}
        print(f"way {tool}: {_median_ms([wanted.way, tool], wanted.times, instead) - bare:.0f} ms added")
    return 0


if __name__ == "__main__":
    sys.exit(main())
