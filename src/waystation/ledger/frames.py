"""The bytes of a journal frame, and how they are read back.

    u32 length of the payload | u32 CRC-32 of all that follows | u64 seq | u8 kind | payload

All little-endian. The payload is the MessagePack of an array-like struct (`Attempt` or `Begin`), whose fields
are only ever appended, so that old journals stay readable. A frame counts only if it is whole and its
checksum holds; a run of zero bytes is never a frame.
"""

from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

LEAD = Struct("<II")
"""Length of the payload, checksum."""
HEAD = Struct("<QB")
"""Sequence number, kind."""
OVERHEAD = LEAD.size + HEAD.size


# Kinds of frame. Plain integers: packing an enum member costs as much again as packing the frame.
SETTLE: Final = 1
"""A finished attempt: becomes a row."""
BEGIN: Final = 2
"""An attempt that has been in flight for a while: only a crash turns it into a row."""
CARRIED: Final = 3
"""All attempts still in flight from before this frame have a BEGIN frame in this segment, ahead of it."""


class Frame(NamedTuple):
    seq: int
    kind: int
    payload: memoryview
    end: int
    """Offset of the first byte after the frame."""


def encode_frame(seq: int, kind: int, payload: bytes) -> bytes:
    head = HEAD.pack(seq, kind)
    return LEAD.pack(len(payload), crc32(payload, crc32(head))) + head + payload


def scan(data: bytes | memoryview, start: int = 0) -> list[Frame]:
    """The whole, intact frames of `data` from `start` on, up to the first that is neither.

    What follows a damaged frame is not read: without a trustworthy length there is no trustworthy next frame.
    """
    frames: list[Frame] = []
    view = memoryview(data)
    size = len(view)
    at = start
    unpack_lead, unpack_head = LEAD.unpack_from, HEAD.unpack_from
    lead = LEAD.size
    while at + OVERHEAD <= size:
        length, checksum = unpack_lead(view, at)
        end = at + OVERHEAD + length
        if end > size or crc32(view[at + lead : end]) != checksum:
            break
        seq, kind = unpack_head(view, at + lead)
        frames.append(Frame(seq, kind, view[at + OVERHEAD : end], end))
        at = end
    return frames
