"""Each fault, as a client sees it that reads bytes from a socket."""

import asyncio
import gzip
import json
import sys
import zlib
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.rehearsal.asking import NOON, WIRES, sse
from tests.rehearsal.socket_client import FIN, OPEN, RESET, Seen, exchange, request

from waystation.model import Wire
from waystation.rehearsal import BadFault, RehearsalServer, Step
from waystation.rehearsal.faults import KINDS, parse_fault, parse_faults

pytestmark = pytest.mark.faults

WORDS = "say one two three four five six seven eight nine ten and so on until the stream is long enough"


@pytest_asyncio.fixture
async def rehearsal() -> AsyncIterator[RehearsalServer]:
    """Its clock stands still, so that the same request gets the same bytes."""
    async with RehearsalServer(clock=lambda: NOON) as server:
        yield server


async def suffer(
    server: RehearsalServer, fault: str, wire: Wire, *, stream: bool = True, **more: Any
) -> Seen:
    server.rehearsal.prompter.clear()
    server.play(Step(faults=tuple(f for f in fault.split(";") if f)))
    linger = more.pop("linger", 0.03)
    return await exchange(server, request(wire, WORDS, stream=stream, **more), linger=linger)


async def well(server: RehearsalServer, wire: Wire, *, stream: bool = True) -> Seen:
    return await suffer(server, "", wire, stream=stream)


TERMINAL = {
    Wire.MESSAGES: b"event: message_stop",
    Wire.RESPONSES: b"event: response.completed",
    Wire.CHAT: b"data: [DONE]",
    Wire.GENERATE: b'"finishReason"',
}


@pytest.mark.parametrize("wire", WIRES)
async def test_without_a_fault_the_stream_is_whole_and_the_connection_stays(
    rehearsal: RehearsalServer, wire: Wire
) -> None:
    seen = await well(rehearsal, wire)
    assert (seen.status, seen.ended, seen.framed_end) == (200, OPEN, True)
    assert TERMINAL[wire] in seen.content


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503, 529])
@pytest.mark.parametrize("stream", [True, False])
async def test_status(rehearsal: RehearsalServer, status: int, stream: bool) -> None:
    seen = await suffer(rehearsal, f"{status} retry-after=7", Wire.MESSAGES, stream=stream)
    assert (seen.status, seen.framed_end) == (status, True)
    assert b"retry-after: 7" in seen.lines
    assert json.loads(seen.content)["type"] == "error"


async def test_status_with_the_providers_other_words(rehearsal: RehearsalServer) -> None:
    fault = "429 type=usage_limit_reached code=over 'message=Come back tomorrow.' header=x-should-retry:false"
    seen = await suffer(rehearsal, fault, Wire.RESPONSES)
    error = json.loads(seen.content)["error"]
    assert (error["type"], error["code"], error["message"]) == (
        "usage_limit_reached",
        "over",
        "Come back tomorrow.",
    )
    assert b"x-should-retry: false" in seen.lines


@pytest.mark.parametrize("stream", [True, False])
async def test_reset_before_any_byte(rehearsal: RehearsalServer, stream: bool) -> None:
    seen = await suffer(rehearsal, "reset", Wire.CHAT, stream=stream)
    assert (seen.raw, seen.ended) == (b"", RESET)


@pytest.mark.parametrize("wire", WIRES)
async def test_reset_in_the_middle(rehearsal: RehearsalServer, wire: Wire) -> None:
    seen = await suffer(rehearsal, "reset at=content", wire)
    assert (seen.status, seen.ended, seen.framed_end) == (200, RESET, False)
    assert len(list(sse(seen.content))) >= 2
    assert TERMINAL[wire] not in seen.content


async def test_reset_in_the_middle_of_a_plain_body(rehearsal: RehearsalServer) -> None:
    seen = await suffer(rehearsal, "reset at=content", Wire.CHAT, stream=False)
    assert (seen.status, seen.ended, seen.framed_end) == (200, RESET, False)
    assert seen.payload


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop is not for Windows")
@pytest.mark.parametrize(
    ("fault", "ended"), [("reset", RESET), ("reset at=content", RESET), ("cut ending=fin", FIN)]
)
def test_connections_break_the_same_way_on_uvloop(fault: str, ended: str) -> None:
    """The gateway runs the provider on uvloop, whose transports and sockets are its own."""
    import uvloop

    async def run() -> Seen:
        async with RehearsalServer() as server:
            return await suffer(server, fault, Wire.MESSAGES)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen = runner.run(run())
    assert (seen.ended, seen.framed_end) == (ended, False)
    assert (seen.raw == b"") is (fault == "reset")


