"""The protocol's words for what the canonical conversation says in its own: why it stopped, how hard to think,
what it used."""

from typing import Any

from waystation.model import Usage
from waystation.wire.canonical import Effort, StopReason, Thinking

_STOPPED: dict[str, StopReason] = {
    "stop": StopReason.END,
    "length": StopReason.MAX_TOKENS,
    "max_tokens": StopReason.MAX_TOKENS,
    "tool_calls": StopReason.TOOL_USE,
    "function_call": StopReason.TOOL_USE,
    "content_filter": StopReason.REFUSAL,
    "refusal": StopReason.REFUSAL,
    "safety": StopReason.REFUSAL,
    "sensitive": StopReason.REFUSAL,  # Z.ai
    "model_length": StopReason.CONTEXT_FULL,  # Mistral
    "model_context_window_exceeded": StopReason.CONTEXT_FULL,  # Z.ai
}
BROKE_OFF = frozenset({"error", "network_error", "insufficient_system_resource", "abort"})
"""Reasons to finish that are failures (OpenRouter, Z.ai, DeepSeek, vLLM): never told as an ordinary end."""

_FINISH_REASONS: dict[StopReason, str] = {
    StopReason.END: "stop",
    StopReason.MAX_TOKENS: "length",
    StopReason.TOOL_USE: "tool_calls",
    StopReason.STOP_SEQUENCE: "stop",
    StopReason.REFUSAL: "content_filter",
    StopReason.PAUSE: "stop",
    StopReason.CONTEXT_FULL: "length",
}
_BUDGETS = ((0, Effort.NONE), (2048, Effort.LOW), (12288, Effort.MEDIUM))
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})


def stop_reason(word: str, *, called: bool) -> StopReason:
    """`called`: the answer has tool calls. Some servers say `stop` with them, some `tool_calls` without
    (E106); an open set, so a word that nobody knows is an ordinary end."""
    reason = _STOPPED.get(word, StopReason.END)
    if reason in (StopReason.END, StopReason.TOOL_USE):
        return StopReason.TOOL_USE if called else StopReason.END
    return reason


def finish_reason(reason: StopReason, *, legacy: bool) -> str:
    """`legacy`: the tool speaks of functions, not of tools."""
    if legacy and reason is StopReason.TOOL_USE:
        return "function_call"
    return _FINISH_REASONS[reason]


def usage_object(usage: Usage) -> dict[str, Any]:
    """Inclusive, as this protocol has it: the prompt with its cached tokens, the completion with its
    reasoning. Every field that the SDKs know is there, zeros too (E46)."""
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.output,
        "total_tokens": usage.total,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "audio_tokens": 0,
            "cache_write_tokens": usage.cache_write_5m + usage.cache_write_1h,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def service_tier(usage: Usage | None) -> str:
    """The tier that was served, where this protocol has a word for it; else empty."""
    return usage.tier if usage is not None and usage.tier in _TIERS else ""


def effort_for(thinking: Thinking) -> Effort | None:
    """The word that comes nearest to what was asked, or None to leave it to the model."""
    if thinking.effort is not None or thinking.budget is None:
        return thinking.effort
    for most, effort in _BUDGETS:
        if thinking.budget <= most:
            return effort
    return Effort.HIGH


def plain_effort(effort: Effort) -> Effort:
    """The nearest of the words that every server knows: the finer ones are OpenAI's and few others'."""
    if effort is Effort.MINIMAL:
        return Effort.LOW
    return Effort.HIGH if effort in (Effort.XHIGH, Effort.MAX) else effort
