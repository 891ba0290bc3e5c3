"""Counting attempts, so that short codes cannot be guessed."""

from collections import OrderedDict, deque
from threading import Lock

from waystation.store import Clock


class AttemptLimiter:
    """At most `limit` attempts per key in a sliding `window` of seconds. In memory, bounded, thread-safe."""

    def __init__(self, *, limit: int, window: int, now: Clock, keys: int = 10_000) -> None:
        self._limit = limit
        self._window = window
        self._now = now
        self._keys = keys
        self._attempts: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = Lock()

    def wait(self, key: str) -> int:
        """Counts an attempt. 0 if it may go ahead, else the whole seconds until the next one may."""
        now = self._now()
        with self._lock:
            attempts = self._attempts.setdefault(key, deque())
            self._attempts.move_to_end(key)
            while attempts and attempts[0] <= now - self._window:
                attempts.popleft()
            if len(attempts) >= self._limit:
                return max(1, int(attempts[0] + self._window - now + 0.999))
            attempts.append(now)
            while len(self._attempts) > self._keys:
                self._attempts.popitem(last=False)
        return 0

    def forgive(self, key: str) -> None:
        """Takes the last attempt back: it was no guess."""
        with self._lock:
            if attempts := self._attempts.get(key):
                attempts.pop()
