"""Every body and event is what the official SDKs' own types say, with no field that they do not know."""

import json
from functools import cache
from typing import Any

import anthropic.types as am
import openai.types as oa
import openai.types.chat as cc
import openai.types.responses as resp
import openai.types.shared as shared
import pytest
from google.genai import types as gm
from pydantic import BaseModel, TypeAdapter
from tests.rehearsal.asking import WIRES, ask, body, headers, provider, send, send_raw

from waystation.model import Usage, Wire
from waystation.rehearsal import Line, Step, When
from waystation.rehearsal.faults import parse_fault

DOCUMENTED = {"obfuscation", "store"}
"""What OpenAI really sends and its SDK's response types lack: `obfuscation` is in the reference
(`stream_options.include_obfuscation`), `store` in every published recording of a Response."""

WHOLE: dict[Wire, Any] = {
    Wire.MESSAGES: am.Message,
    Wire.RESPONSES: resp.Response,
    Wire.CHAT: cc.ChatCompletion,
    Wire.GENERATE: gm.GenerateContentResponse,
}
EVENT: dict[Wire, Any] = {
    Wire.MESSAGES: am.RawMessageStreamEvent,
    Wire.RESPONSES: resp.ResponseStreamEvent,
    Wire.CHAT: cc.ChatCompletionChunk,
    Wire.GENERATE: gm.GenerateContentResponse,
}


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def exact(kind: Any, data: Any) -> Any:
    """Validate strictly, then refuse fields that the type does not declare, at any depth."""
    value = _adapter(kind).validate_json(json.dumps(data), strict=True)
    unknown = list(_unknown(value, ""))
    assert not unknown, f"fields that {kind} does not have: {unknown}"
    return value


def _unknown(value: Any, where: str) -> Any:
    if isinstance(value, BaseModel):
        for name in value.__pydantic_extra__ or {}:
            if name not in DOCUMENTED:
                yield f"{where}.{name}"
        for name in type(value).model_fields:
            yield from _unknown(getattr(value, name), f"{where}.{name}")
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _unknown(item, f"{where}[{i}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _unknown(item, f"{where}[{key!r}]")


SCENES: dict[str, dict[str, Any]] = {
    "text": {"words": "say hello to you and to everybody else who is here"},
    "thinking": {"words": "think of the sea. say hello", "think": True},
    "tool": {"words": "create a.txt containing hi", "with_tools": True},
    "parallel": {
        "words": "create a.txt containing hi and run ls in parallel",
        "with_tools": True,
        "think": True,
    },
    "cached": {"words": "say yes to all of you who have come\n" + "padding " * 1500},
}


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("wire", WIRES)
def test_whole_bodies_are_exactly_the_sdks_types(wire: Wire, scene: str) -> None:
    got = ask(wire, **SCENES[scene])
    assert got.status == 200
    exact(WHOLE[wire], got.json)


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("wire", WIRES)
def test_stream_events_are_exactly_the_sdks_types(wire: Wire, scene: str) -> None:
    got = ask(wire, **SCENES[scene], stream=True)
    assert got.status == 200
    events = [e for e in got.events if e.get("type") != "ping"]
    assert len(events) > 1
    for event in events:
        exact(EVENT[wire], event)


@pytest.mark.parametrize("fault", ["grow", "interleave", "incomplete", "failed", "huge mb=0.01"])
@pytest.mark.parametrize("wire", WIRES)
def test_answers_with_odd_endings_are_still_the_sdks_types(wire: Wire, fault: str) -> None:
    parse_fault(fault)
    to = provider(Step(faults=(fault,)))
    said = body(wire, "create a.txt containing hi and run ls in parallel", stream=True, with_tools=True)
    for event in send(to, wire, said, stream=True).events:
        if event.get("type") != "ping":
            exact(EVENT[wire], event)


def test_freeform_and_namespaced_calls_are_the_sdks_types() -> None:
    declared = [
        {"type": "custom", "name": "apply_patch", "description": "patch"},
        {
            "type": "namespace",
            "name": "mcp__gw__",
            "description": "tools of gw",
            "tools": [
                {"type": "function", "name": "lookup", "parameters": {"type": "object", "properties": {}}}
            ],
        },
    ]
    said = body(
        Wire.RESPONSES, "create a.txt containing hi and call lookup with {} in parallel", tools=declared
    )
    for streamed in (False, True):
        got = send(provider(), Wire.RESPONSES, said | {"stream": streamed})
        for event in got.events if streamed else ():
            exact(resp.ResponseStreamEvent, event)
        done = got.events[-1]["response"] if streamed else got.json
        calls = [o for o in exact(resp.Response, done).output if o.type.endswith("_call")]
        assert [(c.type, c.name) for c in calls] == [
            ("custom_tool_call", "apply_patch"),
            ("function_call", "lookup"),
        ]
        assert calls[1].namespace == "mcp__gw__"


def test_responses_stream_numbers_its_events_and_ends_with_the_whole_response() -> None:
    got = ask(Wire.RESPONSES, "think. create a.txt containing hi", stream=True, with_tools=True, think=True)
    assert [e["sequence_number"] for e in got.events] == list(range(len(got.events)))
    last = got.events[-1]
    assert last["type"] == "response.completed"
    done = [e["item"] for e in got.events if e["type"] == "response.output_item.done"]
    assert last["response"]["output"] == done
    assert b"[DONE]" not in got.raw


def test_chat_usage_is_null_until_the_chunk_without_choices() -> None:
    got = ask(Wire.CHAT, "say hello there", stream=True)
    *chunks, last = got.events
    assert all(c["usage"] is None and len(c["choices"]) == 1 for c in chunks)
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] > 0
    assert got.raw.endswith(b"data: [DONE]\n\n")


