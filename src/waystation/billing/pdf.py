"""The statement as a PDF for people who pay: the same bytes for the same statement."""

import datetime as dt
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

from fpdf import FPDF
from fpdf.enums import XPos, YPos

from waystation.billing.charges import Kind
from waystation.billing.statement import By, Line, Statement

_INK, _SOFT, _RULE, _BAND = (24, 28, 36), (110, 116, 128), (214, 218, 226), (246, 247, 250)
_ACCENT = (34, 84, 140)
_MARGIN = 18.0
_ROW = 6.2
_HEADINGS = {
    By.COST_CENTER: "Cost centre",
    By.GROUP: "Groups",
    By.USER: "User",
    By.PROVIDER: "Provider",
    By.MODEL: "Model",
    By.TOOL: "Tool",
    By.DAY: "Day",
}
_CHARGES = {
    Kind.CORRECTION: "Rated again",
    Kind.SEATS: "Seats",
    Kind.COMMITMENT: "Short of commitment",
    Kind.CREDIT: "Credit",
}
_FIGURE = 27.0
"""Width of a column of figures, in millimetres."""


def write_pdf(statement: Statement, path: Path) -> None:
    """A4, as many pages as it takes. Amounts are rounded to the cent, line by line; the total is of exact ones."""
    path.write_bytes(pdf_bytes(statement))


def pdf_bytes(statement: Statement) -> bytes:
    page = _Page(statement)
    page.add_page()
    page.summary()
    usage = [line for line in statement.lines if line.kind is Kind.USAGE]
    other = [line for line in statement.lines if line.kind is not Kind.USAGE]
    page.usage("Usage", usage)
    if other:
        page.charges(other)
    page.total()
    page.notes()
    return bytes(page.output())


