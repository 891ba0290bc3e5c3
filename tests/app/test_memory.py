"""The allocator takes our settings: a refused one would silently cost two thirds of the speed at 300 KB."""

import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator is set on Linux only")
def test_glibc_accepts_every_setting() -> None:
    # In a process of its own: the settings cannot be taken back.
    script = "from waystation.app.memory import keep_large_blocks; print(keep_large_blocks())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"
