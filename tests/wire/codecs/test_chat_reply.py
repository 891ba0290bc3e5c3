"""A provider's whole answer, read."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.codecs.chat_sdk import delta, head, parts, read
from tests.wire.conversations import replies
from waystation.model import Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import Reasoning, Reply, Seal, StopReason, Text, ToolCall
from waystation.wire.codecs.chat import CODEC

FIXTURES = Path(__file__).parent.parent / "fixtures"


def answer(reason: str | None = "stop", /, **message: Any) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    body = {"id": "chatcmpl-1", "object": "chat.completion", "model": "m", "choices": [choice]}
    return CODEC.read_reply(json.dumps(body).encode())


def test_a_recorded_answer() -> None:
    found = CODEC.read_reply((FIXTURES / "chat.json").read_bytes())
    assert found == Reply((Text("done"),), StopReason.END, None, "chatcmpl-9xF", "gpt-5.4-2026-03-05")


def test_thoughts_text_and_calls() -> None:
    calls = [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
        {"id": "a", "type": "function", "function": {"name": "g", "arguments": ""}},
        {"id": "c", "type": "custom", "custom": {"name": "p", "input": "raw"}},
    ]
    assert answer("stop", content="a", reasoning_content="hm", refusal=None, tool_calls=calls) == Reply(
        (
            Reasoning("hm", Seal(Wire.CHAT, "reasoning_content")),
            Text("a"),
            ToolCall("a", "f", '{"x":1}'),
            ToolCall("a", "g", ""),
            ToolCall("c", "p", "raw", custom=True),
        ),
        StopReason.TOOL_USE,
        None,
        "chatcmpl-1",
        "m",
    )


def test_other_things_that_an_answer_can_be() -> None:
    assert answer(content=None, refusal="no").parts == (Text("no", refusal=True),)
    assert answer(content="").parts == ()
    assert answer("length", content="a").reason is StopReason.MAX_TOKENS
    assert answer(None, content="a").reason is StopReason.END
    assert answer("function_call", function_call={"name": "f", "arguments": "{}"}).parts == (
        ToolCall("", "f", "{}"),
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"{}",
        b'{"choices":[]}',
        b'{"choices":[{"index":1,"message":{"content":"a"}}]}',
        b'{"choices":[{"index":0}]}',
        b'{"error":{"message":"x"},"choices":[{"message":{"content":"a"}}]}',
        b'{"choices":[{"message":{"content":"a"},"finish_reason":"error"}]}',
    ],
)
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(BadBody):
        CODEC.read_reply(body)


@given(replies(Wire.CHAT))
def test_our_own_answer_is_read_as_it_was(reply: Reply) -> None:
    found = CODEC.read_reply(CODEC.write_reply(reply, head()))
    assert [part for part in found.parts if isinstance(part, ToolCall)] == [
        part for part in reply.parts if isinstance(part, ToolCall)
    ]
    said = "".join(part.text for part in reply.parts if isinstance(part, Text))
    assert "".join(part.text for part in found.parts if isinstance(part, Text)) == (
        "" if said.isspace() else said
    )
    assert found.reason is reply.reason


texts = st.sampled_from(["", "a", "猫 🐈", " ", "\n", "b\n"])
messages = st.fixed_dictionaries(
    {"content": texts},
    optional={
        "reasoning_content": texts,
        "refusal": texts,
        "tool_calls": st.lists(
            st.builds(
                lambda ident, name, text: {"id": ident, "function": {"name": name, "arguments": text}},
                st.sampled_from(["a", "b", "c"]),
                st.sampled_from(["f", "g"]),
                st.sampled_from(["", "{}", '{"a":1}', '{"a"']),
            ),
            max_size=3,
        ),
    },
)


@given(messages)
def test_a_whole_answer_is_read_as_its_stream(message: dict[str, Any]) -> None:
    deltas = [delta(reasoning_content=message.get("reasoning_content")), delta(content=message["content"])]
    deltas.append(delta(refusal=message.get("refusal")))
    deltas += [
        delta(tool_calls=[{**call, "index": index}])
        for index, call in enumerate(message.get("tool_calls", []))
    ]
    assert list(answer(**message).parts) == parts(read(*deltas, delta("stop")))
