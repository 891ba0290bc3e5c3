"""One codec a protocol: requests, answers and streams, to and from the canonical conversation.

A protocol is a folder here with `request`, `reply` and `stream`; `codec_for` finds it.
"""

from waystation.wire.codecs.door import AnswerHead, Codec, Notes, StreamReader, StreamWriter, Target

__all__ = ["AnswerHead", "Codec", "Notes", "StreamReader", "StreamWriter", "Target"]
