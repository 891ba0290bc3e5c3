"""An answer, written for a tool that speaks Responses: read again by the official SDK and by Codex's rules."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from openai._models import construct_type_unchecked
from openai._types import omit
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from tests.wire.codecs import codex
from tests.wire.conversations import replies
from waystation.model import Refusal, RefusalKind, Usage, Wire
from waystation.wire import make_tap
from waystation.wire.canonical import (
    Conversation,
    Delta,
    Effort,
    Event,
    Failed,
    Finish,
    FunctionTool,
    Media,
    MediaKind,
    Native,
    OutputFormat,
    Part,
    PartEnd,
    PartStart,
    Reasoning,
    Reply,
    Role,
    Seal,
    Started,
    StopReason,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
)
from waystation.wire.codecs import AnswerHead
from waystation.wire.codecs.responses import CODEC
from waystation.wire.codecs.seal import wrap
from waystation.wire.sse import SSEDecoder
from waystation.wire.stream_error import StreamError

REQUEST = Conversation(
    model="claude",
    tools=(FunctionTool("f"),),
    tool_choice=ToolChoice("named", ("f",)),
    thinking=Thinking(Effort.HIGH, show="summary"),
    format=OutputFormat({"type": "object"}, "answer"),
    max_output=100,
    cache_key="thread",
    extras={"metadata": {"a": "b"}},
)
HEAD = AnswerHead("01h", 1795516560, "claude", REQUEST)
USAGE = Usage(input=5, cache_read=80, cache_write_5m=10, cache_write_1h=5, output=20, reasoning=7)
SEAL = Seal(Wire.MESSAGES, "EqQB", "anthropic")
_event: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def write(*events: Event, head: AnswerHead = HEAD) -> bytes:
    return CODEC.writer(head).write([Started("up_1", "up-model"), *events])


def decoded(stream: bytes) -> list[dict[str, Any]]:
    """The events; numbered in order, each named as it is typed, and each valid by the SDK's types."""
    events: list[dict[str, Any]] = []
    for event in SSEDecoder().feed(stream):
        data = json.loads(event.data)
        assert data["type"] == event.type
        assert data["sequence_number"] == len(events)
        _event.validate_python(data)
        events.append(data)
    return events


def accumulated(stream: bytes) -> Any:
    """What the SDK's own `responses.stream()` makes of it."""
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    for data in decoded(stream):
        state.handle_event(construct_type_unchecked(type_=ResponseStreamEvent, value=data))  # type: ignore[arg-type] # as the SDK does it
    return state._completed_response


def whole(part: Part, *pieces: str, seal: Seal | None = None) -> list[Event]:
    return [PartStart(part), *(Delta(piece) for piece in pieces), PartEnd(seal)]


def types(stream: bytes) -> list[str]:
    return [event["type"].removeprefix("response.") for event in decoded(stream)]


RICH: list[Event] = [
    *whole(Reasoning(), "I should ", "look.", seal=SEAL),
    *whole(Text(""), "I ", "look."),
    *whole(Text(""), " Now."),
    *whole(ToolCall("c1", "lookup", "", "ns"), '{"q"', ":1}"),
    *whole(ToolCall("c2", "apply_patch", "", custom=True), "*** ", "Begin"),
    Finish(StopReason.TOOL_USE, USAGE),
]


def test_the_events_of_a_message() -> None:
    assert types(write(*whole(Text(""), "a", "b"), Finish(StopReason.END))) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]


def test_the_events_of_thoughts_and_calls() -> None:
    assert types(
        write(
            *whole(Reasoning(seal=SEAL), "a"),
            *whole(ToolCall("c1", "f", ""), "{}"),
            *whole(ToolCall("c2", "p", "", custom=True), "x"),
            Finish(StopReason.TOOL_USE),
        )
    )[2:-1] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "function_call_arguments.done",
        "output_item.done",
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ]


def test_E30_E32_what_codex_reads() -> None:
    turn = codex.read(write(*RICH))
    assert turn.created
    assert turn.completed == "resp_01h"
    assert turn.text == "I look. Now."
    assert turn.summary == "I should look."
    assert [item["type"] for item in turn.items] == [
        "reasoning",
        "message",
        "function_call",
        "custom_tool_call",
    ]
    thought, message, function, custom = turn.items
    assert thought["encrypted_content"] == wrap(SEAL)
    assert [part["text"] for part in message["content"]] == ["I look.", " Now."]
    assert (function["namespace"], function["name"], function["call_id"]) == ("ns", "lookup", "c1")
    assert function["arguments"] == '{"q":1}'
    assert (custom["name"], custom["input"]) == ("apply_patch", "*** Begin")
    assert turn.inputs == {custom["id"]: "*** Begin"}
    assert turn.usage is not None
    assert turn.usage["input_tokens"] == 100


