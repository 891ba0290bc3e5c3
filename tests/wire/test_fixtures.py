"""The recorded streams are what the official SDKs say a provider sends."""

import json
from typing import Any

import anthropic.types
import openai.types.chat
import openai.types.responses
import pydantic
import pytest
from google.genai import types as genai_types

from tests.wire.streams import events_of, fixture

pytestmark = pytest.mark.sdk


def data_of(name: str) -> list[dict[str, Any]]:
    lines = [line for event in events_of(name) for line in event.splitlines() if line.startswith(b"data: {")]
    return [json.loads(line[6:]) for line in lines]


def test_messages_stream_matches_the_sdk() -> None:
    adapter: Any = pydantic.TypeAdapter(anthropic.types.RawMessageStreamEvent)
    events = [event for event in data_of("messages.sse") if event["type"] != "ping"]
    assert len(events) > 10
    for event in events:
        adapter.validate_python(event)


def test_messages_error_events_match_the_sdk() -> None:
    for name in ("messages_error_first.sse", "messages_error_late.sse"):
        anthropic.types.BetaErrorResponse.model_validate(data_of(name)[-1])


@pytest.mark.parametrize(
    "name",
    [
        "responses.sse",
        "responses_incomplete.sse",
        "responses_failed.sse",
        "responses_error_first.sse",
        "responses_error_late.sse",
    ],
)
def test_responses_streams_match_the_sdk(name: str) -> None:
    adapter: Any = pydantic.TypeAdapter(openai.types.responses.ResponseStreamEvent)
    for event in data_of(name):
        assert adapter.validate_python(event).type == event["type"]


def test_chat_stream_matches_the_sdk() -> None:
    chunks = [openai.types.chat.ChatCompletionChunk.model_validate(data) for data in data_of("chat.sse")]
    assert chunks[-1].usage is not None


def test_generate_stream_matches_the_sdk() -> None:
    for answer in data_of("generate.sse") + json.loads(fixture("generate_array.json")):
        genai_types.GenerateContentResponse.model_validate(answer)


def test_whole_answers_match_the_sdks() -> None:
    anthropic.types.Message.model_validate_json(fixture("messages.json"))
    openai.types.responses.Response.model_validate_json(fixture("responses.json"))
    openai.types.chat.ChatCompletion.model_validate_json(fixture("chat.json"))
    openai.types.CreateEmbeddingResponse.model_validate_json(fixture("embeddings.json"))
    genai_types.GenerateContentResponse.model_validate_json(fixture("generate.json"))
