"""Which rates apply: by model, day, prompt length, service tier; and what beats what."""

import datetime
import functools

import pytest

from waystation.model import (
    AuthScheme,
    LongContext,
    PriceOverride,
    Provider,
    Route,
    StatedRates,
    Usage,
)
from waystation.pricing import PriceBook, Rates, cost_nano

TODAY = datetime.date(2026, 11, 24)
NOW_US = 1_795_521_600_000_000  # 2026-11-24 12:00 UTC


@pytest.fixture(scope="module")
def book() -> PriceBook:
    return PriceBook.builtin()


def rates_of(book: PriceBook, provider: str, model: str, day: datetime.date = TODAY) -> Rates:
    rates = book.rates(provider, model, day)
    assert rates is not None
    return rates


def route(provider: str, model: str, price_provider: str | None = None) -> Route:
    made = Provider(
        id=provider,
        kind="openai-compatible",
        base_url="http://127.0.0.1:1",
        wires=(),
        paths={},
        auth=AuthScheme.NONE,
        price_provider=price_provider,
    )
    return Route(f"{provider}/{model}", made, model)


def usd(nano: int) -> float:
    return nano / 10**9


def test_E40_cache_writes_are_charged_once(book: PriceBook) -> None:
    opus = rates_of(book, "anthropic", "claude-opus-4-5")
    cost = cost_nano(opus, Usage(input=6, cache_write_5m=159_217, output=2_745))
    assert cost == 1_063_761_250
    assert usd(cost) == pytest.approx(1.06, abs=0.005)  # the report's right figure; the wrong one was 1.86


def test_E43_hour_long_cache_writes_have_their_own_rate(book: PriceBook) -> None:
    sonnet = rates_of(book, "anthropic", "claude-sonnet-4-5")
    plain = cost_nano(sonnet, Usage(input=1_000))
    assert cost_nano(sonnet, Usage(cache_write_5m=1_000)) * 4 == plain * 5  # × 1.25
    assert cost_nano(sonnet, Usage(cache_write_1h=1_000)) == plain * 2
    both = cost_nano(sonnet, Usage(cache_write_5m=1_000, cache_write_1h=1_000))
    assert both == 1_000 * 3_750 + 1_000 * 6_000


def test_E49_searches_are_priced_per_call_beside_the_tokens(book: PriceBook) -> None:
    sonnet = rates_of(book, "anthropic", "claude-sonnet-4-5")
    tokens = cost_nano(sonnet, Usage(input=12_284, output=500))
    assert (
        cost_nano(sonnet, Usage(input=12_284, output=500, web_searches=2)) == tokens + 20_000_000
    )  # $10 / 1,000


def test_E109_a_price_of_zero_is_a_price_and_an_unknown_one_is_none() -> None:
    free = PriceOverride(provider="lab", model="llama", rates=StatedRates(input=0, output=0))
    book = PriceBook.builtin([free])
    rates = book.rates_for(route("lab", "llama"), NOW_US)
    assert rates is not None
    assert cost_nano(rates, Usage(input=10**9, output=10**9)) == 0
    assert book.rates_for(route("lab", "mistral"), NOW_US) is None
    assert book.rates(None, "llama", TODAY) is None
    assert book.rates("no-such-provider", "llama", TODAY) is None
    assert book.rates("anthropic", "no-such-model", TODAY) is None


@pytest.mark.parametrize(
    ("provider", "model", "last_cheap"),
    [
        ("openai", "gpt-5.4", 272_000),  # more than 272,000
        ("google", "gemini-2.5-pro", 200_000),  # more than 200,000
        ("anthropic", "claude-sonnet-4-5", 200_000),
        ("x-ai", "grok-4.5", 199_999),  # from 200,000 on: inclusive
        ("minimax", "minimax-m3", 512_000),
    ],
)
def test_E110_long_context_reprices_the_whole_request_from_the_right_token_on(
    book: PriceBook, provider: str, model: str, last_cheap: int
) -> None:
    rates = rates_of(book, provider, model)
    [(above, dearer)] = rates.long_context
    assert above == last_cheap
    cheap = cost_nano(rates, Usage(input=last_cheap, output=100))
    dear = cost_nano(rates, Usage(input=last_cheap + 1, output=100))
    assert cheap == (last_cheap * rates.input + 100 * rates.output) // 1000
    assert dear == ((last_cheap + 1) * dearer.input + 100 * dearer.output) // 1000
    assert dearer.input == 2 * rates.input


