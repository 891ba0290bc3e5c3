"""OpenAI Responses: what Codex, Continue, Copilot and the OpenAI SDKs speak.

`request` reads a tool's request (`items`, `tools`, `content`), `provider_request` writes one for a provider;
`reader` reads a provider's stream (`output_items`), `writer` writes a tool's (`answer`), `reply` does whole
answers. Shapes from the `openai` SDK's types, and from what Codex's own reader insists on.
"""

from waystation.model import Wire
from waystation.wire.canonical import Conversation, Reply
from waystation.wire.codecs.door import AnswerHead, Codec, Notes, StreamReader, StreamWriter, Target
from waystation.wire.codecs.responses.provider_request import write_request
from waystation.wire.codecs.responses.reader import ResponsesReader
from waystation.wire.codecs.responses.reply import read_reply, write_reply
from waystation.wire.codecs.responses.request import read_request
from waystation.wire.codecs.responses.writer import ResponsesWriter


class _Responses:
    """See `Codec`."""

    wire = Wire.RESPONSES

    def read_request(self, body: bytes, *, model: str, stream: bool) -> Conversation:
        return read_request(body, model=model, stream=stream)

    def write_request(self, conversation: Conversation, target: Target, notes: Notes) -> bytes:
        return write_request(conversation, target, notes)

    def reader(self) -> StreamReader:
        return ResponsesReader()

    def writer(self, head: AnswerHead) -> StreamWriter:
        return ResponsesWriter(head)

    def read_reply(self, body: bytes) -> Reply:
        return read_reply(body)

    def write_reply(self, reply: Reply, head: AnswerHead) -> bytes:
        return write_reply(reply, head)


CODEC: Codec = _Responses()
