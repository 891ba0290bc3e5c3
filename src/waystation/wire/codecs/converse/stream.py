"""Bedrock's `ConverseStream` → events."""

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
    Started,
    Text,
    ToolCall,
)
from waystation.wire.codecs.converse.media import join_base64, read_media
from waystation.wire.codecs.converse.reading import bare
from waystation.wire.codecs.converse.reply import read_reason, read_stop_sequence
from waystation.wire.converse import MALFORMED, corrupt_stream, malformed_answer, read_failure
from waystation.wire.eventstream import EventStreamDecoder, Frame
from waystation.wire.stream_error import StreamError

_END = PartEnd()


class _ToolInput(msgspec.Struct, gc=False):
    input: str | None = None


class _Reasoning(msgspec.Struct, gc=False, rename="camel"):
    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class _Delta(msgspec.Struct, gc=False, rename="camel"):
    text: str | None = None
    tool_use: _ToolInput | None = None
    reasoning_content: _Reasoning | None = None
    tool_result: Any = None
    image: Any = None


class _Event(msgspec.Struct, gc=False, rename="camel"):
    content_block_index: int = 0
    start: dict[str, Any] | None = None
    delta: _Delta | None = None
    stop_reason: str | None = None
    additional_model_response_fields: Any = None


_event = msgspec.json.Decoder(_Event)


class ConverseReader:
    """Text and thoughts begin with their first delta, calls with a start of their
    own; should blocks interleave, the later ones wait (E10)."""

    __slots__ = (
        "_block",
        "_called",
        "_decoder",
        "_done",
        "_index",
        "_reason",
        "_stop_sequence",
        "_waiting",
        "skipped",
    )

    def __init__(self) -> None:
        self._decoder = EventStreamDecoder()
        self._index: int | None = None
        """The open block's."""
        self._block: _Block | None = None
        self._waiting: dict[int, list[tuple[str, _Event]]] = {}
        self._reason: str | None = None
        self._stop_sequence: str | None = None
        self._called = False
        self._done = False
        self.skipped = 0

    def feed(self, data: bytes) -> list[Event]:
        events: list[Event] = []
        for frame in self._decoder.feed(data):
            if not self._done:
                self._frame(frame, events)
        if self._decoder.corrupt and not self._done:
            self._fail(corrupt_stream(self._decoder.corrupt), events)
        return events

    def close(self) -> list[Event]:
        """A body that ends behind the stop reason is whole, though the usage is missing."""
        events: list[Event] = []
        if self._reason is not None and not self._done and not self._decoder.pending:
            self._finish(events)
        return events

    def _frame(self, frame: Frame, events: list[Event]) -> None:
        if frame.type != "event":
            self._fail(read_failure(frame), events)
            return
        name = frame.name
        event = tolerant.decode(_event, frame.payload)
        if event is None:
            self.skipped += 1
        elif name in ("contentBlockDelta", "contentBlockStart", "contentBlockStop"):
            self._content(name, event, events)
        elif name == "messageStart":
            events.append(Started())
        elif name == "messageStop":
            self._flush(events)
            self._reason = event.stop_reason or "end_turn"
            self._stop_sequence = read_stop_sequence(event.additional_model_response_fields)
            if self._reason in MALFORMED:
                self._fail(malformed_answer(self._reason), events)
        elif name == "metadata":
            self._finish(events)

    def _content(self, name: str, event: _Event, events: list[Event]) -> None:
        index = event.content_block_index
        if self._block is not None and index != self._index:
            self._waiting.setdefault(index, []).append((name, event))
            return
        if name == "contentBlockStop":
            self._stop(events)
            return
        delta = event.delta
        if name == "contentBlockStart":
            self._close(events)
            self._open(_start(event.start or {}), index, events)
        elif delta is not None:
            if self._block is None or not self._block.takes(delta):
                self._close(events)
                self._open(_begin(delta), index, events)
            if self._block is not None:
                self._block.add(delta, events)

    def _open(self, block: "_Block | None", index: int, events: list[Event]) -> None:
        if block is not None:
            self._block, self._index = block, index
            self._called = self._called or isinstance(block, _Call)
            block.start(events)

    def _close(self, events: list[Event]) -> None:
        if self._block is not None:
            self._block.stop(events)
            self._block = self._index = None

    def _stop(self, events: list[Event]) -> None:
        self._close(events)
        while self._waiting and self._block is None:
            index = next(iter(self._waiting))
            for name, event in self._waiting.pop(index):
                self._content(name, event, events)

    def _flush(self, events: list[Event]) -> None:
        while self._block is not None or self._waiting:
            self._stop(events)

    def _finish(self, events: list[Event]) -> None:
        self._flush(events)
        self._done = True
        reason = read_reason(self._reason, called=self._called)
        events.append(Finish(reason, stop_sequence=self._stop_sequence))

    def _fail(self, error: StreamError, events: list[Event]) -> None:
        self._done = True
        events.append(Failed(error))


