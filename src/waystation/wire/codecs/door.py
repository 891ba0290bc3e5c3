"""What a codec promises: one protocol, read into and written from the canonical conversation.

Everything here is pure: no I/O, no clock, no randomness; what an answer needs of those is in AnswerHead.
"""

from typing import Protocol

import msgspec

from waystation.model import Capabilities, Refusal, Wire
from waystation.wire.canonical import Conversation, Event, Reply
from waystation.wire.stream_error import StreamError


class Target(msgspec.Struct, frozen=True):
    """Where a request goes, as far as its writing depends on it."""

    wire: Wire
    provider: str
    """The policy's provider id: whose seals may be replayed."""
    model: str
    """The provider's own model id."""
    capabilities: Capabilities = Capabilities()
    usage_in_stream: bool = True
    """Chat Completions: the server understands `stream_options.include_usage`."""
    json_schema: bool = True
    """Gemini: the server takes `parametersJsonSchema` and `responseJsonSchema`; else only its own Schema."""
    betas: tuple[str, ...] = ()
    """Converse: the Anthropic beta flags that the provider is known to take (E82)."""


class Notes:
    """What a translation left out or changed, for the tool's developer: `x-waystation-dropped`, a counter.

    Names are those of the caller's protocol where it has one (`top_k`, `tools.web_search`), without indexes
    and values, so that there are few of them and no content is in them.
    """

    __slots__ = ("changed", "dropped")

    def __init__(self) -> None:
        self.dropped: dict[str, None] = {}
        self.changed: dict[str, None] = {}

    def drop(self, what: str) -> None:
        """Left out: the target has no such thing."""
        self.dropped[what] = None

    def change(self, what: str) -> None:
        """Sent, but not as asked for, e.g. `max_tokens=8192`."""
        self.changed[what] = None


class AnswerHead(msgspec.Struct, frozen=True, gc=False):
    """What an answer to the tool is made with beside its content."""

    id: str
    """Unique and URL-safe; a writer puts its protocol's prefix before it (`msg_`, `resp_`, `chatcmpl-`)."""
    created: int
    """Unix seconds."""
    model: str
    """The name the tool asked for."""
    request: Conversation
    """What was asked: Responses repeats parts of it in its answer, Chat Completions must know whether usage
    was wanted."""
    events: bool = True
    """Gemini: server-sent events (`alt=sse`), not one JSON array."""


class StreamReader(Protocol):
    """A provider's stream → events. Fed bytes cut anywhere; the events do not depend on where.

    Finish comes with the protocol's terminal event (not before it: usage may follow the stop reason), or from
    `close` where the end of the body is the terminal event, and carries no usage: the caller has that from
    the stream's tap. Events that cannot be read are skipped and counted, never fatal (E112). Raises
    SSEOverflow for an event larger than the cap, nothing else for any input.
    """

    skipped: int
    """Events that could not be read."""

    def feed(self, data: bytes) -> list[Event]: ...

    def close(self) -> list[Event]:
        """The body has ended."""
        ...


class StreamWriter(Protocol):
    """Events → the bytes of a stream for the tool.

    Every event yields whole protocol events or nothing, so what was written always ends at a boundary.
    """

    def write(self, events: list[Event]) -> bytes: ...

    def failure(self, error: StreamError | Refusal) -> bytes:
        """The bytes that end the stream in its own dialect after it broke (E15); never a success."""
        ...


class Codec(Protocol):
    """One protocol. Each is a module-level object; it has no state."""

    wire: Wire

    def read_request(self, body: bytes, *, model: str, stream: bool) -> Conversation:
        """A tool's request. `model` and `stream` are what `wire.read_request` found. Raises BadBody naming the
        field (`messages[3].content[0].input`) for what no provider could make sense of; unknown parts and
        fields never raise."""
        ...

    def write_request(self, conversation: Conversation, target: Target, notes: Notes) -> bytes:
        """The same for a provider. `conversation` has been lowered for `target` (see `wire.translate`): its
        tools, ids, names, seals and pairs of calls and results are such as the protocol takes."""
        ...

    def reader(self) -> StreamReader: ...

    def writer(self, head: AnswerHead) -> StreamWriter: ...

    def read_reply(self, body: bytes) -> Reply:
        """A provider's whole answer (status 200), without usage. Raises BadBody if it is not one."""
        ...

    def write_reply(self, reply: Reply, head: AnswerHead) -> bytes:
        """A whole answer for the tool. The content is that of the stream, to the field."""
        ...
