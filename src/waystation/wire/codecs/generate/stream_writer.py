"""Events → the stream that a tool of Gemini's reads, and the whole answer.

Every chunk has a candidate with at least one part and the last one a finish reason: Google's Python SDK drops
the turn from a chat otherwise, and Gemini CLI asks again.
"""

import msgspec

from waystation.model import Refusal, Usage, Wire
from waystation.wire.canonical import (
    Conversation,
    Delta,
    Event,
    Failed,
    Finish,
    Media,
    Native,
    PartEnd,
    PartStart,
    Reasoning,
    Reply,
    StopReason,
    Text,
    ToolCall,
)
from waystation.wire.codecs.door import AnswerHead
from waystation.wire.codecs.generate.parts import OF_CANDIDATE, Json, write_media
from waystation.wire.codecs.generate.signatures import pack
from waystation.wire.errors import error_object
from waystation.wire.stream_error import StreamError

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.decode

_REASONS = {
    StopReason.END: "STOP",
    StopReason.TOOL_USE: "STOP",
    StopReason.STOP_SEQUENCE: "STOP",
    StopReason.PAUSE: "STOP",
    StopReason.MAX_TOKENS: "MAX_TOKENS",
    StopReason.CONTEXT_FULL: "MAX_TOKENS",
    StopReason.REFUSAL: "SAFETY",
}
_MALFORMED = "MALFORMED_FUNCTION_CALL"
_HEAD = b'{"candidates":[{"content":{"parts":['
_TAIL = b'],"role":"model"},"index":0}]'


class _Parts:
    """Events → parts, each as JSON. A call is written when it is whole, for its arguments are an object here.

    A call whose arguments are no JSON object is not written at all: Gemini says MALFORMED_FUNCTION_CALL then,
    which its tools know to ask again for; an empty object instead could run a tool as nobody asked for.
    """

    __slots__ = (
        "_arguments",
        "_call",
        "_shown",
        "_thinking",
        "_thoughts",
        "beside",
        "malformed",
        "sealed",
    )

    def __init__(self, request: Conversation) -> None:
        self._shown = request.thinking is None or request.thinking.show != "none"
        """The tool wants to see the thoughts. Their seal travels in any case."""
        self._call: ToolCall | None = None
        self._arguments: list[str] = []
        self._thinking: Reasoning | None = None
        self._thoughts: list[str] = []
        self.sealed: list[Reasoning] = []
        """What the signature of the next part has to carry."""
        self.beside: Json = {}
        """Fields of the candidate."""
        self.malformed = False

    def delta(self, text: str) -> bytes:
        """The part for more of the open one; empty for none."""
        if self._call is not None:
            self._arguments.append(text)
            return b""
        if not text:
            return b""
        if self._thinking is not None:
            self._thoughts.append(text)
            return b'{"text":' + _encode(text) + b',"thought":true}' if self._shown else b""
        if self.sealed:
            return b'{"text":' + _encode(text) + self.signature() + b"}"
        return b'{"text":' + _encode(text) + b"}"

    def start(self, event: PartStart) -> bytes:
        part = event.part
        if isinstance(part, Text):
            return self.delta(part.text)
        if isinstance(part, Reasoning):
            self._thinking = part
            return self.delta(part.text)
        if isinstance(part, ToolCall):
            self._call = part
            self._arguments.append(part.arguments)
            return b""
        if isinstance(part, Media):
            shape = write_media(part)
            return b"" if shape is None else self._signed(shape)
        if isinstance(part, Native) and part.wire is Wire.GENERATE:
            if part.kind not in OF_CANDIDATE:
                return self._signed(part.raw)
            self.beside.update(part.raw)
        return b""

    def end(self, event: PartEnd) -> bytes:
        call, thinking = self._call, self._thinking
        if thinking is not None:
            seal = event.seal or thinking.seal
            if seal is not None:
                text = "".join(self._thoughts)
                self.sealed.append(msgspec.structs.replace(thinking, text=text, seal=seal))
            self._thinking = None
            self._thoughts.clear()
        if call is None:
            return b""
        text = "".join(self._arguments)
        self._call = None
        self._arguments.clear()
        arguments = _object(text, custom=call.custom)
        if arguments is None:
            self.malformed = True
            return b""
        shape: Json = {"name": call.name, "args": msgspec.Raw(arguments)}
        if call.id:
            shape["id"] = call.id
        return self._signed({"functionCall": shape})

    def signature(self) -> bytes:
        """The field of the part that comes now, with a comma before it; empty where nothing was sealed."""
        signature = pack(self.sealed) if self.sealed else ""
        self.sealed.clear()
        return b',"thoughtSignature":' + _encode(signature) if signature else b""

    def _signed(self, shape: Json) -> bytes:
        return _encode(shape)[:-1] + self.signature() + b"}"


