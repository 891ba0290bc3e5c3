"""How long an answer may be: as asked for, as the model can, and as there is room for (E91)."""

from collections.abc import Iterable

import msgspec

from waystation.model import Capabilities, Wire
from waystation.wire.canonical import (
    Conversation,
    CustomTool,
    FunctionTool,
    Media,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from waystation.wire.codecs import Notes
from waystation.wire.translate.fields import called

_LETTERS_A_TOKEN = 4
_PICTURE = 1600
"""Tokens of a picture, about; they are never counted by the bytes of their data."""
_LEAST = 4096
"""So many tokens are always asked for: the prompt is only estimated, and an agent that is cut short cannot even
compact its conversation. The provider says so itself where they do not fit."""


def fitting_output(asked: Conversation, capabilities: Capabilities, source: Wire, notes: Notes) -> int | None:
    """The most tokens to ask for, None where the tool set no bound."""
    wanted = fitting = asked.max_output
    if wanted is None or fitting is None:
        return None
    if capabilities.max_output is not None:
        fitting = min(fitting, max(1, capabilities.max_output))
    window = capabilities.context_window
    if window is not None and fitting > _LEAST:
        fitting = min(fitting, max(_LEAST, window - _prompt_tokens(asked)))
    if fitting != wanted:
        notes.change(f"{called('max_output', source)}={fitting}")
    return fitting


def _prompt_tokens(asked: Conversation) -> int:
    letters = sum(len(text.text) for text in asked.system)
    letters += sum(map(_tool_letters, asked.tools))
    for turn in asked.turns:
        letters += _letters(turn.parts)
    return letters // _LETTERS_A_TOKEN


def _tool_letters(tool: Tool) -> int:
    if isinstance(tool, FunctionTool):
        schema = msgspec.json.encode(tool.parameters) if tool.parameters else b""
        return len(tool.name) + len(tool.description) + len(schema)
    return len(tool.name) + len(tool.description) if isinstance(tool, CustomTool) else 0


def _letters(parts: Iterable[Part]) -> int:
    letters = 0
    for part in parts:
        if type(part) is Text or type(part) is Reasoning:
            letters += len(part.text)
        elif type(part) is ToolCall:
            letters += len(part.arguments)
        elif type(part) is ToolResult:
            letters += _letters(part.content)
        elif type(part) is Media:
            letters += _PICTURE * _LETTERS_A_TOKEN
    return letters
