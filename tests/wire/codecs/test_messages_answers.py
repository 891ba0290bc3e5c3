"""Answers to a tool that speaks Messages, streamed and whole; and a provider's whole answer."""

import json
from typing import Any

import anthropic.types as sdk
import pytest
from anthropic.types import beta
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.codecs.messages_sdk import accumulated
from waystation.model import Refusal, RefusalKind, Usage, Wire
from waystation.wire import BadBody, StreamError
from waystation.wire.canonical import (
    Conversation,
    Delta,
    Effort,
    Event,
    Failed,
    Finish,
    Media,
    MediaKind,
    Native,
    Part,
    PartEnd,
    PartStart,
    Reasoning,
    Reply,
    Seal,
    Started,
    StopReason,
    Text,
    Thinking,
    ToolCall,
)
from waystation.wire.codecs import AnswerHead
from waystation.wire.codecs.messages import CODEC
from waystation.wire.codecs.seal import unwrap, wrap
from waystation.wire.sse import SSEDecoder

SEAL = Seal(Wire.GENERATE, "c2VhbA==", "google")
THINKS = Thinking(budget=2000)
USAGE = Usage(
    input=10,
    cache_read=20,
    cache_write_5m=3,
    cache_write_1h=4,
    output=50,
    reasoning=30,
    web_searches=2,
    tier="batch",
)


def head(thinking: Thinking | None = THINKS, **extras: Any) -> AnswerHead:
    request = Conversation(model="claude-x", thinking=thinking, extras=extras)
    return AnswerHead("01ab", 1_790_000_000, "claude-x", request)


def whole(
    *parts: Part, thinking: Thinking | None = THINKS, reason: StopReason = StopReason.END
) -> dict[str, Any]:
    """The whole answer, which the SDK takes; and its stream, put together by the SDK, is the same."""
    reply = Reply(parts, reason, USAGE, "up_1", "up-model", "END")
    body: dict[str, Any] = json.loads(CODEC.write_reply(reply, head(thinking)))
    sdk.Message.model_validate(body)
    streamed = accumulated(CODEC.writer(head(thinking)).write(reply.events()))
    for field in ("service_tier", "inference_geo"):  # said at the start, when nobody knows
        streamed["usage"].pop(field)
        assert field in body["usage"]
    compared = {**body, "usage": {key: body["usage"][key] for key in streamed["usage"]}}
    assert streamed == compared
    return body


def content(*parts: Part, thinking: Thinking | None = THINKS) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = whole(*parts, thinking=thinking)["content"]
    return blocks


def frames(stream: bytes) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in SSEDecoder().feed(stream)]


def test_E98_a_message_has_every_field_of_the_sdks_type() -> None:
    start = frames(CODEC.writer(head(context_management={"edits": []})).write([Started("up_1", "up-model")]))[
        0
    ]
    message = start["message"]
    assert set(message) | {"to_param"} >= set(sdk.Message.model_fields)
    assert set(message) | {"input_transformations"} >= set(beta.BetaMessage.model_fields)
    assert set(message["usage"]) | {"speed"} >= set(sdk.Usage.model_fields)
    assert message["usage"]["cache_creation"] == {
        "ephemeral_5m_input_tokens": 0,
        "ephemeral_1h_input_tokens": 0,
    }
    assert (message["id"], message["model"], message["content"]) == ("msg_01ab", "claude-x", [])
    beta.BetaMessage.model_validate(message)


def test_usage_is_told_at_the_end() -> None:
    stream = CODEC.writer(head()).write([Started(), Finish(StopReason.END, USAGE)])
    assert frames(stream)[-2]["usage"] == {
        "input_tokens": 10,
        "cache_creation_input_tokens": 7,
        "cache_read_input_tokens": 20,
        "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4},
        "output_tokens": 50,
        "output_tokens_details": {"thinking_tokens": 30},
        "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
    }
    assert whole(Text("a"))["usage"]["service_tier"] == "batch"


