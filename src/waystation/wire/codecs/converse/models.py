"""What the models on Bedrock differ in, as far as a request must know: one API, many makers.

Bedrock refuses a whole request for one field that its model does not know. So what is not known to work for a
maker's models is left out, with notice. A model whose id tells nothing (an application inference profile, a
custom model) is mostly a Claude and treated as one, unless the policy says what it can do.
"""

import re
from typing import Literal

import msgspec

from waystation.model import Capabilities
from waystation.wire.codecs.converse.claude import Claude, claude

_VENDOR = re.compile(r"(?:[a-z-]{2,8}\.)?([a-z][a-z0-9]+)\.")
ThinkingStyle = Literal["none", "claude-budget", "claude-adaptive", "nova", "reasoning", "reasoning_effort"]


class ModelFacts(msgspec.Struct, frozen=True, gc=False):
    claude: Claude | None
    known: bool
    """The id tells whose model it is."""
    cache_points: bool
    """Takes `cachePoint` blocks."""
    thinking: ThinkingStyle
    structured: bool
    """Takes `outputConfig.textFormat` and strict tools."""
    samples: bool = True
    """Takes temperature, top_p and top_k other than its own."""
    one_of_temperature_and_top_p: bool = False
    top_k: Literal["", "claude", "nova"] = ""
    lone_blocks: bool = False
    """Refuses words beside tool calls or results in one turn."""


def model_facts(model: str, capabilities: Capabilities) -> ModelFacts:
    """`model`: an id, an inference profile's id, or an ARN of either. The catalogue's word beats the id's, save
    for cache points: other makers' models cache by themselves, if at all, and refuse them."""
    name = model.rpartition("/")[2] if model.startswith("arn:") else model
    generation = claude(name)
    known = generation is not None or _vendor(name) != ""
    cache = generation.caches if generation is not None else not known
    if capabilities.caching is False:
        cache = False
    structured = capabilities.structured_output
    if structured is None:
        structured = generation.structured if generation is not None else not known
    samples = capabilities.sampling
    if samples is None:
        samples = generation is None or generation.samples
    return ModelFacts(
        claude=generation,
        known=known,
        cache_points=cache,
        thinking=_thinking(name, generation, known, capabilities),
        structured=structured,
        samples=samples,
        one_of_temperature_and_top_p=generation is not None and generation.one_of_temperature_and_top_p,
        top_k="claude" if generation is not None or not known else "nova" if ".nova-" in name else "",
        lone_blocks="meta.llama" in name or "mistral." in name,
    )


def _vendor(name: str) -> str:
    """`anthropic` in `eu.anthropic.claude-…`; empty where the id does not say."""
    found = _VENDOR.match(name)
    return found[1] if found is not None else ""


def _thinking(name: str, generation: Claude | None, known: bool, capabilities: Capabilities) -> ThinkingStyle:
    said = capabilities.thinking
    if said == "none":
        return "none"
    if generation is not None or not known:
        if said == "budget":
            return "claude-budget"
        if said is not None or generation is None or generation.adaptive:
            return "claude-adaptive"
        return "claude-budget" if generation.budgets else "none"
    if ".nova-2" in name:
        return "nova"
    if "openai.gpt-oss" in name or "moonshot" in name:
        return "reasoning_effort"
    if "openai.gpt-" in name:
        return "reasoning"
    return "none"
