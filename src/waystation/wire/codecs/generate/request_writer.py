"""The conversation → a request for Gemini.

Shapes from https://ai.google.dev/api/generate-content, function calling and thought signatures.
"""

from typing import Any

import msgspec

from waystation.model import Wire
from waystation.wire.canonical import (
    Conversation,
    CustomTool,
    FunctionTool,
    OutputFormat,
    ToolChoice,
)
from waystation.wire.codecs.door import Notes, Target
from waystation.wire.codecs.generate.parts import Json
from waystation.wire.codecs.generate.schema import gemini_schema, parameters
from waystation.wire.codecs.generate.thinking import write_thinking
from waystation.wire.codecs.generate.turns import write_turns
from waystation.wire.codecs.schema import Allowance, inline

_MOST_STOPS = 5
_OWN = frozenset(("safetySettings", "labels"))
"""Fields of its own protocol that a request can repeat as they came."""
_SAMPLING = {"temperature": "temperature", "topP": "top_p", "topK": "top_k"}
_USUAL_TIERS = ("", "auto", "default", "standard", "standard_only")
"""What a service does without being asked; any other is a price that another provider does not know."""
_encode = msgspec.json.Encoder().encode


def write_request(conversation: Conversation, target: Target, notes: Notes) -> bytes:
    """See `Codec.write_request`. The model and streaming are told in the path, not here."""
    body: Json = {}
    if conversation.system:
        body["systemInstruction"] = {"parts": [{"text": text.text} for text in conversation.system]}
    body["contents"] = write_turns(conversation.turns, target, notes)
    tools = _tools(conversation, target, notes)
    if tools:
        body["tools"] = tools
        choice = _tool_choice(conversation.tool_choice)
        if choice:
            body["toolConfig"] = {"functionCallingConfig": choice}
    config = _config(conversation, target, notes)
    if config:
        body["generationConfig"] = config
    for name, value in conversation.extras.items():
        _put_back(body, name, value)
    return _encode(body)


def _tools(conversation: Conversation, target: Target, notes: Notes) -> list[Json]:
    functions: list[Json] = []
    others: list[Json] = []
    allowance = Allowance()
    for tool in conversation.tools:
        if isinstance(tool, FunctionTool):
            functions.append(_function(tool, target, notes, allowance))
        elif isinstance(tool, CustomTool):
            functions.append(_free_text(tool, target))
        elif tool.wire is Wire.GENERATE:
            others.append(tool.raw)
        else:
            notes.drop(f"tools.{tool.kind}")
    return [{"functionDeclarations": functions}, *others] if functions else others


def _function(tool: FunctionTool, target: Target, notes: Notes, allowance: Allowance) -> Json:
    declaration: Json = {"name": tool.name}
    if tool.description:
        declaration["description"] = tool.description
    if tool.parameters is not None:
        plain = parameters(tool.parameters, allowance)
        lossy = plain.lossy
        if target.json_schema:
            declaration["parametersJsonSchema"] = plain.schema
        elif plain.schema.get(
            "properties"
        ):  # an object without any is refused: such a function takes nothing
            own = gemini_schema(plain, allowance)
            declaration["parameters"], lossy = own.schema, own.lossy
        if lossy:
            notes.change("tools.parameters")
    return declaration


def _free_text(tool: CustomTool, target: Target) -> Json:
    """A tool that takes free text takes it as its one argument. (A lowered conversation has none.)"""
    kind = "string" if target.json_schema else "STRING"
    schema = {
        "type": "object" if target.json_schema else "OBJECT",
        "properties": {"input": {"type": kind}},
        "required": ["input"],
    }
    name = "parametersJsonSchema" if target.json_schema else "parameters"
    return {"name": tool.name, "description": tool.description or tool.name, name: schema}


def _tool_choice(choice: ToolChoice | None) -> Json:
    if choice is None:
        return {}
    if choice.mode in ("named", "allowed"):
        must = choice.mode == "named" or choice.required
        return {"mode": "ANY" if must else "VALIDATED", "allowedFunctionNames": list(choice.names)}
    return {"mode": {"any": "ANY", "none": "NONE"}.get(choice.mode, "AUTO")}


def _config(conversation: Conversation, target: Target, notes: Notes) -> Json:
    config: Json = {}
    for name, value in (
        ("maxOutputTokens", conversation.max_output),
        ("temperature", conversation.temperature),
        ("topP", conversation.top_p),
        ("topK", conversation.top_k),
        ("seed", conversation.seed),
        ("presencePenalty", conversation.presence_penalty),
        ("frequencyPenalty", conversation.frequency_penalty),
    ):
        if value is not None and not (name in _SAMPLING and target.capabilities.sampling is False):
            config[name] = value
        elif value is not None:
            notes.drop(_SAMPLING[name])
    if conversation.stop:
        config["stopSequences"] = list(conversation.stop[:_MOST_STOPS])
        if len(conversation.stop) > _MOST_STOPS:
            notes.change(f"stop={_MOST_STOPS}")
    thinking = write_thinking(conversation.thinking, target, notes)
    if thinking:
        config["thinkingConfig"] = thinking
    if conversation.format is not None:
        config.update(_format(conversation.format, target, notes))
    if conversation.parallel_tools is False:
        notes.drop("parallel_tool_calls")
    if conversation.verbosity:
        notes.drop("verbosity")
    if conversation.service_tier not in _USUAL_TIERS:
        notes.drop("service_tier")
    # `user` and `cache_key` go unsaid and unmentioned: they change no answer, and Gemini caches by itself.
    return config


def _format(wanted: OutputFormat, target: Target, notes: Notes) -> Json:
    config: Json = {"responseMimeType": "application/json"}
    if wanted.schema is not None:
        allowance = Allowance()
        plain = inline(wanted.schema, allowance)
        lossy = plain.lossy
        if target.json_schema:
            config["responseJsonSchema"] = plain.schema
        else:
            own = gemini_schema(plain, allowance)
            config["responseSchema"], lossy = own.schema, own.lossy
        if lossy:
            notes.change("response_format")
    return config


def _put_back(body: Json, name: str, value: Any) -> None:
    """A field that a request of this protocol brought: Gemini's own names only."""
    section, dot, field = name.partition(".")
    if name in _OWN:
        body[name] = value
    elif section in ("generationConfig", "toolConfig") and dot and "." not in field:
        body.setdefault(section, {}).setdefault(field, value)
