"""A prompt that is too long (E90): whatever the provider calls it, each tool is told so that it compacts."""

import json
import re

import pytest

from tests.rehearsal.asking import sse
from tests.rehearsal_fixture import rehearsal
from tests.relay.crossing import WIRES, crossing, named, others, policy, say
from tests.relay.scripted import ScriptedProvider, stream, whole
from tests.relay.tool import Answer, ask
from waystation.model import Outcome, Wire
from waystation.rehearsal import RehearsalServer, Step

__all__ = ["rehearsal"]

SAID = {
    Wire.MESSAGES: '400 type=invalid_request_error message="prompt is too long: 213462 tokens > 200000 maximum"',
    Wire.RESPONSES: '400 code=context_length_exceeded type=invalid_request_error message="Your input exceeds the context window of this model."',
    Wire.CHAT: '400 code=context_length_exceeded message="This model\'s maximum context length is 200000 tokens. However, your messages resulted in 213462 tokens."',
    Wire.GENERATE: '400 message="The input token count (213462) exceeds the maximum number of tokens allowed (200000)."',
    Wire.CONVERSE: '400 type=ValidationException message="The model returned the following errors: Input is too long for requested model."',
}


def compacts(asked: Wire, answer: Answer, *, stream: bool) -> None:
    """Asserts what each tool looks for; see `wire.overflow`."""
    if asked is Wire.MESSAGES:
        assert answer.status == 400
        assert answer.json["error"]["type"] == "invalid_request_error"
        # Claude Code 2.1's own expression for how much must go
        found = re.search(
            r"prompt is too long[^0-9]*(\d+)\s*tokens?\s*>\s*(\d+)", answer.json["error"]["message"]
        )
        assert found is not None
        assert int(found[1]) > int(found[2])
    elif asked is Wire.RESPONSES and stream:
        assert answer.status == 200
        assert (answer.header("content-type") or "").startswith("text/event-stream")
        events = list(sse(answer.body))
        assert events[0]["type"] == "response.created"
        assert events[-1]["type"] == "response.failed"
        assert events[-1]["response"]["error"]["code"] == "context_length_exceeded"
    elif asked in (Wire.RESPONSES, Wire.CHAT):
        assert (answer.status, answer.json["error"]["code"]) == (400, "context_length_exceeded")
    else:
        assert (answer.status, answer.json["error"]["status"]) == (400, "INVALID_ARGUMENT")
        assert re.search(r"input token count.*exceeds the maximum", answer.json["error"]["message"])


@pytest.mark.parametrize("asked", WIRES)
async def test_E90_overflow_is_told_so_that_the_tool_compacts_and_goes_to_no_other_model(
    asked: Wire, rehearsal: RehearsalServer
) -> None:
    async with crossing(policy(rehearsal.url, second=rehearsal.url)) as gateway:
        for stream in (False, True):
            for spoken in others(asked):
                before = len(gateway.ledger.rows)
                rehearsal.requests.clear()
                rehearsal.rehearsal.prompter.clear()
                rehearsal.play(Step(faults=(SAID[spoken],)))
                answer = await say(gateway.port, asked, spoken, "hi", stream=stream)
                row = (await gateway.ledger.wait_for(before + 1))[-1]
                compacts(asked, answer, stream=stream)
                assert len(rehearsal.requests) == 1
                assert (row.http_status, row.outcome) == (400, Outcome.UPSTREAM_ERROR)


@pytest.mark.parametrize("asked", [Wire.MESSAGES, Wire.CHAT, Wire.GENERATE])
async def test_E90_the_same_inside_a_stream_of_nothing_yet(asked: Wire, rehearsal: RehearsalServer) -> None:
    fault = 'error at=first as=failed code=context_length_exceeded message="Your input exceeds the context window"'
    rehearsal.play(Step(faults=(fault,)))
    async with crossing(policy(rehearsal.url, second=rehearsal.url)) as gateway:
        answer = await say(gateway.port, asked, Wire.RESPONSES, "hi", stream=True)
        rows = await gateway.ledger.wait_for(1)
    compacts(asked, answer, stream=True)
    assert len(rows) == len(rehearsal.requests) == 1


async def test_E90_codex_on_its_own_protocol_gets_the_event_and_not_a_status(
    kind: str, rehearsal: RehearsalServer
) -> None:
    fault = 'error at=first as=failed code=context_length_exceeded message="Your input exceeds the context window"'
    rehearsal.play(Step(faults=(fault,)))
    async with crossing(policy(rehearsal.url, second=rehearsal.url), kind=kind) as gateway:
        answer = await say(gateway.port, Wire.RESPONSES, Wire.RESPONSES, "hi", stream=True)
        (row,) = await gateway.ledger.wait_for(1)
    compacts(Wire.RESPONSES, answer, stream=True)
    assert (row.translated, row.outcome, row.bytes_out) == (False, Outcome.UPSTREAM_ERROR, len(answer.body))
    assert answer.complete


async def test_E90_a_figure_that_the_provider_does_not_give_is_estimated() -> None:
    """Bedrock and OpenAI say only that it is too long; Claude Code wants to know by how much."""
    refusal = {
        "error": {
            "message": "Your input exceeds the context window of this model.",
            "type": "invalid_request_error",
            "param": "input",
            "code": "context_length_exceeded",
        }
    }
    async with ScriptedProvider(whole(json.dumps(refusal).encode(), "400 Bad Request")) as provider:
        async with crossing(policy(provider.url)) as gateway:
            said = {
                "model": named(Wire.RESPONSES),
                "max_tokens": 9,
                "messages": [{"role": "user", "content": "x " * 900_000}],
            }
            answer = await ask(gateway.port, "/anthropic/v1/messages", said)
    # one token for three bytes of 1.8 MB is less than the window of GPT-5.4, so it is said to be just above it
    assert answer.json["error"]["message"] == "prompt is too long: 1050001 tokens > 1050000 maximum"


async def test_E90_a_server_that_calls_it_a_500_is_not_asked_twice() -> None:
    """llama.cpp before 2025-09."""
    body = b'{"error":{"code":500,"message":"the request exceeds the available context size. try increasing the context size","type":"server_error"}}'
    async with ScriptedProvider(whole(body, "500 Internal Server Error")) as provider:
        async with crossing(policy(provider.url, second=provider.url)) as gateway:
            answer = await say(gateway.port, Wire.MESSAGES, Wire.CHAT, "hi")
        assert len(provider.requests) == 1
    assert answer.status == 400
    assert "prompt is too long" in answer.json["error"]["message"]


async def test_on_the_tools_own_protocol_the_providers_words_pass_untouched(kind: str) -> None:
    body = b'{ "type":"error", "error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}'
    async with ScriptedProvider(whole(body, "400 Bad Request"), stream(b"")) as provider:
        async with crossing(policy(provider.url, second=provider.url), kind=kind) as gateway:
            answer = await say(gateway.port, Wire.MESSAGES, Wire.MESSAGES, "hi")
        assert len(provider.requests) == 1
    assert (answer.status, answer.body) == (400, body)
