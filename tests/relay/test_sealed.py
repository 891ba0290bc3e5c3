"""Thoughts that only their maker can read: replayed to it, to nobody else, and mended where that goes wrong."""

import json
from typing import Any

import pytest

from tests.rehearsal_fixture import rehearsal
from tests.relay.crossing import crossing, named, policy
from tests.relay.scripted import Received, ScriptedProvider, whole
from tests.relay.tool import ANSWER, AUTH, Answer, ask
from waystation.model import Outcome, Wire
from waystation.rehearsal import RehearsalServer
from waystation.wire.canonical import Seal
from waystation.wire.codecs.seal import wrap

__all__ = ["rehearsal"]

SESSION = [AUTH, ("session-id", "s-1"), ("anthropic-version", "2023-06-01")]
REFUSED = json.dumps(
    {
        "error": {
            "message": "The encrypted content gAAA... could not be verified. Reason: Encrypted content could not be decrypted or parsed.",
            "type": "invalid_request_error",
            "param": None,
            "code": "invalid_encrypted_content",
        }
    }
).encode()
DONE = json.dumps(
    {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "gpt-5.4",
        "output": [
            {
                "type": "message",
                "id": "m",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "ok", "annotations": []}],
            }
        ],
        "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
    }
).encode()
OLD = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAold"}
NEW = {"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAAnew"}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "ls", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "a \u2028 b"}
HI = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}


def codex(*items: dict[str, Any], model: str = "") -> bytes:
    said = {"model": model or named(Wire.RESPONSES), "store": False, "input": items, "x_unknown": 1.5}
    return json.dumps(said, indent=1).encode()


def refusing() -> tuple[Any, Any]:
    return whole(REFUSED, "400 Bad Request"), whole(DONE)


def items(request: Received) -> list[Any]:
    found: list[Any] = json.loads(request.body)["input"]
    return found


async def test_E25_refused_seals_are_taken_out_and_the_same_route_is_asked_once_more(kind: str) -> None:
    """Outside the budget of attempts; and the next request of the session does not fail first."""
    async with ScriptedProvider(*refusing()) as provider:
        text = policy(provider.url, second=provider.url, extra="routing: {attempts: 1}\n")
        async with crossing(text, kind=kind) as gateway:
            first = await ask(
                gateway.port, "/openai/v1/responses", codex(HI, OLD, CALL, RESULT), headers=SESSION
            )
            second = await ask(
                gateway.port, "/openai/v1/responses", codex(HI, OLD, CALL, RESULT, NEW), headers=SESSION
            )
            rows = await gateway.ledger.wait_for(3)
    assert (first.status, second.status) == (200, 200)
    assert [(r.provider, r.outcome, r.attempt) for r in rows] == [
        ("oai", Outcome.UPSTREAM_ERROR, 1),
        ("oai", Outcome.COMPLETE, 2),
        ("oai", Outcome.COMPLETE, 1),
    ]
    assert rows[0].error == "invalid_request_error"
    assert rows[1].route_reason == "without seals"
    sent, again, later = provider.requests
    assert items(sent) == [HI, OLD, CALL, RESULT]
    bare = {
        key: value for key, value in CALL.items() if key != "id"
    }  # an id asks for the reasoning before it
    assert items(again) == [HI, bare, RESULT]
    assert items(later) == [HI, bare, RESULT, NEW]  # what the provider made since is its own
    assert b'"x_unknown":1.5' in again.body.replace(b" ", b"")


async def test_E25_only_once_and_only_if_there_are_seals() -> None:
    async with ScriptedProvider(whole(REFUSED, "400 Bad Request")) as provider:
        async with crossing(policy(provider.url)) as gateway:
            twice = await ask(gateway.port, "/openai/v1/responses", codex(HI, OLD), headers=SESSION)
            assert len(provider.requests) == 2
            none = await ask(gateway.port, "/openai/v1/responses", codex(HI), headers=SESSION)
            assert len(provider.requests) == 3
    assert (twice.status, twice.body) == (none.status, none.body) == (400, REFUSED)


