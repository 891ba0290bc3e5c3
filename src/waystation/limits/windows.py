"""A sliding window: what was used in the last so many seconds."""

from collections import deque

SLICES = 60


class SlidingWindow:
    """Never lets more than `amount` into any `seconds`.

    The time is cut in sixtieths of the window, and what was used in one counts until the whole of it is out: so
    the memory of a window is bounded whatever goes through it, and the price is that a place is free again up to
    a sixtieth of the window late, never early. `now` may not go back by more than a slice; if a clock does, what
    comes is counted in the newest slice.
    """

    __slots__ = ("_parts", "_slice", "amount", "held", "others", "seconds", "used")

    def __init__(self, amount: int, seconds: int) -> None:
        self.amount = amount
        self.seconds = seconds
        self.used = 0
        """By requests that are over, or counted as they begin."""
        self.held = 0
        """By requests under way, at most."""
        self.others = 0
        """On other gateways, when last heard of."""
        self._slice = seconds / SLICES
        self._parts: deque[list[int]] = deque()

    def fits(self, now: float, amount: int) -> bool:
        """Whether so much more may be used. What is larger than the whole window may go alone: nobody could ever
        ask for it otherwise."""
        self.forget(now)
        taken = self.used + self.held + self.others
        return taken + amount <= self.amount or (taken == 0 and amount > self.amount)

    def add(self, now: float, amount: int) -> None:
        parts = self._parts
        at = int(now / self._slice)
        if parts and parts[-1][0] >= at:
            parts[-1][1] += amount
        else:
            parts.append([at, amount])
        self.used += amount

    def forget(self, now: float) -> None:
        parts = self._parts
        if parts:
            oldest = int(now / self._slice) - SLICES
            while parts and parts[0][0] < oldest:
                self.used -= parts.popleft()[1]

    def free_in(self, now: float, amount: int) -> float:
        """Seconds until so much fits, if nothing else comes; as far as is known: what is under way ends sometime."""
        missing = self.used + self.held + self.others + min(amount, self.amount) - self.amount
        for at, part in self._parts:
            if missing <= 0:
                break
            missing -= part
            wait = (at + SLICES + 1) * self._slice - now
            if missing <= 0:
                return max(0.0, wait)
        return 1.0 if missing > 0 else 0.0

    @property
    def left(self) -> int:
        return max(0, self.amount - self.used - self.held - self.others)

    def empty_in(self, now: float) -> float:
        """Seconds until nothing counts any more."""
        return max(0.0, (self._parts[-1][0] + SLICES + 1) * self._slice - now) if self._parts else 0.0
