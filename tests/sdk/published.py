"""What models cost by their vendors' price pages, and the sum done again from scratch, in fractions of a dollar.

Nothing here comes from the product or from its price data: it is what that is checked against.
"""

import math
from fractions import Fraction
from typing import NamedTuple


class Buckets(NamedTuple):
    """One answer's usage as the ledger divides it: no token twice, save that `reasoning` is part of `output`."""

    input: int = 0
    cache_read: int = 0
    write_5m: int = 0
    write_1h: int = 0
    output: int = 0
    reasoning: int = 0


class Price(NamedTuple):
    """Dollars per million tokens, as the page writes them; for longer prompts, `beyond` so many tokens, another."""

    input: str
    output: str
    cache_read: str = ""
    write_5m: str = ""
    write_1h: str = ""
    beyond: int | None = None
    longer: "Price | None" = None


PRICES = {
    # https://claude.com/pricing
    "claude-haiku-4-5": Price("1", "5", "0.10", "1.25", "2"),
    # https://developers.openai.com/api/docs/pricing
    "gpt-5.4": Price("2.50", "15", "0.25", beyond=272_000, longer=Price("5", "22.50", "0.50")),
    "gpt-5.4-mini": Price("0.75", "4.50", "0.075"),
    "text-embedding-3-small": Price("0.02", "0"),
    # https://ai.google.dev/gemini-api/docs/pricing
    "gemini-2.5-pro": Price("1.25", "10", "0.125", beyond=200_000, longer=Price("2.50", "15", "0.25")),
    "gemini-2.5-flash": Price("0.30", "2.50", "0.03"),
    # tests/sdk/conftest.py: a contract by which sums end in halves of a nano-dollar
    "claude-by-contract": Price("0.0005", "0.0013", "0.0001", "0.0007", "0.0009"),
}


def cost_nano(model: str, usage: Buckets) -> int:
    """Nano-dollars, rounded half up once, at the end."""
    price = PRICES[model]
    prompt = usage.input + usage.cache_read + usage.write_5m + usage.write_1h
    if price.longer is not None and price.beyond is not None and prompt > price.beyond:
        price = price.longer
    dollars = sum(
        Fraction(tokens) * Fraction(rate) / 1_000_000
        for tokens, rate in (
            (usage.input, price.input),
            (usage.cache_read, price.cache_read),
            (usage.write_5m, price.write_5m),
            (usage.write_1h, price.write_1h),
            (usage.output, price.output),
        )
        if tokens
    )
    return math.floor(dollars * 1_000_000_000 + Fraction(1, 2))
