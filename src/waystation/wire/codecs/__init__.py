"""One codec a protocol: requests, answers and streams, to and from the canonical conversation.

A protocol is a folder here with `request`, `reply` and `stream`; `codec_for` finds it.
"""

from waystation.model import Wire
from waystation.wire.codecs.chat import CODEC as CHAT
from waystation.wire.codecs.converse import CODEC as CONVERSE
from waystation.wire.codecs.door import AnswerHead, Codec, Notes, StreamReader, StreamWriter, Target
from waystation.wire.codecs.generate import CODEC as GENERATE
from waystation.wire.codecs.messages import CODEC as MESSAGES
from waystation.wire.codecs.responses import CODEC as RESPONSES

__all__ = ["AnswerHead", "Codec", "Notes", "StreamReader", "StreamWriter", "Target", "codec_for"]

_CODECS: dict[Wire, Codec] = {codec.wire: codec for codec in (MESSAGES, RESPONSES, CHAT, GENERATE, CONVERSE)}


def codec_for(wire: Wire) -> Codec:
    """The codec of a protocol. Raises KeyError for EMBEDDINGS, which is no conversation."""
    return _CODECS[wire]
