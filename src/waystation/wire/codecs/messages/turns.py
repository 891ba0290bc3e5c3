"""The turns of a conversation as the `messages` of a request.

The API wants the user first and last, the sides in turn, and the results of calls at the head of the user's
message (E74). Neighbours of one side are joined; what only an assistant may say, or only a user, is left out of the
other's mouth.
"""

from typing import Any

import msgspec

from waystation.model import Capabilities, Wire
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
from waystation.wire.codecs.door import Notes
from waystation.wire.codecs.messages.blocks import plain_text
from waystation.wire.codecs.messages.tools import write_mark

Block = dict[str, Any]

_NOTHING = {"type": "text", "text": "(empty)"}
"""Where a user must speak and nobody did."""
_GO_ON = {"type": "text", "text": "Continue."}
_OWN_WORDS = frozenset({"text", "tool_use", "thinking", "redacted_thinking"})
"""Not a server tool's block: an assistant's message that ends with one is sent again to go on (`pause_turn`)."""
_IMAGES = {"image/jpeg": "image/jpeg", "image/jpg": "image/jpeg"} | {
    kind: kind for kind in ("image/png", "image/gif", "image/webp")
}
_MAGIC = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
)
"""How base64 of a picture begins, where nobody said (or said wrongly) what it is."""


class _Run:
    """One side's say, until the other's."""

    __slots__ = ("assistant", "blocks", "orders")

    def __init__(self, assistant: bool) -> None:
        self.assistant = assistant
        self.blocks: list[Block] = []
        self.orders: list[Block] = []
        """Instructions that go behind the user's message, as a message of their own."""


class TurnWriter:
    """Writes the turns of one request."""

    def __init__(self, capabilities: Capabilities, notes: Notes) -> None:
        self._capabilities = capabilities
        self._notes = notes
        self.answers_calls = False
        """The last message has results, and so is a step within the assistant's turn."""
        self.opens_with_thinking = False
        """The last assistant message begins with thoughts."""

    def messages(self, turns: tuple[Turn, ...]) -> list[Block]:
        messages: list[Block] = []
        runs = self._runs(turns)
        if not runs or runs[0].assistant:
            messages.append({"role": "user", "content": [_NOTHING]})
        for run in runs:
            if run.assistant:
                messages.append({"role": "assistant", "content": run.blocks})
                self.opens_with_thinking = run.blocks[0].get("type") in ("thinking", "redacted_thinking")
                continue
            # A message of instructions must follow a user's.
            spoken = run.blocks or [_as_user(block) for block in run.orders]
            spoken.sort(key=_behind_results)
            messages.append({"role": "user", "content": spoken})
            if run.blocks and run.orders:
                messages.append({"role": "system", "content": run.orders})
        last = runs[-1] if runs else None
        self.answers_calls = last is not None and not last.assistant and _answers(last.blocks)
        if last is not None and last.assistant and last.blocks[-1].get("type") in _OWN_WORDS:
            # Newer models refuse to continue the assistant's own message; the other protocols ask for a new one.
            messages.append({"role": "user", "content": [_GO_ON]})
            self._notes.change("messages")
        return messages

    def _runs(self, turns: tuple[Turn, ...]) -> list[_Run]:
        runs: list[_Run] = []
        for turn in turns:
            assistant = turn.role is Role.ASSISTANT
            blocks, orders = self._blocks(turn)
            if not blocks and not orders:
                continue
            if not runs or runs[-1].assistant is not assistant:
                runs.append(_Run(assistant))
            runs[-1].blocks += blocks
            runs[-1].orders += orders
        return runs

    def _blocks(self, turn: Turn) -> tuple[list[Block], list[Block]]:
        if turn.role is Role.ASSISTANT:
            return [block for part in turn.parts if (block := self._said(part)) is not None], []
        blocks: list[Block] = []
        orders: list[Block] = []
        for part in turn.parts:
            block = self._asked(part)
            if block is None:
                continue
            if turn.role is Role.USER or block.get("type") != "text":
                blocks.append(block)
            elif self._capabilities.system_turns:
                orders.append(block)
            else:
                blocks.append(_as_user(block))
        return blocks, orders

    def _said(self, part: Part) -> Block | None:
        """A part of the assistant's."""
        if isinstance(part, Text):
            return _text(part)
        if isinstance(part, ToolCall):
            block = {"type": "tool_use", "id": part.id, "name": part.name, "input": arguments(part.arguments)}
            return _marked(block, part)
        if isinstance(part, Reasoning):
            block_or_none = _reasoning(part)
            if block_or_none is None:
                self._notes.drop("thoughts")
            return block_or_none
        if isinstance(part, Native):
            return self._native(part)
        if isinstance(part, Media):
            self._notes.drop(part.kind.value)
            return {"type": "text", "text": f"[{part.kind} left out]"}
        self._notes.drop("tool_result")
        return None

    def _asked(self, part: Part) -> Block | None:
        """A part of the user's, or of instructions."""
        if isinstance(part, Text):
            return _text(part)
        if isinstance(part, Media):
            return self._media(part)
        if isinstance(part, ToolResult):
            return self._result(part)
        if isinstance(part, Native):
            return self._native(part)
        self._notes.drop("thoughts" if isinstance(part, Reasoning) else "tool_call")
        return None

    def _native(self, part: Native) -> Block | None:
        if part.wire is Wire.MESSAGES:
            return {**part.raw, "type": part.kind}
        self._notes.drop(part.kind)
        return None

    def _result(self, part: ToolResult) -> Block:
        block: Block = {"type": "tool_result", "tool_use_id": part.call_id}
        written = [self._media(item) if isinstance(item, Media) else _text(item) for item in part.content]
        content = [item for item in written if item is not None]
        if len(content) == 1 and content[0].keys() == {"type", "text"}:
            block["content"] = content[0]["text"]
        elif content:
            block["content"] = content
        if part.is_error:
            block["is_error"] = True
            block.setdefault("content", "(no output)")  # "content cannot be empty if `is_error` is true"
        return _marked(block, part)

    def _media(self, part: Media) -> Block:
        image = part.kind is MediaKind.IMAGE
        can = self._capabilities.vision if image else self._capabilities.documents
        source = _source(part) if can is not False else None
        if source is None:
            self._notes.drop(part.kind.value)
            return _marked(
                {"type": "text", "text": f"[{part.kind} left out: the model cannot take it]"}, part
            )
        block: Block = {"type": "image" if image else "document", "source": source}
        if part.name and not image:
            block["title"] = part.name
        return _marked(block, part)


