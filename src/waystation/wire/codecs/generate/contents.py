"""The turns of a tool's request, part by part."""

from itertools import groupby
from typing import Any

import msgspec

from waystation.model import Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import (
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
from waystation.wire.codecs.generate.parts import (
    UNNAMED,
    Json,
    camel,
    field,
    read_file,
    read_inline,
)
from waystation.wire.codecs.generate.signatures import unpack

_ROLES = {
    "user": Role.USER,
    "model": Role.ASSISTANT,
    "function": Role.USER,
    "tool": Role.USER,
    "system": Role.SYSTEM,
}
_BESIDE = frozenset(("thought", "thoughtSignature", "thought_signature"))


class ContentsReader:
    """Reads one request. What a part has beside its content goes to `extras`, by its path without indexes."""

    def __init__(self, extras: Json) -> None:
        self._extras = extras
        self._open: list[tuple[str, str]] = []
        """Id and name of the calls that nothing has answered yet, those of the last step only (E73)."""

    def system(self, value: Any) -> tuple[Text, ...]:
        """`systemInstruction`, which is a content in name only: a string or a part will do."""
        if value is None:
            return ()
        if isinstance(value, dict) and "parts" not in value:
            value = {"parts": [value]}
        parts = value.get("parts") if isinstance(value, dict) else value
        texts: list[Text] = []
        for index, part in enumerate(parts if isinstance(parts, list) else [parts]):
            text = part if isinstance(part, str) else part.get("text") if isinstance(part, dict) else None
            if isinstance(text, str):
                if text:
                    texts.append(Text(text))
            elif isinstance(part, dict):
                for name, content in part.items():
                    self._extras[f"systemInstruction.parts.{camel(name)}"] = content
            elif part is not None:
                raise _wrong(f"systemInstruction.parts[{index}]", "an object")
        return tuple(texts)

    def turns(self, value: Any) -> tuple[Turn, ...]:
        if isinstance(value, dict):
            value = [value]
        if not isinstance(value, list) or not value:
            raise _wrong("contents", "a list of contents, at least one")
        turns: list[tuple[Role, list[Part]]] = []
        for index, content in enumerate(value):
            where = f"contents[{index}]"
            if not isinstance(content, dict):
                raise _wrong(where, "an object")
            role = _role(content.get("role"), where)
            if role is Role.ASSISTANT and turns and turns[-1][0] is role:
                self._parts(content.get("parts"), index, where, turns[-1][1])
                continue
            if role is Role.ASSISTANT:
                self._open = []
            turns.append((role, self._parts(content.get("parts"), index, where, [])))
        return tuple(
            Turn(role, tuple(_whole(parts) if role is Role.ASSISTANT else parts))
            for role, parts in turns
            if parts
        )

    def _parts(self, value: Any, content: int, where: str, found: list[Part]) -> list[Part]:
        """`found` and behind it the parts of one content."""
        for index, part in enumerate(value if isinstance(value, list) else [value]):
            if part is None:
                continue
            path = f"{where}.parts[{index}]"
            if not isinstance(part, dict):
                raise _wrong(path, "an object")
            read = self._part(part, path, f"c{content}p{index}")
            signature = field(part, "thoughtSignature")
            sealed = unpack(signature) if isinstance(signature, str) else ()
            if isinstance(read, Reasoning) and len(sealed) == 1:  # thoughts with a seal of their own
                read = msgspec.structs.replace(sealed[0], text=sealed[0].text or read.text)
                sealed = ()
            if any(reasoning.text for reasoning in sealed):  # which the tool has kept too, without their seal
                while found and isinstance(last := found[-1], Reasoning) and last.seal is None:
                    found.pop()
            found.extend(sealed)
            if read is not None:
                found.append(read)
        return found

    def _part(self, part: Json, path: str, place: str) -> Part | None:
        text = part.get("text")
        if isinstance(text, str):
            self._note(part, "text")
            if not text:
                return None
            return Reasoning(text) if part.get("thought") is True else Text(text)
        for name in ("functionCall", "functionResponse", "inlineData", "fileData"):
            content = field(part, name)
            if content is None:
                continue
            self._note(part, name)
            if name == "functionCall":
                return self._call(content, f"{path}.functionCall", place)
            if name == "functionResponse":
                return self._result(content, f"{path}.functionResponse", place)
            if name == "inlineData":
                return read_inline(content, f"{path}.inlineData")
            return read_file(content, f"{path}.fileData")
        kind = next((name for name in part if name not in _BESIDE), "")
        if not kind:
            return None  # a signature alone, or nothing
        return Native(Wire.GENERATE, camel(kind), {k: v for k, v in part.items() if k not in _BESIDE})

    def _note(self, part: Json, content: str) -> None:
        if len(part) > 1:
            for name, value in part.items():
                if name not in _BESIDE and camel(name) != content:
                    self._extras[f"contents.parts.{camel(name)}"] = value

    def _call(self, call: Any, path: str, place: str) -> ToolCall:
        name = call.get("name") if isinstance(call, dict) else None
        if not isinstance(name, str) or not name:
            raise _wrong(path, "an object with a name")
        args, ident = call.get("args"), call.get("id")
        if args is not None and not isinstance(args, dict):
            raise _wrong(f"{path}.args", "an object")
        if not isinstance(ident, str) or not ident:
            ident = UNNAMED + place
        self._open.append((ident, name))
        return ToolCall(ident, name, _json(args or {}))

    def _result(self, result: Any, path: str, place: str) -> ToolResult:
        if not isinstance(result, dict):
            raise _wrong(path, "an object")
        name, ident, response = result.get("name"), result.get("id"), result.get("response")
        name = name if isinstance(name, str) else ""
        if response is not None and not isinstance(response, dict):
            raise _wrong(f"{path}.response", "an object")
        text, failed = _outcome(response or {})
        content: list[ResultPart] = [Text(text)] if text else []
        parts = result.get("parts")
        for index, part in enumerate(parts if isinstance(parts, list) else ()):
            content.extend(self._result_part(part, f"{path}.parts[{index}]"))
        for key, value in result.items():
            if key not in ("name", "id", "response", "parts"):
                self._extras[f"contents.parts.functionResponse.{camel(key)}"] = value
        return ToolResult(
            self._answered(ident if isinstance(ident, str) else "", name, place),
            tuple(content),
            is_error=failed,
            name=name,
        )

    def _result_part(self, part: Any, path: str) -> list[ResultPart]:
        if not isinstance(part, dict):
            raise _wrong(path, "an object")
        if isinstance(part.get("text"), str):
            return [Text(part["text"])] if part["text"] else []
        inline, file = field(part, "inlineData"), field(part, "fileData")
        if inline is not None:
            return [read_inline(inline, f"{path}.inlineData")]
        if file is not None:
            return [read_file(file, f"{path}.fileData")]
        for name, value in part.items():
            self._extras[f"contents.parts.functionResponse.parts.{camel(name)}"] = value
        return []

    def _answered(self, ident: str, name: str, place: str) -> str:
        """The id of the call that is answered: by id, else by name, else the next in order."""
        calls = self._open
        found = next((call for call in calls if call[0] == ident), None) if ident else None
        if found is None and ident:
            found = next((c for c in calls if c[1] == name and c[0].startswith(UNNAMED)), None)
        elif found is None:
            found = next((call for call in calls if call[1] == name), None)
            if found is None and calls and not name:
                found = calls[0]
        if found is None:
            return ident or UNNAMED + place
        calls.remove(found)
        return found[0]


def _whole(parts: list[Part]) -> list[Part]:
    """What the model said, without the joints of the stream that it came in: Google's Python SDK keeps every
    chunk as a content of its own."""
    whole: list[Part] = []
    for joins, run in groupby(parts, _joins):
        if not joins:
            whole.extend(run)
            continue
        pieces = [part for part in run if isinstance(part, Text | Reasoning)]
        text = "".join(piece.text for piece in pieces)
        whole.append(msgspec.structs.replace(pieces[0], text=text) if len(pieces) > 1 else pieces[0])
    return whole


def _joins(part: Part) -> str:
    """What it joins with, if it does."""
    if isinstance(part, Text):
        return "text"
    return "thought" if isinstance(part, Reasoning) and part.seal is None else ""


def _outcome(response: Json) -> tuple[str, bool]:
    """The text of a response, and whether it is an error: `output` and `error` are Google's words for what
    the function gave back; without them it is the whole object."""
    failed = response.get("error") not in (None, "", False) and "output" not in response
    if len(response) == 1:
        key, value = next(iter(response.items()))
        if key == "output" or (key == "error" and failed):
            return (value if isinstance(value, str) else _json(value)), failed
    return (_json(response) if response else ""), failed


def _role(value: Any, where: str) -> Role:
    if value is None or value == "":
        return Role.USER
    role = _ROLES.get(value) if isinstance(value, str) else None
    if role is None:
        raise BadBody(f"The field '{where}.role' must be 'user' or 'model'.", param=f"{where}.role")
    return role


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _wrong(where: str, what: str) -> BadBody:
    return BadBody(f"The field '{where}' must be {what}.", param=where)
