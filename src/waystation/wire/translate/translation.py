"""One attempt in another protocol than the tool's."""

import re

import msgspec

from waystation.model import Operation, Wire
from waystation.wire import read_body
from waystation.wire.canonical import (
    Conversation,
    CustomTool,
    Event,
    Finish,
    FunctionTool,
    Reply,
    Started,
    Tool,
    ToolCall,
)
from waystation.wire.codecs import AnswerHead, Notes, Target, codec_for
from waystation.wire.restate import restate
from waystation.wire.stream_error import StreamError
from waystation.wire.tap import StreamTap
from waystation.wire.translate.collect import parts_of
from waystation.wire.translate.ids import AnswerIds
from waystation.wire.translate.lower import lower
from waystation.wire.translate.raising import Raiser
from waystation.wire.translate.tap import TranslatedTap

_PREFERRED: dict[Wire, tuple[Wire, ...]] = {
    Wire.MESSAGES: (Wire.CONVERSE, Wire.RESPONSES, Wire.GENERATE, Wire.CHAT),
    Wire.RESPONSES: (Wire.MESSAGES, Wire.CONVERSE, Wire.GENERATE, Wire.CHAT),
    Wire.CHAT: (Wire.RESPONSES, Wire.MESSAGES, Wire.CONVERSE, Wire.GENERATE),
    Wire.GENERATE: (Wire.MESSAGES, Wire.CONVERSE, Wire.RESPONSES, Wire.CHAT),
}
"""Those first that have places for most of what the protocol can say: seals, several results, pictures in
results. Chat Completions has the fewest."""
_ENVELOPES = (b'"ws10', b"~ws10")
_PRINTABLE = re.compile(r"[A-Za-z0-9_.=\[\]-]{1,64}\Z")
_OTHER = "other"
_MOST_NOTES = 32


def translatable(source: Wire, targets: tuple[Wire, ...]) -> Wire | None:
    """The wire to translate to: the one of a provider's that says most of what `source` can say; None if
    there is none. A provider that speaks `source` itself is never translated to."""
    if source in targets:
        return None
    return next((wire for wire in _PREFERRED.get(source, ()) if wire in targets), None)


def holds_envelopes(body: bytes) -> bool:
    """Whether a request may hold seals that other providers made while the conversation was with them.

    Its own protocol's provider would refuse them (E21). A Translation to the tool's own protocol takes them out
    and changes nothing else; the answer needs no translation then.
    """
    return any(mark in body for mark in _ENVELOPES)


class Translation:
    """See the package. Reading the request costs one parse, which attempts at further routes share.

    It keeps none of the conversation's turns, so that a long one need not be in memory while the answer comes.
    """

    __slots__ = ("_head", "_names", "_replayed", "_source", "_target", "body", "changed", "dropped")

    body: bytes
    """What the provider is sent."""
    dropped: tuple[str, ...]
    """For `x-waystation-dropped`."""
    changed: tuple[str, ...]
    """For `x-waystation-changed`."""

    def __init__(self, source: Wire, conversation: Conversation, target: Target, head: AnswerHead) -> None:
        """Raises BadBody where the target cannot be sent anything like it, naming the field."""
        notes = Notes()
        lowered = lower(conversation, source, target, notes)
        self.body = codec_for(target.wire).write_request(lowered.conversation, target, notes)
        self.dropped = _presentable(notes.dropped)
        self.changed = _presentable(notes.changed)
        self._source = source
        self._target = target
        self._names = lowered.names
        self._replayed = frozenset(
            part.id for turn in conversation.turns for part in turn.parts if isinstance(part, ToolCall)
        )
        self._head = msgspec.structs.replace(head, request=_outline(head.request))

    @staticmethod
    def read(source: Wire, body: bytes, *, model: str, stream: bool) -> Conversation:
        """The tool's request; raises BadBody naming the field."""
        return codec_for(source).read_request(body, model=model, stream=stream)

    def tap(self) -> StreamTap:
        """For one streamed answer: takes the provider's bytes, gives the tool's; usage, error, terminal and
        the rest as the provider's own tap has them."""
        reader = codec_for(self._target.wire).reader()
        writer = codec_for(self._source).writer(self._head)
        return TranslatedTap(self._target.wire, reader, self._raiser(), writer, self._restated)

    def reply(self, body: bytes) -> bytes:
        """A whole answer (status 200) in the tool's protocol. Raises BadBody if it is not one."""
        reply, events = self._raised(body)
        end = events[-1]
        assert isinstance(end, Finish)  # a whole answer has one
        raised = Reply(parts_of(events), end.reason, end.usage, reply.id, reply.model, end.stop_sequence)
        return codec_for(self._source).write_reply(raised, self._head)

    def streamed_reply(self, body: bytes) -> bytes:
        """The same as a whole stream, where the tool asked for one and the provider did not do so (E50)."""
        return codec_for(self._source).writer(self._head).write(self._raised(body)[1])

    def failed_stream(self, error: StreamError) -> bytes:
        """A stream that only says that it failed, for a tool that reads an error's meaning nowhere else."""
        writer = codec_for(self._source).writer(self._head)
        return writer.write([Started()]) + writer.failure(error)

    def _restated(self, error: StreamError) -> StreamError:
        window = self._target.capabilities.context_window
        return restate(error, self._target.wire, self._source, window=window)

    def _raised(self, body: bytes) -> tuple[Reply, list[Event]]:
        wire = self._target.wire
        reply = codec_for(wire).read_reply(body)
        usage = read_body(wire, Operation.GENERATE, 200, body).usage
        return reply, self._raiser().raised(reply.events(), usage)

    def _raiser(self) -> Raiser:
        ids = AnswerIds(self._source, self._head.id, self._replayed)
        return Raiser(self._source, self._target, self._names, ids)


def _outline(request: Conversation) -> Conversation:
    """What an answer may repeat of its request. Its turns, instructions and schemas are most of it, and would be kept
    as long as a stream lasts; of the tools, a choice among them needs the names."""
    tools = request.tools if request.tool_choice is not None else ()
    return msgspec.structs.replace(request, system=(), turns=(), tools=tuple(map(_bare, tools)))


def _bare(tool: Tool) -> Tool:
    if isinstance(tool, FunctionTool):
        return FunctionTool(tool.name, namespace=tool.namespace)
    return CustomTool(tool.name, namespace=tool.namespace) if isinstance(tool, CustomTool) else tool


def _presentable(notes: dict[str, None]) -> tuple[str, ...]:
    """Notes for a header and for the labels of a counter: few, short and plain, whatever a tool wrote."""
    plain = dict.fromkeys(note if _PRINTABLE.match(note) else _OTHER for note in notes)
    return tuple(plain)[:_MOST_NOTES]
