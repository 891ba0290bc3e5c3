"""A provider's answer reaches the tool in the names, ids and texts of its own request."""

import json

import pytest
from hypothesis import given

from tests.wire.conversations import replies
from tests.wire.translate.lowering import target
from waystation.model import Usage, Wire
from waystation.wire.canonical import (
    Delta,
    Event,
    Finish,
    Media,
    MediaKind,
    Native,
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
from waystation.wire.translate.collect import parts_of
from waystation.wire.translate.ids import AnswerIds
from waystation.wire.translate.names import Names, Origin
from waystation.wire.translate.raising import Raiser

USAGE = Usage(input=1, output=2)
TOOLS = (Origin("apply_patch", custom=True), Origin("lookup", "mcp__gw__"), Origin("Read"))


def raiser(source: Wire = Wire.RESPONSES, to: Wire = Wire.CHAT, replayed: tuple[str, ...] = ()) -> Raiser:
    names = Names(to)
    for origin in TOOLS:
        names.declare(origin)
    return Raiser(source, target(to), names, AnswerIds(source, "ans_1", replayed))


def answered(*events: Event, made: Raiser | None = None) -> list[Event]:
    return (made or raiser()).raised(list(events), USAGE)


def raised(*parts: Part, source: Wire = Wire.RESPONSES, to: Wire = Wire.CHAT) -> tuple[Part, ...]:
    events = Reply(parts, StopReason.END).events()
    return parts_of(raiser(source, to).raised(events, None))


def test_E30_a_functions_argument_becomes_free_text_as_it_comes() -> None:
    made = raiser()
    events = [
        answered(PartStart(ToolCall("c1", "apply_patch", "")), made=made),
        answered(Delta('{"inp'), made=made),
        answered(Delta('ut": "*** Begin'), Delta("\\n+"), made=made),
        answered(Delta('x"'), Delta("}"), PartEnd(), made=made),
    ]
    assert events == [
        [PartStart(ToolCall("c1", "apply_patch", "", custom=True))],
        [],
        [Delta("*** Begin"), Delta("\n+")],
        [Delta("x"), PartEnd()],
    ]


def test_E30_what_does_not_follow_the_schema_comes_at_the_end() -> None:
    call = ToolCall("c1", "apply_patch", json.dumps({"patch": "*** x"}))
    assert raised(call) == (ToolCall("c1", "apply_patch", "*** x", custom=True),)


def test_E30_a_call_behind_it_is_not_touched() -> None:
    first, second = ToolCall("c1", "apply_patch", '{"input": "x"}'), ToolCall("c2", "Read", '{"input": "x"}')
    assert raised(first, second) == (ToolCall("c1", "apply_patch", "x", custom=True), second)


def test_E32_the_namespace_comes_back() -> None:
    assert raised(ToolCall("c1", "mcp__gw__lookup", "{}")) == (
        ToolCall("c1", "lookup", "{}", namespace="mcp__gw__"),
    )


def test_E73_E75_ids_are_the_tools_and_unique() -> None:
    made = raiser(Wire.MESSAGES, replayed=("call_1",))
    events = answered(
        *Reply(
            tuple(ToolCall(ident, "Read", "{}") for ident in ("call_1", "a.b", "")), StopReason.END
        ).events(),
        made=made,
    )
    ids = [part.id for part in parts_of(events) if isinstance(part, ToolCall)]
    assert len({"call_1", *ids}) == 4
    assert all(ident.replace("-", "").replace("_", "").isalnum() for ident in ids)


def test_arguments_that_never_came_are_an_empty_object() -> None:
    call = ToolCall("c1", "Read", "")
    assert answered(PartStart(call), PartEnd()) == [PartStart(call), Delta("{}"), PartEnd()]
    patch = ToolCall("c1", "apply_patch", "")
    started = PartStart(ToolCall("c1", "apply_patch", "", custom=True))
    assert answered(PartStart(patch), PartEnd()) == [started, PartEnd()]


def test_E78_an_empty_text_never_reaches_the_tool() -> None:
    made = raiser()
    assert answered(PartStart(Text("")), Delta(""), made=made) == []
    assert answered(PartEnd(), made=made) == []
    assert answered(PartStart(Text("")), made=made) == []
    assert answered(Delta("hi"), made=made) == [PartStart(Text("")), Delta("hi")]
    assert answered(PartEnd(), made=made) == [PartEnd()]


@pytest.mark.parametrize("source", [Wire.MESSAGES, Wire.RESPONSES, Wire.GENERATE])
def test_E22_unsigned_thoughts_are_marked_as_their_makers(source: Wire) -> None:
    marked = Reasoning("hm", Seal(Wire.CHAT, "", "there"))
    assert raised(Reasoning("hm"), source=source) == (marked,)


def test_E22_save_where_the_tool_replays_no_thoughts() -> None:
    assert raised(Reasoning("hm"), source=Wire.CHAT, to=Wire.MESSAGES) == (Reasoning("hm"),)


def test_thoughts_without_words_and_seal_are_none() -> None:
    assert raised(Reasoning("")) == ()


def test_E21_a_seal_says_whose_it_is_wherever_it_came() -> None:
    seal, stamped = Seal(Wire.MESSAGES, "EqMB"), Seal(Wire.MESSAGES, "EqMB", "there")
    made = raiser(to=Wire.MESSAGES)
    at_end = answered(PartStart(Reasoning()), Delta("hm"), PartEnd(seal), made=made)
    assert at_end == [PartStart(Reasoning()), Delta("hm"), PartEnd(stamped)]
    assert raised(Reasoning("hm", seal), to=Wire.MESSAGES) == (Reasoning("hm", stamped),)
    silent = answered(PartStart(Reasoning()), PartEnd(seal), made=made)
    assert silent == [PartStart(Reasoning()), PartEnd(stamped)]


def test_E23_redacted_thoughts_are_known_as_such_when_they_come_back() -> None:
    (part,) = raised(Reasoning(seal=Seal(Wire.MESSAGES, "EqMB"), redacted=True), to=Wire.MESSAGES)
    assert part == Reasoning(seal=Seal(Wire.MESSAGES, "!EqMB", "there"), redacted=True)


def test_E81_what_only_the_providers_protocol_has_is_left_out() -> None:
    search = Native(Wire.CHAT, "web_search_call", {})
    picture = Media(MediaKind.IMAGE, "image/png", data="AA==")
    assert raised(search, picture, Text("hi")) == (picture, Text("hi"))


@pytest.mark.parametrize(
    ("said", "calls", "meant"),
    [
        (StopReason.END, True, StopReason.TOOL_USE),
        (StopReason.TOOL_USE, False, StopReason.END),
        (StopReason.MAX_TOKENS, True, StopReason.MAX_TOKENS),
        (StopReason.REFUSAL, False, StopReason.REFUSAL),
    ],
)
def test_E106_whether_tools_are_to_run_is_decided_by_content(
    said: StopReason, calls: bool, meant: StopReason
) -> None:
    parts: tuple[Part, ...] = (ToolCall("c1", "Read", "{}"),) if calls else (Text("hi"),)
    assert answered(*Reply(parts, said).events())[-1] == Finish(meant, USAGE)


@given(replies(Wire.CHAT))
def test_never_more_than_one_part_is_open_and_nothing_is_lost(reply: Reply) -> None:
    events = answered(*reply.events())
    open_parts = 0
    for event in events:
        open_parts += isinstance(event, PartStart)
        open_parts -= isinstance(event, PartEnd)
        assert 0 <= open_parts <= 1
        assert not isinstance(event, Delta) or open_parts
    assert isinstance(events[0], Started)
    texts = [part.text for part in reply.parts if isinstance(part, Text)]
    assert [part.text for part in parts_of(events) if isinstance(part, Text)] == texts
