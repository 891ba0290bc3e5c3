"""One codec a protocol: requests, answers and streams, to and from the canonical conversation.

A protocol is a folder here with `request`, `reply` and `stream`; `codec_for` finds it.
"""

from importlib import import_module

from waystation.model import Wire
from waystation.wire.codecs.door import AnswerHead, Codec, Notes, StreamReader, StreamWriter, Target

_FOLDERS = {
    Wire.MESSAGES: "messages",
    Wire.RESPONSES: "responses",
    Wire.CHAT: "chat",
    Wire.GENERATE: "generate",
    Wire.CONVERSE: "converse",
}


def codec_for(wire: Wire) -> Codec:
    """The codec of a protocol. Raises KeyError for EMBEDDINGS, which is no conversation."""
    codec: Codec = import_module(f"waystation.wire.codecs.{_FOLDERS[wire]}").CODEC
    return codec


__all__ = ["AnswerHead", "Codec", "Notes", "StreamReader", "StreamWriter", "Target", "codec_for"]
