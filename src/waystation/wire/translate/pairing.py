"""Calls and their results, brought together: each call answered once, directly behind its turn.

Tools forgive themselves more than providers do: after an abort calls stand without results, after a compaction
results without calls, and between protocols ids get lost or repeat (E70 to E74, E97).
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from waystation.wire.canonical import Media, Part, Reasoning, Role, Text, ToolCall, ToolResult, Turn
from waystation.wire.codecs import Notes

INTERRUPTED = "The call was interrupted before it returned a result."
_INTERRUPTED = ToolResult("", (Text(INTERRUPTED),), is_error=True)
_NOTE = "tool_history"
_WRONG: dict[Role, frozenset[type]] = {
    Role.ASSISTANT: frozenset((ToolResult,)),
    Role.USER: frozenset((ToolCall, Reasoning)),
    Role.SYSTEM: frozenset((ToolCall, Reasoning, ToolResult, Media)),
}
"""What does not belong in a turn of that side."""


class _Call:
    """A call and its answer."""

    __slots__ = ("call", "result")

    def __init__(self, call: ToolCall) -> None:
        self.call = call
        self.result: ToolResult | None = None


class _Block:
    """What the model said without interruption, and what it heard before it spoke again."""

    __slots__ = ("calls", "heard", "said")

    def __init__(self) -> None:
        self.said: list[Part | _Call] = []
        self.calls: list[_Call] = []
        self.heard: list[tuple[Role, Sequence[Part]]] = []


def pair(turns: Iterable[Turn], lowered: Callable[[ToolCall], ToolCall], notes: Notes) -> list[Turn]:
    """The conversation with its calls and results in order: what the model said until it heard something is one
    turn, and the results are the first that it hears.

    `lowered` gives each call as the target has it, and is asked in the order of the conversation; results take
    id, name and kind of their call.
    """
    blocks = _blocks(turns)
    waiting: dict[str, _Call] = {}
    """Calls of earlier turns that nothing has answered yet."""
    for block in blocks:
        _answer(block, waiting, notes)
    paired: list[Turn] = []
    for block in blocks:
        _write(block, lowered, notes, paired)
    return paired


def _blocks(turns: Iterable[Turn]) -> list[_Block]:
    block = _Block()
    blocks = [block]
    for turn in turns:
        for role, parts in _sides(turn):
            if role is not Role.ASSISTANT:
                block.heard.append((role, parts))
                continue
            if block.heard:
                block = _Block()
                blocks.append(block)
            said, calls = block.said, block.calls
            for part in parts:
                if type(part) is ToolCall:
                    call = _Call(part)
                    calls.append(call)
                    said.append(call)
                else:
                    said.append(part)
    return blocks


def _sides(turn: Turn) -> Iterable[tuple[Role, Sequence[Part]]]:
    """The turn, cut where a part stands on the wrong side: only models call, only users answer calls, and
    instructions are words."""
    role, parts = turn.role, turn.parts
    if _WRONG[role].isdisjoint(map(type, parts)):
        return ((role, parts),)
    roles = [_side(part, role) for part in parts]
    cuts = [at for at in range(1, len(roles)) if roles[at] is not roles[at - 1]]
    return [(roles[a], parts[a:b]) for a, b in zip([0, *cuts], [*cuts, len(parts)], strict=True)]


def _side(part: Part, role: Role) -> Role:
    kind = type(part)
    if kind is ToolCall or kind is Reasoning:
        return Role.ASSISTANT
    if kind is ToolResult or (kind is Media and role is Role.SYSTEM):
        return Role.USER
    return role


def _answer(block: _Block, waiting: dict[str, _Call], notes: Notes) -> None:
    """Takes the results out of what was heard and gives them to their calls; what is left becomes text."""
    if not waiting and _answered_in_order(block):
        return
    calls: dict[str, deque[_Call]] = {}
    for call in block.calls:
        calls.setdefault(call.call.id, deque()).append(call)
    strays = False
    for index, (role, parts) in enumerate(block.heard):
        if role is not Role.USER:
            continue
        kept: list[Part] = []
        for part in parts:
            if type(part) is not ToolResult:
                kept.append(part)
            elif not _by_id(part, calls, waiting, notes):
                kept.append(part)
                strays = True
        block.heard[index] = role, kept
    if strays:
        notes.change(_NOTE)
        queues = _queues(block.calls)
        for index, (role, parts) in enumerate(block.heard):
            block.heard[index] = role, [found for part in parts for found in _settled(part, queues)]
    for call in block.calls:
        if call.result is None and call.call.id:
            waiting[call.call.id] = call
        else:
            waiting.pop(call.call.id, None)  # whatever comes under this id is not for the older one


def _answered_in_order(block: _Block) -> bool:
    """The usual case, settled: one turn of results, each behind its call, and nothing else to be found."""
    calls = block.calls
    if len(block.heard) != 1:
        return False
    role, parts = block.heard[0]
    if role is not Role.USER or len(parts) < len(calls):
        return False
    for at, part in enumerate(parts):
        if type(part) is ToolResult and not (at < len(calls) and part.call_id == calls[at].call.id != ""):
            return False
        if type(part) is not ToolResult and at < len(calls):
            return False
    for call, part in zip(calls, parts, strict=False):
        assert isinstance(part, ToolResult)
        call.result = part
    block.heard[0] = role, parts[len(calls) :]
    return True


def _by_id(
    result: ToolResult, calls: dict[str, deque[_Call]], waiting: dict[str, _Call], notes: Notes
) -> bool:
    """Gives a result to the call of its id, first among those of the turn before it (E73)."""
    if not result.call_id:
        return False
    same = calls.get(result.call_id)
    if same is not None:
        if len(same) > 1 and same[0].result is not None:
            same.popleft()
        if same[0].result is not None:  # the last one wins (E97)
            notes.change(_NOTE)
        same[0].result = result
        return True
    earlier = waiting.pop(result.call_id, None)
    if earlier is None:
        return False
    earlier.result = result
    return True


_Queues = dict[tuple[bool, str], deque[_Call]]


def _queues(calls: Iterable[_Call]) -> _Queues:
    """Calls without an answer, in order, by (whether only those without an id, name or any)."""
    queues: _Queues = {}
    for call in calls:
        if call.result is None:
            for key in ((False, ""), (False, call.call.name), (True, ""), (True, call.call.name)):
                if not (key[0] and call.call.id):
                    queues.setdefault(key, deque()).append(call)
    return queues


def _settled(part: Part, queues: _Queues) -> list[Part]:
    """What stays where `part` is: a result that goes to a call by order leaves nothing, others text."""
    if not isinstance(part, ToolResult):
        return [part]
    queue = queues.get((bool(part.call_id), part.name), ())
    while queue:
        call = queue.popleft()
        if call.result is None:
            call.result = part
            return []
    return _as_text(part)


def _as_text(orphan: ToolResult) -> list[Part]:
    """A result whose call is gone, for the model to read all the same (E72)."""
    if not orphan.content:
        return []
    head = (
        f"[Result of an earlier call of {orphan.name}]" if orphan.name else "[Result of an earlier tool call]"
    )
    first, *rest = orphan.content
    if isinstance(first, Text):
        return [Text(f"{head}\n{first.text}"), *rest]
    return [Text(head), first, *rest]


def _write(block: _Block, lowered: Callable[[ToolCall], ToolCall], notes: Notes, into: list[Turn]) -> None:
    results: list[Part] = []
    said: list[Part] = []
    for part in block.said:
        if not isinstance(part, _Call):
            said.append(part)
            continue
        call = lowered(part.call)
        said.append(call)
        result = part.result
        if result is None:
            notes.change(_NOTE)
            result = _INTERRUPTED
        results.append(
            ToolResult(call.id, result.content, result.is_error, call.name, call.custom, result.cache)
        )
    if said:
        into.append(Turn(Role.ASSISTANT, tuple(said)))
    for role, parts in block.heard:
        if results and role is Role.USER:
            parts = [*results, *parts]  # they stand together (E74)
            results = []
        elif results:
            into.append(Turn(Role.USER, tuple(results)))
            results = []
        if parts:
            into.append(Turn(role, tuple(parts)))
    if results:
        into.append(Turn(Role.USER, tuple(results)))