async def test_E25_in_translation(kind: str) -> None:
    """Claude Code on GPT, after the deployment that sealed its thoughts has gone."""
    envelope = wrap(Seal(Wire.RESPONSES, "gAAAold", "oai"))
    said = {
        "model": named(Wire.RESPONSES),
        "max_tokens": 9,
        "messages": [
            {"role": "user", "content": "hi"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": envelope},
                    {"type": "text", "text": "hello"},
                ],
            },
            {"role": "user", "content": "go on"},
        ],
    }
    async with ScriptedProvider(*refusing()) as provider:
        async with crossing(policy(provider.url), kind=kind) as gateway:
            answers = [
                await ask(gateway.port, "/anthropic/v1/messages", said, headers=SESSION) for _ in range(2)
            ]
            rows = await gateway.ledger.wait_for(3)
    assert [answer.status for answer in answers] == [200, 200]
    assert [b"gAAAold" in request.body for request in provider.requests] == [True, False, False]
    assert [row.route_reason for row in rows] == ["only", "without seals", "only"]
    assert all(b"hello" in request.body for request in provider.requests)


def claude(signature: str, **more: Any) -> dict[str, Any]:
    """Claude Code in the middle of a tool loop."""
    thinking = {"type": "thinking", "thinking": "what GPT thought", "signature": signature}
    own = {"type": "thinking", "thinking": "what Claude thought", "signature": "EqRk+/=="}
    return {
        "model": named(Wire.MESSAGES),
        "max_tokens": 9000,
        "messages": [
            {"role": "user", "content": "hi \u2028"},
            {"role": "assistant", "content": [own, {"type": "text", "text": "first"}]},
            {"role": "user", "content": "work"},
            {
                "role": "assistant",
                "content": [thinking, {"type": "tool_use", "id": "t1", "name": "ls", "input": {}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "a"}]},
        ],
        **more,
    }


