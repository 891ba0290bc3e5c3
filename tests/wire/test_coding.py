"""E01: compressed request bodies, as Codex sends them, and as nobody should."""

import contextlib
import gzip
import zlib

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from waystation.model import RefusalKind
from waystation.wire import BadBody, decode_body

CAP = 1 << 20
BODY = b'{"model":"gpt-5.4","input":[' + b'{"type":"message","content":"hello"},' * 900 + b"{}]}"


def zstd(data: bytes, *, size: bool = False, checksum: bool = False) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=size, write_checksum=checksum).compress(data)


def raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


CODINGS = {
    "zstd": zstd,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
}


@pytest.mark.parametrize("name", CODINGS)
@pytest.mark.parametrize("body", [b"", b"{}", BODY], ids=["empty", "short", "long"])
def test_E01_each_coding(name: str, body: bytes) -> None:
    assert decode_body(name.encode(), CODINGS[name](body), CAP) == body
    assert decode_body(name.upper().encode(), CODINGS[name](body), CAP) == body


@pytest.mark.parametrize("size", [False, True])
@pytest.mark.parametrize("checksum", [False, True])
@pytest.mark.parametrize("length", [1, 300, 70_000, 900_000])
def test_E01_every_kind_of_zstd_frame(size: bool, checksum: bool, length: int) -> None:
    body = (BODY * (length // len(BODY) + 1))[:length]
    assert decode_body(b"zstd", zstd(body, size=size, checksum=checksum), CAP) == body
    assert decode_body(b"zstd", zstd(body[:100]) + zstd(body[100:]), CAP) == body


def test_E01_variants_and_none() -> None:
    assert decode_body(b"", BODY, CAP) is BODY
    assert decode_body(b"identity", BODY, CAP) is BODY
    assert decode_body(b"deflate", raw_deflate(BODY), CAP) == BODY
    assert decode_body(b"gzip", gzip.compress(BODY[:50]) + gzip.compress(BODY[50:]), CAP) == BODY
    assert decode_body(b" gzip , identity, ZSTD", zstd(gzip.compress(BODY)), CAP) == BODY
    assert decode_body(b"gzip", b"", CAP) == b""


@given(st.permutations(["zstd", "gzip", "br"]), st.binary(max_size=300))
def test_E01_stacked_codings_are_undone_in_reverse(order: list[str], body: bytes) -> None:
    encoded = body
    for name in order:
        encoded = CODINGS[name](encoded)
    assert decode_body(", ".join(order).encode(), encoded, CAP) == body


def test_E01_more_than_three_layers_are_refused() -> None:
    with pytest.raises(BadBody, match="4 times") as caught:
        decode_body(b"gzip, gzip, gzip, gzip", b"", CAP)
    assert caught.value.kind is RefusalKind.BAD_REQUEST


@pytest.mark.parametrize("header", [b"compress", b"gzip, magic", b"\xff\xfe"])
def test_E01_an_unknown_coding_is_unsupported(header: bytes) -> None:
    with pytest.raises(BadBody) as caught:
        decode_body(header, BODY, CAP)
    assert caught.value.kind is RefusalKind.UNSUPPORTED_ENCODING
    assert "zstd" in caught.value.message


@pytest.mark.parametrize("name", CODINGS)
def test_E01_a_corrupt_or_cut_body_is_a_bad_request(name: str) -> None:
    whole = CODINGS[name](BODY)
    for body in (whole[:-1], whole[: len(whole) // 2], whole[:3], BODY, b"\x00", whole[:20] + b"\xff" * 20):
        with pytest.raises(BadBody) as caught:
            decode_body(name.encode(), body, CAP)
        assert caught.value.kind is RefusalKind.BAD_REQUEST
        assert name in caught.value.message


@pytest.mark.parametrize("name", CODINGS)
def test_E01_a_bomb_ends_at_the_cap(name: str) -> None:
    bomb = CODINGS[name](b"\0" * (CAP * 20))
    with pytest.raises(BadBody) as caught:
        decode_body(name.encode(), bomb, CAP)
    assert caught.value.kind is RefusalKind.TOO_LARGE
    assert str(CAP) in caught.value.message


def test_E01_the_cap_is_exact() -> None:
    for name, encode in CODINGS.items():
        assert len(decode_body(name.encode(), encode(b"x" * CAP), CAP)) == CAP
        with pytest.raises(BadBody):
            decode_body(name.encode(), encode(b"x" * (CAP + 1)), CAP)
    with pytest.raises(BadBody):
        decode_body(b"", b"x" * (CAP + 1), CAP)


def test_E01_a_bomb_of_many_frames_or_a_huge_window_is_no_way_around() -> None:
    with pytest.raises(BadBody) as caught:
        decode_body(b"zstd", zstd(b"\0" * 100_000) * 30, CAP)
    assert caught.value.kind is RefusalKind.TOO_LARGE
    window = zstandard.ZstdCompressionParameters(window_log=27, write_content_size=False)
    compressor = zstandard.ZstdCompressor(compression_params=window).compressobj()
    wide = compressor.compress(BODY) + compressor.flush()
    with pytest.raises(BadBody) as caught:
        decode_body(b"zstd", wide, CAP)
    assert caught.value.kind is RefusalKind.BAD_REQUEST


@given(st.sampled_from(sorted(CODINGS)), st.binary(max_size=200), st.integers(0, 60))
def test_any_bytes_decode_or_are_refused(name: str, junk: bytes, at: int) -> None:
    valid = CODINGS[name](b"{}" * 20)
    for body in (junk, valid[:at] + junk, valid + junk):
        with contextlib.suppress(BadBody):
            assert len(decode_body(name.encode(), body, 5000)) <= 5000
