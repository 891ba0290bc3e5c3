"""`thoughtSignature`: one field of one part, in which all that was sealed before the part has to travel.

A tool of Gemini's throws thoughts away and keeps the signature of the part behind them (Gemini CLI does), so a
foreign seal goes there, and with it the words that were signed: their maker wants both back.
"""

import re

import msgspec

from waystation.model import Wire
from waystation.wire.canonical import Reasoning, Seal
from waystation.wire.codecs.seal import unwrap, wrap

SKIP = "skip_thought_signature_validator"
"""What Google has documented for calls that Gemini 3 did not make itself
(https://ai.google.dev/gemini-api/docs/thought-signatures): without any signature it refuses the conversation."""

_NO_SIGNATURES = frozenset(
    (
        SKIP,
        "context_engineering_is_the_way_to_go",
        "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=",  # both again, as the Python SDK sends bytes
        "Y29udGV4dF9lbmdpbmVlcmluZ19pc190aGVfd2F5X3RvX2dv",
    )
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_SEVERAL = "*"
"""The provider of a seal that holds others: no policy can have one of that name."""
_TEXT_IS_NOT_SIGNED = (Wire.GENERATE, Wire.RESPONSES)


class _Sealed(msgspec.Struct, frozen=True, array_like=True, gc=False):
    wire: Wire
    provider: str
    data: str
    text: str = ""
    redacted: bool = False
    id: str = ""


_decoder = msgspec.json.Decoder(list[_Sealed])


def bare(seal: Seal | None) -> str:
    """A signature of Gemini's own, to be sent to it; empty where there is none that it could read."""
    if seal is None or seal.wire is not Wire.GENERATE:
        return ""
    data = seal.data
    return data if len(data.rstrip("=")) % 4 != 1 and _BASE64.fullmatch(data) else ""


def pack(reasonings: list[Reasoning]) -> str:
    """The signature that carries these; empty where none of them is sealed."""
    sealed = [
        _Sealed(
            seal.wire,
            seal.provider,
            seal.data,
            "" if seal.wire in _TEXT_IS_NOT_SIGNED else reasoning.text,
            reasoning.redacted,
            reasoning.id,
        )
        for reasoning in reasonings
        if (seal := reasoning.seal) is not None
    ]
    if not sealed:
        return ""
    first = sealed[0]
    if len(sealed) == 1 and not (first.text or first.redacted or first.id):
        if first.wire is Wire.GENERATE and not first.provider:
            return first.data
        return wrap(Seal(first.wire, first.data, first.provider))
    return wrap(Seal(Wire.GENERATE, msgspec.json.encode(sealed).decode(), _SEVERAL))


def unpack(signature: str) -> tuple[Reasoning, ...]:
    """What a signature that a tool sent carries, in order."""
    if not signature or signature in _NO_SIGNATURES:
        return ()
    seal = unwrap(signature, Wire.GENERATE)
    if seal.provider == _SEVERAL and seal.wire is Wire.GENERATE:
        try:
            sealed = _decoder.decode(seal.data)
        except (ValueError, RecursionError):
            return ()
        return tuple(
            Reasoning(one.text, Seal(one.wire, one.data, one.provider), one.redacted, one.id)
            for one in sealed
        )
    return (Reasoning(seal=seal),)
