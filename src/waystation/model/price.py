"""What a token costs, as somebody states it: a policy, or our own corrections to the price data.

All amounts are integers in pico-dollars (1e-12 USD) so that one dollar per million tokens is 1,000,000
pico-dollars per token, and every published rate is exact.
"""

import datetime

import msgspec

PICO_PER_USD = 1_000_000_000_000


class StatedRates(msgspec.Struct, frozen=True, gc=False):
    """Rates as written down. None means "not stated"; what then applies is a rule of `pricing.rates`."""

    input: int
    """Pico-dollars per prompt token that no cache is involved in."""
    output: int
    """Pico-dollars per generated token, reasoning included."""
    cache_read: int | None = None
    cache_write_5m: int | None = None
    cache_write_1h: int | None = None
    web_search: int | None = None
    """Pico-dollars per server-side search."""


class LongContext(msgspec.Struct, frozen=True, gc=False):
    """Rates for the whole request once its prompt (all prompt tokens, cached or not) exceeds `above`.

    A provider whose boundary is inclusive ("from 200,000") is written as `above=199_999`.
    """

    above: int
    rates: StatedRates


class PriceOverride(msgspec.Struct, frozen=True):
    """A stated price for what `provider` calls `model`. It beats the price data from `effective` on."""

    provider: str
    """The policy's provider id, or, in our own packaged corrections, the price data's provider id."""
    model: str
    """The provider's own model id; each `*` stands for any text."""
    rates: StatedRates | None = None
    long_context: tuple[LongContext, ...] = ()
    service_tiers: tuple[tuple[str, StatedRates], ...] = ()
    """Rates by the service tier that the provider says it served; no long-context step within them."""
    same_as: tuple[str, str] | None = None
    """Take the price data's rates for this provider and model instead; an empty model means the same id."""
    effective: datetime.date | None = None
    """First day (UTC) it holds; None means always."""
    source: str = ""
    """Where the figures come from: a price page's address, a contract's name."""
    verified: datetime.date | None = None
    """When somebody last compared them with that source."""