# -------------------------------------------------------------------- the open block
class _Block:
    """What is known of the block that is being read."""

    __slots__ = ()

    def takes(self, delta: _Delta) -> bool:
        """Whether the delta can be of this block."""
        raise NotImplementedError

    def start(self, events: list[Event]) -> None:
        """Told once, before any delta."""

    def add(self, delta: _Delta, events: list[Event]) -> None:
        raise NotImplementedError

    def stop(self, events: list[Event]) -> None:
        raise NotImplementedError


class _Words(_Block):
    __slots__ = ("_begun",)

    def __init__(self) -> None:
        self._begun = False

    def takes(self, delta: _Delta) -> bool:
        return delta.text is not None

    def add(self, delta: _Delta, events: list[Event]) -> None:
        if delta.text:
            if not self._begun:
                self._begun = True
                events.append(PartStart(Text("")))
            events.append(Delta(delta.text))

    def stop(self, events: list[Event]) -> None:
        if self._begun:
            events.append(_END)


class _Thoughts(_Block):
    __slots__ = ("_begun", "_redacted", "_signature")

    def __init__(self) -> None:
        self._begun = False
        self._signature = ""
        self._redacted: list[str] = []

    def takes(self, delta: _Delta) -> bool:
        return delta.reasoning_content is not None

    def add(self, delta: _Delta, events: list[Event]) -> None:
        said = delta.reasoning_content
        if said is None:
            return
        if said.text:
            self._begin(events)
            events.append(Delta(said.text))
        if said.signature:
            self._begin(events)
            self._signature += said.signature
        if said.redacted_content:
            self._redacted.append(said.redacted_content)

    def _begin(self, events: list[Event]) -> None:
        if not self._begun:
            self._begun = True
            events.append(PartStart(Reasoning()))

    def stop(self, events: list[Event]) -> None:
        if self._begun:
            events.append(PartEnd(bare(self._signature)))
        if self._redacted:
            events.append(PartStart(Reasoning(seal=bare(join_base64(self._redacted)), redacted=True)))
            events.append(_END)


class _Call(_Block):
    __slots__ = ("_call", "_said")

    def __init__(self, ident: str, name: str) -> None:
        self._call = ToolCall(ident, name, "")
        self._said = False

    def takes(self, delta: _Delta) -> bool:
        return delta.tool_use is not None

    def start(self, events: list[Event]) -> None:
        events.append(PartStart(self._call))

    def add(self, delta: _Delta, events: list[Event]) -> None:
        if delta.tool_use is not None and delta.tool_use.input:
            self._said = True
            events.append(Delta(delta.tool_use.input))

    def stop(self, events: list[Event]) -> None:
        if not self._said:
            events.append(Delta("{}"))
        events.append(_END)


class _Whole(_Block):
    """A block that is told of when it is complete: a server tool's call or result, a picture."""

    __slots__ = ("_content", "_images", "_input", "_kind", "_raw")

    def __init__(self, kind: str, raw: dict[str, Any]) -> None:
        self._kind = kind
        self._raw = raw
        self._input = ""
        self._content: list[Any] = []
        self._images: list[str] = []

    def takes(self, delta: _Delta) -> bool:
        return delta.text is None and delta.reasoning_content is None

    def add(self, delta: _Delta, events: list[Event]) -> None:  # noqa: ARG002 - nothing to tell yet
        if delta.tool_use is not None:
            self._input += delta.tool_use.input or ""
        if isinstance(delta.tool_result, list):
            self._content += delta.tool_result
        source = delta.image.get("source") if isinstance(delta.image, dict) else None
        if isinstance(source, dict) and isinstance(source.get("bytes"), str):
            self._images.append(source["bytes"])

    def stop(self, events: list[Event]) -> None:
        raw = dict(self._raw)
        part: Part
        if self._kind == "image" and self._images:
            part = read_media("image", {**raw, "source": {"bytes": join_base64(self._images)}})
        else:
            if self._kind == "toolUse":
                raw["input"] = _decoded(self._input)
            elif self._kind == "toolResult":
                raw["content"] = self._content
            part = Native(Wire.CONVERSE, self._kind, {self._kind: raw})
        events += (PartStart(part), _END)


def _start(start: dict[str, Any]) -> _Block | None:
    if len(start) != 1:
        return None
    ((kind, raw),) = start.items()
    if not isinstance(raw, dict):
        return None
    ident, name = raw.get("toolUseId"), raw.get("name")
    if kind == "toolUse" and "type" not in raw and isinstance(ident, str) and isinstance(name, str):
        return _Call(ident, name)
    return _Whole(kind, raw)


def _begin(delta: _Delta) -> _Block | None:
    """The block of a delta that came without a start."""
    if delta.text is not None:
        return _Words()
    return _Thoughts() if delta.reasoning_content is not None else None


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text) if text else {}
    except (ValueError, RecursionError):
        return {"input": text}
