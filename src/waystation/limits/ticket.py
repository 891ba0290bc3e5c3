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
    `close` may be called any number of times, and gives back once what was held.

    What is written out here instead of called is so for the hot path: a method for each account would be half of
    what admission costs.
    """

    __slots__ = ("began", "charges", "closed", "estimate", "generation", "request_id", "tokens")

    def __init__(
        self, request_id: str, charges: Charges, generation: int, estimate: int, tokens: int, now: float
    ) -> None:
        """Takes what it may need."""
        self.request_id = request_id
        self.charges = charges
        self.generation = generation
        """Of the limiter's rules."""
        self.estimate = estimate
        self.tokens = tokens
        self.began = now
        """What it costs belongs to the periods of this moment, however long it takes."""
        self.closed = False
        if estimate:
            for budget in charges.budgets:
                budget.reserved += estimate
                budget.taken += estimate
        for rate in charges.rates:
            rate.in_flight += 1
            if rate.requests is not None:
                rate.requests.add(now, 1)
            if rate.tokens is not None:
                rate.tokens.held += tokens

    @property
    def budgets(self) -> tuple[BudgetAccount, ...]:
        return self.charges.budgets

    @property
    def rates(self) -> tuple[RateAccount, ...]:
        return self.charges.rates

    def charge(self, cost: int | None, tokens: int, now: float) -> list[BudgetAccount] | None:
        """Counts what an attempt came to. Gives the budgets that have reached a threshold by it."""
        reached: list[BudgetAccount] | None = None
        if cost:
            began = self.began
            for budget in self.charges.budgets:
                if began >= budget.start:
                    budget.spent += cost
                    budget.taken += cost
                    notice = budget.next_notice
                    if notice is not None and budget.taken - budget.reserved >= notice:
                        reached = [*(reached or ()), budget]
        if tokens:
            for rate in self.charges.rates:
                if rate.tokens is not None:
                    rate.tokens.add(now, tokens)
        return reached

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        estimate = self.estimate
        if estimate:
            for budget in self.charges.budgets:
                budget.reserved -= estimate
                budget.taken -= estimate
        for rate in self.charges.rates:
            rate.in_flight -= 1
            if rate.tokens is not None:
                rate.tokens.held -= self.tokens
