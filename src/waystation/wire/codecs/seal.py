"""How a provider's seal travels through a tool that speaks another protocol, and comes back whole.

A tool replays what stands in its own protocol's seal field (`thinking.signature`, `encrypted_content`,
`thoughtSignature`) without looking at it. So a foreign seal goes there in an envelope that says whose it is
(E21, E22, E25, E27). An empty seal travels too: it marks thoughts that nobody signed as ours, so that they are
never shown to a provider that would check a signature.

The envelope is valid base64 from its first character on, of either alphabet and without padding: Google's
Python SDK decodes the field and encodes it again.
"""

import base64
import binascii

import msgspec

from waystation.model import Wire
from waystation.wire.canonical.parts import Seal

_MARK = "ws10"
"""Four characters, which base64 takes for three bytes; what follows is base64 of its own."""
_STANDARD_TO_URL_SAFE = str.maketrans("+/", "-_")
_decoder = msgspec.json.Decoder(tuple[Wire, str, str])


def wrap(seal: Seal) -> str:
    """The envelope: letters, digits, `-` and `_` only."""
    letter = msgspec.json.encode((seal.wire, seal.provider, seal.data))
    letter += b" " * (-len(letter) % 3)  # no padding characters
    return _MARK + base64.urlsafe_b64encode(letter).decode("ascii")


def unwrap(text: str, native: Wire) -> Seal:
    """The seal in an envelope; what is in none is a bare seal of the protocol that the tool speaks."""
    if text.startswith(_MARK):
        letter = text[len(_MARK) :].rstrip("=").translate(_STANDARD_TO_URL_SAFE)
        try:
            wire, provider, data = _decoder.decode(
                base64.urlsafe_b64decode(letter + "=" * (-len(letter) % 4))
            )
        except (binascii.Error, ValueError):  # msgspec's errors are ValueErrors
            return Seal(native, text)
        return Seal(wire, data, provider)
    return Seal(native, text)
