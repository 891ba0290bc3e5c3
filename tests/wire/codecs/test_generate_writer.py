"""Answers for a tool of Gemini's: what Google's SDK and Gemini CLI make of them."""

import json
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import types

from tests.wire.codecs.gemini import check_answer, chunks
from tests.wire.streams import observe
from waystation.model import Refusal, RefusalKind, Usage, Wire
from waystation.wire import make_tap
from waystation.wire.canonical import (
    Conversation,
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
    Thinking,
    ToolCall,
    ToolResult,
)
from waystation.wire.codecs import AnswerHead
from waystation.wire.codecs.generate import CODEC
from waystation.wire.stream_error import StreamError

Json = dict[str, Any]
REQUEST = Conversation(model="claude-sonnet-4-5")
HEAD = AnswerHead("a1b2", 1764000000, "claude-sonnet-4-5", REQUEST)
ARRAY = AnswerHead("a1b2", 1764000000, "claude-sonnet-4-5", REQUEST, events=False)
USAGE = Usage(input=100, cache_read=50, cache_write_5m=25, output=40, reasoning=15)
END = Finish(StopReason.END)
SIGNED = Seal(Wire.MESSAGES, "EqQBCgIYAg+/=", "anthropic")
CALL: list[Event] = [
    PartStart(ToolCall("toolu_1", "write", "")),
    Delta('{"path":'),
    Delta(' "a"}'),
    PartEnd(),
]


def write(*events: Event, head: AnswerHead = HEAD) -> bytes:
    writer = CODEC.writer(head)
    return b"".join(writer.write([event]) for event in (Started(), *events))


def parts(*events: Event) -> list[Json]:
    """The parts of the stream without the one that only ends it."""
    found = [part for one in chunks(write(*events)) for part in one["candidates"][0]["content"]["parts"]]
    return found[:-1] if found[-1] == {"text": ""} else found


def of_part(part: Part, *texts: str, seal: Seal | None = None) -> list[Event]:
    return [PartStart(part), *(Delta(text) for text in texts), PartEnd(seal)]


def replayed(*found: Json) -> tuple[Part, ...]:
    """What is read when a tool sends these parts back."""
    body = {
        "contents": [{"role": "user", "parts": [{"text": "go"}]}, {"role": "model", "parts": list(found)}]
    }
    return CODEC.read_request(json.dumps(body).encode(), model="m", stream=True).turns[1].parts


TURN: list[Event] = [
    *of_part(Reasoning(), "Let me ", "see.", seal=SIGNED),
    *of_part(Text(""), "I will ", "write."),
    *CALL,
    Finish(StopReason.TOOL_USE, USAGE),
]


def test_a_stream_as_gemini_cli_expects_it() -> None:
    first, second, third, fourth, fifth, last = chunks(write(*TURN))
    assert first == {
        "candidates": [
            {"content": {"parts": [{"text": "Let me ", "thought": True}], "role": "model"}, "index": 0}
        ],
        "modelVersion": "claude-sonnet-4-5",
        "responseId": "a1b2",
    }
    assert second["candidates"][0]["content"]["parts"] == [{"text": "see.", "thought": True}]
    (text,) = third["candidates"][0]["content"]["parts"]
    assert text.keys() == {"text", "thoughtSignature"}
    assert fourth["candidates"][0]["content"]["parts"] == [{"text": "write."}]
    assert fifth["candidates"][0]["content"]["parts"] == [
        {"functionCall": {"name": "write", "args": {"path": "a"}, "id": "toolu_1"}}
    ]
    assert last["candidates"] == [
        {"content": {"parts": [{"text": ""}], "role": "model"}, "finishReason": "STOP", "index": 0}
    ]
    for one in chunks(write(*TURN)):
        check_answer(one)


def test_E101_E102_usage_in_geminis_own_sums() -> None:
    usage = chunks(write(*of_part(Text(""), "x"), Finish(StopReason.END, USAGE)))[-1]["usageMetadata"]
    assert usage == {
        "promptTokenCount": 175,
        "cachedContentTokenCount": 50,
        "candidatesTokenCount": 25,
        "thoughtsTokenCount": 15,
        "totalTokenCount": 215,
    }
    types.GenerateContentResponseUsageMetadata.model_validate(usage)


def test_E101_E102_our_own_reader_finds_the_same_usage_and_no_mismatch() -> None:
    for head in (HEAD, ARRAY):
        tap = make_tap(Wire.GENERATE)
        tap.feed(write(*TURN, head=head))
        tap.close()
        assert tap.usage == Usage(input=125, cache_read=50, output=40, reasoning=15)
        assert (tap.terminal, tap.finish_reason, tap.error) == (True, "STOP", None)


def test_usage_that_nobody_knows_is_not_made_up() -> None:
    assert "usageMetadata" not in chunks(write(*of_part(Text(""), "x"), END))[-1]


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        (StopReason.END, "STOP"),
        (StopReason.TOOL_USE, "STOP"),
        (StopReason.STOP_SEQUENCE, "STOP"),
        (StopReason.PAUSE, "STOP"),
        (StopReason.MAX_TOKENS, "MAX_TOKENS"),
        (StopReason.CONTEXT_FULL, "MAX_TOKENS"),
        (StopReason.REFUSAL, "SAFETY"),
    ],
)
def test_E106_why_it_stopped(reason: StopReason, word: str) -> None:
    assert chunks(write(Finish(reason)))[-1]["candidates"][0]["finishReason"] == word


