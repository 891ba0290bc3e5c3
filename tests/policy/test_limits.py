"""Limits and budgets in the policy document: what is taken, and what is refused with its line."""

import pytest

from tests.policy.documents import faults, plan_of
from waystation.policy.limit_rules import Window

BASE = """\
version: 1
providers: {r: {kind: rehearsal}}
models:
  big: {routes: [{provider: r}]}
  small: {routes: [{provider: r}], aliases: [tiny]}
  free: {routes: [{provider: r}]}
  auto: {choose: [{model: big}]}
  "x-*": {routes: [{provider: r}]}
access: {groups: {eng: {}}, contact: "#ai"}
"""


def test_limits_and_budgets_are_compiled() -> None:
    rules = plan_of(
        BASE
        + """\
limits:
  pace: {requests: 60/1m, tokens: 2000000/h, concurrent: 4, models: [tiny, "x-*"]}
budgets:
  team: {per: group, groups: [eng], usd: 0.5, every: week, notify: [90, 50], downgrade: {to: tiny, at: 70}}
  open: {usd: 2500000, per: organisation, at_limit: notify}
spending: {unknown_price: refuse, reserve_output: 8000}
"""
    ).rules
    (pace,) = rules.limits
    assert (pace.per, pace.requests, pace.tokens, pace.concurrent) == (
        "user",
        Window(60, 60),
        Window(2_000_000, 3600),
        4,
    )
    assert pace.coverage.covers_model("small")
    assert pace.coverage.covers_model("x-1")
    assert not pace.coverage.covers_model("big")
    team, open_ = rules.budgets
    assert (team.amount, team.period, team.notify) == (500_000_000, "week", (50, 90))
    assert (team.downgrade_to, team.downgrade_at, team.hard) == ("small", 70, True)
    assert (open_.amount, open_.hard, open_.downgrade_to) == (2_500_000 * 10**9, False, "")
    assert (rules.refuse_unknown_price, rules.reserve_output, rules.contact) == (True, 8000, "#ai")


@pytest.mark.parametrize(
    ("section", "line", "field", "words"),
    [
        ("budgets:\n  a: {usd: -1}", 11, "budgets.a.usd", "between 0 and"),
        ("budgets:\n  a: {usd: 1, groups: [engg]}", 11, "budgets.a.groups[0]", "did you mean “eng”?"),
        ("budgets:\n  a: {usd: 1, models: [bigg]}", 11, "budgets.a.models[0]", "did you mean “big”?"),
        (
            "budgets:\n  a:\n    usd: 1\n    downgrade: {to: bigg}",
            13,
            "budgets.a.downgrade.to",
            "did you mean",
        ),
        ("budgets:\n  a: {usd: 1, downgrade: {to: auto}}", 11, "budgets.a.downgrade.to", "smart route"),
        ("budgets:\n  a: {usd: 1, every: year}", 11, "budgets.a.every", "not valid here"),
        ("budgets:\n  a: {usd: 1, notify: [120]}", 11, "budgets.a.notify[0]", "at most 100"),
        ("budgets:\n  a: {every: day}", 11, "budgets.a", "`usd` is missing"),
        ("limits:\n  a: {requests: -5/1m}", 11, "limits.a.requests", "60/1m"),
        ("limits:\n  a: {requests: 5/2d}", 11, "limits.a.requests", "at most one day"),
        ("limits:\n  a: {concurrent: 0}", 11, "limits.a.concurrent", "at least 1"),
        ("limits:\n  a: {per: user}", 11, "limits.a", "at least one of"),
        (
            "limits:\n  a: {per: service, services: false, concurrent: 1}",
            11,
            "limits.a.services",
            "leaves them out",
        ),
        ("limits:\n  A b: {concurrent: 1}", 11, "limits.A b", "short name"),
    ],
)
def test_what_is_wrong_is_refused_with_line_and_reason(
    section: str, line: int, field: str, words: str
) -> None:
    found = faults(BASE + section + "\n")
    assert [(f[0], f[2]) for f in found] == [(line, field)], found
    assert words in found[0][3]


@pytest.mark.parametrize(
    ("budgets", "way"),
    [
        (
            "  a: {usd: 1, models: [big], downgrade: {to: small}}\n"
            "  b: {usd: 1, models: [tiny], downgrade: {to: big}}\n",
            "small → big → small",
        ),
        (
            "  a: {usd: 1, models: [big], downgrade: {to: small}}\n"
            "  b: {usd: 1, models: [small], downgrade: {to: free}}\n"
            "  c: {usd: 1, models: [free], downgrade: {to: big}}\n",
            "free → big → small → free",
        ),
        (
            "  a: {usd: 1, downgrade: {to: small}}\n  b: {usd: 1, per: organisation, downgrade: {to: big}}\n",
            "small → big → small",
        ),
    ],
)
def test_downgrades_that_go_round_are_refused(budgets: str, way: str) -> None:
    (fault,) = faults(BASE + "budgets:\n" + budgets)
    assert fault[2].endswith("downgrade.to")
    assert way in fault[3]


def test_downgrades_that_lead_down_are_taken() -> None:
    budgets = (
        "budgets:\n"
        "  a: {usd: 1, models: [big], downgrade: {to: small}}\n"
        "  b: {usd: 1, models: [big, small], downgrade: {to: free}}\n"
        "  c: {usd: 1, downgrade: {to: free}}\n"
    )
    assert faults(BASE + budgets) == []
