"""Who did what. Append-only: there is no way here to change or delete an event.

Each event carries a keyed hash over itself and the hash of the one before it. The key is derived from the master
key, which is not in the database: whoever can only write to the database cannot change, drop or insert an event
without `verify` finding the place. What it cannot see is that the newest events are missing altogether; for that,
compare with an export (`verify(after=…)`).
"""

import hmac
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, insert, select, update

from waystation.store import schema
from waystation.store.clock import Clock
from waystation.store.database import Database, next_value
from waystation.store.seal import MasterKey

_GENESIS = bytes(32)


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
    hash: str = ""
    """Hexadecimal; over everything above and the hash of the event before."""


class AuditChecked(msgspec.Struct, frozen=True):
    """What a walk along the chain found."""

    events: int
    """Sound ones, from the first on."""
    head: str
    """The hash of the last sound one; empty if there is none."""
    fault: str = ""
    """A sentence that names the first event that is not as it was written; empty if all are."""


class AuditLog:
    def __init__(self, database: Database, now: Clock, master: MasterKey) -> None:
        self._database = database
        self._now = now
        self._key = master.derive("audit-chain")

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
            seq = next_value(connection, "audit")  # its row stays locked: nobody else appends meanwhile
            event = AuditEvent(
                seq=seq,
                at_us=int(self._now() * 1_000_000),
                actor=actor,
                actor_name=actor_name,
                action=action,
                subject=subject[:320],
                address=address[:64],
                detail=detail or {},
            )
            previous = _hash_of(connection, seq - 1)
            digest = self._digest(event, previous)
            connection.execute(
                insert(schema.audit_events).values(**_columns(event), previous_hash=previous, hash=digest)
            )
        return msgspec.structs.replace(event, hash=digest.hex())

    def since(self, seq: int = 0, *, limit: int = 1000) -> list[AuditEvent]:
        """Events after `seq`, oldest first."""
        table = schema.audit_events
        statement = select(table).where(table.c.seq > seq).order_by(table.c.seq).limit(limit)
        with self._database.read() as connection:
            return [_event(row) for row in connection.execute(statement)]

    def every(self, seq: int = 0) -> Iterator[AuditEvent]:
        """All events after `seq`, oldest first, a thousand at a time."""
        while found := self.since(seq):
            yield from found
            seq = found[-1].seq

    def verify(self, *, after: Mapping[int, str] | None = None) -> AuditChecked:
        """Walks the whole chain. `after` holds hashes by number from an earlier export, which must still be there."""
        known = dict(after or {})
        try:
            return self._walk(known)
        except msgspec.MsgspecError:  # what stands in `detail` is not what `append` puts there
            return AuditChecked(0, "", "An event cannot be read: its detail is not what was written.")

    def _walk(self, known: dict[int, str]) -> AuditChecked:
        previous, sound, expected = _GENESIS, 0, 1
        for event in self.every():
            if event.seq != expected:
                return _fault(sound, previous, f"Event {expected} is missing; the next one is {event.seq}.")
            digest = self._digest(event, previous)
            if not hmac.compare_digest(digest.hex(), event.hash):
                return _fault(sound, previous, f"Event {event.seq} is not what was written.")
            if known.pop(event.seq, event.hash) != event.hash:
                return _fault(sound, previous, f"Event {event.seq} is not the one that was exported.")
            previous, sound, expected = digest, event.seq, event.seq + 1
        written = self._written()
        if written != sound:
            return _fault(sound, previous, f"{written} events were written, and {sound} are there.")
        if known:
            return _fault(sound, previous, f"Event {min(known)} was exported and is not there any more.")
        return AuditChecked(sound, previous.hex() if sound else "")

    def chain(self) -> int:
        """Gives the events of a release that did not chain them their hashes, once; says how many.

        That it was done is an event itself, so that it cannot be a way to launder changes unseen.
        """
        table = schema.audit_events
        with self._database.read() as connection:
            first = connection.execute(select(table.c.hash).where(table.c.seq == 1)).one_or_none()
        if first is None or first.hash is not None:
            return 0
        with self._database.write() as connection:
            if _hash_of(connection, 1) != _GENESIS:  # another process was first
                return 0
            previous, count = _GENESIS, 0
            for row in connection.execute(select(table).order_by(table.c.seq)).all():
                event = _event(row)
                digest = self._digest(event, previous)
                connection.execute(
                    update(table).where(table.c.seq == event.seq).values(previous_hash=previous, hash=digest)
                )
                previous, count = digest, count + 1
        self.append("audit.chained", actor="gateway", actor_name="gateway", detail={"events": str(count)})
        return count

    def _written(self) -> int:
        table = schema.counters
        with self._database.read() as connection:
            return int(connection.execute(select(table.c.value).where(table.c.name == "audit")).scalar_one())

    def _digest(self, event: AuditEvent, previous: bytes) -> bytes:
        body = msgspec.json.encode([*_columns(event).values()])
        return hmac.digest(self._key, previous + body, "sha256")


def _columns(event: AuditEvent) -> dict[str, Any]:
    """As stored, and in the order in which it is hashed."""
    return {
        "seq": event.seq,
        "at_us": event.at_us,
        "actor": event.actor,
        "actor_name": event.actor_name,
        "action": event.action,
        "subject": event.subject,
        "address": event.address,
        "detail": msgspec.json.encode(event.detail, order="sorted").decode(),
    }


def _hash_of(connection: Connection, seq: int) -> bytes:
    table = schema.audit_events
    row = connection.execute(select(table.c.hash).where(table.c.seq == seq)).one_or_none()
    return _GENESIS if row is None or row.hash is None else bytes(row.hash)


def _fault(sound: int, head: bytes, sentence: str) -> AuditChecked:
    return AuditChecked(sound, head.hex() if sound else "", sentence)


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
        hash=bytes(row.hash).hex() if row.hash is not None else "",
    )
