"""What is agreed about money beside list prices: discounts, commitments, credits, seats, factors.

Amounts are integers: nano-dollars (1e-9 USD), and parts per million where a share is meant.
"""

import datetime
import functools
import re

import msgspec

MILLION = 1_000_000


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Which usage something is about. Days are UTC, the last one included."""

    name: str = ""
    """What people call it, e.g. the contract's number."""
    provider: str = ""
    """The policy's provider id; empty for all."""
    models: tuple[str, ...] = ("*",)
    """The provider's own model ids; each `*` stands for any text."""
    since: datetime.date | None = None
    until: datetime.date | None = None

    def holds_on(self, day: datetime.date) -> bool:
        return (self.since is None or self.since <= day) and (self.until is None or day <= self.until)

    def covers(self, provider: str, model: str, day: datetime.date) -> bool:
        return self.reaches(provider, model) and self.holds_on(day)

    def reaches(self, provider: str, model: str) -> bool:
        """Whether it is about this model at all, on some day."""
        return self.provider in ("", provider) and any(_pattern(p).fullmatch(model) for p in self.models)


class PriceFactor(Scope, frozen=True, kw_only=True):
    """Multiplies the price: a region's uplift, or what a service tier costs where no rate says it."""

    factor_ppm: int
    """Parts per million: 1_100_000 makes it a tenth dearer."""
    tier: str = ""
    """Only for this service tier, as the provider says it served it (`batch`); empty for all."""


class Discount(Scope, frozen=True, kw_only=True):
    """So much less than the list price."""

    discount_ppm: int


class Commitment(Scope, frozen=True, kw_only=True):
    """So much is paid each month, used or not."""

    monthly_nano: int


class Credit(Scope, frozen=True, kw_only=True):
    """Usage is paid out of it until it is used up."""

    amount_nano: int


class Seats(Scope, frozen=True, kw_only=True):
    """Subscriptions: the seat has a price, and what it covers is billed at nothing."""

    monthly_nano: int
    """Of one seat."""
    count: int = 1
    cost_center: str = ""
    """Who pays for the seats; empty where nobody in particular."""


class BillingTerms(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that turns list cost into the bill. The first discount and the first seats that fit apply."""

    account: str = "waystation"
    """Id of the billing account in exports."""
    account_name: str = "Waystation"
    discounts: tuple[Discount, ...] = ()
    commitments: tuple[Commitment, ...] = ()
    credits: tuple[Credit, ...] = ()
    seats: tuple[Seats, ...] = ()

    def kept_ppm(self, provider: str, model: str, day: datetime.date) -> int:
        """The share of the list price that remains after discounts; seats are not looked at."""
        found = next((d for d in self.discounts if d.covers(provider, model, day)), None)
        return MILLION if found is None else MILLION - found.discount_ppm

    def seats_of(self, provider: str, model: str, day: datetime.date) -> Seats | None:
        """The seats that cover such usage."""
        return next((s for s in self.seats if s.covers(provider, model, day)), None)


@functools.lru_cache(1024)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, text.split("*"))), re.DOTALL)
