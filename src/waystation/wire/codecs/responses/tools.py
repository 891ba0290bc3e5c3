"""Tools, and which of them the model may choose."""

from typing import Any

from waystation.model import Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import CustomTool, FunctionTool, ServerTool, Tool, ToolChoice
from waystation.wire.codecs.door import Notes
from waystation.wire.codecs.responses.fields import Json, string

_FUNCTION_FIELDS = frozenset({"type", "name", "description", "parameters", "strict", "function"})
_CUSTOM_FIELDS = frozenset({"type", "name", "description", "format"})
_UNIONS = ("anyOf", "oneOf", "allOf")
_NEEDS = {"defer_loading": "tool_search", "allowed_callers": "programmatic_tool_calling"}
"""Fields of a function that mean something only beside a tool of this type; other protocols use the same words
in their own sense."""


def read_tools(value: Any, path: str = "tools") -> list[Tool]:
    """The tools of a request, those in namespaces beside the others (E32)."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadBody(f"'{path}' must be a list.", param=path)
    tools: list[Tool] = []
    for index, raw in enumerate(value):
        where = f"{path}[{index}]"
        if not isinstance(raw, dict) or not isinstance(raw.get("type"), str):
            raise BadBody(f"'{where}' must be an object with a type.", param=where)
        if raw["type"] == "namespace":
            tools.extend(_read_namespace(raw, where))
        else:
            tools.append(_read_tool(raw, where, "", ""))
    return tools


def write_tools(tools: tuple[Tool, ...], notes: Notes) -> list[Json]:
    """The same for a provider; the tools of a namespace together, where the first of them stood."""
    kinds = {tool.kind for tool in tools if isinstance(tool, ServerTool) and tool.wire is Wire.RESPONSES}
    written: list[Json] = []
    spaces: dict[str, list[Json]] = {}
    for tool in tools:
        if isinstance(tool, ServerTool):
            if tool.wire is Wire.RESPONSES:
                written.append(tool.raw)
            else:
                notes.drop(f"tools.{tool.kind}")
            continue
        raw = _write_function(tool, kinds) if isinstance(tool, FunctionTool) else _write_custom(tool)
        if not tool.namespace:
            written.append(raw)
        elif tool.namespace in spaces:
            spaces[tool.namespace].append(raw)
        else:
            inner = spaces[tool.namespace] = [raw]
            about = tool.namespace_description or tool.namespace
            written.append(
                {"type": "namespace", "name": tool.namespace, "description": about, "tools": inner}
            )
    return written


def read_choice(value: Any) -> ToolChoice | None:
    """`tool_choice`; None where it names a tool of the provider's own, or was not set."""
    if isinstance(value, str):
        modes = {"auto": ToolChoice("auto"), "none": ToolChoice("none"), "required": ToolChoice("any")}
        return modes.get(value)
    if not isinstance(value, dict):
        return None
    kind = value.get("type")
    if kind in ("function", "custom"):
        inner = value.get(kind)
        name = string(value, "name") or (string(inner, "name") if isinstance(inner, dict) else "")
        return ToolChoice("named", (name,), namespace=string(value, "namespace")) if name else None
    if kind == "allowed_tools" and isinstance(value.get("tools"), list):
        names = tuple(
            tool["name"]
            for tool in value["tools"]
            if isinstance(tool, dict) and isinstance(tool.get("name"), str)
        )
        return ToolChoice("allowed", names, required=value.get("mode") == "required") if names else None
    return None


def write_choice(choice: ToolChoice, tools: tuple[Tool, ...]) -> str | Json:
    """The same for a provider."""
    if choice.mode == "any":
        return "required"
    if choice.mode in ("auto", "none"):
        return choice.mode
    custom = {tool.name for tool in tools if isinstance(tool, CustomTool)}
    named = [{"type": "custom" if name in custom else "function", "name": name} for name in choice.names]
    if choice.mode == "named" and named:
        return named[0]
    return {"type": "allowed_tools", "mode": "required" if choice.required else "auto", "tools": named}


