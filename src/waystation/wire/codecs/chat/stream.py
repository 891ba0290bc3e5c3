"""A provider's stream, read; and a stream for the tool, written."""

from typing import Any

import msgspec

from waystation.model import Refusal, Wire
from waystation.wire import tolerant
from waystation.wire.canonical import (
    Delta,
    Event,
    Failed,
    Finish,
    Media,
    PartEnd,
    PartStart,
    Reasoning,
    Started,
    Text,
    ToolCall,
)
from waystation.wire.codecs.chat.deltas import ChoiceDelta, DeltaReader
from waystation.wire.codecs.chat.spoken import Spoken, image
from waystation.wire.codecs.chat.words import (
    BROKE_OFF,
    finish_reason,
    service_tier,
    stop_reason,
    usage_object,
)
from waystation.wire.codecs.door import AnswerHead
from waystation.wire.errors import terminal_event
from waystation.wire.sse import EventSplitter, parse_event
from waystation.wire.stream_error import StreamError, read_error

_DONE = b"data: [DONE]\n\n"
_encode = msgspec.json.Encoder().encode


class _Choice(msgspec.Struct, gc=False):
    index: Any = 0
    delta: ChoiceDelta | None = None
    message: ChoiceDelta | None = None
    """Some servers send a whole answer as one event."""
    finish_reason: Any = None
    error: Any = None


class _Chunk(msgspec.Struct, gc=False):
    id: Any = None
    model: Any = None
    choices: list[_Choice] | None = None
    error: Any = None


_chunk = msgspec.json.Decoder(_Chunk)


def broke_off(word: str) -> StreamError:
    """For a finish reason that is a failure."""
    return StreamError(word, f"The provider broke off its answer ({word}).", 502)


class ChatStreamReader:
    """See the door. Finish comes with `[DONE]`, since usage may follow the reason; servers that end without
    it have said why they finished."""

    __slots__ = ("_deltas", "_over", "_reason", "_splitter", "_started", "skipped")

    def __init__(self) -> None:
        self._splitter = EventSplitter()
        self._deltas = DeltaReader()
        self._reason = ""
        self.skipped = 0
        self._started = False
        self._over = False

    def feed(self, data: bytes) -> list[Event]:
        region = self._splitter.feed(data)
        if region and not self._over:
            for raw in self._splitter.split(region):
                self._event(raw)
        return self._taken()

    def close(self) -> list[Event]:
        rest = self._splitter.close()
        if rest and not self._over:
            for raw in self._splitter.split(rest + b"\n\n"):
                self._event(raw)
        if self._reason:
            self._finish()
        return self._taken()

    def _taken(self) -> list[Event]:
        events = self._deltas.events
        self.skipped += self._deltas.lost
        self._deltas.lost = 0
        self._deltas.events = []
        return events

    def _event(self, raw: bytes) -> None:
        if self._over:
            return
        name = b""
        if raw.startswith(b"data: {") and raw.find(b"\n") == len(raw) - 2:
            data = raw[6:-2]
        else:
            name, found, _ = parse_event(raw)
            if found is None:
                return
            data = found
            if data.strip() == b"[DONE]":
                self._finish()
                return
        chunk = tolerant.decode(_chunk, data)
        if chunk is None:
            self.skipped += 1
        elif chunk.error is not None or name == b"error":  # before "no choices": it may have none (E14)
            self._fail(read_error(chunk.error))
        elif chunk.choices:
            self._begin(chunk)
            for choice in chunk.choices:
                if choice.index == 0 or type(choice.index) is not int:
                    self._choice(choice)
                    break

    def _begin(self, chunk: _Chunk) -> None:
        if not self._started:
            self._started = True
            ident = chunk.id if isinstance(chunk.id, str) else ""
            model = chunk.model if isinstance(chunk.model, str) else ""
            self._deltas.events.append(Started(ident, model))

    def _choice(self, choice: _Choice) -> None:
        delta = choice.delta if choice.delta is not None else choice.message
        if delta is not None:
            self._deltas.read(delta)
        if choice.error is not None:
            self._fail(read_error(choice.error))
        elif isinstance(choice.finish_reason, str) and choice.finish_reason:
            if choice.finish_reason in BROKE_OFF:
                self._fail(broke_off(choice.finish_reason))
                return
            self._reason = choice.finish_reason
            self._deltas.close()

    def _finish(self) -> None:
        if self._over:
            return
        self._over = True
        if not self._started:
            self._deltas.events.append(Started())
        self._deltas.close()
        reason = stop_reason(self._reason, called=self._deltas.called)
        self._deltas.events.append(Finish(reason))

    def _fail(self, error: StreamError) -> None:
        self._over = True
        self._deltas.events.append(Failed(error))


