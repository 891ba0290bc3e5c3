"""What holds for every conversation."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.wire.codecs.messages_sdk import check_request
from tests.wire.conversations import broken_conversations, conversations, json_objects, marks, schemas
from waystation.model import Capabilities, Wire
from waystation.wire import BadBody
from waystation.wire.canonical import (
    Conversation,
    Effort,
    FunctionTool,
    Media,
    MediaKind,
    Native,
    OutputFormat,
    Part,
    Reasoning,
    Role,
    Seal,
    ServerTool,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from waystation.wire.codecs import Notes, Target
from waystation.wire.codecs.messages import CODEC

TARGET = Target(Wire.MESSAGES, "anthropic", "a-model", Capabilities(system_turns=True))
some = st.text(min_size=1, max_size=6).filter(lambda text: not text.isspace())
names = st.text("abXY09_-", min_size=1, max_size=6)
seals = st.builds(Seal, st.just(Wire.MESSAGES), some)
citations = st.sampled_from([(), ({"type": "char_location", "cited_text": "w"},)])
texts = st.builds(Text, some, marks)
media: SearchStrategy[Media] = st.one_of(
    st.builds(Media, st.just(MediaKind.IMAGE), st.just("image/png"), data=names, cache=marks),
    st.builds(Media, st.just(MediaKind.IMAGE), url=some),
    st.builds(
        Media, st.just(MediaKind.DOCUMENT), st.just("application/pdf"), data=names, name=st.text(max_size=4)
    ),
    st.builds(Media, st.just(MediaKind.DOCUMENT), st.just("text/plain"), data=some, cache=marks),
    st.builds(Media, st.just(MediaKind.DOCUMENT), file_id=some),
)
natives = st.one_of(
    st.just(Native(Wire.MESSAGES, "search_result", {"type": "search_result", "title": "T"})),
    st.builds(lambda raw: Native(Wire.MESSAGES, "new", {**raw, "type": "new"}), json_objects),
)
arguments = json_objects.map(lambda value: json.dumps(value, separators=(",", ":"), ensure_ascii=False))
results = st.one_of(
    st.builds(ToolResult, some, st.lists(st.one_of(texts, media), max_size=3).map(tuple), cache=marks),
    st.builds(ToolResult, some, st.lists(texts, min_size=1, max_size=2).map(tuple), st.just(True)),
)
said: SearchStrategy[Part] = st.one_of(
    st.builds(Text, some, marks, citations),
    st.builds(Reasoning, st.text(max_size=6), seals),
    st.builds(Reasoning, seal=seals, redacted=st.just(True)),
    st.builds(ToolCall, some, names, arguments, cache=marks),
    natives,
)
heard: SearchStrategy[Part] = st.one_of(texts, media, natives)


@st.composite
def _turns(draw: st.DrawFn) -> tuple[Turn, ...]:
    """Sides in turn, the user first and last, results first; instructions behind a user's turn."""
    turns: list[Turn] = []
    for _ in range(draw(st.integers(0, 2))):
        turns += _user(draw)
        turns.append(Turn(Role.ASSISTANT, tuple(draw(st.lists(said, min_size=1, max_size=3)))))
    return (*turns, *_user(draw))


def _user(draw: st.DrawFn) -> list[Turn]:
    parts = [*draw(st.lists(results, max_size=2)), *draw(st.lists(heard, min_size=1, max_size=2))]
    turns = [Turn(Role.USER, tuple(parts))]
    if draw(st.booleans()):
        turns.append(Turn(Role.SYSTEM, tuple(draw(st.lists(texts, min_size=1, max_size=2)))))
    return turns


tools: SearchStrategy[Tool] = st.one_of(
    st.builds(
        FunctionTool,
        names,
        st.text(max_size=6),
        st.one_of(st.none(), schemas),
        st.sampled_from([None, False]),
        cache=marks,
        extras=st.sampled_from([{}, {"defer_loading": True, "input_examples": [{}]}]),
    ),
    st.just(ServerTool(Wire.MESSAGES, "bash_20250124", {"type": "bash_20250124", "name": "bash"})),
)
CLOSED = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
thinking = st.one_of(
    st.none(),
    st.builds(Thinking, st.sampled_from([*Effort][2:])),
    st.builds(Thinking, st.sampled_from([None, Effort.LOW]), st.just(0)),
    st.builds(
        Thinking,
        st.sampled_from([None, Effort.MAX]),
        adaptive=st.just(True),
        show=st.sampled_from(["", "none", "summary"]),
    ),
)
choices = st.one_of(
    st.tuples(st.sampled_from([ToolChoice("auto"), ToolChoice("any")]), st.sampled_from([None, True, False])),
    st.tuples(
        st.builds(lambda name: ToolChoice("named", (name,)), names), st.sampled_from([None, True, False])
    ),
    st.sampled_from([(None, None), (ToolChoice("none"), None)]),
)