def _object(text: str, *, custom: bool) -> bytes | None:
    """Arguments as one line of JSON; None where they are no object."""
    if custom:
        return _encode({"input": text})
    if not text or text.isspace():
        return b"{}"
    try:
        value = _decode(text)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return None
    if not isinstance(value, dict):
        return b"{}" if value is None else None
    data = text.encode()
    return msgspec.json.format(data, indent=-1) if b"\n" in data or b"\r" in data else data


def _identity(head: AnswerHead) -> bytes:
    return b',"modelVersion":' + _encode(head.model) + b',"responseId":' + _encode(head.id) + b"}"


def _ending(finish: Finish, parts: _Parts, last: bytes) -> bytes:
    """The end of a chunk that is the last: from its last part on, without what names the answer."""
    reason = _REASONS[finish.reason]
    if parts.malformed and reason == "STOP":
        reason = _MALFORMED
    fields: Json = {"finishReason": reason, "index": 0, **parts.beside}
    ending = last + b'],"role":"model"},' + _encode(fields)[1:] + b"]"
    if finish.usage is not None:
        ending += b',"usageMetadata":' + _encode(_usage(finish.usage))
    return ending


def _usage(usage: Usage) -> Json:
    """The prompt includes what was cached, the candidates do not include the thoughts, and the total is the
    sum (E101, E102)."""
    counts = {
        "promptTokenCount": usage.prompt,
        "candidatesTokenCount": max(0, usage.output - usage.reasoning),
        "totalTokenCount": usage.prompt + max(usage.output, usage.reasoning),
    }
    if usage.cache_read:
        counts["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        counts["thoughtsTokenCount"] = usage.reasoning
    return counts


class GenerateWriter:
    """See `StreamWriter`. Without `head.events` the stream is one JSON array, closed whatever happens."""

    __slots__ = ("_before", "_between", "_closed", "_closing", "_parts", "_tail", "_written")

    def __init__(self, head: AnswerHead) -> None:
        self._parts = _Parts(head.request)
        self._tail = _identity(head)
        self._written = False
        self._closed = False
        if head.events:
            self._before = self._between = b"data: "
            self._tail += b"\n\n"
            self._closing = b""
        else:
            self._before, self._between, self._closing = b"[", b",\n", b"]"

    def write(self, events: list[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if self._closed:
                break
            if isinstance(event, Delta):
                part = self._parts.delta(event.text)
            elif isinstance(event, PartStart):
                part = self._parts.start(event)
            elif isinstance(event, PartEnd):
                part = self._parts.end(event)
            elif isinstance(event, Finish):
                out.append(self._finish(event))
                continue
            elif isinstance(event, Failed):
                out.append(self.failure(event.error))
                continue
            else:
                continue
            if part:
                out.append(self._lead() + _HEAD + part + _TAIL + self._tail)
        return b"".join(out)

    def failure(self, error: StreamError | Refusal) -> bytes:
        if self._closed:
            return b""
        self._closed = True
        ending = b"\n\n" if not self._closing else b""
        return self._lead() + error_object(Wire.GENERATE, error) + ending + self._closing

    def _finish(self, finish: Finish) -> bytes:
        self._closed = True
        last = b'{"text":""' + self._parts.signature() + b"}"
        return self._lead() + _HEAD + _ending(finish, self._parts, last) + self._tail + self._closing

    def _lead(self) -> bytes:
        lead = self._between if self._written else self._before
        self._written = True
        return lead


def whole(reply: Reply, head: AnswerHead) -> bytes:
    """A whole answer, with the very parts that the stream has."""
    parts = _Parts(head.request)
    written: list[bytes] = []
    finish = Finish(reply.reason, reply.usage, reply.stop_sequence)
    for event in reply.events():
        part = b""
        if isinstance(event, Delta):
            part = parts.delta(event.text)
        elif isinstance(event, PartStart):
            part = parts.start(event)
        elif isinstance(event, PartEnd):
            part = parts.end(event)
        if part:
            written.append(part)
    if parts.sealed or not written:
        written.append(b'{"text":""' + parts.signature() + b"}")
    return _HEAD + _ending(finish, parts, b",".join(written)) + _identity(head)
