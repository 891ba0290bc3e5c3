"""Opening, renewing and ending sessions: the one place where tokens come from."""

import base64
import hmac

import msgspec

from waystation.identity import lifetimes, tokens
from waystation.identity.actor import Caller
from waystation.identity.keyring import KeyRing
from waystation.identity.secret import digest, new_secret
from waystation.identity.verifier import TokenVerifier
from waystation.model import Principal
from waystation.store import Clock, RevocationKind, Session, Store, User, new_id

BROWSER = "browser"
"""The `client` of a session that lives in a cookie."""
SERVICE = "service"
"""The `client` of a session that has one access token and nothing to renew it with."""


_NOWHERE = Caller()


class TokenSet(msgspec.Struct, frozen=True):
    """An answer of the token endpoint. Its repr shows nothing."""

    access_token: str
    refresh_token: str
    expires_in: int
    scope: str = "openid offline_access"

    def __repr__(self) -> str:
        return f"TokenSet(hidden, expires_in={self.expires_in})"

    def body(self) -> dict[str, str | int]:
        return {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "refresh_token": self.refresh_token,
            "scope": self.scope,
        }


class DeviceSignIn(msgspec.Struct, frozen=True):
    """A device's new session and its first tokens."""

    session: Session
    tokens: TokenSet


class ServiceToken(msgspec.Struct, frozen=True):
    """One access token for a service account. Its repr shows nothing."""

    access_token: str
    expires_at: int
    session_id: str

    def __repr__(self) -> str:
        return f"ServiceToken(hidden, session_id={self.session_id!r})"


class BrowserSignIn(msgspec.Struct, frozen=True):
    """A browser's session and the cookie that stands for it. Its repr shows nothing."""

    cookie: str
    max_age: int
    session: Session
    principal: Principal

    def __repr__(self) -> str:
        return f"BrowserSignIn(hidden, session={self.session.id!r})"


class SignIns:
    """Methods that take a `tx` change the store in that transaction and leave the commit to the caller."""

    def __init__(self, store: Store, keys: KeyRing, verifier: TokenVerifier, *, issuer: str, now: Clock):
        self._keys = keys
        self._verifier = verifier
        self._issuer = issuer
        self._now = now
        self._successor_key = store.master.derive("refresh-token-successor")

    def open(
        self,
        tx: Store,
        user: User,
        *,
        client: str,
        caller: Caller,
        how: str,
        scope: str = "openid offline_access",
    ) -> DeviceSignIn:
        """Signs a device in: a new session with its first pair of tokens."""
        now = int(self._now())
        session = _session(
            user,
            client=client,
            caller=caller,
            now=now,
            idle=lifetimes.REFRESH_IDLE,
            absolute=lifetimes.REFRESH_ABSOLUTE,
        )
        refresh_token = new_secret("wsr_")
        tx.sessions.open(session, refresh_digest=digest(refresh_token))
        _audit_opening(tx, session, how)
        return DeviceSignIn(session, self.tokens(user, session, refresh_token, scope=scope))

    def open_browser(self, tx: Store, user: User, *, caller: Caller, how: str) -> BrowserSignIn:
        now = int(self._now())
        session = _session(
            user,
            client=BROWSER,
            caller=caller,
            now=now,
            idle=lifetimes.BROWSER_IDLE,
            absolute=lifetimes.BROWSER_ABSOLUTE,
        )
        cookie = new_secret()
        tx.sessions.open(session, cookie_digest=digest(cookie))
        _audit_opening(tx, session, how)
        return BrowserSignIn(cookie, lifetimes.BROWSER_ABSOLUTE, session, principal_of(user, session))

    def open_service(
        self, tx: Store, user: User, *, lifetime: int, by: str, caller: Caller = _NOWHERE
    ) -> ServiceToken:
        now = int(self._now())
        lifetime = min(lifetime, lifetimes.LONGEST_ACCESS_TOKEN)
        session = _session(user, client=SERVICE, caller=caller, now=now, idle=lifetime, absolute=lifetime)
        tx.sessions.open(session)
        _audit_opening(tx, session, f"made by {by}")
        token = tokens.mint(
            self._keys, issuer=self._issuer, user=user, session=session, now=now, lifetime=lifetime
        )
        return ServiceToken(token, session.expires_at, session.id)

    def tokens(
        self, user: User, session: Session, refresh_token: str, *, scope: str = "openid offline_access"
    ) -> TokenSet:
        now = int(self._now())
        access_token = tokens.mint(self._keys, issuer=self._issuer, user=user, session=session, now=now)
        expires_in = min(lifetimes.ACCESS_TOKEN, session.expires_at - now)
        return TokenSet(access_token, refresh_token, expires_in, scope)

    def successor(self, refresh_token: str) -> str:
        """The refresh token that follows this one: computed, so that it can be given again without being
        kept, and not computable without the master key."""
        raw = hmac.digest(self._successor_key, refresh_token.encode(), "sha256")
        return "wsr_" + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def end(self, tx: Store, session: Session, *, because: str, actor: str, actor_name: str) -> bool:
        """Ends a session; call `ended` once the transaction is committed. Says if it was standing."""
        now = int(self._now())
        if not tx.sessions.revoke(session.id, because=because, at=now):
            return False
        tx.revocations.add(RevocationKind.SESSION, session.id, at=now)
        tx.audit.append(
            "session.revoked",
            actor=actor,
            actor_name=actor_name,
            subject=session.id,
            detail={"because": because, "user": session.user_name, "client": session.client},
        )
        return True

    def ended(self, session_id: str) -> None:
        """Makes this process refuse the session's tokens at once; the others learn of it by polling."""
        self._verifier.revoke_session(session_id)


def principal_of(user: User, session: Session) -> Principal:
    """Who this is right now, from the store rather than from a token."""
    return Principal(
        id=user.id,
        name=user.name,
        kind=user.kind,
        groups=frozenset(user.groups),
        roles=frozenset(user.roles),
        cost_center=user.cost_center,
        session=session.id,
        device=session.device,
        expires_at=session.ends_at,
    )


def principal_named(user: User) -> Principal:
    """Who this is, apart from any sign-in."""
    return Principal(
        user.id, user.name, user.kind, frozenset(user.groups), frozenset(user.roles), user.cost_center
    )


def why_over(session: Session | None, user: User | None, now: float) -> str | None:
    """A sentence if the session can no longer be used, None if it can."""
    if session is None or user is None:
        return "This Waystation sign-in is not known: run `way login`."
    if not user.active:
        return "Your Waystation account was switched off: ask whoever runs the gateway."
    if session.revoked_at is not None:
        return "This Waystation sign-in was ended: run `way login` to sign in again."
    if not session.live(now):
        return "Your Waystation sign-in has expired: run `way login`."
    return None


def _session(user: User, *, client: str, caller: Caller, now: int, idle: int, absolute: int) -> Session:
    return Session(
        id=new_id("ses"),
        user_id=user.id,
        user_name=user.name,
        client=client,
        device=caller.device,
        address=caller.address,
        created_at=now,
        used_at=now,
        idle_seconds=idle,
        expires_at=now + absolute,
    )


def _audit_opening(tx: Store, session: Session, how: str) -> None:
    tx.audit.append(
        "session.opened",
        actor=session.user_id,
        actor_name=session.user_name,
        subject=session.id,
        address=session.address,
        detail={"client": session.client, "device": session.device, "how": how},
    )
