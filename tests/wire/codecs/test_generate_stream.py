"""Gemini's answers, read: streams cut anywhere, whole answers, and how they end."""

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.streams import fixture, sse
from waystation.model import Wire
from waystation.wire import BadBody
from waystation.wire.canonical import (
    Delta,
    Event,
    Failed,
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
from waystation.wire.codecs.generate import CODEC
from waystation.wire.codecs.generate.stream import GenerateReader
from waystation.wire.stream_error import StreamError

Json = dict[str, Any]
RECORDED = ("generate.sse", "generate_array.json", "generate_error.sse", "generate.json")


def play(pieces: Iterable[bytes]) -> list[Event]:
    reader = CODEC.reader()
    events = [event for piece in pieces for event in reader.feed(piece)]
    return events + reader.close()


def chunk(*parts: Json, **candidate: Any) -> Json:
    content = {"content": {"role": "model", "parts": list(parts)}} if parts else {}
    return {"candidates": [{**content, "index": 0, **candidate}], "responseId": "r1", "modelVersion": "g"}


def stream(*chunks: Json) -> list[Event]:
    """The events without the one that starts them."""
    started, *events = play([sse(*(json.dumps(one) for one in chunks))])
    assert started == Started("r1", "g")
    return events


def of_part(part: Part, *texts: str) -> list[Event]:
    return [PartStart(part), *(Delta(text) for text in texts), PartEnd()]


def seal(data: str) -> list[Event]:
    return of_part(Reasoning(seal=Seal(Wire.GENERATE, data)))


# whatever the cuts


@pytest.mark.parametrize("name", RECORDED)
def test_a_stream_cut_at_every_byte_is_the_same(name: str) -> None:
    data = fixture(name)
    whole = play([data])
    assert play(data[at : at + 1] for at in range(len(data))) == whole
    for at in range(len(data)):
        assert play([data[:at], data[at:]]) == whole


def test_a_stream_of_events_and_one_of_an_array_say_the_same() -> None:
    assert play([fixture("generate.sse")]) == play([fixture("generate_array.json")])


@pytest.mark.parametrize("newline", ["\r\n", "\r"])
def test_lines_may_end_in_any_way(newline: str) -> None:
    data = fixture("generate.sse").replace(b"\n", newline.encode())
    assert play([data]) == play([fixture("generate.sse")])


def test_an_event_without_its_empty_line_counts() -> None:
    assert play([fixture("generate.sse").rstrip()]) == play([fixture("generate.sse")])


def test_the_recorded_stream() -> None:
    assert play([fixture("generate.sse")]) == [
        Started("r7Qx", "gemini-3-pro"),
        *of_part(Reasoning(), '**計画**\n\nreading {"finishReason": "STOP"}'),
        *of_part(Text(""), "done ]} 終"),
        *seal("CiQBVKhc7g=="),
        *of_part(ToolCall("f1", "run_shell_command", ""), '{"command":"printf \\"hi\\\\n\\" > hello.txt"}'),
        Finish(StopReason.TOOL_USE),
    ]


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=30), max_size=6))
def test_any_bytes_are_survived(pieces: list[bytes]) -> None:
    for head in (b"", b"data: ", b"[", b"data: {", b'[{"candidates": [{"content": {"parts": ['):
        play([head, *pieces])


FIELDS = ["text", "thought", "thoughtSignature", "functionCall", "name", "args", "id"]
FIELDS += ["inlineData", "data", "mimeType", "fileData", "parts"]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(FIELDS),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(st.lists(JUNK, max_size=3), JUNK, JUNK)
def test_parts_of_any_shape_are_survived(parts: list[Any], reason: Any, other: Any) -> None:
    body = {
        "candidates": [{"content": {"parts": parts}, "finishReason": reason, "groundingMetadata": other}],
        "promptFeedback": other,
    }
    events = play([sse(json.dumps(body))])
    opened = sum(isinstance(event, PartStart) for event in events)
    assert opened == sum(isinstance(event, PartEnd) for event in events)
    play([sse(json.dumps({"candidates": parts, "error": None}))])


