"""An account as people and programs are shown it."""

from typing import Any

from waystation.limits.accounts import BudgetAccount, RateAccount
from waystation.limits.windows import SlidingWindow


def state_of(account: BudgetAccount | RateAccount, now: float) -> dict[str, Any]:
    """Plain values. Money in nano-dollars, times in Unix seconds."""
    rule = account.rule
    found: dict[str, Any] = {"rule": rule.rule, "name": rule.name, "per": rule.per, "owner": account.owner}
    if isinstance(account, BudgetAccount):
        return found | {
            "kind": "budget",
            "used": account.used,
            "reserved": account.reserved,
            "limit": account.limit,
            "raised_by": account.limit - account.rule.amount,
            "period": account.rule.period,
            "resets_at": account.end,
            "percent": account.percent,
            "hard": account.rule.hard,
            "downgrade_to": account.rule.downgrade_to,
            "downgrade_at": account.rule.downgrade_at if account.rule.downgrade_to else None,
        }
    windows = {
        kind: _window(window, now)
        for kind, window in (("requests", account.requests), ("tokens", account.tokens))
        if window is not None
    }
    places = account.rule.concurrent
    if places is not None:
        used = account.in_flight + account.others_in_flight
        windows["concurrent"] = {"used": used, "limit": places, "percent": used * 100 // places}
    return (
        found
        | {
            "kind": "limit",
            "percent": max((w["percent"] for w in windows.values()), default=0),
        }
        | windows
    )


def _window(window: SlidingWindow, now: float) -> dict[str, Any]:
    window.forget(now)
    used = window.amount - window.left
    return {
        "used": used,
        "limit": window.amount,
        "seconds": window.seconds,
        "percent": used * 100 // window.amount,
    }
