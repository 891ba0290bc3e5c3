"""Events as a stream for the tool."""

from typing import Any

import msgspec

from waystation.model import Refusal, Wire
from waystation.wire.canonical import (
    Delta,
    Event,
    Finish,
    Media,
    Native,
    Part,
    PartEnd,
    PartStart,
    Reasoning,
    Seal,
    Started,
    Text,
    ToolCall,
)
from waystation.wire.codecs.door import AnswerHead
from waystation.wire.codecs.messages.reply import (
    NO_EDITS,
    delta_usage,
    ending,
    has_content,
    is_sealed,
    left_out,
    message_shape,
    shown,
    thoughts_block,
)
from waystation.wire.errors import terminal_event
from waystation.wire.stream_error import StreamError

_json = msgspec.json.Encoder().encode


class Writer:
    """See `StreamWriter`. Blocks come one after the other, each with an index of its own (E11)."""

    def __init__(self, head: AnswerHead) -> None:
        self._head = head
        self._show = shown(head.request)
        self._out: list[bytes] = []
        self._begun = False
        self._ended = False
        self._index = 0
        """Of the next block."""
        self._part: Part | None = None
        """The open part."""
        self._delta: bytes | None = None
        """What stands before the words in a delta of the open block; None while no block is open."""
        self._spoke = False
        """There was a delta of the open block."""
        self._thoughts: list[str] = []
        """Words of the open part, if it is thoughts that may not be shown."""
        self._held: list[Reasoning] = []
        """Thoughts that are shown only if a call follows; or those that are a seal and nothing else, if anything does:
        Claude Code takes the last block of an answer for the answer."""

    def write(self, events: list[Event]) -> bytes:
        for event in events:
            if self._ended:
                break
            if isinstance(event, Delta):
                if event.text:
                    self._words(event.text)
            elif isinstance(event, PartStart):
                self._end_part(None)
                self._start_part(event.part)
            elif isinstance(event, PartEnd):
                self._end_part(event.seal)
            elif isinstance(event, Started):
                self._begin()
            elif isinstance(event, Finish):
                self._finish(event)
            else:
                self._out.append(self.failure(event.error))
        out, self._out = self._out, []
        return out[0] if len(out) == 1 else b"".join(out)

    def failure(self, error: StreamError | Refusal) -> bytes:
        self._ended = True
        return terminal_event(Wire.MESSAGES, error)

    def _emit(self, kind: str, **fields: Any) -> None:
        data = _json({"type": kind, **fields})
        self._out.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), data))

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._emit("message_start", message=message_shape(self._head))

    def _finish(self, event: Finish) -> None:
        self._begin()
        self._end_part(None)
        self._ended = True
        fields: dict[str, Any] = {"delta": ending(event.reason, event.stop_sequence)}
        fields["usage"] = delta_usage(event.usage)
        if "context_management" in self._head.request.extras:
            fields["context_management"] = NO_EDITS
        self._emit("message_delta", **fields)
        self._emit("message_stop")

    def _start_part(self, part: Part) -> None:
        self._part = part
        if isinstance(part, ToolCall):
            self._give_held(called=True)
            start = {"type": "tool_use", "id": part.id, "name": part.name, "input": {}}
            self._open(start, "input_json_delta", "partial_json")
            if part.arguments:
                self._words(part.arguments)
        elif isinstance(part, Text | Reasoning):
            if part.text:
                self._words(part.text)
        else:
            self._give_held()
            if isinstance(part, Media):
                self._whole({"type": "text", "text": left_out(part), "citations": None})
            elif isinstance(part, Native) and part.wire is Wire.MESSAGES:
                self._whole({**part.raw, "type": part.kind})

    def _words(self, words: str) -> None:
        """More of the open part; its block begins with the first of them."""
        before = self._delta
        if before is None:
            part = self._part
            if isinstance(part, Text):
                self._give_held()
                before = self._open({"type": "text", "text": "", "citations": None}, "text_delta", "text")
            elif isinstance(part, Reasoning):
                if self._show != "all" or part.redacted:
                    self._thoughts.append(words)
                    return
                start = {"type": "thinking", "thinking": "", "signature": ""}
                before = self._open(start, "thinking_delta", "thinking")
            else:
                return
        self._spoke = True
        self._out.append(b"%b%b}}\n\n" % (before, _json(words)))

    def _give_held(self, *, called: bool = False) -> None:
        """What comes now is what the held thoughts belong to."""
        if not self._held or (self._show == "calls" and not called):
            return
        for thought in self._held:
            if is_sealed(thought.seal):
                self._whole(thoughts_block(thought, thought.seal))
        self._held.clear()

    def _open(self, block: dict[str, Any], kind: str, field: str) -> bytes:
        self._begin()
        self._emit("content_block_start", index=self._index, content_block=block)
        delta = f'{{"type":"content_block_delta","index":{self._index},"delta":{{"type":"{kind}","{field}":'
        before = f"event: content_block_delta\ndata: {delta}".encode()
        self._delta = before
        return before

    def _stop(self) -> None:
        self._emit("content_block_stop", index=self._index)
        self._index += 1
        self._delta = None
        self._spoke = False

    def _whole(self, block: dict[str, Any]) -> None:
        """A block that is complete, in the pieces that the SDKs put together."""
        pieces: list[dict[str, Any]] = []
        start = block
        if block.get("type") == "text":
            start = {**block, "text": ""}
            pieces.append({"type": "text_delta", "text": block["text"]})
        elif block.get("type") == "thinking":
            start = {**block, "thinking": "", "signature": ""}
            if block["thinking"]:
                pieces.append({"type": "thinking_delta", "thinking": block["thinking"]})
            pieces.append({"type": "signature_delta", "signature": block["signature"]})
        elif isinstance(block.get("input"), dict):  # E12: the SDKs build it from deltas only
            start = {**block, "input": {}}
            pieces.append({"type": "input_json_delta", "partial_json": _json(block["input"]).decode()})
        self._begin()
        self._emit("content_block_start", index=self._index, content_block=start)
        for piece in pieces:
            self._piece(piece)
        self._stop()

    def _piece(self, delta: dict[str, Any]) -> None:
        self._emit("content_block_delta", index=self._index, delta=delta)

    def _end_part(self, seal: Seal | None) -> None:
        part, self._part = self._part, None
        if isinstance(part, Reasoning):
            self._end_thoughts(part, seal or part.seal)
        elif self._delta is not None:
            if isinstance(part, ToolCall) and not self._spoke:
                self._piece({"type": "input_json_delta", "partial_json": "{}"})
            elif isinstance(part, Text):
                for citation in part.citations:
                    self._piece({"type": "citations_delta", "citation": citation})
            self._stop()

    def _end_thoughts(self, part: Reasoning, seal: Seal | None) -> None:
        whole = Reasoning("".join(self._thoughts), seal, part.redacted)
        self._thoughts.clear()
        if self._delta is not None:
            block = thoughts_block(whole, seal)
            self._piece({"type": "signature_delta", "signature": block["signature"]})
            self._stop()
        elif self._show == "calls" or not (whole.text or whole.redacted):
            self._held.append(whole)
        elif has_content(whole, seal):
            self._whole(thoughts_block(whole, seal, hide=self._show == "sealed"))
