"""The export is FOCUS, and adds up to the ledger to the nano-dollar."""

import csv
import datetime as dt
import io
import tempfile
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.billing.focus_spec import faults
from tests.billing.ledger import MODEL, TODAY, books_of, keep, used
from tests.billing.test_rerate import priced
from tests.billing.test_statement import NOVEMBER, RANDOM_LEDGERS, expected
from waystation.billing import focus
from waystation.billing.focus_columns import columns
from waystation.billing.focus_files import csv_text, number, write_parquet
from waystation.billing.period import Month
from waystation.billing.rerate import rerate
from waystation.billing.split import allocate
from waystation.model import Attempt, Usage
from waystation.pricing import cost_nano

NO_TOKENS: dict[str, Any] = {
    "input_tokens": 0, "cache_read_tokens": 0, "cache_write_5m_tokens": 0, "cache_write_1h_tokens": 0,
    "output_tokens": 0, "reasoning_tokens": 0, "service_tier": "",
}  # fmt: skip


def exported(
    data: Path, month: Month = NOVEMBER, *, billing: str = "", version: str = "1.2", today: dt.date = TODAY
) -> list[dict[str, Any]]:
    with books_of(data, billing) as books:
        found = list(focus.rows(books, month, today, version))
    for row in found:
        assert list(faults(row, version)) == []
    return found


def nano(rows: list[dict[str, Any]], column: str) -> int:
    total: int = sum(Fraction(row[column]) for row in rows) * 10**9  # type: ignore[assignment]  # whole, as checked
    assert Fraction(total).denominator == 1
    return int(total)


def test_a_row_for_each_day_user_model_and_meter(tmp_path: Path) -> None:
    with books_of(tmp_path) as books:
        rates = books.rates("anthropic", MODEL, TODAY)
        assert rates is not None
        usage = Usage(
            input=100, cache_read=2_000, cache_write_5m=30, cache_write_1h=4, output=500, reasoning=50
        )
        cost = cost_nano(rates, usage)
    keep(tmp_path, [used(cost_nano=cost), used(cost_nano=cost), used("2026-11-11T00:00", cost_nano=cost)])
    rows = exported(tmp_path)
    assert [(r["ChargePeriodStart"].day, r["SkuMeter"]) for r in rows] == [
        (day, meter)
        for day in (10, 11)
        for meter in ("input", "cache read", "cache write 5m", "cache write 1h", "output")
    ]
    first = rows[0]
    assert first["ConsumedQuantity"] == 200
    assert first["ListUnitPrice"] == Decimal(rates.input) / 10**6, "the price of the list, not an average"
    assert first["PricingUnit"] == "1000000 Tokens"
    assert (first["ProviderName"], first["PublisherName"], first["SubAccountId"]) == (
        "Anthropic",
        "Anthropic",
        "CC-1",
    )
    assert first["Tags"] == '{"groups": "eng + platform", "user": "maria@example.com"}'
    assert nano(rows, "ListCost") == 3 * cost


def test_long_prompts_have_prices_of_their_own(tmp_path: Path) -> None:
    with books_of(tmp_path) as books:
        rates = books.rates("anthropic", MODEL, TODAY)
        assert rates is not None
        assert rates.long_context
        above = rates.long_context[0].above
        costs = [cost_nano(rates, Usage(input=n)) for n in (above, above + 1)]
    keep(
        tmp_path,
        [used(**NO_TOKENS | {"input_tokens": above + i, "cost_nano": c}) for i, c in enumerate(costs)],
    )
    short, long = exported(tmp_path)
    assert long["ListUnitPrice"] > short["ListUnitPrice"]
    assert str(above) in long["SkuPriceDetails"]
    assert short["SkuPriceId"] != long["SkuPriceId"]


def test_seats_are_purchases_and_their_usage_keeps_its_list_cost(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=500)])
    rows = exported(tmp_path, billing="  seats: [{name: Max, provider: anthropic, monthly: 100, count: 3}]")
    seat = rows.pop()
    assert (seat["ChargeCategory"], seat["ChargeFrequency"], seat["PricingQuantity"]) == (
        "Purchase",
        "Recurring",
        3,
    )
    assert (seat["BilledCost"], seat["ListUnitPrice"]) == (300, 100)
    assert (nano(rows, "BilledCost"), nano(rows, "ListCost")) == (0, 500)


