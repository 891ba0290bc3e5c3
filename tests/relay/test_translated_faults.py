"""What goes wrong at a provider of another protocol, told in the tool's own: in the middle, before, and at once."""

import json
from typing import Any

import pytest

from tests.rehearsal.asking import body, target
from tests.rehearsal_fixture import rehearsal
from tests.relay.crossing import CROSSINGS, MODELS, WIRES, Heard, crossing, heard, named, others, policy, say
from tests.relay.scripted import ScriptedProvider, stream, whole
from tests.relay.tool import ask, request_bytes, sent
from waystation.model import EndedBy, Outcome, Wire
from waystation.rehearsal import RehearsalServer, Step
from waystation.relay import RelaySettings
from waystation.wire.translate import Translation

__all__ = ["rehearsal"]

SUCCESS = {
    Wire.MESSAGES: b"message_stop",
    Wire.RESPONSES: b"response.completed",
    Wire.CHAT: b"[DONE]",
    Wire.GENERATE: b"finishReason",
}
BUSY = {
    Wire.MESSAGES: "type=overloaded_error",
    Wire.RESPONSES: "code=server_error",
    Wire.CHAT: "code=server_error",
    Wire.GENERATE: "status=503",
    Wire.CONVERSE: "type=serviceUnavailableException",
}


@pytest.mark.parametrize(
    "fault", ["eof at=content", "cut at=content", "reset at=content", "error at=content"]
)
@pytest.mark.parametrize("asked", WIRES)
async def test_E15_a_stream_that_breaks_ends_in_the_tools_own_dialect(
    asked: Wire, fault: str, rehearsal: RehearsalServer
) -> None:
    async with crossing(policy(rehearsal.url)) as gateway:
        for spoken in others(asked):
            before = len(gateway.ledger.rows)
            words = f"say one two three four five six seven eight [[rehearse: {fault}]]"
            answer = await say(gateway.port, asked, spoken, words, stream=True)
            row = (await gateway.ledger.wait_for(before + 1))[-1]
            found = heard(asked, answer, stream=True)
            assert found.error, answer.body
            assert SUCCESS[asked] not in answer.body
            assert answer.complete
            assert row.outcome is (
                Outcome.UPSTREAM_ERROR if fault.startswith("error") else Outcome.UPSTREAM_CUT
            )
            assert row.ended_by is EndedBy.PROVIDER
            if row.outcome is Outcome.UPSTREAM_CUT:
                assert row.output_tokens > 0
                assert row.usage_source in ("estimated", "partial")


@pytest.mark.parametrize("asked", WIRES)
async def test_E13_E99_an_error_before_the_first_word_takes_the_next_route_and_one_preamble_goes_out(
    asked: Wire, rehearsal: RehearsalServer
) -> None:
    async with crossing(policy(rehearsal.url, second=rehearsal.url)) as gateway:
        for spoken in others(asked):
            before = len(gateway.ledger.rows)
            words = f"say hi [[rehearse: error at=first {BUSY[spoken]} times=1]]"
            answer = await say(gateway.port, asked, spoken, words, stream=True)
            one, two = (await gateway.ledger.wait_for(before + 2))[-2:]
            assert heard(asked, answer, stream=True).text == "[rehearsal] hi"
            for opening in (
                b"event: message_start",
                b"event: response.created",
                b'"delta":{"role":"assistant"',
            ):
                assert answer.body.count(opening) <= 1
            assert (one.outcome, two.outcome) == (Outcome.UPSTREAM_ERROR, Outcome.COMPLETE)
            assert (two.provider, two.attempt, two.route_reason) == (f"{one.provider}2", 2, "fallback")
            assert (answer.header("x-waystation-route") or "").startswith(two.provider)


