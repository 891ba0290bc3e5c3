"""Content codings of request bodies: undone once, at the edge, under a cap."""

import zlib
from collections.abc import Callable, Iterator

import brotli
import zstandard

from waystation.model import RefusalKind
from waystation.wire.bad_body import BadBody

MAX_LAYERS = 3

_PIECE = 1 << 16
# RFC 9659: a sender of content-coding zstd must not need a window larger than 8 MiB.
_ZSTD_WINDOW = 8 * 1024 * 1024
# A zstd block is at least 3 bytes and expands to at most 128 KiB, so this much input gives at most about 1.4
# MiB.
_ZSTD_SLICE = 32
_ZSTD_BLOCK = 128 * 1024
_ZSTD_AT_ONCE = 1 << 20


def decode_body(coding_header: bytes, body: bytes, cap: int) -> bytes:
    """`body` with its `Content-Encoding` undone; `body` itself where there is none.

    Codings: zstd, gzip, x-gzip, deflate, br, identity, stacked at most three deep. Never holds more than
    `cap` bytes of output and one piece beyond it. Raises BadBody: BAD_REQUEST for a corrupt or cut-off body
    or too many layers, TOO_LARGE beyond the cap, UNSUPPORTED_ENCODING for a coding that is not one of these.
    """
    names = [name.strip().lower() for name in coding_header.split(b",")]
    layers = [name for name in names if name and name != b"identity"]
    if len(layers) > MAX_LAYERS:
        raise BadBody(f"The request body is encoded {len(layers)} times; at most {MAX_LAYERS} are allowed.")
    for name in layers:
        if name not in _DECODERS:
            shown = name.decode("ascii", "replace")[:40]
            raise BadBody(
                f"Content-Encoding '{shown}' is not supported; send zstd, gzip, deflate, br or no encoding.",
                kind=RefusalKind.UNSUPPORTED_ENCODING,
            )
    for name in reversed(layers):
        body = _undo(name, body, cap)
    if len(body) > cap:
        raise _too_large(cap)
    return body


def _undo(name: bytes, body: bytes, cap: int) -> bytes:
    pieces = []
    size = 0
    try:
        if name == b"zstd" and (whole := _zstd_at_once(body, cap)) is not None:
            return whole
        for piece in _DECODERS[name](body):
            size += len(piece)
            if size > cap:
                raise _too_large(cap)
            pieces.append(piece)
    except (zlib.error, brotli.error, zstandard.ZstdError, EOFError):
        shown = name.decode("ascii")
        raise BadBody(f"The request body is not valid {shown}, or it is cut off.") from None
    return b"".join(pieces)


def _too_large(cap: int) -> BadBody:
    return BadBody(
        f"The decoded request body is larger than {cap} bytes, the most this gateway accepts.",
        kind=RefusalKind.TOO_LARGE,
    )


def _gzip(body: bytes) -> Iterator[bytes]:
    while body:  # a gzip body may be several members in a row
        member = zlib.decompressobj(wbits=31)
        yield from _inflate(member, body)
        body = member.unused_data


def _deflate(body: bytes) -> Iterator[bytes]:
    # "deflate" means zlib (RFC 9110), but some senders leave its two-byte header out.
    zlib_header = len(body) >= 2 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
    yield from _inflate(zlib.decompressobj(wbits=15 if zlib_header else -15), body)


def _inflate(decoder: "zlib._Decompress", body: bytes) -> Iterator[bytes]:
    data = body
    while not decoder.eof:
        piece = decoder.decompress(data, _PIECE)
        if not piece and not decoder.eof:
            raise EOFError
        yield piece
        data = decoder.unconsumed_tail


def _brotli(body: bytes) -> Iterator[bytes]:
    if not body:
        return
    decoder = brotli.Decompressor()
    data = body
    while not decoder.is_finished():
        piece = decoder.process(data, output_buffer_limit=_PIECE)
        data = b""
        if not piece and not decoder.is_finished() and decoder.can_accept_more_data():
            raise EOFError
        yield piece


def _zstd_at_once(body: bytes, cap: int) -> bytes | None:
    """The usual case, a single frame of a usual size, in one call; None for any other.

    One call is 50 times as fast as many, but needs a bound on the output before it starts, and says nothing
    of what is behind the frame; the frame's own block headers tell both.
    """
    end, blocks = _zstd_frame(body)
    bound = min(cap, blocks * _ZSTD_BLOCK)
    if end != len(body) or bound > max(_ZSTD_AT_ONCE, 32 * len(body)):
        return None
    try:
        return zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompress(
            body, max_output_size=max(bound, 1)
        )
    except zstandard.ZstdError:
        return None  # corrupt, or beyond the cap: the slow way tells which


def _zstd_frame(body: bytes) -> tuple[int, int]:
    """Where the frame at the start of `body` ends, and how many blocks it has (RFC 8878, 3.1.1); 0 if
    unclear."""
    if len(body) < 6 or not body.startswith(b"\x28\xb5\x2f\xfd"):
        return 0, 0
    descriptor = body[4]
    single_segment = descriptor >> 5 & 1
    content_size = (single_segment, 2, 4, 8)[descriptor >> 6]
    at = 5 + (1 - single_segment) + (0, 1, 2, 4)[descriptor & 3] + content_size
    blocks = last = 0
    while not last and at + 3 <= len(body):
        header = int.from_bytes(body[at : at + 3], "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        at += 3 + (1 if kind == 1 else size)  # a run-length block is one byte long
        blocks += 1
    return (at + 4 * (descriptor >> 2 & 1), blocks) if last else (0, 0)


def _zstd(body: bytes) -> Iterator[bytes]:
    offset = 0
    while offset < len(body):  # a zstd body may be several frames in a row
        frame = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        while not frame.eof:
            if offset >= len(body):
                raise EOFError
            # In small slices, for the decoder gives out all that its input holds.
            yield frame.decompress(body[offset : offset + _ZSTD_SLICE])
            offset += _ZSTD_SLICE
        offset = min(offset, len(body)) - len(frame.unused_data)


_DECODERS: dict[bytes, Callable[[bytes], Iterator[bytes]]] = {
    b"gzip": _gzip,
    b"x-gzip": _gzip,
    b"deflate": _deflate,
    b"br": _brotli,
    b"zstd": _zstd,
}
