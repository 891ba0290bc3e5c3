"""The `anthropic` SDK through the gateway: what it raises, what it reads, and what the ledger makes of it."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import pytest
import pytest_asyncio
from anthropic.types import Message, MessageParam

from tests.rehearsal.asking import tools
from tests.sdk.conftest import Ledger
from tests.sdk.published import Buckets
from tests.stage import Stage
from waystation.model import Usage, Wire
from waystation.rehearsal import Line, RehearsalServer, Step

MODEL = "claude-haiku-4-5"
HI: list[MessageParam] = [{"role": "user", "content": "say hi"}]


@pytest.fixture
def claude(stage: Stage, ledger: Ledger) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(
        base_url=f"{stage.url}/anthropic",
        auth_token=stage.token,
        max_retries=0,
        default_headers=ledger.headers,
    ) as client:
        yield client


@pytest_asyncio.fixture
async def patient(stage: Stage, ledger: Ledger) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The asynchronous client, with the SDK's own retries. The token goes where the key would."""
    async with anthropic.AsyncAnthropic(
        base_url=f"{stage.url}/anthropic", api_key=stage.token, default_headers=ledger.headers
    ) as client:
        yield client


def used(message: Message) -> Buckets:
    usage = message.usage
    writes = usage.cache_creation
    return Buckets(
        input=usage.input_tokens,
        cache_read=usage.cache_read_input_tokens or 0,
        write_5m=writes.ephemeral_5m_input_tokens if writes else 0,
        write_1h=writes.ephemeral_1h_input_tokens if writes else 0,
        output=usage.output_tokens,
        reasoning=usage.output_tokens_details.thinking_tokens if usage.output_tokens_details else 0,
    )


