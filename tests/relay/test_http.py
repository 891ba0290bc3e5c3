"""HTTP as strangers send it: smuggled, dripped, pipelined, broken. A clear 4xx or a closed connection, never a 5xx."""

import asyncio
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.relay.conftest import Harness, open_relay, policy_text
from tests.relay.scripted import Connection, Received, ScriptedProvider, stream, whole
from tests.relay.tool import ANSWER, AUTH, MESSAGES, STREAMED, WHOLE_STREAM, Answer, ask, request_bytes, sent
from waystation.relay import RelaySettings

BODY = json.dumps(MESSAGES).encode()
AUTH_LINE = f"{AUTH[0]}: {AUTH[1]}\r\n".encode()
HEAD = b"POST /anthropic/v1/messages HTTP/1.1\r\nhost: x\r\n" + AUTH_LINE

SMUGGLED = {
    "two lengths that differ": HEAD + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
    "length and chunks": HEAD + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": HEAD + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    "negative length": HEAD + b"content-length: -5\r\n\r\n",
    "length in hex": HEAD + b"content-length: 0x5\r\n\r\nhello",
    "unknown transfer coding": HEAD + b"transfer-encoding: xchunked\r\n\r\nhello",
    "bad chunk size": HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "space before the colon": HEAD + b"content-length : 5\r\n\r\nhello",
    "bare CR in a header": HEAD + b"x: a\rb\r\ncontent-length: 5\r\n\r\nhello",
    "NUL in a header": HEAD + b"x: a\0b\r\ncontent-length: 5\r\n\r\nhello",
    "folded header": HEAD + b"x: a\r\n content-length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("data", SMUGGLED.values(), ids=SMUGGLED.keys())
async def test_a_request_that_two_readers_read_differently_is_refused(data: bytes) -> None:
    async with ScriptedProvider(whole(ANSWER)) as provider, open_relay(policy_text(provider.url)) as gateway:
        async with sent(gateway.port, data) as answer:
            await answer.head()
        assert 400 <= answer.status < 500
        if b"application/json" in (answer.header("content-type") or "").encode():
            await answer.all()
            assert answer.json["type"] == "error"
        assert provider.requests == []
        assert (await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)).status == 200


