"""Keeps the plan informed of the models that providers list: asked in the background, now and then.

Nothing waits for it. What could not be asked keeps its last list, over restarts too.
"""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from waystation.app.plan import PlanKeeper
from waystation.model import ListedModel, Provider
from waystation.policy import Catalogue, ProviderList
from waystation.relay import NoAnswer, UpstreamPools, list_models
from waystation.store.lists import write_lists
from waystation.vault import SecretUnavailable

_log = logging.getLogger("waystation.models")
_AT_ONCE = 4
_FIRST_RETRY = 60.0


class _Asked(msgspec.Struct):
    """How it stands with one provider."""

    provider: Provider
    due: float
    """Event-loop seconds."""
    failures: int = 0
    """In a row."""


class Discovery:
    """Asks each provider that the plan says at once, again every `interval` seconds, and when the policy has
    changed what it says of it. A failure is told once, and tried again sooner."""

    def __init__(
        self,
        keeper: PlanKeeper,
        pools: UpstreamPools,
        data: Path,
        *,
        interval: float,
        first_retry: float = _FIRST_RETRY,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._keeper = keeper
        self._pools = pools
        self._data = data
        self._interval = interval
        self._first_retry = first_retry
        self._wall_clock = wall_clock
        self._lists = dict(keeper.catalogue.lists)
        self._asked: dict[str, _Asked] = {}
        self._changed = asyncio.Event()
        self._unwritable = False
        keeper.on_change(lambda _: self._changed.set())

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._changed.clear()
            self._follow_plan()
            await self._ask_due()
            try:
                async with asyncio.timeout(self._until_due()):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _follow_plan(self) -> None:
        """Whom to ask: those of the plan in force that we have the credential of. A new one is due at once."""
        state, now = self._keeper.state, asyncio.get_running_loop().time()
        wanted = {
            p.id: p
            for p in state.plan.providers.values()
            if p.discover and p.id in state.credentials.by_provider
        }
        self._asked = {
            name: known
            if (known := self._asked.get(name)) is not None and known.provider == provider
            else _Asked(provider, now)
            for name, provider in wanted.items()
        }

    def _until_due(self) -> float | None:
        now = asyncio.get_running_loop().time()
        return max(0.0, min((a.due for a in self._asked.values()), default=now + 3600.0) - now)

    async def _ask_due(self) -> None:
        """Asks whoever is due, a few at a time, and takes each answer as it comes."""
        now = asyncio.get_running_loop().time()
        gate = asyncio.Semaphore(_AT_ONCE)
        due = [asked for asked in self._asked.values() if asked.due <= now]
        for answer in asyncio.as_completed([self._ask(asked, gate) for asked in due]):
            provider, models = await answer
            if models is not None:
                await self._take(provider, models)

    async def _ask(
        self, asked: _Asked, gate: asyncio.Semaphore
    ) -> tuple[Provider, tuple[ListedModel, ...] | None]:
        """The list, or None where there is none to be had now. Sets when to ask again."""
        provider, state = asked.provider, self._keeper.state
        now = asyncio.get_running_loop().time
        try:
            async with gate:
                addresses = state.plan.lists_of(provider)
                credential = state.credentials.by_provider.get(provider.id)
                models = await list_models(self._pools, provider, addresses, credential)
        except Exception as error:
            self._tell(asked, error)
            wait = min(self._interval, self._first_retry * 2.0 ** min(asked.failures, 20))
            asked.failures += 1
            asked.due = now() + wait * random.uniform(0.9, 1.1)  # noqa: S311  # spreads load
            return provider, None
        asked.failures = 0
        asked.due = now() + self._interval * random.uniform(0.95, 1.05)  # noqa: S311  # as above
        _log.info("models listed", extra={"fields": {"provider": provider.id, "models": len(models)}})
        return provider, models

    def _tell(self, asked: _Asked, error: Exception) -> None:
        """Once an outage."""
        if asked.failures:
            return
        if isinstance(error, NoAnswer | SecretUnavailable):
            fields = {"provider": asked.provider.id, "reason": str(error)}
            _log.warning("models not listed", extra={"fields": fields})
        else:
            _log.error("models not listed", exc_info=error, extra={"fields": {"provider": asked.provider.id}})

    async def _take(self, provider: Provider, models: tuple[ListedModel, ...]) -> None:
        """Puts a list in force, and keeps it. Lists of providers that are no longer asked go."""
        providers = self._keeper.plan.providers
        lists = {n: known for n, known in self._lists.items() if n in providers and providers[n].discover}
        lists[provider.id] = ProviderList(provider.base_url, models, int(self._wall_clock()))
        if _said(lists) != _said(self._lists):
            await self._keeper.take_catalogue(Catalogue(lists))
        self._lists = lists
        try:
            await asyncio.to_thread(write_lists, self._data, lists)
            self._unwritable = False
        except OSError as error:
            if not self._unwritable:
                _log.warning("lists of models not kept", extra={"fields": {"reason": error.strerror}})
            self._unwritable = True


def _said(lists: Mapping[str, ProviderList]) -> dict[str, tuple[str, tuple[ListedModel, ...]]]:
    """Without the time at which it was said."""
    return {provider: (known.base_url, known.models) for provider, known in lists.items()}
