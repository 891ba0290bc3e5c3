"""What `way status` shows of budgets and limits."""

from way import allowance

BUDGET = {
    "rule": "budgets.own", "name": "own", "per": "user", "owner": "ada@example.com", "kind": "budget",
    "used": 12_500_000_000, "limit": 50_000_000_000, "period": "month", "resets_at": 1_796_083_200,
    "downgrade_to": "small", "downgrade_at": 80,
}  # fmt: skip
LIMIT = {
    "rule": "limits.pace", "name": "pace", "per": "group", "owner": "eng", "kind": "limit",
    "requests": {"used": 60, "limit": 60, "seconds": 60, "percent": 100},
    "concurrent": {"used": 1, "limit": 4, "percent": 25},
}  # fmt: skip


def test_each_is_a_bar_with_its_figures() -> None:
    assert allowance.lines([BUDGET, LIMIT]) == [
        "  [#####...............]  25 %  budget own: $12.50 of $50.00 a month, anew 2026-12-01 00:00 UTC;"
        " small from 80 % on",
        "  [####################] 100 %  limit pace: 60 of 60 requests in 1 min (of the group eng)",
        "  [#####...............]  25 %  limit pace: 1 of 4 at once (of the group eng)",
    ]


def test_what_a_newer_gateway_says_is_left_out_where_it_is_not_understood() -> None:
    assert allowance.lines([{"kind": "budget"}, {"kind": "quota", "name": "x"}, {}]) == []
    assert allowance.ask("http://127.0.0.1:9", "token") is None
