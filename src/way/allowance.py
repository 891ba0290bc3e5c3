"""What is left of a person's budgets and limits, as bars."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATIENCE = 2.0
"""Seconds: `way status` is to answer also where the gateway does not."""
_BAR = 20


def ask(gateway: str, token: str) -> list[dict[str, Any]] | None:
    """What the gateway says; None where it says nothing."""
    from way import http
    from way.errors import WayError

    try:
        answer = http.send(gateway, "/api/v1/me/limits", token=token, timeout=_PATIENCE)
    except WayError:
        return None
    found = answer.json().get("limits") if answer.status == 200 else None
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else None


def lines(limits: list[dict[str, Any]]) -> list[str]:
    """One line for each budget, and for each thing that a limit counts."""
    shown: list[str] = []
    for entry in limits:
        try:
            shown += _budget(entry) if entry["kind"] == "budget" else _limit(entry)
        except (KeyError, TypeError, ValueError):
            continue  # of a newer gateway: what we do not know we do not show
    return shown


def _budget(entry: dict[str, Any]) -> list[str]:
    used, limit = int(entry["used"]), int(entry["limit"])
    reset = time.strftime("%Y-%m-%d %H:%M", time.gmtime(int(entry["resets_at"])))
    words = f"{_usd(used)} of {_usd(limit)} a {entry['period']}{_whose(entry)}, anew {reset} UTC"
    if entry.get("downgrade_to"):
        words += f"; {entry['downgrade_to']} from {entry['downgrade_at']} % on"
    return [f"  {_bar(used, limit)}  budget {entry['name']}: {words}"]


def _limit(entry: dict[str, Any]) -> list[str]:
    shown = []
    for kind, unit in (("requests", "requests"), ("tokens", "tokens"), ("concurrent", "at once")):
        window = entry.get(kind)
        if window is None:
            continue
        used, limit = int(window["used"]), int(window["limit"])
        span = f" in {_span(int(window['seconds']))}" if "seconds" in window else ""
        shown.append(
            f"  {_bar(used, limit)}  limit {entry['name']}: {used:,} of {limit:,} {unit}{span}{_whose(entry)}"
        )
    return shown


def _whose(entry: dict[str, Any]) -> str:
    per, owner = entry["per"], entry["owner"]
    if per in ("user", "service"):
        return ""
    if per == "organisation":
        return " (of everybody)"
    return f" (of the {per.replace('cost_center', 'cost centre')} {owner})"


def _bar(used: int, limit: int) -> str:
    percent = 100 if limit <= 0 else used * 100 // limit
    full = min(_BAR, percent * _BAR // 100)
    return f"[{'#' * full}{'.' * (_BAR - full)}] {percent:>3} %"


def _usd(nano: int) -> str:
    return f"${nano / 1e9:,.2f}" if nano >= 10**8 or nano == 0 else f"${nano / 1e9:.4f}"


def _span(seconds: int) -> str:
    for size, letter in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"{seconds // size} {letter}"
    return f"{seconds} s"
