"""A tool's request, read."""

from typing import Any

from waystation.model import Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import (
    Conversation,
    CustomTool,
    Effort,
    FunctionTool,
    OutputFormat,
    ServerTool,
    Thinking,
    Tool,
    ToolChoice,
)
from waystation.wire.codecs.body import conversation_in
from waystation.wire.codecs.chat.content import Json, cache_mark
from waystation.wire.codecs.chat.fields import array, boolean, integer, number, object_in, string, wrong
from waystation.wire.codecs.chat.messages import read_messages

_READ_HERE = frozenset(
    {
        "model",
        "stream",
        "messages",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "max_tokens",
        "max_completion_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "response_format",
        "verbosity",
        "service_tier",
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "stream_options",
        "reasoning_effort",
        "n",
    }
)
_MEANS_NOTHING_ELSEWHERE = frozenset(
    {
        "store",
        "metadata",
        "prompt_cache_options",
        "prompt_cache_retention",
        "usage",  # OpenRouter: whether to count
        "tool_stream",  # Z.ai: how to stream
    }
)
"""Fields about how the provider keeps books and caches, of which no model takes notice."""
_MEANS_NOTHING_AS: Json = {"logprobs": False, "top_logprobs": 0, "modalities": ["text"], "logit_bias": {}}
_EFFORTS = {effort.value: effort for effort in Effort}
_CHOICES: dict[str, ToolChoice] = {
    "auto": ToolChoice("auto"),
    "none": ToolChoice("none"),
    "required": ToolChoice("any"),
    "any": ToolChoice("any"),
}


def read_request(body: bytes, *, model: str, stream: bool) -> Conversation:
    """See the door."""
    return conversation_in(body, lambda raw: _read(raw, model, stream))


def _read(raw: Json, model: str, stream: bool) -> Conversation:
    if integer(raw, "n") not in (None, 1):
        raise BadBody("This model gives one answer at a time; send the request without 'n'.", param="n")
    messages = array(raw, "messages")
    if not messages:
        raise BadBody("The request has no 'messages'; put the conversation there.", param="messages")
    system, turns = read_messages(messages)
    extras = {
        name: value
        for name, value in raw.items()
        if value is not None
        and name not in _READ_HERE
        and name not in _MEANS_NOTHING_ELSEWHERE
        and _MEANS_NOTHING_AS.get(name, raw) != value
    }
    tools = [_tool(tool, f"tools[{index}]") for index, tool in enumerate(array(raw, "tools"))]
    functions = array(raw, "functions")
    for index, function in enumerate(functions):
        where = f"functions[{index}]"
        if not isinstance(function, dict):
            raise wrong(where, "an object")
        tools.append(_function(function, function, where))
    limit = integer(raw, "max_completion_tokens")
    return Conversation(
        model=model,
        stream=stream,
        system=tuple(system),
        turns=tuple(turns),
        tools=tuple(tools),
        tool_choice=_choice(raw),
        parallel_tools=False if functions else boolean(raw, "parallel_tool_calls"),
        max_output=integer(raw, "max_tokens") if limit is None else limit,
        temperature=number(raw, "temperature"),
        top_p=number(raw, "top_p"),
        top_k=integer(raw, "top_k"),
        stop=_stop(raw),
        seed=integer(raw, "seed"),
        presence_penalty=number(raw, "presence_penalty"),
        frequency_penalty=number(raw, "frequency_penalty"),
        thinking=_thinking(raw, extras),
        format=_format(raw, extras),
        verbosity=string(raw, "verbosity"),
        service_tier=string(raw, "service_tier"),
        user=string(raw, "safety_identifier") or string(raw, "user"),
        cache_key=string(raw, "prompt_cache_key"),
        include_usage=_wants_usage(raw, stream),
        extras=extras,
        legacy_functions=bool(functions),
    )


def _wants_usage(raw: Json, stream: bool) -> bool:
    options = object_in(raw, "stream_options")
    return not stream or (options is not None and options.get("include_usage") is True)


def _stop(raw: Json) -> tuple[str, ...]:
    value = raw.get("stop")
    if isinstance(value, str):
        return (value,) if value else ()
    sequences = array(raw, "stop")
    if not all(isinstance(sequence, str) for sequence in sequences):
        raise wrong("stop", "a string or an array of strings")
    return tuple(sequence for sequence in sequences if sequence)


def _tool(raw: Any, where: str) -> Tool:
    """Cursor leaves out the inner object, as in Responses."""
    if not isinstance(raw, dict):
        raise wrong(where, "an object")
    kind = raw.get("type")
    if kind == "custom":
        return _custom(raw, where)
    function = raw.get("function")
    if isinstance(function, dict):
        return _function(function, raw, f"{where}.function")
    if kind == "function":
        if isinstance(raw.get("name"), str):
            return _function(raw, raw, where)
        raise wrong(f"{where}.function", "an object")
    if not isinstance(kind, str):
        raise wrong(f"{where}.type", "'function' or 'custom'")
    return ServerTool(Wire.CHAT, kind, raw)


