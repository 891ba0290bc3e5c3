"""What translation costs: `.venv/bin/python -m bench.translate`. See README.md.

First by itself, in this process: a 300 KB conversation for each pair of protocols, and one streamed event. Then,
with `--relay`, through a whole gateway on one core: CPU of an event that passes through and of one that is
translated, of Waystation and, with `--litellm`, of LiteLLM's proxy.
"""

import argparse
import contextlib
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from bench import targets, workload
from bench.conversation import MODELS, NAMES, PAIRS, SOURCES, TARGETS, body, chunks, target_of
from bench.metrics import Bench, machine
from waystation.app.memory import collect_garbage_less, keep_large_blocks
from waystation.model import Wire
from waystation.wire import StreamTap, make_tap
from waystation.wire.canonical import Conversation
from waystation.wire.codecs import AnswerHead
from waystation.wire.translate import Translation

_HERE = Path(__file__).resolve().parent
_MOST_MS = 5.0
"""What a conversation of 300 KB may take."""
_MOST_RATIO = 3.0
"""How much dearer a translated event may be than one that passes through."""
_PATHS = {Wire.RESPONSES: "/openai/v1/responses", Wire.CHAT: "/openai/v1/chat/completions"}


def main() -> int:
    wanted = _arguments()
    keep_large_blocks()  # as `waystation serve` does
    collect_garbage_less()
    print(f"{machine()}; {wanted.size // 1000} KB, median of {wanted.rounds}\n")
    taken = _conversations(wanted.size, wanted.rounds)
    theirs = _litellm_conversations(wanted) if wanted.litellm else {}
    print(_table("conversation, ms of CPU", taken, theirs))
    events, passing = _events(wanted.rounds)
    print(_table("a streamed event by itself, µs of CPU (× a tap that only looks)", events, {}, passing))
    well = max(taken.values()) < _MOST_MS
    if wanted.relay:
        ratios = _relay(wanted)
        well = well and all(ratio <= _MOST_RATIO for ratio in ratios)
    return 0 if well else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.translate", description=__doc__)
    parser.add_argument("--size", type=int, default=300_000, help="bytes of the conversation")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--relay", action="store_true", help="also through whole gateways")
    parser.add_argument("--litellm", default=shutil.which("litellm") or "", help="binary; '' leaves it out")
    parser.add_argument(
        "--waystation", default=str(Path(sys.executable).with_name("waystation")), help="binary"
    )
    parser.add_argument("--streams", type=int, default=500, help="of 20 events a second each")
    parser.add_argument(
        "--litellm-streams", type=int, default=20, help="the same for LiteLLM, which takes long to begin them"
    )
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--cores", default="0,1", help="core of the gateways, core of load and mock")
    return parser.parse_args()


def _median(work: Callable[[], object], rounds: int) -> float:
    """Seconds of this thread's CPU; the first run is thrown away."""
    times = []
    for _ in range(rounds + 1):
        began = time.thread_time()
        work()
        times.append(time.thread_time() - began)
    return statistics.median(times[1:])


def _head(asked: Conversation) -> AnswerHead:
    return AnswerHead("answer", 1, "asked-for", asked)


# -------------------------------------------------------------------- by itself
def _conversations(size: int, rounds: int) -> dict[str, float]:
    """Milliseconds by pair, from the tool's bytes to the provider's."""
    bodies = {source: body(source, size) for source in SOURCES}

    def translate(source: Wire, target: Wire) -> None:
        asked = Translation.read(source, bodies[source], model="asked-for", stream=True)
        Translation(source, asked, target_of(target), _head(asked))

    return {
        f"{NAMES[source]}-{NAMES[target]}": 1e3 * _median(partial(translate, source, target), rounds)
        for source, target in PAIRS
    }


def _litellm_conversations(wanted: argparse.Namespace) -> dict[str, float]:
    """The same by LiteLLM's transformations, in its own environment."""
    python = Path(wanted.litellm).with_name("python")
    with tempfile.TemporaryDirectory(prefix="waystation-bench-") as name:
        for source in SOURCES:
            (Path(name) / f"{NAMES[source]}.json").write_bytes(body(source, wanted.size))
        command = [str(python), str(_HERE / "litellm_work.py"), name, str(wanted.rounds)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"# LiteLLM's side failed: {done.stderr[-500:]}", file=sys.stderr)
        return {}
    taken: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return taken


