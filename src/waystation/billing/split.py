"""The cost of many attempts taken apart by what was metered, without losing or making a nano-dollar."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from waystation.pricing import FACTOR_ONE, Rates, in_force


class Meter(NamedTuple):
    """Something that is counted and has a price."""

    name: str
    unit: str
    per: int
    """How many of them the price is for."""


METERS = (
    Meter("input", "Tokens", 1_000_000),
    Meter("cache read", "Tokens", 1_000_000),
    Meter("cache write 5m", "Tokens", 1_000_000),
    Meter("cache write 1h", "Tokens", 1_000_000),
    Meter("output", "Tokens", 1_000_000),
    Meter("web search", "Requests", 1_000),
    Meter("request", "Requests", 1_000),
)
_OUTPUT, _REQUEST = 4, 6
_NANO = 1000 * FACTOR_ONE
"""A nano-dollar in pico-dollars times `FACTOR_ONE`."""


class Part(NamedTuple):
    """One meter's share."""

    meter: Meter
    quantity: int
    list_nano: int
    billed_nano: int
    unit_price: Decimal
    """List price of `meter.per` units, US dollars."""


def split(
    counts: Sequence[int],
    reasoning: int,
    attempts: int,
    list_nano: int,
    billed_nano: int,
    rates: Rates | None,
    tier: str,
    prompt: int,
) -> list[Part]:
    """The parts that add up to exactly both costs; parts of nothing are left out.

    `counts` are those of the first six meters. The weights are what each would cost by `rates` for a request of
    that tier and prompt; where these say nothing, the counts themselves.
    """
    quantities = [*counts, attempts]
    plain, factor = (None, FACTOR_ONE) if rates is None else in_force(rates, tier, prompt)
    pico = _rates_of(plain)
    weights = [count * rate for count, rate in zip(quantities, pico, strict=True)]
    if plain is not None:
        weights[_OUTPUT] = max(0, weights[_OUTPUT] + reasoning * (plain.reasoning - plain.output))
    if not any(weights):
        weights = [*counts, 0]
    if not any(weights):
        weights = [0] * _REQUEST + [1]
    parts: list[Part] = []
    for i, (listed, billed) in enumerate(
        zip(allocate(list_nano, weights), allocate(billed_nano, weights), strict=True)
    ):
        used = quantities[i] if i != _REQUEST or weights[i] else 0
        if used or listed or billed:
            price = unit_price(METERS[i], used, listed, attempts, pico[i] * factor)
            parts.append(Part(METERS[i], used, listed, billed, price))
    return parts


def allocate(total: int, weights: Sequence[int]) -> list[int]:
    """Whole shares of `total` in proportion to `weights`, adding up to it: each is at most one off its own."""
    whole = sum(weights)
    shares, before, so_far = [], 0, 0
    for weight in weights:
        so_far += weight
        upto = total * so_far // whole
        shares.append(upto - before)
        before = upto
    return shares


def unit_price(meter: Meter, quantity: int, nano: int, attempts: int, rate: int) -> Decimal:
    """The listed price where it explains the cost (to a nano-dollar an attempt, its rounding), else the average.

    `rate` is in pico-dollars, times `FACTOR_ONE`.
    """
    if not quantity:
        return Decimal(0)
    if abs(rate * quantity - nano * _NANO) <= (attempts + 1) * _NANO:
        return _decimal(rate * meter.per, 10**12 * FACTOR_ONE)
    return _decimal(nano * meter.per, quantity * 10**9)


def _decimal(numerator: int, denominator: int) -> Decimal:
    """To 18 places, half up."""
    return Decimal((2 * 10**18 * numerator + denominator) // (2 * denominator)).scaleb(-18)


def _rates_of(rates: Rates | None) -> list[int]:
    if rates is None:
        return [0] * len(METERS)
    return [
        rates.input,
        rates.cache_read,
        rates.cache_write_5m,
        rates.cache_write_1h,
        rates.output,
        rates.web_search,
        rates.request,
    ]
