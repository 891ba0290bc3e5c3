"""OpenAI Chat Completions: body → Ask."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

import msgspec

from waystation.model import Wire
from waystation.rehearsal.ask import Ask, Json, Part, Rejection, Result, Tool
from waystation.rehearsal.reading.exchanges import Turn, last_exchanges
from waystation.rehearsal.words import own_words


def read(body: Json) -> Ask:
    """Raises Rejection as the API would."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise invalid("you must provide a model parameter", None)
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise invalid("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    if not messages:
        raise invalid(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty "
            "array instead.",
            "messages",
            "empty_array",
        )
    turns = [m for m in messages if isinstance(m, dict)]
    _check_tool_turns(turns)
    last, before = last_exchanges(_user_turns(turns))
    form = body.get("response_format") or {}
    effort = body.get("reasoning_effort")
    limit = body.get("max_completion_tokens")
    return Ask(
        Wire.CHAT,
        model,
        body,
        stream=body.get("stream") is True,
        system="\n".join(t for m in turns if m.get("role") in ("system", "developer") for t in texts(m)),
        context="\n".join(t for m in turns if m.get("role") == "user" for t in texts(m)),
        prompt=last.words,
        tools=tuple(_tools(body.get("tools") or [])),
        rounds=last.rounds,
        results=last.results,
        earlier=(before.words, before.rounds),
        parts=tuple(_parts(body, turns)),
        max_output=limit if limit is not None else body.get("max_tokens"),
        stop=_stop(body.get("stop")),
        reasons=None if effort is None else effort != "none",
        schema=(form.get("json_schema") or {}).get("schema") if form.get("type") == "json_schema" else None,
        must_call=must_call(body.get("tool_choice")),
    )


def invalid(message: str, param: str | None, code: str | None = None) -> Rejection:
    return Rejection(400, message, kind="invalid_request_error", param=param, code=code)


def texts(message: Json) -> list[str]:
    content = message.get("content")
    if isinstance(content, str):
        return [content]
    if not isinstance(content, list):
        return []
    return [p["text"] for p in content if isinstance(p, dict) and isinstance(p.get("text"), str)]


def must_call(choice: Any) -> str | None:
    """`tool_choice` of both OpenAI protocols."""
    if choice == "required":
        return ""
    if isinstance(choice, dict) and choice.get("type") in ("function", "custom"):
        named = choice.get(choice["type"])
        name = named.get("name") if isinstance(named, dict) else choice.get("name")
        return name if isinstance(name, str) else None
    return None


def _tools(declared: list[Any]) -> list[Tool]:
    """Functions only: a streamed call of a `custom` tool has no published shape in this protocol."""
    found: list[Tool] = []
    for tool in declared:
        function = tool.get("function") if isinstance(tool, dict) else None
        if isinstance(function, dict) and isinstance(function.get("name"), str):
            schema = function.get("parameters")
            found.append(
                Tool(
                    function["name"],
                    schema if isinstance(schema, dict) else {},
                    str(function.get("description", "")),
                )
            )
    return found


def _check_tool_turns(turns: list[Json]) -> None:
    waiting: list[str] = []
    for i, message in enumerate(turns):
        role = message.get("role")
        if role not in ("system", "developer", "user", "assistant", "tool", "function"):
            raise invalid(
                f"Invalid value: '{role}'. Supported values are: 'system', 'assistant', 'user', 'function', "
                "'tool', and 'developer'.",
                f"messages[{i}].role",
                "invalid_value",
            )
        if role == "tool":
            if message.get("tool_call_id") not in waiting:
                raise invalid(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message "
                    "with 'tool_calls'.",
                    f"messages.[{i}].role",
                )
            waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            raise invalid(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                "'tool_call_id'. The following tool_call_ids did not have response messages: "
                + ", ".join(waiting),
                f"messages.[{i}].role",
            )
        waiting = [str(c.get("id")) for c in message.get("tool_calls") or () if isinstance(c, dict)]


def _user_turns(turns: list[Json]) -> Iterator[Turn]:
    """Parallel calls come back one a message, which together are one round."""
    for is_tools, messages in groupby(turns, key=lambda message: message.get("role") == "tool"):
        if is_tools:
            yield Turn(tuple(Result("\n".join(texts(message))) for message in messages))
        else:
            yield from (Turn(words=own_words(texts(m))) for m in messages if m.get("role") == "user")


def _parts(body: Json, turns: list[Json]) -> list[Part]:
    pieces = [body.get("tools") or [], body.get("response_format") or {}, *turns]
    return [Part(msgspec.json.encode(p)) for p in pieces if p]


def _stop(stop: Any) -> tuple[str, ...]:
    if isinstance(stop, str):
        return (stop,)
    return tuple(s for s in stop if isinstance(s, str)) if isinstance(stop, list) else ()