# what parts become


def test_text_and_thoughts_go_on_until_something_else_comes() -> None:
    assert stream(
        chunk({"text": "a", "thought": True}),
        chunk({"text": "b", "thought": True}, {"text": "c"}),
        chunk({"text": "d"}, {"text": ""}),
        chunk({"functionCall": {"name": "f", "args": {"x": 1}, "id": "1"}}),
        chunk({"text": "e"}, finishReason="STOP"),
    ) == [
        *of_part(Reasoning(), "a", "b"),
        *of_part(Text(""), "c", "d"),
        *of_part(ToolCall("1", "f", ""), '{"x": 1}'),
        *of_part(Text(""), "e"),
        Finish(StopReason.TOOL_USE),
    ]


def test_E27_a_signature_comes_before_its_part_and_never_within_a_text() -> None:
    """Claude Code takes the last block of an answer for all of it, so a text in two blocks would lose its start."""
    call = {"functionCall": {"name": "f", "args": {}, "id": "1"}, "thoughtSignature": "BBBB"}
    assert stream(
        chunk({"text": "He"}),
        chunk({"text": "llo", "thoughtSignature": "AAAA"}),
        chunk(call),
        chunk({"text": "", "thoughtSignature": "CCCC"}, finishReason="STOP"),
    ) == [
        *of_part(Text(""), "He", "llo"),
        *seal("AAAA"),
        *seal("BBBB"),
        *of_part(ToolCall("1", "f", ""), "{}"),
        *seal("CCCC"),
        Finish(StopReason.TOOL_USE),
    ]


def test_E27_thoughts_just_before_a_sealed_part_carry_its_seal() -> None:
    """So that a tool that knows signed thoughts gets one block, not two."""
    assert stream(
        chunk({"text": "plan", "thought": True}),
        chunk({"functionCall": {"name": "f", "id": "1"}, "thoughtSignature": "AAAA"}, finishReason="STOP"),
    ) == [
        PartStart(Reasoning()),
        Delta("plan"),
        PartEnd(Seal(Wire.GENERATE, "AAAA")),
        *of_part(ToolCall("1", "f", ""), "{}"),
        Finish(StopReason.TOOL_USE),
    ]
    assert stream(
        chunk({"text": "plan", "thought": True, "thoughtSignature": "AAAA"}, {"text": "hi"}),
        chunk(finishReason="STOP"),
    ) == [
        *of_part(Reasoning(seal=Seal(Wire.GENERATE, "AAAA")), "plan"),
        *of_part(Text(""), "hi"),
        Finish(StopReason.END),
    ]


def test_arguments_are_one_line_however_they_were_written() -> None:
    pretty = '{\n  "a": 1.50,\n  "b": "x\\ny"\n}'
    call = '{"functionCall":{"name":"f","id":"1","args":' + pretty + "}}"
    body = '[{"candidates":[{"content":{"parts":[' + call + "]}}]}]"
    assert Delta('{"a":1.50,"b":"x\\ny"}') in play([body.encode()])


def test_media_code_and_grounding() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1+1"}}
    assert stream(
        chunk(code, {"inlineData": {"mimeType": "image/png", "data": "QUJD"}}, groundingMetadata={"a": 1}),
        chunk(groundingMetadata={"a": 2}, urlContextMetadata={"u": 1}, finishReason="STOP"),
    ) == [
        *of_part(Native(Wire.GENERATE, "executableCode", code)),
        *of_part(Media(MediaKind.IMAGE, "image/png", data="QUJD")),
        *of_part(Native(Wire.GENERATE, "groundingMetadata", {"groundingMetadata": {"a": 2}})),
        *of_part(Native(Wire.GENERATE, "urlContextMetadata", {"urlContextMetadata": {"u": 1}})),
        Finish(StopReason.END),
    ]


