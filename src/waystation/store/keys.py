"""Keys that sign access tokens. Private halves are sealed with the master key."""

from typing import Any

import msgspec
from sqlalchemy import Row, insert, select, update

from waystation.store import schema
from waystation.store.database import Database, next_value
from waystation.store.seal import MasterKey


class SigningKey(msgspec.Struct, frozen=True):
    """One key pair, as raw bytes. Its repr shows nothing private."""

    kid: str
    algorithm: str
    public_key: bytes
    private_key: bytes
    created_at: int
    signs_from: int
    """Verifies at once, signs from here on: other nodes have learnt of it by then."""
    retired_at: int | None = None
    """Verifies until here."""

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r}, algorithm={self.algorithm!r})"


class SigningKeys:
    def __init__(self, database: Database, master: MasterKey) -> None:
        self._database = database
        self._master = master

    def usable(self, *, now: int) -> list[SigningKey]:
        """Keys that verify now, oldest first."""
        table = schema.signing_keys
        statement = (
            select(table)
            .where((table.c.retired_at.is_(None)) | (table.c.retired_at > now))
            .order_by(table.c.signs_from, table.c.kid)
        )
        with self._database.read() as connection:
            return [self._key(row) for row in connection.execute(statement)]

    def add(self, key: SigningKey, *, retire_others_at: int | None = None) -> None:
        """Adds a key and, if asked, sets when those before it stop verifying."""
        table = schema.signing_keys
        with self._database.write() as connection:
            next_value(connection, "changes")
            if retire_others_at is not None:
                connection.execute(
                    update(table).where(table.c.retired_at.is_(None)).values(retired_at=retire_others_at)
                )
            connection.execute(insert(table).values(**self._columns(key)))

    def add_first(self, key: SigningKey) -> bool:
        """Adds the key only if there is none that signs; safe when several nodes start at once."""
        table = schema.signing_keys
        with self._database.write() as connection:
            next_value(connection, "changes")  # holds the row: the others wait here, then see our key
            if connection.execute(select(table.c.kid).where(table.c.retired_at.is_(None))).first():
                return False
            connection.execute(insert(table).values(**self._columns(key)))
            return True

    def _columns(self, key: SigningKey) -> dict[str, object]:
        return {
            "kid": key.kid,
            "algorithm": key.algorithm,
            "public_key": key.public_key,
            "sealed_private_key": self._master.seal(key.private_key, label=f"signing_keys/{key.kid}"),
            "created_at": key.created_at,
            "signs_from": key.signs_from,
            "retired_at": key.retired_at,
        }

    def _key(self, row: Row[Any]) -> SigningKey:
        return SigningKey(
            kid=row.kid,
            algorithm=row.algorithm,
            public_key=row.public_key,
            private_key=self._master.open(row.sealed_private_key, label=f"signing_keys/{row.kid}"),
            created_at=row.created_at,
            signs_from=row.signs_from,
            retired_at=row.retired_at,
        )
