"""Users and service accounts."""

import secrets
from collections.abc import Iterable, Mapping
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
    source: str = "local"
    """Who looks after it: `local` (added here), `oidc` (came by signing in) or `scim` (the directory)."""
    subject: str | None = None
    """Whom the identity provider knows it as: issuer, a space, subject."""
    external_id: str | None = None
    """The directory's own id."""
    profile: Mapping[str, Any] = {}
    """What else the directory says (names, title …), as it said it."""
    own_groups: tuple[str, ...] = ()
    """Groups by hand or by claim. `groups` has those of the directory as well."""
    updated_at: int = 0


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
        source: str = "local",
        subject: str | None = None,
        external_id: str | None = None,
        profile: Mapping[str, Any] | None = None,
        active: bool = True,
    ) -> User:
        """Raises NameTaken if the name, compared without case, is in use."""
        user = User(
            id=new_id("usr" if kind is PrincipalKind.USER else "svc"),
            name=name.lower(),
            kind=kind,
            groups=tuple(sorted(set(groups))),
            roles=tuple(sorted(set(roles))),
            cost_center=cost_center,
            active=active,
            created_at=at,
            disabled_at=None if active else at,
            source=source,
            subject=subject,
            external_id=external_id,
            profile=profile or {},
            own_groups=tuple(sorted(set(groups))),
            updated_at=at,
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

    def by_subject(self, subject: str) -> User | None:
        return self._one(schema.users.c.subject == subject)

    def all(self) -> list[User]:
        """Oldest first."""
        table = schema.users
        statement = select(table).where(table.c.deleted_at.is_(None)).order_by(table.c.created_at, table.c.id)
        with self._database.read() as connection:
            return [_user(row) for row in connection.execute(statement)]

    def set_active(self, user_id: str, active: bool, *, at: int) -> bool:
        """Says whether anything changed. Does not end sessions: see `IdentityService.disable_user`."""
        table = schema.users
        statement = (
            update(table)
            .where(table.c.id == user_id, table.c.active != active)
            .values(active=active, disabled_at=None if active else at, updated_at=at)
        )
        with self._database.write() as connection:
            return connection.execute(statement).rowcount == 1

    def save(self, user: User, *, at: int) -> User:
        """Keeps every field but `id`, `kind` and `created_at`, with `groups` worked out anew. Raises NameTaken.

        Whether it may sign in is not changed here: see `set_active`.
        """
        table = schema.users
        with self._database.write() as connection:
            joined = select(schema.directory_groups.c.name).join(
                schema.directory_members,
                schema.directory_members.c.group_id == schema.directory_groups.c.id,
            )
            theirs = connection.execute(joined.where(schema.directory_members.c.user_id == user.id)).scalars()
            groups = tuple(sorted({*user.own_groups, *theirs}))
            user = msgspec.structs.replace(user, name=user.name.lower(), groups=groups, updated_at=at)
            columns = _columns(user)
            for fixed in ("id", "kind", "created_at", "active", "disabled_at"):
                del columns[fixed]
            taken = select(table.c.id).where(table.c.name == user.name, table.c.id != user.id)
            if connection.execute(taken).first() is not None:
                raise NameTaken(f"There is already somebody called {user.name}.")
            connection.execute(update(table).where(table.c.id == user.id).values(**columns))
        return user

    def delete(self, user_id: str, *, at: int) -> None:
        """Takes somebody out of sight for good; their name is free again, and what they used stays theirs."""
        table = schema.users
        with self._database.write() as connection:
            members = schema.directory_members
            connection.execute(members.delete().where(members.c.user_id == user_id))
            connection.execute(
                update(table)
                .where(table.c.id == user_id)
                .values(
                    name=f"deleted:{user_id}",
                    active=False,
                    deleted_at=at,
                    disabled_at=at,
                    updated_at=at,
                    subject=None,
                    external_id=None,
                    profile="{}",
                    groups="[]",
                    own_groups="[]",
                )
            )

    def _one(self, condition: Any) -> User | None:
        table = schema.users
        with self._database.read() as connection:
            row = connection.execute(
                select(table).where(condition, table.c.deleted_at.is_(None))
            ).one_or_none()
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
        "source": user.source,
        "subject": user.subject,
        "external_id": user.external_id,
        "profile": msgspec.json.encode(user.profile).decode(),
        "own_groups": msgspec.json.encode(user.own_groups).decode(),
        "updated_at": user.updated_at,
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
        source=row.source,
        subject=row.subject,
        external_id=row.external_id,
        profile=msgspec.json.decode(row.profile, type=dict[str, Any]),
        own_groups=msgspec.json.decode(row.own_groups or row.groups, type=tuple[str, ...]),
        updated_at=row.updated_at or row.created_at,
    )
