"""What is said: one table of a run, in Markdown, ratios first."""

from collections.abc import Mapping, Sequence

from bench.metrics import Sample

Results = Mapping[str, Mapping[str, Sample]]
"""Target → metric → numbers."""

_LABELS = {
    "rps_2k": "requests/s, 2 KB",
    "rps_30k": "requests/s, 30 KB",
    "rps_300k": "requests/s, 300 KB",
    "sse_events_s": "streamed events/s, unpaced",
    "light_ms": "50 requests/s of 30 KB",
}


def table(results: Results) -> str:
    """A Markdown table: one column a target, `direct` subtracted where latency is added."""
    names = list(results)
    metrics = list(dict.fromkeys(metric for by_metric in results.values() for metric in by_metric))
    rows: list[Sequence[str]] = [("", *names), ("---", *("--:" for _ in names))]

    def get(name: str, metric: str, key: str) -> float | None:
        return results[name].get(metric, {}).get(key)

    def row(label: str, metric: str, key: str, form: str, *, added: bool = False) -> None:
        cells = []
        for name in names:
            value = get(name, metric, key)
            if value is not None and added:
                value -= get("direct", metric, key) or 0
            cells.append("–" if value is None else format(value, form))
        rows.append((label, *cells))

    def ratio(metric: str, base: str) -> None:
        floor = get(base, metric, "value") if base in results else None
        if floor:
            values = [get(name, metric, "value") for name in names]
            rows.append((f"… × {base}", *("–" if v is None else f"{v / floor:,.2f}" for v in values)))

    for metric in metrics:
        if metric.startswith("rps_") or metric == "sse_events_s":
            row(_LABELS[metric], metric, "value", ",.0f")
            ratio(metric, "nginx")
            ratio(metric, "litellm")
            if metric.startswith("rps_"):
                row("… CPU µs a request", metric, "us_cpu", ",.0f")
        elif metric == "light_ms":
            row(f"{_LABELS[metric]}: added ms, p50", metric, "value", ".2f", added=True)
            row("… p99", metric, "p99", ".2f", added=True)
        else:
            streams = f"{int(metric.split('_')[1]):,} streams of 20 events/s"
            row(f"{streams}: share delivered", metric, "value", ".2f")
            row("… added ms to first token, p50", metric, "ttft_p50", ".1f", added=True)
            row("… p99", metric, "ttft_p99", ".1f", added=True)
            row("… added ms an event is late, p99", metric, "ev_p99", ".1f", added=True)
            row("… KB a stream", metric, "kb", ".1f")
            row("… CPU µs an event", metric, "us_cpu_event", ".1f")
        if any(get(name, metric, "errors") for name in names):
            row("… errors", metric, "errors", ",.0f")
    return "\n".join("| " + " | ".join(r) + " |" for r in rows) + "\n"


def summary(results: Results) -> str:
    """The few lines that the README shows."""
    if "waystation" not in results:
        return ""
    ours = results["waystation"]
    others = [name for name in ("nginx", "litellm") if name in results]
    lines = ["| | waystation | " + " | ".join(others) + " |", "|---|--:|" + "--:|" * len(others)]

    def line(label: str, metric: str, key: str, form: str, *, added: bool = False) -> None:
        if metric not in ours:
            return
        cells = []
        for name in ("waystation", *others):
            value = results[name].get(metric, {}).get(key)
            if value is not None and added:
                value -= results.get("direct", {}).get(metric, {}).get(key, 0)
            cells.append("–" if value is None else format(value, form))
        lines.append(f"| {label} | " + " | ".join(cells) + " |")

    line("requests/s, 30 KB, one core", "rps_30k", "value", ",.0f")
    line("CPU µs a request, 30 KB", "rps_30k", "us_cpu", ",.0f")
    line("requests/s, 300 KB, one core", "rps_300k", "value", ",.0f")
    line("added ms at 50 requests/s, p50", "light_ms", "value", ".2f", added=True)
    line("share of 2,000 × 20 events/s delivered", "streams_2000", "value", ".2f")
    line("added ms to first token of 2,000 streams, p99", "streams_2000", "ttft_p99", ".0f", added=True)
    line("CPU µs an event, 1,000 streams", "streams_1000", "us_cpu_event", ".0f")
    line("KB a stream, 500 streams", "streams_500", "kb", ".1f")
    return "\n".join(lines) + "\n"


def replace_between(text: str, begin: str, end: str, new: str) -> str:
    """`text` with what stands between two marker lines replaced. Raises ValueError if a marker is missing."""
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"the markers {begin} and {end} are not both there")
    return f"{before}{begin}\n{new.strip()}\n{end}{after}"
