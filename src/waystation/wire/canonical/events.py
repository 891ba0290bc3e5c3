"""An answer, as it comes or whole.

A stream is `Started`, then parts one after the other — `PartStart`, any number of `Delta`, `PartEnd` — then
`Finish` or `Failed`. Parts never interleave: a reader whose protocol lets them (Chat Completions with several
tool calls, Responses by output index) holds back the later ones (E10). So a writer needs no memory of more
than the open part.
"""

from enum import StrEnum

import msgspec

from waystation.model import Usage
from waystation.wire.canonical.parts import Part, Reasoning, Seal, Text, ToolCall
from waystation.wire.stream_error import StreamError


class StopReason(StrEnum):
    """Why the model stopped (E106)."""

    END = "end"
    MAX_TOKENS = "max_tokens"
    TOOL_USE = "tool_use"
    """Decided from content, not from the provider's word: Gemini says STOP with calls too."""
    STOP_SEQUENCE = "stop_sequence"
    REFUSAL = "refusal"
    """Content filter, safety, prohibited content."""
    PAUSE = "pause"
    """Messages' `pause_turn`: ask again to go on. Only its own protocol has it."""
    CONTEXT_FULL = "context_full"
    """Messages' `model_context_window_exceeded`."""


class Started(msgspec.Struct, frozen=True, gc=False):
    """The provider has begun to answer. No content yet: another attempt could still replace it."""

    id: str = ""
    model: str = ""
    """As the provider names itself; the tool is told the name it asked for."""


class PartStart(msgspec.Struct, frozen=True, gc=False):
    """A part begins. `part` is a Text, Reasoning or ToolCall whose text and arguments are still empty; or a
    Media or Native, whole, after which PartEnd follows at once."""

    part: Part


class Delta(msgspec.Struct, frozen=True, gc=False):
    """More of the open part: words, thoughts, or the text of the arguments."""

    text: str


class PartEnd(msgspec.Struct, frozen=True, gc=False):
    """The open part is complete."""

    seal: Seal | None = None
    """Of a Reasoning part, if it came at its end; else it is in PartStart."""


class Finish(msgspec.Struct, frozen=True, gc=False):
    """The answer is complete."""

    reason: StopReason
    usage: Usage | None = None
    """None where the provider said nothing."""
    stop_sequence: str | None = None


class Failed(msgspec.Struct, frozen=True, gc=False):
    """The provider reported an error inside its answer; nothing follows."""

    error: StreamError


Event = Started | PartStart | Delta | PartEnd | Finish | Failed


class Reply(msgspec.Struct, frozen=True):
    """A whole answer."""

    parts: tuple[Part, ...]
    reason: StopReason
    usage: Usage | None = None
    id: str = ""
    model: str = ""
    stop_sequence: str | None = None

    def events(self) -> list[Event]:
        """The same answer as a stream."""
        events: list[Event] = [Started(self.id, self.model)]
        for part in self.parts:
            events.extend(_part_events(part))
        events.append(Finish(self.reason, self.usage, self.stop_sequence))
        return events


def _part_events(part: Part) -> list[Event]:
    if isinstance(part, Text):
        return [PartStart(msgspec.structs.replace(part, text="")), Delta(part.text), PartEnd()]
    if isinstance(part, ToolCall):
        return [PartStart(msgspec.structs.replace(part, arguments="")), Delta(part.arguments), PartEnd()]
    if isinstance(part, Reasoning):
        start = PartStart(msgspec.structs.replace(part, text=""))
        return [start, Delta(part.text), PartEnd()] if part.text else [start, PartEnd()]
    return [PartStart(part), PartEnd()]
