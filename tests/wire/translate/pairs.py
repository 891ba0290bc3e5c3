"""All pairs of protocols, and what a provider of each would answer."""

from typing import Literal

from waystation.model import Capabilities, Wire
from waystation.wire.canonical import Conversation, Reply
from waystation.wire.codecs import AnswerHead, Target, codec_for
from waystation.wire.translate import Translation

SOURCES = (Wire.MESSAGES, Wire.RESPONSES, Wire.CHAT, Wire.GENERATE)
TARGETS = (*SOURCES, Wire.CONVERSE)
PAIRS = [(source, target) for source in SOURCES for target in TARGETS if source is not target]
NAMES = {
    Wire.MESSAGES: "messages",
    Wire.RESPONSES: "responses",
    Wire.CHAT: "chat",
    Wire.GENERATE: "generate",
    Wire.CONVERSE: "converse",
}
PAIR_IDS = [f"{NAMES[source]}-to-{NAMES[target]}" for source, target in PAIRS]
MODELS = {
    Wire.MESSAGES: "claude-sonnet-4-5",
    Wire.RESPONSES: "gpt-5.4",
    Wire.CHAT: "an-open-model",
    Wire.GENERATE: "gemini-3-pro",
    Wire.CONVERSE: "anthropic.claude-sonnet-4-5-v1:0",
}


def target_of(wire: Wire, provider: str = "there") -> Target:
    thinking: Literal["budget"] | None = "budget" if wire in (Wire.MESSAGES, Wire.CONVERSE) else None
    return Target(wire, provider, MODELS[wire], Capabilities(max_output=64_000, thinking=thinking))


def head_of(conversation: Conversation) -> AnswerHead:
    return AnswerHead("ans_1", 1_795_516_560, "asked-for", conversation)


def translation(source: Wire, target: Wire, conversation: Conversation) -> Translation:
    return Translation(source, conversation, target_of(target), head_of(conversation))


def streamed(wire: Wire, reply: Reply, asked: Conversation) -> bytes:
    """The stream of a provider that answers so."""
    head = AnswerHead("up_1", 1_795_516_560, MODELS[wire], asked)
    return codec_for(wire).writer(head).write(reply.events())


def whole(wire: Wire, reply: Reply, asked: Conversation) -> bytes:
    """The same answer in one piece."""
    return codec_for(wire).write_reply(reply, AnswerHead("up_1", 1_795_516_560, MODELS[wire], asked))
