"""Prices: usage in, nano-dollars out. Pure: no network, no clock; the price data is a pinned package's.

`PriceBook.builtin(overrides=plan.price_overrides)` makes the book; `book.rates_for(route, at_us)` finds the
rates in force and `cost_nano(rates, usage)` is the sum. No rates means that the cost is unknown (None), which
is not the same as free.
"""

from waystation.pricing.book import PriceBook
from waystation.pricing.rates import FACTOR_ONE, LongContextRates, Rates, cost_nano, in_force

__all__ = ["FACTOR_ONE", "LongContextRates", "PriceBook", "Rates", "cost_nano", "in_force"]
