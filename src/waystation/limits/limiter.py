"""The limiter: all accounts of one gateway process, and the one function through which every request goes."""

from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from waystation.limits.accounts import BudgetAccount, RateAccount
from waystation.limits.coverage import Index, Who, asks_for, owners
from waystation.limits.events import EventKind, EventQueue, LimitEvent
from waystation.limits.ticket import Charges, Ticket
from waystation.policy.limit_rules import BudgetRule, LimitRule, Rules

_REMEMBERED = 200_000
"""Combinations of person, model and tool whose accounts are known at once."""
_RESERVED_SECONDS = 3600.0
"""After which a reservation is taken back whatever became of its request. A safety net: the relay closes each."""

What = Literal["requests", "tokens", "concurrent", "budget", "unknown_price"]
NOTHING: frozenset[str] = frozenset()


class Over(msgspec.Struct, frozen=True):
    """It does not fit. All figures are of one reading."""

    what: What
    account: BudgetAccount | RateAccount
    used: int
    reserved: int
    wanted: int
    limit: int
    until: float
    """Unix seconds at which there may be room."""

    @property
    def rule(self) -> LimitRule | BudgetRule:
        return self.account.rule


class Lower(msgspec.Struct, frozen=True):
    """A cheaper model is to answer."""

    over: Over
    to: str
    must: bool
    """It does not fit otherwise; else it merely is to be cheaper from here on."""


class Raise(msgspec.Struct, frozen=True):
    """More money for a time, by somebody who may say so."""

    budget: str
    owner: str
    """Name of the person, group, …; empty: everybody under that budget."""
    amount: int
    """Nano-dollars."""
    until: float


