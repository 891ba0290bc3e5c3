"""A provider's stream as events."""

from typing import Any

import msgspec

from waystation.model import Wire
from waystation.wire import tolerant
from waystation.wire.canonical import (
    Delta,
    Event,
    Failed,
    Finish,
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
from waystation.wire.codecs.messages.blocks import read_arguments
from waystation.wire.codecs.messages.reply import bare_seal, stop_reason
from waystation.wire.sse import DEFAULT_CAP, EventSplitter, parse_event
from waystation.wire.stream_error import read_error


class _Message(msgspec.Struct, gc=False):
    id: str | None = None
    model: str | None = None


class _Delta(msgspec.Struct, gc=False):
    type: str | None = None
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    signature: str | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Event(msgspec.Struct, gc=False):
    type: str | None = None
    message: _Message | None = None
    content_block: Any = None
    delta: _Delta | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Event)
_DELTA = b"event: content_block_delta\ndata: "
_OURS = frozenset({"", "text", "thinking", "tool_use", "redacted_thinking"})
"""Types of blocks that are parts of a conversation; empty for none."""


class Reader:
    """See `StreamReader`.

    A part begins with its first words, so that an empty block is none (E78); a block of a type that is not in a
    conversation is one Native at its end, with its deltas in it (E81). Citations are not kept: no other protocol
    has them.
    """

    def __init__(self) -> None:
        self._splitter = EventSplitter(DEFAULT_CAP)
        self._events: list[Event] = []
        self._started = False
        self._ended = False
        self._called = False
        """A tool was called."""
        self._stop: str | None = None
        self._stop_sequence: str | None = None
        self._kind = ""
        """Type of the open block; empty where none is."""
        self._block: dict[str, Any] = {}
        """The open block, as it started."""
        self._open = False
        """Its part has begun."""
        self._spoke = False
        """There was a delta of the open part."""
        self._seal: Seal | None = None
        self._input: list[str] = []
        """The input of a Native, so far."""
        self.skipped = 0

    def feed(self, data: bytes) -> list[Event]:
        region = self._splitter.feed(data)
        if not region:
            return []
        for raw in self._splitter.split(region):
            self._read(raw)
        return self._taken()

    def close(self) -> list[Event]:
        rest = self._splitter.close()
        if rest:
            for raw in self._splitter.split(rest + b"\n\n"):
                self._read(raw)
        return self._taken()

    def _taken(self) -> list[Event]:
        events, self._events = self._events, []
        return events

    def _read(self, raw: bytes) -> None:
        try:
            if not self._ended:
                self._take(raw)
        except RecursionError:
            self.skipped += 1

    def _take(self, raw: bytes) -> None:
        if raw.startswith(_DELTA) and raw.find(b"\n", len(_DELTA)) == len(raw) - 2:
            name, data = b"content_block_delta", raw[len(_DELTA) : -2]
        else:
            name, found, _ = parse_event(raw)
            if found is None:
                return
            data = found
        event = tolerant.decode(_decoder, data)
        if event is None:
            self._unreadable(name, data)
            return
        kind = event.type or name.decode("utf-8", "replace")
        if kind == "content_block_delta":
            if event.delta is None:
                self.skipped += 1
            else:
                self._delta(event.delta, data)
        elif kind == "content_block_start":
            self._block_start(event.content_block)
        elif kind == "content_block_stop":
            self._block_stop()
        elif kind == "message_start":
            self._start(event.message or _Message())
        elif kind == "message_delta":
            if event.delta is not None and event.delta.stop_reason is not None:
                self._stop, self._stop_sequence = event.delta.stop_reason, event.delta.stop_sequence
        elif kind == "message_stop":
            self._finish()
        elif kind == "error":
            self._fail(event.error if event.error is not None else "")

    def _unreadable(self, name: bytes, data: bytes) -> None:
        if name == b"error":  # the SDKs raise on the event's name alone
            self._fail(data.decode("utf-8", "replace"))
        elif name != b"ping":
            self.skipped += 1

    def _start(self, message: _Message) -> None:
        if not self._started:
            self._started = True
            self._events.append(Started(message.id or "", message.model or ""))

    def _finish(self) -> None:
        self._start(_Message())
        self._block_stop()
        self._ended = True
        self._events.append(Finish(stop_reason(self._stop, called=self._called), None, self._stop_sequence))

    def _fail(self, error: Any) -> None:
        self._ended = True
        self._events.append(Failed(read_error(error)))

    def _block_start(self, block: Any) -> None:
        self._start(_Message())
        self._block_stop()
        if not isinstance(block, dict) or not isinstance(block.get("type"), str):
            self.skipped += 1
            return
        self._kind, self._block = block["type"], block
        if self._kind == "text":
            self._words(block.get("text"))
        elif self._kind == "thinking":
            self._words(block.get("thinking"))
            self._sign(block.get("signature"))
        elif self._kind == "tool_use":
            self._called = True
            ident, name = block.get("id"), block.get("name")
            call = ToolCall(
                ident if isinstance(ident, str) else "", name if isinstance(name, str) else "", ""
            )
            self._begin(call)
        elif self._kind == "redacted_thinking":
            self._sign(block.get("data"))

    def _words(self, words: Any) -> None:
        """Words that came with the start of a block, or in a delta of it."""
        if isinstance(words, str) and words:
            if not self._open:
                self._begin(Text("") if self._kind == "text" else Reasoning())
            self._spoke = True
            self._events.append(Delta(words))

    def _begin(self, part: Part) -> None:
        self._open = True
        self._events.append(PartStart(part))

    def _sign(self, signature: Any) -> None:
        if isinstance(signature, str) and signature:
            self._seal = bare_seal(signature)

    def _delta(self, delta: _Delta, data: bytes) -> None:
        kind = delta.type
        if kind == "text_delta" and self._takes("text"):
            self._words(delta.text)
        elif kind == "input_json_delta" and self._kind == "tool_use":
            if delta.partial_json:
                self._spoke = True
                self._events.append(Delta(delta.partial_json))
        elif kind == "thinking_delta" and self._takes("thinking"):
            self._words(delta.thinking)
        elif kind == "signature_delta" and self._takes("thinking"):
            self._sign(delta.signature)
        elif self._kind not in _OURS:
            self._native_delta(delta, data)
        elif kind != "citations_delta":
            self.skipped += 1

    def _takes(self, kind: str) -> bool:
        """Whether the open block takes a delta of a `kind` block.

        Where another block of our own kinds is open, or none, the provider forgot to say that this one begins
        (E11).
        """
        if self._kind == kind:
            return True
        if self._kind not in _OURS:
            return False
        self._block_start({"type": kind})
        return True

    def _native_delta(self, delta: _Delta, data: bytes) -> None:
        if delta.partial_json is not None:
            self._input.append(delta.partial_json)
            return
        try:
            found = msgspec.json.decode(data)["delta"]
        except ValueError:  # what could be read of it was no text
            self.skipped += 1
            return
        for key, value in found.items():
            if key == "type":
                continue
            before = self._block.get(key)
            both = isinstance(before, str) and isinstance(value, str)
            self._block[key] = before + value if both else value

    def _block_stop(self) -> None:
        kind = self._kind
        if not kind:
            return
        if kind == "tool_use":
            if not self._spoke:  # all of it came with the start, or there are no arguments
                self._events.append(Delta(read_arguments(self._block.get("input"))))
            self._events.append(PartEnd())
        elif kind == "redacted_thinking":
            if self._seal is not None:
                self._events += (PartStart(Reasoning(seal=self._seal, redacted=True)), PartEnd())
        elif kind == "text":
            if self._open:
                self._events.append(PartEnd())
        elif kind == "thinking":
            if self._seal is not None and not self._open:
                self._begin(Reasoning())
            if self._open:
                self._events.append(PartEnd(self._seal))
        else:
            self._events += (PartStart(Native(Wire.MESSAGES, kind, self._native())), PartEnd())
        self._kind, self._block, self._open, self._spoke, self._seal = "", {}, False, False, None
        self._input.clear()

    def _native(self) -> dict[str, Any]:
        text = "".join(self._input)
        if text:
            try:
                self._block["input"] = msgspec.json.decode(text)
            except (ValueError, RecursionError):
                self.skipped += 1
        return self._block
