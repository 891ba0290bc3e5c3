"""A stream and a whole answer for the tool: what the official SDK and the tools' own readers make of them."""

import json
from typing import Any

import pytest
from hypothesis import given
from openai.types.chat import ChatCompletion

from tests.wire.codecs.chat_sdk import accumulate, asked, chunks, head, written
from tests.wire.conversations import PIXEL, replies
from waystation.model import Refusal, RefusalKind, Usage, Wire
from waystation.wire.canonical import (
    Delta,
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
    ToolCall,
)
from waystation.wire.codecs import AnswerHead
from waystation.wire.codecs.chat import CODEC
from waystation.wire.stream_error import StreamError

USAGE = Usage(input=100, cache_read=800, cache_write_5m=50, cache_write_1h=7, output=40, reasoning=16)
LS = ToolCall("call_1", "bash", '{"command":"ls"}')


def reply(*parts: Part, reason: StopReason = StopReason.END, usage: Usage | None = USAGE) -> Reply:
    return Reply(parts, reason, usage)


def whole(answer: Reply, **fields: Any) -> dict[str, Any]:
    raw: dict[str, Any] = json.loads(CODEC.write_reply(answer, head(**fields)))
    ChatCompletion.model_validate(raw)
    return raw


def message(answer: Reply, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = whole(answer, **fields)["choices"][0]["message"]
    return found


def deltas(stream: bytes) -> list[dict[str, Any]]:
    return [chunk["choices"][0]["delta"] for chunk in chunks(stream) if chunk["choices"]]


def test_the_stream_of_a_plain_answer() -> None:
    stream = written(reply(Text("Hello")).events())
    assert deltas(stream) == [{"role": "assistant", "content": ""}, {"content": "Hello"}, {}]
    first, *_, last, usage = chunks(stream)
    assert first["id"] == "chatcmpl-01ABC"
    assert (first["object"], first["created"], first["model"]) == (
        "chat.completion.chunk",
        1795516560,
        "a-model",
    )
    assert first["choices"][0]["finish_reason"] is None
    assert last["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert stream.endswith(b"data: [DONE]\n\n")


def test_nothing_is_said_before_the_first_part() -> None:
    writer = CODEC.writer(head())
    assert writer.write([Started("x", "y")]) == b""


def test_each_write_ends_at_a_boundary() -> None:
    writer = CODEC.writer(head())
    for event in reply(Reasoning("hm"), Text("a"), LS).events():
        out = writer.write([event])
        assert out == b"" or (out.startswith(b"data: {") and out.endswith(b"\n\n"))


def test_calls_have_a_running_index_and_their_name_first() -> None:
    stream = written(
        reply(Text("a"), LS, ToolCall("call_2", "read", "{}"), reason=StopReason.TOOL_USE).events()
    )
    assert deltas(stream)[2:] == [
        {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "bash", "arguments": ""}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"command":"ls"}'}}]},
        {"tool_calls": [{"index": 1, "id": "call_2", "type": "function", "function": {"name": "read", "arguments": ""}}]},
        {"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]},
        {},
    ]  # fmt: skip
    assert chunks(stream)[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_opencode_finds_what_its_reader_demands() -> None:
    """The schema of @ai-sdk/openai-compatible: strings where there is a string or nothing, a function with a
    name on each call's first delta, roles that it knows."""
    stream = written(reply(Reasoning("hm"), Text("a"), LS, reason=StopReason.TOOL_USE).events())
    named = set()
    for delta in deltas(stream):
        assert delta.get("role") in (None, "assistant")
        for field in ("content", "reasoning_content"):
            assert delta.get(field) is None or isinstance(delta[field], str)
        for call in delta.get("tool_calls", []):
            assert isinstance(call["function"], dict)
            if call["index"] not in named:
                assert call["id"]
                assert call["function"]["name"]
            named.add(call["index"])


def test_thoughts_are_reasoning_content() -> None:
    answer = reply(Reasoning("Let me see"), Text("Yes"))
    assert deltas(written(answer.events()))[1] == {"reasoning_content": "Let me see"}
    assert message(answer)["reasoning_content"] == "Let me see"
    assert message(answer)["content"] == "Yes"


def test_E24_thoughts_are_never_content() -> None:
    answer = reply(
        Reasoning("secret", Seal(Wire.MESSAGES, "c2ln")),
        Reasoning("", Seal(Wire.RESPONSES, "x"), redacted=True),
        Text("Yes"),
    )
    assert accumulate(written(answer.events())).choices[0].message.content == "Yes"
    assert message(answer)["content"] == "Yes"


def test_a_call_without_arguments_has_an_empty_object() -> None:
    answer = reply(ToolCall("c", "f", ""), reason=StopReason.TOOL_USE)
    (call,) = accumulate(written(answer.events())).choices[0].message.tool_calls or []
    assert call.type == "function"
    assert call.function.arguments == "{}"
    assert message(answer)["tool_calls"][0]["function"]["arguments"] == "{}"
    assert message(answer)["content"] is None


def test_arguments_that_are_no_json_are_the_models_own() -> None:
    assert message(reply(ToolCall("c", "f", '{"a":')))["tool_calls"][0]["function"]["arguments"] == '{"a":'


def test_E31_custom_calls_keep_their_raw_input() -> None:
    answer = reply(ToolCall("c", "patch", "*** Begin", custom=True), reason=StopReason.TOOL_USE)
    begins, goes_on = deltas(written(answer.events()))[1:3]
    assert begins["tool_calls"] == [
        {"index": 0, "id": "c", "type": "custom", "custom": {"name": "patch", "input": ""}}
    ]
    assert goes_on["tool_calls"] == [{"index": 0, "custom": {"input": "*** Begin"}}]
    assert message(answer)["tool_calls"] == [
        {"id": "c", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}}
    ]


def test_a_refusal_has_its_own_field() -> None:
    answer = reply(Text("I cannot", refusal=True), reason=StopReason.END)
    assert message(answer)["refusal"] == "I cannot"
    assert message(answer)["content"] is None
    assert accumulate(written(answer.events())).choices[0].message.refusal == "I cannot"


def test_neighbouring_texts_are_one_and_others_paragraphs() -> None:
    cited = reply(Text("a"), Text("b"), LS, Text("c"), Reasoning("x"), Reasoning("y"))
    assert message(cited)["content"] == "ab\n\nc"
    assert message(cited)["reasoning_content"] == "x\n\ny"


def test_pictures_are_where_openrouter_has_them() -> None:
    answer = reply(Media(MediaKind.IMAGE, "image/png", data=PIXEL))
    images = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}]
    assert message(answer)["images"] == images
    assert deltas(written(answer.events()))[1] == {"images": images}


