"""Rating again: appended, never rewritten; both figures kept; the same run twice changes nothing."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from tests.billing.ledger import MODEL, TODAY, books_of, keep, used
from waystation.billing.charges import Kind
from waystation.billing.period import Month
from waystation.billing.rerate import Rerating, rerate
from waystation.billing.statement import By, Statement, draw_up
from waystation.ledger.layout import lake_directory
from waystation.ledger.rerates import Rerates, RerunMeanwhile, rerates_uri
from waystation.model import UsageSource

HEAD = """\
version: 1
providers:
  anthropic: {kind: anthropic, credential: env:KEY}
models:
"""
PER_TOKEN = 1_000  # nano-dollars of a price of $1 per million tokens
DEC_2 = dt.datetime(2026, 12, 2, 10, tzinfo=dt.UTC)
TOKENS: dict[str, Any] = {
    "input_tokens": 100, "cache_read_tokens": 0, "cache_write_5m_tokens": 0, "cache_write_1h_tokens": 0,
    "output_tokens": 0, "reasoning_tokens": 0, "service_tier": "",
}  # fmt: skip


def priced(usd: str, model: str = MODEL) -> str:
    return HEAD + f"  {model}: {{routes: [{{provider: anthropic}}], price: {{input: {usd}, output: 0}}}}\n"


def run(
    data: Path,
    usd: str,
    *,
    now: dt.datetime = DEC_2,
    dry: bool = False,
    since: str = "2026-01-01",
    billing: str = "",
) -> Rerating:
    with books_of(data, billing, policy=priced(usd)) as books:
        return rerate(books, dt.date.fromisoformat(since), now, dry_run=dry)


def bill(data: Path, month: int, billing: str = "", by: tuple[By, ...] = (By.USER,)) -> Statement:
    with books_of(data, billing, policy=priced("1")) as books:
        return draw_up(books, Month(2026, month), by, TODAY)


def test_a_corrected_price_is_on_the_bill_of_the_month_that_found_it(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=100 * PER_TOKEN, **TOKENS)])
    before = bill(tmp_path, 11)
    found = run(tmp_path, "1.5")
    assert (found.appended, found.attempts, found.unknown) == (1, 1, 0)
    (change,) = found.changes
    assert (change.month, change.before_nano, change.after_nano) == ("2026-11", 100_000, 150_000)
    assert bill(tmp_path, 11) == before, "a bill that went out stays as it was"
    (line,) = bill(tmp_path, 12).lines
    assert (line.kind, line.group, line.list_nano, line.billed_nano) == (
        Kind.CORRECTION, ("maria@example.com",), 50_000, 50_000,
    )  # fmt: skip


def test_within_the_month_the_correction_is_on_its_own_bill(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=100 * PER_TOKEN, **TOKENS)])
    run(tmp_path, "1.5", now=dt.datetime(2026, 11, 20, tzinfo=dt.UTC))
    total = bill(tmp_path, 11).total
    assert (total.list_nano, total.requests) == (150_000, 1)


def test_twice_on_the_same_book_appends_once_and_a_third_book_starts_from_the_second(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=100 * PER_TOKEN, **TOKENS), used(cost_nano=150 * PER_TOKEN, **TOKENS)])
    assert run(tmp_path, "1.5").appended == 1
    again = run(tmp_path, "1.5")
    assert (again.appended, again.changes) == (0, ())
    assert run(tmp_path, "1.25", now=DEC_2 + dt.timedelta(hours=1)).appended == 2
    assert run(tmp_path, "1.25").appended == 0
    rows = DeltaTable(rerates_uri(lake_directory(tmp_path))).to_pyarrow_table()
    assert sorted(rows["delta_nano"].to_pylist()) == [-25_000, -25_000, 50_000]
    assert len(set(zip(rows["attempt_id"].to_pylist(), rows["price_version"].to_pylist(), strict=True))) == 3


def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=0, **TOKENS)], drain=False)
    dry = run(tmp_path, "2", dry=True)
    assert not Path(rerates_uri(lake_directory(tmp_path))).exists()
    wet = run(tmp_path, "2")
    assert (dry.changes, dry.appended, wet.changes, wet.appended) == (wet.changes, 0, dry.changes, 1)


def test_an_unknown_price_that_is_known_now_is_added(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=None, **TOKENS), used(cost_nano=7, provider="gone", **TOKENS)])
    found = run(tmp_path, "1")
    assert (found.changes[0].newly_priced, found.unknown) == (1, 1)
    assert bill(tmp_path, 12).total.list_nano == 100_000


def test_nothing_before_that_day_and_nothing_that_consumed_nothing(tmp_path: Path) -> None:
    keep(tmp_path, [
        used("2026-11-09T23:59", cost_nano=1, **TOKENS),
        used("2026-11-10T00:00", cost_nano=1, **TOKENS),
        used("2026-11-10T00:00", cost_nano=0, usage_source=UsageSource.ABSENT, **TOKENS),
    ])  # fmt: skip
    assert run(tmp_path, "1", since="2026-11-10").attempts == 1


def test_corrections_follow_discounts_and_seats(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=1, **TOKENS)])
    run(tmp_path, "1")
    off = bill(tmp_path, 12, "  discounts: [{percent: 50}]").total
    assert (off.list_nano, off.billed_nano) == (99_999, 49_999)  # 50_000 − round(0.5)
    seat = bill(tmp_path, 12, "  seats: [{provider: anthropic, monthly: 0}]").total
    assert (seat.list_nano, seat.billed_nano) == (99_999, 0)


def test_two_runs_at_once_cannot_both_append(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=1, **TOKENS)])
    run(tmp_path, "1")
    uri = rerates_uri(lake_directory(tmp_path))
    one, other = Rerates(uri), Rerates(uri)
    rows = DeltaTable(uri).to_pyarrow_table()
    one.append(rows)
    with pytest.raises(RerunMeanwhile):
        other.append(rows)
