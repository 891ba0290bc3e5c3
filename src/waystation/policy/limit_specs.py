"""The sections `limits`, `budgets` and `spending` of the policy document: their fields, and what each is for."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_WINDOW = r"^[1-9][0-9]{0,11}/([1-9][0-9]{0,3})?[smhd]$"
Rate = Annotated[
    str,
    Meta(
        pattern=_WINDOW,
        extra={"expected": "so many in so long a time, such as `60/1m`, `2000000/1h` or `500/1d`"},
    ),
]
Name = Annotated[str, Meta(pattern=r"^[^\x00-\x1f]{1,254}$", extra={"expected": "a name"})]
Usd = Annotated[
    Decimal,
    Meta(
        extra_json_schema={"type": ["number", "string"], "format": None, "minimum": 0},
        extra={"decimals": 9, "most": 1_000_000_000, "expected": "an amount in US dollars, e.g. `2.50`"},
    ),
]
Percent = Annotated[int, Meta(ge=1, le=100)]


class CoverageSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which requests count. Lists that are given must all fit; one that is left out fits everything."""

    users: Annotated[
        tuple[Name, ...], Meta(description="Only these people and service accounts, by name.")
    ] = ()
    groups: Annotated[
        tuple[Name, ...], Meta(description="Only members of these groups (or `everyone`).")
    ] = ()
    cost_centers: Annotated[
        tuple[Name, ...], Meta(description="Only people who are charged to these cost centres.")
    ] = ()
    models: Annotated[
        tuple[Name, ...],
        Meta(description="Only requests for these models of the policy (`*` may stand for text)."),
    ] = ()
    tools: Annotated[
        tuple[Name, ...], Meta(description="Only requests of these coding tools: `claude`, `codex`, …")
    ] = ()
    services: Annotated[
        bool | None,
        Meta(description="`true`: only service accounts; `false`: only people; unset: both."),
    ] = None


class LimitSpec(CoverageSpec, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much may be asked for in a time, or at once. The windows slide: there is no full hour to wait for."""

    per: Annotated[
        Literal["user", "service", "group", "cost_center", "model", "tool", "organisation"],
        Meta(
            description="Who has the allowance: each `user` (person or service account), each `service` account, "
            "each `group`, `cost_center`, `model` or `tool` its own; or all together (`organisation`)."
        ),
    ] = "user"
    requests: Annotated[Rate | None, Meta(description="Requests in a time: `60/1m`.")] = None
    tokens: Annotated[
        Rate | None,
        Meta(description="Tokens in a time, prompt and answer, cached ones included: `2000000/1h`."),
    ] = None
    concurrent: Annotated[
        Annotated[int, Meta(ge=1, le=1_000_000)] | None, Meta(description="Requests under way at once.")
    ] = None


class DowngradeSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """From when on a cheaper model answers instead."""

    to: Annotated[Name, Meta(description="The model, by its name in `models`.")]
    at: Annotated[
        Percent,
        Meta(
            description="Percent of the budget from which on it answers; `100`: once a request no longer fits."
        ),
    ] = 80


class BudgetSpec(CoverageSpec, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much may be spent in a day, week or month. They begin at 00:00 UTC, weeks on Monday."""

    usd: Annotated[Usd, Meta(description="The amount, in US dollars.")]
    every: Annotated[
        Literal["day", "week", "month"],
        Meta(description="The period, by UTC: a calendar day, a week from Monday, a calendar month."),
    ] = "month"
    per: Annotated[
        Literal["user", "service", "group", "cost_center", "model", "organisation"],
        Meta(description="Whose money it is; as for `limits`."),
    ] = "user"
    notify: Annotated[
        tuple[Percent, ...],
        Meta(description="Percents of it at which an event is kept and the developer gets a notice."),
    ] = (80,)
    downgrade: Annotated[
        DowngradeSpec | None, Meta(description="A cheaper model for the rest of the period; see below.")
    ] = None
    at_limit: Annotated[
        Literal["refuse", "notify"],
        Meta(
            description="What happens at the end of it: requests are refused, or an event is kept, and no more."
        ),
    ] = "refuse"


class SpendingSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a request is counted before its price is known."""

    unknown_price: Annotated[
        Literal["allow", "refuse"],
        Meta(description="What happens to a request whose price nobody knows, where a budget covers it."),
    ] = "allow"
    reserve_output: Annotated[
        Annotated[int, Meta(ge=1, le=10_000_000)],
        Meta(
            description="Tokens of answer that a request is taken to need at most until it is over, where neither it "
            "nor its model allows fewer. An answer longer than this can overdraw a budget."
        ),
    ] = 32_000
