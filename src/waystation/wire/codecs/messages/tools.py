"""Tools and the choice among them, both ways."""

from typing import Any

from waystation.model import Capabilities, Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import CacheMark, FunctionTool, ServerTool, Tool, ToolChoice
from waystation.wire.codecs.door import Notes
from waystation.wire.codecs.messages.blocks import read_mark
from waystation.wire.codecs.messages.schema import COMBINERS, NO_ARGUMENTS, guaranteed, root_object

_OWN = frozenset({"name", "description", "input_schema", "strict", "cache_control", "type"})
_MODES = {"auto": "auto", "any": "any", "none": "none", "named": "tool"}
_MOST_STRICT = 20
"""The API refuses a request with more strict tools than this."""


def read_tools(tools: Any) -> tuple[Tool, ...]:
    """The `tools` of a request. One whose type is not `custom` is its provider's own, whoever runs it."""
    if tools is None:
        return ()
    if not isinstance(tools, list):
        raise BadBody("'tools' must be a list.", param="tools")
    return tuple(_read_tool(tool, f"tools[{index}]") for index, tool in enumerate(tools))


def _read_tool(tool: Any, where: str) -> Tool:
    if not isinstance(tool, dict):
        raise BadBody(f"'{where}' must be an object.", param=where)
    kind = tool.get("type")
    if kind is not None and kind != "custom":
        if not isinstance(kind, str):
            raise BadBody(f"'{where}.type' must be a string.", param=f"{where}.type")
        return ServerTool(Wire.MESSAGES, kind, tool)
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise BadBody(f"'{where}.name' must be a string that is not empty.", param=f"{where}.name")
    schema = tool.get("input_schema")
    if schema is not None and not isinstance(schema, dict):
        raise BadBody(f"'{where}.input_schema' must be an object.", param=f"{where}.input_schema")
    if schema == NO_ARGUMENTS:
        schema = None
    description, strict = tool.get("description"), tool.get("strict")
    return FunctionTool(
        name,
        description if isinstance(description, str) else "",
        schema,
        strict if isinstance(strict, bool) else None,
        cache=read_mark(tool),
        extras={key: value for key, value in tool.items() if key not in _OWN},
    )


def read_choice(choice: Any) -> tuple[ToolChoice | None, bool | None]:
    """The choice, and whether several tools may be called at once. A type that is not known is (None, None)."""
    if choice is None:
        return None, None
    if not isinstance(choice, dict) or not isinstance(choice.get("type"), str):
        raise BadBody("'tool_choice' must be an object with a type.", param="tool_choice")
    single = choice.get("disable_parallel_tool_use")
    parallel = not single if isinstance(single, bool) else None
    kind = choice["type"]
    if kind == "tool":
        name = choice.get("name")
        if not isinstance(name, str) or not name:
            raise BadBody("'tool_choice.name' must be the name of a tool.", param="tool_choice.name")
        return ToolChoice("named", (name,)), parallel
    if kind == "auto":
        return ToolChoice("auto"), parallel
    if kind == "any":
        return ToolChoice("any"), parallel
    if kind == "none":
        return ToolChoice("none"), parallel
    return None, None


def write_tools(
    tools: tuple[Tool, ...], choice: ToolChoice | None, capabilities: Capabilities, notes: Notes
) -> list[dict[str, Any]]:
    """`tools` as the provider is sent them. Where only some of them may be called, only those are sent."""
    allowed = frozenset(choice.names) if choice is not None and choice.mode == "allowed" else None
    strict = _strict_schemas(tools, capabilities, notes)
    written: list[dict[str, Any]] = []
    for tool in tools:
        if isinstance(tool, ServerTool) and tool.wire is Wire.MESSAGES:
            written.append(tool.raw)
        elif not isinstance(tool, FunctionTool):
            notes.drop(f"tools.{tool.kind if isinstance(tool, ServerTool) else 'custom'}")
        elif allowed is None or tool.name in allowed:
            written.append(_write_tool(tool, strict.get(tool.name), notes))
    return written


def _write_tool(tool: FunctionTool, strict: dict[str, Any] | None, notes: Notes) -> dict[str, Any]:
    """`strict` is the schema that the API guarantees; None where it guarantees nothing."""
    written: dict[str, Any] = {"name": tool.name}
    if tool.description:
        written["description"] = tool.description
    if strict is None:
        written["input_schema"], changed = root_object(tool.parameters)
        if changed:
            notes.change("tools.parameters")
        if tool.strict is False:
            written["strict"] = False
    else:
        written["input_schema"] = strict
        written["strict"] = True
    written.update(tool.extras)
    if tool.cache is not None:
        written["cache_control"] = write_mark(tool.cache)
    return written


def _strict_schemas(
    tools: tuple[Tool, ...], capabilities: Capabilities, notes: Notes
) -> dict[str, dict[str, Any]]:
    """By name, the schemas of those tools that asked for a guarantee and can have it."""
    asked = [tool for tool in tools if isinstance(tool, FunctionTool) and tool.strict]
    if not asked:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for tool in asked:
        schema = guaranteed(tool.parameters) if tool.parameters else None
        if schema is not None and schema.get("type") == "object" and not schema.keys() & COMBINERS:
            found[tool.name] = schema
    if capabilities.structured_output is False or len(found) > _MOST_STRICT:
        found = {}
    if len(found) < len(asked):
        notes.drop("tools.strict")
    return found


def write_choice(choice: ToolChoice | None, parallel: bool | None) -> dict[str, Any] | None:
    """`tool_choice` for a request that has tools."""
    if choice is None:
        if parallel is not False:  # several at once is what the API does anyway
            return None
        choice = ToolChoice("auto")
    mode = choice.mode
    if mode == "allowed":
        mode = "any" if choice.required else "auto"
    written: dict[str, Any] = {"type": _MODES[mode]}
    if mode == "named":
        written["name"] = choice.names[0] if choice.names else ""
    if parallel is not None and mode != "none":
        written["disable_parallel_tool_use"] = not parallel
    return written


def write_mark(mark: CacheMark) -> dict[str, Any]:
    """`cache_control`."""
    return {"type": "ephemeral"} if mark.ttl == "5m" else {"type": "ephemeral", "ttl": mark.ttl}
