"""What real coding tools send, through to every provider.

`real_requests.jsonl` has the requests of eight tools for the task "create hello.txt containing hi", long texts and
lists of tools cut short.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.wire.translate import sdk
from tests.wire.translate.pairs import NAMES, TARGETS, head_of, target_of
from waystation.model import Wire
from waystation.wire.canonical import ServerTool, ToolCall, ToolResult
from waystation.wire.translate import Translation

LINES = (Path(__file__).parent / "real_requests.jsonl").read_text("utf-8").splitlines()
REQUESTS: list[dict[str, Any]] = [json.loads(line) for line in LINES]
NUMBERS = [f"{request['tool']}-{number}" for number, request in enumerate(REQUESTS)]
EXPECTED = {
    "anthropic.messages": {"context_management", "x-anthropic-billing-header"},
    "openai.responses": {"tools.web_search"},
    "openai.chat": set(),
    "gemini.generate": set(),
}
"""What no other protocol can say, of what these tools ask for; anything beside it is a surprise."""
SAID_DIFFERENTLY = {
    "cache_control",
    "thinking",
    "generationConfig.thinkingConfig",
    "is_error",
    "parallel_tool_calls",
    "prompt_cache_key",
    "reasoning",
    "reasoning_effort",
    "temperature",
    "top_k",
    "top_p",
    "user",
}
"""What depends on the provider's model."""


@pytest.mark.parametrize("target", TARGETS, ids=NAMES.get)
@pytest.mark.parametrize("request_", REQUESTS, ids=NUMBERS)
def test_a_real_request_reaches_every_provider(request_: dict[str, Any], target: Wire) -> None:
    source = Wire(request_["wire"])
    if source is target:
        return
    body = json.dumps(request_["body"]).encode()
    asked = Translation.read(source, body, model="asked-for", stream=True)
    made = Translation(source, asked, target_of(target), head_of(asked))
    sdk.check_request(target, made.body)
    said = made.body.decode()
    assert "create hello.txt containing hi" in said
    for tool in asked.tools:
        assert isinstance(tool, ServerTool) or tool.name in said
    parts = [part for turn in asked.turns for part in turn.parts]
    calls = [part for part in parts if isinstance(part, ToolCall)]
    assert len(calls) == sum(isinstance(part, ToolResult) for part in parts)
    for call in calls:
        assert f'"{call.name}"' in said
    assert "tool_history" not in made.changed
    surprises = set(made.dropped) - EXPECTED[request_["wire"]] - SAID_DIFFERENTLY
    assert not surprises
