"""What the company's directory does to people and groups here. Methods block for the database.

A change is felt at once in this process, and within half a second in the others: tokens that are out mean what is
true now, and somebody switched off is refused at their next request.
"""

import datetime
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from waystation.identity.people import Aftermath, People
from waystation.identity.scim import patch
from waystation.identity.scim.errors import ScimError, invalid_value
from waystation.identity.scim.filters import Compare, Filter, matches
from waystation.identity.scim.schemas import ENTERPRISE, GROUPS, USERS, clean
from waystation.model import PrincipalKind
from waystation.store import Clock, DirectoryGroup, NameTaken, Provisioner, Store, User

_LONGEST_NAME = 254
Resource = dict[str, Any]
Page = tuple[int, list[Resource]]


class ScimDirectory:
    def __init__(self, store: Store, people: People, *, base_url: str, now: Clock) -> None:
        self._store = store
        self._people = people
        self._base = f"{base_url}/scim/v2"
        self._now = now

    def everything(self, wanted: Filter | None, start: int, count: int) -> Page:
        """Users, then groups."""
        last = start - 1 + count
        (people, users), (more, groups) = self.users(wanted, 1, last), self.groups(wanted, 1, last)
        before = max(0, start - 1 - people)
        return people + more, (users[start - 1 :] + groups[before:])[:count]

    # Users

    def users(self, wanted: Filter | None, start: int, count: int) -> Page:
        """(how many there are in all, the page from the `start`-th on)."""
        if (name := _equals(wanted, "username")) is not None:
            found = self._store.users.find(name)
            users = [found] if found is not None else []
        else:
            users = self._store.users.all()
        return _page(
            (user for user in users if user.kind is PrincipalKind.USER),
            lambda user: self._user_body(user, self._store),
            wanted,
            start,
            count,
        )

    def user(self, user_id: str) -> Resource:
        return self._user_body(_user(self._store, user_id), self._store)

    def add_user(self, body: Resource, by: Provisioner) -> Resource:
        resource = clean(USERS, body)
        name = _user_name(resource)
        with self._store.transaction() as tx:
            try:
                user = tx.users.add(
                    name,
                    at=int(self._now()),
                    source="scim",
                    external_id=_external_id(resource),
                    profile=_profile(resource),
                    cost_center=_cost_center(resource),
                    active=resource.get("active", True),
                )
            except NameTaken as taken:
                raise ScimError(409, str(taken), "uniqueness") from None
            self._audit(tx, "user.added", by, user.id, {"name": user.name})
            return self._user_body(user, tx)

    def replace_user(self, user_id: str, body: Resource, by: Provisioner) -> Resource:
        return self._change_user(user_id, lambda _: clean(USERS, body), by, whole=True)

    def patch_user(self, user_id: str, body: Any, by: Provisioner) -> Resource:
        changes = patch.operations(body)
        return self._change_user(user_id, lambda old: patch.apply(USERS, old, changes), by)

    def delete_user(self, user_id: str, by: Provisioner) -> None:
        after = Aftermath()
        with self._store.transaction() as tx:
            user = _user(tx, user_id)
            self._switch_off(tx, user, by, after, because="it was removed from the directory")
            tx.users.delete(user.id, at=int(self._now()))
            self._audit(tx, "user.deleted", by, user.id, {"name": user.name})
        after.off.setdefault(user.id, int(self._now()))
        self._people.settle(after)

    def _change_user(
        self, user_id: str, change: Callable[[Resource], Resource], by: Provisioner, *, whole: bool = False
    ) -> Resource:
        after = Aftermath()
        with self._store.transaction() as tx:
            user = _user(tx, user_id)
            resource = change(_user_resource(user))
            name = _user_name(resource)
            if name.lower() != user.name and set(user.roles) - {"member"}:
                raise ScimError(403, f"{user.name} has a role here and is not renamed by the directory.")
            changed = msgspec.structs.replace(
                user,
                name=name,
                source="scim",
                external_id=_external_id(resource),
                profile=_profile(resource),
                # A whole that says nothing of it leaves it to the claims; a part was cut out of what it is.
                cost_center=_cost_center(resource, user.cost_center if whole else ""),
            )
            try:
                saved = self._people.save(tx, changed, user, after)
            except NameTaken as taken:
                raise ScimError(409, str(taken), "uniqueness") from None
            active = resource.get("active", True if whole else user.active)
            if user.active and not active:
                self._switch_off(tx, saved, by, after, because="the directory switched the account off")
            elif active and not user.active:
                tx.users.set_active(user.id, True, at=int(self._now()))
                self._audit(tx, "user.enabled", by, user.id, {})
            self._audit(tx, "user.changed", by, user.id, {})
            body = self._user_body(_user(tx, user_id), tx)
        self._people.settle(after)
        return body

    def _switch_off(self, tx: Store, user: User, by: Provisioner, after: Aftermath, *, because: str) -> None:
        owners = [found for found in tx.users.all() if found.active and "owner" in found.roles]
        if [owner.id for owner in owners] == [user.id]:
            raise ScimError(
                403, f"{user.name} is the last owner of the gateway and stays: make another one first."
            )
        self._people.switch_off(tx, user, after, because=because, actor=by.id, actor_name=by.label)

    # Groups

    def groups(self, wanted: Filter | None, start: int, count: int) -> Page:
        return _page(self._store.directory.all(), self._group_body, wanted, start, count)

    def group(self, group_id: str) -> Resource:
        return self._group_body(_group(self._store, group_id))

    def add_group(self, body: Resource, by: Provisioner) -> Resource:
        resource = clean(GROUPS, body)
        name = _group_name(resource)
        after = Aftermath()
        with self._store.transaction() as tx:
            try:
                group = tx.directory.add(name, external_id=_external_id(resource), at=int(self._now()))
            except NameTaken as taken:
                raise ScimError(409, str(taken), "uniqueness") from None
            group = msgspec.structs.replace(group, members=_members(tx, resource))
            self._people.regroup(tx, tx.directory.save(group, at=int(self._now())), after)
            self._audit(tx, "group.added", by, group.id, {"name": name, "members": str(len(group.members))})
            answer = self._group_body(_group(tx, group.id))
        self._people.settle(after)
        return answer

    def replace_group(self, group_id: str, body: Resource, by: Provisioner) -> Resource:
        return self._change_group(group_id, lambda _: clean(GROUPS, body), by)

    def patch_group(self, group_id: str, body: Any, by: Provisioner) -> Resource:
        changes = patch.operations(body)
        return self._change_group(group_id, lambda old: patch.apply(GROUPS, old, changes), by)

    def delete_group(self, group_id: str, by: Provisioner) -> None:
        after = Aftermath()
        with self._store.transaction() as tx:
            group = _group(tx, group_id)
            self._people.regroup(tx, tx.directory.delete(group.id), after)
            self._audit(tx, "group.deleted", by, group.id, {"name": group.name})
        self._people.settle(after)

    def _change_group(
        self, group_id: str, change: Callable[[Resource], Resource], by: Provisioner
    ) -> Resource:
        after = Aftermath()
        with self._store.transaction() as tx:
            before = _group(tx, group_id)
            resource = change(_group_resource(before))
            group = msgspec.structs.replace(
                before,
                name=_group_name(resource),
                external_id=_external_id(resource),
                members=_members(tx, resource),
            )
            try:
                touched = tx.directory.save(group, at=int(self._now()))
            except NameTaken as taken:
                raise ScimError(409, str(taken), "uniqueness") from None
            self._people.regroup(tx, touched, after)
            was, is_now = set(before.members), set(group.members)
            detail = {"name": group.name, "came": _ids(is_now - was), "left": _ids(was - is_now)}
            self._audit(tx, "group.changed", by, group.id, detail)
            answer = self._group_body(_group(tx, group.id))
        self._people.settle(after)
        return answer

    # Shapes

    def _user_body(self, user: User, store: Store) -> Resource:
        groups = [
            {
                "value": group.id,
                "$ref": f"{self._base}/Groups/{group.id}",
                "display": group.name,
                "type": "direct",
            }
            for group in store.directory.of(user.id)
        ]
        body = _user_resource(user) | {"groups": groups} if groups else _user_resource(user)
        schemas = USERS.schemas if ENTERPRISE in body else [USERS.schema]
        return (
            {"schemas": schemas, "id": user.id}
            | body
            | {"meta": self._meta("User", f"Users/{user.id}", user.created_at, user.updated_at)}
        )

    def _group_body(self, group: DirectoryGroup) -> Resource:
        body = _group_resource(group)
        if group.members:
            body["members"] = [
                {
                    "value": user_id,
                    "$ref": f"{self._base}/Users/{user_id}",
                    "type": "User",
                }
                for user_id in group.members
            ]
        return (
            {"schemas": GROUPS.schemas, "id": group.id}
            | body
            | {"meta": self._meta("Group", f"Groups/{group.id}", group.created_at, group.updated_at)}
        )

    def _meta(self, kind: str, path: str, created: int, modified: int) -> dict[str, str]:
        return {
            "resourceType": kind,
            "created": _moment(created),
            "lastModified": _moment(max(created, modified)),
            "location": f"{self._base}/{path}",
        }

    def _audit(self, tx: Store, action: str, by: Provisioner, subject: str, detail: dict[str, str]) -> None:
        tx.audit.append(
            action, actor=by.id, actor_name=by.label, subject=subject, detail={"by": "scim"} | detail
        )


