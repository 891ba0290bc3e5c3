"""The `google-genai` SDK through the gateway."""

from typing import Any

import pytest
from google import genai
from google.genai import errors
from google.genai import types as gm

from tests.rehearsal.asking import SCHEMA, SHELL
from tests.sdk.conftest import Ledger
from tests.sdk.published import Buckets
from tests.stage import Stage
from waystation.model import Usage
from waystation.rehearsal import Line, RehearsalServer, Step

MODEL = "gemini-2.5-pro"
TOOLS = gm.Tool(
    function_declarations=[
        gm.FunctionDeclaration(name="write_file", parameters_json_schema=SCHEMA),
        gm.FunctionDeclaration(name="run_shell_command", parameters_json_schema=SHELL),
    ]
)
LONG_WINDED = (
    "say one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
)


@pytest.fixture
def gemini(stage: Stage, ledger: Ledger) -> genai.Client:
    return _client(stage, stage.token, ledger)


@pytest.fixture
def patient(stage: Stage, ledger: Ledger) -> genai.Client:
    """With the SDK's own retries."""
    return _client(
        stage, stage.token, ledger, gm.HttpRetryOptions(attempts=3, initial_delay=0.01, max_delay=0.1)
    )


def _client(
    stage: Stage, token: str, ledger: Ledger | None = None, retries: gm.HttpRetryOptions | None = None
) -> genai.Client:
    options = gm.HttpOptions(
        base_url=f"{stage.url}/gemini", headers=ledger.headers if ledger else {}, retry_options=retries
    )
    return genai.Client(api_key=token, http_options=options)


def used(usage: gm.GenerateContentResponseUsageMetadata | None) -> Buckets:
    """Cached tokens are within the prompt's, thoughts are beside the candidates'."""
    assert usage is not None
    cached, thoughts = usage.cached_content_token_count or 0, usage.thoughts_token_count or 0
    return Buckets(
        input=(usage.prompt_token_count or 0) - cached,
        cache_read=cached,
        output=(usage.candidates_token_count or 0) + thoughts,
        reasoning=thoughts,
    )


async def test_thoughts_and_parallel_tools_over_two_turns(gemini: genai.Client, ledger: Ledger) -> None:
    """The first turn streamed, the second not; thought signatures go back as they came (E27)."""
    config = gm.GenerateContentConfig(
        tools=[TOOLS],
        thinking_config=gm.ThinkingConfig(include_thoughts=True),
        automatic_function_calling=gm.AutomaticFunctionCallingConfig(disable=True),
    )
    words = gm.Content(
        role="user", parts=[gm.Part(text="think. create a.txt containing hi and run ls -la in parallel")]
    )
    parts: list[gm.Part] = []
    async for chunk in await gemini.aio.models.generate_content_stream(
        model=MODEL, contents=[words], config=config
    ):
        parts += [part for one in chunk.candidates or () if one.content for part in one.content.parts or ()]
        last = chunk
    calls = [part.function_call for part in parts if part.function_call]
    assert [call.args for call in calls] == [{"path": "a.txt", "content": "hi"}, {"command": "ls -la"}]
    assert parts[0].thought
    results = [
        gm.Part(
            function_response=gm.FunctionResponse(id=call.id, name=call.name, response={"output": "done"})
        )
        for call in calls
    ]
    said = [words, gm.Content(role="model", parts=parts), gm.Content(role="user", parts=results)]
    second = await gemini.aio.models.generate_content(model=MODEL, contents=said, config=config)
    assert "done" in (second.text or "")
    rows = ledger.has(MODEL, used(last.usage_metadata), used(second.usage_metadata))
    assert [row["stream"] for row in rows] == [True, False]
    assert rows[0]["reasoning_tokens"] > 0
    assert {row["tool"] for row in rows} == {"google-genai-sdk"}


@pytest.mark.parametrize(
    ("model", "usage"),
    [
        (MODEL, Usage(input=1_234, cache_read=98_765, output=4_321, reasoning=2_001)),
        (MODEL, Usage(input=1_000, cache_read=199_000, output=10)),  # exactly 200,000: not long yet
        (MODEL, Usage(input=1_001, cache_read=199_000, output=10)),
        ("gemini-2.5-flash", Usage(input=7, cache_read=1, output=3, reasoning=3)),
    ],
)
def test_E41_E110_stream_and_plain_answer_cost_the_same_to_the_nano_dollar(
    gemini: genai.Client, provider: RehearsalServer, ledger: Ledger, model: str, usage: Usage
) -> None:
    provider.play(Step(reply=(Line(text="It is done."),), usage=usage))
    expected = Buckets(usage.input, usage.cache_read, output=usage.output, reasoning=usage.reasoning)
    plain = gemini.models.generate_content(model=model, contents="go")
    *_, last = gemini.models.generate_content_stream(model=model, contents="go")
    assert used(plain.usage_metadata) == used(last.usage_metadata) == expected
    ledger.has(model, expected, expected)