def test_E110_the_threshold_counts_cached_prompt_tokens(book: PriceBook) -> None:
    gpt = rates_of(book, "openai", "gpt-5.4")
    mostly_cached = Usage(input=1, cache_read=272_000, output=10)
    dearer = gpt.long_context[0].rates
    assert (
        cost_nano(gpt, mostly_cached)
        == (dearer.input + 272_000 * dearer.cache_read + 10 * dearer.output) // 1000
    )


def test_E110_output_does_not_count_towards_the_threshold(book: PriceBook) -> None:
    gpt = rates_of(book, "openai", "gpt-5.4")
    assert cost_nano(gpt, Usage(input=1, output=500_000)) == (gpt.input + 500_000 * gpt.output) // 1000


def test_E110_current_anthropic_models_have_one_price_for_any_length(book: PriceBook) -> None:
    sonnet = rates_of(book, "anthropic", "claude-sonnet-5")
    assert sonnet.long_context == ()
    assert cost_nano(sonnet, Usage(input=900_000)) == 900_000 * 2_000


def test_E111_the_tier_of_the_response_decides_the_price(book: PriceBook) -> None:
    gpt = rates_of(book, "openai", "gpt-5.4")
    used = functools.partial(Usage, input=10_000, output=1_000)
    standard = cost_nano(gpt, used())
    assert standard == 10_000 * 2_500 + 1_000 * 15_000
    assert cost_nano(gpt, used(tier="default")) == standard  # priority asked, default served
    assert cost_nano(gpt, used(tier="priority")) == 2 * standard
    assert cost_nano(gpt, used(tier="flex")) * 2 == standard
    assert cost_nano(gpt, used(tier="scale")) == standard  # a tier the book does not price apart


def test_E111_priority_does_not_stack_with_long_context(book: PriceBook) -> None:
    gpt = rates_of(book, "openai", "gpt-5.4")
    assert cost_nano(gpt, Usage(input=300_000, output=10, tier="priority")) == 300_000 * 5_000 + 10 * 30_000


def test_E111_fast_mode_is_not_priced_as_standard(book: PriceBook) -> None:
    opus = rates_of(book, "anthropic", "claude-opus-4-8")
    used = functools.partial(Usage, input=1_000, output=1_000)
    assert cost_nano(opus, used(tier="fast")) == 2 * cost_nano(opus, used())


def test_googles_spelling_of_a_tier_is_understood(book: PriceBook) -> None:
    with_flex = [
        rates
        for model in ("gemini-3.8-flash-tts", "gemini-3.8-flash-lite-tts")
        if (rates := book.rates("google", model, TODAY)) and "flex" in rates.service_tiers
    ]
    assert with_flex
    for rates in with_flex:
        used = functools.partial(Usage, input=1_000, output=1_000)
        assert cost_nano(rates, used(tier="ON_DEMAND_FLEX")) == cost_nano(rates, used(tier="flex"))


def test_prices_are_those_of_the_day(book: PriceBook) -> None:
    before, after = datetime.date(2026, 8, 16), datetime.date(2026, 8, 17)
    assert rates_of(book, "deepseek", "deepseek-v4-flash", before).input == 140_000
    noon = datetime.datetime(2026, 8, 17, 12, tzinfo=datetime.UTC)
    assert rates_of(book, "deepseek", "deepseek-v4-flash", noon).input == 220_000
    assert rates_of(book, "deepseek", "deepseek-v4-flash", after).input == 220_000


def test_prices_that_change_within_the_day_follow_the_clock(book: PriceBook) -> None:
    deepseek = route("deepseek", "deepseek-v4-pro", "deepseek")
    midnight = NOW_US - NOW_US % 86_400_000_000

    def at(hour: int) -> int:
        rates = book.rates_for(deepseek, midnight + hour * 3_600_000_000)
        assert rates is not None
        return rates.input

    assert (at(0), at(2), at(5), at(7), at(12)) == (660_000, 1_320_000, 660_000, 1_320_000, 660_000)


def test_a_providers_models_are_found_at_a_reseller_but_its_tiers_are_not(book: PriceBook) -> None:
    azure = rates_of(book, "azure", "gpt-5.5")
    openai = rates_of(book, "openai", "gpt-5.5")
    assert (azure.input, azure.output) == (openai.input, openai.output)
    assert "priority" in openai.service_tiers
    assert azure.service_tiers == {}


