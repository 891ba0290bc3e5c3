"""The usage table as people read it."""

from collections.abc import Callable, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from waystation.ledger.summary import Dimension, Line, Span, Summary, dollars, places_needed

_HEADINGS = {
    Dimension.USER: "Who",
    Dimension.TOOL: "Tool",
    Dimension.MODEL: "Model",
    Dimension.DAY: "Day",
    Dimension.PROVIDER: "Provider",
    Dimension.COST_CENTER: "Cost centre",
}
_Count = tuple[str, Callable[[Line], int]]
"""A column: its heading, and its figure of a line."""
_ESTIMATED = "≈"
_UNPRICED = "†"
_REQUESTS: _Count = ("Requests", lambda line: line.requests)
_BY_KIND: tuple[_Count, ...] = (
    _REQUESTS,
    ("Failed", lambda line: line.failed),
    ("Input", lambda line: line.input_tokens),
    ("Cache read", lambda line: line.cache_read_tokens),
    ("Cache write", lambda line: line.cache_write_5m_tokens + line.cache_write_1h_tokens),
    ("Output", lambda line: line.output_tokens),
)
_IN_ALL: tuple[_Count, ...] = (_REQUESTS, ("Tokens", lambda line: _tokens(line)))
_UNITS = ("", "K", "M", "G", "T")
_EXACT = "{:,}".format


def print_table(console: Console, found: Summary, span: Span) -> None:
    """Print one line a group, a total and what the marks mean.

    On a narrow terminal token counts are rounded, then added together; money never is.
    """
    layouts: tuple[Callable[[], Table], ...] = (
        lambda: _table(found, span, _BY_KIND, _EXACT),
        lambda: _table(found, span, _BY_KIND, _short),
        lambda: _table(found, span, _IN_ALL, _short),
    )
    if not console.is_terminal:  # a file has no right margin
        table = layouts[0]()
        console.width = max(console.width, _width(console, table))
    else:
        fitting = (table for layout in layouts if _width(console, table := layout()) <= console.width)
        table = next(fitting, layouts[-1]())
    console.print(table)
    for note in _notes(found):
        console.print(Text(note, style="dim"))


def _width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(width=1_000)).maximum


def _table(found: Summary, span: Span, columns: Sequence[_Count], number: Callable[[int], str]) -> Table:
    total = found.total
    table = Table(
        title=_title(span),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_footer=True,
        header_style="bold",
        footer_style="bold",
        pad_edge=False,
    )
    for i, dimension in enumerate(found.by):
        table.add_column(_HEADINGS[dimension], footer="Total" if i == 0 else "", overflow="ellipsis")
    counts = [(name, count) for name, count in columns if name != "Failed" or total.failed]
    for name, count in counts:
        heading = name if number is _EXACT else name.replace(" ", "\n")
        table.add_column(heading, footer=number(count(total)), justify="right", no_wrap=True)
    shown = [line for line in found.lines if line.attempts]
    places = max([places_needed(line.cost_nano or 0) for line in [*shown, total]])
    marked = any(line.unpriced_attempts for line in shown)
    table.add_column("Cost (USD)", footer=_cost(total, places, marked), justify="right", no_wrap=True)
    for line in shown:
        table.add_row(
            *(Text(printable(value[:80]) or "–") for value in line.group),
            *(number(count(line)) for _, count in counts),
            _cost(line, places, marked),
        )
    return table


def _tokens(line: Line) -> int:
    prompt = (
        line.input_tokens + line.cache_read_tokens + line.cache_write_5m_tokens + line.cache_write_1h_tokens
    )
    return prompt + line.output_tokens


def _cost(line: Line, places: int, marked: bool) -> Text:
    """All digits that any line of the table needs, so that the points stand under each other."""
    if line.cost_nano is None:
        amount = "no price" if line.unpriced_attempts else f"${dollars(0, places)}"
    else:
        amount = f"${dollars(line.cost_nano, places, thousands=',')}"
    text = Text(f"{_ESTIMATED} " if line.estimated_attempts else "", style="yellow")
    text.append(amount, style="default")
    if marked:
        text.append(f" {_UNPRICED}" if line.unpriced_attempts else "  ", style="yellow")
    return text


def _notes(found: Summary) -> list[str]:
    total = found.total
    notes: list[str] = []
    if total.estimated_attempts:
        notes.append(
            f"{_ESTIMATED} Tokens of {_some(total.estimated_attempts, 'attempt')} are our estimate, wholly or "
            "in part: the tool hung up, the provider did not say, or the gateway died meanwhile."
        )
    if total.unpriced_attempts:
        notes.append(
            f"{_UNPRICED} {_some(total.unpriced_attempts, 'attempt')} ({_EXACT(total.unpriced_tokens)} tokens) "
            "have no known price and are in no sum; the policy can state one (models.NAME.price)."
        )
    if total.refused:
        notes.append(f"{_some(total.refused, 'request')} refused by policy, at no cost.")
    return notes


def _title(span: Span) -> str:
    start = f"since {span.since:%Y-%m-%d %H:%M}" if span.since else "of all time"
    end = f" until {span.until:%Y-%m-%d %H:%M}" if span.until else ""
    return f"Usage {start}{end}{' UTC' if span.since or span.until else ''}"


def _some(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _short(count: int) -> str:
    """Three digits and a unit: 56,789 is 56.8K."""
    scaled, unit = float(count), 0
    while scaled >= 999.5 and unit < len(_UNITS) - 1:
        scaled, unit = scaled / 1_000, unit + 1
    digits = 0 if unit == 0 or scaled >= 99.95 else 1
    return f"{scaled:.{digits}f}{_UNITS[unit]}"


def printable(text: str) -> str:
    """Names come from tools and requests: nothing in them may move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
