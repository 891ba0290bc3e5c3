"""Seals in a request body that its provider cannot read, taken out of it.

A body that needs no translation passes as it came (E20). There are two reasons to touch its history all the same:
the session was answered by providers of another protocol before, whose seals travel in our envelopes (E21); or the
provider has just refused the body for a seal that another account or region made (E25). Then only the members of
the history that hold such seals are written anew; all others keep their bytes.

Without its seal a thought goes too: no provider takes it back, and shown as plain text it would no longer be one
(E24).
"""

import re
from collections.abc import Callable
from typing import Any

import msgspec

from waystation.model import Wire
from waystation.wire.canonical import Conversation, Reasoning
from waystation.wire.stream_error import StreamError

_MARK = "ws10"  # see codecs.seal: how an envelope begins
_MARKS = (b'"' + _MARK.encode(), b"~" + _MARK.encode())
_HISTORY = {
    Wire.MESSAGES: "messages",
    Wire.RESPONSES: "input",
    Wire.CHAT: "messages",
    Wire.GENERATE: "contents",
}
_PAIRED = ("message", "function_call", "custom_tool_call")
_ANY_SIGNATURE = "skip_thought_signature_validator"
"""Stands for the signature of a call that another model made (https://ai.google.dev/gemini-api/docs/thought-signatures)."""

_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_items = msgspec.json.Decoder(list[msgspec.Raw]).decode
_encode = msgspec.json.encode
_Foreign = Callable[[str], bool]

_REFUSED = re.compile(
    r"encrypted content .{0,200}could not be (?:verified|decrypted)"  # OpenAI, whose code says it too
    r"|invalid `?signature`? in `?thinking`? block"  # Anthropic and Bedrock
    r"|(?:corrupted|invalid) thought.signature|thought.signature is (?:not valid|invalid|corrupted)",  # Google
    re.IGNORECASE | re.DOTALL,
)


def refuses_seals(error: StreamError) -> bool:
    """The provider says that it cannot read a seal in the request."""
    if error.http_status not in (400, 422):
        return False
    return "invalid_encrypted_content" in (error.code, error.type) or bool(
        _REFUSED.search(error.message[:2000])
    )


def without_envelopes(wire: Wire, body: bytes) -> bytes:
    """The body without the seals that other protocols' providers made; as it is where there are none."""
    return _without(wire, body, lambda seal: seal.startswith(_MARK), _MARKS)


def without_seals(body: bytes, refused: _Foreign) -> bytes:
    """A Responses body without the reasoning whose `encrypted_content` is `refused`."""
    return _without(Wire.RESPONSES, body, refused, (b'"encrypted_content"',))


def without_reasoning(conversation: Conversation, refused: _Foreign) -> Conversation:
    """The conversation without the thoughts whose seal is `refused`."""
    turns = []
    for turn in conversation.turns:
        parts = tuple(
            part
            for part in turn.parts
            if not isinstance(part, Reasoning) or part.seal is None or not refused(part.seal.data)
        )
        if len(parts) == len(turn.parts):
            turns.append(turn)
        elif parts:
            turns.append(msgspec.structs.replace(turn, parts=parts))
    return msgspec.structs.replace(conversation, turns=tuple(turns))


def sealed_contents(body: bytes) -> list[str]:
    """Every `encrypted_content` in the history of a Responses body."""
    found: list[str] = []

    def note(seal: str) -> bool:
        found.append(seal)
        return False

    without_seals(body, note)
    return found


def _without(wire: Wire, body: bytes, foreign: _Foreign, marks: tuple[bytes, ...]) -> bytes:
    key = _HISTORY[wire]
    try:
        members = _members(body)
        history = _items(members[key])
    except (KeyError, msgspec.DecodeError, RecursionError):
        return body  # no history that could hold any
    clean = _CLEAN[wire]
    kept: list[Any] = []
    last_lost = False
    for raw in history:
        item: Any = raw
        text = bytes(raw)
        if any(mark in text for mark in marks):
            item, last_lost = _cleaned(raw, clean, foreign)
        elif b'"assistant"' in text:
            last_lost = False
        if item is not None:
            kept.append(item)
    if len(kept) == len(history) and all(a is b for a, b in zip(kept, history, strict=True)):
        return body
    changed: dict[str, Any] = {**members, key: kept}
    if wire is Wire.MESSAGES and last_lost:
        _think_no_more(changed)
    return _encode(_without_ids(changed) if wire is Wire.RESPONSES else changed)


