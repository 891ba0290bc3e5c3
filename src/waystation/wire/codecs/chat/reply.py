"""A whole answer: a provider's, read; and one for the tool, written. The same as its stream, to the field."""

from typing import Any

import msgspec

from waystation.wire import tolerant
from waystation.wire.bad_body import BadBody
from waystation.wire.canonical import (
    Delta,
    Event,
    Media,
    Part,
    PartEnd,
    PartStart,
    Reasoning,
    Reply,
    Text,
    ToolCall,
)
from waystation.wire.codecs.chat.deltas import ChoiceDelta, DeltaReader
from waystation.wire.codecs.chat.spoken import Spoken, image
from waystation.wire.codecs.chat.words import (
    BROKE_OFF,
    finish_reason,
    service_tier,
    stop_reason,
    usage_object,
)
from waystation.wire.codecs.door import AnswerHead

_NO_ANSWER = "The provider's answer has no choices in it."


class _Choice(msgspec.Struct, gc=False):
    index: Any = 0
    message: ChoiceDelta | None = None
    finish_reason: Any = None


class _Completion(msgspec.Struct, gc=False):
    id: Any = None
    model: Any = None
    choices: list[_Choice] | None = None
    error: Any = None


_completion = msgspec.json.Decoder(_Completion)
_encode = msgspec.json.Encoder().encode


def read_reply(body: bytes) -> Reply:
    """See the door."""
    completion = tolerant.decode(_completion, body)
    if completion is None:
        raise BadBody("The provider's answer is not a JSON object.")
    if completion.error is not None:
        raise BadBody("The provider's answer is an error.", param="error")
    for choice in completion.choices or ():
        if choice.message is not None and (choice.index == 0 or type(choice.index) is not int):
            break
    else:
        raise BadBody(_NO_ANSWER, param="choices")
    word = choice.finish_reason if isinstance(choice.finish_reason, str) else ""
    if word in BROKE_OFF:
        raise BadBody(f"The provider broke off its answer ({word}).", param="choices[0].finish_reason")
    deltas = DeltaReader()
    deltas.read(_with_indexes(choice.message))
    deltas.close()
    return Reply(
        parts=tuple(_parts(deltas.events)),
        reason=stop_reason(word, called=deltas.called),
        id=completion.id if isinstance(completion.id, str) else "",
        model=completion.model if isinstance(completion.model, str) else "",
    )


def _with_indexes(message: ChoiceDelta) -> ChoiceDelta:
    """Calls of a whole message have none; each is one of its own whatever its id."""
    for index, call in enumerate(message.tool_calls or ()):
        call.index = index
    return message


def _parts(events: list[Event]) -> list[Part]:
    parts: list[Part] = []
    pieces: list[str] = []
    opened: Part = Text("")
    for event in events:
        if isinstance(event, PartStart):
            opened = event.part
            pieces = []
        elif isinstance(event, Delta):
            pieces.append(event.text)
        elif isinstance(event, PartEnd):
            parts.append(_whole(opened, "".join(pieces), event))
    return parts


def _whole(part: Part, text: str, end: PartEnd) -> Part:
    if isinstance(part, Text):
        return msgspec.structs.replace(part, text=text)
    if isinstance(part, Reasoning):
        return msgspec.structs.replace(part, text=text, seal=end.seal or part.seal)
    if isinstance(part, ToolCall):
        return msgspec.structs.replace(part, arguments=text)
    return part


def write_reply(reply: Reply, head: AnswerHead) -> bytes:
    """See the door."""
    legacy = head.request.legacy_functions
    body: dict[str, Any] = {
        "id": f"chatcmpl-{head.id}",
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "choices": [
            {
                "index": 0,
                "message": _message(reply.parts, legacy),
                "logprobs": None,
                "finish_reason": finish_reason(reply.reason, legacy=legacy),
            }
        ],
    }
    if reply.usage is not None:
        body["usage"] = usage_object(reply.usage)
        tier = service_tier(reply.usage)
        if tier:
            body["service_tier"] = tier
    return _encode(body)


def _message(parts: tuple[Part, ...], legacy: bool) -> dict[str, Any]:
    spoken = Spoken()
    words: dict[str, str] = {}
    calls: list[dict[str, Any]] = []
    images: list[dict[str, Any]] = []
    for part in parts:
        glue = spoken.start(part)
        if isinstance(part, Text):
            field = "refusal" if part.refusal else "content"
            words[field] = words.get(field, "") + glue + part.text
        elif isinstance(part, Reasoning):
            spoken.heard(part.text)
            spoken.end(part.seal)
            if part.text:
                words["reasoning_content"] = words.get("reasoning_content", "") + glue + part.text
        elif isinstance(part, ToolCall):
            calls.append(_call(part, spoken.call_id(part)))
        elif isinstance(part, Media) and (part.data or part.url):
            images.append(image(part))
    message: dict[str, Any] = {
        "role": "assistant",
        "content": words.pop("content", None),
        "refusal": words.pop("refusal", None),
        **words,
    }
    if message["content"] is None and _begins_with_text(parts):
        message["content"] = ""
    if images:
        message["images"] = images
    if calls and legacy:
        message["function_call"] = calls[0]["function"]
    elif calls:
        message["tool_calls"] = calls
    return message


def _begins_with_text(parts: tuple[Part, ...]) -> bool:
    """Or with nothing at all: such an answer is an empty text."""
    for part in parts:
        if isinstance(part, Text):
            return not part.refusal
        if isinstance(part, Reasoning | ToolCall) or (isinstance(part, Media) and (part.data or part.url)):
            return False
    return True


def _call(call: ToolCall, ident: str) -> dict[str, Any]:
    if call.custom:
        return {"id": ident, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    return {"id": ident, "type": "function", "function": function}
