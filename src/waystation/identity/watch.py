"""Learning what other processes changed: revocations and keys, within half a second."""

import asyncio
import logging

from waystation.identity import lifetimes
from waystation.identity.keyring import KeyRing
from waystation.identity.verifier import TokenVerifier
from waystation.store import Clock, RevocationKind, Store

INTERVAL = 0.5
_HOUSEKEEPING = lifetimes.HOUR
_log = logging.getLogger(__name__)


class Watch:
    """One poller a process. `poll` may also be driven by hand."""

    def __init__(self, store: Store, verifier: TokenVerifier, keys: KeyRing, *, now: Clock) -> None:
        self._store = store
        self._verifier = verifier
        self._keys = keys
        self._now = now
        self._seen = 0
        self._cleaned = now()
        self.poll()

    def poll(self) -> bool:
        """Takes over what has changed since the last call; says if anything had. Blocks for the store."""
        changes = self._store.changes()
        if changes == self._seen:
            return False
        horizon = int(self._now()) - lifetimes.LONGEST_ACCESS_TOKEN - lifetimes.CLOCK_SKEW
        news = self._store.revocations.since(self._seen, newer_than=horizon)
        self._verifier.apply(news)
        changed = {entry.subject for entry in news if entry.kind is RevocationKind.CHANGED}
        found = (self._store.users.get(user_id) for user_id in changed)
        self._verifier.take_changes(user for user in found if user is not None)
        self._keys.reload()
        self._seen = changes
        return True

    def tidy(self) -> None:
        """Once an hour: follows an old signing key by a new one, and forgets what nobody can need."""
        now = int(self._now())
        if now - self._cleaned < _HOUSEKEEPING:
            return
        self._cleaned = now
        if self._keys.due():
            self._keys.rotate()
        self._keys.reload()
        self._store.federations.forget_seen(before=now - lifetimes.CLOCK_SKEW)
        self._store.codes.forget_expired(before=now - lifetimes.DAY)
        self._store.revocations.forget(before=now - lifetimes.DAY)
        self._store.sessions.forget_ended(before=now - lifetimes.REFRESH_IDLE)

    async def run(self) -> None:
        """Polls until it is cancelled. A store that is down is reported once and asked again."""
        failing = False
        while True:
            try:
                await asyncio.to_thread(self.poll)
                await asyncio.to_thread(self.tidy)
                failing = False
            except Exception as error:
                # The relay goes on with what it knows; sign-ins fail by themselves while the store is away.
                if not failing:
                    _log.warning("identity: the store does not answer (%s)", type(error).__name__)
                failing = True
            await asyncio.sleep(INTERVAL)
