"""Small requests in each protocol, and the means to send and read them, for the tests of this room."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from waystation.model import Wire
from waystation.rehearsal import Rehearsal, Script
from waystation.rehearsal.exchange import Request

FIXTURES = Path(__file__).parents[1] / "fixtures"
WIRES = (Wire.MESSAGES, Wire.RESPONSES, Wire.CHAT, Wire.GENERATE)
NOON = 1_800_000_000.0

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "description": "Path of the file"},
        "content": {"type": "string"},
    },
    "required": ["path", "content"],
}
SHELL: dict[str, Any] = {
    "type": "object",
    "properties": {"command": {"type": "string"}},
    "required": ["command"],
}


def tools(wire: Wire) -> list[Any]:
    """`write` and `bash`, as this protocol declares tools."""
    pairs = [("write", SCHEMA), ("bash", SHELL)]
    if wire is Wire.MESSAGES:
        return [{"name": n, "description": n, "input_schema": s} for n, s in pairs]
    if wire is Wire.RESPONSES:
        return [
            {"type": "function", "name": n, "description": n, "parameters": s, "strict": False}
            for n, s in pairs
        ]
    if wire is Wire.CHAT:
        return [
            {"type": "function", "function": {"name": n, "description": n, "parameters": s}} for n, s in pairs
        ]
    return [
        {"functionDeclarations": [{"name": n, "description": n, "parametersJsonSchema": s} for n, s in pairs]}
    ]


def body(
    wire: Wire,
    words: str,
    *,
    stream: bool = False,
    with_tools: bool = False,
    think: bool = False,
    **more: Any,
) -> dict[str, Any]:
    """A request body that says these words."""
    said: dict[str, Any]
    if wire is Wire.MESSAGES:
        said = {
            "model": "claude-sonnet-4-5",
            "max_tokens": 4000,
            "messages": [{"role": "user", "content": words}],
        }
        if think:
            said["thinking"] = {"type": "enabled", "budget_tokens": 2000}
    elif wire is Wire.RESPONSES:
        said = {"model": "gpt-5.4", "input": words}
        if think:
            said |= {"reasoning": {"summary": "auto"}, "include": ["reasoning.encrypted_content"]}
    elif wire is Wire.CHAT:
        said = {"model": "gpt-5.4", "messages": [{"role": "user", "content": words}]}
        if think:
            said["reasoning_effort"] = "medium"
        if stream:
            said["stream_options"] = {"include_usage": True}
    else:
        said = {"contents": [{"role": "user", "parts": [{"text": words}]}]}
        if think:
            said["generationConfig"] = {"thinkingConfig": {"includeThoughts": True}}
    if with_tools:
        said["tools"] = tools(wire)
    if stream and wire is not Wire.GENERATE:
        said["stream"] = True
    return said | copy.deepcopy(more)


def target(wire: Wire, *, stream: bool = False, model: str = "gemini-2.5-pro") -> str:
    if wire is Wire.MESSAGES:
        return "/anthropic/v1/messages"
    if wire is Wire.RESPONSES:
        return "/openai/v1/responses"
    if wire is Wire.CHAT:
        return "/openai/v1/chat/completions"
    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"/gemini/v1beta/models/{model}:{verb}"


def headers(wire: Wire, key: str = "k") -> tuple[tuple[bytes, bytes], ...]:
    said = [(b"content-type", b"application/json")]
    if wire is Wire.MESSAGES:
        said += [(b"x-api-key", key.encode()), (b"anthropic-version", b"2023-06-01")]
    elif wire is Wire.GENERATE:
        said += [(b"x-goog-api-key", key.encode())]
    else:
        said += [(b"authorization", b"Bearer " + key.encode())]
    return tuple(said)


class Got:
    """A reply, read whole without a network."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], raw: bytes) -> None:
        self.status = status
        self.headers = {k.decode(): v.decode() for k, v in headers}
        self.raw = raw

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def events(self) -> list[Any]:
        return list(sse(self.raw))


def sse(raw: bytes) -> Iterator[Any]:
    """The data of each event of a well-formed stream, decoded."""
    for block in raw.replace(b"\r\n", b"\n").split(b"\n\n"):
        data = [line[6:] for line in block.split(b"\n") if line.startswith(b"data: ")]
        if data and data[0] != b"[DONE]":
            yield json.loads(b"\n".join(data))


def provider(*steps: Any, now: float = NOON) -> Rehearsal:
    return Rehearsal(Script(steps=steps), clock=lambda: now)


def send(
    to: Rehearsal, wire: Wire, said: dict[str, Any], *, key: str = "k", stream: bool | None = None
) -> Got:
    """Send one request straight to the provider; for Gemini `stream` picks the method."""
    streams = said.get("stream", False) if stream is None else stream
    raw = json.dumps(said).encode()
    return send_raw(to, "POST", target(wire, stream=streams), headers(wire, key), raw)


def send_raw(
    to: Rehearsal, method: str, where: str, fields: tuple[tuple[bytes, bytes], ...], raw: bytes = b""
) -> Got:
    reply = to.reply(Request(method, where, fields, raw))
    return Got(reply.status, reply.headers, b"".join(m for m in reply.moves if isinstance(m, bytes)))


def ask(wire: Wire, words: str, **more: Any) -> Got:
    """One request to a fresh provider."""
    stream = more.get("stream", False)
    return send(provider(), wire, body(wire, words, **more), stream=stream)
