"""Gemini generateContent: Answer → body or chunks. Shapes: `google.genai.types.GenerateContentResponse`."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from waystation.model import Usage
from waystation.rehearsal.answer import Answer, Call, Finish, Ids, Said, Text, Thinking, pieces
from waystation.rehearsal.ask import Ask, Json
from waystation.rehearsal.signature import seals_calls, sign
from waystation.rehearsal.speaking.events import Event, Role, crlf

_FINISH_REASONS = {
    Finish.STOP: "STOP",
    Finish.LENGTH: "MAX_TOKENS",
    Finish.TOOLS: "STOP",
    Finish.STOP_SEQUENCE: "STOP",
    Finish.REFUSAL: "PROHIBITED_CONTENT",
    Finish.FAILED: "OTHER",
}
"""Gemini says STOP after tool calls too."""


def body(ask: Ask, answer: Answer, ids: Ids) -> Json:
    parts = _sealed(
        ask, [part for said in answer.said for part in _parts(ask, said, ids, whole=True)], answer
    )
    return _response(ask, answer, ids.make("", 22), parts, answer.usage, _FINISH_REASONS[answer.finish])


def chunks(ask: Ask, answer: Answer, ids: Ids) -> Iterator[tuple[Role, Json]]:
    """Each chunk is a whole response with the parts that are new; the last has the finish reason.

    Usage is in every chunk and cumulative: the prompt's from the first, output growing.
    """
    ident = ids.make("", 22)
    parts = _sealed(
        ask, [part for said in answer.said for part in _parts(ask, said, ids, whole=False)], answer
    )
    if not parts:
        parts = [{"text": ""}]
    first = answer.first_usage or answer.usage
    for i, part in enumerate(parts):
        last = i == len(parts) - 1
        share = answer.usage.output * (i + 1) // len(parts)
        so_far = answer.usage if last else msgspec.structs.replace(
            first, output=max(share, first.reasoning), reasoning=first.reasoning
        )  # fmt: skip
        finish = _FINISH_REASONS[answer.finish] if last else None
        yield (Role.TERMINAL if last else Role.CONTENT), _response(ask, answer, ident, [part], so_far, finish)


def events(ask: Ask, answer: Answer, ids: Ids) -> Iterator[Event]:
    """`alt=sse`: no event has a name, and the end of the stream is its end."""
    for role, chunk in chunks(ask, answer, ids):
        yield crlf(role, chunk)


def array(ask: Ask, answer: Answer, ids: Ids) -> Iterator[Event]:
    """Without `alt=sse`: one JSON array, an element at a time."""
    opener = b"["
    for role, chunk in chunks(ask, answer, ids):
        closer = b"\n]\n" if role is Role.TERMINAL else b""
        yield Event(role, opener + msgspec.json.format(msgspec.json.encode(chunk), indent=2) + closer)
        opener = b"\n,\r\n"


def _response(
    ask: Ask, answer: Answer, ident: str, parts: list[Json], spent: Usage, finish: str | None
) -> Json:
    candidate: Json = {"content": {"parts": parts, "role": "model"}}
    if finish is not None:
        candidate["finishReason"] = finish
    candidate["index"] = 0
    response: Json = {"candidates": [candidate]}
    if answer.usage_known:
        response["usageMetadata"] = usage(spent)
    response["modelVersion"] = ask.model
    response["responseId"] = ident
    return response


def usage(of: Usage) -> Json:
    """`promptTokenCount` includes cached tokens, `candidatesTokenCount` excludes thoughts."""
    counted: Json = {
        "promptTokenCount": of.prompt,
        "candidatesTokenCount": of.output - of.reasoning,
        "totalTokenCount": of.total,
    }
    if of.cache_read:
        counted["cachedContentTokenCount"] = of.cache_read
        counted["cacheTokensDetails"] = [{"modality": "TEXT", "tokenCount": of.cache_read}]
    counted["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": of.prompt}]
    if of.reasoning:
        counted["thoughtsTokenCount"] = of.reasoning
    return counted


def _parts(ask: Ask, said: Said, ids: Ids, *, whole: bool) -> Iterator[Json]:
    match said:
        case Text(text):
            for piece in [text] if whole else pieces(text, 24):
                yield {"text": piece}
        case Thinking(text):
            if ask.shows_reasoning:
                yield {"text": text, "thought": True}
        case Call(name, given):
            arguments = given if isinstance(given, dict) else {"input": given}
            yield {
                "functionCall": {
                    "name": name,
                    "args": arguments,
                    "id": ids.make("", 8, "abcdefghijklmnopqrstuvwxyz0123456789"),
                }
            }


def _sealed(ask: Ask, parts: list[Json], answer: Answer) -> list[Json]:
    """A model that thought seals its first function call, or else the last part, with a thought signature; newer
    ones put that into a part of its own, without words."""
    thought = "".join(s.text for s in answer.said if isinstance(s, Thinking))
    call = next((i for i, p in enumerate(parts) if "functionCall" in p), None)
    if not parts or not (thought or (call is not None and seals_calls(ask.model))):
        return parts
    if call is None and seals_calls(ask.model):
        return [*parts, {"text": "", "thoughtSignature": sign(thought)}]
    at = call if call is not None else len(parts) - 1
    return [{**p, "thoughtSignature": sign(thought)} if i == at else p for i, p in enumerate(parts)]