def test_the_old_form_for_a_tool_that_asked_with_functions() -> None:
    answer = reply(LS, ToolCall("call_2", "read", "{}"), reason=StopReason.TOOL_USE)
    stream = written(answer.events(), legacy_functions=True)
    function = {"name": "bash", "arguments": '{"command":"ls"}'}
    assert accumulate(stream).choices[0].finish_reason == "function_call"
    assert deltas(stream)[1:] == [
        {"function_call": {"name": "bash", "arguments": ""}},
        {"function_call": {"arguments": '{"command":"ls"}'}},
        {},
    ]
    raw = whole(answer, legacy_functions=True)
    assert raw["choices"][0]["message"]["function_call"] == function
    assert "tool_calls" not in raw["choices"][0]["message"]
    assert raw["choices"][0]["finish_reason"] == "function_call"


# Usage


INCLUSIVE = {
    "prompt_tokens": 957,
    "completion_tokens": 40,
    "total_tokens": 997,
    "prompt_tokens_details": {"cached_tokens": 800, "audio_tokens": 0, "cache_write_tokens": 57},
    "completion_tokens_details": {
        "reasoning_tokens": 16,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}


def test_E40_usage_is_inclusive_with_its_parts_beside_it() -> None:
    assert whole(reply(Text("a")))["usage"] == INCLUSIVE
    assert chunks(written(reply(Text("a")).events()))[-1]["usage"] == INCLUSIVE


def test_E48_no_usage_chunk_for_a_tool_that_did_not_ask() -> None:
    stream = written(reply(Text("a")).events(), include_usage=False)
    assert all(chunk["choices"] for chunk in chunks(stream))
    assert b"usage" not in stream


def test_E48_every_chunk_but_the_last_has_null_for_one_that_did() -> None:
    *before, last = chunks(written(reply(Text("a")).events()))
    assert all(chunk["usage"] is None for chunk in before)
    assert last["usage"] == INCLUSIVE


def test_E46_zeros_are_said_and_nothing_is_made_up() -> None:
    zero = chunks(written(reply(Text("a"), usage=Usage()).events()))[-1]["usage"]
    assert (zero["prompt_tokens"], zero["total_tokens"]) == (0, 0)
    assert all(chunk["choices"] for chunk in chunks(written(reply(Text("a"), usage=None).events())))
    assert "usage" not in whole(reply(Text("a"), usage=None))


def test_E47_usage_is_there_however_it_ended() -> None:
    for reason in StopReason:
        assert chunks(written(reply(Text("a"), reason=reason).events()))[-1]["usage"] == INCLUSIVE


def test_E49_usage_is_that_of_the_end() -> None:
    events = reply(Text("a"), usage=Usage(input=12284)).events()
    assert chunks(written(events))[-1]["usage"]["prompt_tokens"] == 12284


def test_E50_a_stream_made_of_a_whole_answer_has_its_usage_chunk() -> None:
    answer = CODEC.read_reply(CODEC.write_reply(reply(Text("a")), head()))
    again = Reply(answer.parts, answer.reason, USAGE)
    assert chunks(written(again.events()))[-1]["usage"] == INCLUSIVE


def test_E111_the_tier_is_the_one_that_was_served() -> None:
    served = reply(Text("a"), usage=Usage(output=1, tier="priority"))
    assert whole(served)["service_tier"] == "priority"
    assert chunks(written(served.events()))[-1]["service_tier"] == "priority"
    assert "service_tier" not in whole(reply(Text("a"), usage=Usage(output=1, tier="standard")))


# Ends


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (StopReason.END, "stop"),
        (StopReason.MAX_TOKENS, "length"),
        (StopReason.TOOL_USE, "tool_calls"),
        (StopReason.STOP_SEQUENCE, "stop"),
        (StopReason.REFUSAL, "content_filter"),
        (StopReason.PAUSE, "stop"),
        (StopReason.CONTEXT_FULL, "length"),
    ],
)
def test_E106_stop_reasons(reason: StopReason, word: str) -> None:
    assert whole(reply(Text("a"), reason=reason))["choices"][0]["finish_reason"] == word
    stream = written(reply(Text("a"), reason=reason).events())
    assert accumulate(stream).choices[0].finish_reason == word


