"""`count_tokens` is always answered (E83, E84): by the provider's own counter, or by an estimate of the whole."""

import json
from typing import Any

import pytest

from tests.rehearsal_fixture import rehearsal
from tests.relay.crossing import crossing, named, policy
from tests.relay.scripted import Connection, Received, ScriptedProvider, whole
from tests.relay.tool import AUTH, ask
from waystation.model import Outcome, Wire
from waystation.rehearsal import RehearsalServer

__all__ = ["rehearsal"]

TOOL = {"name": "write", "description": "d" * 3000, "input_schema": {"type": "object", "properties": {}}}
MESSAGES = {"system": "s" * 3000, "messages": [{"role": "user", "content": "say hi"}], "tools": [TOOL]}
GEMINI = {
    "systemInstruction": {"parts": [{"text": "s" * 3000}]},
    "contents": [{"role": "user", "parts": [{"text": "say hi"}]}],
    "tools": [{"functionDeclarations": [{"name": "write", "description": "d" * 3000}]}],
}


def _asked(wire: Wire, model: str) -> tuple[str, dict[str, Any]]:
    if wire is Wire.MESSAGES:
        return "/anthropic/v1/messages/count_tokens?beta=true", {"model": model, **MESSAGES}
    wrapped = {"generateContentRequest": {"model": f"models/{model}", **GEMINI}}
    return f"/gemini/v1beta/models/{model}:countTokens", wrapped


def _tokens(wire: Wire, answer: Any) -> int:
    return int(answer.json["input_tokens" if wire is Wire.MESSAGES else "totalTokens"])


@pytest.mark.parametrize(
    ("asked", "spoken", "line"),
    [
        (Wire.MESSAGES, Wire.GENERATE, "POST /gemini/v1beta/models/gemini-2.5-pro:countTokens HTTP/1.1"),
        (Wire.GENERATE, Wire.MESSAGES, "POST /anthropic/v1/messages/count_tokens HTTP/1.1"),
        (Wire.MESSAGES, Wire.RESPONSES, "POST /openai/v1/responses/input_tokens HTTP/1.1"),
        (Wire.GENERATE, Wire.RESPONSES, "POST /openai/v1/responses/input_tokens HTTP/1.1"),
    ],
)
async def test_E83_the_counter_of_another_protocol_counts(
    asked: Wire, spoken: Wire, line: str, kind: str
) -> None:
    counts = {
        Wire.GENERATE: b'{"totalTokens":728}',
        Wire.MESSAGES: b'{"input_tokens":728}',
        Wire.RESPONSES: b'{"object":"response.input_tokens","input_tokens":728}',
    }
    async with ScriptedProvider(whole(counts[spoken])) as provider:
        async with crossing(policy(provider.url), kind=kind) as gateway:
            path, said = _asked(asked, named(spoken))
            answer = await ask(
                gateway.port, path, said, headers=[AUTH, ("anthropic-beta", "token-counting-2024-11-01")]
            )
            (row,) = gateway.ledger.rows
        (request,) = provider.requests
    assert (answer.status, _tokens(asked, answer)) == (200, 728)
    assert answer.header("x-waystation-estimated") is None
    assert answer.header("x-waystation-route")
    assert request.line == line
    assert request.header("accept") == "application/json"
    sent = json.loads(request.body)
    assert b"s" * 3000 in request.body
    assert b"d" * 3000 in request.body
    assert not {"stream", "max_tokens", "max_output_tokens", "store"} & sent.keys()
    assert (row.operation, row.cost_nano, row.input_tokens, row.translated) == ("count_tokens", 0, 0, True)


async def test_E83_a_real_counter_of_the_rehearsal_provider(rehearsal: RehearsalServer) -> None:
    async with crossing(policy(rehearsal.url)) as gateway:
        for asked, spoken in ((Wire.MESSAGES, Wire.GENERATE), (Wire.GENERATE, Wire.MESSAGES)):
            path, said = _asked(asked, named(spoken))
            answer = await ask(gateway.port, path, said)
            assert answer.status == 200, answer.body
            assert answer.header("x-waystation-estimated") is None
            assert _tokens(asked, answer) > 700


@pytest.mark.parametrize("asked", [Wire.MESSAGES, Wire.GENERATE])
async def test_E84_without_a_counter_the_whole_request_is_estimated(
    asked: Wire, kind: str, rehearsal: RehearsalServer
) -> None:
    async with crossing(policy(rehearsal.url), kind=kind) as gateway:
        path, said = _asked(asked, named(Wire.CHAT))
        answer = await ask(gateway.port, path, said)
        assert gateway.ledger.rows == []
    assert answer.status == 200
    assert answer.header("x-waystation-estimated") == "true"
    assert 2000 <= _tokens(asked, answer) < 2400  # 6,000 letters of instructions and tools, and the frame
    assert not rehearsal.requests


async def _dead(_: Received, connection: Connection) -> None:
    await connection.reset()


@pytest.mark.parametrize(
    "script",
    [
        whole(b'{"error":{"message":"no such route"}}', "404 Not Found"),
        whole(b'{"error":{"message":"slow down"}}', "429 Too Many Requests"),
        whole(b'{"error":{"message":"odd field"}}', "400 Bad Request"),
        whole(b"<html>"),
        _dead,
    ],
)
async def test_E83_a_counter_that_fails_is_answered_for(script: Any) -> None:
    async with ScriptedProvider(script) as provider:
        async with crossing(policy(provider.url)) as gateway:
            path, said = _asked(Wire.MESSAGES, named(Wire.GENERATE))
            answer = await ask(gateway.port, path, said)
            rows = await gateway.ledger.wait_for(1)
    assert answer.status == 200
    assert answer.header("x-waystation-estimated") == "true"
    assert _tokens(Wire.MESSAGES, answer) >= 2000
    assert {row.cost_nano for row in rows} == {0}


async def test_E83_a_server_of_the_tools_own_protocol_without_a_counter(kind: str) -> None:
    """Many that speak Messages have none: 404, and no `/context`, no compaction."""
    async with ScriptedProvider(whole(b"not found", "404 Not Found", content_type=b"text/plain")) as provider:
        async with crossing(policy(provider.url), kind=kind) as gateway:
            path, said = _asked(Wire.MESSAGES, named(Wire.MESSAGES))
            answer = await ask(gateway.port, path, said)
            (row,) = gateway.ledger.rows
    assert (answer.status, answer.header("x-waystation-estimated")) == (200, "true")
    assert (row.http_status, row.outcome) == (404, Outcome.UPSTREAM_ERROR)


async def test_a_mistake_in_the_request_is_still_the_providers_to_say() -> None:
    refusal = b'{"type":"error","error":{"type":"invalid_request_error","message":"messages: too short"}}'
    async with ScriptedProvider(whole(refusal, "400 Bad Request")) as provider:
        async with crossing(policy(provider.url)) as gateway:
            path, said = _asked(Wire.MESSAGES, named(Wire.MESSAGES))
            answer = await ask(gateway.port, path, said)
    assert (answer.status, answer.body) == (400, refusal)
