from hypothesis import given
from hypothesis import strategies as st

from waystation.ledger.frames import BEGIN, CARRIED, OVERHEAD, SETTLE, encode_frame, scan

_frames = st.lists(
    st.tuples(
        st.integers(min_value=0, max_value=2**64 - 1),
        st.sampled_from([SETTLE, BEGIN, CARRIED]),
        st.binary(max_size=200),
    ),
    max_size=8,
)


def _join(frames: list[tuple[int, int, bytes]]) -> bytes:
    return b"".join(encode_frame(*frame) for frame in frames)


@given(_frames)
def test_what_is_written_is_read(frames: list[tuple[int, int, bytes]]) -> None:
    data = _join(frames)
    found = scan(data)
    assert [(frame.seq, frame.kind, bytes(frame.payload)) for frame in found] == frames
    assert (found[-1].end if found else 0) == len(data)


@given(_frames.filter(bool), st.data())
def test_a_cut_anywhere_costs_only_the_frame_that_it_cuts(
    frames: list[tuple[int, int, bytes]], data: st.DataObject
) -> None:
    whole = _join(frames)
    cut = data.draw(st.integers(min_value=0, max_value=len(whole)))
    ends = [len(_join(frames[: i + 1])) for i in range(len(frames))]
    assert [frame.end for frame in scan(whole[:cut])] == [end for end in ends if end <= cut]


@given(_frames.filter(bool), st.data())
def test_a_flipped_bit_is_never_read_as_a_record(
    frames: list[tuple[int, int, bytes]], data: st.DataObject
) -> None:
    whole = bytearray(_join(frames))
    at = data.draw(st.integers(min_value=0, max_value=len(whole) * 8 - 1))
    whole[at // 8] ^= 1 << at % 8
    good = [(frame.seq, frame.kind, bytes(frame.payload)) for frame in scan(bytes(whole))]
    assert good == frames[: len(good)]
    assert len(good) < len(frames)


def test_zeros_that_a_file_system_left_are_no_frames() -> None:
    assert scan(bytes(4096)) == []
    assert len(scan(encode_frame(1, SETTLE, b"x") + bytes(OVERHEAD))) == 1
