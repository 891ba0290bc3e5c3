"""The items of a request's `input`, read into instructions, turns and late tools."""

from collections.abc import Callable
from typing import Any

from waystation.model import Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import Native, Part, Role, Text, Tool, ToolCall, ToolResult, Turn
from waystation.wire.codecs.responses.content import SEALED_TEXT, read_content, read_output
from waystation.wire.codecs.responses.fields import Json, compact, string
from waystation.wire.codecs.responses.reasoning import read_from_tool
from waystation.wire.codecs.responses.tools import read_tools

KEPT_ELSEWHERE = (
    "is kept at the provider that answered, and this request goes to a model that cannot see it; "
    "send the whole conversation in 'input' with each request instead"
)
"""Why a request that continues something stored cannot be answered (E85)."""

_ROLES = {
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
}
SAID_TO_THE_MODEL = ("_output", "_response", "compaction", "_update", "message")
"""How the types of items end that the model did not make itself."""


class Items:
    """What was read so far. Items of the model in a row are one turn, results in a row too; every message of
    the user is a turn of its own, as it came."""

    __slots__ = ("_open", "_parts", "system", "tools", "turns")

    def __init__(self) -> None:
        self.system: list[Text] = []
        self.turns: list[Turn] = []
        self.tools: list[Tool] = []
        self._parts: list[Part] = []
        self._open: Role | None = None

    def message(self, role: Role, parts: list[Part]) -> None:
        if role is Role.ASSISTANT:
            self.say(role, *parts)
            return
        self.end()
        if not parts:
            return
        texts = [part for part in parts if isinstance(part, Text)]
        if role is Role.SYSTEM and not self.turns and len(texts) == len(parts):
            self.system.extend(texts)
        else:
            self.turns.append(Turn(role, tuple(parts)))

    def say(self, role: Role, *parts: Part) -> None:
        if role is not self._open:
            self.end()
            self._open = role
        self._parts.extend(parts)

    def end(self) -> None:
        """The open turn is complete."""
        if self._open is not None and self._parts:
            self.turns.append(Turn(self._open, tuple(self._parts)))
        self._parts.clear()
        self._open = None


def read_input(value: Any) -> Items:
    """`input`: a string, or a list of items."""
    items = Items()
    if isinstance(value, str):
        items.message(Role.USER, [Text(value)] if value else [])
        return items
    if not isinstance(value, list):
        raise BadBody("'input' must be a string or a list of items.", param="input")
    for index, raw in enumerate(value):
        where = f"input[{index}]"
        if not isinstance(raw, dict):
            raise BadBody(f"'{where}' must be an object with a type.", param=where)
        kind = raw.get("type")
        if kind is None:
            kind = "message" if "role" in raw else "item_reference" if "id" in raw else None
        if not isinstance(kind, str):
            raise BadBody(f"'{where}.type' must say what kind of item it is.", param=f"{where}.type")
        _READERS.get(kind, _native)(items, raw, where)
    items.end()
    return items


def _message(items: Items, raw: Json, where: str) -> None:
    role = _ROLES.get(string(raw, "role"))
    if role is None:
        _native(items, raw, where)
    else:
        items.message(role, read_content(raw.get("content"), f"{where}.content"))


def _reasoning(items: Items, raw: Json, _where: str) -> None:
    part = read_from_tool(raw)
    if part is not None:
        items.say(Role.ASSISTANT, part)


def _function_call(items: Items, raw: Json, where: str) -> None:
    arguments = raw.get("arguments")
    if not isinstance(arguments, str):
        arguments = "{}" if arguments is None else compact(arguments)
    call = ToolCall(string(raw, "call_id"), _named(raw, where), arguments, namespace=string(raw, "namespace"))
    items.say(Role.ASSISTANT, call)


def _custom_tool_call(items: Items, raw: Json, where: str) -> None:
    text = raw.get("input")
    if not isinstance(text, str):
        text = "" if text is None else compact(text)
    namespace = string(raw, "namespace")
    call = ToolCall(string(raw, "call_id"), _named(raw, where), text, namespace=namespace, custom=True)
    items.say(Role.ASSISTANT, call)


def _function_call_output(items: Items, raw: Json, where: str) -> None:
    content, failed = read_output(raw.get("output"), f"{where}.output")
    result = ToolResult(string(raw, "call_id"), content, failed, string(raw, "name"))
    items.say(Role.USER, result)


def _custom_tool_call_output(items: Items, raw: Json, where: str) -> None:
    content, failed = read_output(raw.get("output"), f"{where}.output")
    result = ToolResult(string(raw, "call_id"), content, failed, string(raw, "name"), custom=True)
    items.say(Role.USER, result)


def _item_reference(_items: Items, _raw: Json, where: str) -> None:
    raise BadBody(f"'{where}' refers to an item that {KEPT_ELSEWHERE}.", param=where)


def _compaction_trigger(_items: Items, _raw: Json, where: str) -> None:
    raise BadBody(
        f"'{where}' asks the provider to compact the conversation, which only OpenAI can; "
        "let the tool compact it by itself (in Codex, turn the feature remote_compaction_v2 off).",
        param=where,
    )


def _additional_tools(items: Items, raw: Json, where: str) -> None:
    items.tools.extend(read_tools(raw.get("tools"), f"{where}.tools"))


def _tool_search_output(items: Items, raw: Json, where: str) -> None:
    """The tools that a search found may be called from here on, and are declared nowhere else."""
    _additional_tools(items, raw, where)
    _native(items, raw, where)


def _agent_message(items: Items, raw: Json, where: str) -> None:
    """What one of the tool's own agents wrote to another: here, something said to this one."""
    content = raw.get("content")
    author = string(raw, "author") or "another agent"
    parts: list[Part] = [Text(f"[Message from {author}]")]
    for part in read_content(content if isinstance(content, list | str) else None, f"{where}.content"):
        sealed = isinstance(part, Native) and "encrypted_content" in part.raw
        parts.append(Text(SEALED_TEXT) if sealed else part)
    items.message(Role.USER, parts)


def _native(items: Items, raw: Json, _where: str) -> None:
    kind = string(raw, "type") or "message"
    role = Role.USER if kind.endswith(SAID_TO_THE_MODEL) else Role.ASSISTANT
    items.say(role, Native(Wire.RESPONSES, kind, raw))


_READERS: dict[str, Callable[[Items, Json, str], None]] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _function_call,
    "custom_tool_call": _custom_tool_call,
    "function_call_output": _function_call_output,
    "custom_tool_call_output": _custom_tool_call_output,
    "item_reference": _item_reference,
    "compaction_trigger": _compaction_trigger,
    "additional_tools": _additional_tools,
    "tool_search_output": _tool_search_output,
    "agent_message": _agent_message,
}


def _named(raw: Json, where: str) -> str:
    name = string(raw, "name")
    if not name:
        raise BadBody(f"'{where}.name' must be the name of the tool called.", param=f"{where}.name")
    return name
