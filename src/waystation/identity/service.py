"""What people and operators do with identity: owners, links, users, sessions. Each act checks its actor."""

import getpass
import socket
from collections.abc import Callable, Iterable

import msgspec

from waystation.identity import lifetimes
from waystation.identity.actor import OPERATOR, Actor, Operator
from waystation.identity.authorize import Authorization
from waystation.identity.company import CompanySignIn
from waystation.identity.device import DeviceFlow
from waystation.identity.errors import NotAllowed, NotFound
from waystation.identity.issuers import Issuers
from waystation.identity.links import WelcomeLink, WelcomeLinks
from waystation.identity.people import Aftermath, People
from waystation.identity.permissions import ROLES, Permission, allows, roles_that_may
from waystation.identity.refresh import Refresh
from waystation.identity.secret import digest, new_secret
from waystation.identity.signins import ServiceToken, SignIns, principal_named, principal_of, why_over
from waystation.identity.verifier import TokenVerifier
from waystation.model import Principal, PrincipalKind
from waystation.policy import SignInSpec
from waystation.store import Clock, Provisioner, Session, Store, User

BASE_URL = "base_url"
"""The fact that tells the command line under which address the gateway was last started."""


class IdentityService:
    """Everything that changes who may come in. Methods block for the database."""

    def __init__(
        self,
        store: Store,
        signins: SignIns,
        verifier: TokenVerifier,
        *,
        issuers: Issuers,
        sign_in: Callable[[], SignInSpec | None],
        secret: Callable[[str], str],
        policy_roles: Callable[[Principal], frozenset[str]],
        base_url: str,
        now: Clock,
    ) -> None:
        self._policy_roles = policy_roles
        self._store = store
        self._signins = signins
        self._verifier = verifier
        self._now = now
        self._base_url = base_url
        self.links = WelcomeLinks(store, signins, base_url=base_url, now=now)
        self.authorization = Authorization(store, signins, issuer=base_url, now=now)
        self.device = DeviceFlow(store, signins, base_url=base_url, now=now)
        self.refresh = Refresh(store, signins, now=now)
        self.people = People(signins, verifier, now=now)
        self.company = CompanySignIn(
            store,
            signins,
            self.people,
            issuers,
            spec=sign_in,
            secret=secret,
            base_url=base_url,
            now=now,
        )

    # Owner and links

    def first_run(self, base_url: str | None = None, *, name: str | None = None) -> WelcomeLink | None:
        """Makes the owner if there is none, and a link for as long as no owner has ever signed in.

        `name` defaults to the operating system's `user@host`. None means that somebody is at home already.
        Also notes `base_url` (default: the one this service was built with) for the command line beside it.
        """
        self._store.facts.put(BASE_URL, base_url or self._base_url)
        with self._store.transaction() as tx:
            owners = _owners(tx)
            if any(tx.sessions.ever_opened(owner.id) for owner in owners):
                return None
            owner = owners[0] if owners else self._make_owner(tx, name)
            return self.links.make(tx, owner, by=OPERATOR, base_url=base_url)

    def sign_in_link(self, name: str | None = None, *, by: Actor, base_url: str | None = None) -> WelcomeLink:
        """A fresh one-time link for a user (default: the owner; made if need be). Operators only."""
        if not isinstance(by, Operator):
            raise NotAllowed("Only somebody with access to the gateway's files may make sign-in links.")
        with self._store.transaction() as tx:
            if name is None:
                owners = _owners(tx)
                user = owners[0] if owners else self._make_owner(tx, None)
            else:
                user = _existing(tx, name)
            if not user.active:
                raise NotAllowed(f"{user.name} is switched off.")
            return self.links.make(tx, user, by=by, base_url=base_url)

    def _make_owner(self, tx: Store, name: str | None) -> User:
        owner = tx.users.add(name or _local_name(), at=int(self._now()), roles=("owner", "member"))
        tx.audit.append("user.added", actor="gateway", actor_name="gateway", subject=owner.id)
        return owner

    # Users

    def users(self, *, by: Actor) -> list[User]:
        self.require(by, Permission.PEOPLE_READ)
        return self._store.users.all()

    def add_user(
        self,
        name: str,
        *,
        by: Actor,
        roles: Iterable[str] = ("member",),
        groups: Iterable[str] = (),
        cost_center: str = "",
        kind: PrincipalKind = PrincipalKind.USER,
    ) -> User:
        """Raises NameTaken, NotAllowed, or ValueError for an unknown role."""
        roles = tuple(roles)
        if unknown := set(roles) - set(ROLES):
            raise ValueError(f"Unknown role {sorted(unknown)[0]!r}: the roles are {', '.join(ROLES)}.")
        held = self.require(by, Permission.PEOPLE_WRITE)
        if not set(roles) <= _grantable(held):
            raise NotAllowed("Nobody can grant a role that they do not hold.")
        with self._store.transaction() as tx:
            user = tx.users.add(
                name, at=int(self._now()), kind=kind, roles=roles, groups=groups, cost_center=cost_center
            )
            tx.audit.append(
                "user.added",
                actor=by.id,
                actor_name=by.name,
                subject=user.id,
                detail={"roles": " ".join(user.roles), "groups": " ".join(user.groups)},
            )
        return user

    def disable_user(self, name: str, *, by: Actor) -> User:
        """Switches a user off: every session ends, and every access token is refused at once."""
        held = self.require(by, Permission.PEOPLE_WRITE)
        after = Aftermath()
        with self._store.transaction() as tx:
            user = _existing(tx, name)
            if "owner" in user.roles and "owner" not in held:
                raise NotAllowed("Only an owner can switch an owner off.")
            if [owner.id for owner in _owners(tx)] == [user.id]:
                raise NotAllowed(f"{user.name} is the last owner: make another one first.")
            self.people.switch_off(
                tx, user, after, because="the account was switched off", actor=by.id, actor_name=by.name
            )
        after.off.setdefault(user.id, int(self._now()))
        self.people.settle(after)
        return user

    def enable_user(self, name: str, *, by: Actor) -> User:
        """Lets a user sign in again. What was ended stays ended."""
        held = self.require(by, Permission.PEOPLE_WRITE)
        with self._store.transaction() as tx:
            user = _existing(tx, name)
            if not set(user.roles) <= _grantable(held):
                raise NotAllowed("Nobody can grant a role that they do not hold.")
            if tx.users.set_active(user.id, True, at=int(self._now())):
                tx.audit.append("user.enabled", actor=by.id, actor_name=by.name, subject=user.id)
        return user

    def set_roles(self, name: str, roles: Iterable[str], *, by: Actor) -> User:
        """Gives somebody exactly these roles. They hold at their next request.

        Raises NotAllowed, NotFound, or ValueError for an unknown role.
        """
        wanted = tuple(sorted(set(roles)))
        if unknown := set(wanted) - set(ROLES):
            raise ValueError(f"Unknown role {sorted(unknown)[0]!r}: the roles are {', '.join(ROLES)}.")
        if not wanted:
            raise ValueError("Everybody has a role: `member` if no other.")
        held = self.require(by, Permission.PEOPLE_WRITE)
        after = Aftermath()
        with self._store.transaction() as tx:
            user = _existing(tx, name)
            touched = set(wanted) ^ set(user.roles)
            if "owner" in touched and not allows(held, Permission.OWNERS_WRITE):
                raise NotAllowed("Only an owner can make or unmake owners.")
            if [owner.id for owner in _owners(tx)] == [user.id] and "owner" not in wanted:
                raise NotAllowed(f"{user.name} is the last owner: make another one first.")
            saved = self.people.save(tx, msgspec.structs.replace(user, roles=wanted), user, after)
            tx.audit.append(
                "user.roles",
                actor=by.id,
                actor_name=by.name,
                subject=user.id,
                detail={"before": " ".join(user.roles), "now": " ".join(wanted)},
            )
        self.people.settle(after)
        return saved

    def service_token(self, name: str, *, by: Actor, lifetime: int = lifetimes.ACCESS_TOKEN) -> ServiceToken:
        """One access token for a service account, for at most an hour; nothing renews it."""
        held = self.require(by, Permission.MACHINES_WRITE)
        with self._store.transaction() as tx:
            user = _existing(tx, name)
            if user.kind is not PrincipalKind.SERVICE:
                raise NotAllowed(f"{user.name} is a person: people sign in by themselves.")
            if not user.active:
                raise NotAllowed(f"{user.name} is switched off.")
            if not set(user.roles) <= held:
                raise NotAllowed("Nobody can act with a role that they do not hold.")
            return self._signins.open_service(tx, user, lifetime=lifetime, by=by.name)

    # The directory's provisioner

    def provisioners(self, *, by: Actor) -> list[Provisioner]:
        self.require(by, Permission.MACHINES_WRITE)
        return self._store.provisioners.all()

    def add_provisioner(self, label: str, *, by: Actor) -> tuple[Provisioner, str]:
        """A provisioner for `/scim/v2`, and its token, which is told here once and kept nowhere."""
        self.require(by, Permission.MACHINES_WRITE)
        token = new_secret("wsp_")
        with self._store.transaction() as tx:
            made = tx.provisioners.add(label[:200], digest(token), at=int(self._now()))
            tx.audit.append("provisioner.added", actor=by.id, actor_name=by.name, subject=made.id)
        return made, token

    def end_provisioner(self, provisioner_id: str, *, by: Actor) -> None:
        """Its token is refused from now on. Raises NotFound."""
        self.require(by, Permission.MACHINES_WRITE)
        with self._store.transaction() as tx:
            if not tx.provisioners.revoke(provisioner_id, at=int(self._now())):
                raise NotFound("There is no such provisioner, or it was revoked already.")
            tx.audit.append("provisioner.revoked", actor=by.id, actor_name=by.name, subject=provisioner_id)

    # Sessions

    def sessions(self, *, by: Actor) -> list[Session]:
        """An administrator's: everybody's. Anybody else's: their own."""
        everybody = self.may(by, Permission.SESSIONS_READ)
        return self._store.sessions.live(now=int(self._now()), user_id=None if everybody else by.id)

    def sessions_of(self, name: str, *, by: Actor) -> list[Session]:
        """Somebody's own sessions. Raises NotFound."""
        self.require(by, Permission.SESSIONS_READ)
        return self._store.sessions.live(now=int(self._now()), user_id=_existing(self._store, name).id)

    def end_session(self, session_id: str, *, by: Actor) -> Session:
        """Signs a device or browser out. Its access tokens are refused from now on.

        Raises NotFound for a session that does not exist or is somebody else's business.
        """
        with self._store.transaction() as tx:
            session = tx.sessions.get(session_id)
            if session is None:
                raise NotFound("There is no such session.")
            if session.user_id != by.id and not allows(self._roles(by, tx), Permission.SESSIONS_END):
                raise NotFound("There is no such session.")
            because = "signed out" if session.user_id == by.id else f"ended by {by.name}"
            self._signins.end(tx, session, because=because, actor=by.id, actor_name=by.name)
        self._signins.ended(session.id)
        return session

    def session(self, principal: Principal) -> Session | None:
        return self._store.sessions.get(principal.session)

    def browser(self, cookie: str) -> Principal | None:
        """Who a browser's cookie stands for, from the store; None if for nobody (any more)."""
        session = self._store.sessions.by_cookie(digest(cookie))
        if session is None:
            return None
        now = int(self._now())
        user = self._store.users.get(session.user_id)
        if user is None or why_over(session, user, now) is not None:
            return None
        if now - session.used_at >= lifetimes.BROWSER_TOUCH:
            self._store.sessions.touch(session.id, at=now)
        return principal_of(user, session)

    # Who may

    def _roles(self, actor: Actor, store: Store | None = None) -> set[str]:
        """Roles held now, by the store's word rather than by that of a token from half an hour ago."""
        if isinstance(actor, Operator):
            return set(ROLES)
        user = (store or self._store).users.get(actor.id)
        if user is None or not user.active:
            return set()
        named = self._policy_roles(principal_named(user)) - {"owner"}  # no document makes an owner
        held = set(user.roles) | named
        if "owner" in held:
            return set(ROLES)
        return held

    def may(self, actor: Actor, permission: Permission) -> bool:
        """By the roles held now."""
        return allows(self._roles(actor), permission)

    def require(self, actor: Actor, permission: Permission) -> set[str]:
        """The roles held, if one of them allows it. Raises NotAllowed."""
        held = self._roles(actor)
        if not allows(held, permission):
            raise NotAllowed(f"This takes the role {' or '.join(roles_that_may(permission))}.")
        return held


def _owners(store: Store) -> list[User]:
    return [user for user in store.users.all() if user.active and "owner" in user.roles]


def _grantable(held: set[str]) -> set[str]:
    """An owner may make anybody anything; an admin anything but an owner."""
    return set(ROLES) - (set() if "owner" in held else {"owner"}) if held & {"owner", "admin"} else set()


def _existing(store: Store, name: str) -> User:
    user = store.users.find(name) or store.users.get(name)
    if user is None:
        raise NotFound(f"There is nobody called {name}.")
    return user


def _local_name() -> str:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without an entry or environment
        user = "owner"
    return f"{user}@{socket.gethostname() or 'localhost'}"
