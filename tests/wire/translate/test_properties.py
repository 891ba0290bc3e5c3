"""Whatever is said, through whichever two protocols: nothing crashes, nothing is refused, nothing is lost."""

import json
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.conversations import broken_conversations, conversations, replies
from tests.wire.translate import sdk
from tests.wire.translate.pairs import (
    NAMES,
    PAIR_IDS,
    PAIRS,
    SOURCES,
    TARGETS,
    head_of,
    streamed,
    target_of,
    translation,
    whole,
)
from waystation.model import Usage, Wire
from waystation.wire.canonical import (
    Conversation,
    CustomTool,
    Finish,
    FunctionTool,
    Part,
    Reply,
    Role,
    StopReason,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from waystation.wire.codecs import Notes, codec_for
from waystation.wire.translate.collect import parts_of
from waystation.wire.translate.lower import lower

ASKED = Conversation(
    model="asked-for",
    stream=True,
    turns=(Turn(Role.USER, (Text("hi"),)),),
    tools=(FunctionTool("lookup"),),
)
PATCHING = msgspec.structs.replace(ASKED, tools=(FunctionTool("lookup"), CustomTool("apply_patch")))
EXAMPLES = settings(max_examples=25)
by_source = pytest.mark.parametrize("source", SOURCES, ids=NAMES.get)
by_pair = pytest.mark.parametrize(("source", "target"), PAIRS, ids=PAIR_IDS)


def targets(source: Wire) -> Iterator[Wire]:
    return (target for target in TARGETS if target is not source)


# -------------------------------------------------------------------- requests
@by_source
@EXAMPLES
@given(data=st.data())
def test_the_providers_own_sdk_could_have_sent_every_request(source: Wire, data: st.DataObject) -> None:
    asked = data.draw(conversations(source))
    for target in targets(source):
        sdk.check_request(target, translation(source, target, asked).body)


@by_source
@EXAMPLES
@given(asked=broken_conversations())
def test_however_broken_the_conversation_was(source: Wire, asked: Conversation) -> None:
    for target in targets(source):
        made = translation(source, target, asked)
        sdk.check_request(target, made.body)
        assert all(note.isascii() and len(note) <= 64 for note in made.dropped + made.changed)


@by_source
@EXAMPLES
@given(data=st.data())
def test_what_a_protocol_can_say_comes_back_the_same(source: Wire, data: st.DataObject) -> None:
    """Canonical → X → canonical is the identity on all that X can express: on what was read from it."""
    asked = data.draw(conversations(source))
    for wire in targets(source):
        said = read_back(lower(asked, source, target_of(wire), Notes()).conversation, wire)
        assert read_back(said, wire) == said


@by_source
@EXAMPLES
@given(data=st.data())
def test_no_word_no_call_and_no_result_is_lost(source: Wire, data: st.DataObject) -> None:
    asked = data.draw(conversations(source))
    for wire in targets(source):
        lowered = lower(asked, source, target_of(wire), Notes()).conversation
        said = read_back(lowered, wire)
        assert calls(said) == calls(lowered)
        assert [ident for ident, _ in results(said)] == [ident for ident, _ in results(lowered)]
        for (_, before), (_, after) in zip(results(lowered), results(said), strict=True):
            assert before in after
        rest = words(said)
        for text in texts(lowered):
            _, found, rest = rest.partition(text)
            assert found == text


def read_back(conversation: Conversation, wire: Wire) -> Conversation:
    """As the provider would read what we write for it."""
    codec = codec_for(wire)
    body = codec.write_request(conversation, target_of(wire), Notes())
    return codec.read_request(body, model=conversation.model, stream=conversation.stream)


def parts(conversation: Conversation) -> Iterator[Part]:
    return (part for turn in conversation.turns for part in turn.parts)


def calls(conversation: Conversation) -> list[tuple[str, str, object]]:
    return [
        (part.id, part.name, part.arguments if part.custom else json.loads(part.arguments))
        for part in parts(conversation)
        if isinstance(part, ToolCall)
    ]


def results(conversation: Conversation) -> list[tuple[str, str]]:
    return [
        (part.call_id, dense("".join(p.text for p in part.content if isinstance(p, Text))))
        for part in parts(conversation)
        if isinstance(part, ToolResult)
    ]


def texts(conversation: Conversation) -> list[str]:
    found = [*conversation.system, *(part for part in parts(conversation) if isinstance(part, Text))]
    return [dense(text.text) for text in found if dense(text.text)]


def words(conversation: Conversation) -> str:
    return "".join(texts(conversation))


def dense(text: str) -> str:
    """Without white space, which some protocols may not begin or end with."""
    return "".join(text.split())


# -------------------------------------------------------------------- answers
@by_pair
@EXAMPLES
@given(reply=replies(), data=st.data())
def test_the_tools_own_sdk_can_read_every_answer(
    source: Wire, target: Wire, reply: Reply, data: st.DataObject
) -> None:
    made = translation(source, target, ASKED)
    provider = streamed(target, reply, ASKED)
    tap = made.tap()
    stream = tap.feed(provider) + tap.close()
    assert tap.terminal
    assert tap.error is None
    sdk.check_stream(source, stream)
    check_same(source, stream, reply)

    body = made.reply(whole(target, reply, ASKED))
    sdk.check_answer(source, body)
    at_once = made.streamed_reply(whole(target, reply, ASKED))
    sdk.check_stream(source, at_once)
    check_same(source, at_once, reply)

    again = made.tap()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(provider)), max_size=5)))
    pieces = [provider[a:b] for a, b in zip([0, *cuts], [*cuts, len(provider)], strict=True)]
    assert b"".join(map(again.feed, pieces)) + again.close() == stream
    assert again.usage == tap.usage


