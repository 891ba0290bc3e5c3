"""The `rerates` table: what a corrected price book changes about attempts that are already in the ledger.

Nothing of the ledger is rewritten: a row here names an attempt, what it cost before and what it costs by the
corrected book. One row for each attempt and book version at most.
"""

from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from waystation.ledger.delta import open_table
from waystation.ledger.durable import set_aside_torn, sync_commits
from waystation.ledger.schema import GROUPS_TYPE, RERATES, TIMESTAMP, Column, table_of

COLUMNS: tuple[Column, ...] = (
    Column("date", pa.date32(), "The day of the attempt (UTC). The table is partitioned by it."),
    Column("attempt_id", pa.string(), "The attempt, as in `requests`."),
    Column("price_version", pa.string(), "The corrected price book. With `attempt_id` it is unique."),
    Column("rerated_at", TIMESTAMP, "When it was rated again."),
    Column(
        "rerated_on",
        pa.date32(),
        "The day of that (UTC). The change is on the bill of its month, or of the attempt's if that is later.",
    ),
    Column("from_version", pa.string(), "The price book of the figure before."),
    Column("before_nano", pa.int64(), "Nano-dollars before; null where no price was known."),
    Column("after_nano", pa.int64(), "Nano-dollars by the corrected book."),
    Column("delta_nano", pa.int64(), "`after_nano` − `before_nano`, the latter taken as 0 where it is null."),
    Column("principal_id", pa.string(), "As in `requests`, and so are those below."),
    Column("principal_name", pa.string(), ""),
    Column("groups", GROUPS_TYPE, ""),
    Column("cost_center", pa.string(), ""),
    Column("tool", pa.string(), ""),
    Column("requested_model", pa.string(), ""),
    Column("provider", pa.string(), ""),
    Column("upstream_model", pa.string(), ""),
    Column("service_tier", pa.string(), ""),
)
SCHEMA = pa.schema([pa.field(column.name, column.type) for column in COLUMNS])
APP_ID = "waystation/rerate"
_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


class RerunMeanwhile(Exception):
    """Another process has rated again since this one looked; nothing was appended."""


class Rerates:
    """The table by folder or address; it may not exist yet."""

    def __init__(self, uri: str | Path) -> None:
        self.uri = str(uri)
        self._folder = Path(self.uri) if "://" not in self.uri else None
        self._table = open_table(self.uri)
        self._turn = 0 if self._table is None else self._table.transaction_version(APP_ID) or 0

    def dataset(self) -> pa.Table | object:
        """All rows as of when it was opened, for DuckDB."""
        return SCHEMA.empty_table() if self._table is None else self._table.to_pyarrow_dataset()

    def append(self, rows: pa.Table) -> None:
        """Add rows in one commit. Raises RerunMeanwhile if somebody else has since this table was opened."""
        if self._folder is not None and self._folder.exists():
            set_aside_torn(self._folder)
        table = self._table
        if table is None:
            table = DeltaTable.create(
                self.uri, SCHEMA, mode="ignore", partition_by=["date"], name=RERATES,
                description="Waystation: what corrected price books change about attempts.",
            )  # fmt: skip
        if (table.transaction_version(APP_ID) or 0) != self._turn:
            raise RerunMeanwhile
        before = table.version()
        try:
            write_deltalake(
                table,
                rows,
                mode="append",
                commit_properties=CommitProperties(app_transactions=[Transaction(APP_ID, self._turn + 1)]),
                post_commithook_properties=_NO_HOOKS,
            )
        except CommitFailedError as error:
            raise RerunMeanwhile from error
        table.update_incremental()
        self._table, self._turn = table, self._turn + 1
        if self._folder is not None:
            sync_commits(self._folder, before - 1, table.version())


def rerates_uri(lake: str | Path) -> str:
    """Where the table lies: beside `requests`."""
    head, _, _ = str(lake).rstrip("/").rpartition("/")
    return f"{head}/{RERATES}" if head else RERATES


def reference() -> list[str]:
    """Its section of the page on the tables."""
    return [
        f"## `{RERATES}`",
        "",
        "What a corrected price book changes about attempts that are in `requests` already: `waystation bill "
        "rerate` appends to it, and nothing is ever rewritten, so both figures are kept. Partitioned by `date`. "
        "An attempt's present list price is the `after_nano` of its latest row here, or else its `cost_nano`.",
        "",
        *table_of(COLUMNS),
    ]
