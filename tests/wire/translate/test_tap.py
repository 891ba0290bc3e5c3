"""A translated stream says of itself what its provider's says, and ends only as its provider's did."""

import json
import tracemalloc

import pytest

from tests.wire.codecs import messages_sdk
from tests.wire.streams import fixture
from tests.wire.translate.lowering import target as target_at
from tests.wire.translate.pairs import (
    NAMES,
    PAIR_IDS,
    PAIRS,
    SOURCES,
    TARGETS,
    streamed,
    translation,
)
from waystation.model import Refusal, RefusalKind, Usage, UsageSource, Wire
from waystation.wire import SSEDecoder, StreamError, make_tap
from waystation.wire.canonical import (
    Conversation,
    Delta,
    Event,
    Finish,
    FunctionTool,
    PartEnd,
    PartStart,
    Reasoning,
    Reply,
    Role,
    Started,
    StopReason,
    Text,
    ToolCall,
    Turn,
)
from waystation.wire.codecs import StreamWriter, codec_for
from waystation.wire.translate.ids import AnswerIds
from waystation.wire.translate.names import Names
from waystation.wire.translate.raising import Raiser
from waystation.wire.translate.tap import TranslatedTap

ASKED = Conversation(
    model="asked-for",
    stream=True,
    turns=(Turn(Role.USER, (Text("hi"),)),),
    tools=(FunctionTool("lookup"),),
)
USAGE = Usage(input=5, cache_read=3, output=7, reasoning=2)
REPLY = Reply(
    (
        Reasoning("Let me see."),
        Text("Looking."),
        ToolCall("call_1", "lookup", '{"a": 1}'),
        ToolCall("call_2", "lookup", "{}"),
    ),
    StopReason.TOOL_USE,
    USAGE,
)
by_pair = pytest.mark.parametrize(("source", "target"), PAIRS, ids=PAIR_IDS)
by_target = pytest.mark.parametrize("target", TARGETS, ids=NAMES.get)


def other(target: Wire) -> Wire:
    return next(source for source in SOURCES if source is not target)


def without_end(wire: Wire, stream: bytes) -> bytes:
    """The stream, cut off before it says that it is complete."""
    if wire is Wire.CONVERSE:
        return stream[: stream.rindex(b"messageStop") - 30]
    mark = {
        Wire.MESSAGES: b"event: message_delta",
        Wire.RESPONSES: b"event: response.completed",
        Wire.CHAT: b'"finish_reason":"tool_calls"',
        Wire.GENERATE: b'"finishReason"',
    }[wire]
    return stream[: stream.rindex(b"\n\n", 0, stream.rindex(mark)) + 2]


# -------------------------------------------------------------------- what it says of itself
@by_pair
def test_usage_end_and_count_are_the_providers(source: Wire, target: Wire) -> None:
    provider = streamed(target, REPLY, ASKED)
    tap, own = translation(source, target, ASKED).tap(), make_tap(target)
    tap.feed(provider), own.feed(provider)
    tap.close(), own.close()
    assert tap.usage == own.usage
    assert tap.usage is not None
    assert tap.usage.source is UsageSource.PROVIDER
    assert (tap.usage.input, tap.usage.cache_read, tap.usage.output) == (5, 3, 7)
    assert tap.finish_reason == own.finish_reason != ""
    assert tap.output_events == own.output_events > 0
    assert tap.output_chars == own.output_chars
    assert tap.terminal
    assert tap.committed
    assert tap.at_boundary


@by_pair
def test_E41_the_tool_is_told_the_same_usage_as_the_ledger(source: Wire, target: Wire) -> None:
    provider = streamed(target, REPLY, ASKED)
    tap = translation(source, target, ASKED).tap()
    stream = tap.feed(provider) + tap.close()
    told = make_tap(source)
    told.feed(stream)
    told.close()
    assert told.usage is not None
    assert tap.usage is not None
    for bucket in ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output"):
        assert getattr(told.usage, bucket) == getattr(tap.usage, bucket)
    assert not told.usage.mismatch


@by_pair
def test_E13_it_is_committed_with_the_first_content_and_not_before(source: Wire, target: Wire) -> None:
    provider = streamed(target, REPLY, ASKED)
    tap, own = translation(source, target, ASKED).tap(), make_tap(target)
    for at in range(len(provider)):
        tap.feed(provider[at : at + 1])
        own.feed(provider[at : at + 1])
        assert tap.committed == own.committed
        if tap.committed:
            break


