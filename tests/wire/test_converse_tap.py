"""Watching Bedrock's stream pass by, and reading its whole answers."""

import json
from collections.abc import Mapping

import pytest

from tests.wire.bedrock_model import parse_error, parse_stream
from tests.wire.bedrock_streams import RICH, end, frames, metadata, start, stop, text
from waystation.model import Operation, Refusal, RefusalKind, Usage, Wire
from waystation.wire import SSEOverflow, StreamError, StreamTap, make_tap, read_body
from waystation.wire.eventstream import encode

_USAGE = {
    "inputTokens": 20,
    "outputTokens": 7,
    "totalTokens": 1627,
    "cacheReadInputTokens": 1000,
    "cacheWriteInputTokens": 600,
    "cacheDetails": [{"ttl": "1h", "inputTokens": 200}, {"ttl": "5m", "inputTokens": 400}],
}
_BUCKETS = Usage(input=20, cache_read=1000, cache_write_5m=400, cache_write_1h=200, output=7)


def _watched(*chunks: bytes, close: bool = True) -> StreamTap:
    tap = make_tap(Wire.CONVERSE)
    for chunk in chunks:
        assert tap.feed(chunk) is chunk
    if close:
        assert tap.close() == b""
    return tap


def _answer(usage: Mapping[str, object], **more: object) -> bytes:
    message = {"role": "assistant", "content": [{"text": "hi"}]}
    return json.dumps(
        {"output": {"message": message}, "stopReason": "end_turn", "usage": usage, **more}
    ).encode()


def test_E40_E43_usage_is_in_disjoint_buckets_by_lifetime() -> None:
    tap = _watched(frames(start(), text("hi"), stop(), end(), metadata(usage=_USAGE)))
    assert tap.usage == _BUCKETS
    assert tap.terminal
    assert tap.error is None
    assert tap.finish_reason == "end_turn"


def test_E41_a_stream_and_a_whole_answer_say_the_same() -> None:
    streamed = _watched(frames(start(), text("hi"), end(), metadata(usage=_USAGE))).usage
    whole = read_body(Wire.CONVERSE, Operation.GENERATE, 200, _answer(_USAGE))
    assert whole.usage == streamed == _BUCKETS
    assert whole.finish_reason == "end_turn"


def test_cache_writes_without_details_are_five_minute_ones() -> None:
    usage = {k: v for k, v in _USAGE.items() if k != "cacheDetails"}
    found = read_body(Wire.CONVERSE, Operation.GENERATE, 200, _answer(usage)).usage
    assert found is not None
    assert (found.cache_write_5m, found.cache_write_1h, found.mismatch) == (600, 0, False)


def test_details_that_do_not_add_up_are_marked() -> None:
    usage = _USAGE | {"cacheWriteInputTokens": 650, "totalTokens": 1677}
    found = read_body(Wire.CONVERSE, Operation.GENERATE, 200, _answer(usage)).usage
    assert found is not None
    assert (found.cache_write_5m, found.cache_write_1h, found.mismatch) == (450, 200, True)


@pytest.mark.parametrize(("total", "mismatch"), [(27, False), (1627, False), (5000, True)])
def test_the_total_may_or_may_not_hold_cached_tokens(total: int, mismatch: bool) -> None:
    found = read_body(Wire.CONVERSE, Operation.GENERATE, 200, _answer(_USAGE | {"totalTokens": total})).usage
    assert found is not None
    assert found.mismatch is mismatch


def test_E46_a_zero_is_an_answer_and_silence_is_none() -> None:
    zero = {"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}
    assert read_body(Wire.CONVERSE, Operation.GENERATE, 200, _answer(zero)).usage == Usage()
    assert read_body(Wire.CONVERSE, Operation.GENERATE, 200, _answer({})).usage is None


def test_E111_the_tier_is_the_one_that_was_served() -> None:
    tap = _watched(frames(start(), text("hi"), end(), metadata(serviceTier={"type": "flex"})))
    assert tap.usage is not None
    assert tap.usage.tier == "flex"


def test_committed_comes_with_the_first_content() -> None:
    tap = _watched(frames(start()), close=False)
    assert not tap.committed
    tap.feed(frames(text("hi")))
    assert tap.committed
    assert tap.output_events == 1
    assert tap.output_chars >= 1


def test_the_end_is_metadata_for_it_has_the_usage() -> None:
    tap = _watched(frames(start(), text("hi"), stop(), end()), close=False)
    assert not tap.terminal
    tap.feed(frames(metadata()))
    assert tap.terminal


def test_a_body_that_ends_behind_the_stop_reason_is_whole() -> None:
    tap = _watched(frames(start(), text("hi"), stop(), end()))
    assert tap.terminal
    assert tap.usage is None


def test_E15_a_body_that_ends_before_is_not() -> None:
    assert not _watched(frames(start(), text("hi"), stop())).terminal
    whole = frames(start(), text("hi"), stop(), end())
    assert not _watched(whole[:-4]).terminal


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("throttlingException", 429),
        ("validationException", 400),
        ("internalServerException", 500),
        ("serviceUnavailableException", 503),
        ("modelStreamErrorException", 500),
        ("modelTimeoutException", 408),
        ("somethingNewException", 500),
    ],
)
def test_E13_E93_an_exception_before_content_can_still_be_replaced(name: str, status: int) -> None:
    tap = _watched(frames(start(), ("!" + name, {"message": "Try again in 3s, please"})))
    assert tap.error == StreamError(name, "Try again in 3s, please", status, 3)
    assert tap.committed
    assert tap.terminal
    assert tap.output_events == 0


