"""Content blocks → parts. `whose` reads a seal: bare from a provider, perhaps in an envelope from a tool."""

from collections.abc import Callable
from typing import Any

import msgspec

from waystation.model import Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import (
    Media,
    Native,
    Part,
    Reasoning,
    ResultPart,
    Seal,
    Text,
    ToolCall,
    ToolResult,
)
from waystation.wire.codecs.converse.citations import read_citation
from waystation.wire.codecs.converse.media import read_media
from waystation.wire.codecs.converse.tools import read_mark
from waystation.wire.codecs.converse.writing import EMPTY

_NOTHING = [{"text": EMPTY}]
_MEDIA = ("image", "document", "video", "audio")
SealReader = Callable[[str], Seal]


def bare(data: str) -> Seal:
    """A provider's own seal."""
    return Seal(Wire.CONVERSE, data)


def read_blocks(content: Any, where: str, whose: SealReader) -> tuple[Part, ...]:
    """Raises BadBody naming the field for what nobody could make sense of."""
    if not isinstance(content, list):
        raise BadBody(f"`{where}` must be a list.", param=where)
    parts: list[Part] = []
    for index, block in enumerate(content):
        if not isinstance(block, dict) or len(block) != 1:
            raise BadBody(f"`{where}[{index}]` must be an object with one member.", param=f"{where}[{index}]")
        ((kind, raw),) = block.items()
        if kind == "cachePoint" and parts and not isinstance(parts[-1], (Native, Reasoning)):
            parts[-1] = msgspec.structs.replace(parts[-1], cache=read_mark(raw))
            continue
        part = _read_block(kind, raw, block, f"{where}[{index}].{kind}", whose)
        if part is not None:
            parts.append(part)
    return tuple(parts)


def _read_block(kind: str, raw: Any, block: dict[str, Any], where: str, whose: SealReader) -> Part | None:
    if kind == "text":
        if not isinstance(raw, str):
            raise BadBody(f"`{where}` must be text.", param=where)
        return Text(raw) if raw else None
    if kind in _MEDIA:
        return read_media(kind, raw)
    if not isinstance(raw, dict):
        return Native(Wire.CONVERSE, kind, block)
    if kind == "toolUse" and "type" not in raw:
        return _read_call(raw, where)
    if kind == "toolResult" and "type" not in raw:
        return _read_result(raw, where)
    known: Part | None = None
    if kind == "reasoningContent":
        known = _read_reasoning(raw, whose)
    elif kind == "citationsContent":
        known = _read_cited(raw)
    return known or Native(Wire.CONVERSE, kind, block)


def _read_call(raw: dict[str, Any], where: str) -> ToolCall:
    ident, name = raw.get("toolUseId"), raw.get("name")
    if not isinstance(ident, str):
        raise BadBody(f"`{where}.toolUseId` must be text.", param=f"{where}.toolUseId")
    if not isinstance(name, str):
        raise BadBody(f"`{where}.name` must be text.", param=f"{where}.name")
    return ToolCall(ident, name, msgspec.json.encode(raw.get("input", {})).decode())


def _read_result(raw: dict[str, Any], where: str) -> ToolResult:
    ident, content = raw.get("toolUseId"), raw.get("content", [])
    if not isinstance(ident, str):
        raise BadBody(f"`{where}.toolUseId` must be text.", param=f"{where}.toolUseId")
    if not isinstance(content, list):
        raise BadBody(f"`{where}.content` must be a list.", param=f"{where}.content")
    pieces: list[ResultPart] = []
    for index, block in enumerate(content):
        place = f"{where}.content[{index}]"
        if not isinstance(block, dict) or len(block) != 1:
            raise BadBody(f"`{place}` must be an object with one member.", param=place)
        ((kind, inside),) = block.items()
        if kind == "text" and isinstance(inside, str):
            if inside and content != _NOTHING:
                pieces.append(Text(inside))
            continue
        media = read_media(kind, inside) if kind in _MEDIA else None
        if isinstance(media, Media):
            pieces.append(media)
        else:
            pieces.append(Text(msgspec.json.encode(inside if kind == "json" else block).decode()))
    return ToolResult(ident, tuple(pieces), raw.get("status") == "error")


def _read_reasoning(raw: dict[str, Any], whose: SealReader) -> Reasoning | None:
    redacted, said = raw.get("redactedContent"), raw.get("reasoningText")
    if isinstance(redacted, str):
        return Reasoning(seal=whose(redacted), redacted=True)
    if isinstance(said, dict) and isinstance(said.get("text", ""), str):
        signature = said.get("signature")
        return Reasoning(said.get("text", ""), whose(signature if isinstance(signature, str) else ""))
    return None


def _read_cited(raw: dict[str, Any]) -> Text | None:
    """None where something of it has no twin: it is then kept as it is."""
    content, citations = raw.get("content"), raw.get("citations", [])
    if not isinstance(content, list) or not isinstance(citations, list):
        return None
    words = [piece.get("text") for piece in content if isinstance(piece, dict)]
    if len(words) != len(content) or not all(isinstance(word, str) for word in words):
        return None
    read = [read_citation(citation) for citation in citations]
    text = "".join(word for word in words if word)
    found = tuple(citation for citation in read if citation is not None)
    return Text(text, citations=found) if text and len(found) == len(citations) else None