def _user_resource(user: User) -> Resource:
    """What of a user the directory may write."""
    resource: Resource = {"userName": user.name} | dict(user.profile) | {"active": user.active}
    if user.external_id:
        resource["externalId"] = user.external_id
    if user.cost_center and "costCenter" not in resource.get(ENTERPRISE, {}):
        resource[ENTERPRISE] = {**resource.get(ENTERPRISE, {}), "costCenter": user.cost_center}
    return resource


def _group_resource(group: DirectoryGroup) -> Resource:
    resource: Resource = {"displayName": group.name}
    if group.external_id:
        resource["externalId"] = group.external_id
    if group.members:
        resource["members"] = [{"value": user_id} for user_id in group.members]
    return resource


def _profile(resource: Resource) -> Resource:
    profile = {key: value for key, value in resource.items() if key not in ("active", "externalId", "id")}
    if profile["userName"] == profile["userName"].lower():
        del profile["userName"]
    if ENTERPRISE in profile:
        profile[ENTERPRISE] = {k: v for k, v in profile[ENTERPRISE].items() if k != "costCenter"}
        if not profile[ENTERPRISE]:
            del profile[ENTERPRISE]
    return profile


def _user_name(resource: Resource) -> str:
    name = resource.get("userName", "")
    if not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable() or name.startswith("deleted:"):
        raise invalid_value(f"userName must be a text of 1 to {_LONGEST_NAME} printable characters.")
    return str(name)


