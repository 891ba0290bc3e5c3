"""Whole answers in the Responses protocol."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.streams import fixture
from waystation.model import Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import Native, Reasoning, Reply, Seal, StopReason, Text, ToolCall
from waystation.wire.codecs.responses import CODEC


def read(*output: dict[str, Any], **fields: Any) -> Reply:
    body = {"id": "resp_1", "model": "gpt-5.4", "status": "completed", "output": list(output), **fields}
    return CODEC.read_reply(json.dumps(body).encode())


def test_a_recorded_answer() -> None:
    reply = CODEC.read_reply(fixture("responses.json"))
    assert reply.reason in (StopReason.END, StopReason.TOOL_USE)
    assert reply.usage is None
    assert reply.id.startswith("resp_")
    assert reply.parts


def test_items_of_all_kinds() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    reply = read(
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "a"}, {"type": "summary_text", "text": "b"}],
            "encrypted_content": "gAAA",
        },
        {
            "type": "reasoning",
            "id": "rs_2",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "c"}],
        },
        {"type": "reasoning", "id": "rs_3", "summary": []},
        search,
        {
            "type": "message",
            "content": [{"type": "output_text", "text": "d"}, {"type": "output_text", "text": ""}],
        },
        {
            "type": "function_call",
            "call_id": "1",
            "name": "f",
            "namespace": "ns",
            "arguments": '{"a":1}',
        },
        {"type": "custom_tool_call", "call_id": "2", "name": "p", "input": "x"},
    )
    assert reply == Reply(
        (
            Reasoning("a\n\nb", Seal(Wire.RESPONSES, "rs_1 gAAA"), id="rs_1"),
            Reasoning("c", id="rs_2"),
            Native(Wire.RESPONSES, "web_search_call", search),
            Text("d"),
            ToolCall("1", "f", '{"a":1}', "ns"),
            ToolCall("2", "p", "x", custom=True),
        ),
        StopReason.TOOL_USE,
        id="resp_1",
        model="gpt-5.4",
    )


def test_E106_why_it_ended() -> None:
    words = {"type": "message", "content": [{"type": "output_text", "text": "a"}]}
    refusal = {"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}
    assert read(words).reason is StopReason.END
    assert read(refusal).reason is StopReason.REFUSAL
    for why, reason in (
        ("max_output_tokens", StopReason.MAX_TOKENS),
        ("content_filter", StopReason.REFUSAL),
        ("brand_new", StopReason.MAX_TOKENS),
    ):
        assert read(words, status="incomplete", incomplete_details={"reason": why}).reason is reason
    assert read(words, status="incomplete", incomplete_details=None).reason is StopReason.MAX_TOKENS


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"output": 3}',
        b'{"status": "failed", "output": [], "error": {"code": "server_error", "message": "no"}}',
        b'{"status": "in_progress", "output": []}',
        b'{"choices": []}',
    ],
)
def test_what_is_no_answer_is_a_bad_body(body: bytes) -> None:
    with pytest.raises(BadBody):
        CODEC.read_reply(body)


_anything = st.recursive(
    st.none() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from(["message", "reasoning", "function_call", "custom_tool_call"])},
            optional=dict.fromkeys(("content", "summary", "name", "arguments", "input", "id"), _anything),
        )
        | _anything,
        max_size=3,
    ),
    _anything,
)
def test_any_answer_is_read_or_is_a_bad_body(output: list[Any], details: Any) -> None:
    body = {"output": output, "incomplete_details": details, "status": "incomplete"}
    assert CODEC.read_reply(json.dumps(body).encode()).reason is StopReason.MAX_TOKENS
