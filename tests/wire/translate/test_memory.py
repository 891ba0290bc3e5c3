"""What a translated stream keeps while it lasts: thousands of them are open at once, and may be silent for minutes."""

import gc
import json
import tracemalloc
from typing import Any

import pytest

from waystation.model import Wire
from waystation.wire.codecs import AnswerHead, Target
from waystation.wire.translate import Translation

_SCHEMA = {
    "type": "object",
    "properties": {f"p{i}": {"type": "string", "description": "x" * 60} for i in range(8)},
}
_TOOLS = [{"name": f"tool{i}", "description": "d" * 1500, "input_schema": _SCHEMA} for i in range(40)]
_ASKED: dict[Wire, dict[str, Any]] = {
    Wire.MESSAGES: {
        "max_tokens": 1000,
        "system": "s" * 20_000,
        "messages": [{"role": "user", "content": "hi " * 3000}],
        "tools": _TOOLS,
        "tool_choice": {"type": "tool", "name": "tool7"},
    },
    Wire.RESPONSES: {
        "instructions": "s" * 20_000,
        "input": "hi " * 3000,
        "tools": [
            {"type": "function", "name": t["name"], "description": t["description"], "parameters": _SCHEMA}
            for t in _TOOLS
        ],
        "tool_choice": {"type": "function", "name": "tool7"},
    },
}


@pytest.mark.parametrize(
    ("asked", "spoken"), [(Wire.MESSAGES, Wire.RESPONSES), (Wire.RESPONSES, Wire.MESSAGES)]
)
def test_an_open_stream_keeps_less_than_32_KiB_of_a_request_of_100_KB(asked: Wire, spoken: Wire) -> None:
    body = json.dumps({"model": "m", "stream": True, **_ASKED[asked]}).encode()
    assert len(body) > 100_000
    open_streams = []
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(10):
        conversation = Translation.read(asked, body, model="m", stream=True)
        head = AnswerHead("a", 1, "m", conversation)
        translation = Translation(asked, conversation, Target(spoken, "p", "x"), head)
        translation.body = b""  # as the relay does once it is sent
        open_streams.append((translation, translation.tap()))
        del conversation, head, translation
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / len(open_streams) < 32 * 1024
