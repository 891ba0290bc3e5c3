"""Whose seal is whose: replayed to its maker, dropped for everybody else.

A seal that goes out to a tool is stamped with its provider. Whether the thoughts were redacted goes along in its
data, since not every tool's protocol can say so.
"""

import msgspec

from waystation.model import Wire
from waystation.wire.canonical import Reasoning, Seal
from waystation.wire.codecs import Target

_REDACTED = "!"
_SIGNED_ONLY = frozenset((Wire.MESSAGES, Wire.RESPONSES))
"""Protocols that refuse thoughts without a seal (E22, E26). Of the others, some servers refuse to go on without
the thoughts that they showed; of CONVERSE, it depends on the model, and the codec knows."""


def stamp(seal: Seal, part: Reasoning, provider: str) -> Seal:
    """A provider's seal as the tool gets it."""
    return Seal(seal.wire, f"{_REDACTED}{seal.data}" if part.redacted else seal.data, provider)


def unsigned(wire: Wire, provider: str) -> Seal:
    """For thoughts that their provider did not seal: whose they are (E22)."""
    return Seal(wire, "", provider)


def replayed(part: Reasoning, target: Target) -> Reasoning | None:
    """What `target` may be shown of thoughts in the history; None for nothing (E21, E24, E25, E26).

    A bare seal is the tool's own protocol's, and so none of `target`.
    """
    seal = part.seal
    if seal is None or seal.wire is not target.wire or seal.provider != target.provider:
        return None
    if not seal.data:
        return part if part.text and target.wire not in _SIGNED_ONLY else None
    if seal.data.startswith(_REDACTED):
        data = seal.data.removeprefix(_REDACTED)
        return msgspec.structs.replace(part, seal=Seal(seal.wire, data, seal.provider), redacted=True)
    return part