@pytest.mark.parametrize("asked", WIRES)
async def test_E92_a_limit_keeps_its_status_and_when_it_ends(asked: Wire, rehearsal: RehearsalServer) -> None:
    async with crossing(policy(rehearsal.url)) as gateway:
        for stream in (False, True):
            for spoken in others(asked):
                headers = "header=x-ratelimit-remaining-tokens:7 header=anthropic-ratelimit-tokens-remaining:7 header=openai-version:1"
                words = f"say hi [[rehearse: 429 retry-after=90 {headers}]]"
                answer = await say(gateway.port, asked, spoken, words, stream=stream)
                row = gateway.ledger.rows[-1]
                assert (answer.status, answer.header("retry-after")) == (429, "90")
                assert answer.header("openai-version") is None
                assert answer.header("content-type") == "application/json"
                error = answer.json["error"]
                if asked is Wire.MESSAGES:
                    assert (answer.json["type"], error["type"]) == ("error", "rate_limit_error")
                elif asked is Wire.GENERATE:
                    assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
                else:
                    assert (
                        error["code"] in ("rate_limit_exceeded", "tokens", "requests", None) or error["type"]
                    )
                assert error["message"]
                assert (row.http_status, row.outcome) == (429, Outcome.UPSTREAM_ERROR)


@pytest.mark.parametrize("asked", WIRES)
async def test_overload_is_each_protocols_own_word_for_it(asked: Wire, rehearsal: RehearsalServer) -> None:
    async with crossing(policy(rehearsal.url, extra="routing: {attempts: 1}\n")) as gateway:
        for spoken in others(asked):
            status = 529 if spoken is Wire.MESSAGES else 503
            answer = await say(gateway.port, asked, spoken, f"say hi [[rehearse: {status}]]")
            error = answer.json["error"]
            if asked is Wire.MESSAGES:
                assert (answer.status, error["type"]) == (529, "overloaded_error")
            elif asked is Wire.GENERATE:
                assert (answer.status, error["status"]) == (503, "UNAVAILABLE")
            else:
                assert answer.status == 503
                if spoken not in (Wire.CHAT, Wire.RESPONSES):
                    assert error["code"] not in ("server_is_overloaded", "slow_down")  # Codex would give up


@pytest.mark.parametrize("asked", WIRES)
async def test_every_error_is_in_the_tools_shape_with_the_providers_sentence(
    asked: Wire, rehearsal: RehearsalServer
) -> None:
    async with crossing(policy(rehearsal.url, extra="routing: {attempts: 1}\n")) as gateway:
        for status in (400, 402, 403, 404, 413, 500):
            for spoken in others(asked):
                words = f'say hi [[rehearse: {status} message="the words of the provider"]]'
                answer = await say(gateway.port, asked, spoken, words)
                row = gateway.ledger.rows[-1]
                error = answer.json["error"]
                assert 400 <= answer.status < 600
                assert (answer.status >= 500) is (status >= 500)
                assert row.http_status == status
                assert error["message"]
                if asked is Wire.MESSAGES:
                    assert answer.json["type"] == "error"
                    assert error["type"] in (
                        "invalid_request_error",
                        "permission_error",
                        "not_found_error",
                        "billing_error",
                        "request_too_large",
                        "api_error",
                    )
                elif asked is Wire.GENERATE:
                    assert error["code"] == answer.status
                    assert error["status"].isupper()
                else:
                    assert {"message", "type", "code"} <= error.keys()


@pytest.mark.parametrize("asked", WIRES)
async def test_a_refused_key_is_the_gateways_matter(asked: Wire, rehearsal: RehearsalServer) -> None:
    async with crossing(policy(rehearsal.url)) as gateway:
        for spoken in others(asked):
            answer = await say(gateway.port, asked, spoken, "say hi [[rehearse: 401]]")
            assert answer.status == 400
            assert "does not accept the gateway's key" in answer.json["error"]["message"]