def _function(raw: Json, around: Json, where: str) -> FunctionTool:
    return FunctionTool(
        name=_name(raw, where),
        description=string(raw, "description", where),
        parameters=object_in(raw, "parameters", where),
        strict=boolean(raw, "strict", where),
        cache=cache_mark(around) or cache_mark(raw),
    )


def _custom(raw: Json, where: str) -> CustomTool:
    inner = raw.get("custom")
    holder: Json = inner if isinstance(inner, dict) else raw
    where = f"{where}.custom" if isinstance(inner, dict) else where
    form = object_in(holder, "format", where)
    if form is not None and form.get("type") == "grammar":
        grammar = form.get("grammar")
        if isinstance(grammar, dict):
            form = {"type": "grammar", **grammar}
    elif form is not None and form.get("type") == "text":
        form = None
    return CustomTool(_name(holder, where), string(holder, "description", where), form)


def _name(raw: Json, where: str) -> str:
    name = string(raw, "name", where)
    if not name:
        raise wrong(f"{where}.name", "a name")
    return name


def _choice(raw: Json) -> ToolChoice | None:
    field = "tool_choice" if raw.get("tool_choice") is not None else "function_call"
    value = raw.get(field)
    if value is None:
        return None
    if isinstance(value, str):
        choice = _CHOICES.get(value)
        if choice is None:
            raise wrong(field, "one of auto, none and required, or an object")
        return choice
    if not isinstance(value, dict):
        raise wrong(field, "a string or an object")
    kind = value.get("type")
    if kind == "allowed_tools":
        return _allowed(value)
    if isinstance(kind, str) and kind in _CHOICES:
        return _CHOICES[kind]
    name = _named(value)
    if not name:
        raise wrong(f"{field}.function.name" if field == "tool_choice" else f"{field}.name", "a string")
    return ToolChoice("named", (name,))


def _named(value: Json) -> str:
    for inner in (value.get("function"), value.get("custom"), value):
        if isinstance(inner, dict) and isinstance(inner.get("name"), str):
            return str(inner["name"])
    return ""


def _allowed(value: Json) -> ToolChoice:
    inner = value.get("allowed_tools")
    holder: Json = inner if isinstance(inner, dict) else value
    tools = array(holder, "tools", "tool_choice.allowed_tools")
    names = [_named(tool) if isinstance(tool, dict) else "" for tool in tools]
    if not all(names):
        raise wrong("tool_choice.allowed_tools.tools", "an array of tools with names")
    return ToolChoice("allowed", tuple(names), required=holder.get("mode") == "required")


def _format(raw: Json, extras: Json) -> OutputFormat | None:
    value = object_in(raw, "response_format")
    if value is None or value.get("type") == "text":
        return None
    kind = value.get("type")
    if kind == "json_object":  # llama.cpp and Together have the schema beside it
        return OutputFormat(object_in(value, "schema", "response_format"))
    if kind != "json_schema":
        extras["response_format"] = value
        return None
    inner = object_in(value, "json_schema", "response_format")
    schema = object_in(inner or {}, "schema", "response_format.json_schema")
    if inner is None or schema is None:
        raise wrong("response_format.json_schema.schema", "a JSON Schema")
    where = "response_format.json_schema"
    return OutputFormat(
        schema,
        string(inner, "name", where),
        string(inner, "description", where),
        boolean(inner, "strict", where),
    )


def _thinking(raw: Json, extras: Json) -> Thinking | None:
    """OpenAI's `reasoning_effort`, OpenRouter's `reasoning`, and the `thinking` of DeepSeek, Z.ai and
    Anthropic's compatible address; what of them says something else stays with the extras."""
    word = string(raw, "reasoning_effort")
    effort = _EFFORTS.get(word)
    if word and effort is None:
        extras["reasoning_effort"] = word
    budget: int | None = None
    adaptive = False
    show = ""
    reasoning = extras.pop("reasoning", None)
    if isinstance(reasoning, dict):
        effort = effort or _EFFORTS.get(string(reasoning, "effort", "reasoning"))
        budget = _tokens(reasoning, "max_tokens")
        show = "none" if reasoning.get("exclude") is True else ""
        if reasoning.get("enabled") is False:
            effort = Effort.NONE
        elif reasoning.get("enabled") is True and effort is None and budget is None:
            adaptive = True
    elif reasoning is not None:
        extras["reasoning"] = reasoning
    thinking = extras.pop("thinking", None)
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    if kind == "disabled":
        effort, budget, adaptive = None, 0, False
    elif kind in ("enabled", "adaptive", "auto"):
        budget = _tokens(thinking, "budget_tokens") if budget is None else budget
        adaptive = kind != "enabled" or (effort is None and budget is None)
    elif thinking is not None:
        extras["thinking"] = thinking
    if effort is None and budget is None and not adaptive and not show:
        return None
    return Thinking(effort, budget, adaptive, "none" if show else "")


def _tokens(raw: Json, name: str) -> int | None:
    value = raw.get(name)
    return value if type(value) is int and value >= 0 else None
