"""What kind of request it is, for routes that are chosen by it: its size, its tools, whether it is a side call.

Read only for models with smart routing: it is a second look at the body, which the others are spared.
"""

from typing import Any, Literal

import msgspec

from waystation.model import Wire
from waystation.wire.estimate import estimate_tokens

SideCall = Literal["", "title", "summary", "check"]
"""What a tool asks beside its main conversation: a title for it, a summary to go on from, a small yes or no."""

_TITLE = (
    b"You are a title generator",  # OpenCode 1.18 (measured)
    b"sentence-case title",  # Claude Code 2.1 (its binary)
    b"Generate a concise title",
    b"Generate a short title",
)
_SUMMARY = (
    b"Your task is to create a detailed summary of the conversation",  # Claude Code 2.1, Qwen Code
    b"You are performing a CONTEXT CHECKPOINT COMPACTION",  # Codex (codex-rs/core/templates/compact)
    b"component that summarizes internal chat history",  # Gemini CLI (getCompressionPrompt)
    b"specialized system responsible for distilling chat history",  # Gemini CLI, later
    b"Summarize this coding conversation",  # Claude Code, session list
)
_CHECK = (
    b"isNewTopic",  # Claude Code: does the message begin a new topic
    b"next_speaker",  # Gemini CLI: who should speak next
    b"complexity_reasoning",  # Gemini CLI: which model fits the prompt
)
_IMAGES = (b'"image', b'"input_image"', b'"image_url"', b'"inlineData"', b'"inline_data"')
_SMALL_ANSWER = 64
"""Output tokens; a call that allows no more, and no tools, is a check."""
_LOOKED_AT = 4000
"""Bytes at the start of an instruction or message in which its purpose is said."""


class Shape(msgspec.Struct, frozen=True, gc=False):
    """See the module."""

    prompt_tokens: int
    """Estimated from the body's size, biased high."""
    tools: int
    images: bool
    side_call: SideCall


class _Fields(msgspec.Struct, gc=False):
    tools: msgspec.Raw = msgspec.Raw(b"null")
    system: msgspec.Raw = msgspec.Raw(b"")
    instructions: msgspec.Raw = msgspec.Raw(b"")
    systemInstruction: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815 - the field's own name
    messages: msgspec.Raw = msgspec.Raw(b"null")
    input: msgspec.Raw = msgspec.Raw(b"null")
    contents: msgspec.Raw = msgspec.Raw(b"null")
    generationConfig: msgspec.Raw = msgspec.Raw(b"")  # noqa: N815 - the field's own name


_fields = msgspec.json.Decoder(_Fields)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_declared = msgspec.json.Decoder(list[dict[str, Any]])


def read_shape(wire: Wire, body: bytes, max_output: int | None) -> Shape:
    """The shape of a body that `read_request` accepted. Never raises: what cannot be read counts as absent."""
    try:
        fields = _fields.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return Shape(estimate_tokens(len(body)), 0, False, "")
    turns = _items(fields.messages) or _items(fields.input) or _items(fields.contents)
    tools = _count_tools(wire, fields.tools)
    said = [fields.system, fields.instructions, fields.systemInstruction, *turns[:1], *turns[-1:]]
    purpose = b"\n".join(bytes(raw)[:_LOOKED_AT] for raw in said)
    return Shape(
        estimate_tokens(len(body)),
        tools,
        any(mark in body for mark in _IMAGES),
        _side_call(purpose, bytes(fields.generationConfig), tools, max_output),
    )


def _side_call(purpose: bytes, config: bytes, tools: int, max_output: int | None) -> SideCall:
    """A conversation that merely mentions such words has tools, and is none."""
    if any(mark in purpose for mark in _SUMMARY):
        return "summary"
    if tools:
        return ""
    if any(mark in purpose for mark in _TITLE):
        return "title"
    if any(mark in purpose or mark in config for mark in _CHECK):
        return "check"
    return "check" if max_output is not None and max_output <= _SMALL_ANSWER else ""


def _items(raw: msgspec.Raw) -> list[msgspec.Raw]:
    try:
        return _list.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return []


def _count_tools(wire: Wire, raw: msgspec.Raw) -> int:
    if wire is not Wire.GENERATE:
        return len(_items(raw))
    try:
        groups = _declared.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return 0
    declared = (g.get("functionDeclarations") or g.get("function_declarations") for g in groups)
    return sum(len(functions) for functions in declared if isinstance(functions, list))
