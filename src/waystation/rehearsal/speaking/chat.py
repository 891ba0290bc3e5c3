"""OpenAI Chat Completions: Answer → body or chunks. Shapes: `openai.types.chat`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest

from waystation.model import Usage
from waystation.rehearsal.answer import Answer, Call, Finish, Ids, Text, Thinking, pieces
from waystation.rehearsal.ask import Ask, Json
from waystation.rehearsal.speaking.events import Event, Role, unnamed

_FINISH_REASONS = {
    Finish.STOP: "stop",
    Finish.LENGTH: "length",
    Finish.TOOLS: "tool_calls",
    Finish.STOP_SEQUENCE: "stop",
    Finish.REFUSAL: "content_filter",
    Finish.FAILED: "stop",
}
_KEEPS_THOUGHTS = re.compile(r"(?:.*/)?(?:gpt-(?!oss)|o\d|chatgpt-|codex-)")
"""OpenAI's own models say nothing of their reasoning in this protocol. Servers of open models send
`reasoning_content`."""
_DONE = Event(Role.TERMINAL, b"data: [DONE]\n\n")


def body(ask: Ask, answer: Answer, ids: Ids, now: int) -> Json:
    text = "".join(s.text for s in answer.said if isinstance(s, Text))
    calls = [_call(c, ids) for c in answer.said if isinstance(c, Call)]
    message: Json = {"role": "assistant", "content": text or None, "refusal": None, "annotations": []}
    if thoughts := _thoughts(ask, answer):
        message["reasoning_content"] = thoughts
    if calls:
        message["tool_calls"] = calls
    whole: Json = {
        "id": ids.make("chatcmpl-", 28),
        "object": "chat.completion",
        "created": now,
        "model": ask.model,
        "choices": [
            {
                "index": 0,
                "message": message,
                "logprobs": None,
                "finish_reason": _FINISH_REASONS[answer.finish],
            }
        ],
        "service_tier": answer.usage.tier or "default",
        "system_fingerprint": "fp_rehearsal",
    }
    if answer.usage_known:
        whole["usage"] = usage(answer.usage)
    return whole


def events(ask: Ask, answer: Answer, ids: Ids, now: int) -> Iterator[Event]:
    """Chunks, then `[DONE]`.

    With `include_usage` each chunk says `usage: null` and one more chunk, without choices, has the usage.
    """
    options = ask.body.get("stream_options") or {}
    wants_usage = options.get("include_usage") is True and answer.usage_known
    frame: Json = {
        "id": ids.make("chatcmpl-", 28),
        "object": "chat.completion.chunk",
        "created": now,
        "model": ask.model,
        "service_tier": answer.usage.tier or "default",
        "system_fingerprint": "fp_rehearsal",
    }

    def chunk(role: Role, delta: Json, finish: str | None = None) -> Event:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        said: Json = {**frame, "choices": [choice]}
        if wants_usage:
            said["usage"] = None if answer.first_usage is None else usage(answer.first_usage)
        if options.get("include_obfuscation") is not False:
            said["obfuscation"] = ids.noise()
        return unnamed(role, said)

    calls = [c for c in answer.said if isinstance(c, Call)]
    texts = [s.text for s in answer.said if isinstance(s, Text)]
    yield chunk(Role.PREAMBLE, {"role": "assistant", "content": "" if texts else None, "refusal": None})
    for piece in pieces(_thoughts(ask, answer)):
        yield chunk(Role.CONTENT, {"reasoning_content": piece})
    for text in texts:
        for piece in pieces(text):
            yield chunk(Role.CONTENT, {"content": piece})
    for delta in _call_deltas(calls, ids, interleave=answer.interleave):
        yield chunk(Role.CONTENT, {"tool_calls": [delta]})
    yield chunk(Role.CLOSING, {}, _FINISH_REASONS[answer.finish])
    if wants_usage:
        yield unnamed(Role.CLOSING, {**frame, "choices": [], "usage": usage(answer.usage)})
    yield _DONE


def _thoughts(ask: Ask, answer: Answer) -> str:
    if _KEEPS_THOUGHTS.match(ask.model):
        return ""
    return "".join(s.text for s in answer.said if isinstance(s, Thinking))


def usage(of: Usage) -> Json:
    """OpenAI counts cached tokens inside `prompt_tokens`, and reasoning inside `completion_tokens`."""
    prompt: Json = {"cached_tokens": of.cache_read, "audio_tokens": 0}
    written = of.cache_write_5m + of.cache_write_1h
    if written:
        prompt["cache_write_tokens"] = written
    return {
        "prompt_tokens": of.prompt,
        "completion_tokens": of.output,
        "total_tokens": of.total,
        "prompt_tokens_details": prompt,
        "completion_tokens_details": {
            "reasoning_tokens": of.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _call(call: Call, ids: Ids) -> Json:
    return {
        "id": ids.make("call_", 24),
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def _call_deltas(calls: list[Call], ids: Ids, *, interleave: bool) -> Iterator[Json]:
    """Id and name come once, on a call's first fragment; later fragments have only its index."""
    fragments: list[list[Json]] = []
    for index, call in enumerate(calls):
        first = {**_call(call, ids), "index": index}
        first["function"] = {"name": call.name, "arguments": ""}
        rest = [{"index": index, "function": {"arguments": piece}} for piece in pieces(call.arguments, 12)]
        fragments.append([first, *rest])
    if interleave:
        for row in zip_longest(*fragments):
            yield from (fragment for fragment in row if fragment is not None)
    else:
        for one in fragments:
            yield from one
