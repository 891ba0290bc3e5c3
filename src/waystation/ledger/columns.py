"""Journal payloads to a table, column by column: no dictionary and no tracked object per row."""

from collections.abc import Sequence
from enum import StrEnum
from operator import attrgetter
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from waystation.ledger.schema import FIELDS, SCHEMA, TIMESTAMP, attempt_columns
from waystation.model import Attempt

_COUNTED = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
)
_MOST = 1 << 60
"""No honest figure is larger; five of them still add up within 64 bits."""


def _row_type() -> type[msgspec.Struct]:
    """`Attempt` with plain strings for enumerations: a word of a newer release must not stop an older one."""
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for field in msgspec.structs.fields(Attempt):
        kind = str if isinstance(field.type, type) and issubclass(field.type, StrEnum) else field.type
        fields.append((field.name, kind) if field.required else (field.name, kind, field.default))
    return msgspec.defstruct("Row", fields, array_like=True, gc=False, frozen=True)


_decode = msgspec.msgpack.Decoder(_row_type()).decode


def to_table(payloads: Sequence[bytes | memoryview], seqs: Sequence[int], node: str) -> pa.Table:
    """Rows of SETTLE frames, in their order, as `SCHEMA`.

    Rows of an older release get the defaults of the fields they lack; of rows of a newer one (the gateway was
    taken back a release) the fields that this one does not know are left out.
    """
    rows = [_decode(payload) for payload in payloads]
    columns: dict[str, Any] = {}
    for column, field in zip(attempt_columns(), FIELDS, strict=True):
        columns[column.name] = _array(list(map(attrgetter(field), rows)), column.type)
    columns["date"] = pc.cast(columns["started_at"], pa.date32())
    columns["node"] = pa.repeat(pa.scalar(node, pa.string()), len(rows))
    columns["seq"] = pa.array(seqs, pa.int64())
    columns["duration_us"] = pc.subtract(
        columns["ended_at"].view(pa.int64()), columns["started_at"].view(pa.int64())
    )
    total = pa.repeat(pa.scalar(0, pa.int64()), len(rows))
    for name in _COUNTED:
        total = pc.add(total, pc.min_element_wise(columns[name], pa.scalar(_MOST, pa.int64())))
    columns["total_tokens"] = total
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if kind == TIMESTAMP:
        return pa.array(values, pa.int64()).view(TIMESTAMP)
    try:
        return pa.array(values, kind)
    except OverflowError:
        # A provider that states absurd figures must not keep everybody's rows out of the lake.
        return pa.array([value if value is None else min(value, _MOST) for value in values], kind)
