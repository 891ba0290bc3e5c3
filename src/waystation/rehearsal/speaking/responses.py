"""OpenAI Responses: Answer → body or events. Shapes: `openai.types.responses`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from waystation.model import Usage
from waystation.rehearsal.answer import Answer, Call, Finish, Ids, Said, Text, Thinking, pieces
from waystation.rehearsal.ask import Ask, Json
from waystation.rehearsal.signature import sign
from waystation.rehearsal.speaking.events import Event, Role, named

_ECHOED: dict[str, object] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "prompt_cache_retention": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}, "verbosity": "medium"},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
    "metadata": {},
}
"""Request fields that the response repeats, with their defaults."""


def body(ask: Ask, answer: Answer, ids: Ids, now: int) -> Json:
    opening = _opening(ask, ids, now)
    return _closed(opening, answer, [_item(ask, said, ids, "completed") for said in answer.said], now)


def events(ask: Ask, answer: Answer, ids: Ids, now: int) -> Iterator[Event]:
    """Every event has the next `sequence_number`; the last has the whole response. There is no `[DONE]`."""
    opening = _opening(ask, ids, now)
    obfuscated = (ask.body.get("stream_options") or {}).get("include_obfuscation") is not False
    number = 0

    def event(role: Role, kind: str, fields: Json) -> Event:
        nonlocal number
        said: Json = {"type": kind, "sequence_number": number, **fields}
        if obfuscated and kind.endswith(".delta"):
            said["obfuscation"] = ids.noise()
        number += 1
        return named(role, said)

    items: list[Json] = []
    scripts: list[list[tuple[str, Json]]] = []
    for index, said in enumerate(answer.said):
        item = _item(ask, said, ids, "completed")
        items.append(item)
        scripts.append(list(_item_events(said, item, index)))
    yield event(Role.PREAMBLE, "response.created", {"response": opening})
    yield event(Role.PREAMBLE, "response.in_progress", {"response": opening})
    for kind, fields in _ordered(answer, scripts):
        yield event(Role.CONTENT, kind, fields)
    closed = _closed(opening, answer, items, now)
    yield event(Role.TERMINAL, f"response.{closed['status']}", {"response": closed})


def _opening(ask: Ask, ids: Ids, now: int) -> Json:
    reasoning = ask.body.get("reasoning") or {}
    return {
        "id": ids.hex("resp_", 48),
        "object": "response",
        "created_at": now,
        "status": "in_progress",
        "error": None,
        "incomplete_details": None,
        "model": ask.model,
        "output": [],
        "reasoning": {"effort": reasoning.get("effort"), "summary": reasoning.get("summary")},
        "service_tier": "auto",
        "usage": None,
        **{name: default if (v := ask.body.get(name)) is None else v for name, default in _ECHOED.items()},
    }


def _closed(opening: Json, answer: Answer, items: list[Json], now: int) -> Json:
    closed = {**opening, "output": items, "service_tier": answer.usage.tier or "default"}
    closed["status"] = "completed"
    if answer.finish in (Finish.LENGTH, Finish.REFUSAL):
        closed["status"] = "incomplete"
        reason = "max_output_tokens" if answer.finish is Finish.LENGTH else "content_filter"
        closed["incomplete_details"] = {"reason": reason}
        if items and "status" in items[-1]:
            items[-1]["status"] = "incomplete"
    elif answer.finish is Finish.FAILED:
        closed["status"] = "failed"
        closed["error"] = {
            "code": "server_error",
            "message": "The model failed to generate a response (rehearsed).",
        }
    else:
        closed["completed_at"] = now
    closed["usage"] = usage(answer.usage) if answer.usage_known else None
    return closed


def usage(of: Usage) -> Json:
    """Cached and cache-written tokens are inside `input_tokens`, reasoning is inside `output_tokens`."""
    return {
        "input_tokens": of.prompt,
        "input_tokens_details": {
            "cached_tokens": of.cache_read,
            "cache_write_tokens": of.cache_write_5m + of.cache_write_1h,
        },
        "output_tokens": of.output,
        "output_tokens_details": {"reasoning_tokens": of.reasoning},
        "total_tokens": of.total,
    }


def _item(ask: Ask, said: Said, ids: Ids, status: str) -> Json:
    match said:
        case Text(text):
            content = [{"type": "output_text", "annotations": [], "logprobs": [], "text": text}]
            return {
                "id": ids.hex("msg_", 48),
                "type": "message",
                "status": status,
                "content": content,
                "role": "assistant",
            }
        case Thinking(text):
            summary = [{"type": "summary_text", "text": text}] if ask.shows_reasoning else []
            item: Json = {"id": ids.hex("rs_", 48), "type": "reasoning", "summary": summary}
            if "reasoning.encrypted_content" in (ask.body.get("include") or ()):
                item["encrypted_content"] = sign(text)
            return item
        case Call(name, given):
            call: Json = {"id": ids.hex("fc_" if isinstance(given, dict) else "ctc_", 48)}
            if isinstance(given, dict):
                call.update(type="function_call", status=status, arguments=said.arguments)
            else:
                call.update(type="custom_tool_call", input=given)
            call.update(call_id=ids.make("call_", 24), name=name)
            if said.namespace:
                call["namespace"] = said.namespace
            return call


def _ordered(answer: Answer, scripts: list[list[tuple[str, Json]]]) -> Iterator[tuple[str, Json]]:
    """One item after the other; with `interleave`, the events of calls alternate."""
    calls = [s for s, said in zip(scripts, answer.said, strict=True) if isinstance(said, Call)]
    if not answer.interleave or len(calls) < 2:
        for script in scripts:
            yield from script
        return
    for script, said in zip(scripts, answer.said, strict=True):
        if not isinstance(said, Call):
            yield from script
    for row in zip_longest(*calls):
        yield from (one for one in row if one is not None)


def _item_events(said: Said, item: Json, index: int) -> Iterator[tuple[str, Json]]:
    at: Json = {"item_id": item["id"], "output_index": index}
    match said:
        case Text(text):
            empty = {**item, "status": "in_progress", "content": []}
            part = item["content"][0]
            yield "response.output_item.added", {"output_index": index, "item": empty}
            here = {**at, "content_index": 0}
            yield "response.content_part.added", {**here, "part": {**part, "text": ""}}
            for piece in pieces(text):
                yield "response.output_text.delta", {**here, "delta": piece, "logprobs": []}
            yield "response.output_text.done", {**here, "text": text, "logprobs": []}
            yield "response.content_part.done", {**here, "part": part}
        case Thinking():
            yield "response.output_item.added", {"output_index": index, "item": {**item, "summary": []}}
            for n, summary in enumerate(item["summary"]):
                here = {**at, "summary_index": n}
                yield "response.reasoning_summary_part.added", {**here, "part": {**summary, "text": ""}}
                for piece in pieces(summary["text"]):
                    yield "response.reasoning_summary_text.delta", {**here, "delta": piece}
                yield "response.reasoning_summary_text.done", {**here, "text": summary["text"]}
                yield "response.reasoning_summary_part.done", {**here, "part": summary}
        case Call():
            field = "arguments" if item["type"] == "function_call" else "input"
            family = "function_call_arguments" if field == "arguments" else "custom_tool_call_input"
            added = {**item, field: ""}
            if "status" in item:
                added["status"] = "in_progress"
            yield "response.output_item.added", {"output_index": index, "item": added}
            for piece in pieces(item[field], 16):
                yield f"response.{family}.delta", {**at, "delta": piece}
            yield f"response.{family}.done", {**at, field: item[field]}
    yield "response.output_item.done", {"output_index": index, "item": item}
