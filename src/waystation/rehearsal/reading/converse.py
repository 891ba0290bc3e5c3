"""Bedrock Converse: body → Ask. Checks and their texts follow what the API answers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from waystation.model import Wire
from waystation.rehearsal.ask import Ask, Json, Part, Rejection, Result, Tool
from waystation.rehearsal.reading.exchanges import Turn, last_exchanges
from waystation.rehearsal.reading.messages import IMAGE_TOKENS
from waystation.rehearsal.signature import is_signed
from waystation.rehearsal.words import own_words

_NAME = re.compile(r"^[a-zA-Z0-9_-]{1,64}$")
_ID = re.compile(r"^[a-zA-Z0-9_.:-]{1,64}$")
_BETAS = (
    "context-1m-2025-08-07",
    "computer-use-2025-01-24",
    "effort-2025-11-24",
    "fine-grained-tool-streaming-2025-05-14",
    "interleaved-thinking-2025-05-14",
)
"""Some of those that it takes; it refuses the whole request for one that it does not (E82)."""


def counted(body: Json) -> Json:
    """The request within a request to count its tokens."""
    given = body.get("input")
    inner = given.get("converse") if isinstance(given, dict) else None
    if not isinstance(inner, dict):
        raise _invalid("The input field must hold a converse request.")
    return inner


def read(body: Json, model: str, *, stream: bool) -> Ask:
    """Raises Rejection as the API would; unknown fields and blocks are let pass."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _invalid(
            "A conversation must start with a user message. Try again with a conversation that starts with a "
            "user message."
        )
    turns = [(m.get("role"), _blocks(m.get("content"))) for m in messages if isinstance(m, dict)]
    config = body.get("toolConfig") or {}
    _check_turns(turns, has_config=bool(config))
    tools = [t["toolSpec"] for t in config.get("tools") or () if isinstance(t.get("toolSpec"), dict)]
    _check_tools(tools)
    inference = body.get("inferenceConfig") or {}
    more = body.get("additionalModelRequestFields") or {}
    if any(beta not in _BETAS for beta in more.get("anthropic_beta") or ()):
        raise _invalid("The model returned the following errors: invalid beta flag")
    thinking = more.get("thinking") or {}
    last, before = last_exchanges(_user_turns(turns))
    system = [b for b in body.get("system") or () if isinstance(b, dict)]
    return Ask(
        Wire.CONVERSE,
        model,
        body,
        stream=stream,
        system="\n".join(b.get("text", "") for b in system),
        context="\n".join(t for role, blocks in turns if role == "user" for t in _texts(blocks)),
        prompt=last.words,
        tools=tuple(
            Tool(t["name"], (t.get("inputSchema") or {}).get("json") or {}, str(t.get("description", "")))
            for t in tools
        ),
        rounds=last.rounds,
        results=last.results,
        earlier=(before.words, before.rounds),
        parts=tuple(_parts(config.get("tools") or (), system, turns)),
        max_output=inference.get("maxTokens"),
        stop=tuple(inference.get("stopSequences") or ()),
        reasons=_reasons(thinking, more),
        shows_reasoning=thinking.get("display") != "omitted",
        schema=_schema(body.get("outputConfig") or {}),
        must_call=_must_call(config.get("toolChoice") or {}),
    )


def _invalid(message: str) -> Rejection:
    return Rejection(400, message, kind="ValidationException")


def _blocks(content: Any) -> list[Json]:
    return [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []


def _texts(blocks: list[Json]) -> list[str]:
    return [b["text"] for b in blocks if isinstance(b.get("text"), str)]


def _reasons(thinking: Json, more: Json) -> bool:
    nova = more.get("reasoningConfig") or {}
    return (
        thinking.get("type") in ("enabled", "adaptive")
        or nova.get("type") == "enabled"
        or more.get("reasoning_effort") is not None
    )


def _schema(output: Json) -> Json | None:
    structure = (output.get("textFormat") or {}).get("structure") or {}
    text = (structure.get("jsonSchema") or {}).get("schema")
    if text is None:
        return None
    try:
        schema = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, TypeError):
        raise _invalid("The schema of the output format is not valid JSON.") from None
    return schema if isinstance(schema, dict) else None


def _must_call(choice: Json) -> str | None:
    if "any" in choice:
        return ""
    return (choice.get("tool") or {}).get("name")


def _check_tools(tools: list[Json]) -> None:
    for i, tool in enumerate(tools):
        where = f"toolConfig.tools.{i + 1}.member.toolSpec"
        if not _NAME.match(str(tool.get("name", ""))):
            raise _invalid(
                f"1 validation error detected: Value '{tool.get('name')}' at '{where}.name' failed to satisfy "
                "constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_-]+"
            )
        schema = (tool.get("inputSchema") or {}).get("json")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise _invalid(
                f"The value at toolConfig.tools.{i}.toolSpec.inputSchema.json.type must be one of the following: "
                "object."
            )