def test_chat_stream_without_include_usage_says_nothing_of_usage() -> None:
    got = ask(Wire.CHAT, "say hello there", stream=True, stream_options={})
    assert all("usage" not in c and c["choices"] for c in got.events)


def test_anthropic_tool_input_starts_empty_and_arrives_by_deltas() -> None:
    got = ask(Wire.MESSAGES, "create a.txt containing hi", stream=True, with_tools=True)
    start = next(e for e in got.events if e.get("content_block", {}).get("type") == "tool_use")
    assert start["content_block"]["input"] == {}
    parts = [
        e["delta"]["partial_json"] for e in got.events if e.get("delta", {}).get("type") == "input_json_delta"
    ]
    assert parts[0] == ""
    assert "".join(parts) == '{"path":"a.txt","content":"hi"}'


def test_gemini_streams_an_array_unless_sse_is_asked_for() -> None:
    raw = json.dumps(body(Wire.GENERATE, "say hello to all of the people here")).encode()
    where = "/gemini/v1beta/models/gemini-2.5-pro:streamGenerateContent"
    got = send_raw(provider(), "POST", where, headers(Wire.GENERATE), raw)
    assert got.headers["content-type"].startswith("application/json")
    assert len(got.json) > 1
    for chunk in got.json:
        exact(gm.GenerateContentResponse, chunk)
    sse = send_raw(provider(), "POST", where + "?alt=sse", headers(Wire.GENERATE), raw)
    assert sse.raw.endswith(b"\r\n\r\n")
    assert [c["candidates"] for c in sse.events] == [c["candidates"] for c in got.json]


@pytest.mark.parametrize("wire", WIRES)
def test_stream_and_whole_body_say_the_same_and_count_the_same(wire: Wire) -> None:
    words = "think of it. create a.txt containing hi and run ls in parallel"
    whole = ask(wire, words, with_tools=True, think=True).json
    streamed = ask(wire, words, with_tools=True, think=True, stream=True).events
    assert _usage(wire, whole) == _usage(wire, streamed[-1] if wire is not Wire.MESSAGES else streamed)


def _usage(wire: Wire, said: Any) -> tuple[int, int]:
    if wire is Wire.MESSAGES:
        if isinstance(said, list):
            said = next(e for e in said if e["type"] == "message_delta")
        return said["usage"]["input_tokens"], said["usage"]["output_tokens"]
    if wire is Wire.GENERATE:
        usage = said["usageMetadata"]
        return usage["promptTokenCount"], usage["totalTokenCount"] - usage["promptTokenCount"]
    usage = said.get("response", said)["usage"]
    if wire is Wire.RESPONSES:
        # The request bodies differ by `stream`, which is not part of the prompt.
        return usage["input_tokens"], usage["output_tokens"]
    return usage["prompt_tokens"], usage["completion_tokens"]


