"""What OpenAI's own SDK makes of our bytes."""

import json
from collections.abc import Iterable
from typing import Any, get_type_hints

from openai._streaming import SSEDecoder
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from pydantic import TypeAdapter

from waystation.wire.canonical import (
    Conversation,
    Delta,
    Event,
    Failed,
    Finish,
    Part,
    PartEnd,
    PartStart,
    Reasoning,
    Role,
    Started,
    Text,
    ToolCall,
    Turn,
)
from waystation.wire.codecs import AnswerHead, Notes, Target
from waystation.wire.codecs.chat import CODEC

_params: TypeAdapter[Any] = TypeAdapter(CompletionCreateParamsNonStreaming | CompletionCreateParamsStreaming)
_known = set(get_type_hints(CompletionCreateParamsStreaming))


def check_request(body: bytes) -> dict[str, Any]:
    """The request, if the SDK's types know it: fields, roles, parts and all."""
    raw: dict[str, Any] = json.loads(body)
    assert set(raw) <= _known, set(raw) - _known
    _walk(_params.validate_python(raw))
    return raw


def _walk(value: Any) -> None:
    """Iterables are validated as they are walked, and not before."""
    if isinstance(value, dict):
        for inner in value.values():
            _walk(inner)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for inner in value:
            _walk(inner)


def chunks(stream: bytes) -> list[dict[str, Any]]:
    """The data of a stream's events, read as the SDK reads them; `[DONE]` ends it."""
    found = []
    for event in SSEDecoder().iter_bytes(iter([stream])):
        if event.data.startswith("[DONE]"):
            break
        found.append(json.loads(event.data))
    return found


def accumulate(stream: bytes) -> ChatCompletion:
    """The answer that the SDK puts together from a stream."""
    state = ChatCompletionStreamState()
    for raw in chunks(stream):
        assert "error" not in raw, raw
        list(state.handle_chunk(ChatCompletionChunk.model_validate(raw)))
    # Its own `get_final_completion` raises for an answer that was cut short, as it does with OpenAI's own.
    return ChatCompletion.model_validate(state.current_completion_snapshot.to_dict())


def asked(**fields: Any) -> Conversation:
    return Conversation(model="a-model", turns=(Turn(Role.USER, (Text("hi"),)),), **fields)


def head(**fields: Any) -> AnswerHead:
    return AnswerHead("01ABC", 1795516560, "a-model", asked(stream=True, **fields))


def written(events: list[Event], **fields: Any) -> bytes:
    """The tool's stream, one event at a time."""
    writer = CODEC.writer(head(**fields))
    return b"".join(writer.write([event]) for event in events)


def request_for(conversation: Conversation, target: Target | None = None) -> tuple[dict[str, Any], Notes]:
    notes = Notes()
    where = target or Target(CODEC.wire, "p", "their-model")
    return json.loads(CODEC.write_request(conversation, where, notes)), notes


def sse(*data: Any) -> bytes:
    lines = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in data]
    return "".join(f"data: {line}\n\n" for line in lines).encode()


def delta(reason: str | None = None, /, **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": fields, "finish_reason": reason}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}


def call(index: int | None = None, ident: str | None = None, name: str | None = None, text: str = "") -> Any:
    function = {"arguments": text} if name is None else {"name": name, "arguments": text}
    fields = {"index": index, "id": ident, "function": function}
    return {key: value for key, value in fields.items() if value is not None}


def read(*data: Any, done: bool = True) -> list[Event]:
    """The events of a provider's stream of these chunks."""
    reader = CODEC.reader()
    return reader.feed(sse(*data, *(["[DONE]"] if done else []))) + reader.close()


def parts(events: list[Event]) -> list[Part]:
    """The whole parts, and a check that events come in their order."""
    found: list[Part] = []
    opened: Part | None = None
    text = ""
    for at, event in enumerate(events):
        if isinstance(event, Started):
            assert at == 0
        elif isinstance(event, PartStart):
            assert opened is None
            opened, text = event.part, ""
        elif isinstance(event, Delta):
            assert opened is not None
            assert event.text
            text += event.text
        elif isinstance(event, PartEnd):
            assert opened is not None
            found.append(_whole(opened, text, event))
            opened = None
        else:
            assert isinstance(event, Finish | Failed)
            assert at == len(events) - 1
            assert opened is None or isinstance(event, Failed)
    return found


def _whole(part: Part, text: str, end: PartEnd) -> Part:
    if isinstance(part, Text):
        return Text(text, refusal=part.refusal)
    if isinstance(part, Reasoning):
        return Reasoning(text, end.seal or part.seal)
    if isinstance(part, ToolCall):
        return ToolCall(part.id, part.name, text, custom=part.custom)
    return part
