"""`waystation bill …`: the month's bill, its exports, rating again, and reconciliation with providers."""

import contextlib
import datetime as dt
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from deltalake.exceptions import DeltaError
from rich.console import Console
from typer.core import TyperGroup

from waystation import policy
from waystation.billing.books import Books, open_books
from waystation.billing.period import Month
from waystation.billing.statement import By, Statement, draw_up
from waystation.cli.bill_table import print_statement
from waystation.cli.bill_text import statement_csv, statement_json
from waystation.cli.options import DEFAULT_DATA, Data, Database, Lake
from waystation.ledger.layout import journal_directories, lake_directory
from waystation.policy import PolicyErrors
from waystation.pricing import PriceBook
from waystation.store import open_store


class _MonthFirst(TyperGroup):
    """`waystation bill 2026-11` is `waystation bill month 2026-11`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["month", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_MonthFirst,
    no_args_is_help=True,
    add_completion=False,
    help="The month's bill (`waystation bill 2026-11`), its exports, and what providers say.",
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, with integers.")]
_DEFAULT_BY = (By.COST_CENTER, By.PROVIDER, By.MODEL)


class FocusVersion(StrEnum):
    V1_2 = "1.2"
    V1_3 = "1.3"


@app.command()
def month(
    month_text: Annotated[str, typer.Argument(metavar="MONTH", help="The month (UTC), e.g. 2026-11.")],
    by: Annotated[
        list[By] | None,
        typer.Option(help="What to add up by; repeatable.  [default: cost-center, provider, model]"),
    ] = None,
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, without a total.")] = False,
    as_parquet: Annotated[bool, typer.Option("--parquet", help="Write a Parquet file.")] = False,
    as_pdf: Annotated[bool, typer.Option("--pdf", help="Write a PDF page.")] = False,
    focus: Annotated[
        bool, typer.Option("--focus", help="The lines of FOCUS instead, as CSV, or with --parquet.")
    ] = False,
    focus_version: Annotated[FocusVersion, typer.Option(help="Version of FOCUS.")] = FocusVersion.V1_2,
    out: Annotated[
        Path | None, typer.Option(help="File to write; else a name with the month in it.", show_default=False)
    ] = None,
    data: Data = DEFAULT_DATA,
    lake: Lake = "",
    database: Database = "",
) -> None:
    """Print a month's bill: what the price list says, and what is to be paid. Exact to the nano-dollar."""
    if sum((as_json, as_csv, as_parquet, as_pdf)) > 1 or (focus and (as_json or as_pdf)):
        raise typer.BadParameter("give one of --json, --csv, --parquet and --pdf; --focus has the middle two")
    try:
        wanted = Month.parse(month_text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    today = dt.datetime.now(dt.UTC).date()
    dimensions = tuple(dict.fromkeys(by or _DEFAULT_BY))
    with _books(data, lake, database) as books:
        if focus:
            _write_focus(books, wanted, today, focus_version, as_parquet, out)
            return
        statement = draw_up(books, wanted, dimensions, today)
        if as_json:
            _put(statement_json(statement), out)
        elif as_csv:
            _put(statement_csv(statement), out)
        elif as_parquet:
            _write_parquet(statement, out)
        elif as_pdf:
            _write_pdf(statement, out)
        else:
            print_statement(Console(), statement)


@app.command()
def rerate(
    since: Annotated[str, typer.Option("--from", help="First day (UTC) to look at, e.g. 2026-11-01.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change; write nothing.")] = False,
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
    lake: Lake = "",
    database: Database = "",
) -> None:
    """Rate history again on the price book in force: what differs is appended, nothing is rewritten."""
    from waystation.billing.rerate import rerate as rate_again
    from waystation.cli.bill_rerate import print_rerating, rerating_json
    from waystation.ledger.rerates import RerunMeanwhile

    try:
        first = dt.date.fromisoformat(since)
    except ValueError:
        raise typer.BadParameter(f"{since!r} is not a day: write 2026-11-01") from None
    with _books(data, lake, database) as books:
        try:
            found = rate_again(books, first, dt.datetime.now(dt.UTC), dry_run=dry_run)
        except RerunMeanwhile:
            typer.echo(
                "Another run has rated history again meanwhile; nothing was written. Run it again.", err=True
            )
            raise typer.Exit(1) from None
    if as_json:
        typer.echo(rerating_json(found, dry_run=dry_run))
    else:
        print_rerating(Console(), found, dry_run=dry_run)


@app.command()
def reconcile(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Providers' files: usage and cost reports of Anthropic and OpenAI (JSON), Google Cloud's billing "
            "export (JSON, CSV), FOCUS (CSV).",
            show_default=False,
        ),
    ],
    provider: Annotated[
        list[str] | None, typer.Option(help="Only this provider of the policy on our side; repeatable.")
    ] = None,
    as_json: AsJson = False,
    data: Data = DEFAULT_DATA,
    lake: Lake = "",
    database: Database = "",
) -> None:
    """Hold what providers say against our ledger: drift per provider, model and day."""
    from waystation.billing.reconcile import compare
    from waystation.billing.reports import BadReport, read
    from waystation.cli.bill_reconcile import drift_json, print_drift

    try:
        reports = [report for file in files for report in read(str(file), file.read_bytes())]
    except BadReport as bad:
        typer.echo(str(bad), err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        typer.echo(f"{error.filename} cannot be read: {error.strerror}.", err=True)
        raise typer.Exit(1) from None
    with _books(data, lake, database) as books:
        found = compare(books, reports, provider or ())
        if as_json:
            typer.echo(drift_json(found, reports))
        else:
            print_drift(Console(), found, reports)


def _write_focus(
    books: Books, wanted: Month, today: dt.date, version: FocusVersion, parquet: bool, out: Path | None
) -> None:
    from waystation.billing.focus import rows, unpriced
    from waystation.billing.focus_files import csv_text, write_parquet

    found = rows(books, wanted, today, version.value)
    if left_out := unpriced(books, wanted):
        typer.echo(
            f"{left_out} attempts have no known price and are not in the export; the policy can state one.",
            err=True,
        )
    if parquet:
        path = out or Path(f"focus-{wanted}.parquet")
        write_parquet(found, version.value, path)
        typer.echo(f"Wrote {path}.", err=True)
    else:
        _put(csv_text(found, version.value), out)


def _write_parquet(statement: Statement, out: Path | None) -> None:
    from waystation.billing.statement_files import write_parquet

    path = out or Path(f"bill-{statement.month}.parquet")
    write_parquet(statement, path)
    typer.echo(f"Wrote {path}.", err=True)


def _write_pdf(statement: Statement, out: Path | None) -> None:
    from waystation.billing.pdf import write_pdf  # brings fonts and pictures along

    path = out or Path(f"bill-{statement.month}.pdf")
    write_pdf(statement, path)
    typer.echo(f"Wrote {path}.", err=True)


def _put(text: str, out: Path | None) -> None:
    if out is None:
        typer.echo(text, nl=not text.endswith("\n"))
    else:
        out.write_text(text, "utf-8")
        typer.echo(f"Wrote {out}.", err=True)


@contextlib.contextmanager
def _books(data: Path, lake: str, database: str) -> Iterator[Books]:
    """The ledger with the prices and terms of the policy in force."""
    folder = data.expanduser()
    try:
        stored = open_store(folder, database or None).policies.current()
        text = stored.text if stored is not None else policy.default_policy({}, "")
        document = policy.load(text, filename="the policy in force")
        book = PriceBook.builtin(policy.price_overrides(document), policy.price_factors(document))
        plan = policy.compile_plan(document, version=0, prices=book)
        terms = policy.billing_terms(document)
        journals, table = journal_directories(folder), lake or lake_directory(folder)
        with open_books(journals, table, book, plan.providers, terms) as books:
            missing = sum(end - start + 1 for runs in books.missing.values() for start, end in runs)
            if missing:
                typer.echo(f"The journal is damaged: {missing} of its records cannot be read.", err=True)
            yield books
    except PolicyErrors as errors:
        typer.echo(f"The policy in force is not understood by this release:\n{errors}", err=True)
        raise typer.Exit(1) from None
    except (DeltaError, OSError) as error:
        typer.echo(f"The bill cannot be made: {error}", err=True)
        raise typer.Exit(1) from None