# -------------------------------------------------------------------- how it ends
@by_pair
def test_E15_a_stream_that_just_stops_is_no_success(source: Wire, target: Wire) -> None:
    cut = without_end(target, streamed(target, REPLY, ASKED))
    tap = translation(source, target, ASKED).tap()
    stream = tap.feed(cut) + tap.close()
    assert tap.committed
    assert not tap.terminal
    assert tap.error is None
    for success in (b"message_stop", b"response.completed", b"[DONE]", b"finishReason", b'"tool_calls"}'):
        assert success not in stream
    told = make_tap(source)
    told.feed(stream + tap.failure(Refusal(RefusalKind.UPSTREAM_BROKEN, "It broke off.")))
    told.close()
    assert told.error is not None
    assert told.error.message == "It broke off."


LATE_ERRORS = {
    Wire.MESSAGES: b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Busy"}}\n\n',
    Wire.RESPONSES: b'event: response.failed\ndata: {"type":"response.failed","response":{"status":"failed",'
    b'"error":{"code":"server_is_overloaded","message":"Busy"}}}\n\n',
    Wire.CHAT: b'data: {"error":{"message":"Busy","type":"server_error","code":503}}\n\n',
    Wire.GENERATE: b'data: {"error":{"code":503,"message":"Busy","status":"UNAVAILABLE"}}\n\n',
}


@pytest.mark.parametrize(
    ("source", "target"),
    [pair for pair in PAIRS if pair[1] in LATE_ERRORS],
    ids=[name for pair, name in zip(PAIRS, PAIR_IDS, strict=True) if pair[1] in LATE_ERRORS],
)
def test_E13_E16_an_error_in_the_stream_reaches_the_tool_in_its_own_dialect(
    source: Wire, target: Wire
) -> None:
    cut = without_end(target, streamed(target, REPLY, ASKED))
    tap = translation(source, target, ASKED).tap()
    stream = tap.feed(cut) + tap.feed(LATE_ERRORS[target])
    assert tap.terminal
    assert tap.error is not None
    assert tap.error.http_status in (503, 529)
    assert tap.feed(streamed(target, REPLY, ASKED)) + tap.close() == b""  # nothing follows an end
    told = make_tap(source)
    told.feed(stream)
    told.close()
    assert told.error is not None
    assert told.error.message == "Busy"

    first = translation(source, target, ASKED).tap()
    told = make_tap(source)
    told.feed(first.feed(LATE_ERRORS[target]))
    assert first.error is not None
    assert first.output_events == 0  # so that the caller makes a status of it
    assert told.error is not None


def test_E13_an_error_and_deltas_in_one_read() -> None:
    cut = without_end(Wire.CHAT, streamed(Wire.CHAT, REPLY, ASKED))
    tap = translation(Wire.MESSAGES, Wire.CHAT, ASKED).tap()
    stream = tap.feed(cut + LATE_ERRORS[Wire.CHAT])
    assert stream.index(b"Looking.") < stream.index(b"Busy")
    assert b"message_stop" not in stream


@by_target
def test_a_server_of_chat_completions_may_end_without_saying_so(target: Wire) -> None:
    if target is not Wire.CHAT:
        return
    stream = streamed(target, REPLY, ASKED).replace(b"data: [DONE]\n\n", b"")
    tap = translation(Wire.MESSAGES, target, ASKED).tap()
    told = tap.feed(stream)
    assert not tap.terminal
    told += tap.close()
    assert tap.terminal
    assert messages_sdk.accumulated(told)["stop_reason"] == "tool_use"
    assert messages_sdk.accumulated(told)["usage"]["output_tokens"] == 7


@by_target
def test_recorded_streams_of_real_providers_are_read(target: Wire) -> None:
    if target is Wire.CONVERSE:
        return
    recorded = fixture(f"{NAMES[target]}.sse")
    tap, own = translation(other(target), target, ASKED).tap(), make_tap(target)
    stream = tap.feed(recorded) + tap.close()
    own.feed(recorded)
    own.close()
    assert tap.terminal
    assert tap.usage == own.usage
    told = make_tap(other(target))
    told.feed(stream)
    assert told.output_events > 0
    assert told.error is None


def test_E112_events_that_cannot_be_read_are_skipped_and_counted() -> None:
    provider = streamed(Wire.CHAT, REPLY, ASKED).replace(b"\n\n", b"\n\ndata: {broken\n\n", 1)
    tap = translation(Wire.MESSAGES, Wire.CHAT, ASKED).tap()
    stream = tap.feed(provider) + tap.close()
    assert tap.terminal
    assert isinstance(tap, TranslatedTap)
    assert tap.skipped == 1
    assert messages_sdk.accumulated(stream)["stop_reason"] == "tool_use"


