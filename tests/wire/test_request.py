"""What is read from a request body, and what is said about one that cannot be read."""

import json

import pytest

from waystation.model import TOOL_WIRES, Operation, RefusalKind, Wire
from waystation.wire import BadBody, RequestFacts, read_request

DEEP = b'{"model":"m","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"


def read(wire: Wire, body: bytes, *, model: str | None = None, stream: bool = False) -> RequestFacts:
    return read_request(wire, Operation.GENERATE, body, model_in_path=model, stream_in_path=stream)


def refused(wire: Wire, body: bytes) -> BadBody:
    with pytest.raises(BadBody) as caught:
        read(wire, body, model="m" if wire is Wire.GENERATE else None)
    assert caught.value.kind is RefusalKind.BAD_REQUEST
    return caught.value


def test_messages() -> None:
    user = json.dumps({"device_id": "d", "account_uuid": "", "session_id": "0c5e"})
    body = json.dumps(
        {
            "model": "claude",
            "messages": [],
            "metadata": {"user_id": user},
            "max_tokens": 32000,
            "stream": True,
        }
    )
    assert read(Wire.MESSAGES, body.encode()) == RequestFacts(
        Wire.MESSAGES, Operation.GENERATE, "claude", True, 32000, "0c5e", False, None
    )


@pytest.mark.parametrize(
    ("user_id", "session"),
    [
        ("user_ab12_account_77_session_0c5e-9", "0c5e-9"),
        ("someone", ""),
        ("{broken", ""),
        ('{"session_id": 5}', ""),
        ("", ""),
    ],
)
def test_the_tools_session_in_messages(user_id: str, session: str) -> None:
    body = json.dumps({"model": "claude", "metadata": {"user_id": user_id}}).encode()
    assert read(Wire.MESSAGES, body).tool_session == session


def test_responses() -> None:
    body = (
        b'{"model":"gpt-5.4","input":[],"max_output_tokens":null,"prompt_cache_key":"th-1",'
        b'"previous_response_id":"resp_9","stream":false}'
    )
    assert read(Wire.RESPONSES, body) == RequestFacts(
        Wire.RESPONSES, Operation.GENERATE, "gpt-5.4", False, None, "th-1", False, "resp_9"
    )


def test_chat() -> None:
    body = b'{"max_tokens":5,"max_completion_tokens":7,"model":"gpt","stream":true,"stream_options":null}'
    assert read(Wire.CHAT, body) == RequestFacts(
        Wire.CHAT, Operation.GENERATE, "gpt", True, 7, "", False, None
    )


def test_generate_takes_model_and_streaming_from_the_path() -> None:
    body = b'{"contents":[],"model":"models/other","generationConfig":{"maxOutputTokens":99}}'
    assert read(Wire.GENERATE, body, model="gemini-3-pro", stream=True) == RequestFacts(
        Wire.GENERATE, Operation.GENERATE, "gemini-3-pro", True, 99, "", False, None
    )


def test_embeddings() -> None:
    facts = read_request(
        Wire.EMBEDDINGS, Operation.EMBED, b'{"input":"x","model":"te-3"}', model_in_path=None
    )
    assert (facts.model, facts.operation, facts.stream) == ("te-3", Operation.EMBED, False)


@pytest.mark.parametrize("wire", TOOL_WIRES)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b'{"model":"m"',
        b'{"model":"m"} trailing',
        b"\xef\xbb\xbf" + b'{"model":"m"}',
        b"[]",
        b"null",
        b'"m"',
        b"\x28\xb5\x2f\xfd rest",
        b'{"model":"m","x":NaN}',
        DEEP,
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_bodies_that_are_not_json_objects(wire: Wire, body: bytes) -> None:
    assert refused(wire, body).message.startswith("The request body")


@pytest.mark.parametrize("wire", TOOL_WIRES)
def test_E02_a_body_that_is_not_utf8(wire: Wire) -> None:
    for body in (b'{"model":"m","x":"\xff\xfe"}', b'{"model":"\xc3("}', "{}".encode("utf-16")):
        assert "UTF-8" in refused(wire, body).message or "JSON" in refused(wire, body).message
    assert "byte 18" in refused(wire, b'{"model":"m","x":"\xff\xfe"}').message


@pytest.mark.parametrize("wire", [Wire.MESSAGES, Wire.RESPONSES, Wire.CHAT, Wire.EMBEDDINGS])
@pytest.mark.parametrize(
    ("body", "param", "word"),
    [
        (b"{}", "model", "names no model"),
        (b'{"model":""}', "model", "names no model"),
        (b'{"model":null}', "model", "string"),
        (b'{"model":5}', "model", "string"),
        (b'{"model":{"a":1}}', "model", "string"),
        (b'{"model":"m","stream":"yes"}', "stream", "true or false"),
        (b'{"model":"m","stream":1}', "stream", "true or false"),
        (b'{"model":"a","x":{},"model":"b"}', "model", "twice"),
        (b'{"model":"a","model":"a"}', "model", "twice"),
        (b'{"model":null,"model":"a"}', "model", "twice"),
        (b'{"model":["a"],"model":"a"}', "model", "twice"),
        (b'{"mod\\u0065l":"a","model":"a"}', "model", "twice"),
        (b'{"model":"a","\\u006dodel":"b","max_tokens":"x"}', "model", "twice"),
    ],
)
def test_the_field_at_fault_is_named(wire: Wire, body: bytes, param: str, word: str) -> None:
    error = refused(wire, body)
    assert error.param == param
    assert word in error.message


def test_nested_models_are_no_second_model() -> None:
    body = b'{"tools":[{"model":"x"}],"model":"m","y":{"model":{"model":"z"}},"max_tokens":"wrong type"}'
    assert read(Wire.MESSAGES, body).model == "m"


def test_only_a_body_that_names_one_model_is_read() -> None:
    assert read(Wire.MESSAGES, b'{"x":{"model":"b"},"model":"a"}').model == "a"
    assert read(Wire.MESSAGES, b'{"model":"b"}').model == "b"
    for body in (b'{"model":"a","model":"b"}', b"{}"):
        with pytest.raises(BadBody):
            read(Wire.MESSAGES, body)
