"""A conversation, written as a provider's request: stateless, with sealed reasoning in it and asked for."""

import hashlib
from typing import Any

import msgspec

from waystation.model import Capabilities, Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import (
    Conversation,
    Effort,
    Media,
    Native,
    OutputFormat,
    Part,
    Reasoning,
    Role,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from waystation.wire.codecs.door import Notes, Target
from waystation.wire.codecs.responses.content import write_part
from waystation.wire.codecs.responses.fields import Json
from waystation.wire.codecs.responses.items import SAID_TO_THE_MODEL
from waystation.wire.codecs.responses.reasoning import write_for_provider
from waystation.wire.codecs.responses.request import SEALED_REASONING
from waystation.wire.codecs.responses.tools import write_choice, write_tools
from waystation.wire.request import TOO_DEEP

LEAST_OUTPUT = 16
"""A provider refuses to be asked for fewer tokens."""
_LONGEST_KEY = 64
"""Characters of `user` and `prompt_cache_key`."""
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
_BUDGETS = ((2048, Effort.LOW), (12288, Effort.MEDIUM))
_KNOWN_TO_ALL = {Effort.MINIMAL: Effort.LOW, Effort.XHIGH: Effort.HIGH, Effort.MAX: Effort.HIGH}
"""What to say for the finer words, where nobody said that the model takes a word at all."""
_NAME_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_PARTS = ("input_", "encrypted_content")
"""How the types begin of what stands in a message; anything else is an item."""
_encode = msgspec.json.Encoder().encode


def write_request(conversation: Conversation, target: Target, notes: Notes) -> bytes:
    """See the door."""
    try:
        return _encode(_write(conversation, target, notes))
    except RecursionError:
        raise BadBody(TOO_DEEP) from None


def _write(conversation: Conversation, target: Target, notes: Notes) -> Json:
    body: Json = {"model": target.model, "stream": conversation.stream, "store": False}
    if conversation.system:
        body["instructions"] = "\n\n".join(text.text for text in conversation.system)
    body["input"] = _Input(target, notes).write(conversation.turns)
    tools = write_tools(conversation.tools, notes)
    if tools:
        body["tools"] = tools
        if conversation.tool_choice is not None:
            body["tool_choice"] = write_choice(conversation.tool_choice, conversation.tools)
        if conversation.parallel_tools is not None:
            body["parallel_tool_calls"] = conversation.parallel_tools
    _write_limits(body, conversation, notes)
    _write_reasoning(body, conversation.thinking, target, notes)
    _write_sampling(body, conversation, target.capabilities, notes)
    text = _write_format(conversation.format)
    if conversation.verbosity:
        text["verbosity"] = conversation.verbosity
    if text:
        body["text"] = text
    if conversation.user:
        body["user"] = _short(conversation.user)
    if conversation.cache_key:
        body["prompt_cache_key"] = _short(conversation.cache_key)
    if conversation.service_tier in _TIERS:
        body["service_tier"] = conversation.service_tier
    elif conversation.service_tier:
        notes.drop("service_tier")
    _write_extras(body, conversation.extras)
    return body


class _Input:
    """The turns as items."""

    __slots__ = ("_documents", "_messages", "_notes", "_vision", "items")

    def __init__(self, target: Target, notes: Notes) -> None:
        self._vision = target.capabilities.vision
        self._documents = target.capabilities.documents
        self._notes = notes
        self._messages = 0
        self.items: list[Json] = []

    def write(self, turns: tuple[Turn, ...]) -> list[Json]:
        for turn in turns:
            said: list[Json] = []
            """Content of the message that neighbouring parts share."""
            for part in turn.parts:
                content = self._content(part, turn.role)
                if content is not None:
                    said.append(content)
                    continue
                self._message(turn.role, said)
                item = self._item(part)
                if item is not None:
                    self.items.append(item)
            self._message(turn.role, said)
        return self._without_idle_thoughts()

    def _content(self, part: Part, role: Role) -> Json | None:
        if isinstance(part, Native):
            inside = part.wire is Wire.RESPONSES and part.kind.startswith(_PARTS)
            return part.raw if inside else None
        if role is Role.ASSISTANT:
            if not isinstance(part, Text) or not part.text:
                return None
            if part.refusal:
                return {"type": "refusal", "refusal": part.text}
            return {"type": "output_text", "text": part.text, "annotations": []}
        return self._part(part) if isinstance(part, Text | Media) else None

    def _message(self, role: Role, said: list[Json]) -> None:
        if not said:
            return
        item: Json = {"type": "message", "role": role.value, "content": said.copy()}
        said.clear()
        if role is Role.SYSTEM:
            item["role"] = "developer"
        elif role is Role.ASSISTANT:  # some servers know an answer of theirs only by these
            item["id"] = f"msg_{self._messages}"
            item["status"] = "completed"
            self._messages += 1
        self.items.append(item)

    def _item(self, part: Part) -> Json | None:
        if isinstance(part, ToolCall):
            return _write_call(part)
        if isinstance(part, ToolResult):
            return self._result(part)
        if isinstance(part, Reasoning):
            item = write_for_provider(part)
            if item is None:
                self._notes.drop("reasoning")
            return item
        if isinstance(part, Native):
            if part.wire is Wire.RESPONSES:
                return part.raw
            self._notes.drop(part.kind)
        elif isinstance(part, Media):
            self._notes.drop(part.kind.value)  # the model's own; nobody can show it to it again
        return None

    def _result(self, part: ToolResult) -> Json:
        content = [raw for raw in map(self._part, part.content) if raw is not None]
        if part.is_error:
            self._notes.drop("is_error")
        output: str | list[Json] = content
        if not content:
            output = "The tool failed and said nothing." if part.is_error else ""
        elif len(content) == 1 and content[0]["type"] == "input_text":
            output = content[0]["text"]
        kind = "custom_tool_call_output" if part.custom else "function_call_output"
        return {"type": kind, "call_id": part.call_id, "output": output}

    def _part(self, part: Text | Media) -> Json | None:
        return write_part(part, self._vision, self._documents, self._notes)

    def _without_idle_thoughts(self) -> list[Json]:
        """A provider refuses reasoning without what it led to, which an aborted turn lacks."""
        kept: list[Json] = []
        led = False
        for item in reversed(self.items):
            if item.get("type") != "reasoning":
                led = item.get("role") == "assistant" or not str(item.get("type")).endswith(SAID_TO_THE_MODEL)
            elif not led:
                self._notes.drop("reasoning")
                continue
            kept.append(item)
        kept.reverse()
        return kept


def _write_call(part: ToolCall) -> Json:
    item: Json = {
        "type": "custom_tool_call" if part.custom else "function_call",
        "call_id": part.id,
        "name": part.name,
    }
    if part.namespace:
        item["namespace"] = part.namespace
    if part.custom:
        item["input"] = part.arguments
    else:
        item["arguments"] = part.arguments or "{}"
    return item


def _write_limits(body: Json, conversation: Conversation, notes: Notes) -> None:
    limit = conversation.max_output
    if limit is not None:
        body["max_output_tokens"] = max(limit, LEAST_OUTPUT)
        if limit < LEAST_OUTPUT:
            notes.change(f"max_output_tokens={LEAST_OUTPUT}")
    for name in ("top_k", "seed", "presence_penalty", "frequency_penalty"):
        if getattr(conversation, name) is not None:
            notes.drop(name)
    if conversation.stop:
        notes.drop("stop")


def _write_sampling(body: Json, conversation: Conversation, able: Capabilities, notes: Notes) -> None:
    """Most models that think refuse the fields altogether, and have 1 for both in any case."""
    thinks = able.thinking not in (None, "none") and body.get("reasoning", {}).get("effort") != Effort.NONE
    refused = able.sampling is False or (able.sampling is None and thinks)
    wanted = able.sampling is True or able.thinking == "none"
    for name, value in (("temperature", conversation.temperature), ("top_p", conversation.top_p)):
        if value is None or (value == 1 and not wanted):
            continue
        if refused:
            notes.drop(name)
        else:
            body[name] = value


def _write_reasoning(body: Json, thinking: Thinking | None, target: Target, notes: Notes) -> None:
    able = target.capabilities.thinking
    if able == "none":
        return
    reasoning: Json = {}
    if thinking is not None:
        effort = _effort_of(thinking)
        if effort is not None and able != "effort":
            known = _KNOWN_TO_ALL.get(effort, effort)
            if known is not effort:
                notes.change(f"reasoning.effort={known.value}")
            effort = known
        if effort is not None:
            reasoning["effort"] = effort.value
        summary = _summary_of(thinking)
        if summary and effort is not Effort.NONE:
            reasoning["summary"] = summary
        if reasoning:
            body["reasoning"] = reasoning
    # A model that does not think refuses to be asked for seals.
    replayed = any(item.get("type") == "reasoning" for item in body["input"])
    wanted = able is not None or thinking is not None or replayed
    if wanted and reasoning.get("effort") != Effort.NONE:
        body["include"] = [SEALED_REASONING]


def _effort_of(thinking: Thinking) -> Effort | None:
    """The word that comes nearest to what was asked; None to leave it to the model."""
    budget = thinking.budget
    if budget == 0:
        return Effort.NONE
    if thinking.effort is not None or budget is None or budget < 0:
        return thinking.effort
    for most, effort in _BUDGETS:
        if budget <= most:
            return effort
    return Effort.HIGH


def _summary_of(thinking: Thinking) -> str:
    """Who asks for thoughts by tokens, or as the model sees fit, asks in a protocol that shows them unless told
    otherwise; this one hides them."""
    if thinking.show == "full":
        return "detailed"
    shown = thinking.show == "summary" or (not thinking.show and (thinking.budget or thinking.adaptive))
    return "auto" if shown else ""


def _write_format(form: OutputFormat | None) -> Json:
    if form is None:
        return {}
    if form.schema is None:
        return {"format": {"type": "json_object"}}
    name = "".join(letter if letter in _NAME_CHARACTERS else "_" for letter in form.name)[:64]
    raw: Json = {"type": "json_schema", "name": name or "answer", "schema": form.schema}
    if form.description:
        raw["description"] = form.description
    if form.strict is not None:
        raw["strict"] = form.strict
    return {"format": raw}


def _write_extras(body: Json, extras: dict[str, Any]) -> None:
    """Fields that only this protocol knows, back where they were read."""
    for name, value in extras.items():
        if name == "include" and isinstance(value, list):
            body["include"] = [*body.get("include", []), *value]
            continue
        outer, dot, inner = name.partition(".")
        if dot and outer in ("reasoning", "text"):
            body.setdefault(outer, {}).setdefault(inner, value)
        else:
            body.setdefault(name, value)


def _short(key: str) -> str:
    """An opaque key, made to fit: the same again for the same."""
    return key if len(key) <= _LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()
