"""Bytes are sacred: what the tool sends arrives as sent, what the provider answers arrives as answered."""

import asyncio
import gzip
import json

import brotli
import pytest
import zstandard

from tests.relay.conftest import open_relay, policy_text
from tests.relay.scripted import STREAM_HEAD, Connection, Received, ScriptedProvider, stream, whole
from tests.relay.tool import (
    ANSWER,
    AUTH,
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
    request_bytes,
    sent,
)
from waystation.model import EndedBy, Outcome


async def test_a_plain_request_passes_untouched_both_ways(kind: str) -> None:
    odd = b'{ "model":"claude-sonnet-4-5",\n\t"messages": [{"role":"user","content":"\\u00e9 \xf0\x9f\x8e\x89"}], "x_unknown": 1.50 }'
    async with ScriptedProvider(whole(ANSWER, headers=b"request-id: req_p\r\n")) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            answer = await ask(gateway.port, "/anthropic/v1/messages?beta=true", odd)
            assert (answer.status, answer.body) == (200, ANSWER)
            got = provider.requests[0]
            assert got.line == "POST /v1/messages?beta=true HTTP/1.1"
            assert got.body == odd
            assert got.header("x-api-key") == "sk-provider-key"
            assert answer.header("request-id") == "req_p"
            row = gateway.ledger.rows[0]
    assert (row.principal_name, row.outcome, row.http_status) == ("ada@example.com", Outcome.COMPLETE, 200)
    assert (row.input_tokens, row.cache_read_tokens, row.output_tokens) == (100, 40, 25)
    assert row.cost_nano == 100 * 3000 + 40 * 300 + 25 * 15000
    assert row.upstream_request_id == "req_p"
    assert row.plan_version == 7


