"""One-time codes: authorization codes, device codes and welcome links, kept as digests."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Row, insert, select, update

from waystation.store import schema
from waystation.store.database import Database


class Purpose(StrEnum):
    AUTHORIZATION = "authorization"
    DEVICE = "device"
    WELCOME = "welcome"
    COMPANY = "company"
    """A sign-in that is under way at the company's identity provider."""


class CodeState(StrEnum):
    PENDING = "pending"
    """Nobody has decided yet (device codes only)."""
    APPROVED = "approved"
    DENIED = "denied"


class Code(msgspec.Struct, frozen=True):
    """What is known of a code; never the code. Times are Unix seconds."""

    digest: bytes
    purpose: Purpose
    state: CodeState
    created_at: int
    expires_at: int
    user_id: str | None = None
    """Whom it signs in; unknown for a device code until somebody approves it."""
    short_digest: bytes | None = None
    """Digest of the user code that a person types for a device code."""
    detail: Mapping[str, str] = {}
    """What the grant needs to remember: client, redirect URI, challenge, device name … never a secret."""
    interval_seconds: int = 0
    polled_at: int | None = None
    used_at: int | None = None
    session_id: str | None = None
    """The session it opened, so that a second use can end it."""


class Codes:
    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, code: Code) -> None:
        columns = msgspec.structs.asdict(code) | {
            "purpose": code.purpose.value,
            "state": code.state.value,
            "detail": msgspec.json.encode(code.detail).decode(),
        }
        with self._database.write() as connection:
            connection.execute(insert(schema.codes).values(**columns))

    def lock(self, digest: bytes, purpose: Purpose) -> Code | None:
        """The code's record, held against other transactions until this one ends (`Store.transaction()`)."""
        table = schema.codes
        statement = select(table).where(table.c.digest == digest, table.c.purpose == purpose.value)
        with self._database.write() as connection:
            row = connection.execute(statement.with_for_update()).one_or_none()
        return None if row is None else _code(row)

    def get(self, digest: bytes, purpose: Purpose) -> Code | None:
        table = schema.codes
        statement = select(table).where(table.c.digest == digest, table.c.purpose == purpose.value)
        with self._database.read() as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else _code(row)

    def find_short(self, short_digest: bytes) -> Code | None:
        table = schema.codes
        with self._database.read() as connection:
            row = connection.execute(select(table).where(table.c.short_digest == short_digest)).one_or_none()
        return None if row is None else _code(row)

    def consume(self, digest: bytes, *, at: int) -> bool:
        """True for exactly one caller, and only while the code is valid."""
        table = schema.codes
        statement = (
            update(table)
            .where(table.c.digest == digest, table.c.used_at.is_(None), table.c.expires_at > at)
            .values(used_at=at)
        )
        with self._database.write() as connection:
            return connection.execute(statement).rowcount == 1

    def link(self, digest: bytes, session_id: str) -> None:
        """Remembers which session a consumed code opened."""
        table = schema.codes
        with self._database.write() as connection:
            connection.execute(update(table).where(table.c.digest == digest).values(session_id=session_id))

    def decide(self, digest: bytes, state: CodeState, *, user_id: str, at: int) -> bool:
        """Approves or denies a pending device code, once, while it is valid."""
        table = schema.codes
        statement = (
            update(table)
            .where(
                table.c.digest == digest,
                table.c.state == CodeState.PENDING.value,
                table.c.used_at.is_(None),
                table.c.expires_at > at,
            )
            .values(state=state.value, user_id=user_id)
        )
        with self._database.write() as connection:
            return connection.execute(statement).rowcount == 1

    def polled(self, digest: bytes, *, at: int, interval_seconds: int) -> None:
        """Remembers when a device last asked, and how long it must wait from now on."""
        table = schema.codes
        with self._database.write() as connection:
            connection.execute(
                update(table)
                .where(table.c.digest == digest)
                .values(polled_at=at, interval_seconds=interval_seconds)
            )

    def forget_expired(self, *, before: int) -> int:
        """Deletes codes that expired before a moment; says how many."""
        table = schema.codes
        with self._database.write() as connection:
            return connection.execute(table.delete().where(table.c.expires_at < before)).rowcount


def _code(row: Row[Any]) -> Code:
    return Code(
        digest=row.digest,
        purpose=Purpose(row.purpose),
        state=CodeState(row.state),
        created_at=row.created_at,
        expires_at=row.expires_at,
        user_id=row.user_id,
        short_digest=row.short_digest,
        detail=msgspec.json.decode(row.detail, type=dict[str, str]),
        interval_seconds=row.interval_seconds,
        polled_at=row.polled_at,
        used_at=row.used_at,
        session_id=row.session_id,
    )
