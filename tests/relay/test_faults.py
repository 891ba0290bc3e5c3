"""Providers fail in every way there is; each attempt is one row, and the tool hears of it in its own words."""

import asyncio
import json
from collections.abc import Callable

import pytest

from tests.relay.conftest import open_relay, policy_text
from tests.relay.scripted import STREAM_HEAD, Connection, Received, Script, ScriptedProvider, stream, whole
from tests.relay.tool import (
    ANSWER,
    BLOCK,
    DELTA,
    DONE,
    END,
    MESSAGES,
    START,
    STOP,
    STREAMED,
    WHOLE_STREAM,
    ask,
    event,
    request_bytes,
    sent,
)
from waystation.model import EndedBy, Outcome, UsageSource
from waystation.relay import RelaySettings

RESPONSES = {"model": "gpt-5.4", "input": "hi", "stream": True}
CHAT = {"model": "gpt-5.4", "messages": [{"role": "user", "content": "hi"}], "stream": True}
GEMINI_PATH = "/gemini/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"
GEMINI = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
OVERLOADED = event("error", {"error": {"type": "overloaded_error", "message": "Overloaded"}})


def responses_event(kind: str, **fields: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def chat_chunk(**fields: object) -> bytes:
    base = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5.4"}
    return f"data: {json.dumps({**base, **fields})}\n\n".encode()


CHAT_TEXT = chat_chunk(
    choices=[{"index": 0, "delta": {"role": "assistant", "content": "hello"}, "finish_reason": None}]
)
OR_TEXT = responses_event(
    "response.created", sequence_number=0, response={"id": "resp_1", "status": "in_progress"}
) + responses_event(
    "response.output_text.delta",
    sequence_number=1,
    item_id="m",
    output_index=0,
    content_index=0,
    delta="hello",
)
GM_TEXT = b'data: {"candidates":[{"content":{"role":"model","parts":[{"text":"hello"}]}}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":1,"totalTokenCount":10}}\r\n\r\n'


def cut_after(*pieces: bytes) -> Script:
    async def script(_: Received, connection: Connection) -> None:
        await connection.send(STREAM_HEAD + b"\r\n")
        for piece in pieces:
            await connection.chunk(piece)
        await connection.close()

    return script


def ends_after(*pieces: bytes) -> Script:
    return stream(*pieces)


async def test_E13_an_error_as_the_first_event_becomes_a_real_status(kind: str) -> None:
    async with ScriptedProvider(stream(START + OVERLOADED, headers=b"retry-after: 3\r\n")) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            answer = await ask(gateway.port, "/anthropic/v1/messages", STREAMED)
            row = gateway.ledger.rows[0]
    assert answer.status == 529
    assert answer.json["error"] == {"type": "overloaded_error", "message": "Overloaded"}
    assert answer.header("content-type") == "application/json"
    assert answer.header("retry-after") is not None
    assert (row.http_status, row.outcome, row.error) == (200, Outcome.UPSTREAM_ERROR, "overloaded_error")


async def test_E13_an_error_after_content_is_an_error_in_the_ledger_too(kind: str) -> None:
    async with ScriptedProvider(stream(START + BLOCK + DELTA, OVERLOADED)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            answer = await ask(gateway.port, "/anthropic/v1/messages", STREAMED)
            row = gateway.ledger.rows[0]
    assert answer.body == START + BLOCK + DELTA + OVERLOADED
    assert (row.http_status, row.outcome) == (200, Outcome.UPSTREAM_ERROR)
    assert row.input_tokens == 100


async def test_E14_a_chat_error_without_choices_is_an_error(kind: str) -> None:
    error = chat_chunk(choices=[], error={"code": 502, "message": "Provider returned error"})
    async with ScriptedProvider(stream(CHAT_TEXT, error)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            answer = await ask(gateway.port, "/openai/v1/chat/completions", CHAT)
            row = gateway.ledger.rows[0]
    assert answer.body == CHAT_TEXT + error
    assert row.outcome is Outcome.UPSTREAM_ERROR


@pytest.mark.parametrize("fault", [cut_after, ends_after], ids=["reset", "early EOF"])
@pytest.mark.parametrize(
    ("path", "body", "text", "ending"),
    [
        ("/anthropic/v1/messages", STREAMED, START + BLOCK + DELTA, b"event: error\ndata: "),
        ("/openai/v1/responses", RESPONSES, OR_TEXT, b"response.failed"),
        ("/openai/v1/chat/completions", CHAT, CHAT_TEXT, b'data: {"error"'),
        (GEMINI_PATH, GEMINI, GM_TEXT, b'"error"'),
    ],
    ids=["anthropic", "responses", "chat", "gemini"],
)
async def test_E15_a_broken_stream_ends_in_the_callers_dialect(
    path: str, body: object, text: bytes, ending: bytes, fault: Callable[..., Script], kind: str
) -> None:
    async with (
        ScriptedProvider(fault(text)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        answer = await ask(gateway.port, path, body)
        row = gateway.ledger.rows[0]
    assert answer.complete
    assert answer.body.startswith(text)
    tail = answer.body[len(text) :]
    assert ending in tail
    assert b"[DONE]" not in tail
    assert b"message_stop" not in tail
    assert (row.outcome, row.ended_by) == (Outcome.UPSTREAM_CUT, EndedBy.PROVIDER)
    assert row.usage_source in (UsageSource.PARTIAL, UsageSource.ESTIMATED)
    assert row.cost_nano is not None
    assert row.cost_nano > 0


async def test_a_chat_stream_without_done_is_whole_once_it_has_given_its_finish_reason(kind: str) -> None:
    last = chat_chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
    async with ScriptedProvider(stream(CHAT_TEXT + last)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            answer = await ask(gateway.port, "/openai/v1/chat/completions", CHAT)
            (row,) = gateway.ledger.rows
    assert answer.body == CHAT_TEXT + last
    assert (row.outcome, row.usage_source) == (Outcome.COMPLETE, UsageSource.ESTIMATED)


async def test_E16_an_error_event_on_the_responses_wire_becomes_response_failed(kind: str) -> None:
    error = responses_event("error", sequence_number=2, code="server_error", message="went wrong", param=None)
    async with ScriptedProvider(stream(OR_TEXT, error)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            answer = await ask(gateway.port, "/openai/v1/responses", RESPONSES)
            row = gateway.ledger.rows[0]
    assert b"event: error" not in answer.body
    assert b"response.failed" in answer.body
    assert b"went wrong" in answer.body
    assert row.outcome is Outcome.UPSTREAM_ERROR


async def test_E45_when_the_tool_hangs_up_the_provider_is_stopped_and_the_row_is_there(kind: str) -> None:
    stopped = asyncio.Event()

    async def endless(_: Received, connection: Connection) -> None:
        await connection.send(STREAM_HEAD + b"\r\n")
        await connection.chunk(START + BLOCK + DELTA * 50)
        await connection.client_gone()
        stopped.set()

    async with (
        ScriptedProvider(endless) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        body = json.dumps(STREAMED).encode()
        async with sent(gateway.port, request_bytes("POST", "/anthropic/v1/messages", body)) as answer:
            await answer.until(DELTA)
            answer.hang_up()
        (row,) = await gateway.ledger.wait_for(1)
        async with asyncio.timeout(5):
            await stopped.wait()
    assert (row.outcome, row.ended_by, row.usage_source) == (
        Outcome.CLIENT_GONE,
        EndedBy.CLIENT,
        UsageSource.PARTIAL,
    )
    assert row.input_tokens == 100
    assert row.cache_read_tokens == 40
    assert row.output_tokens > 100  # fifty deltas were seen, whatever the provider's first event said


async def test_a_hang_up_after_the_terminal_event_is_success(kind: str) -> None:
    """Codex closes as soon as it has read `response.completed`."""
    usage = {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 7,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 12,
    }
    done = responses_event(
        "response.completed",
        sequence_number=9,
        response={"id": "resp_1", "status": "completed", "output": [], "usage": usage},
    )

    async def lingering(_: Received, connection: Connection) -> None:
        await connection.send(STREAM_HEAD + b"\r\n")
        await connection.chunk(OR_TEXT + done)
        await connection.client_gone()

    async with (
        ScriptedProvider(lingering) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        body = json.dumps(RESPONSES).encode()
        async with sent(gateway.port, request_bytes("POST", "/openai/v1/responses", body)) as answer:
            await answer.until(done)
            answer.hang_up()
        (row,) = await gateway.ledger.wait_for(1)
    assert (row.outcome, row.ended_by) == (Outcome.COMPLETE, EndedBy.PROVIDER)
    assert (row.output_tokens, row.usage_source) == (7, UsageSource.PROVIDER)


async def test_E47_usage_of_an_incomplete_response_is_counted(kind: str) -> None:
    usage = {
        "input_tokens": 50,
        "input_tokens_details": {"cached_tokens": 10},
        "output_tokens": 64,
        "output_tokens_details": {"reasoning_tokens": 64},
        "total_tokens": 114,
    }
    done = responses_event(
        "response.incomplete",
        sequence_number=9,
        response={
            "id": "r",
            "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
            "output": [],
            "usage": usage,
        },
    )
    async with (
        ScriptedProvider(stream(OR_TEXT, done)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        await ask(gateway.port, "/openai/v1/responses", RESPONSES)
        row = gateway.ledger.rows[0]
    assert (row.input_tokens, row.cache_read_tokens, row.output_tokens) == (40, 10, 64)
    assert row.outcome is Outcome.COMPLETE


async def test_E46_missing_usage_is_estimated_and_marked_but_zero_is_an_answer(kind: str) -> None:
    silent = json.dumps(
        {
            "id": "c",
            "object": "chat.completion",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "x" * 400}, "finish_reason": "stop"}
            ],
        }
    ).encode()
    zero = json.dumps(
        {
            "id": "c",
            "object": "chat.completion",
            "choices": [],
            "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        }
    ).encode()
    async with (
        ScriptedProvider(whole(silent), whole(zero)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        chat = {**CHAT, "stream": False}
        await ask(gateway.port, "/openai/v1/chat/completions", chat)
        await ask(gateway.port, "/openai/v1/chat/completions", chat)
        first, second = gateway.ledger.rows
    assert first.usage_source is UsageSource.ESTIMATED
    assert first.output_tokens > 50
    assert (second.usage_source, second.input_tokens, second.output_tokens) == (UsageSource.PROVIDER, 0, 0)


async def test_E92_limits_and_their_headers_reach_the_tool(kind: str) -> None:
    body = b'{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}'
    headers = b"retry-after: 12\r\nanthropic-ratelimit-requests-remaining: 0\r\nset-cookie: a=b\r\nx-should-retry: true\r\n"
    async with ScriptedProvider(whole(body, "429 Too Many Requests", headers=headers)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            answer = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
    assert (answer.status, answer.body) == (429, body)
    assert answer.header("retry-after") == "12"
    assert answer.header("anthropic-ratelimit-requests-remaining") == "0"
    assert answer.header("x-should-retry") == "true"
    assert answer.header("set-cookie") is None
    assert answer.header("request-id")  # ours, where the provider sent none


async def test_E93_E99_before_content_the_next_route_is_taken_and_the_tool_sees_one_stream(kind: str) -> None:
    async with (
        ScriptedProvider(stream(START + OVERLOADED)) as broken,
        ScriptedProvider(stream(WHOLE_STREAM)) as good,
    ):
        async with open_relay(policy_text(broken.url, second=good.url), kind=kind) as gateway:
            answer = await ask(gateway.port, "/anthropic/v1/messages", STREAMED)
            rows = await gateway.ledger.wait_for(2)
    assert (answer.status, answer.body) == (200, WHOLE_STREAM)
    assert [row.attempt for row in rows] == [1, 2]
    assert [row.outcome for row in rows] == [Outcome.UPSTREAM_ERROR, Outcome.COMPLETE]
    assert rows[0].request_id == rows[1].request_id
    assert [row.provider for row in rows] == ["anth", "anth2"]


@pytest.mark.parametrize("status", ["429 Too Many Requests", "500 Oops", "503 Unavailable", "529 Overloaded"])
async def test_the_next_route_is_taken_on_statuses_that_another_provider_may_not_give(
    status: str, kind: str
) -> None:
    async with ScriptedProvider(whole(b"{}", status)) as broken, ScriptedProvider(whole(ANSWER)) as good:
        async with open_relay(policy_text(broken.url, second=good.url), kind=kind) as gateway:
            answer = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
            rows = await gateway.ledger.wait_for(2)
    assert (answer.status, answer.body) == (200, ANSWER)
    assert [row.http_status for row in rows] == [int(status[:3]), 200]


async def test_a_callers_mistake_is_not_tried_elsewhere(kind: str) -> None:
    body = b'{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}'
    async with (
        ScriptedProvider(whole(body, "400 Bad Request")) as first,
        ScriptedProvider(whole(ANSWER)) as second,
    ):
        async with open_relay(policy_text(first.url, second=second.url), kind=kind) as gateway:
            answer = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
    assert (answer.status, answer.body) == (400, body)  # E90: agents compact on exactly this text
    assert second.requests == []


async def test_a_provider_that_cannot_be_reached_is_a_clear_502(kind: str) -> None:
    async with ScriptedProvider(whole(ANSWER)) as gone:
        text = policy_text(gone.url)
    async with open_relay(text, kind=kind) as gateway:
        answer = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
        row = gateway.ledger.rows[0]
    assert answer.status == 502
    assert "anth could not be reached" in answer.json["error"]["message"]
    assert (row.outcome, row.cost_nano, row.usage_source) == (
        Outcome.UPSTREAM_UNREACHABLE,
        0,
        UsageSource.ABSENT,
    )


async def test_a_stale_pooled_connection_is_replaced_without_the_tool_noticing(kind: str) -> None:
    async def answer_then_close(_: Received, connection: Connection) -> None:
        await whole(ANSWER)(_, connection)
        await connection.close()  # without saying so: the next request finds it dead

    async with ScriptedProvider(answer_then_close, whole(ANSWER)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            for _ in range(2):
                assert (await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)).body == ANSWER
            rows = gateway.ledger.rows
    assert [row.outcome for row in rows] == [Outcome.COMPLETE] * 2


async def test_connections_to_a_provider_are_used_again(kind: str) -> None:
    async with ScriptedProvider(whole(ANSWER), stream(WHOLE_STREAM)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            for body in (MESSAGES, STREAMED, STREAMED):
                assert (await ask(gateway.port, "/anthropic/v1/messages", body)).status == 200
    assert len(provider.requests) == 3
    assert provider.connections == 1


async def test_a_reset_on_a_new_connection_is_one_failed_attempt(kind: str) -> None:
    async def reset(_: Received, connection: Connection) -> None:
        await connection.reset()

    async with (
        ScriptedProvider(reset) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        answer = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
        (row,) = gateway.ledger.rows
    assert answer.status == 502
    assert len(provider.requests) == 1
    assert row.outcome is Outcome.UPSTREAM_CUT


async def test_a_provider_that_speaks_no_http_is_a_502(kind: str) -> None:
    async def garbage(_: Received, connection: Connection) -> None:
        await connection.send(b"SSH-2.0-OpenSSH_9.2\r\n")

    async with (
        ScriptedProvider(garbage) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        answer = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
    assert answer.status == 502
    assert "not HTTP" in answer.json["error"]["message"]


async def test_a_whole_answer_that_breaks_off_is_never_passed_as_whole(kind: str) -> None:
    async def half(_: Received, connection: Connection) -> None:
        await connection.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(ANSWER)
        )
        await connection.send(ANSWER[:50])
        await connection.close()

    async with (
        ScriptedProvider(half) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        answer = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
        (row,) = gateway.ledger.rows
    assert answer.status == 502
    assert row.outcome is Outcome.UPSTREAM_CUT


async def test_the_providers_refusal_of_our_key_is_not_the_tools_to_retry(kind: str) -> None:
    body = (
        b'{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key sk-prov..."}}'
    )
    async with ScriptedProvider(whole(body, "401 Unauthorized")) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            answer = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
    assert answer.status == 400  # 401 would make every tool sign in again, and Claude Code retry
    assert "does not accept the gateway's key" in answer.json["error"]["message"]
    assert b"sk-prov" not in answer.body


async def test_E94_a_silent_stream_gets_keep_alives_at_event_boundaries_only(kind: str) -> None:
    go = asyncio.Event()
    half, rest = DELTA[:20], DELTA[20:]

    async def quiet(_: Received, connection: Connection) -> None:
        await connection.send(STREAM_HEAD + b"\r\n")
        await connection.chunk(START + BLOCK + DELTA)
        await go.wait()
        go.clear()
        await connection.chunk(half)
        await go.wait()
        await connection.chunk(rest + STOP + END + DONE)
        await connection.end()

    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    settings = RelaySettings(tick=0.02, keepalive_after=0.1)
    async with ScriptedProvider(quiet) as provider:
        async with open_relay(policy_text(provider.url), kind=kind, settings=settings) as gateway:
            body = json.dumps(STREAMED).encode()
            async with sent(gateway.port, request_bytes("POST", "/anthropic/v1/messages", body)) as answer:
                await answer.until(ping)
                go.set()
                await answer.until(half)
                beats = gateway.relay.metrics.keepalives
                for _ in range(20):  # well past the silence that would have brought one
                    gateway.relay.sweep()
                    await asyncio.sleep(0.02)
                assert gateway.relay.metrics.keepalives == beats
                go.set()
                await answer.all()
    assert answer.body.replace(ping, b"") == START + BLOCK + DELTA * 2 + STOP + END + DONE


async def test_deadlines_end_a_silent_provider(kind: str) -> None:
    async def mute(_: Received, connection: Connection) -> None:
        await connection.client_gone()

    async def stall(_: Received, connection: Connection) -> None:
        await connection.send(STREAM_HEAD + b"\r\n")
        await connection.chunk(START + BLOCK + DELTA)
        await connection.client_gone()

    settings = RelaySettings(tick=0.02, head_timeout=0.2, idle_timeout=0.2)
    async with ScriptedProvider(mute, stall) as provider:
        async with open_relay(policy_text(provider.url), kind=kind, settings=settings) as gateway:
            first = await ask(gateway.port, "/anthropic/v1/messages", STREAMED)
            second = await ask(gateway.port, "/anthropic/v1/messages", STREAMED)
            rows = gateway.ledger.rows
    assert first.status == 504
    assert second.body.startswith(START + BLOCK + DELTA)
    assert b"event: error" in second.body[len(START + BLOCK + DELTA) :]
    assert [(row.outcome, row.ended_by) for row in rows] == [(Outcome.TIMEOUT, EndedBy.GATEWAY)] * 2


async def test_a_slow_tool_slows_its_provider_and_nothing_else(kind: str) -> None:
    sent_bytes = 0
    big = event("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "x" * 60_000}})

    async def flood(_: Received, connection: Connection) -> None:
        nonlocal sent_bytes
        await connection.send(STREAM_HEAD + b"\r\n")
        await connection.chunk(START + BLOCK)
        for _n in range(2000):
            await connection.chunk(big)
            sent_bytes += len(big)

    async with ScriptedProvider(flood, whole(ANSWER)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            body = json.dumps(STREAMED).encode()
            async with sent(gateway.port, request_bytes("POST", "/anthropic/v1/messages", body)) as answer:
                await answer.until(START)
                before = -1
                async with asyncio.timeout(20):
                    while before != sent_bytes or sent_bytes == 0:
                        before = sent_bytes
                        await asyncio.sleep(0.3)
                stuck_at = sent_bytes
                assert (await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)).body == ANSWER
                answer.hang_up()
    assert stuck_at < 40_000_000  # sockets' buffers on both sides, not the whole 120 MB


async def test_E112_a_malformed_event_in_a_fine_stream_ends_nothing(kind: str) -> None:
    odd = b"event: content_block_delta\ndata: {not json at all\n\n"
    text = START + BLOCK + odd + DELTA + STOP + END + DONE
    async with (
        ScriptedProvider(stream(text)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        answer = await ask(gateway.port, "/anthropic/v1/messages", STREAMED)
        (row,) = gateway.ledger.rows
    assert answer.body == text
    assert (row.outcome, row.output_tokens) == (Outcome.COMPLETE, 25)


async def test_E43_E49_usage_that_grows_is_counted_as_last_said(kind: str) -> None:
    grown = event(
        "message_delta",
        {
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {
                "input_tokens": 12284,
                "cache_creation_input_tokens": 300,
                "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
                "output_tokens": 90,
                "server_tool_use": {"web_search_requests": 2},
            },
        },
    )
    async with ScriptedProvider(stream(START + BLOCK + DELTA + STOP + grown + DONE)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            await ask(gateway.port, "/anthropic/v1/messages", STREAMED)
            (row,) = gateway.ledger.rows
    assert (row.input_tokens, row.cache_read_tokens, row.output_tokens) == (12284, 40, 90)
    assert (row.cache_write_5m_tokens, row.cache_write_1h_tokens, row.web_searches) == (100, 200, 2)


async def test_E101_E102_gemini_counts_thoughts_and_takes_cached_tokens_out_of_the_prompt(kind: str) -> None:
    last = b'data: {"candidates":[{"content":{"role":"model","parts":[{"text":"!"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":100,"cachedContentTokenCount":64,"candidatesTokenCount":6,"thoughtsTokenCount":190,"totalTokenCount":296}}\r\n\r\n'
    async with (
        ScriptedProvider(stream(GM_TEXT, last)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        answer = await ask(gateway.port, GEMINI_PATH, GEMINI)
        (row,) = gateway.ledger.rows
        line = provider.requests[0].line
    assert answer.body == GM_TEXT + last
    assert line == "POST /v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse HTTP/1.1"
    assert (row.input_tokens, row.cache_read_tokens, row.output_tokens, row.reasoning_tokens) == (
        36,
        64,
        196,
        190,
    )
    assert not row.usage_mismatch
    assert row.outcome is Outcome.COMPLETE
