"""Answers of Bedrock's Converse API, whole and streamed, both ways and as Amazon's own SDK sees them."""

import base64
import json
import zlib
from typing import Any

import pytest
from botocore.exceptions import EventStreamError
from hypothesis import HealthCheck, given, settings

from tests.wire.bedrock_model import parse_reply, parse_stream
from tests.wire.bedrock_streams import (
    RICH,
    arguments,
    call,
    end,
    frames,
    metadata,
    start,
    stop,
    text,
    thought,
)
from tests.wire.conversations import PIXEL, replies
from waystation.model import Refusal, RefusalKind, Usage, Wire
from waystation.wire import BadBody, SSEOverflow, StreamError
from waystation.wire.canonical import (
    Conversation,
    Delta,
    Event,
    Failed,
    Finish,
    Media,
    MediaKind,
    Native,
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
from waystation.wire.codecs import AnswerHead
from waystation.wire.codecs.converse import CODEC
from waystation.wire.eventstream import event

_HEAD = AnswerHead("id1", 0, "a-model", Conversation(model="a-model"))
_quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def _read(*chunks: bytes) -> list[Event]:
    reader = CODEC.reader()
    events = [found for chunk in chunks for found in reader.feed(chunk)]
    return [*events, *reader.close()]


def _reply(*content: Any, **more: Any) -> bytes:
    usage = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}
    return json.dumps(
        {
            "output": {"message": {"role": "assistant", "content": content}},
            "stopReason": "end_turn",
            "usage": usage,
            "metrics": {"latencyMs": 5},
            **more,
        }
    ).encode()


RICH_EVENTS: list[Event] = [
    Started(),
    PartStart(Reasoning()),
    Delta("Let me "),
    Delta("see."),
    PartEnd(Seal(Wire.CONVERSE, "c2lnbmVk")),
    PartStart(Reasoning(seal=Seal(Wire.CONVERSE, "cmVkYWN0ZWQ="), redacted=True)),
    PartEnd(),
    PartStart(Text("")),
    Delta("Sure, 猫"),
    Delta(" first."),
    PartEnd(),
    PartStart(ToolCall("tooluse_1", "read", "")),
    Delta('{"path": '),
    Delta('"a.txt"}'),
    PartEnd(),
    PartStart(ToolCall("tooluse_2", "list", "")),
    Delta("{}"),
    PartEnd(),
    Finish(StopReason.TOOL_USE),
]


# -------------------------------------------------------------------- reading streams
def test_a_stream_is_read() -> None:
    assert _read(RICH) == RICH_EVENTS


def test_E04_cut_at_every_byte_the_events_are_the_same() -> None:
    for at in range(len(RICH)):
        assert _read(RICH[:at], RICH[at:]) == RICH_EVENTS
    assert _read(*(RICH[i : i + 1] for i in range(len(RICH)))) == RICH_EVENTS


def test_E23_redacted_thoughts_may_come_in_pieces() -> None:
    pieces = [base64.b64encode(part).decode() for part in (b"one", b"two more")]
    data = frames(start(), *(thought(redactedContent=piece) for piece in pieces), stop(), end(), metadata())
    part = _read(data)[1]
    assert isinstance(part, PartStart)
    assert isinstance(part.part, Reasoning)
    assert part.part.seal is not None
    assert base64.b64decode(part.part.seal.data) == b"onetwo more"


def test_thoughts_that_are_not_shown_still_have_their_seal() -> None:
    events = _read(frames(start(), thought(text=""), thought(signature="c2ln"), stop(), end(), metadata()))
    assert events[1:3] == [PartStart(Reasoning()), PartEnd(Seal(Wire.CONVERSE, "c2ln"))]


def test_unsigned_thoughts_are_marked_as_bedrocks() -> None:
    events = _read(frames(start(), thought(text="Hm."), stop(), end(), metadata()))
    assert events[3] == PartEnd(Seal(Wire.CONVERSE, ""))


def test_empty_text_is_no_part() -> None:
    data = frames(start(), text("", 0), stop(0), call("a", "read", 1), stop(1), end("tool_use"), metadata())
    assert [type(found) for found in _read(data)] == [Started, PartStart, Delta, PartEnd, Finish]