@pytest.mark.parametrize(
    "error",
    [
        StreamError("overloaded_error", "Overloaded", 529),
        Refusal(RefusalKind.UPSTREAM_BROKEN, "The provider's answer broke off."),
    ],
)
def test_E15_a_broken_stream_ends_in_an_error_and_is_not_done(error: StreamError | Refusal) -> None:
    writer = CODEC.writer(head())
    begun = writer.write([Started(), PartStart(LS), Delta('{"comm')])
    ended = writer.failure(error)
    assert ended.startswith(b'data: {"error":')
    assert b"[DONE]" not in begun + ended
    last = json.loads(ended[len(b"data: ") :])
    assert last["error"]["message"] == error.message
    assert writer.failure(error) == b""
    assert writer.write([Finish(StopReason.END)]) == b""


def test_E15_an_error_of_the_provider_ends_it_the_same_way() -> None:
    stream = written(
        [Started(), PartStart(Text("")), Delta("a"), Failed(StreamError("server_error", "gone", 500))]
    )
    assert chunks(stream)[-1]["error"]["message"] == "gone"
    assert b"[DONE]" not in stream


def test_an_answer_with_nothing_in_it_is_an_empty_text() -> None:
    assert accumulate(written(reply().events())).choices[0].message.content == ""
    assert message(reply())["content"] == ""


def test_what_nobody_can_say_is_left_out() -> None:
    native = Native(Wire.MESSAGES, "server_tool_use", {"type": "server_tool_use"})
    assert message(reply(native, Text("a")))["content"] == "a"
    assert accumulate(written(reply(native, Text("a")).events())).choices[0].message.content == "a"


# Seals


def ids_of(answer: Reply) -> list[str]:
    found = [call["id"] for call in message(answer)["tool_calls"]]
    calls = accumulate(written(answer.events())).choices[0].message.tool_calls or []
    assert [call.id for call in calls] == found
    return found


def replayed(answer: Reply, *, thoughts: bool = True, scrub: bool = False) -> list[Part]:
    """What is read of the answer when the tool sends it back."""
    said = message(answer)
    if not thoughts:
        said.pop("reasoning_content", None)
    calls = said["tool_calls"]
    if scrub:
        for call in calls:
            call["id"] = call["id"].replace("~", "_")
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "ok"} for call in calls]
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}, said, *results]}
    asked_again = CODEC.read_request(json.dumps(body).encode(), model="m", stream=False)
    _, spoken, heard = asked_again.turns
    ids = [part.id for part in spoken.parts if isinstance(part, ToolCall)]
    assert [getattr(part, "call_id", "") for part in heard.parts] == ids
    return list(spoken.parts)


SIGNED = Seal(Wire.MESSAGES, "\nRXFRQg==", "claude")
GOOGLE = Seal(Wire.GENERATE, "\nQ2c9PQ==", "google")


@pytest.mark.parametrize("thoughts", [True, False])
@pytest.mark.parametrize("scrub", [False, True], ids=["", "as OpenCode scrubs ids"])
def test_E27_a_seal_travels_in_the_id_of_the_next_call(thoughts: bool, scrub: bool) -> None:
    answer = reply(Reasoning("Let me", SIGNED), Text("ok"), LS, reason=StopReason.TOOL_USE)
    (ident,) = ids_of(answer)
    assert ident.startswith("call_1~ws10")
    found = replayed(answer, thoughts=thoughts, scrub=scrub)
    assert found == [Reasoning("Let me", SIGNED), Text("ok"), LS]