# -------------------------------------------------------------------- never more than one open part
class Recorder:
    """A writer that keeps what it was given."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, events: list[Event]) -> bytes:
        self.events += events
        return b"x"

    def failure(self, error: StreamError | Refusal) -> bytes:
        return b"failed"


def chat_chunk(**delta: object) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return b"data: " + json.dumps({"id": "c", "choices": [choice]}).encode() + b"\n\n"


def piece(index: int, text: str, **more: str) -> dict[str, object]:
    function = {"arguments": text, **({"name": more["name"]} if "name" in more else {})}
    return {"index": index, "function": function, **({"id": more["id"]} if "id" in more else {})}


def test_E10_E11_interleaved_calls_and_late_text_come_one_after_the_other() -> None:
    provider = b"".join(
        [
            chat_chunk(role="assistant", content=""),
            chat_chunk(tool_calls=[piece(0, "", id="a", name="lookup"), piece(1, "", id="b", name="lookup")]),
            chat_chunk(tool_calls=[piece(1, '{"n":')]),
            chat_chunk(tool_calls=[piece(0, '{"n":')]),
            chat_chunk(content="\nmeanwhile"),
            chat_chunk(tool_calls=[piece(1, "2}")]),
            chat_chunk(tool_calls=[piece(0, "1}")]),
            b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\ndata: [DONE]\n\n',
        ]
    )
    tap = translation(Wire.MESSAGES, Wire.CHAT, ASKED).tap()
    message = messages_sdk.accumulated(tap.feed(provider) + tap.close())
    inputs = {block["id"]: block["input"] for block in message["content"] if block["type"] == "tool_use"}
    assert inputs == {"a": {"n": 1}, "b": {"n": 2}}
    assert "meanwhile" in "".join(block.get("text", "") for block in message["content"])


@by_target
def test_never_more_than_one_part_is_open(target: Wire) -> None:
    provider = streamed(target, REPLY, ASKED)
    seen = Recorder()
    writer: StreamWriter = seen
    raiser = Raiser(other(target), target_at(target), Names(target), AnswerIds(other(target), "ans_1", ()))
    tap = TranslatedTap(target, codec_for(target).reader(), raiser, writer, lambda error: error)
    for at in range(0, len(provider), 7):
        tap.feed(provider[at : at + 7])
    tap.close()
    opened = 0
    for event in seen.events:
        opened += isinstance(event, PartStart)
        opened -= isinstance(event, PartEnd)
        assert opened in (0, 1)
        assert opened or not isinstance(event, Delta)
    assert isinstance(seen.events[0], Started)
    assert isinstance(seen.events[-1], Finish)
    assert sum(isinstance(event, Started | Finish) for event in seen.events) == 2


# -------------------------------------------------------------------- memory
EVENTS = 100_000
TEXT = "word "


def long_stream(target: Wire) -> tuple[bytes, bytes, bytes]:
    """Head, one delta and tail of a text's stream."""
    stream = streamed(target, Reply((Text("@@@@@"),), StopReason.END, USAGE), ASKED)
    if target is Wire.CONVERSE:
        return b"", b"", b""
    at = stream.index(b"@@@@@")
    start = stream.rindex(b"\n\n", 0, at) + 2 if b"\n\n" in stream[:at] else 0
    end = stream.index(b"\n\n", at) + 2
    return stream[:start], stream[start:end].replace(b"@@@@@", TEXT.encode()), stream[end:]


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (Wire.MESSAGES, Wire.CHAT),
        (Wire.CHAT, Wire.MESSAGES),
        (Wire.RESPONSES, Wire.GENERATE),
    ],
)
def test_memory_stays_flat_over_a_hundred_thousand_events(source: Wire, target: Wire) -> None:
    head, delta, _ = long_stream(target)
    tap = translation(source, target, ASKED).tap()
    tap.feed(head)
    batch = delta * 100
    out = 0
    for _ in range(20):
        out += len(tap.feed(batch))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(EVENTS // 100 - 20):
            out += len(tap.feed(batch))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The last event of a Responses stream repeats the whole text, which is therefore kept, and nothing else.
    text = len(TEXT) * EVENTS
    allowed = 3 * text if Wire.RESPONSES in (source, target) else 64 * 1024
    assert after - before < allowed
    assert out > text
    decoder = SSEDecoder()
    assert len(decoder.feed(tap.feed(delta))) == 1