def test_what_was_asked_of_context_management_is_answered() -> None:
    asked = head(context_management={"edits": []})
    stream = CODEC.writer(asked).write([Started(), Finish(StopReason.END)])
    beta.BetaRawMessageDeltaEvent.model_validate(frames(stream)[-2])
    assert frames(stream)[-2]["context_management"] == {"applied_edits": []}
    body = json.loads(CODEC.write_reply(Reply((), StopReason.END), asked))
    assert body["context_management"] == {"applied_edits": []}
    beta.BetaMessage.model_validate(body)
    assert "context_management" not in whole()


def test_E11_each_block_has_its_own_index_and_type() -> None:
    call = ToolCall("t1", "f", '{"a": 1}')
    events: list[Event] = [Started()]
    for part in (call, Text("\n"), ToolCall("t2", "f", "{}")):
        events += Reply((part,), StopReason.END).events()[1:-1]
    events.append(Finish(StopReason.TOOL_USE))
    message = accumulated(CODEC.writer(head()).write(events))
    assert [(block["type"], block.get("input", block.get("text"))) for block in message["content"]] == [
        ("tool_use", {"a": 1}),
        ("text", "\n"),
        ("tool_use", {}),
    ]
    # The same where a reader forgot to end its parts.
    forgotten: list[Event] = [event for event in events if not isinstance(event, PartEnd)]
    assert accumulated(CODEC.writer(head()).write(forgotten)) == message


def test_E12_input_comes_in_deltas_only() -> None:
    stream = CODEC.writer(head()).write(
        Reply((ToolCall("t", "f", '{"a": 1}'),), StopReason.TOOL_USE).events()
    )
    start, delta = frames(stream)[1:3]
    assert start["content_block"] == {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    assert delta["delta"] == {"type": "input_json_delta", "partial_json": '{"a": 1}'}
    assert content(ToolCall("t", "f", ""))[0]["input"] == {}
    assert content(
        Native(Wire.MESSAGES, "server_tool_use", {"id": "s", "name": "web_search", "input": {"q": "x"}})
    ) == [{"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": "x"}}]


@pytest.mark.parametrize("text", ["not json", "[1]"])
def test_malformed_arguments_become_an_object_in_a_whole_answer(text: str) -> None:
    body = json.loads(CODEC.write_reply(Reply((ToolCall("t", "f", text),), StopReason.TOOL_USE), head()))
    assert body["content"][0]["input"] == {"input": text}


def test_E78_an_empty_text_makes_no_block() -> None:
    assert content(Text(""), Text("a")) == [{"type": "text", "text": "a", "citations": None}]
    assert content() == []


def test_E81_citations_are_given_with_their_text() -> None:
    citation = {
        "type": "char_location",
        "cited_text": "w",
        "document_index": 0,
        "document_title": None,
        "start_char_index": 0,
        "end_char_index": 1,
        "file_id": None,
    }
    assert content(Text("a", citations=(citation,))) == [
        {"type": "text", "text": "a", "citations": [citation]}
    ]


@pytest.mark.parametrize(
    ("seal", "signature"),
    [
        (SEAL, wrap(SEAL)),
        (Seal(Wire.MESSAGES, "EqMB"), "EqMB"),
        (Seal(Wire.MESSAGES, "EqMB", "anthropic"), wrap(Seal(Wire.MESSAGES, "EqMB", "anthropic"))),
        (Seal(Wire.CHAT, "", "groq"), wrap(Seal(Wire.CHAT, "", "groq"))),
        (None, wrap(Seal(Wire.MESSAGES, ""))),
    ],
)
def test_E21_E22_thoughts_are_always_signed(seal: Seal | None, signature: str) -> None:
    assert content(Reasoning("hm", seal)) == [{"type": "thinking", "thinking": "hm", "signature": signature}]


def test_E21_a_seal_without_words_is_a_thinking_block_without_words() -> None:
    assert content(Reasoning(seal=SEAL), ToolCall("t", "f", "{}"))[0] == {
        "type": "thinking",
        "thinking": "",
        "signature": wrap(SEAL),
    }
    assert content(Reasoning(), Reasoning(seal=Seal(Wire.CHAT, "", "groq"))) == []