async def test_a_stream_passes_untouched_and_costs_what_the_plain_answer_costs(kind: str) -> None:
    async with ScriptedProvider(stream(WHOLE_STREAM), whole(ANSWER)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            streamed = await ask(gateway.port, "/anthropic/v1/messages", STREAMED)
            await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
            one, two = await gateway.ledger.wait_for(2)
    assert streamed.body == WHOLE_STREAM
    assert streamed.header("content-type") == "text/event-stream; charset=utf-8"
    assert one.cost_nano == two.cost_nano is not None
    assert one.ttft_us is not None


async def test_only_what_may_leave_leaves(kind: str) -> None:
    headers = [
        AUTH,
        ("cookie", "session=private"),
        ("x-forwarded-for", "10.1.2.3"),
        ("anthropic-beta", "claude-code-20250219"),
        ("x-internal-thing", "1"),
        ("accept-encoding", "gzip, br, zstd"),
        ("user-agent", "claude-cli/2.1.197 (external, sdk-cli)"),
        ("x-claude-code-session-id", "abc-123"),
    ]
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            await ask(gateway.port, "/anthropic/v1/messages", MESSAGES, headers=headers)
            row = gateway.ledger.rows[0]
            head = provider.requests[0]
    assert b"ws-token-of-ada" not in head.head
    assert b"cookie" not in head.head.lower()
    assert b"x-forwarded-for" not in head.head.lower()
    assert b"x-internal-thing" not in head.head.lower()
    assert head.header("anthropic-beta") == "claude-code-20250219"
    assert head.headers("accept-encoding") == ["identity"]  # E08
    assert (row.tool, row.tool_version, row.tool_session) == ("claude", "2.1.197", "abc-123")


async def test_E20_the_model_is_renamed_and_not_a_byte_else(kind: str) -> None:
    body = (
        b'{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"\\u2028 a","signature":"Eq=="},'
        b'{"type":"tool_use","id":"t","name":"n","input":{"model":"fast"}}]}], "model" : "fast","max_tokens":5}'
    )
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            assert (await ask(gateway.port, "/anthropic/v1/messages", body)).status == 200
            row = gateway.ledger.rows[0]
            arrived = provider.requests[0].body
    assert arrived == body.replace(b'"model" : "fast"', b'"model" : "claude-haiku-4-5"')
    assert (row.requested_model, row.upstream_model, row.provider) == ("fast", "claude-haiku-4-5", "anth")


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("zstd", zstandard.ZstdCompressor().compress),
        ("gzip", gzip.compress),
        ("br", brotli.compress),
    ],
)
async def test_E01_E03_a_compressed_body_is_read_and_sent_on_plain(
    coding: str, pack: object, kind: str
) -> None:
    body = json.dumps({"model": "gpt-5.4", "input": "hi", "stream": False}).encode()
    answer = json.dumps({"id": "resp_1", "object": "response", "status": "completed", "output": []}).encode()
    async with ScriptedProvider(whole(answer)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            packed = pack(body)  # type: ignore[operator]  # one of three libraries' functions
            reply = await ask(
                gateway.port, "/openai/v1/responses", packed, headers=[AUTH, ("content-encoding", coding)]
            )
            assert reply.status == 200
            got = provider.requests[0]
    assert got.body == body
    assert got.header("content-encoding") is None
    assert got.header("content-length") == str(len(body))


@pytest.mark.parametrize(
    ("coding", "data", "status"),
    [
        ("zstd", b"not zstd", 400),
        ("gzip", b"\x1f\x8b broken", 400),
        ("sdch", b"{}", 415),
        ("gzip, gzip, gzip, gzip", b"", 400),
    ],
)
async def test_E01_a_body_that_cannot_be_decoded_is_the_callers_mistake(
    coding: str, data: bytes, status: int
) -> None:
    async with ScriptedProvider(whole(b"{}")) as provider, open_relay(policy_text(provider.url)) as gateway:
        reply = await ask(
            gateway.port, "/openai/v1/responses", data, headers=[AUTH, ("content-encoding", coding)]
        )
        assert reply.status == status
        assert reply.json["error"]["message"]
        assert provider.requests == []


async def test_E07_an_encoded_answer_keeps_its_header_and_its_bytes(kind: str) -> None:
    packed = gzip.compress(ANSWER)
    async with ScriptedProvider(whole(packed, headers=b"content-encoding: gzip\r\n")) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            reply = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
            row = gateway.ledger.rows[0]
    assert reply.header("content-encoding") == "gzip"
    assert gzip.decompress(reply.body) == ANSWER
    assert row.output_tokens == 25


async def test_E09_a_compressed_error_is_readable(kind: str) -> None:
    error = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    scripts = [
        whole(
            gzip.compress(error), "529 Overloaded", headers=b"content-encoding: gzip\r\nretry-after: 7\r\n"
        ),
        whole(zstandard.ZstdCompressor().compress(error), "529 Overloaded"),  # compression without the header
        whole(b"\x1f\x8b\x00garbage", "503 Service Unavailable", headers=b"content-encoding: gzip\r\n"),
    ]
    async with (
        ScriptedProvider(*scripts) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        first = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
        second = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
        third = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
        rows = gateway.ledger.rows
    assert (first.status, first.body, first.header("retry-after")) == (529, error, "7")
    assert first.header("content-encoding") is None
    assert (second.status, second.body) == (529, error)
    assert third.status == 503
    assert "cannot be read" in third.json["error"]["message"]
    assert [row.outcome for row in rows] == [Outcome.UPSTREAM_ERROR] * 3
    assert rows[0].error == "overloaded_error"
    assert rows[0].cost_nano == 0


async def test_E17_each_event_is_out_before_the_next_comes(kind: str) -> None:
    released = asyncio.Event()

    async def slow(_: Received, connection: Connection) -> None:
        await connection.send(STREAM_HEAD + b"\r\n")
        await connection.chunk(START + BLOCK + DELTA)
        await released.wait()
        await connection.chunk(STOP + END + DONE)
        await connection.end()

    async with (
        ScriptedProvider(slow) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        body = json.dumps(STREAMED).encode()
        async with sent(gateway.port, request_bytes("POST", "/anthropic/v1/messages", body)) as answer:
            await answer.until(DELTA)
            assert not answer.complete
            assert answer.header("x-accel-buffering") == "no"
            assert answer.header("cache-control") == "no-cache"
            released.set()
            await answer.all()
    assert answer.body == WHOLE_STREAM


async def test_E04_E05_a_stream_cut_at_every_byte_arrives_whole() -> None:
    """The provider's chunks fall anywhere, within a character too; the tool's bytes and the row are the same."""
    cuts = range(1, len(WHOLE_STREAM), 7)
    scripts = [stream(WHOLE_STREAM[:cut], WHOLE_STREAM[cut:]) for cut in cuts]
    async with ScriptedProvider(*scripts) as provider, open_relay(policy_text(provider.url)) as gateway:
        for _ in cuts:
            answer = await ask(gateway.port, "/anthropic/v1/messages", STREAMED)
            assert answer.body == WHOLE_STREAM
        rows = gateway.ledger.rows
    assert len(rows) == len(cuts)
    assert {(row.input_tokens, row.cache_read_tokens, row.output_tokens, row.outcome) for row in rows} == {
        (100, 40, 25, Outcome.COMPLETE)
    }


async def test_E06_one_event_of_many_megabytes_passes_and_is_metered(kind: str) -> None:
    output = [
        {
            "type": "message",
            "id": "m",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "x" * 3_000_000, "annotations": []}],
        }
    ]
    usage = {
        "input_tokens": 500,
        "input_tokens_details": {"cached_tokens": 200},
        "output_tokens": 70,
        "output_tokens_details": {"reasoning_tokens": 30},
        "total_tokens": 570,
    }
    done = {
        "type": "response.completed",
        "sequence_number": 2,
        "response": {
            "id": "resp_1",
            "object": "response",
            "status": "completed",
            "output": output,
            "usage": usage,
        },
    }
    delta = {
        "type": "response.output_text.delta",
        "sequence_number": 1,
        "item_id": "m",
        "output_index": 0,
        "content_index": 0,
        "delta": "x",
    }
    text = b"".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n".encode() for e in (delta, done))
    pieces = [text[i : i + 60_000] for i in range(0, len(text), 60_000)]
    async with ScriptedProvider(stream(*pieces)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            answer = await ask(
                gateway.port, "/openai/v1/responses", {"model": "gpt-5.4", "input": "hi", "stream": True}
            )
            row = gateway.ledger.rows[0]
    assert answer.body == text
    assert (row.input_tokens, row.cache_read_tokens, row.output_tokens, row.reasoning_tokens) == (
        300,
        200,
        70,
        30,
    )
    assert row.outcome is Outcome.COMPLETE
    assert row.ended_by is EndedBy.PROVIDER


async def test_E48_usage_is_asked_for_and_its_chunk_kept_from_a_tool_that_did_not_ask(kind: str) -> None:
    def chunk(**fields: object) -> bytes:
        base = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5.4"}
        return f"data: {json.dumps({**base, **fields})}\n\n".encode()

    text = chunk(
        choices=[{"index": 0, "delta": {"role": "assistant", "content": "hi"}, "finish_reason": None}],
        usage=None,
    )
    stop = chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}], usage=None)
    usage = chunk(choices=[], usage={"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15})
    done = b"data: [DONE]\n\n"
    chat = {"model": "gpt-5.4", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    async with ScriptedProvider(stream(text + stop + usage + done)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            silent = await ask(gateway.port, "/openai/v1/chat/completions", chat)
            asking = await ask(
                gateway.port,
                "/openai/v1/chat/completions",
                {**chat, "stream_options": {"include_usage": True}},
            )
            rows = gateway.ledger.rows
            sent_bodies = [json.loads(r.body) for r in provider.requests]
    assert silent.body == text + stop + done
    assert asking.body == text + stop + usage + done
    assert [b["stream_options"] for b in sent_bodies] == [{"include_usage": True}] * 2
    assert [(r.input_tokens, r.output_tokens) for r in rows] == [(12, 3)] * 2
