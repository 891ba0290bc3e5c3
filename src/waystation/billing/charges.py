"""Charges that are no usage: seats, what falls short of a commitment, and credits."""

import datetime as dt
from collections import defaultdict
from enum import StrEnum

import msgspec

from waystation.billing.books import Books
from waystation.billing.period import Month
from waystation.model.billing import Credit, Scope


class Kind(StrEnum):
    USAGE = "usage"
    CORRECTION = "correction"
    """Usage of the past, rated again."""
    SEATS = "seats"
    COMMITMENT = "commitment"
    """What usage fell short of a commitment."""
    CREDIT = "credit"


class Charge(msgspec.Struct, frozen=True):
    """One of them, for one month."""

    kind: Kind
    name: str
    provider: str
    cost_center: str
    list_nano: int
    billed_nano: int
    quantity: int = 1
    note: str = ""


def charges(books: Books, month: Month, today: dt.date) -> list[Charge]:
    """The month's charges, in the policy's order.

    A seat counts for each month that its days touch. A commitment counts for each month on whose first day it
    holds; what is missing is charged once the month is over. Credits are drawn day by day, in the policy's order,
    from billed usage; never more than there is of either. Corrections draw no credit and fill no commitment.
    """
    found = [_seats(s.name, s.provider, s.cost_center, s.monthly_nano, s.count)
             for s in books.terms.seats if _touches(s, month) and s.count]  # fmt: skip
    credits_ = _credits(books, month)  # reads the longest stretch, and first: the others then lie within it
    return [*found, *_shortfalls(books, month, today), *credits_]


def _seats(name: str, provider: str, cost_center: str, monthly: int, count: int) -> Charge:
    total = monthly * count
    note = f"{count} seat{'' if count == 1 else 's'}"
    return Charge(Kind.SEATS, name or "seats", provider, cost_center, total, total, count, note)


def _touches(scope: Scope, month: Month) -> bool:
    starts = scope.since is None or scope.since < month.after
    return starts and (scope.until is None or scope.until >= month.first)


def _shortfalls(books: Books, month: Month, today: dt.date) -> list[Charge]:
    held = [c for c in books.terms.commitments if c.holds_on(month.first)]
    if not held or today < month.after:
        return []
    used = _by_day(books, month.first, month.after)
    found: list[Charge] = []
    for commitment in held:
        spent = sum(n for (day, p, m), n in used.items() if commitment.covers(p, m, day))
        missing = commitment.monthly_nano - spent
        if missing > 0:
            name = commitment.name or "commitment"
            found.append(Charge(Kind.COMMITMENT, name, commitment.provider, "", missing, missing))
    return found


def _credits(books: Books, month: Month) -> list[Charge]:
    given = books.terms.credits
    if not any(c.since is None or c.since < month.after for c in given):
        return []
    starts = [c.since for c in given]
    since = None if None in starts else min(s for s in starts if s is not None)
    left = [c.amount_nano for c in given]
    drawn: dict[tuple[int, str], int] = defaultdict(int)
    for (day, provider, model), billed in sorted(_by_day(books, since, month.after).items()):
        for i, credit in enumerate(given):
            if billed <= 0:
                break
            if left[i] > 0 and credit.covers(provider, model, day):
                taken = min(left[i], billed)
                left[i] -= taken
                billed -= taken
                if day >= month.first:
                    drawn[i, provider] += taken
    return [_credit(given[i], provider, taken) for (i, provider), taken in sorted(drawn.items())]


def _credit(credit: Credit, provider: str, taken: int) -> Charge:
    return Charge(Kind.CREDIT, credit.name or "credit", provider, "", -taken, -taken)


def _by_day(books: Books, since: dt.date | None, before: dt.date) -> dict[tuple[dt.date, str, str], int]:
    """Billed usage by day, provider and the provider's model."""
    where = books.prepare(since, before)
    rows = books.query(
        "SELECT date, coalesce(provider, ''), coalesce(upstream_model, ''), sum(billed_nano) "  # noqa: S608
        f"FROM bill_usage WHERE {where} AND cost_nano IS NOT NULL GROUP BY ALL"
    )
    return {(day, provider, model): int(nano) for day, provider, model, nano in rows}
