"""However the network cuts a stream, the same bytes go on and the same is learned from them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.streams import STREAMS, fixture, observe
from waystation.model import Wire
from waystation.wire import make_tap

LINE_ENDS = [b"\n", b"\r\n", b"\r"]
REWRITTEN = {"responses_error_first.sse", "responses_error_late.sse"}
SSE_STREAMS = [name for name in STREAMS if name.endswith(".sse")]


@pytest.mark.parametrize("name", STREAMS)
def test_E04_E05_every_byte_offset(name: str) -> None:
    data, wire = fixture(name), STREAMS[name]
    whole = observe(wire, [data])
    if name not in REWRITTEN:
        assert whole.forwarded == data
    for at in range(len(data) + 1):
        assert observe(wire, [data[:at], data[at:]]) == whole, at


@pytest.mark.parametrize("name", STREAMS)
def test_E04_E05_byte_by_byte(name: str) -> None:
    data, wire = fixture(name), STREAMS[name]
    assert observe(wire, [bytes([byte]) for byte in data]) == observe(wire, [data])


@settings(max_examples=150)
@given(
    st.sampled_from(list(STREAMS)),
    st.sampled_from(LINE_ENDS),
    st.booleans(),
    st.lists(st.integers(0, 10_000), max_size=8),
)
def test_E04_E05_many_cuts_any_line_end(name: str, line_end: bytes, drop: bool, places: list[int]) -> None:
    wire = STREAMS[name]
    data = fixture(name).replace(b"\r\n", b"\n").replace(b"\n", line_end)
    ends = [*sorted(place % (len(data) + 1) for place in places), len(data)]
    chunks = [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    seen = observe(wire, chunks, drop_usage_chunk=drop)
    assert seen == observe(wire, [data], drop_usage_chunk=drop)
    if name not in REWRITTEN and not drop:
        assert seen.forwarded == data


@pytest.mark.parametrize("name", SSE_STREAMS)
@pytest.mark.parametrize("line_end", LINE_ENDS)
def test_E05_line_ends_do_not_change_what_is_learned(name: str, line_end: bytes) -> None:
    data = fixture(name).replace(b"\r\n", b"\n")
    usual = observe(STREAMS[name], [data])
    other = observe(STREAMS[name], [data.replace(b"\n", line_end)])
    assert other[1:6] == usual[1:6]
    assert other.output_events == usual.output_events


@pytest.mark.parametrize("name", SSE_STREAMS)
def test_E05_the_last_empty_line_may_be_missing(name: str) -> None:
    data, wire = fixture(name), STREAMS[name]
    cut_short = observe(wire, [data.rstrip(b"\r\n")])
    assert cut_short[1:6] == observe(wire, [data])[1:6]


@pytest.mark.parametrize("name", [name for name in STREAMS if not name.startswith("responses")])
def test_a_chunk_comes_back_as_the_same_object(name: str) -> None:
    data = fixture(name)
    tap = make_tap(STREAMS[name])
    for at in range(0, len(data), 37):
        chunk = data[at : at + 37]
        assert tap.feed(chunk) is chunk
    assert tap.close() == b""


def test_a_responses_stream_is_held_back_only_where_an_error_event_may_begin() -> None:
    data = fixture("responses.sse")
    tap = make_tap(Wire.RESPONSES)
    sent = 0
    for at in range(len(data)):
        sent += len(tap.feed(data[at : at + 1]))
        assert at + 1 - sent < len(b"event: error")
    assert sent == len(data)


def test_E06_usage_is_found_behind_megabytes_in_one_event() -> None:
    data = fixture("responses.sse")
    long = data.replace("終わり".encode(), b"x" * 3_000_000)
    chunks = [long[at : at + 65536] for at in range(0, len(long), 65536)]
    seen = observe(Wire.RESPONSES, chunks)
    assert seen.usage == observe(Wire.RESPONSES, [data]).usage
    assert seen.terminal
    assert seen.forwarded == long
