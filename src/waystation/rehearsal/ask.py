"""A request to a model, in terms that the four protocols share."""

from __future__ import annotations

from typing import Any

import msgspec

from waystation.model import Wire

Json = dict[str, Any]


class Tool(msgspec.Struct, frozen=True):
    """A tool that the caller declared and will run itself."""

    name: str
    schema: Json = {}
    """JSON Schema of its input; empty for a freeform tool."""
    description: str = ""
    freeform: bool = False
    """Its input is plain text (OpenAI `custom` tools), not JSON."""
    namespace: str = ""

    @property
    def properties(self) -> Json:
        found = self.schema.get("properties")
        return found if isinstance(found, dict) else {}


class Result(msgspec.Struct, frozen=True):
    """What the caller's tool answered."""

    text: str
    failed: bool = False


class Ask(msgspec.Struct):
    """One request to generate, whatever protocol it came by."""

    wire: Wire
    model: str
    body: Json
    """The decoded body, for what only one protocol has."""
    stream: bool = False
    system: str = ""
    """System and developer text, joined."""
    context: str = ""
    """Everything the user's side said, joined: where a working directory may be named."""
    prompt: str = ""
    """The user's last words, without the reminders and context blocks that tools wrap around them."""
    tools: tuple[Tool, ...] = ()
    rounds: int = 0
    """How many times the model has called tools since the user's last words."""
    results: tuple[Result, ...] = ()
    """Results of the last of those rounds."""
    earlier: tuple[str, int] = ("", 0)
    """The user's words before their last ones, and how many times the model has called tools for those."""
    parts: tuple[Part, ...] = ()
    """The rendered prompt, in the order that the provider caches it."""
    max_output: int | None = None
    stop: tuple[str, ...] = ()
    reasons: bool | None = False
    """The request lets the model reason; None where it does not say, of models that may without being asked."""
    shows_reasoning: bool = False
    """The request wants to see (a summary of) the reasoning."""
    schema: Json | None = None
    """JSON Schema that the answer's text must satisfy, if the request demands one."""
    must_call: str | None = None
    """Tool that must be called; "" for any; None where the model is free."""


class Part(msgspec.Struct, frozen=True):
    """One cacheable piece of the prompt: its bytes, and the lifetime of a cache breakpoint after it."""

    data: bytes
    ttl: str = ""
    """`5m` or `1h` where a breakpoint follows, else empty."""


class Rejection(Exception):
    """The provider refuses. `kind`, `code` and `param` are in the words of the request's protocol."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "",
        code: str | None = None,
        param: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind
        self.code = code
        self.param = param
        self.headers = headers