def check_same(source: Wire, stream: bytes, reply: Reply) -> None:
    """The tool reads what the provider said."""
    reader = codec_for(source).reader()
    events = [*reader.feed(stream), *reader.close()]
    assert reader.skipped == 0
    assert isinstance(events[-1], Finish)
    said = parts_of(events)
    assert dense("".join(part.text for part in said if isinstance(part, Text))) == dense(
        "".join(part.text for part in reply.parts if isinstance(part, Text))
    )
    assert [(part.name, json.loads(part.arguments)) for part in said if isinstance(part, ToolCall)] == [
        (part.name, json.loads(part.arguments)) for part in reply.parts if isinstance(part, ToolCall)
    ]


@by_pair
def test_E04_E05_a_stream_may_be_cut_at_every_byte(source: Wire, target: Wire) -> None:
    reply = Reply(
        (
            Text('naïve 猫 🐈 "\\n"\r\ndata: x\n\n'),
            ToolCall("call_1", "lookup", '{"city": "Zürich", "n": [1, 2]}'),
            ToolCall("call_2", "apply_patch", '{"input": "*** Begin\\n\\ud83d\\udc08 \\u00e9"}'),
        ),
        StopReason.TOOL_USE,
        Usage(input=5, cache_read=3, output=7),
        id="up_1",
        model="up-model",
    )
    # The SDK's types of Chat Completions know free text in whole answers only.
    made = translation(source, target, PATCHING if source is Wire.RESPONSES else ASKED)
    provider = streamed(target, reply, ASKED)
    at_once = made.tap()
    stream = at_once.feed(provider) + at_once.close()
    by_byte = made.tap()
    pieces = [by_byte.feed(provider[at : at + 1]) for at in range(len(provider))]
    assert b"".join(pieces) + by_byte.close() == stream
    assert by_byte.usage == at_once.usage
    for at in range(0, len(provider), 97):
        in_two = made.tap()
        assert in_two.feed(provider[:at]) + in_two.feed(provider[at:]) + in_two.close() == stream
    sdk.check_stream(source, stream)


@by_pair
def test_a_translation_holds_on_to_no_turns(source: Wire, target: Wire) -> None:
    asked = Conversation(model="m", turns=(Turn(Role.USER, (Text("find me " * 50),)),))
    made = translation(source, target, asked)
    assert head_of(asked).request.turns
    assert made._head.request.turns == ()
