"""Whole answers: of a provider, and for a tool."""

import msgspec

from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import (
    Delta,
    Event,
    Failed,
    Finish,
    Part,
    PartEnd,
    PartStart,
    Reasoning,
    Reply,
    Seal,
    Started,
    StopReason,
    Text,
    ToolCall,
)
from waystation.wire.codecs.door import AnswerHead
from waystation.wire.codecs.generate.stream import GenerateReader
from waystation.wire.codecs.generate.stream_writer import whole
from waystation.wire.json_array import JsonElements

_NO_ANSWER = "The provider's answer is not one of generateContent."


def read_reply(body: bytes) -> Reply:
    """See `Codec.read_reply`. An array of chunks is read too, as a stream that nobody read."""
    reader = GenerateReader()
    chunks = JsonElements(len(body)).feed(body) if body.lstrip()[:1] == b"[" else [body]
    events: list[Event] = []
    for chunk in chunks:
        events += reader.read(chunk)
    events += reader.close()
    failed = next((event for event in events if isinstance(event, Failed)), None)
    if failed is not None:
        raise BadBody(f"The provider answered with an error: {failed.error.type}.")
    if not reader.answered:
        raise BadBody(_NO_ANSWER)
    return _reply(events)


def write_reply(reply: Reply, head: AnswerHead) -> bytes:
    """See `Codec.write_reply`."""
    return whole(reply, head)


def _reply(events: list[Event]) -> Reply:
    parts: list[Part] = []
    texts: list[str] = []
    ident = model = ""
    reason: StopReason | None = None
    for event in events:
        if isinstance(event, Delta):
            texts.append(event.text)
        elif isinstance(event, PartStart):
            parts.append(event.part)
        elif isinstance(event, PartEnd):
            _complete(parts, texts, event.seal)
        elif isinstance(event, Started):
            ident, model = event.id, event.model
        elif isinstance(event, Finish):
            reason = event.reason
    if reason is None:  # an answer that does not say how it ended has ended all the same
        calls = any(isinstance(part, ToolCall) for part in parts)
        reason = StopReason.TOOL_USE if calls else StopReason.END
    return Reply(tuple(parts), reason, id=ident, model=model)


def _complete(parts: list[Part], texts: list[str], seal: Seal | None) -> None:
    """Give the last part what came after its start."""
    text, last = "".join(texts), parts[-1]
    if isinstance(last, Reasoning):
        parts[-1] = msgspec.structs.replace(last, text=text, seal=seal or last.seal)
    elif isinstance(last, Text) and text:
        parts[-1] = msgspec.structs.replace(last, text=text)
    elif isinstance(last, ToolCall):
        parts[-1] = msgspec.structs.replace(last, arguments=text)
    texts.clear()
