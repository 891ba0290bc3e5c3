"""Prices that beat the price data: the policy's, and our own packaged corrections."""

import datetime
import importlib.resources
import re
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Decimal

import msgspec
import yaml

from waystation.model import LongContext, PriceOverride, StatedRates
from waystation.pricing.rates import LongContextRates, Rates, from_stated


class OverrideIndex:
    """Finds the stated price for a provider's model on a day.

    An exact model id beats a pattern, a pattern with a longer literal text a shorter one; of several dated
    prices for the same id or pattern, the one that came into force last.
    """

    def __init__(self, overrides: Iterable[PriceOverride]) -> None:
        self._exact: dict[tuple[str, str], list[PriceOverride]] = {}
        self._patterns: dict[str, dict[str, list[PriceOverride]]] = {}
        for override in overrides:
            if "*" in override.model:
                self._patterns.setdefault(override.provider, {}).setdefault(override.model, []).append(
                    override
                )
            else:
                self._exact.setdefault((override.provider, override.model), []).append(override)

    def find(self, provider: str, model: str, day: datetime.date) -> PriceOverride | None:
        if found := _in_force(self._exact.get((provider, model), ()), day):
            return found
        patterns = self._patterns.get(provider)
        if not patterns:
            return None
        for pattern in sorted(patterns, key=lambda p: len(p.replace("*", "")), reverse=True):
            if _matches(pattern, model) and (found := _in_force(patterns[pattern], day)):
                return found
        return None


def rates_of(override: PriceOverride) -> Rates | None:
    """The override's own rates; None where it points at the price data instead (`same_as`)."""
    if override.rates is None:
        return None
    steps = sorted(override.long_context, key=lambda step: step.above, reverse=True)
    return from_stated(
        override.rates,
        long_context=tuple(LongContextRates(s.above, from_stated(s.rates)) for s in steps),
        service_tiers={name.lower(): from_stated(r) for name, r in override.service_tiers},
        origin=override.source or f"{override.provider}/{override.model}",
    )


def packaged() -> tuple[int, tuple[PriceOverride, ...]]:
    """Revision and entries of `overrides.yaml`."""
    return read_corrections(
        importlib.resources.files(__package__).joinpath("overrides.yaml").read_text("utf-8")
    )


def read_corrections(text: str) -> tuple[int, tuple[PriceOverride, ...]]:
    """Revision and entries of a corrections file (its form is told at its top)."""
    # BaseLoader leaves every scalar as text: an amount becomes a Decimal without passing through a float.
    raw = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - builds only str, list and dict
    file = msgspec.convert(raw, _File, strict=False)
    return file.revision, tuple(entry.override() for entry in file.prices)


def _in_force(candidates: Iterable[PriceOverride], day: datetime.date) -> PriceOverride | None:
    started = [c for c in candidates if c.effective is None or c.effective <= day]
    return max(started, key=lambda c: c.effective or datetime.date.min, default=None)


def _matches(pattern: str, model: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), model, re.DOTALL) is not None


class _Amounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    input: Decimal
    output: Decimal
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    web_search: Decimal | None = None

    def stated(self) -> StatedRates:
        return StatedRates(
            input=_pico(self.input, 6),
            output=_pico(self.output, 6),
            cache_read=None if self.cache_read is None else _pico(self.cache_read, 6),
            cache_write_5m=None if self.cache_write is None else _pico(self.cache_write, 6),
            cache_write_1h=None if self.cache_write_1h is None else _pico(self.cache_write_1h, 6),
            web_search=None if self.web_search is None else _pico(self.web_search, 9),
        )


class _Step(_Amounts, frozen=True, forbid_unknown_fields=True, kw_only=True):
    above: int


class _Entry(_Amounts, frozen=True, forbid_unknown_fields=True, kw_only=True):
    provider: str
    model: str
    source: str
    verified: datetime.date
    effective: datetime.date | None = None
    long_context: tuple[_Step, ...] = ()
    service_tiers: dict[str, _Amounts] = {}

    def override(self) -> PriceOverride:
        return PriceOverride(
            provider=self.provider,
            model=self.model,
            rates=self.stated(),
            long_context=tuple(LongContext(step.above, step.stated()) for step in self.long_context),
            service_tiers=tuple((name, amounts.stated()) for name, amounts in self.service_tiers.items()),
            effective=self.effective,
            source=self.source,
            verified=self.verified,
        )


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    revision: int
    prices: tuple[_Entry, ...]


def _pico(amount: Decimal, scale: int) -> int:
    return int(amount.scaleb(scale).to_integral_value(ROUND_HALF_UP))
