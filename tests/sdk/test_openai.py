"""The `openai` SDK through the gateway, by Responses, Chat Completions and Embeddings."""

import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionMessageParam
from openai.types.responses import ResponseUsage

from tests.rehearsal.asking import tools
from tests.sdk.conftest import Ledger
from tests.sdk.published import Buckets
from tests.stage import Stage
from waystation.model import Usage, Wire
from waystation.rehearsal import Line, RehearsalServer, Step

MODEL = "gpt-5.4"
WORK = "think. create a.txt containing hi and run ls -la in parallel"
HI: list[ChatCompletionMessageParam] = [{"role": "user", "content": "say hi"}]
LONG_WINDED = "say one two three four five six"


@pytest.fixture
def gpt(stage: Stage, ledger: Ledger) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        base_url=f"{stage.url}/openai/v1", api_key=stage.token, max_retries=0, default_headers=ledger.headers
    ) as client:
        yield client


@pytest_asyncio.fixture
async def patient(stage: Stage, ledger: Ledger) -> AsyncIterator[openai.AsyncOpenAI]:
    """The asynchronous client, with the SDK's own retries."""
    async with openai.AsyncOpenAI(
        base_url=f"{stage.url}/openai/v1", api_key=stage.token, default_headers=ledger.headers
    ) as client:
        yield client


def responded(usage: ResponseUsage | None) -> Buckets:
    """Cached tokens are within `input_tokens`, reasoning is within `output_tokens`."""
    assert usage is not None
    cached = usage.input_tokens_details.cached_tokens
    return Buckets(
        input=usage.input_tokens - cached,
        cache_read=cached,
        output=usage.output_tokens,
        reasoning=usage.output_tokens_details.reasoning_tokens,
    )


def completed(usage: CompletionUsage | None) -> Buckets:
    assert usage is not None
    cached = (usage.prompt_tokens_details and usage.prompt_tokens_details.cached_tokens) or 0
    thought = (usage.completion_tokens_details and usage.completion_tokens_details.reasoning_tokens) or 0
    return Buckets(
        input=usage.prompt_tokens - cached,
        cache_read=cached,
        output=usage.completion_tokens,
        reasoning=thought,
    )


# Responses


async def test_responses_with_reasoning_and_parallel_tools_over_two_turns(
    patient: openai.AsyncOpenAI, ledger: Ledger
) -> None:
    """Without a store at the provider, as Codex does it: sealed reasoning goes back and forth."""
    asked: dict[str, Any] = {
        "model": MODEL,
        "tools": tools(Wire.RESPONSES),
        "reasoning": {"summary": "auto"},
        "include": ["reasoning.encrypted_content"],
        "store": False,
    }
    async with patient.responses.stream(input=WORK, **asked) as stream:
        first = await stream.get_final_response()
    assert [item.type for item in first.output] == ["reasoning", "message", "function_call", "function_call"]
    calls = [item for item in first.output if item.type == "function_call"]
    assert [call.arguments for call in calls] == ['{"path":"a.txt","content":"hi"}', '{"command":"ls -la"}']
    said: list[Any] = [{"role": "user", "content": WORK}]
    said += [item.model_dump(exclude_none=True, exclude={"parsed_arguments"}) for item in first.output]
    said += [{"type": "function_call_output", "call_id": call.call_id, "output": "done"} for call in calls]
    second = await patient.responses.create(input=said, **asked)
    assert "done" in second.output_text
    rows = ledger.has(MODEL, responded(first.usage), responded(second.usage))
    assert [row["stream"] for row in rows] == [True, False]
    assert rows[0]["reasoning_tokens"] > 0
    assert rows[1]["upstream_request_id"] == second._request_id
    assert {row["tool"] for row in rows} == {"openai-sdk"}


def test_a_conversation_that_the_provider_keeps_goes_on_through_the_gateway(gpt: openai.OpenAI) -> None:
    first = gpt.responses.create(model=MODEL, input="say one")
    second = gpt.responses.create(model=MODEL, input="say two", previous_response_id=first.id)
    assert second.output_text == "[rehearsal] two"


