"""The `billing` section: what is agreed beside list prices."""

import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from waystation.model.billing import BillingTerms, Commitment, Credit, Discount, PriceFactor, Scope, Seats

_MOST_USD = 1_000_000_000
_NUMBER = {"type": ["number", "string"], "format": None, "minimum": 0}
Percent = Annotated[
    Decimal,
    Meta(
        extra_json_schema=_NUMBER | {"maximum": 100},
        extra={"decimals": 4, "most": 100, "expected": "a percentage, e.g. `12.5`"},
    ),
]
Factor = Annotated[
    Decimal,
    Meta(
        extra_json_schema=_NUMBER | {"maximum": 1000},
        extra={"decimals": 6, "most": 1000, "expected": "a factor, e.g. `1.1`"},
    ),
]
Usd = Annotated[
    Decimal,
    Meta(
        extra_json_schema=_NUMBER,
        extra={"decimals": 9, "most": _MOST_USD, "expected": "US dollars, e.g. `200` or `19.99`"},
    ),
]


class ScopeSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which usage it is about."""

    name: Annotated[str, Meta(description="What people call it on the bill, e.g. the contract's number.")] = (
        ""
    )
    provider: Annotated[str, Meta(description="Which of `providers`; unset: all.")] = ""
    models: Annotated[
        tuple[str, ...],
        Meta(description="The provider's own model ids; each `*` stands for any text."),
    ] = ("*",)
    since: Annotated[
        datetime.date | None, Meta(description="First day (UTC), `YYYY-MM-DD`; unset: always.")
    ] = None
    until: Annotated[
        datetime.date | None, Meta(description="Last day (UTC), `YYYY-MM-DD`; unset: without end.")
    ] = None


class DiscountSpec(ScopeSpec, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """So many per cent less than the list price. The first that fits applies."""

    percent: Annotated[Percent, Meta(description="Off the list price: `12.5` for 12.5 %.")]


class FactorSpec(ScopeSpec, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Multiplies the price: a region's uplift, or a tier's share. All that fit are multiplied."""

    factor: Annotated[Factor, Meta(description="`1.1` makes it a tenth dearer; `0.5` halves it.")]
    tier: Annotated[
        str,
        Meta(
            description="Only for this service tier, as the provider says it served it (`batch`), and only where "
            "the price has no rates for it; unset: always."
        ),
    ] = ""


class CommitmentSpec(ScopeSpec, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """So much is paid each whole month, used or not: what usage falls short of it is billed after the month."""

    monthly: Annotated[Usd, Meta(description="US dollars a month, after discounts.")]


class CreditSpec(ScopeSpec, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Usage is paid out of it, from its first day on, until it is used up."""

    amount: Annotated[Usd, Meta(description="US dollars in all.")]


class SeatsSpec(ScopeSpec, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Subscriptions. Usage that they cover is billed at nothing; its list price is kept beside."""

    monthly: Annotated[Usd, Meta(description="US dollars a month, of one seat.")]
    count: Annotated[Annotated[int, Meta(ge=0, le=10_000_000)], Meta(description="How many seats.")] = 1
    cost_center: Annotated[str, Meta(description="Who pays for the seats.")] = ""


class BillingSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is agreed about money, beside list prices."""

    account: Annotated[str, Meta(description="Id of the billing account in exports.")] = "waystation"
    account_name: Annotated[str, Meta(description="Its name.")] = "Waystation"
    discounts: Annotated[tuple[DiscountSpec, ...], Meta(description="Less than the list price.")] = ()
    factors: Annotated[tuple[FactorSpec, ...], Meta(description="Regions and tiers with other prices.")] = ()
    commitments: Annotated[
        tuple[CommitmentSpec, ...], Meta(description="What is paid each month, used or not.")
    ] = ()
    credits: Annotated[tuple[CreditSpec, ...], Meta(description="What usage is paid out of first.")] = ()
    seats: Annotated[tuple[SeatsSpec, ...], Meta(description="Subscriptions.")] = ()


LISTS = ("discounts", "factors", "commitments", "credits", "seats")
S = TypeVar("S", bound=Scope)


def terms_of(spec: BillingSpec) -> BillingTerms:
    """The section as integers."""
    return BillingTerms(
        account=spec.account,
        account_name=spec.account_name,
        discounts=tuple(_of(Discount, s, discount_ppm=_scaled(s.percent, 4)) for s in spec.discounts),
        commitments=tuple(_of(Commitment, s, monthly_nano=_scaled(s.monthly, 9)) for s in spec.commitments),
        credits=tuple(_of(Credit, s, amount_nano=_scaled(s.amount, 9)) for s in spec.credits),
        seats=tuple(
            _of(Seats, s, monthly_nano=_scaled(s.monthly, 9), count=s.count, cost_center=s.cost_center)
            for s in spec.seats
        ),
    )


def factors_of(spec: BillingSpec) -> tuple[PriceFactor, ...]:
    """What the price book multiplies by."""
    return tuple(
        _of(PriceFactor, s, factor_ppm=_scaled(s.factor, 6), tier=s.tier.lower()) for s in spec.factors
    )


def _of(kind: type[S], spec: ScopeSpec, **own: Any) -> S:
    return kind(
        name=spec.name,
        provider=spec.provider,
        models=spec.models,
        since=spec.since,
        until=spec.until,
        **own,
    )


def _scaled(amount: Decimal, scale: int) -> int:
    """Exact: the reader refuses more decimals than `scale`."""
    return int(amount.scaleb(scale).to_integral_value(ROUND_HALF_UP))
