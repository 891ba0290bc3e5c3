"""What is sent: requests like a coding agent's, byte for byte the same for every target."""

import json
from typing import Any

MODEL = "claude-3-5-sonnet-20241022"  # a name that peers with a built-in catalogue know
TOKEN = "sk-bench-0123456789abcdef"  # what nginx and LiteLLM are told to accept
HEADERS = {
    "host": "127.0.0.1",
    "user-agent": "claude-cli/2.0 (external, cli)",
    "accept": "application/json",
    "content-type": "application/json",
    "anthropic-version": "2023-06-01",
    "x-app": "cli",
    "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14",
    "x-stainless-lang": "js",
    "x-stainless-runtime": "node",
    "x-stainless-package-version": "0.60.0",
}
_CODE = (
    'def handler(request):\n    """Return \\"ok\\"."""\n    value = request.get("key", {})\n'
    '    if not value:\n\t\treturn {"status": 404, "body": "not found\\n"}\n    return value\n'
)


def make_body(size: int, stream: bool = False, pace_us: int = 0) -> bytes:
    """A coding agent's request of about `size` bytes: system, tools, a conversation full of escaped code.

    `pace_us` tells the mock provider to send one event each so many microseconds.
    """

    def tool(i: int) -> dict[str, Any]:
        return {
            "name": f"tool_{i}",
            "description": "Runs a command in the workspace and returns its output. " * 2,
            "input_schema": {
                "type": "object",
                "required": ["path"],
                "properties": {
                    "path": {"type": "string", "description": "a path"},
                    "limit": {"type": "integer"},
                },
            },
        }

    pace = f"MOCKPACE={pace_us} " if pace_us else ""
    system = {
        "type": "text",
        "text": f"You are a coding agent. {pace}",
        "cache_control": {"type": "ephemeral"},
    }
    messages: list[dict[str, Any]] = []
    body = {
        "model": MODEL,
        "max_tokens": 4096,
        "stream": stream,
        "system": [system],
        "tools": [tool(i) for i in range(1 if size < 4000 else 12)],
        "messages": messages,
    }
    while (left := size - len(json.dumps(body))) > 0 or len(messages) % 2 == 0:
        text = (_CODE * 8)[: max(40, min(1500, left - 120))]
        role = "assistant" if len(messages) % 2 else "user"
        messages.append({"role": role, "content": [{"type": "text", "text": text}]})
    return json.dumps(body, separators=(",", ":")).encode()


def bodies() -> dict[str, bytes]:
    """By the name that the metrics use."""
    return {
        "2k": make_body(2_000),
        "30k": make_body(30_000),
        "300k": make_body(300_000),
        "sse": make_body(30_000, stream=True),
        "paced": make_body(2_000, stream=True, pace_us=50_000),
    }