async def test_hang_up_before_any_byte(rehearsal: RehearsalServer) -> None:
    seen = await suffer(rehearsal, "eof at=start", Wire.CHAT)
    assert (seen.raw, seen.ended) == (b"", FIN)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("ending", "ended", "framed"), [("http", OPEN, True), ("fin", FIN, False), ("rst", RESET, False)]
)
async def test_early_end_at_an_event_boundary(
    rehearsal: RehearsalServer, wire: Wire, ending: str, ended: str, framed: bool
) -> None:
    seen = await suffer(rehearsal, f"eof ending={ending}", wire)
    assert (seen.status, seen.ended, seen.framed_end) == (200, ended, framed)
    whole = (await well(rehearsal, wire)).content
    assert whole.startswith(seen.content)
    assert seen.content.endswith((b"\n\n", b"\r\n\r\n"))
    assert TERMINAL[wire] not in seen.content


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("ending", ["http", "fin"])
async def test_cut_inside_an_event(rehearsal: RehearsalServer, wire: Wire, ending: str) -> None:
    seen = await suffer(rehearsal, f"cut at=content ending={ending}", wire)
    assert (seen.ended, seen.framed_end) == ((OPEN, True) if ending == "http" else (FIN, False))
    whole = (await well(rehearsal, wire)).content
    assert whole.startswith(seen.content)
    assert not seen.content.endswith((b"\n\n", b"\r\n\r\n"))


async def test_cut_of_a_plain_body_leaves_its_length_unmet(rehearsal: RehearsalServer) -> None:
    seen = await suffer(rehearsal, "cut", Wire.GENERATE, stream=False)
    assert (seen.status, seen.ended, seen.framed_end) == (200, FIN, False)


async def test_stall_is_silence_at_the_chosen_event(rehearsal: RehearsalServer) -> None:
    seen = await suffer(rehearsal, "stall at=3 seconds=0.2", Wire.MESSAGES)
    gap, before = max((b[0] - a[0], a[1]) for a, b in pairwise(seen.arrivals))
    assert gap > 0.15
    assert len(list(sse(Seen(seen.raw[:before], OPEN, []).content))) == 3
    assert seen.content == (await well(rehearsal, Wire.MESSAGES)).content


