"""The price book: which rates apply to a provider's model at a time."""

import datetime
import functools
import hashlib
from collections.abc import Iterable
from typing import Self

import msgspec

from waystation.model import PriceOverride, Route
from waystation.model.billing import MILLION, PriceFactor
from waystation.pricing import catalogue
from waystation.pricing.overrides import OverrideIndex, packaged, rates_of
from waystation.pricing.rates import Rates

_REMEMBERED = 4096
"""Look-ups kept. Model names come from requests, so the memory must have a bound."""

_US_PER_DAY = 86_400_000_000
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class PriceBook:
    """Price data, our packaged corrections and one policy's own prices, under one version.

    Immutable but for its memory of past look-ups. Answers None where no price is known: unknown is not free.
    """

    def __init__(
        self,
        *,
        version: str,
        policy: Iterable[PriceOverride] = (),
        corrections: Iterable[PriceOverride] = (),
        factors: Iterable[PriceFactor] = (),
    ) -> None:
        self.version = version
        """Goes into each ledger row: data, corrections, policy prices (`genai-prices-0.2.3+o1.p1f0c2d3e`)."""
        self._policy = OverrideIndex(policy)
        self._corrections = OverrideIndex(corrections)
        self._factors = tuple(factors)
        self._find = functools.lru_cache(_REMEMBERED)(catalogue.find_model)
        self._by_name = functools.lru_cache(_REMEMBERED)(self._lookup)
        self._by_route: dict[tuple[str, str | None, int], Rates | catalogue.PricedModel | None] = {}

    @classmethod
    def builtin(cls, overrides: Iterable[PriceOverride] = (), factors: Iterable[PriceFactor] = ()) -> Self:
        """The installed price data, our corrections, and a policy's own prices (`overrides`) above both.

        `factors` multiply whatever price is found: regions, and tiers that have no rates of their own.
        """
        policy = tuple(overrides)
        scaling = tuple(factors)
        revision, corrections = packaged()
        version = f"genai-prices-{catalogue.data_version}+o{revision}"
        if policy:
            version += ".p" + hashlib.sha256(msgspec.json.encode(policy)).hexdigest()[:8]
        if scaling:
            version += ".f" + hashlib.sha256(msgspec.json.encode(scaling)).hexdigest()[:8]
        return cls(version=version, policy=policy, corrections=corrections, factors=scaling)

    def rates_for(self, route: Route, at_us: int) -> Rates | None:
        """Rates of one route at `at_us` (Unix microseconds): what the policy states, else what the data has.

        The relay's door: about 0.3 µs once a route was seen that day.
        """
        key = (route.id, route.provider.price_provider, at_us // _US_PER_DAY)
        try:
            found = self._by_route[key]
        except KeyError:
            found = self._lookup_route(route, at_us)
            if not isinstance(found, catalogue.PricedModel):
                found = self._scaled(found, route, at_us)
            while len(self._by_route) >= _REMEMBERED:
                self._by_route.pop(next(iter(self._by_route)), None)
            self._by_route[key] = found
        if isinstance(found, catalogue.PricedModel):
            return self._scaled(found.at(_EPOCH + datetime.timedelta(microseconds=at_us)), route, at_us)
        return found

    def rates(self, price_provider: str | None, model: str, at: datetime.date) -> Rates | None:
        """Rates that the price data and our corrections have for a model. Blind to policy prices.

        `at` is a day in UTC, or an aware datetime for the few models whose price depends on the time of day
        (for those a bare day means its first instant).
        """
        if price_provider is None:
            return None
        found = self._by_name(price_provider, model, at.date() if isinstance(at, datetime.datetime) else at)
        if isinstance(found, catalogue.PricedModel):
            return found.at(_instant(at))
        return found

    def context_window(self, price_provider: str | None, model: str) -> int | None:
        """Prompt tokens that fit, where the price data says."""
        entry = None if price_provider is None else self._find(price_provider, model)
        return None if entry is None else entry.context_window

    def providers(self) -> tuple[str, ...]:
        """Provider ids that a policy may name as `price_provider`."""
        return catalogue.provider_ids()

    def _lookup_route(self, route: Route, at_us: int) -> Rates | catalogue.PricedModel | None:
        day = (_EPOCH + datetime.timedelta(microseconds=at_us)).date()
        stated = self._policy.find(route.provider.id, route.model, day)
        if stated is None:
            return self._by_name(route.provider.price_provider, route.model, day)
        if stated.same_as is None:
            return rates_of(stated)
        provider, model = stated.same_as
        return self._by_name(provider, model or route.model, day)

    def _scaled(self, rates: Rates | None, route: Route, at_us: int) -> Rates | None:
        """The rates with this route's factors in them; several that fit are multiplied."""
        if rates is None or not self._factors:
            return rates
        day = (_EPOCH + datetime.timedelta(microseconds=at_us)).date()
        tiers: dict[str, int] = {}
        whole = MILLION
        for entry in self._factors:
            if not entry.covers(route.provider.id, route.model, day):
                continue
            if entry.tier:
                tiers[entry.tier] = _times(tiers.get(entry.tier, MILLION), entry.factor_ppm)
            else:
                whole = _times(whole, entry.factor_ppm)
        return msgspec.structs.replace(rates, factor_ppm=whole, tier_factors=tiers)

    def _lookup(
        self, price_provider: str | None, model: str, day: datetime.date
    ) -> Rates | catalogue.PricedModel | None:
        """Rates for the whole day, or the entry itself where they change within it."""
        if price_provider is None:
            return None
        correction = self._corrections.find(price_provider, model, day)
        if correction is not None:
            return rates_of(correction)
        entry = self._find(price_provider, model)
        if entry is None or entry.by_time_of_day:
            return entry
        return entry.at(_instant(day))


def _instant(at: datetime.date) -> datetime.datetime:
    if isinstance(at, datetime.datetime):
        return at
    return datetime.datetime(at.year, at.month, at.day, tzinfo=datetime.UTC)


def _times(one: int, other: int) -> int:
    """Two factors as one, to the millionth, half up: a stated rule, for their exact product may be longer."""
    return (one * other + MILLION // 2) // MILLION
