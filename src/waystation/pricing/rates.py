"""Rates and the one sum that turns usage into money, in integers only.

Unit of a rate: pico-dollars (1e-12 USD) per token or per call. Unit of a cost: nano-dollars (1e-9 USD).
The sum is exact; it is rounded once, half up, at its end.

What holds where a price page is silent (the rule of genai-prices, so that our figures can be checked
against it):

- no cache-read rate: tokens read from a cache cost what plain input costs;
- no rate for 1-hour cache writes: that of 5-minute writes; none of these either: plain input;
- no rate for reasoning: it is part of the output and costs what output costs;
- no output rate (embedding models): nothing is charged for output;
- no rate for a web search: nothing is charged for it.

A model without any rate is not free: it has no `Rates` at all, and its cost is None (unknown).
"""

from typing import NamedTuple

import msgspec

from waystation.model import StatedRates, Usage
from waystation.model.billing import MILLION

FACTOR_ONE = MILLION * MILLION
"""A factor of one: parts per million of the region, times those of the tier."""


class Rates(msgspec.Struct, frozen=True):
    """Everything needed to price one request of one model on one day. Made by `PriceBook`."""

    input: int
    cache_read: int
    cache_write_5m: int
    cache_write_1h: int
    output: int
    reasoning: int
    """Equal to `output` but for the few models that price reasoning apart."""
    web_search: int = 0
    request: int = 0
    """Pico-dollars per request, whatever its size (a few search models)."""
    long_context: tuple["LongContextRates", ...] = ()
    """Highest threshold first."""
    service_tiers: dict[str, "Rates"] = {}
    """By lower-case name of the tier that the provider served; a tier not in it costs the standard rates."""
    factor_ppm: int = 1_000_000
    """Multiplies the sum, in parts per million: a region's uplift."""
    tier_factors: dict[str, int] = {}
    """Multiplies it as well, by lower-case name of a tier that `service_tiers` has no rates for."""
    origin: str = ""
    """Where the figures come from: `<price provider>/<model>` of the price data, or the override's source."""


class LongContextRates(NamedTuple):
    """What the whole request costs once its prompt has more than `above` tokens."""

    above: int
    rates: Rates


def cost_nano(rates: Rates, usage: Usage) -> int:
    """Cost of one attempt in nano-dollars, rounded half up once.

    The buckets of `usage` are disjoint (reasoning is inside output). The service tier counted is the one in
    the response, never the one asked for. Long-context rates reprice the whole request, and the threshold
    is measured on all prompt tokens, cached ones included. Factors multiply the exact sum.
    """
    rates, factor = in_force(rates, usage.tier, usage.prompt)
    pico = (
        usage.input * rates.input
        + usage.cache_read * rates.cache_read
        + usage.cache_write_5m * rates.cache_write_5m
        + usage.cache_write_1h * rates.cache_write_1h
        + usage.output * rates.output
        + usage.web_searches * rates.web_search
        + rates.request
    )
    if usage.reasoning and rates.reasoning != rates.output:
        pico += usage.reasoning * (rates.reasoning - rates.output)
    if factor == FACTOR_ONE:
        return (pico + 500) // 1000
    return (pico * factor + 500 * FACTOR_ONE) // (1000 * FACTOR_ONE)


def in_force(rates: Rates, tier: str, prompt: int) -> tuple[Rates, int]:
    """The plain rates that hold for such a request, and their factor in parts per `FACTOR_ONE`."""
    factor = FACTOR_ONE if rates.factor_ppm == MILLION else rates.factor_ppm * MILLION
    if tier and (rates.service_tiers or rates.tier_factors):
        tier = tier.lower()
        served = rates.service_tiers.get(tier)
        if served is not None:
            rates = served
        elif rates.tier_factors:
            factor = rates.factor_ppm * rates.tier_factors.get(tier, MILLION)
    for above, dearer in rates.long_context:
        if prompt > above:
            rates = dearer
            break
    return rates, factor


def from_stated(
    stated: StatedRates,
    *,
    long_context: tuple[LongContextRates, ...] = (),
    service_tiers: dict[str, Rates] | None = None,
    origin: str = "",
) -> Rates:
    """Fill what a price page left out, by the rules in this module's docstring."""
    write_5m = stated.input if stated.cache_write_5m is None else stated.cache_write_5m
    return Rates(
        input=stated.input,
        cache_read=stated.input if stated.cache_read is None else stated.cache_read,
        cache_write_5m=write_5m,
        cache_write_1h=write_5m if stated.cache_write_1h is None else stated.cache_write_1h,
        output=stated.output,
        reasoning=stated.output,
        web_search=stated.web_search or 0,
        long_context=long_context,
        service_tiers=service_tiers or {},
        origin=origin,
    )
