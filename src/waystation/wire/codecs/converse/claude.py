"""What the generations of Claude take and refuse, told by the model's name.

What each refuses is documented by Anthropic (model pages, "parameter changes") and was reported for Bedrock; a
request with one such field fails as a whole. A name without a version counts as the newest generation, so that
a new model works before this file knows it.
"""

import re

import msgspec

_NAME = re.compile(
    r"claude-(?:(?P<old>\d)(?:-(?P<old_minor>\d))?(?=-[a-z])"  # claude-3-5-sonnet
    r"|[a-z]+-(?P<new>\d{1,2})(?!\d)(?:-(?P<new_minor>\d{1,2})(?!\d))?"  # claude-opus-4-6-v1, claude-sonnet-4-20250514
    r"|(?P<ancient>v?\d|instant))"
)
_NEWEST = (99, 0)
_NOT_CACHED = re.compile(r"claude-(?:v?[12]|instant|3-(?:opus|sonnet|haiku)|3-5-sonnet-20240620)")


class Claude(msgspec.Struct, frozen=True, gc=False):
    """One generation."""

    version: tuple[int, int]
    caches: bool
    """Takes cache marks."""

    @property
    def thinks(self) -> bool:
        return self.version >= (3, 7)

    @property
    def adaptive(self) -> bool:
        """Takes `thinking: adaptive` with an effort. From 4.7 on it takes nothing else."""
        return self.version >= (4, 6)

    @property
    def budgets(self) -> bool:
        """Takes a budget of thinking tokens."""
        return (3, 7) <= self.version < (4, 7)

    @property
    def samples(self) -> bool:
        """Takes `temperature`, `top_p` and `top_k` other than its own."""
        return self.version < (4, 7)

    @property
    def one_of_temperature_and_top_p(self) -> bool:
        return self.version >= (4, 1)

    @property
    def structured(self) -> bool:
        """Takes a JSON Schema for its answer, and strict tools."""
        return self.version >= (4, 5)


def claude(name: str) -> Claude | None:
    """The generation that a model's name tells; None if it is not a Claude."""
    at = name.find("claude")
    if at < 0:
        return None
    found = _NAME.match(name, at)
    if found is None:
        return Claude(_NEWEST, True)
    if found["ancient"]:
        return Claude((2, 0), False)
    if found["old"]:
        version = int(found["old"]), int(found["old_minor"] or 0)
    else:
        version = int(found["new"]), int(found["new_minor"] or 0)
    return Claude(version, _NOT_CACHED.match(name, at) is None)
