"""Made-up conversations and answers for property tests, in canonical form.

`conversations` are well-formed, as a tool sends them on a good day: each call answered once, directly behind it,
ids unique. `broken_conversations` are what tools send after aborts, compactions and bugs.
"""

import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from waystation.model import Usage, Wire
from waystation.wire.canonical import (
    CacheMark,
    Conversation,
    CustomTool,
    Effort,
    FunctionTool,
    Media,
    MediaKind,
    Native,
    OutputFormat,
    Part,
    Reasoning,
    Reply,
    ResultPart,
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

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A whole PNG of one pixel."""

words: SearchStrategy[str] = st.one_of(
    st.sampled_from(
        ["hi", "naïve 猫 🐈", 'say "\\n"', "line\nline\r\n\ttab", "data: x\n\nevent: y", " ", "null"]
    ),
    st.text(min_size=1, max_size=30),
)
"""Never empty."""
safe_names: SearchStrategy[str] = st.builds(
    str.__add__, st.sampled_from("abcXYZ"), st.text("abcXYZ019_-", max_size=12)
)
strange_names: SearchStrategy[str] = st.one_of(
    safe_names,
    st.sampled_from(
        [
            "mcp__9c1d2f3a-0000-4000-8000-000000000000__get_a_very_long_name_of_a_tool_indeed",
            "mcp__9c1d2f3a-0000-4000-8000-000000000000__delete_a_very_long_name_of_a_tool_indeed",
            "fs.read",
            "fs:read",
            "0digit",
            "日本",
        ]
    ),
    st.text(min_size=1, max_size=70),
)
ids: SearchStrategy[str] = st.one_of(
    st.text("abcXYZ019_-", min_size=1, max_size=30),
    st.sampled_from(["call_1", "functions.bash:0", "fc_a|call_b", "toolu_01A", "chatcmpl-tool-" + "a" * 32]),
    st.text(min_size=1, max_size=80),
)
_scalars: SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(-1e9, 1e9), words
)
json_values: SearchStrategy[Any] = st.one_of(
    _scalars, st.lists(_scalars, max_size=2), st.dictionaries(st.text(max_size=4), _scalars, max_size=2)
)
json_objects: SearchStrategy[dict[str, Any]] = st.dictionaries(st.text(max_size=8), json_values, max_size=3)
_small_schemas: SearchStrategy[dict[str, Any]] = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "enum": ["a", "b"]},
        {"type": ["string", "null"]},
        {"type": "integer", "exclusiveMinimum": 0},
        {"const": 3},
        {"anyOf": [{"type": "string"}, {"type": "number"}]},
        {"type": "array", "items": {"type": "string"}},
        {"$ref": "#/$defs/node"},
        {},
    ]
)
schemas: SearchStrategy[dict[str, Any]] = st.dictionaries(safe_names, _small_schemas, max_size=3).map(
    lambda properties: {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": properties,
        "required": sorted(properties)[:1],
        "additionalProperties": False,
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
    }
)
marks: SearchStrategy[CacheMark | None] = st.sampled_from([None, None, CacheMark("5m"), CacheMark("1h")])

texts: SearchStrategy[Text] = st.builds(Text, words)
images: SearchStrategy[Media] = st.one_of(
    st.just(Media(MediaKind.IMAGE, "image/png", data=PIXEL)),
    st.just(Media(MediaKind.IMAGE, "image/png", url="https://example.org/a.png")),
)
media: SearchStrategy[Media] = st.one_of(
    images,
    st.just(Media(MediaKind.IMAGE, file_id="file_1")),
    st.just(Media(MediaKind.DOCUMENT, "application/pdf", data="JVBERi0xLjQK", name="a.pdf")),
    st.just(Media(MediaKind.DOCUMENT, "text/plain", data="plain words", name="a.txt")),
    st.just(Media(MediaKind.AUDIO, "audio/wav", data="UklGRg==")),
    st.just(Media(MediaKind.VIDEO, "video/mp4", url="https://example.org/a.mp4")),
)
thinkings: SearchStrategy[Thinking | None] = st.sampled_from(
    [
        None,
        Thinking(),
        Thinking(effort=Effort.HIGH),
        Thinking(effort=Effort.NONE),
        Thinking(budget=4096, show="summary"),
        Thinking(budget=0),
        Thinking(adaptive=True),
    ]
)
formats: SearchStrategy[OutputFormat | None] = st.sampled_from(
    [None, None, OutputFormat(), OutputFormat({"type": "object"}, "answer", strict=True)]
)


def seals(wire: Wire | None = None, providers: tuple[str, ...] = ("",)) -> SearchStrategy[Seal]:
    wires = st.just(wire) if wire is not None else st.sampled_from(list(Wire))
    return st.builds(Seal, wires, st.sampled_from(["c2VhbA==", "RXFNQg", ""]), st.sampled_from(providers))


@st.composite
def tool_sets(draw: DrawFn, wire: Wire | None = None, *, strange: bool = False) -> tuple[Tool, ...]:
    """Tools with distinct names; namespaces only where the protocol (`wire`, None for any) has them."""
    spaces = wire in (None, Wire.RESPONSES)
    custom = wire in (None, Wire.RESPONSES, Wire.CHAT)
    names = draw(st.lists(strange_names if strange else safe_names, max_size=4, unique=True))
    tools: list[Tool] = []
    for name in names:
        namespace = draw(st.sampled_from(["", "", "mcp__gw__", "multi_agent_v1"])) if spaces else ""
        about = f"About {namespace}" if namespace else ""
        if custom and draw(st.booleans()):
            form = draw(
                st.sampled_from([None, {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}])
            )
            tools.append(
                CustomTool(name, draw(words), form, namespace=namespace, namespace_description=about)
            )
        else:
            parameters = draw(st.one_of(st.none(), schemas))
            tools.append(
                FunctionTool(name, draw(words), parameters, namespace=namespace, namespace_description=about)
            )
    return tuple(tools)


@st.composite
def _exchanges(draw: DrawFn, tools: tuple[Tool, ...], wire: Wire | None, number: int) -> list[Turn]:
    """The user says something, the model answers, perhaps with calls, which are answered in turn."""
    said: list[Part] = [*draw(st.lists(st.one_of(texts, images), min_size=1, max_size=2))]
    turns = [Turn(Role.USER, tuple(said))]
    answer: list[Part] = []
    if draw(st.booleans()):
        answer.append(Reasoning(draw(words), draw(seals(wire))))
    if draw(st.booleans()):
        answer.append(draw(texts))
    callable_tools = [tool for tool in tools if not isinstance(tool, ServerTool)]
    results: list[Part] = []
    calls = draw(st.booleans())
    if callable_tools and calls:
        for index, tool in enumerate(draw(st.lists(st.sampled_from(callable_tools), min_size=1, max_size=3))):
            custom = isinstance(tool, CustomTool)
            arguments = draw(words) if custom else json.dumps(draw(json_objects))
            ident = f"call_{number}_{index}"
            answer.append(ToolCall(ident, tool.name, arguments, namespace=tool.namespace, custom=custom))
            content = draw(st.lists(st.one_of(texts, images), max_size=2))
            error = not custom and draw(st.booleans())
            results.append(ToolResult(ident, tuple[ResultPart, ...](content), error, custom=custom))
    if answer:
        turns.append(Turn(Role.ASSISTANT, tuple(answer)))
    if results:
        turns.append(Turn(Role.USER, tuple(results)))
    return turns


@st.composite
def conversations(draw: DrawFn, wire: Wire | None = None) -> Conversation:
    """A well-formed one. `wire`: the protocol that it came by: bare seals are its, and there is nothing in it
    that it cannot say in tools and seals; None for anything."""
    tools = draw(tool_sets(wire))
    turns: list[Turn] = []
    for number in range(draw(st.integers(1, 3))):
        turns += draw(_exchanges(tools, wire, number))
    if turns[-1].role is not Role.USER:
        turns.append(Turn(Role.USER, (draw(texts),)))
    choice = None
    if tools:
        named = draw(st.sampled_from(tools))
        assert not isinstance(named, ServerTool)
        choice = draw(
            st.sampled_from(
                [
                    None,
                    ToolChoice("auto"),
                    ToolChoice("any"),
                    ToolChoice("none"),
                    ToolChoice("named", (named.name,), namespace=named.namespace),
                ]
            )
        )
    return Conversation(
        model="a-model",
        stream=draw(st.booleans()),
        system=tuple(draw(st.lists(texts, max_size=2))),
        turns=tuple(turns),
        tools=tools,
        tool_choice=choice,
        parallel_tools=draw(st.sampled_from([None, True, False])),
        max_output=draw(st.sampled_from([None, 1, 4096, 64000])),
        temperature=draw(st.sampled_from([None, 0.0, 1.0])),
        top_p=draw(st.sampled_from([None, 0.95])),
        stop=tuple(draw(st.lists(safe_names, max_size=2))),
        thinking=draw(thinkings),
        format=draw(formats),
    )


_FEW_IDS = ["", "call_1", "call_2", "functions.bash:0", "fc_a|call_b", "c" * 70]
_FEW_NAMES = ["Read", "fs.read", "0digit", "日本", "a" * 70, "mcp__x__y"]
_spaces = st.sampled_from(["", "", "mcp__gw__", "a b"])
_broken_parts: SearchStrategy[Part] = st.one_of(
    texts,
    st.just(Text("")),
    st.builds(Text, words, marks),
    st.builds(
        Reasoning, st.one_of(st.just(""), words), st.one_of(st.none(), seals(providers=("", "p", "q")))
    ),
    st.builds(Reasoning, st.just(""), seals(), st.just(True)),
    st.builds(
        ToolCall,
        st.one_of(st.sampled_from(_FEW_IDS), ids),
        st.one_of(st.sampled_from(_FEW_NAMES), strange_names),
        st.one_of(json_objects.map(json.dumps), words, st.just("")),
        _spaces,
        st.booleans(),
        marks,
    ),
    st.builds(
        ToolResult,
        st.sampled_from(_FEW_IDS),
        st.lists(st.one_of(texts, st.just(Text("")), media), max_size=2).map(tuple),
        st.booleans(),
        st.sampled_from(["", *_FEW_NAMES]),
        st.booleans(),
        marks,
    ),
    media,
    st.builds(
        Native, st.sampled_from(list(Wire)), st.sampled_from(["server_tool_use", "brand_new"]), json_objects
    ),
)
_grammars = st.sampled_from(
    [
        None,
        {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'},
        {"type": "grammar", "syntax": "regex", "definition": "[a-z]+"},
    ]
)
_broken_tools: SearchStrategy[Tool] = st.one_of(
    st.builds(
        ServerTool,
        st.sampled_from(list(Wire)),
        st.sampled_from(["web_search_20250305", "web_search"]),
        json_objects,
    ),
    st.builds(
        FunctionTool,
        strange_names,
        words,
        st.one_of(st.none(), schemas, json_objects),
        st.sampled_from([None, True, False]),
        _spaces,
        st.sampled_from(["", "about"]),
        marks,
    ),
    st.builds(CustomTool, st.sampled_from(_FEW_NAMES), words, _grammars, _spaces),
)
_broken_choices: SearchStrategy[ToolChoice | None] = st.one_of(
    st.none(),
    st.builds(ToolChoice, st.sampled_from(["auto", "any", "none"])),
    st.builds(
        ToolChoice,
        st.sampled_from(["named", "allowed"]),
        st.lists(st.sampled_from(_FEW_NAMES), max_size=2).map(tuple),
        st.booleans(),
        _spaces,
    ),
)


def broken_conversations() -> SearchStrategy[Conversation]:
    """Anything that the structs allow: orphans, doubles, empty texts, strange ids and names, foreign seals,
    parts on the wrong side, natives and server tools of any protocol."""
    return st.builds(
        Conversation,
        model=st.just("a-model"),
        stream=st.booleans(),
        system=st.lists(st.builds(Text, st.one_of(words, st.just("")), marks), max_size=2).map(tuple),
        turns=st.lists(
            st.builds(Turn, st.sampled_from(list(Role)), st.lists(_broken_parts, max_size=4).map(tuple)),
            max_size=5,
        ).map(tuple),
        tools=st.lists(_broken_tools, max_size=4).map(tuple),
        tool_choice=_broken_choices,
        parallel_tools=st.sampled_from([None, True, False]),
        max_output=st.sampled_from([None, 0, 1, 10**9]),
        temperature=st.sampled_from([None, 0.0, 2.0]),
        top_p=st.sampled_from([None, 0.5]),
        top_k=st.sampled_from([None, 40]),
        seed=st.sampled_from([None, 7]),
        stop=st.sampled_from([(), ("stop",), ("", " ", "a", "b", "c", "d")]),
        presence_penalty=st.sampled_from([None, 0.5]),
        thinking=thinkings,
        format=formats,
        verbosity=st.sampled_from(["", "low"]),
        service_tier=st.sampled_from(["", "priority", "flex"]),
        user=st.sampled_from(["", "someone", "{" * 300]),
        cache_key=st.sampled_from(["", "thread-1", "k" * 100]),
        extras=st.sampled_from([{}, {"brand_new": 1}, {"a.b": None, "include": 3}]),
    )


@st.composite
def replies(draw: DrawFn, wire: Wire | None = None, tools: tuple[Tool, ...] = ()) -> Reply:
    """A whole answer, as a provider's `read_reply` gives it: bare seals of `wire`, functions only."""
    parts: list[Part] = []
    if draw(st.booleans()):
        parts.append(Reasoning(draw(words), draw(st.one_of(st.none(), seals(wire)))))
    parts += draw(st.lists(texts, max_size=2))
    names = [tool.name for tool in tools if isinstance(tool, FunctionTool)] or ["lookup"]
    calls = draw(st.integers(0, 3))
    for number in range(calls):
        arguments = json.dumps(draw(json_objects), ensure_ascii=draw(st.booleans()))
        parts.append(ToolCall(f"call_{number}", draw(st.sampled_from(names)), arguments))
    if not parts:
        parts.append(draw(texts))
    ends = [StopReason.END, StopReason.MAX_TOKENS, StopReason.REFUSAL]
    reason = StopReason.TOOL_USE if calls else draw(st.sampled_from(ends))
    usage = Usage(
        input=draw(st.integers(0, 999)), cache_read=draw(st.integers(0, 999)), output=7, reasoning=3
    )
    return Reply(tuple(parts), reason, usage, id="up_1", model="up-model")
