"""Short ways to lower a conversation."""

from typing import Any

from waystation.model import Capabilities, Wire
from waystation.wire.canonical import (
    Conversation,
    Part,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from waystation.wire.codecs import Notes, Target
from waystation.wire.translate.lower import Lowered, lower


def target(wire: Wire = Wire.MESSAGES, provider: str = "there", **capabilities: Any) -> Target:
    return Target(wire, provider, "its-model", Capabilities(**capabilities))


def user(*parts: Part | str) -> Turn:
    return Turn(Role.USER, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def model(*parts: Part | str) -> Turn:
    return Turn(Role.ASSISTANT, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def call(ident: str, name: str = "lookup", arguments: str = "{}") -> ToolCall:
    return ToolCall(ident, name, arguments)


def result(ident: str, text: str = "found", name: str = "") -> ToolResult:
    return ToolResult(ident, (Text(text),) if text else (), name=name)


def conversation(*turns: Turn, **fields: Any) -> Conversation:
    return Conversation(model="asked-for", turns=turns, **fields)


def lowered(
    asked: Conversation, source: Wire = Wire.RESPONSES, to: Target | None = None
) -> tuple[Conversation, Notes]:
    """What `to` (a Messages provider that caches nothing if not said) is given, and the notes."""
    notes = Notes()
    return whole(asked, source, to, notes).conversation, notes


def whole(
    asked: Conversation,
    source: Wire = Wire.RESPONSES,
    to: Target | None = None,
    notes: Notes | None = None,
) -> Lowered:
    return lower(asked, source, to or target(caching=False), notes or Notes())
