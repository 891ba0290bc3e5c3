"""The turns of a conversation as Gemini's contents: user and model by turns, the user first."""

import re

import msgspec

from waystation.model import Wire
from waystation.wire.canonical import (
    Media,
    MediaKind,
    Native,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from waystation.wire.codecs.door import Notes, Target
from waystation.wire.codecs.generate.parts import OF_CANDIDATE, UNNAMED, Json, write_media
from waystation.wire.codecs.generate.signatures import SKIP, bare
from waystation.wire.codecs.generate.thinking import generation

_OPENING = "(The conversation begins.)"
"""Said by the user where the model would speak first, which Gemini refuses."""
_IN_RESULTS = ("image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain")
"""What a result itself can hold, from Gemini 3 on; anything else stands beside it."""
_MOST_CHARS_AS_OBJECT = 64 * 1024
_LONG_NUMBER = re.compile(r"[:\[,]\s*-?\d{16}")
"""Google keeps every number of an object as a float: one of so many digits would come out as another."""


def write_turns(turns: tuple[Turn, ...], target: Target, notes: Notes) -> list[Json]:
    """Neighbours of one role are one content."""
    newer = generation(target.model) >= 3
    contents: list[Json] = []
    for role, parts in _by_role(turns, notes):
        if role is Role.ASSISTANT:
            written = _model_parts(parts, notes, signed=newer)
        else:
            written = _user_parts(parts, notes, nested=newer)
        if written:
            contents.append({"role": "model" if role is Role.ASSISTANT else "user", "parts": written})
    if not contents or contents[0]["role"] == "model":
        contents.insert(0, {"role": "user", "parts": [{"text": _OPENING}]})
    return _alternating(contents)


def _by_role(turns: tuple[Turn, ...], notes: Notes) -> list[tuple[Role, list[Part]]]:
    groups: list[tuple[Role, list[Part]]] = []
    for turn in turns:
        if turn.role is Role.SYSTEM:  # Gemini has instructions at the beginning only
            notes.change("messages.role=system")
        usual = Role.ASSISTANT if turn.role is Role.ASSISTANT else Role.USER
        for part in turn.parts:
            if turn.role is Role.SYSTEM and isinstance(part, Text) and part.text:
                part = _as_user(part)
            role = usual
            if isinstance(part, ToolCall):
                role = Role.ASSISTANT
            elif isinstance(part, ToolResult):
                role = Role.USER
            if groups and groups[-1][0] is role:
                groups[-1][1].append(part)
            else:
                groups.append((role, [part]))
    return groups


def _as_user(part: Text) -> Text:
    """Instructions in the user's turn, told apart from the user's own words as coding tools do it."""
    return msgspec.structs.replace(part, text=f"<system-reminder>\n{part.text}\n</system-reminder>")


def _alternating(contents: list[Json]) -> list[Json]:
    """A group that had nothing to say may have left two of the same role side by side."""
    joined: list[Json] = []
    for content in contents:
        if joined and joined[-1]["role"] == content["role"]:
            parts = [*joined[-1]["parts"], *content["parts"]]
            joined[-1]["parts"] = sorted(parts, key=lambda part: "functionResponse" not in part)
        else:
            joined.append(content)
    return joined


def _model_parts(parts: list[Part], notes: Notes, *, signed: bool) -> list[Json]:
    """One step of the model. `signed`: its first call must have a signature, be it only the one that asks
    not to be checked (E27)."""
    written: list[Json] = []
    signature = ""
    called = False
    for part in parts:
        if isinstance(part, Reasoning):
            seal = bare(part.seal)
            if seal and signature:
                written.append({"text": "", "thoughtSignature": signature})
            signature = seal or signature
            continue
        shape = _part(part, notes)
        if shape is None:
            continue
        if isinstance(part, ToolCall):
            if signed and not called and not signature:
                signature = SKIP
            called = True
        if signature:
            shape["thoughtSignature"] = signature
            signature = ""
        written.append(shape)
    if signature:
        written.append({"text": "", "thoughtSignature": signature})
    return written


def _user_parts(parts: list[Part], notes: Notes, *, nested: bool) -> list[Json]:
    """Results first, all of them, directly behind the calls; then their pictures, then the rest."""
    results: list[Json] = []
    beside: list[Json] = []
    rest: list[Json] = []
    for part in parts:
        if isinstance(part, ToolResult):
            results.append(_result(part, beside, notes, nested=nested))
        else:
            shape = _part(part, notes)
            if shape is not None:
                rest.append(shape)
    return [*results, *beside, *rest]


def _part(part: Part, notes: Notes) -> Json | None:
    """A part of either side; None where there is nothing to say."""
    if isinstance(part, Text):
        if part.citations:
            notes.drop("citations")
        return {"text": part.text} if part.text else None
    if isinstance(part, ToolCall):
        return {"functionCall": _call(part)}
    if isinstance(part, Media):
        shape = write_media(part)
        if shape is None:
            notes.drop(part.kind.value)
            return {"text": _missing(part)}
        return shape
    if isinstance(part, Native):
        if part.wire is not Wire.GENERATE:
            notes.drop(part.kind)
        elif part.kind not in OF_CANDIDATE:
            return dict(part.raw)
    return None


def _missing(media: Media) -> str:
    what = "a picture" if media.kind is MediaKind.IMAGE else f"a file ({media.kind.value})"
    return f"[Here was {what} that this model cannot be shown.]"


def _call(call: ToolCall) -> Json:
    shape: Json = {"name": call.name, "args": _arguments(call)}
    if call.id and not call.id.startswith(UNNAMED):
        shape["id"] = call.id
    return shape


def _arguments(call: ToolCall) -> Json | msgspec.Raw:
    """The arguments as they were written. What is no JSON object was refused by the tool, and its complaint
    makes no sense without what it complains about: so it is kept, as text."""
    text = call.arguments
    if call.custom:
        return {"input": text}
    if not text or text.isspace():
        return {}
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return {"arguments": text}
    if isinstance(value, dict):
        return msgspec.Raw(text.encode())
    return {} if value is None else {"arguments": text}


def _result(result: ToolResult, beside: list[Json], notes: Notes, *, nested: bool) -> Json:
    shape: Json = {"name": result.name or "function"}
    if result.call_id and not result.call_id.startswith(UNNAMED):
        shape["id"] = result.call_id
    texts = [part.text for part in result.content if isinstance(part, Text)]
    inside: list[Json] = []
    for part in result.content:
        if isinstance(part, Media):
            media = write_media(part)
            if media is None:
                notes.drop(part.kind.value)
                texts.append(_missing(part))
            elif nested and media.get("inlineData", {}).get("mimeType") in _IN_RESULTS:
                inside.append(media)
            else:
                beside.append(media)
    shape["response"] = _response("\n".join(texts), failed=result.is_error)
    if inside:
        shape["parts"] = inside
    return {"functionResponse": shape}


def _response(text: str, *, failed: bool) -> Json | msgspec.Raw:
    """`output` and `error` are Google's words; an object that uses neither is an output as it stands. One
    with references in it is not: Gemini would look for what they refer to, and refuse the request (E35)."""
    if failed:
        return {"error": text}
    if text.startswith("{") and len(text) <= _MOST_CHARS_AS_OBJECT and not _must_stay_text(text):
        try:
            value = msgspec.json.decode(text)
        except (ValueError, RecursionError):
            return {"output": text}
        if isinstance(value, dict) and value and "output" not in value and "error" not in value:
            return msgspec.Raw(text.encode())
    return {"output": text}


def _must_stay_text(text: str) -> bool:
    refers = "$ref" in text or "$defs" in text or "\\u0024" in text
    return refers or _LONG_NUMBER.search(text) is not None
