"""Machines that come in without a person: the directory's provisioner, and CI by its own platform's tokens."""

from typing import Any

import msgspec
from sqlalchemy import Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from waystation.store import schema
from waystation.store.database import Database
from waystation.store.people import new_id


class Provisioner(msgspec.Struct, frozen=True):
    """What is known of a provisioner's bearer token; never the token. Times are Unix seconds."""

    id: str
    label: str
    created_at: int
    used_at: int | None
    revoked_at: int | None


class Provisioners:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, label: str, digest: bytes, *, at: int) -> Provisioner:
        made = Provisioner(new_id("prv"), label, at, None, None)
        with self._database.write() as connection:
            connection.execute(
                insert(schema.provisioners).values(**msgspec.structs.asdict(made), digest=digest)
            )
        return made

    def find(self, digest: bytes) -> Provisioner | None:
        """One that may still come in."""
        table = schema.provisioners
        statement = select(table).where(table.c.digest == digest, table.c.revoked_at.is_(None))
        with self._database.read() as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else _provisioner(row)

    def all(self) -> list[Provisioner]:
        table = schema.provisioners
        with self._database.read() as connection:
            rows = connection.execute(select(table).order_by(table.c.created_at, table.c.id))
            return [_provisioner(row) for row in rows]

    def touch(self, provisioner_id: str, *, at: int) -> None:
        table = schema.provisioners
        with self._database.write() as connection:
            connection.execute(update(table).where(table.c.id == provisioner_id).values(used_at=at))

    def revoke(self, provisioner_id: str, *, at: int) -> bool:
        """Says whether it was standing."""
        table = schema.provisioners
        statement = (
            update(table)
            .where(table.c.id == provisioner_id, table.c.revoked_at.is_(None))
            .values(revoked_at=at)
        )
        with self._database.write() as connection:
            return connection.execute(statement).rowcount == 1


class Federation(msgspec.Struct, frozen=True):
    """Whose tokens a service account accepts in place of a secret of its own."""

    id: str
    user_id: str
    issuer: str
    """Exactly as its tokens say it."""
    audience: str
    """One that its tokens must be made for."""
    subject: str
    """Which subjects; `*` stands for anything but a colon, so it cannot leap over a field of GitHub's subjects."""
    created_at: int
    network: str = "public"
    """`private` if the issuer may be on the company's own network."""


class Federations:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, user_id: str, issuer: str, audience: str, subject: str, *, network: str = "public", at: int
    ) -> Federation:
        made = Federation(new_id("fed"), user_id, issuer, audience, subject, at, network)
        with self._database.write() as connection:
            connection.execute(insert(schema.federations).values(**msgspec.structs.asdict(made)))
        return made

    def by_issuer(self, issuer: str) -> list[Federation]:
        table = schema.federations
        return self._many(select(table).where(table.c.issuer == issuer).order_by(table.c.id))

    def of(self, user_id: str) -> list[Federation]:
        table = schema.federations
        return self._many(select(table).where(table.c.user_id == user_id).order_by(table.c.created_at))

    def remove(self, federation_id: str) -> bool:
        table = schema.federations
        with self._database.write() as connection:
            return connection.execute(delete(table).where(table.c.id == federation_id)).rowcount == 1

    def first_use(self, digest: bytes, *, expires_at: int) -> bool:
        """True for exactly one caller: a token is exchanged once."""
        try:
            with self._database.write() as connection:
                connection.execute(insert(schema.seen_tokens).values(digest=digest, expires_at=expires_at))
        except IntegrityError:
            return False
        return True

    def forget_seen(self, *, before: int) -> int:
        table = schema.seen_tokens
        with self._database.write() as connection:
            return connection.execute(delete(table).where(table.c.expires_at < before)).rowcount

    def _many(self, statement: Any) -> list[Federation]:
        with self._database.read() as connection:
            return [
                Federation(
                    row.id, row.user_id, row.issuer, row.audience, row.subject, row.created_at, row.network
                )
                for row in connection.execute(statement)
            ]


def _provisioner(row: Row[Any]) -> Provisioner:
    return Provisioner(row.id, row.label, row.created_at, row.used_at, row.revoked_at)