@pytest.mark.parametrize("stream_it", [False, True])
@pytest.mark.parametrize("wire", WIRES)
async def test_what_is_no_answer_is_a_502_and_not_a_success(wire: Wire, stream_it: bool, kind: str) -> None:
    spoken = Wire.RESPONSES if wire is Wire.MESSAGES else Wire.MESSAGES
    nonsense = whole(b"<html>It works!</html>", content_type=b"text/html")
    async with ScriptedProvider(nonsense) as provider:
        async with crossing(policy(provider.url, extra="routing: {attempts: 1}\n"), kind=kind) as gateway:
            answer = await say(gateway.port, wire, spoken, "hi", stream=stream_it)
            (row,) = await gateway.ledger.wait_for(1)
    assert answer.status == 502
    assert "error" in answer.json
    assert row.outcome is Outcome.UPSTREAM_CUT


async def test_E50_a_provider_that_does_not_stream_is_streamed_all_the_same(kind: str) -> None:
    said = {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "output": [
            {
                "type": "message",
                "id": "m",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "hello", "annotations": []}],
            }
        ],
        "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
    }
    async with ScriptedProvider(whole(json.dumps(said).encode())) as provider:
        async with crossing(policy(provider.url), kind=kind) as gateway:
            answer = await say(gateway.port, Wire.MESSAGES, Wire.RESPONSES, "hi", stream=True)
            (row,) = gateway.ledger.rows
    found = heard(Wire.MESSAGES, answer, stream=True)
    assert (found.text, found.finish, found.usage["output_tokens"]) == ("hello", "end_turn", 2)
    assert (answer.header("content-type") or "").startswith("text/event-stream")
    assert (row.input_tokens, row.output_tokens, row.outcome) == (5, 2, Outcome.COMPLETE)


async def test_E112_one_bad_event_is_skipped(rehearsal: RehearsalServer) -> None:
    async with crossing(policy(rehearsal.url)) as gateway:
        for asked, spoken in CROSSINGS:
            words = "say one two three four five [[rehearse: malformed at=content]]"
            answer = await say(gateway.port, asked, spoken, words, stream=True)
            found = heard(asked, answer, stream=True)
            assert found.text == "[rehearsal] one two three four five", (asked, spoken)


@pytest.mark.parametrize("asked", WIRES)
async def test_a_body_that_makes_no_sense_is_a_400_that_names_the_field(
    asked: Wire, rehearsal: RehearsalServer
) -> None:
    async with crossing(policy(rehearsal.url)) as gateway:
        for spoken in others(asked):
            name = named(spoken)
            bad: dict[Wire, tuple[str, dict[str, Any], str]] = {
                Wire.MESSAGES: (
                    "/anthropic/v1/messages",
                    {"model": name, "max_tokens": 5, "messages": "hi"},
                    "messages",
                ),
                Wire.RESPONSES: ("/openai/v1/responses", {"model": name, "input": 5}, "input"),
                Wire.CHAT: ("/openai/v1/chat/completions", {"model": name, "messages": {"a": 1}}, "messages"),
                Wire.GENERATE: (f"/gemini/v1beta/models/{name}:generateContent", {"contents": 7}, "contents"),
            }
            path, said, field = bad[asked]
            answer = await ask(gateway.port, path, said)
            row = gateway.ledger.rows[-1]
            assert answer.status == 400, answer.body
            assert field in answer.json["error"]["message"]
            assert not rehearsal.requests
            assert (row.outcome, row.attempt) == (Outcome.REFUSED, 0)


