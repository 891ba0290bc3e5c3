"""A tool's request, read."""

from typing import Any, Literal

from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import (
    Conversation,
    CustomTool,
    Effort,
    FunctionTool,
    OutputFormat,
    Text,
    Thinking,
    Tool,
)
from waystation.wire.codecs.body import conversation_in
from waystation.wire.codecs.responses.fields import Json, string
from waystation.wire.codecs.responses.items import KEPT_ELSEWHERE, read_input
from waystation.wire.codecs.responses.tools import read_choice, read_tools

SEALED_REASONING = "reasoning.encrypted_content"
"""The `include` that asks for seals; in a translated answer they are always there."""

_STORED = {"previous_response_id": "a response", "conversation": "a conversation", "prompt": "a prompt"}
_READ_HERE = frozenset(
    {
        "model",
        "stream",
        "input",
        "instructions",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "max_output_tokens",
        "temperature",
        "top_p",
        "reasoning",
        "text",
        "service_tier",
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "include",
        *_STORED,
    }
)
_MEANS_NOTHING_ELSEWHERE = frozenset(
    {
        "background",  # true is refused
        "background_options",
        "client_metadata",
        "prompt_cache_options",
        "prompt_cache_retention",
        "store",
        "stream_options",
    }
)
"""Fields about how the provider keeps books and caches, of which no model takes notice."""
_MEANS_NOTHING_AS: dict[str, Any] = {"truncation": "disabled", "top_logprobs": 0}
_SUMMARIES: dict[str, Literal["none", "summary", "full"]] = {
    "auto": "summary",
    "concise": "summary",
    "detailed": "full",
    "none": "none",
}
_EFFORTS = {effort.value: effort for effort in Effort}


def read_request(body: bytes, *, model: str, stream: bool) -> Conversation:
    """See the door. What is kept at a provider cannot be continued at another, so a request that does so is a
    BadBody, not an answer to half a conversation (E85)."""
    return conversation_in(body, lambda raw: _read(raw, model, stream))


def _read(raw: Json, model: str, stream: bool) -> Conversation:
    _refuse_what_is_stored(raw)
    items = read_input(raw.get("input"))
    instructions = string(raw, "instructions")
    extras = _extras(raw)
    choice = read_choice(raw.get("tool_choice"))
    if choice is None and raw.get("tool_choice") is not None:
        extras["tool_choice"] = raw["tool_choice"]
    form, verbosity = _read_text(raw.get("text"), extras)
    return Conversation(
        model=model,
        stream=stream,
        system=(Text(instructions), *items.system) if instructions else tuple(items.system),
        turns=tuple(items.turns),
        tools=_distinct(read_tools(raw.get("tools")), items.tools),
        tool_choice=choice,
        parallel_tools=_boolean(raw, "parallel_tool_calls"),
        max_output=_count(raw, "max_output_tokens"),
        temperature=_number(raw, "temperature"),
        top_p=_number(raw, "top_p"),
        thinking=_read_reasoning(raw.get("reasoning"), extras),
        format=form,
        verbosity=verbosity,
        service_tier=string(raw, "service_tier"),
        user=string(raw, "safety_identifier") or string(raw, "user"),
        cache_key=string(raw, "prompt_cache_key"),
        extras=extras,
    )


def _refuse_what_is_stored(raw: Json) -> None:
    for field, noun in _STORED.items():
        if raw.get(field) is not None:
            raise BadBody(f"'{field}' names {noun} that {KEPT_ELSEWHERE}.", param=field)
    if raw.get("background") is True:
        raise BadBody(
            "'background' asks for an answer that the provider keeps until it is fetched; "
            "this model answers only while the request is open, so send it without 'background'.",
            param="background",
        )
    if raw.get("input") is None:
        raise BadBody("The request has no 'input'; put the conversation there.", param="input")


def _extras(raw: Json) -> Json:
    extras = {
        name: value
        for name, value in raw.items()
        if value is not None
        and name not in _READ_HERE
        and name not in _MEANS_NOTHING_ELSEWHERE
        and _MEANS_NOTHING_AS.get(name, raw) != value
    }
    include = raw.get("include")
    if isinstance(include, list):
        others = [what for what in include if what != SEALED_REASONING]
        if others:
            extras["include"] = others
    return extras


def _read_reasoning(value: Any, extras: Json) -> Thinking | None:
    """What of it the conversation does not know goes to `extras` as `reasoning.<name>`."""
    if not isinstance(value, dict):
        return None
    effort = _EFFORTS.get(string(value, "effort"))
    summary = string(value, "summary") or string(value, "generate_summary")
    for name, inner in value.items():
        if (
            inner is not None
            and name not in ("summary", "generate_summary")
            and (name != "effort" or not effort)
        ):
            extras[f"reasoning.{name}"] = inner
    show = _SUMMARIES.get(summary)
    return Thinking(effort, show=show or "") if effort is not None or show is not None else None


def _read_text(value: Any, extras: Json) -> tuple[OutputFormat | None, str]:
    if not isinstance(value, dict):
        return None, ""
    verbosity = string(value, "verbosity")
    form = value.get("format")
    if not isinstance(form, dict):
        return None, verbosity
    kind = form.get("type")
    if kind == "json_object":
        return OutputFormat(), verbosity
    schema, strict = form.get("schema"), form.get("strict")
    if kind == "json_schema" and isinstance(schema, dict):
        name, description = string(form, "name"), string(form, "description")
        return OutputFormat(
            schema, name, description, strict if isinstance(strict, bool) else None
        ), verbosity
    if kind == "json_schema":
        raise BadBody("'text.format.schema' must be a JSON Schema.", param="text.format.schema")
    if kind != "text":
        extras["text.format"] = form
    return None, verbosity


def _distinct(declared: list[Tool], late: list[Tool]) -> tuple[Tool, ...]:
    """With the tools that came to light later in the conversation, each once."""
    if not late:
        return tuple(declared)
    known = {_full_name(tool) for tool in declared}
    for tool in late:
        if _full_name(tool) not in known:
            known.add(_full_name(tool))
            declared.append(tool)
    return tuple(declared)


def _full_name(tool: Tool) -> tuple[str, str]:
    if isinstance(tool, FunctionTool | CustomTool):
        return tool.namespace, tool.name
    return "", tool.kind


def _boolean(raw: Json, field: str) -> bool | None:
    value = raw.get(field)
    return value if isinstance(value, bool) else None


def _count(raw: Json, field: str) -> int | None:
    value = raw.get(field)
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadBody(f"'{field}' must be a whole number.", param=field)
    return value


def _number(raw: Json, field: str) -> float | None:
    value = raw.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadBody(f"'{field}' must be a number.", param=field)
    return float(value)
