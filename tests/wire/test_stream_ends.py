"""How a stream begins to count, how it ends, and the errors inside a 200."""

import json
import re

import pytest

from tests.wire.streams import STREAMS, events_of, fixture, observe, play, sse
from waystation.model import Refusal, RefusalKind, Wire
from waystation.wire import StreamError, keepalive, make_tap, responses_error_to_failed, terminal_event

BROKEN = Refusal(RefusalKind.UPSTREAM_BROKEN, "The provider acme broke off.")


def test_E13_an_error_before_content_is_seen_before_anything_is_committed_to() -> None:
    tap = make_tap(Wire.MESSAGES)
    start, ping, error = events_of("messages_error_first.sse")
    tap.feed(start + ping)
    assert not tap.committed
    tap.feed(error)
    assert (tap.committed, tap.terminal, tap.output_events) == (True, True, 0)
    assert tap.error == StreamError("overloaded_error", "Overloaded", 529)


def test_E13_an_error_after_content_is_seen_too() -> None:
    seen = observe(Wire.MESSAGES, [fixture("messages_error_late.sse")])
    assert seen.output_events > 0
    assert seen.terminal
    assert seen.error == StreamError("overloaded_error", "Overloaded", 529)


def test_E13_gemini_error_in_stream_is_no_stop() -> None:
    seen = observe(Wire.GENERATE, [fixture("generate_error.sse")])
    assert seen.error is not None
    assert (seen.error.type, seen.error.http_status, seen.finish_reason) == ("UNAVAILABLE", 503, "")


@pytest.mark.parametrize(
    ("wire", "preamble"),
    [
        (Wire.MESSAGES, b": hello\n\n" + b"".join(events_of("messages.sse")[:1]) + keepalive(Wire.MESSAGES)),
        (Wire.RESPONSES, b": hello\n\n" + b"".join(events_of("responses.sse")[:2])),
        (Wire.CHAT, b": OPENROUTER PROCESSING\n\n" + events_of("chat.sse")[0]),
        (Wire.CHAT, sse('{"choices": [], "prompt_filter_results": [], "usage": null}', '{"choices":[]}')),
        (Wire.GENERATE, sse('{"usageMetadata": {"promptTokenCount": 4}, "responseId": "x"}')),
    ],
)
def test_E13_a_preamble_commits_to_nothing(wire: Wire, preamble: bytes) -> None:
    tap = make_tap(wire)
    tap.feed(preamble)
    assert (tap.committed, tap.terminal, tap.output_bytes_seen) == (False, False, 0)


@pytest.mark.parametrize(
    ("name", "event"), [("messages.sse", 1), ("responses.sse", 2), ("chat.sse", 1), ("generate.sse", 0)]
)
def test_E13_the_first_content_commits(name: str, event: int) -> None:
    tap = make_tap(STREAMS[name])
    events = events_of(name)
    tap.feed(b"".join(events[:event]))
    assert not tap.committed
    tap.feed(events[event])
    assert tap.committed
    assert tap.output_bytes_seen == len(events[event])


def test_E14_a_chunk_without_choices_that_has_an_error_is_an_error() -> None:
    seen = observe(Wire.CHAT, [fixture("chat_error.sse")])
    assert seen.error == StreamError("502", "Provider disconnected unexpectedly", 502)
    assert seen.terminal


@pytest.mark.parametrize("drop", [False, True])
def test_E14_such_a_chunk_is_passed_on(drop: bool) -> None:
    data = sse('{"choices": [{"delta": {"content": "a"}}]}', '{"choices": [], "usage": {}, "error": "boom"}')
    seen = observe(Wire.CHAT, [data], drop_usage_chunk=drop)
    assert seen.forwarded == data
    assert seen.error == StreamError("error", "boom", 500)


def test_E15_each_dialect_has_its_own_end_and_none_looks_like_success() -> None:
    messages = terminal_event(Wire.MESSAGES, BROKEN)
    assert messages.startswith(b"event: error\ndata: {")
    assert messages.endswith(b"}\n\n")
    responses = terminal_event(Wire.RESPONSES, BROKEN)
    assert responses.startswith(b"event: response.failed\ndata: {")
    chat = terminal_event(Wire.CHAT, BROKEN)
    assert chat.startswith(b'data: {"error":')
    assert b"[DONE]" not in chat
    gemini = json.loads(terminal_event(Wire.GENERATE, BROKEN)[6:])
    assert gemini["error"]["code"] == 502
    for end in (messages, responses, chat):
        assert b"The provider acme broke off." in end


