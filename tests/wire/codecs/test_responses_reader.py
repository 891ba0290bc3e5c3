"""A provider's stream in the Responses protocol, read."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.streams import fixture
from waystation.model import Wire
from waystation.wire.canonical import (
    Delta,
    Event,
    Failed,
    Finish,
    Native,
    Part,
    PartEnd,
    PartStart,
    Reasoning,
    Seal,
    Started,
    StopReason,
    Text,
    ToolCall,
)
from waystation.wire.codecs.responses import CODEC
from waystation.wire.stream_error import StreamError

STREAMS = [
    "responses.sse",
    "responses_error_first.sse",
    "responses_error_late.sse",
    "responses_failed.sse",
    "responses_incomplete.sse",
]
CREATED = {"type": "response.created", "response": {"id": "resp_1", "model": "gpt-5.4"}}
STARTED = Started("resp_1", "gpt-5.4")


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (e["type"].encode(), json.dumps(e).encode()) for e in events)


def read(*events: dict[str, Any]) -> list[Event]:
    reader = CODEC.reader()
    return reader.feed(sse(*events)) + reader.close()


def added(index: int, **item: Any) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(index: int, **item: Any) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


def delta(kind: str, index: int, text: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": index, "delta": text, **fields}


def completed(*output: Any, **fields: Any) -> dict[str, Any]:
    response = {"id": "resp_1", "status": "completed", "output": list(output), **fields}
    return {"type": "response.completed", "response": response}


def message(text: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text}],
        **fields,
    }


def call(ident: str, arguments: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": "function_call",
        "id": f"fc_{ident}",
        "call_id": ident,
        "name": "f",
        "arguments": arguments,
        **fields,
    }


def whole(part: Part, *pieces: str) -> list[Event]:
    return [PartStart(part), *(Delta(piece) for piece in pieces), PartEnd()]


def search_call(status: str) -> dict[str, Any]:
    return {"type": "web_search_call", "id": "ws_1", "status": status, "action": {"type": "search"}}


# Recorded streams.


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_reads_the_same_wherever_it_is_cut(name: str) -> None:
    data = fixture(name)
    reader = CODEC.reader()
    events = reader.feed(data) + reader.close()
    for cut in range(len(data)):
        reader = CODEC.reader()
        assert reader.feed(data[:cut]) + reader.feed(data[cut:]) + reader.close() == events
    reader = CODEC.reader()
    one_by_one = [event for byte in range(len(data)) for event in reader.feed(data[byte : byte + 1])]
    assert one_by_one + reader.close() == events


def test_a_recorded_answer() -> None:
    reader = CODEC.reader()
    assert reader.feed(fixture("responses.sse")) == [
        Started("resp_68af", "gpt-5.4-2026-03-05"),
        *whole(Reasoning(seal=Seal(Wire.RESPONSES, "rs_1 gAAAAABo"), id="rs_1")),
        *whole(Text(""), '終わり "response"', " done"),
        Finish(StopReason.END),
    ]
    assert reader.skipped == 0


@pytest.mark.parametrize(
    ("name", "kind", "status"),
    [
        ("responses_failed.sse", "rate_limit_exceeded", 429),
        ("responses_error_late.sse", "server_error", 500),
        ("responses_error_first.sse", "server_is_overloaded", 503),
    ],
)
def test_E16_an_error_in_the_stream_ends_it(name: str, kind: str, status: int) -> None:
    *_, last = CODEC.reader().feed(fixture(name))
    assert isinstance(last, Failed)
    assert (last.error.type, last.error.http_status) == (kind, status)


def test_E47_an_incomplete_answer_is_finished_and_says_why() -> None:
    assert CODEC.reader().feed(fixture("responses_incomplete.sse"))[-1] == Finish(StopReason.MAX_TOKENS)


def test_E15_a_stream_that_breaks_off_is_never_finished() -> None:
    data = fixture("responses.sse")
    reader = CODEC.reader()
    events = reader.feed(data[: len(data) // 2]) + reader.close()
    assert not any(isinstance(event, Finish | Failed) for event in events)


# Calls.


def test_E10_parallel_calls_that_interleave_come_one_after_the_other() -> None:
    arguments = "function_call_arguments"
    assert read(
        CREATED,
        added(0, **call("a", "")),
        added(1, **call("b", "")),
        delta(arguments, 0, '{"x"'),
        delta(arguments, 1, '{"y"'),
        delta(arguments, 0, ":1}"),
        delta(arguments, 1, ":2}"),
        done(1, **call("b", '{"y":2}')),
        done(0, **call("a", '{"x":1}')),
        completed(),
    ) == [
        STARTED,
        *whole(ToolCall("a", "f", ""), '{"x"', ":1}"),
        *whole(ToolCall("b", "f", ""), '{"y"', ":2}"),
        Finish(StopReason.TOOL_USE),
    ]


def test_what_comes_of_the_first_item_is_not_held_back() -> None:
    reader = CODEC.reader()
    reader.feed(sse(CREATED, added(0, **call("a", "")), added(1, **call("b", ""))))
    assert reader.feed(sse(delta("function_call_arguments", 0, "{"))) == [Delta("{")]
    assert reader.feed(sse(delta("function_call_arguments", 1, "{"))) == []


@pytest.mark.parametrize(
    "said",
    [
        [{"type": "response.function_call_arguments.done", "output_index": 0, "arguments": '{"x":1}'}],
        [delta("function_call_arguments", 0, '{"x'), done(0, **call("a", '{"x":1}'))],
        [done(0, **call("a", '{"x":1}'))],
        [],
    ],
)
def test_arguments_that_no_delta_said_are_taken_from_what_says_them(said: list[dict[str, Any]]) -> None:
    events = read(CREATED, added(0, **call("a", "")), *said, completed(call("a", '{"x":1}')))
    assert "".join(event.text for event in events if isinstance(event, Delta)) == '{"x":1}'
    assert sum(isinstance(event, PartEnd) for event in events) == 1
    assert events[-1] == Finish(StopReason.TOOL_USE)


def test_E30_E32_a_freeform_call_in_a_namespace() -> None:
    item = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "a", "name": "say", "namespace": "ns"}
    assert read(
        CREATED,
        added(0, **item, input=""),
        delta("custom_tool_call_input", 0, "*** "),
        {"type": "response.custom_tool_call_input.done", "output_index": 0, "input": "*** Begin"},
        done(0, **item, input="*** Begin"),
        completed(),
    ) == [
        STARTED,
        *whole(ToolCall("a", "say", "", "ns", custom=True), "*** ", "Begin"),
        Finish(StopReason.TOOL_USE),
    ]


def test_a_call_waits_for_its_name() -> None:
    assert read(
        CREATED,
        delta("function_call_arguments", 0, "{", item_id="fc_a"),
        done(0, **call("a", "{}")),
        completed(),
    ) == [STARTED, *whole(ToolCall("a", "f", ""), "{", "}"), Finish(StopReason.TOOL_USE)]


def test_a_call_cut_off_by_the_limit_is_no_reason_to_use_tools() -> None:
    events = read(
        CREATED,
        added(0, **call("a", "")),
        delta("function_call_arguments", 0, '{"x'),
        {
            "type": "response.incomplete",
            "response": {"id": "resp_1", "incomplete_details": {"reason": "max_output_tokens"}},
        },
    )
    assert events[1:] == [*whole(ToolCall("a", "f", ""), '{"x'), Finish(StopReason.MAX_TOKENS)]


# Words and thoughts.


def test_a_refusal_is_told_from_an_answer() -> None:
    refusal = {"type": "message", "id": "msg_1", "content": [{"type": "refusal", "refusal": "I cannot."}]}
    events = read(
        CREATED,
        added(0, type="message", id="msg_1", content=[]),
        delta("refusal", 0, "I can", content_index=0),
        done(0, **refusal),
        completed(refusal),
    )
    assert events[1:] == [*whole(Text("", refusal=True), "I can", "not."), Finish(StopReason.REFUSAL)]


def test_parts_of_a_message_are_parts_here() -> None:
    events = read(
        CREATED,
        added(0, type="message", id="msg_1", content=[]),
        delta("output_text", 0, "a", content_index=0),
        {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "ab"},
        delta("output_text", 0, "c", content_index=1),
        completed(message("ab")),
    )
    assert events[1:] == [*whole(Text(""), "a", "b"), *whole(Text(""), "c"), Finish(StopReason.END)]


def test_a_summary_in_paragraphs_and_its_seal() -> None:
    summary = [{"type": "summary_text", "text": "one"}, {"type": "summary_text", "text": "two"}]
    events = read(
        CREATED,
        added(0, type="reasoning", id="rs_1", summary=[], encrypted_content="too early"),
        {"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 0},
        delta("reasoning_summary_text", 0, "one", summary_index=0),
        delta("reasoning_summary_text", 0, "tw", summary_index=1),
        delta("reasoning_text", 0, "the thoughts themselves", content_index=0),
        done(0, type="reasoning", id="rs_1", summary=summary, encrypted_content="gAAA"),
        completed(),
    )
    assert events[1:-1] == [
        PartStart(Reasoning(id="rs_1")),
        Delta("one"),
        Delta("\n\n"),
        Delta("tw"),
        Delta("o"),
        PartEnd(Seal(Wire.RESPONSES, "rs_1 gAAA")),
    ]


def test_thoughts_themselves_where_there_is_no_summary() -> None:
    events = read(
        CREATED,
        added(0, type="reasoning", id="rs_1", summary=[]),
        delta("reasoning_text", 0, "I th", content_index=0),
        {"type": "response.reasoning_text.done", "output_index": 0, "content_index": 0, "text": "I think"},
        done(
            0,
            type="reasoning",
            id="rs_1",
            summary=[],
            content=[{"type": "reasoning_text", "text": "I think"}],
        ),
        completed(),
    )
    assert events[1:-1] == whole(Reasoning(id="rs_1"), "I th", "ink")


def test_reasoning_that_shows_nothing_is_nothing() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": []}
    assert read(CREATED, added(0, **item), done(0, **item), completed()) == [STARTED, Finish(StopReason.END)]


def test_items_that_only_this_protocol_has_are_passed_on_whole() -> None:
    assert read(
        CREATED,
        added(0, **search_call("in_progress")),
        {"type": "response.web_search_call.searching", "output_index": 0, "item_id": "ws_1"},
        {"type": "response.brand_new.delta", "output_index": 0, "delta": {"a": 1}},
        done(0, **search_call("completed")),
        completed(),
    ) == [
        STARTED,
        PartStart(Native(Wire.RESPONSES, "web_search_call", search_call("completed"))),
        PartEnd(),
        Finish(StopReason.END),
    ]


# Servers with ways of their own.


def test_a_server_that_says_everything_at_the_end() -> None:
    assert read(completed(message("hi"), call("a", "{}"), model="gpt-5.4")) == [
        STARTED,
        *whole(Text(""), "hi"),
        *whole(ToolCall("a", "f", ""), "{}"),
        Finish(StopReason.TOOL_USE),
    ]


def test_a_server_that_gives_every_item_the_same_index() -> None:
    assert read(
        CREATED,
        added(0, type="message", id="msg_1", content=[]),
        delta("output_text", 0, "hi"),
        done(0, **message("hi")),
        added(0, **call("a", "")),
        delta("function_call_arguments", 0, "{}"),
        done(0, **call("a", "{}")),
        done(0, **call("b", "{}")),
        completed(message("hi"), call("a", "{}"), call("b", "{}")),
    ) == [
        STARTED,
        *whole(Text(""), "hi"),
        *whole(ToolCall("a", "f", ""), "{}"),
        *whole(ToolCall("b", "f", ""), "{}"),
        Finish(StopReason.TOOL_USE),
    ]


def test_a_server_that_gives_an_item_another_id_each_time_runs_no_call_twice() -> None:
    assert read(
        CREATED,
        added(0, **call("a", "", id="x1")),
        delta("function_call_arguments", 0, "{}", item_id="x2"),
        done(0, **call("a", "{}", id="x3")),
        completed(call("a", "{}", id="x4")),
    ) == [STARTED, *whole(ToolCall("a", "f", ""), "{}"), Finish(StopReason.TOOL_USE)]


def test_a_server_that_announces_nothing_and_counts_nothing() -> None:
    assert read(
        {"type": "response.output_text.delta", "delta": "h"},
        {"type": "response.output_text.delta", "delta": "i"},
        completed(),
    ) == [Started(), *whole(Text(""), "h", "i"), Finish(StopReason.END)]


def test_E112_an_event_that_cannot_be_read_is_skipped_and_counted() -> None:
    reader = CODEC.reader()
    broken = b"data: {\n\ndata: [1]\n\n: keep-alive\n\ndata: [DONE]\n\n"
    assert reader.feed(sse(CREATED) + broken + sse(completed(message("hi"))))[-1] == Finish(StopReason.END)
    assert reader.skipped == 2


def test_E105_nothing_follows_the_end() -> None:
    events = read(CREATED, completed(message("hi")), completed(message("again")), {"type": "error"})
    assert [event for event in events if isinstance(event, Delta)] == [Delta("hi")]


def test_an_error_that_names_itself_nowhere_else() -> None:
    reader = CODEC.reader()
    assert reader.feed(b'data: {"error":{"message":"no","type":"server_error"}}\n\n') == [
        Failed(StreamError("server_error", "no", 500))
    ]
    assert read({"type": "response.failed", "response": {}})[-1] == Failed(StreamError("error", "", 500))


# Anything at all.

_anything = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.sampled_from(["", "a", "abc"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
_items = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["message", "reasoning", "function_call", "custom_tool_call", "new"])
        | _anything
    },
    optional={
        **dict.fromkeys(("content", "summary", "arguments", "input", "namespace"), _anything),
        "id": st.sampled_from(["x", "y"]),
        "call_id": st.sampled_from(["x", "z"]),
        "name": st.sampled_from(["", "f"]),
        "encrypted_content": st.sampled_from(["", "gAAA"]),
    },
)
_kinds = [
    "response.created",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.delta",
    "response.output_text.done",
    "response.refusal.delta",
    "response.refusal.done",
    "response.reasoning_summary_text.delta",
    "response.reasoning_text.delta",
    "response.reasoning_text.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.custom_tool_call_input.delta",
    "response.custom_tool_call_input.done",
    "response.completed",
    "response.incomplete",
    "response.failed",
    "error",
    "new",
]
_events = st.fixed_dictionaries(
    {"type": st.sampled_from(_kinds[:-5] * 4 + _kinds)},
    optional={
        "output_index": st.sampled_from([0, 1, 0, 1, None, "x"]),
        "item_id": st.sampled_from(["x", "y", 3]),
        "content_index": st.sampled_from([0, 1]),
        "summary_index": st.sampled_from([0, 1]),
        "item": _items,
        "response": st.fixed_dictionaries({}, optional={"output": st.lists(_items, max_size=2) | _anything})
        | _anything,
        **dict.fromkeys(("delta", "text", "refusal", "arguments", "input", "error", "part"), _anything),
    },
)


@settings(max_examples=50)
@given(st.lists(_events, max_size=12))
def test_any_stream_gives_parts_that_open_and_close_in_turn(events: list[dict[str, Any]]) -> None:
    open_part = False
    ended = False
    started = False
    for event in read(*events):
        assert not ended
        if isinstance(event, Started):
            assert not started
            started = True
        elif isinstance(event, PartStart):
            assert started
            assert not open_part
            open_part = True
        elif isinstance(event, Delta):
            assert open_part
        elif isinstance(event, PartEnd):
            assert open_part
            open_part = False
        else:
            ended = True
            assert isinstance(event, Failed) or not open_part


@given(st.binary(max_size=80))
def test_any_bytes_are_survived(data: bytes) -> None:
    reader = CODEC.reader()
    reader.feed(data)
    reader.feed(b"\n\ndata: " + data + b"\n\n")
    reader.close()
