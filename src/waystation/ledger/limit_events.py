"""The `limit_events` table: where people reached a limit. Drained from files of JSON lines, exactly once."""

import datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake

from waystation.ledger.delta import open_table
from waystation.ledger.event_log import files, folders, mark_taken, number

TABLE = "limit_events"
_TIME = pa.timestamp("us", tz="UTC")
COLUMNS: tuple[tuple[str, pa.DataType, str], ...] = (
    ("date", pa.date32(), "The day of `at` in UTC. The table is partitioned by it."),
    ("node", pa.string(), "The gateway node."),
    ("at", _TIME, "When (the first, where `count` is more than 1)."),
    ("kind", pa.string(), "`refused`, `notified` or `downgraded`."),
    ("rule", pa.string(), "Which: `limits.<name>` or `budgets.<name>`."),
    ("what", pa.string(), "`requests`, `tokens`, `concurrent`, `budget` or `unknown_price`."),
    ("per", pa.string(), "Whose allowance it is: `user`, `group`, …"),
    ("owner", pa.string(), "That one's name; empty for the organisation."),
    ("principal_id", pa.string(), "Who asked."),
    ("principal_name", pa.string(), "What people call them."),
    ("cost_center", pa.string(), "Who pays for them."),
    ("tool", pa.string(), "The coding tool."),
    ("model", pa.string(), "The model, by its name in the policy."),
    ("used", pa.int64(), "Used of the limit: requests, tokens, places, or nano-dollars."),
    ("reserved", pa.int64(), "Held by requests under way."),
    ("wanted", pa.int64(), "What this request might have needed."),
    ("limit", pa.int64(), "The limit, raises included."),
    ("until", _TIME, "When there may be room again."),
    ("percent", pa.int64(), "Of a notification: the threshold."),
    ("request_id", pa.string(), "Of the first."),
    ("count", pa.int64(), "How many like it within a minute."),
)
SCHEMA = pa.schema([pa.field(name, kind) for name, kind, _ in COLUMNS])
_decode = msgspec.json.Decoder(dict[str, Any])


def drain(folder: Path, lake: str, node: str) -> int:
    """Moves every file but the newest into the table, then deletes them; gives how many rows.

    The table itself keeps the number of the last file, in the same commit as its rows.
    """
    closed = files(folder)[:-1]
    if not closed:
        return 0
    table = open_table(lake)
    app_id = f"{TABLE}/{node}"
    position = (table.transaction_version(app_id) if table is not None else None) or 0
    moved = 0
    fresh = [path for path in closed if number(path) > position]
    if fresh:
        rows = [row for path in fresh for row in _rows(path)]
        if table is None:
            table = DeltaTable.create(lake, SCHEMA, mode="ignore", partition_by=["date"], name=TABLE)
        last = number(fresh[-1])
        if rows:
            write_deltalake(
                table,
                pa.Table.from_pylist(rows, SCHEMA),
                mode="append",
                schema_mode="merge",
                commit_properties=CommitProperties(app_transactions=[Transaction(app_id, last)]),
            )
        moved = len(rows)
    mark_taken(folder, max(position, number(closed[-1])))
    for path in closed:
        path.unlink(missing_ok=True)
    return moved


def read(data: Path, lake: str) -> list[dict[str, Any]]:
    """All events, oldest first: the lake's, and those still in files."""
    found: list[dict[str, Any]] = []
    table = open_table(lake)
    if table is not None:
        found += table.to_pyarrow_table().to_pylist()
    for folder in folders(data):
        position = (table.transaction_version(f"{TABLE}/{folder.name}") if table is not None else None) or 0
        for path in files(folder):
            if number(path) > position:
                found += _rows(path)
    return sorted(found, key=lambda row: (row["at"], row["request_id"] or ""))


def _rows(path: Path) -> list[dict[str, Any]]:
    rows = []
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    for line in data.split(b"\n"):
        try:
            event = _decode.decode(line)
            at = _moment(event.pop("at_us"))
            until = _moment(event.pop("until_us"))
        except (msgspec.DecodeError, KeyError, TypeError):  # the end of a file that a crash cut off
            continue
        row = dict.fromkeys(SCHEMA.names) | {k: v for k, v in event.items() if k in SCHEMA.names}
        rows.append(row | {"at": at, "until": until, "date": at.date()})
    return rows


def _moment(us: int) -> datetime.datetime:
    return datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=us)
