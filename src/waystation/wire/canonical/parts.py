"""What is said in a conversation, piece by piece."""

from enum import StrEnum
from typing import Any, Literal

import msgspec

from waystation.model import Wire


class CacheMark(msgspec.Struct, frozen=True, gc=False):
    """The prompt up to and with this part may be cached by the provider, for this long."""

    ttl: Literal["5m", "1h"] = "5m"


class Seal(msgspec.Struct, frozen=True, gc=False):
    """Something opaque that only its maker can read, and wants back unchanged: a thinking signature
    (Messages), `encrypted_content` (Responses), a `thoughtSignature` (Gemini).

    It is replayed to its maker and to nobody else: any other provider refuses the whole conversation for it
    (E21, E25).
    """

    wire: Wire
    """The protocol whose field it is. Converse's signatures are Anthropic's: their wire is CONVERSE all the
    same, since Bedrock does not take those of the first-party API."""
    data: str
    provider: str = ""
    """The policy's provider id that made it, where our own envelope says; empty where a tool sent it bare, as
    it got it from a provider of its own protocol."""


class Text(msgspec.Struct, frozen=True):
    """Visible words. Never empty once read by a codec: an empty one is left out (E78)."""

    text: str
    cache: CacheMark | None = None
    citations: tuple[dict[str, Any], ...] = ()
    """As Messages has them; other protocols drop them, and say so."""
    refusal: bool = False
    """The model's own words for why it will not answer (a `refusal` part of the OpenAI protocols)."""


class Reasoning(msgspec.Struct, frozen=True):
    """What the model thought, or the seal of it. Never becomes visible text (E24).

    Gemini seals the part that follows. Here the seal comes first, as a Reasoning of its own without text,
    and belongs to the next part of the turn; so it passes through protocols that know reasoning but no
    sealed calls.
    """

    text: str = ""
    """The thoughts, or a summary of them, as far as the provider shows them."""
    seal: Seal | None = None
    redacted: bool = False
    """All of it is in the seal (Messages: `redacted_thinking`)."""
    id: str = ""
    """The provider's own id of it (Responses), which goes with the seal."""


class ToolCall(msgspec.Struct, frozen=True):
    """The model asks for a tool."""

    id: str
    name: str
    arguments: str
    """A JSON object, as text and untouched; for a custom tool the raw input, which is not JSON. What the
    model wrote is kept even where it is not valid JSON: a codec whose protocol wants an object decides."""
    namespace: str = ""
    """Responses: the namespace tool that it belongs to (E32)."""
    custom: bool = False
    """Its input is free text (E30)."""
    cache: CacheMark | None = None


class MediaKind(StrEnum):
    IMAGE = "image"
    DOCUMENT = "document"
    AUDIO = "audio"
    VIDEO = "video"


class Media(msgspec.Struct, frozen=True):
    """A picture, a document, a sound. Exactly one of `data`, `url`, `file_id` is set."""

    kind: MediaKind
    media_type: str = ""
    """As in `image/png`; empty where it is not known (a URL)."""
    data: str = ""
    """Base64, as it came; for a document of media type `text/plain`, the text itself."""
    url: str = ""
    file_id: str = ""
    """A file that the client put at its provider: nobody else can read it."""
    name: str = ""
    detail: str = ""
    """How closely to look (`low`, `high`, …), where the protocol has it."""
    cache: CacheMark | None = None


ResultPart = Text | Media


class ToolResult(msgspec.Struct, frozen=True):
    """What the tool answered. There is one for each call, in the user turn that follows (E74, E97)."""

    call_id: str
    content: tuple[ResultPart, ...] = ()
    is_error: bool = False
    name: str = ""
    """The tool's name, which Gemini wants again; empty where the protocol does not repeat it (the
    translation fills it in from the call)."""
    custom: bool = False
    cache: CacheMark | None = None


class Native(msgspec.Struct, frozen=True):
    """A part that only one protocol has: a server tool's call or result, a search result, something new.

    Written as it came to its own protocol; left out, with notice, of every other (E81, E96).
    """

    wire: Wire
    kind: str
    """Its type there, for the notice."""
    raw: dict[str, Any]


Part = Text | Reasoning | ToolCall | ToolResult | Media | Native
