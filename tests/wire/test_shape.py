"""What smart routes see of a request."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.model import TOOL_WIRES, Wire
from waystation.wire.shape import read_shape

TOOLS = [{"name": "bash", "input_schema": {}}]


def shape(wire: Wire, body: dict[str, Any], max_output: int | None = None) -> Any:
    return read_shape(wire, json.dumps(body).encode(), max_output)


@pytest.mark.parametrize(
    ("wire", "body", "kind"),
    [
        (
            Wire.CHAT,
            {
                "messages": [
                    {
                        "role": "system",
                        "content": "You are a title generator. You output ONLY a thread title.",
                    },
                    {"role": "user", "content": "Generate a title"},
                ]
            },
            "title",
        ),
        (
            Wire.MESSAGES,
            {
                "system": [{"type": "text", "text": "You are a title generator. You output ONLY a title."}],
                "messages": [{"role": "user", "content": "fix the bug"}],
            },
            "title",
        ),
        (
            Wire.MESSAGES,
            {
                "tools": TOOLS,
                "messages": [
                    {"role": "user", "content": "fix the bug"},
                    {
                        "role": "user",
                        "content": "Your task is to create a detailed summary of the conversation so far",
                    },
                ],
            },
            "summary",
        ),
        (
            Wire.RESPONSES,
            {
                "input": [
                    {"role": "user", "content": "fix"},
                    {"role": "user", "content": "You are performing a CONTEXT CHECKPOINT COMPACTION."},
                ]
            },
            "summary",
        ),
        (
            Wire.GENERATE,
            {
                "systemInstruction": {
                    "parts": [
                        {
                            "text": "You are the component that summarizes internal chat history into a structure"
                        }
                    ]
                },
                "contents": [{"role": "user", "parts": [{"text": "x"}]}],
            },
            "summary",
        ),
        (
            Wire.GENERATE,
            {
                "contents": [{"role": "user", "parts": [{"text": "who speaks?"}]}],
                "generationConfig": {"responseJsonSchema": {"properties": {"next_speaker": {}}}},
            },
            "check",
        ),
        (Wire.MESSAGES, {"tools": TOOLS, "messages": [{"role": "user", "content": "fix the bug"}]}, ""),
        (Wire.MESSAGES, {"messages": [{"role": "user", "content": "what is a monad?"}]}, ""),
    ],
)
def test_side_calls_are_recognised(wire: Wire, body: dict[str, Any], kind: str) -> None:
    assert shape(wire, body).side_call == kind


def test_a_conversation_about_titles_is_not_a_side_call() -> None:
    talk = {"role": "user", "content": 'the prompt says "You are a title generator", translate it'}
    assert shape(Wire.MESSAGES, {"tools": TOOLS, "messages": [talk]}).side_call == ""


def test_an_old_summary_request_in_the_history_is_not_one_now() -> None:
    ask = {"role": "user", "content": "Your task is to create a detailed summary of the conversation"}
    turns = [{"role": "user", "content": "hi"}, ask, {"role": "user", "content": "go on"}]
    assert shape(Wire.MESSAGES, {"tools": TOOLS, "messages": turns}).side_call == ""


def test_a_tiny_answer_without_tools_is_a_check() -> None:
    body = {"messages": [{"role": "user", "content": "quota"}]}
    assert shape(Wire.MESSAGES, body, 1).side_call == "check"
    assert shape(Wire.MESSAGES, {**body, "tools": TOOLS}, 1).side_call == ""


def test_tools_images_and_size() -> None:
    declared = {"tools": [{"functionDeclarations": [{"name": "a"}, {"name": "b"}]}, {"googleSearch": {}}]}
    assert shape(Wire.GENERATE, {**declared, "contents": []}).tools == 2
    picture = {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "data": "…"}}]}
    assert shape(Wire.MESSAGES, {"messages": [picture]}).images
    small, large = ({"messages": [{"role": "user", "content": "x" * n}]} for n in (10, 100_000))
    assert shape(Wire.MESSAGES, large).prompt_tokens > 20_000 > shape(Wire.MESSAGES, small).prompt_tokens


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.just("functionDeclarations") | st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
fields = st.sampled_from(
    ["tools", "system", "messages", "input", "contents", "generationConfig", "instructions"]
)


@given(st.sampled_from(TOOL_WIRES), st.dictionaries(fields, json_values, max_size=5) | json_values)
def test_no_body_makes_it_raise(wire: Wire, body: Any) -> None:
    read_shape(wire, json.dumps(body).encode(), None)
