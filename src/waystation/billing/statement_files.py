"""The statement as a Parquet file."""

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from waystation.billing.statement import Line, Statement

_USD = pa.decimal128(38, 9)
_COUNTS = (
    "requests",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "unpriced_attempts",
)


def write_parquet(statement: Statement, path: Path) -> None:
    """One row a line, without a total. Dollars are decimals of nine places: exact."""
    columns: dict[str, pa.Array] = {
        "month": pa.array([str(statement.month)] * len(statement.lines), pa.string()),
        "kind": pa.array([str(line.kind) for line in statement.lines], pa.string()),
    }
    for i, dimension in enumerate(statement.by):
        columns[dimension.field] = pa.array([line.group[i] for line in statement.lines], pa.string())
    columns["what"] = pa.array([line.what for line in statement.lines], pa.string())
    for name in _COUNTS:
        columns[name] = pa.array(
            [Decimal(getattr(line, name)) for line in statement.lines], pa.decimal128(38, 0)
        )
    for name in ("list", "billed"):
        columns[f"{name}_usd"] = pa.array([_usd(line, f"{name}_nano") for line in statement.lines], _USD)
    pq.write_table(pa.table(columns), path)


def _usd(line: Line, field: str) -> Decimal:
    return Decimal(getattr(line, field)).scaleb(-9)