def arguments(text: str) -> msgspec.Raw | dict[str, Any]:
    """A call's arguments as the object that `input` must be.

    A JSON object stays as it is written, to the byte; no text at all is an object without fields; any other text,
    JSON or not, becomes the one field of an object: `{"input": text}`.
    """
    if not text or text.isspace():
        return {}
    raw = text.encode("utf-8", "replace")
    try:
        value = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return {"input": text}
    return msgspec.Raw(raw) if isinstance(value, dict) else {"input": text}


def _text(part: Text) -> Block | None:
    if not part.text or part.text.isspace():  # "text content blocks must contain non-whitespace text" (E78)
        return None
    block: Block = {"type": "text", "text": part.text}
    if part.citations:
        block["citations"] = list(part.citations)
    return _marked(block, part)


def _reasoning(part: Reasoning) -> Block | None:
    """Thoughts go back to their maker only with its seal, and as they came (E20, E22)."""
    seal = part.seal
    if seal is None or not seal.data or seal.wire is not Wire.MESSAGES:
        return None
    if part.redacted:
        return {"type": "redacted_thinking", "data": seal.data}
    return {"type": "thinking", "thinking": part.text, "signature": seal.data}


def _marked(block: Block, part: Text | Media | ToolCall | ToolResult) -> Block:
    if part.cache is not None:
        block["cache_control"] = write_mark(part.cache)
    return block


def _as_user(block: Block) -> Block:
    """Instructions as the user's words, in the tags that models behind this API know for them."""
    return {**block, "text": f"<system-reminder>\n{block['text']}\n</system-reminder>"}


def _behind_results(block: Block) -> bool:
    return block.get("type") != "tool_result"


def _answers(blocks: list[Block]) -> bool:
    return any(block.get("type") == "tool_result" for block in blocks)


def _source(part: Media) -> Block | None:
    """None where the API has no place for such a thing."""
    if part.kind not in (MediaKind.IMAGE, MediaKind.DOCUMENT):
        return None
    if part.file_id:
        return {"type": "file", "file_id": part.file_id}
    if part.url:
        return {"type": "url", "url": part.url}
    if part.kind is MediaKind.IMAGE:
        media_type = _IMAGES.get(part.media_type) or _sniffed(part.data)
        return {"type": "base64", "media_type": media_type, "data": part.data} if media_type else None
    if part.media_type == "application/pdf":
        return {"type": "base64", "media_type": part.media_type, "data": part.data}
    text = part.data if part.media_type == "text/plain" else None
    if part.media_type.startswith("text/") and text is None:
        text = plain_text(part.data)
    return {"type": "text", "media_type": "text/plain", "data": text} if text else None


def _sniffed(data: str) -> str:
    return next((kind for start, kind in _MAGIC if data.startswith(start)), "")
