"""Whole answers, and what they have in common with streams: stop reasons and usage."""

from typing import Any

import msgspec

from waystation.model import Usage, Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import (
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
from waystation.wire.codecs.converse.citations import write_citations
from waystation.wire.codecs.converse.media import DocumentNames, write_media
from waystation.wire.codecs.converse.reading import bare, read_blocks
from waystation.wire.codecs.converse.writing import arguments_of
from waystation.wire.codecs.door import AnswerHead
from waystation.wire.codecs.seal import wrap
from waystation.wire.converse import MALFORMED, malformed_answer

Json = dict[str, Any]
_REASONS = {
    "end_turn": StopReason.END,
    "tool_use": StopReason.TOOL_USE,
    "max_tokens": StopReason.MAX_TOKENS,
    "stop_sequence": StopReason.STOP_SEQUENCE,
    "guardrail_intervened": StopReason.REFUSAL,
    "content_filtered": StopReason.REFUSAL,
    "model_context_window_exceeded": StopReason.CONTEXT_FULL,
}
_WORDS = {
    StopReason.END: "end_turn",
    StopReason.TOOL_USE: "tool_use",
    StopReason.MAX_TOKENS: "max_tokens",
    StopReason.STOP_SEQUENCE: "stop_sequence",
    StopReason.REFUSAL: "content_filtered",
    StopReason.PAUSE: "end_turn",
    StopReason.CONTEXT_FULL: "model_context_window_exceeded",
}


def read_reason(word: Any, *, called: bool) -> StopReason:
    """`called`: there is a tool call in the answer, which decides between END and TOOL_USE (E106)."""
    reason = _REASONS.get(word, StopReason.END) if isinstance(word, str) else StopReason.END
    if reason in (StopReason.END, StopReason.TOOL_USE):
        return StopReason.TOOL_USE if called else StopReason.END
    return reason


def write_reason(reason: StopReason) -> str:
    return _WORDS[reason]


def read_stop_sequence(fields: Any) -> str | None:
    """`additionalModelResponseFields`, which we ask for the stop sequence in."""
    found = fields.get("stop_sequence") if isinstance(fields, dict) else None
    return found if isinstance(found, str) else None


def write_usage(usage: Usage | None) -> Json:
    usage = usage or Usage()
    written = usage.cache_write_5m + usage.cache_write_1h
    fields: Json = {
        "inputTokens": usage.input,
        "outputTokens": usage.output,
        "totalTokens": usage.total,
        "cacheReadInputTokens": usage.cache_read,
        "cacheWriteInputTokens": written,
    }
    if written:
        lifetimes = (("1h", usage.cache_write_1h), ("5m", usage.cache_write_5m))
        fields["cacheDetails"] = [{"ttl": ttl, "inputTokens": count} for ttl, count in lifetimes if count]
    return fields


def write_ending(reason: StopReason, stop_sequence: str | None) -> Json:
    ending: Json = {"stopReason": write_reason(reason)}
    if stop_sequence is not None:
        ending["additionalModelResponseFields"] = {"stop_sequence": stop_sequence}
    return ending


def read_reply(body: bytes) -> Reply:
    try:
        answer = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise BadBody("The provider's answer is not JSON.") from None
    output = answer.get("output") if isinstance(answer, dict) else None
    message = output.get("message") if isinstance(output, dict) else None
    if not isinstance(message, dict):
        raise BadBody("The provider's answer has no message in it.", param="output.message")
    word = answer.get("stopReason")
    if word in MALFORMED:
        raise BadBody(malformed_answer(word).message, param="stopReason")
    parts = read_blocks(message.get("content", []), "output.message.content", bare)
    return Reply(
        parts,
        read_reason(word, called=any(isinstance(part, ToolCall) for part in parts)),
        stop_sequence=read_stop_sequence(answer.get("additionalModelResponseFields")),
    )


def write_reply(reply: Reply, head: AnswerHead) -> bytes:  # noqa: ARG001 - a codec's signature
    names = DocumentNames()
    blocks = [block for part in reply.parts if (block := _write_part(part, names)) is not None]
    return msgspec.json.encode(
        {
            "metrics": {"latencyMs": 0},
            "output": {"message": {"role": "assistant", "content": blocks}},
            **write_ending(reply.reason, reply.stop_sequence),
            "usage": write_usage(reply.usage),
        }
    )


def sealed(seal: Seal) -> str:
    """What a tool is given to replay: our own in an envelope, a bare one as it is."""
    return seal.data if seal.wire is Wire.CONVERSE and not seal.provider else wrap(seal)


def _write_part(part: Part, names: DocumentNames) -> Json | None:
    match part:
        case Text():
            citations = write_citations(part.citations) if part.citations else None
            if citations is None:
                return {"text": part.text}
            return {"citationsContent": {"content": [{"text": part.text}], "citations": citations}}
        case Reasoning(redacted=True, seal=Seal() as seal):
            return {"reasoningContent": {"redactedContent": sealed(seal)}}
        case Reasoning():
            said = {"text": part.text}
            if part.seal is not None and (signature := sealed(part.seal)):
                said["signature"] = signature
            return {"reasoningContent": {"reasoningText": said}}
        case ToolCall():
            return {"toolUse": {"toolUseId": part.id, "name": part.name, "input": arguments_of(part)}}
        case Media():
            return write_media(part, names)
        case Native(wire=Wire.CONVERSE) if len(part.raw) == 1:
            return part.raw
    return None