@pytest.mark.parametrize("wire", WIRES)
def test_scripted_usage_is_reported_to_the_token(wire: Wire) -> None:
    usage = Usage(input=11, cache_read=22, cache_write_5m=33, cache_write_1h=0, output=44, reasoning=5)
    to = provider(Step(when=When(), reply=(Line(text="hi"),), usage=usage))
    said = send(to, wire, body(wire, "anything")).json
    if wire is Wire.MESSAGES:
        assert said["usage"]["input_tokens"] == 11
        assert said["usage"]["cache_read_input_tokens"] == 22
        assert said["usage"]["cache_creation"]["ephemeral_5m_input_tokens"] == 33
        assert said["usage"]["output_tokens"] == 44
    elif wire is Wire.GENERATE:
        assert said["usageMetadata"]["promptTokenCount"] == 66
        assert said["usageMetadata"]["cachedContentTokenCount"] == 22
        assert said["usageMetadata"]["candidatesTokenCount"] == 39
        assert said["usageMetadata"]["thoughtsTokenCount"] == 5
        assert said["usageMetadata"]["totalTokenCount"] == 110
    else:
        words = ("input", "output") if wire is Wire.RESPONSES else ("prompt", "completion")
        assert said["usage"][f"{words[0]}_tokens"] == 66
        assert said["usage"][f"{words[0]}_tokens_details"]["cached_tokens"] == 22
        assert said["usage"][f"{words[1]}_tokens"] == 44
        assert said["usage"][f"{words[1]}_tokens_details"]["reasoning_tokens"] == 5


def test_lists_counts_and_vectors_are_the_sdks_types() -> None:
    to = provider()
    listed = send_raw(to, "GET", "/anthropic/v1/models?limit=2", headers(Wire.MESSAGES)).json
    for model in listed["data"]:
        TypeAdapter(am.ModelInfo).validate_python(model)
    assert listed["has_more"] is True
    assert listed["last_id"] == listed["data"][-1]["id"]
    for model in send_raw(to, "GET", "/openai/v1/models", headers(Wire.CHAT)).json["data"]:
        exact(oa.Model, model)
    counted = send_raw(
        to, "POST", "/anthropic/v1/messages/count_tokens", headers(Wire.MESSAGES),
        b'{"model":"claude-x","messages":[{"role":"user","content":"hi"}]}',
    )  # fmt: skip
    assert exact(am.MessageTokensCount, counted.json).input_tokens > 0
    counted = send_raw(
        to,
        "POST",
        "/openai/v1/responses/input_tokens",
        headers(Wire.RESPONSES),
        b'{"model":"gpt-5.4","input":"hi"}',
    )
    assert counted.json["object"] == "response.input_tokens"
    vectors = send_raw(
        to,
        "POST",
        "/openai/v1/embeddings",
        headers(Wire.CHAT),
        b'{"model":"e","input":["a","b"],"dimensions":8}',
    )
    made = exact(oa.CreateEmbeddingResponse, vectors.json)
    assert [len(d.embedding) for d in made.data] == [8, 8]
    assert abs(sum(x * x for x in made.data[0].embedding) - 1) < 1e-9


ERRORS = [
    (401, "authentication_error"),
    (403, "permission_error"),
    (429, "rate_limit_error"),
    (529, "overloaded_error"),
]


@pytest.mark.parametrize(("status", "kind"), ERRORS)
def test_anthropic_errors_have_the_published_shape(status: int, kind: str) -> None:
    to = provider(Step(faults=(f"{status} retry-after=7",)))
    got = send(to, Wire.MESSAGES, body(Wire.MESSAGES, "hi"))
    assert got.status == status
    assert got.headers["retry-after"] == "7"
    assert exact(am.ErrorResponse, got.json).error.type == kind
    assert got.json["request_id"] == got.headers["request-id"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("wire", WIRES[1:])
def test_other_errors_have_the_published_shape(wire: Wire, status: int) -> None:
    got = send(provider(Step(faults=(str(status),))), wire, body(wire, "hi"))
    assert got.status == status
    if wire is Wire.GENERATE:
        assert set(got.json["error"]) == {"code", "message", "status"}
        assert got.json["error"]["code"] == status
    else:
        exact(shared.ErrorObject, got.json["error"])
