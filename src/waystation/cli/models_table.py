"""The models as people read them."""

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import msgspec
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from waystation.cli.usage_table import printable
from waystation.model import Capabilities, Route, Terms, Wire
from waystation.policy import CatalogueLine
from waystation.pricing import Rates

_WIRES = {
    Wire.MESSAGES: "Messages",
    Wire.RESPONSES: "Responses",
    Wire.CHAT: "Chat",
    Wire.EMBEDDINGS: "Embeddings",
    Wire.GENERATE: "Gemini",
    Wire.CONVERSE: "Converse",
}
_ABLE = (
    ("tools", "tools"),
    ("vision", "images"),
    ("documents", "PDF"),
    ("structured_output", "JSON"),
    ("caching", "cache"),
)
_ORIGINS = {"stated": "policy", "pattern": "pattern", "smart": "smart route", "found": "provider's list"}


class ShownRoute(msgspec.Struct, frozen=True):
    route: Route
    rates: Rates | None
    translated: bool


class Shown(msgspec.Struct, frozen=True):
    line: CatalogueLine
    routes: tuple[ShownRoute, ...]
    who: str
    default: bool
    """The tool in question starts with it."""
    small: bool


_Column = tuple[str, Callable[[Shown, ShownRoute | None], Text]]
"""Heading, and the cell of one route of a model (None for a model without routes of its own)."""


def print_models(console: Console, found: Sequence[Shown], title: str, notes: Iterable[str]) -> None:
    """One line a route. Columns that do not fit into the terminal are left out, the least needed first."""
    if not console.is_terminal:  # a file has no right margin
        table = _table(found, title, _COLUMNS)
        console.width = max(console.width, _width(console, table))
    else:
        layouts = (
            [column for column in _COLUMNS if column[0] not in dropped]
            for dropped in (
                (),
                ("Protocols",),
                ("Protocols", "Terms"),
                ("Protocols", "Terms", "Can"),
                ("Protocols", "Terms", "Can", "From", "Output"),
                ("Protocols", "Terms", "Can", "From", "Output", "Route"),
            )
        )
        for columns in layouts:
            table = _table(found, title, columns)
            if _width(console, table) <= console.width:
                break
    if found:
        console.print(table)
    else:
        console.print(Text(f"{title}: none."))
    for note in notes:
        console.print(Text(note, style="dim"))


def _table(found: Sequence[Shown], title: str, columns: Sequence[_Column]) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        header_style="bold",
        pad_edge=False,
    )
    for heading, _ in columns:
        numeric = heading in ("Context", "Output", "$/M in", "out", "cached")
        table.add_column(
            heading,
            justify="right" if numeric else "left",
            overflow="fold" if heading == "Model" else "ellipsis",
        )
    for shown in found:
        for index, route in enumerate(shown.routes or (None,)):
            table.add_row(
                *(
                    Text("") if index and heading in _OF_MODEL else cell(shown, route)
                    for heading, cell in columns
                )
            )
    return table


def _width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(width=1_000)).maximum


# ------------------------------------------------------------------ cells
def _model(shown: Shown, _route: ShownRoute | None) -> Text:
    text = Text(printable(shown.line.name))
    if shown.line.aliases:
        text.append(f" ({printable(', '.join(shown.line.aliases))})", style="dim")
    if shown.default or shown.small:
        text.append(" ●" if shown.default else " ○", style="green")
    return text


def _where(shown: Shown, route: ShownRoute | None) -> Text:
    if route is None:
        return Text(f"→ {printable(', '.join(shown.line.choices))}", style="dim")
    text = Text(printable(route.route.id))
    if route.translated:
        text.append(" translated", style="yellow")
    return text


def _protocols(_shown: Shown, route: ShownRoute | None) -> Text:
    return Text("" if route is None else ", ".join(_WIRES[wire] for wire in route.route.provider.wires))


def _context(_shown: Shown, route: ShownRoute | None) -> Text:
    return Text("" if route is None else _tokens(route.route.capabilities.context_window))


def _output(_shown: Shown, route: ShownRoute | None) -> Text:
    return Text("" if route is None else _tokens(route.route.capabilities.max_output))


def _tokens(count: int | None) -> str:
    if count is None:
        return "–"
    if count >= 1_000_000:
        return f"{count / 1_000_000:.2f}".rstrip("0").rstrip(".") + "M"
    return f"{count / 1_000:.0f}K" if count >= 10_000 else f"{count:,}"


def _can(_shown: Shown, route: ShownRoute | None) -> Text:
    if route is None:
        return Text("")
    known = route.route.capabilities
    words = [word for field, word in _ABLE if getattr(known, field)]
    words += _thinks(known)
    return Text("vectors only" if known.task == "embeddings" else ", ".join(words) or "–")


def _thinks(known: Capabilities) -> list[str]:
    return [] if known.thinking in (None, "none") else [f"thinks ({known.thinking})"]


def _input_price(shown: Shown, route: ShownRoute | None) -> Text:
    return _amount(shown, route, lambda rates: rates.input)


def _output_price(shown: Shown, route: ShownRoute | None) -> Text:
    return _amount(shown, route, lambda rates: rates.output)


def _cached_price(shown: Shown, route: ShownRoute | None) -> Text:
    return _amount(shown, route, lambda rates: rates.cache_read)


def _amount(shown: Shown, route: ShownRoute | None, rate: Callable[[Rates], int]) -> Text:
    if route is None or shown.line.origin == "pattern":
        return Text("")
    if route.rates is None:
        return Text("?", style="yellow")
    amount = Decimal(rate(route.rates)) / 10**6
    return Text(f"{amount:f}" if amount != amount.quantize(Decimal("0.01")) else f"{amount:.2f}")


def _terms(_shown: Shown, route: ShownRoute | None) -> Text:
    return Text("" if route is None else _promises(route.route.provider.terms))


def _promises(terms: Terms) -> str:
    said = []
    if terms.no_training is not None:
        said.append("no training" if terms.no_training else "trains on it")
    if terms.retention_days is not None:
        said.append(f"kept {terms.retention_days} days" if terms.retention_days else "not kept")
    if terms.region:
        said.append(printable(terms.region))
    return ", ".join(said) or "not stated"


def _who(shown: Shown, _route: ShownRoute | None) -> Text:
    return Text(printable(shown.who))


def _origin(shown: Shown, _route: ShownRoute | None) -> Text:
    return Text(_ORIGINS[shown.line.origin])


_COLUMNS: tuple[_Column, ...] = (
    ("Model", _model),
    ("Route", _where),
    ("Protocols", _protocols),
    ("Context", _context),
    ("Output", _output),
    ("Can", _can),
    ("$/M in", _input_price),
    ("out", _output_price),
    ("cached", _cached_price),
    ("Terms", _terms),
    ("For", _who),
    ("From", _origin),
)
_OF_MODEL = frozenset(("Model", "For", "From"))