@pytest.mark.parametrize(
    ("model", "usage"),
    [
        (MODEL, Usage(input=1_234, cache_read=98_765, output=4_321, reasoning=2_001)),
        (MODEL, Usage(input=2_000, cache_read=270_000, output=10)),  # exactly 272,000: not long yet
        (MODEL, Usage(input=2_001, cache_read=270_000, output=10)),
        ("gpt-5.4-mini", Usage(input=7, cache_read=1, output=3, reasoning=3)),
    ],
)
def test_E41_E110_stream_and_plain_answer_cost_the_same_to_the_nano_dollar(
    gpt: openai.OpenAI, provider: RehearsalServer, ledger: Ledger, model: str, usage: Usage
) -> None:
    provider.play(Step(reply=(Line(text="It is done."),), usage=usage))
    expected = Buckets(usage.input, usage.cache_read, output=usage.output, reasoning=usage.reasoning)
    plain = gpt.responses.create(model=model, input="go")
    with gpt.responses.stream(model=model, input="go") as events:
        streamed = events.get_final_response()
    said = gpt.chat.completions.create(model=model, messages=HI)
    with gpt.chat.completions.stream(
        model=model, messages=HI, stream_options={"include_usage": True}
    ) as chunks:
        told = chunks.get_final_completion()
    assert responded(plain.usage) == responded(streamed.usage) == expected
    assert completed(said.usage) == completed(told.usage) == expected
    rows = ledger.has(model, expected, expected, expected, expected)
    assert [row["wire"] for row in rows] == ["openai.responses"] * 2 + ["openai.chat"] * 2


def test_E47_usage_of_an_answer_that_the_limit_cut_short_is_counted(
    gpt: openai.OpenAI, provider: RehearsalServer, ledger: Ledger
) -> None:
    provider.play(Step(faults=("incomplete",)))
    *_, last = gpt.responses.create(model=MODEL, input=LONG_WINDED, stream=True)
    assert last.type == "response.incomplete"
    ledger.has(MODEL, responded(last.response.usage))


# Chat Completions


async def test_chat_with_parallel_tools_over_two_turns(patient: openai.AsyncOpenAI, ledger: Ledger) -> None:
    said: list[ChatCompletionMessageParam] = [{"role": "user", "content": WORK}]
    asked: dict[str, Any] = {"model": MODEL, "tools": tools(Wire.CHAT)}
    async with patient.chat.completions.stream(
        messages=said, stream_options={"include_usage": True}, **asked
    ) as stream:
        first = await stream.get_final_completion()
    calls = first.choices[0].message.tool_calls or []
    assert [call.function.arguments for call in calls] == [
        '{"path":"a.txt","content":"hi"}',
        '{"command":"ls -la"}',
    ]
    results: Any = [{"role": "tool", "tool_call_id": call.id, "content": "done"} for call in calls]
    said += [first.choices[0].message.to_dict(), *results]  # type: ignore[list-item]  # the SDK's own dump
    second = await patient.chat.completions.create(messages=said, **asked)
    assert "done" in (second.choices[0].message.content or "")
    rows = ledger.has(MODEL, completed(first.usage), completed(second.usage))
    assert [row["finish_reason"] for row in rows] == ["tool_calls", "stop"]


async def test_E48_usage_is_metered_though_the_client_neither_asks_for_it_nor_sees_it(
    patient: openai.AsyncOpenAI, provider: RehearsalServer, ledger: Ledger
) -> None:
    provider.play(
        Step(
            reply=(Line(text="It is done."),), usage=Usage(input=11, cache_read=2_048, output=5, reasoning=2)
        )
    )
    chunks = [c async for c in await patient.chat.completions.create(model=MODEL, messages=HI, stream=True)]
    assert "".join(c.choices[0].delta.content or "" for c in chunks) == "It is done."
    assert all(chunk.choices for chunk in chunks), "a chunk without choices breaks some clients"
    assert not any(chunk.usage for chunk in chunks)
    ledger.has(MODEL, Buckets(11, 2_048, output=5, reasoning=2))


# Embeddings, lists


def test_embeddings_are_priced_by_their_input(gpt: openai.OpenAI, ledger: Ledger) -> None:
    made = gpt.embeddings.create(model="text-embedding-3-small", input=["a" * 400, "b"], dimensions=8)
    assert [len(one.embedding) for one in made.data] == [8, 8]
    ledger.has("text-embedding-3-small", Buckets(input=made.usage.prompt_tokens), operation="embed")


