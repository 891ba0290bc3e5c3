"""What gateways must stop accepting, as a sequence that each of them reads on from where it was."""

from enum import StrEnum

import msgspec
from sqlalchemy import insert, select

from waystation.store import schema
from waystation.store.database import Database, next_value


class RevocationKind(StrEnum):
    SESSION = "session"
    PRINCIPAL = "principal"
    CHANGED = "changed"
    """Not a revocation: groups, roles or cost centre are others now than tokens say."""


class Revocation(msgspec.Struct, frozen=True):
    seq: int
    kind: RevocationKind
    subject: str
    """Session id or principal id."""
    at: int
    """Unix seconds. A principal's tokens issued up to here are refused; a session's always."""


class Revocations:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, kind: RevocationKind, subject: str, *, at: int) -> Revocation:
        with self._database.write() as connection:
            # The number is taken under a row lock: a reader who has seen it has missed none before it.
            revocation = Revocation(next_value(connection, "changes"), kind, subject, at)
            connection.execute(insert(schema.revocations).values(**msgspec.structs.asdict(revocation)))
        return revocation

    def since(self, seq: int, *, newer_than: int = 0) -> list[Revocation]:
        """Those after `seq` that happened at or after `newer_than`, in order."""
        table = schema.revocations
        statement = select(table).where(table.c.seq > seq, table.c.at >= newer_than).order_by(table.c.seq)
        with self._database.read() as connection:
            return [
                Revocation(row.seq, RevocationKind(row.kind), row.subject, row.at)
                for row in connection.execute(statement)
            ]

    def forget(self, *, before: int) -> int:
        """Deletes those older than any token that can still be alive."""
        table = schema.revocations
        with self._database.write() as connection:
            return connection.execute(table.delete().where(table.c.at < before)).rowcount