def _check_turns(turns: list[tuple[Any, list[Json]]], *, has_config: bool) -> None:
    if turns[0][0] != "user":
        raise _invalid(
            "A conversation must start with a user message. Try again with a conversation that starts with a "
            "user message."
        )
    for i, (role, blocks) in enumerate(turns):
        if role not in ("user", "assistant") or (i and role == turns[i - 1][0]):
            raise _invalid(
                "A conversation must alternate between user and assistant roles. Make sure the conversation "
                "alternates between user and assistant roles and try again."
            )
        if not blocks:
            raise _invalid(
                f"The content field in the Message object at messages.{i} is empty. Add a ContentBlock object "
                "to the content field and try again."
            )
        for j, block in enumerate(blocks):
            _check_block(i, j, block, has_config=has_config)
        _check_pairing(i, turns)


def _check_block(i: int, j: int, block: Json, *, has_config: bool) -> None:
    if "text" in block and not str(block["text"]).strip():
        raise _blank(i, j)
    if ("toolUse" in block or "toolResult" in block) and not has_config:
        raise _invalid(
            "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        )
    inner = block.get("toolUse") or block.get("toolResult") or {}
    if inner and not _ID.match(str(inner.get("toolUseId", ""))):
        raise _invalid(
            f"1 validation error detected: Value at 'messages.{i + 1}.member.content.{j + 1}.member.toolUseId' "
            "failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.:-]+"
        )
    for piece in (block.get("toolResult") or {}).get("content") or ():
        if "text" in piece and not str(piece["text"]).strip():
            raise _blank(i, j)
    thought = (block.get("reasoningContent") or {}).get("reasoningText")
    if thought is not None and not is_signed(str(thought.get("text", "")), thought.get("signature")):
        raise _invalid(
            f"The model returned the following errors: messages.{i}.content.{j}: Invalid `signature` in "
            "`thinking` block"
        )


def _blank(i: int, j: int) -> Rejection:
    return _invalid(
        f"The text field in the ContentBlock object at messages.{i}.content.{j} is blank. Add text to the text "
        "field, and try again."
    )


def _check_pairing(i: int, turns: list[tuple[Any, list[Json]]]) -> None:
    role, blocks = turns[i]
    if role == "assistant" and i + 1 < len(turns):
        answered = {b["toolResult"].get("toolUseId") for b in turns[i + 1][1] if "toolResult" in b}
        missing = [b["toolUse"]["toolUseId"] for b in blocks if "toolUse" in b]
        missing = [ident for ident in missing if ident not in answered]
        if missing:
            raise _invalid(
                f"Expected toolResult blocks at messages.{i + 1}.content for the following Ids: "
                + ", ".join(missing)
            )
    elif role == "user":
        called = [b["toolUse"].get("toolUseId") for b in turns[i - 1][1] if "toolUse" in b] if i else []
        results = [b["toolResult"].get("toolUseId") for b in blocks if "toolResult" in b]
        if len(results) > len(called):
            raise _invalid(
                f"The number of toolResult blocks at messages.{i}.content exceeds the number of toolUse blocks "
                "of previous turn."
            )
        if any(ident not in called for ident in results) or len(set(results)) < len(results):
            raise _invalid(f"The toolResult blocks at messages.{i}.content contain unexpected Ids.")


def _user_turns(turns: list[tuple[Any, list[Json]]]) -> Iterator[Turn]:
    for role, blocks in turns:
        if role == "user":
            results = [b["toolResult"] for b in blocks if "toolResult" in b]
            yield Turn(tuple(map(_result, results)), own_words(_texts(blocks)))


def _result(result: Json) -> Result:
    return Result("\n".join(_texts(_blocks(result.get("content")))), result.get("status") == "error")


def _parts(tools: Any, system: list[Json], turns: list[tuple[Any, list[Json]]]) -> list[Part]:
    """Tools, then system, then messages: the order in which the prompt is cached."""
    parts: list[Part] = []
    for role, blocks in (("", list(tools)), ("", system), *turns):
        for block in blocks:
            point = block.get("cachePoint")
            if isinstance(point, dict):
                if parts:
                    parts[-1] = Part(parts[-1].data, "1h" if point.get("ttl") == "1h" else "5m")
            elif "image" in block:
                digest = hashlib.sha256(msgspec.json.encode(block)).digest()
                parts.append(Part((digest * (IMAGE_TOKENS * 4 // len(digest) + 1))[: IMAGE_TOKENS * 4]))
            else:
                parts.append(Part(str(role).encode() + msgspec.json.encode(block)))
    return parts