@pytest.mark.parametrize("name", ["messages.sse", "responses.sse", "chat.sse", "generate.sse"])
def test_E15_our_own_ends_are_read_as_errors_by_our_own_taps(name: str) -> None:
    wire = STREAMS[name]
    for at in range(1, len(fixture(name)) - 40):
        tap = make_tap(wire)
        sent = tap.feed(fixture(name)[:at])
        if tap.terminal:
            break
        ended, _ = play(wire, [sent + tap.failure(BROKEN)])
        assert ended.terminal
        assert ended.error is not None
        assert ended.error.message == BROKEN.message


def test_E15_a_gemini_array_is_closed_with_an_error_object() -> None:
    data = fixture("generate_array.json")
    first = data.index(b"\n},") + 2
    tap = make_tap(Wire.GENERATE)
    whole = json.loads(tap.feed(data[:first]) + tap.failure(BROKEN))
    assert whole[-1]["error"]["message"] == BROKEN.message
    assert make_tap(Wire.GENERATE).failure(BROKEN).startswith(b"data: ")
    cut = make_tap(Wire.GENERATE)
    cut.feed(data[: first - 9])
    assert cut.failure(BROKEN) == b""  # nothing can be said inside a half-sent object


def test_E15_response_failed_repeats_the_ids_of_its_stream() -> None:
    created = events_of("responses.sse")[0]
    for end in (
        terminal_event(Wire.RESPONSES, BROKEN, context=created),
        play(Wire.RESPONSES, [b"".join(events_of("responses.sse")[:8])])[0].failure(BROKEN),
    ):
        event = json.loads(end.split(b"data: ")[1])
        assert event["response"]["id"] == "resp_68af"
        assert event["response"]["model"] == "gpt-5.4-2026-03-05"
        assert event["response"]["created_at"] == 1795516560
        assert event["response"]["error"] == {"code": "server_error", "message": BROKEN.message}
        assert event["sequence_number"] >= 1


def test_E15_sequence_numbers_keep_rising() -> None:
    tap, _ = play(Wire.RESPONSES, [b"".join(events_of("responses.sse")[:11])])
    assert json.loads(tap.failure(BROKEN).split(b"data: ")[1])["sequence_number"] > 10


@pytest.mark.parametrize("name", ["responses_error_late.sse", "responses_error_first.sse"])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_E16_an_error_event_becomes_response_failed(name: str, size: int) -> None:
    data = fixture(name)
    seen = observe(Wire.RESPONSES, [data[at : at + size] for at in range(0, len(data), size)])
    *before, _ = events_of(name)
    assert seen.forwarded.startswith(b"".join(before))
    last = seen.forwarded[len(b"".join(before)) :]
    assert last.startswith(b"event: response.failed\ndata: ")
    event = json.loads(last.split(b"data: ")[1])
    original = json.loads(events_of(name)[-1].split(b"data: ")[1])
    assert event["response"]["error"] == {"code": original["code"], "message": original["message"]}
    assert event["response"]["id"] == "resp_68af"
    assert seen.error is not None
    assert seen.terminal


def test_E16_one_event_on_its_own() -> None:
    *_, error = events_of("responses_error_late.sse")
    failed = responses_error_to_failed(error)
    assert json.loads(failed.split(b"data: ")[1])["response"]["error"] == {
        "code": "server_error",
        "message": "The server had an error.",
    }
    assert responses_error_to_failed(failed) == failed
    for event in events_of("responses.sse"):
        assert responses_error_to_failed(event) == event


@pytest.mark.parametrize(
    ("name", "wire", "reason"),
    [
        ("messages.sse", Wire.MESSAGES, "tool_use"),
        ("messages_unknown.sse", Wire.MESSAGES, "pause_turn"),
        ("responses.sse", Wire.RESPONSES, "completed"),
        ("responses_incomplete.sse", Wire.RESPONSES, "max_output_tokens"),
        ("responses_failed.sse", Wire.RESPONSES, "failed"),
        ("chat.sse", Wire.CHAT, "tool_calls"),
        ("generate.sse", Wire.GENERATE, "STOP"),
    ],
)
def test_E105_each_dialect_ends_on_its_own_event(name: str, wire: Wire, reason: str) -> None:
    *before, last = events_of(name)
    tap = make_tap(wire)
    tap.feed(b"".join(before))
    assert not tap.terminal
    tap.feed(last)
    assert tap.terminal
    assert tap.finish_reason == reason


def test_E105_done_means_nothing_on_responses() -> None:
    tap, out = play(Wire.RESPONSES, [b"data: [DONE]\n\n"])
    assert (tap.terminal, out) == (False, b"data: [DONE]\n\n")


