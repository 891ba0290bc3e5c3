"""An answer as a tool is given it: the items, and the response object around them.

The same items end a stream and make a whole answer. What the tool itself sent (instructions, tools) is not
repeated in it: three copies of a prompt of many thousand words for nobody who reads them.
"""

from typing import Any

from waystation.model import Usage
from waystation.wire.canonical import Media, MediaKind, Part, Seal, StopReason, ToolCall
from waystation.wire.codecs.door import AnswerHead
from waystation.wire.codecs.responses.fields import Json
from waystation.wire.codecs.responses.reasoning import sealed_for_tool
from waystation.wire.codecs.responses.tools import write_choice

_TIERS = {
    "standard": "default",
    **{name: name for name in ("auto", "default", "flex", "scale", "priority", "fast", "ultrafast")},
}
_INCOMPLETE = {
    StopReason.MAX_TOKENS: "max_output_tokens",
    StopReason.CONTEXT_FULL: "max_output_tokens",
    StopReason.REFUSAL: "content_filter",
}
"""The others are complete (E106)."""


def response_id(head: AnswerHead) -> str:
    return f"resp_{head.id}"


def item_id(prefix: str, head: AnswerHead, index: int) -> str:
    """The id of the item at `index` of the answer."""
    return f"{prefix}_{head.id}_{index}"


def text_part(text: str, refusal: bool) -> Json:
    if refusal:
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def message_item(ident: str, content: list[Json], status: str = "completed") -> Json:
    return {"type": "message", "id": ident, "role": "assistant", "status": status, "content": content}


def reasoning_item(ident: str, text: str, seal: Seal | None) -> Json:
    return {
        "type": "reasoning",
        "id": ident,
        "summary": [{"type": "summary_text", "text": text}] if text else [],
        "encrypted_content": sealed_for_tool(seal),
    }


def call_item(ident: str, part: ToolCall, arguments: str, status: str = "completed") -> Json:
    """A call of a function, or of a tool that takes text (E30); its namespace on its own (E32)."""
    item: Json = {
        "type": "custom_tool_call" if part.custom else "function_call",
        "id": ident,
        "call_id": part.id or f"call_{ident}",
        "name": part.name,
        "input" if part.custom else "arguments": arguments,
        "status": status,
    }
    if part.namespace:
        item["namespace"] = part.namespace
    return item


def is_picture(part: Part) -> bool:
    """Whether the protocol has an item for it: a picture that the model made. It has none for other media."""
    return isinstance(part, Media) and part.kind is MediaKind.IMAGE and bool(part.data)


def image_item(ident: str, part: Media) -> Json:
    return {"type": "image_generation_call", "id": ident, "status": "completed", "result": part.data}


def media_words(part: Media) -> str:
    """What stands for a medium that the protocol has not."""
    where = f": {part.url}" if part.url else ""
    return f"[{part.kind.value}{where}]"


def response(
    head: AnswerHead,
    status: str,
    output: list[Json],
    usage: Usage | None = None,
    incomplete: str | None = None,
) -> Json:
    """The response object, with all that the SDK's type of it has."""
    request = head.request
    choice = request.tool_choice
    thinking = request.thinking
    form: Json = {"type": "text"}
    if request.format is not None and request.format.schema is None:
        form = {"type": "json_object"}
    elif request.format is not None:
        form = {
            "type": "json_schema",
            "name": request.format.name or "answer",
            "schema": request.format.schema,
            "strict": request.format.strict is True,
        }
    return {
        "id": response_id(head),
        "object": "response",
        "created_at": head.created,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "instructions": None,
        "max_output_tokens": request.max_output,
        "metadata": _metadata(request.extras),
        "model": head.model,
        "output": output,
        "parallel_tool_calls": request.parallel_tools is not False,
        "previous_response_id": None,
        "prompt_cache_key": request.cache_key or None,
        "reasoning": {
            "effort": thinking.effort if thinking is not None else None,
            "summary": "auto" if thinking is not None and thinking.show in ("summary", "full") else None,
        },
        "service_tier": _TIERS.get(usage.tier if usage is not None else "", "default"),
        "store": False,
        "temperature": request.temperature,
        "text": {"format": form, "verbosity": request.verbosity or "medium"},
        "tool_choice": write_choice(choice, request.tools) if choice is not None else "auto",
        "tools": [],
        "top_p": request.top_p,
        "truncation": "disabled",
        "usage": write_usage(usage) if usage is not None else None,
        "user": request.user or None,
    }


def ending(reason: StopReason, refused: bool) -> tuple[str, str | None]:
    """Status, and why it is incomplete. A model that refused in its own words (`refused`) has completed its
    answer; one that was stopped has not."""
    incomplete = None if refused and reason is StopReason.REFUSAL else _INCOMPLETE.get(reason)
    return ("completed", None) if incomplete is None else ("incomplete", incomplete)


def write_usage(usage: Usage) -> Json:
    """Here all that was read from a cache or written to one is a part of the input."""
    written = usage.cache_write_5m + usage.cache_write_1h
    inputs: Json = {"cached_tokens": usage.cache_read, "cache_write_tokens": written}
    if usage.cache_write_1h:
        inputs["cache_write_tokens_details"] = {
            "ttl_30m_tokens": usage.cache_write_5m,
            "ttl_12h_tokens": usage.cache_write_1h,
        }
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": inputs,
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total,
    }


def _metadata(extras: dict[str, Any]) -> Json:
    metadata = extras.get("metadata")
    return metadata if isinstance(metadata, dict) else {}
