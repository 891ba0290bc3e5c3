"""How to think and how to draw words, both ways.

There are two kinds of models behind this API: older ones take a budget of tokens, newer ones (`adaptive`) decide
for themselves and take a word for how hard to try; either refuses the other's setting. What the tool asked for is
said in the words of the model's kind; where nobody knows the kind, in the tool's own.
"""

from typing import Any, Literal

from waystation.model import Capabilities
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import Conversation, Effort, Thinking
from waystation.wire.codecs.door import Notes

LEAST_BUDGET = 1024
BUDGETS = {
    Effort.MINIMAL: LEAST_BUDGET,
    Effort.LOW: 4096,
    Effort.MEDIUM: 8192,
    Effort.HIGH: 16384,
    Effort.XHIGH: 32768,
    Effort.MAX: 65536,
}
"""Tokens for a word, least first: each twice the one before, from what the API takes at least."""
_WORDS = {
    Effort.MINIMAL: "low",
    Effort.LOW: "low",
    Effort.MEDIUM: "medium",
    Effort.HIGH: "high",
    Effort.XHIGH: "xhigh",
    Effort.MAX: "max",
}
_EFFORTS = {word: effort for effort, word in _WORDS.items()}
_CALM = frozenset({"low", "medium", "high"})
"""Words that go with thinking turned off; some models refuse the others then."""
_Show = Literal["", "none", "summary", "full"]
_SHOWN: dict[str, _Show] = {"summarized": "summary", "omitted": "none"}
_DISPLAY = {"summary": "summarized", "full": "summarized", "none": "omitted"}


def effort_of(budget: int) -> Effort:
    """The least word that stands for at least so many tokens."""
    for effort, tokens in BUDGETS.items():
        if tokens >= budget:
            return effort
    return Effort.MAX


def read_thinking(body: dict[str, Any], rest: dict[str, Any]) -> Thinking | None:
    """`thinking` and `output_config.effort`. What they say beyond a conversation goes to `rest`, by path."""
    config = body.get("thinking")
    if config is not None and not isinstance(config, dict):
        raise BadBody("'thinking' must be an object.", param="thinking")
    effort = _read_effort(body.get("output_config"), rest)
    if not config:
        return Thinking(effort=effort) if effort is not None else None
    kind = config.get("type")
    display = config.get("display")
    show: _Show = _SHOWN.get(display, "") if isinstance(display, str) else ""
    for key, value in config.items():
        if key not in ("type", "budget_tokens", "display") or (key == "display" and not show and value):
            rest[f"thinking.{key}"] = value
    if kind == "enabled":
        budget = config.get("budget_tokens")
        if not isinstance(budget, int) or isinstance(budget, bool) or budget < 0:
            raise BadBody(
                "'thinking.budget_tokens' must be a number of tokens.", param="thinking.budget_tokens"
            )
        return Thinking(effort, budget, show=show)
    if kind == "adaptive":
        return Thinking(effort, adaptive=True, show=show)
    if kind not in ("disabled", None):
        rest["thinking.type"] = kind  # `between_tools` turns thinking off too; what is newer we cannot know
    return Thinking(effort, 0 if kind in ("disabled", "between_tools") else None, show=show)


def _read_effort(config: Any, rest: dict[str, Any]) -> Effort | None:
    word = config.get("effort") if isinstance(config, dict) else None
    if word is None:
        return None
    effort = _EFFORTS.get(word) if isinstance(word, str) else None
    if effort is None:
        rest["output_config.effort"] = word
    return effort


