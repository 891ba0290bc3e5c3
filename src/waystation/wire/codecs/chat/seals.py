"""Seals in a protocol that has no field for them.

Another protocol's seals travel to a tool and back in the id of the tool call that follows them, as
`<id>~<envelope>`: the id is the one thing that every tool replays unchanged (E27). Some replace characters that
Anthropic would refuse, so `_` is read for `~` too; one that cuts ids short loses the seals and nothing else.

A provider of this protocol seals nothing, but may want its thoughts back where they came from: DeepSeek refuses
a history without them, OpenRouter and Gemini's compatible address have signatures in extensions. The Seal of
such thoughts says where they belong: a field's name, or the extension as JSON.
"""

import re
from typing import Any

import msgspec

from waystation.model import Wire
from waystation.wire.canonical import Reasoning, Seal
from waystation.wire.codecs.seal import unwrap, wrap

THOUGHT_FIELDS = ("reasoning_content", "reasoning")
"""Where servers put thoughts as plain text, and take them back."""
MOST_TEXT = 32 * 1024
"""Characters of thoughts that go along with their signature, which is worth nothing without them. Longer ones
stay behind: the id is repeated with the call's result, and in every request from then on."""

_SUFFIX = re.compile(r"[~_]ws10")
_MARK = "ws10"
_WITH_TEXT = "\x01"
"""Before the data of a seal whose thoughts are in its envelope, then the length of their text, then the text."""


def seal_into_id(ident: str, thoughts: list[Reasoning]) -> str:
    """The id of a tool call, with the seals of the thoughts before it."""
    return ident + "".join(f"~{wrap(_packed(thought, thought.seal))}" for thought in thoughts if thought.seal)


def travels(thought: Reasoning) -> bool:
    """Whether its seal needs an envelope: an empty one says nothing, and our own has a field."""
    return thought.seal is not None and thought.seal.data != "" and thought.seal.wire is not Wire.CHAT


def id_without_seals(ident: str) -> str:
    if _MARK not in ident:
        return ident
    found = _SUFFIX.search(ident)
    return ident if found is None else ident[: found.start()]


def seals_in_id(ident: str) -> list[Reasoning]:
    """The thoughts whose seals are in an id; those that were cut short are left out."""
    found = _SUFFIX.search(ident) if _MARK in ident else None
    if found is None:
        return []
    letters = _SUFFIX.split(ident[found.start() :])[1:]
    seals = [unwrap(_MARK + letter, Wire.CHAT) for letter in letters]
    return [_unpacked(seal) for seal in seals if seal.wire is not Wire.CHAT]


def before_its_part(thought: Reasoning) -> bool:
    """Whether the seal belongs to the part that follows, not to its own thoughts."""
    return thought.seal is not None and thought.seal.wire is Wire.GENERATE and not thought.text


def _packed(thought: Reasoning, seal: Seal) -> Seal:
    if not thought.text or len(thought.text) > MOST_TEXT:
        return seal
    data = f"{_WITH_TEXT}{len(thought.text)}:{thought.text}{seal.data}"
    return Seal(seal.wire, data, seal.provider)


def _unpacked(seal: Seal) -> Reasoning:
    length, found, rest = seal.data[1:].partition(":")
    if not seal.data.startswith(_WITH_TEXT) or not found or not length.isdecimal() or len(length) > 6:
        return Reasoning(seal=seal)
    text = rest[: int(length)]
    return Reasoning(text, Seal(seal.wire, rest[int(length) :], seal.provider))


def own_seal(where: str) -> Seal:
    return Seal(Wire.CHAT, where)


def extension_seal(extension: list[Any] | dict[str, Any]) -> Seal:
    """Of `reasoning_details` (a list) or a tool call's `extra_content` (an object)."""
    return Seal(Wire.CHAT, msgspec.json.encode(extension).decode())


def extension_in(seal: Seal) -> list[Any] | dict[str, Any] | None:
    """What `extension_seal` was made of; None for anything else."""
    if seal.data[:1] not in ("[", "{"):
        return None
    try:
        found = msgspec.json.decode(seal.data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list | dict) else None


def is_signed(details: list[Any]) -> bool:
    """Whether `reasoning_details` say more than their text."""
    return any(isinstance(one, dict) and (one.get("signature") or one.get("data")) for one in details)


def text_of_details(details: list[Any]) -> str:
    """What can be read of `reasoning_details`."""
    pieces = []
    for one in details:
        if isinstance(one, dict):
            said = one.get("text") or one.get("summary")
            if isinstance(said, str):
                pieces.append(said)
    return "".join(pieces)
