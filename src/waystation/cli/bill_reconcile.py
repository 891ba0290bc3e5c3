"""What providers say against our ledger, for people and for programs."""

from collections.abc import Sequence
from typing import Any

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from waystation.billing.reconcile import Drift, summary
from waystation.billing.reports import Report
from waystation.cli.usage_table import printable
from waystation.ledger.summary import dollars, places_needed

_TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")


def drift_json(found: Sequence[Drift], reports: Sequence[Report]) -> str:
    document = {
        "currency": "USD",
        "time_zone": "UTC",
        "files": [
            {"file": r.file, "vendor": r.vendor, "form": r.form, "rows": len(r.rows), "skipped": r.skipped}
            for r in reports
        ],
        "rows": [_row(drift) for drift in found],
        "total": summary(found),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def print_drift(console: Console, found: Sequence[Drift], reports: Sequence[Report]) -> None:
    for report in reports:
        other = f", {report.skipped:,} about other services left out" if report.skipped else ""
        line = f"{printable(report.file)}: {report.form}, {len(report.rows):,} rows{other}"
        console.print(Text(line, style="dim"), soft_wrap=True)
    if not found:
        console.print("The files speak of no usage, and the ledger has none on their days.")
        return
    table = _table(found)
    if not console.is_terminal:  # a file has no right margin
        wide = console.measure(table, options=console.options.update(width=1_000)).maximum
        console.width = max(console.width, wide)
    console.print(table)
    for vendor, sums in summary(found).items():
        line = (
            f"{vendor}: they state ${dollars(sums['theirs_nano'], thousands=',')}, we bill "
            f"${dollars(sums['ours_nano'], thousands=',')}; drift {_signed(sums['drift_nano'], 9)}"
            f"{_share(sums['drift_nano'], sums['ours_nano'])}."
        )
        console.print(Text(line), soft_wrap=True)


def _row(drift: Drift) -> dict[str, Any]:
    return {
        "day": drift.day,
        "vendor": drift.vendor,
        "model": drift.model,
        "ours": drift.ours,
        "ours_list_nano": drift.list_nano,
        "our_rows": drift.our_rows,
        "theirs": drift.theirs,
        "drift": {"cost_nano": drift.cost_drift} | {name: drift.token_drift(name) for name in _TOKENS},
        "sources": drift.sources,
    }


def _table(found: Sequence[Drift]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading in ("Day", "Provider", "Model"):
        table.add_column(heading)
    costs = any(drift.theirs.cost_nano is not None for drift in found)
    tokens = any(getattr(drift.theirs, name) is not None for drift in found for name in _TOKENS)
    headings = ["Ours (USD)", "Theirs (USD)", "Drift (USD)"] * costs + [
        "Our tokens",
        "Theirs",
        "Drift",
    ] * tokens
    for heading in (*headings, "Our rows"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("From")
    amounts = [n for d in found for n in (d.ours.cost_nano, d.theirs.cost_nano) if n is not None]
    places = max((places_needed(n) for n in amounts), default=2)
    for drift in found:
        cells = _cost_cells(drift, places) if costs else []
        cells += _token_cells(drift) if tokens else []
        name = printable(drift.model[:60]) if drift.model else "(all models)"
        table.add_row(
            str(drift.day),
            printable(drift.vendor),
            Text(name),
            *cells,
            f"{drift.our_rows:,}",
            Text(_from(drift)),
        )
    return table


def _cost_cells(drift: Drift, places: int) -> list[Text]:
    ours, theirs, off = drift.ours.cost_nano, drift.theirs.cost_nano, drift.cost_drift
    return [
        Text("–" if ours is None else dollars(ours, places, thousands=",")),
        Text("–" if theirs is None else dollars(theirs, places, thousands=",")),
        Text("–" if off is None else _signed(off, places), style="bold red" if off else "green"),
    ]


def _token_cells(drift: Drift) -> list[Text]:
    stated = [name for name in _TOKENS if getattr(drift.theirs, name) is not None]
    ours = sum(getattr(drift.ours, name) or 0 for name in _TOKENS)
    if not stated:
        return [Text(f"{ours:,}"), Text("–"), Text("–")]
    theirs = sum(getattr(drift.theirs, name) for name in stated)
    off = theirs - sum(getattr(drift.ours, name) or 0 for name in stated)
    return [
        Text(f"{ours:,}"),
        Text(f"{theirs:,}"),
        Text(f"{off:+,}" if off else "0", style="bold red" if off else "green"),
    ]


def _signed(nano: int, places: int) -> str:
    return f"{'+' if nano > 0 else ''}{dollars(nano, places, thousands=',')}"


def _share(off: int, ours: int) -> str:
    """Of what we bill, in per cent to one place, half up; in integers like all money here."""
    if not ours:
        return ""
    tenths = (abs(off) * 2000 + ours) // (2 * ours)
    return f" ({'-' if off < 0 else ''}{tenths // 10}.{tenths % 10} %)"


def _from(drift: Drift) -> str:
    if not drift.sources:
        return "not in their files"
    more = f" +{len(drift.sources) - 1}" if len(drift.sources) > 1 else ""
    return printable(drift.sources[0].rpartition("/")[2]) + more