def test_E27_gemini_seals_the_call_that_follows() -> None:
    answer = reply(
        Text("ok"), Reasoning(seal=GOOGLE), LS, ToolCall("call_2", "read", "{}"), reason=StopReason.TOOL_USE
    )
    first, second = ids_of(answer)
    assert "~ws10" in first
    assert second == "call_2"
    assert replayed(answer) == [Text("ok"), Reasoning(seal=GOOGLE), LS, ToolCall("call_2", "read", "{}")]


def test_E27_a_seal_of_a_text_is_not_given_to_a_call() -> None:
    answer = reply(Reasoning(seal=GOOGLE), Text("ok"), LS, reason=StopReason.TOOL_USE)
    assert ids_of(answer) == ["call_1"]


def test_thoughts_between_calls_stay_there() -> None:
    second = ToolCall("call_2", "read", "{}")
    other = Seal(Wire.MESSAGES, "\nb3RoZXI=", "claude")
    hidden = Seal(Wire.MESSAGES, "!\nc2VjcmV0", "claude")
    answer = reply(Reasoning("one", SIGNED), Reasoning(seal=hidden), LS, Reasoning("two", other), second)
    assert replayed(answer) == [
        Reasoning("one", SIGNED),
        Reasoning(seal=hidden),
        LS,
        Reasoning("two", other),
        second,
    ]


def test_long_thoughts_are_replayed_by_the_tool_or_not_at_all() -> None:
    long = Reasoning("x" * 100_000, SIGNED)
    answer = reply(long, LS, reason=StopReason.TOOL_USE)
    assert len(ids_of(answer)[0]) < 200
    assert replayed(answer) == [long, LS]
    assert replayed(answer, thoughts=False) == [Reasoning(seal=SIGNED), LS]


def test_an_empty_seal_needs_no_envelope() -> None:
    assert ids_of(reply(Reasoning("x", Seal(Wire.GENERATE, "", "google")), LS)) == ["call_1"]


def test_an_id_that_was_cut_short_still_pairs() -> None:
    said = message(reply(Reasoning("Let me", SIGNED), LS, reason=StopReason.TOOL_USE))
    for longest in range(len("call_1"), len(said["tool_calls"][0]["id"])):
        ident = said["tool_calls"][0]["id"][:longest]
        call = {**said["tool_calls"][0], "id": ident}
        body = {
            "messages": [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": ident}]
        }
        spoken, heard = CODEC.read_request(json.dumps(body).encode(), model="m", stream=False).turns
        last = spoken.parts[-1]
        assert isinstance(last, ToolCall)
        assert getattr(heard.parts[0], "call_id", None) == last.id


# The same, whole or as a stream


def comparable(completion: ChatCompletion) -> dict[str, Any]:
    raw: dict[str, Any] = completion.model_dump(exclude_none=True)
    raw.pop("service_tier", None)
    for call in raw["choices"][0]["message"].get("tool_calls", []):
        call.pop("index", None)
        call.get("function", {}).pop("parsed_arguments", None)
    return raw


@given(replies())
def test_a_whole_answer_says_what_its_stream_says(answer: Reply) -> None:
    of_stream = accumulate(written(answer.events()))
    of_body = ChatCompletion.model_validate_json(CODEC.write_reply(answer, head()))
    assert comparable(of_stream) == comparable(of_body)


@given(replies(Wire.CHAT))
def test_our_own_reader_reads_our_own_stream(answer: Reply) -> None:
    events: list[Event] = answer.events()
    reader = CODEC.reader()
    stream = written(events)
    found = reader.feed(stream) + reader.close()
    assert reader.skipped == 0
    texts = "".join(part.text for part in answer.parts if isinstance(part, Text))
    heard = "".join(event.text for event in found if isinstance(event, Delta))
    if texts.strip():
        assert texts in heard
    calls = [
        event.part for event in found if isinstance(event, PartStart) and isinstance(event.part, ToolCall)
    ]
    assert [call.name for call in calls] == [part.name for part in answer.parts if isinstance(part, ToolCall)]


def test_the_head_is_escaped_where_it_must_be() -> None:
    name = 'a"model\n猫'
    writer = CODEC.writer(AnswerHead("id", 1, name, asked(stream=True)))
    stream = writer.write([PartStart(Text("")), Delta("a"), PartEnd(), Finish(StopReason.END)])
    assert {chunk["model"] for chunk in chunks(stream)} == {name}