def test_E10_blocks_that_interleave_come_out_one_after_the_other() -> None:
    data = frames(
        start(),
        call("a", "read", 0),
        call("b", "list", 1),
        arguments('{"x"', 0),
        arguments('{"y"', 1),
        text("and", 2),
        arguments(":2}", 1),
        arguments(":1}", 0),
        stop(1),
        stop(0),
        stop(2),
        end("tool_use"),
        metadata(),
    )
    told = [found.text if isinstance(found, Delta) else type(found).__name__ for found in _read(data)]
    assert told == [
        "Started",
        "PartStart",
        '{"x"',
        ":1}",
        "PartEnd",
        "PartStart",
        '{"y"',
        ":2}",
        "PartEnd",
        "PartStart",
        "and",
        "PartEnd",
        "Finish",
    ]


def test_blocks_that_are_never_stopped_end_with_the_message() -> None:
    data = frames(start(), text("hi", 0), call("a", "read", 1), end("tool_use"), metadata())
    assert [type(found).__name__ for found in _read(data)] == [
        "Started",
        "PartStart",
        "Delta",
        "PartEnd",
        "PartStart",
        "Delta",
        "PartEnd",
        "Finish",
    ]


def test_a_server_tools_call_and_result_are_kept_whole() -> None:
    result = {"toolUseId": "s", "type": "nova_grounding_result", "status": "success"}
    data = frames(
        start(),
        call("s", "nova_grounding", 0, type="server_tool_use"),
        arguments('{"q": ', 0),
        arguments('"x"}', 0),
        stop(0),
        ("contentBlockStart", {"contentBlockIndex": 1, "start": {"toolResult": result}}),
        ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolResult": [{"text": "found"}]}}),
        stop(1),
        text("It is x.", 2),
        stop(2),
        end(),
        metadata(),
    )
    events = _read(data)
    used = {"toolUseId": "s", "name": "nova_grounding", "type": "server_tool_use", "input": {"q": "x"}}
    assert events[1] == PartStart(Native(Wire.CONVERSE, "toolUse", {"toolUse": used}))
    found = {**result, "content": [{"text": "found"}]}
    assert events[3] == PartStart(Native(Wire.CONVERSE, "toolResult", {"toolResult": found}))
    assert events[-1] == Finish(StopReason.END)


