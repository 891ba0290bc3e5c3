"""`bench/run`: starts everything, measures in turn, prints the table and, if asked, keeps it in the docs."""

import argparse
import contextlib
import datetime
import json
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench import targets
from bench.metrics import METRICS, Bench, Sample, combine, machine, settle
from bench.report import Results, replace_between, summary, table

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parent


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/run", description="The gateway beside direct, nginx and LiteLLM."
    )
    parser.add_argument("--metrics", default=",".join(METRICS), help="which, by comma")
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="the median of which is shown")
    parser.add_argument("--nginx", default=shutil.which("nginx") or "", help="binary; '' leaves it out")
    parser.add_argument("--litellm", default=shutil.which("litellm") or "", help="binary; '' leaves it out")
    parser.add_argument(
        "--waystation", default=str(Path(sys.executable).with_name("waystation")), help="binary"
    )
    parser.add_argument("--target", nargs=3, action="append", default=[], metavar=("NAME", "PORT", "COMMAND"))
    parser.add_argument("--cores", default="0,1", help="core of the gateways, core of load and mock")
    parser.add_argument("--write", action="store_true", help="into docs/figures.* and README")
    return parser.parse_args()


def main() -> int:
    wanted = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # a time limit still cleans up
    with tempfile.TemporaryDirectory(prefix="waystation-bench-") as name:
        samples = _run(wanted, Path(name))
    results = {n: {m: combine(s) for m, s in by_metric.items()} for n, by_metric in samples.items()}
    print(table(results))
    if wanted.write:
        _write(results, wanted)
    return 0 if "waystation" in results else 1


def _run(wanted: argparse.Namespace, tmp: Path) -> dict[str, dict[str, list[Sample]]]:
    """The samples of each target that came up, by metric. Interleaved: no ratio compares two moments."""
    gateway_core, other_core = (int(core) for core in wanted.cores.split(","))
    for source in ("mock", "load"):
        subprocess.run(["gcc", "-O2", "-o", str(tmp / source), str(_HERE / f"{source}.c")], check=True)
    mock = subprocess.Popen(["taskset", "-c", str(other_core), str(tmp / "mock"), str(targets.UPSTREAM)])
    bench = Bench(tmp, other_core)
    samples: dict[str, dict[str, list[Sample]]] = {}
    with contextlib.ExitStack() as stack:
        stack.callback(mock.wait)
        stack.callback(mock.terminate)
        live = _start(_wanted_targets(wanted, tmp), tmp, gateway_core, stack, bench)
        for number in range(wanted.rounds):
            for metric in wanted.metrics.split(","):
                for target in live:
                    sample = bench.measure(target, metric, wanted.seconds)
                    sample["settle_s"] = settle(mock.pid)
                    samples.setdefault(target.name, {}).setdefault(metric, []).append(sample)
                    print(f"# {number} {metric} {target.name} {sample}", file=sys.stderr, flush=True)
    return samples


def _wanted_targets(wanted: argparse.Namespace, tmp: Path) -> Sequence[targets.Target]:
    found = [targets.direct()]
    if wanted.nginx:
        found.append(targets.nginx(wanted.nginx, tmp))
    if wanted.litellm:
        found.append(targets.litellm(wanted.litellm, tmp))
    found.append(targets.waystation(wanted.waystation, tmp))
    return [*found, *(targets.extra(*words) for words in wanted.target)]


def _start(
    wanted: Sequence[targets.Target], tmp: Path, core: int, stack: contextlib.ExitStack, bench: Bench
) -> list[targets.Target]:
    live = []
    for target in wanted:
        target.prepare(tmp)
        stack.callback(target.stop)
        try:
            target.start(tmp, core)
        except targets.NotUp as failure:
            print(failure, file=sys.stderr)
            continue
        live.append(target)
        bench.load(target, "2k", 8, 1)  # warm caches, pools and the branch predictor
    return live


def _write(results: Results, wanted: argparse.Namespace) -> None:
    today = datetime.datetime.now(tz=datetime.UTC).date()
    made = (
        f"Made by `bench/run --write` on {today} ({machine()}): median of {wanted.rounds} rounds of "
        f"{wanted.seconds:g} s; each gateway one worker on one core, load and mock provider on another, "
        "loopback, no TLS. Waystation with token check, plan, prices and the synced journal on."
    )
    docs = _ROOT / "docs"
    note = "What each line means, and how far to trust it: [bench/README.md](../bench/README.md)."
    (docs / "figures.md").write_text(f"# Figures\n\n{made}\n\n{table(results)}\n{note}\n", "utf-8")
    kept = {"made": str(today), "machine": machine(), "results": results}
    (docs / "figures.json").write_text(json.dumps(kept, indent=1) + "\n", "utf-8")
    readme = _ROOT / "README.md"
    short = f"{summary(results)}\n{made} The whole table: [docs/figures.md](docs/figures.md)."
    new = replace_between(readme.read_text("utf-8"), "<!-- figures:begin -->", "<!-- figures:end -->", short)
    readme.write_text(new, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