class Plan:
    """What one request says of thinking and sampling, and what it cost to say it so."""

    __slots__ = ("effort", "on", "thinking")

    def __init__(
        self,
        conversation: Conversation,
        capabilities: Capabilities,
        max_tokens: int,
        notes: Notes,
        *,
        opens_with_thinking: bool,
    ) -> None:
        self.thinking: dict[str, Any] | None = None
        self.effort: str | None = None
        asked = conversation.thinking
        if asked is not None:
            self._plan(asked, capabilities.thinking, max_tokens, notes)
        kind = self.thinking["type"] if self.thinking is not None else ""
        if kind == "enabled" and not opens_with_thinking:
            # "a final assistant message must start with a thinking block" while its calls are being answered;
            # this one was another model's.
            self.thinking = None
            kind = ""
            notes.drop("thinking")
        self.on = kind in ("enabled", "adaptive")
        """Whether the request itself turns thinking on."""

    def _plan(self, asked: Thinking, kind: str | None, max_tokens: int, notes: Notes) -> None:
        off = asked.budget == 0 or asked.effort is Effort.NONE
        if kind == "none":
            if not off and asked != Thinking(show=asked.show):
                notes.drop("thinking")
            return
        if off:
            self.thinking = {"type": "disabled"}
            self._say(asked.effort, kind, notes, calm=True)
            return
        if kind == "budget" or (kind is None and asked.budget is not None and not asked.adaptive):
            self._plan_budget(asked, max_tokens, notes)
            self._say(asked.effort, kind, notes)
            return
        effort = asked.effort
        if effort is None and asked.budget is not None:
            effort = effort_of(asked.budget)
            notes.change(f"thinking={effort}")
        if (kind != "effort" and asked.adaptive) or (
            kind == "adaptive" and (effort is not None or asked.show)
        ):
            self.thinking = {"type": "adaptive"}
            self._show(asked)
        self._say(effort, kind, notes)

    def _plan_budget(self, asked: Thinking, max_tokens: int, notes: Notes) -> None:
        wanted = asked.budget
        if wanted is None:
            if asked.effort is None and not asked.adaptive and asked.show in ("", "none"):
                return
            wanted = BUDGETS[asked.effort or Effort.HIGH]  # the API's own default
        budget = max(wanted, LEAST_BUDGET)
        if budget >= max_tokens:  # thoughts count towards max_tokens: leave a quarter for the answer
            budget = max(max_tokens * 3 // 4, LEAST_BUDGET)
        if budget >= max_tokens:
            notes.drop("thinking")
            return
        if budget != wanted:
            notes.change(f"thinking={budget}")
        self.thinking = {"type": "enabled", "budget_tokens": budget}
        self._show(asked)

    def _show(self, asked: Thinking) -> None:
        if asked.show and self.thinking is not None:
            self.thinking["display"] = _DISPLAY[asked.show]

    def _say(self, effort: Effort | None, kind: str | None, notes: Notes, *, calm: bool = False) -> None:
        if effort is None or effort is Effort.NONE or kind == "budget":
            return
        word = _WORDS[effort]
        if calm and word not in _CALM:
            notes.change("effort=high")
            word = "high"
        if effort is Effort.MINIMAL:
            notes.change("effort=low")
        self.effort = word


def sampling(
    conversation: Conversation, capabilities: Capabilities, notes: Notes, *, thinking: bool
) -> dict[str, float | int]:
    """`temperature`, `top_p` and `top_k`, as far as they are taken.

    Newer models take none of them, no model takes them all while it thinks, and newer ones of the others do
    not take temperature and top_p together. What is left out for its being the default anyway is not noted.
    """
    none = capabilities.sampling is False
    written: dict[str, float | int] = {}
    temperature, top_p, top_k = conversation.temperature, conversation.top_p, conversation.top_k
    if temperature is not None:
        if none or thinking:
            if temperature != 1:
                notes.drop("temperature")
        elif temperature > 1:
            written["temperature"] = 1.0
            notes.change("temperature=1")
        else:
            written["temperature"] = temperature
    if top_p is not None:
        if none or "temperature" in written or (thinking and not 0.95 <= top_p <= 1):
            if top_p != 1:
                notes.drop("top_p")
        else:
            written["top_p"] = top_p
    if top_k is not None:
        if none or thinking:
            notes.drop("top_k")
        else:
            written["top_k"] = top_k
    return written
