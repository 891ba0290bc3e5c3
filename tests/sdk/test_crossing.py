"""Each official SDK before a model of each other provider: they cannot tell that anything was translated.

Two turns with thinking and parallel tools, the first streamed and the second whole, by the SDKs' own types.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest
from anthropic.types import MessageParam
from google import genai
from google.genai import types as gm

from tests.rehearsal.asking import tools
from tests.relay.crossing import MODELS, named, policy
from tests.sdk import test_anthropic, test_gemini, test_openai
from tests.sdk.published import Buckets
from tests.stage import Row, Stage, staged
from waystation.model import Wire

WORK = "think. create a.txt containing hi and run ls -la in parallel"
CALLS = [{"path": "a.txt", "content": "hi"}, {"command": "ls -la"}]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("crossing"), policy=policy, env={"K": "k"}) as stage:
        yield stage


class Session:
    """One SDK's requests: where they go, and the rows that they left."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.id = uuid.uuid4().hex
        self.headers = {"x-session-id": self.id}

    def rows(self, spoken: Wire, *usages: Buckets) -> list[Row]:
        """Asserts that the ledger has what the SDK was told, token for token, and nothing else."""
        rows = [row for row in self.stage.rows() if row["tool_session"] == self.id]
        assert [row["upstream_wire"] for row in rows] == [spoken] * len(usages)
        assert all(row["translated"] and row["usage_source"] == "provider" for row in rows)
        assert [row["outcome"] for row in rows] == ["complete"] * len(usages)
        for row, told in zip(rows, usages, strict=True):
            prompt = told.input + told.cache_read + told.write_5m + told.write_1h
            kept = sum(
                row[f"{kind}_tokens"] for kind in ("input", "cache_read", "cache_write_5m", "cache_write_1h")
            )
            assert (prompt, told.cache_read, told.output) == (
                kept,
                row["cache_read_tokens"],
                row["output_tokens"],
            )
            assert row["cost_nano"] is not None
        return rows


@pytest.fixture
def session(running: Stage) -> Session:
    running.provider.rehearsal.prompter.clear()
    running.provider.requests.clear()
    return Session(running)


def others(wire: Wire) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("spoken", [spoken for spoken in MODELS if spoken is not wire])


@others(Wire.MESSAGES)
def test_the_anthropic_sdk(session: Session, spoken: Wire) -> None:
    asked: dict[str, Any] = {
        "model": named(spoken),
        "max_tokens": 4000,
        "tools": tools(Wire.MESSAGES),
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    }
    said: list[MessageParam] = [{"role": "user", "content": WORK}]
    with anthropic.Anthropic(
        base_url=f"{session.stage.url}/anthropic",
        auth_token=session.stage.token,
        max_retries=0,
        default_headers=session.headers,
    ) as client:
        with client.messages.stream(messages=said, **asked) as stream:
            kinds = [event.type for event in stream]
            first = stream.get_final_message()
        calls = [block for block in first.content if block.type == "tool_use"]
        results: Any = [{"type": "tool_result", "tool_use_id": call.id, "content": "done"} for call in calls]
        said += [first.to_param(), {"role": "user", "content": results}]
        second = client.messages.create(messages=said, **asked)
        counted = client.messages.count_tokens(model=named(spoken), messages=said, tools=asked["tools"])
    assert kinds.count("message_start") == kinds.count("message_stop") == 1
    assert [call.input for call in calls] == CALLS
    assert (first.stop_reason, second.stop_reason) == ("tool_use", "end_turn")
    assert first.model == second.model == named(spoken)
    if spoken is not Wire.CHAT:
        assert first.content[0].type == "thinking"
        assert first.content[0].signature
    assert "done" in "".join(block.text for block in second.content if block.type == "text")
    assert counted.input_tokens > 50
    rows = [row for row in session.stage.rows() if row["tool_session"] == session.id]
    assert {row["operation"] for row in rows} >= {"generate"}
    generated = [row for row in rows if row["operation"] == "generate"]
    assert [row["output_tokens"] for row in generated] == [
        first.usage.output_tokens,
        second.usage.output_tokens,
    ]
    used = test_anthropic.used(first)
    assert generated[0]["input_tokens"] + generated[0]["cache_read_tokens"] == used.input + used.cache_read
    assert stream.request_id == generated[0]["request_id"]


@others(Wire.RESPONSES)
def test_the_openai_sdk_by_responses(session: Session, spoken: Wire) -> None:
    """As Codex does it: without a store at the provider, so sealed reasoning goes back and forth."""
    asked: dict[str, Any] = {
        "model": named(spoken),
        "tools": tools(Wire.RESPONSES),
        "reasoning": {"effort": "medium", "summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
    }
    with openai.OpenAI(
        base_url=f"{session.stage.url}/openai/v1",
        api_key=session.stage.token,
        max_retries=0,
        default_headers=session.headers,
    ) as client:
        with client.responses.stream(input=WORK, **asked) as stream:
            for _ in stream:
                pass
            first = stream.get_final_response()
        calls = [item for item in first.output if item.type == "function_call"]
        said: list[Any] = [{"role": "user", "content": WORK}]
        said += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output]
        said += [
            {"type": "function_call_output", "call_id": call.call_id, "output": "done"} for call in calls
        ]
        second = client.responses.create(input=said, **asked)
    assert [call.arguments for call in calls] == ['{"path":"a.txt","content":"hi"}', '{"command":"ls -la"}']
    if spoken is not Wire.CHAT:
        assert first.output[0].type == "reasoning"
        assert first.output[0].encrypted_content
    assert "done" in second.output_text
    assert (first.status, second.status, second.model) == ("completed", "completed", named(spoken))
    session.rows(spoken, test_openai.responded(first.usage), test_openai.responded(second.usage))


