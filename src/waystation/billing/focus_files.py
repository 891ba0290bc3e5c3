"""FOCUS rows as CSV and as Parquet."""

import csv
import datetime as dt
import functools
import io
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from waystation.billing.focus import Row
from waystation.billing.focus_columns import Type, columns

_FORMULA = ("=", "+", "-", "@")
_ARROW = {
    Type.STRING: pa.string(),
    Type.JSON: pa.string(),
    Type.TIME: pa.timestamp("us", tz="UTC"),
    Type.DECIMAL: pa.decimal128(38, 18),
}


def csv_text(rows: Iterable[Row], version: str) -> str:
    """Null is an empty cell. No amount is rounded; a text that a spreadsheet would run gets a quote in front."""
    out = io.StringIO()
    names = [column.name for column in columns(version)]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(names)
    for row in rows:
        writer.writerow([_text(row[name]) for name in names])
    return out.getvalue()


def write_parquet(rows: Iterable[Row], version: str, path: Path) -> None:
    """Decimals of 18 places, timestamps in UTC."""
    wanted = columns(version)
    values: dict[str, list[Any]] = {column.name: [] for column in wanted}
    for row in rows:
        for name, column in values.items():
            column.append(row[name])
    arrays = [pa.array(values[column.name], _ARROW[column.type]) for column in wanted]
    pq.write_table(pa.table(arrays, names=[column.name for column in wanted]), path)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return number(value) if isinstance(value, Decimal) else _moment(value)


@functools.lru_cache(256)
def _moment(value: dt.datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


@functools.lru_cache(65_536)
def number(value: Decimal) -> str:
    """Plain digits, without an exponent and without zeros that say nothing."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"
