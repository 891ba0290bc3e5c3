"""Sign-ins: one session is one family of refresh tokens, or one browser cookie."""

from typing import Any

import msgspec
from sqlalchemy import Row, Select, insert, or_, select, update

from waystation.store import schema
from waystation.store.database import Database


class Session(msgspec.Struct, frozen=True):
    """One sign-in of one device. Times are Unix seconds."""

    id: str
    user_id: str
    user_name: str
    client: str
    """The OAuth client id, or `browser`."""
    device: str
    """What the device called itself; untrusted text, for people's eyes only."""
    address: str
    """Network address at sign-in."""
    created_at: int
    used_at: int
    idle_seconds: int
    """It ends when it has not been used for this long."""
    expires_at: int
    """It ends here whatever happens."""
    revoked_at: int | None = None
    revoked_because: str | None = None

    @property
    def ends_at(self) -> int:
        return min(self.expires_at, self.used_at + self.idle_seconds)

    def live(self, now: float) -> bool:
        return self.revoked_at is None and now < self.ends_at


class RefreshToken(msgspec.Struct, frozen=True):
    """What is known of a refresh token; never the token."""

    digest: bytes
    session_id: str
    created_at: int
    spent_at: int | None


class Sessions:
    def __init__(self, database: Database) -> None:
        self._database = database

    def open(
        self, session: Session, *, refresh_digest: bytes | None = None, cookie_digest: bytes | None = None
    ) -> None:
        """Keeps a new session with its first refresh token, or with its cookie."""
        columns = msgspec.structs.asdict(session)
        del columns["user_name"]
        with self._database.write() as connection:
            connection.execute(insert(schema.sessions).values(**columns, cookie_digest=cookie_digest))
            if refresh_digest is not None:
                connection.execute(
                    insert(schema.refresh_tokens).values(
                        digest=refresh_digest, session_id=session.id, created_at=session.created_at
                    )
                )

    def get(self, session_id: str) -> Session | None:
        return self._one(_sessions().where(schema.sessions.c.id == session_id))

    def by_cookie(self, digest: bytes) -> Session | None:
        return self._one(_sessions().where(schema.sessions.c.cookie_digest == digest))

    def live(self, *, now: int, user_id: str | None = None) -> list[Session]:
        """Sessions that can still be used, most recently used first."""
        table = schema.sessions
        statement = _sessions().where(table.c.revoked_at.is_(None), table.c.expires_at > now)
        if user_id is not None:
            statement = statement.where(table.c.user_id == user_id)
        statement = statement.order_by(table.c.used_at.desc(), table.c.id)
        with self._database.read() as connection:
            found = [_session(row) for row in connection.execute(statement)]
        return [session for session in found if session.live(now)]

    def ever_opened(self, user_id: str) -> bool:
        statement = select(schema.sessions.c.id).where(schema.sessions.c.user_id == user_id).limit(1)
        with self._database.read() as connection:
            return connection.execute(statement).first() is not None

    def touch(self, session_id: str, *, at: int) -> None:
        table = schema.sessions
        with self._database.write() as connection:
            connection.execute(
                update(table).where(table.c.id == session_id, table.c.used_at < at).values(used_at=at)
            )

    def lock_refresh(self, digest: bytes) -> RefreshToken | None:
        """The token's record, held against other transactions until this one ends.

        Only sensible inside `Store.transaction()`.
        """
        table = schema.refresh_tokens
        with self._database.write() as connection:
            row = connection.execute(
                select(table).where(table.c.digest == digest).with_for_update()
            ).one_or_none()
        if row is None:
            return None
        return RefreshToken(row.digest, row.session_id, row.created_at, row.spent_at)

    def refresh(self, digest: bytes) -> RefreshToken | None:
        """The token's record, as it is now."""
        table = schema.refresh_tokens
        with self._database.read() as connection:
            row = connection.execute(select(table).where(table.c.digest == digest)).one_or_none()
        if row is None:
            return None
        return RefreshToken(row.digest, row.session_id, row.created_at, row.spent_at)

    def spend(self, token: RefreshToken, successor_digest: bytes, *, at: int) -> None:
        """Marks a refresh token as spent and keeps its successor. Call with the token locked and unspent."""
        table = schema.refresh_tokens
        with self._database.write() as connection:
            connection.execute(update(table).where(table.c.digest == token.digest).values(spent_at=at))
            connection.execute(
                insert(table).values(digest=successor_digest, session_id=token.session_id, created_at=at)
            )
            connection.execute(
                update(schema.sessions).where(schema.sessions.c.id == token.session_id).values(used_at=at)
            )

    def revoke(self, session_id: str, *, because: str, at: int) -> bool:
        """Says whether it was still standing."""
        table = schema.sessions
        statement = (
            update(table)
            .where(table.c.id == session_id, table.c.revoked_at.is_(None))
            .values(revoked_at=at, revoked_because=because)
        )
        with self._database.write() as connection:
            return connection.execute(statement).rowcount == 1

    def forget_ended(self, *, before: int) -> int:
        """Deletes sessions that ended before a moment, with their tokens; says how many."""
        table, tokens = schema.sessions, schema.refresh_tokens
        ended = or_(table.c.expires_at < before, table.c.revoked_at < before)
        with self._database.write() as connection:
            gone = [row.id for row in connection.execute(select(table.c.id).where(ended).limit(500))]
            connection.execute(tokens.delete().where(tokens.c.session_id.in_(gone)))
            connection.execute(table.delete().where(table.c.id.in_(gone)))
        return len(gone)

    def _one(self, statement: Select[Any]) -> Session | None:
        with self._database.read() as connection:
            row = connection.execute(statement).one_or_none()
        return None if row is None else _session(row)


def _sessions() -> Select[Any]:
    return select(schema.sessions, schema.users.c.name.label("user_name")).join(
        schema.users, schema.users.c.id == schema.sessions.c.user_id
    )


def _session(row: Row[Any]) -> Session:
    return Session(
        id=row.id,
        user_id=row.user_id,
        user_name=row.user_name,
        client=row.client,
        device=row.device,
        address=row.address,
        created_at=row.created_at,
        used_at=row.used_at,
        idle_seconds=row.idle_seconds,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        revoked_because=row.revoked_because,
    )
