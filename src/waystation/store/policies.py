"""Every version of the policy document that was ever in force. Append-only."""

import hashlib
from typing import Any

import msgspec
from sqlalchemy import Row, func, insert, select

from waystation.store import schema
from waystation.store.audit import AuditLog
from waystation.store.clock import Clock
from waystation.store.database import Database, JoinedDatabase, next_value
from waystation.store.seal import MasterKey


class VersionConflict(RuntimeError):
    """Somebody else has put another version in force since `base_version` was read."""

    def __init__(self, expected: int | None, current: int | None) -> None:
        self.expected, self.current = expected, current
        was = "no policy" if expected is None else f"version {expected}"
        now = "none" if current is None else f"version {current}"
        super().__init__(
            f"The change was made against {was}, but {now} is in force: read it again, then re-apply."
        )


class StoredPolicy(msgspec.Struct, frozen=True):
    version: int
    """1, 2, 3 … without gaps."""
    text: str
    sha256: str
    """Hex digest of the text in UTF-8."""
    who: str
    at: int
    """Unix seconds."""
    note: str


class PolicyRepository:
    def __init__(self, database: Database, now: Clock, master: MasterKey) -> None:
        self._master = master
        self._database = database
        self._now = now

    def current(self) -> StoredPolicy | None:
        statement = select(schema.policies).order_by(schema.policies.c.version.desc()).limit(1)
        with self._database.read() as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else _policy(row)

    def append(self, text: str, *, who: str, note: str, base_version: int | None) -> StoredPolicy:
        """Puts a new version in force.

        `base_version` is the version that the change was made against; None says "there was none". Raises
        VersionConflict if that is no longer so, and then changes nothing. It is audited, and everybody who
        polls `Store.changes()` learns of it.
        """
        table = schema.policies
        with self._database.write() as connection:
            next_value(connection, "changes")  # also makes appends wait for each other
            current = connection.execute(select(func.max(table.c.version))).scalar_one()
            if current != base_version:
                raise VersionConflict(base_version, current)
            stored = StoredPolicy(
                version=(current or 0) + 1,
                text=text,
                sha256=hashlib.sha256(text.encode()).hexdigest(),
                who=who,
                at=int(self._now()),
                note=note,
            )
            connection.execute(insert(table).values(**msgspec.structs.asdict(stored)))
            AuditLog(JoinedDatabase(connection), self._now, self._master).append(
                "policy.applied",
                actor=who,
                actor_name=who,
                subject=str(stored.version),
                detail={"sha256": stored.sha256, "note": note},
            )
        return stored

    def history(self) -> list[StoredPolicy]:
        """Newest first."""
        statement = select(schema.policies).order_by(schema.policies.c.version.desc())
        with self._database.read() as connection:
            return [_policy(row) for row in connection.execute(statement)]


def _policy(row: Row[Any]) -> StoredPolicy:
    return StoredPolicy(row.version, row.text, row.sha256, row.who, row.at, row.note)
