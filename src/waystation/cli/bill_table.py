"""The statement as people read it in a terminal."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from waystation.billing.charges import Kind
from waystation.billing.statement import By, Line, Statement
from waystation.cli.usage_table import printable
from waystation.ledger.summary import dollars, places_needed

_HEADINGS = {
    By.COST_CENTER: "Cost centre",
    By.GROUP: "Groups",
    By.USER: "Who",
    By.PROVIDER: "Provider",
    By.MODEL: "Model",
    By.TOOL: "Tool",
    By.DAY: "Day",
}
_SECTIONS = {
    Kind.CORRECTION: "Rated again",
    Kind.SEATS: "Seats",
    Kind.COMMITMENT: "Short of commitment",
    Kind.CREDIT: "Credit",
}


def print_statement(console: Console, statement: Statement) -> None:
    """One line a group, the charges, the total of both figures, and what to know about them."""
    table = _table(statement)
    if not console.is_terminal:  # a file has no right margin
        wide = console.measure(table, options=console.options.update(width=1_000)).maximum
        console.width = max(console.width, wide)
    console.print(table)
    for note in _notes(statement):
        console.print(Text(note, style="dim"))


def _table(statement: Statement) -> Table:
    total = statement.total
    table = Table(
        title=f"{printable(statement.account)}: bill for {statement.month} (UTC)"
        + ("" if statement.final else ", so far"),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        show_footer=True,
        header_style="bold",
        footer_style="bold",
    )
    for i, dimension in enumerate(statement.by):
        table.add_column(_HEADINGS[dimension], footer="" if i else "Total", overflow="ellipsis")
    if any(line.what for line in statement.lines) or not statement.by:
        table.add_column("Charge", footer="" if statement.by else "Total", overflow="fold")
    named = len(table.columns)
    table.add_column("Requests", footer=f"{total.requests:,}", justify="right", no_wrap=True)
    places = max(places_needed(n) for x in (*statement.lines, total) for n in (x.list_nano, x.billed_nano))
    for heading, nano in (("List (USD)", total.list_nano), ("Billed (USD)", total.billed_nano)):
        table.add_column(heading, footer=_usd(nano, places), justify="right", no_wrap=True)
    last = Kind.USAGE
    for line in statement.lines:
        if line.kind is not last:
            table.add_section()
        last = line.kind
        cells = [Text(printable(value[:80]) or "–") for value in line.group]
        cells += [Text(_charge(line))] * (named - len(cells))
        requests = f"{line.requests:,}" if line.kind is Kind.USAGE else ""
        table.add_row(*cells, requests, _usd(line.list_nano, places), _usd(line.billed_nano, places))
    return table


def _charge(line: Line) -> str:
    return "" if line.kind is Kind.USAGE else f"{_SECTIONS[line.kind]}: {printable(line.what[:80])}"


def _usd(nano: int, places: int) -> str:
    return dollars(nano, places, thousands=",")


def _notes(statement: Statement) -> list[str]:
    notes: list[str] = []
    if statement.total.unpriced_attempts:
        notes.append(
            f"{statement.total.unpriced_attempts:,} attempts have no known price and are in no sum; the policy "
            "can state one (models.NAME.price), and `waystation bill rerate` then adds them."
        )
    if not statement.final:
        notes.append("The month is not over: the bill still grows, and commitments are settled at its end.")
    if statement.by and By.GROUP in statement.by:
        notes.append("Somebody in several groups counts once, under all of them together.")
    return notes
