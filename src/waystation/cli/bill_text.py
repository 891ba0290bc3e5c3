"""The statement for programs: JSON and CSV."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import msgspec

from waystation.billing.statement import Line, Statement
from waystation.cli.usage_table import printable
from waystation.ledger.summary import dollars

_FORMULA = ("=", "+", "-", "@")


def statement_json(statement: Statement) -> str:
    document = {
        "month": str(statement.month),
        "time_zone": "UTC",
        "account": statement.account,
        "currency": "USD",
        "final": statement.final,
        "by": [dimension.field for dimension in statement.by],
        "rows": [dict(_named(statement, line)) for line in statement.lines],
        "total": dict(_measures(statement.total)),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def statement_csv(statement: Statement) -> str:
    """Amounts in nano-dollars, and in US dollars with all nine decimals: nothing is rounded."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    names = ["month", "kind", *(d.field for d in statement.by), "what"]
    writer.writerow([*names, *(name for name, _ in _measures(statement.total))])
    for line in statement.lines:
        texts = [_cell(value) for value in (*line.group, line.what)]
        writer.writerow([statement.month, line.kind, *texts, *(value for _, value in _measures(line))])
    return out.getvalue()


def _cell(value: str) -> str:
    """A spreadsheet would run a name that starts like a formula."""
    return f"'{printable(value)}" if value.startswith(_FORMULA) else printable(value)


def _named(statement: Statement, line: Line) -> Iterator[tuple[str, Any]]:
    yield "kind", line.kind
    for dimension, value in zip(statement.by, line.group, strict=True):
        yield dimension.field, value
    yield "what", line.what
    yield from _measures(line)


def _measures(line: Line) -> Iterator[tuple[str, Any]]:
    for name, value in msgspec.structs.asdict(line).items():
        if name in ("kind", "group", "what"):
            continue
        yield name, value
        if name.endswith("_nano"):
            yield name.replace("_nano", "_usd"), dollars(value)
