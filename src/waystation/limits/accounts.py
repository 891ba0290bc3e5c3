"""What one person, group, model … has used of one rule. Plain integers on one event loop; `now` is passed in."""

from waystation.limits.periods import bounds
from waystation.limits.windows import SlidingWindow
from waystation.policy.limit_rules import BudgetRule, LimitRule, Window


class BudgetAccount:
    """Money of one owner under one budget, in the present period.

    `taken` = `before` (the ledger's, from before this process) + `spent` (since) + `others` (other gateways') +
    `reserved` (requests under way). Kept as one sum beside its parts, for the hot path.
    """

    __slots__ = (
        "before",
        "end",
        "key",
        "limit",
        "next_notice",
        "others",
        "owner",
        "raises",
        "reserved",
        "rule",
        "safe",
        "spent",
        "start",
        "taken",
        "told",
    )

    def __init__(self, rule: BudgetRule, key: str, owner: str, now: float) -> None:
        self.rule = rule
        self.key = key
        self.owner = owner
        """As the sentence calls it: a name."""
        self.start, self.end = bounds(rule.period, now)
        self.before = self.spent = self.others = self.reserved = self.taken = 0
        self.raises: tuple[tuple[int, float], ...] = ()
        """(nano-dollars, until)."""
        self.told = 0
        """How many of the rule's thresholds have been told in this period."""
        self.limit = rule.amount
        self.safe = 0
        """Up to here nothing of this budget changes what becomes of a request."""
        self.next_notice: int | None = None
        self._set_limit(now)

    def refresh(self, now: float) -> None:
        """Begins a new period if the old one is over, and forgets raises that have run out."""
        if now >= self.end:
            self.start, self.end = bounds(self.rule.period, now)
            self.before = self.spent = self.others = 0
            self.taken = self.reserved
            self.told = 0
            self._set_limit(now)
        elif self.raises:
            self._set_limit(now)

    def set_raises(self, raises: tuple[tuple[int, float], ...], now: float) -> None:
        self.raises = raises
        self._set_limit(now)

    def set_before(self, amount: int) -> None:
        self.taken += amount - self.before
        self.before = amount

    def set_others(self, amount: int) -> None:
        self.taken += amount - self.others
        self.others = amount

    def spend(self, amount: int) -> None:
        self.spent += amount
        self.taken += amount

    @property
    def used(self) -> int:
        """Spent by anybody in this period, without what is reserved here."""
        return self.before + self.spent + self.others

    def new_notices(self) -> list[int]:
        """The percents that have been reached since this was last asked."""
        notify, used = self.rule.notify, self.used
        found = []
        while self.told < len(notify) and used * 100 >= notify[self.told] * self.limit:
            found.append(notify[self.told])
            self.told += 1
        self._set_notice()
        return found

    @property
    def percent(self) -> int:
        return 100 if self.limit == 0 else self.used * 100 // self.limit

    def _set_limit(self, now: float) -> None:
        self.raises = tuple(r for r in self.raises if r[1] > now)
        self.limit = self.rule.amount + sum(amount for amount, _ in self.raises)
        down_at = self.limit * self.rule.downgrade_at // 100
        self.safe = min(self.limit, down_at) if self.rule.downgrade_to else self.limit
        self._set_notice()

    def _set_notice(self) -> None:
        notify = self.rule.notify
        self.next_notice = -(-notify[self.told] * self.limit // 100) if self.told < len(notify) else None


class RateAccount:
    """Requests, tokens and places of one owner under one limit."""

    __slots__ = ("in_flight", "key", "others_in_flight", "owner", "requests", "rule", "tokens")

    def __init__(self, rule: LimitRule, key: str, owner: str) -> None:
        self.rule = rule
        self.key = key
        self.owner = owner
        self.requests = None if rule.requests is None else SlidingWindow(*_of(rule.requests))
        self.tokens = None if rule.tokens is None else SlidingWindow(*_of(rule.tokens))
        self.in_flight = 0
        self.others_in_flight = 0

    def idle(self, now: float) -> bool:
        """Nothing of it is in use, so that it could as well be made anew."""
        for window in (self.requests, self.tokens):
            if window is not None:
                window.forget(now)
                if window.used or window.held:
                    return False
        return self.in_flight == 0


def _of(window: Window) -> tuple[int, int]:
    return window.amount, window.seconds