def _read_namespace(raw: Json, where: str) -> list[Tool]:
    inner = raw.get("tools")
    name = _name(raw, where)
    if not isinstance(inner, list):
        raise BadBody(f"'{where}.tools' must be a list.", param=f"{where}.tools")
    about = string(raw, "description")
    tools = []
    for index, tool in enumerate(inner):
        path = f"{where}.tools[{index}]"
        if not isinstance(tool, dict) or not isinstance(tool.get("type"), str):
            raise BadBody(f"'{path}' must be an object with a type.", param=path)
        tools.append(_read_tool(tool, path, name, about))
    return tools


def _read_tool(raw: Json, where: str, namespace: str, about: str) -> Tool:
    if raw["type"] == "function":
        nested = raw.get("function")  # as Chat Completions nests it; some tools mix the two up
        fields = {**nested, "type": "function"} if isinstance(nested, dict) and "name" not in raw else raw
        parameters, strict = fields.get("parameters"), fields.get("strict")
        if parameters is not None and not isinstance(parameters, dict):
            raise BadBody(f"'{where}.parameters' must be a JSON Schema.", param=f"{where}.parameters")
        return FunctionTool(
            _name(fields, where),
            string(fields, "description"),
            parameters,
            strict if isinstance(strict, bool) else None,
            namespace,
            about,
            extras=_others(fields, _FUNCTION_FIELDS),
        )
    if raw["type"] == "custom":
        form = raw.get("format")
        grammar = form if isinstance(form, dict) and form.get("type") != "text" else None
        return CustomTool(
            _name(raw, where),
            string(raw, "description"),
            grammar,
            namespace,
            about,
            extras=_others(raw, _CUSTOM_FIELDS),
        )
    return ServerTool(Wire.RESPONSES, raw["type"], raw)


def _write_function(tool: FunctionTool, kinds: set[str]) -> Json:
    # Without a word on it, this protocol makes a schema strict, which changes what may be left out.
    raw: Json = {
        "type": "function",
        "name": tool.name,
        "parameters": _object_schema(tool.parameters),
        "strict": tool.strict is True,
    }
    if tool.description:
        raw["description"] = tool.description
    raw.update(_known_extras(tool.extras, kinds))
    return raw


def _write_custom(tool: CustomTool) -> Json:
    raw: Json = {"type": "custom", "name": tool.name}
    if tool.description:
        raw["description"] = tool.description
    if tool.format is not None:
        raw["format"] = tool.format
    return raw


def _known_extras(extras: Json, kinds: set[str]) -> Json:
    known: Json = {name: extras[name] for name in ("output_schema", "async") if name in extras}
    known.update((name, extras[name]) for name, kind in _NEEDS.items() if name in extras and kind in kinds)
    return known


def _object_schema(schema: Json | None) -> Json:
    """`schema` as a provider takes it: an object with properties at its top level, and no choice there."""
    if schema is None:
        return {"type": "object", "properties": {}}
    choices = [name for name in (*_UNIONS, "enum", "not") if name in schema]
    if schema.get("type") == "object" and isinstance(schema.get("properties"), dict) and not choices:
        return schema
    properties: Json = {}
    for name in _UNIONS:
        options = schema.get(name)
        for option in options if isinstance(options, list) else ():
            if isinstance(option, dict) and isinstance(option.get("properties"), dict):
                properties.update(option["properties"])
    own = schema.get("properties")
    if isinstance(own, dict):
        properties.update(own)
    kept = {name: value for name, value in schema.items() if name not in choices}
    return {**kept, "type": "object", "properties": properties}


def _others(raw: Json, known: frozenset[str]) -> Json:
    return {name: value for name, value in raw.items() if name not in known and value is not None}


def _name(raw: Json, where: str) -> str:
    name = string(raw, "name")
    if not name:
        raise BadBody(f"'{where}.name' must be set: a tool is called by its name.", param=f"{where}.name")
    return name
