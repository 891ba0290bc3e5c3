"""A conversation, written as a provider's request.

OpenAI is one of many that take it. Strict servers refuse a whole request for one field that they do not know
(Groq, Mistral, Cerebras), and templates of open models for a role in an unusual place. So what is only a hint
(`user`, `prompt_cache_key`, `verbosity`) goes only where the model thinks by a word, as OpenAI's do, and the
common ground is used everywhere else.
"""

import hashlib
import re

import msgspec

from waystation.model import Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import (
    Conversation,
    CustomTool,
    Effort,
    FunctionTool,
    OutputFormat,
    ServerTool,
    Tool,
    ToolChoice,
)
from waystation.wire.codecs.chat.content import ContentWriter, Json
from waystation.wire.codecs.chat.provider_messages import MessageWriter
from waystation.wire.codecs.chat.words import effort_for, plain_effort
from waystation.wire.codecs.door import Notes, Target
from waystation.wire.request import TOO_DEEP

_MOST_STOPS = 4
_NO_ARGUMENTS: Json = {"type": "object", "properties": {}}
_OPAQUE = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_UNSAFE = re.compile(r"[^a-zA-Z0-9_-]")
_encode = msgspec.json.Encoder().encode


def write_request(conversation: Conversation, target: Target, notes: Notes) -> bytes:
    """See the door."""
    try:
        return _encode(_Writer(conversation, target, notes).body())
    except RecursionError:
        raise BadBody(TOO_DEEP) from None
    except (ValueError, OverflowError):  # half a surrogate pair, which JSON cannot say
        raise BadBody("The request has text that cannot be written as JSON.") from None


