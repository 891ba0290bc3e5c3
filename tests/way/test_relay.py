"""The loopback relay: who may use it, and that it changes nothing but the token."""

import asyncio
import contextlib
import json
import os
import random
import socket

import pytest
from tests.way.relay_fixture import Reader, Request, Writer, bench, ok, read_request, replies

from way import launch
from way.errors import SignedOut, Unreachable
from way.pipes import Pipe

EVENT = 'data: {"text": "Grüße, 世界 🌍"}\n\n'.encode()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def message(answer: bytes) -> str:
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"])


# Who may use it


async def never(reader: Reader, writer: Writer) -> None:
    raise AssertionError("the gateway must not be asked")


@pytest.mark.parametrize(
    "key",
    [b"", b"x-api-key: wrong", b"Authorization: Bearer wrong", b"x-api-key:", b"Authorization: Basic x"],
)
async def test_S9_without_the_launchs_secret_nobody_gets_through(key: bytes) -> None:
    async with bench(never) as b:
        answer = await b.ask(key=key)
        assert status(answer) == 401
        assert b.secret not in answer.decode()
        assert (b.connections, b.tokens.asked) == (0, [])


@pytest.mark.parametrize(
    "form", ["x-api-key: {}", "X-Goog-Api-Key: {}", "authorization: Bearer {}", "Authorization: bearer {}"]
)
async def test_the_secret_is_taken_wherever_a_tool_puts_its_key(form: str) -> None:
    seen: list[Request] = []
    async with bench(replies(ok(), into=seen)) as b:
        assert status(await b.ask(key=form.format(b.secret).encode())) == 200
        assert b.secret.encode() not in seen[0].head, "the secret stays on this machine"
        assert seen[0].header(b"authorization") == b"Bearer token-1"
        assert seen[0].header(b"x-api-key") == b""


async def test_S9_a_web_page_gets_nothing_even_with_the_secret() -> None:
    async with bench(never) as b:
        assert status(await b.ask(headers=(b"Origin: http://evil.example",))) == 403
        assert status(await b.ask(headers=(b"Origin: null",))) == 403


@pytest.mark.parametrize(
    "host", [b"Host: evil.example", b"Host: 127.0.0.1", b"Host: 127.0.0.1:1", b"X-Nothing: 1"]
)
async def test_S9_another_host_name_gets_nothing_even_with_the_secret(host: bytes) -> None:
    async with bench(never) as b:
        assert status(await b.ask(host=host)) == 403


@pytest.mark.parametrize(
    "path", ["/", "/api/v1/agents", "/oauth/token", "/anthropicx/v1/messages", "/openaiX"]
)
async def test_only_the_model_addresses_can_be_reached(path: str) -> None:
    async with bench(never) as b:
        assert status(await b.ask(path)) == 404


@pytest.mark.parametrize(
    "path",
    ["/openai/../api/v1/sessions", "/openai/..", "/openai/%2e%2e/api", "/openai/%2E./api", "//evil", "x"],
)
async def test_no_path_leads_out_of_them(path: str) -> None:
    async with bench(never) as b:
        assert status(await b.ask(path)) in (400, 404)


