"""Anthropic Messages: body → Ask. Checks and their texts follow the published API and its errors."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from waystation.model import Wire
from waystation.rehearsal.ask import Ask, Json, Part, Rejection, Result, Tool
from waystation.rehearsal.reading.exchanges import Turn, last_exchanges
from waystation.rehearsal.signature import is_signed
from waystation.rehearsal.words import own_words

IMAGE_TOKENS = 1600
_ID = re.compile(r"^[a-zA-Z0-9_-]+$")


def read(body: Json) -> Ask:
    """Raises Rejection as the API would; unknown fields and block types are let pass."""
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise _invalid("model: Field required")
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise _invalid("messages: Field required")
    if not messages:
        raise _invalid("messages: at least one message is required")
    turns = [(m.get("role"), _blocks(m.get("content"))) for m in messages if isinstance(m, dict)]
    _check_turns(turns)
    system = _blocks(body.get("system") or [])
    tools = tuple(_tools(body.get("tools") or []))
    last, before = last_exchanges(_user_turns(turns))
    thinking = body.get("thinking") or {}
    choice = body.get("tool_choice") or {}
    output = body.get("output_config") or {}
    form = output.get("format") or body.get("output_format") or {}
    return Ask(
        Wire.MESSAGES,
        model,
        body,
        stream=body.get("stream") is True,
        system="\n".join(b.get("text", "") for b in system),
        context="\n".join(t for role, blocks in turns if role == "user" for t in _texts(blocks)),
        prompt=last.words,
        tools=tools,
        rounds=last.rounds,
        results=last.results,
        earlier=(before.words, before.rounds),
        parts=tuple(_parts(body, system, turns)),
        max_output=body.get("max_tokens"),
        stop=tuple(body.get("stop_sequences") or ()),
        reasons=thinking.get("type") in ("enabled", "adaptive", "between_tools"),
        shows_reasoning=thinking.get("display") != "omitted",
        schema=form.get("schema") if form.get("type") == "json_schema" else None,
        must_call=_must_call(choice),
    )


def check_generation(body: Json) -> None:
    """What only a generation needs; counting tokens does not."""
    limit = body.get("max_tokens")
    if limit is None:
        raise _invalid("max_tokens: Field required")
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise _invalid("max_tokens: Input should be a valid integer")
    if limit < 1:
        raise _invalid("max_tokens: must be greater than or equal to 1")


def _invalid(message: str) -> Rejection:
    return Rejection(400, message, kind="invalid_request_error")


def _blocks(content: Any) -> list[Json]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []


def _texts(blocks: list[Json]) -> list[str]:
    return [b["text"] for b in blocks if b.get("type") == "text" and isinstance(b.get("text"), str)]


def _tools(declared: list[Any]) -> list[Tool]:
    return [
        Tool(t["name"], t["input_schema"], str(t.get("description", "")))
        for t in declared
        if isinstance(t, dict) and isinstance(t.get("input_schema"), dict) and isinstance(t.get("name"), str)
    ]


def _must_call(choice: Json) -> str | None:
    if choice.get("type") == "any":
        return ""
    return choice.get("name") if choice.get("type") == "tool" else None


def _check_turns(turns: list[tuple[Any, list[Json]]]) -> None:
    for i, (role, blocks) in enumerate(turns):
        if role not in ("user", "assistant", "system"):
            raise _invalid(f"messages.{i}.role: Input should be 'user' or 'assistant'")
        if not blocks and not (role == "assistant" and i == len(turns) - 1):
            raise _invalid(
                f"messages.{i}: all messages must have non-empty content except for the optional final "
                "assistant message"
            )
        for j, block in enumerate(blocks):
            _check_block(f"messages.{i}.content.{j}", block)
        _check_pairing(i, turns)


def _check_block(where: str, block: Json) -> None:
    kind = block.get("type")
    if kind == "text" and not block.get("text"):
        raise _invalid("messages: text content blocks must be non-empty")
    if kind == "thinking":
        if "signature" not in block:
            raise _invalid(f"{where}.thinking.signature: Field required")
        if not is_signed(str(block.get("thinking", "")), block["signature"]):
            raise _invalid(f"{where}: Invalid `signature` in `thinking` block")
    if kind in ("tool_use", "tool_result"):
        key = "id" if kind == "tool_use" else "tool_use_id"
        if not _ID.match(str(block.get(key, ""))):
            raise _invalid(f"{where}.{kind}.{key}: String should match pattern '^[a-zA-Z0-9_-]+$'")


def _check_pairing(i: int, turns: list[tuple[Any, list[Json]]]) -> None:
    role, blocks = turns[i]
    if role == "assistant":
        called = [b["id"] for b in blocks if b.get("type") == "tool_use"]
        following = turns[i + 1][1] if i + 1 < len(turns) else None
        if called and following is not None:
            answered = {b.get("tool_use_id") for b in following if b.get("type") == "tool_result"}
            missing = [c for c in called if c not in answered]
            if missing:
                raise _invalid(
                    f"messages.{i}: `tool_use` ids were found without `tool_result` blocks immediately "
                    f"after: {', '.join(missing)}. Each `tool_use` block must have a corresponding "
                    "`tool_result` block in the next message."
                )
    elif role == "user":
        earlier = {b.get("id") for b in turns[i - 1][1] if b.get("type") == "tool_use"} if i else set()
        seen: set[str] = set()
        for j, block in enumerate(blocks):
            if block.get("type") != "tool_result":
                continue
            ident = block["tool_use_id"]
            if ident not in earlier:
                raise _invalid(
                    f"messages.{i}.content.{j}: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{ident}. Each `tool_result` block must have a corresponding `tool_use` block in the "
                    "previous message."
                )
            if ident in seen:
                raise _invalid(
                    f"messages.{i}.content.{j}: each tool_use must have a single result. "
                    f"Found multiple `tool_result` blocks with id: {ident}"
                )
            seen.add(ident)


def _user_turns(turns: list[tuple[Any, list[Json]]]) -> Iterator[Turn]:
    for role, blocks in turns:
        if role == "user":
            results = (b for b in blocks if b.get("type") == "tool_result")
            yield Turn(
                tuple(Result(_result_text(b.get("content")), b.get("is_error") is True) for b in results),
                own_words(_texts(blocks)),
            )


def _result_text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(_texts(_blocks(content)))


def _parts(body: Json, system: list[Json], turns: list[tuple[Any, list[Json]]]) -> list[Part]:
    """Tools, then system, then messages: the order in which the prompt is cached."""
    parts = [_part(t) for t in body.get("tools") or [] if isinstance(t, dict)]
    parts += [_part(b) for b in system]
    parts += [_part(b, str(role)) for role, blocks in turns for b in blocks]
    automatic = body.get("cache_control")
    if isinstance(automatic, dict) and parts:
        parts[-1] = Part(parts[-1].data, _ttl(automatic))
    return parts


def _part(block: Json, role: str = "") -> Part:
    control = block.get("cache_control")
    bare = {k: v for k, v in block.items() if k != "cache_control"} if control else block
    if bare.get("type") == "image":
        digest = hashlib.sha256(msgspec.json.encode(bare)).digest()
        data = (digest * (IMAGE_TOKENS * 4 // len(digest) + 1))[: IMAGE_TOKENS * 4]
    else:
        data = msgspec.json.encode(bare)
    return Part(role.encode() + data, _ttl(control) if isinstance(control, dict) else "")


def _ttl(control: Json) -> str:
    return "1h" if control.get("ttl") == "1h" else "5m"