def test_the_policys_price_beats_the_data_from_its_day_on() -> None:
    deal = PriceOverride(
        provider="openai-eu",
        model="gpt-5.4",
        rates=StatedRates(input=2_000_000, output=12_000_000),
        effective=datetime.date(2026, 11, 24),
        source="contract 17",
    )
    later = PriceOverride(
        provider="openai-eu",
        model="gpt-5.4",
        rates=StatedRates(input=1_000_000, output=6_000_000),
        effective=datetime.date(2026, 12, 1),
    )
    book = PriceBook.builtin([later, deal])
    eu = route("openai-eu", "gpt-5.4", "openai")
    day = 86_400_000_000
    before, on, after = (book.rates_for(eu, NOW_US + n * day) for n in (-1, 0, 7))
    assert before is not None
    assert on is not None
    assert after is not None
    assert (before.input, on.input, after.input) == (2_500_000, 2_000_000, 1_000_000)
    assert on.origin == "contract 17"
    assert before.origin == "openai/gpt-5.4"
    other = book.rates_for(route("openai", "gpt-5.4", "openai"), NOW_US)
    assert other is not None
    assert other.input == 2_500_000  # another account's price is its own
    assert rates_of(book, "openai", "gpt-5.4").input == 2_500_000


def test_an_exact_override_beats_a_pattern_and_a_longer_pattern_a_shorter() -> None:
    def stated(model: str, rate: int) -> PriceOverride:
        return PriceOverride(provider="lab", model=model, rates=StatedRates(input=rate, output=rate))

    book = PriceBook.builtin([stated("*", 1), stated("qwen-*", 2), stated("qwen-big", 3)])
    found = [book.rates_for(route("lab", m), NOW_US) for m in ("llama", "qwen-small", "qwen-big")]
    assert [r.input if r else None for r in found] == [1, 2, 3]


def test_an_override_can_point_at_the_price_data() -> None:
    book = PriceBook.builtin(
        [
            PriceOverride(provider="az", model="my-deployment", same_as=("openai", "gpt-5.4")),
            PriceOverride(provider="rehearsal", model="claude-*", same_as=("anthropic", "")),
        ]
    )
    deployment = book.rates_for(route("az", "my-deployment", "azure"), NOW_US)
    rehearsed = book.rates_for(route("rehearsal", "claude-sonnet-4-5"), NOW_US)
    assert deployment is not None
    assert rehearsed is not None
    assert deployment.origin == "openai/gpt-5.4"
    assert rehearsed.origin == "anthropic/claude-sonnet-4-5"


def test_an_override_may_have_long_context_and_service_tiers_of_its_own() -> None:
    stated = PriceOverride(
        provider="lab",
        model="m",
        rates=StatedRates(input=1_000, output=1_000),
        long_context=(
            LongContext(above=10, rates=StatedRates(input=2_000, output=2_000)),
            LongContext(above=100, rates=StatedRates(input=3_000, output=3_000)),
        ),
        service_tiers=(("Flex", StatedRates(input=500, output=500)),),
    )
    rates = PriceBook.builtin([stated]).rates_for(route("lab", "m"), NOW_US)
    assert rates is not None
    assert [cost_nano(rates, Usage(input=n)) for n in (10, 11, 100, 101)] == [10, 22, 200, 303]
    assert cost_nano(rates, Usage(input=200, tier="flex")) == 100


def test_the_version_names_data_corrections_and_the_policys_prices() -> None:
    plain = PriceBook.builtin().version
    assert plain.startswith("genai-prices-")
    assert "+o" in plain
    free = PriceOverride(provider="lab", model="m", rates=StatedRates(input=0, output=0))
    dear = PriceOverride(provider="lab", model="m", rates=StatedRates(input=1, output=0))
    versions = {PriceBook.builtin([o]).version for o in (free, dear)}
    assert len(versions) == 2
    assert all(v.startswith(plain + ".p") for v in versions)
    assert PriceBook.builtin([free]).version in versions


def test_names_from_requests_cannot_grow_the_books_memory_without_bound(book: PriceBook) -> None:
    for i in range(5_000):
        book.rates_for(route("anthropic", f"claude-sonnet-4-5-{i}", "anthropic"), NOW_US)
    assert len(book._by_route) <= 4_096
    assert book._find.cache_info().currsize <= 4_096


def test_context_windows_come_from_the_data(book: PriceBook) -> None:
    assert book.context_window("anthropic", "claude-sonnet-4-5") == 200_000
    assert book.context_window("anthropic", "no-such-model") is None
    assert book.context_window(None, "claude-sonnet-4-5") is None
