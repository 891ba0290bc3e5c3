"""Whatever is sent, something in the provider's shape comes back, and the server lives on."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rehearsal.asking import WIRES, body, headers, provider, send_raw, target
from tests.rehearsal.socket_client import exchange, request
from tests.rehearsal_fixture import rehearsal

from waystation.model import Wire
from waystation.rehearsal import RehearsalServer

__all__ = ["rehearsal"]

KEYS = [
    "messages", "content", "role", "type", "text", "input", "contents", "parts", "tools", "function", "name", "id",
    "tool_calls", "call_id", "thinking", "reasoning", "include", "stream_options", "system", "tool_choice", "stop",
    "cache_control", "output_config", "format", "schema", "generationConfig", "parameters", "input_schema", "signature",
    "response_format", "functionCall", "functionResponse", "instructions", "stop_sequences", "max_output_tokens",
]  # fmt: skip
VALUES = [
    "user",
    "assistant",
    "tool",
    "text",
    "tool_use",
    "tool_result",
    "message",
    "function",
    "any",
    "json_schema",
    "",
]
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 9), st.floats(allow_nan=False), st.sampled_from(VALUES)
)
odd = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=12,
)


@settings(max_examples=150)
@given(
    st.sampled_from(WIRES),
    st.booleans(),
    st.dictionaries(st.sampled_from(KEYS), odd, max_size=4),
    st.booleans(),
)
def test_any_json_gets_an_answer_or_a_refusal(
    wire: Wire, stream: bool, change: dict[str, Any], tools: bool
) -> None:
    said = body(wire, "run ls", stream=stream, with_tools=tools, think=True) | change
    got = send_raw(provider(), "POST", target(wire, stream=stream), headers(wire), json.dumps(said).encode())
    assert got.status in (200, 400)
    if got.status == 400:
        assert got.json["error"]["message"]


async def test_an_odd_request_does_not_end_the_server(rehearsal: RehearsalServer) -> None:
    for sent in (
        b'{"model": 1, "messages": {}}',
        b'{"model": "m", "max_tokens": 5, "messages": [[1]], "tools": 7}',
    ):
        lines = b"".join(k + b": " + v + b"\r\n" for k, v in headers(Wire.MESSAGES))
        head = b"POST /anthropic/v1/messages HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n%b\r\n" % (
            len(sent),
            lines,
        )
        assert (await exchange(rehearsal, head + sent)).status == 400
    assert (await exchange(rehearsal, request(Wire.MESSAGES, "say hi"))).status == 200
