"""Content blocks as they are read: what stands in `content`, as the parts of a conversation.

Shapes from the `anthropic` SDK's types. A block of a type that is not known here is a Native, and comes back
unchanged where it is written to its own protocol (E81, E96).
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any

import msgspec

from waystation.model import Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import (
    CacheMark,
    Media,
    MediaKind,
    Native,
    Part,
    Reasoning,
    ResultPart,
    Seal,
    Text,
    ToolCall,
    ToolResult,
)

SealReader = Callable[[str], Seal]
"""From the text in a seal's field: a tool's may be in our envelope, a provider's never is."""

_SHORT, _LONG = CacheMark("5m"), CacheMark("1h")
_KNOWN = {
    "text": frozenset({"type", "text", "cache_control", "citations"}),
    "thinking": frozenset({"type", "thinking", "signature"}),
    "redacted_thinking": frozenset({"type", "data"}),
    "tool_use": frozenset({"type", "id", "name", "input", "cache_control"}),
    "tool_result": frozenset({"type", "tool_use_id", "content", "is_error", "cache_control"}),
    "image": frozenset({"type", "source", "cache_control"}),
    "document": frozenset({"type", "source", "cache_control", "title"}),
}
_DIRECT = {"type": "direct"}
_OFF = {"enabled": False}


class BlockReader:
    """Reads the blocks of one body. Raises BadBody naming the field for what no provider could make sense of."""

    __slots__ = ("_seal", "lost")

    def __init__(self, seal: SealReader) -> None:
        self._seal = seal
        self.lost: set[str] = set()
        """Fields of known blocks that have no place in a conversation, e.g. `messages[].tool_use.caller`."""

    def content(self, content: Any, where: str) -> list[Part]:
        """The parts of a `content` field; empty text is left out (E78)."""
        if isinstance(content, str):
            return [Text(content)] if content else []
        if not isinstance(content, list):
            raise BadBody(f"'{where}' must be a string or a list of content blocks.", param=where)
        parts = []
        for index, block in enumerate(content):
            part = self.block(block, f"{where}[{index}]")
            if part is not None:
                parts.append(part)
        return parts

    def block(self, block: Any, where: str) -> Part | None:
        """One block; None where nothing is in it."""
        if not isinstance(block, dict):
            raise BadBody(f"'{where}' must be a content block, an object with a type.", param=where)
        kind = block.get("type")
        if not isinstance(kind, str):
            raise BadBody(f"'{where}.type' must be a string.", param=f"{where}.type")
        known = _KNOWN.get(kind)
        if known is None:
            return Native(Wire.MESSAGES, kind, block)
        if not known.issuperset(block):
            self._note_rest(kind, block, known)
        if kind == "text":
            return self._text(block, where)
        if kind == "tool_use":
            return self._tool_use(block, where)
        if kind == "tool_result":
            return self._tool_result(block, where)
        if kind == "thinking":
            return self._thinking(block, where)
        if kind == "redacted_thinking":
            return self._redacted(block, where)
        return self._media(block, where)

    def _note_rest(self, kind: str, block: dict[str, Any], known: frozenset[str]) -> None:
        for field, value in block.items():
            # `caller: direct` and citations that are off say what is so anyway.
            if field not in known and value not in (None, _DIRECT, _OFF):
                self.lost.add(f"messages[].{kind}.{field}")

    def _text(self, block: dict[str, Any], where: str) -> Text | None:
        text = block.get("text")
        if not isinstance(text, str):
            raise BadBody(f"'{where}.text' must be a string.", param=f"{where}.text")
        if not text:
            return None
        found = block.get("citations")
        citations = tuple(item for item in found if isinstance(item, dict)) if isinstance(found, list) else ()
        return Text(text, read_mark(block), citations)

    def _thinking(self, block: dict[str, Any], where: str) -> Reasoning | None:
        thoughts = block.get("thinking")
        if not isinstance(thoughts, str):
            raise BadBody(f"'{where}.thinking' must be a string.", param=f"{where}.thinking")
        signature = block.get("signature")
        seal = self._seal_in(signature) if isinstance(signature, str) else None
        return Reasoning(thoughts, seal) if thoughts or seal is not None else None

    def _redacted(self, block: dict[str, Any], where: str) -> Reasoning | None:
        data = block.get("data")
        if not isinstance(data, str):
            raise BadBody(f"'{where}.data' must be a string.", param=f"{where}.data")
        seal = self._seal_in(data)
        return Reasoning(seal=seal, redacted=True) if seal is not None else None

    def _seal_in(self, text: str) -> Seal | None:
        """None for an empty seal that says nothing of its maker either: nobody signed (E22)."""
        seal = self._seal(text)
        return seal if seal.data or seal.provider else None

    def _tool_use(self, block: dict[str, Any], where: str) -> ToolCall:
        ident, name = block.get("id"), block.get("name")
        if ident is not None and not isinstance(ident, str):
            raise BadBody(f"'{where}.id' must be a string.", param=f"{where}.id")
        if not isinstance(name, str) or not name:
            raise BadBody(f"'{where}.name' must be the name of a tool.", param=f"{where}.name")
        return ToolCall(ident or "", name, read_arguments(block.get("input")), cache=read_mark(block))

    def _tool_result(self, block: dict[str, Any], where: str) -> ToolResult:
        call_id = block.get("tool_use_id")
        if call_id is not None and not isinstance(call_id, str):
            raise BadBody(f"'{where}.tool_use_id' must be a string.", param=f"{where}.tool_use_id")
        content = self._result_content(block.get("content"), f"{where}.content")
        return ToolResult(call_id or "", content, block.get("is_error") is True, cache=read_mark(block))

    def _result_content(self, content: Any, where: str) -> tuple[ResultPart, ...]:
        if content is None:
            return ()
        if isinstance(content, str):
            return (Text(content),) if content else ()
        if not isinstance(content, list):
            raise BadBody(f"'{where}' must be a string or a list of content blocks.", param=where)
        parts: list[ResultPart] = []
        for index, block in enumerate(content):
            part = self.block(block, f"{where}[{index}]")
            if isinstance(part, Text | Media):
                parts.append(part)
            elif part is not None:
                # Only text and media go into a result elsewhere; the model shall see the rest all the same.
                parts.append(Text(_in_words(block), read_mark(block)))
        return tuple(parts)

    def _media(self, block: dict[str, Any], where: str) -> Media | Native | None:
        source = block.get("source")
        if not isinstance(source, dict):
            raise BadBody(f"'{where}.source' must be an object.", param=f"{where}.source")
        image = block["type"] == "image"
        kind = MediaKind.IMAGE if image else MediaKind.DOCUMENT
        title = block.get("title")
        name = title if isinstance(title, str) else ""
        mark = read_mark(block)
        origin = source.get("type")
        if origin == "base64":
            data = _word(source, "data", where)
            media_type = _word(source, "media_type", where)
            if media_type == "text/plain":
                data = plain_text(data) or data
            return Media(kind, media_type, data=data, name=name, cache=mark)
        if origin == "url":
            return Media(kind, url=_word(source, "url", where), name=name, cache=mark)
        if origin == "file":
            return Media(kind, file_id=_word(source, "file_id", where), name=name, cache=mark)
        if origin in ("text", "content") and not image:
            text = _plain_source(source)
            if text == "":
                return None
            if text is not None:
                return Media(kind, "text/plain", data=text, name=name, cache=mark)
        return Native(Wire.MESSAGES, block["type"], block)


