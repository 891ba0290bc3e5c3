"""Saying an answer as each provider would: a whole body, or a stream of events."""

from __future__ import annotations

from collections.abc import Iterator

from waystation.model import Wire
from waystation.rehearsal.answer import Answer, Ids
from waystation.rehearsal.ask import Ask, Json
from waystation.rehearsal.speaking import chat, converse, generate, messages, responses
from waystation.rehearsal.speaking.events import Event


def speak_body(ask: Ask, answer: Answer, ids: Ids, now: int) -> Json:
    """The whole response. `now` in Unix seconds."""
    match ask.wire:
        case Wire.MESSAGES:
            return messages.body(ask, answer, ids)
        case Wire.RESPONSES:
            return responses.body(ask, answer, ids, now)
        case Wire.CHAT:
            return chat.body(ask, answer, ids, now)
        case Wire.CONVERSE:
            return converse.body(ask, answer, ids)
        case _:
            return generate.body(ask, answer, ids)


def speak_events(ask: Ask, answer: Answer, ids: Ids, now: int, *, sse: bool = True) -> Iterator[Event]:
    """The stream. `sse` is for Gemini: without it the stream is one JSON array."""
    match ask.wire:
        case Wire.MESSAGES:
            return messages.events(ask, answer, ids)
        case Wire.RESPONSES:
            return responses.events(ask, answer, ids, now)
        case Wire.CHAT:
            return chat.events(ask, answer, ids, now)
        case Wire.CONVERSE:
            return converse.events(ask, answer, ids)
        case _:
            return generate.events(ask, answer, ids) if sse else generate.array(ask, answer, ids)
