"""The server: connections, recording, threads, the command; and that it stays light and repeatable."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from tests.rehearsal.asking import NOON, WIRES, body, headers, target
from tests.rehearsal.socket_client import FIN, encoded, exchange, request
from tests.rehearsal_fixture import rehearsal

from waystation.model import Wire
from waystation.rehearsal import RehearsalServer, Script, Step, rehearsal_thread

__all__ = ["rehearsal"]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("stream", [True, False])
async def test_the_same_request_gets_the_same_bytes(wire: Wire, stream: bool) -> None:
    sent = request(
        wire, "think. create a.txt containing hi and run ls in parallel", with_tools=True, stream=stream
    )
    seen = []
    for _ in range(2):
        async with RehearsalServer(clock=lambda: NOON) as server:
            seen.append(await exchange(server, sent))
            again = await exchange(server, sent)
        assert again.content == seen[-1].content
    assert seen[0].raw == seen[1].raw


async def test_requests_are_recorded_as_they_came(rehearsal: RehearsalServer) -> None:
    raw = b'{"model":"m",  "messages":[{"role":"user","content":"say \xc3\xa9"}]}'
    sent = encoded(
        "POST", "/openai/v1/chat/completions?a=%20b", ((b"Authorization", b"Bearer k"), (b"X-Odd", b"1")), raw
    )
    await exchange(rehearsal, sent)
    (got,) = rehearsal.requests
    assert (got.method, got.target, got.path) == (
        "POST",
        "/openai/v1/chat/completions?a=%20b",
        "/openai/v1/chat/completions",
    )
    assert got.body == raw
    assert (b"X-Odd", b"1") in got.headers
    assert got.header("x-odd") == "1"
    assert got.status == 200
    assert got.finished_at is not None
    assert not got.hung_up


async def test_only_so_many_requests_are_kept() -> None:
    async with RehearsalServer(record=2) as server:
        for n in range(4):
            await exchange(server, encoded("GET", f"/{n}", ()))
        assert [r.target for r in server.requests] == ["/2", "/3"]
    async with RehearsalServer(record=0) as server:
        await exchange(server, encoded("GET", "/", ()))
        assert server.requests == []


async def test_one_connection_serves_many_requests_even_pipelined(rehearsal: RehearsalServer) -> None:
    two = request(Wire.CHAT, "say first", stream=False) + request(Wire.CHAT, "say second", stream=False)
    seen = await exchange(rehearsal, two, over=lambda seen: b"[rehearsal] second" in seen.raw)
    assert seen.raw.index(b"[rehearsal] first") < seen.raw.index(b"[rehearsal] second")
    assert seen.raw.count(b"HTTP/1.1 200 OK") == 2


async def test_head_has_no_body_and_expect_is_answered(rehearsal: RehearsalServer) -> None:
    head = await exchange(
        rehearsal, encoded("HEAD", "/anthropic", ()), over=lambda seen: seen.raw.endswith(b"\r\n\r\n")
    )
    assert (head.status, head.payload) == (404, b"")
    sent = request(Wire.CHAT, "say hi", stream=False).replace(b"\r\n", b"\r\nexpect: 100-continue\r\n", 1)
    assert (await exchange(rehearsal, sent)).raw.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")


async def test_chunked_requests_are_read(rehearsal: RehearsalServer) -> None:
    raw = json.dumps(body(Wire.CHAT, "say hi")).encode()
    lines = b"".join(k + b": " + v + b"\r\n" for k, v in headers(Wire.CHAT))
    sent = b"POST %b HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n%b\r\n" % (
        target(Wire.CHAT).encode(),
        lines,
    )
    sent += b"".join(b"1\r\n%c\r\n" % byte for byte in raw) + b"0\r\n\r\n"
    assert b"[rehearsal] hi" in (await exchange(rehearsal, sent)).payload


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"rubbish\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", 426),
    ],
)
async def test_what_is_not_a_plain_request_is_refused(
    rehearsal: RehearsalServer, sent: bytes, status: int
) -> None:
    seen = await exchange(rehearsal, sent, linger=5)
    assert (seen.status, seen.ended) == (status, FIN)


async def test_a_slow_stream_holds_nobody_else_up(rehearsal: RehearsalServer) -> None:
    rehearsal.play(Step(faults=("stall seconds=30",), times=1))
    slow = asyncio.create_task(exchange(rehearsal, request(Wire.CHAT, "say one two three four")))
    await asyncio.sleep(0)
    async with asyncio.timeout(8):
        seen = await exchange(rehearsal, request(Wire.MESSAGES, "say hi"))
    assert seen.framed_end
    slow.cancel()


async def test_stopping_ends_every_connection() -> None:
    async with RehearsalServer(Script(steps=(Step(faults=("stall seconds=30",)),))) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(request(Wire.CHAT, "say one two three"))
        await reader.readuntil(b"[rehearsal]")
    async with asyncio.timeout(2):
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1 << 20)
    writer.close()


def test_a_thread_serves_callers_that_block() -> None:
    with rehearsal_thread() as server:
        server.play(Step(faults=("503",)))
        ask = urllib.request.Request(
            server.url + target(Wire.CHAT),
            data=json.dumps(body(Wire.CHAT, "hi")).encode(),
            headers={k.decode(): v.decode() for k, v in headers(Wire.CHAT)},
        )
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(ask, timeout=5)
        caught.value.close()
        assert caught.value.code == 503
        assert server.requests[0].status == 503


def test_the_command_serves_a_script_and_stops_when_told(tmp_path: Path) -> None:
    script = tmp_path / "play.yaml"
    script.write_text("steps: [{reply: [{text: from the file}]}]", encoding="utf-8")
    command = [sys.executable, "-m", "waystation.cli.rehearsal", "--port", "0", "--script", str(script)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    ) as run:
        assert run.stdout is not None
        line = run.stdout.readline()
        assert "not a real model" in line
        url = next(word for word in line.split() if word.startswith("http://"))
        ask = urllib.request.Request(
            url + target(Wire.CHAT),
            data=json.dumps(body(Wire.CHAT, "hi")).encode(),
            headers={k.decode(): v.decode() for k, v in headers(Wire.CHAT)},
        )
        with urllib.request.urlopen(ask, timeout=5) as answer:
            assert "from the file" in answer.read().decode()
        run.send_signal(signal.SIGTERM)
        assert run.wait(timeout=5) == 0


def test_the_command_says_what_is_wrong_with_a_script(tmp_path: Path) -> None:
    script = tmp_path / "play.yaml"
    script.write_text("steps: [{faults: [rezet]}]", encoding="utf-8")
    command = [sys.executable, "-m", "waystation.cli.rehearsal", "--script", str(script)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert run.returncode == 2
    assert "did you mean 'reset'?" in run.stderr


def test_importing_the_room_is_light() -> None:
    heavy = ["pydantic", "anthropic", "openai", "google.genai", "yaml", "starlette", "uvicorn", "sqlalchemy"]
    check = f"import sys, waystation.rehearsal; print([m for m in {heavy!r} if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=20)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("wire", WIRES)
async def test_providers_own_headers_are_there(rehearsal: RehearsalServer, wire: Wire) -> None:
    first, second = [await exchange(rehearsal, request(wire, "say hi")) for _ in range(2)]
    names = {line.partition(b":")[0] for line in first.lines}
    wanted = {
        Wire.MESSAGES: {
            b"request-id",
            b"anthropic-ratelimit-requests-remaining",
            b"anthropic-ratelimit-tokens-reset",
        },
        Wire.GENERATE: {b"server-timing"},
    }.get(
        wire, {b"x-request-id", b"openai-processing-ms", b"x-ratelimit-remaining-tokens", b"openai-version"}
    )
    assert wanted <= names
    if wire is not Wire.GENERATE:
        ids = [next(line for line in seen.lines if b"request-id" in line) for seen in (first, second)]
        assert ids[0] != ids[1], "request ids are unique though the bodies are the same"
