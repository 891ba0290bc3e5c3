"""How Codex reads a Responses stream, said again in Python.

From `codex-rs/codex-api/src/sse/responses.rs` (`process_responses_event`) and `codex-rs/protocol/src/models.rs`
(`ResponseItem`) of openai/codex. An item that does not parse is skipped there with a word in the debug log, and
the turn goes on without it; here it raises, since that is how a tool call gets lost.
"""

import json
from typing import Any

from waystation.wire.sse import SSEDecoder

Json = dict[str, Any]


class Turn:
    """What Codex knows at the end of one sampling request."""

    def __init__(self) -> None:
        self.created = False
        self.items: list[Json] = []
        """`OutputItemDone`: recorded in the history, and calls are run."""
        self.text = ""
        self.summary = ""
        self.inputs: dict[str, str] = {}
        """`ToolCallInputDelta`, shown while an `apply_patch` is being written."""
        self.usage: Json | None = None
        self.error = ""
        self.completed = ""
        """The id of the response."""


def read(stream: bytes) -> Turn:
    """Raises AssertionError where Codex would lose something, or panic in a debug build."""
    turn = Turn()
    active: str | None = None
    for event in SSEDecoder().feed(stream):
        data = json.loads(event.data)
        kind = data["type"]
        assert isinstance(kind, str)
        for name in ("delta", "text", "item_id", "call_id"):
            assert isinstance(data.get(name), str | None)
        for name in ("summary_index", "content_index"):
            assert isinstance(data.get(name), int | None)
        if kind == "response.created":
            assert isinstance(data["response"], dict)
            turn.created = True
        elif kind == "response.output_item.added":
            item = (
                parse_item(data["item"]) if data["item"]["type"] != "image_generation_call" else data["item"]
            )
            active = item["type"]
        elif kind == "response.output_item.done":
            turn.items.append(parse_item(data["item"]))
            active = None
        elif kind == "response.output_text.delta":
            assert active == "message", "OutputTextDelta without active item"
            turn.text += data["delta"]
        elif kind == "response.reasoning_summary_part.added":
            assert active == "reasoning", "ReasoningSummaryPartAdded without active item"
            assert isinstance(data["summary_index"], int)
        elif kind == "response.reasoning_summary_text.delta":
            assert active == "reasoning", "ReasoningSummaryDelta without active item"
            assert isinstance(data["summary_index"], int)
            turn.summary += data["delta"]
        elif kind == "response.custom_tool_call_input.delta":
            key = data["item_id"]
            turn.inputs[key] = turn.inputs.get(key, "") + data["delta"]
        elif kind == "response.failed":
            error = data["response"]["error"]
            turn.error = error["code"]
            return turn
        elif kind == "response.incomplete":
            details = data["response"].get("incomplete_details") or {}
            turn.error = f"Incomplete response returned, reason: {details.get('reason', 'unknown')}"
            return turn
        elif kind == "response.completed":
            response = data["response"]
            turn.completed = _string(response, "id")
            turn.usage = _usage(response.get("usage"))
            assert isinstance(response.get("end_turn"), bool | None)
            return turn
    turn.error = "stream closed before response.completed"
    return turn


def parse_item(item: Json) -> Json:
    """`serde_json::from_value::<ResponseItem>`."""
    kind = item["type"]
    for name in ("id", "namespace", "status", "phase"):
        assert isinstance(item.get(name), str | None), name
    if kind == "message":
        _string(item, "role")
        for part in _list(item, "content"):
            assert part["type"] in ("input_text", "input_image", "output_text"), part["type"]
            _string(part, "image_url" if part["type"] == "input_image" else "text")
    elif kind == "reasoning":
        for part in _list(item, "summary"):
            assert part["type"] == "summary_text"
            _string(part, "text")
        assert isinstance(item.get("encrypted_content"), str | None)
    elif kind == "function_call":
        for name in ("name", "arguments", "call_id"):
            _string(item, name)
    elif kind == "custom_tool_call":
        for name in ("name", "input", "call_id"):
            _string(item, name)
    elif kind == "web_search_call":
        assert isinstance(item.get("action"), dict | None)
    elif kind == "image_generation_call":
        _string(item, "status")
        _string(item, "result")
    else:
        raise AssertionError(f"an item that Codex does not know: {kind}")
    return item


def replayed(item: Json) -> Json:
    """`item` as Codex sends it in the next request."""
    sent = {name: value for name, value in item.items() if name in _KEPT[item["type"]] and value is not None}
    if item["type"] == "message":
        sent["content"] = [{"type": part["type"], "text": part["text"]} for part in item["content"]]
    if item["type"] == "reasoning":
        sent["encrypted_content"] = item.get("encrypted_content")
    return sent


_KEPT = {
    "message": ("type", "id", "role", "content", "phase"),
    "reasoning": ("type", "id", "summary"),
    "function_call": ("type", "id", "name", "namespace", "arguments", "call_id"),
    "custom_tool_call": ("type", "id", "status", "call_id", "name", "namespace", "input"),
}


def _usage(usage: Any) -> Json | None:
    if usage is None:
        return None
    for name in ("input_tokens", "output_tokens", "total_tokens"):
        assert type(usage[name]) is int, name
    if usage.get("input_tokens_details") is not None:
        assert type(usage["input_tokens_details"]["cached_tokens"]) is int
        assert type(usage["input_tokens_details"].get("cache_write_tokens", 0)) is int
    if usage.get("output_tokens_details") is not None:
        assert type(usage["output_tokens_details"]["reasoning_tokens"]) is int
    assert isinstance(usage, dict)
    return usage


def _string(item: Json, name: str) -> str:
    value = item[name]
    assert isinstance(value, str), name
    return value


def _list(item: Json, name: str) -> list[Json]:
    value = item[name]
    assert isinstance(value, list), name
    return value
