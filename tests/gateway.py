"""The real gateway, as people start it, for tests: `waystation serve` in a process of its own.

    with running_gateway(tmp_path / "data") as gateway:
        ...  # gateway.url, gateway.welcome

It listens on a free loopback port, keeps everything under the folder it is given, and sees none of the
environment's provider keys, so that the embedded default plays the rehearsal provider.
"""

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
WAYSTATION = str(BIN / "waystation")
WAY = str(BIN / "way")
_PATIENCE = 40.0
"""Seconds that a gateway may take to be ready: a loaded CI machine imports slowly."""
_KEY_WORDS = (
    "_API_KEY",
    "_AUTH_TOKEN",
    "_BASE_URL",
    "_ENDPOINT",
    "WAYSTATION_",
    "WAY_",
    "OTEL_",
    "CLAUDE",
    "CODEX",
)


@dataclasses.dataclass(frozen=True)
class RunningGateway:
    url: str
    welcome: str
    """One-time sign-in link of the first owner; "" where there is one already."""
    data: Path
    log: Path
    process: subprocess.Popen[bytes]

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`waystation WORDS…` on this gateway's data, as an operator types it. Raises on a failure."""
        return subprocess.run(
            [WAYSTATION, *words, "--data", str(self.data)],
            env=clean_environment(),
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def wait_until_idle(self) -> None:
        """Until nothing is in flight: from then on the ledger has a row for each attempt so far."""
        give_up = time.monotonic() + 20
        while (busy := _ask(self.url, "/readyz")["in_flight"]) != 0:
            assert time.monotonic() < give_up, f"{busy} requests are still in flight"
            time.sleep(0.02)  # between two looks; there is nothing to wait on

    def refusals(self, kind: str) -> int:
        """How many requests were refused for this reason since the start, by `/metrics`."""
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        of_kind = [line for line in lines if "refusals_total{" in line and f'kind="{kind}"' in line]
        return sum(int(float(line.rpartition(" ")[2])) for line in of_kind)

    def stop(self) -> int:
        """SIGTERM, and the exit status; SIGKILL if it does not drain."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                return self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait()


def clean_environment(**more: str) -> dict[str, str]:
    """The environment without anything that would configure a gateway or a coding tool, plus `more`."""
    kept = {name: value for name, value in os.environ.items() if not any(word in name for word in _KEY_WORDS)}
    return kept | more


@contextlib.contextmanager
def running_gateway(
    data: Path, *words: str, env: Mapping[str, str] | None = None
) -> Iterator[RunningGateway]:
    """Starts `waystation serve WORDS…`, yields it when it is ready, stops it. Fails with the log's end."""
    data.mkdir(parents=True, exist_ok=True)
    gateway = _start(data, words, clean_environment(**(env or {})))
    try:
        yield gateway
    finally:
        gateway.stop()


def _start(data: Path, words: Sequence[str], env: Mapping[str, str]) -> RunningGateway:
    log = data.with_name(data.name + ".log")
    facts = data / "gateway.json"
    facts.unlink(missing_ok=True)
    port = () if "--port" in words else ("--port", "0")
    with log.open("ab") as out:
        process = subprocess.Popen(
            [WAYSTATION, "serve", "--data", str(data), *port, *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env={**env, "PYTHONFAULTHANDLER": "1"},
        )
    give_up = time.monotonic() + _PATIENCE
    try:
        while time.monotonic() < give_up and process.poll() is None:
            if facts.exists():
                told = json.loads(facts.read_text())
                if _ready(told["url"]):
                    return RunningGateway(told["url"], told.get("welcome") or "", data, log, process)
            time.sleep(0.05)  # until it answers; there is nothing to wait on
    except BaseException:  # also a test's own time limit: nobody else would stop it then
        process.kill()
        process.wait()
        raise
    process.send_signal(signal.SIGABRT)  # Python's fault handler says where each thread is
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)
    process.kill()
    process.wait()
    raise AssertionError(f"the gateway did not become ready:\n{log.read_text(errors='replace')[-4000:]}")


def _ready(url: str) -> bool:
    try:
        return bool(_ask(url, "/readyz")["ready"])
    except OSError:
        return False


def _ask(url: str, path: str) -> dict[str, Any]:
    with urllib.request.urlopen(url + path, timeout=5) as answer:
        found: dict[str, Any] = json.load(answer)
    return found