def test_only_the_first_candidate_is_read() -> None:
    first, second = chunk({"text": "a"}), chunk({"text": "b"}, index=1)
    both = {**first, "candidates": [*second["candidates"], *first["candidates"]]}
    assert stream(both, second, chunk(finishReason="STOP"))[:-1] == of_part(Text(""), "a")


def test_a_part_with_a_field_of_another_type_keeps_the_others() -> None:
    call = {"functionCall": {"name": "f", "args": {"a": 1}, "id": 7}, "thought": "yes"}
    events = stream(chunk(call, {"text": "a", "thought": 3}), chunk(finishReason="STOP"))
    (start, *_) = events
    assert isinstance(start, PartStart)
    assert isinstance(start.part, ToolCall)
    assert (start.part.name, events[1]) == ("f", Delta('{"a":1}'))
    assert events[3:6] == of_part(Text(""), "a")


# ids


def minted(events: list[Event]) -> list[str]:
    return [e.part.id for e in events if isinstance(e, PartStart) and isinstance(e.part, ToolCall)]


def test_E73_calls_without_an_id_get_one_that_no_other_answer_has() -> None:
    def answer(**fields: Any) -> bytes:
        call = {"functionCall": {"name": "f", "args": {}}}
        return sse(json.dumps({**chunk(call, call), **fields}), json.dumps({**chunk(call), **fields}))

    first, second = minted(play([answer(responseId="r1")])), minted(play([answer(responseId="r2")]))
    assert len({*first, *second}) == 6
    assert minted(play([answer(responseId="r1")])) == first
    assert all(ident.startswith("gmcall_") and ident.replace("_", "").isalnum() for ident in first)
    # without an id of the answer, its usage tells it from the same one a turn earlier
    earlier = minted(play([answer(responseId=None, usageMetadata={"promptTokenCount": 10})]))
    later = minted(play([answer(responseId=None, usageMetadata={"promptTokenCount": 20})]))
    assert len({*earlier, *later}) == 6


# how it ends


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("STOP", StopReason.END),
        ("MAX_TOKENS", StopReason.MAX_TOKENS),
        ("SAFETY", StopReason.REFUSAL),
        ("PROHIBITED_CONTENT", StopReason.REFUSAL),
        ("RECITATION", StopReason.REFUSAL),
        ("LANGUAGE", StopReason.REFUSAL),
        ("BLOCKLIST", StopReason.REFUSAL),
        ("SPII", StopReason.REFUSAL),
        ("OTHER", StopReason.END),
        ("SOMETHING_NEW", StopReason.END),
    ],
)
def test_E106_why_it_stopped(word: str, reason: StopReason) -> None:
    assert stream(chunk({"text": "a"}, finishReason=word))[-1] == Finish(reason)


def test_E106_whether_tools_are_called_is_decided_from_content() -> None:
    call = {"functionCall": {"name": "f", "id": "1"}}
    assert stream(chunk(call, finishReason="STOP"))[-1] == Finish(StopReason.TOOL_USE)
    assert stream(chunk(call), chunk(finishReason="STOP"))[-1] == Finish(StopReason.TOOL_USE)
    assert stream(chunk(call), chunk(finishReason="MALFORMED_FUNCTION_CALL"))[-1] == Finish(
        StopReason.TOOL_USE
    )
    assert stream(chunk(call), chunk(finishReason="MAX_TOKENS"))[-1] == Finish(StopReason.MAX_TOKENS)


@pytest.mark.parametrize(
    "word",
    ["MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE"],
)
def test_E106_an_answer_that_is_none_is_an_error_and_no_end(word: str) -> None:
    for before in ([], [chunk({"text": "Let me"})]):
        (failed,) = stream(*before, chunk(finishReason=word))[-1:]
        assert isinstance(failed, Failed)
        assert (failed.error.type, failed.error.http_status) == (word, 502)
    (failed,) = stream(chunk(finishReason="OTHER", finishMessage="Sorry."))
    assert failed == Failed(StreamError("OTHER", "Sorry.", 502))


