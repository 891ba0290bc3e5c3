"""Amazon's binary frames, held against botocore's own reader of them."""

import struct
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from waystation.wire import SSEOverflow
from waystation.wire.eventstream import EventStreamDecoder, Frame, encode, event, exception, read_headers

_STREAM = b"".join(
    (
        event("messageStart", b'{"role":"assistant"}'),
        event("contentBlockDelta", '{"delta":{"text":"naïve 猫"},"contentBlockIndex":0}'.encode()),
        encode({":message-type": "event", ":event-type": "empty"}, b""),
        exception("throttlingException", b'{"message":"Too many requests"}'),
        encode({":message-type": "error", ":error-code": "Odd", ":error-message": "no idea"}, b""),
    )
)


def _decode(*chunks: bytes) -> list[Frame]:
    decoder = EventStreamDecoder()
    frames = [frame for chunk in chunks for frame in decoder.feed(chunk)]
    assert not decoder.corrupt
    assert decoder.pending == 0
    return frames


def _raw(headers: bytes, payload: bytes = b"") -> bytes:
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    frame = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers + payload
    return frame + struct.pack(">I", zlib.crc32(frame))


def test_frames_are_what_botocore_reads() -> None:
    buffer = EventStreamBuffer()
    buffer.add_data(_STREAM)
    theirs = [(dict(message.headers), message.payload) for message in buffer]
    assert [(dict(frame.headers), frame.payload) for frame in _decode(_STREAM)] == theirs


def test_a_frame_says_what_it_is() -> None:
    assert [(frame.type, frame.name) for frame in _decode(_STREAM)] == [
        ("event", "messageStart"),
        ("event", "contentBlockDelta"),
        ("event", "empty"),
        ("exception", "throttlingException"),
        ("error", "Odd"),
    ]
    assert sum(frame.size for frame in _decode(_STREAM)) == len(_STREAM)


def test_E04_cut_at_every_byte_the_frames_are_the_same() -> None:
    whole = _decode(_STREAM)
    for at in range(len(_STREAM) + 1):
        assert _decode(_STREAM[:at], _STREAM[at:]) == whole
    assert _decode(*(_STREAM[i : i + 1] for i in range(len(_STREAM)))) == whole


def test_every_kind_of_header_is_read() -> None:
    block = (
        b"\x01a\x00"
        + b"\x01b\x01"
        + b"\x01c\x02\xff"
        + b"\x01d\x03\x00\x07"
        + b"\x01e\x04\x00\x00\x00\x08"
        + b"\x01f\x05" + b"\x00" * 7 + b"\x09"
        + b"\x01g\x06\x00\x02\x00\xff"
        + b"\x01h\x07\x00\x03" + "é!".encode()
        + b"\x01i\x08" + b"\x00" * 6 + b"\x01\x00"
        + b"\x01j\x09" + bytes(range(16))
    )  # fmt: skip
    assert read_headers(block) == {
        "a": True,
        "b": False,
        "c": -1,
        "d": 7,
        "e": 8,
        "f": 9,
        "g": b"\x00\xff",
        "h": "é!",
        "i": 256,
        "j": bytes(range(16)),
    }


@pytest.mark.parametrize(
    "block", [b"\x05a", b"\x01a\x0c", b"\x01a\x07\x00\x09ab", b"\x01\xff\x00", b"\x01a\x04\x00"]
)
def test_headers_that_cannot_be_read_end_the_stream(block: bytes) -> None:
    assert read_headers(block) is None
    decoder = EventStreamDecoder()
    assert decoder.feed(_raw(block)) == []
    assert "headers" in decoder.corrupt


@pytest.mark.parametrize("at", [0, 5, 9, 14, 40, -1])
def test_a_wrong_byte_ends_the_stream_and_what_was_before_it_holds(at: int) -> None:
    first, second = event("messageStart", b"{}"), bytearray(event("contentBlockDelta", b'{"a":1}'))
    second[at] ^= 0x40
    for cut in range(len(first) + len(second)):
        decoder = EventStreamDecoder()
        data = first + bytes(second) + first
        frames = decoder.feed(data[:cut]) + decoder.feed(data[cut:])
        assert [frame.name for frame in frames] == ["messageStart"]
        assert decoder.corrupt
        assert decoder.feed(first) == []


def test_lengths_that_cannot_be_true_end_the_stream() -> None:
    for size, head in ((15, 0), (20, 5), (1 << 20, 1 << 19)):
        lengths = struct.pack(">II", size, head)
        decoder = EventStreamDecoder()
        decoder.feed(lengths + struct.pack(">I", zlib.crc32(lengths)))
        assert "lengths" in decoder.corrupt


def test_a_frame_above_the_cap_is_refused_by_its_length_alone() -> None:
    small, large = event("a", b"{}"), event("b", b"x" * 500)
    decoder = EventStreamDecoder(cap=400)
    assert [frame.name for frame in decoder.feed(small + large[:12])] == ["a"]
    with pytest.raises(SSEOverflow):
        decoder.feed(large[12:])
    with pytest.raises(SSEOverflow):
        EventStreamDecoder(cap=400).feed(large[:12])


def test_E06_a_large_frame_in_small_chunks() -> None:
    frame = event("contentBlockDelta", b"x" * (4 << 20))
    decoder = EventStreamDecoder()
    frames = [f for i in range(0, len(frame), 1 << 14) for f in decoder.feed(frame[i : i + (1 << 14)])]
    assert len(frames[0].payload) == 4 << 20


def test_what_is_left_of_a_cut_frame_is_told() -> None:
    decoder = EventStreamDecoder()
    decoder.feed(_STREAM[:-3])
    assert decoder.pending > 0


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_any_bytes_are_survived(chunks: list[bytes]) -> None:
    decoder = EventStreamDecoder(cap=1 << 16)
    try:
        for chunk in chunks:
            decoder.feed(chunk)
    except SSEOverflow:
        pass


@given(st.binary(max_size=30).map(_raw), st.data())
def test_any_headers_are_survived(frame: bytes, data: st.DataObject) -> None:
    decoder = EventStreamDecoder()
    at = data.draw(st.integers(0, len(frame)))
    decoder.feed(frame[:at])
    decoder.feed(frame[at:])
