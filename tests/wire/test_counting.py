"""Requests for a counter, both ways; and estimates for where there is none (E83, E84)."""

import json
from typing import Any

import pytest
from anthropic.types import MessageCountTokensParams, MessageTokensCount
from google.genai.types import CountTokensResponse
from openai.types.responses import InputTokenCountParams
from pydantic import TypeAdapter

from waystation.model import Wire
from waystation.wire.canonical import (
    Conversation,
    FunctionTool,
    Media,
    MediaKind,
    Role,
    Text,
    ToolResult,
    Turn,
)
from waystation.wire.counting import (
    asked_for,
    count_answer,
    counted,
    estimate_request,
    to_counter,
)


def test_gemini_may_wrap_the_request_or_not() -> None:
    inner = b'{"contents":[],  "tools":[1.50]}'
    assert asked_for(Wire.GENERATE, b'{"generateContentRequest":' + inner + b"}") == inner
    assert asked_for(Wire.GENERATE, b'{"contents":[]}') == b'{"contents":[]}'
    assert asked_for(Wire.GENERATE, b"nonsense") == b"nonsense"
    assert asked_for(Wire.MESSAGES, inner) == inner


def test_a_counter_gets_only_what_it_takes() -> None:
    messages = {
        "model": "m",
        "max_tokens": 5,
        "stream": True,
        "temperature": 1,
        "messages": [{"role": "user", "content": "hi"}],
        "system": "s",
    }
    sent = json.loads(to_counter(Wire.MESSAGES, "m", json.dumps(messages).encode()))
    TypeAdapter(MessageCountTokensParams).validate_python(sent)
    assert sent == {"model": "m", "messages": [{"role": "user", "content": "hi"}], "system": "s"}
    responses = {
        "model": "m",
        "input": "hi",
        "store": False,
        "stream": True,
        "include": [],
        "max_output_tokens": 5,
        "instructions": "s",
    }
    sent = json.loads(to_counter(Wire.RESPONSES, "m", json.dumps(responses).encode()))
    TypeAdapter(InputTokenCountParams).validate_python(sent)
    assert sent == {"model": "m", "input": "hi", "instructions": "s"}
    gemini = {"contents": [], "generationConfig": {"maxOutputTokens": 5}}
    sent = json.loads(to_counter(Wire.GENERATE, "gemini-2.5-pro", json.dumps(gemini).encode()))
    assert sent == {"generateContentRequest": {"model": "models/gemini-2.5-pro", **gemini}}
    converse = {
        "messages": [],
        "system": [],
        "inferenceConfig": {"maxTokens": 5},
        "toolConfig": {"tools": []},
    }
    sent = json.loads(to_counter(Wire.CONVERSE, "m", json.dumps(converse).encode()))
    assert sent == {"input": {"converse": {"messages": [], "system": [], "toolConfig": {"tools": []}}}}


@pytest.mark.parametrize(
    ("answer", "tokens"),
    [
        (b'{"input_tokens":728}', 728),
        (b'{"object":"response.input_tokens","input_tokens":0}', 0),
        (b'{"totalTokens":9,"promptTokensDetails":[]}', 9),
        (b'{"inputTokens":7}', 7),
        (b'{"input_tokens":-1}', None),
        (b'{"input_tokens":"many"}', None),
        (b"{}", None),
        (b"[]", None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_a_count_is_read_from_whichever_counter(answer: bytes, tokens: int | None) -> None:
    assert counted(answer) == tokens


def test_a_count_is_said_to_each_tool_in_its_shape() -> None:
    assert MessageTokensCount.model_validate_json(count_answer(Wire.MESSAGES, 5)).input_tokens == 5
    assert CountTokensResponse.model_validate_json(count_answer(Wire.GENERATE, 5)).total_tokens == 5


def _conversation(*parts: Any, **more: Any) -> Conversation:
    return Conversation(model="m", turns=(Turn(Role.USER, parts),), **more)


def test_E84_an_estimate_has_the_tools_and_the_instructions_in_it() -> None:
    tool = FunctionTool("t", "d" * 3000, {"type": "object"})
    said = _conversation(Text("hi"), system=(Text("s" * 3000),), tools=(tool,))
    rendered = json.dumps({"system": "s" * 3000, "tools": ["d" * 3000], "messages": "hi"}).encode()
    assert estimate_request(said, rendered) >= 2000


def test_a_picture_is_not_counted_as_the_text_that_its_base64_is() -> None:
    """A screenshot of 1 MB would be 350,000 tokens, and the tool would compact for nothing."""
    data = "A" * 1_400_000
    picture = Media(MediaKind.IMAGE, "image/png", data=data)
    rendered = json.dumps({"image": data, "again": data}).encode()
    said = _conversation(picture, ToolResult("c", (picture, Text("x"))))
    assert 3_200 <= estimate_request(said, rendered) < 4_000
    document = Media(MediaKind.DOCUMENT, "application/pdf", data=data)
    assert 50_000 < estimate_request(_conversation(document), json.dumps(data).encode()) < 120_000
    pointed = Media(MediaKind.IMAGE, url="https://example.com/a.png")
    assert estimate_request(_conversation(pointed), b"{}") > 1_000