@st.composite
def expressible(draw: st.DrawFn) -> Conversation:
    """A conversation that Messages can say."""
    offered = tuple(draw(st.lists(tools, max_size=3)))
    choice, parallel = draw(choices) if offered else (None, None)
    thinks = draw(thinking)
    on = thinks is not None and (thinks.adaptive or bool(thinks.budget))
    sampling: dict[str, Any] = (
        {} if on else draw(st.sampled_from([{}, {"temperature": 0.5, "top_k": 4}, {"top_p": 0.9}]))
    )
    return Conversation(
        model="a-model",
        stream=draw(st.booleans()),
        system=tuple(draw(st.lists(texts, max_size=2))),
        turns=draw(_turns()),
        tools=offered,
        tool_choice=choice,
        parallel_tools=parallel,
        max_output=draw(st.integers(1, 10**6)),
        stop=tuple(draw(st.lists(some, max_size=2))),
        thinking=thinks,
        format=draw(st.sampled_from([None, OutputFormat(CLOSED)])),
        service_tier=draw(st.sampled_from(["", "auto", "standard_only"])),
        user=draw(st.text(max_size=8)),
        extras=draw(st.sampled_from([{}, {"context_management": {"edits": []}, "metadata.tag": 1}])),
        **sampling,
    )


def written(conversation: Conversation, target: Target = TARGET) -> tuple[bytes, Notes]:
    notes = Notes()
    return CODEC.write_request(conversation, target, notes), notes


@settings(max_examples=80)
@given(expressible())
def test_what_messages_can_say_comes_back_as_it_was(conversation: Conversation) -> None:
    body, notes = written(conversation)
    assert (notes.dropped, notes.changed) == ({}, {})
    assert CODEC.read_request(body, model="a-model", stream=conversation.stream) == conversation


@given(
    conversations(Wire.MESSAGES),
    st.sampled_from([None, "none", "effort", "budget", "adaptive"]),
    st.booleans(),
)
def test_the_sdk_takes_every_conversation(conversation: Conversation, kind: Any, samples: bool) -> None:
    capabilities = Capabilities(thinking=kind, sampling=samples, max_output=8192, structured_output=samples)
    body, _ = written(conversation, Target(Wire.MESSAGES, "anthropic", "a-model", capabilities))
    check_request(json.loads(body))


@settings(max_examples=50)
@given(broken_conversations())
def test_no_conversation_is_too_broken(conversation: Conversation) -> None:
    body, _ = written(conversation)
    messages = json.loads(body)["messages"]
    assert messages[0]["role"] == "user"
    assert all(message["content"] for message in messages)


_values: SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3), st.just("ephemeral")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["type", "text", "input", "source", "name", "content"]), inner, max_size=3
        ),
    ),
    max_leaves=5,
)
_kinds = ["text", "thinking", "redacted_thinking", "tool_use", "tool_result", "image", "document", "new"]
_fields = [
    "text",
    "thinking",
    "signature",
    "data",
    "id",
    "name",
    "input",
    "tool_use_id",
    "content",
    "source",
    "title",
]
_sources = st.fixed_dictionaries(
    {"type": st.sampled_from(["base64", "url", "file", "text", "content"])},
    optional={"data": _values, "media_type": _values, "url": _values, "content": _values},
)
_blocks = st.fixed_dictionaries(
    {"type": st.sampled_from(_kinds)},
    optional={field: st.one_of(st.text(max_size=3), _values, _sources) for field in _fields},
)
_wild = st.fixed_dictionaries(
    {
        "messages": st.lists(
            st.fixed_dictionaries(
                {
                    "role": st.sampled_from(["user", "assistant", "system"]),
                    "content": st.one_of(st.text(max_size=3), st.lists(_blocks, max_size=3), _values),
                }
            ),
            max_size=3,
        )
    },
    optional={
        field: st.one_of(_values, st.lists(_values, max_size=2))
        for field in (
            "system",
            "tools",
            "tool_choice",
            "thinking",
            "output_config",
            "metadata",
            "max_tokens",
            "x",
        )
    },
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
@given(_wild)
def test_no_request_is_too_strange(body: dict[str, Any]) -> None:
    """It is read, and what is read can be written; or a field is named."""
    params: list[str | None] = []
    try:
        written(CODEC.read_request(json.dumps(body).encode(), model="m", stream=False))
    except BadBody as error:
        params.append(error.param)
    assert None not in params
