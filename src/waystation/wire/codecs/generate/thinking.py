"""How hard to think, in Gemini's words: tokens up to 2.5, a level from 3 on.

https://ai.google.dev/gemini-api/docs/thinking has the ranges; what is outside them refuses the request.
"""

import re
from typing import Any

from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import Effort, Thinking
from waystation.wire.codecs.door import Notes, Target
from waystation.wire.codecs.generate.parts import Json, pop

_NAME = re.compile(r"gemini-(\d+)")
_LEVELS = {
    "MINIMAL": Effort.MINIMAL,
    "LOW": Effort.LOW,
    "MEDIUM": Effort.MEDIUM,
    "HIGH": Effort.HIGH,
    "XHIGH": Effort.XHIGH,
}
_LEVEL_OF = {
    Effort.NONE: "MINIMAL",
    Effort.MINIMAL: "MINIMAL",
    Effort.LOW: "LOW",
    Effort.MEDIUM: "MEDIUM",
    Effort.HIGH: "HIGH",
    Effort.XHIGH: "HIGH",
    Effort.MAX: "HIGH",
}
_BUDGET_OF = {
    Effort.NONE: 0,
    Effort.MINIMAL: 1_024,
    Effort.LOW: 1_024,
    Effort.MEDIUM: 8_192,
    Effort.HIGH: 24_576,
    Effort.XHIGH: 32_768,
    Effort.MAX: 32_768,
}
"""As Google's own OpenAI-compatible endpoint has them."""
_AS_LONG_AS_IT_TAKES = -1


def generation(model: str) -> int:
    """2 for `gemini-2.5-pro`; the newest for a Gemini without a number (`gemini-flash-latest`), so that a new
    one works before this file knows it; 0 for any other model."""
    found = _NAME.search(model)
    if found is not None:
        return int(found[1])
    return 99 if "gemini" in model else 0


def read_thinking(config: Any, extras: Json) -> Thinking | None:
    """`generationConfig.thinkingConfig`; what is not understood goes to `extras`."""
    where = "generationConfig.thinkingConfig"
    if config is None:
        return None
    if not isinstance(config, dict):
        raise BadBody(f"The field '{where}' must be an object.", param=where)
    rest = dict(config)
    budget, level, shown = (
        pop(rest, "thinkingBudget"),
        pop(rest, "thinkingLevel"),
        pop(rest, "includeThoughts"),
    )
    if budget is not None and (isinstance(budget, bool) or not isinstance(budget, int) or budget < -1):
        raise BadBody(
            f"The field '{where}.thinkingBudget' must be -1, 0 or more.", param=f"{where}.thinkingBudget"
        )
    effort = _LEVELS.get(level.upper()) if isinstance(level, str) else None
    if level is not None and effort is None:
        extras[f"{where}.thinkingLevel"] = level
    for name, value in rest.items():
        extras[f"{where}.{name}"] = value
    return Thinking(
        effort=effort,
        budget=budget if budget != _AS_LONG_AS_IT_TAKES else None,
        adaptive=budget == _AS_LONG_AS_IT_TAKES,
        show="summary" if shown is True else "none",  # Gemini keeps them to itself unless it is asked
    )


def write_thinking(thinking: Thinking | None, target: Target, notes: Notes) -> Json:
    """`thinkingConfig` for this model; empty where nothing is to be said."""
    if thinking is None:
        return {}
    style = target.capabilities.thinking
    if style == "none" or (style is None and generation(target.model) == 0):
        if thinking.budget or (thinking.effort not in (None, Effort.NONE)) or thinking.adaptive:
            notes.drop("thinking")
        return {}
    config: Json = {}
    by_level = style in ("effort", "adaptive") or (style is None and generation(target.model) >= 3)
    if by_level:
        level = _level(thinking, target.model)
        if level:
            config["thinkingLevel"] = level
    else:
        budget = _budget(thinking)
        if budget is not None:
            config["thinkingBudget"] = _within(budget, target.model, notes)
    if thinking.show:
        config["includeThoughts"] = thinking.show != "none"
    elif thinking.budget or thinking.adaptive:
        config["includeThoughts"] = (
            True  # Messages shows the thoughts that it turns on; Gemini has to be told
        )
    return config


def _level(thinking: Thinking, model: str) -> str:
    effort = thinking.effort
    if effort is None and thinking.budget is not None:
        budget = thinking.budget
        effort = Effort.HIGH if budget > 8_192 else Effort.MEDIUM if budget > 1_024 else Effort.LOW
        if budget == 0:
            effort = Effort.NONE
    if effort is None:
        return ""
    level = _LEVEL_OF[effort]
    return "LOW" if level == "MINIMAL" and "pro" in model else level


def _budget(thinking: Thinking) -> int | None:
    if thinking.budget is not None:
        return thinking.budget
    if thinking.adaptive and thinking.effort in (None, Effort.HIGH, Effort.XHIGH, Effort.MAX):
        return _AS_LONG_AS_IT_TAKES
    return None if thinking.effort is None else _BUDGET_OF[thinking.effort]


def _within(budget: int, model: str, notes: Notes) -> int:
    """The nearest budget that the model takes."""
    if budget == _AS_LONG_AS_IT_TAKES:
        return budget
    if "flash" in model:
        least, most = (512 if "lite" in model and budget else 0), 24_576
    else:
        least, most = (128 if "pro" in model else 0), 32_768
    nearest = min(max(budget, least), most)
    if nearest != budget:
        notes.change(f"thinkingBudget={nearest}")
    return nearest
