"""How it is measured: one metric on one target at a time, always in the same way, so that figures compare."""

import json
import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.targets import Target, cpu_ticks

METRICS = (
    "rps_2k",
    "rps_30k",
    "rps_300k",
    "sse_events_s",
    "light_ms",
    "streams_500",
    "streams_1000",
    "streams_2000",
)

Sample = dict[str, float]


class Bench:
    """The load generator: `load` built in `build`, pinned to the core that the mock provider runs on."""

    def __init__(self, build: Path, core: int) -> None:
        self._load = build / "load"
        self._core = core

    def load(
        self, target: Target, key: str, conns: int, seconds: float, rate: int = 0, ramp: float = 0.0
    ) -> dict[str, Any]:
        """Half a second of warm-up, then `seconds` of `conns` connections (`rate`: an open loop instead)."""
        warm = 0.5
        before, memory, began = target.cpu_seconds(), target.memory_kb(), time.monotonic()
        words = [target.port, target.files[key], conns, seconds, rate, ramp, warm]
        command = ["taskset", "-c", str(self._core), str(self._load), *map(str, words)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        grown = memory
        if ramp:  # every stream is open and none is being started or torn down
            time.sleep(ramp + warm + seconds * 0.7)
            grown = target.memory_kb()
        out, _ = process.communicate(timeout=ramp + seconds + 60)
        result: dict[str, Any] = json.loads(out)
        result["gateway_cpu"] = (target.cpu_seconds() - before) / (time.monotonic() - began)
        result["kb_per_stream"] = (grown - memory) / conns
        return result

    def measure(self, target: Target, metric: str, seconds: float) -> Sample:
        if metric.startswith("rps_"):  # 64 keep-alive connections, closed loop
            r = self.load(target, metric[4:], 64, seconds)
            sample = {"value": r["rps"], "p99_ms": r["lat"]["p99"] / 1e3}
            if r["rps"]:  # a round in which nothing was answered says nothing about the cost of an answer
                sample["us_cpu"] = 1e6 * r["gateway_cpu"] / r["rps"]
        elif metric == "sse_events_s":  # streams as fast as they go
            r = self.load(target, "sse", 64, seconds)
            sample = {"value": r["events_s"]}
        elif metric == "light_ms":  # open loop, 50 requests a second
            r = self.load(target, "30k", 8, max(seconds * 2, 4), rate=50)
            sample = {"value": r["lat"]["p50"] / 1e3, "p99": r["lat"]["p99"] / 1e3}
        else:  # streams_N: N paced streams, 20 events a second each
            n = int(metric.split("_")[1])
            r = self.load(target, "paced", n, seconds, ramp=n / 250)
            sample = {
                "value": r["events_s"] / (n * 20),
                "ttft_p50": r["ttft"]["p50"] / 1e3,
                "ttft_p99": r["ttft"]["p99"] / 1e3,
                "ev_p50": r["ev"]["p50"] / 1e3,
                "ev_p99": r["ev"]["p99"] / 1e3,
                "kb": r["kb_per_stream"],
                "us_cpu_event": 1e6 * r["gateway_cpu"] / max(r["events_s"], 1),
            }
        sample |= {"errors": r["errors"], "cpu": r["gateway_cpu"]}
        if not target.process:  # not started here: nothing to read CPU or memory from
            sample = {k: v for k, v in sample.items() if k not in ("cpu", "us_cpu", "us_cpu_event", "kb")}
        return sample


def settle(mock_pid: int, limit: float = 15) -> float:
    """Waits until the mock is idle; returns for how long. Some gateways read on when the client has gone."""
    began, last = time.monotonic(), cpu_ticks(mock_pid)
    while time.monotonic() < began + limit:
        time.sleep(0.5)
        now = cpu_ticks(mock_pid)
        if now - last <= 1:
            return time.monotonic() - began
        last = now
    return limit


def combine(samples: Sequence[Sample]) -> Sample:
    """The median of each number over the rounds."""
    keys = dict.fromkeys(key for sample in samples for key in sample)
    return {key: round(statistics.median(s[key] for s in samples if key in s), 3) for key in keys}


def machine() -> str:
    """What the figures were made on, for the reader of the table."""
    info = Path("/proc/cpuinfo").read_text()
    model = next(
        (line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), ""
    )
    return f"{os.cpu_count()} cores, {model or 'unknown processor'}"
