"""Events → the frames of `ConverseStream`."""

from typing import Any

import msgspec

from waystation.model import Refusal
from waystation.wire import eventstream
from waystation.wire.canonical import (
    Delta,
    Event,
    Finish,
    Media,
    MediaKind,
    Part,
    PartEnd,
    PartStart,
    Reasoning,
    Seal,
    Started,
    Text,
    ToolCall,
)
from waystation.wire.codecs.converse.media import DocumentNames, write_media
from waystation.wire.codecs.converse.reply import sealed, write_ending, write_usage
from waystation.wire.converse import failure_frame
from waystation.wire.stream_error import StreamError


class ConverseWriter:
    """Events → Bedrock's frames."""

    __slots__ = ("_index", "_kind", "_names", "_seal")

    def __init__(self) -> None:
        self._index = 0
        self._kind = ""
        self._names = DocumentNames()
        self._seal: Seal | None = None

    def write(self, events: list[Event]) -> bytes:
        return b"".join([self._write(event) for event in events])

    def failure(self, error: StreamError | Refusal) -> bytes:
        return failure_frame(error)

    def _write(self, event: Event) -> bytes:
        if isinstance(event, Delta):
            return self._more(event.text)
        if isinstance(event, PartStart):
            return self._begin(event.part)
        if isinstance(event, PartEnd):
            return self._end(event)
        if isinstance(event, Started):
            return _frame("messageStart", {"role": "assistant"})
        if isinstance(event, Finish):
            ending = _frame("messageStop", write_ending(event.reason, event.stop_sequence))
            usage = {"usage": write_usage(event.usage), "metrics": {"latencyMs": 0}}
            return ending + _frame("metadata", usage)
        return failure_frame(event.error)

    def _begin(self, part: Part) -> bytes:
        self._seal = None
        self._kind = ""
        if isinstance(part, Text):
            self._kind = "text"
        elif isinstance(part, ToolCall):
            self._kind = "call"
            start = {"toolUse": {"toolUseId": part.id, "name": part.name}}
            return _frame("contentBlockStart", {"contentBlockIndex": self._index, "start": start})
        elif isinstance(part, Reasoning):
            self._kind = "redacted" if part.redacted else "thoughts"
            self._seal = part.seal
        elif isinstance(part, Media) and part.kind is MediaKind.IMAGE:
            return self._image(part)
        return b""

    def _image(self, part: Media) -> bytes:
        block = write_media(part, self._names)
        if block is None:
            return b""
        self._kind = "image"
        image = block["image"]
        start = {"contentBlockIndex": self._index, "start": {"image": {"format": image["format"]}}}
        return _frame("contentBlockStart", start) + self._delta({"image": {"source": image["source"]}})

    def _end(self, event: PartEnd) -> bytes:
        if not self._kind:
            return b""
        seal = event.seal or self._seal
        data = b""
        if seal is not None and self._kind in ("thoughts", "redacted") and (opaque := sealed(seal)):
            field = "redactedContent" if self._kind == "redacted" else "signature"
            data = self._delta({"reasoningContent": {field: opaque}})
        data += _frame("contentBlockStop", {"contentBlockIndex": self._index})
        self._index += 1
        return data

    def _more(self, text: str) -> bytes:
        if self._kind == "text":
            return self._delta({"text": text})
        if self._kind == "call":
            return self._delta({"toolUse": {"input": text}})
        return self._delta({"reasoningContent": {"text": text}}) if self._kind == "thoughts" else b""

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _frame("contentBlockDelta", {"contentBlockIndex": self._index, "delta": delta})


def _frame(name: str, payload: dict[str, Any]) -> bytes:
    return eventstream.event(name, msgspec.json.encode(payload))