class Limiter:
    """Lives on one event loop. Nothing here waits, reads a clock or knows of a network."""

    def __init__(self) -> None:
        self.rules = Rules()
        self.active = False
        """There is anything to hold requests against."""
        self.events = EventQueue()
        self.node = ""
        self.open: dict[str, Ticket] = {}
        """Tickets of requests under way, by request id."""
        self.budgets: dict[tuple[str, str], BudgetAccount] = {}
        self.rates: dict[tuple[str, str], RateAccount] = {}
        self.watchers: list[set[BudgetAccount | RateAccount]] = []
        """Sets to which every account is added that a request has used, for those who go through them now and then."""
        self._raises: tuple[Raise, ...] = ()
        self._budget_index: Index[BudgetRule] = Index(())
        self._limit_index: Index[LimitRule] = Index(())
        self._charges: dict[tuple[str, str, str], Charges] = {}
        self._generation = 0

    # ---------------------------------------------------------------- what holds
    def apply(self, rules: Rules, now: float) -> frozenset[str]:
        """Puts a policy's rules in force. Accounts of rules that count the same things go on.

        Gives the names of budgets that begin with nothing, for the ledger to tell what was spent before.
        """
        before = {rule.name: rule for rule in self.rules.budgets}
        fresh = frozenset(r.name for r in rules.budgets if not _same_count(before.get(r.name), r))
        kept = {rule.name: rule for rule in rules.budgets if rule.name not in fresh}
        self.budgets = {key: account for key, account in self.budgets.items() if key[0] in kept}
        for account in self.budgets.values():
            account.rule = kept[account.rule.name]
            account.set_raises(account.raises, now)
        limits = {rule.name: rule for rule in self.rules.limits}
        same = {rule.name for rule in rules.limits if limits.get(rule.name) == rule}
        self.rates = {key: account for key, account in self.rates.items() if key[0] in same}
        self.rules = rules
        self.active = rules.any
        self._budget_index = Index(rules.budgets)
        self._limit_index = Index(rules.limits)
        self.forget()
        return fresh

    def forget(self) -> None:
        """Asks anew who falls under what."""
        self._charges.clear()
        self._generation += 1

    def set_raises(self, raises: Iterable[Raise], now: float) -> None:
        self._raises = tuple(raises)
        for account in self.budgets.values():
            account.set_raises(self._raised(account), now)

    # ---------------------------------------------------------------- requests
    def charges(self, principal: object, id_: str, model: str, tool: str, who: Callable[[], Who]) -> Charges:
        key = (id_, model, tool)
        found = self._charges.get(key)
        if found is None or found.principal is not principal:
            if len(self._charges) >= _REMEMBERED:
                self._charges.pop(next(iter(self._charges)))
            found = self._charges[key] = self._find(principal, who(), model, tool)
        return found

    def admit(
        self,
        charges: Charges,
        request_id: str,
        *,
        estimate: int | None,
        tokens: int,
        now: float,
        skip: frozenset[str] = NOTHING,
    ) -> Ticket | Over | Lower:
        """Holds a request against everything that covers it, and takes what it may need; or takes nothing.

        `estimate`: the most it is taken to cost, in nano-dollars; None where no price is known, 0 where it is
        free: money never stops what is free. `tokens`: the most it is taken to use. `skip`: budgets whose
        downgrade is out of the question.
        """
        budgets = charges.budgets
        for budget in budgets:
            if now >= budget.end or budget.raises:
                budget.refresh(now)
        if estimate is None:
            if self.rules.refuse_unknown_price and budgets:
                account = budgets[0]
                return Over("unknown_price", account, account.used, account.reserved, 0, account.limit, 0.0)
            estimate = 0
        if estimate:
            lower: Lower | None = None
            for budget in budgets:
                if budget.taken + estimate <= budget.safe:
                    continue
                found = self._beyond(budget, estimate, charges.model, skip, lower)
                if isinstance(found, Over):
                    return found
                lower = found
            if lower is not None:
                return lower
        for rate in charges.rates:
            refused = _rate_over(rate, tokens, now)
            if refused is not None:
                return refused
        ticket = Ticket(request_id, charges, self._generation, estimate, tokens, now)
        self.open[request_id] = ticket
        if self.watchers:
            self._watched(ticket)
        return ticket

    @staticmethod
    def _beyond(
        budget: BudgetAccount, estimate: int, model: str, skip: frozenset[str], lower: Lower | None
    ) -> Lower | Over | None:
        """What becomes of a request that a budget does not simply let pass. `lower`: what another has said."""
        rule = budget.rule
        full = budget.taken + estimate > budget.limit and rule.hard
        cheaper = bool(rule.downgrade_to) and rule.downgrade_to != model and rule.name not in skip
        if full and not cheaper:
            return _over(budget, estimate)
        if cheaper and (lower is None or (full and not lower.must)):
            return Lower(_over(budget, estimate), rule.downgrade_to, must=full)
        return lower

    def charge(self, ticket: Ticket, cost: int | None, tokens: int, now: float) -> None:
        """What one attempt of it came to."""
        charges = ticket.charges
        reached = ticket.charge(cost, tokens, now)
        if ticket.generation != self._generation and cost:  # the rules changed meanwhile
            current = self._find(charges.principal, charges.who, charges.model, charges.tool).budgets
            for budget in current:
                if budget not in ticket.budgets:
                    budget.refresh(now)
                    budget.spend(cost)
        for budget in reached or ():
            for percent in budget.new_notices():
                over = _over(budget, 0)
                self.note("notified", over, charges, ticket.request_id, now, percent)

    def close(self, ticket: Ticket) -> None:
        ticket.close()
        self.open.pop(ticket.request_id, None)
        if self.watchers:
            self._watched(ticket)

    def _watched(self, ticket: Ticket) -> None:
        for watcher in self.watchers:
            watcher.update(ticket.budgets)
            watcher.update(ticket.rates)

    def sweep(self, now: float) -> int:
        """Takes back reservations of requests that nobody has closed. Each is a bug; gives how many."""
        late = [ticket for ticket in self.open.values() if ticket.began + _RESERVED_SECONDS <= now]
        for ticket in late:
            self.close(ticket)
        return len(late)

    def tidy(self, now: float) -> None:
        """Forgets accounts that nothing counts on: now and then, so that memory does not grow with people."""
        self.rates = {key: account for key, account in self.rates.items() if not account.idle(now)}
        self.budgets = {
            key: account for key, account in self.budgets.items() if account.reserved or now < account.end
        }
        self.forget()

    def note(
        self,
        kind: EventKind,
        over: Over,
        charges: Charges,
        request_id: str,
        now: float,
        percent: int = 0,
    ) -> None:
        """Keeps an event."""
        who = charges.who
        self.events.put(
            LimitEvent(
                at_us=int(now * 1e6),
                kind=kind,
                rule=over.rule.rule,
                what=over.what,
                per=over.rule.per,
                owner=over.account.owner,
                principal_id=who.id,
                principal_name=who.name,
                cost_center=who.cost_center,
                tool=charges.tool,
                model=charges.model,
                used=over.used,
                reserved=over.reserved,
                wanted=over.wanted,
                limit=over.limit,
                until_us=int(over.until * 1e6),
                percent=percent,
                request_id=request_id,
                node=self.node,
            )
        )

    # ---------------------------------------------------------------- accounts
    def spent_before(
        self, fresh: frozenset[str], spent: Iterable[tuple[Who, str, str, dict[str, int]]], now: float
    ) -> None:
        """What the ledger has of the present periods from before this process counted.

        `spent`: who, the model's name in the policy, the tool, and nano-dollars by period (`day`, `week`, `month`).
        """
        sums: dict[tuple[str, str], int] = {}
        owner_of: dict[tuple[str, str], tuple[BudgetRule, str]] = {}
        for who, model, tool, amounts in spent:
            for rule in self._budget_index.about(who):
                amount = amounts.get(rule.period, 0)
                if amount and rule.name in fresh and asks_for(rule, model, tool):
                    for key, owner in owners(rule, who, model, tool):
                        sums[rule.name, key] = sums.get((rule.name, key), 0) + amount
                        owner_of[rule.name, key] = (rule, owner)
        for (name, key), amount in sums.items():
            rule, owner = owner_of[name, key]
            account = self._budget(rule, key, owner, now)
            account.refresh(now)
            account.set_before(amount)
            account.new_notices()  # they were told before

    def accounts_of(self, who: Who, now: float) -> list[BudgetAccount | RateAccount]:
        """What a person has: of every rule that covers them, whatever they ask for. Makes none."""
        found: list[BudgetAccount | RateAccount] = []
        for rule in self._budget_index.about(who):
            if rule.per == "model":
                found += [a for (name, _), a in self.budgets.items() if name == rule.name]
            else:
                for key, owner in owners(rule, who, "", ""):
                    found.append(
                        self.budgets.get((rule.name, key)) or self._new_budget(rule, key, owner, now)
                    )
        for limit in self._limit_index.about(who):
            if limit.per in ("model", "tool"):
                found += [a for (name, _), a in self.rates.items() if name == limit.name]
            else:
                for key, owner in owners(limit, who, "", ""):
                    found.append(self.rates.get((limit.name, key)) or RateAccount(limit, key, owner))
        for account in found:
            if isinstance(account, BudgetAccount):
                account.refresh(now)
        return found

    def _find(self, principal: object, who: Who, model: str, tool: str) -> Charges:
        budgets, rates = [], []
        for rule in self._budget_index.about(who):
            if asks_for(rule, model, tool):
                budgets += [self._budget(rule, k, o, None) for k, o in owners(rule, who, model, tool)]
        for limit in self._limit_index.about(who):
            if asks_for(limit, model, tool):
                rates += [self._rate(limit, k, o) for k, o in owners(limit, who, model, tool)]
        return Charges(principal, who, model, tool, tuple(budgets), tuple(rates))

    def _budget(self, rule: BudgetRule, key: str, owner: str, now: float | None) -> BudgetAccount:
        account = self.budgets.get((rule.name, key))
        if account is None:
            account = self.budgets[rule.name, key] = self._new_budget(rule, key, owner, now or 0.0)
        return account

    def _new_budget(self, rule: BudgetRule, key: str, owner: str, now: float) -> BudgetAccount:
        """One made without knowing the time begins its period at the first request."""
        account = BudgetAccount(rule, key, owner, now)
        account.set_raises(self._raised(account), now)
        return account

    def _raised(self, account: BudgetAccount) -> tuple[tuple[int, float], ...]:
        return tuple(
            (r.amount, r.until)
            for r in self._raises
            if r.budget == account.rule.name
            and (not r.owner or r.owner.lower() in (account.owner.lower(), account.key.lower()))
        )

    def _rate(self, rule: LimitRule, key: str, owner: str) -> RateAccount:
        account = self.rates.get((rule.name, key))
        if account is None:
            account = self.rates[rule.name, key] = RateAccount(rule, key, owner)
        return account


def _over(budget: BudgetAccount, wanted: int) -> Over:
    return Over("budget", budget, budget.used, budget.reserved, wanted, budget.limit, float(budget.end))


def _rate_over(rate: RateAccount, tokens: int, now: float) -> Over | None:
    places = rate.rule.concurrent
    if places is not None and rate.in_flight + rate.others_in_flight >= places:
        return Over("concurrent", rate, rate.in_flight + rate.others_in_flight, 0, 1, places, now + 1.0)
    window = rate.requests
    if window is not None and not window.fits(now, 1):
        until = now + window.free_in(now, 1)
        return Over("requests", rate, window.used + window.others, window.held, 1, window.amount, until)
    window = rate.tokens
    if window is not None and not window.fits(now, tokens):
        until = now + window.free_in(now, tokens)
        return Over("tokens", rate, window.used + window.others, window.held, tokens, window.amount, until)
    return None


def _same_count(before: BudgetRule | None, after: BudgetRule) -> bool:
    """Whether both count the same money of the same people."""
    return before is not None and (before.per, before.coverage, before.period) == (
        after.per,
        after.coverage,
        after.period,
    )
