"""Reasoning items: what the model thought, as a summary or in full, and the seal of it.

A provider checks that `encrypted_content` comes back under the id that it was given with, and refuses the
request for another id. A tool of a foreign protocol replays only the seal; so the seal that a provider's answer
is read into has the id in it, before a space (which base64 has not).
"""

from typing import Any

from waystation.model import Wire
from waystation.wire.canonical import Reasoning, Seal
from waystation.wire.codecs.responses.fields import Json, string
from waystation.wire.codecs.seal import unwrap, wrap

BETWEEN = "\n\n"
"""Between the paragraphs of a summary, which the protocol has as parts of their own."""


def read_from_tool(item: Json) -> Reasoning | None:
    """A reasoning item that a tool replays; None if nothing is in it."""
    words = text_of(item)
    sealed = string(item, "encrypted_content")
    if not sealed:
        return Reasoning(words, id=string(item, "id")) if words else None
    seal = unwrap(sealed, Wire.RESPONSES)
    # An id that we made up, for a seal of somebody else, means nothing to anybody.
    ident = string(item, "id") if seal.wire is Wire.RESPONSES and not seal.provider else ""
    return Reasoning(words, seal, id=ident)


def read_from_provider(item: Json) -> Reasoning | None:
    """A reasoning item of an answer; None if nothing is in it."""
    words = text_of(item)
    seal = seal_of(item)
    return Reasoning(words, seal, id=string(item, "id")) if words or seal is not None else None


def seal_of(item: Json) -> Seal | None:
    """The seal of a reasoning item of an answer."""
    sealed, ident = string(item, "encrypted_content"), string(item, "id")
    if not sealed:
        return None
    return Seal(Wire.RESPONSES, f"{ident} {sealed}" if ident else sealed)


def write_for_provider(part: Reasoning) -> Json | None:
    """The item to replay; None for thoughts that the protocol cannot take back: without a seal of its own, a
    provider that keeps nothing does not know them (E26)."""
    seal = part.seal
    if seal is None or seal.wire is not Wire.RESPONSES or not seal.data:
        return None
    ident, _, sealed = seal.data.rpartition(" ")
    item: Json = {"type": "reasoning"}
    if part.id or ident:
        item["id"] = part.id or ident
    item["summary"] = [{"type": "summary_text", "text": part.text}] if part.text else []
    item["encrypted_content"] = sealed
    return item


def sealed_for_tool(seal: Seal | None) -> str | None:
    """`encrypted_content` for a tool: a foreign seal is in an envelope, so that it is known when it comes
    back."""
    if seal is None:
        return None
    if seal.wire is Wire.RESPONSES and not seal.provider:
        return seal.data.rpartition(" ")[2]
    return wrap(seal)


def text_of(item: Json) -> str:
    """The summary, or else the thoughts themselves."""
    return _joined(item.get("summary")) or _joined(item.get("content"))


def texts_of(parts: Any) -> list[str]:
    """The text of each part of a `summary` or `content`."""
    if isinstance(parts, str):
        return [parts]
    if not isinstance(parts, list):
        return []
    return [string(part, "text") for part in parts if isinstance(part, dict)]


def _joined(parts: Any) -> str:
    return BETWEEN.join(text for text in texts_of(parts) if text)
