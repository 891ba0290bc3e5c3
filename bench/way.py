"""What `way` adds on the laptop: `.venv/bin/python -m bench.way [TOOL…]`, signed in to a gateway that is up.

Prints medians: of `way token`, and for each tool that is on PATH of `way TOOL --version` less `TOOL --version`.
"""

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

_TOOLS = ("claude", "codex", "gemini", "opencode")


def _median_ms(command: Sequence[str], times: int) -> float:
    """Wall time from exec to exit; the first run is thrown away. Raises CalledProcessError."""
    taken = []
    for _ in range(times + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken[1:])


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.way", description=__doc__)
    parser.add_argument("tools", nargs="*", default=list(_TOOLS), help="which tools to launch")
    parser.add_argument("--way", default=str(Path(sys.executable).with_name("way")), help="binary")
    parser.add_argument("--times", type=int, default=15)
    wanted = parser.parse_args()
    print(f"way token: {_median_ms([wanted.way, 'token'], wanted.times):.0f} ms")
    for tool in wanted.tools:
        binary = shutil.which(tool)
        if binary is None:
            print(f"way {tool}: {tool} is not on PATH")
            continue
        bare = _median_ms([binary, "--version"], wanted.times)
        launched = _median_ms([wanted.way, tool, "--version"], wanted.times)
        print(f"way {tool}: {launched - bare:.0f} ms added ({launched:.0f} ms, {bare:.0f} ms without)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
