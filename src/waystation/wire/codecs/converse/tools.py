"""`toolConfig`: tools, and whether one must be called; both ways."""

from typing import Any

from waystation.model import Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import CacheMark, Conversation, FunctionTool, ServerTool, Tool, ToolChoice
from waystation.wire.codecs.converse.models import ModelFacts
from waystation.wire.codecs.converse.writing import cache_point
from waystation.wire.codecs.door import Notes

Json = dict[str, Any]
_ANYTHING: Json = {"type": "object", "properties": {}}


def write_tools(
    conversation: Conversation, facts: ModelFacts, notes: Notes, *, called: tuple[str, ...], has_blocks: bool
) -> tuple[Json | None, Json | None]:
    """`toolConfig`, and a `tool_choice` for `additionalModelRequestFields`; None for what is not needed.

    `has_blocks`: the history has calls or results, and Bedrock then wants tools declared even where none may
    be called; `called` are their names.
    """
    choice = conversation.tool_choice
    tools = conversation.tools
    if choice is not None and choice.mode == "allowed":
        named = tuple(tool for tool in tools if isinstance(tool, FunctionTool) and tool.name in choice.names)
        tools = named or tools
    if choice is not None and choice.mode == "none":
        if not has_blocks:
            return None, None
        notes.change("tool_choice=auto")
    written = _write_list(tools, facts, notes)
    if not any("cachePoint" not in tool for tool in written):
        if not has_blocks:
            return None, None
        names = called or ("unavailable",)
        written = [{"toolSpec": {"name": name, "inputSchema": {"json": _ANYTHING}}} for name in names]
        return {"tools": written}, None
    config: Json = {"tools": written}
    forced = _write_choice(choice, written)
    if forced is not None:
        config["toolChoice"] = forced
    return config, _alone(conversation.parallel_tools, facts, notes, forced=forced is not None)


def _write_list(tools: tuple[Tool, ...], facts: ModelFacts, notes: Notes) -> list[Json]:
    written: list[Json] = []
    for tool in tools:
        if isinstance(tool, FunctionTool):
            written.append({"toolSpec": _write_function(tool, facts, notes)})
            if tool.cache is not None:
                if facts.cache_points:
                    written.append(cache_point(tool.cache))
                else:
                    notes.drop("cache_control")
        elif isinstance(tool, ServerTool) and tool.wire is Wire.CONVERSE and len(tool.raw) == 1:
            written.append(tool.raw)
        else:
            notes.drop(f"tools.{tool.kind if isinstance(tool, ServerTool) else 'custom'}")
    return written


def _write_function(tool: FunctionTool, facts: ModelFacts, notes: Notes) -> Json:
    schema = _ANYTHING if tool.parameters is None else tool.parameters
    if schema.get("type") != "object":
        schema = {**schema, "type": "object"}
    spec: Json = {"name": tool.name}
    if tool.description.strip():
        spec["description"] = tool.description
    spec["inputSchema"] = {"json": schema}
    if tool.strict and facts.structured:
        spec["strict"] = True
    elif tool.strict:
        notes.drop("tools.strict")
    return spec


def _write_choice(choice: ToolChoice | None, written: list[Json]) -> Json | None:
    """`auto` is what there is without one."""
    if choice is None:
        return None
    if choice.mode == "any" or (choice.mode == "allowed" and choice.required):
        return {"any": {}}
    if choice.mode == "named" and choice.names:
        declared = {tool["toolSpec"]["name"] for tool in written if "toolSpec" in tool}
        return {"tool": {"name": choice.names[0]}} if choice.names[0] in declared else {"any": {}}
    return {"auto": {}} if choice.mode == "auto" else None


def _alone(parallel: bool | None, facts: ModelFacts, notes: Notes, *, forced: bool) -> Json | None:
    """One call at a time: Converse has no word for it, Claude has."""
    if parallel is not False:
        return None
    if facts.claude is None or not facts.claude.structured:
        notes.drop("parallel_tool_calls")
        return None
    return (
        {"disable_parallel_tool_use": True} if forced else {"type": "auto", "disable_parallel_tool_use": True}
    )


# -------------------------------------------------------------------- reading
def read_tools(config: Any) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    if config is None:
        return (), None
    if not isinstance(config, dict) or not isinstance(config.get("tools", []), list):
        raise BadBody("`toolConfig.tools` must be a list.", param="toolConfig.tools")
    tools: list[Tool] = []
    for index, raw in enumerate(config.get("tools", [])):
        where = f"toolConfig.tools[{index}]"
        if not isinstance(raw, dict) or len(raw) != 1:
            raise BadBody(f"`{where}` must be an object with one member.", param=where)
        ((kind, inside),) = raw.items()
        if kind == "toolSpec":
            tools.append(_read_function(inside, f"{where}.toolSpec"))
        elif kind == "cachePoint":
            _mark_last(tools, inside)
        else:
            tools.append(ServerTool(Wire.CONVERSE, kind, raw))
    return tuple(tools), _read_choice(config.get("toolChoice"))


def _read_function(raw: Any, where: str) -> FunctionTool:
    if not isinstance(raw, dict) or not isinstance(raw.get("name"), str):
        raise BadBody(f"`{where}.name` must be text.", param=f"{where}.name")
    schema = raw.get("inputSchema")
    parameters = schema.get("json") if isinstance(schema, dict) else None
    if parameters is not None and not isinstance(parameters, dict):
        raise BadBody(f"`{where}.inputSchema.json` must be an object.", param=f"{where}.inputSchema.json")
    description, strict = raw.get("description", ""), raw.get("strict")
    return FunctionTool(
        name=raw["name"],
        description=description if isinstance(description, str) else "",
        parameters=None if parameters == _ANYTHING else parameters,
        strict=strict if isinstance(strict, bool) else None,
    )


def _mark_last(tools: list[Tool], raw: Any) -> None:
    if tools and isinstance(tools[-1], FunctionTool):
        last = tools[-1]
        tools[-1] = FunctionTool(
            last.name, last.description, last.parameters, last.strict, cache=read_mark(raw)
        )


def read_mark(raw: Any) -> CacheMark:
    return CacheMark("1h" if isinstance(raw, dict) and raw.get("ttl") == "1h" else "5m")


def _read_choice(raw: Any) -> ToolChoice | None:
    if not isinstance(raw, dict):
        return None
    if "any" in raw:
        return ToolChoice("any")
    named = raw.get("tool")
    if isinstance(named, dict) and isinstance(named.get("name"), str):
        return ToolChoice("named", (named["name"],))
    return ToolChoice("auto") if "auto" in raw else None
