"""The price data of the genai-prices package, read into integer rates.

Nothing is fetched: the data is the snapshot inside the installed package, whose version (and hash) the lock
file pins. Semantics, from that package's source (`types.py`), which does the choosing here too:

- a tier applies when the prompt has *more* tokens than its `start`, to all tokens of the request. Providers
  with an inclusive boundary are entered there as `start = boundary - 1` (xAI: 199999);
- of several dated prices the last one in force applies; none in force, the first;
- a variant (batch, flex, priority, fast) overrides single rates; the first one that states a rate wins;
- variants do not apply to a model found through another provider's list (OpenAI's models at Azure).
"""

import datetime
from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

from genai_prices import __version__ as data_version
from genai_prices.data import providers as _providers
from genai_prices.data_snapshot import find_provider_by_id
from genai_prices.types import ModelInfo, ModelPrice, TieredPrices, TimeOfDateConstraint

from waystation.pricing.rates import LongContextRates, Rates

__all__ = ["PricedModel", "data_version", "find_model", "provider_ids"]

_PICO_PER_USD_MTOK = 1_000_000
_PICO_PER_USD_KCOUNT = 1_000_000_000

_TIER_KEYS = ("service_tier", "processing", "speed")
"""Keys of a variant's `when` whose value is a service tier as `Usage.tier` names it."""

_TIER_ALIASES = {"on_demand_flex": "flex", "on_demand_priority": "priority"}
"""Google's `trafficType` spelling of the same tiers."""


class PricedModel:
    """One model at one provider, with its prices over time."""

    __slots__ = ("_model", "_tiers", "by_time_of_day", "context_window", "origin")

    def __init__(self, provider_id: str, model: ModelInfo, *, own: bool) -> None:
        self._model = model
        self.origin = f"{provider_id}/{model.id}"
        self.context_window = model.context_window
        self._tiers = _service_tiers(model) if own else {}
        dated = model.prices if isinstance(model.prices, list) else []
        constraints = [p.constraint for p in dated] + [v.constraint for v in model.price_variants or ()]
        self.by_time_of_day = any(isinstance(c, TimeOfDateConstraint) for c in constraints)
        """The price changes within the day (off-peak rates), so a date is not enough to know it."""

    def at(self, when: datetime.datetime) -> Rates | None:
        """Rates in force at `when` (UTC); None where the data states no rate per token or request."""
        standard = self._model.get_prices(when)
        tiers: dict[str, Rates] = {}
        for tier, context in self._tiers.items():
            variant = self._model.get_prices(when, context)
            rates = _convert(variant, self.origin) if variant != standard else None
            if rates is not None:
                tiers[tier] = rates
        for alias, tier in _TIER_ALIASES.items():
            if tier in tiers:
                tiers[alias] = tiers[tier]
        return _convert(standard, self.origin, tiers)


def provider_ids() -> tuple[str, ...]:
    """Every provider the data has prices for."""
    return tuple(p.id for p in _providers)


def find_model(provider_id: str, model: str) -> PricedModel | None:
    """The data's entry for what `provider_id` calls `model`, found by the data's own matching rules.

    Walks the provider's list: tens to hundreds of microseconds. Callers cache, with a bound.
    """
    provider = find_provider_by_id(_providers, provider_id)
    if provider is None:
        return None
    found = provider.find_model(model, all_providers=_providers)
    if found is None:
        return None
    return PricedModel(provider.id, found, own=any(found is m for m in provider.models))


def _service_tiers(model: ModelInfo) -> dict[str, dict[str, str]]:
    """Tier name -> the context that selects its variant."""
    tiers: dict[str, dict[str, str]] = {}
    for variant in model.price_variants or ():
        if len(variant.when) == 1:
            [(key, value)] = variant.when.items()
            if key in _TIER_KEYS:
                tiers.setdefault(value.lower(), {key: value})
    return tiers


def _convert(price: ModelPrice, origin: str, tiers: dict[str, Rates] | None = None) -> Rates | None:
    stated = {key: value for key, value in vars(price).items() if isinstance(value, Decimal | TieredPrices)}
    if not stated.keys() & {"input_mtok", "output_mtok", "requests_kcount"}:
        return None
    starts = {t.start for v in stated.values() if isinstance(v, TieredPrices) for t in v.tiers}
    return _flat(
        stated,
        0,
        origin,
        tuple(LongContextRates(s, _flat(stated, s + 1, origin)) for s in sorted(starts, reverse=True)),
        tiers,
    )


def _flat(
    stated: Mapping[str, Decimal | TieredPrices],
    prompt: int,
    origin: str,
    long_context: tuple[LongContextRates, ...] = (),
    tiers: dict[str, Rates] | None = None,
) -> Rates:
    """The rates of a prompt of `prompt` tokens, gaps filled by the rules in `pricing.rates`."""

    def rate(key: str, missing: int, unit: int = _PICO_PER_USD_MTOK) -> int:
        value = stated.get(key)
        if value is None:
            return missing
        if isinstance(value, TieredPrices):
            reached = [t.price for t in value.tiers if prompt > t.start]
            value = reached[-1] if reached else value.base
        return int((value * unit).to_integral_value(ROUND_HALF_UP))

    plain = rate("input_mtok", 0)
    output = rate("output_mtok", 0)
    write = rate("cache_write_mtok", plain)
    return Rates(
        input=plain,
        cache_read=rate("cache_read_mtok", plain),
        cache_write_5m=rate("cache_write_5m_mtok", write),
        cache_write_1h=rate("cache_write_1h_mtok", write),
        output=output,
        reasoning=rate("output_reasoning_mtok", output),
        web_search=rate("web_searches_kcount", 0, _PICO_PER_USD_KCOUNT),
        request=rate("requests_kcount", 0, _PICO_PER_USD_KCOUNT),
        long_context=long_context,
        service_tiers=tiers or {},
        origin=origin,
    )
