"""The official SDK clients, unchanged, against the served provider."""

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio
from google import genai
from google.genai import errors as google_errors
from google.genai import types as gm
from tests.rehearsal.asking import SCHEMA, SHELL, tools
from tests.rehearsal_fixture import rehearsal

from waystation.model import Wire
from waystation.rehearsal import RehearsalServer, Script, Step, When

__all__ = ["rehearsal"]
pytestmark = pytest.mark.sdk

CLAUDE = "claude-haiku-4-5"


@pytest_asyncio.fixture
async def claude(rehearsal: RehearsalServer) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        base_url=rehearsal.url + "/anthropic", api_key="k", max_retries=0
    ) as client:
        yield client


@pytest_asyncio.fixture
async def gpt(rehearsal: RehearsalServer) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=rehearsal.url + "/openai/v1", api_key="k", max_retries=0
    ) as client:
        yield client


@pytest.fixture
def gemini(rehearsal: RehearsalServer) -> genai.Client:
    return genai.Client(api_key="k", http_options=gm.HttpOptions(base_url=rehearsal.url + "/gemini"))


# Anthropic


async def test_anthropic_works_a_tool_through_with_thinking_replayed(
    claude: anthropic.AsyncAnthropic,
) -> None:
    declared = tools(Wire.MESSAGES)
    said: list[anthropic.types.MessageParam] = [
        {"role": "user", "content": "think. create a.txt containing hi"}
    ]
    async with claude.messages.stream(
        model=CLAUDE,
        max_tokens=4000,
        messages=said,
        tools=declared,
        thinking={"type": "enabled", "budget_tokens": 2000},
    ) as stream:
        first = await stream.get_final_message()
    assert first.stop_reason == "tool_use"
    assert [b.type for b in first.content] == ["thinking", "text", "tool_use"]
    call = first.content[-1]
    assert call.type == "tool_use"
    assert call.input == {"path": "a.txt", "content": "hi"}
    said += [
        first.to_param(),
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "written"}]},
    ]
    second = await claude.messages.create(
        model=CLAUDE,
        max_tokens=4000,
        messages=said,
        tools=declared,
        thinking={"type": "enabled", "budget_tokens": 2000},
    )
    assert second.stop_reason == "end_turn"
    assert second.content[-1].type == "text"
    assert "written" in second.content[-1].text


async def test_anthropic_refuses_thinking_that_was_altered_on_the_way(
    claude: anthropic.AsyncAnthropic,
) -> None:
    said: list[anthropic.types.MessageParam] = [{"role": "user", "content": "think. say hi"}]
    first = await claude.messages.create(
        model=CLAUDE, max_tokens=4000, messages=said, thinking={"type": "enabled", "budget_tokens": 2000}
    )
    replayed = first.to_param()
    blocks = [b.model_dump() for b in first.content]
    blocks[0]["thinking"] += " "
    replayed["content"] = blocks  # type: ignore[typeddict-item]  # dumped by the SDK itself
    with pytest.raises(anthropic.BadRequestError, match="Invalid `signature` in `thinking` block"):
        await claude.messages.create(
            model=CLAUDE, max_tokens=4000, messages=[*said, replayed, {"role": "user", "content": "go on"}]
        )


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ("401", anthropic.AuthenticationError),
        ("403", anthropic.PermissionDeniedError),
        ("404", anthropic.NotFoundError),
        ("429 retry-after=3", anthropic.RateLimitError),
        ("500", anthropic.InternalServerError),
        ("529", anthropic.InternalServerError),
    ],
)
async def test_anthropic_errors_become_the_sdks_own(
    rehearsal: RehearsalServer,
    claude: anthropic.AsyncAnthropic,
    fault: str,
    raised: type[anthropic.APIStatusError],
) -> None:
    rehearsal.play(Step(faults=(fault,)))
    with pytest.raises(raised) as caught:
        await claude.messages.create(model=CLAUDE, max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    assert caught.value.response.headers["request-id"]
    assert caught.value.response.headers.get("retry-after") == ("3" if "429" in fault else None)


async def test_anthropic_error_inside_the_stream_is_raised(
    rehearsal: RehearsalServer, claude: anthropic.AsyncAnthropic
) -> None:
    rehearsal.play(Step(faults=("error at=content type=overloaded_error",)))
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        async with claude.messages.stream(
            model=CLAUDE, max_tokens=99, messages=[{"role": "user", "content": "say one two three four five"}]
        ) as stream:
            await stream.get_final_message()


async def test_anthropic_sdk_retries_a_429_and_then_succeeds(rehearsal: RehearsalServer) -> None:
    rehearsal.play(Step(faults=("429 retry-after=0.01",), times=1))
    async with anthropic.AsyncAnthropic(base_url=rehearsal.url + "/anthropic", api_key="k") as client:
        said = await client.messages.create(
            model=CLAUDE, max_tokens=99, messages=[{"role": "user", "content": "say hi"}]
        )
    assert said.content[0].type == "text"
    assert said.content[0].text == "[rehearsal] hi"
    assert [r.status for r in rehearsal.requests] == [429, 200]


async def test_anthropic_counts_and_lists(claude: anthropic.AsyncAnthropic) -> None:
    few = await claude.messages.count_tokens(model=CLAUDE, messages=[{"role": "user", "content": "hi"}])
    many = await claude.messages.count_tokens(
        model=CLAUDE,
        messages=[{"role": "user", "content": "hi"}],
        tools=tools(Wire.MESSAGES),
        system="Be kind.",
    )
    assert many.input_tokens > few.input_tokens > 0
    listed = [m.id async for m in await claude.models.list(limit=2)]
    assert "rehearsal" in listed
    assert len(listed) == len(set(listed)) == 5


# OpenAI


async def test_responses_works_a_tool_through_and_remembers_the_response(gpt: openai.AsyncOpenAI) -> None:
    async with gpt.responses.stream(
        model="gpt-5.4",
        input="think. create a.txt containing hi",
        tools=tools(Wire.RESPONSES),
        reasoning={"summary": "auto"},
        include=["reasoning.encrypted_content"],
    ) as stream:
        first = await stream.get_final_response()
    reasoning, _, call = first.output
    assert reasoning.type == "reasoning"
    assert reasoning.encrypted_content
    assert reasoning.summary
    assert call.type == "function_call"
    assert call.arguments == '{"path":"a.txt","content":"hi"}'
    second = await gpt.responses.create(
        model="gpt-5.4",
        previous_response_id=first.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "written"}],
        tools=tools(Wire.RESPONSES),
    )
    assert "written" in second.output_text
    with pytest.raises(openai.BadRequestError) as caught:
        await gpt.responses.create(model="gpt-5.4", previous_response_id="resp_other", input="go on")
    assert caught.value.param == "previous_response_id"


