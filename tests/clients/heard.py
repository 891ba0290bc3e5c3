"""What a provider was asked, whatever the protocol: the calls and results of the conversation so far, and its seals."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from waystation.model import Wire
from waystation.rehearsal.ask import Ask
from waystation.rehearsal.reading import chat, converse, generate, messages, responses

Json = dict[str, Any]
_PLACES = {
    "/messages": Wire.MESSAGES,
    "/responses": Wire.RESPONSES,
    "/chat/": Wire.CHAT,
    "/gemini/": Wire.GENERATE,
    "/bedrock/": Wire.CONVERSE,
}
_SKIP = "skip_thought_signature_validator"


@dataclasses.dataclass(frozen=True)
class Heard:
    ask: Ask
    """The request as the rehearsal provider reads it."""
    calls: list[tuple[int, str, str]]
    """The model's answer that it is of, the id and the tool's name."""
    answered: list[str]
    """The calls that there are results of, by their ids."""
    seals: int
    """Thoughts that came back to the provider which made them."""
    provided: int = 0
    """Tools that the provider is to run itself."""

    @property
    def rounds(self) -> int:
        return len({answer for answer, *_ in self.calls})

    @property
    def parallel(self) -> bool:
        return len(self.calls) > self.rounds


def speaks(path: str) -> Wire:
    """The protocol of a rehearsal provider's address."""
    return next(wire for place, wire in _PLACES.items() if place in path)


def heard(wire: Wire, model: str, body: bytes) -> Heard:
    said: Json = json.loads(body)
    if wire is Wire.MESSAGES:
        return _messages(said)
    if wire is Wire.RESPONSES:
        return _responses(said)
    if wire is Wire.CHAT:
        return _chat(said)
    if wire is Wire.GENERATE:
        return _generate(said, model)
    return _converse(said, model)


def _messages(said: Json) -> Heard:
    blocks = [
        (at, block)
        for at, message in enumerate(said["messages"])
        if isinstance(message["content"], list)
        for block in message["content"]
    ]
    return Heard(
        messages.read(said),
        [(at, b["id"], b["name"]) for at, b in blocks if b["type"] == "tool_use"],
        [b["tool_use_id"] for _, b in blocks if b["type"] == "tool_result"],
        sum(b["type"] in ("thinking", "redacted_thinking") for _, b in blocks),
        sum("input_schema" not in tool for tool in said.get("tools", ())),
    )


def _responses(said: Json) -> Heard:
    items = said["input"]
    calls: list[tuple[int, str, str]] = []
    answers: list[str] = []
    at, was_call = 0, False
    for item in items:
        is_call = str(item.get("type")).endswith("_call")
        at += is_call and not was_call
        was_call = is_call
        if is_call:
            calls.append((at, item["call_id"], item["name"]))
        elif str(item.get("type")).endswith("_call_output"):
            answers.append(item["call_id"])
    seals = sum(item.get("type") == "reasoning" and bool(item.get("encrypted_content")) for item in items)
    provided = sum(tool["type"] not in ("function", "custom", "namespace") for tool in said.get("tools", ()))
    return Heard(responses.read(said), calls, answers, seals, provided)


def _chat(said: Json) -> Heard:
    calls = [
        (at, call["id"], call["function"]["name"])
        for at, message in enumerate(said["messages"])
        for call in message.get("tool_calls") or ()
    ]
    answers = [message["tool_call_id"] for message in said["messages"] if message["role"] == "tool"]
    seals = sum(bool(message.get("reasoning_content")) for message in said["messages"])
    return Heard(chat.read(said), calls, answers, seals)


def _generate(said: Json, model: str) -> Heard:
    calls: list[tuple[int, str, str]] = []
    answers: list[str] = []
    seals = 0
    for at, part in _parts(said["contents"], "parts"):
        call, answer = part.get("functionCall"), part.get("functionResponse")
        if call is not None:
            calls.append((at, call.get("id", f"{at}-{len(calls)}"), call["name"]))
        if answer is not None:
            answers.append(answer.get("id", answer["name"]))
        seals += part.get("thoughtSignature", _SKIP) != _SKIP
    provided = sum("functionDeclarations" not in tool for tool in said.get("tools", ()))
    return Heard(generate.read(said, model, stream=True), calls, answers, seals, provided)


def _converse(said: Json, model: str) -> Heard:
    blocks = list(_parts(said["messages"], "content"))
    return Heard(
        converse.read(said, model, stream=True),
        [(at, b["toolUse"]["toolUseId"], b["toolUse"]["name"]) for at, b in blocks if "toolUse" in b],
        [b["toolResult"]["toolUseId"] for _, b in blocks if "toolResult" in b],
        sum("reasoningContent" in b for _, b in blocks),
    )


def _parts(turns: list[Json], field: str) -> Iterator[tuple[int, Json]]:
    return ((at, part) for at, turn in enumerate(turns) for part in turn[field])
