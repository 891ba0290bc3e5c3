"""What is known of providers' models from outside the policy: their own lists, the price data, our own table."""

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from waystation.model import Capabilities, ListedModel, Provider
from waystation.policy.families import capabilities_of, merged


class Prices(Protocol):
    """What a plan asks of the price book (`waystation.pricing.PriceBook`)."""

    def providers(self) -> tuple[str, ...]:
        """Provider ids that the price data knows."""

    def context_window(self, price_provider: str | None, model: str) -> int | None:
        """Prompt tokens that fit, where the price data says."""


class ProviderList(msgspec.Struct, frozen=True):
    """What one provider answered when it was last asked for its models."""

    base_url: str
    """Who answered: another server under the same name in the policy has another list."""
    models: tuple[ListedModel, ...]
    at: int = 0
    """When, in Unix seconds."""


class Catalogue:
    """The models that providers list, by provider id. Immutable; a newer one takes its place whole."""

    def __init__(self, lists: Mapping[str, ProviderList] | None = None) -> None:
        self.lists: Mapping[str, ProviderList] = dict(lists or {})
        self._models = {
            (provider, known.base_url): {model.id: model for model in known.models}
            for provider, known in self.lists.items()
        }

    def of(self, provider: Provider) -> Iterable[ListedModel]:
        return self._models.get((provider.id, provider.base_url), {}).values()

    def find(self, provider: Provider, model: str) -> ListedModel | None:
        return self._models.get((provider.id, provider.base_url), {}).get(model)


NOTHING_LISTED = Catalogue()


class Known:
    """Everything that is known of models beside the policy's own word, which comes before it."""

    def __init__(self, catalogue: Catalogue = NOTHING_LISTED, prices: Prices | None = None) -> None:
        self.catalogue = catalogue
        self._prices = prices

    def of(self, provider: Provider, model: str, stated: Capabilities) -> Capabilities:
        """What `model` can do there: as stated, else as the provider lists it, else by the price data, else by our
        table.

        Walks tables: some tens of microseconds. Callers remember the answer.
        """
        found = stated
        listed = self.catalogue.find(provider, model)
        if listed is not None:
            found = merged(found, listed.capabilities)
        if self._prices is not None and found.context_window is None:
            window = self._prices.context_window(provider.price_provider, model)
            found = merged(found, Capabilities(context_window=window))
        return merged(found, capabilities_of(model))
