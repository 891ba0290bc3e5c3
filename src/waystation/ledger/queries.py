"""One consistent view of all usage: the lake, and what the journals hold beyond it."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from waystation.ledger.columns import to_table
from waystation.ledger.delta import open_table
from waystation.ledger.schema import SCHEMA, TABLE
from waystation.ledger.segments import read_identity
from waystation.ledger.tail import Tail

_TRIES = 8


class _PrunedMeanwhile(Exception):
    """Records between the snapshot of the lake and what is left of the journal are in a newer snapshot."""


class UsageView:
    """A DuckDB connection whose view `requests` has each finished attempt once, as of one moment.

    A record is taken from the lake up to the position that this very snapshot states for its journal, and
    from the journal beyond it, so a drain at work neither hides a row nor shows it twice.
    """

    def __init__(self, lake: DeltaTable | None, tail: pa.Table, missing: dict[Path, list[tuple[int, int]]]):
        self.connection = duckdb.connect(":memory:")
        self.missing = missing
        """Runs of record numbers that a damaged journal does not show; empty as it should be."""
        self.tail_rows = tail.num_rows
        """How many rows are not in the lake yet."""
        # Registered objects have to outlive the connection's use of them.
        self._sources = [tail, lake.to_pyarrow_dataset() if lake is not None else None]
        self.connection.execute("SET TimeZone = 'UTC'")
        self.connection.register("journal_tail", tail)
        view = "SELECT * FROM journal_tail"
        if lake is not None:
            self.connection.register("lake", self._sources[1])
            # The tail comes first: it has every column, a table written by an older release may not.
            view += " UNION ALL BY NAME SELECT * FROM lake"
        self.connection.execute(f"CREATE VIEW {TABLE} AS {view}")

    def relation(self) -> duckdb.DuckDBPyRelation:
        return self.connection.table(TABLE)

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> "UsageView":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_usage(journals: Sequence[Path], lake: str | Path) -> UsageView:
    """The usage of all `journals` and of the table at `lake`; either may not exist yet.

    Nothing is locked: the gateway and its lake writer go on meanwhile.
    """
    for _ in range(_TRIES):
        with contextlib.suppress(_PrunedMeanwhile, FileNotFoundError):
            return _snapshot(journals, str(lake), strict=True)
    # Not a race, then: the journal is damaged. Show what there is, and say what is not.
    return _snapshot(journals, str(lake), strict=False)


def _snapshot(journals: Sequence[Path], lake: str, *, strict: bool) -> UsageView:
    table = open_table(lake)  # before the journals: what they lose later, a newer snapshot has
    tails: list[pa.Table] = [SCHEMA.empty_table()]
    missing: dict[Path, list[tuple[int, int]]] = {}
    for directory in journals:
        identity = read_identity(directory)
        if identity is None:
            continue
        position = (table.transaction_version(identity.app_id) if table is not None else None) or 0
        tail, more = Tail(directory, position, sync=False), True
        while more:
            batch = tail.read()
            if batch.gaps and strict:
                raise _PrunedMeanwhile
            if batch.gaps:
                missing.setdefault(directory, []).extend(batch.gaps)
            tails.append(to_table(batch.payloads, batch.seqs, identity.node))
            more = batch.more
    return UsageView(table, pa.concat_tables(tails), missing)
