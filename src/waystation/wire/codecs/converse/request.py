"""Requests of `Converse`, `ConverseStream` and `CountTokens`.

Whether the answer streams, and which model answers, is in the address, not in the body.
"""

from typing import Any

import msgspec

from waystation.model import Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import Conversation, Role, Text, Turn
from waystation.wire.codecs.converse.asked import read_options
from waystation.wire.codecs.converse.models import ModelFacts, model_facts
from waystation.wire.codecs.converse.options import in_words, write_options, writes_schema
from waystation.wire.codecs.converse.reading import read_blocks
from waystation.wire.codecs.converse.tools import read_mark, read_tools, write_tools
from waystation.wire.codecs.converse.writing import TurnWriter, cache_point
from waystation.wire.codecs.door import Notes, Target
from waystation.wire.codecs.seal import unwrap

Json = dict[str, Any]


def write_request(conversation: Conversation, target: Target, notes: Notes) -> bytes:
    return msgspec.json.encode(_write(conversation, target, notes))


def write_count_request(conversation: Conversation, target: Target) -> bytes:
    """The same prompt for `/model/{model}/count-tokens`; what it leaves out was told by the request itself."""
    body = _write(conversation, target, Notes())
    counted = {
        name: body[name]
        for name in ("messages", "system", "toolConfig", "additionalModelRequestFields")
        if name in body
    }
    return msgspec.json.encode({"input": {"converse": counted}})


def read_count(body: bytes) -> int | None:
    """The answer to that; None if it is not one."""
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None
    count = value.get("inputTokens") if isinstance(value, dict) else None
    return count if type(count) is int and count >= 0 else None


def _write(conversation: Conversation, target: Target, notes: Notes) -> Json:
    facts = model_facts(target.model, target.capabilities)
    turns = TurnWriter(facts, target, notes)
    body: Json = {"messages": turns.messages(conversation.turns)}
    system = _write_system(conversation, facts, notes)
    if system:
        body["system"] = system
    config, choice = write_tools(
        conversation, facts, notes, called=tuple(turns.called), has_blocks=turns.has_tool_blocks
    )
    if config is not None:
        body["toolConfig"] = config
    body |= write_options(conversation, facts, target, notes)
    if choice is not None:
        body["additionalModelRequestFields"] = {
            **body.get("additionalModelRequestFields", {}),
            "tool_choice": choice,
        }
    return body


def _write_system(conversation: Conversation, facts: ModelFacts, notes: Notes) -> list[Json]:
    blocks: list[Json] = []
    for text in conversation.system:
        if text.text.strip():
            blocks.append({"text": text.text})
        if text.cache is not None and blocks:
            if not facts.cache_points:
                notes.drop("cache_control")
            elif "cachePoint" not in blocks[-1]:
                blocks.append(cache_point(text.cache))
    form = conversation.format
    if form is not None and not writes_schema(form, facts):
        notes.change("response_format")
        blocks.append({"text": in_words(form)})
    return blocks


# -------------------------------------------------------------------- reading
def read_request(body: bytes, *, model: str, stream: bool) -> Conversation:
    try:
        fields = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise BadBody("The request body is not JSON.") from None
    if not isinstance(fields, dict):
        raise BadBody("The request body must be a JSON object.")
    tools, choice = read_tools(fields.get("toolConfig"))
    return Conversation(
        model=model,
        stream=stream,
        system=_read_system(fields.get("system")),
        turns=_read_turns(fields.get("messages", [])),
        tools=tools,
        tool_choice=choice,
        **read_options(fields),
    )


def _read_system(raw: Any) -> tuple[Text, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise BadBody("`system` must be a list.", param="system")
    texts: list[Text] = []
    for index, block in enumerate(raw):
        if not isinstance(block, dict):
            raise BadBody(f"`system[{index}]` must be an object.", param=f"system[{index}]")
        guarded = block.get("guardContent")
        guarded = guarded.get("text") if isinstance(guarded, dict) else None
        text = block.get("text", guarded.get("text") if isinstance(guarded, dict) else None)
        if isinstance(text, str) and text:
            texts.append(Text(text))
        elif "cachePoint" in block and texts:
            texts[-1] = Text(texts[-1].text, cache=read_mark(block["cachePoint"]))
    return tuple(texts)


def _read_turns(raw: Any) -> tuple[Turn, ...]:
    if not isinstance(raw, list):
        raise BadBody("`messages` must be a list.", param="messages")
    turns = []
    for index, message in enumerate(raw):
        where = f"messages[{index}]"
        if not isinstance(message, dict):
            raise BadBody(f"`{where}` must be an object.", param=where)
        role = message.get("role")
        if role not in ("user", "assistant", "system"):
            raise BadBody(f"`{where}.role` must be `user` or `assistant`.", param=f"{where}.role")
        parts = read_blocks(
            message.get("content", []), f"{where}.content", lambda data: unwrap(data, Wire.CONVERSE)
        )
        if parts:
            turns.append(Turn(Role(role), parts))
    return tuple(turns)
