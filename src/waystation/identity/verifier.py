"""Who asks? The one question that every request to the relay begins with."""

from collections.abc import Iterable

import msgspec

from waystation.identity import lifetimes, tokens
from waystation.identity.foreign import describe_foreign
from waystation.identity.keyring import KeyRing
from waystation.model import Principal, Refusal, RefusalKind
from waystation.store import Clock, Revocation, RevocationKind, User

_MEMORY = lifetimes.LONGEST_ACCESS_TOKEN + lifetimes.CLOCK_SKEW
"""A revocation is forgotten when no access token from before it can be alive."""


class TokenVerifier:
    """Turns an access token into a Principal, or into a Refusal that tells the developer what to do.

    Pure CPU, no I/O. A token's signature is checked once and then remembered (bounded); its expiry is looked
    at on every call. A revoked session or principal is refused from the next call on. Revocations may come
    from any thread.
    """

    def __init__(self, keys: KeyRing, *, issuer: str, now: Clock, capacity: int = 65_536) -> None:
        self._keys = keys
        self._issuer = issuer
        self._now = now
        self._capacity = capacity
        self._known: dict[bytes, Principal] = {}
        self._revoked_sessions: dict[str, float] = {}
        self._revoked_principals: dict[str, float] = {}
        self._changed: dict[str, tuple[float, User]] = {}
        """What has become of people since tokens were made that may still be alive."""

    def verify(self, token: bytes) -> Principal | Refusal:
        known = self._known.get(token)
        if known is not None and known.expires_at > self._now():
            return known
        return self._examine(token)

    def revoke_session(self, session_id: str) -> None:
        """Refuses every token of this sign-in, at once and for good."""
        self.apply([Revocation(0, RevocationKind.SESSION, session_id, int(self._now()))])

    def revoke_principal(self, principal_id: str, *, at: int | None = None) -> None:
        """Refuses every token of this principal issued up to `at` (default: now)."""
        moment = int(self._now()) if at is None else at
        self.apply([Revocation(0, RevocationKind.PRINCIPAL, principal_id, moment)])

    def take_changes(self, users: Iterable[User]) -> None:
        """Groups, roles and cost centre hold from now on, whatever a token says that was made before."""
        now = self._now()
        changed = {user.id: (now, user) for user in users}
        if not changed:
            return
        self._changed.update(changed)
        for token, principal in list(self._known.items()):
            if principal.id in changed:
                self._known.pop(token, None)
        for subject in [subject for subject, (at, _) in list(self._changed.items()) if at < now - _MEMORY]:
            self._changed.pop(subject, None)

    def apply(self, revocations: Iterable[Revocation]) -> None:
        """Takes note of revocations, here or elsewhere. Applying one twice does no harm."""
        sessions, principals = set(), set()
        for revocation in revocations:
            if revocation.kind is RevocationKind.CHANGED:
                continue  # see `take_changes`
            if revocation.kind is RevocationKind.SESSION:
                self._revoked_sessions[revocation.subject] = revocation.at
                sessions.add(revocation.subject)
            else:
                before = self._revoked_principals.get(revocation.subject, 0)
                self._revoked_principals[revocation.subject] = max(before, revocation.at)
                principals.add(revocation.subject)
        if not sessions and not principals:
            return
        for token, principal in list(self._known.items()):
            if principal.session in sessions or principal.id in principals:
                self._known.pop(token, None)
        horizon = self._now() - _MEMORY
        for book in (self._revoked_sessions, self._revoked_principals):
            for subject in [subject for subject, at in list(book.items()) if at < horizon]:
                book.pop(subject, None)

    def forget_all(self) -> None:
        """Checks every signature anew, e.g. after keys have been retired."""
        self._known.clear()

    def _examine(self, token: bytes) -> Principal | Refusal:
        self._known.pop(token, None)
        if not token:
            return _refuse(
                "No Waystation token came with this request: run `way login` and start your tool with `way`.",
                "missing",
            )
        if foreign := describe_foreign(token):
            return _refuse(foreign, "foreign")
        if len(token) > tokens.MAX_BYTES or token.count(b".") != 2:
            return _refuse("This is not a Waystation token: run `way login`.", "foreign")
        try:
            claims = tokens.read(token, self._keys)
        except tokens.BadToken:
            return _refuse(
                "This token was not signed by this Waystation gateway: run `way login`.", "signature"
            )
        if claims.iss != self._issuer or claims.aud != tokens.AUDIENCE:
            return _refuse(
                f"This token was made for another gateway than {self._issuer}: run `way login` for this one.",
                "audience",
            )
        return self._admit(token, claims)

    def _admit(self, token: bytes, claims: tokens.Claims) -> Principal | Refusal:
        now = self._now()
        if claims.exp <= now:
            return _refuse("Your Waystation sign-in has expired: run `way login`.", "expired")
        if claims.iat > now + lifetimes.CLOCK_SKEW:
            return _refuse(
                "This token is from the future: the clocks of the gateway's machines are more than a minute "
                "apart. Tell whoever runs it.",
                "clock",
            )
        if len(self._known) >= self._capacity:
            self._make_room(now)
        principal = claims.principal()
        self._known[token] = principal
        # Looked at after the token is remembered: a revocation that comes in between finds it there.
        if refusal := self._revoked(claims):
            self._known.pop(token, None)
            return refusal
        changed = self._changed.get(claims.sub)
        if changed is None:
            return principal
        user = changed[1]
        principal = msgspec.structs.replace(
            principal,
            groups=frozenset(user.groups),
            roles=frozenset(user.roles),
            cost_center=user.cost_center,
        )
        self._known[token] = principal
        return principal

    def _revoked(self, claims: tokens.Claims) -> Refusal | None:
        if claims.sid in self._revoked_sessions:
            return Refusal(
                RefusalKind.REVOKED,
                "This Waystation sign-in was ended: run `way login` to sign in again.",
                "identity.session",
            )
        if claims.iat <= self._revoked_principals.get(claims.sub, -1):
            return Refusal(
                RefusalKind.REVOKED,
                "Your Waystation account was switched off: ask whoever runs the gateway.",
                "identity.principal",
            )
        return None

    def _make_room(self, now: float) -> None:
        """Drops expired tokens and, if that is not enough, the oldest eighth."""
        live = [(token, known) for token, known in list(self._known.items()) if known.expires_at > now]
        if len(live) >= self._capacity:
            live = live[self._capacity // 8 :]
        self._known = dict(live)


def _refuse(message: str, rule: str) -> Refusal:
    return Refusal(RefusalKind.UNAUTHENTICATED, message, f"identity.{rule}")
