"""Where a message ends, however it is cut."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from way.framing import BadMessage, Body, Head


def chunked(pieces: list[bytes], trailer: bytes = b"") -> bytes:
    parts = [b"%x;ext=1\r\n" % len(p) + p + b"\r\n" for p in pieces if p]
    return b"".join(parts) + b"0\r\n" + trailer + b"\r\n"


@given(
    pieces=st.lists(st.binary(max_size=40), max_size=6),
    after=st.binary(max_size=20),
    cuts=st.lists(st.integers(0, 400), max_size=12),
    trailer=st.sampled_from([b"", b"X-Sum: 1\r\n"]),
)
def test_a_chunked_body_ends_where_it_ends(
    pieces: list[bytes], after: bytes, cuts: list[int], trailer: bytes
) -> None:
    message = chunked(pieces, trailer)
    assert taken_by(Body(chunked=True), message + after, cuts) == message


@given(
    body=st.binary(max_size=200),
    after=st.binary(max_size=20),
    cuts=st.lists(st.integers(0, 250), max_size=12),
)
def test_a_body_with_a_length_ends_where_it_ends(body: bytes, after: bytes, cuts: list[int]) -> None:
    assert taken_by(Body(len(body)), body + after, cuts) == body


def taken_by(body: Body, stream: bytes, cuts: list[int]) -> bytes:
    places = sorted({0, len(stream), *(c for c in cuts if c < len(stream))})
    taken = b""
    for start, end in itertools.pairwise(places):
        if body.done:
            break
        piece = stream[start:end]
        n = body.feed(piece)
        taken += piece[:n]
        assert n == len(piece) or body.done
    assert body.done
    return taken


@pytest.mark.parametrize(
    "line", [b"zz\r\n", b"\r\n", b"-1\r\n", b"5\n", b"0x5\r\n", b"11111111111111111\r\n", b"5" * 5000]
)
def test_a_size_that_is_no_number_is_refused(line: bytes) -> None:
    with pytest.raises(BadMessage):
        Body(chunked=True).feed(line)


@pytest.mark.parametrize(
    "headers",
    [
        b"Content-Length: 3\r\nContent-Length: 3",
        b"Content-Length: 3\r\nTransfer-Encoding: chunked",
        b"Content-Length: +3",
        b"Content-Length: 3, 3",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: chunked, chunked",
    ],
)
def test_two_ways_to_read_a_request_are_none(headers: bytes) -> None:
    with pytest.raises(BadMessage):
        Body.of_request(Head.parse(b"POST / HTTP/1.1\r\n" + headers))


@pytest.mark.parametrize("line", [b"No colon", b" Folded: x", b"Name : x", b": x", b"A: b\nC: d", b"A: b\0"])
def test_a_malformed_header_is_refused(line: bytes) -> None:
    with pytest.raises(BadMessage):
        Head.parse(b"GET / HTTP/1.1\r\n" + line)


def test_an_answer_without_a_length_lasts_until_the_connection_ends() -> None:
    body = Body.of_response(Head.parse(b"HTTP/1.1 200 OK"), b"GET", 200)
    assert body.until_close
    assert body.feed(b"anything") == 8
    assert not body.done


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
def test_answers_that_have_no_body(method: bytes, status: int) -> None:
    assert Body.of_response(Head.parse(b"HTTP/1.1 200 OK\r\nContent-Length: 10"), method, status).done


def test_headers_go_on_in_order_and_untouched() -> None:
    head = Head.parse(b"GET / HTTP/1.1\r\nX-One: a\r\nx-two:  b \r\nX-One: c")
    assert head.encode(without=(b"x-two",), extra=((b"Z", b"1"),)) == (
        b"GET / HTTP/1.1\r\nX-One: a\r\nX-One: c\r\nZ: 1\r\n\r\n"
    )