def test_models_are_those_that_one_may_use(gpt: openai.OpenAI) -> None:
    listed = [model.id for model in gpt.models.list()]
    assert MODEL in listed
    assert "gpt-of-others" not in listed
    assert gpt.models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError):
        gpt.models.retrieve("gpt-of-others")


# Refusals and faults


def _ask(client: openai.OpenAI, wire: Wire, model: str = MODEL, words: str = "say hi", **more: Any) -> Any:
    if wire is Wire.RESPONSES:
        return client.responses.create(model=model, input=words, **more)
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": words}], **more)


@pytest.mark.parametrize("wire", [Wire.RESPONSES, Wire.CHAT])
class TestBothProtocols:
    @pytest.mark.parametrize("token", ["nonsense", "sk-proj-of-somebody"])
    def test_without_a_token_of_ours_it_is_a_401_that_says_what_to_do(
        self, stage: Stage, provider: RehearsalServer, wire: Wire, token: str
    ) -> None:
        with openai.OpenAI(base_url=f"{stage.url}/openai/v1", api_key=token, max_retries=0) as client:
            with pytest.raises(openai.AuthenticationError, match="way login") as caught:
                _ask(client, wire)
        assert token not in str(caught.value)
        assert caught.value.code == "invalid_api_key"
        assert provider.requests == []

    def test_a_model_of_others_is_a_400_with_our_sentence(
        self, gpt: openai.OpenAI, provider: RehearsalServer, ledger: Ledger, wire: Wire
    ) -> None:
        with pytest.raises(openai.BadRequestError, match="#ai-platform") as caught:
            _ask(gpt, wire, model="gpt-of-others")
        assert caught.value.code == "model_not_allowed"
        (row,) = ledger.rows()
        assert (row["outcome"], row["http_status"], row["attempt"]) == ("refused", 400, 0)
        assert caught.value.request_id == row["request_id"]
        assert provider.requests == []

    @pytest.mark.parametrize("fault", ["429 retry-after=0.01", "503", "reset"])
    async def test_the_sdk_retries_what_it_retries_and_succeeds(
        self, patient: openai.AsyncOpenAI, provider: RehearsalServer, ledger: Ledger, wire: Wire, fault: str
    ) -> None:
        provider.play(Step(faults=(fault,), times=1 if fault != "reset" else 2))
        said: Any = await _ask(patient, wire)  # type: ignore[arg-type]  # both clients have the same methods
        failed, answered = ledger.rows()
        assert failed["outcome"] in ("upstream_error", "upstream_cut")
        assert failed["cost_nano"] == 0
        used = responded(said.usage) if wire is Wire.RESPONSES else completed(said.usage)
        assert (answered["outcome"], answered["input_tokens"]) == ("complete", used.input)

    @pytest.mark.parametrize(
        ("fault", "outcome"),
        [
            ("error at=content", "upstream_error"),
            ("cut at=content", "upstream_cut"),
            ("cut at=content ending=rst", "upstream_cut"),
            ("eof at=content", "upstream_cut"),
            ("reset at=content", "upstream_cut"),
        ],
    )
    def test_E13_E15_a_stream_that_fails_says_so_in_the_end(
        self,
        gpt: openai.OpenAI,
        provider: RehearsalServer,
        ledger: Ledger,
        wire: Wire,
        fault: str,
        outcome: str,
    ) -> None:
        """On Chat Completions the SDK raises; on Responses the last event is `response.failed` (E16), which
        this SDK comes to unless half an event came before it: that is what it trips over then."""
        provider.play(Step(faults=(fault,)))
        stream = _ask(gpt, wire, words=LONG_WINDED, stream=True)
        last = next(stream)
        with contextlib.suppress(openai.APIError, json.JSONDecodeError):
            for event in stream:
                last = event
            assert wire is Wire.RESPONSES, "the SDK took it for a whole answer"
            assert last.type == "response.failed"
            assert last.response.error.message
        (row,) = ledger.rows()
        assert (row["outcome"], row["http_status"]) == (outcome, 200)
        assert row["usage_source"] != "provider"

    def test_a_body_over_the_limit_is_a_413(
        self, gpt: openai.OpenAI, provider: RehearsalServer, wire: Wire
    ) -> None:
        with pytest.raises(openai.APIStatusError, match="64 MiB") as caught:
            _ask(gpt, wire, words="x" * (64 * 1024 * 1024))
        assert caught.value.status_code == 413
        assert provider.requests == []
