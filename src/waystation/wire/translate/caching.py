"""Cache marks for tools whose protocol has none (E61).

OpenAI and Google cache by themselves; Anthropic only what is marked. For a tool of theirs that is asked to speak
to Claude, up to four marks are set, each where the next request is likely to have the same prefix: the last
tool, the last system block, and the last part of the last two user turns.
"""

from collections.abc import Iterable, Sequence
from typing import Literal, TypeVar

import msgspec

from waystation.model import Capabilities, Wire
from waystation.wire.canonical import CacheMark, FunctionTool, Media, Part, Role, Text, Tool, ToolResult, Turn

_MARKED = frozenset((Wire.MESSAGES, Wire.CONVERSE))
_UNMARKED = frozenset((Wire.RESPONSES, Wire.CHAT, Wire.GENERATE))
_MOST = 4

M = TypeVar("M", FunctionTool, Text)


def wanted(source: Wire, target: Wire, capabilities: Capabilities) -> bool:
    """Whether marks are ours to set."""
    return source in _UNMARKED and target in _MARKED and capabilities.caching is not False


def mark(
    tools: Sequence[Tool], system: Sequence[Text], turns: Sequence[Turn]
) -> tuple[tuple[Tool, ...], tuple[Text, ...], tuple[Turn, ...]]:
    """The same with marks. Decided for each section by itself (E62); where the client set one, the section is
    the client's. Ours last as long as its longest, and never longer than one that stands before (E63, E65)."""
    by_section = [
        [tool.cache for tool in tools if isinstance(tool, FunctionTool) and tool.cache],
        [text.cache for text in system if text.cache],
        list(_marks(turns)),
    ]
    there = [found for section in by_section for found in section]
    left = _MOST - len(there)
    ttl: Literal["5m", "1h"] = "1h" if any(found.ttl == "1h" for found in there) else "5m"
    if not by_section[0] and left > 0:
        tools, used = _mark_last_tool(tools, CacheMark(ttl))
        left -= used
    ttl = _capped(ttl, by_section[0])
    if not by_section[1] and left > 0 and system:
        system = (*system[:-1], _marked(system[-1], CacheMark(ttl)))
        left -= 1
    ttl = _capped(ttl, by_section[1])
    if not by_section[2]:
        turns = _mark_turns(turns, CacheMark(ttl), min(left, 2))
    return tuple(tools), tuple(system), tuple(turns)


def _capped(ttl: Literal["5m", "1h"], before: list[CacheMark]) -> Literal["5m", "1h"]:
    return "5m" if any(found.ttl == "5m" for found in before) else ttl


def _marks(turns: Iterable[Turn]) -> Iterable[CacheMark]:
    for turn in turns:
        for part in turn.parts:
            found: CacheMark | None = getattr(part, "cache", None)
            if found is not None:
                yield found


def _mark_last_tool(tools: Sequence[Tool], new: CacheMark) -> tuple[Sequence[Tool], int]:
    last = tools[-1] if tools else None
    if not isinstance(last, FunctionTool):
        return tools, 0
    return (*tools[:-1], _marked(last, new)), 1


def _mark_turns(turns: Sequence[Turn], new: CacheMark, number: int) -> Sequence[Turn]:
    """Marks the last `number` user turns, counting what stands between two answers as one."""
    marked = list(turns)
    previous: Role | None = None
    for index in range(len(marked) - 1, -1, -1):
        if number <= 0:
            break
        turn = marked[index]
        if turn.role is Role.USER and previous is not Role.USER and turn.parts:
            part = _mark_part(turn.parts[-1], new)
            if part is not None:
                marked[index] = Turn(Role.USER, (*turn.parts[:-1], part))
                number -= 1
        if turn.role is not Role.SYSTEM:
            previous = turn.role
    return marked


def _mark_part(part: Part, new: CacheMark) -> Part | None:
    return msgspec.structs.replace(part, cache=new) if isinstance(part, Text | ToolResult | Media) else None


def _marked(item: M, new: CacheMark) -> M:
    return msgspec.structs.replace(item, cache=new)