def test_a_picture_comes_when_it_is_whole() -> None:
    delta = {"image": {"source": {"bytes": PIXEL}}}
    data = frames(
        start(),
        ("contentBlockStart", {"contentBlockIndex": 0, "start": {"image": {"format": "png"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": delta}),
        stop(0),
        end(),
        metadata(),
    )
    assert _read(data)[1] == PartStart(Media(MediaKind.IMAGE, "image/png", data=PIXEL))


@pytest.mark.parametrize(
    ("word", "called", "reason"),
    [
        ("end_turn", False, StopReason.END),
        ("end_turn", True, StopReason.TOOL_USE),
        ("tool_use", True, StopReason.TOOL_USE),
        ("tool_use", False, StopReason.END),
        ("max_tokens", True, StopReason.MAX_TOKENS),
        ("stop_sequence", False, StopReason.STOP_SEQUENCE),
        ("guardrail_intervened", False, StopReason.REFUSAL),
        ("content_filtered", False, StopReason.REFUSAL),
        ("model_context_window_exceeded", False, StopReason.CONTEXT_FULL),
        ("something_new", False, StopReason.END),
    ],
)
def test_E106_stop_reasons(word: str, called: bool, reason: StopReason) -> None:
    said = [call("a", "read", 0), stop(0)] if called else [text("hi"), stop(0)]
    assert _read(frames(start(), *said, end(word), metadata()))[-1] == Finish(reason)
    content = {"toolUse": {"toolUseId": "a", "name": "read", "input": {}}} if called else {"text": "hi"}
    assert CODEC.read_reply(_reply(content, stopReason=word)).reason is reason


def test_the_stop_sequence_is_told() -> None:
    fields = {"stop_sequence": "END"}
    data = frames(
        start(), text("hi"), stop(), end("stop_sequence", additionalModelResponseFields=fields), metadata()
    )
    assert _read(data)[-1] == Finish(StopReason.STOP_SEQUENCE, stop_sequence="END")
    reply = CODEC.read_reply(_reply({"text": "hi"}, additionalModelResponseFields=fields))
    assert reply.stop_sequence == "END"


def test_the_finish_comes_with_metadata_or_with_the_end_of_the_body() -> None:
    reader = CODEC.reader()
    assert not any(isinstance(found, Finish) for found in reader.feed(frames(start(), text("hi"), end())))
    assert reader.close() == [Finish(StopReason.END)]


def test_E15_a_body_that_breaks_off_has_no_finish() -> None:
    assert not any(isinstance(found, Finish) for found in _read(frames(start(), text("hi"), stop())))
    whole = frames(start(), text("hi"), stop(), end())
    assert not any(isinstance(found, Finish) for found in _read(whole[:-3]))


def test_E13_an_exception_ends_the_answer() -> None:
    data = frames(start(), text("hi"), ("!throttlingException", {"message": "slow down"}), text("more"))
    assert _read(data)[-1] == Failed(StreamError("throttlingException", "slow down", 429))


def test_output_that_the_provider_could_not_read_fails() -> None:
    assert isinstance(_read(frames(start(), text("hm"), end("malformed_tool_use"), metadata()))[-1], Failed)
    with pytest.raises(BadBody):
        CODEC.read_reply(_reply({"text": "hm"}, stopReason="malformed_model_output"))


def test_a_corrupt_stream_fails() -> None:
    data = bytearray(frames(start(), text("hello")))
    data[-6] ^= 1
    assert isinstance(_read(bytes(data))[-1], Failed)


def test_E112_one_event_that_cannot_be_read_is_skipped_and_counted() -> None:
    reader = CODEC.reader()
    data = (
        frames(start(), text("a")) + event("contentBlockDelta", b'{"delta": {"te') + frames(text("b"), stop())
    )
    events = reader.feed(
        data + event("newEvent", b"{}") + event("contentBlockDelta", b'{"delta":{"text":7}}')
    )
    assert [found.text for found in events if isinstance(found, Delta)] == ["a", "b"]
    assert reader.skipped == 1


def test_an_event_above_the_cap() -> None:
    reader = CODEC.reader()
    lengths = b"\x7f\xff\xff\xff\x00\x00\x00\x00"
    with pytest.raises(SSEOverflow):
        reader.feed(lengths + zlib.crc32(lengths).to_bytes(4))


@pytest.mark.parametrize("payload", [b"null", b"[]", b"7", b'{"contentBlockIndex":"x","start":7,"delta":[]}'])
def test_odd_payloads_are_survived(payload: bytes) -> None:
    names = (
        "messageStart",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    )
    for name in names:
        _read(frames(start()) + event(name, payload) + frames(text("hi"), stop(), end(), metadata()))


# -------------------------------------------------------------------- whole answers
def test_a_whole_answer_says_what_its_stream_says() -> None:
    body = _reply(
        {"reasoningContent": {"reasoningText": {"text": "Let me see.", "signature": "c2lnbmVk"}}},
        {"reasoningContent": {"redactedContent": "cmVkYWN0ZWQ="}},
        {"text": "Sure, 猫 first."},
        {"toolUse": {"toolUseId": "tooluse_1", "name": "read", "input": {"path": "a.txt"}}},
        {"toolUse": {"toolUseId": "tooluse_2", "name": "list", "input": {}}},
        stopReason="tool_use",
    )
    reply = CODEC.read_reply(body)
    assert reply.reason is StopReason.TOOL_USE
    assert reply.usage is None
    assert reply.parts == (
        Reasoning("Let me see.", Seal(Wire.CONVERSE, "c2lnbmVk")),
        Reasoning(seal=Seal(Wire.CONVERSE, "cmVkYWN0ZWQ="), redacted=True),
        Text("Sure, 猫 first."),
        ToolCall("tooluse_1", "read", '{"path":"a.txt"}'),
        ToolCall("tooluse_2", "list", "{}"),
    )


def test_citations_are_in_the_shape_of_messages() -> None:
    citations = [
        {
            "title": "Report",
            "sourceContent": [{"text": "grass "}, {"text": "is green"}],
            "location": {"documentChar": {"documentIndex": 1, "start": 3, "end": 9}},
        },
        {"title": "Page", "location": {"web": {"url": "https://example.org/", "domain": "example.org"}}},
    ]
    reply = CODEC.read_reply(
        _reply({"citationsContent": {"content": [{"text": "Green."}], "citations": citations}})
    )
    text_part = reply.parts[0]
    assert isinstance(text_part, Text)
    assert text_part.text == "Green."
    assert text_part.citations[0] == {
        "type": "char_location",
        "cited_text": "grass is green",
        "document_index": 1,
        "document_title": "Report",
        "start_char_index": 3,
        "end_char_index": 9,
    }
    assert text_part.citations[1]["type"] == "web_search_result_location"
    assert text_part.citations[1]["url"] == "https://example.org/"


@pytest.mark.parametrize(
    "body", [b"", b"null", b"{}", b'{"output": 1}', b'{"output": {"message": {"content": 1}}}']
)
def test_what_is_no_answer_is_a_bad_body(body: bytes) -> None:
    with pytest.raises(BadBody):
        CODEC.read_reply(body)


# -------------------------------------------------------------------- writing
def test_what_is_written_is_read_as_it_was() -> None:
    assert _read(CODEC.writer(_HEAD).write(RICH_EVENTS)) == RICH_EVENTS


@_quick
@given(replies(Wire.CONVERSE))
def test_written_answers_are_what_the_sdk_reads(reply: Reply) -> None:
    body = CODEC.write_reply(reply, _HEAD)
    parsed = parse_reply(body)
    assert len(parsed["output"]["message"]["content"]) == len(reply.parts)
    assert parsed["usage"]["inputTokens"] == (reply.usage or Usage()).input
    streamed = parse_stream(CODEC.writer(_HEAD).write(reply.events()))
    assert next(iter(streamed[-1])) == "metadata"
    said = "".join(
        e["contentBlockDelta"]["delta"].get("text", "") for e in streamed if "contentBlockDelta" in e
    )
    assert said == "".join(part.text for part in reply.parts if isinstance(part, Text))


@_quick
@given(replies(Wire.CONVERSE))
def test_answers_there_and_back(reply: Reply) -> None:
    back = CODEC.read_reply(CODEC.write_reply(reply, _HEAD))
    assert [type(part) for part in back.parts] == [type(part) for part in reply.parts]
    assert back.reason is reply.reason
    events = _read(CODEC.writer(_HEAD).write(reply.events()))
    assert [type(e) for e in events if isinstance(e, PartStart)] == [PartStart] * len(reply.parts)
    texts = [e.text for e in events if isinstance(e, Delta)]
    assert "".join(texts) == "".join(
        part.arguments if isinstance(part, ToolCall) else part.text
        for part in reply.parts
        if isinstance(part, ToolCall | Text | Reasoning)
    )


def test_usage_is_written_by_lifetime() -> None:
    usage = Usage(input=1, cache_read=2, cache_write_5m=3, cache_write_1h=4, output=5)
    parsed = parse_reply(CODEC.write_reply(Reply((Text("hi"),), StopReason.END, usage), _HEAD))
    assert parsed["usage"] == {
        "inputTokens": 1,
        "outputTokens": 5,
        "totalTokens": 15,
        "cacheReadInputTokens": 2,
        "cacheWriteInputTokens": 7,
        "cacheDetails": [{"ttl": "1h", "inputTokens": 4}, {"ttl": "5m", "inputTokens": 3}],
    }


def test_failures_are_exceptions_to_the_sdk() -> None:
    writer = CODEC.writer(_HEAD)
    writer.write([Started(), PartStart(Text("")), Delta("hi")])
    with pytest.raises(EventStreamError, match="gone"):
        parse_stream(writer.failure(Refusal(RefusalKind.UPSTREAM_BROKEN, "gone")))
    with pytest.raises(EventStreamError, match="slow down"):
        parse_stream(writer.write([Failed(StreamError("throttlingException", "slow down", 429))]))