def test_E106_a_prompt_that_was_blocked_is_a_refusal() -> None:
    feedback = {"promptFeedback": {"blockReason": "SAFETY"}, "responseId": "r1", "modelVersion": "g"}
    assert stream(feedback) == [Finish(StopReason.REFUSAL)]
    told = {**feedback, "promptFeedback": {"blockReason": "OTHER", "blockReasonMessage": "No."}}
    assert stream(told) == [*of_part(Text("", refusal=True), "No."), Finish(StopReason.REFUSAL)]


def test_E102_it_ends_with_the_body_and_not_before() -> None:
    reader = CODEC.reader()
    ended = reader.feed(sse(json.dumps(chunk({"text": "a"}, finishReason="STOP"))))
    assert not any(isinstance(event, Finish) for event in ended)
    later = reader.feed(sse(json.dumps({**chunk(), "usageMetadata": {"promptTokenCount": 9}})))
    assert later == []
    assert reader.close() == [PartEnd(), Finish(StopReason.END)]
    assert reader.close() == []


def test_a_stream_that_breaks_off_has_no_end() -> None:
    assert not any(isinstance(event, Finish | Failed) for event in stream(chunk({"text": "a"})))


def test_E13_an_error_inside_the_stream_is_the_end_of_it() -> None:
    events = play([fixture("generate_error.sse") + sse(json.dumps(chunk({"text": "more"})))])
    assert events[-1] == Failed(
        StreamError("UNAVAILABLE", "The model is overloaded. Please try again later.", 503)
    )
    assert not any(isinstance(event, Delta) and event.text == "more" for event in events)


def test_E112_an_event_that_cannot_be_read_is_skipped_and_counted() -> None:
    reader = GenerateReader()
    good = json.dumps(chunk({"text": "a"}))
    events = reader.feed(
        sse(good, "{oops", good, "7") + b": comment\n\n" + sse(json.dumps(chunk(finishReason="STOP")))
    )
    events += reader.close()
    assert events[1:] == [*of_part(Text(""), "a", "a"), Finish(StopReason.END)]
    assert reader.skipped == 2


# whole answers


def test_a_whole_answer() -> None:
    assert CODEC.read_reply(fixture("generate.json")) == Reply(
        (
            Reasoning(seal=Seal(Wire.GENERATE, "CiQBVKhc7g==")),
            ToolCall("f1", "run_shell_command", '{"command":"printf \\"hi\\\\n\\" > hello.txt"}'),
        ),
        StopReason.TOOL_USE,
        id="r7Qx",
        model="gemini-3-pro",
    )


def test_a_whole_answer_and_a_stream_say_the_same() -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    parts: list[Json] = [{"text": "plan", "thought": True}, {"text": "Hi", "thoughtSignature": "AAAA"}, call]
    body = chunk(*parts, finishReason="STOP")
    reply = CODEC.read_reply(json.dumps(body).encode())
    streamed = [e for e in play([sse(json.dumps(body))]) if not isinstance(e, PartEnd)]
    assert [e for e in reply.events() if not isinstance(e, PartEnd)] == [
        PartStart(Reasoning(seal=Seal(Wire.GENERATE, "AAAA"))) if event == PartStart(Reasoning()) else event
        for event in streamed
    ]
    assert CODEC.read_reply(json.dumps([body]).encode()) == reply


def test_a_whole_answer_need_not_say_why_it_ended() -> None:
    reply = CODEC.read_reply(json.dumps(chunk({"text": "Hi"})).encode())
    assert (reply.parts, reply.reason) == ((Text("Hi"),), StopReason.END)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nope",
        b"[]",
        b"{}",
        b'{"totalTokens": 3}',
        b'{"error": {"code": 503, "status": "UNAVAILABLE", "message": "secret"}}',
        json.dumps(chunk(finishReason="MALFORMED_FUNCTION_CALL")).encode(),
    ],
)
def test_what_is_no_answer_is_a_bad_body(body: bytes) -> None:
    with pytest.raises(BadBody) as caught:
        CODEC.read_reply(body)
    assert "secret" not in caught.value.message