def test_tokens_are_counted_without_a_bill(gemini: genai.Client, ledger: Ledger) -> None:
    counted = gemini.models.count_tokens(model=MODEL, contents="x" * 400)
    assert (counted.total_tokens or 0) > 100
    (row,) = ledger.rows()
    assert (row["operation"], row["cost_nano"], row["total_tokens"]) == ("count_tokens", 0, 0)


def test_models_are_those_that_one_may_use(gemini: genai.Client) -> None:
    listed = [model.name for model in gemini.models.list()]
    assert f"models/{MODEL}" in listed
    assert "models/gemini-of-others" not in listed
    assert gemini.models.get(model=MODEL).name == f"models/{MODEL}"
    with pytest.raises(errors.ClientError) as caught:
        gemini.models.get(model="gemini-of-others")
    assert caught.value.code == 404


def test_embeddings_are_metered(gemini: genai.Client, ledger: Ledger) -> None:
    """The API says nothing of their usage, so it is an estimate, and marked as one."""
    texts: list[Any] = [
        "a" * 400,
        "b",
    ]  # the SDK's own type wants more than strings where Pillow is installed
    made = gemini.models.embed_content(
        model="gemini-embedding-001", contents=texts, config={"output_dimensionality": 8}
    )
    assert [len(one.values or []) for one in made.embeddings or []] == [8, 8]
    rows = ledger.rows()
    assert {(row["operation"], row["outcome"], row["usage_source"]) for row in rows} == {
        ("embed", "complete", "estimated")
    }
    assert all(row["input_tokens"] > 0 and row["cost_nano"] > 0 for row in rows)


@pytest.mark.parametrize("token", ["nonsense", "AIzaSyOfSomebody"])
def test_without_a_token_of_ours_it_is_a_401_that_says_what_to_do(
    stage: Stage, provider: RehearsalServer, token: str
) -> None:
    client = _client(stage, token)
    with pytest.raises(errors.ClientError, match="way login") as caught:
        client.models.generate_content(model=MODEL, contents="hi")
    assert (caught.value.code, caught.value.status) == (401, "UNAUTHENTICATED")
    assert token not in str(caught.value)
    assert provider.requests == []


def test_a_model_of_others_is_a_400_with_our_sentence(
    gemini: genai.Client, provider: RehearsalServer, ledger: Ledger
) -> None:
    with pytest.raises(errors.ClientError, match="#ai-platform") as caught:
        gemini.models.generate_content(model="gemini-of-others", contents="hi")
    assert caught.value.code == 400
    (row,) = ledger.rows()
    assert (row["outcome"], row["http_status"], row["attempt"]) == ("refused", 400, 0)
    assert provider.requests == []


@pytest.mark.parametrize("fault", ["429 retry-after=1", "503"])
async def test_the_sdk_retries_what_it_retries_and_succeeds(
    patient: genai.Client, provider: RehearsalServer, ledger: Ledger, fault: str
) -> None:
    provider.play(Step(faults=(fault,), times=1))
    said = await patient.aio.models.generate_content(model=MODEL, contents="say hi")
    assert said.text == "[rehearsal] hi"
    failed, answered = ledger.rows()
    assert (failed["outcome"], failed["cost_nano"]) == ("upstream_error", 0)
    assert (answered["outcome"], answered["output_tokens"]) == ("complete", used(said.usage_metadata).output)


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
def test_E13_E15_a_stream_that_fails_raises(
    gemini: genai.Client, provider: RehearsalServer, ledger: Ledger, fault: str, outcome: str
) -> None:
    """It has no terminal event, so without an error the SDK would take half an answer for a whole one."""
    provider.play(Step(faults=(fault,)))
    stream: Any = gemini.models.generate_content_stream(model=MODEL, contents=LONG_WINDED)
    next(stream)
    with pytest.raises((errors.APIError, ValueError)):
        list(stream)
    (row,) = ledger.rows()
    assert (row["outcome"], row["http_status"]) == (outcome, 200)
    assert row["usage_source"] != "provider"


def test_a_body_over_the_limit_is_a_413(gemini: genai.Client, provider: RehearsalServer) -> None:
    with pytest.raises(errors.ClientError, match="64 MiB") as caught:
        gemini.models.generate_content(model=MODEL, contents="x" * (64 * 1024 * 1024))
    assert caught.value.code == 413
    assert provider.requests == []
