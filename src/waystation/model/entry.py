"""A model as a tool's model picker shows it."""

import msgspec


class ModelEntry(msgspec.Struct, frozen=True, gc=False):
    """One line of a `/models` answer; `wire.model_list` gives it each surface's shape."""

    id: str
    """The name to ask for."""
    display_name: str = ""
    """What people read; empty means the id."""
    created: int = 0
    """Unix seconds; 0 where nobody said."""
    context_window: int | None = None
    """Prompt tokens that fit, where known."""
    max_output: int | None = None
    """Tokens it can generate in one answer, where known."""
    embeds: bool = False
    """It makes vectors, and answers no conversation."""
