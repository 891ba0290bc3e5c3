"""What a real provider refuses, the rehearsal provider refuses too, in its words."""

import json
from typing import Any

import pytest
from tests.rehearsal.asking import WIRES, body, headers, provider, send, send_raw, target
from tests.rehearsal.test_agent import answer_tools

from waystation.model import Wire
from waystation.rehearsal import Rehearsal, Script

A, B = "toolu_a", "toolu_b"
USE = {"role": "assistant", "content": [{"type": "tool_use", "id": A, "name": "x", "input": {}}]}
RESULT = {"type": "tool_result", "tool_use_id": A, "content": "ok"}
HI = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"model": None}, "model: Field required"),
        ({"max_tokens": None}, "max_tokens: Field required"),
        ({"max_tokens": 0}, "greater than or equal to 1"),
        ({"messages": []}, "at least one message is required"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, "messages.0.role"),
        ({"messages": [{"role": "user", "content": ""}]}, "must be non-empty"),
        ({"messages": [{"role": "user", "content": []}]}, "non-empty content"),
        (
            {"messages": [HI, USE, HI]},
            "`tool_use` ids were found without `tool_result` blocks immediately after",
        ),
        ({"messages": [HI, {"role": "user", "content": [RESULT]}]}, "unexpected `tool_use_id`"),
        (
            {"messages": [HI, USE, {"role": "user", "content": [RESULT, RESULT]}]},
            "Found multiple `tool_result`",
        ),
        (
            {
                "messages": [
                    HI,
                    {"role": "assistant", "content": [{"type": "tool_use", "id": "a.b", "name": "x"}]},
                ]
            },
            "String should match pattern",
        ),
        (
            {
                "messages": [
                    HI,
                    {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}]},
                    HI,
                ]
            },
            "signature: Field required",
        ),
    ],
)
def test_anthropic_refuses_bad_conversations(change: dict[str, Any], says: str) -> None:
    said = {k: v for k, v in (body(Wire.MESSAGES, "hi") | change).items() if v is not None}
    got = send(provider(), Wire.MESSAGES, said)
    assert (got.status, got.json["error"]["type"]) == (400, "invalid_request_error")
    assert says in got.json["error"]["message"]


CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {}}]}
TOOL = {"role": "tool", "tool_call_id": "c", "content": "ok"}


@pytest.mark.parametrize(
    ("wire", "change", "says"),
    [
        (Wire.CHAT, {"model": None}, "you must provide a model parameter"),
        (Wire.CHAT, {"messages": None}, "Missing required parameter: 'messages'"),
        (Wire.CHAT, {"messages": []}, "empty array"),
        (Wire.CHAT, {"messages": [HI, TOOL]}, "must be a response to a preceeding message with 'tool_calls'"),
        (Wire.CHAT, {"messages": [HI, CALL, HI]}, "must be followed by tool messages"),
        (Wire.RESPONSES, {"model": None}, "Missing required parameter: 'model'"),
        (Wire.RESPONSES, {"input": None}, "Missing required parameter: 'input'"),
        (
            Wire.RESPONSES,
            {"input": [{"type": "function_call_output", "call_id": "c", "output": ""}]},
            "No tool call found for function call output with call_id c",
        ),
        (
            Wire.RESPONSES,
            {"input": [{"type": "function_call", "call_id": "c", "name": "x", "arguments": "{}"}]},
            "No tool output found for function call c",
        ),
        (Wire.GENERATE, {"contents": []}, "contents is not specified"),
        (Wire.GENERATE, {"contents": [{"role": "user", "parts": []}]}, "must not be empty"),
        (
            Wire.GENERATE,
            {"contents": [
                {"role": "model", "parts": [{"functionCall": {"name": "x", "args": {}}}]},
                {"role": "user", "parts": [{"text": "hi"}]},
            ]},
            "number of function response parts",
        ),
    ],
)  # fmt: skip
def test_the_others_refuse_bad_conversations(wire: Wire, change: dict[str, Any], says: str) -> None:
    said = {k: v for k, v in (body(wire, "hi") | change).items() if v is not None}
    got = send(provider(), wire, said)
    assert got.status == 400
    assert says in got.json["error"]["message"]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_a_400_in_the_providers_shape(wire: Wire, raw: bytes) -> None:
    got = send_raw(provider(), "POST", target(wire), headers(wire), raw)
    assert got.status == 400
    assert got.json["error"]["message"]