async def _turn_elsewhere(port: int) -> Answer:
    said = {"model": named(Wire.RESPONSES), "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    return await ask(port, "/anthropic/v1/messages", said, headers=SESSION)


async def test_E21_thoughts_of_another_model_never_reach_claude(kind: str) -> None:
    """The session was with GPT; now it goes on with Claude, by its own protocol. Its own thoughts stay as they are."""
    foreign = wrap(Seal(Wire.RESPONSES, "gAAA", "oai"))
    async with ScriptedProvider(whole(DONE), whole(ANSWER)) as provider:
        async with crossing(policy(provider.url), kind=kind) as gateway:
            await _turn_elsewhere(gateway.port)
            said = claude(foreign, thinking={"type": "adaptive"})
            answer = await ask(gateway.port, "/anthropic/v1/messages", said, headers=SESSION)
            stranger = [AUTH, ("session-id", "s-2"), ("anthropic-version", "2023-06-01")]
            other = claude("EqRk/own==")
            await ask(gateway.port, "/anthropic/v1/messages", other, headers=stranger)
    assert answer.status == 200
    arrived = json.loads(provider.requests[1].body)
    expected = json.loads(json.dumps(said)) | {"model": "claude-sonnet-4-5"}
    del expected["messages"][3]["content"][0]
    assert arrived == expected
    untouched = json.dumps(other).encode().replace(named(Wire.MESSAGES).encode(), b"claude-sonnet-4-5")
    assert provider.requests[2].body == untouched  # of another session: the tool's own bytes


async def test_E21_a_budgeted_thinker_does_not_think_on_without_its_first_thought() -> None:
    foreign = wrap(Seal(Wire.RESPONSES, "gAAA", "oai"))
    said = claude(
        foreign,
        thinking={"type": "enabled", "budget_tokens": 2000},
        context_management={
            "edits": [
                {"type": "clear_thinking_20251015", "keep": "all"},
                {"type": "clear_tool_uses_20250919"},
            ]
        },
    )
    async with ScriptedProvider(whole(DONE), whole(ANSWER)) as provider:
        async with crossing(policy(provider.url)) as gateway:
            await _turn_elsewhere(gateway.port)
            await ask(gateway.port, "/anthropic/v1/messages", said, headers=SESSION)
    arrived = json.loads(provider.requests[1].body)
    assert arrived["thinking"] == {"type": "disabled"}
    assert arrived["context_management"] == {"edits": [{"type": "clear_tool_uses_20250919"}]}


async def test_E21_a_session_that_this_gateway_does_not_know_is_mended_when_it_is_refused(kind: str) -> None:
    """After a restart, or on another node."""
    refused = b'{"type":"error","error":{"type":"invalid_request_error","message":"messages.3.content.0: Invalid `signature` in `thinking` block"}}'
    foreign = wrap(Seal(Wire.GENERATE, "abc", "goog"))
    async with ScriptedProvider(whole(refused, "400 Bad Request"), whole(ANSWER)) as provider:
        async with crossing(policy(provider.url), kind=kind) as gateway:
            answers = [
                await ask(gateway.port, "/anthropic/v1/messages", claude(foreign), headers=SESSION)
                for _ in range(2)
            ]
    assert [answer.status for answer in answers] == [200, 200]
    assert [b"what GPT thought" in r.body for r in provider.requests] == [True, False, False]


@pytest.mark.parametrize("wire", [Wire.RESPONSES, Wire.CHAT, Wire.GENERATE])
async def test_E21_E27_foreign_seals_in_every_protocol(wire: Wire) -> None:
    envelope = wrap(Seal(Wire.MESSAGES, "EqRk", "anth"))
    name = named(wire)
    histories: dict[Wire, tuple[str, dict[str, Any], Any]] = {
        Wire.RESPONSES: (
            "/openai/v1/responses",
            {
                "model": name,
                "input": [
                    {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": envelope},
                    HI,
                ],
            },
            [HI],
        ),
        Wire.CHAT: (
            "/openai/v1/chat/completions",
            {
                "model": name,
                "messages": [
                    {
                        "role": "assistant",
                        "content": None,
                        "tool_calls": [
                            {
                                "id": f"c1~{envelope}",
                                "type": "function",
                                "function": {"name": "f", "arguments": "{}"},
                            }
                        ],
                    },
                    {"role": "tool", "tool_call_id": f"c1~{envelope}", "content": "a"},
                ],
            },
            [
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                    ],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "a"},
            ],
        ),
        Wire.GENERATE: (
            f"/gemini/v1beta/models/{name}:generateContent",
            {
                "contents": [
                    {
                        "role": "model",
                        "parts": [
                            {"text": "t", "thought": True, "thoughtSignature": envelope},
                            {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": envelope},
                        ],
                    },
                    {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
                ]
            },
            [
                {
                    "role": "model",
                    "parts": [
                        {
                            "functionCall": {"name": "f", "args": {}},
                            "thoughtSignature": "skip_thought_signature_validator",
                        }
                    ],
                },
                {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]},
            ],
        ),
    }
    path, said, expected = histories[wire]
    async with ScriptedProvider(whole(ANSWER), whole(b"{}")) as provider:
        async with crossing(policy(provider.url)) as gateway:
            turn = {"model": named(Wire.MESSAGES), "input": "hi"}
            await ask(gateway.port, "/openai/v1/responses", turn, headers=SESSION)
            await ask(gateway.port, path, said, headers=SESSION)
    arrived = json.loads(provider.requests[1].body)
    assert (arrived.get("input") or arrived.get("messages") or arrived.get("contents")) == expected


async def test_thoughts_go_round_through_a_foreign_tool_and_back_to_their_maker(
    rehearsal: RehearsalServer,
) -> None:
    """Claude Code on GPT for two turns: what GPT sealed comes back to it as it made it. (The rehearsal provider
    refuses a sealed content that it did not make.)"""
    said: dict[str, Any] = {
        "model": named(Wire.RESPONSES),
        "max_tokens": 4000,
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "messages": [{"role": "user", "content": "think. say one"}],
    }
    async with crossing(policy(rehearsal.url)) as gateway:
        first = await ask(gateway.port, "/anthropic/v1/messages", said)
        said["messages"] += [
            {"role": "assistant", "content": first.json["content"]},
            {"role": "user", "content": "say two"},
        ]
        second = await ask(gateway.port, "/anthropic/v1/messages", said)
    assert [block["type"] for block in first.json["content"]] == ["thinking", "text"]
    assert second.json["content"][-1]["text"] == "[rehearsal] two"
    replayed = json.loads(rehearsal.requests[1].body)["input"]
    assert [item["type"] for item in replayed if item["type"] == "reasoning"] == ["reasoning"]
