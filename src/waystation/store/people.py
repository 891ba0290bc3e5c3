"""Users and service accounts."""

import secrets
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from waystation.model import PrincipalKind
from waystation.store import schema
from waystation.store.database import Database


class NameTaken(ValueError):
    """Another user or service account has this name."""


class User(msgspec.Struct, frozen=True):
    """A person or a service account. Times are Unix seconds."""

    id: str
    """Stable, opaque, never reused."""
    name: str
    """Unique; lower case. A mail address for a person."""
    kind: PrincipalKind
    groups: tuple[str, ...]
    roles: tuple[str, ...]
    cost_center: str
    active: bool
    created_at: int
    disabled_at: int | None = None


def new_id(prefix: str) -> str:
    """`<prefix>_` and 80 random bits."""
    return f"{prefix}_{secrets.token_hex(10)}"


class Users:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        name: str,
        *,
        at: int,
        kind: PrincipalKind = PrincipalKind.USER,
        groups: Iterable[str] = (),
        roles: Iterable[str] = ("member",),
        cost_center: str = "",
    ) -> User:
        """Raises NameTaken if the name, compared without case, is in use."""
        user = User(
            id=new_id("usr" if kind is PrincipalKind.USER else "svc"),
            name=name.lower(),
            kind=kind,
            groups=tuple(sorted(set(groups))),
            roles=tuple(sorted(set(roles))),
            cost_center=cost_center,
            active=True,
            created_at=at,
        )
        try:
            with self._database.write() as connection:
                connection.execute(insert(schema.users).values(**_columns(user)))
        except IntegrityError:
            raise NameTaken(f"There is already somebody called {user.name}.") from None
        return user

    def get(self, user_id: str) -> User | None:
        return self._one(schema.users.c.id == user_id)

    def find(self, name: str) -> User | None:
        """By name, compared without case."""
        return self._one(schema.users.c.name == name.lower())

    def all(self) -> list[User]:
        """Oldest first."""
        statement = select(schema.users).order_by(schema.users.c.created_at, schema.users.c.id)
        with self._database.read() as connection:
            return [_user(row) for row in connection.execute(statement)]

    def set_active(self, user_id: str, active: bool, *, at: int) -> bool:
        """Says whether anything changed. Does not end sessions: see `IdentityService.disable_user`."""
        table = schema.users
        statement = (
            update(table)
            .where(table.c.id == user_id, table.c.active != active)
            .values(active=active, disabled_at=None if active else at)
        )
        with self._database.write() as connection:
            return connection.execute(statement).rowcount == 1

    def _one(self, condition: Any) -> User | None:
        with self._database.read() as connection:
            row = connection.execute(select(schema.users).where(condition)).one_or_none()
        return None if row is None else _user(row)


def _columns(user: User) -> dict[str, object]:
    return {
        "id": user.id,
        "name": user.name,
        "kind": user.kind.value,
        "groups": msgspec.json.encode(user.groups).decode(),
        "roles": msgspec.json.encode(user.roles).decode(),
        "cost_center": user.cost_center,
        "active": user.active,
        "created_at": user.created_at,
        "disabled_at": user.disabled_at,
    }


def _user(row: Row[Any]) -> User:
    return User(
        id=row.id,
        name=row.name,
        kind=PrincipalKind(row.kind),
        groups=msgspec.json.decode(row.groups, type=tuple[str, ...]),
        roles=msgspec.json.decode(row.roles, type=tuple[str, ...]),
        cost_center=row.cost_center,
        active=row.active,
        created_at=row.created_at,
        disabled_at=row.disabled_at,
    )
