"""Prompts of tools that cannot mark them are cached at Anthropic all the same."""

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given

from tests.wire.conversations import broken_conversations
from tests.wire.translate.lowering import call, conversation, lowered, model, result, target, user
from waystation.model import Wire
from waystation.wire.canonical import CacheMark, Conversation, FunctionTool, Text, ToolResult, Turn

SHORT, LONG = CacheMark("5m"), CacheMark("1h")
TOOLS = (FunctionTool("a"), FunctionTool("b"))
SYSTEM = (Text("one"), Text("two"))
TURNS = (
    user("first"),
    model(call("c1")),
    user(result("c1")),
    model(call("c2"), call("c3")),
    user(result("c2"), result("c3")),
)


@dataclass(frozen=True)
class Marks:
    """Where marks are, by section: index of the tool or block, (turn, part)."""

    tools: dict[int, CacheMark]
    system: dict[int, CacheMark]
    turns: dict[tuple[int, int], CacheMark]


def marks(got: Conversation) -> Marks:
    return Marks(
        {i: tool.cache for i, tool in enumerate(got.tools) if isinstance(tool, FunctionTool) and tool.cache},
        {i: text.cache for i, text in enumerate(got.system) if text.cache},
        {
            (i, j): part.cache
            for i, turn in enumerate(got.turns)
            for j, part in enumerate(turn.parts)
            if isinstance(part, Text | ToolResult) and part.cache
        },
    )


def asked(
    *turns: Turn, system: tuple[Text, ...] = SYSTEM, tools: tuple[FunctionTool, ...] = TOOLS
) -> Conversation:
    return conversation(*(turns or TURNS), system=system, tools=tools)


@pytest.mark.parametrize("wire", [Wire.MESSAGES, Wire.CONVERSE])
@pytest.mark.parametrize("source", [Wire.RESPONSES, Wire.CHAT, Wire.GENERATE])
def test_E61_four_marks_where_the_next_request_has_the_same_prefix(source: Wire, wire: Wire) -> None:
    got, _ = lowered(asked(), source, target(wire))
    assert marks(got) == Marks({1: SHORT}, {1: SHORT}, {(2, 0): SHORT, (4, 1): SHORT})


@pytest.mark.parametrize(
    ("source", "to"),
    [
        (Wire.RESPONSES, target(Wire.CHAT)),
        (Wire.GENERATE, target(Wire.RESPONSES)),
        (Wire.MESSAGES, target(Wire.CONVERSE)),
        (Wire.RESPONSES, target(Wire.MESSAGES, caching=False)),
    ],
)
def test_E61_none_where_nobody_wants_them(source: Wire, to: object) -> None:
    got, _ = lowered(asked(), source, to)  # type: ignore[arg-type]  # parametrize says nothing of types
    assert marks(got) == Marks({}, {}, {})


def test_E62_the_marks_move_on_with_the_conversation() -> None:
    longer = (*TURNS, model("done"), user("next"))
    got, _ = lowered(asked(*longer), Wire.CHAT, target())
    assert marks(got).turns == {(4, 1): SHORT, (6, 0): SHORT}


def test_E62_each_section_is_decided_by_itself() -> None:
    system = (Text("one", SHORT), Text("two"))
    got, _ = lowered(asked(system=system), Wire.CHAT, target())
    assert marks(got) == Marks({1: SHORT}, {0: SHORT}, {(2, 0): SHORT, (4, 1): SHORT})
    turns = (user(Text("first", SHORT)), *TURNS[1:])
    got, _ = lowered(asked(*turns), Wire.CHAT, target())
    assert marks(got) == Marks({1: SHORT}, {1: SHORT}, {(0, 0): SHORT})


def test_E61_never_more_than_four() -> None:
    system = (Text("one", SHORT), Text("two", SHORT), Text("three", SHORT))
    got, _ = lowered(asked(system=system), Wire.CHAT, target())
    assert marks(got) == Marks({1: SHORT}, {0: SHORT, 1: SHORT, 2: SHORT}, {})


def test_E63_ours_last_as_long_as_the_clients_and_never_longer_than_one_before() -> None:
    system = (Text("one", LONG), Text("two"))
    got, _ = lowered(asked(system=system), Wire.CHAT, target())
    assert marks(got) == Marks({1: LONG}, {0: LONG}, {(2, 0): LONG, (4, 1): LONG})
    system = (Text("one", LONG), Text("two", SHORT))
    got, _ = lowered(asked(system=system), Wire.CHAT, target())
    assert marks(got) == Marks({1: LONG}, {0: LONG, 1: SHORT}, {(4, 1): SHORT})


def test_E64_nothing_else_of_the_prompt_changes() -> None:
    got, _ = lowered(asked(), Wire.CHAT, target())
    plain = msgspec.structs.replace(asked(), model="its-model")
    unmarked = msgspec.json.encode(got).replace(b'{"ttl":"5m"}', b"null")
    named = msgspec.json.encode(plain).replace(b'"name":""', b'"name":"lookup"')
    assert msgspec.json.decode(unmarked)["system"] == msgspec.json.decode(named)["system"]
    assert msgspec.json.decode(unmarked)["turns"] == msgspec.json.decode(named)["turns"]
    assert msgspec.json.decode(unmarked)["tools"] == msgspec.json.decode(named)["tools"]


@given(broken_conversations())
def test_E65_the_clients_marks_stay_as_they_are(asked: Conversation) -> None:
    with_ours, _ = lowered(asked, Wire.CHAT, target())
    without, _ = lowered(asked, Wire.CHAT, target(caching=False))
    ours, theirs = marks(with_ours), marks(without)
    assert ours.tools | theirs.tools == ours.tools
    assert ours.system | theirs.system == ours.system
    assert ours.turns | theirs.turns == ours.turns
    added = len(ours.tools) + len(ours.system) + len(ours.turns)
    assert added <= max(4, len(theirs.tools) + len(theirs.system) + len(theirs.turns))
