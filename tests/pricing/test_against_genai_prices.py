"""Our integers against the Decimals of the package whose data we read: equal to the nano-dollar."""

import datetime
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

import genai_prices
import pytest
from genai_prices.data import providers as data_providers

from waystation.model import Usage
from waystation.pricing import PriceBook, cost_nano

PROVIDERS = ("anthropic", "openai", "google")
DAYS = (datetime.date(2025, 6, 1), datetime.date(2026, 11, 24))
USAGES = (
    Usage(input=1),
    Usage(input=1234, output=567),
    Usage(input=10, cache_read=98_765, cache_write_5m=4_321, output=789),
    Usage(input=10, cache_read=50_000, cache_write_5m=2_000, cache_write_1h=3_333, output=11, web_searches=3),
    Usage(input=272_000, output=999),
    Usage(input=1, cache_read=272_000, output=999),
    Usage(input=100_000, cache_read=100_000, cache_write_1h=1, output=4_000),
    Usage(input=200_000, output=1),
)
TIERS = ("", "flex", "priority", "batch", "fast")


def models(provider: str) -> list[str]:
    """The ids that the data itself finds a model by (a few entries only match longer names)."""
    return [m.id for p in data_providers if p.id == provider for m in p.models if p.find_model(m.id)]


def contexts(tier: str) -> Iterator[dict[str, str] | None]:
    """How genai-prices is told of a tier: under one of three names, depending on the vendor."""
    if not tier:
        yield None
    else:
        yield from ({key: tier} for key in ("service_tier", "processing", "speed"))


def theirs(
    provider: str, model: str, usage: Usage, day: datetime.date, context: dict[str, str] | None
) -> int:
    asked = genai_prices.Usage(
        input_tokens=usage.prompt,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write_5m + usage.cache_write_1h,
        cache_write_1h_tokens=usage.cache_write_1h,
        output_tokens=usage.output,
        web_searches=usage.web_searches,
    )
    when = datetime.datetime(day.year, day.month, day.day, tzinfo=datetime.UTC)
    price = genai_prices.calc_price(
        asked, model, provider_id=provider, genai_request_timestamp=when, price_context=context
    ).total_price
    return int((price * 10**9).quantize(Decimal(1), ROUND_HALF_UP))


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_model_costs_the_same_as_by_genai_prices(provider: str) -> None:
    book = PriceBook.builtin()
    compared = 0
    for model in models(provider):
        for day in DAYS:
            rates = book.rates(provider, model, day)
            if rates is None:
                continue
            for usage in USAGES:
                assert cost_nano(rates, usage) == theirs(provider, model, usage, day, None), (
                    model,
                    day,
                    usage,
                )
                compared += 1
    assert compared > 200


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("tier", TIERS)
def test_every_service_tier_costs_the_same_as_by_genai_prices(provider: str, tier: str) -> None:
    book, day = PriceBook.builtin(), DAYS[-1]
    for model in models(provider):
        rates = book.rates(provider, model, day)
        if rates is None:
            continue
        for usage in USAGES[2:6]:
            fields = {name: getattr(usage, name) for name in Usage.__struct_fields__}
            ours = cost_nano(rates, Usage(**(fields | {"tier": tier})))
            prices = {theirs(provider, model, usage, day, context) for context in contexts(tier)}
            standard = theirs(provider, model, usage, day, None)
            # At most one of the three names means something for a model; the others give the standard price.
            expected = prices - {standard} or {standard}
            assert {ours} == expected, (model, tier, usage)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_model_without_a_price_is_unknown_here_and_free_of_token_charges_there(provider: str) -> None:
    """Where we say None, genai-prices has no rate per token: it would say 0, which is not what we know."""
    book, day = PriceBook.builtin(), DAYS[-1]
    for model in models(provider):
        if book.rates(provider, model, day) is None:
            assert theirs(provider, model, Usage(input=1000, output=1000), day, None) == 0
