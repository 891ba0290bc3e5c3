"""What is asked of a model: instructions, turns, tools, and how to answer."""

from enum import StrEnum
from typing import Any, Literal

import msgspec

from waystation.model import Wire
from waystation.wire.canonical.parts import CacheMark, Part, Text


class Role(StrEnum):
    SYSTEM = "system"
    """Instructions in mid-conversation (`developer` messages); the leading ones are `Conversation.system`."""
    USER = "user"
    ASSISTANT = "assistant"


class Turn(msgspec.Struct, frozen=True):
    """What one side said. Neighbours may have the same role; a codec whose protocol forbids it joins them."""

    role: Role
    parts: tuple[Part, ...]


class FunctionTool(msgspec.Struct, frozen=True):
    """A tool that takes one JSON object."""

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    """JSON Schema as it came, `$defs` and all. None where none was given: it takes no arguments."""
    strict: bool | None = None
    namespace: str = ""
    """Responses: the namespace tool that it was declared in (E32)."""
    namespace_description: str = ""
    cache: CacheMark | None = None
    extras: dict[str, Any] = {}
    """Fields that only its own protocol knows."""


class CustomTool(msgspec.Struct, frozen=True):
    """A tool that takes free text, perhaps by a grammar (E30, E31)."""

    name: str
    description: str = ""
    format: dict[str, Any] | None = None
    """`{"type": "grammar", "syntax": "lark" | "regex", "definition": …}`, flat as in Responses; None is any
    text."""
    namespace: str = ""
    namespace_description: str = ""
    extras: dict[str, Any] = {}


class ServerTool(msgspec.Struct, frozen=True):
    """A tool that the provider itself runs: web search, code execution, image generation (E80)."""

    wire: Wire
    kind: str
    """Its type there, e.g. `web_search_20250305`."""
    raw: dict[str, Any]


Tool = FunctionTool | CustomTool | ServerTool


class ToolChoice(msgspec.Struct, frozen=True, gc=False):
    mode: Literal["auto", "any", "none", "named", "allowed"]
    names: tuple[str, ...] = ()
    """For `named`, one; for `allowed`, those that may be called."""
    required: bool = False
    """For `allowed`: one of them must be called."""
    namespace: str = ""


class Effort(StrEnum):
    """How hard to think, least first."""

    NONE = "none"
    MINIMAL = "minimal"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    XHIGH = "xhigh"
    MAX = "max"


class Thinking(msgspec.Struct, frozen=True, gc=False):
    """How the model is to think. All unset fields: as the provider sees fit."""

    effort: Effort | None = None
    budget: int | None = None
    """Tokens; 0 for no thinking at all."""
    adaptive: bool = False
    """Messages' `adaptive`: the model decides how much (with `effort` as its bound); Gemini's budget -1."""
    show: Literal["", "none", "summary", "full"] = ""
    """Whether the thoughts are to be seen; empty where nothing was said."""


class OutputFormat(msgspec.Struct, frozen=True):
    """The answer must be JSON."""

    schema: dict[str, Any] | None = None
    """None: any JSON object."""
    name: str = ""
    description: str = ""
    strict: bool | None = None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """One request, whatever its protocol. A field that is None (or empty) was not set."""

    model: str
    stream: bool = False
    system: tuple[Text, ...] = ()
    turns: tuple[Turn, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tools: bool | None = None
    max_output: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    thinking: Thinking | None = None
    format: OutputFormat | None = None
    verbosity: str = ""
    """`low`, `medium`, `high` (the OpenAI protocols)."""
    service_tier: str = ""
    """As asked for; kept within a family of protocols only."""
    user: str = ""
    """An opaque id of the end user, for the provider's abuse detection."""
    cache_key: str = ""
    """Requests with the same one share a prompt prefix (`prompt_cache_key`)."""
    include_usage: bool = True
    """Chat Completions: the tool wants a usage chunk at the end of its stream."""
    extras: dict[str, Any] = {}
    """Top-level fields that only the protocol it came by knows, as they were. Left out, with notice, of any
    other, save those that the reading codec lists as meaning nothing elsewhere."""
    legacy_functions: bool = False
    """Chat Completions: the tool speaks of `functions`, from before there were tools; its answer has one
    `function_call`."""