def test_E20_E22_what_codex_replays_is_what_was_said() -> None:
    redacted = Reasoning(seal=Seal(Wire.MESSAGES, "!gQ==", "anthropic"))  # as the translation marks it
    gemini = Reasoning(seal=Seal(Wire.GENERATE, "c2ln", "google"))
    stream = write(
        *whole(Reasoning(), "one\n\n", "two ", seal=SEAL),
        *whole(redacted),
        *whole(Text(""), "I look."),
        *whole(gemini),
        *whole(ToolCall("c1", "f", ""), "{}"),
        Finish(StopReason.TOOL_USE),
    )
    items = [codex.replayed(item) for item in codex.read(stream).items]
    body = {"model": "claude", "input": [{"role": "user", "content": "hi"}, *items]}
    turn = CODEC.read_request(json.dumps(body).encode(), model="claude", stream=True).turns[1]
    assert turn.role is Role.ASSISTANT
    assert turn.parts == (
        Reasoning("one\n\ntwo ", SEAL),
        redacted,
        Text("I look."),
        gemini,
        ToolCall("c1", "f", "{}"),
    )


def test_the_sdk_accumulates_the_same_answer() -> None:
    response = accumulated(write(*RICH))
    assert response.output_text == "I look. Now."
    assert [item.type for item in response.output] == [
        "reasoning",
        "message",
        "function_call",
        "custom_tool_call",
    ]
    assert response.usage.total_tokens == 120


def test_a_response_has_all_that_its_type_has() -> None:
    last = decoded(write(*RICH))[-1]["response"]
    response = Response.model_validate(last)
    assert response.id == "resp_01h"
    assert (response.model, response.created_at, response.status) == ("claude", 1795516560, "completed")
    assert response.metadata == {"a": "b"}
    assert response.reasoning is not None
    assert response.reasoning.effort == "high"
    assert response.prompt_cache_key == "thread"
    assert last["tool_choice"] == {"type": "function", "name": "f"}
    assert last["usage"] == {
        "input_tokens": 100,
        "input_tokens_details": {
            "cached_tokens": 80,
            "cache_write_tokens": 15,
            "cache_write_tokens_details": {"ttl_30m_tokens": 10, "ttl_12h_tokens": 5},
        },
        "output_tokens": 20,
        "output_tokens_details": {"reasoning_tokens": 7},
        "total_tokens": 120,
    }


def test_E40_usage_written_is_the_usage_that_our_own_reader_finds() -> None:
    tap = make_tap(Wire.RESPONSES)
    tap.feed(write(*RICH[:-1], Finish(StopReason.END, USAGE)))
    assert tap.terminal
    assert tap.usage == Usage(
        input=5, cache_read=80, cache_write_5m=10, cache_write_1h=5, output=20, reasoning=7, tier="default"
    )


def test_items_have_ids_of_their_kind_and_no_two_the_same() -> None:
    items = decoded(write(*RICH))[-1]["response"]["output"]
    assert [item["id"] for item in items] == ["rs_01h_0", "msg_01h_1", "fc_01h_2", "ctc_01h_3"]


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        (StopReason.END, "completed", None),
        (StopReason.TOOL_USE, "completed", None),
        (StopReason.STOP_SEQUENCE, "completed", None),
        (StopReason.PAUSE, "completed", None),
        (StopReason.MAX_TOKENS, "incomplete", "max_output_tokens"),
        (StopReason.CONTEXT_FULL, "incomplete", "max_output_tokens"),
        (StopReason.REFUSAL, "incomplete", "content_filter"),
    ],
)
def test_E106_how_an_answer_ends(reason: StopReason, status: str, why: str | None) -> None:
    stream = write(*whole(Text(""), "a"), Finish(reason))
    last = decoded(stream)[-1]
    assert last["type"] == f"response.{status}"
    assert last["response"]["status"] == status
    assert (last["response"]["incomplete_details"] or {}).get("reason") == why
    assert last["response"]["output"][0]["status"] == status
    again = CODEC.reader().feed(stream)[-1]
    assert isinstance(again, Finish)
    assert (again.reason is StopReason.END) == (status == "completed")


def test_a_refusal_in_the_models_own_words_is_complete() -> None:
    stream = write(*whole(Text("", refusal=True), "I cannot."), Finish(StopReason.REFUSAL))
    assert types(stream)[4:6] == ["refusal.delta", "refusal.done"]
    assert decoded(stream)[-1]["type"] == "response.completed"
    assert CODEC.reader().feed(stream)[-1] == Finish(StopReason.REFUSAL)


def test_E105_there_is_no_done_marker() -> None:
    assert b"[DONE]" not in write(*RICH)


