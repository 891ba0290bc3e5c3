"""The statement adds up: whatever is in the ledger is on the bill, once and exactly."""

import datetime as dt
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.billing.ledger import TODAY, books_of, keep, used
from waystation.billing.charges import Kind
from waystation.billing.period import Month
from waystation.billing.statement import By, draw_up
from waystation.model import Attempt

NOVEMBER = Month(2026, 11)


def test_months_are_utc_and_by_when_a_request_began(tmp_path: Path) -> None:
    keep(tmp_path, [
        used("2026-10-31T23:59:59.999999", cost_nano=1),
        used("2026-11-01T00:00:00", cost_nano=10),
        used("2026-11-30T23:59:59", cost_nano=100),
        used("2026-12-01T00:00:00", cost_nano=1000),
    ])  # fmt: skip
    with books_of(tmp_path) as books:
        assert draw_up(books, NOVEMBER, (By.USER,), TODAY).total.list_nano == 110
        assert draw_up(books, Month(2026, 12), (), TODAY).total.billed_nano == 1000
        assert draw_up(books, Month(2027, 1), (By.USER,), TODAY).lines == ()


def test_it_reads_the_journal_beyond_the_lake(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=5)])
    keep(tmp_path, [used(cost_nano=7)], drain=False)
    with books_of(tmp_path) as books:
        assert draw_up(books, NOVEMBER, (By.MODEL,), TODAY).total.list_nano == 12


def test_a_discount_is_rounded_row_by_row_and_both_figures_stay(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=1), used(cost_nano=3), used(cost_nano=3, provider="openai")])
    with books_of(tmp_path, "  discounts: [{provider: anthropic, percent: 50}]") as books:
        statement = draw_up(books, NOVEMBER, (By.PROVIDER,), TODAY)
    assert [(x.group, x.list_nano, x.billed_nano) for x in statement.lines] == [
        (("anthropic",), 4, 3),  # 0.5 → 1, 1.5 → 2
        (("openai",), 3, 3),
    ]


def test_a_seat_is_a_charge_and_its_usage_costs_nothing(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=500), used(cost_nano=40, provider="openai")])
    seats = "  seats: [{name: Max, provider: anthropic, monthly: 100, count: 3, cost_center: CC-9}]"
    with books_of(tmp_path, seats) as books:
        statement = draw_up(books, NOVEMBER, (By.COST_CENTER,), TODAY)
    usage, seat = statement.lines
    assert (usage.list_nano, usage.billed_nano) == (540, 40)
    assert (seat.kind, seat.group, seat.what, seat.billed_nano) == (
        Kind.SEATS, ("CC-9",), "Max (3 seats)", 300_000_000_000,
    )  # fmt: skip


def test_a_credit_is_drawn_over_months_and_never_below_nothing(tmp_path: Path) -> None:
    keep(tmp_path, [
        used("2026-10-05T00:00", cost_nano=600), used("2026-11-05T00:00", cost_nano=600),
        used("2026-12-05T00:00", cost_nano=600), used("2026-10-01T00:00", cost_nano=9, provider="openai"),
    ])  # fmt: skip
    credit = "  credits: [{name: c, provider: anthropic, amount: 0.000001, since: 2026-10-02}]"
    with books_of(tmp_path, credit) as books:
        months = [Month(2026, n) for n in (9, 10, 11, 12)]
        drawn = [
            sum(x.billed_nano for x in draw_up(books, m, (), TODAY).lines if x.kind is Kind.CREDIT)
            for m in months
        ]
    assert drawn == [0, -600, -400, 0]