@pytest.mark.parametrize("thinking", [THINKS, Thinking(adaptive=True, show="none")])
def test_E27_an_answer_never_ends_in_a_seal_alone(thinking: Thinking) -> None:
    """Claude Code takes the last block for the answer, and would show none. Gemini seals its last part."""
    bare = Reasoning(seal=SEAL)
    assert [block["type"] for block in content(Text("a"), bare, thinking=thinking)] == ["text"]
    blocks = content(bare, Text("a"), bare, ToolCall("t", "f", "{}"), bare, thinking=thinking)
    assert [block["type"] for block in blocks] == ["thinking", "text", "thinking", "tool_use"]


def test_E23_redacted_thoughts() -> None:
    (block,) = content(Reasoning(seal=SEAL, redacted=True))
    assert block == {"type": "redacted_thinking", "data": wrap(SEAL)}
    assert unwrap(block["data"], Wire.MESSAGES) == SEAL


@pytest.mark.parametrize("thinking", [None, Thinking(), Thinking(Effort.HIGH), Thinking(budget=0)])
def test_a_tool_that_did_not_ask_for_thoughts_gets_those_that_belong_to_a_call(
    thinking: Thinking | None,
) -> None:
    """Its code may well take the first block for the answer."""
    hm = Reasoning("hm", SEAL)
    assert [block["type"] for block in content(hm, Text("a"), thinking=thinking)] == ["text"]
    blocks = content(Reasoning("ah"), hm, ToolCall("t", "f", "{}"), hm, thinking=thinking)
    assert blocks[0] == {"type": "thinking", "thinking": "hm", "signature": wrap(SEAL)}
    assert [block["type"] for block in blocks] == ["thinking", "tool_use"]
    blocks = content(hm, Text("a"), ToolCall("t", "f", "{}"), thinking=thinking)
    assert [block["type"] for block in blocks] == ["text", "thinking", "tool_use"], "words may come between"


def test_a_tool_that_asked_not_to_see_thoughts_gets_their_seals() -> None:
    hidden = Thinking(adaptive=True, show="none")
    assert content(Reasoning("hm", SEAL), Text("a"), thinking=hidden)[0] == {
        "type": "thinking",
        "thinking": "",
        "signature": wrap(SEAL),
    }


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (StopReason.END, "end_turn"),
        (StopReason.MAX_TOKENS, "max_tokens"),
        (StopReason.TOOL_USE, "tool_use"),
        (StopReason.STOP_SEQUENCE, "stop_sequence"),
        (StopReason.REFUSAL, "refusal"),
        (StopReason.PAUSE, "pause_turn"),
        (StopReason.CONTEXT_FULL, "model_context_window_exceeded"),
    ],
)
def test_E106_stop_reasons(reason: StopReason, word: str) -> None:
    body = whole(Text("a"), reason=reason)
    assert body["stop_reason"] == word
    assert body["stop_sequence"] == ("END" if reason is StopReason.STOP_SEQUENCE else None)
    assert (body["stop_details"] is not None) is (reason is StopReason.REFUSAL)


def test_what_the_protocol_cannot_carry_leaves_a_visible_trace() -> None:
    picture = Media(MediaKind.IMAGE, "image/png", data="iVBO")
    assert content(picture, Native(Wire.RESPONSES, "image_generation_call", {})) == [
        {"type": "text", "text": "[image left out: image/png]", "citations": None}
    ]


@pytest.mark.parametrize(
    "error",
    [StreamError("overloaded_error", "Too busy.", 529), Refusal(RefusalKind.UPSTREAM_BROKEN, "Broke off.")],
)
def test_E15_a_stream_that_broke_ends_with_an_error(error: StreamError | Refusal) -> None:
    writer = CODEC.writer(head())
    writer.write([Started(), PartStart(Text("")), Delta("a")])
    (event,) = frames(writer.failure(error))
    assert event["type"] == "error"
    assert event["error"]["message"] == error.message
    assert writer.write([Delta("b"), Finish(StopReason.END)]) == b""


def test_E13_an_error_of_the_providers_ends_the_stream() -> None:
    failed = Failed(StreamError("server_error", "No.", 500))
    out = CODEC.writer(head()).write([Started(), failed, Finish(StopReason.END)])
    assert [event["type"] for event in frames(out)] == ["message_start", "error"]