def test_a_blocked_gemini_prompt_is_an_end() -> None:
    seen = observe(Wire.GENERATE, [sse('{"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}')])
    assert (seen.terminal, seen.finish_reason) == (True, "PROHIBITED_CONTENT")


def test_E92_a_time_to_wait_is_read_from_an_error_in_the_stream() -> None:
    error = observe(Wire.RESPONSES, [fixture("responses_failed.sse")]).error
    assert error is not None
    assert (error.type, error.http_status, error.retry_after) == ("rate_limit_exceeded", 429, 2)
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38.4s"}
    exhausted = {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": [info]}
    error = observe(Wire.GENERATE, [sse(json.dumps({"error": exhausted}))]).error
    assert error == StreamError("RESOURCE_EXHAUSTED", "quota", 429, 39)


@pytest.mark.parametrize("name", ["messages.sse", "responses.sse", "chat.sse", "generate.sse"])
@pytest.mark.parametrize("bad", ["{not json", '"text"', "[]", "\\ud800", "{}" + "x" * 9])
def test_E112_one_malformed_event_passes_on_and_ends_nothing(name: str, bad: str) -> None:
    wire = STREAMS[name]
    events = events_of(name)
    extra = sse(bad)
    for place in range(len(events)):
        data = b"".join([*events[:place], extra, *events[place:]])
        seen = observe(wire, [data])
        assert seen.forwarded == data
        assert seen.usage == observe(wire, [fixture(name)]).usage
        assert (seen.terminal, seen.error) == (True, None)


def test_E94_a_keepalive_goes_between_events_only() -> None:
    assert keepalive(Wire.MESSAGES) == b'event: ping\ndata: {"type": "ping"}\n\n'
    for wire in (Wire.RESPONSES, Wire.CHAT):
        assert keepalive(wire) == b": keep-alive\n\n"


def test_E94_gemini_clients_know_no_comments() -> None:
    # The pattern by which Gemini CLI's SDK finds its events, from the start of what it has not read yet.
    event = re.compile(r"^\s*data: (.*)(?:\n\n|\r\r|\r\n\r\n)")
    stream = keepalive(Wire.GENERATE).decode() + 'data: {"a": 1}\r\n\r\n'
    assert event.match(stream)
    assert not event.match(": keep-alive\n\n" + stream)


@pytest.mark.parametrize("name", [name for name in STREAMS if name.endswith(".sse")])
@pytest.mark.parametrize("drop", [False, True])
def test_E94_a_keepalive_at_any_boundary_changes_nothing(name: str, drop: bool) -> None:
    wire, data = STREAMS[name], fixture(name)
    usual = observe(wire, [data], drop_usage_chunk=drop)
    for at in range(len(data)):
        tap = make_tap(wire, drop_usage_chunk=drop)
        sent = tap.feed(data[:at])
        assert tap.at_boundary == (not sent or sent.endswith((b"\n\n", b"\r\n\r\n"))), at
        if tap.at_boundary:
            rest = tap.feed(data[at:]) + tap.close()
            assert sent + rest == usual.forwarded
            heard = observe(wire, [sent + keepalive(wire) + rest])
            assert (heard.terminal, heard.finish_reason) == (usual.terminal, usual.finish_reason)


def test_E94_a_json_array_has_no_place_for_a_keepalive() -> None:
    tap = make_tap(Wire.GENERATE)
    tap.feed(fixture("generate_array.json")[:40])
    assert not tap.at_boundary


def test_output_is_estimated_from_the_text_not_from_its_framing() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 4
    delta = json.dumps(
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        separators=(",", ":"),
    )
    tap, _ = play(Wire.MESSAGES, [sse(delta, event="content_block_delta")] * 50)
    assert 0.9 < tap.output_chars / (50 * len(text)) < 1.1


@pytest.mark.parametrize("text", ["é", "ࠀ", "語", "𐀀", "🔍", "\U0010ffff", "plain"])
def test_E15_half_a_code_point_is_completed_before_the_end(text: str) -> None:
    event = b'event: content_block_delta\ndata: {"type":"content_block_delta","text":"' + text.encode()
    for at in range(len(event) - len(text.encode()), len(event) + 1):
        for step in (1, 100):
            tap = make_tap(Wire.MESSAGES)
            sent = b"".join(
                tap.feed(event[start : start + step][: at - start]) for start in range(0, at, step)
            )
            assert sent == event[:at]
            (sent + tap.failure(BROKEN)).decode("utf-8")
