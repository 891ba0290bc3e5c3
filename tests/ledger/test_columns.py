"""From journal records to the table: every column, old rows, new rows, absurd rows."""

import datetime as dt
from pathlib import Path

import msgspec
import pyarrow as pa

from tests.ledger.records import attempt
from waystation.ledger.columns import to_table
from waystation.ledger.schema import COLUMNS, FIELDS, SCHEMA, reference
from waystation.model import Attempt

_encode = msgspec.msgpack.encode


def _row(payload: bytes) -> dict[str, object]:
    (row,) = to_table([payload], [7], "n1").to_pylist()
    return dict(row)


def test_a_row_has_every_field_of_its_attempt_and_what_follows_from_them() -> None:
    row = _row(_encode(attempt(1)))
    times = {
        "started_at": dt.datetime(2026, 11, 24, 6, 0, tzinfo=dt.UTC),
        "ended_at": dt.datetime(2026, 11, 24, 6, 0, 2, 500_000, tzinfo=dt.UTC),
    }
    derived = {
        "date": dt.date(2026, 11, 24),
        "node": "n1",
        "seq": 7,
        "duration_us": 2_500_000,
        "total_tokens": 2_634,
    }
    plain = {
        name: getattr(attempt(1), name)
        for name in Attempt.__struct_fields__
        if name not in ("started_us", "ended_us")
    }
    assert row == plain | {"groups": ["eng", "platform"]} | times | derived


def test_the_day_is_the_utc_day_of_the_start() -> None:
    midnight = int(dt.datetime(2026, 11, 25, tzinfo=dt.UTC).timestamp()) * 1_000_000
    before = _row(_encode(attempt(1, started_us=midnight - 1, ended_us=midnight + 5)))
    after = _row(_encode(attempt(1, started_us=midnight, ended_us=midnight + 5)))
    assert (before["date"], after["date"]) == (dt.date(2026, 11, 24), dt.date(2026, 11, 25))


def test_nothing_becomes_an_empty_table_of_the_same_columns() -> None:
    assert to_table([], [], "n").schema == SCHEMA


def test_a_row_of_a_newer_release_is_read_without_what_it_adds() -> None:
    record = [*msgspec.to_builtins(attempt(1)), "a field of tomorrow"]
    record[FIELDS.index("outcome")] = "a word of tomorrow"
    row = _row(_encode(record))
    assert row["outcome"] == "a word of tomorrow"
    assert row["plan_version"] == 3


def test_absurd_figures_do_not_keep_other_rows_out() -> None:
    table = to_table(
        [_encode(attempt(1, output_tokens=2**64 - 1, input_tokens=2**62)), _encode(attempt(2))], [1, 2], "n"
    )
    assert table["total_tokens"].to_pylist()[1] == 2_634
    assert all(total > 0 for total in table["total_tokens"].to_pylist())


def test_every_column_is_nullable_and_explained() -> None:
    assert all(SCHEMA.field(name).nullable for name in SCHEMA.names)
    assert all(column.doc.endswith(".") for column in COLUMNS)
    assert SCHEMA.field("cost_nano").type == pa.int64()
    assert SCHEMA.field("started_at").type == pa.timestamp("us", tz="UTC")


def test_the_committed_page_is_the_generated_one() -> None:
    page = Path(__file__).parents[2] / "docs" / "usage-tables.md"
    assert page.read_text() == reference(), "run: python -m waystation.ledger.schema > docs/usage-tables.md"