def _group_name(resource: Resource) -> str:
    name = resource.get("displayName", "")
    if not 1 <= len(name) <= 200 or not name.isprintable():
        raise invalid_value("displayName must be a text of 1 to 200 printable characters.")
    return str(name)


def _external_id(resource: Resource) -> str | None:
    found = resource.get("externalId")
    if isinstance(found, str) and len(found) > 320:
        raise invalid_value("externalId must have at most 320 characters.")
    return found or None


def _cost_center(resource: Resource, before: str = "") -> str:
    """What the directory says, or `before` if it says nothing of the extension that has it."""
    extension = resource.get(ENTERPRISE)
    return str(extension.get("costCenter", ""))[:200] if isinstance(extension, dict) else before


def _members(tx: Store, resource: Resource) -> tuple[str, ...]:
    members = resource.get("members", [])
    if any(str(member.get("type", "User")).lower() != "user" for member in members):
        raise invalid_value("Only users can be members of a group: groups within groups are not supported.")
    wanted = {str(member.get("value", "")) for member in members}
    if unknown := wanted - tx.directory.known(wanted):
        raise invalid_value(
            f"There is no user {sorted(unknown)[0][:80]!r}: provision users before their groups."
        )
    return tuple(sorted(wanted))


def _user(store: Store, user_id: str) -> User:
    user = store.users.get(user_id)
    if user is None or user.kind is not PrincipalKind.USER:
        raise ScimError(404, "There is no such user.")
    return user


def _group(store: Store, group_id: str) -> DirectoryGroup:
    group = store.directory.get(group_id)
    if group is None:
        raise ScimError(404, "There is no such group.")
    return group


def _page(
    things: Iterable[Any], body: Callable[[Any], Resource], wanted: Filter | None, start: int, count: int
) -> Page:
    if wanted is None:  # most are never shown: only those of the page are put into shape
        listed = list(things)
        return len(listed), [body(thing) for thing in listed[start - 1 : start - 1 + count]]
    found = [shaped for thing in things if matches(wanted, shaped := body(thing))]
    return len(found), found[start - 1 : start - 1 + count]


def _equals(wanted: Filter | None, name: str) -> str | None:
    """The text of a filter `name eq "text"`: how directories look whether somebody is here."""
    if not isinstance(wanted, Compare) or wanted.operator != "eq" or not isinstance(wanted.value, str):
        return None
    path = wanted.path
    return wanted.value if path.name.lower() == name and not path.sub and not path.schema else None


def _moment(at: int) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ids(ids: set[str]) -> str:
    listed = sorted(ids)
    return " ".join(listed[:50]) + (f" and {len(listed) - 50} more" if len(listed) > 50 else "")