def test_E15_a_stream_that_breaks_ends_in_failure_with_the_same_id() -> None:
    writer = CODEC.writer(HEAD)
    stream = writer.write([Started(), PartStart(Text("")), Delta("a")])
    stream += writer.failure(Refusal(RefusalKind.UPSTREAM_BROKEN, "The provider hung up."))
    assert writer.write([Delta("b"), PartEnd(), Finish(StopReason.END)]) == b""
    assert writer.failure(StreamError("error", "", 500)) == b""
    last = decoded(stream)[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["id"] == "resp_01h"
    turn = codex.read(stream)
    assert (turn.error, turn.completed) == ("server_error", "")


def test_E16_an_error_of_the_provider_keeps_its_code() -> None:
    error = StreamError("context_length_exceeded", "Too long.", 400)
    assert codex.read(write(Failed(error))).error == "context_length_exceeded"
    assert codex.read(CODEC.writer(HEAD).write([Failed(error)])).error == "context_length_exceeded"


def test_nothing_is_written_for_parts_with_nothing_in_them() -> None:
    stream = write(*whole(Text("")), *whole(Text(""), ""), *whole(Reasoning()), Finish(StopReason.END))
    assert types(stream) == ["created", "in_progress", "completed"]


def test_a_call_without_arguments_has_none_in_json() -> None:
    turn = codex.read(write(*whole(ToolCall("c", "f", "")), Finish(StopReason.TOOL_USE)))
    assert turn.items[0]["arguments"] == "{}"


def test_a_call_without_an_id_is_given_one() -> None:
    turn = codex.read(write(*whole(ToolCall("", "f", "")), Finish(StopReason.TOOL_USE)))
    assert turn.items[0]["call_id"] == "call_fc_01h_0"


def test_a_picture_is_an_item_and_other_media_are_named() -> None:
    picture = Media(MediaKind.IMAGE, "image/png", data="iVBOR")
    sound = Media(MediaKind.AUDIO, url="https://example.org/a.mp3")
    stream = write(*whole(picture), *whole(Text(""), "and "), *whole(sound), Finish(StopReason.END))
    turn = codex.read(stream)
    assert turn.items[0]["type"] == "image_generation_call"
    assert turn.items[0]["result"] == "iVBOR"
    assert turn.text == "and [audio: https://example.org/a.mp3]"
    assert accumulated(stream).output_text == turn.text


def test_items_of_this_protocol_pass_and_those_of_others_do_not() -> None:
    search = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {"type": "search", "query": "x"},
    }
    stream = write(
        *whole(Text(""), "a"),
        *whole(Native(Wire.MESSAGES, "server_tool_use", {"type": "server_tool_use"})),
        *whole(Text(""), "b"),
        *whole(Native(Wire.RESPONSES, "web_search_call", search)),
        Finish(StopReason.END),
    )
    turn = codex.read(stream)
    assert [item["type"] for item in turn.items] == ["message", "web_search_call"]
    assert turn.text == "ab"


def test_a_seal_of_its_own_goes_bare() -> None:
    turn = codex.read(
        write(*whole(Reasoning(), "t", seal=Seal(Wire.RESPONSES, "rs_1 gAAA")), Finish(StopReason.END))
    )
    assert turn.items[0]["encrypted_content"] == "gAAA"


@settings(max_examples=50)
@given(replies(Wire.MESSAGES))
def test_any_answer_is_read_by_the_sdk_and_codex_and_is_the_same_whole(reply: Reply) -> None:
    stream = CODEC.writer(HEAD).write(reply.events())
    events = decoded(stream)
    body = CODEC.write_reply(reply, HEAD)
    assert json.loads(body) == events[-1]["response"]
    Response.model_validate_json(body)
    turn = codex.read(stream)
    if events[-1]["type"] == "response.completed":
        assert turn.completed
        assert accumulated(stream) is not None
    words = "".join(part.text for part in reply.parts if isinstance(part, Text))
    assert turn.text == words
    calls = [(part.id, part.arguments) for part in reply.parts if isinstance(part, ToolCall)]
    assert [(i["call_id"], i["arguments"]) for i in turn.items if i["type"] == "function_call"] == calls


@settings(max_examples=50)
@given(replies(Wire.MESSAGES))
def test_however_events_are_grouped_the_bytes_are_the_same(reply: Reply) -> None:
    events = reply.events()
    writer = CODEC.writer(HEAD)
    assert b"".join(writer.write([event]) for event in events) == CODEC.writer(HEAD).write(events)


@settings(max_examples=50)
@given(replies(Wire.RESPONSES))
def test_what_is_written_is_read_again_the_same(reply: Reply) -> None:
    reader = CODEC.reader()
    events = reader.feed(CODEC.writer(HEAD).write(reply.events())) + reader.close()
    assert reader.skipped == 0
    back = CODEC.read_reply(CODEC.write_reply(reply, HEAD))
    assert _said(events) == _said(back.events())
    assert _said(events) == _said(reply.events())


def _said(events: list[Event]) -> list[Any]:
    """What events say, whatever the pieces and the ids."""
    said: list[Any] = []
    for event in events:
        if isinstance(event, PartStart):
            part = event.part
            assert isinstance(part, Text | Reasoning | ToolCall)
            seal = part.seal if isinstance(part, Reasoning) else None
            said.append([type(part), getattr(part, "name", ""), seal, ""])
        elif isinstance(event, Delta):
            said[-1][-1] += event.text
        elif isinstance(event, PartEnd):
            said[-1][2] = said[-1][2] or event.seal
        elif isinstance(event, Finish):
            said.append(event.reason)
    for one in said:
        if isinstance(one, list):
            one[2] = one[2].data.rpartition(" ")[2] if one[2] is not None else ""
    return said
