"""`waystation audit verify|export`: the log of administrative acts and sign-ins, checked and taken along."""

import csv
import datetime
import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from waystation.cli.options import DEFAULT_DATA, Data, Database
from waystation.cli.people import AsJson, open_control_state
from waystation.store import AuditEvent

app = typer.Typer(no_args_is_help=True, help="Verify and export the audit log.")


@app.command()
def verify(
    against: Annotated[
        Path | None,
        typer.Option(help="An earlier export (JSON lines): its events must still be there, unchanged."),
    ] = None,
    data: Data = DEFAULT_DATA,
    database: Database = "",
    as_json: AsJson = False,
) -> None:
    """Walk the chain of hashes from the first event on. Exit status 1 if anything was changed or is missing."""
    exported = _hashes(against) if against is not None else {}
    with open_control_state(data, database) as store:
        checked = store.audit.verify(after=exported)
    if as_json:
        typer.echo(msgspec.json.encode(checked).decode())
    elif not checked.fault:
        typer.echo(f"{checked.events} events, none changed, none missing. Head: {checked.head or '-'}")
    else:
        typer.echo(f"{checked.fault} The {checked.events} events before it are sound.", err=True)
    if checked.fault:
        raise typer.Exit(1)


@app.command()
def export(
    output: Annotated[Path | None, typer.Option(help="File to write; standard output if absent.")] = None,
    since: Annotated[int, typer.Option(help="Only events after this number.")] = 0,
    form: Annotated[str, typer.Option("--format", help="jsonl or csv.")] = "jsonl",
    data: Data = DEFAULT_DATA,
    database: Database = "",
) -> None:
    """Write the events, oldest first, with their hashes. Keep the file elsewhere: `verify --against` it later."""
    if form not in ("jsonl", "csv"):
        raise typer.BadParameter("jsonl or csv", param_hint="--format")
    with open_control_state(data, database) as store:
        events = store.audit.every(since)
        lines = _json_lines(events) if form == "jsonl" else _csv_lines(events)
        if output is None:
            for line in lines:
                sys.stdout.write(line)
            return
        with output.open("w", encoding="utf-8", newline="") as file:
            for line in lines:
                file.write(line)


def _json_lines(events: Iterable[AuditEvent]) -> Iterable[str]:
    for event in events:
        yield msgspec.json.encode(event).decode() + "\n"


def _csv_lines(events: Iterable[AuditEvent]) -> Iterable[str]:
    names = [field.name for field in msgspec.structs.fields(AuditEvent)]
    yield _csv_line(["at", *names])
    for event in events:
        at = datetime.datetime.fromtimestamp(event.at_us / 1e6, datetime.UTC).isoformat()
        values = msgspec.structs.asdict(event) | {"detail": msgspec.json.encode(event.detail).decode()}
        yield _csv_line([at, *(str(values[name]) for name in names)])


def _csv_line(cells: list[str]) -> str:
    out = io.StringIO()
    # A cell that a spreadsheet would take for a formula is shown as text.
    csv.writer(out).writerow([f"'{cell}" if cell[:1] in ("=", "+", "-", "@") else cell for cell in cells])
    return out.getvalue()


def _hashes(path: Path) -> dict[int, str]:
    try:
        lines = path.read_bytes().splitlines()
        return {
            event.seq: event.hash for event in (msgspec.json.decode(line, type=AuditEvent) for line in lines)
        }
    except (OSError, msgspec.MsgspecError) as error:
        typer.echo(f"{path} is no export of the audit log: {error}", err=True)
        raise typer.Exit(2) from None
