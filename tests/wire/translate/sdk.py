"""The official SDKs as judges: what they would not have sent, or could not read, is wrong."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import anthropic.types as am
import botocore.loaders
import botocore.model
import botocore.validate
import openai.types.chat as cc
import openai.types.responses as resp
from google.genai import types as gm
from pydantic import BaseModel, TypeAdapter

from tests.wire.codecs import chat_sdk, messages_sdk, responses_params
from waystation.model import Wire
from waystation.wire import SSEDecoder

_GENERATE_FIELDS: dict[str, Any] = {
    "contents": list[gm.Content],
    "systemInstruction": gm.Content,
    "tools": list[gm.Tool],
    "toolConfig": gm.ToolConfig,
    "generationConfig": gm.GenerationConfig,
    "safetySettings": list[gm.SafetySetting],
    "serviceTier": str,
}
_DOCUMENTED = {"store", "status", "cache_creation", "reasoning_content", "reasoning", "reasoning_details"}
"""What is really sent, or known to tools, and lacks in the SDKs' types."""
_ANSWERS: dict[Wire, Any] = {
    Wire.MESSAGES: am.Message,
    Wire.RESPONSES: resp.Response,
    Wire.CHAT: cc.ChatCompletion,
    Wire.GENERATE: gm.GenerateContentResponse,
}
_EVENTS: dict[Wire, Any] = {
    Wire.MESSAGES: am.RawMessageStreamEvent,
    Wire.RESPONSES: resp.ResponseStreamEvent,
    Wire.CHAT: cc.ChatCompletionChunk,
    Wire.GENERATE: gm.GenerateContentResponse,
}


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


# -------------------------------------------------------------------- requests
def check_request(wire: Wire, body: bytes) -> None:
    """Raises where the provider's SDK could not have sent this."""
    _REQUESTS[wire](body)


def _check_messages(body: bytes) -> None:
    messages_sdk.check_request(json.loads(body))


def _check_generate(body: bytes) -> None:
    raw = json.loads(body)
    assert set(raw) <= set(_GENERATE_FIELDS), set(raw) - set(_GENERATE_FIELDS)
    assert raw["contents"]
    for field, kind in _GENERATE_FIELDS.items():
        if field in raw:
            _adapter(kind).validate_python(raw[field])
    roles = [content["role"] for content in raw["contents"]]
    assert roles[0] == "user"
    assert set(roles) <= {"user", "model"}


@cache
def _converse_shape() -> botocore.model.Shape:
    model = botocore.loaders.Loader().load_service_model("bedrock-runtime", "service-2")
    return botocore.model.ServiceModel(model).operation_model("Converse").input_shape


def _check_converse(body: bytes) -> None:
    raw = json.loads(body)
    report = botocore.validate.ParamValidator().validate({"modelId": "m", **raw}, _converse_shape())
    assert not report.has_errors(), report.generate_report()
    assert set(raw) <= set(_converse_shape().members)
    roles = [message["role"] for message in raw["messages"]]
    assert roles == ["user" if at % 2 == 0 else "assistant" for at in range(len(roles))]


def _check_chat(body: bytes) -> None:
    # Videos are what many servers take and OpenAI's does not.
    chat_sdk.check_request(body.replace(b"video_url", b"image_url"))


_REQUESTS: dict[Wire, Callable[[bytes], object]] = {
    Wire.MESSAGES: _check_messages,
    Wire.RESPONSES: responses_params.check,
    Wire.CHAT: _check_chat,
    Wire.GENERATE: _check_generate,
    Wire.CONVERSE: _check_converse,
}


# -------------------------------------------------------------------- answers
def check_answer(wire: Wire, body: bytes) -> None:
    """Raises where the tool's SDK could not read this."""
    _known(_adapter(_ANSWERS[wire]).validate_json(body))


def check_stream(wire: Wire, stream: bytes) -> None:
    """Raises where the tool's SDK could not read one of the events, or their order."""
    if wire is Wire.MESSAGES:
        messages_sdk.accumulated(stream)
    elif wire is Wire.CHAT:
        chat_sdk.accumulate(stream)
    decoder = SSEDecoder()
    for event in [*decoder.feed(stream), *decoder.close()]:
        if event.data != b"[DONE]":
            _known(_adapter(_EVENTS[wire]).validate_json(event.data))


def _known(value: Any) -> None:
    """No field that the SDK has never heard of, save those that other servers made common."""
    if isinstance(value, BaseModel):
        unknown = set(value.__pydantic_extra__ or {}) - _DOCUMENTED
        assert not unknown, (type(value).__name__, unknown)
        for name in type(value).model_fields:
            _known(getattr(value, name))
    elif isinstance(value, list):
        for item in value:
            _known(item)
