"""Who did what. Append-only: there is no way here to change or delete an event."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Row, insert, select

from waystation.store import schema
from waystation.store.clock import Clock
from waystation.store.database import Database, next_value


class AuditEvent(msgspec.Struct, frozen=True):
    """One administrative act or sign-in. Holds no secret."""

    seq: int
    """1, 2, 3 … in order of commit, without gaps."""
    at_us: int
    actor: str
    """Principal id, or `operator` for somebody with access to the gateway's files, or `gateway`."""
    actor_name: str
    action: str
    """`<noun>.<verb>`, e.g. `session.revoked`."""
    subject: str
    """Id of what was acted upon."""
    address: str
    detail: Mapping[str, str]


class AuditLog:
    def __init__(self, database: Database, now: Clock) -> None:
        self._database = database
        self._now = now

    def append(
        self,
        action: str,
        *,
        actor: str,
        actor_name: str = "",
        subject: str = "",
        address: str = "",
        detail: Mapping[str, str] | None = None,
    ) -> AuditEvent:
        """Joins the transaction that the act itself runs in: both happen, or neither."""
        with self._database.write() as connection:
            event = AuditEvent(
                seq=next_value(connection, "audit"),
                at_us=int(self._now() * 1_000_000),
                actor=actor,
                actor_name=actor_name,
                action=action,
                subject=subject,
                address=address,
                detail=detail or {},
            )
            columns = msgspec.structs.asdict(event)
            columns["detail"] = msgspec.json.encode(event.detail, order="sorted").decode()
            connection.execute(insert(schema.audit_events).values(**columns))
        return event

    def since(self, seq: int = 0, *, limit: int = 1000) -> list[AuditEvent]:
        """Events after `seq`, oldest first."""
        table = schema.audit_events
        statement = select(table).where(table.c.seq > seq).order_by(table.c.seq).limit(limit)
        with self._database.read() as connection:
            return [_event(row) for row in connection.execute(statement)]


def _event(row: Row[Any]) -> AuditEvent:
    return AuditEvent(
        seq=row.seq,
        at_us=row.at_us,
        actor=row.actor,
        actor_name=row.actor_name,
        action=row.action,
        subject=row.subject,
        address=row.address,
        detail=msgspec.json.decode(row.detail, type=dict[str, str]),
    )
