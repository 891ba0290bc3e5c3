"""What a person is told: one sentence that says which limit, whose, until when, and where to ask."""

import datetime
import re

from waystation.limits.accounts import BudgetAccount
from waystation.limits.limiter import Lower, Over
from waystation.model import Refusal, RefusalKind
from waystation.policy.limit_rules import NANO, BudgetRule, LimitRule

PATIENCE = 60
"""Seconds: a longer wait is told as the end of an allowance, which tools show once, and not as a rate, which they
wait out or try again and again (`docs/decisions/limits.md`)."""
_PERIODS = {"day": "a day", "week": "a week", "month": "a month"}
_RETRIED = re.compile(r"429|5\d\d")
"""OpenCode tries again whatever has a status of that kind anywhere in its text (measured with 1.18.33)."""


def refusal(over: Over, contact: str, now: float, *, model: str) -> Refusal:
    rule = over.rule
    ask = f"ask {contact}" if contact else "ask whoever runs this gateway"
    if over.what == "unknown_price":
        return Refusal(
            RefusalKind.BUDGET_EXHAUSTED,
            f"The price of {model} is not known, and the budget “{rule.name}” of {_owner(over)} has no room for what "
            f"nobody can count: use another model, or {ask} to set its price.",
            rule="spending.unknown_price",
        )
    if isinstance(rule, BudgetRule):
        return _budget(over, rule, ask)
    return _rate(over, rule, ask, now)


def _budget(over: Over, rule: BudgetRule, ask: str) -> Refusal:
    whose = f"The budget “{rule.name}” of {_owner(over)}"
    until = when(over.until)
    amount = f"{usd(over.limit)} {_PERIODS[rule.period]}"
    if over.used >= over.limit:
        told = f"{whose} ({amount}) is used up until {until}: {ask} for more."
    elif over.wanted > over.limit:
        told = (
            f"{whose} ({amount}) is smaller than what this one request may cost ({usd(over.wanted, up=True)}): "
            f"ask for a shorter answer or a cheaper model, or {ask} for more."
        )
    else:
        left = max(0, over.limit - over.used)
        held = f", {usd(over.reserved)} of it held by requests under way" if over.reserved else ""
        told = (
            f"{whose} ({amount}) has {usd(left)} left until {until}{held}, and this request may cost "
            f"{usd(over.wanted, up=True)}: {ask} for more."
        )
    if _RETRIED.search(told):
        told = f"{whose} is used up until {until}: {ask} for more."
    return Refusal(RefusalKind.BUDGET_EXHAUSTED, told, rule=rule.rule, retry_after=None)


def _rate(over: Over, rule: LimitRule, ask: str, now: float) -> Refusal:
    wait = max(1, -int(-(over.until - now) // 1))
    if over.what == "concurrent":
        told = f"All {over.limit} places of the limit “{rule.name}” of {_owner(over)} are taken: try again in a moment"
        return Refusal(RefusalKind.RATE_LIMITED, f"{told}, or {ask} for more.", rule=rule.rule, retry_after=2)
    window = rule.requests if over.what == "requests" else rule.tokens
    assert window is not None
    noun = over.what if over.limit != 1 else over.what.removesuffix("s")
    amount = f"{over.limit:,} {noun} in {span(window.seconds)}"
    told = f"The limit “{rule.name}” of {_owner(over)} ({amount}) is used up until {when(over.until, exact=True)}"
    if wait <= PATIENCE:
        told += f" (in {wait} s): {ask} for more."
        return Refusal(RefusalKind.RATE_LIMITED, told, rule=rule.rule, retry_after=wait)
    told += f": {ask} for more."
    if _RETRIED.search(told):
        told = f"The limit “{rule.name}” of {_owner(over)} is used up for {span(wait)}: {ask} for more."
    return Refusal(RefusalKind.BUDGET_EXHAUSTED, told, rule=rule.rule, retry_after=wait)


def lowered(lower: Lower, asked: str) -> str:
    """The notice with an answer of the cheaper model. ASCII, for a header."""
    over = lower.over
    assert isinstance(over.account, BudgetAccount)
    why = "does not have room for it" if lower.must else f"is {over.account.percent} percent used"
    return (
        f'{lower.to} answers instead of {asked}: the budget "{over.rule.name}" of {_owner(over)} {why} '
        f"until {when(over.until)}"
    )


def warned(account: BudgetAccount) -> str:
    """The notice from the first threshold on. ASCII, for a header."""
    whose = "everybody" if account.rule.per == "organisation" else account.owner
    return (
        f'{account.percent} percent of the budget "{account.rule.name}" of {whose} is used '
        f"({usd(account.used)} of {usd(account.limit)} until {when(account.end)})"
    )


def _owner(over: Over) -> str:
    return owner(over.rule.per, over.account.owner)


def owner(per: str, name: str) -> str:
    match per:
        case "group":
            return f"the group {name}"
        case "cost_center":
            return f"the cost centre {name}"
        case "model":
            return f"the model {name}"
        case "organisation":
            return "the organisation"
    return name


def usd(nano: int, *, up: bool = False) -> str:
    """`$12.50`; small amounts with as many decimals as it takes to see something."""
    for decimals in (2, 4, 6):
        step = NANO // 10**decimals
        rounded = -(-nano // step) if up else nano // step
        if rounded >= 10 or nano == 0 or decimals == 6:
            return f"${rounded / 10**decimals:,.{decimals}f}"
    raise AssertionError("unreachable")


def span(seconds: int) -> str:
    """`a minute`, `5 minutes`, `90 s`."""
    for size, one in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0:
            count = seconds // size
            article = "an" if one == "hour" else "a"
            return f"{article} {one}" if count == 1 else f"{count} {one}s"
    return f"{seconds} s" if seconds < 120 else f"{-(-seconds // 60)} minutes"


def when(at: float, *, exact: bool = False) -> str:
    """`1 December 2026, 00:00 UTC`."""
    moment = datetime.datetime.fromtimestamp(at, datetime.UTC)
    clock = f"{moment:%H:%M:%S}" if exact else f"{moment:%H:%M}"
    return f"{moment.day} {moment:%B %Y}, {clock} UTC"