_words = st.text(max_size=8)
_parts: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, _words),
    st.builds(
        Reasoning, _words, st.one_of(st.none(), st.builds(Seal, st.sampled_from(list(Wire)), _words, _words))
    ),
    st.builds(
        Reasoning, seal=st.builds(Seal, st.just(Wire.MESSAGES), st.text(min_size=1)), redacted=st.just(True)
    ),
    st.builds(
        ToolCall,
        st.text(min_size=1, max_size=8),
        st.text(min_size=1, max_size=8),
        st.dictionaries(_words, st.one_of(st.integers(-(2**60), 2**60), _words, st.none()), max_size=3).map(
            json.dumps
        ),
    ),
)
_asked = st.sampled_from([None, THINKS, Thinking(adaptive=True, show="none"), Thinking(budget=0)])


@given(st.lists(_parts, max_size=5), _asked)
def test_a_whole_answer_says_what_its_stream_says(parts: list[Part], thinking: Thinking | None) -> None:
    whole(*parts, thinking=thinking)


@given(st.lists(_parts, max_size=5))
def test_what_is_written_is_read_again(parts: list[Part]) -> None:
    """Save for what is empty, and for envelopes, which only a tool's request has."""
    reply = Reply(tuple(parts), StopReason.END)
    body = CODEC.write_reply(reply, head())
    stream = CODEC.writer(head()).write(reply.events())
    reader = CODEC.reader()
    found = Reply(CODEC.read_reply(body).parts, StopReason.END).events()[1:-1]
    streamed = reader.feed(stream)[1:-1]
    assert _joined(streamed) == _joined(found)
    assert reader.skipped == 0
    assert [part.text for part in CODEC.read_reply(body).parts if isinstance(part, Text)] == [
        part.text for part in parts if isinstance(part, Text) and part.text
    ]


def _joined(events: list[Event]) -> list[tuple[Any, str, Seal | None]]:
    """Parts, each with all of its words and its seal, wherever that came."""
    found: list[tuple[Any, str, Seal | None]] = []
    for event in events:
        if isinstance(event, PartStart):
            part = event.part
            seal = part.seal if isinstance(part, Reasoning) else None
            name = (
                type(part),
                getattr(part, "id", ""),
                getattr(part, "name", ""),
                getattr(part, "redacted", False),
            )
            found.append((name, "", seal))
        elif isinstance(event, Delta):
            name, words, seal = found[-1]
            found[-1] = (name, words + event.text, seal)
        elif isinstance(event, PartEnd) and event.seal is not None:
            found[-1] = (*found[-1][:2], event.seal)
    return [
        (name, json.dumps(json.loads(words)) if name[0] is ToolCall else words, seal)
        for name, words, seal in found
    ]


def test_a_providers_whole_answer() -> None:
    body = {
        "id": "msg_1",
        "model": "claude-x",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "EqMB"},
            {"type": "text", "text": ""},
            {"type": "text", "text": "a", "citations": [{"type": "char_location"}]},
            {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
            {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}},
        ],
        "stop_reason": "end_turn",
        "stop_sequence": None,
    }
    assert CODEC.read_reply(json.dumps(body).encode()) == Reply(
        (
            Reasoning("hm", Seal(Wire.MESSAGES, "EqMB")),
            Text("a", citations=({"type": "char_location"},)),
            Native(
                Wire.MESSAGES,
                "web_search_tool_result",
                {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
            ),
            ToolCall("t", "f", '{"a":1}'),
        ),
        StopReason.TOOL_USE,
        id="msg_1",
        model="claude-x",
    )


def test_a_providers_seal_is_bare_whatever_it_looks_like() -> None:
    body = {"content": [{"type": "thinking", "thinking": "hm", "signature": wrap(SEAL)}]}
    assert CODEC.read_reply(json.dumps(body).encode()).parts == (
        Reasoning("hm", Seal(Wire.MESSAGES, wrap(SEAL))),
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"content": "a"}',
        b'{"type": "error", "error": {}}',
        b'{"content": [3]}',
        b"\xff",
        b"[" * 5000,
    ],
)
def test_what_is_no_answer_is_refused(body: bytes) -> None:
    with pytest.raises(BadBody):
        CODEC.read_reply(body)
