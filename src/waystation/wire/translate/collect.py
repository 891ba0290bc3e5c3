"""Events back into whole parts."""

from collections.abc import Iterable

import msgspec

from waystation.wire.canonical import Delta, Event, Part, PartEnd, PartStart, Reasoning, Text, ToolCall


def parts_of(events: Iterable[Event]) -> tuple[Part, ...]:
    """The parts that were said in `events`; one that was cut off is as far as it came."""
    parts: list[Part] = []
    said: list[str] = []
    for event in events:
        if isinstance(event, Delta):
            said.append(event.text)
        elif isinstance(event, PartStart):
            _complete(parts, said)
            parts.append(event.part)
        elif isinstance(event, PartEnd):
            _complete(parts, said)
            last = parts[-1] if parts else None
            if event.seal is not None and isinstance(last, Reasoning):
                parts[-1] = msgspec.structs.replace(last, seal=event.seal)
    _complete(parts, said)
    return tuple(parts)


def _complete(parts: list[Part], said: list[str]) -> None:
    """Puts what was said into the open part."""
    if not said:
        return
    text = "".join(said)
    said.clear()
    last = parts[-1] if parts else None
    if isinstance(last, Text | Reasoning):
        parts[-1] = msgspec.structs.replace(last, text=last.text + text)
    elif isinstance(last, ToolCall):
        parts[-1] = msgspec.structs.replace(last, arguments=last.arguments + text)
