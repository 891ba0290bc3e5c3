"""Temporary raises of budgets: who let whom spend how much more, until when. Kept when they are over."""

from typing import Any

import msgspec
from sqlalchemy import Row, insert, select, update

from waystation.store import schema
from waystation.store.audit import AuditLog
from waystation.store.clock import Clock
from waystation.store.database import Database, JoinedDatabase, next_value
from waystation.store.people import new_id
from waystation.store.seal import MasterKey


class BudgetRaise(msgspec.Struct, frozen=True):
    id: str
    budget: str
    """The budget's name in the policy."""
    owner: str
    """The person, group, cost centre or model it is for; empty: everybody under that budget."""
    amount_nano: int
    approver: str
    reason: str
    created_at: int
    until: int
    withdrawn_at: int | None = None


class BudgetRaises:
    def __init__(self, database: Database, now: Clock, master: MasterKey) -> None:
        self._database = database
        self._now = now
        self._master = master

    def add(
        self, budget: str, owner: str, amount_nano: int, *, until: int, approver: str, reason: str
    ) -> BudgetRaise:
        """Audited. Gateways take it over within a second."""
        now = int(self._now())
        made = BudgetRaise(new_id("br"), budget, owner, amount_nano, approver, reason, now, until)
        with self._database.write() as connection:
            next_value(connection, "changes")
            connection.execute(insert(schema.budget_raises).values(**msgspec.structs.asdict(made)))
            AuditLog(JoinedDatabase(connection), self._now, self._master).append(
                "budget.raised",
                actor=approver,
                actor_name=approver,
                subject=budget,
                detail={
                    "id": made.id,
                    "owner": owner,
                    "amount_nano": str(amount_nano),
                    "until": str(until),
                    "reason": reason,
                },
            )
        return made

    def withdraw(self, raise_id: str, *, by: str) -> BudgetRaise | None:
        """Ends it now. None if there is no such raise, or it has ended already."""
        table = schema.budget_raises
        now = int(self._now())
        with self._database.write() as connection:
            found = connection.execute(
                update(table)
                .where(table.c.id == raise_id, table.c.withdrawn_at.is_(None), table.c.until > now)
                .values(withdrawn_at=now)
                .returning(*table.c)
            ).one_or_none()
            if found is None:
                return None
            next_value(connection, "changes")
            AuditLog(JoinedDatabase(connection), self._now, self._master).append(
                "budget.raise_withdrawn",
                actor=by,
                actor_name=by,
                subject=found.budget,
                detail={"id": raise_id},
            )
        return _raise(found)

    def active(self) -> list[BudgetRaise]:
        """Those in force, oldest first."""
        table = schema.budget_raises
        statement = (
            select(table)
            .where(table.c.withdrawn_at.is_(None), table.c.until > int(self._now()))
            .order_by(table.c.created_at, table.c.id)
        )
        with self._database.read() as connection:
            return [_raise(row) for row in connection.execute(statement)]

    def every(self) -> list[BudgetRaise]:
        """All that there ever were, newest first."""
        table = schema.budget_raises
        statement = select(table).order_by(table.c.created_at.desc(), table.c.id)
        with self._database.read() as connection:
            return [_raise(row) for row in connection.execute(statement)]


def _raise(row: Row[Any]) -> BudgetRaise:
    return BudgetRaise(**row._mapping)