class _Page(FPDF):
    def __init__(self, statement: Statement) -> None:
        super().__init__(orientation="P", unit="mm", format="A4")
        self._statement = statement
        after = statement.month.after
        self.set_creation_date(dt.datetime(after.year, after.month, after.day, tzinfo=dt.UTC))
        self.set_title(f"{_plain(statement.account)}: bill for {statement.month}")
        self.set_producer("Waystation")
        self.set_margins(_MARGIN, 16, _MARGIN)
        self.set_auto_page_break(True, 20)
        self.c_margin = 0  # text stands flush with rules and boxes
        self._width = self.w - 2 * _MARGIN

    def header(self) -> None:
        statement = self._statement
        first = self.page_no() == 1
        self._ink(_INK)
        self.set_font("Helvetica", "B", 19 if first else 10)
        name = self._fitting(statement.account, self._width - 50)
        self.cell(self._width - 50, 9 if first else 5, name)
        self.set_font("Helvetica", "", 9)
        self._ink(_SOFT)
        month = f"{dt.date(2000, statement.month.number, 1):%B} {statement.month.year}"
        self.cell(50, 9 if first else 5, month, align="R", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        if first:
            self.set_font("Helvetica", "", 10)
            state = "Statement" if statement.final else "Interim statement: the month is not over"
            days = (
                f"{statement.month.first:%Y-%m-%d} to {statement.month.after - dt.timedelta(days=1):%Y-%m-%d}"
            )
            self.cell(0, 5, f"{state}  ·  {days}, UTC  ·  US dollars", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(4)

    def footer(self) -> None:
        self.set_y(-14)
        self.set_font("Helvetica", "", 7.5)
        self._ink(_SOFT)
        self.cell(self._width / 2, 5, "Waystation")
        self.cell(self._width / 2, 5, f"Page {self.page_no()}", align="R")

    def summary(self) -> None:
        """The three figures that matter, side by side."""
        total = self._statement.total
        saved = total.list_nano - total.billed_nano
        boxes = [
            ("To be paid", cents(total.billed_nano), _ACCENT),
            ("By the price list", cents(total.list_nano), _INK),
            ("Saved" if saved >= 0 else "Above the price list", cents(abs(saved)), _INK),
        ]
        top, gap = self.get_y(), 4.0
        width = (self._width - 2 * gap) / 3
        for i, (label, amount, ink) in enumerate(boxes):
            left = _MARGIN + i * (width + gap)
            self.set_fill_color(*_BAND)
            self.rect(left, top, width, 19, style="F", round_corners=True, corner_radius=1.5)
            self.set_xy(left + 4, top + 3)
            self.set_font("Helvetica", "", 8.5)
            self._ink(_SOFT)
            self.cell(width - 8, 4, label, new_x=XPos.LEFT, new_y=YPos.NEXT)
            self.set_font("Helvetica", "B", 15)
            self._ink(ink)
            self.cell(width - 8, 9, f"${amount}")
        self.set_xy(_MARGIN, top + 25)

    def usage(self, title: str, lines: list[Line]) -> None:
        by = self._statement.by
        self._section(title)
        if not lines:
            self._small("No usage in this month.")
            return
        names = [_HEADINGS[dimension] for dimension in by] or ["All usage"]
        widths = self._widths(names, [line.group for line in lines])
        heads = [*names, "Requests", "List", "Billed"]
        self._heads(heads, widths)
        for line in lines:
            cells = [
                *(line.group or ("",)),
                f"{line.requests:,}",
                cents(line.list_nano),
                cents(line.billed_nano),
            ]
            self._row(cells, widths, lambda: self._heads(heads, widths))

    def charges(self, lines: list[Line]) -> None:
        self.ln(4)
        self._section("Charges, corrections and credits")
        widths = [self._width * 0.24, self._width * 0.76 - 2 * _FIGURE, _FIGURE, _FIGURE]
        heads = ["Kind", "For", "List", "Billed"]
        self._heads(heads, widths, figures=2)
        for line in lines:
            about = ", ".join(text for text in (line.what, *line.group) if text and text != "rated again")
            cells = [_CHARGES[line.kind], about, cents(line.list_nano), cents(line.billed_nano)]
            self._row(cells, widths, lambda: self._heads(heads, widths, figures=2), figures=2)

    def total(self) -> None:
        total = self._statement.total
        if self.will_page_break(14):
            self.add_page()
        self.ln(1.5)
        self.set_draw_color(*_INK)
        self.set_line_width(0.4)
        self.line(_MARGIN, self.get_y(), self.w - _MARGIN, self.get_y())
        self.ln(1)
        self.set_font("Helvetica", "B", 10.5)
        self._ink(_INK)
        self.cell(self._width - 3 * _FIGURE, 8, "Total")
        for text in (f"{total.requests:,}", cents(total.list_nano), cents(total.billed_nano)):
            self.cell(_FIGURE, 8, text, align="R")
        self.ln(12)

    def notes(self) -> None:
        for note in _notes(self._statement):
            self._small(note)

    def _section(self, title: str) -> None:
        if self.will_page_break(3 * _ROW):
            self.add_page()
        self.set_font("Helvetica", "B", 11)
        self._ink(_INK)
        self.cell(0, 7, title, new_x=XPos.LMARGIN, new_y=YPos.NEXT)

    def _heads(self, names: list[str], widths: list[float], *, figures: int = 3) -> None:
        self.set_font("Helvetica", "", 8)
        self._ink(_SOFT)
        for i, (name, width) in enumerate(zip(names, widths, strict=True)):
            self.cell(width, 6, name, align="R" if i >= len(names) - figures else "L")
        self.ln(6)
        self._rule(_SOFT)

    def _row(
        self, cells: list[str], widths: list[float], heads: Callable[[], None], *, figures: int = 3
    ) -> None:
        if self.will_page_break(_ROW):
            self.add_page()
            heads()
        self.set_font("Helvetica", "", 8.5)
        self._ink(_INK)
        for i, (text, width) in enumerate(zip(cells, widths, strict=True)):
            right = i >= len(cells) - figures
            shown = text if right else self._fitting(text or "(none)", width - 3)
            self.cell(width, _ROW, shown, align="R" if right else "L")
        self.ln(_ROW)
        self._rule(_RULE)

    def _widths(self, names: list[str], groups: list[tuple[str, ...]]) -> list[float]:
        """What is named gets the room that figures leave, in proportion to its longest text."""
        self.set_font("Helvetica", "", 8.5)
        room = self._width - 3 * _FIGURE
        longest = [
            min(
                room,
                max(self.get_string_width(_plain(text)) for text in (name, *(g[i] for g in groups if g))) + 4,
            )
            for i, name in enumerate(names)
        ]
        scale = room / sum(longest)
        return [*(width * scale for width in longest), _FIGURE, _FIGURE, _FIGURE]

    def _fitting(self, text: str, width: float) -> str:
        shown = _plain(text)
        if self.get_string_width(shown) <= width:
            return shown
        while shown and self.get_string_width(shown + "...") > width:
            shown = shown[:-1]
        return shown + "..."

    def _small(self, text: str) -> None:
        self.set_font("Helvetica", "", 8)
        self._ink(_SOFT)
        self.multi_cell(self._width, 4, text, align="L", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        self.ln(1)

    def _rule(self, colour: tuple[int, int, int]) -> None:
        self.set_draw_color(*colour)
        self.set_line_width(0.15)
        self.line(_MARGIN, self.get_y(), self.w - _MARGIN, self.get_y())

    def _ink(self, colour: tuple[int, int, int]) -> None:
        self.set_text_color(*colour)


def _notes(statement: Statement) -> Iterator[str]:
    yield (
        "Amounts are rounded to the cent, half up, line by line; totals are sums of the exact amounts, so they may "
        "differ from the sum of the lines shown. The exact figures, to the billionth of a dollar, are in the CSV, "
        "JSON and Parquet forms of this bill. A request belongs to the month (UTC) in which it began."
    )
    if By.GROUP in statement.by:
        yield "Somebody in several groups counts once, under all of them together."
    if statement.total.unpriced_attempts:
        yield f"{statement.total.unpriced_attempts:,} attempts have no known price and are in no sum."
    if not statement.final:
        yield "The month is not over: this bill still grows, and commitments are settled at its end."


def cents(nano: int) -> str:
    """Dollars and cents, half up (away from zero): `1,234.57`."""
    whole, rest = divmod((abs(nano) + 5_000_000) // 10_000_000, 100)
    sign = "-" if nano < 0 and (whole or rest) else ""
    return f"{sign}{whole:,}.{rest:02d}"


def _plain(text: str) -> str:
    """What the page's own fonts can show: letters of other scripts lose their marks, or become `?`."""
    shown = []
    for letter in text:
        if not letter.isprintable():
            shown.append("?")
            continue
        try:
            letter.encode("latin-1")
            shown.append(letter)
        except UnicodeEncodeError:
            bare = unicodedata.normalize("NFKD", letter).encode("latin-1", "ignore").decode("latin-1")
            shown.append(bare or "?")
    return "".join(shown)
