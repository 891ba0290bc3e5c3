"""What a provider's deltas say, put in order: parts that begin, go on and end, one after the other.

The protocol lets tool calls interleave by index, names come in pieces, ids once or always or never; servers
differ in all of it (E10, E11). Words stream through. So does the first call that is open; what comes before that
call is known to be complete waits, since no call may be cut off or mixed with another.
"""

from io import StringIO
from typing import Any

import msgspec

from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import (
    Delta,
    Event,
    Media,
    PartEnd,
    PartStart,
    Reasoning,
    Seal,
    Text,
    ToolCall,
)
from waystation.wire.codecs.chat.content import read_content, thinking_text
from waystation.wire.codecs.chat.seals import extension_seal, is_signed, own_seal, text_of_details


class FunctionDelta(msgspec.Struct, gc=False):
    name: Any = None
    arguments: Any = None


class CustomDelta(msgspec.Struct, gc=False):
    name: Any = None
    input: Any = None


class CallDelta(msgspec.Struct, gc=False):
    index: Any = None
    id: Any = None
    function: FunctionDelta | None = None
    custom: CustomDelta | None = None
    extra_content: Any = None


class ChoiceDelta(msgspec.Struct, gc=False):
    """A delta, or a whole message, which has the same fields."""

    content: Any = None
    refusal: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    reasoning_details: Any = None
    tool_calls: list[CallDelta] | None = None
    function_call: FunctionDelta | None = None
    images: Any = None


_TEXT, _REFUSAL, _THOUGHT = Text(""), Text("", refusal=True), Reasoning()
_Words = Text | Reasoning
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Call:
    __slots__ = ("arguments", "custom", "ended", "extension", "id", "name", "started")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.custom = False
        self.extension: dict[str, Any] | None = None
        self.arguments = StringIO()
        """All of them so far."""
        self.started = False
        self.ended = False

    def whole(self) -> bool:
        """Whether nothing can follow: the arguments are a JSON object."""
        text = self.arguments.getvalue()
        if self.custom or not text.rstrip().endswith("}"):
            return False
        try:
            _object.decode(text)
        except (ValueError, RecursionError):
            return False
        return True


class _Said:
    """Words that wait."""

    __slots__ = ("kind", "pieces")

    def __init__(self, kind: _Words, text: str) -> None:
        self.kind = kind
        self.pieces = [text]