def _cleaned(raw: msgspec.Raw, clean: "_Cleaner", foreign: _Foreign) -> tuple[Any, bool]:
    """(what to keep of the member, None for nothing; whether something was taken out)."""
    try:
        item = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return raw, False
    if not isinstance(item, dict):
        return raw, False
    before = _encode(item)
    kept = clean(item, foreign)
    if kept is None:
        return None, True
    return (raw, False) if _encode(kept) == before else (kept, True)


def _clean_message(message: dict[str, Any], foreign: _Foreign) -> dict[str, Any] | None:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    kept = [block for block in content if not _sealed_by_others(block, foreign)]
    return {**message, "content": kept} if kept else None


def _sealed_by_others(block: Any, foreign: _Foreign) -> bool:
    if not isinstance(block, dict) or block.get("type") not in ("thinking", "redacted_thinking"):
        return False
    seal = block.get("signature" if block["type"] == "thinking" else "data")
    return isinstance(seal, str) and foreign(seal)


def _clean_item(item: dict[str, Any], foreign: _Foreign) -> dict[str, Any] | None:
    seal = item.get("encrypted_content")
    lost = item.get("type") == "reasoning" and isinstance(seal, str) and foreign(seal)
    return None if lost else item


def _clean_chat(message: dict[str, Any], _: _Foreign) -> dict[str, Any] | None:
    """Ids of calls, which carry the seal of their call (E27)."""
    calls = message.get("tool_calls")
    cleaned = dict(message)
    if isinstance(calls, list):
        cleaned["tool_calls"] = [_with_short_id(call, "id") for call in calls]
    if "tool_call_id" in cleaned:
        cleaned = _with_short_id(cleaned, "tool_call_id")
    return cleaned


def _with_short_id(value: Any, key: str) -> Any:
    if not isinstance(value, dict) or not isinstance(value.get(key), str):
        return value
    return {**value, key: value[key].partition("~" + _MARK)[0]}


def _clean_content(content: dict[str, Any], foreign: _Foreign) -> dict[str, Any] | None:
    parts = content.get("parts")
    if not isinstance(parts, list):
        return content
    kept = [cleaned for part in parts if (cleaned := _clean_part(part, foreign)) is not None]
    return {**content, "parts": kept} if kept else None


def _clean_part(part: Any, foreign: _Foreign) -> Any:
    if not isinstance(part, dict):
        return part
    for key in ("thoughtSignature", "thought_signature"):
        seal = part.get(key)
        if isinstance(seal, str) and foreign(seal):
            if part.get("thought"):
                return None
            rest = {name: value for name, value in part.items() if name != key}
            if "functionCall" in part or "function_call" in part:
                return {**rest, key: _ANY_SIGNATURE}
            return rest if rest.get("text") != "" or len(rest) > 1 else None
    return part


def _without_ids(members: dict[str, Any]) -> dict[str, Any]:
    """An item with an id is refused without the reasoning that came before it; without one it is not."""
    kept: list[Any] = []
    for raw in members["input"]:
        item = raw
        if isinstance(raw, msgspec.Raw) and b'"id"' in bytes(raw):
            item = msgspec.json.decode(raw)
            if isinstance(item, dict) and item.get("type") in _PAIRED:
                item.pop("id", None)
            else:
                item = raw
        kept.append(item)
    return {**members, "input": kept}


def _think_no_more(members: dict[str, Any]) -> None:
    """In the middle of a tool loop that began without a signed thought, a budgeted thinker refuses to think."""
    try:
        thinking = msgspec.json.decode(members.get("thinking", b"null"))
        management = msgspec.json.decode(members.get("context_management", b"null"))
    except (msgspec.DecodeError, RecursionError):
        return
    if not isinstance(thinking, dict) or thinking.get("type") != "enabled":
        return
    members["thinking"] = {"type": "disabled"}
    edits = management.get("edits") if isinstance(management, dict) else None
    if isinstance(edits, list):  # to clear thoughts is refused where there is no thinking
        management["edits"] = [e for e in edits if not str(_of(e, "type")).startswith("clear_thinking")]
        members["context_management"] = management
        if not management["edits"]:
            del members["context_management"]


def _of(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, dict) else None


_Cleaner = Callable[[dict[str, Any], _Foreign], dict[str, Any] | None]
_CLEAN: dict[Wire, _Cleaner] = {
    Wire.MESSAGES: _clean_message,
    Wire.RESPONSES: _clean_item,
    Wire.CHAT: _clean_chat,
    Wire.GENERATE: _clean_content,
}
