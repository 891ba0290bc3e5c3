"""A provider's answer as the tool understands it: the names, ids, free texts and seals of its own request."""

import msgspec

from waystation.model import Usage, Wire
from waystation.wire.canonical import (
    Delta,
    Event,
    Finish,
    Native,
    PartEnd,
    PartStart,
    Reasoning,
    StopReason,
    Text,
    ToolCall,
)
from waystation.wire.codecs import Target
from waystation.wire.translate import seals
from waystation.wire.translate.custom import InputReader
from waystation.wire.translate.ids import AnswerIds
from waystation.wire.translate.names import Names

_NOTHING = PartEnd()
_NO_ARGUMENTS = Delta("{}")


class Raiser:
    """One answer on its way back. Of an event it makes at once what the tool gets of it, with three exceptions:
    a text begins with its first word, so that no empty one reaches the tool (E78); a custom tool's input, where
    the model did not follow its schema, is known only at its end; and what only the provider's protocol has is
    left out."""

    __slots__ = (
        "_called",
        "_empty",
        "_held",
        "_ids",
        "_input",
        "_left_out",
        "_names",
        "_source",
        "_target",
        "_thought",
    )

    def __init__(self, source: Wire, target: Target, names: Names, ids: AnswerIds) -> None:
        self._source = source
        self._target = target
        self._names = names
        self._ids = ids
        self._called = False
        self._held: PartStart | None = None
        """The start of a part in which nothing stands yet."""
        self._empty = False
        """The open part is a call without arguments so far."""
        self._input: InputReader | None = None
        self._thought: Reasoning | None = None
        """The open part, if it is a thought."""
        self._left_out = False

    def raised(self, events: list[Event], usage: Usage | None) -> list[Event]:
        """The tool's events; `usage` is what the provider has said of it by now."""
        out: list[Event] = []
        for event in events:
            if isinstance(event, Delta):
                self._delta(event, out)
            elif isinstance(event, PartStart):
                self._start(event, out)
            elif isinstance(event, PartEnd):
                self._end(event, out)
            elif isinstance(event, Finish):
                out.append(Finish(self._reason(event.reason), usage, event.stop_sequence))
            else:
                out.append(event)
        return out

    def _delta(self, event: Delta, out: list[Event]) -> None:
        if self._left_out or not event.text:
            return
        if self._held is not None:
            out.append(self._held)
            self._held = None
        if self._input is not None:
            text = self._input.feed(event.text)
            if text:
                out.append(Delta(text))
            return
        self._empty = False
        out.append(event)

    def _start(self, event: PartStart, out: list[Event]) -> None:
        part = event.part
        if isinstance(part, Text):
            self._held = event
        elif isinstance(part, ToolCall):
            self._called = self._empty = True
            origin = self._names.origin(part.name)
            if origin.custom and not part.custom:
                self._input = InputReader()
            ident = self._ids.raised(part.id)
            out.append(
                PartStart(ToolCall(ident, origin.name, "", origin.namespace, origin.custom or part.custom))
            )
        elif isinstance(part, Reasoning):
            if part.seal is not None:
                part = msgspec.structs.replace(part, seal=seals.stamp(part.seal, part, self._target.provider))
                out.append(PartStart(part))
            else:
                self._held = event
            self._thought = part
        elif isinstance(part, Native) and part.wire is not self._source:
            self._left_out = True
        else:
            out.append(event)

    def _end(self, event: PartEnd, out: list[Event]) -> None:
        thought, self._thought = self._thought, None
        if self._left_out:
            self._left_out = False
        elif thought is not None:
            self._end_thought(thought, event, out)
        elif self._held is not None:
            self._held = None
        else:
            if self._input is not None:
                rest = self._input.close()
                if rest:
                    out.append(Delta(rest))
            elif self._empty:
                out.append(_NO_ARGUMENTS)
            out.append(_NOTHING)
        self._input = None
        self._empty = False

    def _end_thought(self, thought: Reasoning, event: PartEnd, out: list[Event]) -> None:
        provider = self._target.provider
        if event.seal is not None:
            if self._held is not None:
                out.append(self._held)
            out.append(PartEnd(seals.stamp(event.seal, thought, provider)))
        elif self._held is None:
            # Chat Completions has no place for the mark, and its tools replay no thoughts.
            mark = thought.seal is None and self._source is not Wire.CHAT
            out.append(PartEnd(seals.unsigned(self._target.wire, provider)) if mark else _NOTHING)
        self._held = None

    def _reason(self, reason: StopReason) -> StopReason:
        """Whether the tool has something to do is decided from what it was given (E106)."""
        if self._called:
            return StopReason.TOOL_USE if reason is StopReason.END else reason
        return StopReason.END if reason is StopReason.TOOL_USE else reason