async def test_thinking_and_parallel_tools_over_two_turns(
    patient: anthropic.AsyncAnthropic, ledger: Ledger
) -> None:
    """The first turn streamed, the second not; its replayed thinking must come back byte by byte (E20)."""
    asked: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 4000,
        "tools": tools(Wire.MESSAGES),
        "thinking": {"type": "enabled", "budget_tokens": 2000},
    }
    said: list[MessageParam] = [
        {"role": "user", "content": "think. create a.txt containing hi and run ls -la in parallel"}
    ]
    async with patient.messages.stream(messages=said, **asked) as stream:
        kinds = [event.type async for event in stream]
        first = await stream.get_final_message()
    assert kinds.count("message_start") == kinds.count("message_stop") == 1
    calls = [block for block in first.content if block.type == "tool_use"]
    assert [block.type for block in first.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert [call.input for call in calls] == [{"path": "a.txt", "content": "hi"}, {"command": "ls -la"}]
    results: Any = [{"type": "tool_result", "tool_use_id": call.id, "content": "done"} for call in calls]
    said += [first.to_param(), {"role": "user", "content": results}]
    second = await patient.messages.create(messages=said, **asked)
    assert second.stop_reason == "end_turn"
    rows = ledger.has(MODEL, used(first), used(second))
    assert [row["stream"] for row in rows] == [True, False]
    assert [row["finish_reason"] for row in rows] == ["tool_use", "end_turn"]
    assert [row["upstream_request_id"] for row in rows] == [stream.request_id, second._request_id]
    assert {row["tool"] for row in rows} == {"anthropic-sdk"}


@pytest.mark.parametrize("model", [MODEL, "claude-by-contract"])
def test_E40_E41_E43_stream_and_plain_answer_cost_the_same_to_the_nano_dollar(
    claude: anthropic.Anthropic, provider: RehearsalServer, ledger: Ledger, model: str
) -> None:
    usage = Usage(input=6, cache_read=41_237, cache_write_5m=1_021, cache_write_1h=159_217, output=2_745)
    provider.play(Step(reply=(Line(text="It is done."),), usage=usage))
    plain = claude.messages.create(model=model, max_tokens=3000, messages=HI)
    with claude.messages.stream(model=model, max_tokens=3000, messages=HI) as stream:
        streamed = stream.get_final_message()
    assert used(plain) == used(streamed) == Buckets(6, 41_237, 1_021, 159_217, 2_745)
    ledger.has(model, used(plain), used(streamed))


def test_E110_a_fraction_of_a_nano_dollar_is_rounded_once_and_half_up(
    claude: anthropic.Anthropic, provider: RehearsalServer, ledger: Ledger
) -> None:
    """One token at 0.5 nano-dollars; five at 2.5 in all: rounded token by token they would cost five."""
    for tokens in (1, 5):
        provider.rehearsal.prompter.clear()
        provider.play(Step(reply=(Line(text="x"),), usage=Usage(input=tokens)))
        claude.messages.create(model="claude-by-contract", max_tokens=10, messages=HI)
    rows = ledger.has("claude-by-contract", Buckets(input=1), Buckets(input=5))
    assert [row["cost_nano"] for row in rows] == [1, 3]


def test_tokens_are_counted_without_a_bill(claude: anthropic.Anthropic, ledger: Ledger) -> None:
    few = claude.messages.count_tokens(model=MODEL, messages=HI)
    many = claude.messages.count_tokens(model=MODEL, messages=HI, tools=tools(Wire.MESSAGES))
    assert many.input_tokens > few.input_tokens > 0
    rows = ledger.rows()
    assert [(row["operation"], row["cost_nano"], row["total_tokens"]) for row in rows] == [
        ("count_tokens", 0, 0)
    ] * 2


def test_models_are_those_that_one_may_use(claude: anthropic.Anthropic, stage: Stage) -> None:
    listed = [model.id for model in claude.models.list(limit=1000)]
    assert MODEL in listed
    assert "claude-of-others" not in listed
    assert claude.models.retrieve(MODEL).id == MODEL
    with pytest.raises(anthropic.NotFoundError):
        claude.models.retrieve("claude-of-others")


@pytest.mark.parametrize("token", ["nonsense", "sk-ant-api03-of-somebody"])
def test_without_a_token_of_ours_it_is_a_401_that_says_what_to_do(
    stage: Stage, provider: RehearsalServer, token: str
) -> None:
    with anthropic.Anthropic(base_url=f"{stage.url}/anthropic", api_key=token, max_retries=0) as client:
        with pytest.raises(anthropic.AuthenticationError, match="way login") as caught:
            client.messages.create(model=MODEL, max_tokens=9, messages=HI)
    assert token not in str(caught.value)
    assert provider.requests == []


def test_a_model_of_others_is_a_400_with_our_sentence(
    patient: anthropic.AsyncAnthropic, claude: anthropic.Anthropic, provider: RehearsalServer, ledger: Ledger
) -> None:
    with pytest.raises(anthropic.BadRequestError, match="#ai-platform") as caught:
        claude.messages.create(model="claude-of-others", max_tokens=9, messages=HI)
    assert caught.value.status_code == 400
    (row,) = ledger.rows()
    assert (row["outcome"], row["http_status"], row["attempt"], row["cost_nano"]) == ("refused", 400, 0, 0)
    assert row["decision"] == "models.claude-of-others.groups"
    assert caught.value.response.headers["request-id"] == row["request_id"]
    assert provider.requests == []


@pytest.mark.parametrize("fault", ["429 retry-after=0.01", "529", "503", "reset"])
async def test_the_sdk_retries_what_it_retries_and_succeeds(
    patient: anthropic.AsyncAnthropic, provider: RehearsalServer, ledger: Ledger, fault: str
) -> None:
    """`reset` twice: the gateway itself tries once more where a kept connection broke."""
    provider.play(Step(faults=(fault,), times=1 if fault != "reset" else 2))
    said = await patient.messages.create(model=MODEL, max_tokens=99, messages=HI)
    assert said.content[0].type == "text"
    assert said.content[0].text == "[rehearsal] hi"
    failed, answered = ledger.rows()
    assert failed["outcome"] in ("upstream_error", "upstream_cut")
    assert failed["cost_nano"] == 0
    assert (answered["outcome"], answered["input_tokens"]) == ("complete", said.usage.input_tokens)


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        ("error at=content status=529", "upstream_error"),
        ("cut at=content", "upstream_cut"),
        ("cut at=content ending=rst", "upstream_cut"),
        ("cut at=end ending=fin", "upstream_cut"),
        ("eof at=content", "upstream_cut"),
        ("reset at=content", "upstream_cut"),
    ],
)
def test_E13_E15_a_stream_that_fails_raises_the_sdks_own_error(
    claude: anthropic.Anthropic, provider: RehearsalServer, ledger: Ledger, fault: str, outcome: str
) -> None:
    provider.play(Step(faults=(fault,)))
    with pytest.raises(anthropic.APIStatusError):
        with claude.messages.stream(
            model=MODEL,
            max_tokens=99,
            messages=[{"role": "user", "content": "say one two three four five six"}],
        ) as stream:
            stream.until_done()
    (row,) = ledger.rows()
    assert (row["outcome"], row["http_status"], row["stream"]) == (outcome, 200, True)
    assert row["usage_source"] == "partial"
    assert row["input_tokens"] > 0
    assert row["cost_nano"] > 0


@pytest.mark.parametrize(
    ("fault", "status", "source"),
    [
        ("error at=first status=529", 529, "absent"),
        ("cut at=first", 502, "partial"),  # it had said how long the prompt is
        ("eof at=head", 502, "estimated"),  # it had taken the request, and nothing is known of it
        ("reset", 502, "absent"),
    ],
)
def test_E13_a_stream_that_fails_before_it_says_anything_is_a_status(
    claude: anthropic.Anthropic,
    provider: RehearsalServer,
    ledger: Ledger,
    fault: str,
    status: int,
    source: str,
) -> None:
    provider.play(Step(faults=(fault,)))
    with pytest.raises(anthropic.InternalServerError) as caught:
        claude.messages.create(model=MODEL, max_tokens=99, messages=HI, stream=True)
    assert caught.value.status_code == status
    (row,) = ledger.rows()
    assert row["usage_source"] == source
    assert row["output_tokens"] <= 1
    assert caught.value.response.headers["x-waystation-request-id"] == row["request_id"]


def test_a_body_over_the_limit_is_a_413(claude: anthropic.Anthropic, provider: RehearsalServer) -> None:
    big = "x" * (64 * 1024 * 1024)
    with pytest.raises(anthropic.RequestTooLargeError, match="64 MiB"):
        claude.messages.create(model=MODEL, max_tokens=9, messages=[{"role": "user", "content": big}])
    assert provider.requests == []
