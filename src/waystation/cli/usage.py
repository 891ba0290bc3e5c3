"""`waystation usage`: who spent what, on what, when."""

import csv
import datetime as dt
import io
import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from deltalake.exceptions import DeltaError
from rich.console import Console

from waystation.cli.options import DEFAULT_DATA, Data, Lake
from waystation.cli.usage_table import print_table, printable
from waystation.ledger.layout import journal_directories, lake_directory
from waystation.ledger.queries import open_usage
from waystation.ledger.summary import Dimension, Line, Span, Summary, dollars, extent, summarize

app = typer.Typer(add_completion=False)

_DEFAULT_BY = (Dimension.USER, Dimension.TOOL, Dimension.MODEL)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FORMULA = ("=", "+", "-", "@")


class _Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    CSV = "csv"


_HELP = (
    "Show who spent what, on what, when.\n\n"
    "Reads the lake and the journal beyond it, so a request is here a moment after it ended, also while the "
    "gateway runs. Costs are exact to the nano-dollar; days are UTC."
)


@app.command(help=_HELP)
def usage(
    by: Annotated[
        list[Dimension] | None,
        typer.Option(
            help="What to add up by; give it again to divide further.  [default: user, tool, model]"
        ),
    ] = None,
    since: Annotated[
        str, typer.Option(help="From when: 30m, 24h, 7d, 4w, a date, a moment (UTC), or `all`.")
    ] = "30d",
    until: Annotated[
        str | None, typer.Option(help="To when; a date means the end of that day (UTC). Now if absent.")
    ] = None,
    user: Annotated[list[str] | None, typer.Option(help="Only this user (name or id); repeatable.")] = None,
    tool: Annotated[list[str] | None, typer.Option(help="Only this coding tool; repeatable.")] = None,
    model: Annotated[list[str] | None, typer.Option(help="Only this model; repeatable.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with integers.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, without a total.")] = False,
    data: Data = DEFAULT_DATA,
    lake: Lake = "",
) -> None:
    wanted = _format(as_json, as_csv)
    dimensions = tuple(dict.fromkeys(by or _DEFAULT_BY))
    span = _span(since, until, dt.datetime.now(dt.UTC))
    folder = data.expanduser()
    try:
        with open_usage(journal_directories(folder), lake or lake_directory(folder)) as view:
            found = summarize(view, dimensions, span, users=user or (), tools=tool or (), models=model or ())
            rows, first, last = extent(view)
            missing = sum(end - start + 1 for runs in view.missing.values() for start, end in runs)
    except (DeltaError, OSError) as error:
        # A power loss can tear the lake's last commit; the lake writer makes it anew from the journal.
        typer.echo(f"The usage cannot be read: {error}\nIf the gateway is not running, start it.", err=True)
        raise typer.Exit(1) from None
    if missing:
        typer.echo(f"The journal is damaged: {missing} of its records cannot be read.", err=True)
    if wanted is _Format.JSON:
        typer.echo(_json(found, span))
    elif wanted is _Format.CSV:
        typer.echo(_csv(found), nl=False)
    elif found.total.attempts + found.total.refused:
        print_table(Console(), found, span)
    else:
        _say_nothing_found(folder, rows, first, last)


def _format(as_json: bool, as_csv: bool) -> _Format:
    if as_json and as_csv:
        raise typer.BadParameter("give --json or --csv, not both")
    return _Format.JSON if as_json else _Format.CSV if as_csv else _Format.TABLE


def _span(since: str, until: str | None, now: dt.datetime) -> Span:
    start = None if since == "all" else _moment(since, now, "--since", end_of_day=False)
    end = None if until is None else _moment(until, now, "--until", end_of_day=True)
    if start is not None and end is not None and end <= start:
        raise typer.BadParameter("--until is not after --since")
    return Span(start, end)


def _moment(text: str, now: dt.datetime, option: str, *, end_of_day: bool) -> dt.datetime:
    """A stretch of time back from now, a date, or a moment; UTC where no offset is given."""
    try:
        if ago := re.fullmatch(r"(\d{1,5})([mhdw])", text.strip()):
            return now - dt.timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if len(text.strip()) == len("2026-11-01"):
            day = dt.datetime.combine(dt.date.fromisoformat(text.strip()), dt.time(), dt.UTC)
            return day + dt.timedelta(days=1) if end_of_day else day
        moment = dt.datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{option} does not understand {text!r}: write 24h, 7d, 2026-11-01 or 2026-11-01T09:00"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _json(found: Summary, span: Span) -> str:
    document = {
        "since": span.since,
        "until": span.until,
        "by": [dimension.field for dimension in found.by],
        "currency": "USD",
        "rows": [dict(_named(found, line)) for line in found.lines],
        "total": dict(_named(found, found.total)),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _csv(found: Summary) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    measures = [name for name, _ in _measures(found.total)]
    writer.writerow([*(dimension.field for dimension in found.by), *measures])
    for line in found.lines:
        # A spreadsheet would run a model's name that starts like a formula.
        group = [
            f"'{printable(value)}" if value.startswith(_FORMULA) else printable(value) for value in line.group
        ]
        writer.writerow([*group, *(value for _, value in _measures(line))])
    return out.getvalue()


def _named(found: Summary, line: Line) -> Iterator[tuple[str, Any]]:
    if line.group:
        for dimension, value in zip(found.by, line.group, strict=True):
            yield dimension.field, value
    yield from _measures(line)


def _measures(line: Line) -> Iterator[tuple[str, Any]]:
    for name, value in msgspec.structs.asdict(line).items():
        if name == "group":
            continue
        yield name, value
        if name == "cost_nano":
            yield "cost_usd", None if value is None else dollars(value)


def _say_nothing_found(folder: Path, rows: int, first: dt.date | None, last: dt.date | None) -> None:
    if rows:
        entries = f"{rows:,} row{'' if rows == 1 else 's'}"
        typer.echo(f"Nothing matches. The ledger has {entries}, from {first} to {last}; try --since all.")
        return
    typer.echo(
        f"No requests yet in {folder}.\n\n"
        "  1. Start the gateway:             waystation serve\n"
        "  2. In another terminal, work:     way claude   (or codex, gemini, opencode)\n\n"
        "A request shows here a moment after it ended. If the gateway keeps its data elsewhere, give --data."
    )
