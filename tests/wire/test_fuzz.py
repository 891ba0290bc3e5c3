"""No bytes make the room raise anything but what it documents."""

import contextlib

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.streams import STREAMS, fixture, observe
from waystation.model import TOOL_WIRES, Operation, Refusal, RefusalKind, Wire
from waystation.wire import (
    BadBody,
    BodyReading,
    SSEOverflow,
    make_tap,
    read_body,
    read_request,
    request_usage_in_stream,
    responses_error_to_failed,
    set_model,
    terminal_event,
)

FAILURE = Refusal(RefusalKind.INTERNAL, "x")
wires = st.sampled_from(TOOL_WIRES)
operations = st.sampled_from([Operation.GENERATE, Operation.COUNT_TOKENS, Operation.EMBED])
pieces = st.sampled_from(
    [
        b"data: ",
        b"event: error\n",
        b"event: message_delta\n",
        b"event: response.failed\n",
        b"\n\n",
        b"\r\n\r\n",
        b"\r",
        b"[DONE]",
        b'{"type":"error","error":',
        b'{"type":"response.completed","response":{"usage":',
        b'{"choices":[],"usage":',
        b'{"usageMetadata":{"promptTokenCount":',
        b'{"error":{"code":',
        b'{"code":1e999,"message":[1]}',
        b"9" * 30,
        b"9" * 5000,
        b"null",
        b"-1",
        b"1e999",
        b"}}}",
        b"]",
        b"[{",
        b'"\\ud800"',
        b'"\xff"',
        b"[" * 3000,
        b'{"a":' * 3000,
        b"\xef\xbb\xbf",
    ]
)
junk = st.lists(pieces | st.binary(max_size=6), max_size=14).map(b"".join)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A recorded stream with a few bytes replaced, removed or inserted."""
    data = bytearray(fixture(draw(st.sampled_from(list(STREAMS)))))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 9))] = draw(st.binary(max_size=4) | pieces)
    return bytes(data)


@settings(max_examples=300)
@given(wires, st.booleans(), junk | mutated(), st.lists(st.integers(0, 5000), max_size=4))
def test_taps_take_any_bytes(wire: Wire, drop: bool, data: bytes, places: list[int]) -> None:
    ends = [*sorted(place % (len(data) + 1) for place in places), len(data)]
    tap = make_tap(wire, drop_usage_chunk=drop)
    out = b""
    for start, end in zip([0, *ends], ends, strict=False):
        out += tap.feed(data[start:end])
        assert tap.usage is None or tap.usage.total >= 0
        assert isinstance(tap.failure(tap.error or FAILURE), bytes)
    out += tap.close()
    if wire in (Wire.MESSAGES, Wire.GENERATE) or (wire is Wire.CHAT and not drop):
        assert out == data
    assert tap.output_chars >= 0


@settings(max_examples=200)
@given(wires, st.booleans(), junk | mutated(), st.booleans(), st.lists(st.integers(0, 5000), max_size=4))
def test_E04_E05_damaged_streams_read_the_same_however_cut(
    wire: Wire, drop: bool, data: bytes, crlf: bool, places: list[int]
) -> None:
    data = data.replace(b"\r", b"")
    if crlf:
        data = data.replace(b"\n", b"\r\n")
    ends = [*sorted(place % (len(data) + 1) for place in places), len(data)]
    chunks = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    whole = observe(wire, [data], drop_usage_chunk=drop)
    assert observe(wire, chunks, drop_usage_chunk=drop) == whole


@given(wires, st.booleans(), junk, st.integers(1, 200))
def test_taps_overflow_and_nothing_worse(wire: Wire, drop: bool, data: bytes, cap: int) -> None:
    tap = make_tap(wire, drop_usage_chunk=drop, cap=cap)
    with contextlib.suppress(SSEOverflow):
        for at in range(0, len(data), 50):
            tap.feed(data[at : at + 50])
        tap.close()


@given(wires, operations, st.sampled_from([200, 204, 400, 429, 500, 529]), junk | mutated())
def test_whole_answers_take_any_bytes(wire: Wire, operation: Operation, status: int, body: bytes) -> None:
    reading = read_body(wire, operation, status, body)
    assert isinstance(reading, BodyReading)
    assert (reading.error is not None) or status < 400


@given(wires, operations, junk)
def test_requests_are_read_or_refused(wire: Wire, operation: Operation, body: bytes) -> None:
    try:
        facts = read_request(wire, operation, body, model_in_path="m" if wire is Wire.GENERATE else None)
    except BadBody as refused:
        kind = refused.kind
    else:
        kind = RefusalKind.BAD_REQUEST
        if wire is not Wire.GENERATE:
            set_model(body, facts.model, "other")
        request_usage_in_stream(body)
    assert kind is RefusalKind.BAD_REQUEST


@given(junk | mutated())
def test_single_events_take_any_bytes(raw: bytes) -> None:
    changed = responses_error_to_failed(raw)
    assert changed == raw or changed.startswith(b"event: response.failed\n")
    assert terminal_event(Wire.RESPONSES, FAILURE, context=raw).startswith(b"event: response.failed\n")
