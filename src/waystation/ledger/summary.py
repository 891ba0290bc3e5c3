"""Who spent what: usage added up by any of a few dimensions, in exact integers."""

import datetime as dt
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec

from waystation.ledger.queries import UsageView
from waystation.ledger.schema import TABLE
from waystation.model import Operation, Outcome, UsageSource


class Dimension(StrEnum):
    USER = "user"
    TOOL = "tool"
    MODEL = "model"
    DAY = "day"
    PROVIDER = "provider"
    COST_CENTER = "cost-center"

    @property
    def field(self) -> str:
        """The key in programs' output."""
        return self.value.replace("-", "_")


_EXPRESSIONS = {
    Dimension.USER: "coalesce(nullif(principal_name, ''), principal_id)",
    Dimension.TOOL: "tool",
    Dimension.MODEL: "requested_model",
    Dimension.DAY: "strftime(date, '%Y-%m-%d')",
    Dimension.PROVIDER: "provider",
    Dimension.COST_CENTER: "cost_center",
}

_MEASURES = {
    # Requests are counted by their id: one that took three attempts is one request.
    "requests": f"count(DISTINCT request_id) FILTER (outcome <> '{Outcome.REFUSED}')",
    "attempts": f"count(*) FILTER (outcome <> '{Outcome.REFUSED}')",
    "failed": f"count(*) FILTER (outcome NOT IN ('{Outcome.COMPLETE}', '{Outcome.REFUSED}'))",
    "refused": f"count(*) FILTER (outcome = '{Outcome.REFUSED}')",
    "input_tokens": "coalesce(sum(input_tokens), 0)",
    "cache_read_tokens": "coalesce(sum(cache_read_tokens), 0)",
    "cache_write_5m_tokens": "coalesce(sum(cache_write_5m_tokens), 0)",
    "cache_write_1h_tokens": "coalesce(sum(cache_write_1h_tokens), 0)",
    "output_tokens": "coalesce(sum(output_tokens), 0)",
    "reasoning_tokens": "coalesce(sum(reasoning_tokens), 0)",
    "web_searches": "coalesce(sum(web_searches), 0)",
    "cost_nano": "sum(cost_nano)",
    "estimated_attempts": f"count(*) FILTER (usage_source IN "
    f"('{UsageSource.ESTIMATED}', '{UsageSource.PARTIAL}'))",
    "unpriced_attempts": f"count(*) FILTER (cost_nano IS NULL AND usage_source <> '{UsageSource.ABSENT}')",
    "unpriced_tokens": "coalesce(sum(total_tokens) FILTER (cost_nano IS NULL), 0)",
}


class Line(msgspec.Struct, frozen=True):
    """Totals of one group of attempts. Token counts are disjoint, save `reasoning_tokens`."""

    group: tuple[str, ...]
    """One value for each dimension asked for; empty for the total."""
    requests: int
    attempts: int
    failed: int
    """Attempts that reached for a provider and did not complete, a tool that hung up included."""
    refused: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    web_searches: int
    cost_nano: int | None
    """Sum of the known costs in nano-dollars; None where none is known."""
    estimated_attempts: int
    unpriced_attempts: int
    """Attempts that consumed something whose price is unknown: their cost is in no sum."""
    unpriced_tokens: int


class Summary(msgspec.Struct, frozen=True):
    by: tuple[Dimension, ...]
    lines: tuple[Line, ...]
    """By day if asked for, then the dearest first."""
    total: Line


class Span(msgspec.Struct, frozen=True):
    """A stretch of time by when attempts began: from `since` to just before `until`; None is no bound."""

    since: dt.datetime | None = None
    until: dt.datetime | None = None


