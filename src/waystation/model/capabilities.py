"""What a model can do, as far as somebody says."""

from typing import Literal

import msgspec


class Capabilities(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """None means that nobody said; a translation then assumes that it can, and lets the provider object."""

    context_window: int | None = None
    """Prompt tokens that fit."""
    max_output: int | None = None
    """Tokens it can generate in one answer."""
    tools: bool | None = None
    parallel_tools: bool | None = None
    vision: bool | None = None
    documents: bool | None = None
    structured_output: bool | None = None
    caching: bool | None = None
    """Cache marks in the prompt mean something to it."""
    thinking: Literal["none", "effort", "budget", "adaptive"] | None = None
    """How it is told to think: not at all; by a word; by tokens; as it sees fit, with a word as bound."""
    forced_tools_with_thinking: bool | None = None
    """It takes a forced tool choice while thinking (E103)."""
    sampling: bool | None = None
    """It takes `temperature`, `top_p` and `top_k`; those that do not refuse the whole request for them."""
    system_turns: bool | None = None
    """Messages: it takes `role: system` among the messages. Where nobody said, a translation assumes that it does
    not: models that do not refuse the whole session for it, and user text says the same."""
    task: Literal["chat", "embeddings", "other"] | None = None
    """What it is for: conversations; vectors; or something that this gateway has no address for (speech, pictures)."""
