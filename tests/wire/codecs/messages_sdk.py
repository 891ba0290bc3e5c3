"""Anthropic's own SDK as the judge of what the Messages codec writes."""

import itertools
import json
from typing import Any

import anthropic.types as sdk
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import message_create_params, tool_result_block_param
from pydantic import TypeAdapter

from waystation.wire.sse import SSEDecoder

_OLDER = {"temperature", "top_p", "top_k"}
"""Still in the API for older models, and no longer in the SDK's types."""
_BETA = {"context_management", "container", "mcp_servers", "betas"}
_BLOCKS: dict[str, Any] = {
    "text": sdk.TextBlockParam,
    "image": sdk.ImageBlockParam,
    "document": sdk.DocumentBlockParam,
    "search_result": sdk.SearchResultBlockParam,
    "thinking": sdk.ThinkingBlockParam,
    "redacted_thinking": sdk.RedactedThinkingBlockParam,
    "tool_use": sdk.ToolUseBlockParam,
    "tool_result": sdk.ToolResultBlockParam,
    "server_tool_use": sdk.ServerToolUseBlockParam,
    "web_search_tool_result": sdk.WebSearchToolResultBlockParam,
}
_SAID = {"text", "thinking", "redacted_thinking", "tool_use", "server_tool_use", "web_search_tool_result"}
_HEARD = {"text", "image", "document", "search_result", "tool_result"}
_adapters: dict[Any, TypeAdapter[Any]] = {}
_event: TypeAdapter[Any] = TypeAdapter(sdk.RawMessageStreamEvent)


def check_request(body: dict[str, Any]) -> None:
    """Raises where the SDK's types, or the API's documented rules of order, do not allow `body`."""
    allowed = set(message_create_params.MessageCreateParamsBase.__annotations__) | {"stream"} | _OLDER | _BETA
    assert set(body) <= allowed
    assert isinstance(body["max_tokens"], int)
    for block in body.get("system", []):
        _check(block, sdk.TextBlockParam)
    _check_messages(body["messages"])
    for tool in body.get("tools", []):
        _check(tool, sdk.ToolParam) if "input_schema" in tool else _validate(tool, sdk.ToolUnionParam)
        assert tool.get("input_schema", {"type": "object"})["type"] == "object"
    for field, kind in (
        ("tool_choice", sdk.ToolChoiceParam),
        ("thinking", sdk.ThinkingConfigParam),
        ("output_config", sdk.OutputConfigParam),
        ("metadata", sdk.MetadataParam),
    ):
        if field in body:
            _validate(body[field], kind)
    thinking = body.get("thinking", {})
    if thinking.get("type") == "enabled":
        assert 1024 <= thinking["budget_tokens"] < body["max_tokens"]
    if thinking.get("type") in ("enabled", "adaptive"):
        assert "top_k" not in body
        assert body.get("temperature", 1) == 1
    assert all(word.strip() for word in body.get("stop_sequences", []))


def _check_messages(messages: list[dict[str, Any]]) -> None:
    roles = [message["role"] for message in messages]
    sides = [role for role in roles if role != "system"]
    assert sides[0] == "user"
    assert all(one != other for one, other in itertools.pairwise(sides))
    for at, role in enumerate(roles):
        if role == "system":
            assert roles[at - 1] == "user"
            assert at + 1 == len(roles) or roles[at + 1] == "assistant"
    for message in messages:
        assert set(message) == {"role", "content"}
        assert message["content"]
        kinds = [block["type"] for block in message["content"]]
        assert set(kinds) <= {"user": _HEARD, "assistant": _SAID, "system": {"text"}}[message["role"]]
        results = kinds.count("tool_result")
        assert all(kind == "tool_result" for kind in kinds[:results])
        for block in message["content"]:
            _check_block(block)


def _check_block(block: dict[str, Any]) -> None:
    _check(block, _BLOCKS[block["type"]])
    if block["type"] == "text":
        assert block["text"].strip()
    if block["type"] == "thinking":
        assert block["signature"]
    if block["type"] == "tool_result" and not isinstance(block.get("content", ""), str):
        for part in block["content"]:
            _validate(part, tool_result_block_param.Content)
            _check_block(part)


def _check(value: dict[str, Any], kind: Any) -> None:
    assert set(value) <= set(kind.__annotations__), (value, kind)
    _validate(value, kind)


def _validate(value: Any, kind: Any) -> None:
    adapter = _adapters.get(kind)
    if adapter is None:
        adapter = _adapters[kind] = TypeAdapter(kind)
    adapter.validate_python(value)


def accumulated(stream: bytes) -> dict[str, Any]:
    """A stream as the SDK puts it together, having checked each of its events."""
    decoder = SSEDecoder()
    message: Any = None
    buffers: dict[int, bytes] = {}
    kinds = []
    for event in [*decoder.feed(stream), *decoder.close()]:
        data = json.loads(event.data)
        assert event.type == data["type"]
        kinds.append(event.type)
        parsed = _event.validate_python(data)
        message = accumulate_event(event=parsed, current_snapshot=message, json_bufs=buffers)
        if event.type == "message_delta":  # it has what the SDK's accumulator does not take over
            message.usage.cache_creation = sdk.CacheCreation(**data["usage"]["cache_creation"])
    assert kinds[0] == "message_start"
    assert kinds[-2:] == ["message_delta", "message_stop"]
    whole: dict[str, Any] = message.to_dict(mode="json")
    return whole
