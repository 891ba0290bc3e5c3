"""Gemini's generateContent, streamGenerateContent and countTokens.

A tool's request is read by `request_reader` and `contents`, one for a provider written by `request_writer` and
`turns`; `stream` and `stream_writer` are answers as they come, `reply` whole ones.
"""

from waystation.model import Wire
from waystation.wire.canonical import Conversation, Reply
from waystation.wire.codecs.door import AnswerHead, Codec, Notes, StreamReader, StreamWriter, Target
from waystation.wire.codecs.generate.reply import read_reply, write_reply
from waystation.wire.codecs.generate.request_reader import read_request
from waystation.wire.codecs.generate.request_writer import write_request
from waystation.wire.codecs.generate.stream import GenerateReader
from waystation.wire.codecs.generate.stream_writer import GenerateWriter


class GenerateCodec:
    """See `Codec`."""

    wire = Wire.GENERATE

    def read_request(self, body: bytes, *, model: str, stream: bool) -> Conversation:
        return read_request(body, model=model, stream=stream)

    def write_request(self, conversation: Conversation, target: Target, notes: Notes) -> bytes:
        return write_request(conversation, target, notes)

    def reader(self) -> StreamReader:
        return GenerateReader()

    def writer(self, head: AnswerHead) -> StreamWriter:
        return GenerateWriter(head)

    def read_reply(self, body: bytes) -> Reply:
        return read_reply(body)

    def write_reply(self, reply: Reply, head: AnswerHead) -> bytes:
        return write_reply(reply, head)


CODEC: Codec = GenerateCodec()

__all__ = ["CODEC"]
