"""`application/vnd.amazon.eventstream`: the binary frames in which Amazon Bedrock streams.

A frame is a prelude (total length, length of the headers, CRC of both), headers, a payload, and a CRC of all
that. https://smithy.io/2.0/aws/amazon-eventstream.html
"""

import struct
from collections.abc import Mapping
from zlib import crc32

import msgspec

from waystation.wire.sse import DEFAULT_CAP, SSEOverflow

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_LEAST = 16
"""Bytes of a frame without headers and payload."""
_MOST_HEADERS = 128 * 1024
"""The specification's own limit."""
_REMEMBERED = 64
_FIXED = {2: struct.Struct(">b"), 3: struct.Struct(">h"), 4: struct.Struct(">i"), 5: struct.Struct(">q")}

HeaderValue = bool | int | bytes | str


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One whole frame."""

    type: str
    """`:message-type`: `event`, `exception` (one that the service's model has), `error` (any other)."""
    name: str
    """`:event-type`, `:exception-type` or `:error-code`."""
    payload: bytes
    headers: Mapping[str, HeaderValue]
    size: int
    """Bytes on the wire."""


class EventStreamDecoder:
    """Bytes in, whole frames out; what comes out does not depend on where the bytes were cut.

    A frame whose checksum does not fit ends the stream: where the next one would begin is not known. Nothing
    is raised for it; `corrupt` says what is wrong, and everything fed later is ignored. SSEOverflow is raised
    for a frame larger than the cap, once the frames before it have been returned.
    """

    __slots__ = ("_cap", "_fragments", "_have", "_known", "_need", "_too_large", "corrupt")

    def __init__(self, cap: int = DEFAULT_CAP) -> None:
        self._cap = cap
        self._fragments: list[bytes] = []
        self._have = 0
        self._need = 0
        """Length at which there is something new to see: the prelude, then the whole frame."""
        self._known: dict[bytes, tuple[str, str, dict[str, HeaderValue]]] = {}
        """Headers already read: all frames of one kind have the same."""
        self._too_large = False
        self.corrupt = ""

    @property
    def pending(self) -> int:
        """Bytes of the frame that is still incomplete; at the end of the body, of one that was cut off."""
        return self._have

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that `data` completes."""
        if self._too_large:
            raise SSEOverflow(self._cap)
        if self.corrupt:
            return []
        if self._fragments:
            self._fragments.append(data)
            self._have += len(data)
            if self._have < self._need:
                return []
            data = b"".join(self._fragments)
            self._fragments.clear()
        frames: list[Frame] = []
        at, end = 0, len(data)
        need = _PRELUDE.size
        while end - at >= _PRELUDE.size:
            size, head, crc = _PRELUDE.unpack_from(data, at)
            if crc32(data[at : at + 8]) != crc:
                return self._give_up(frames, "the checksum of a frame's prelude does not fit")
            if size > self._cap:
                return self._overflow(frames)
            if size < _LEAST + head or head > _MOST_HEADERS:
                return self._give_up(frames, "the lengths in a frame's prelude cannot be true")
            if at + size > end:
                need = size
                break
            stop = at + size - 4
            if crc32(data[at:stop]) != _CRC.unpack_from(data, stop)[0]:
                return self._give_up(frames, "the checksum of a frame does not fit")
            body = at + 12 + head
            block = data[at + 12 : body]
            known = self._known.get(block) or self._read(block)
            if known is None:
                return self._give_up(frames, "the headers of a frame cannot be read")
            kind, name, headers = known
            frames.append(Frame(kind, name, data[body:stop], headers, size))
            at += size
            need = _PRELUDE.size
        self._have = end - at
        self._need = need
        if self._have:
            self._fragments.append(data[at:] if at else data)
        return frames

    def _read(self, block: bytes) -> tuple[str, str, dict[str, HeaderValue]] | None:
        headers = read_headers(block)
        if headers is None:
            return None
        kind = str(headers.get(":message-type", "event"))
        key = {"exception": ":exception-type", "error": ":error-code"}.get(kind, ":event-type")
        known = kind, str(headers.get(key, "")), headers
        if len(self._known) < _REMEMBERED:
            self._known[block] = known
        return known

    def _give_up(self, frames: list[Frame], why: str) -> list[Frame]:
        self.corrupt = why
        self._have = 0
        return frames

    def _overflow(self, frames: list[Frame]) -> list[Frame]:
        self._too_large = True
        self._have = 0
        if not frames:
            raise SSEOverflow(self._cap)
        return frames


def read_headers(block: bytes) -> dict[str, HeaderValue] | None:
    """The headers of a frame; None if they cannot be read. Times are integers (milliseconds), UUIDs bytes."""
    headers: dict[str, HeaderValue] = {}
    at, end = 0, len(block)
    try:
        while at < end:
            stop = at + 1 + block[at]
            name = block[at + 1 : stop].decode()
            kind = block[stop]
            at = stop + 1
            if kind in (0, 1):
                headers[name] = kind == 0
            elif kind in (6, 7):
                stop = at + 2 + int.from_bytes(block[at : at + 2])
                value = block[at + 2 : stop]
                headers[name] = value.decode() if kind == 7 else value
                at = stop
            elif kind == 9:
                headers[name] = block[at : at + 16]
                at += 16
            else:
                number = _FIXED[5 if kind == 8 else kind]
                headers[name] = number.unpack_from(block, at)[0]
                at += number.size
    except (IndexError, KeyError, UnicodeDecodeError, struct.error):
        return None
    return headers if at == end else None


def encode(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One frame. Header names and values are text, as all that Bedrock sends are."""
    parts = []
    for name, value in headers.items():
        raw_name, raw = name.encode(), value.encode()
        parts += [bytes((len(raw_name),)), raw_name, b"\x07", len(raw).to_bytes(2), raw]
    block = b"".join(parts)
    lengths = struct.pack(">II", _LEAST + len(block) + len(payload), len(block))
    frame = b"".join((lengths, _CRC.pack(crc32(lengths)), block, payload))
    return frame + _CRC.pack(crc32(frame))


def event(name: str, payload: bytes) -> bytes:
    """The frame of an event with a JSON payload."""
    return encode(
        {":event-type": name, ":content-type": "application/json", ":message-type": "event"}, payload
    )


def exception(name: str, payload: bytes) -> bytes:
    """The frame of an exception with a JSON payload; it ends a stream."""
    return encode(
        {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}, payload
    )
