"""The messages of a tool's request, read into instructions and turns."""

from typing import Any

import msgspec

from waystation.model import Wire
from waystation.wire.canonical import (
    Media,
    Native,
    Part,
    Reasoning,
    ResultPart,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from waystation.wire.codecs.chat.content import Json, cache_mark, read_content
from waystation.wire.codecs.chat.fields import array, object_in, string, wrong
from waystation.wire.codecs.chat.seals import (
    THOUGHT_FIELDS,
    before_its_part,
    extension_seal,
    id_without_seals,
    is_signed,
    seals_in_id,
    text_of_details,
)

_EVERYWHERE = frozenset({"role", "content", "cache_control", "prompt_cache_breakpoint"})
_ASSISTANT = _EVERYWHERE | {
    "refusal",
    "tool_calls",
    "function_call",
    "reasoning_details",
    "annotations",  # what it cited, which nobody takes back
    *THOUGHT_FIELDS,
}
_TOOL = _EVERYWHERE | {"tool_call_id", "name"}
_SYSTEM_ROLES = ("system", "developer")


def read_messages(messages: list[Any]) -> tuple[list[Text], list[Turn]]:
    """The leading instructions, and what was said. Each message is a turn, save that the results of one turn's
    calls are one turn (E74)."""
    reader = _Reader()
    for index, raw in enumerate(messages):
        where = f"messages[{index}]"
        if not isinstance(raw, dict):
            raise wrong(where, "an object")
        reader.read(raw, where)
    reader.flush()
    return reader.system, reader.turns


class _Reader:
    __slots__ = ("_custom", "_legacy_id", "_results", "system", "turns")

    def __init__(self) -> None:
        self.system: list[Text] = []
        self.turns: list[Turn] = []
        self._results: list[Part] = []
        self._custom: set[str] = set()
        """Ids of calls of custom tools: their results do not say so."""
        self._legacy_id = ""
        """Of the last `function_call`, which has none of its own."""

    def read(self, raw: Json, where: str) -> None:
        role = raw.get("role")
        if role == "tool":
            self._results.append(self._result(raw, where))
            return
        if role == "function":
            self._results.append(self._legacy_result(raw, where))
            return
        self.flush()
        if role == "assistant":
            self._add(Role.ASSISTANT, self._assistant(raw, where))
        elif role == "user":
            self._add(Role.USER, _with_rest(_content(raw, where), raw, _EVERYWHERE))
        elif role in _SYSTEM_ROLES:
            self._instructions(_with_rest(_content(raw, where), raw, _EVERYWHERE))
        else:
            raise wrong(f"{where}.role", "one of system, developer, user, assistant, tool and function")

    def flush(self) -> None:
        if self._results:
            self.turns.append(Turn(Role.USER, tuple(self._results)))
            self._results.clear()

    def _add(self, role: Role, parts: list[Part]) -> None:
        if parts:
            self.turns.append(Turn(role, tuple(parts)))

    def _instructions(self, parts: list[Part]) -> None:
        texts = [part for part in parts if isinstance(part, Text)]
        if self.turns or len(texts) != len(parts):
            self._add(Role.SYSTEM, parts)
        else:
            self.system.extend(texts)

    def _assistant(self, raw: Json, where: str) -> list[Part]:
        said = _content(raw, where)
        refusal = string(raw, "refusal", where)
        if refusal:
            said.append(Text(refusal, refusal=True))
        thoughts = _thoughts(raw)
        calls = self._calls(raw, where)
        function = object_in(raw, "function_call", where)
        if function is not None:
            calls.append(self._legacy_call(function, where))
        if any(isinstance(part, Reasoning) for part in calls):
            calls, thoughts = _in_place(calls, thoughts)
        return _with_rest([*thoughts, *said, *calls], raw, _ASSISTANT)

    def _calls(self, raw: Json, where: str) -> list[Part]:
        """The calls, each behind the thoughts whose seals are in its id."""
        parts: list[Part] = []
        for index, call in enumerate(array(raw, "tool_calls", where)):
            at = f"{where}.tool_calls[{index}]"
            if not isinstance(call, dict):
                raise wrong(at, "an object")
            ident = string(call, "id", at)
            extension = call.get("extra_content")
            if isinstance(extension, dict) and extension:
                parts.append(Reasoning(seal=extension_seal(extension)))
            parts += seals_in_id(ident)
            parts.append(self._call(call, id_without_seals(ident), at))
        return parts

    def _call(self, call: Json, ident: str, at: str) -> Part:
        mark = cache_mark(call)
        custom = call.get("custom")
        if isinstance(custom, dict) and isinstance(custom.get("name"), str):
            self._custom.add(ident)
            text = string(custom, "input", f"{at}.custom")
            return ToolCall(ident, custom["name"], text, custom=True, cache=mark)
        function = object_in(call, "function", at)
        if function is None:
            kind = call.get("type")
            if isinstance(kind, str) and kind not in ("function", "custom"):
                return Native(Wire.CHAT, kind, {"tool_calls": [call]})
            raise wrong(f"{at}.function", "an object")
        name, arguments = _name_and_arguments(function, f"{at}.function")
        return ToolCall(ident, name, arguments, cache=mark)

    def _legacy_call(self, function: Json, where: str) -> ToolCall:
        # Its place in the conversation, which only grows at its end: the same in every request.
        self._legacy_id = f"call_{where[len('messages[') : -1]}"
        name, arguments = _name_and_arguments(function, f"{where}.function_call")
        return ToolCall(self._legacy_id, name, arguments)

    def _result(self, raw: Json, where: str) -> ToolResult:
        ident = id_without_seals(string(raw, "tool_call_id", where))
        content = _result_content(raw, where)
        name = string(raw, "name", where)
        return ToolResult(ident, content, name=name, custom=ident in self._custom, cache=cache_mark(raw))

    def _legacy_result(self, raw: Json, where: str) -> ToolResult:
        content = _result_content(raw, where)
        return ToolResult(self._legacy_id, content, name=string(raw, "name", where))


def _content(raw: Json, where: str) -> list[Part]:
    """With a mark of the whole message on its last part: OpenCode puts marks there."""
    parts = read_content(raw.get("content"), where)
    mark = cache_mark(raw)
    if mark is not None:
        for at in range(len(parts) - 1, -1, -1):
            part = parts[at]
            if isinstance(part, Text | Media):
                parts[at] = msgspec.structs.replace(part, cache=mark)
                break
    return parts


def _with_rest(parts: list[Part], raw: Json, known: frozenset[str]) -> list[Part]:
    """Fields of a message that we do not know are kept, as long as there is a message."""
    if parts and raw.keys() - known:
        for name, value in raw.items():
            if name not in known and value not in (None, "", [], {}):
                parts.append(Native(Wire.CHAT, name, {name: value}))
    return parts


def _result_content(raw: Json, where: str) -> tuple[ResultPart, ...]:
    parts = read_content(raw.get("content"), where)
    return tuple(part if isinstance(part, Text | Media) else Text(_as_text(part)) for part in parts)


def _as_text(part: Part) -> str:
    if isinstance(part, Native):
        return msgspec.json.encode(part.raw).decode()
    return part.text if isinstance(part, Reasoning) else ""


def _thoughts(raw: Json) -> list[Part]:
    """What it thought, in the field of whatever server it came from."""
    details = raw.get("reasoning_details")
    said = next((raw[name] for name in THOUGHT_FIELDS if isinstance(raw.get(name), str) and raw[name]), "")
    if isinstance(details, list) and details:
        said = said or text_of_details(details)
        seal = extension_seal(details) if is_signed(details) else None
        return [Reasoning(said, seal)] if said or seal else []
    return [Reasoning(said)] if said else []


def _in_place(calls: list[Part], thoughts: list[Part]) -> tuple[list[Part], list[Part]]:
    """Thoughts that came with the first call go before everything, where they were thought; the text of
    thoughts, which a tool replays beside their seals or does not, goes to the seal that it belongs to."""
    sealed = [part for part in calls if isinstance(part, Reasoning) and not before_its_part(part)]
    if sealed and all(part.seal is None for part in thoughts if isinstance(part, Reasoning)):
        texts = [part.text for part in thoughts if isinstance(part, Reasoning)]
        if any(part.text for part in sealed):
            thoughts = []
        elif len(sealed) == 1 and texts:
            whole = msgspec.structs.replace(sealed[0], text="".join(texts))
            calls = [whole if part is sealed[0] else part for part in calls]
            thoughts = []
    leading = 0
    while leading < len(calls) and isinstance(calls[leading], Reasoning):
        leading += 1
    first = [part for part in calls[:leading] if isinstance(part, Reasoning)]
    moved: list[Part] = [part for part in first if not _stays(part)]
    stays: list[Part] = [part for part in first if _stays(part)]
    return [*stays, *calls[leading:]], [*thoughts, *moved]


def _stays(part: Reasoning) -> bool:
    """Whether it belongs to its call, not to the turn."""
    return before_its_part(part) or (part.seal is not None and part.seal.wire is Wire.CHAT)


def _name_and_arguments(function: Json, where: str) -> tuple[str, str]:
    name = function.get("name")
    if not isinstance(name, str):
        raise wrong(f"{where}.name", "a string")
    arguments = function.get("arguments")
    if isinstance(arguments, dict):  # some tools forget to encode them
        arguments = msgspec.json.encode(arguments).decode()
    if arguments is None:
        arguments = "{}"
    if not isinstance(arguments, str):
        raise wrong(f"{where}.arguments", "a string of JSON")
    return name, arguments
