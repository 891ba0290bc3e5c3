"""Rating history again on a corrected price book: rows are appended, nothing is rewritten."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from waystation.billing.books import Books
from waystation.ledger.rerates import SCHEMA
from waystation.ledger.schema import RERATES, TABLE
from waystation.model import Usage
from waystation.pricing import cost_nano

_DIMENSIONS = (
    "principal_id",
    "principal_name",
    "groups",
    "cost_center",
    "tool",
    "requested_model",
    "provider",
    "upstream_model",
    "service_tier",
)
_USAGE = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "web_searches",
)
_COLUMNS = ("attempt_id", "date", *_DIMENSIONS, *_USAGE)


class Change(msgspec.Struct, frozen=True):
    """What changes for one provider's model in one month."""

    month: str
    provider: str
    model: str
    attempts: int
    before_nano: int
    after_nano: int
    newly_priced: int
    """Attempts of these whose price was unknown before."""


class Rerating(msgspec.Struct, frozen=True):
    price_version: str
    attempts: int
    """Looked at."""
    changes: tuple[Change, ...]
    unknown: int
    """Attempts left as they are: the book has no price for them, or the policy no longer has their provider."""
    appended: int
    """Rows written; 0 for a dry run, and when there was nothing to change."""


def rerate(books: Books, since: dt.date, now: dt.datetime, *, dry_run: bool) -> Rerating:
    """Rate every attempt since that day (UTC) on the book of `books`, and append what differs.

    The figure before is the latest one: of the last time it was rated again, or else the ledger's. So a second run
    on the same book appends nothing. Raises RerunMeanwhile if another run has
    appended since the books were opened.
    """
    looked, unknown = 0, 0
    rows: list[tuple[Any, ...]] = []
    sums: dict[tuple[str, str, str], list[int]] = {}
    for row in _attempts(books, since):
        looked += 1
        before, from_version, started_us, values = row[0], row[1], row[2], row[3:]
        record: dict[str, Any] = dict(zip(_COLUMNS, values, strict=True))
        after = _cost(books, record, started_us)
        if after is None:
            unknown += 1
        elif after != before:
            rows.append((record, before, after, from_version))
            month = f"{record['date']:%Y-%m}"
            found = sums.setdefault((month, record["provider"], record["upstream_model"]), [0, 0, 0, 0])
            for i, more in enumerate((1, before or 0, after, before is None)):
                found[i] += more
    if rows and not dry_run:
        books.rerates.append(_table(rows, books.book.version, now))
    return Rerating(
        price_version=books.book.version,
        attempts=looked,
        changes=tuple(Change(*key, *values) for key, values in sorted(sums.items())),
        unknown=unknown,
        appended=0 if dry_run else len(rows),
    )


def _attempts(books: Books, since: dt.date) -> Iterator[Sequence[Any]]:
    """Attempts that consumed something, each with its latest figure and that one's price version."""
    chosen = ", ".join(f"coalesce(r.{name}, {_nothing(name)})" for name in _COLUMNS)
    # A column of an old row may be null; the names are this module's own.
    sql = (
        "WITH latest AS (SELECT attempt_id, arg_max(after_nano, rerated_at) AS nano, "  # noqa: S608
        f"arg_max(price_version, rerated_at) AS version FROM {RERATES} WHERE date >= DATE '{since}' "
        "GROUP BY attempt_id) "
        "SELECT CASE WHEN l.attempt_id IS NULL THEN r.cost_nano ELSE l.nano END, "
        "coalesce(l.version, r.price_version, ''), epoch_us(r.started_at), "
        f"{chosen} FROM {TABLE} r LEFT JOIN latest l ON l.attempt_id = r.attempt_id "
        f"WHERE r.date >= DATE '{since}' AND r.usage_source <> 'absent' AND r.operation IN ('generate', 'embed')"
    )
    for batch in books.batches(sql):
        yield from batch


def _nothing(name: str) -> str:
    return (
        "0"
        if name in _USAGE
        else "[]"
        if name == "groups"
        else "DATE '1970-01-01'"
        if name == "date"
        else "''"
    )


def _cost(books: Books, record: Mapping[str, Any], started_us: int) -> int | None:
    route = books.route(record["provider"], record["upstream_model"])
    rates = None if route is None else books.book.rates_for(route, started_us)
    if rates is None:
        return None
    return cost_nano(
        rates,
        Usage(
            input=record["input_tokens"],
            cache_read=record["cache_read_tokens"],
            cache_write_5m=record["cache_write_5m_tokens"],
            cache_write_1h=record["cache_write_1h_tokens"],
            output=record["output_tokens"],
            reasoning=record["reasoning_tokens"],
            web_searches=record["web_searches"],
            tier=record["service_tier"],
        ),
    )


def _table(rows: Sequence[tuple[Any, ...]], version: str, now: dt.datetime) -> pa.Table:
    columns: dict[str, list[Any]] = {
        "price_version": [version] * len(rows),
        "rerated_at": [now] * len(rows),
        "rerated_on": [now.date()] * len(rows),
        "from_version": [row[3] for row in rows],
        "before_nano": [row[1] for row in rows],
        "after_nano": [row[2] for row in rows],
        "delta_nano": [row[2] - (row[1] or 0) for row in rows],
    }
    for name in ("date", "attempt_id", *_DIMENSIONS):
        columns[name] = [row[0][name] for row in rows]
    return pa.table([pa.array(columns[f.name], f.type) for f in SCHEMA], schema=SCHEMA)
