"""Items of a provider's answer, whole or as they come."""

from typing import Any

from waystation.model import Wire
from waystation.wire.canonical import (
    Delta,
    Event,
    Native,
    Part,
    PartEnd,
    PartStart,
    Reasoning,
    Text,
    ToolCall,
)
from waystation.wire.codecs.responses.fields import Json, compact, string
from waystation.wire.codecs.responses.reasoning import BETWEEN, read_from_provider, seal_of, texts_of

_CALLS = ("function_call", "custom_tool_call")


def read_item(raw: Json) -> list[Part]:
    """The parts of a whole item."""
    kind = string(raw, "type")
    if kind == "message":
        return _read_message(raw)
    if kind == "reasoning":
        part = read_from_provider(raw)
        return [part] if part is not None else []
    if kind in _CALLS:
        return [_read_call(raw, _arguments(raw) or "")]
    return [Native(Wire.RESPONSES, kind, raw)]


def open_item(raw: Json) -> "OpenItem":
    """The reader of an item that begins."""
    kind = string(raw, "type")
    if kind == "message":
        return OpenMessage(raw)
    if kind == "reasoning":
        return OpenReasoning(raw)
    return OpenCall(raw) if kind in _CALLS else OpenNative(raw)


class OpenItem:
    """An item whose events come one after the other."""

    __slots__ = ("_raw", "closed", "events")

    def __init__(self, raw: Json | None = None) -> None:
        self._raw: Json = raw or {}
        """As it was announced."""
        self.events: list[Event] = []
        """What came and was not passed on yet."""
        self.closed = False

    @property
    def ident(self) -> str:
        return string(self._raw, "id") or string(self._raw, "call_id")

    def finish(self, whole: Json | None) -> None:
        """Nothing more comes. `whole` is all of it; None where the provider did not say it again."""
        if not self.closed:
            self._finish(whole if whole is not None else self._raw)
            self.closed = True

    def _finish(self, whole: Json) -> None:
        raise NotImplementedError


class OpenMessage(OpenItem):
    __slots__ = ("_part", "_sent", "refused")

    def __init__(self, raw: Json | None = None) -> None:
        super().__init__(raw)
        self._part: tuple[int, bool] | None = None
        """Index of the open part, and whether it is a refusal."""
        self._sent: dict[int, int] = {}
        """Characters of each part."""
        self.refused = False

    def say(self, index: int, text: str, *, refusal: bool) -> None:
        if not text or self.closed:
            return
        if self._part != (index, refusal):
            self._end()
            self._part = (index, refusal)
            self.refused = self.refused or refusal
            self.events.append(PartStart(Text("", refusal=refusal)))
        self.events.append(Delta(text))
        self._sent[index] = self._sent.get(index, 0) + len(text)

    def complete(self, index: int, text: str, *, refusal: bool) -> None:
        self.say(index, text[self._sent.get(index, 0) :], refusal=refusal)

    def _finish(self, whole: Json) -> None:
        content = whole.get("content")
        for index, part in enumerate(content if isinstance(content, list) else ()):
            if isinstance(part, dict):
                refusal = part.get("type") == "refusal"
                self.complete(index, string(part, "refusal" if refusal else "text"), refusal=refusal)
        self._end()

    def _end(self) -> None:
        if self._part is not None:
            self.events.append(PartEnd())
            self._part = None


class OpenReasoning(OpenItem):
    """Of a summary and the thoughts themselves, the first to come is taken."""

    __slots__ = ("_full", "_index", "_sent")

    def __init__(self, raw: Json | None = None) -> None:
        super().__init__(raw)
        self._full: bool | None = None
        """Whether it is the thoughts themselves; None before the first word."""
        self._index = 0
        self._sent: dict[int, int] = {}

    def say(self, index: int, text: str, *, full: bool) -> None:
        if not text or self.closed or self._full is (not full):
            return
        if self._full is None:
            self._full = full
            self.events.append(PartStart(Reasoning(id=string(self._raw, "id"))))
        elif index != self._index:
            self.events.append(Delta(BETWEEN))
        self._index = index
        self.events.append(Delta(text))
        self._sent[index] = self._sent.get(index, 0) + len(text)

    def complete(self, index: int, text: str, *, full: bool) -> None:
        self.say(index, text[self._sent.get(index, 0) :], full=full)

    def _finish(self, whole: Json) -> None:
        for full, field in ((False, "summary"), (True, "content")):
            for index, text in enumerate(texts_of(whole.get(field))):
                self.complete(index, text, full=full)
        seal = seal_of(whole)
        if self._full is not None:
            self.events.append(PartEnd(seal))
        elif seal is not None:
            self.events += [PartStart(Reasoning(seal=seal, id=string(whole, "id"))), PartEnd()]


class OpenCall(OpenItem):
    """A call begins when its name is known."""

    __slots__ = ("_held", "_sent", "started")

    def __init__(self, raw: Json | None = None) -> None:
        super().__init__(raw)
        self._held: list[str] = []
        """What came before the name."""
        self._sent = 0
        self.started = False
        self._start(self._raw)

    def say(self, text: str) -> None:
        if not text or self.closed:
            return
        self._sent += len(text)
        if self.started:
            self.events.append(Delta(text))
        else:
            self._held.append(text)

    def complete(self, text: str) -> None:
        self.say(text[self._sent :])

    def _start(self, raw: Json) -> None:
        if not self.started and string(raw, "name"):
            self.started = True
            self.events.append(PartStart(_read_call(raw, "")))
            self.events += [Delta(text) for text in self._held]
            self._held.clear()

    def _finish(self, whole: Json) -> None:
        self._start(whole)
        self.complete(_arguments(whole))
        if self.started:
            self.events.append(PartEnd())


class OpenNative(OpenItem):
    """An item that only this protocol has: it matters when it is whole."""

    __slots__ = ()

    def _finish(self, whole: Json) -> None:
        self.events += [PartStart(Native(Wire.RESPONSES, string(whole, "type"), whole)), PartEnd()]


def _read_message(raw: Json) -> list[Part]:
    parts: list[Part] = []
    content = raw.get("content")
    if isinstance(content, str):
        return [Text(content)] if content else []
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict):
            refusal = part.get("type") == "refusal"
            text = string(part, "refusal" if refusal else "text")
            if text:
                parts.append(Text(text, refusal=refusal))
    return parts


def _read_call(raw: Json, arguments: str) -> ToolCall:
    return ToolCall(
        string(raw, "call_id"),
        string(raw, "name"),
        arguments,
        namespace=string(raw, "namespace"),
        custom=raw.get("type") == "custom_tool_call",
    )


def _arguments(raw: Json) -> str:
    value: Any = raw.get("input" if raw.get("type") == "custom_tool_call" else "arguments")
    if isinstance(value, str):
        return value
    return "" if value is None else compact(value)