@pytest.mark.parametrize("wire", WIRES)
def test_a_compressed_body_is_refused(wire: Wire) -> None:
    got = send_raw(
        provider(), "POST", target(wire), (*headers(wire), (b"content-encoding", b"zstd")), b"(\xb5/\xfd"
    )
    assert got.status == 415


@pytest.mark.parametrize(
    ("wire", "status"), [(Wire.MESSAGES, 401), (Wire.RESPONSES, 401), (Wire.CHAT, 401), (Wire.GENERATE, 403)]
)
@pytest.mark.parametrize("key", [None, ""])
def test_a_missing_key_gets_the_providers_own_refusal(wire: Wire, status: int, key: str | None) -> None:
    fields = headers(wire, "") if key == "" else ((b"anthropic-version", b"2023-06-01"),)
    got = send_raw(provider(), "POST", target(wire), fields, b"{}")
    assert got.status == status
    assert got.json["error"]["message"]


@pytest.mark.parametrize("wire", WIRES)
def test_a_keyless_provider_lets_requests_without_a_key_in_but_no_wrong_key(wire: Wire) -> None:
    to = Rehearsal(Script(keys=("right",)), keyless=True)
    version = ((b"anthropic-version", b"2023-06-01"),)
    raw = json.dumps(body(wire, "say hi")).encode()
    assert send_raw(to, "POST", target(wire), version, raw).status == 200
    assert send(to, wire, body(wire, "say hi"), key="right").status == 200
    assert send(to, wire, body(wire, "say hi"), key="wrong").status >= 400


def test_anthropic_needs_its_version_header() -> None:
    got = send_raw(provider(), "POST", target(Wire.MESSAGES), ((b"x-api-key", b"k"),), b"{}")
    assert (got.status, got.json["error"]["message"]) == (400, "anthropic-version: header is required")


@pytest.mark.parametrize(
    ("where", "wire"),
    [
        ("/anthropic/v1/nothing", Wire.MESSAGES),
        ("/openai/v1/nothing", Wire.CHAT),
        ("/gemini/v1beta/x", Wire.GENERATE),
    ],
)
def test_an_unknown_address_is_a_404_in_the_providers_shape(where: str, wire: Wire) -> None:
    got = send_raw(provider(), "POST", where, headers(wire), b"{}")
    assert got.status == 404
    assert "error" in got.json


def test_an_address_of_no_provider_is_a_plain_404() -> None:
    assert send_raw(provider(), "GET", "/", ()).raw == b"Nothing is rehearsed at this address.\n"


def test_a_gemini_stream_that_is_refused_without_sse_is_an_array_too() -> None:
    where = "/gemini/v1beta/models/gemini-2.5-pro:streamGenerateContent"
    got = send_raw(provider(), "POST", where, headers(Wire.GENERATE), b"{}")
    assert got.json[0]["error"]["status"] == "INVALID_ARGUMENT"


def test_replayed_thinking_passes_only_unaltered() -> None:
    """A gateway that re-encodes a conversation must be found out (EDGE_CASES E20)."""
    said = body(Wire.MESSAGES, "think. run ls", with_tools=True, think=True)
    answer_tools(Wire.MESSAGES, said, send(provider(), Wire.MESSAGES, said).json, "a.txt")
    assert send(provider(), Wire.MESSAGES, said).status == 200
    said["messages"][1]["content"][0]["thinking"] += "\u00a0"
    refused = send(provider(), Wire.MESSAGES, said)
    assert refused.status == 400
    assert refused.json["error"]["message"] == "messages.1.content.0: Invalid `signature` in `thinking` block"
