"""SIGTERM: what is under way ends in order, nothing new begins, and every row is in the lake before the process ends."""

import asyncio
import signal
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.relay.tool import Answer, sent
from tests.stage import Stage, eventually, fetch, lake_rows, staged
from waystation.model import Wire

pytestmark = pytest.mark.faults
_LAST_WORDS = {
    Wire.MESSAGES: b"message_stop",
    Wire.RESPONSES: b"response.completed",
    Wire.CHAT: b"[DONE]",
    Wire.GENERATE: b"finishReason",
}


async def test_a_drain_lets_streams_finish_and_counts_them(tmp_path: Path) -> None:
    # The lake interval is longer than the test: what the lake holds at the end, the drain has put there.
    with staged(tmp_path, "--lake-interval", "600") as stage:
        async with AsyncExitStack() as stack:
            answers = [
                await stack.enter_async_context(sent(stage.port, _slow_stream(stage, wire)))
                for wire in _LAST_WORDS
            ]
            for answer in answers:
                await answer.head()
            stage.gateway.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(eventually, lambda: _refuses(stage.port), "it listens no more")
            assert not any(answer.complete for answer in answers), "the streams were too short for this test"
            for answer, ending in zip(answers, _LAST_WORDS.values(), strict=True):
                await answer.all()
                assert answer.complete
                assert ending in answer.body
        assert stage.gateway.process.wait(30) == 0, stage.gateway.log.read_text()[-3000:]
        rows = lake_rows(stage.gateway.data)
        assert sorted(row["request_id"] for row in rows) == sorted(str(_id(answer)) for answer in answers)
        assert {row["outcome"] for row in rows} == {"complete"}
        assert not (stage.gateway.data / "gateway.json").exists()


@pytest.mark.parametrize("how", ["time is up", "a second Ctrl-C"])
async def test_streams_that_outlast_the_drain_are_ended_in_their_dialect_and_counted(
    tmp_path: Path, how: str
) -> None:
    patience = "1" if how == "time is up" else "600"
    with staged(tmp_path, "--lake-interval", "600", "--drain-timeout", patience) as stage:
        stalled = stage.request(Wire.MESSAGES, "[[rehearse: stall seconds=60]] long 60", stream=True)
        silent = stage.request(Wire.CHAT, "[[rehearse: stall at=start seconds=60]] long 60")
        async with sent(stage.port, stalled) as begun, sent(stage.port, silent) as unanswered:
            await begun.until(b"content_block_delta")
            await asyncio.to_thread(eventually, lambda: len(stage.provider.requests) == 2)
            if how == "time is up":
                stage.gateway.process.send_signal(signal.SIGTERM)
            else:
                stage.gateway.process.send_signal(signal.SIGINT)
                await asyncio.to_thread(eventually, lambda: _refuses(stage.port), "it listens no more")
                stage.gateway.process.send_signal(signal.SIGINT)
            await begun.all()
            await unanswered.all()
            assert begun.complete
            assert b"event: error" in begun.body[-500:]
            assert unanswered.status == 503
            assert unanswered.header("retry-after")
        assert stage.gateway.process.wait(30) == 0, stage.gateway.log.read_text()[-3000:]
        rows = {row["request_id"]: row for row in lake_rows(stage.gateway.data)}
        assert {_id(begun), _id(unanswered)} == set(rows)
        assert {(row["outcome"], row["ended_by"]) for row in rows.values()} == {("timeout", "gateway")}
        assert rows[_id(begun)]["usage_source"] == "partial"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_gateway_with_nothing_to_do_ends_at_once(tmp_path: Path, number: signal.Signals) -> None:
    with staged(tmp_path) as stage:
        answer = fetch(f"{stage.url}/healthz")
        assert answer.status == 200
        stage.gateway.process.send_signal(number)
        assert stage.gateway.process.wait(10) == 0, stage.gateway.log.read_text()[-3000:]
        assert "Traceback" not in stage.gateway.log.read_text()


def _slow_stream(stage: Stage, wire: Wire) -> bytes:
    return stage.request(wire, "[[rehearse: pace ms=30]] long 160", stream=True)


def _id(answer: Answer) -> str | None:
    return answer.header("x-waystation-request-id")


def _refuses(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False