async def test_stall_before_the_head_and_delay_are_silence_from_the_start(rehearsal: RehearsalServer) -> None:
    for fault in ("stall at=start seconds=0.15", "delay seconds=0.15"):
        seen = await suffer(rehearsal, fault, Wire.CHAT, stream=False)
        assert seen.arrivals[0][0] > 0.14
        assert seen.framed_end


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("at", ["first", "content"])
async def test_error_inside_the_stream(rehearsal: RehearsalServer, wire: Wire, at: str) -> None:
    seen = await suffer(rehearsal, f"error at={at}", wire)
    assert (seen.status, seen.framed_end) == (200, True)
    *before, error = sse(seen.content)
    assert TERMINAL[wire] not in seen.content
    assert (b"[rehearsal]" in seen.content) is (at == "content")
    if wire is Wire.MESSAGES:
        assert error == {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    elif wire is Wire.RESPONSES:
        assert (error["type"], error["sequence_number"]) == ("error", len(before))
    elif wire is Wire.CHAT:
        assert error["error"]["type"] == "server_error"
    else:
        assert error["error"]["status"] == "UNAVAILABLE"


async def test_error_inside_the_stream_in_its_other_forms(rehearsal: RehearsalServer) -> None:
    seen = await suffer(rehearsal, "error as=failed code=rate_limit_exceeded", Wire.RESPONSES)
    first, *_, last = sse(seen.content)
    assert last["type"] == "response.failed"
    assert last["response"]["id"] == first["response"]["id"]
    assert last["response"]["error"]["code"] == "rate_limit_exceeded"
    seen = await suffer(rehearsal, "error as=chunk", Wire.CHAT)
    first, *_, last = sse(seen.content)
    assert (last["choices"], last["id"]) == ([], first["id"])
    assert last["error"]["message"]


async def test_error_of_a_request_without_a_stream_is_a_status(rehearsal: RehearsalServer) -> None:
    seen = await suffer(rehearsal, "error", Wire.MESSAGES, stream=False)
    assert seen.status == 529


async def test_drip_and_pace_change_when_bytes_come_and_not_which(rehearsal: RehearsalServer) -> None:
    whole = (await well(rehearsal, Wire.RESPONSES)).content
    dripped = await suffer(rehearsal, "drip bytes=64 ms=0.2", Wire.RESPONSES)
    assert dripped.content == whole
    assert dripped.payload.count(b"\r\n40\r\n") + dripped.payload.startswith(b"40\r\n") > 20
    paced = await suffer(rehearsal, "pace ms=3", Wire.RESPONSES)
    assert paced.content == whole
    assert len(paced.arrivals) > 10


async def test_huge_single_event(rehearsal: RehearsalServer) -> None:
    seen = await suffer(rehearsal, "huge mb=2", Wire.MESSAGES)
    longest = max(len(line) for line in seen.content.split(b"\n"))
    assert longest > 2 * 1024 * 1024
    usage = next(e for e in sse(seen.content) if e["type"] == "message_delta")["usage"]
    assert usage["output_tokens"] == 2 * 1024 * 1024 // 4


@pytest.mark.parametrize("wire", WIRES)
async def test_malformed_event_in_an_otherwise_fine_stream(rehearsal: RehearsalServer, wire: Wire) -> None:
    seen = await suffer(rehearsal, "malformed at=3", wire)
    bad = b'data: {"rehearsed": "this JSON never ends\n\n'
    assert seen.content.count(bad) == 1
    assert TERMINAL[wire] in seen.content


async def test_comments_between_events(rehearsal: RehearsalServer) -> None:
    seen = await suffer(rehearsal, "comments", Wire.CHAT)
    assert seen.content.count(b": rehearsal keep-alive\n\n") > 5
    whole = (await well(rehearsal, Wire.CHAT)).content
    assert seen.content.replace(b": rehearsal keep-alive\n\n", b"") == whole


async def test_informational_responses_come_before_the_real_one(rehearsal: RehearsalServer) -> None:
    seen = await suffer(rehearsal, "informational code=103 count=2", Wire.CHAT, stream=False)
    assert seen.raw.startswith(b"HTTP/1.1 103 Early Hints\r\n")
    assert seen.raw.count(b"HTTP/1.1 103") == 2
    assert b"HTTP/1.1 200 OK\r\n" in seen.raw


async def test_wrong_lengths(rehearsal: RehearsalServer) -> None:
    long = await suffer(rehearsal, "length delta=10", Wire.CHAT, stream=False)
    assert (long.ended, long.framed_end) == (FIN, False)
    json.loads(long.payload)
    short = await suffer(rehearsal, "length delta=-10", Wire.CHAT, stream=False)
    assert not short.framed_end
    json.loads(short.payload)
    assert b"content-length: %d" % (len(short.payload) - 10) in short.lines


async def test_closes_after_the_response_with_and_without_saying_so(rehearsal: RehearsalServer) -> None:
    said = await suffer(rehearsal, "close", Wire.CHAT, stream=False, linger=5)
    assert (said.ended, said.framed_end) == (FIN, True)
    assert b"connection: close" in said.lines
    quiet = await suffer(rehearsal, "close-quietly", Wire.CHAT, linger=5)
    assert (quiet.ended, quiet.framed_end) == (FIN, True)
    assert b"connection: close" not in quiet.lines


async def test_compressed_bodies_labelled_or_not(rehearsal: RehearsalServer) -> None:
    error = await suffer(rehearsal, "429;gzip", Wire.MESSAGES)
    assert b"content-encoding: gzip" in error.lines
    assert json.loads(gzip.decompress(error.content))["error"]["type"] == "rate_limit_error"
    secret = await suffer(rehearsal, "429;gzip label=no", Wire.MESSAGES)
    assert b"content-encoding: gzip" not in secret.lines
    assert secret.content[:2] == b"\x1f\x8b"
    stream = await suffer(rehearsal, "gzip", Wire.CHAT)
    assert zlib.decompress(stream.content, wbits=31) == (await well(rehearsal, Wire.CHAT)).content


async def test_bodies_that_are_not_json_or_not_there(rehearsal: RehearsalServer) -> None:
    page = await suffer(rehearsal, "503;not-json", Wire.RESPONSES)
    assert (page.status, page.framed_end) == (503, True)
    assert page.content.startswith(b"<html>")
    assert b"content-type: text/html" in page.lines
    nothing = await suffer(rehearsal, "500;empty", Wire.RESPONSES)
    assert (nothing.status, nothing.payload, nothing.framed_end) == (500, b"", True)


async def test_interleaved_parallel_calls(rehearsal: RehearsalServer) -> None:
    words = "create a.txt containing hi and run ls -la in parallel"
    rehearsal.play(Step(words=words, faults=("interleave",)))
    chat = await exchange(rehearsal, request(Wire.CHAT, "go", with_tools=True))
    order = [
        c["index"]
        for e in sse(chat.content)
        for ch in e["choices"]
        for c in ch["delta"].get("tool_calls", ())
    ]
    assert order[:4] == [0, 1, 0, 1]
    responses = await exchange(rehearsal, request(Wire.RESPONSES, "go", with_tools=True))
    kind = "response.function_call_arguments.delta"
    order = [e["output_index"] for e in sse(responses.content) if e["type"] == kind]
    assert order[:4] == [1, 2, 1, 2]


@pytest.mark.parametrize("wire", [Wire.MESSAGES, Wire.GENERATE])
async def test_usage_that_grows(rehearsal: RehearsalServer, wire: Wire) -> None:
    events = list(sse((await suffer(rehearsal, "grow", wire)).content))
    if wire is Wire.MESSAGES:
        first = events[0]["message"]["usage"]
        last = next(e for e in events if e["type"] == "message_delta")["usage"]
        assert last["input_tokens"] > first["input_tokens"]
        assert last["server_tool_use"]["web_search_requests"] == 1
    else:
        counts = [e["usageMetadata"]["promptTokenCount"] for e in events]
        assert counts[-1] > counts[0]


@pytest.mark.parametrize(("fault", "status"), [("incomplete", "incomplete"), ("failed", "failed")])
async def test_usage_on_terminal_events_other_than_completed(
    rehearsal: RehearsalServer, fault: str, status: str
) -> None:
    *before, last = sse((await suffer(rehearsal, fault, Wire.RESPONSES)).content)
    assert last["type"] == f"response.{status}"
    assert last["response"]["usage"]["total_tokens"] > 0
    assert all((e.get("response") or {}).get("usage") is None for e in before)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("stream", [True, False])
async def test_no_usage_at_all(rehearsal: RehearsalServer, wire: Wire, stream: bool) -> None:
    seen = await suffer(rehearsal, "no-usage", wire, stream=stream)
    assert b"_tokens" not in seen.content.replace(b"max_output_tokens", b"")
    assert b"usageMetadata" not in seen.content
    assert TERMINAL[wire] in seen.content or not stream


async def test_times_and_skip_pick_the_requests_that_suffer(rehearsal: RehearsalServer) -> None:
    rehearsal.play(Step(faults=("429 skip=1 times=2",)))
    got = [(await exchange(rehearsal, request(Wire.CHAT, WORDS))).status for _ in range(5)]
    assert got == [200, 429, 429, 200, 200]


async def test_a_directive_in_the_prompt_plays_a_fault_and_is_not_answered(
    rehearsal: RehearsalServer,
) -> None:
    words = "say hi [[rehearse: 529 retry-after=1 times=1]]"
    first = await exchange(rehearsal, request(Wire.MESSAGES, words))
    assert first.status == 529
    second = await exchange(rehearsal, request(Wire.MESSAGES, words))
    assert second.status == 200
    assert b"rehearse:" not in second.content


async def test_a_directive_is_kept_from_title_calls(rehearsal: RehearsalServer) -> None:
    words = "say hi [[rehearse: 429 times=1]]"
    title = await exchange(rehearsal, request(Wire.MESSAGES, words, system="Generate a title."))
    assert title.status == 200
    assert (await exchange(rehearsal, request(Wire.MESSAGES, words))).status == 429


async def test_a_directive_that_cannot_be_read_says_what_was_meant(rehearsal: RehearsalServer) -> None:
    seen = await exchange(rehearsal, request(Wire.MESSAGES, "say hi [[rehearse: rezet]]"))
    assert seen.status == 400
    assert "did you mean 'reset'?" in json.loads(seen.content)["error"]["message"]


async def test_the_client_that_hangs_up_is_recorded_with_the_time(rehearsal: RehearsalServer) -> None:
    rehearsal.play(Step(faults=("stall at=content seconds=30",)))
    reader, writer = await asyncio.open_connection(rehearsal.host, rehearsal.port)
    writer.write(request(Wire.MESSAGES, WORDS))
    await reader.readuntil(b"content_block_delta")
    (recorded,) = rehearsal.requests
    assert recorded.status == 200
    assert not recorded.ended.is_set()
    writer.close()
    async with asyncio.timeout(2):
        await recorded.ended.wait()
    closed_at = recorded.closed_early_at
    assert closed_at is not None
    assert closed_at >= recorded.received_at
    assert recorded.finished_at is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rezet", "did you mean 'reset'?"),
        ("999", "use an HTTP status"),
        ("stall secnds=3", "did you mean 'seconds'?"),
        ("stall seconds=soon", "not a number"),
        ("cut at=nowhere", "neither a number of events nor one of"),
        ("cut ending=badly", "not one of http, fin, rst"),
        ("stall 'seconds", "cannot read the fault"),
        ("", "cannot read the fault"),
    ],
)
def test_faults_that_do_not_exist_are_refused_with_the_nearest(text: str, says: str) -> None:
    with pytest.raises(BadFault) as caught:
        parse_fault(text)
    assert says in str(caught.value)


def test_several_faults_stand_in_one_line() -> None:
    assert [f.kind for f in parse_faults("429 retry-after=3; gzip ;")] == ["status", "gzip"]


def test_every_fault_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rehearsal.md").read_text(encoding="utf-8")
    missing = [kind for kind in KINDS if kind != "status" and f"`{kind}" not in page]
    assert not missing
