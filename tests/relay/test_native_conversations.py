"""On the tool's own protocol a conversation passes as it is, however odd: only translation may mend it.

Each case is a request that broke some gateway (the E numbers) because it was "cleaned" on the way.
"""

import json
from typing import Any

import pytest

from tests.relay.conftest import open_relay, policy_text
from tests.relay.scripted import ScriptedProvider, stream, whole
from tests.relay.tool import ANSWER, AUTH, BLOCK, DELTA, DONE, START, STOP, STREAMED, ask, event

MESSAGES_PATH = "/anthropic/v1/messages"
RESPONSES_PATH = "/openai/v1/responses"
CHAT_PATH = "/openai/v1/chat/completions"
GEMINI_PATH = "/gemini/v1beta/models/gemini-2.5-pro:generateContent"


def anthropic(messages: list[Any], **more: Any) -> dict[str, Any]:
    return {"model": "claude-sonnet-4-5", "max_tokens": 10, "messages": messages, **more}


def chat(messages: list[Any], **more: Any) -> dict[str, Any]:
    return {"model": "gpt-5.4", "messages": messages, **more}


def responses(items: list[Any], **more: Any) -> dict[str, Any]:
    return {"model": "gpt-5.4", "input": items, "store": False, **more}


THINKING = {"type": "thinking", "thinking": "hm  \u2028 …", "signature": "EqRk+/=="}
TOOL_USE = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {"command": "ls"}}

