"""Whole answers, both ways, and what streamed ones have in common with them."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from waystation.model import Usage, Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import (
    Conversation,
    Media,
    Native,
    Part,
    Reasoning,
    Reply,
    Seal,
    StopReason,
    Text,
    ToolCall,
)
from waystation.wire.codecs.door import AnswerHead
from waystation.wire.codecs.messages.blocks import BlockReader
from waystation.wire.codecs.messages.turns import arguments
from waystation.wire.codecs.seal import wrap

Shown = Literal["all", "sealed", "calls"]
"""Which thoughts a tool is given; see `shown`."""

STOPS = {
    StopReason.END: "end_turn",
    StopReason.MAX_TOKENS: "max_tokens",
    StopReason.TOOL_USE: "tool_use",
    StopReason.STOP_SEQUENCE: "stop_sequence",
    StopReason.REFUSAL: "refusal",
    StopReason.PAUSE: "pause_turn",
    StopReason.CONTEXT_FULL: "model_context_window_exceeded",
}
_REASONS = {word: reason for reason, word in STOPS.items()}
_TIERS = frozenset({"standard", "priority", "batch"})
_NO_SEAL = Seal(Wire.MESSAGES, "")


def bare_seal(text: str) -> Seal:
    """A provider's seal: there is no envelope of ours around it."""
    return Seal(Wire.MESSAGES, text)


def stop_reason(word: Any, *, called: bool) -> StopReason:
    """The reason for a `stop_reason`. Whether tools are to be called is for the content to say (E106)."""
    reason = _REASONS.get(word, StopReason.END) if isinstance(word, str) else StopReason.END
    if called:
        return StopReason.TOOL_USE if reason is StopReason.END else reason
    return StopReason.END if reason is StopReason.TOOL_USE else reason


def read_reply(body: bytes) -> Reply:
    """See `Codec.read_reply`."""
    try:
        message = msgspec.json.decode(body)
        if not isinstance(message, dict) or not isinstance(message.get("content"), list):
            raise BadBody("The provider's answer is not a message.")
        parts = tuple(BlockReader(bare_seal).content(message["content"], "content"))
    except RecursionError:
        raise BadBody("The provider's answer is nested too deeply.") from None
    except msgspec.DecodeError:
        raise BadBody("The provider's answer is not valid JSON.") from None
    ident, model, stop = message.get("id"), message.get("model"), message.get("stop_sequence")
    return Reply(
        parts,
        stop_reason(message.get("stop_reason"), called=any(isinstance(part, ToolCall) for part in parts)),
        id=ident if isinstance(ident, str) else "",
        model=model if isinstance(model, str) else "",
        stop_sequence=stop if isinstance(stop, str) else None,
    )


def write_reply(reply: Reply, head: AnswerHead) -> bytes:
    """See `Codec.write_reply`."""
    message = message_shape(head)
    message["content"] = list(_blocks(reply.parts, shown(head.request)))
    message |= ending(reply.reason, reply.stop_sequence)
    message["usage"] = usage_shape(reply.usage)
    if message.get("context_management", message) is None:
        message["context_management"] = NO_EDITS
    return msgspec.json.encode(message)


def shown(request: Conversation) -> Shown:
    """Which thoughts the tool is to be given.

    `all`: it asked for thinking. `sealed`: it asked not to see them, and gets their seals. `calls`: it did not ask,
    and does not expect `content` to begin with something else than the answer; it is given only what belongs to a
    call that follows, since some providers want that back.
    """
    asked = request.thinking
    if asked is None or not (asked.adaptive or asked.budget):
        return "calls"
    return "sealed" if asked.show == "none" else "all"


def _blocks(parts: Iterable[Part], show: Shown) -> Iterable[dict[str, Any]]:
    held: list[Reasoning] = []
    """Thoughts that are shown only if a call follows, or if anything does; as in the stream's writer."""
    for part in parts:
        if isinstance(part, Reasoning):
            if show == "calls" or not (part.text or part.redacted):
                held.append(part)
            elif has_content(part, part.seal):
                yield thoughts_block(part, part.seal, hide=show == "sealed")
            continue
        if isinstance(part, Text) and not part.text:
            continue
        if isinstance(part, ToolCall) or show != "calls":
            for thought in held:
                if is_sealed(thought.seal):
                    yield thoughts_block(thought, thought.seal)
            held.clear()
        block = _block(part)
        if block is not None:
            yield block


