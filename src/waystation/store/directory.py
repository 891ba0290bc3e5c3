"""Groups of the company's directory, and who is in them."""

from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Row, delete, insert, select, update

from waystation.store import schema
from waystation.store.database import Database
from waystation.store.people import NameTaken, new_id


class DirectoryGroup(msgspec.Struct, frozen=True):
    """A group as the directory provisioned it. Times are Unix seconds."""

    id: str
    name: str
    external_id: str | None
    created_at: int
    updated_at: int
    members: tuple[str, ...] = ()
    """Ids of users, in order."""


class Directory:
    """Says who is in which group. Users' own `groups` follow by `Users.save`, in the same transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, name: str, *, external_id: str | None, at: int) -> DirectoryGroup:
        """Raises NameTaken."""
        group = DirectoryGroup(new_id("grp"), name, external_id, at, at)
        columns = msgspec.structs.asdict(group)
        del columns["members"]
        with self._database.write() as connection:
            self._check_free(connection, name, group.id)
            connection.execute(insert(schema.directory_groups).values(**columns))
        return group

    def get(self, group_id: str) -> DirectoryGroup | None:
        table, members = schema.directory_groups, schema.directory_members
        with self._database.read() as connection:
            row = connection.execute(select(table).where(table.c.id == group_id)).one_or_none()
            if row is None:
                return None
            ids = connection.execute(
                select(members.c.user_id).where(members.c.group_id == group_id).order_by(members.c.user_id)
            )
            return _group(row, tuple(ids.scalars()))

    def all(self) -> list[DirectoryGroup]:
        """Oldest first, with their members."""
        table, members = schema.directory_groups, schema.directory_members
        inside: dict[str, list[str]] = {}
        with self._database.read() as connection:
            for row in connection.execute(select(members).order_by(members.c.user_id)):
                inside.setdefault(row.group_id, []).append(row.user_id)
            rows = connection.execute(select(table).order_by(table.c.created_at, table.c.id)).all()
        return [_group(row, tuple(inside.get(row.id, ()))) for row in rows]

    def of(self, user_id: str) -> list[DirectoryGroup]:
        """The groups that somebody is in, without their members."""
        table, members = schema.directory_groups, schema.directory_members
        statement = (
            select(table)
            .join(members, members.c.group_id == table.c.id)
            .where(members.c.user_id == user_id)
            .order_by(table.c.name)
        )
        with self._database.read() as connection:
            return [_group(row, ()) for row in connection.execute(statement)]

    def save(self, group: DirectoryGroup, *, at: int) -> set[str]:
        """Keeps name, directory id and members; says whose groups are others now. Raises NameTaken."""
        table, members = schema.directory_groups, schema.directory_members
        before = self.get(group.id)
        assert before is not None
        was, is_now = set(before.members), set(group.members)
        with self._database.write() as connection:
            self._check_free(connection, group.name, group.id)
            connection.execute(
                update(table)
                .where(table.c.id == group.id)
                .values(name=group.name, external_id=group.external_id, updated_at=at)
            )
            for user_id in sorted(was - is_now):
                connection.execute(
                    delete(members).where(members.c.group_id == group.id, members.c.user_id == user_id)
                )
            if came := sorted(is_now - was):
                connection.execute(
                    insert(members), [{"group_id": group.id, "user_id": user_id} for user_id in came]
                )
        return was | is_now if before.name != group.name else was ^ is_now

    def delete(self, group_id: str) -> set[str]:
        """Says who was in it."""
        table, members = schema.directory_groups, schema.directory_members
        group = self.get(group_id)
        with self._database.write() as connection:
            connection.execute(delete(members).where(members.c.group_id == group_id))
            connection.execute(delete(table).where(table.c.id == group_id))
        return set(group.members) if group else set()

    def known(self, user_ids: Iterable[str]) -> set[str]:
        """Those of the ids that are users."""
        table, wanted = schema.users, sorted(set(user_ids))
        found: set[str] = set()
        with self._database.read() as connection:
            for start in range(0, len(wanted), 500):
                ids = wanted[start : start + 500]
                statement = select(table.c.id).where(table.c.id.in_(ids), table.c.deleted_at.is_(None))
                found.update(connection.execute(statement).scalars())
        return found

    def _check_free(self, connection: Any, name: str, group_id: str) -> None:
        table = schema.directory_groups
        taken = select(table.c.id).where(table.c.name == name, table.c.id != group_id)
        if connection.execute(taken).first() is not None:
            raise NameTaken(f"There is already a group called {name}.")


def _group(row: Row[Any], members: tuple[str, ...]) -> DirectoryGroup:
    return DirectoryGroup(row.id, row.name, row.external_id, row.created_at, row.updated_at, members)
