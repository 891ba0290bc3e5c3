"""The `requests` table in Delta: appended exactly once, kept small, readable by every engine."""

from pathlib import Path

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, TableNotFoundError

from waystation.ledger.durable import set_aside_torn, sync_checkpoint, sync_commits
from waystation.ledger.schema import PARTITION, SCHEMA, SCHEMA_VERSION

COMPACT_FROM = 64
"""So many files beyond one a day are worth a compaction."""
VACUUM_HOURS = 24
"""Files that a compaction replaced stay that long for whoever is still reading them."""

# Checkpoints are made by `maintain`, where they are also synced.
_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
_CONFIGURATION: dict[str, str | None] = {
    "delta.logRetentionDuration": "interval 7 days",
    "delta.deletedFileRetentionDuration": f"interval {VACUUM_HOURS} hours",
}


class Lake:
    """One Delta table, by folder or by the address of an object store (`s3://…`, `abfss://…`, `gs://…`)."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._folder = Path(uri) if "://" not in uri else None
        self._table: DeltaTable | None = None

    def open(self) -> list[Path]:
        """Look at the table anew. Returns what a power loss had torn and where it went (mostly nothing)."""
        torn = set_aside_torn(self._folder) if self._folder is not None and self._folder.exists() else []
        try:
            self._table = DeltaTable(self.uri)
        except TableNotFoundError:
            self._table = None
        return torn

    def position(self, app_id: str) -> int:
        """Up to which number the journal `app_id` is in the table; 0 where nothing is."""
        if self._table is None:
            return 0
        self._table.update_incremental()
        return self._table.transaction_version(app_id) or 0

    def append(self, rows: pa.Table, app_id: str, seq: int) -> None:
        """Add rows and move the journal's position to `seq`, in one commit: both or neither.

        Durable when it returns, if the table is a local folder.

        Raises:
            CommitFailedError: somebody else moved this journal's position meanwhile; look at it anew.
        """
        table = self._table or self._create()
        before = table.version()
        write_deltalake(
            table,
            rows,
            mode="append",
            schema_mode="merge",
            commit_properties=CommitProperties(app_transactions=[Transaction(app_id, seq)]),
            post_commithook_properties=_NO_HOOKS,
        )
        table.update_incremental()
        self._sync(before, table.version())

    def maintain(self) -> bool:
        """Compact, checkpoint and vacuum if there is enough to gain; whether it did."""
        table = self._table
        if table is None:
            return False
        days = len(table.partitions())
        if len(table.file_uris()) - days < COMPACT_FROM:
            return False
        before = table.version()
        try:
            table.optimize.compact(post_commithook_properties=_NO_HOOKS)
        except CommitFailedError:
            return False  # another node compacts the same lake
        table.update_incremental()
        self._sync(before, table.version())
        table.create_checkpoint()
        if self._folder is not None:
            sync_checkpoint(self._folder)
        table.cleanup_metadata()
        table.vacuum(
            retention_hours=VACUUM_HOURS,
            dry_run=False,
            enforce_retention_duration=False,
            post_commithook_properties=_NO_HOOKS,
        )
        table.update_incremental()
        return True

    def _create(self) -> DeltaTable:
        table = DeltaTable.create(
            self.uri,
            SCHEMA,
            mode="ignore",
            partition_by=[PARTITION],
            name="requests",
            description=f"Waystation: one row an attempt. Schema version {SCHEMA_VERSION}.",
            configuration=_CONFIGURATION,
        )
        self._sync(-1, table.version())
        self._table = table
        return table

    def _sync(self, after: int, last: int) -> None:
        if self._folder is not None:
            sync_commits(self._folder, after, last)