@others(Wire.CHAT)
def test_the_openai_sdk_by_chat_completions(session: Session, spoken: Wire) -> None:
    asked: dict[str, Any] = {"model": named(spoken), "tools": tools(Wire.CHAT), "reasoning_effort": "medium"}
    said: list[Any] = [{"role": "user", "content": WORK}]
    with openai.OpenAI(
        base_url=f"{session.stage.url}/openai/v1",
        api_key=session.stage.token,
        max_retries=0,
        default_headers=session.headers,
    ) as client:
        with client.chat.completions.stream(
            messages=said, stream_options={"include_usage": True}, **asked
        ) as stream:
            for _ in stream:
                pass
            first = stream.get_final_completion()
        calls = first.choices[0].message.tool_calls or []
        said += [
            first.choices[0].message.to_dict(),
            *({"role": "tool", "tool_call_id": call.id, "content": "done"} for call in calls),
        ]
        second = client.chat.completions.create(messages=said, **asked)
    assert [call.function.arguments for call in calls] == [
        '{"path":"a.txt","content":"hi"}',
        '{"command":"ls -la"}',
    ]
    assert (first.choices[0].finish_reason, second.choices[0].finish_reason) == ("tool_calls", "stop")
    assert "done" in (second.choices[0].message.content or "")
    session.rows(spoken, test_openai.completed(first.usage), test_openai.completed(second.usage))


@others(Wire.GENERATE)
def test_the_google_sdk(session: Session, spoken: Wire) -> None:
    options = gm.HttpOptions(base_url=f"{session.stage.url}/gemini", headers=session.headers)
    client = genai.Client(api_key=session.stage.token, http_options=options)
    config = gm.GenerateContentConfig(
        tools=[test_gemini.TOOLS],
        thinking_config=gm.ThinkingConfig(include_thoughts=True, thinking_budget=2000),
        automatic_function_calling=gm.AutomaticFunctionCallingConfig(disable=True),
    )
    words = gm.Content(role="user", parts=[gm.Part(text=WORK)])
    parts: list[gm.Part] = []
    last: Any = None
    for chunk in client.models.generate_content_stream(model=named(spoken), contents=[words], config=config):
        parts += [part for one in chunk.candidates or () if one.content for part in one.content.parts or ()]
        last = chunk
    calls = [part.function_call for part in parts if part.function_call]
    assert [call.args for call in calls] == CALLS
    if spoken is not Wire.CHAT:
        assert any(part.thought for part in parts)
    results = [
        gm.Part(
            function_response=gm.FunctionResponse(id=call.id, name=call.name, response={"output": "done"})
        )
        for call in calls
    ]
    said = [words, gm.Content(role="model", parts=parts), gm.Content(role="user", parts=results)]
    second = client.models.generate_content(model=named(spoken), contents=said, config=config)
    assert "done" in (second.text or "")
    session.rows(spoken, test_gemini.used(last.usage_metadata), test_gemini.used(second.usage_metadata))
    assert (client.models.count_tokens(model=named(spoken), contents="x" * 400).total_tokens or 0) > 100


@others(Wire.MESSAGES)
def test_a_limit_is_the_sdks_own_exception(session: Session, spoken: Wire) -> None:
    with anthropic.Anthropic(
        base_url=f"{session.stage.url}/anthropic", auth_token=session.stage.token, max_retries=0
    ) as client:
        with pytest.raises(anthropic.RateLimitError) as caught:
            client.messages.create(
                model=named(spoken),
                max_tokens=10,
                messages=[{"role": "user", "content": "hi [[rehearse: 429 retry-after=99]]"}],
            )
    assert caught.value.response.headers["retry-after"] == "99"
    assert caught.value.body["error"]["type"] == "rate_limit_error"  # type: ignore[index]  # an object


@pytest.mark.parametrize("spoken", [Wire.MESSAGES, Wire.GENERATE, Wire.CONVERSE])
def test_a_long_prompt_is_the_code_that_openais_clients_look_for(session: Session, spoken: Wire) -> None:
    words = {
        Wire.MESSAGES: "prompt is too long: 9 tokens > 8 maximum",
        Wire.GENERATE: "The input token count (9) exceeds the maximum number of tokens allowed (8).",
        Wire.CONVERSE: "Input is too long for requested model.",
    }[spoken]
    with openai.OpenAI(
        base_url=f"{session.stage.url}/openai/v1", api_key=session.stage.token, max_retries=0
    ) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(
                model=named(spoken),
                messages=[{"role": "user", "content": f'hi [[rehearse: 400 message="{words}"]]'}],
            )
    assert caught.value.code == "context_length_exceeded"
