"""The sum: exact, rounded once, and the same as an independent computation in fractions."""

from fractions import Fraction
from math import floor

from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.model import StatedRates, Usage
from waystation.pricing import LongContextRates, Rates, cost_nano
from waystation.pricing.rates import from_stated

UNHURRIED = settings(deadline=None)  # shared machines stall now and then; that is not a fault of the code
BUCKETS = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output", "web_searches")

rate = st.integers(0, 10**9)
tokens = st.integers(0, 10**7)


def flat_rates() -> st.SearchStrategy[Rates]:
    return st.builds(
        Rates,
        input=rate,
        cache_read=rate,
        cache_write_5m=rate,
        cache_write_1h=rate,
        output=rate,
        reasoning=rate,
        web_search=st.integers(0, 10**11),
        request=st.integers(0, 10**11),
    )


@st.composite
def any_rates(draw: st.DrawFn) -> Rates:
    plain = draw(flat_rates())
    thresholds = draw(st.lists(st.integers(0, 10**7), unique=True, max_size=3))
    steps = tuple(LongContextRates(t, draw(flat_rates())) for t in sorted(thresholds, reverse=True))
    tiers = {
        name: draw(flat_rates())
        for name in draw(st.lists(st.sampled_from(["flex", "priority"]), unique=True))
    }
    fields = {name: getattr(plain, name) for name in Rates.__struct_fields__}
    return Rates(**(fields | {"long_context": steps, "service_tiers": tiers}))


@st.composite
def any_usage(draw: st.DrawFn) -> Usage:
    output = draw(tokens)
    return Usage(
        input=draw(tokens),
        cache_read=draw(tokens),
        cache_write_5m=draw(tokens),
        cache_write_1h=draw(tokens),
        output=output,
        reasoning=draw(st.integers(0, output)),
        web_searches=draw(st.integers(0, 50)),
        tier=draw(st.sampled_from(["", "standard", "default", "flex", "Priority"])),
    )


def exact_usd(rates: Rates, usage: Usage) -> Fraction:
    """The cost by the book, written without looking at the product's way of adding up."""
    tier = {name.lower(): tiered for name, tiered in rates.service_tiers.items()}.get(usage.tier.lower())
    rates = tier or rates
    prompt = usage.input + usage.cache_read + usage.cache_write_5m + usage.cache_write_1h
    exceeded = [step for step in rates.long_context if prompt > step.above]
    if exceeded:
        rates = max(exceeded, key=lambda step: step.above).rates
    lines = [
        (usage.input, rates.input),
        (usage.cache_read, rates.cache_read),
        (usage.cache_write_5m, rates.cache_write_5m),
        (usage.cache_write_1h, rates.cache_write_1h),
        (usage.output - usage.reasoning, rates.output),
        (usage.reasoning, rates.reasoning),
        (usage.web_searches, rates.web_search),
        (1, rates.request),
    ]
    return sum((Fraction(count) * Fraction(price, 10**12) for count, price in lines), Fraction(0))


def half_up(value: Fraction) -> int:
    return floor(value + Fraction(1, 2))


@UNHURRIED
@given(any_rates(), any_usage())
def test_cost_is_the_exact_sum_rounded_half_up_once(rates: Rates, usage: Usage) -> None:
    assert cost_nano(rates, usage) == half_up(exact_usd(rates, usage) * 10**9)


@UNHURRIED
@given(flat_rates(), any_usage(), st.sampled_from(BUCKETS), st.integers(1, 10**6))
def test_more_of_anything_never_costs_less(rates: Rates, usage: Usage, bucket: str, more: int) -> None:
    fields = {name: getattr(usage, name) for name in Usage.__struct_fields__}
    bigger = Usage(**(fields | {bucket: fields[bucket] + more}))
    assert cost_nano(rates, bigger) >= cost_nano(rates, usage)


@UNHURRIED
@given(flat_rates(), any_usage())
def test_buckets_are_disjoint_each_is_priced_by_its_own_rate_alone(rates: Rates, usage: Usage) -> None:
    fields = {name: getattr(usage, name) for name in BUCKETS}
    parts = [Usage(**{name: count}) for name, count in fields.items()]
    reasoning = Fraction(usage.reasoning * (rates.reasoning - rates.output), 10**12)
    request = Fraction(rates.request, 10**12)
    apart = sum((exact_usd(rates, part) - request for part in parts), Fraction(0)) + reasoning + request
    assert cost_nano(rates, usage) == half_up(apart * 10**9)


def test_half_a_nano_dollar_is_rounded_up_and_less_is_not() -> None:
    rates = from_stated(StatedRates(input=1, output=0))
    assert cost_nano(rates, Usage(input=499)) == 0
    assert cost_nano(rates, Usage(input=500)) == 1
    assert cost_nano(rates, Usage(input=1499)) == 1
    assert cost_nano(rates, Usage(input=1500)) == 2


def test_what_a_price_page_leaves_out_is_filled_by_the_documented_rule() -> None:
    bare = from_stated(StatedRates(input=3, output=15))
    assert (bare.cache_read, bare.cache_write_5m, bare.cache_write_1h) == (3, 3, 3)
    assert (bare.reasoning, bare.web_search) == (15, 0)
    written = from_stated(StatedRates(input=3, output=15, cache_write_5m=4))
    assert written.cache_write_1h == 4
    assert from_stated(StatedRates(input=3, output=15, cache_read=0)).cache_read == 0
