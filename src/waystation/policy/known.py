"""What is known of providers' models from outside the policy: their own lists, the price data, our own table."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from waystation.model import Capabilities, ListedModel, Provider
from waystation.policy.families import capabilities_of, merged


class Prices(Protocol):
    """What a plan asks of the price book (`waystation.pricing.PriceBook`)."""

    def providers(self) -> tuple[str, ...]:
        """Provider ids that the price data knows."""

    def context_window(self, price_provider: str | None, model: str) -> int | None:
        """Prompt tokens that fit, where the price data says."""


class Catalogue:
    """The models that providers list, by provider id. Immutable; a newer one takes its place whole."""

    def __init__(self, lists: Mapping[str, Iterable[ListedModel]] | None = None) -> None:
        self._lists = {
            provider: {model.id: model for model in models} for provider, models in (lists or {}).items()
        }

    def of(self, provider: str) -> Iterable[ListedModel]:
        return self._lists.get(provider, {}).values()

    def find(self, provider: str, model: str) -> ListedModel | None:
        return self._lists.get(provider, {}).get(model)


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
        listed = self.catalogue.find(provider.id, model)
        if listed is not None:
            found = merged(found, listed.capabilities)
        if self._prices is not None and found.context_window is None:
            window = self._prices.context_window(provider.price_provider, model)
            found = merged(found, Capabilities(context_window=window))
        return merged(found, capabilities_of(model))
