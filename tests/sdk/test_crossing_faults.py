"""Providers that fail, as each official SDK sees it when the model speaks another protocol: in no other way than ever.

What the protocols say of it is in tests/relay/test_translated_faults.py.
"""

import contextlib
import uuid
from collections.abc import Callable, Iterator

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors
from google.genai import types as gm

from tests.relay.crossing import CROSSINGS, named, policy
from tests.stage import Row, Stage, staged
from waystation.model import Wire
from waystation.rehearsal import Step

WORDS = "say one two three four five six"
ALL = "one two three four five six"


class Failed(Exception):
    """What an SDK raised; `status` is what it took for the answer's status, None inside a stream."""

    def __init__(self, status: int | None, told: str) -> None:
        super().__init__(told)
        self.status = status


def _anthropic(stage: Stage, model: str, retries: int, session: str) -> str:
    with anthropic.Anthropic(
        base_url=f"{stage.url}/anthropic",
        auth_token=stage.token,
        max_retries=retries,
        default_headers={"x-session-id": session},
    ) as client:
        try:
            with client.messages.stream(
                model=model, max_tokens=999, messages=[{"role": "user", "content": WORDS}]
            ) as stream:
                return stream.get_final_text()
        except anthropic.APIStatusError as error:
            raise Failed(error.status_code, str(error)) from error


def _openai(stage: Stage, retries: int, session: str) -> openai.OpenAI:
    return openai.OpenAI(
        base_url=f"{stage.url}/openai/v1",
        api_key=stage.token,
        max_retries=retries,
        default_headers={"x-session-id": session},
    )


def _responses(stage: Stage, model: str, retries: int, session: str) -> str:
    with _openai(stage, retries, session) as client:
        try:
            with client.responses.stream(model=model, input=WORDS) as stream:
                for event in stream:
                    if event.type == "response.failed":
                        raise Failed(None, str(event.response.error))
                return stream.get_final_response().output_text
        except openai.APIStatusError as error:
            raise Failed(error.status_code, str(error)) from error


def _chat(stage: Stage, model: str, retries: int, session: str) -> str:
    with _openai(stage, retries, session) as client:
        try:
            with client.chat.completions.stream(
                model=model, messages=[{"role": "user", "content": WORDS}]
            ) as stream:
                return stream.get_final_completion().choices[0].message.content or ""
        except openai.APIStatusError as error:
            raise Failed(error.status_code, str(error)) from error
        except openai.APIError as error:
            raise Failed(None, str(error)) from error


def _google(stage: Stage, model: str, retries: int, session: str) -> str:
    options = gm.HttpOptions(
        base_url=f"{stage.url}/gemini",
        headers={"x-session-id": session},
        retry_options=gm.HttpRetryOptions(attempts=retries + 1, initial_delay=0.05, max_delay=0.1),
    )
    client = genai.Client(api_key=stage.token, http_options=options)
    with contextlib.closing(client):
        try:
            chunks = client.models.generate_content_stream(model=model, contents=WORDS)
            return "".join(chunk.text or "" for chunk in chunks)
        except errors.APIError as error:
            raise Failed(error.code, str(error)) from error


SAY: dict[Wire, Callable[[Stage, str, int, str], str]] = {
    Wire.MESSAGES: _anthropic,
    Wire.RESPONSES: _responses,
    Wire.CHAT: _chat,
    Wire.GENERATE: _google,
}


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("faults"), policy=policy, env={"K": "k"}) as stage:
        yield stage


class Asking:
    """One SDK's request for one model, under faults; and the rows that it leaves."""

    def __init__(self, stage: Stage, asked: Wire, spoken: Wire) -> None:
        self._stage = stage
        self._say = SAY[asked]
        self._model = named(spoken)
        self._session = uuid.uuid4().hex

    def __call__(self, fault: str, *, retries: int = 0, times: int = 0) -> str:
        self._stage.provider.play(Step(faults=(fault,), times=times))
        return self._say(self._stage, self._model, retries, self._session)

    def rows(self) -> list[Row]:
        return [row for row in self._stage.rows() if row["tool_session"] == self._session]


@pytest.fixture
def ask(_running: Stage, asked: Wire, spoken: Wire) -> Asking:
    _running.provider.rehearsal.prompter.clear()
    _running.provider.requests.clear()
    return Asking(_running, asked, spoken)


@pytest.mark.parametrize("fault", ["error at=content", "cut at=content", "reset at=content"])
@pytest.mark.parametrize(("asked", "spoken"), CROSSINGS)
def test_E13_E15_a_stream_that_fails_raises(ask: Asking, fault: str) -> None:
    """No SDK takes half an answer for a whole one."""
    with pytest.raises(Failed):
        ask(fault)
    (row,) = ask.rows()
    assert (row["outcome"], row["http_status"], row["translated"]) == (
        "upstream_error" if fault.startswith("error") else "upstream_cut",
        200,
        True,
    )
    assert row["usage_source"] != "provider"


@pytest.mark.parametrize("fault", ["429 retry-after=0.01", "503"])
@pytest.mark.parametrize(("asked", "spoken"), CROSSINGS)
def test_a_provider_that_fails_once_goes_unnoticed(ask: Asking, fault: str) -> None:
    """The gateway asks again, or the SDK does, by its own rules."""
    assert ask(fault, retries=2, times=1).endswith(ALL)
    failed, answered = ask.rows()
    assert (failed["outcome"], failed["http_status"], failed["cost_nano"]) == (
        "upstream_error",
        int(fault.partition(" ")[0]),
        0,
    )
    assert answered["outcome"] == "complete"


@pytest.mark.parametrize(("asked", "spoken"), CROSSINGS)
def test_E92_a_limit_that_stays_is_the_sdks_429(ask: Asking) -> None:
    with pytest.raises(Failed) as caught:
        ask("429 retry-after=99")
    assert caught.value.status == 429
    assert {row["http_status"] for row in ask.rows()} == {429}


@pytest.mark.parametrize(("asked", "spoken"), CROSSINGS)
def test_what_the_provider_refuses_is_a_400_in_its_words(ask: Asking) -> None:
    with pytest.raises(Failed, match="no such colour") as caught:
        ask('400 message="no such colour"')
    assert caught.value.status == 400
    assert len(ask.rows()) == 1