def test_credits_and_shortfalls(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=500)])
    terms = (
        "  credits: [{name: launch, amount: 0.0000002}]\n"
        "  commitments: [{name: EDP, provider: anthropic, monthly: 0.000002}]"
    )
    rows = exported(tmp_path, billing=terms, today=dt.date(2026, 12, 1))
    assert [(r["ChargeCategory"], r["BilledCost"]) for r in rows[-2:]] == [
        ("Purchase", Decimal("0.0000015")), ("Credit", Decimal("-0.0000002")),
    ]  # fmt: skip


@pytest.mark.parametrize(("when", "charge_class"), [("2026-11-20", None), ("2026-12-02", "Correction")])
def test_what_was_rated_again_of_an_earlier_month_is_a_correction(
    tmp_path: Path, when: str, charge_class: str | None
) -> None:
    keep(tmp_path, [used(**NO_TOKENS | {"input_tokens": 100, "cost_nano": 100_000})])
    now = dt.datetime.fromisoformat(when).replace(tzinfo=dt.UTC)
    with books_of(tmp_path, policy=priced("0.5")) as books:
        rerate(books, dt.date(2026, 1, 1), now, dry_run=False)
    row = exported(tmp_path, Month.of(now.date()))[-1]
    assert (row["ChargeCategory"], row["ChargeClass"]) == ("Adjustment", charge_class)
    assert row["BilledCost"] == Decimal("-0.00005")
    assert row["ChargePeriodStart"].date() == dt.date(2026, 11, 10)


def test_version_1_3_names_who_sells_and_who_hosts(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=500)])
    (row, *_) = exported(tmp_path, version="1.3")
    assert row["ServiceProviderName"] == row["HostProviderName"] == "Anthropic"
    assert "ServiceProviderName" not in exported(tmp_path)[0]
    with pytest.raises(ValueError, match="not known"):
        columns("1.1")


def test_csv_and_parquet_say_the_same(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=123_456_789_012_345, principal_name="=ana")])
    rows = exported(tmp_path)
    read = list(csv.DictReader(io.StringIO(csv_text(rows, "1.2"))))
    write_parquet(rows, "1.2", tmp_path / "f.parquet")
    table = pq.read_table(tmp_path / "f.parquet")
    for column in ("BilledCost", "ListUnitPrice", "PricingQuantity"):
        assert [Decimal(r[column]) for r in read] == table[column].to_pylist()
    assert read[0]["ChargePeriodStart"] == "2026-11-10T00:00:00Z"
    assert read[0]["ChargeClass"] == ""
    assert read[0]["x_UserName"] == "'=ana"


@pytest.mark.parametrize(
    ("value", "text"),
    [("0", "0"), ("-0.000000001", "-0.000000001"), ("1E+3", "1000"), ("1.50", "1.5"), ("100", "100")],
)
def test_numbers_have_no_exponent(value: str, text: str) -> None:
    assert number(Decimal(value)) == text


@given(st.integers(0, 2**80), st.lists(st.integers(0, 2**90), min_size=1).filter(any))
def test_shares_add_up_and_none_is_off_by_one(total: int, weights: list[int]) -> None:
    shares = allocate(total, weights)
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - Fraction(total * weight, sum(weights))) < 1


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(RANDOM_LEDGERS, st.integers(0, 10**6))
def test_the_export_of_any_ledger_adds_up_to_it(ledger: list[Attempt], off: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        keep(Path(folder), ledger)
        with books_of(Path(folder), f"  discounts: [{{percent: '{off / 10_000:.4f}'}}]") as books:
            rows = list(focus.rows(books, NOVEMBER, TODAY, "1.2"))
    for row in rows:
        assert not [
            fault for fault in faults(row, "1.2") if "off" not in fault
        ]  # nobody's prices explain such costs
    assert (nano(rows, "ListCost"), nano(rows, "BilledCost")) == expected(ledger, kept_ppm=10**6 - off)