# calls


def test_a_call_is_written_whole() -> None:
    assert parts(*CALL, END) == [{"functionCall": {"name": "write", "args": {"path": "a"}, "id": "toolu_1"}}]
    pretty = of_part(ToolCall("1", "f", ""), '{\n "n": 1.50,\r\n "s": "a\\nb"}')
    assert b'"args":{"n":1.50,"s":"a\\nb"}' in write(*pretty)
    assert parts(*of_part(ToolCall("1", "f", "")), END)[0]["functionCall"]["args"] == {}


@pytest.mark.parametrize("text", ['{"path": "a', "[1]", '"x"', "nope", "{" * 5000])
def test_a_call_that_cannot_be_read_is_said_to_be_malformed_and_not_run(text: str) -> None:
    bad = of_part(ToolCall("1", "f", ""), text)
    (last,) = chunks(write(*bad, Finish(StopReason.TOOL_USE)))
    assert last["candidates"][0]["finishReason"] == "MALFORMED_FUNCTION_CALL"
    check_answer(last)
    both = chunks(write(*bad, *CALL, Finish(StopReason.TOOL_USE)))
    assert len(both) == 2  # the good one still counts
    assert (
        chunks(write(*bad, Finish(StopReason.MAX_TOKENS)))[0]["candidates"][0]["finishReason"] == "MAX_TOKENS"
    )


# seals


def test_E27_thoughts_and_their_seal_come_back_although_gemini_cli_drops_thoughts() -> None:
    found = parts(*of_part(Reasoning(), "plan", seal=SIGNED), *CALL, END)
    kept = [part for part in found if not part.get("thought")]
    assert replayed(*kept) == (Reasoning("plan", SIGNED), ToolCall("toolu_1", "write", '{"path":"a"}'))
    assert replayed(*found) == replayed(*kept)  # and not twice where they were kept


def test_E27_a_seal_of_gemini_itself_goes_bare_one_of_a_provider_of_ours_in_an_envelope() -> None:
    bare, ours = Seal(Wire.GENERATE, "AAAA"), Seal(Wire.GENERATE, "AAAA", "google")
    (part,) = parts(*of_part(Reasoning(seal=bare)), *CALL, END)
    assert part["thoughtSignature"] == "AAAA"
    (part,) = parts(*of_part(Reasoning(seal=ours)), *CALL, END)
    assert part["thoughtSignature"].startswith("ws10")
    assert replayed(part)[0] == Reasoning(seal=ours)


def test_E23_several_seals_before_one_part_all_come_back() -> None:
    before = (
        Reasoning("plan", SIGNED),
        Reasoning(seal=Seal(Wire.MESSAGES, "EmwK", "anthropic"), redacted=True),
        Reasoning("", Seal(Wire.RESPONSES, "gAAA", "openai"), id="rs_1"),
    )
    events = [event for part in before for event in of_part(part)]
    (found,) = [part for part in parts(*events, *CALL, END) if not part.get("thought")]
    assert replayed(found)[:3] == before


def test_a_seal_with_nothing_behind_it_is_on_the_last_part() -> None:
    last = chunks(write(*of_part(Text(""), "x"), *of_part(Reasoning(seal=SIGNED)), END))[-1]
    assert replayed({"text": "x"}, *last["candidates"][0]["content"]["parts"]) == (
        Text("x"),
        Reasoning(seal=SIGNED),
    )


def test_a_seal_on_text_is_on_its_first_chunk() -> None:
    """Gemini CLI joins the chunks of a text and keeps what stood on the first."""
    found = parts(*of_part(Reasoning(seal=SIGNED)), *of_part(Text(""), "", "a", "b"), END)
    assert [sorted(part) for part in found] == [["text", "thoughtSignature"], ["text"]]


def test_thoughts_that_nobody_asked_for_are_not_shown_and_still_come_back() -> None:
    """Gemini keeps them to itself unless `includeThoughts` is set."""
    quiet = AnswerHead("r", 1, "m", Conversation(model="m", thinking=Thinking(budget=1024, show="none")))
    found = [
        part for one in chunks(write(*TURN, head=quiet)) for part in one["candidates"][0]["content"]["parts"]
    ]
    assert not any(part.get("thought") for part in found)
    assert replayed(*found)[0] == Reasoning("Let me see.", SIGNED)


# other parts


def test_media_and_parts_of_gemini() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1+1"}}
    grounding = {"groundingMetadata": {"webSearchQueries": ["x"]}}
    events = [
        *of_part(Native(Wire.GENERATE, "executableCode", code)),
        *of_part(Media(MediaKind.IMAGE, "image/png", data="QUJD")),
        *of_part(Native(Wire.GENERATE, "groundingMetadata", grounding)),
        *of_part(Native(Wire.MESSAGES, "server_tool_use", {"type": "server_tool_use"})),
        END,
    ]
    assert parts(*events) == [code, {"inlineData": {"mimeType": "image/png", "data": "QUJD"}}]
    assert chunks(write(*events))[-1]["candidates"][0]["groundingMetadata"] == grounding["groundingMetadata"]
    check_answer(chunks(write(*events))[-1])