async def test_responses_refuses_reasoning_that_another_account_sealed(gpt: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await gpt.responses.create(
            model="gpt-5.4",
            input=[
                {"role": "user", "content": "hi"},
                {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "b3RoZXI="},
                {"role": "user", "content": "go on"},
            ],
        )
    assert caught.value.code == "invalid_encrypted_content"


async def test_responses_counts_input_tokens(gpt: openai.AsyncOpenAI) -> None:
    counted = await gpt.responses.input_tokens.count(model="gpt-5.4", input="x" * 400)
    assert counted.input_tokens > 100


async def test_chat_streams_parallel_calls_whether_interleaved_or_not(
    rehearsal: RehearsalServer, gpt: openai.AsyncOpenAI
) -> None:
    words = "create a.txt containing hi and run ls -la in parallel"
    for fault in ((), ("interleave",)):
        rehearsal.rehearsal.prompter.clear()
        rehearsal.play(Step(faults=fault))
        async with gpt.chat.completions.stream(
            model="gpt-5.4",
            messages=[{"role": "user", "content": words}],
            tools=tools(Wire.CHAT),
            stream_options={"include_usage": True},
        ) as stream:
            done = await stream.get_final_completion()
        calls = done.choices[0].message.tool_calls or []
        assert [c.function.arguments for c in calls] == [
            '{"path":"a.txt","content":"hi"}',
            '{"command":"ls -la"}',
        ]
        assert done.choices[0].finish_reason == "tool_calls"
        assert done.usage is not None


async def test_chat_answers_after_the_tools_result(gpt: openai.AsyncOpenAI) -> None:
    messages: list[openai.types.chat.ChatCompletionMessageParam] = [{"role": "user", "content": "run ls"}]
    first = await gpt.chat.completions.create(model="gpt-5.4", messages=messages, tools=tools(Wire.CHAT))
    (call,) = first.choices[0].message.tool_calls or []
    messages += [
        first.choices[0].message.model_dump(exclude_none=True),  # type: ignore[list-item]  # the SDK's own dump
        {"role": "tool", "tool_call_id": call.id, "content": "a.txt"},
    ]
    second = await gpt.chat.completions.create(model="gpt-5.4", messages=messages, tools=tools(Wire.CHAT))
    assert "a.txt" in (second.choices[0].message.content or "")
    assert second.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ("401", openai.AuthenticationError),
        ("403", openai.PermissionDeniedError),
        ("429 retry-after=3", openai.RateLimitError),
        ("500", openai.InternalServerError),
        ("reset", openai.APIConnectionError),
    ],
)
async def test_openai_errors_become_the_sdks_own(
    rehearsal: RehearsalServer, gpt: openai.AsyncOpenAI, fault: str, raised: type[Exception]
) -> None:
    rehearsal.play(Step(faults=(fault,)))
    with pytest.raises(raised):
        await gpt.responses.create(model="gpt-5.4", input="hi")


