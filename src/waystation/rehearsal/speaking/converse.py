"""Bedrock Converse: Answer → body or events. Shapes: botocore's model of `bedrock-runtime`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from waystation.model import Usage
from waystation.rehearsal.answer import Answer, Call, Finish, Ids, Said, Text, Thinking, pieces
from waystation.rehearsal.ask import Ask, Json
from waystation.rehearsal.signature import sign
from waystation.rehearsal.speaking.events import Event, Role, amazon

_STOP_REASONS = {
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.TOOLS: "tool_use",
    Finish.STOP_SEQUENCE: "stop_sequence",
    Finish.REFUSAL: "content_filtered",
    Finish.FAILED: "end_turn",
}
_LATENCY = {"latencyMs": 12}
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
"""Bedrock pads each event with a prefix of this, so that its length tells nothing."""


def body(ask: Ask, answer: Answer, ids: Ids) -> Json:
    content = [block for said in answer.said for block in _blocks(ask, said, ids)]
    whole: Json = {
        "metrics": _LATENCY,
        "output": {"message": {"content": content, "role": "assistant"}},
        **_ending(ask, answer),
    }
    return whole | ({"usage": usage(answer.usage)} if answer.usage_known else {})


def events(ask: Ask, answer: Answer, ids: Ids) -> Iterator[Event]:
    """Text and thoughts have no start of their own; usage comes behind the stop reason."""

    def event(role: Role, name: str, fields: Json) -> Event:
        padding = _PADDING[: int(ids.noise(), 16) % len(_PADDING) + 1]
        return amazon(role, name, {**fields, "p": padding})

    yield event(Role.PREAMBLE, "messageStart", {"role": "assistant"})
    for index, said in enumerate(answer.said):
        at = {"contentBlockIndex": index}
        if isinstance(said, Call):
            start = {"toolUse": {"toolUseId": ids.make("tooluse_", 22), "name": said.name}}
            yield event(Role.CONTENT, "contentBlockStart", {**at, "start": start})
        for delta in _deltas(ask, said):
            yield event(Role.CONTENT, "contentBlockDelta", {**at, "delta": delta})
        yield event(Role.CONTENT, "contentBlockStop", at)
    yield event(Role.TERMINAL, "messageStop", _ending(ask, answer))
    metadata: Json = {"metrics": _LATENCY}
    if answer.usage_known:
        metadata = {"usage": usage(answer.usage)} | metadata
    yield event(Role.CLOSING, "metadata", metadata)


def usage(of: Usage) -> Json:
    """Disjoint buckets: `inputTokens` excludes what was read from or written to a cache."""
    counted: Json = {
        "inputTokens": of.input,
        "outputTokens": of.output,
        "totalTokens": of.total,
        "cacheReadInputTokens": of.cache_read,
        "cacheWriteInputTokens": of.cache_write_5m + of.cache_write_1h,
    }
    details = [("1h", of.cache_write_1h), ("5m", of.cache_write_5m)]
    counted["cacheDetails"] = [{"ttl": ttl, "inputTokens": count} for ttl, count in details if count]
    return counted


def _ending(ask: Ask, answer: Answer) -> Json:
    ending: Json = {"stopReason": _STOP_REASONS[answer.finish]}
    wanted = ask.body.get("additionalModelResponseFieldPaths") or ()
    if answer.stop_sequence is not None and "/stop_sequence" in wanted:
        ending["additionalModelResponseFields"] = {"stop_sequence": answer.stop_sequence}
    return ending


def _blocks(ask: Ask, said: Said, ids: Ids) -> Iterator[Json]:
    match said:
        case Text(text):
            yield {"text": text}
        case Thinking(text):
            shown = text if ask.shows_reasoning else ""
            yield {"reasoningContent": {"reasoningText": {"text": shown, "signature": sign(shown)}}}
        case Call(name, given):
            arguments: Any = given if isinstance(given, dict) else {"input": given}
            yield {"toolUse": {"input": arguments, "name": name, "toolUseId": ids.make("tooluse_", 22)}}


def _deltas(ask: Ask, said: Said) -> Iterator[Json]:
    match said:
        case Text(text):
            for piece in pieces(text):
                yield {"text": piece}
        case Thinking(text):
            shown = text if ask.shows_reasoning else ""
            for piece in pieces(shown):
                yield {"reasoningContent": {"text": piece}}
            yield {"reasoningContent": {"signature": sign(shown)}}
        case Call():
            for piece in pieces(said.arguments, 16):
                yield {"toolUse": {"input": piece}}