class ChatStreamWriter:
    """See the door. Every chunk but the last two has the same words around its delta, which are made once."""

    __slots__ = (
        "_after",
        "_before",
        "_begun",
        "_call",
        "_empty",
        "_glue",
        "_head",
        "_legacy",
        "_mute",
        "_open",
        "_over",
        "_prefix",
        "_spoken",
        "_tail",
    )

    def __init__(self, head: AnswerHead) -> None:
        self._head = head
        shared = {
            "id": f"chatcmpl-{head.id}",
            "object": "chat.completion.chunk",
            "created": head.created,
            "model": head.model,
        }
        self._prefix = b"data: " + _encode(shared)[:-1]
        asked = head.request
        self._tail = b',"usage":null}\n\n' if asked.include_usage else b"}\n\n"
        self._legacy = asked.legacy_functions
        self._spoken = Spoken()
        self._begun = self._over = False
        self._open = b""
        """The chunk of the open part, up to its text."""
        self._before = self._after = b""
        self._glue = ""
        """What goes before the first words of the open part."""
        self._call = -1
        """Index of the last tool call."""
        self._empty = False
        """The open part is a call without arguments so far."""
        self._mute = False
        """The open part cannot be said."""

    def write(self, events: list[Event]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if self._over:
                break
            if type(event) is Delta:
                if not self._mute and event.text:
                    self._delta(event.text, out)
            elif type(event) is PartStart:
                self._start(event, out)
            elif type(event) is PartEnd:
                self._end(event, out)
            elif type(event) is Finish:
                self._finish(event, out)
            elif type(event) is Failed:
                out.append(self.failure(event.error))
        return b"".join(out)

    def failure(self, error: StreamError | Refusal) -> bytes:
        if self._over:
            return b""
        self._over = True
        return terminal_event(Wire.CHAT, error)

    def _delta(self, text: str, out: list[bytes]) -> None:
        self._spoken.heard(text)
        if self._glue:
            text, self._glue = self._glue + text, ""
        self._empty = False
        out.append(self._before + _encode(text) + self._after)

    def _start(self, event: PartStart, out: list[bytes]) -> None:
        part = event.part
        self._mute = self._empty = False
        self._glue = self._spoken.start(part)
        if isinstance(part, Text):
            field = "refusal" if part.refusal else "content"
            self._opens(field, out, b'""' if not part.refusal else b"null")
        elif isinstance(part, Reasoning):
            self._opens("reasoning_content", out)
            self._mute = False
        elif isinstance(part, ToolCall):
            self._call_starts(part, out)
        elif isinstance(part, Media) and (part.data or part.url):
            self._begin(out)
            self._chunk({"images": [image(part)]}, out)
            self._mute = True
        else:
            self._mute = True

    def _end(self, event: PartEnd, out: list[bytes]) -> None:
        if self._empty:
            self._delta("{}", out)  # tools parse them, and nothing is no JSON
        self._spoken.end(event.seal)
        self._mute = True

    def _opens(self, field: str, out: list[bytes], content: bytes = b"null") -> None:
        self._begin(out, content)
        self._before = self._prefix + b',"choices":[{"index":0,"delta":{"' + field.encode() + b'":'
        self._after = b'},"logprobs":null,"finish_reason":null}]' + self._tail

    def _call_starts(self, part: ToolCall, out: list[bytes]) -> None:
        self._call += 1
        self._empty = not part.custom
        ident = self._spoken.call_id(part)
        if self._legacy:
            self._mute = self._call > 0  # one is all that this form can say
            if self._mute:
                self._empty = False
                return
            self._begin(out)
            self._chunk({"function_call": {"name": part.name, "arguments": ""}}, out)
            before, after = b'"function_call":{"arguments":', b"}}"
        else:
            kind, text = ("custom", "input") if part.custom else ("function", "arguments")
            call = {"index": self._call, "id": ident, "type": kind, kind: {"name": part.name, text: ""}}
            self._begin(out)
            self._chunk({"tool_calls": [call]}, out)
            before = b'"tool_calls":[{"index":%d,"%b":{"%b":' % (self._call, kind.encode(), text.encode())
            after = b"}}]}"
        self._before = self._prefix + b',"choices":[{"index":0,"delta":{' + before
        self._after = after + b',"logprobs":null,"finish_reason":null}]' + self._tail

    def _begin(self, out: list[bytes], content: bytes = b"null") -> None:
        """The chunk with the role. It waits for the first part: what that is decides on its content, and no
        tool needs it before."""
        if not self._begun:
            self._begun = True
            self._raw(b'{"role":"assistant","content":' + content + b"}", out)

    def _chunk(self, delta: dict[str, Any], out: list[bytes]) -> None:
        self._raw(_encode(delta), out)

    def _raw(self, delta: bytes, out: list[bytes], reason: bytes = b"null") -> None:
        out.append(
            self._prefix
            + b',"choices":[{"index":0,"delta":'
            + delta
            + b',"logprobs":null,"finish_reason":'
            + reason
            + b"}]"
            + self._tail
        )

    def _finish(self, finish: Finish, out: list[bytes]) -> None:
        self._begin(out, b'""')
        self._raw(b"{}", out, _encode(finish_reason(finish.reason, legacy=self._legacy)))
        usage = finish.usage
        if usage is not None and self._head.request.include_usage:
            tier = service_tier(usage)
            served = b',"service_tier":' + _encode(tier) if tier else b""
            out.append(
                self._prefix + b',"choices":[],"usage":' + _encode(usage_object(usage)) + served + b"}\n\n"
            )
        out.append(_DONE)
        self._over = True
