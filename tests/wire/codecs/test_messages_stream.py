"""A provider's stream as events."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.model import Wire
from waystation.wire import SSEOverflow
from waystation.wire.canonical import (
    Delta,
    Event,
    Failed,
    Finish,
    Native,
    PartEnd,
    PartStart,
    Reasoning,
    Seal,
    Started,
    StopReason,
    Text,
    ToolCall,
)
from waystation.wire.codecs.messages import CODEC

FIXTURES = Path(__file__).parents[1] / "fixtures"
RECORDED = [
    *FIXTURES.glob("messages*.sse"),
    *(Path(__file__).parents[2] / "fixtures" / "streams").glob("anthropic.messages.*.sse"),
]
START = {"type": "message_start", "message": {"id": "msg_1", "model": "claude-x"}}
STARTED = Started("msg_1", "claude-x")
STOP = {"type": "message_stop"}


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in events
    )


def block(start: dict[str, Any], *deltas: dict[str, Any], index: int = 0) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(words: str) -> dict[str, str]:
    return {"type": "text_delta", "text": words}


def stopped(reason: str | None, sequence: str | None = None) -> list[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": sequence}
    return [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 3}}, STOP]


def read(data: bytes) -> list[Event]:
    reader = CODEC.reader()
    return [*reader.feed(data), *reader.close()]


def parts(*events: dict[str, Any]) -> list[Event]:
    """What is between the start and the finish."""
    found = read(sse(START, *events, *stopped("end_turn")))
    assert found[0] == STARTED
    assert isinstance(found[-1], Finish)
    return found[1:-1]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_E04_E05_a_stream_says_the_same_wherever_it_is_cut(path: Path) -> None:
    data = path.read_bytes()
    whole = read(data)
    step = 1 if len(data) < 3000 else 3
    for at in range(1, len(data), step):
        reader = CODEC.reader()
        assert [*reader.feed(data[:at]), *reader.feed(data[at:]), *reader.close()] == whole
    reader = CODEC.reader()
    single = [event for byte in data for event in reader.feed(bytes([byte]))]
    assert single + reader.close() == whole


def test_a_recorded_answer() -> None:
    assert read((FIXTURES / "messages.sse").read_bytes()) == [
        Started("msg_01Xf", "claude-sonnet-4-5"),
        PartStart(Reasoning()),
        Delta('読む前に "model": を確かめる 🔍'),
        PartEnd(Seal(Wire.MESSAGES, "EqQBCkYIBxgCKkA+/Zm9vYmFy==")),
        PartStart(Reasoning(seal=Seal(Wire.MESSAGES, "EmwKAhgBEgy3va3pzix/LafPsn4a"), redacted=True)),
        PartEnd(),
        PartStart(Text("")),
        Delta('I raise an "error" and read "usage": {"input_tokens": 9}\n\ndata: [DONE]'),
        Delta(" — ça va 你好"),
        PartEnd(),
        PartStart(ToolCall("toolu_01A", "Bash", "")),
        Delta('{"command": "printf \'hi\\n\' > hello.txt"}'),
        PartEnd(),
        Finish(StopReason.TOOL_USE),
    ]


def test_E81_E96_blocks_and_events_that_are_new_to_us() -> None:
    hologram = {"type": "hologram", "frames": [1, 2], "frame": "AAAA"}
    search = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    found = read((FIXTURES / "messages_unknown.sse").read_bytes())
    assert found[1:5] == [
        PartStart(Native(Wire.MESSAGES, "hologram", hologram)),
        PartEnd(),
        PartStart(Native(Wire.MESSAGES, "server_tool_use", search)),
        PartEnd(),
    ]
    assert found[-1] == Finish(StopReason.PAUSE)


def test_E81_a_server_tools_input_is_put_together() -> None:
    start = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in ("", '{"que', 'ry": "x"}')]
    whole = Native(Wire.MESSAGES, "server_tool_use", {**start, "input": {"query": "x"}})
    assert parts(*block(start, *pieces)) == [PartStart(whole), PartEnd()]


def test_E81_deltas_of_an_unknown_block_are_in_it() -> None:
    start = {"type": "compaction", "content": None}
    deltas = [
        {"type": "compaction_delta", "content": "sum", "encrypted_content": "AA"},
        {"type": "compaction_delta", "content": "mary"},
        text("!"),
    ]
    whole = {"type": "compaction", "content": "summary", "encrypted_content": "AA", "text": "!"}
    assert parts(*block(start, *deltas)) == [PartStart(Native(Wire.MESSAGES, "compaction", whole)), PartEnd()]


def test_E78_an_empty_block_is_none() -> None:
    assert (
        parts(*block({"type": "text", "text": ""}, text("")), *block({"type": "thinking", "thinking": ""}))
        == []
    )


def test_E81_citations_do_not_spoil_their_text() -> None:
    citation = {"type": "citations_delta", "citation": {"type": "char_location"}}
    assert parts(*block({"type": "text", "text": ""}, text("a"), citation, text("b"))) == [
        PartStart(Text("")),
        Delta("a"),
        Delta("b"),
        PartEnd(),
    ]


def test_thoughts_that_are_not_shown_are_their_seal() -> None:
    deltas: list[dict[str, Any]] = [
        {"type": "thinking_delta", "thinking": "", "estimated_tokens": 50},
        {"type": "signature_delta", "signature": "EqMB"},
    ]
    assert parts(*block({"type": "thinking", "thinking": "", "signature": ""}, *deltas)) == [
        PartStart(Reasoning()),
        PartEnd(Seal(Wire.MESSAGES, "EqMB")),
    ]


def test_E22_thoughts_of_a_provider_that_signs_nothing() -> None:
    delta = {"type": "thinking_delta", "thinking": "hm"}
    assert parts(*block({"type": "thinking", "thinking": "", "signature": ""}, delta)) == [
        PartStart(Reasoning()),
        Delta("hm"),
        PartEnd(),
    ]


@pytest.mark.parametrize(
    ("given", "deltas", "arguments"),
    [
        ({}, [], ["{}"]),
        ({}, [""], ["{}"]),
        ({"a": 1}, [], ['{"a":1}']),
        ({"a": 1}, ['{"a"', ": 2}"], ['{"a"', ": 2}"]),
        (None, [], ["{}"]),
    ],
)
def test_E12_arguments_in_the_start_or_in_deltas(given: Any, deltas: list[str], arguments: list[str]) -> None:
    start = {"type": "tool_use", "id": "t", "name": "f", "input": given}
    pieces = [{"type": "input_json_delta", "partial_json": delta} for delta in deltas]
    assert parts(*block(start, *pieces)) == [
        PartStart(ToolCall("t", "f", "")),
        *map(Delta, arguments),
        PartEnd(),
    ]


def test_E11_a_block_whose_start_was_forgotten() -> None:
    call = block({"type": "tool_use", "id": "t", "name": "f", "input": {}})
    said = {"type": "content_block_delta", "index": 0, "delta": text("so")}
    expected = [
        PartStart(ToolCall("t", "f", "")),
        Delta("{}"),
        PartEnd(),
        PartStart(Text("")),
        Delta("so"),
        PartEnd(),
    ]
    assert parts(call[0], said) == expected
    assert parts(*call, said) == expected


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", StopReason.END),
        ("max_tokens", StopReason.MAX_TOKENS),
        ("stop_sequence", StopReason.STOP_SEQUENCE),
        ("pause_turn", StopReason.PAUSE),
        ("refusal", StopReason.REFUSAL),
        ("model_context_window_exceeded", StopReason.CONTEXT_FULL),
        ("compaction", StopReason.END),
        ("tool_use", StopReason.END),  # there was no call
        (None, StopReason.END),
    ],
)
def test_E106_stop_reasons(word: str | None, reason: StopReason) -> None:
    assert read(sse(START, *stopped(word, "END")))[-1].reason == reason  # type: ignore[union-attr]  # a Finish


@pytest.mark.parametrize(("word", "reason"), [("end_turn", "tool_use"), ("max_tokens", "max_tokens")])
def test_E106_a_call_decides(word: str, reason: str) -> None:
    call = block({"type": "tool_use", "id": "t", "name": "f", "input": {}})
    assert read(sse(START, *call, *stopped(word)))[-1] == Finish(StopReason(reason))


def test_the_stop_sequence_is_told() -> None:
    assert read(sse(START, *stopped("stop_sequence", "END")))[-1] == Finish(
        StopReason.STOP_SEQUENCE, None, "END"
    )


@pytest.mark.parametrize("name", ["messages_error_first", "messages_error_late"])
def test_E13_an_error_inside_a_stream_ends_it(name: str) -> None:
    found = read((FIXTURES / f"{name}.sse").read_bytes() + sse(STOP))
    assert isinstance(found[-1], Failed)
    assert (found[-1].error.type, found[-1].error.http_status) == ("overloaded_error", 529)


def test_E13_an_error_that_is_no_json() -> None:
    found = read(sse(START) + b"event: error\ndata: upstream fell over\n\n")
    assert isinstance(found[-1], Failed)
    assert found[-1].error.message == "upstream fell over"


def test_E15_a_stream_that_breaks_off_has_no_finish() -> None:
    events = [START, *block({"type": "text", "text": ""}, text("a"))[:-1]]
    assert read(sse(*events)) == [STARTED, PartStart(Text("")), Delta("a")]
    assert read(sse(START) + b"event: ping\ndata: {") == [STARTED]


def test_E112_what_cannot_be_read_is_skipped_and_counted() -> None:
    reader = CODEC.reader()
    good = block({"type": "text", "text": ""}, text("a"), text("b"))
    data = (
        sse(START, *good[:2])
        + b"event: content_block_delta\ndata: {bro\xffken\n\n: comment\n\n"
        + sse(*good[2:])
    )
    stray = {"type": "content_block_delta", "delta": {"type": "input_json_delta", "partial_json": "{"}}
    found = reader.feed(
        data + sse(stray, {"type": "content_block_start", "content_block": 3}, *stopped("end_turn"))
    )
    assert found == [STARTED, PartStart(Text("")), Delta("a"), Delta("b"), PartEnd(), Finish(StopReason.END)]
    assert reader.skipped == 3


def test_E06_a_large_event_is_read_and_a_monstrous_one_refused() -> None:
    words = "a" * 5_000_000
    assert parts(*block({"type": "text", "text": ""}, text(words)))[1] == Delta(words)
    with pytest.raises(SSEOverflow):
        CODEC.reader().feed(b"data: " + b"a" * (64 * 1024 * 1024 + 1))


def test_a_stream_without_a_start_has_one_all_the_same() -> None:
    assert read(sse(*block({"type": "text", "text": "a"}), STOP))[0] == Started()


_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.text(max_size=4), st.sampled_from(["text", "tool_use"])
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(["type", "input"]), inner)
    ),
    max_leaves=4,
)
_kinds = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "error",
]
_deltas = ["text_delta", "input_json_delta", "thinking_delta", "signature_delta", "new"]
_wild = st.fixed_dictionaries(
    {"type": st.one_of(st.sampled_from(_kinds), _values)},
    optional={
        "message": _values,
        "content_block": st.one_of(
            _values,
            st.fixed_dictionaries(
                {"type": st.sampled_from(["text", "thinking", "tool_use", "redacted_thinking", "new"])},
                optional={
                    "text": _values,
                    "thinking": _values,
                    "input": _values,
                    "data": _values,
                    "id": _values,
                },
            ),
        ),
        "delta": st.one_of(
            _values,
            st.fixed_dictionaries(
                {"type": st.sampled_from(_deltas)},
                optional={
                    "text": _values,
                    "partial_json": _values,
                    "thinking": _values,
                    "signature": _values,
                },
            ),
        ),
        "error": _values,
    },
)


@given(st.lists(_wild, max_size=8))
def test_no_stream_is_too_strange(events: list[dict[str, Any]]) -> None:
    """Parts begin and end in order, whatever comes."""
    data = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    within = False
    found = read(data + sse(STOP))
    for number, event in enumerate(found):
        if isinstance(event, PartStart):
            assert not within
        if isinstance(event, PartStart | PartEnd):
            within = not within
        elif isinstance(event, Delta):
            assert within
            assert event.text
        else:
            assert isinstance(event, Started) is (number == 0) or isinstance(event, Failed)
    assert isinstance(found[-1], Finish | Failed)


@given(st.binary(max_size=200))
def test_no_bytes_are_too_strange(data: bytes) -> None:
    read(data)
    read(sse(START) + data)