def test_what_falls_short_of_a_commitment_is_charged_when_the_month_is_over(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=400), used(cost_nano=100, provider="openai")])
    terms = (
        "  commitments: [{name: EDP, provider: anthropic, monthly: 0.000001}]\n"
        "  discounts: [{provider: anthropic, percent: 25}]"
    )
    with books_of(tmp_path, terms) as books:
        assert draw_up(books, NOVEMBER, (), TODAY).total.billed_nano == 400
        after = draw_up(books, NOVEMBER, (), dt.date(2026, 12, 1))
    assert after.final
    assert [x.billed_nano for x in after.lines if x.kind is Kind.COMMITMENT] == [700]
    assert after.total.billed_nano == 1_100


def test_somebody_in_several_groups_counts_once(tmp_path: Path) -> None:
    keep(
        tmp_path,
        [
            used(cost_nano=5, groups=("b", "a")),
            used(cost_nano=7, groups=()),
            used(cost_nano=9, groups=("a",)),
        ],
    )
    with books_of(tmp_path) as books:
        statement = draw_up(books, NOVEMBER, (By.GROUP,), TODAY)
    assert {x.group[0]: x.list_nano for x in statement.lines} == {"a + b": 5, "": 7, "a": 9}
    assert statement.total.list_nano == 21


def test_an_unknown_price_is_said_and_not_taken_for_nothing(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=None), used(cost_nano=1)])
    with books_of(tmp_path) as books:
        total = draw_up(books, NOVEMBER, (By.USER,), TODAY).total
    assert (total.unpriced_attempts, total.list_nano) == (1, 1)


@pytest.mark.parametrize("text", ["2026-13", "2026", "26-11", "2026-11-01", "", "٢٠٢٦-11", "1969-01"])
def test_a_month_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a month"):
        Month.parse(text)


def test_months_follow_each_other() -> None:
    assert Month.parse("2026-12").next == Month(2027, 1)
    assert str(Month.parse(" 2026-02 ")) == "2026-02"


_ROWS = st.builds(
    used,
    st.sampled_from(["2026-11-01T00:00", "2026-11-15T08:00", "2026-11-30T23:59:59", "2026-12-01T00:00"]),
    cost_nano=st.none() | st.integers(0, 2**62),
    provider=st.sampled_from(["anthropic", "openai", "gone", ""]),
    upstream_model=st.sampled_from(["claude-sonnet-4-5", "gpt-5.4", "unheard-of", ""]),
    principal_name=st.sampled_from(["ana", "ben", ""]),
    groups=st.sampled_from([(), ("a",), ("b", "a")]),
    cost_center=st.sampled_from(["", "CC-1", "CC-2"]),
    service_tier=st.sampled_from(["", "standard", "batch", "priority"]),
    input_tokens=st.integers(0, 10**9),
    output_tokens=st.integers(0, 10**9),
    cache_read_tokens=st.integers(0, 2**60),
)
RANDOM_LEDGERS = st.lists(_ROWS, min_size=1, max_size=12)


def expected(rows: list[Attempt], *, kept_ppm: int = 10**6) -> tuple[int, int]:
    """List and billed cost of November, added up by hand."""
    mine = [r.cost_nano for r in rows if r.cost_nano is not None and "2026-11" in _day(r)]
    return sum(mine), sum((n * kept_ppm + 500_000) // 10**6 for n in mine)


def _day(row: Attempt) -> str:
    return dt.datetime.fromtimestamp(row.started_us / 1e6, dt.UTC).isoformat()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RANDOM_LEDGERS, st.integers(0, 10**6))
def test_the_bill_of_any_ledger_is_the_sum_of_its_rows(rows: list[Attempt], off: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        keep(Path(folder), rows)
        with books_of(Path(folder), f"  discounts: [{{percent: '{off / 10_000:.4f}'}}]") as books:
            for by in [(), *((dimension,) for dimension in By), tuple(By)]:
                statement = draw_up(books, NOVEMBER, by, TODAY)
                want = expected(rows, kept_ppm=10**6 - off)
                assert (statement.total.list_nano, statement.total.billed_nano) == want
                assert (
                    sum(x.list_nano for x in statement.lines),
                    sum(x.billed_nano for x in statement.lines),
                ) == want
