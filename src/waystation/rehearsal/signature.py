"""Opaque seals on reasoning, which the rehearsal provider checks when they come back, as real ones do.

A seal depends on every byte of what it seals, so a gateway that re-encodes a conversation is found out.
"""

from __future__ import annotations

import base64
import hashlib
import re

_LABEL = b"waystation-rehearsal:"
_FROM_URL_SAFE = str.maketrans("-_", "+/")
"""Google's SDKs send bytes in the other alphabet of base64 than Google itself, which takes both."""
_SEALS_CALLS = re.compile(r"gemini-(?:[3-9]|\d\d)")


def sign(sealed: str) -> str:
    """A base64 seal of the text."""
    digest = hashlib.blake2b(sealed.encode(), digest_size=48, key=_LABEL).digest()
    return base64.b64encode(_LABEL + digest).decode()


def seals_calls(model: str) -> bool:
    """Whether this model of Gemini's seals the first call of every answer and refuses to go on without the seal."""
    return _SEALS_CALLS.search(model) is not None


def is_signed(sealed: str, signature: object) -> bool:
    """Whether `sign` made this signature for this very text."""
    return isinstance(signature, str) and signature == sign(sealed)


def is_ours(signature: object) -> bool:
    """Whether `sign` made this signature for some text."""
    if not isinstance(signature, str):
        return False
    try:
        raw = base64.b64decode(signature.translate(_FROM_URL_SAFE), validate=True)
    except ValueError:
        return False
    return raw.startswith(_LABEL) and len(raw) == len(_LABEL) + 48