@pytest.mark.parametrize(
    "headers",
    [
        (b"Content-Length: 3", b"Content-Length: 3"),
        (b"Content-Length: 3", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: gzip",),
        (b"Bad Header",),
    ],
)
async def test_a_request_with_two_readings_is_refused(headers: tuple[bytes, ...]) -> None:
    async with bench(never) as b:
        assert status(await b.ask(headers=headers)) == 400


async def test_E100_a_websocket_is_answered_426() -> None:
    async with bench(never) as b:
        answer = await b.ask(method="GET", headers=(b"Upgrade: websocket", b"Connection: Upgrade"))
        assert status(answer) == 426


async def test_it_listens_on_this_machine_only() -> None:
    listener, secret = launch.listen()
    try:
        assert listener.getsockname()[0] == "127.0.0.1"
        assert len(secret) > 40
        assert secret != launch.listen()[1]
    finally:
        listener.close()


# What goes through


async def test_headers_and_body_arrive_as_they_were_sent() -> None:
    seen: list[Request] = []
    body = os.urandom(700_000)
    sent = (
        b"Content-Type: application/json",
        b"anthropic-beta: a,b",
        b"X-CASE: Kept  as is",
        b"anthropic-beta: c",
        b"Content-Encoding: zstd",
    )
    async with bench(replies(ok(), into=seen)) as b:
        await b.ask("/anthropic/v1/messages?beta=true&x=%2F", body, headers=sent)
    assert seen[0].line == b"POST /anthropic/v1/messages?beta=true&x=%2F HTTP/1.1"
    assert seen[0].body == body
    lines = seen[0].head.split(b"\r\n")[1:]
    assert [line for line in lines if line in sent] == list(sent), "same bytes, same order"
    assert {line.split(b":")[0] for line in lines if line not in sent} == {
        b"Host",
        b"Authorization",
        b"Content-Length",
    }


async def test_an_answers_head_and_body_come_back_as_they_were_sent() -> None:
    body = os.urandom(700_000)
    head = b"HTTP/1.1 529 Overloaded Today\r\nrequest-id: req_1\r\nX-RateLimit:  1\r\nretry-after: 7\r\nContent-Length: 700000\r\n\r\n"
    async with bench(replies(head + body)) as b:
        answer = await b.ask()
    expected = head.replace(b"X-RateLimit:  1", b"X-RateLimit: 1").replace(
        b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"
    )
    assert answer == expected + body


@pytest.mark.parametrize("seed", range(5))
async def test_a_chunked_stream_is_the_same_to_the_byte_however_it_is_cut(seed: int) -> None:
    dice = random.Random(seed)
    stream = (
        b"".join(b"%x\r\n" % len(EVENT * n) + EVENT * n + b"\r\n" for n in range(1, 40))
        + b"0\r\nX-Sum: 1\r\n\r\n"
    )
    cuts = sorted(dice.randrange(len(stream)) for _ in range(60))

    async def script(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            writer.write(stream[start:end])
            await writer.drain()
            await asyncio.sleep(0)
        await reader.read()

    async with bench(script) as b:
        client = await b.connect()
        await client.send()
        assert (await client.reader.readuntil(b"\r\n\r\n")).endswith(b"chunked\r\n\r\n")
        assert await client.reader.readexactly(len(stream)) == stream
        client.close()


async def test_the_first_byte_comes_out_before_the_last_goes_in() -> None:
    seen = asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await seen.wait()
        writer.write(b"0\r\n\r\n")
        await reader.read()

    async with bench(script) as b:
        client = await b.connect()
        await client.send()
        await client.reader.readuntil(b"\r\n\r\n")
        assert await client.reader.readexactly(7) == b"2\r\nhi\r\n"
        seen.set()
        assert await client.reader.readexactly(5) == b"0\r\n\r\n"


async def test_a_requests_first_byte_arrives_before_its_last_is_sent() -> None:
    arrived = asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(5) == b"first"
        arrived.set()
        assert await reader.readexactly(4) == b"last"
        writer.write(ok())
        await reader.read()

    async with bench(script) as b:
        client = await b.connect()
        client.writer.write(client.head(headers=(b"Content-Length: 9",)) + b"first")
        await arrived.wait()
        client.writer.write(b"last")
        assert status((await client.answer())[0]) == 200


async def test_a_slow_tool_slows_its_own_stream() -> None:
    offered = 64 * 2**20
    written = 0

    async def script(reader: Reader, writer: Writer) -> None:
        nonlocal written
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % offered)
        while written < offered:
            writer.write(bytes(2**16))
            await writer.drain()
            written += 2**16

    async with bench(script) as b:
        client = await b.connect()
        await client.send()
        before = -1
        while before != written or written == 0:  # until nothing moves any more
            before = written
            await asyncio.sleep(0.1)
        assert written < offered / 2, "the relay does not collect what the tool does not read"
        await client.reader.readuntil(b"\r\n\r\n")
        assert len(await client.reader.readexactly(offered)) == offered


async def test_a_tool_that_hangs_up_ends_the_gateways_work_at_once() -> None:
    gone = asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n")
        with contextlib.suppress(ConnectionError):
            await reader.read()
        gone.set()

    async with bench(script) as b:
        client = await b.connect()
        await client.send()
        await client.reader.readuntil(b"hi\r\n")
        client.close()
        await asyncio.wait_for(gone.wait(), 5)


async def test_a_tool_that_hangs_up_before_an_answer_ends_it_too() -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        arrived.set()
        with contextlib.suppress(ConnectionError):
            await reader.read()
        gone.set()

    async with bench(script) as b:
        client = await b.connect()
        await client.send()
        await arrived.wait()
        client.close()
        await asyncio.wait_for(gone.wait(), 5)
        assert b.connections == 1, "and it is not asked again"


@pytest.mark.parametrize(
    "cut",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
    ],
)
async def test_a_broken_answer_is_not_made_to_look_whole(cut: bytes) -> None:
    async def script(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(cut)

    async with bench(script) as b:
        client = await b.connect()
        await client.send()
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await client.reader.readexactly(1000)
        assert b.connections == 1


async def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    async def script(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + EVENT * 3)

    async with bench(script) as b:
        client = await b.connect()
        await client.send()
        assert await client.reader.read() == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + EVENT * 3


async def test_head_and_204_have_no_body() -> None:
    seen: list[Request] = []
    first, second = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b"HTTP/1.1 204 No Content\r\n\r\n"
    async with bench(replies(first, second, into=seen)) as b:
        client = await b.connect()
        await client.send("/anthropic", method="HEAD")
        assert await client.reader.readuntil(b"\r\n\r\n") == first
        await client.send(method="GET")
        assert await client.reader.readuntil(b"\r\n\r\n") == second
        assert [request.line.split()[0] for request in seen] == [b"HEAD", b"GET"]


async def test_interim_answers_are_between_the_gateway_and_us() -> None:
    async with bench(replies(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok(b"hi"))) as b:
        assert (await b.ask()).startswith(b"HTTP/1.1 200 OK")


async def test_a_tool_that_waits_for_continue_gets_it() -> None:
    seen: list[Request] = []
    async with bench(replies(ok(), into=seen)) as b:
        client = await b.connect()
        client.writer.write(client.head(headers=(b"Content-Length: 4", b"Expect: 100-continue")))
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.writer.write(b"body")
        assert status((await client.answer())[0]) == 200
        assert seen[0].body == b"body"


async def test_an_answer_before_the_request_is_complete_is_passed_on() -> None:
    async def script(reader: Reader, writer: Writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig")
        await reader.read()

    async with bench(script) as b:
        client = await b.connect()
        client.writer.write(client.head(headers=(b"Content-Length: 1000",)) + b"begin")
        head, body = await client.answer()
        assert (status(head), body) == (413, b"big")


# Connections


async def test_small_writes_do_not_wait_for_each_other() -> None:
    """Head and body of an answer are two writes; with Nagle's algorithm the second would wait 40 ms."""
    made: asyncio.Future[Pipe] = asyncio.get_running_loop().create_future()
    listener, _ = launch.listen()
    server = await asyncio.get_running_loop().create_server(lambda: Pipe(made.set_result), sock=listener)
    _, writer = await asyncio.open_connection(*listener.getsockname())
    transport = (await made).transport
    assert transport is not None
    assert transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    writer.close()
    transport.close()
    server.close()


async def test_connections_are_kept_on_both_sides() -> None:
    async with bench(replies(ok(b"one"), ok(b"two"))) as b:
        client = await b.connect()
        await client.send()
        assert (await client.answer())[1] == b"one"
        await client.send()
        assert (await client.answer())[1] == b"two"
        assert b.connections == 1


async def test_a_kept_connection_that_was_closed_meanwhile_is_replaced() -> None:
    seen: list[Request] = []

    async def script(reader: Reader, writer: Writer) -> None:
        request = await read_request(reader)
        assert request is not None
        seen.append(request)
        writer.write(ok(b"%d" % len(seen)))
        await writer.drain()
        if len(seen) == 1:
            await reader.read(1)  # the second request arrives here, and is not answered

    async with bench(script) as b:
        client = await b.connect()
        await client.send(body=b"a")
        assert (await client.answer())[1] == b"1"
        await client.send(body=b"bc")
        assert (await client.answer())[1] == b"2"
        assert [request.body for request in seen] == [b"a", b"bc"]


async def test_what_a_gateway_says_unasked_is_not_taken_for_the_next_answer() -> None:
    said = asyncio.Event()
    answers = 0

    async def script(reader: Reader, writer: Writer) -> None:
        nonlocal answers
        await read_request(reader)
        answers += 1
        writer.write(ok(b"%d" % answers))
        await writer.drain()
        await asyncio.sleep(0.05)  # long enough to be a message of its own
        writer.write(ok(b"unasked"))
        await writer.drain()
        said.set()
        await reader.read()

    async with bench(script) as b:
        client = await b.connect()
        await client.send()
        assert (await client.answer())[1] == b"1"
        await said.wait()
        await asyncio.sleep(0.05)
        await client.send()
        assert (await client.answer())[1] == b"2"
        assert b.connections == 2


async def test_a_new_connection_that_gives_no_answer_is_not_tried_again() -> None:
    async def script(reader: Reader, writer: Writer) -> None:
        await read_request(reader)

    async with bench(script) as b:
        answer = await b.ask()
        assert status(answer) == 502
        assert "without an answer" in message(answer)
        assert b.connections == 1, "it may have begun to cost money"


async def test_what_is_no_answer_is_said_to_be_none() -> None:
    async with bench(replies(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")) as b:
        answer = await b.ask()
        assert status(answer) == 502
        assert "cannot be read" in message(answer)


async def test_a_gateway_that_is_away_is_said_to_be() -> None:
    async with bench(never, gateway="http://127.0.0.1:9") as b:
        answer = await b.ask()
        assert status(answer) == 502
        assert message(answer) == "Nothing listens at http://127.0.0.1:9; is the gateway running?"


async def test_a_gateway_below_a_path() -> None:
    seen: list[Request] = []
    server = await asyncio.start_server(replies(ok(), into=seen), "127.0.0.1", 0)
    address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/ai"
    async with bench(never, gateway=address) as b:
        await b.ask("/gemini/v1beta/models")
    server.close()
    assert seen[0].line == b"POST /ai/gemini/v1beta/models HTTP/1.1"


# Tokens


REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 7\r\nX-Why: old\r\n\r\nexpired"


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_refused_token_is_renewed_and_the_request_sent_again(chunked: bool) -> None:
    seen: list[Request] = []
    async with bench(replies(REFUSED, ok(b"fine"), into=seen)) as b:
        client = await b.connect()
        if chunked:
            client.writer.write(
                client.head(headers=(b"Transfer-Encoding: chunked",)) + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
            )
        else:
            await client.send(body=b"abcde")
        head, body = await client.answer()
        assert (status(head), body) == (200, b"fine")
        assert [request.body for request in seen] == [b"abcde", b"abcde"]
        assert [request.header(b"authorization") for request in seen] == [
            b"Bearer token-1",
            b"Bearer token-2",
        ]
        assert b.tokens.asked == ["", "token-1"]


async def test_a_second_refusal_is_the_tools_to_see() -> None:
    async with bench(replies(REFUSED)) as b:
        client = await b.connect()
        await client.send()
        head, body = await client.answer()
        assert (status(head), body) == (401, b"expired")
        assert b"X-Why: old" in head
        assert b.tokens.asked == ["", "token-1"]


async def test_a_refusal_with_no_newer_token_is_passed_on_as_it_was() -> None:
    seen: list[Request] = []
    async with bench(replies(REFUSED, into=seen)) as b:
        b.tokens.can_renew = False
        client = await b.connect()
        await client.send()
        head, body = await client.answer()
        assert (status(head), body) == (401, b"expired")
        assert b"X-Why: old" in head
        assert len(seen) == 1


async def test_a_refusal_in_mid_request_waits_for_the_rest() -> None:
    seen: list[Request] = []
    arrived = asyncio.Event()

    async def script(reader: Reader, writer: Writer) -> None:
        if not seen:
            await reader.readuntil(b"\r\n\r\n")
            seen.append(Request(b"", b""))
            writer.write(REFUSED)
            arrived.set()
            await reader.read()
        else:
            await replies(ok(b"fine"), into=seen)(reader, writer)

    async with bench(script) as b:
        client = await b.connect()
        client.writer.write(client.head(headers=(b"Content-Length: 10",)) + b"begin")
        await arrived.wait()
        client.writer.write(b"ning!")
        assert (await client.answer())[1] == b"fine"
        assert seen[1].body == b"beginning!"


async def test_a_request_too_large_to_keep_is_not_sent_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("way.relay._REPLAYABLE", 1000)
    seen: list[Request] = []
    async with bench(replies(REFUSED, into=seen)) as b:
        client = await b.connect()
        await client.send(body=bytes(2000))
        assert status((await client.answer())[0]) == 401
        assert len(seen) == 1


@pytest.mark.parametrize(
    ("error", "code"),
    [(SignedOut("Your sign-in has ended"), 401), (Unreachable("The gateway is away."), 502)],
)
async def test_without_a_token_the_tool_is_told_why(error: Exception, code: int) -> None:
    async with bench(never) as b:
        b.tokens.error = error
        answer = await b.ask()
        assert status(answer) == code
        assert message(answer) == str(error)


async def test_many_requests_at_once_ask_for_one_renewal() -> None:
    def script(reader: Reader, writer: Writer) -> "asyncio.Future[None]":
        async def run() -> None:
            while (request := await read_request(reader)) is not None:
                old = request.header(b"authorization") == b"Bearer token-1"
                writer.write(REFUSED if old else ok(b"fine"))

        return asyncio.ensure_future(run())

    async with bench(script) as b:
        answers = await asyncio.gather(*(b.ask(body=b"x") for _ in range(20)))
        assert {status(answer) for answer in answers} == {200}
        assert b.tokens.current == 2