CASES: dict[str, tuple[str, Any]] = {
    "E21 E22 thinking signed by anybody, or by nobody": (
        MESSAGES_PATH,
        anthropic(
            [
                {"role": "assistant", "content": [{**THINKING, "signature": ""}, {"type": "thinking", "thinking": "x"}]},
                {"role": "user", "content": "go on"},
            ]
        ),
    ),
    "E23 redacted thinking": (
        MESSAGES_PATH,
        anthropic([{"role": "assistant", "content": [{"type": "redacted_thinking", "data": "AAEC/w=="}, THINKING]}]),
    ),
    "E25 E26 sealed and bare reasoning items": (
        RESPONSES_PATH,
        responses(
            [
                {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAA…=="},
                {"type": "reasoning", "id": "rs_2", "summary": []},
            ],
            include=["reasoning.encrypted_content"],
        ),
    ),
    "E27 a function call without its thought signature": (
        GEMINI_PATH,
        {"contents": [{"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}, {"thoughtSignature": "x"}]}]},
    ),
    "E30 E31 freeform tools": (
        RESPONSES_PATH,
        responses(
            [{"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** Begin Patch\n*** End Patch"}],
            tools=[{"type": "custom", "name": "apply_patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}}],
        ),
    ),
    "E32 namespace tools": (
        RESPONSES_PATH,
        responses([], tools=[{"type": "namespace", "name": "mcp__x__", "tools": [{"type": "function", "name": "look", "parameters": {}}]}]),
    ),
    "E33 E34 schemas with everything": (
        GEMINI_PATH,
        {"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"$defs": {"a": {"const": 1}}, "$ref": "#/$defs/a", "additionalProperties": False}}]}]},
    ),
    "E60 E63 E65 cache marks of both lifetimes": (
        MESSAGES_PATH,
        anthropic(
            [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]}],
            system=[{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            tools=[{"name": "t", "input_schema": {}, "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        ),
    ),
    "E61 E62 E64 no cache marks at all": (MESSAGES_PATH, anthropic([{"role": "user", "content": "hi"}], system="s")),
    "E70 a result without a call id": (
        RESPONSES_PATH,
        responses([{"type": "function_call_output", "call_id": "", "output": "x"}, {"type": "function_call_output", "output": "y"}]),
    ),
    "E71 a tool call that was never answered": (
        MESSAGES_PATH,
        anthropic([{"role": "assistant", "content": [TOOL_USE]}, {"role": "user", "content": "never mind"}]),
    ),
    "E72 E73 E97 results without calls, and twice": (
        CHAT_PATH,
        chat([{"role": "tool", "tool_call_id": "call_1", "content": "a"}, {"role": "tool", "tool_call_id": "call_1", "content": "b"}]),
    ),
    "E75 E76 long names and odd ids": (
        CHAT_PATH,
        chat([{"role": "assistant", "content": None, "tool_calls": [{"id": "fc_1|a.b:c", "type": "function", "function": {"name": "mcp__" + "x" * 80, "arguments": "{}"}}]}]),
    ),
    "E77 E78 images in results, and empty text": (
        MESSAGES_PATH,
        anthropic(
            [
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": ""}, {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}}]}]},
                {"role": "assistant", "content": ""},
            ]
        ),
    ),
    "E80 E81 server tools and their blocks": (
        MESSAGES_PATH,
        anthropic(
            [{"role": "assistant", "content": [{"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}}, {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result", "encrypted_content": "Zz==", "url": "u", "title": "t"}]}]}],
            tools=[{"type": "web_search_20250305", "name": "web_search", "max_uses": 8}],
        ),
    ),
    "E85 a response that continues another": (RESPONSES_PATH, responses([], previous_response_id="resp_abc", store=True)),
    "E91 more output than any model gives": (MESSAGES_PATH, anthropic([], max_tokens=10_000_000)),
    "E103 a forced tool with thinking": (
        MESSAGES_PATH,
        anthropic([], thinking={"type": "enabled", "budget_tokens": 2000}, tool_choice={"type": "any"}),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("path", "body"), CASES.values(), ids=CASES.keys())
async def test_native_requests_arrive_byte_for_byte(path: str, body: Any, kind: str) -> None:
    for raw in (json.dumps(body).encode(), json.dumps(body, indent=1, ensure_ascii=False).encode()):
        async with (
            ScriptedProvider(whole(b"{}")) as provider,
            open_relay(policy_text(provider.url), kind=kind) as gateway,
        ):
            answer = await ask(gateway.port, path, raw)
            assert answer.status == 200, answer.body
            assert provider.requests[0].body == raw


async def test_E82_betas_reach_anthropic_all_of_them(kind: str) -> None:
    betas = "claude-code-20250219,interleaved-thinking-2025-05-14,of-next-year-2027-01-01"
    body = anthropic([], anthropic_beta=["in-the-body-2026-01-01"])
    async with (
        ScriptedProvider(whole(ANSWER)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        await ask(gateway.port, MESSAGES_PATH + "?beta=true", body, headers=[AUTH, ("anthropic-beta", betas)])
        got = provider.requests[0]
    assert got.header("anthropic-beta") == betas
    assert json.loads(got.body)["anthropic_beta"] == ["in-the-body-2026-01-01"]


async def test_E81_E95_pings_server_tools_and_citations_pass_as_they_are(kind: str) -> None:
    search = event(
        "content_block_start",
        {
            "index": 1,
            "content_block": {
                "type": "server_tool_use",
                "id": "srvtoolu_1",
                "name": "web_search",
                "input": {},
            },
        },
    )
    cite = event(
        "content_block_delta",
        {
            "index": 0,
            "delta": {
                "type": "citations_delta",
                "citation": {
                    "type": "web_search_result_location",
                    "cited_text": "x",
                    "url": "u",
                    "title": None,
                    "encrypted_index": "E==",
                },
            },
        },
    )
    pause = event(
        "message_delta",
        {"delta": {"stop_reason": "pause_turn", "stop_sequence": None}, "usage": {"output_tokens": 9}},
    )
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    text = (
        START
        + ping
        + BLOCK
        + ping
        + cite
        + DELTA
        + STOP
        + search
        + event("content_block_stop", {"index": 1})
        + pause
        + DONE
    )
    async with (
        ScriptedProvider(stream(text)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        answer = await ask(gateway.port, MESSAGES_PATH, STREAMED)
        (row,) = gateway.ledger.rows
    assert answer.body == text
    assert row.finish_reason == "pause_turn"


async def test_E50_one_reader_for_stream_and_whole_answer_of_every_protocol(kind: str) -> None:
    """The same usage by two ways in: the two rows cost the same to the nano-dollar."""
    usage = {
        "prompt_tokens": 1000,
        "prompt_tokens_details": {"cached_tokens": 600},
        "completion_tokens": 50,
        "completion_tokens_details": {"reasoning_tokens": 20},
        "total_tokens": 1050,
    }
    base = {"id": "c", "created": 1, "model": "gpt-5.4"}
    plain = {
        **base,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
        "usage": usage,
    }
    chunk = {
        **base,
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": "x"}, "finish_reason": "stop"}],
    }
    last = {**base, "object": "chat.completion.chunk", "choices": [], "usage": usage}
    events = "".join(f"data: {json.dumps(e)}\n\n" for e in (chunk, last)) + "data: [DONE]\n\n"
    async with ScriptedProvider(whole(json.dumps(plain).encode()), stream(events.encode())) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            await ask(gateway.port, CHAT_PATH, chat([]))
            await ask(gateway.port, CHAT_PATH, chat([], stream=True))
            one, two = gateway.ledger.rows
    assert (one.input_tokens, one.cache_read_tokens, one.output_tokens, one.reasoning_tokens) == (
        400,
        600,
        50,
        20,
    )
    assert (two.input_tokens, two.cache_read_tokens, two.output_tokens, two.reasoning_tokens) == (
        400,
        600,
        50,
        20,
    )
    assert one.cost_nano == two.cost_nano
    assert one.cost_nano


async def test_E10_E11_interleaved_tool_deltas_and_text_after_a_call_pass_as_they_are(kind: str) -> None:
    def delta(**fields: Any) -> bytes:
        choice = {"index": 0, "delta": fields, "finish_reason": None}
        return f"data: {json.dumps({'id': 'c', 'object': 'chat.completion.chunk', 'created': 1, 'model': 'gpt-5.4', 'choices': [choice]})}\n\n".encode()

    call = [
        {"index": i, "id": f"call_{i}", "type": "function", "function": {"name": "f", "arguments": ""}}
        for i in (0, 1)
    ]
    more = [{"index": i, "function": {"arguments": part}} for part in ('{"a"', ":1}") for i in (1, 0)]
    text = (
        delta(tool_calls=call)
        + b"".join(delta(tool_calls=[m]) for m in more)
        + delta(content="\n")
        + b"data: [DONE]\n\n"
    )
    async with (
        ScriptedProvider(stream(text)) as provider,
        open_relay(policy_text(provider.url), kind=kind) as gateway,
    ):
        answer = await ask(
            gateway.port, CHAT_PATH, chat([], stream=True, stream_options={"include_usage": True})
        )
    assert answer.body == text


async def test_azure_is_an_entry_of_data(kind: str) -> None:
    async with ScriptedProvider(whole(b"{}")) as provider:
        text = f"""version: 1
providers:
  azure: {{kind: azure-openai, base_url: "{provider.url}", credential: env:K, api_version: "2025-04-01-preview"}}
models:
  gpt-5.4: {{routes: [{{provider: azure, model: my-deployment}}]}}
"""
        async with open_relay(text, kind=kind, credentials={"azure": (b"api-key", b"k")}) as gateway:
            answer = await ask(gateway.port, CHAT_PATH + "?x=1", chat([]))
            assert answer.status == 200, answer.body
            got = provider.requests[0]
    assert got.header("api-key") == "k"
    assert "my-deployment" in got.line or json.loads(got.body)["model"] == "my-deployment"
    assert "api-version=2025-04-01-preview&x=1" in got.line
