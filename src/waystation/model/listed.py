"""A model as its provider's own list has it."""

import msgspec

from waystation.model.capabilities import Capabilities


class ListedModel(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a provider's list of models. What the provider does not say is empty."""

    id: str
    """The provider's own model id."""
    display_name: str = ""
    created: int = 0
    """Unix seconds; 0 where nobody said."""
    capabilities: Capabilities = Capabilities()
