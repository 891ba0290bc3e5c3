"""Requests, both ways."""

from functools import partial
from typing import Any

import msgspec

from waystation.model import Wire
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import Conversation, OutputFormat, Part, Role, Text, Turn
from waystation.wire.codecs.body import conversation_in
from waystation.wire.codecs.door import Notes, Target
from waystation.wire.codecs.messages.blocks import BlockReader
from waystation.wire.codecs.messages.schema import guaranteed
from waystation.wire.codecs.messages.thinking import Plan, read_thinking, sampling
from waystation.wire.codecs.messages.tools import (
    read_choice,
    read_tools,
    write_choice,
    write_mark,
    write_tools,
)
from waystation.wire.codecs.messages.turns import TurnWriter
from waystation.wire.codecs.seal import unwrap
from waystation.wire.request import TOO_DEEP

DEFAULT_MAX_TOKENS = 32_000
"""The API wants a limit. This is what Claude Code sets for models of which it knows nothing more."""

BILLING = "x-anthropic-billing-header"
"""Claude Code puts its accounting first into the system prompt, as a line with this name; it changes with every
request, and would keep any other provider from ever finding a prompt in its cache (E64)."""
PRIVATE = frozenset({BILLING, "betas", "anthropic_beta", "anthropic_version", "diagnostics"})
"""Extras that mean nothing to anybody but Anthropic: no notice of their loss is due."""

_FIELDS = frozenset(
    {
        "model",
        "stream",
        "system",
        "messages",
        "tools",
        "max_tokens",
        "temperature",
        "top_p",
        "top_k",
        "stop_sequences",
        "thinking",
        "output_config",
        "output_format",
        "service_tier",
        "metadata",
    }
)
_TIERS = frozenset({"auto", "standard_only"})
_ROLES = {"user": Role.USER, "assistant": Role.ASSISTANT, "system": Role.SYSTEM}
_LONGEST_USER = 256


def read_request(body: bytes, *, model: str, stream: bool) -> Conversation:
    """See `Codec.read_request`.

    `extras` has the top-level fields that are not in a conversation; below them, by path, the members of
    `output_config`, `thinking` and `metadata` that are not (`output_config.task_budget`); and, with `[]` in their
    names, fields of blocks that are lost (`messages[].tool_use.caller`).
    """
    return conversation_in(body, lambda value: _read(value, model, stream))


def _read(body: dict[str, Any], model: str, stream: bool) -> Conversation:
    extras = {key: value for key, value in body.items() if key not in _FIELDS and key != "tool_choice"}
    blocks = BlockReader(partial(unwrap, native=Wire.MESSAGES))
    system = _read_system(body.get("system"), blocks, extras)
    turns = _read_turns(body.get("messages"), blocks)
    leading = 0
    while leading < len(turns) and turns[leading].role is Role.SYSTEM and _is_text(turns[leading].parts):
        system += turns[leading].parts
        leading += 1
    del turns[:leading]
    if not turns:
        raise BadBody("'messages' must have at least one message with something in it.", param="messages")
    choice, parallel = read_choice(body.get("tool_choice"))
    if choice is None and body.get("tool_choice") is not None:
        extras["tool_choice"] = body["tool_choice"]
    thinking = read_thinking(body, extras)
    output = _read_output(body, extras)
    user = _read_metadata(body.get("metadata"), extras)
    tier = body.get("service_tier")
    extras.update(dict.fromkeys(sorted(blocks.lost), True))
    return Conversation(
        model=model,
        stream=stream,
        system=tuple(part for part in system if isinstance(part, Text)),
        turns=tuple(turns),
        tools=read_tools(body.get("tools")),
        tool_choice=choice,
        parallel_tools=parallel,
        max_output=_whole(body, "max_tokens"),
        temperature=_number(body, "temperature"),
        top_p=_number(body, "top_p"),
        top_k=_whole(body, "top_k"),
        stop=_read_stop(body.get("stop_sequences")),
        thinking=thinking,
        format=output,
        service_tier=tier if isinstance(tier, str) else "",
        user=user,
        extras=extras,
    )


def _read_system(system: Any, blocks: BlockReader, extras: dict[str, Any]) -> list[Part]:
    if system is None:
        return []
    parts: list[Part] = []
    for part in blocks.content(system, "system"):
        if not isinstance(part, Text):
            extras["system[]"] = True
        elif part.text.startswith(BILLING):
            line, _, rest = part.text.partition("\n")
            extras[BILLING] = line
            if rest.strip():
                parts.append(msgspec.structs.replace(part, text=rest))
        else:
            parts.append(part)
    return parts