async def test_openai_error_inside_the_stream_is_raised(
    rehearsal: RehearsalServer, gpt: openai.AsyncOpenAI
) -> None:
    rehearsal.play(Step(faults=("error at=content",)))
    with pytest.raises(openai.APIError):
        async for _ in await gpt.chat.completions.create(
            model="gpt-5.4",
            stream=True,
            messages=[{"role": "user", "content": "say one two three four five"}],
        ):
            pass


async def test_openai_lists_models_and_embeds(gpt: openai.AsyncOpenAI) -> None:
    assert "rehearsal" in [m.id async for m in await gpt.models.list()]
    same = await gpt.embeddings.create(model="text-embedding-3-small", input=["a", "a", "b"], dimensions=16)
    first, again, other = (d.embedding for d in same.data)
    assert first == again != other
    assert same.usage.prompt_tokens == 3


async def test_only_the_scripts_keys_are_accepted() -> None:
    async with (
        RehearsalServer(Script(keys=("right",))) as server,
        openai.AsyncOpenAI(base_url=server.url + "/openai/v1", api_key="wrong", max_retries=0) as client,
    ):
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.responses.create(model="gpt-5.4", input="hi")
        assert caught.value.code == "invalid_api_key"
        client.api_key = "right"
        assert (
            await client.responses.create(model="gpt-5.4", input="say hi")
        ).output_text == "[rehearsal] hi"


# Google


async def test_gemini_works_a_tool_through_with_thought_signatures(gemini: genai.Client) -> None:
    declared = gm.Tool(
        function_declarations=[
            gm.FunctionDeclaration(name="write_file", parameters_json_schema=SCHEMA),
            gm.FunctionDeclaration(name="run_shell_command", parameters_json_schema=SHELL),
        ]
    )
    config = gm.GenerateContentConfig(
        tools=[declared],
        thinking_config=gm.ThinkingConfig(include_thoughts=True),
        automatic_function_calling=gm.AutomaticFunctionCallingConfig(disable=True),
    )
    words = gm.Content(role="user", parts=[gm.Part(text="think. create a.txt containing hi")])
    parts: list[gm.Part] = []
    async for chunk in await gemini.aio.models.generate_content_stream(
        model="gemini-2.5-pro", contents=[words], config=config
    ):
        assert chunk.candidates
        assert chunk.candidates[0].content
        parts += chunk.candidates[0].content.parts or []
        last = chunk
    assert parts[0].thought
    call = parts[-1].function_call
    assert call is not None
    assert call.args == {"path": "a.txt", "content": "hi"}
    assert parts[-1].thought_signature
    assert last.usage_metadata is not None
    assert last.usage_metadata.thoughts_token_count
    result = gm.FunctionResponse(id=call.id, name=call.name, response={"output": "written"})
    second = await gemini.aio.models.generate_content(
        model="gemini-2.5-pro",
        contents=[
            words,
            gm.Content(role="model", parts=parts),
            gm.Content(role="user", parts=[gm.Part(function_response=result)]),
        ],
        config=config,
    )
    assert "written" in (second.text or "")


async def test_gemini_counts_lists_and_embeds(gemini: genai.Client) -> None:
    counted = await gemini.aio.models.count_tokens(model="gemini-2.5-pro", contents="x" * 400)
    assert (counted.total_tokens or 0) > 100
    listed = [m async for m in await gemini.aio.models.list(config={"page_size": 2})]
    assert len(listed) == 4
    assert "generateContent" in (listed[0].supported_actions or [])
    words: list[Any] = ["a", "b"]  # the SDK's own type wants more than strings where Pillow is installed
    made = await gemini.aio.models.embed_content(
        model="gemini-embedding-001", contents=words, config={"output_dimensionality": 8}
    )
    assert [len(e.values or []) for e in made.embeddings or []] == [8, 8]


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        ("403", google_errors.ClientError),
        ("429", google_errors.ClientError),
        ("503", google_errors.ServerError),
    ],
)
async def test_gemini_errors_become_the_sdks_own(
    rehearsal: RehearsalServer, gemini: genai.Client, fault: str, raised: type[google_errors.APIError]
) -> None:
    rehearsal.play(Step(when=When(wire=Wire.GENERATE), faults=(fault,)))
    with pytest.raises(raised) as caught:
        await gemini.aio.models.generate_content(model="gemini-2.5-pro", contents="hi")
    assert caught.value.code == int(fault)
