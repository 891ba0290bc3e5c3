"""Gemini's stream → events. Also reads a whole answer, which is a stream of one chunk.

Server-sent events with `alt=sse`, else one JSON array; which of them, the bytes tell. There is no terminal
event: usage and parts may follow the finish reason, so the end of the body is the end (E102).
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import msgspec

from waystation.model import Wire
from waystation.wire import tolerant
from waystation.wire.bad_body import BadBody
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
    StopReason,
    Text,
    ToolCall,
)
from waystation.wire.codecs.generate.parts import OF_CANDIDATE, UNNAMED, Json, read_file, read_inline
from waystation.wire.json_array import JsonElements
from waystation.wire.sse import EventSplitter, parse_event
from waystation.wire.stream_error import StreamError, read_error


class _FunctionCall(msgspec.Struct, gc=False):
    name: str | None = None
    id: str | None = None
    args: msgspec.Raw = msgspec.Raw()


class _Part(msgspec.Struct, gc=False, rename="camel"):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: _FunctionCall | None = None


class _Content(msgspec.Struct, gc=False):
    parts: list[msgspec.Raw] | None = None


class _Candidate(msgspec.Struct, gc=False, rename="camel"):
    content: _Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None
    index: int | None = None
    grounding_metadata: Any = None
    url_context_metadata: Any = None
    citation_metadata: Any = None


class _PromptFeedback(msgspec.Struct, gc=False, rename="camel"):
    block_reason: str | None = None
    block_reason_message: str | None = None


class _Chunk(msgspec.Struct, gc=False, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _PromptFeedback | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


_chunk = msgspec.json.Decoder(_Chunk)
_decode_part = msgspec.json.Decoder(_Part).decode
_decode = msgspec.json.decode

_REASONS = {
    "STOP": StopReason.END,
    "MAX_TOKENS": StopReason.MAX_TOKENS,
    "CONTINUATION": StopReason.MAX_TOKENS,
    "SAFETY": StopReason.REFUSAL,
    "RECITATION": StopReason.REFUSAL,
    "LANGUAGE": StopReason.REFUSAL,
    "BLOCKLIST": StopReason.REFUSAL,
    "PROHIBITED_CONTENT": StopReason.REFUSAL,
    "SPII": StopReason.REFUSAL,
    "IMAGE_SAFETY": StopReason.REFUSAL,
    "IMAGE_PROHIBITED_CONTENT": StopReason.REFUSAL,
    "IMAGE_RECITATION": StopReason.REFUSAL,
    "ESCALATION": StopReason.REFUSAL,
    "PUP_LIMITED_DISABLED": StopReason.REFUSAL,
    "MODEL_ARMOR": StopReason.REFUSAL,
}
_BROKEN = {
    "MALFORMED_FUNCTION_CALL": "The model wrote a function call that cannot be read.",
    "UNEXPECTED_TOOL_CALL": "The model called a function that it was not offered.",
    "TOO_MANY_TOOL_CALLS": "The model called too many tools of the provider.",
    "MISSING_THOUGHT_SIGNATURE": "The provider misses a thought signature in the conversation.",
    "MALFORMED_RESPONSE": "The model wrote an answer that cannot be read.",
}
"""Reasons that say that the answer is none. Asking again helps, so they are errors, not ends; unless there
are calls in the answer that can be answered."""
_UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"


class GenerateReader:
    """See `StreamReader`."""

    __slots__ = (
        "_blocked",
        "_calls",
        "_done",
        "_elements",
        "_fragments",
        "_grounding",
        "_message",
        "_open",
        "_out",
        "_reason",
        "_response_id",
        "_said",
        "_splitter",
        "_started",
        "answered",
        "skipped",
    )

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._fragments = self._splitter.fragments
        self._elements: JsonElements | None = None
        self._started = False
        """The first byte was seen."""
        self._out: list[Event] = []
        self._open = ""
        """What the open part is: `text`, `thought`, or thoughts that are `sealed` already."""
        self._calls = 0
        self._said = False
        """There was content."""
        self._reason = ""
        self._message = ""
        self._blocked = False
        self._response_id: str | None = None
        self._grounding: dict[str, Native] = {}
        self._done = False
        self.answered = False
        """The model has said something, or the provider why it did not."""
        self.skipped = 0

    def feed(self, data: bytes) -> list[Event]:
        if self._elements is not None:
            return self._read_all(self._elements.feed(data))
        if not self._started:
            first = data.lstrip()[:1]
            if not first:
                return []
            self._started = True
            if first in b"[{":
                self._elements = JsonElements()
                return self._read_all(self._elements.feed(data))
        if not self._fragments and data.startswith(b"data: "):  # one whole event, as it mostly comes
            end = data.find(b"\n")
            if end == len(data) - 2 and data[-1:] == b"\n":
                return self._read_all((data[6:end],))
            if end == len(data) - 3 and data[-4:] == b"\r\n\r\n":
                return self._read_all((data[6 : end - 1],))
        region = self._splitter.feed(data)
        return self._read_region(region) if region else []

    def close(self) -> list[Event]:
        events: list[Event] = []
        if self._elements is None:
            rest = self._splitter.close()
            if rest:
                events = self._read_region(rest + b"\n\n")
        if not self._done:
            self._done = True
            self._close_part()
            if self._reason or self._blocked:
                self._end()
            events += self._taken()
        return events

    def _read_region(self, region: bytes) -> list[Event]:
        data = [parse_event(raw)[1] for raw in self._splitter.split(region)]
        return self._read_all([one for one in data if one is not None])

    def _read_all(self, chunks: Sequence[bytes]) -> list[Event]:
        for chunk in chunks:
            if not self._done:
                self._read(chunk)
        return self._taken()

    def _taken(self) -> list[Event]:
        out, self._out = self._out, []
        return out

    def read(self, chunk: bytes) -> list[Event]:
        """One whole chunk, as JSON."""
        return self._read_all((chunk,))

    def _read(self, data: bytes) -> None:
        chunk = tolerant.decode(_chunk, data)
        if chunk is None:
            self.skipped += 1
            return
        if chunk.error is not None:
            self._done = True
            self._out.append(Failed(read_error(chunk.error)))
            return
        if self._response_id is None:
            self._response_id = chunk.response_id or ""
            self._out.append(Started(self._response_id, chunk.model_version or ""))
        if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason:
            self._blocked = self.answered = True
            self._message = chunk.prompt_feedback.block_reason_message or self._message
        for candidate in chunk.candidates or ():
            if not candidate.index:  # only one is asked for
                self.answered = True
                self._read_candidate(candidate, data)
                break

    def _read_candidate(self, candidate: _Candidate, data: bytes) -> None:
        if candidate.content is not None:
            for raw in candidate.content.parts or ():
                self._read_part(bytes(raw), data)
        if candidate.grounding_metadata or candidate.url_context_metadata or candidate.citation_metadata:
            for kind, value in zip(
                OF_CANDIDATE,
                (candidate.grounding_metadata, candidate.url_context_metadata, candidate.citation_metadata),
                strict=True,
            ):
                if value:  # cumulative: the last one counts
                    self._grounding[kind] = Native(Wire.GENERATE, kind, {kind: value})
        if candidate.finish_reason and candidate.finish_reason != _UNSPECIFIED:
            self._reason = candidate.finish_reason
            self._message = candidate.finish_message or self._message

    def _read_part(self, raw: bytes, data: bytes) -> None:
        part = _read_part(raw)
        if part is None:
            self.skipped += 1
            return
        signature = part.thought_signature
        text = part.text
        if text is None:
            if signature:
                self._seal(signature)
            self._close_part()
            call = part.function_call
            if call is not None and call.name:
                self._call(call, call.name, data)
            else:
                self._other(raw)
            return
        kind = "thought" if part.thought else "text"
        seal: Seal | None = None
        if signature and text and kind == self._open == "text":
            # Its seal comes behind it: a tool may take the last text of an answer for the whole of it.
            self._out.append(Delta(text))
            self._seal(signature)
            return
        if signature:
            if part.thought and text:
                seal, kind = Seal(Wire.GENERATE, signature), "sealed"
            else:
                self._seal(signature)
        if not text:
            return
        if kind != self._open or seal is not None:
            self._close_part()
            self._open = kind
            self._out.append(PartStart(Reasoning(seal=seal) if part.thought else Text("")))
        self._said = self._said or not part.thought
        self._out.append(Delta(text))

    def _seal(self, signature: str) -> None:
        """The seal of the part that follows: at the end of the thoughts before it, or on its own."""
        seal = Seal(Wire.GENERATE, signature)
        if self._open == "thought":
            self._open = ""
            self._out.append(PartEnd(seal))
        else:
            self._close_part()
            self._put(Reasoning(seal=seal))

    def _call(self, call: _FunctionCall, name: str, data: bytes) -> None:
        arguments = _arguments(bytes(call.args))
        ident = call.id or _mint(self._response_id, data, self._calls)
        self._calls += 1
        self._said = True
        self._out += (PartStart(ToolCall(ident, name, "")), Delta(arguments), PartEnd())

    def _other(self, raw: bytes) -> None:
        """Anything else: pictures are known everywhere, the rest to Gemini alone."""
        try:
            fields: Json = _decode(raw)
        except (ValueError, RecursionError):
            self.skipped += 1
            return
        fields.pop("thoughtSignature", None)
        kind = next((key for key in fields if key not in ("thought", "thoughtSignature")), "")
        part: Part
        try:
            if isinstance(fields.get("inlineData"), dict):
                part = read_inline(fields["inlineData"], "inlineData")
            elif isinstance(fields.get("fileData"), dict):
                part = read_file(fields["fileData"], "fileData")
            elif kind:
                part = Native(Wire.GENERATE, kind, fields)
            else:
                return
        except BadBody:
            self.skipped += 1
            return
        self._said = True
        self._put(part)

    def _put(self, part: Part) -> None:
        self._out += (PartStart(part), PartEnd())

    def _close_part(self) -> None:
        if self._open:
            self._open = ""
            self._out.append(PartEnd())

    def _end(self) -> None:
        for native in self._grounding.values():
            self._put(native)
        reason = _REASONS.get(self._reason)
        if self._blocked and not self._reason:
            reason = StopReason.REFUSAL
        if reason is StopReason.REFUSAL and self._message and not self._said:
            self._out += (PartStart(Text("", refusal=True)), Delta(self._message), PartEnd())
        if self._calls and reason is not StopReason.MAX_TOKENS and reason is not StopReason.REFUSAL:
            reason = StopReason.TOOL_USE
        if reason is None and self._said and self._reason not in _BROKEN:
            reason = StopReason.END
        if reason is not None:
            self._out.append(Finish(reason))
            return
        message = self._message or _BROKEN.get(self._reason, "The model gave no answer.")
        self._out.append(Failed(StreamError(self._reason, message, 502)))


def _read_part(raw: bytes) -> _Part | None:
    """A part; where some field has an unexpected type, what can be had of it."""
    try:
        return _decode_part(raw)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        pass
    try:
        fields = _decode(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    part = tolerant.salvage({key: value for key, value in fields.items() if key != "functionCall"}, _Part)
    call = fields.get("functionCall")
    if isinstance(call, dict):
        name, ident = call.get("name"), call.get("id")
        part.function_call = _FunctionCall(
            name if isinstance(name, str) else None,
            ident if isinstance(ident, str) else None,
            msgspec.Raw(msgspec.json.encode(call.get("args"))),
        )
    return part


def _arguments(raw: bytes) -> str:
    """The arguments as they were written, on one line."""
    if not raw or raw == b"null":
        return "{}"
    if b"\n" in raw or b"\r" in raw:
        raw = msgspec.json.format(raw, indent=-1)
    return raw.decode("utf-8", "replace")


def _mint(response_id: str | None, data: bytes, position: int) -> str:
    """An id for a call without one: the same however the stream was cut, another in every answer (E73)."""
    origin = response_id.encode("utf-8", "replace") if response_id else data
    return f"{UNNAMED}{hashlib.blake2s(origin, digest_size=9).hexdigest()}_{position}"