class _Writer:
    __slots__ = ("_able", "_asked", "_body", "_content", "_notes", "_target", "_thinks_by_word")

    def __init__(self, conversation: Conversation, target: Target, notes: Notes) -> None:
        self._asked = conversation
        self._target = target
        self._able = target.capabilities
        self._thinks_by_word = target.capabilities.thinking == "effort"
        self._notes = notes
        self._content = ContentWriter(target.capabilities, notes)
        self._body: Json = {"model": target.model}

    def body(self) -> Json:
        asked, body = self._asked, self._body
        body["messages"] = MessageWriter(self._target, self._content, self._notes).write(asked)
        if asked.stream:
            body["stream"] = True
            if self._target.usage_in_stream:
                body["stream_options"] = {"include_usage": True}
        self._tools()
        self._thinking()
        if asked.max_output is not None:
            body["max_completion_tokens" if self._thinks_by_word else "max_tokens"] = asked.max_output
        self._sampling()
        if asked.format is not None:
            self._format(asked.format)
        self._hints()
        for name, value in asked.extras.items():
            body.setdefault(name, value)
        return body

    def _tools(self) -> None:
        choice = self._asked.tool_choice
        tools = self._asked.tools
        if choice is not None and choice.mode == "allowed":
            # Few servers know `allowed_tools`; a model can only call what it is shown.
            tools = tuple(tool for tool in tools if getattr(tool, "name", "") in choice.names) or tools
        if tools and self._able.tools is False:
            self._notes.drop("tools")
            return
        written = [raw for raw in map(self._tool, tools) if raw is not None]
        if not written:
            return  # neither may the rest of it be there without tools
        self._body["tools"] = written
        if choice is not None:
            self._body["tool_choice"] = self._choice(choice)
        parallel = self._asked.parallel_tools
        if parallel is not None and self._able.parallel_tools is not False:
            self._body["parallel_tool_calls"] = parallel
        elif parallel:
            self._notes.drop("parallel_tool_calls")

    def _tool(self, tool: Tool) -> Json | None:
        if isinstance(tool, ServerTool):
            if tool.wire is Wire.CHAT:
                return tool.raw
            self._notes.drop(f"tools.{tool.kind}")
            return None
        if isinstance(tool, CustomTool):
            return {"type": "custom", "custom": _custom(tool)}
        function: Json = {"name": tool.name}
        if tool.description:
            function["description"] = tool.description
        function["parameters"] = _parameters(tool)
        if tool.strict is not None:
            function["strict"] = tool.strict
        return {"type": "function", "function": function, **self._content.mark(tool.cache)}

    def _choice(self, choice: ToolChoice) -> str | Json:
        if choice.mode == "named" and choice.names:
            kind = "function"
            if any(
                isinstance(tool, CustomTool) and tool.name == choice.names[0] for tool in self._asked.tools
            ):
                kind = "custom"
            return {"type": kind, kind: {"name": choice.names[0]}}
        if choice.mode == "any" or (choice.mode == "allowed" and choice.required):
            return "required"
        return "none" if choice.mode == "none" else "auto"

    def _thinking(self) -> None:
        asked = self._asked.thinking
        effort = None if asked is None else effort_for(asked)
        if asked is None or effort is None:
            return
        if self._able.thinking == "none" or (self._able.thinking is None and asked.effort is None):
            # A budget cannot be said here, and nobody knows whether this model takes a word for it.
            if effort is not Effort.NONE:
                self._notes.drop("thinking")
            return
        if not self._thinks_by_word and effort is not plain_effort(effort):
            effort = plain_effort(effort)
            self._notes.change(f"reasoning_effort={effort.value}")
        self._body["reasoning_effort"] = effort.value

    def _sampling(self) -> None:
        asked, body = self._asked, self._body
        picky = self._able.sampling is False or (self._able.sampling is None and self._thinks_by_word)
        if picky and body.get("reasoning_effort") == Effort.NONE.value and self._able.sampling is None:
            picky = False
        for name in ("temperature", "top_p", "presence_penalty", "frequency_penalty"):
            value = getattr(asked, name)
            if value is None:
                continue
            if not picky:
                body[name] = value
            elif value != (0 if name.endswith("penalty") else 1):  # what the model does in any case
                self._notes.drop(name)
        if asked.top_k is not None:
            self._notes.drop("top_k")
        if asked.seed is not None:
            body["seed"] = asked.seed
        if asked.stop and picky:
            self._notes.drop("stop")
        elif asked.stop:
            body["stop"] = list(asked.stop[:_MOST_STOPS])
            if len(asked.stop) > _MOST_STOPS:
                self._notes.change(f"stop={_MOST_STOPS}")

    def _format(self, form: OutputFormat) -> None:
        if self._able.structured_output is False:
            self._notes.drop("response_format")
        elif form.schema is None:
            self._body["response_format"] = {"type": "json_object"}
        else:
            inner: Json = {"name": _UNSAFE.sub("_", form.name)[:64] or "answer", "schema": form.schema}
            if form.description:
                inner["description"] = form.description
            if form.strict is not None:
                inner["strict"] = form.strict
            self._body["response_format"] = {"type": "json_schema", "json_schema": inner}

    def _hints(self) -> None:
        asked = self._asked
        hints = {
            "verbosity": asked.verbosity,
            "user": _opaque(asked.user),
            "prompt_cache_key": _opaque(asked.cache_key),
        }
        for name, value in hints.items():
            if value and self._thinks_by_word:
                self._body[name] = value
            elif value:
                self._notes.drop(name)
        if asked.service_tier:
            self._body["service_tier"] = asked.service_tier


def _custom(tool: CustomTool) -> Json:
    custom: Json = {"name": tool.name}
    if tool.description:
        custom["description"] = tool.description
    form = tool.format
    if form is not None and form.get("type") == "grammar":
        grammar = {name: value for name, value in form.items() if name != "type"}
        custom["format"] = {"type": "grammar", "grammar": grammar}
    elif form is not None:
        custom["format"] = form
    return custom


def _parameters(tool: FunctionTool) -> Json:
    """OpenAI refuses an object without properties, and some servers a function without parameters."""
    parameters = tool.parameters
    if not parameters:
        return _NO_ARGUMENTS
    if parameters.get("type") == "object" and "properties" not in parameters:
        return {**parameters, "properties": {}}
    return parameters


def _opaque(value: str) -> str:
    """An identifier, made to fit where it does not: the same again for the same."""
    if not value or _OPAQUE.match(value):
        return value
    return hashlib.sha256(value.encode("utf-8", "replace")).hexdigest()
