"""The golden files, made: `python -m tests.wire.translate.golden_files` writes them."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tests.wire.translate.canonical_json import from_json
from tests.wire.translate.pairs import (
    MODELS,
    NAMES,
    PAIRS,
    SOURCES,
    TARGETS,
    head_of,
    target_of,
    whole,
)
from waystation.model import Wire
from waystation.wire.canonical import (
    Conversation,
    Delta,
    Event,
    Reasoning,
    Reply,
    Seal,
    Thinking,
)
from waystation.wire.codecs import AnswerHead, Notes, codec_for
from waystation.wire.translate import Translation
from waystation.wire.translate.lower import lower

_SEALS = {Wire.CHAT: "reasoning_content"}  # the field that the thoughts stood in
FOLDER = Path(__file__).parent / "golden"


def conversation() -> Conversation:
    read: Conversation = from_json(json.loads((FOLDER / "conversation.json").read_text("utf-8")))
    return read


def answer(target: Wire) -> Reply:
    """As a provider of that protocol gives it: it seals its thoughts, where it has a place for a seal."""
    read: Reply = from_json(json.loads((FOLDER / "answer.json").read_text("utf-8")))
    sealed = tuple(
        msgspec.structs.replace(part, seal=Seal(target, _SEALS.get(target, "c2VhbA==")))
        if isinstance(part, Reasoning) and target is not Wire.GENERATE
        else part
        for part in read.parts
    )
    return msgspec.structs.replace(read, parts=sealed)


def thinking_aloud() -> Conversation:
    """What the provider was asked, as far as its answer depends on it: to show its thoughts."""
    return msgspec.structs.replace(conversation(), thinking=Thinking(budget=16_384, show="summary"))


def made() -> Iterator[tuple[str, str]]:
    """Path and content of each file."""
    for source in SOURCES:
        yield f"tool/{NAMES[source]}.json", _pretty(json.loads(tool_request(source)))
    for target in TARGETS:
        source = Wire.CHAT if target is Wire.RESPONSES else Wire.RESPONSES
        yield f"provider/{NAMES[target]}.json", _pretty(json.loads(provider_request(source, target)))
        yield f"answer/{NAMES[target]}.json", _pretty(_events(target, provider_stream(target)))
    for source, target in PAIRS:
        yield f"round/{NAMES[source]}-to-{NAMES[target]}.json", _pretty(round_trip(source, target))


def tool_request(source: Wire) -> bytes:
    """The conversation, written by the tool's side: Responses says all of it, the others what they can."""
    asked = conversation()
    where = target_of(source)
    if source is not Wire.RESPONSES:
        asked = lower(asked, Wire.RESPONSES, where, Notes()).conversation
    return codec_for(source).write_request(asked, where, Notes())


def provider_request(source: Wire, target: Wire) -> bytes:
    where = target_of(target)
    lowered = lower(conversation(), source, where, Notes()).conversation
    return codec_for(target).write_request(lowered, where, Notes())


def provider_stream(target: Wire) -> bytes:
    """The answer as it comes: a few letters at a time."""
    head = AnswerHead("up_1", 1_795_516_560, MODELS[target], thinking_aloud())
    return (
        codec_for(target)
        .writer(head)
        .write([piece for event in answer(target).events() for piece in _cut(event)])
    )


def round_trip(source: Wire, target: Wire) -> dict[str, Any]:
    asked = Translation.read(source, tool_request(source), model="asked-for", stream=True)
    made = Translation(source, asked, target_of(target), head_of(asked))
    tap = made.tap()
    provider = provider_stream(target)
    stream = tap.feed(provider) + tap.close()
    body = whole(target, answer(target), thinking_aloud())
    return {
        "dropped": made.dropped,
        "changed": made.changed,
        "provider_request": json.loads(made.body),
        "tool_stream": _events(source, stream),
        "tool_answer": json.loads(made.reply(body)),
    }


def _cut(event: Event) -> Iterator[Event]:
    if not isinstance(event, Delta):
        yield event
        return
    for at in range(0, len(event.text), 9):
        yield Delta(event.text[at : at + 9])


def _events(wire: Wire, stream: bytes) -> list[str]:
    if wire is Wire.CONVERSE:
        return [base64.b64encode(stream[at : at + 60]).decode() for at in range(0, len(stream), 60)]
    return stream.decode().removesuffix("\n\n").split("\n\n")


def _pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def write() -> None:
    for path, content in made():
        (FOLDER / path).parent.mkdir(exist_ok=True)
        (FOLDER / path).write_text(content, "utf-8")


if __name__ == "__main__":
    write()