class DeltaReader:
    """Turns deltas into events. Never raises."""

    __slots__ = (
        "_by_index",
        "_call",
        "_calls",
        "_details",
        "_field",
        "_last",
        "_legacy",
        "_open",
        "_space",
        "_space_of",
        "_waiting",
        "called",
        "events",
        "lost",
    )

    def __init__(self) -> None:
        self.events: list[Event] = []
        """Where events go; the owner takes them out."""
        self.called = False
        """There was a tool call."""
        self.lost = 0
        """Pieces that could not be put anywhere."""
        self._open: _Words | None = None
        """The open part, if it is words."""
        self._space_of: _Words | None = None
        self._space = ""
        """White space that no words have followed yet; alone it is no part (E78)."""
        self._call: _Call | None = None
        """The open part, if it is a call."""
        self._waiting: list[_Call | _Said] = []
        """What comes after the open call."""
        self._calls: dict[str, _Call] = {}
        self._by_index: dict[int, _Call] = {}
        self._last: _Call | None = None
        self._legacy: _Call | None = None
        self._field = ""
        """Where the thoughts stood."""
        self._details: list[dict[str, Any]] = []

    def read(self, delta: ChoiceDelta) -> None:
        if delta.reasoning_content or delta.reasoning or delta.reasoning_details:
            self._thoughts(delta)
        content = delta.content
        if content:
            if self._open is _TEXT and type(content) is str:
                self.events.append(Delta(content))  # most deltas are this and nothing else
            else:
                self._content(content)
        if isinstance(delta.refusal, str) and delta.refusal:
            self._words(_REFUSAL, delta.refusal)
        if delta.tool_calls:
            for call in delta.tool_calls:
                self._piece(call)
        if delta.function_call is not None:
            self._legacy_piece(delta.function_call)
        if delta.images:
            self._images(delta.images)

    def close(self) -> None:
        """The answer is complete: what waited comes out, whole."""
        self._end_words()
        self._end_call()
        waiting, self._waiting = self._waiting, []
        for item in waiting:
            if isinstance(item, _Call):
                self._call = item
                self._end_call()
            else:
                self._words(item.kind, "".join(item.pieces))
                self._end_words()
            self._space = ""
        self._sealed_details()

    def _content(self, content: Any) -> None:
        if isinstance(content, str):
            self._words(_TEXT, content)
        elif isinstance(content, list):  # Mistral's thoughts are parts of the content
            for part in content:
                if not isinstance(part, dict):
                    continue
                if part.get("type") == "thinking":
                    self._field = "thinking"
                    self._words(_THOUGHT, thinking_text(part))
                elif isinstance(part.get("text"), str):
                    self._words(_TEXT, part["text"])

    def _thoughts(self, delta: ChoiceDelta) -> None:
        said = delta.reasoning_content
        field = "reasoning_content"
        if not isinstance(said, str) or not said:
            said = delta.reasoning
            field = "reasoning"
        details = delta.reasoning_details
        if isinstance(details, list) and details:
            if not isinstance(said, str) or not said:
                said = text_of_details(details)
                field = "reasoning_details"
            for detail in details:
                if isinstance(detail, dict):
                    self._detail(detail)
        if isinstance(said, str) and said:
            self._field = field
            self._words(_THOUGHT, said)

    def _detail(self, detail: dict[str, Any]) -> None:
        """Details come in fragments, which the provider wants back as one."""
        last = self._details[-1] if self._details else None
        if last is None or any(last.get(key) != detail.get(key) for key in ("type", "index")):
            self._details.append(dict(detail))
            return
        for key, value in detail.items():
            before = last.get(key)
            if key in ("text", "summary", "data") and isinstance(before, str) and isinstance(value, str):
                last[key] = before + value
            elif value is not None:
                last[key] = value

    def _words(self, kind: _Words, text: str) -> None:
        if not text:
            return
        if self._call is not None and not self._leave_call():
            last = self._waiting[-1] if self._waiting else None
            if isinstance(last, _Said) and last.kind is kind:
                last.pieces.append(text)
            else:
                self._waiting.append(_Said(kind, text))
            return
        if self._open is not kind:
            if self._space_of is not kind:
                self._space_of, self._space = kind, ""
            if text.isspace():
                self._space += text
                return
            self._end_words()
            if kind is not _THOUGHT:
                self._sealed_details()
            self._open = kind
            self.events.append(PartStart(kind))
            text, self._space = self._space + text, ""
        self.events.append(Delta(text))

    def _end_words(self) -> None:
        if self._open is None:
            return
        if self._open is _THOUGHT:
            self.events.append(PartEnd(self._seal()))
        else:
            self.events.append(PartEnd())
        self._open = None

    def _seal(self) -> Seal | None:
        details, self._details = self._details, []
        if details and (self._field == "reasoning_details" or is_signed(details)):
            return extension_seal(details)
        return own_seal(self._field)

    def _sealed_details(self) -> None:
        """Details that no thoughts in plain text came with."""
        details, self._details = self._details, []
        if is_signed(details):
            self._whole(Reasoning(seal=extension_seal(details)))

    def _whole(self, part: Reasoning | Media) -> None:
        self.events.append(PartStart(part))
        self.events.append(PartEnd())

    def _piece(self, delta: CallDelta) -> None:
        custom = delta.custom
        if custom is not None and not isinstance(custom.name, str) and not isinstance(custom.input, str):
            custom = None  # some servers repeat an empty one on calls of functions
        function = delta.function
        name = custom.name if custom is not None else function.name if function is not None else None
        piece = custom.input if custom is not None else function.arguments if function is not None else None
        name = name if isinstance(name, str) else ""
        ident = delta.id if isinstance(delta.id, str) else ""
        call = self._find(delta.index, ident, name)
        self._last = call
        call.custom = call.custom or custom is not None
        call.id = call.id or ident
        if isinstance(delta.extra_content, dict) and delta.extra_content:
            call.extension = delta.extra_content
        self._extend(call, name, piece)

    def _legacy_piece(self, function: FunctionDelta) -> None:
        if self._legacy is None:
            self._legacy = self._new()
        name = function.name if isinstance(function.name, str) else ""
        self._extend(self._legacy, name, function.arguments)

    def _find(self, index: Any, ident: str, name: str) -> _Call:
        """The call that a piece belongs to. A piece with a name and another id begins a call even where the
        index says otherwise: some servers send the same index for all."""
        last = self._last
        call: _Call | None
        if type(index) is int:
            call = self._by_index.get(index)
            if call is None and not ident and not name:
                call = last
            if call is None or (ident and name and call.id and ident != call.id):
                call = self._new()
            self._by_index[index] = call
        elif ident:
            call = self._calls.get(ident) or self._new()
        elif last is None or (name and last.name and last.whole()):
            call = self._new()
        else:
            call = last
        if ident:
            self._calls[ident] = call
        return call

    def _new(self) -> _Call:
        call = _Call()
        if self._call is not None and not self._leave_call():
            self._waiting.append(call)
            return call
        self._end_words()
        self._space = ""
        self._sealed_details()
        self._call = call
        return call

    def _leave_call(self) -> bool:
        """Ends the open call if it is complete for certain."""
        if self._waiting or self._call is None or not self._call.whole():
            return False
        self._end_call()
        return True

    def _extend(self, call: _Call, name: str, piece: Any) -> None:
        if name and not call.started and name != call.name:
            call.name += name
        if isinstance(piece, dict):
            piece = msgspec.json.encode(piece).decode()
        if not isinstance(piece, str) or not piece:
            return
        if call.ended:
            self.lost += not piece.isspace()
            return
        call.arguments.write(piece)
        if call is not self._call:
            return
        if call.started:
            self.events.append(Delta(piece))
        elif call.name:
            self._start(call)

    def _start(self, call: _Call) -> None:
        call.started = self.called = True
        if call.extension is not None:
            self._whole(Reasoning(seal=extension_seal(call.extension)))
        self.events.append(PartStart(ToolCall(call.id, call.name, "", custom=call.custom)))
        text = call.arguments.getvalue()
        if text:
            self.events.append(Delta(text))

    def _end_call(self) -> None:
        call, self._call = self._call, None
        if call is None:
            return
        call.ended = True
        if not call.started and not call.name:
            self.lost += 1  # nobody can say what was to be called
            return
        if not call.started:
            self._start(call)
        self.events.append(PartEnd())

    def _images(self, images: Any) -> None:
        """Pictures that a model made, as OpenRouter sends them."""
        try:
            parts = read_content(images, "images")
        except BadBody:
            self.lost += 1
            return
        for part in parts:
            if isinstance(part, Media) and self._call is None:
                self._end_words()
                self._whole(part)
            else:
                self.lost += 1
