"""OpenAI Chat Completions, as OpenAI means it and as the many servers do that speak it: DeepSeek, Mistral,
OpenRouter, vLLM, llama.cpp, Ollama. Shapes from the `openai` SDK's types.

The protocol has no place for thoughts and their seals; `seals` says where they go. It has one text in an answer
and one message a result; `spoken` and `provider_messages` say how more of them fit in.
"""

from waystation.model import Wire
from waystation.wire.canonical import Conversation, Reply
from waystation.wire.codecs.chat.provider_request import write_request
from waystation.wire.codecs.chat.reply import read_reply, write_reply
from waystation.wire.codecs.chat.request import read_request
from waystation.wire.codecs.chat.stream import ChatStreamReader, ChatStreamWriter
from waystation.wire.codecs.door import AnswerHead, Codec, Notes, StreamReader, StreamWriter, Target

__all__ = ["CODEC"]


class _ChatCodec:
    wire = Wire.CHAT

    def read_request(self, body: bytes, *, model: str, stream: bool) -> Conversation:
        return read_request(body, model=model, stream=stream)

    def write_request(self, conversation: Conversation, target: Target, notes: Notes) -> bytes:
        return write_request(conversation, target, notes)

    def reader(self) -> StreamReader:
        return ChatStreamReader()

    def writer(self, head: AnswerHead) -> StreamWriter:
        return ChatStreamWriter(head)

    def read_reply(self, body: bytes) -> Reply:
        return read_reply(body)

    def write_reply(self, reply: Reply, head: AnswerHead) -> bytes:
        return write_reply(reply, head)


CODEC: Codec = _ChatCodec()
