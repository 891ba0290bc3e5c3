"""Turns → `messages`: what Bedrock demands of their order and of their blocks.

Roles alternate, the user begins, results stand before anything else of their turn (E74), no text is blank
(E78).
"""

from typing import Any

import msgspec

from waystation.model import Wire
from waystation.wire.canonical import (
    CacheMark,
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
from waystation.wire.codecs.converse.citations import write_citations
from waystation.wire.codecs.converse.media import DocumentNames, is_base64, placeholder, write_media
from waystation.wire.codecs.converse.models import ModelFacts
from waystation.wire.codecs.door import Notes, Target

Block = dict[str, Any]
EMPTY = "(empty)"
"""Where something must be said and nothing was."""
_BESIDE_DOCUMENT = "(the document)"
"""A message with a document must have words too."""
_LATER_INSTRUCTIONS = "<system-reminder>\n{}\n</system-reminder>"
"""Instructions in mid-conversation: the API names a role for them, and its models refuse it. They stay where
they stand, so that the prompt before them can be cached."""


class TurnWriter:
    """Writes the turns of one request."""

    def __init__(self, facts: ModelFacts, target: Target, notes: Notes) -> None:
        self._facts = facts
        self._target = target
        self._notes = notes
        self._names = DocumentNames()
        self.called: dict[str, None] = {}
        """Tools that the history has calls of: they must be declared (`toolConfig`)."""
        self.has_tool_blocks = False

    def messages(self, turns: tuple[Turn, ...]) -> list[Block]:
        joined: list[tuple[bool, list[Part]]] = []
        for turn in turns:
            by_user = turn.role is not Role.ASSISTANT
            parts = [_later(part) for part in turn.parts] if turn.role is Role.SYSTEM else turn.parts
            if joined and joined[-1][0] == by_user:
                joined[-1][1].extend(parts)
            else:
                joined.append((by_user, list(parts)))
        messages: list[Block] = []
        for by_user, parts in joined:
            blocks = self._user(parts) if by_user else self._assistant(parts)
            role = "user" if by_user else "assistant"
            if not blocks:
                continue
            if messages and messages[-1]["role"] == role:
                messages[-1]["content"].extend(blocks)
            else:
                messages.append({"role": role, "content": blocks})
        if not messages or messages[0]["role"] != "user":
            messages.insert(0, {"role": "user", "content": [{"text": EMPTY}]})
        return messages

    def _user(self, parts: list[Part]) -> list[Block]:
        blocks: list[Block] = []
        for part in parts:
            if isinstance(part, ToolResult):
                blocks.append({"toolResult": self._result(part)})
                self._mark(_mark_of(part), blocks)
        others: list[Block] = []
        for part in parts:
            if isinstance(part, Text):
                self._text(part, others, by_user=True)
            elif isinstance(part, Media):
                others.append(self._media(part))
                self._mark(part.cache, others)
            elif isinstance(part, Native):
                self._native(part, others)
            elif not isinstance(part, ToolResult):
                self._notes.drop("thinking" if isinstance(part, Reasoning) else "tool_use")
        if any("document" in block for block in others) and not any("text" in block for block in others):
            others.append({"text": _BESIDE_DOCUMENT})
        if blocks and others and self._facts.lone_blocks:
            result = next(block for block in reversed(blocks) if "toolResult" in block)
            result["toolResult"]["content"] += [block for block in others if "cachePoint" not in block]
            return blocks
        return blocks + others

    def _assistant(self, parts: list[Part]) -> list[Block]:
        alone = self._facts.lone_blocks and any(isinstance(part, ToolCall) for part in parts)
        blocks: list[Block] = []
        for part in parts:
            if isinstance(part, Text):
                if alone:
                    self._notes.drop("text")
                else:
                    self._text(part, blocks, by_user=False)
            elif isinstance(part, Reasoning):
                self._reasoning(part, blocks)
            elif isinstance(part, ToolCall):
                self.has_tool_blocks = True
                self.called[part.name] = None
                call = {"toolUseId": part.id, "name": part.name, "input": arguments_of(part)}
                blocks.append({"toolUse": call})
                self._mark(part.cache, blocks)
            elif isinstance(part, Native):
                self._native(part, blocks)
            else:
                self._notes.drop(part.kind.value if isinstance(part, Media) else "tool_result")
        return blocks

    def _text(self, part: Text, blocks: list[Block], *, by_user: bool) -> None:
        if part.text.strip():
            blocks.append(self._cited(part, by_user=by_user) or {"text": part.text})
        self._mark(part.cache, blocks)

    def _cited(self, part: Text, *, by_user: bool) -> Block | None:
        if not part.citations:
            return None
        citations = write_citations(part.citations)
        if by_user or citations is None or (self._facts.known and self._facts.claude is None):
            self._notes.drop("citations")
            return None
        return {"citationsContent": {"content": [{"text": part.text}], "citations": citations}}

    def _reasoning(self, part: Reasoning, blocks: list[Block]) -> None:
        """Only what Bedrock sealed goes back, byte for byte (E20, E21, E23); unsigned thoughts only to models
        that sign none."""
        seal = part.seal
        ours = (
            seal is not None
            and seal.wire is Wire.CONVERSE
            and (not seal.provider or seal.provider == self._target.provider)
        )
        if seal is None or not ours or (not seal.data and self._facts.claude is not None):
            self._notes.drop("thinking")
        elif part.redacted:
            if not is_base64(seal.data):
                self._notes.drop("thinking")
                return
            blocks.append({"reasoningContent": {"redactedContent": seal.data}})
        elif part.text or seal.data:
            said = {"text": part.text}
            if seal.data:
                said["signature"] = seal.data
            blocks.append({"reasoningContent": {"reasoningText": said}})

    def _result(self, part: ToolResult) -> Block:
        self.has_tool_blocks = True
        content: list[Block] = []
        for piece in part.content:
            if isinstance(piece, Media):
                content.append(self._media(piece, within_result=True))
            elif piece.text.strip():
                content.append({"text": piece.text})
        result: Block = {"toolUseId": part.call_id, "content": content or [{"text": EMPTY}]}
        if part.is_error:
            result["status"] = "error"
        return result

    def _media(self, part: Media, *, within_result: bool = False) -> Block:
        block = write_media(part, self._names, self._target.capabilities)
        if block is None or (within_result and part.kind is MediaKind.AUDIO):
            self._notes.drop(part.kind.value)
            return {"text": placeholder(part)}
        return block

    def _native(self, part: Native, blocks: list[Block]) -> None:
        if part.wire is Wire.CONVERSE and len(part.raw) == 1:
            blocks.append(part.raw)
            self.has_tool_blocks = self.has_tool_blocks or part.kind in ("toolUse", "toolResult")
        else:
            self._notes.drop(part.kind)

    def _mark(self, mark: CacheMark | None, blocks: list[Block]) -> None:
        """E60: a mark is a block of its own here, behind what it marks."""
        if mark is None:
            return
        if not self._facts.cache_points:
            self._notes.drop("cache_control")
        elif blocks and not ("cachePoint" in blocks[-1] or "reasoningContent" in blocks[-1]):
            blocks.append(cache_point(mark))


def cache_point(mark: CacheMark) -> Block:
    point = {"type": "default"}
    if mark.ttl == "1h":
        point["ttl"] = "1h"  # five minutes is what models without the field do
    return {"cachePoint": point}


def _mark_of(result: ToolResult) -> CacheMark | None:
    """A result's own mark, or the longest-lived one of what is in it: there is no place for one inside."""
    marks = [mark for mark in (result.cache, *(piece.cache for piece in result.content)) if mark is not None]
    return max(marks, key=lambda mark: mark.ttl == "1h", default=None)


def _later(part: Part) -> Part:
    if isinstance(part, Text) and part.text.strip():
        return msgspec.structs.replace(part, text=_LATER_INSTRUCTIONS.format(part.text))
    return part


def arguments_of(call: ToolCall) -> Any:
    """The arguments as the object that the field wants, untouched where their text is one; other text becomes
    its only member."""
    text = call.arguments
    if not text.strip():
        return {}
    raw = text.encode("utf-8", "replace")
    try:
        value = msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        return {"input": text}
    return msgspec.Raw(raw) if isinstance(value, dict) and not call.custom else {"input": text}
