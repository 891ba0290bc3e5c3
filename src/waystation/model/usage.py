"""What one attempt consumed, in disjoint buckets."""

from enum import StrEnum

import msgspec


class UsageSource(StrEnum):
    PROVIDER = "provider"
    """The provider said it, in a terminal event or a whole body."""
    PARTIAL = "partial"
    """The provider said part of it before the attempt ended; the rest is our estimate."""
    ESTIMATED = "estimated"
    """The provider said nothing; every figure is our estimate."""
    ABSENT = "absent"
    """Nothing was consumed as far as anybody can know (the attempt never reached a model)."""


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Token counts. The buckets are disjoint, save that `reasoning` is a part of `output`.

    Providers disagree on what "input" means: Anthropic's excludes cached tokens, OpenAI's and Gemini's
    include them. They are made disjoint once, by the reader of the wire (`waystation.wire`), so that no
    sum anywhere counts a token twice.
    """

    input: int = 0
    """Prompt tokens neither read from nor written to a cache."""
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    """Everything generated, reasoning included."""
    reasoning: int = 0
    web_searches: int = 0
    """Server-side searches, billed by the call."""
    tier: str = ""
    """Service tier that the provider says it served (not the one that was asked for)."""
    source: UsageSource = UsageSource.PROVIDER
    mismatch: bool = False
    """The provider's own parts do not add up to its own total."""

    @property
    def prompt(self) -> int:
        """All prompt tokens, cached or not: what context windows and price tiers are measured in."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h

    @property
    def total(self) -> int:
        return self.prompt + self.output
