"""What Gemini's protocol can say comes back as it was; what it cannot never breaks it."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.codecs.gemini import check_answer, check_request, chunks
from waystation.model import Wire
from waystation.wire import BadBody
from waystation.wire.canonical import (
    Conversation,
    CustomTool,
    Delta,
    Effort,
    Event,
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
    ServerTool,
    StopReason,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from waystation.wire.codecs import AnswerHead, Notes, Target
from waystation.wire.codecs.generate import CODEC

HEAD = AnswerHead("r1", 1, "m", Conversation(model="m"))
ARRAY = AnswerHead("r1", 1, "m", Conversation(model="m"), events=False)

WORDS = st.text(min_size=1, max_size=12)
IDENT = st.text("abcXYZ019_-", min_size=1, max_size=10)
BASE64 = st.text("ABCDabcd0189", min_size=1, max_size=3).map(lambda text: text * 4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(max_size=6), VALUES, max_size=3)
ARGUMENTS = OBJECTS.map(lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# the expressible subset

SEALS = st.builds(lambda data: Reasoning(seal=Seal(Wire.GENERATE, data)), BASE64)
PICTURES = st.builds(
    lambda kind, data: Media(kind[0], kind[1], data=data),
    st.sampled_from([(MediaKind.IMAGE, "image/png"), (MediaKind.DOCUMENT, "application/pdf")]),
    BASE64,
)
USER_PARTS = st.one_of(
    st.builds(Text, WORDS),
    PICTURES,
    st.builds(lambda text: Media(MediaKind.DOCUMENT, "text/plain", data=text), WORDS),
    st.builds(lambda name: Media(MediaKind.IMAGE, "image/png", url=f"https://x.org/{name}"), IDENT),
)
SCHEMAS = st.sampled_from(
    [
        None,
        {"type": "object", "properties": {"a": {"type": "string", "description": "x"}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}},
        {"type": "object", "properties": {"l": {"type": "array", "items": {"enum": ["x", "y"]}}}},
    ]
)
FUNCTIONS = st.builds(FunctionTool, IDENT, st.text(max_size=10), SCHEMAS)
CHOICES = st.one_of(
    st.none(),
    st.sampled_from([ToolChoice("auto"), ToolChoice("any"), ToolChoice("none")]),
    st.builds(lambda name: ToolChoice("named", (name,)), IDENT),
    st.builds(
        lambda names, required: ToolChoice("allowed", tuple(names), required=required),
        st.lists(IDENT, min_size=2, max_size=3),
        st.booleans(),
    ),
)
THINKING = st.one_of(
    st.none(),
    st.builds(
        Thinking,
        budget=st.none() | st.integers(128, 24_576),
        show=st.sampled_from(["none", "summary"]),
    ),
    st.builds(Thinking, adaptive=st.just(True), show=st.sampled_from(["none", "summary"])),
)


@st.composite
def steps(draw: st.DrawFn, number: int) -> tuple[Turn, Turn]:
    """One turn of the model, and the answer to it."""
    said: list[Part] = []
    results: list[Part] = []
    if draw(st.booleans()):
        if draw(st.booleans()):
            said.append(draw(SEALS))
        said.append(Text(draw(WORDS)))
    for index in range(draw(st.integers(0, 2))):
        ident, name = f"call_{number}_{index}", draw(IDENT)
        if draw(st.booleans()):
            said.append(draw(SEALS))
        said.append(ToolCall(ident, name, draw(ARGUMENTS)))
        output = draw(
            WORDS | OBJECTS.map(compact).filter(lambda text: text != "{}" and '"output"' not in text)
        )
        failed = draw(st.booleans())
        results.append(ToolResult(ident, (Text(output),), is_error=failed, name=name))
    if not said:
        said.append(Text(draw(WORDS)))
    rest = draw(st.lists(USER_PARTS, min_size=0 if results else 1, max_size=2))
    return Turn(Role.ASSISTANT, tuple(said)), Turn(Role.USER, (*results, *rest))


@st.composite
def conversations(draw: st.DrawFn) -> Conversation:
    turns = [Turn(Role.USER, tuple(draw(st.lists(USER_PARTS, min_size=1, max_size=2))))]
    for number in range(draw(st.integers(0, 3))):
        turns.extend(draw(steps(number)))
    tools: list[Tool] = [*draw(st.lists(FUNCTIONS, max_size=2))]
    if draw(st.booleans()):
        tools.append(ServerTool(Wire.GENERATE, "googleSearch", {"googleSearch": {}}))
    return Conversation(
        model="m",
        stream=draw(st.booleans()),
        system=tuple(draw(st.lists(st.builds(Text, WORDS), max_size=2))),
        turns=tuple(turns),
        tools=tuple(tools),
        tool_choice=draw(CHOICES) if tools else None,
        max_output=draw(st.none() | st.integers(1, 10**6)),
        temperature=draw(st.none() | st.floats(0, 2)),
        top_p=draw(st.none() | st.floats(0, 1)),
        top_k=draw(st.none() | st.integers(1, 100)),
        stop=tuple(draw(st.lists(WORDS, max_size=5))),
        seed=draw(st.none() | st.integers(0, 2**31)),
        presence_penalty=draw(st.none() | st.floats(-2, 2)),
        frequency_penalty=draw(st.none() | st.floats(-2, 2)),
        thinking=draw(THINKING),
        format=draw(st.none() | st.builds(OutputFormat, schema=SCHEMAS)),
    )


@settings(max_examples=60)
@given(conversations())
def test_a_conversation_that_gemini_can_say_comes_back_as_it_was(conversation: Conversation) -> None:
    notes = Notes()
    body = CODEC.write_request(conversation, Target(Wire.GENERATE, "g", "gemini-2.5-flash"), notes)
    check_request(body)
    assert CODEC.read_request(body, model="m", stream=conversation.stream) == conversation
    assert not notes.dropped
    assert not notes.changed


# anything at all

ANY_TEXT = st.text(max_size=8)
ANY_SEAL = st.builds(
    Seal,
    st.sampled_from(Wire),
    st.sampled_from(["AAAA", "+/8=", "x", "", "not base64", "ws10AAAA"]),
    ANY_TEXT,
)
ANY_MEDIA = st.one_of(
    PICTURES,
    st.builds(
        lambda url: Media(MediaKind.IMAGE, url=url),
        st.sampled_from(["https://a/b", "http://a", "data:,x", "x"]),
    ),
    st.builds(lambda ident: Media(MediaKind.AUDIO, file_id=ident), IDENT),
)
ANY_PART: st.SearchStrategy[Any] = st.one_of(
    st.builds(Text, ANY_TEXT, refusal=st.booleans()),
    st.builds(Reasoning, ANY_TEXT, st.none() | ANY_SEAL, st.booleans(), ANY_TEXT),
    st.builds(ToolCall, ANY_TEXT, IDENT, ANY_TEXT | ARGUMENTS, custom=st.booleans()),
    st.builds(
        ToolResult,
        ANY_TEXT,
        st.lists(st.builds(Text, ANY_TEXT | ARGUMENTS) | ANY_MEDIA, max_size=2).map(tuple),
        is_error=st.booleans(),
        name=ANY_TEXT,
    ),
    ANY_MEDIA,
    st.just(Native(Wire.MESSAGES, "server_tool_use", {"a": 1})),
)
ANY_TOOL: st.SearchStrategy[Any] = st.one_of(
    st.builds(FunctionTool, IDENT, ANY_TEXT, st.none() | OBJECTS),
    st.builds(CustomTool, IDENT, ANY_TEXT),
    st.just(ServerTool(Wire.RESPONSES, "web_search", {})),
)
ANY_CONVERSATION = st.builds(
    Conversation,
    model=st.just("m"),
    system=st.lists(st.builds(Text, ANY_TEXT), max_size=2).map(tuple),
    turns=st.lists(
        st.builds(Turn, st.sampled_from(Role), st.lists(ANY_PART, max_size=4).map(tuple)), max_size=5
    ).map(tuple),
    tools=st.lists(ANY_TOOL, max_size=3).map(tuple),
    thinking=st.none()
    | st.builds(
        Thinking,
        st.none() | st.sampled_from(Effort),
        st.none() | st.integers(0, 10**6),
        st.booleans(),
        st.sampled_from(["", "none", "summary", "full"]),
    ),
    format=st.none() | st.builds(OutputFormat, schema=st.none() | OBJECTS),
)


@settings(max_examples=50)
@given(
    ANY_CONVERSATION,
    st.sampled_from(["gemini-2.5-pro", "gemini-3-flash-preview", "gemma-4"]),
    st.booleans(),
)
def test_any_conversation_becomes_a_request_that_the_sdk_accepts(
    conversation: Conversation, model: str, json_schema: bool
) -> None:
    target = Target(Wire.GENERATE, "g", model, json_schema=json_schema)
    check_request(CODEC.write_request(conversation, target, Notes()))


@settings(max_examples=80)
@given(st.lists(ANY_PART, max_size=5), st.sampled_from(StopReason))
def test_any_answer_becomes_one_that_the_sdk_accepts(parts: list[Any], reason: StopReason) -> None:
    reply = Reply(tuple(parts), reason)
    check_answer(json.loads(CODEC.write_reply(reply, HEAD)))
    written = CODEC.writer(HEAD).write(reply.events())
    for chunk in chunks(written):
        check_answer(chunk)
    assert json.loads(CODEC.writer(ARRAY).write(reply.events())) == chunks(written)


ANSWERS = st.lists(
    st.one_of(
        st.builds(lambda text: [Text(text)], WORDS),
        st.builds(lambda text, data: [Reasoning(text, Seal(Wire.GENERATE, data)), Text(text)], WORDS, BASE64),
        st.builds(lambda name, arguments: [ToolCall("id", name, arguments)], IDENT, ARGUMENTS),
        st.builds(lambda seal, text: [seal, Text(text)], SEALS, WORDS),
        st.builds(lambda picture: [picture], PICTURES),
    ),
    max_size=4,
)


def folded(events: list[Event]) -> list[Part]:
    """Parts with the text of neighbours joined, for a stream has no joints."""
    parts: list[Part] = []
    for event in events:
        if isinstance(event, PartStart):
            parts.append(event.part)
        last = parts[-1] if parts else None
        if isinstance(event, Delta):
            if isinstance(last, Text):
                parts[-1] = Text(last.text + event.text)
            elif isinstance(last, Reasoning):
                parts[-1] = Reasoning(last.text + event.text, last.seal)
            elif isinstance(last, ToolCall):
                parts[-1] = ToolCall(last.id, last.name, last.arguments + event.text)
        elif isinstance(event, PartEnd) and event.seal is not None and isinstance(last, Reasoning):
            parts[-1] = Reasoning(last.text, event.seal)
    return parts


@settings(max_examples=60)
@given(ANSWERS, st.booleans(), st.integers(1, 7))
def test_an_answer_that_gemini_can_give_comes_back_from_its_stream(
    groups: list[list[Part]], events: bool, size: int
) -> None:
    parts = [part for group in groups for part in group]
    reason = StopReason.TOOL_USE if any(isinstance(part, ToolCall) for part in parts) else StopReason.END
    sent = Reply(tuple(parts), reason).events()
    data = CODEC.writer(HEAD if events else ARRAY).write(sent)
    reader = CODEC.reader()
    pieces = (data[at : at + size * 50] for at in range(0, len(data), size * 50))
    got = [event for piece in pieces for event in reader.feed(piece)] + reader.close()
    assert got[-1] == Finish(reason)
    assert visible(folded(got)) == visible(folded(sent))


def visible(parts: list[Part]) -> tuple[str, str, list[Part], list[str]]:
    """Text, thoughts, calls and pictures, and the seals, each in order."""
    return (
        "".join(part.text for part in parts if isinstance(part, Text)),
        "".join(part.text for part in parts if isinstance(part, Reasoning)),
        [part for part in parts if isinstance(part, ToolCall | Media)],
        [part.seal.data for part in parts if isinstance(part, Reasoning) and part.seal is not None],
    )


FIELDS = ["role", "parts", "text", "thought", "thoughtSignature", "functionCall", "function_response", "name"]
FIELDS += ["args", "response", "id", "inlineData", "data", "mimeType", "mode", "functionDeclarations", "type"]
FIELDS += ["parameters", "properties", "items", "functionCallingConfig", "thinkingConfig", "temperature"]
SECTIONS = ["systemInstruction", "tools", "toolConfig", "generationConfig", "labels"]
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=80)
@given(JUNK | st.lists(JUNK, max_size=3), st.dictionaries(st.sampled_from(SECTIONS), JUNK, max_size=3))
def test_any_request_is_read_or_refused_by_the_name_of_a_field(contents: Any, rest: dict[str, Any]) -> None:
    body = json.dumps({"contents": contents, **rest}).encode()
    refused: BadBody | None = None
    try:
        conversation = CODEC.read_request(body, model="m", stream=False)
    except BadBody as error:
        refused = error
    else:
        json.loads(CODEC.write_request(conversation, Target(Wire.GENERATE, "g", "gemini-3-pro"), Notes()))
    assert refused is None or refused.param