def summarize(
    view: UsageView,
    by: Sequence[Dimension],
    span: Span = Span(),  # noqa: B008 - immutable
    *,
    users: Sequence[str] = (),
    tools: Sequence[str] = (),
    models: Sequence[str] = (),
) -> Summary:
    """Add up what cost money: generation and embedding; counting tokens and listing models are left out.

    `users` are names or ids. All sums are exact: 64-bit values added in 128 bits.
    """
    where, parameters = _filters(span, users, tools, models)
    keys = [f"k{i}" for i in range(len(by))]
    selected = ", ".join(
        [f"{_EXPRESSIONS[dimension]} AS {key}" for dimension, key in zip(by, keys, strict=True)] + ["*"]
    )
    measures = ", ".join(f"{expression} AS {name}" for name, expression in _MEASURES.items())
    columns = "".join(f"coalesce({key}, ''), " for key in keys)
    # The expressions are constants of this module; whatever the caller gave is bound as a parameter.
    query = (
        f"WITH chosen AS (SELECT {selected} FROM {TABLE} WHERE {where}) "  # noqa: S608 - as said above
        f"SELECT {columns}{measures}, {_grouping(keys)} AS is_total FROM chosen "
        f"GROUP BY GROUPING SETS ({'(' + ', '.join(keys) + '), ' if keys else ''}())"
    )
    lines: list[Line] = []
    total: Line | None = None
    for row in view.connection.execute(query, parameters).fetchall():
        *values, is_total = row
        line = Line(() if is_total else tuple(values[: len(keys)]), *values[len(keys) :])
        if is_total:
            total = line
        else:
            lines.append(line)
    assert total is not None  # the empty grouping set gives a row even where nothing matches
    return Summary(tuple(by), tuple(_ordered(lines, by)), total)


def extent(view: UsageView) -> tuple[int, dt.date | None, dt.date | None]:
    """How many rows there are in all, and their first and last day."""
    query = f"SELECT count(*), min(date), max(date) FROM {TABLE}"  # noqa: S608 - a constant of ours
    found = view.connection.execute(query).fetchone()
    assert found is not None
    return found[0], found[1], found[2]


def dollars(nano: int, places: int = 9, *, thousands: str = "") -> str:
    """Exact decimal dollars of an amount in nano-dollars: `12345678` is `0.012345678`.

    `places` may leave out digits that are 0, never others.
    """
    whole, rest = divmod(abs(nano), 1_000_000_000)
    digits = f"{rest:09d}"
    assert not digits[places:].strip("0"), "would cut off digits"
    return f"{'-' if nano < 0 else ''}{f'{whole:,}'.replace(',', thousands)}.{digits[:places]}"


def places_needed(nano: int) -> int:
    """Digits after the point without which the amount would not be exact; at least the two of cents."""
    return max(2, len(f"{abs(nano) % 1_000_000_000:09d}".rstrip("0")))


def _grouping(keys: Sequence[str]) -> str:
    return f"grouping({keys[0]}) = 1" if keys else "true"


def _filters(
    span: Span, users: Sequence[str], tools: Sequence[str], models: Sequence[str]
) -> tuple[str, list[Any]]:
    terms = ["operation IN (?, ?)"]
    bound: list[Any] = [Operation.GENERATE.value, Operation.EMBED.value]
    for moment, sign in ((span.since, ">="), (span.until, "<")):
        if moment is not None:
            utc = moment.astimezone(dt.UTC)
            # The day as well, for it spares reading the other partitions.
            terms.append(f"date {'>=' if sign == '>=' else '<='} ? AND epoch_us(started_at) {sign} ?")
            bound += [utc.date(), _micros(utc)]
    for expression, wanted in (("tool", tools), ("requested_model", models)):
        if wanted:
            terms.append(f"list_contains(?, {expression})")
            bound.append(list(wanted))
    if users:
        terms.append("(list_contains(?, principal_name) OR list_contains(?, principal_id))")
        bound += [list(users), list(users)]
    return " AND ".join(terms), bound


def _micros(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def _ordered(lines: list[Line], by: Sequence[Dimension]) -> list[Line]:
    day = by.index(Dimension.DAY) if Dimension.DAY in by else None
    return sorted(
        lines,
        key=lambda line: (line.group[day] if day is not None else "", -(line.cost_nano or 0), line.group),
    )
