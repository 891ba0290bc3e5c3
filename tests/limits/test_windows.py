"""Periods and sliding windows: the arithmetic of time."""

import copy
import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.limits.periods import bounds
from waystation.limits.windows import SLICES, SlidingWindow
from waystation.policy.limit_rules import Period


def at(text: str) -> float:
    return datetime.datetime.fromisoformat(text + "+00:00").timestamp()


@pytest.mark.parametrize(
    ("period", "now", "start", "end"),
    [
        ("day", "2026-11-24T16:05:00", "2026-11-24", "2026-11-25"),
        ("day", "2026-11-24T00:00:00", "2026-11-24", "2026-11-25"),
        ("week", "2026-11-24T16:05:00", "2026-11-23", "2026-11-30"),
        ("week", "2026-11-23T00:00:00", "2026-11-23", "2026-11-30"),
        ("week", "2026-11-22T23:59:59", "2026-11-16", "2026-11-23"),
        ("month", "2026-12-31T23:59:59", "2026-12-01", "2027-01-01"),
        ("month", "2028-02-29T12:00:00", "2028-02-01", "2028-03-01"),
        ("month", "2026-01-31T12:00:00", "2026-01-01", "2026-02-01"),
    ],
)
def test_periods_are_calendar_days_weeks_and_months_of_utc(
    period: Period, now: str, start: str, end: str
) -> None:
    assert bounds(period, at(now)) == (at(start), at(end))


@given(
    amount=st.integers(1, 20),
    seconds=st.sampled_from([1, 60, 3600]),
    steps=st.lists(st.tuples(st.floats(0, 0.6), st.integers(1, 5)), max_size=80),
)
def test_no_window_ever_holds_more_than_its_amount_and_none_blocks_for_longer_than_a_slice(
    amount: int, seconds: int, steps: list[tuple[float, int]]
) -> None:
    window, now, passed = SlidingWindow(amount, seconds), 1_000_000.0, list[tuple[float, int]]()
    for gap, wanted in steps:
        now += gap * seconds
        wanted = min(wanted, amount)
        exact = sum(n for t, n in passed if t > now - seconds)
        late = sum(n for t, n in passed if t > now - seconds * (1 + 1 / SLICES) - 1e-6)
        if window.fits(now, wanted):
            assert exact + wanted <= amount
            window.add(now, wanted)
            passed.append((now, wanted))
        else:
            assert late + wanted > amount, "a false block"
            again = now + window.free_in(now, wanted)
            assert again - now <= seconds * (1 + 2 / SLICES)
            assert copy.deepcopy(window).fits(again + 1e-6 * seconds, wanted)


def test_a_window_keeps_little_however_much_goes_through_it() -> None:
    window = SlidingWindow(10**9, 60)
    for i in range(100_000):
        window.add(1000 + i / 100, 1)
        window.forget(1000 + i / 100)
    assert len(window._parts) <= SLICES + 2


def test_what_is_larger_than_the_window_may_go_alone() -> None:
    window = SlidingWindow(100, 60)
    assert window.fits(0.0, 500)
    window.held = 500
    assert not window.fits(0.0, 1)