def test_a_model_error_has_the_status_that_the_model_gave() -> None:
    payload = {"message": "m", "originalStatusCode": 503, "originalMessage": "overloaded"}
    tap = _watched(frames(start(), ("!modelStreamErrorException", payload)))
    assert tap.error is not None
    assert tap.error.http_status == 503


def test_an_error_frame_is_an_error_too() -> None:
    frame = encode({":message-type": "error", ":error-code": "InternalFailure", ":error-message": "no"}, b"")
    tap = _watched(frame)
    assert tap.error == StreamError("InternalFailure", "no", 500)


def test_output_that_the_provider_could_not_read_is_no_success() -> None:
    tap = _watched(frames(start(), text("hm"), end("malformed_tool_use"), metadata()))
    assert tap.error is not None
    assert tap.usage is not None
    body = _answer({"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}, stopReason="malformed_tool_use")
    assert read_body(Wire.CONVERSE, Operation.GENERATE, 200, body).error is not None


def test_a_corrupt_stream_is_an_error() -> None:
    data = bytearray(frames(start(), text("hello")))
    data[-10] ^= 1
    tap = _watched(bytes(data))
    assert tap.error is not None
    assert tap.error.http_status == 502
    assert tap.terminal


def test_metadata_that_cannot_be_read_still_ends_the_stream() -> None:
    tap = _watched(frames(start(), text("hi"), end(), ("metadata", "nonsense")))
    assert tap.terminal
    assert tap.usage is None


def test_cut_at_every_byte_the_findings_are_the_same() -> None:
    whole = _watched(RICH)
    for at in range(len(RICH)):
        tap = _watched(RICH[:at], RICH[at:])
        assert (tap.usage, tap.finish_reason, tap.terminal, tap.output_events, tap.output_bytes_seen) == (
            whole.usage,
            whole.finish_reason,
            True,
            whole.output_events,
            whole.output_bytes_seen,
        )
        assert tap.at_boundary


def test_a_frame_above_the_cap() -> None:
    tap = make_tap(Wire.CONVERSE, cap=300)
    with pytest.raises(SSEOverflow):
        tap.feed(frames(text("x" * 1000)))


def test_a_broken_stream_ends_with_an_exception_that_the_sdk_raises() -> None:
    from botocore.exceptions import EventStreamError

    tap = _watched(frames(start(), text("hi")), close=False)
    last = tap.failure(Refusal(RefusalKind.UPSTREAM_BROKEN, "The provider hung up."))
    with pytest.raises(EventStreamError, match="The provider hung up"):
        parse_stream(last)
    with pytest.raises(EventStreamError, match="throttlingException"):
        parse_stream(tap.failure(StreamError("throttlingException", "slow down", 429)))


@pytest.mark.parametrize(
    ("status", "body", "kind", "message"),
    [
        (400, b'{"message":"Input is too long for requested model."}', "ValidationException", "Input is too long for requested model."),
        (403, b'{"Message":"User is not authorized"}', "AccessDeniedException", "User is not authorized"),
        (429, b'{"__type":"com.amazonaws#TooFast","message":"wait"}', "TooFast", "wait"),
        (424, b'{"message":"m","originalStatusCode":500,"resourceName":"r"}', "ModelErrorException", "m"),
        (503, b"<html>", "ServiceUnavailableException", ""),
        (418, b"", "error", ""),
    ],
)  # fmt: skip
def test_error_bodies(status: int, body: bytes, kind: str, message: str) -> None:
    error = read_body(Wire.CONVERSE, Operation.GENERATE, status, body).error
    assert error is not None
    assert (error.type, error.message, error.http_status) == (kind, message, status)


def test_error_bodies_are_those_that_the_sdk_reads() -> None:
    body = b'{"message":"Too many tokens"}'
    parsed = parse_error(429, {"x-amzn-errortype": "ThrottlingException:http://internal/"}, body)
    error = read_body(Wire.CONVERSE, Operation.GENERATE, 429, body).error
    assert error is not None
    assert parsed["Error"] == {"Code": error.type, "Message": error.message}


def test_other_operations_have_no_usage() -> None:
    assert read_body(Wire.CONVERSE, Operation.COUNT_TOKENS, 200, b'{"inputTokens": 5}').usage is None