def _read_turns(messages: Any, blocks: BlockReader) -> list[Turn]:
    if not isinstance(messages, list):
        raise BadBody("'messages' must be a list.", param="messages")
    turns: list[Turn] = []
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        if not isinstance(message, dict):
            raise BadBody(f"'{where}' must be an object.", param=where)
        role = message.get("role")
        turn_role = _ROLES.get(role) if isinstance(role, str) else None
        if turn_role is None:
            raise BadBody(f"'{where}.role' must be user, assistant or system.", param=f"{where}.role")
        if len(message) > 2:
            blocks.lost.update(f"messages[].{key}" for key in message if key not in ("role", "content"))
        content = message.get("content")
        if content is None and turn_role is Role.SYSTEM:
            continue  # one that only changes how to answer from here on
        parts = blocks.content(content, f"{where}.content")
        if parts:
            turns.append(Turn(turn_role, tuple(parts)))
    return turns


def _is_text(parts: tuple[Part, ...]) -> bool:
    return all(isinstance(part, Text) for part in parts)


def _read_output(body: dict[str, Any], extras: dict[str, Any]) -> OutputFormat | None:
    """`output_config.format`, or `output_format` as it was called in its beta."""
    config = body.get("output_config")
    if config is not None and not isinstance(config, dict):
        raise BadBody("'output_config' must be an object.", param="output_config")
    wanted, where = body.get("output_format"), "output_format"
    for key, value in (config or {}).items():
        if key == "format" and value is not None:
            wanted, where = value, "output_config.format"
        elif key not in ("format", "effort"):
            extras[f"output_config.{key}"] = value
    if wanted is None:
        return None
    if not isinstance(wanted, dict):
        raise BadBody(f"'{where}' must be an object.", param=where)
    schema = wanted.get("schema")
    if wanted.get("type") != "json_schema" or not isinstance(schema, dict):
        extras[where] = wanted
        return None
    return OutputFormat(schema)


def _read_metadata(metadata: Any, extras: dict[str, Any]) -> str:
    if metadata is None:
        return ""
    if not isinstance(metadata, dict):
        raise BadBody("'metadata' must be an object.", param="metadata")
    for key, value in metadata.items():
        if key != "user_id":
            extras[f"metadata.{key}"] = value
    user = metadata.get("user_id")
    return user if isinstance(user, str) else ""


def _read_stop(stop: Any) -> tuple[str, ...]:
    if stop is None:
        return ()
    if not isinstance(stop, list) or not all(isinstance(word, str) for word in stop):
        raise BadBody("'stop_sequences' must be a list of strings.", param="stop_sequences")
    return tuple(stop)


def _number(body: dict[str, Any], field: str) -> float | None:
    value = body.get(field)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise BadBody(f"'{field}' must be a number.", param=field)
    return float(value)


def _whole(body: dict[str, Any], field: str) -> int | None:
    value = body.get(field)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise BadBody(f"'{field}' must be a whole number.", param=field)
    return value


def write_request(conversation: Conversation, target: Target, notes: Notes) -> bytes:
    """See `Codec.write_request`."""
    try:
        return msgspec.json.encode(_Writer(conversation, target, notes).body())
    except RecursionError:
        raise BadBody(TOO_DEEP) from None
    except UnicodeEncodeError:
        raise BadBody("The request has text that is not valid Unicode.") from None


