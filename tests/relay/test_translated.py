"""Every tool's protocol before every provider's, over real sockets: what was asked, what came back, what was metered."""

import json
from typing import Any

import pytest

from tests.rehearsal.asking import body, target
from tests.rehearsal_fixture import rehearsal
from tests.relay.crossing import MODELS, WIRES, crossing, heard, named, others, policy, say, spent
from tests.relay.tool import AUTH, ask, request_bytes, sent
from waystation.model import Outcome, Usage, Wire
from waystation.rehearsal import Line, RehearsalServer, Step

__all__ = ["rehearsal"]

THINK: dict[Wire, dict[str, Any]] = {
    Wire.MESSAGES: {"thinking": {"type": "enabled", "budget_tokens": 2000}},
    Wire.RESPONSES: {
        "reasoning": {"effort": "medium", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
    },
    Wire.GENERATE: {
        "generationConfig": {"thinkingConfig": {"thinkingBudget": 2000, "includeThoughts": True}}
    },
}
WORK = "think. create a.txt containing hi and run ls -la in parallel"


@pytest.mark.parametrize("asked", WIRES)
async def test_words_arrive_and_come_back(asked: Wire, kind: str, rehearsal: RehearsalServer) -> None:
    async with crossing(policy(rehearsal.url), kind=kind) as gateway:
        for stream in (False, True):
            for spoken in others(asked):
                answer = await say(gateway.port, asked, spoken, "say Grüße 🎉", stream=stream)
                row = gateway.ledger.rows[-1]
                found = heard(asked, answer, stream=stream)
                assert found.text == "[rehearsal] Grüße 🎉"
                provider, model = MODELS[spoken]
                assert answer.header("x-waystation-route") == f"{provider}/{model}"
                assert (row.wire, row.upstream_wire, row.translated) == (asked, spoken, True)
                assert (row.requested_model, row.upstream_model, row.provider) == (
                    named(spoken),
                    model,
                    provider,
                )
                assert (row.outcome, row.http_status, row.route_reason) == (Outcome.COMPLETE, 200, "only")
                assert (row.usage_source, row.usage_mismatch) == ("provider", False)
                prompt = (
                    row.input_tokens
                    + row.cache_read_tokens
                    + row.cache_write_5m_tokens
                    + row.cache_write_1h_tokens
                )
                assert spent(asked, found.usage) == (prompt, row.output_tokens)
                assert row.cost_nano
                assert (row.ttft_us is not None, row.bytes_out) == (True, len(answer.body))


@pytest.mark.parametrize("asked", WIRES)
async def test_parallel_calls_arrive_whole_and_in_order(asked: Wire, rehearsal: RehearsalServer) -> None:
    async with crossing(policy(rehearsal.url)) as gateway:
        for stream in (False, True):
            for spoken in others(asked):
                answer = await say(
                    gateway.port, asked, spoken, WORK, stream=stream, with_tools=True, **THINK.get(asked, {})
                )
                found = heard(asked, answer, stream=stream)
                assert found.calls == [
                    ("write", {"path": "a.txt", "content": "hi"}),
                    ("bash", {"command": "ls -la"}),
                ]
                ends = {
                    Wire.MESSAGES: "tool_use",
                    Wire.RESPONSES: "completed",
                    Wire.CHAT: "tool_calls",
                    Wire.GENERATE: "STOP",
                }
                assert found.finish == ends[asked]
                if asked is not Wire.CHAT and spoken is not Wire.CHAT:
                    assert found.thoughts


@pytest.mark.parametrize("asked", WIRES)
async def test_a_stream_and_a_whole_answer_cost_the_same_to_the_nano_dollar(
    asked: Wire, rehearsal: RehearsalServer
) -> None:
    async with crossing(policy(rehearsal.url)) as gateway:
        for spoken in others(asked):
            usage = Usage(input=1_234, cache_read=98_765, output=4_321)
            rehearsal.play(Step(reply=(Line(text="It is done."),), usage=usage))
            for stream in (False, True):
                answer = await say(gateway.port, asked, spoken, "go", stream=stream)
                assert spent(asked, heard(asked, answer, stream=stream).usage) == (99_999, 4_321)
            one, two = gateway.ledger.rows[-2:]
            buckets = (one.input_tokens, one.cache_read_tokens, one.output_tokens)
            assert (
                buckets
                == (two.input_tokens, two.cache_read_tokens, two.output_tokens)
                == (1_234, 98_765, 4_321)
            )
            assert one.cost_nano == two.cost_nano is not None


@pytest.mark.parametrize("asked", WIRES)
async def test_nothing_of_the_tools_own_protocol_reaches_the_provider(
    asked: Wire, rehearsal: RehearsalServer
) -> None:
    async with crossing(policy(rehearsal.url)) as gateway:
        for spoken in others(asked):
            private = {
                "x-stainless-lang": "python",
                "openai-organization": "org-1",
                "openai-beta": "responses=v1",
                "anthropic-beta": "claude-code-20250219",
                "x-goog-api-client": "genai",
                "x-codex-turn-metadata": "{}",
                "x-claude-code-session-id": "s-1",
                "session-id": "s-1",
                "originator": "codex_exec",
                "user-agent": "claude-cli/2.1.197 (external, sdk-cli)",
                "accept-language": "tlh",
            }
            name = named(spoken)
            bodies: dict[Wire, dict[str, Any]] = {
                Wire.MESSAGES: {
                    "model": name,
                    "max_tokens": 9,
                    "messages": [{"role": "user", "content": "say hi"}],
                },
                Wire.RESPONSES: {"model": name, "input": "say hi"},
                Wire.CHAT: {"model": name, "messages": [{"role": "user", "content": "say hi"}]},
                Wire.GENERATE: {"contents": [{"role": "user", "parts": [{"text": "say hi"}]}]},
            }
            paths = {
                Wire.MESSAGES: "/anthropic/v1/messages?beta=true",
                Wire.RESPONSES: "/openai/v1/responses",
                Wire.CHAT: "/openai/v1/chat/completions",
                Wire.GENERATE: f"/gemini/v1beta/models/{name}:generateContent?x=1",
            }
            answer = await ask(gateway.port, paths[asked], bodies[asked], headers=[AUTH, *private.items()])
            row = gateway.ledger.rows[-1]
            assert answer.status == 200, answer.body
            request = rehearsal.requests[-1]
            sent = {name.decode(): value.decode() for name, value in request.headers}
            assert not private.keys() - {"user-agent"} & sent.keys()
            assert sent["user-agent"].startswith("waystation/")
            assert sent["content-type"] == sent["accept"] == "application/json"
            assert ("anthropic-version" in sent) is (spoken is Wire.MESSAGES)
            assert "beta=true" not in request.target
            assert "x=1" not in request.target
            assert (row.tool, row.tool_session) == ("claude", "s-1")
            assert row.dropped == (answer.header("x-waystation-dropped") or "")


async def test_what_was_left_out_and_changed_is_told_counted_and_kept(
    kind: str, rehearsal: RehearsalServer
) -> None:
    """An unknown field cannot smuggle a header line in, and cannot make a label of the metrics."""
    said = {
        "model": named(Wire.RESPONSES),
        "max_tokens": 500_000,
        "top_k": 5,
        "a_field_of_tomorrow": 1,
        "evil\r\nx-evil: 1": 1,
        "messages": [{"role": "user", "content": "say hi"}],
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
    }
    async with crossing(policy(rehearsal.url), kind=kind) as gateway:
        answer = await ask(gateway.port, "/anthropic/v1/messages", said)
        row = gateway.ledger.rows[0]
        metrics = {
            (sample.labels["surface"], sample.labels["what"])
            for family in gateway.relay.metrics.collect()
            if family.name == "waystation_translation_dropped"
            for sample in family.samples
            if sample.name.endswith("_total")
        }
    assert answer.status == 200, answer.body
    dropped = (answer.header("x-waystation-dropped") or "").split(", ")
    assert {"top_k", "a_field_of_tomorrow", "tools.web_search_20250305", "other"} == set(dropped)
    assert answer.header("x-evil") is None
    assert answer.header("x-waystation-changed") == "max_tokens=128000"  # E91
    assert row.dropped.split(", ") == dropped
    assert metrics == {("anthropic", what) for what in dropped}


async def test_a_native_request_has_no_such_header_but_the_route(
    kind: str, rehearsal: RehearsalServer
) -> None:
    async with crossing(policy(rehearsal.url), kind=kind) as gateway:
        for stream in (False, True):
            answer = await say(gateway.port, Wire.CHAT, Wire.CHAT, "say hi", stream=stream)
            assert answer.header("x-waystation-route") == "chat/gpt-4.1"
            assert answer.header("x-waystation-dropped") is None
        rows = gateway.ledger.rows
    assert [(row.translated, row.upstream_wire, row.dropped) for row in rows] == [(False, Wire.CHAT, "")] * 2


async def test_a_provider_that_speaks_it_is_asked_before_one_that_must_be_translated_to(
    rehearsal: RehearsalServer,
) -> None:
    models = "  both:\n    routes: [{provider: oai, model: gpt-5.4, weight: 1000}, {provider: anth, model: claude-sonnet-4-5}]\n"
    async with crossing(policy(rehearsal.url, models=models)) as gateway:
        for wire in WIRES:
            answer = await say(gateway.port, wire, wire, "say hi", model="both")
            assert answer.status == 200, answer.body
        rows = gateway.ledger.rows
    chosen = {row.wire: (row.provider, row.translated, row.route_reason) for row in rows}
    assert chosen[Wire.MESSAGES] == ("anth", False, "native")
    assert chosen[Wire.RESPONSES] == ("oai", False, "native")
    assert chosen[Wire.CHAT][1:] == (True, "weight")


async def test_a_stream_is_not_held_back_until_it_is_whole(kind: str, rehearsal: RehearsalServer) -> None:
    """E17: the first word is out while the provider still writes."""
    said = body(Wire.MESSAGES, "long 60 [[rehearse: pace ms=40]]", stream=True) | {
        "model": named(Wire.RESPONSES)
    }
    raw = request_bytes("POST", target(Wire.MESSAGES), json.dumps(said).encode())
    async with crossing(policy(rehearsal.url), kind=kind) as gateway:
        async with sent(gateway.port, raw) as answer:
            await answer.until(b"content_block_delta")
            assert not answer.complete
            assert not gateway.ledger.rows
            await answer.all()
        assert gateway.ledger.rows[0].outcome is Outcome.COMPLETE
    assert answer.header("content-type") == "text/event-stream; charset=utf-8"
    assert answer.header("cache-control") == "no-cache"
    assert answer.header("x-accel-buffering") == "no"


async def test_gemini_without_events_is_one_json_array(rehearsal: RehearsalServer) -> None:
    said = {"contents": [{"role": "user", "parts": [{"text": "say one two three"}]}]}
    path = f"/gemini/v1beta/models/{named(Wire.MESSAGES)}:streamGenerateContent"
    async with crossing(policy(rehearsal.url)) as gateway:
        answer = await ask(gateway.port, path, said)
    assert answer.header("content-type") == "application/json"
    texts = [p["text"] for chunk in answer.json for c in chunk["candidates"] for p in c["content"]["parts"]]
    assert "".join(texts) == "[rehearsal] one two three"


@pytest.mark.parametrize("asked", WIRES)
async def test_a_tools_ids_are_its_own(asked: Wire, rehearsal: RehearsalServer) -> None:
    """The request's id is ours, where the tool looks for it; the provider's is kept for its support."""
    async with crossing(policy(rehearsal.url)) as gateway:
        for spoken in others(asked):
            answer = await say(gateway.port, asked, spoken, "say hi")
            row = gateway.ledger.rows[-1]
            name = "request-id" if asked is Wire.MESSAGES else "x-request-id"
            assert answer.header(name) == answer.header("x-waystation-request-id") == row.request_id
            if spoken is not Wire.GENERATE:
                assert row.upstream_request_id not in ("", row.request_id)
