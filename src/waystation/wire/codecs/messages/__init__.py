"""Anthropic Messages. Shapes from the `anthropic` SDK's types and Anthropic's published reference.

`request`: a tool's request and one to a provider, with `blocks` (content as it is read), `turns` (as it is
written), `tools`, `thinking` and `schema`. `reply`: whole answers. `reader` and `writer`: answers as they come.
"""

from waystation.model import Wire
from waystation.wire.canonical import Conversation, Reply
from waystation.wire.codecs.door import AnswerHead, Codec, Notes, Target
from waystation.wire.codecs.messages.reader import Reader
from waystation.wire.codecs.messages.reply import read_reply, write_reply
from waystation.wire.codecs.messages.request import PRIVATE, read_request, write_request
from waystation.wire.codecs.messages.writer import Writer

__all__ = ["CODEC", "PRIVATE"]


class _Messages:
    wire = Wire.MESSAGES

    def read_request(self, body: bytes, *, model: str, stream: bool) -> Conversation:
        return read_request(body, model=model, stream=stream)

    def write_request(self, conversation: Conversation, target: Target, notes: Notes) -> bytes:
        return write_request(conversation, target, notes)

    def reader(self) -> Reader:
        return Reader()

    def writer(self, head: AnswerHead) -> Writer:
        return Writer(head)

    def read_reply(self, body: bytes) -> Reply:
        return read_reply(body)

    def write_reply(self, reply: Reply, head: AnswerHead) -> bytes:
        return write_reply(reply, head)


CODEC: Codec = _Messages()
