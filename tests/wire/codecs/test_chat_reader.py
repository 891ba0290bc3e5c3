"""A provider's stream, read: what servers that speak Chat Completions really send."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.codecs.chat_sdk import call, delta, parts, read, sse
from waystation.model import Wire
from waystation.wire.canonical import (
    Delta,
    Event,
    Failed,
    Finish,
    Media,
    PartEnd,
    PartStart,
    Reasoning,
    Seal,
    Started,
    StopReason,
    Text,
    ToolCall,
)
from waystation.wire.codecs.chat import CODEC

FIXTURES = Path(__file__).parent.parent / "fixtures"
ROLE = delta(role="assistant", content="", refusal=None)
ENDS = delta("stop")


def say(*events: dict[str, Any] | str) -> list[Event]:
    return read(ROLE, *events)


def reason_of(events: list[Event]) -> StopReason:
    last = events[-1]
    assert isinstance(last, Finish)
    assert last.usage is None
    return last.reason


def test_words_stream_through_one_by_one() -> None:
    assert say(delta(content="Hel"), delta(content="lo"), ENDS) == [
        Started("chatcmpl-1", "m"),
        PartStart(Text("")),
        Delta("Hel"),
        Delta("lo"),
        PartEnd(),
        Finish(StopReason.END),
    ]


def test_finish_waits_for_the_usage_chunk_and_done() -> None:
    reader = CODEC.reader()
    before = reader.feed(sse(ROLE, delta(content="hi"), ENDS))
    assert before[-1] == PartEnd()
    assert reader.feed(sse({"id": "x", "choices": [], "usage": {"prompt_tokens": 1}})) == []
    assert reader.feed(b"data: [DONE]\n\n") == [Finish(StopReason.END)]
    assert reader.close() == []


def test_servers_that_end_without_done_have_said_why() -> None:
    assert reason_of(read(ROLE, delta(content="hi"), delta("length"), done=False)) is StopReason.MAX_TOKENS


def test_a_body_that_just_ends_is_no_success() -> None:
    events = read(ROLE, delta(content="half"), done=False)
    assert not any(isinstance(event, Finish) for event in events)
    assert events[-1] == Delta("half")


def test_thoughts_end_where_words_begin_and_know_where_they_came_from() -> None:
    for field in ("reasoning_content", "reasoning"):
        events = say(delta(**{field: "Let me"}), delta(**{field: " see"}), delta(content="Yes"), ENDS)
        assert parts(events) == [Reasoning("Let me see", Seal(Wire.CHAT, field)), Text("Yes")]


def test_a_server_that_sends_thoughts_in_two_fields_is_heard_once() -> None:
    both = delta(reasoning_content="hm", reasoning="hm")
    assert parts(say(both, delta(content="ok"), ENDS)) == [
        Reasoning("hm", Seal(Wire.CHAT, "reasoning_content")),
        Text("ok"),
    ]


def test_thoughts_and_words_in_one_delta_are_both_read() -> None:
    found = parts(say(delta(content="a"), delta(reasoning_content="t", content="b"), ENDS))
    assert found == [Text("a"), Reasoning("t", Seal(Wire.CHAT, "reasoning_content")), Text("b")]


def test_think_tags_in_the_text_are_text() -> None:
    assert parts(say(delta(content="<think>no</think> yes"), ENDS)) == [Text("<think>no</think> yes")]


def test_reasoning_details_come_back_as_one_to_be_replayed() -> None:
    events = say(
        delta(reasoning="Let", reasoning_details=[{"type": "reasoning.text", "text": "Let", "index": 0}]),
        delta(reasoning=" me", reasoning_details=[{"type": "reasoning.text", "text": " me", "index": 0}]),
        delta(reasoning_details=[{"type": "reasoning.text", "signature": "c2ln", "index": 0}]),
        delta(content="Hi"),
        ENDS,
    )
    thought, text = parts(events)
    assert isinstance(thought, Reasoning)
    assert thought.seal is not None
    assert (thought.text, text) == ("Let me", Text("Hi"))
    assert json.loads(thought.seal.data) == [
        {"type": "reasoning.text", "text": "Let me", "index": 0, "signature": "c2ln"}
    ]


def test_sealed_details_without_text_are_kept_too() -> None:
    detail = {"type": "reasoning.encrypted", "data": "AAAA", "id": "rs_1", "index": 0}
    before, _ = parts(say(delta(reasoning_details=[detail]), delta(content="Hi"), ENDS))
    assert isinstance(before, Reasoning)
    assert before.seal is not None
    assert json.loads(before.seal.data) == [detail]
    late = parts(say(delta(tool_calls=[call(0, "c", "f", "{}")]), delta(reasoning_details=[detail]), ENDS))
    assert late == [ToolCall("c", "f", "{}"), before]


def test_details_alone_are_thoughts() -> None:
    details = [{"type": "reasoning.text", "text": "hm"}]
    thought = parts(say(delta(reasoning_details=details), delta(content="ok"), ENDS))[0]
    assert isinstance(thought, Reasoning)
    assert thought.text == "hm"
    assert thought.seal is not None
    assert json.loads(thought.seal.data) == details


def test_mistrals_thoughts_are_parts_of_the_content() -> None:
    thinking = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]
    assert parts(say(delta(content=thinking), delta(content=[{"type": "text", "text": "ok"}]), ENDS)) == [
        Reasoning("hm", Seal(Wire.CHAT, "thinking")),
        Text("ok"),
    ]


def test_a_refusal_is_marked_as_one() -> None:
    events = say(delta(refusal="I can"), delta(refusal="not."), ENDS)
    assert parts(events) == [Text("I cannot.", refusal=True)]


def test_pictures_of_the_model_are_parts() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
    (part,) = parts(say(delta(content="", images=[image]), ENDS))
    assert isinstance(part, Media)
    assert (part.media_type, part.data) == ("image/png", "iVBO")


def test_E78_white_space_alone_is_no_part() -> None:
    events = say(
        delta(content="\n\n"), delta(tool_calls=[call(0, "c", "f", "{}")]), delta(content="\n"), ENDS
    )
    assert parts(events) == [ToolCall("c", "f", "{}")]
    assert parts(say(delta(content="\n"), delta(content=" a"), ENDS)) == [Text("\n a")]


# Tool calls


def calls(*pieces: Any, reason: str = "tool_calls") -> list[Event]:
    return say(
        *[delta(tool_calls=piece if isinstance(piece, list) else [piece]) for piece in pieces], delta(reason)
    )


A, B = ToolCall("call_a", "f", '{"a":1}'), ToolCall("call_b", "g", '{"b":2}')


def test_one_call_streams_through() -> None:
    events = calls(call(0, "call_a", "f"), call(0, text='{"a"'), call(0, text=":1}"))
    assert events == [
        Started("chatcmpl-1", "m"),
        PartStart(ToolCall("call_a", "f", "")),
        Delta('{"a"'),
        Delta(":1}"),
        PartEnd(),
        Finish(StopReason.TOOL_USE),
    ]


def test_the_second_call_streams_through_once_the_first_is_whole() -> None:
    reader = CODEC.reader()
    reader.feed(sse(delta(tool_calls=[call(0, "call_a", "f", '{"a":1}')])))
    events = reader.feed(sse(delta(tool_calls=[call(1, "call_b", "g", "{")])))
    assert events == [PartEnd(), PartStart(ToolCall("call_b", "g", "")), Delta("{")]


def test_E10_interleaved_calls_come_one_after_the_other() -> None:
    events = calls(
        [call(0, "call_a", "f"), call(1, "call_b", "g")],
        [call(0, text='{"a"'), call(1, text='{"b"')],
        [call(1, text=":2}"), call(0, text=":1}")],
    )
    assert parts(events) == [A, B]
    # the first is not held back for the second's sake
    assert [event for event in events if isinstance(event, Delta)][:2] == [Delta('{"a"'), Delta(":1}")]


def test_E10_an_object_inside_of_the_arguments_is_not_their_end() -> None:
    events = calls(
        call(0, "call_a", "f", '{"x":{"y":1}'), call(1, "call_b", "g", '{"b":2}'), call(0, text=',"z":2}')
    )
    assert parts(events) == [ToolCall("call_a", "f", '{"x":{"y":1},"z":2}'), B]


def test_E11_text_between_two_calls_is_a_part_of_its_own() -> None:
    events = say(
        delta(tool_calls=[call(0, "call_a", "f", '{"a":1}')]),
        delta(content="and now"),
        delta(tool_calls=[call(1, "call_b", "g", '{"b":2}')]),
        delta("tool_calls"),
    )
    assert parts(events) == [A, Text("and now"), B]


def test_E11_text_into_an_open_call_waits_for_its_end() -> None:
    events = say(
        delta(tool_calls=[call(0, "call_a", "f", '{"a"')]),
        delta(content="\nand "),
        delta(tool_calls=[call(0, text=":1}")]),
        delta(content="now"),
        delta("tool_calls"),
    )
    assert parts(events) == [A, Text("\nand now")]


@pytest.mark.parametrize(
    "pieces",
    [
        [call(0, "call_a", "f", '{"a":1}'), call(1, "call_b", "g", '{"b":2}')],
        [[call(0, "call_a", "f", '{"a":1}'), call(1, "call_b", "g", '{"b":2}')]],
        [[call(None, "call_a", "f", '{"a":1}'), call(None, "call_b", "g", '{"b":2}')]],
        [call(0, "call_a", "f", '{"a":1}'), call(0, "call_b", "g", '{"b":2}')],
        [call(0, "call_a", "f", '{"a"'), call(0, "call_a", "f", ":1}"), call(1, "call_b", "g", '{"b":2}')],
        [call(0, "call_a", "f", '{"a"'), call(0, "other", text=":1}"), call(1, "call_b", "g", '{"b":2}')],
        [call(None, "call_a", "f", '{"a"'), call(None, None, None, ":1}"), call(None, "call_b", "g", '{"b":2}')],
        [call(0, "call_a", None, '{"a"'), call(0, None, "f", ":1}"), call(1, "call_b", "g", '{"b":2}')],
        [call(3, "call_a", "f", '{"a":1}'), call(7, "call_b", "g", '{"b":2}')],
        [call(None, "call_a", "f"), call(0, text='{"a":1}'), call(None, "call_b", "g", '{"b":2}')],
        [{"index": 0, "id": "call_a", "function": {"name": "f", "arguments": {"a": 1}}}, call(1, "call_b", "g", '{"b":2}')],
    ],
    ids=[
        "whole calls",
        "in one chunk",
        "no index",
        "the same index",
        "name and id repeated",
        "a new id with each piece",
        "neither index nor id on later pieces",
        "the name comes late",
        "indexes with gaps",
        "an index that comes late",
        "arguments that are no string",
    ],
)  # fmt: skip
def test_E10_calls_as_servers_send_them(pieces: list[Any]) -> None:
    assert parts(calls(*pieces)) == [A, B]


def test_a_name_may_come_in_pieces() -> None:
    events = calls(call(0, "c", "get_"), call(0, None, "weather"), call(0, text="{}"))
    assert parts(events) == [ToolCall("c", "get_weather", "{}")]


def test_calls_without_ids_or_arguments() -> None:
    assert parts(calls(call(0, None, "f", "{}"))) == [ToolCall("", "f", "{}")]
    assert parts(calls(call(0, "c", "f"))) == [ToolCall("c", "f", "")]
    assert parts(calls(call(0, "c", "f"), call(1, "d", "g"))) == [
        ToolCall("c", "f", ""),
        ToolCall("d", "g", ""),
    ]


def test_a_call_without_a_name_is_counted_as_lost() -> None:
    reader = CODEC.reader()
    events = reader.feed(sse(delta(tool_calls=[call(0, "c", None, "{}")]), delta("tool_calls"), "[DONE]"))
    assert events[-1] == Finish(StopReason.END)
    assert reader.skipped == 1


def test_an_empty_custom_beside_a_function_means_nothing() -> None:
    piece = {**call(0, "call_a", "f", '{"a":1}'), "custom": {}}
    assert parts(calls(piece)) == [A]


def test_E31_custom_calls_are_raw_text() -> None:
    begins = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "patch", "input": "*** Be"}}
    goes_on = {"index": 0, "custom": {"input": "gin"}}
    assert parts(calls(begins, goes_on)) == [ToolCall("c", "patch", "*** Begin", custom=True)]


def test_the_old_function_call() -> None:
    events = say(
        delta(function_call={"name": "f", "arguments": ""}),
        delta(function_call={"arguments": '{"a":1}'}),
        delta("function_call"),
    )
    assert parts(events) == [ToolCall("", "f", '{"a":1}')]
    assert reason_of(events) is StopReason.TOOL_USE


def test_E27_a_signature_on_a_call_goes_before_it() -> None:
    extra = {"google": {"thought_signature": "c2ln"}}
    first, second = parts(calls({**call(0, "c", "f", "{}"), "extra_content": extra}))
    assert isinstance(first, Reasoning)
    assert first.seal is not None
    assert (first.text, json.loads(first.seal.data)) == ("", extra)
    assert second == ToolCall("c", "f", "{}")


# Ends


@pytest.mark.parametrize(
    ("word", "plain", "with_calls"),
    [
        ("stop", StopReason.END, StopReason.TOOL_USE),
        ("tool_calls", StopReason.END, StopReason.TOOL_USE),
        ("function_call", StopReason.END, StopReason.TOOL_USE),
        ("length", StopReason.MAX_TOKENS, StopReason.MAX_TOKENS),
        ("content_filter", StopReason.REFUSAL, StopReason.REFUSAL),
        ("model_length", StopReason.CONTEXT_FULL, StopReason.CONTEXT_FULL),
        ("eos_token", StopReason.END, StopReason.TOOL_USE),
    ],
)
def test_E106_stop_reasons(word: str, plain: StopReason, with_calls: StopReason) -> None:
    assert reason_of(say(delta(content="x"), delta(word))) is plain
    assert reason_of(calls(call(0, "c", "f", "{}"), reason=word)) is with_calls


def test_E14_an_error_in_a_chunk_without_choices() -> None:
    error = {"error": {"code": 502, "message": "Provider disconnected"}, "choices": []}
    events = say(delta(content="half"), error)
    assert isinstance(events[-1], Failed)
    assert events[-1].error.message == "Provider disconnected"
    assert events[-1].error.http_status == 502


def test_E14_an_error_beside_a_finish_reason() -> None:
    chunk = delta("error", content="")
    failed = say(delta(content="half"), {**chunk, "error": {"code": 502, "message": "gone"}})[-1]
    assert isinstance(failed, Failed)
    assert failed.error.message == "gone"
    chunk["choices"][0]["error"] = {"code": 503, "message": "busy"}
    failed = say(delta(content="half"), chunk)[-1]
    assert isinstance(failed, Failed)
    assert failed.error.http_status == 503


@pytest.mark.parametrize("word", ["error", "network_error", "insufficient_system_resource", "abort"])
def test_E15_a_reason_that_is_a_failure_is_one(word: str) -> None:
    last = say(delta(content="half"), delta(word))[-1]
    assert isinstance(last, Failed)
    assert word in last.error.message


def test_an_error_first_is_the_only_event() -> None:
    events = read({"error": {"message": "overloaded", "type": "server_error"}}, "[DONE]")
    assert len(events) == 1
    assert isinstance(events[0], Failed)


def test_only_the_first_choice_is_read() -> None:
    second = {"index": 1, "delta": {"content": "no"}, "finish_reason": "stop"}
    chunk = delta(content="yes")
    chunk["choices"].insert(0, second)
    assert parts(say(chunk, {**ENDS, "choices": [second]}, ENDS)) == [Text("yes")]


def test_a_whole_message_in_an_event_is_read_like_its_deltas() -> None:
    chunk = {"choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}]}
    assert parts(read(chunk)) == [Text("hi")]


@pytest.mark.parametrize(
    "bad", ["{nonsense", "[1]", "3", '"x"', '{"choices": 3}', '{"choices":[null]}', "{}"]
)
def test_E112_one_bad_event_does_not_end_a_stream(bad: str) -> None:
    events = say(delta(content="a"), bad, delta(content="b"), ENDS)
    assert parts(events) == [Text("ab")]


def test_E112_bad_events_are_counted() -> None:
    reader = CODEC.reader()
    reader.feed(sse(delta(content="a"), "{nonsense", "[1]"))
    assert reader.skipped == 2


def test_E06_an_event_of_many_megabytes() -> None:
    text = "x" * (3 << 20)
    assert parts(say(delta(content=text), ENDS)) == [Text(text)]


STREAMS = {
    "recorded": (FIXTURES / "chat.sse").read_bytes(),
    "error": (FIXTURES / "chat_error.sse").read_bytes(),
    "rich": sse(
        ROLE,
        delta(reasoning_content="猫 thinks"),
        delta(content="Grüße 🐈"),
        delta(tool_calls=[call(0, "a", "f"), call(1, "b", "g")]),
        delta(tool_calls=[call(1, text='{"x":"🐈"}'), call(0, text='{"y":')]),
        delta(tool_calls=[call(0, text="1}")]),
        delta("tool_calls"),
        {"choices": [], "usage": {}},
        "[DONE]",
    ),
    "comments and carriage returns": b": OPENROUTER PROCESSING\r\n\r\n"
    + sse(ROLE, delta(content="猫"), ENDS, "[DONE]").replace(b"\n", b"\r\n"),
    "no last blank line": sse(ROLE, delta(content="猫"), ENDS)[:-2],
}


@pytest.mark.parametrize("name", STREAMS)
def test_E04_E05_cut_at_every_byte_it_is_the_same(name: str) -> None:
    stream = STREAMS[name]
    whole = CODEC.reader()
    expected = whole.feed(stream) + whole.close()
    parts(expected)
    assert isinstance(expected[-1], Finish | Failed)
    for cut in range(1, len(stream)):
        reader = CODEC.reader()
        assert reader.feed(stream[:cut]) + reader.feed(stream[cut:]) + reader.close() == expected
    bytewise = CODEC.reader()
    single: list[Event] = []
    for at in range(len(stream)):
        single += bytewise.feed(stream[at : at + 1])
    assert single + bytewise.close() == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
fields = ["content", "refusal", "reasoning_content", "reasoning", "reasoning_details", "tool_calls", "function_call", "images"]  # fmt: skip
odd_calls = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "index": st.integers(0, 2) | json_values,
            "id": st.sampled_from(["a", "b", ""]) | json_values,
            "function": st.fixed_dictionaries(
                {},
                optional={
                    "name": st.sampled_from(["f", "g", ""]) | json_values,
                    "arguments": st.sampled_from(["{", "}", '"a":1', "{}", ""]) | json_values,
                },
            )
            | json_values,
            "custom": json_values,
            "extra_content": json_values,
        },
    ),
    max_size=3,
)
odd_deltas = st.dictionaries(
    st.sampled_from(fields), json_values | odd_calls | st.sampled_from(["x", " ", "\n"]), max_size=3
)
odd_chunks = st.one_of(
    odd_deltas.map(lambda found: delta(**found)),
    st.builds(delta, st.sampled_from(["stop", "length", "tool_calls"])),
    st.dictionaries(st.sampled_from(["choices", "id", "model"]), json_values, max_size=3),
)


@given(st.lists(odd_chunks, max_size=8), st.booleans())
def test_whatever_comes_parts_never_interleave(events: list[Any], done: bool) -> None:
    found = read(*events, done=done)
    parts(found)
    if done:
        assert isinstance(found[-1], Finish | Failed)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_a_fault(data: bytes) -> None:
    reader = CODEC.reader()
    reader.feed(data)
    reader.close()


@given(
    st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=8), max_size=2), min_size=1, max_size=3),
    st.randoms(use_true_random=False),
)
def test_E10_any_interleaving_gives_the_same_calls(arguments: list[dict[str, str]], random: Any) -> None:
    expected = [ToolCall(f"c{at}", f"f{at}", json.dumps(one)) for at, one in enumerate(arguments)]
    queues: list[list[Any]] = []
    for at, whole in enumerate(expected):
        text = whole.arguments
        cuts = sorted({0, len(text), *(random.randrange(len(text) + 1) for _ in range(3))})
        pieces = [call(at, text=text[start:end]) for start, end in pairwise(cuts)]
        queues.append([call(at, whole.id, whole.name), *pieces])
    order: list[Any] = []
    begun = 0
    while any(queues):
        ready = [at for at in range(begun) if queues[at]]
        if begun < len(queues) and (not ready or random.random() < 0.5):
            begun += 1  # calls begin in order; what follows may come in any
            ready = [begun - 1]
        order.append(queues[random.choice(ready)].pop(0))
    assert parts(calls(*order)) == expected