async def test_a_request_is_read_once_however_many_routes_it_takes(
    rehearsal: RehearsalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = "  many:\n    routes:\n" + "".join(
        f"      - {{provider: {provider}, model: '{model}', priority: {at}}}\n"
        for at, (provider, model) in enumerate(MODELS.values())
        if provider != "anth"
    )
    read, times = Translation.read, []

    def counted(*args: Any, **more: Any) -> Any:
        times.append(args)
        return read(*args, **more)

    monkeypatch.setattr(Translation, "read", counted)
    rehearsal.play(Step(faults=("500",), times=3))
    said = {
        "model": "many",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
    }
    async with crossing(policy(rehearsal.url, models=models)) as gateway:
        answer = await ask(gateway.port, "/anthropic/v1/messages", said)
        rows = await gateway.ledger.wait_for(4)
    assert answer.status == 200, answer.body
    assert [row.upstream_wire for row in rows] == [Wire.RESPONSES, Wire.CHAT, Wire.GENERATE, Wire.CONVERSE]
    assert len(times) == 1


async def test_E85_a_conversation_that_another_provider_keeps_cannot_go_on_here(
    rehearsal: RehearsalServer,
) -> None:
    said = {"model": named(Wire.MESSAGES), "input": "go on", "previous_response_id": "resp_1"}
    async with crossing(policy(rehearsal.url)) as gateway:
        answer = await ask(gateway.port, "/openai/v1/responses", said)
    assert (answer.status, answer.json["error"]["param"]) == (400, "previous_response_id")
    assert not rehearsal.requests


async def test_a_later_route_that_needs_no_translation_still_gets_a_body_that_cannot_be_translated(
    rehearsal: RehearsalServer,
) -> None:
    models = "  both:\n    routes:\n      - {provider: oai, model: gpt-5.4}\n      - {provider: anth, model: claude-sonnet-4-5, priority: 1}\n"
    said = {"model": "both", "max_tokens": 5, "messages": "hi"}
    async with crossing(policy(rehearsal.url, models=models)) as gateway:
        answer = await ask(gateway.port, "/anthropic/v1/messages", said)
    assert answer.status == 400
    assert len(rehearsal.requests) == 1  # the provider's own word about it


async def test_a_tool_that_hangs_up_is_metered_from_what_was_seen(rehearsal: RehearsalServer) -> None:
    """E45, in translation: one row, estimated, and the provider is told to stop."""
    said = body(Wire.RESPONSES, "long 500 [[rehearse: pace ms=20]]", stream=True) | {
        "model": named(Wire.MESSAGES)
    }
    raw = request_bytes("POST", target(Wire.RESPONSES), json.dumps(said).encode())
    async with crossing(policy(rehearsal.url)) as gateway:
        async with sent(gateway.port, raw) as answer:
            await answer.until(b"response.output_text.delta")
            answer.hang_up()
            (row,) = await gateway.ledger.wait_for(1)
    assert (row.outcome, row.ended_by) == (Outcome.CLIENT_GONE, EndedBy.CLIENT)
    assert row.output_tokens > 0


async def test_a_stream_whose_end_is_cut_off_after_its_stop_reason_is_no_success() -> None:
    """Messages says why it stops before it says that it is done; only the latter is an end."""
    piece = (
        b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"c","content":[],"usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
        b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n'
        b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}\n\n'
        b'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n'
        b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}\n\n'
    )
    async with ScriptedProvider(stream(piece)) as provider:
        async with crossing(policy(provider.url)) as gateway:
            answer = await say(gateway.port, Wire.CHAT, Wire.MESSAGES, "hi", stream=True)
    found = Heard(Wire.CHAT, answer.body, stream=True)
    assert found.error
    assert b"[DONE]" not in answer.body


@pytest.mark.parametrize("asked", WIRES)
async def test_E94_silence_is_filled_between_two_events_of_the_tools_own(
    asked: Wire, rehearsal: RehearsalServer
) -> None:
    beats = {Wire.MESSAGES: b"event: ping", Wire.GENERATE: b"\n\n\n\n"}
    settings = RelaySettings(tick=0.05, keepalive_after=0.1)
    async with crossing(policy(rehearsal.url), settings=settings) as gateway:
        for spoken in others(asked):
            words = "say one two three four five six seven eight [[rehearse: stall at=content seconds=0.5]]"
            answer = await say(gateway.port, asked, spoken, words, stream=True)
            found = heard(asked, answer, stream=True)
            assert found.text == "[rehearsal] one two three four five six seven eight"
            assert beats.get(asked, b": keep-alive") in answer.body
    assert gateway.relay.metrics.keepalives >= len(others(asked))
