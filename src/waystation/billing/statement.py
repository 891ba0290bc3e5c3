"""The monthly statement: usage, corrections and charges, by whatever is asked for."""

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

from waystation.billing.books import Books
from waystation.billing.charges import Charge, Kind, charges
from waystation.billing.period import Month
from waystation.model import Outcome, UsageSource


class By(StrEnum):
    COST_CENTER = "cost-center"
    GROUP = "group"
    USER = "user"
    PROVIDER = "provider"
    MODEL = "model"
    TOOL = "tool"
    DAY = "day"

    @property
    def field(self) -> str:
        """The key in programs' output."""
        return self.value.replace("-", "_")


_EXPRESSIONS = {
    By.COST_CENTER: "coalesce(cost_center, '')",
    # Somebody in several groups counts once, under all of them together: shares would be somebody's guess.
    By.GROUP: "array_to_string(list_sort(coalesce(groups, [])), ' + ')",
    By.USER: "coalesce(nullif(principal_name, ''), principal_id, '')",
    By.PROVIDER: "coalesce(provider, '')",
    By.MODEL: "coalesce(requested_model, '')",
    By.TOOL: "coalesce(tool, '')",
    By.DAY: "strftime(date, '%Y-%m-%d')",
}
_COUNTS = {
    # A request is where its first attempt is, so that lines add up to the total.
    "requests": f"count(*) FILTER (attempt = 1 AND outcome <> '{Outcome.REFUSED}')",
    "input_tokens": "coalesce(sum(input_tokens), 0)",
    "cache_read_tokens": "coalesce(sum(cache_read_tokens), 0)",
    "cache_write_tokens": "coalesce(sum(cache_write_5m_tokens), 0) + coalesce(sum(cache_write_1h_tokens), 0)",
    "output_tokens": "coalesce(sum(output_tokens), 0)",
    "unpriced_attempts": f"count(*) FILTER (cost_nano IS NULL AND usage_source <> '{UsageSource.ABSENT}' "
    "AND total_tokens > 0)",
}


class Line(msgspec.Struct, frozen=True):
    """One line. `billed_nano` is what is to be paid, `list_nano` what the price list says."""

    kind: Kind
    group: tuple[str, ...]
    """One value for each dimension asked for; empty where a charge has none."""
    what: str
    """Name of a charge; empty for usage."""
    requests: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    unpriced_attempts: int
    """Attempts whose price is unknown: in no sum."""
    list_nano: int
    billed_nano: int


class Statement(msgspec.Struct, frozen=True):
    month: Month
    account: str
    by: tuple[By, ...]
    lines: tuple[Line, ...]
    """Usage, the dearest first; then corrections; then charges. By day, in order of days."""
    total: Line
    final: bool
    """The month is over. Until then it can still grow, and commitments are not settled."""


def draw_up(books: Books, month: Month, by: Sequence[By], today: dt.date) -> Statement:
    """Every nano-dollar of the month's ledger is in exactly one line. Days are UTC."""
    other = [_of_charge(charge, by) for charge in charges(books, month, today)]
    where = books.prepare(month.first, month.after)
    names = ", ".join(_EXPRESSIONS[dimension] for dimension in by)
    prefix = f"{names}, " if names else ""
    keys = ", ".join(str(i + 1) for i in range(len(by)))
    grouping = f" GROUP BY {keys}" if keys else " HAVING count(*) > 0"
    money = "coalesce(sum(list_nano), 0), coalesce(sum(billed_nano), 0)"
    counts = ", ".join(_COUNTS.values())
    # Expressions are constants of this package; month and dates are its own values.
    usage = books.query(
        f"SELECT {prefix}{counts}, {money} FROM bill_usage WHERE {where}{grouping}"  # noqa: S608 - as said
    )
    corrected = books.query(
        f"SELECT {prefix}{money} FROM bill_corrections WHERE booked = DATE '{month.first}'{grouping}"  # noqa: S608
    )
    width = len(by)
    lines = [Line(Kind.USAGE, tuple(row[:width]), "", *map(int, row[width:])) for row in usage]
    lines = [line for line in lines if any(getattr(line, name) for name in (*_COUNTS, "list_nano"))]
    corrections = [
        Line(Kind.CORRECTION, tuple(row[:width]), "rated again", 0, 0, 0, 0, 0, 0, int(row[-2]), int(row[-1]))
        for row in corrected
    ]
    every = (*_ordered(lines, by), *_ordered(corrections, by), *other)
    return Statement(
        month=month,
        account=books.terms.account_name,
        by=tuple(by),
        lines=every,
        total=_total(every),
        final=today >= month.after,
    )


def _total(lines: Sequence[Line]) -> Line:
    sums = {
        name: sum(getattr(line, name) for line in lines) for name in (*_COUNTS, "list_nano", "billed_nano")
    }
    return Line(kind=Kind.USAGE, group=(), what="", **sums)


def _of_charge(charge: Charge, by: Sequence[By]) -> Line:
    known = {By.COST_CENTER: charge.cost_center, By.PROVIDER: charge.provider}
    what = f"{charge.name} ({charge.note})" if charge.note else charge.name
    group = tuple(known.get(dimension, "") for dimension in by)
    return Line(charge.kind, group, what, 0, 0, 0, 0, 0, 0, charge.list_nano, charge.billed_nano)


def _ordered(lines: Sequence[Line], by: Sequence[By]) -> list[Line]:
    """By day if asked for; then what belongs to the same first name together, the dearest first."""
    day = by.index(By.DAY) if By.DAY in by else None
    together: dict[str, int] = {}
    for line in lines:
        if line.group:
            together[line.group[0]] = together.get(line.group[0], 0) + line.billed_nano

    def place(line: Line) -> tuple[Any, ...]:
        first = line.group[0] if line.group else ""
        when = line.group[day] if day is not None else ""
        return when, -together.get(first, 0), first, -line.billed_nano, -line.list_nano, line.group

    return sorted(lines, key=place)
