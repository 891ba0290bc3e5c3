"""Changes to people that must be felt at once, wherever they come from: the directory, a sign-in, an operator."""

from collections.abc import Iterable

from waystation.identity.signins import SignIns
from waystation.identity.verifier import TokenVerifier
from waystation.store import Clock, RevocationKind, Store, User

_FELT = ("groups", "roles", "cost_center")


class Aftermath:
    """What this process does once the transaction is committed; other processes learn of it by polling."""

    def __init__(self) -> None:
        self.changed: dict[str, User] = {}
        self.off: dict[str, int] = {}
        self.ended: list[str] = []


class People:
    """Methods take the transaction to work in; call `settle` once it is committed."""

    def __init__(self, signins: SignIns, verifier: TokenVerifier, *, now: Clock) -> None:
        self._signins = signins
        self._verifier = verifier
        self._now = now

    def save(self, tx: Store, user: User, before: User, after: Aftermath) -> User:
        """Keeps a user, and makes tokens that say otherwise mean what is true now."""
        now = int(self._now())
        saved = tx.users.save(user, at=now)
        if any(getattr(saved, name) != getattr(before, name) for name in _FELT):
            tx.revocations.add(RevocationKind.CHANGED, saved.id, at=now)
            after.changed[saved.id] = saved
        return saved

    def regroup(self, tx: Store, user_ids: Iterable[str], after: Aftermath) -> None:
        """Works out anew which groups these people are in."""
        for user_id in sorted(set(user_ids)):
            if (user := tx.users.get(user_id)) is not None:
                self.save(tx, user, user, after)

    def switch_off(
        self, tx: Store, user: User, after: Aftermath, *, because: str, actor: str, actor_name: str
    ) -> bool:
        """Ends every session and refuses every token. False if it was off already."""
        now = int(self._now())
        if not tx.users.set_active(user.id, False, at=now):
            return False
        tx.revocations.add(RevocationKind.PRINCIPAL, user.id, at=now)
        after.off[user.id] = now
        # Each session by name as well: that does not lean on the clocks of several nodes agreeing.
        for session in tx.sessions.live(now=now, user_id=user.id):
            self._signins.end(tx, session, because=because, actor=actor, actor_name=actor_name)
            after.ended.append(session.id)
        tx.audit.append("user.disabled", actor=actor, actor_name=actor_name, subject=user.id)
        return True

    def settle(self, after: Aftermath) -> None:
        self._verifier.take_changes(after.changed.values())
        for user_id, at in after.off.items():
            self._verifier.revoke_principal(user_id, at=at)
        for session_id in after.ended:
            self._signins.ended(session_id)
