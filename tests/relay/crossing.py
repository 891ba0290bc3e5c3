"""Tools of every protocol before providers of every other: policies, and what an answer says whatever it is in."""

import json
from typing import Any

from tests.rehearsal.asking import body, sse, target
from tests.relay.conftest import open_relay
from tests.relay.tool import Answer, ask
from waystation.model import Wire
from waystation.relay import RelaySettings

WIRES = (Wire.MESSAGES, Wire.RESPONSES, Wire.CHAT, Wire.GENERATE)
MODELS = {
    Wire.MESSAGES: ("anth", "claude-sonnet-4-5"),
    Wire.RESPONSES: ("oai", "gpt-5.4"),
    Wire.CHAT: ("chat", "gpt-4.1"),
    Wire.GENERATE: ("goog", "gemini-2.5-pro"),
    Wire.CONVERSE: ("aws", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
}
"""By what a provider speaks: its id and the model there."""
CROSSINGS = [(asked, spoken) for asked in WIRES for spoken in MODELS if asked is not spoken]


def others(asked: Wire) -> list[Wire]:
    """What providers speak beside it."""
    return [wire for wire in MODELS if wire is not asked]


def named(spoken: Wire) -> str:
    """What a tool asks for to get a model whose provider speaks this."""
    return f"on-{spoken.value.replace('.', '-')}"


def policy(url: str, *, second: str = "", extra: str = "", models: str = "") -> str:
    """A model for each protocol, at a server that speaks all of them at the rehearsal provider's addresses."""
    lines = ["version: 1", "providers:"]
    for place, base in (("", url), *((("2", second),) if second else ())):
        lines += [
            f"  anth{place}: {{kind: anthropic, base_url: '{base}/anthropic', credential: env:K}}",
            f"  oai{place}: {{kind: openai, base_url: '{base}/openai/v1', credential: env:K, wires: [openai.responses]}}",
            f"  chat{place}: {{kind: openai-compatible, base_url: '{base}/openai/v1', credential: env:K, wires: [openai.chat], price_provider: openai}}",
            f"  goog{place}: {{kind: google, base_url: '{base}/gemini', credential: env:K}}",
            f"  aws{place}: {{kind: bedrock, base_url: '{base}/bedrock', region: eu-central-1, credential: env:K}}",
        ]
    lines.append("models:")
    for spoken, (provider, model) in MODELS.items():
        lines += [f"  {named(spoken)}:", "    routes:", f"      - {{provider: {provider}, model: '{model}'}}"]
        if second:
            lines.append(f"      - {{provider: {provider}2, model: '{model}', priority: 1}}")
    return "\n".join(lines) + "\n" + models + extra


def crossing(text: str, *, kind: str = "listener", settings: RelaySettings | None = None) -> Any:
    """A gateway with this policy, and a key for each of its providers."""
    keys: dict[str, Any] = {}
    for place in ("", "2"):
        keys |= {
            f"anth{place}": (b"x-api-key", b"k"),
            f"oai{place}": (b"authorization", b"Bearer k"),
            f"chat{place}": (b"authorization", b"Bearer k"),
            f"goog{place}": (b"x-goog-api-key", b"k"),
            f"aws{place}": (b"authorization", b"Bearer k"),
        }
    return open_relay(text, kind=kind, settings=settings, credentials=keys)


async def say(
    port: int, asked: Wire, spoken: Wire, words: str, *, stream: bool = False, model: str = "", **more: Any
) -> Answer:
    """Asks in one protocol for a model of another."""
    name = model or named(spoken)
    said = body(asked, words, stream=stream, **more)
    if asked is not Wire.GENERATE:
        said["model"] = name
    return await ask(port, target(asked, stream=stream, model=name), said)


class Heard:
    """What an answer says: its text, its calls, why it ended, and its usage as that protocol counts it."""

    def __init__(self, wire: Wire, answer: bytes, *, stream: bool) -> None:
        self.text = ""
        self.thoughts = ""
        self.calls: list[tuple[str, Any]] = []
        self.finish = ""
        self.usage: dict[str, Any] = {}
        self.error: dict[str, Any] | None = None
        self.events = list(sse(answer)) if stream else [json.loads(answer)]
        read = {
            Wire.MESSAGES: self._messages,
            Wire.RESPONSES: self._responses,
            Wire.CHAT: self._chat,
            Wire.GENERATE: self._gemini,
        }[wire]
        read(stream)

    def _messages(self, stream: bool) -> None:
        blocks: list[dict[str, Any]] = []
        if not stream:
            blocks = self.events[0]["content"]
            self.finish, self.usage = self.events[0]["stop_reason"], self.events[0]["usage"]
        for event in self.events if stream else ():
            kind = event["type"]
            if kind == "content_block_start":
                blocks.append(event["content_block"] | {"json": ""})
                assert event["index"] == len(blocks) - 1
            elif kind == "content_block_delta":
                delta = event["delta"]
                for field, key in (("text", "text"), ("thinking", "thinking"), ("partial_json", "json")):
                    if field in delta:
                        blocks[-1][key] += delta[field]
            elif kind == "message_delta":
                self.finish, self.usage = event["delta"]["stop_reason"], event["usage"]
            elif kind == "error":
                self.error = event["error"]
        for block in blocks:
            if block["type"] == "text":
                self.text += block["text"]
            elif block["type"] == "thinking":
                self.thoughts += block["thinking"]
            elif block["type"] == "tool_use":
                self.calls.append((block["name"], json.loads(block["json"]) if stream else block["input"]))

    def _responses(self, stream: bool) -> None:
        response = self.events[0]
        if stream:
            response = {}
            for event in self.events:
                if event["type"] in ("response.completed", "response.incomplete", "response.failed"):
                    response = event["response"]
        self.error = response.get("error")
        self.finish, self.usage = response.get("status", ""), response.get("usage") or {}
        for item in response.get("output", ()):
            if item["type"] == "message":
                self.text += "".join(part["text"] for part in item["content"])
            elif item["type"] == "reasoning":
                self.thoughts += "".join(part["text"] for part in item["summary"])
            elif item["type"] == "function_call":
                self.calls.append((item["name"], json.loads(item["arguments"])))

    def _chat(self, stream: bool) -> None:
        calls: dict[int, list[str]] = {}
        for event in self.events:
            self.error = event.get("error") or self.error
            self.usage = event.get("usage") or self.usage
            for choice in event.get("choices", ()):
                said = choice["delta"] if stream else choice["message"]
                self.text += said.get("content") or ""
                self.thoughts += said.get("reasoning_content") or ""
                for at, call in enumerate(said.get("tool_calls") or ()):
                    known = calls.setdefault(call.get("index", at), ["", ""])
                    known[0] += call["function"].get("name") or ""
                    known[1] += call["function"].get("arguments") or ""
                self.finish = choice["finish_reason"] or self.finish
        self.calls = [(name, json.loads(arguments)) for name, arguments in calls.values()]

    def _gemini(self, _: bool) -> None:
        for event in self.events:
            self.error = event.get("error") or self.error
            self.usage = event.get("usageMetadata") or self.usage
            for candidate in event.get("candidates", ()):
                self.finish = candidate.get("finishReason") or self.finish
                for part in candidate.get("content", {}).get("parts", ()):
                    if part.get("thought"):
                        self.thoughts += part["text"]
                    elif "text" in part:
                        self.text += part["text"]
                    elif "functionCall" in part:
                        self.calls.append((part["functionCall"]["name"], part["functionCall"]["args"]))


def heard(wire: Wire, answer: Answer, *, stream: bool) -> Heard:
    assert answer.status == 200, answer.body
    return Heard(wire, answer.body, stream=stream)


def spent(wire: Wire, usage: dict[str, Any]) -> tuple[int, int]:
    """(prompt tokens, all of them; generated tokens) as the tool is told."""
    if wire is Wire.MESSAGES:
        cached = usage.get("cache_read_input_tokens", 0) + usage.get("cache_creation_input_tokens", 0)
        return usage["input_tokens"] + cached, usage["output_tokens"]
    if wire is Wire.RESPONSES:
        return usage["input_tokens"], usage["output_tokens"]
    if wire is Wire.CHAT:
        return usage["prompt_tokens"], usage["completion_tokens"]
    return usage["promptTokenCount"], usage.get("candidatesTokenCount", 0) + usage.get(
        "thoughtsTokenCount", 0
    )
