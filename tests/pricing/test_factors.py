"""Regional and tier factors: they multiply the exact sum, which is rounded once."""

import datetime
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from tests.policy.documents import read
from waystation.model import Provider, Route, Usage, Wire
from waystation.model.billing import PriceFactor
from waystation.policy import billing_terms, price_factors
from waystation.pricing import PriceBook, Rates, cost_nano

RATE = st.integers(0, 10**9)
COUNT = st.integers(0, 10**9)
DAY_US = 1_795_500_000_000_000


def _route(provider: str, model: str) -> Route:
    where = Provider(
        id=provider,
        kind="anthropic",
        base_url="http://x",
        wires=(Wire.MESSAGES,),
        paths={},
        auth="none",  # type: ignore[arg-type]  # not looked at here
        price_provider="anthropic",
    )
    return Route(id=f"{provider}/{model}", provider=where, model=model)


@given(RATE, RATE, RATE, COUNT, COUNT, COUNT, st.integers(0, 10**9), st.integers(0, 10**7), st.booleans())
def test_the_sum_with_factors_is_the_exact_one_rounded_half_up(
    plain: int,
    read_rate: int,
    output: int,
    tokens: int,
    cached: int,
    said: int,
    region: int,
    batch: int,
    tier: bool,
) -> None:
    rates = Rates(
        input=plain,
        cache_read=read_rate,
        cache_write_5m=plain,
        cache_write_1h=plain,
        output=output,
        reasoning=output,
        factor_ppm=region,
        tier_factors={"batch": batch},
    )
    usage = Usage(input=tokens, cache_read=cached, output=said, tier="Batch" if tier else "")
    exact = Fraction(tokens * plain + cached * read_rate + said * output, 1000) * Fraction(region, 10**6)
    if tier:
        exact *= Fraction(batch, 10**6)
    assert cost_nano(rates, usage) == (exact + Fraction(1, 2)).__floor__()


def test_a_region_is_dearer_from_its_day_on_and_in_its_own_version() -> None:
    plain = PriceBook.builtin()
    dear = PriceFactor(
        provider="eu", models=("claude-*",), factor_ppm=1_100_000, since=datetime.date(2026, 11, 20)
    )
    book = PriceBook.builtin(factors=(dear,))
    usage = Usage(input=1_000_000, output=1_000)
    model = "claude-sonnet-4-5"

    def cost(of: PriceBook, provider: str, at: int) -> int:
        rates = of.rates_for(_route(provider, model), at)
        assert rates is not None
        return cost_nano(rates, usage)

    base = cost(plain, "eu", DAY_US)
    assert cost(book, "eu", DAY_US) * 10 == base * 11
    assert cost(book, "us", DAY_US) == base
    assert cost(book, "eu", DAY_US - 5 * 86_400_000_000) == base
    assert book.version.startswith(plain.version + ".f")


def test_a_tier_factor_gives_way_to_rates_that_the_book_has_for_the_tier() -> None:
    served = Rates(input=1000, cache_read=0, cache_write_5m=0, cache_write_1h=0, output=0, reasoning=0)
    rates = Rates(
        input=5000, cache_read=0, cache_write_5m=0, cache_write_1h=0, output=0, reasoning=0,
        service_tiers={"batch": served}, tier_factors={"batch": 500_000, "flex": 500_000},
    )  # fmt: skip
    assert cost_nano(rates, Usage(input=10, tier="batch")) == 10
    assert cost_nano(rates, Usage(input=10, tier="flex")) == 25
    assert cost_nano(rates, Usage(input=10, tier="standard")) == 50


def test_the_policy_states_them_exactly() -> None:
    document = read(
        """\
version: 1
providers:
  eu: {kind: openai, credential: env:KEY}
billing:
  account: acme
  discounts: [{name: MSA 17, provider: eu, percent: 12.5, since: 2026-01-01}]
  factors:
    - {provider: eu, factor: 1.1}
    - {provider: eu, factor: "0.5", tier: Batch}
  commitments: [{provider: eu, monthly: 1000000}]
  credits: [{name: launch, amount: 0.000000001}]
  seats: [{name: Max, provider: eu, monthly: 199.99, count: 12, cost_center: CC-1}]
"""
    )
    assert [(f.factor_ppm, f.tier) for f in price_factors(document)] == [(1_100_000, ""), (500_000, "batch")]
    terms = billing_terms(document)
    day = datetime.date(2026, 5, 1)
    assert terms.kept_ppm("eu", "x", day) == 875_000
    assert terms.kept_ppm("eu", "x", datetime.date(2025, 12, 31)) == 1_000_000
    assert terms.kept_ppm("us", "x", day) == 1_000_000
    assert terms.commitments[0].monthly_nano == 10**15
    assert terms.credits[0].amount_nano == 1
    seats = terms.seats_of("eu", "gpt", day)
    assert seats is not None
    assert seats.monthly_nano == 199_990_000_000