async def test_requests_sent_ahead_are_answered_in_order() -> None:
    async def slow_first(got: Received, connection: Connection) -> None:
        await asyncio.sleep(0.05)
        await whole(ANSWER)(got, connection)

    models = request_bytes("GET", "/openai/v1/models")
    data = (
        request_bytes("POST", "/anthropic/v1/messages", BODY)
        + models
        + request_bytes("POST", "/anthropic/v1/messages", BODY)
    )
    async with (
        ScriptedProvider(slow_first, whole(ANSWER)) as provider,
        open_relay(policy_text(provider.url)) as gateway,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(data)
        answers: list[bytes] = []
        rest = b""
        async with asyncio.timeout(10):
            while len(answers) < 3:
                rest += await reader.read(65536)
                while b"\r\n\r\n" in rest:
                    head, _, tail = rest.partition(b"\r\n\r\n")
                    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                    if len(tail) < length:
                        break
                    answers.append(tail[:length])
                    rest = tail[length:]
        writer.close()
    assert answers[0] == answers[2] == ANSWER
    assert json.loads(answers[1])["object"] == "list"


async def test_one_connection_serves_many_requests_of_both_kinds() -> None:
    async with ScriptedProvider(whole(ANSWER)) as provider, open_relay(policy_text(provider.url)) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        try:
            for path, body in (
                ("/anthropic/v1/messages", BODY),
                ("/", b""),
                ("/anthropic/v1/messages", BODY),
            ):
                writer.write(request_bytes("POST" if body else "GET", path, body))
                answer = Answer(reader, writer)
                await answer.all()
                assert answer.status == 200
                assert answer.body == (ANSWER if body else b"the console")
        finally:
            writer.close()


async def test_expect_100_continue_is_answered_before_the_body() -> None:
    async with ScriptedProvider(whole(ANSWER)) as provider, open_relay(policy_text(provider.url)) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(HEAD + b"expect: 100-continue\r\ncontent-length: %d\r\n\r\n" % len(BODY))
        async with asyncio.timeout(5):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(BODY)
        answer = await Answer(reader, writer).all()
        writer.close()
    assert answer.body == ANSWER


async def test_a_request_that_drips_in_is_dropped() -> None:
    settings = RelaySettings(tick=0.02, receive_timeout=0.2)
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with open_relay(policy_text(provider.url), settings=settings) as gateway:
            for start in (HEAD, HEAD + b"content-length: 100\r\n\r\n{"):
                reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                writer.write(start)
                async with asyncio.timeout(5):
                    assert await reader.read() == b""
                writer.close()
        assert provider.requests == []


async def test_http_1_0_gets_a_stream_that_ends_with_the_connection() -> None:
    async with (
        ScriptedProvider(stream(WHOLE_STREAM)) as provider,
        open_relay(policy_text(provider.url)) as gateway,
    ):
        body = json.dumps(STREAMED).encode()
        data = request_bytes("POST", "/anthropic/v1/messages", body).replace(b"HTTP/1.1", b"HTTP/1.0", 1)
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(data)
        async with asyncio.timeout(5):
            raw = await reader.read()
        writer.close()
    head, _, rest = raw.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert rest == WHOLE_STREAM


async def test_1xx_and_no_length_answers_of_a_provider_are_understood() -> None:
    async def informational(_: Received, connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")
        await whole(ANSWER)(_, connection)

    async def until_close(_: Received, connection: Connection) -> None:
        await connection.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + ANSWER)
        await connection.close()

    async with (
        ScriptedProvider(informational, until_close) as provider,
        open_relay(policy_text(provider.url)) as gateway,
    ):
        for _ in range(2):
            answer = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
            assert (answer.status, answer.body) == (200, ANSWER)


async def test_a_piece_of_a_chunk_that_looks_like_a_chunk_is_content(kind: str) -> None:
    async def tricky(_: Received, connection: Connection) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
        for piece in (
            head,
            b"4\r\nwarm\r\n",
            b"e\r\nAAAA",
            b"5\r\nhello\r\n",
            b"\r\n4\r\ncold\r\n",
            b"0\r\n\r\n",
        ):
            await connection.send(piece)
            await asyncio.sleep(0.02)  # so that each arrives by itself

    async with (
        ScriptedProvider(tricky) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        answer = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
    assert answer.body == b"warmAAAA5\r\nhello\r\ncold"


@pytest.mark.parametrize("size", [b"0x4", b"+4", b"4_", b" 4", b"zz"])
async def test_a_providers_chunk_of_no_honest_size_is_not_passed_on(size: bytes) -> None:
    async def lying(_: Received, connection: Connection) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
        for piece in (head, b"4\r\nwarm\r\n", size + b"\r\ncold\r\n", b"0\r\n\r\n"):
            await connection.send(piece)
            await asyncio.sleep(0.02)

    async with ScriptedProvider(lying) as provider, open_relay(policy_text(provider.url)) as gateway:
        answer = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
    assert answer.status == 502


async def test_a_graceful_stop_lets_streams_finish() -> None:
    go = asyncio.Event()

    async def slow(_: Received, connection: Connection) -> None:
        from tests.relay.scripted import STREAM_HEAD

        await connection.send(STREAM_HEAD + b"\r\n")
        await connection.chunk(WHOLE_STREAM[:700])
        await go.wait()
        await connection.chunk(WHOLE_STREAM[700:])
        await connection.end()

    async with ScriptedProvider(slow) as provider, open_relay(policy_text(provider.url)) as gateway:
        body = json.dumps(STREAMED).encode()
        async with sent(gateway.port, request_bytes("POST", "/anthropic/v1/messages", body)) as answer:
            await answer.until(b"message_start")
            gateway.server.should_exit = True
            async with asyncio.timeout(5):
                while True:  # the listener is closed …
                    try:
                        _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                        writer.close()
                        await asyncio.sleep(0.02)
                    except OSError:
                        break
            go.set()  # … and the stream goes on
            await answer.all()
        assert answer.body == WHOLE_STREAM
        assert len(gateway.ledger.rows) == 1


_words = st.sampled_from(
    [
        b"POST ",
        b"GET ",
        b"/anthropic/v1/messages",
        b"/openai/v1/responses",
        b" HTTP/1.1\r\n",
        b"host: x\r\n",
        AUTH_LINE,
        b"content-length: 10\r\n",
        b"transfer-encoding: chunked\r\n",
        b"\r\n",
        b"0\r\n\r\n",
        b"\0",
        b"\xff",
        BODY,
        b"expect: 100-continue\r\n",
        b"upgrade: websocket\r\n",
        b"connection: upgrade\r\n",
    ]
)


async def _throw(gateway: Harness, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(data)
    writer.write_eof()
    async with asyncio.timeout(5):
        try:
            got = await reader.read()
        except ConnectionError:
            got = b""
    writer.close()
    return got


@given(st.lists(st.lists(st.one_of(_words, st.binary(max_size=30)), max_size=12), min_size=1, max_size=5))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_fuzz_whatever_comes_in_the_gateway_stands(requests: list[list[bytes]]) -> None:
    async def run() -> None:
        async with (
            ScriptedProvider(whole(ANSWER)) as provider,
            open_relay(policy_text(provider.url)) as gateway,
        ):
            for parts in requests:
                got = await _throw(gateway, b"".join(parts))
                assert b"HTTP/1.1 5" not in got
            assert (await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)).body == ANSWER

    asyncio.run(run())
