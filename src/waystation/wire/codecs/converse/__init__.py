"""Amazon Bedrock's Converse API. Spoken by providers only: requests of it are read, and answers written, for
nobody but the tests that a conversation survives the way there and back.

`CODEC` is the codec; `write_count_request` and `read_count` are for `/count-tokens`.
"""

from waystation.model import Wire
from waystation.wire.canonical import Conversation, Reply
from waystation.wire.codecs.converse import reply, request
from waystation.wire.codecs.converse.request import read_count, write_count_request
from waystation.wire.codecs.converse.stream import ConverseReader
from waystation.wire.codecs.converse.stream_writer import ConverseWriter
from waystation.wire.codecs.door import AnswerHead, Codec, Notes, StreamReader, StreamWriter, Target

__all__ = ["CODEC", "read_count", "write_count_request"]


class _Converse:
    wire = Wire.CONVERSE

    def read_request(self, body: bytes, *, model: str, stream: bool) -> Conversation:
        return request.read_request(body, model=model, stream=stream)

    def write_request(self, conversation: Conversation, target: Target, notes: Notes) -> bytes:
        return request.write_request(conversation, target, notes)

    def reader(self) -> StreamReader:
        return ConverseReader()

    def writer(self, head: AnswerHead) -> StreamWriter:  # noqa: ARG002 - its streams name no id and no model
        return ConverseWriter()

    def read_reply(self, body: bytes) -> Reply:
        return reply.read_reply(body)

    def write_reply(self, answer: Reply, head: AnswerHead) -> bytes:
        return reply.write_reply(answer, head)


CODEC: Codec = _Converse()