def _block(part: Part) -> dict[str, Any] | None:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text, "citations": list(part.citations) or None}
    if isinstance(part, ToolCall):
        return {"type": "tool_use", "id": part.id, "name": part.name, "input": arguments(part.arguments)}
    if isinstance(part, Media):
        return {"type": "text", "text": left_out(part), "citations": None}
    if isinstance(part, Native) and part.wire is Wire.MESSAGES:
        return {**part.raw, "type": part.kind}
    return None


def has_content(part: Reasoning, seal: Seal | None) -> bool:
    """Whether there is anything in it to give."""
    return bool(part.text) or is_sealed(seal)


def is_sealed(seal: Seal | None) -> bool:
    return seal is not None and bool(seal.data)


def thoughts_block(part: Reasoning, seal: Seal | None, *, hide: bool = False) -> dict[str, Any]:
    """A `thinking` block, or a `redacted_thinking` one."""
    if part.redacted and is_sealed(seal):
        return {"type": "redacted_thinking", "data": envelope(seal)}
    return {"type": "thinking", "thinking": "" if hide else part.text, "signature": envelope(seal)}


def envelope(seal: Seal | None) -> str:
    """A seal as the tool gets it: bare if it is of this protocol and nobody says whose; else in our envelope.

    Thoughts that nobody sealed get an empty one, so that we know them for ours when they come back, and never show
    them to a provider that checks a signature (E22).
    """
    if seal is None:
        seal = _NO_SEAL
    return seal.data if seal.data and seal.wire is Wire.MESSAGES and not seal.provider else wrap(seal)


def left_out(part: Media) -> str:
    """What stands where the model made something that this protocol does not carry."""
    return f"[{part.kind} left out: {part.media_type or 'of unknown type'}]"


NO_EDITS: dict[str, Any] = {"applied_edits": []}


def message_shape(head: AnswerHead) -> dict[str, Any]:
    """A message without content, with every field that the SDK's `Message` has (E98)."""
    message: dict[str, Any] = {
        "id": f"msg_{head.id}",
        "type": "message",
        "role": "assistant",
        "model": head.model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "stop_details": None,
        "container": None,
        "diagnostics": None,
    }
    if "context_management" in head.request.extras:
        message["context_management"] = None
    message["usage"] = usage_shape(None)
    return message


def ending(reason: StopReason, stop_sequence: str | None) -> dict[str, Any]:
    """How a message ends."""
    refused = reason is StopReason.REFUSAL
    return {
        "stop_reason": STOPS[reason],
        "stop_sequence": stop_sequence if reason is StopReason.STOP_SEQUENCE else None,
        "stop_details": {"type": "refusal", "category": None, "explanation": None} if refused else None,
        "container": None,
    }


def usage_shape(usage: Usage | None) -> dict[str, Any]:
    """`usage`, with every field that the SDK's has. Input does not include cached tokens here."""
    used = usage if usage is not None else Usage()
    searches = used.web_searches
    return {
        "input_tokens": used.input,
        "cache_creation_input_tokens": used.cache_write_5m + used.cache_write_1h,
        "cache_read_input_tokens": used.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": used.cache_write_5m,
            "ephemeral_1h_input_tokens": used.cache_write_1h,
        },
        "output_tokens": used.output,
        "output_tokens_details": {"thinking_tokens": used.reasoning},
        "server_tool_use": {"web_search_requests": searches, "web_fetch_requests": 0} if searches else None,
        "service_tier": used.tier if used.tier in _TIERS else "standard",
        "inference_geo": "not_available",
    }


def delta_usage(usage: Usage | None) -> dict[str, Any]:
    """`usage` at the end of a stream: the final figures, without what was said at its start."""
    shape = usage_shape(usage)
    del shape["service_tier"], shape["inference_geo"]
    return shape
