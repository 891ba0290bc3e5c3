"""One request's hold on its allowances, from admission until it is over."""

import msgspec

from waystation.limits.accounts import BudgetAccount, RateAccount
from waystation.limits.coverage import Who


class Charges(msgspec.Struct, frozen=True, gc=False):
    """What one person's requests for one model by one tool are counted on."""

    principal: object
    """The very object that was asked for: another one may have other groups."""
    who: Who
    model: str
    tool: str
    budgets: tuple[BudgetAccount, ...]
    rates: tuple[RateAccount, ...]


class Ticket:
    """Given by `Limiter.admit`. Each attempt is charged once, by the relay's rule that an attempt has one row;
    `close` may be called any number of times, and gives back once what was held."""

    __slots__ = (
        "budgets",
        "charges",
        "closed",
        "estimate",
        "expires",
        "generation",
        "rates",
        "request_id",
        "starts",
        "tokens",
    )

    def __init__(
        self,
        request_id: str,
        charges: Charges,
        generation: int,
        estimate: int,
        tokens: int,
        expires: float,
    ) -> None:
        budgets = charges.budgets
        self.request_id = request_id
        self.charges = charges
        self.generation = generation
        """Of the limiter's rules."""
        self.budgets = budgets
        self.rates = charges.rates
        self.estimate = estimate
        self.tokens = tokens
        self.starts = tuple([b.start for b in budgets])
        """The periods it was let pass in: what it costs belongs there, however long it takes."""
        self.expires = expires
        self.closed = False

    def take(self, now: float) -> None:
        if self.estimate:
            for budget in self.budgets:
                budget.reserve(self.estimate)
        for rate in self.rates:
            rate.in_flight += 1
            if rate.requests is not None:
                rate.requests.add(now, 1)
            if rate.tokens is not None:
                rate.tokens.held += self.tokens

    def charge(self, cost: int | None, tokens: int, now: float) -> list[BudgetAccount]:
        """Counts what an attempt came to. Gives the budgets that have reached a threshold by it."""
        reached: list[BudgetAccount] = []
        if cost:
            for budget, start in zip(self.budgets, self.starts, strict=True):
                if budget.start == start and now < budget.end:
                    budget.spend(cost)
                    if budget.next_notice is not None and budget.used >= budget.next_notice:
                        reached.append(budget)
        if tokens:
            for rate in self.rates:
                if rate.tokens is not None:
                    rate.tokens.add(now, tokens)
        return reached

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self.estimate:
            for budget in self.budgets:
                budget.release(self.estimate)
        for rate in self.rates:
            rate.in_flight -= 1
            if rate.tokens is not None:
                rate.tokens.held -= self.tokens
