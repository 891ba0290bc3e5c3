"""Our own bytes, read by the official SDKs: which exception comes out, and whether its sentence can be seen."""

import json
from collections.abc import Callable
from functools import cached_property
from typing import Any, get_args

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

from tests.wire.streams import STREAMS, events_of, fixture, observe
from waystation.model import TOOL_WIRES, ModelEntry, Refusal, RefusalKind, Surface, Wire
from waystation.wire import (
    StreamError,
    convert_stream_error,
    keepalive,
    make_tap,
    model_list,
    refusal_response,
)

pytestmark = pytest.mark.sdk

SAY = "Your team's budget is used up until 1 December: ask Anna."
BROKEN = Refusal(RefusalKind.UPSTREAM_BROKEN, SAY)
MODELS = [
    ModelEntry("claude-sonnet-4-5", "Claude Sonnet 4.5", 1759104000, 200_000, 64_000),
    ModelEntry("local/qwen"),
]


class Call:
    """One call of an SDK against an answer of ours."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        def answer(_request: httpx2.Request) -> httpx2.Response:
            pairs = [(name.decode(), value.decode()) for name, value in headers]
            return httpx2.Response(status, headers=pairs, content=body)

        self._http = httpx2.Client(transport=httpx2.MockTransport(answer))

    @cached_property
    def anthropic(self) -> anthropic.Anthropic:
        return anthropic.Anthropic(api_key="x", base_url="http://gw", http_client=self._http, max_retries=0)

    @cached_property
    def openai(self) -> openai.OpenAI:
        return openai.OpenAI(api_key="x", base_url="http://gw/v1", http_client=self._http, max_retries=0)

    @cached_property
    def genai(self) -> genai.Client:
        options = genai_types.HttpOptions(base_url="http://gw", httpx_client=self._http)
        return genai.Client(api_key="x", http_options=options)

    def whole(self, wire: Wire) -> Any:
        if wire is Wire.MESSAGES:
            return self.anthropic.messages.create(model="m", max_tokens=9, messages=[])
        if wire is Wire.RESPONSES:
            return self.openai.responses.create(model="m", input="x")
        if wire is Wire.CHAT:
            return self.openai.chat.completions.create(model="m", messages=[])
        if wire is Wire.EMBEDDINGS:
            return self.openai.embeddings.create(model="m", input="x", encoding_format="float")
        return self.genai.models.generate_content(model="m", contents="x")

    def stream(self, wire: Wire) -> list[Any]:
        if wire is Wire.MESSAGES:
            return list(self.anthropic.messages.create(model="m", max_tokens=9, messages=[], stream=True))
        if wire is Wire.RESPONSES:
            return list(self.openai.responses.create(model="m", input="x", stream=True))
        if wire is Wire.CHAT:
            return list(self.openai.chat.completions.create(model="m", messages=[], stream=True))
        return list(self.genai.models.generate_content_stream(model="m", contents="x"))


def streamed(body: bytes) -> Call:
    return Call(200, [(b"content-type", b"text/event-stream")], body)


BY_STATUS: dict[int, tuple[type[Exception], type[Exception], type[Exception]]] = {
    400: (anthropic.BadRequestError, openai.BadRequestError, genai_errors.ClientError),
    401: (anthropic.AuthenticationError, openai.AuthenticationError, genai_errors.ClientError),
    402: (anthropic.PaymentRequiredError, openai.APIStatusError, genai_errors.ClientError),
    404: (anthropic.NotFoundError, openai.NotFoundError, genai_errors.ClientError),
    405: (anthropic.APIStatusError, openai.APIStatusError, genai_errors.ClientError),
    413: (anthropic.ContentTooLargeError, openai.APIStatusError, genai_errors.ClientError),
    415: (anthropic.APIStatusError, openai.APIStatusError, genai_errors.ClientError),
    426: (anthropic.APIStatusError, openai.APIStatusError, genai_errors.ClientError),
    429: (anthropic.RateLimitError, openai.RateLimitError, genai_errors.ClientError),
    500: (anthropic.InternalServerError, openai.InternalServerError, genai_errors.ServerError),
    502: (anthropic.InternalServerError, openai.InternalServerError, genai_errors.ServerError),
    503: (anthropic.ServiceUnavailableError, openai.InternalServerError, genai_errors.ServerError),
    504: (anthropic.GatewayTimeoutError, openai.InternalServerError, genai_errors.ServerError),
    529: (anthropic.OverloadedError, openai.InternalServerError, genai_errors.ServerError),
}


def expected(wire: Wire, status: int) -> type[Exception]:
    return BY_STATUS[status][list(Surface).index(wire.surface)]


@pytest.mark.parametrize("kind", list(RefusalKind))
@pytest.mark.parametrize("wire", TOOL_WIRES)
def test_refusals(wire: Wire, kind: RefusalKind) -> None:
    status, headers, body = refusal_response(wire, Refusal(kind, SAY, retry_after=3), "req_7")
    with pytest.raises(expected(wire, status)) as caught:
        Call(status, headers, body).whole(wire)
    assert SAY in str(caught.value).replace("\\'", "'")
    if wire is Wire.MESSAGES:
        assert isinstance(caught.value, anthropic.APIStatusError)
        known = get_args(anthropic.types.shared.ErrorType)
        assert (
            caught.value.type in known or status == 413
        )  # the API's own type for it is not in the SDK's list
    if wire is Wire.GENERATE:
        assert isinstance(caught.value, genai_errors.APIError)
        assert (caught.value.code, caught.value.message) == (status, SAY)


@pytest.mark.parametrize(
    ("wire", "error"),
    [
        (Wire.MESSAGES, StreamError("overloaded_error", SAY, 529)),
        (Wire.RESPONSES, StreamError("server_error", SAY, 500)),
        (Wire.CHAT, StreamError("502", SAY, 502)),
        (Wire.GENERATE, StreamError("UNAVAILABLE", SAY, 503)),
    ],
)
def test_E13_early_stream_errors(wire: Wire, error: StreamError) -> None:
    status, headers, body = convert_stream_error(wire, error, "req_7")
    with pytest.raises(expected(wire, status)) as caught:
        Call(status, headers, body).stream(wire)
    assert SAY in str(caught.value).replace("\\'", "'")


@pytest.mark.parametrize("name", ["messages.sse", "responses.sse", "chat.sse", "generate.sse"])
def test_E15_a_stream_that_breaks_between_events(name: str) -> None:
    wire = STREAMS[name]
    tap = make_tap(wire)
    body = tap.feed(b"".join(events_of(name)[:2])) + tap.failure(BROKEN)
    if wire is Wire.RESPONSES:
        last = streamed(body).stream(wire)[-1]
        assert (last.type, last.response.status, last.response.error.message) == (
            "response.failed",
            "failed",
            SAY,
        )
    else:
        with pytest.raises((anthropic.APIStatusError, openai.APIError, genai_errors.APIError)) as caught:
            streamed(body).stream(wire)
        assert SAY in str(caught.value).replace("\\'", "'")


def test_E15_an_anthropic_stream_that_breaks_anywhere_still_says_why() -> None:
    data = fixture("messages.sse")
    inside_a_code_point = data.index("読".encode()) + 1
    for at in [*range(0, len(data) - 60, 211), inside_a_code_point]:
        tap = make_tap(Wire.MESSAGES)
        body = tap.feed(data[:at]) + tap.failure(BROKEN)
        with pytest.raises(anthropic.APIStatusError) as caught:
            streamed(body).stream(Wire.MESSAGES)
        assert caught.value.api_message == SAY


@pytest.mark.parametrize("name", ["responses.sse", "chat.sse", "generate.sse"])
def test_E15_a_stream_that_breaks_inside_an_event_is_never_a_success(name: str) -> None:
    wire, data = STREAMS[name], fixture(name)
    for at in range(20, len(data) - 60, 397):
        tap = make_tap(wire)
        body = tap.feed(data[:at])
        if tap.terminal:
            break
        try:
            last = streamed(body + tap.failure(BROKEN)).stream(wire)[-1].type
        except (openai.APIError, genai_errors.APIError, ValueError):  # ValueError: it read half an event
            last = "raised"
        assert last in ("raised", "response.failed")


def test_E16_the_sdk_ends_on_what_we_make_of_an_error_event() -> None:
    data = observe(Wire.RESPONSES, [fixture("responses_error_late.sse")]).forwarded
    last = streamed(data).stream(Wire.RESPONSES)[-1]
    assert last.type == "response.failed"
    assert last.response.error.code == "server_error"
    assert last.response.error.message == "The server had an error."
    with streamed(data).openai.responses.stream(model="m", input="x") as stream:
        assert [event.type for event in stream][-1] == "response.failed"


@pytest.mark.parametrize("name", ["messages.sse", "responses.sse", "chat.sse", "generate.sse"])
def test_E94_keepalives_go_unnoticed(name: str) -> None:
    def heard(data: bytes) -> list[Any]:
        items = streamed(data).stream(wire)
        return [item.model_dump(exclude={"sdk_http_response"}) for item in items]

    wire = STREAMS[name]
    assert heard(keepalive(wire).join([b"", *events_of(name)])) == heard(fixture(name))


def test_E48_the_sdk_is_content_without_the_usage_chunk() -> None:
    data = observe(Wire.CHAT, [fixture("chat.sse")], drop_usage_chunk=True).forwarded
    assert all(chunk.choices for chunk in streamed(data).stream(Wire.CHAT))


LISTS: list[tuple[Surface, Callable[[Call], list[str]]]] = [
    (Surface.ANTHROPIC, lambda call: [model.id for model in call.anthropic.models.list()]),
    (Surface.OPENAI, lambda call: [model.id for model in call.openai.models.list()]),
    (
        Surface.GEMINI,
        lambda call: [str(model.name).removeprefix("models/") for model in call.genai.models.list()],
    ),
]


@pytest.mark.parametrize(("surface", "ids"), LISTS)
def test_model_lists(surface: Surface, ids: Callable[[Call], list[str]]) -> None:
    call = Call(200, [(b"content-type", b"application/json")], model_list(surface, MODELS))
    assert ids(call) == ["claude-sonnet-4-5", "local/qwen"]


def test_anthropic_model_list_is_whole() -> None:
    for entry in json.loads(model_list(Surface.ANTHROPIC, MODELS))["data"]:
        anthropic.types.ModelInfo.model_validate(entry)
