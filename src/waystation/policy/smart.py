"""Smart routes: a name that stands for one of several models, by what the request is like."""

from collections.abc import Callable

import msgspec


class Circumstances(msgspec.Struct, frozen=True, gc=False):
    """What a smart route may look at. Filled in by the relay, which has the request."""

    prompt_tokens: int = 0
    tools: int = 0
    """How many the request declares."""
    images: bool = False
    side_call: str = ""
    """`title`, `summary`, `check`, or empty for the conversation itself."""
    agent: str = ""
    """The coding tool that asks."""


class Line(msgspec.Struct, frozen=True):
    """One line of a `choose`, compiled."""

    models: tuple[str, ...]
    quickest: bool = False
    side_call: frozenset[str] = frozenset()
    prompt_over: int | None = None
    prompt_under: int | None = None
    images: bool | None = None
    tools: bool | None = None
    agents: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()

    def fits(self, seen: Circumstances, groups: frozenset[str]) -> bool:
        return (
            (not self.side_call or seen.side_call in self.side_call)
            and (self.prompt_over is None or seen.prompt_tokens > self.prompt_over)
            and (self.prompt_under is None or seen.prompt_tokens < self.prompt_under)
            and (self.images is None or self.images is seen.images)
            and (self.tools is None or self.tools is (seen.tools > 0))
            and (not self.agents or seen.agent in self.agents)
            and (not self.groups or not self.groups.isdisjoint(groups))
        )

    @property
    def reason(self) -> str:
        """Its conditions in words, for the ledger; never anything of the request."""
        said = []
        if self.side_call:
            said.append("side call " + "/".join(sorted(self.side_call)))
        if self.prompt_over is not None:
            said.append(f"prompt over {self.prompt_over}")
        if self.prompt_under is not None:
            said.append(f"prompt under {self.prompt_under}")
        if self.images is not None:
            said.append("images" if self.images else "no images")
        if self.tools is not None:
            said.append("tools" if self.tools else "no tools")
        if self.agents:
            said.append("agent " + "/".join(sorted(self.agents)))
        if self.groups:
            said.append("group " + "/".join(sorted(self.groups)))
        if self.quickest:
            said.append("quickest")
        return ", ".join(said) or "otherwise"


def candidates(
    line: Line, latency: Callable[[str], float | None], allowed: frozenset[str]
) -> tuple[str, ...]:
    """The line's models in order of preference, of those `allowed`.

    By latency, one of which nothing is known yet comes first: nobody would ever learn of it otherwise.
    """
    names = tuple(name for name in line.models if name in allowed)
    if line.quickest:
        names = tuple(sorted(names, key=lambda name: latency(name) or 0.0))
    return names