def read_mark(block: dict[str, Any]) -> CacheMark | None:
    """The `cache_control` of a block, a tool or a request."""
    mark = block.get("cache_control")
    if not isinstance(mark, dict):
        return None
    return _LONG if mark.get("ttl") == "1h" else _SHORT


def read_arguments(value: Any) -> str:
    """A tool's `input` as text. A string is taken for arguments that were never parsed."""
    if value is None:
        return "{}"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def plain_text(data: str) -> str | None:
    """Base64 of UTF-8 text, decoded; None if it is neither."""
    try:
        return base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        return None


def _word(source: dict[str, Any], field: str, where: str) -> str:
    value = source.get(field)
    if not isinstance(value, str) or not value:
        param = f"{where}.source.{field}"
        raise BadBody(f"'{param}' must be a string that is not empty.", param=param)
    return value


def _plain_source(source: dict[str, Any]) -> str | None:
    """The words of a `text` source, or of a `content` source if it has only words; None if it has others."""
    if source["type"] == "text":
        data = source.get("data")
        return data if isinstance(data, str) else None
    content = source.get("content")
    if isinstance(content, str):
        return content
    return _joined(content)


def _joined(content: Any) -> str | None:
    """A list of text blocks as one text; None if there is anything else in it."""
    if not isinstance(content, list):
        return None
    words = [
        block.get("text") for block in content if isinstance(block, dict) and block.get("type") == "text"
    ]
    if len(words) != len(content):
        return None
    return "\n".join(word for word in words if isinstance(word, str))


def _in_words(block: dict[str, Any]) -> str:
    """A block of a tool's result for a model that cannot be given the block itself."""
    if block["type"] == "tool_reference" and isinstance(block.get("tool_name"), str):
        return f"The tool {block['tool_name']} is available now."
    if block["type"] == "search_result":
        text = _joined(block.get("content"))
        if text is not None:
            lines = (block.get("title"), block.get("source"), text)
            return "\n".join(line for line in lines if isinstance(line, str) and line)
    return msgspec.json.encode({key: item for key, item in block.items() if key != "cache_control"}).decode()
