"""Streams of `ConverseStream`, in the shapes of botocore's model and of AWS's published examples."""

import json
from typing import Any

from waystation.wire.eventstream import event, exception


def frames(*events: tuple[str, Any]) -> bytes:
    """Names and payloads; `!name` is an exception."""
    return b"".join(
        exception(name[1:], json.dumps(payload).encode())
        if name.startswith("!")
        else event(name, json.dumps(payload, ensure_ascii=False).encode())
        for name, payload in events
    )


def start() -> tuple[str, Any]:
    return "messageStart", {"role": "assistant", "p": "abcdefgh"}


def text(words: str, index: int = 0) -> tuple[str, Any]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": {"text": words}, "p": "abcd"}


def thought(index: int = 0, **said: str) -> tuple[str, Any]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": {"reasoningContent": said}}


def call(ident: str, name: str, index: int, **more: Any) -> tuple[str, Any]:
    tool = {"toolUseId": ident, "name": name, **more}
    return "contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": tool}}


def arguments(piece: str, index: int) -> tuple[str, Any]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": {"toolUse": {"input": piece}}}


def stop(index: int = 0) -> tuple[str, Any]:
    return "contentBlockStop", {"contentBlockIndex": index}


def end(reason: str = "end_turn", **more: Any) -> tuple[str, Any]:
    return "messageStop", {"stopReason": reason, **more}


def metadata(**more: Any) -> tuple[str, Any]:
    usage = {"inputTokens": 20, "outputTokens": 7, "totalTokens": 27} | more.pop("usage", {})
    return "metadata", {"usage": usage, "metrics": {"latencyMs": 1234}, **more}


RICH = frames(
    start(),
    thought(text="Let me "),
    thought(text="see."),
    thought(signature="c2lnbmVk"),
    stop(0),
    thought(1, redactedContent="cmVkYWN0ZWQ="),
    stop(1),
    text("Sure, 猫", 2),
    text(" first.", 2),
    stop(2),
    call("tooluse_1", "read", 3),
    arguments('{"path": ', 3),
    arguments('"a.txt"}', 3),
    stop(3),
    call("tooluse_2", "list", 4),
    stop(4),
    end("tool_use"),
    metadata(usage={"cacheReadInputTokens": 1000, "cacheWriteInputTokens": 300, "totalTokens": 1327}),
)
"""Thoughts signed and redacted, words, two calls, one of them without arguments."""
