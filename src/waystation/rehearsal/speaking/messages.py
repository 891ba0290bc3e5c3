"""Anthropic Messages: Answer → body or events. Shapes: `anthropic.types` (Message, RawMessageStreamEvent)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from waystation.model import Usage
from waystation.rehearsal.answer import Answer, Call, Finish, Ids, Said, Text, Thinking, pieces
from waystation.rehearsal.ask import Ask, Json
from waystation.rehearsal.signature import sign
from waystation.rehearsal.speaking.events import Event, Role, named

_STOP_REASONS = {
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.TOOLS: "tool_use",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.REFUSAL: "refusal",
    Finish.FAILED: "end_turn",
}
_PING = Event(Role.CONTENT, b'event: ping\ndata: {"type": "ping"}\n\n')


def body(ask: Ask, answer: Answer, ids: Ids) -> Json:
    message = _message(ask, ids)
    message["content"] = [_block(said, ids, whole=True) for said in answer.said]
    message["stop_reason"] = _STOP_REASONS[answer.finish]
    message["stop_sequence"] = answer.stop_sequence
    if answer.usage_known:
        message["usage"] = usage(answer.usage)
    return message


def events(ask: Ask, answer: Answer, ids: Ids) -> Iterator[Event]:
    message = _message(ask, ids)
    first = answer.first_usage or answer.usage
    if answer.usage_known:
        message["usage"] = usage(first, output=1)
    yield named(Role.PREAMBLE, {"type": "message_start", "message": message})
    for index, said in enumerate(answer.said):
        start = {
            "type": "content_block_start",
            "index": index,
            "content_block": _block(said, ids, whole=False),
        }
        yield named(Role.CONTENT, start)
        if index == 0:
            yield _PING
        for delta in _deltas(said):
            yield named(Role.CONTENT, {"type": "content_block_delta", "index": index, "delta": delta})
        yield named(Role.CONTENT, {"type": "content_block_stop", "index": index})
    closing: Json = {
        "type": "message_delta",
        "delta": {"stop_reason": _STOP_REASONS[answer.finish], "stop_sequence": answer.stop_sequence},
    }
    if answer.usage_known:
        closing["usage"] = _delta_usage(answer.usage)
    yield named(Role.CLOSING, closing)
    yield named(Role.TERMINAL, {"type": "message_stop"})


def _message(ask: Ask, ids: Ids) -> Json:
    return {
        "model": ask.model,
        "id": ids.make("msg_01", 22),
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def usage(of: Usage, output: int | None = None) -> Json:
    """Disjoint buckets: `input_tokens` excludes what was read from or written to a cache."""
    counted: Json = {
        "input_tokens": of.input,
        "cache_creation_input_tokens": of.cache_write_5m + of.cache_write_1h,
        "cache_read_input_tokens": of.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": of.cache_write_5m,
            "ephemeral_1h_input_tokens": of.cache_write_1h,
        },
        "output_tokens": of.output if output is None else output,
        "service_tier": of.tier or "standard",
    }
    return counted | _details(of if output is None else Usage())


def _details(of: Usage) -> Json:
    """What is only said where there is something to say."""
    said: Json = {}
    if of.reasoning:
        said["output_tokens_details"] = {"thinking_tokens": of.reasoning}
    if of.web_searches:
        said["server_tool_use"] = {"web_search_requests": of.web_searches, "web_fetch_requests": 0}
    return said


def _delta_usage(of: Usage) -> Json:
    """Cumulative. The lifetimes of cache writes are in `message_start` only (MessageDeltaUsage has none)."""
    counted: Json = {
        "input_tokens": of.input,
        "cache_creation_input_tokens": of.cache_write_5m + of.cache_write_1h,
        "cache_read_input_tokens": of.cache_read,
        "output_tokens": of.output,
    }
    return counted | _details(of)


def _block(said: Said, ids: Ids, *, whole: bool) -> Json:
    match said:
        case Text(text):
            return {"type": "text", "text": text if whole else ""}
        case Thinking(text):
            signature = sign(text) if whole else ""
            return {"type": "thinking", "thinking": text if whole else "", "signature": signature}
        case Call(name, given):
            arguments: Any = given if isinstance(given, dict) else {"input": given}
            return {
                "type": "tool_use",
                "id": ids.make("toolu_01", 22),
                "name": name,
                "input": arguments if whole else {},
            }


def _deltas(said: Said) -> Iterator[Json]:
    match said:
        case Text(text):
            for piece in pieces(text):
                yield {"type": "text_delta", "text": piece}
        case Thinking(text):
            for piece in pieces(text):
                yield {"type": "thinking_delta", "thinking": piece}
            yield {"type": "signature_delta", "signature": sign(text)}
        case Call():
            yield {"type": "input_json_delta", "partial_json": ""}
            for piece in pieces(said.arguments, 16):
                yield {"type": "input_json_delta", "partial_json": piece}