class _Writer:
    def __init__(self, conversation: Conversation, target: Target, notes: Notes) -> None:
        self._asked = conversation
        self._target = target
        self._notes = notes
        self._rest = dict(conversation.extras)
        """Extras that are still to be written."""

    def body(self) -> dict[str, Any]:
        asked, capabilities, notes = self._asked, self._target.capabilities, self._notes
        turns = TurnWriter(capabilities, notes)
        messages = turns.messages(asked.turns)
        max_tokens = self._max_tokens()
        opens = turns.opens_with_thinking or not turns.answers_calls
        plan = Plan(asked, capabilities, max_tokens, notes, opens_with_thinking=opens)
        body: dict[str, Any] = {"model": self._target.model, "max_tokens": max_tokens}
        system = self._system()
        output = self._output(system)
        if system:
            body["system"] = system
        body["messages"] = messages
        self._write_tools(body)
        if asked.stream:
            body["stream"] = True
        thinking = self._with_rest("thinking", plan.thinking)
        if thinking is not None:
            body["thinking"] = thinking
        output_config: dict[str, Any] = {} if plan.effort is None else {"effort": plan.effort}
        if output is not None:
            output_config["format"] = output
        body |= sampling(asked, capabilities, notes, thinking=plan.on)
        for key, value in (
            ("output_config", self._with_rest("output_config", output_config)),
            ("metadata", self._with_rest("metadata", self._metadata())),
        ):
            if value:
                body[key] = value
        self._write_limits(body)
        self._note_unsaid()
        for key, value in self._rest.items():
            if "[]" in key:
                notes.drop(key)
            else:
                body.setdefault(key, value)
        return body

    def _max_tokens(self) -> int:
        most, wanted = self._target.capabilities.max_output, self._asked.max_output
        if wanted is None:
            return most or DEFAULT_MAX_TOKENS
        if most is not None and wanted > most:
            self._notes.change(f"max_tokens={most}")
            return most
        return wanted

    def _system(self) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        billing = self._rest.pop(BILLING, None)
        if isinstance(billing, str):
            blocks.append({"type": "text", "text": billing})
        for part in self._asked.system:
            if part.text and not part.text.isspace():
                block: dict[str, Any] = {"type": "text", "text": part.text}
                if part.cache is not None:
                    block["cache_control"] = write_mark(part.cache)
                blocks.append(block)
        return blocks

    def _write_tools(self, body: dict[str, Any]) -> None:
        asked = self._asked
        tools = write_tools(asked.tools, asked.tool_choice, self._target.capabilities, self._notes)
        if tools:
            body["tools"] = tools
            choice = write_choice(asked.tool_choice, asked.parallel_tools)
            if choice is not None:
                body["tool_choice"] = choice

    def _output(self, system: list[dict[str, Any]]) -> dict[str, Any] | None:
        """`output_config.format`. What the API cannot guarantee is asked for, at the end of `system`."""
        wanted = self._asked.format
        if wanted is None:
            return None
        schema = None
        if wanted.schema is not None and self._target.capabilities.structured_output is not False:
            schema = guaranteed(wanted.schema)
        if schema is not None:
            if wanted.description:
                schema.setdefault("description", wanted.description)
            if schema != wanted.schema:
                self._notes.change("json_schema")
            return {"type": "json_schema", "schema": schema}
        text = "Answer with one JSON object and nothing else: no other words, no code fence."
        if wanted.schema is not None:
            text += f"\nIt must conform to this JSON Schema:\n{msgspec.json.encode(wanted.schema).decode()}"
        system.append({"type": "text", "text": text})
        self._notes.change("json_schema=asked" if wanted.schema is not None else "json_object=asked")
        return None

    def _metadata(self) -> dict[str, Any]:
        user = self._asked.user
        if len(user) > _LONGEST_USER:
            self._notes.drop("user")
            return {}
        return {"user_id": user} if user else {}

    def _write_limits(self, body: dict[str, Any]) -> None:
        asked = self._asked
        stop = [word for word in asked.stop if word and not word.isspace()]
        if len(stop) < len(asked.stop):
            self._notes.drop("stop")  # "each stop sequence must contain non-whitespace"
        if stop:
            body["stop_sequences"] = stop
        if asked.service_tier in _TIERS:
            body["service_tier"] = asked.service_tier
        elif asked.service_tier:
            self._notes.drop("service_tier")

    def _note_unsaid(self) -> None:
        asked = self._asked
        if asked.seed is not None:
            self._notes.drop("seed")
        if asked.presence_penalty:
            self._notes.drop("presence_penalty")
        if asked.frequency_penalty:
            self._notes.drop("frequency_penalty")
        if asked.verbosity:
            self._notes.drop("verbosity")

    def _with_rest(self, field: str, value: dict[str, Any] | None) -> dict[str, Any] | None:
        """`value` with what the reader put aside for this field; without the field, that is lost."""
        prefix = f"{field}."
        rest = {key: self._rest.pop(key) for key in [*self._rest] if key.startswith(prefix)}
        if value is None:
            for key in rest:
                self._notes.drop(key)
            return None
        return value | {key[len(prefix) :]: item for key, item in rest.items()}
