"""The event decoder: bytes cut anywhere in, whole events out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.streams import fixture
from waystation.wire import SSEDecoder, SSEEvent, SSEOverflow

ODD = (
    "\ufeff: a comment\r\n\r\n"
    "event: greeting\r\ndata: こんにちは 🌏\r\ndata:second line\r\nid: 7\r\n\r\n"
    "data\ndata: one\n\n"
    ": another\n"
    'retry: 10\nunknown: x\ndata: {"emoji": "👩‍👩‍👧"}\n\n'
    "event: empty\n\n"
    "data: in\rdata: cr\r\r"
    "data: unfinished"
).encode()
ODD_EVENTS = [
    ("greeting", "こんにちは 🌏\nsecond line", "7"),
    ("message", "one", ""),
    ("message", '{"emoji": "👩‍👩‍👧"}', ""),
    ("message", "in\ncr", ""),
    ("message", "unfinished", ""),
]


def decode(*chunks: bytes) -> list[tuple[str, str, str]]:
    decoder = SSEDecoder()
    events: list[SSEEvent] = []
    for chunk in chunks:
        events += decoder.feed(chunk)
    events += decoder.close()
    return [(event.type, event.data.decode(), event.id) for event in events]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    ends = [*sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


def test_E05_many_events_in_one_chunk() -> None:
    assert decode(ODD) == ODD_EVENTS


def test_E04_code_points_cut_by_the_network_stay_whole() -> None:
    for at in range(len(ODD) + 1):
        assert decode(ODD[:at], ODD[at:]) == ODD_EVENTS


def test_E05_events_cut_at_every_byte() -> None:
    assert decode(*(bytes([byte]) for byte in ODD)) == ODD_EVENTS


@given(st.lists(st.integers(0, 10_000), max_size=12))
def test_E05_events_cut_in_many_places(places: list[int]) -> None:
    assert decode(*cut(ODD, places)) == ODD_EVENTS


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_E05_each_way_to_end_a_line(line_end: bytes) -> None:
    data = fixture("messages.sse").replace(b"\n", line_end)
    assert decode(data) == decode(fixture("messages.sse"))


@given(st.text(alphabet="a:\n\r", max_size=30), st.integers(0, 30))
def test_E05_any_mix_of_line_ends_reads_the_same_however_cut(text: str, at: int) -> None:
    data = b"data: x" + text.encode()
    assert decode(data[:at], data[at:]) == decode(data)


def test_E05_a_stream_without_a_last_empty_line_keeps_its_last_event() -> None:
    assert decode(b"data: a\n\ndata: b\n") == [("message", "a", ""), ("message", "b", "")]


def test_E06_a_line_of_many_megabytes_comes_whole() -> None:
    text = "x" * (5 * 1024 * 1024)
    data = f"data: {text}\n\n".encode()
    chunks = [data[at : at + 65536] for at in range(0, len(data), 65536)]
    assert decode(*chunks) == [("message", text, "")]


def test_E06_an_event_beyond_the_cap_is_an_explicit_error() -> None:
    decoder = SSEDecoder(cap=1000)
    assert [event.data for event in decoder.feed(b"data: fine\n\n")] == [b"fine"]
    for _ in range(9):
        decoder.feed(b"data: " + b"x" * 100)
    with pytest.raises(SSEOverflow, match="1000"):
        decoder.feed(b"data: " + b"x" * 100)


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_decode_to_events_or_nothing(data: bytes, at: int) -> None:
    decoder = SSEDecoder()
    for event in decoder.feed(data[:at]) + decoder.feed(data[at:]) + decoder.close():
        assert isinstance(event.type, str)
        assert isinstance(event.data, bytes)
