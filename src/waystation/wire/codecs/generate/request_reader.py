"""A tool's generateContent request → the conversation. A countTokens request is read too.

Shapes from the `google-genai` SDK's types and https://ai.google.dev/api/generate-content.
"""

from typing import Any

from waystation.model import Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import (
    Conversation,
    FunctionTool,
    OutputFormat,
    ServerTool,
    Tool,
    ToolChoice,
)
from waystation.wire.codecs.body import conversation_in
from waystation.wire.codecs.generate.contents import ContentsReader
from waystation.wire.codecs.generate.parts import Json, camel, pop
from waystation.wire.codecs.generate.schema import json_schema
from waystation.wire.codecs.generate.thinking import read_thinking

_JSON = "application/json"


def read_request(body: bytes, *, model: str, stream: bool) -> Conversation:
    """See `Codec.read_request`."""
    return conversation_in(body, lambda fields: _read(fields, model, stream))


def _read(fields: Json, model: str, stream: bool) -> Conversation:
    inner = fields.get("generateContentRequest", fields.get("generate_content_request"))
    if isinstance(inner, dict):  # countTokens
        fields = inner
    rest = dict(fields)
    rest.pop("model", None)
    extras: Json = {}
    if pop(rest, "cachedContent"):
        raise BadBody(
            "A cached content is known to Google only; send the conversation itself.", param="cachedContent"
        )
    contents = ContentsReader(extras)
    system = contents.system(pop(rest, "systemInstruction"))
    turns = contents.turns(rest.pop("contents", None))
    tools = _tools(rest.pop("tools", None))
    choice = _tool_choice(pop(rest, "toolConfig"), extras)
    tier = pop(rest, "serviceTier")
    config = _Config(pop(rest, "generationConfig"))
    conversation = Conversation(
        model=model,
        stream=stream,
        system=system,
        turns=turns,
        tools=tools,
        tool_choice=choice,
        max_output=config.count("maxOutputTokens"),
        temperature=config.number("temperature"),
        top_p=config.number("topP"),
        top_k=config.count("topK"),
        stop=config.strings("stopSequences"),
        seed=config.integer("seed"),
        presence_penalty=config.number("presencePenalty"),
        frequency_penalty=config.number("frequencyPenalty"),
        thinking=read_thinking(config.take("thinkingConfig"), extras),
        format=config.format(),
        service_tier=tier if isinstance(tier, str) else "",
        extras=extras,
    )
    if config.count("candidateCount") not in (None, 0, 1):
        raise BadBody(
            "Only one candidate can be had of a model of another provider.",
            param="generationConfig.candidateCount",
        )
    extras.update((camel(name), value) for name, value in rest.items() if value is not None)
    extras.update(
        (f"generationConfig.{camel(name)}", value) for name, value in config.rest.items() if value is not None
    )
    return conversation


class _Config:
    """`generationConfig`, field by field; what nobody takes is left in `rest`."""

    def __init__(self, value: Any) -> None:
        if value is not None and not isinstance(value, dict):
            raise _wrong("generationConfig", "an object")
        self.rest: Json = dict(value or {})

    def take(self, name: str) -> Any:
        return pop(self.rest, name)

    def number(self, name: str) -> float | None:
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong(f"generationConfig.{name}", "a number")
        return float(value)

    def integer(self, name: str) -> int | None:
        value = self.take(name)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong(f"generationConfig.{name}", "a whole number")
        return value

    def count(self, name: str) -> int | None:
        value = self.integer(name)
        if value is not None and value < 0:
            raise _wrong(f"generationConfig.{name}", "0 or more")
        return value

    def strings(self, name: str) -> tuple[str, ...]:
        value = self.take(name)
        if value is None:
            return ()
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _wrong(f"generationConfig.{name}", "a list of strings")
        return tuple(item for item in value if item)

    def format(self) -> OutputFormat | None:
        mime = self.take("responseMimeType")
        schema, plain = self.take("responseSchema"), self.take("responseJsonSchema")
        name = "responseSchema" if plain is None else "responseJsonSchema"
        if plain is None and isinstance(schema, dict):
            plain = json_schema(schema, f"generationConfig.{name}")
        if plain is not None and not isinstance(plain, dict):
            raise _wrong(f"generationConfig.{name}", "an object")
        if mime == _JSON:
            return OutputFormat(schema=plain)
        if mime not in (None, "text/plain"):
            self.rest["responseMimeType"] = mime
        if plain is not None:
            self.rest[name] = plain
        return None


def _tools(value: Any) -> tuple[Tool, ...]:
    if value is None:
        return ()
    tools: list[Tool] = []
    for index, entry in enumerate(value if isinstance(value, list) else [value]):
        where = f"tools[{index}]"
        if not isinstance(entry, dict):
            raise _wrong(where, "an object")
        for name, content in entry.items():
            if camel(name) != "functionDeclarations":
                if content is not None:
                    tools.append(ServerTool(Wire.GENERATE, camel(name), {camel(name): content}))
                continue
            if not isinstance(content, list):
                raise _wrong(f"{where}.functionDeclarations", "a list")
            for at, declaration in enumerate(content):
                tools.append(_function(declaration, f"{where}.functionDeclarations[{at}]"))
    return tuple(tools)


def _function(declaration: Any, where: str) -> FunctionTool:
    if not isinstance(declaration, dict):
        raise _wrong(where, "an object")
    rest = dict(declaration)
    name, description = rest.pop("name", None), rest.pop("description", None)
    schema, plain = rest.pop("parameters", None), pop(rest, "parametersJsonSchema")
    if not isinstance(name, str) or not name:
        raise _wrong(f"{where}.name", "a string")
    if plain is None and schema is not None:
        if not isinstance(schema, dict):
            raise _wrong(f"{where}.parameters", "an object")
        plain = json_schema(schema, f"{where}.parameters")
    if plain is not None and not isinstance(plain, dict):
        raise _wrong(f"{where}.parametersJsonSchema", "an object")
    return FunctionTool(
        name=name,
        description=description if isinstance(description, str) else "",
        parameters=plain,
        extras={camel(key): value for key, value in rest.items()},
    )


def _tool_choice(value: Any, extras: Json) -> ToolChoice | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _wrong("toolConfig", "an object")
    rest = dict(value)
    config = pop(rest, "functionCallingConfig")
    for name, other in rest.items():
        extras[f"toolConfig.{camel(name)}"] = other
    if config is None:
        return None
    where = "toolConfig.functionCallingConfig"
    if not isinstance(config, dict):
        raise _wrong(where, "an object")
    allowed = pop(dict(config), "allowedFunctionNames") or []
    if not isinstance(allowed, list) or not all(isinstance(name, str) for name in allowed):
        raise _wrong(f"{where}.allowedFunctionNames", "a list of strings")
    mode = config.get("mode")
    word = mode.upper() if isinstance(mode, str) else "AUTO"
    if word == "NONE":
        return ToolChoice("none")
    if word == "ANY":
        if len(allowed) == 1:
            return ToolChoice("named", tuple(allowed))
        return ToolChoice("allowed", tuple(allowed), required=True) if allowed else ToolChoice("any")
    return ToolChoice("allowed", tuple(allowed)) if allowed else ToolChoice("auto")


def _wrong(where: str, what: str) -> BadBody:
    return BadBody(f"The field '{where}' must be {what}.", param=where)