# one JSON array


def test_without_events_the_stream_is_one_array() -> None:
    assert json.loads(write(*TURN, head=ARRAY)) == chunks(write(*TURN))
    assert json.loads(write(END, head=ARRAY))[0]["candidates"][0]["finishReason"] == "STOP"


@pytest.mark.parametrize("head", [HEAD, ARRAY], ids=["events", "array"])
def test_E15_a_stream_that_breaks_ends_as_an_error_wherever_it_breaks(head: AnswerHead) -> None:
    error = StreamError("overloaded_error", "Overloaded", 529)
    refusal = Refusal(RefusalKind.UPSTREAM_BROKEN, "The provider's stream broke off.")
    for at in range(len(TURN)):
        writer = CODEC.writer(head)
        data = writer.write([Started(), *TURN[:at]])
        said = chunks if head.events else json.loads
        for broken in (
            CODEC.writer(head).write([Started(), *TURN[:at], Failed(error)]),
            data + writer.failure(refusal),
        ):
            *before, last = said(broken)
            assert last.keys() == {"error"}
            assert all("finishReason" not in one["candidates"][0] for one in before)
            assert observe(Wire.GENERATE, [broken]).error is not None


def test_nothing_follows_the_end() -> None:
    writer = CODEC.writer(ARRAY)
    whole = writer.write([*TURN])
    assert writer.write([PartStart(Text("")), Delta("x"), PartEnd(), END]) == b""
    assert writer.failure(StreamError("x", "y", 500)) == b""
    json.loads(whole)


# whole answers


def test_a_whole_answer_has_the_parts_of_the_stream() -> None:
    reply = Reply(
        (
            Reasoning("Let me see.", SIGNED),
            Text("I will write."),
            ToolCall("toolu_1", "write", '{"path": "a"}'),
        ),
        StopReason.TOOL_USE,
        USAGE,
    )
    answer = json.loads(CODEC.write_reply(reply, HEAD))
    check_answer(answer)
    *before, last = chunks(write(*reply.events()))
    assert answer["candidates"][0]["content"]["parts"] == [
        part for one in before for part in one["candidates"][0]["content"]["parts"]
    ]
    assert {**answer, "candidates": None} == {**last, "candidates": None}
    assert answer["candidates"][0]["finishReason"] == "STOP"


def test_an_empty_whole_answer_still_has_a_part() -> None:
    answer = json.loads(CODEC.write_reply(Reply((), StopReason.REFUSAL), HEAD))
    check_answer(answer)
    assert answer["candidates"][0]["finishReason"] == "SAFETY"


def test_a_trailing_seal_of_a_whole_answer_is_kept() -> None:
    reply = Reply((Text("x"), Reasoning(seal=SIGNED)), StopReason.END)
    answer = json.loads(CODEC.write_reply(reply, HEAD))
    assert replayed(*answer["candidates"][0]["content"]["parts"]) == reply.parts


# the real SDK


class Gateway:
    """Google's SDK against streams of ours; remembers what it sent."""

    def __init__(self, *turns: list[Event]) -> None:
        self.sent: list[Json] = []
        waiting = list(turns)

        def answer(request: httpx2.Request) -> httpx2.Response:
            self.sent.append(json.loads(request.content))
            return httpx2.Response(200, content=write(*waiting.pop(0)))

        http = httpx2.Client(transport=httpx2.MockTransport(answer))
        options = types.HttpOptions(base_url="http://gw", httpx_client=http)
        self.client = genai.Client(api_key="x", http_options=options)

    def read(self, number: int) -> Conversation:
        return CODEC.read_request(json.dumps(self.sent[number]).encode(), model="m", stream=True)


@pytest.mark.sdk
def test_E27_a_chat_of_the_python_sdk_keeps_every_part_and_every_seal() -> None:
    done: list[Event] = [*of_part(Text(""), "Done."), END]
    gateway = Gateway(TURN, done)
    chat = gateway.client.chats.create(model="claude-sonnet-4-5")
    first = list(chat.send_message_stream("write it"))
    assert [call.name for one in first for call in one.function_calls or ()] == ["write"]
    assert "".join(one.text or "" for one in first) == "I will write."
    assert first[-1].usage_metadata is not None
    assert first[-1].usage_metadata.total_token_count == 215
    response = types.Part.from_function_response(name="write", response={"result": "ok"})
    list(chat.send_message_stream(response))
    assert [turn.parts for turn in gateway.read(1).turns[1:]] == [
        (
            Reasoning("Let me see.", SIGNED),
            Text("I will write."),
            ToolCall("toolu_1", "write", '{"path":"a"}'),
        ),
        (ToolResult("toolu_1", (Text('{"result":"ok"}'),), name="write"),),
    ]