def _events(rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Microseconds by pair, and of the provider's tap alone by provider."""
    number = 400
    streams = {target: chunks(target, number) for target in TARGETS}
    asked = Conversation(model="asked-for", stream=True)
    taps = {target: _each(partial(make_tap, target), streams[target], rounds) for target in TARGETS}
    taken = {}
    for source, target in PAIRS:
        made = Translation(source, asked, target_of(target), _head(asked))
        taken[f"{NAMES[source]}-{NAMES[target]}"] = _each(made.tap, streams[target], rounds)
    return taken, {f"{NAMES[s]}-{NAMES[t]}": taps[t] for s, t in PAIRS}


def _each(tap: Callable[[], StreamTap], stream: Sequence[bytes], rounds: int) -> float:
    def feed() -> None:
        live = tap()
        for chunk in stream:
            live.feed(chunk)

    return 1e6 * _median(feed, rounds) / len(stream)


def _table(
    title: str, ours: dict[str, float], theirs: dict[str, float], base: dict[str, float] | None = None
) -> str:
    """Rows are what tools speak, columns what providers do."""
    columns = [NAMES[target] for target in TARGETS]
    lines = [f"| {title} | " + " | ".join(columns) + " |", "|---|" + "--:|" * len(columns)]
    for source in (NAMES[source] for source in SOURCES):
        cells = []
        for target in columns:
            pair = f"{source}-{target}"
            cell = f"{ours[pair]:.1f}" if pair in ours else "–"
            if base and pair in ours:
                cell += f" (×{ours[pair] / base[pair]:.1f})"
            if pair in theirs:
                cell += f" (LiteLLM {theirs[pair]:.1f}, ×{theirs[pair] / ours[pair]:.1f})"
            cells.append(cell)
        lines.append(f"| {source} → | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


# -------------------------------------------------------------------- through a whole gateway
class Translated(targets.Target):
    """A gateway that is running already, asked in another protocol than its provider's."""

    def __init__(self, name: str, running: targets.Target, source: Wire, path: str) -> None:
        super().__init__(name, running.port, path=path)
        self._headers = running._headers
        self._source = source
        self.process = running.process

    def prepare(self, tmp: Path) -> None:
        where = target_of(self._source)
        for key, raw in workload.bodies().items():
            asked = Translation.read(Wire.MESSAGES, raw, model=workload.MODEL, stream=b'"stream":true' in raw)
            told = Translation(Wire.MESSAGES, asked, where, _head(asked)).body
            told = told.replace(MODELS[self._source].encode(), workload.MODEL.encode(), 1)
            headers = self._headers | {"content-length": str(len(told))}
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            self.files[key] = tmp / f"{self.name}.{key}"
            self.files[key].write_bytes(f"POST {self.path} HTTP/1.1\r\n{head}\r\n".encode() + told)


def _relay(wanted: argparse.Namespace) -> list[float]:
    """Prints CPU µs an event; returns Waystation's ratios of translated to passed through."""
    gateway_core, other_core = (int(core) for core in wanted.cores.split(","))
    ratios = []
    with contextlib.ExitStack() as stack:
        tmp = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="waystation-bench-")))
        for source in ("mock", "load"):
            subprocess.run(["gcc", "-O2", "-o", str(tmp / source), str(_HERE / f"{source}.c")], check=True)
        mock = subprocess.Popen(["taskset", "-c", str(other_core), str(tmp / "mock"), str(targets.UPSTREAM)])
        stack.callback(mock.wait)
        stack.callback(mock.terminate)
        bench = Bench(tmp, other_core)
        gateways = [targets.waystation(wanted.waystation, tmp)]
        if wanted.litellm:
            gateways.append(targets.litellm(wanted.litellm, tmp))
        print("| whole gateway, CPU µs an event | passed through | " + " | ".join(map(_arrow, _PATHS)) + " |")
        print("|---|--:|" + "--:|" * len(_PATHS))
        for gateway in gateways:
            gateway.prepare(tmp)
            stack.callback(gateway.stop)
            gateway.start(tmp, gateway_core)
            ours = gateway.name == "waystation"
            metric = f"streams_{wanted.streams if ours else wanted.litellm_streams}"
            asked = [
                Translated(f"{gateway.name}-{NAMES[wire]}", gateway, wire, path if ours else path[7:])
                for wire, path in _PATHS.items()
            ]
            cells = []
            passed = 0.0
            for live in (gateway, *asked):
                if live is not gateway:
                    live.prepare(tmp)
                bench.load(live, "2k", 8, 1)
                sample = bench.measure(live, metric, wanted.seconds)
                cost = sample.get("us_cpu_event", 0.0)
                if live is gateway:
                    passed = cost
                elif ours:
                    ratios.append(cost / passed)
                failed = f", {sample['errors']:.0f} errors" if sample["errors"] else ""
                cells.append(f"{cost:.0f} (×{cost / passed:.2f}{failed})")
            gateway.stop()
            print(f"| {gateway.name} | " + " | ".join(cells) + " |", flush=True)
    return ratios


def _arrow(source: Wire) -> str:
    return f"{NAMES[source]} → messages"


if __name__ == "__main__":
    sys.exit(main())
