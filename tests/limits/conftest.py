"""A real Valkey or Redis server for tests, where its program is installed."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

import pytest

_PROGRAMS = ("valkey-server", "redis-server")


class Server:
    """A server of its own on a free loopback port, with nothing kept on disk."""

    def __init__(self, program: str) -> None:
        self._program = program
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._folder = tempfile.mkdtemp(prefix="ws-valkey-")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [
                *(self._program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""),
                *("--appendonly", "no", "--dir", self._folder),
            ],
            stdout=subprocess.DEVNULL,
        )
        give_up = time.monotonic() + 20
        while time.monotonic() < give_up:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)  # until it listens; there is nothing to wait on
        raise AssertionError(f"{self._program} did not start")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def clean_up(self) -> None:
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


@pytest.fixture
def server() -> Iterator[Server]:
    program = next((found for name in _PROGRAMS if (found := shutil.which(name))), None)
    if program is None:
        message = (
            f"NO VALKEY OR REDIS SERVER IS INSTALLED ({' or '.join(_PROGRAMS)}): shared limits are not tested"
        )
        if os.environ.get("WAYSTATION_TEST_NEEDS_VALKEY"):
            pytest.fail(message)
        pytest.skip(message)
    started = Server(program)
    started.start()
    yield started
    started.clean_up()
