"""A tool's request, read."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.model import Wire
from waystation.wire.bad_body import BadBody
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
    Role,
    Seal,
    ServerTool,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from waystation.wire.codecs.chat import CODEC

HI = {"role": "user", "content": "hi"}
REAL = [
    json.loads(line)
    for line in (Path(__file__).parent / "fixtures/chat_requests.jsonl").read_text().splitlines()
]


def read(*messages: Any, **fields: Any) -> Conversation:
    body = {"model": "m", "messages": list(messages) or [HI], **fields}
    return CODEC.read_request(json.dumps(body).encode(), model="m", stream=bool(fields.get("stream")))


def said(*messages: Any) -> list[Part]:
    (turn,) = read(*messages).turns
    return list(turn.parts)


def refusal_of(body: bytes) -> BadBody | None:
    """None for a request that can be read; anything but a BadBody is a fault."""
    try:
        CODEC.read_request(body, model="m", stream=False)
    except BadBody as refusal:
        return refusal
    return None


def refused(*messages: Any, **fields: Any) -> str:
    with pytest.raises(BadBody) as refusal:
        read(*messages, **fields)
    assert refusal.value.param is not None
    assert refusal.value.param in refusal.value.message
    return refusal.value.param


@pytest.mark.parametrize("real", REAL, ids=[f"{one['tool']}-{at}" for at, one in enumerate(REAL)])
def test_real_requests_are_read_without_loss(real: dict[str, Any]) -> None:
    body = real["body"]
    found = CODEC.read_request(json.dumps(body).encode(), model=body["model"], stream=True)
    assert found.extras == {}
    assert not any(isinstance(part, Native) for turn in found.turns for part in turn.parts)
    assert [tool.name for tool in found.tools if isinstance(tool, FunctionTool)] == [
        tool["function"]["name"] for tool in body.get("tools", [])
    ]
    assert [turn.role.value for turn in found.turns] == [
        {"tool": "user"}.get(message["role"], message["role"]) for message in body["messages"][1:]
    ]
    assert found.system[0].text == body["messages"][0]["content"]
    assert found.include_usage
    assert found.max_output == body.get("max_tokens", body.get("max_completion_tokens"))
    if "reasoning_effort" in body:
        assert found.thinking == Thinking(Effort.MEDIUM)


# Messages


def test_leading_instructions_are_the_system_and_later_ones_turns() -> None:
    found = read(
        {"role": "system", "content": "a"},
        {"role": "developer", "content": [{"type": "text", "text": "b"}, {"type": "text", "text": "c"}]},
        HI,
        {"role": "developer", "content": "d"},
    )
    assert found.system == (Text("a"), Text("b"), Text("c"))
    assert found.turns == (Turn(Role.USER, (Text("hi"),)), Turn(Role.SYSTEM, (Text("d"),)))


PDF = "JVBERi0xLjQK"


@pytest.mark.parametrize(
    ("part", "read_as"),
    [
        ({"type": "text", "text": "a"}, Text("a")),
        ({"type": "input_text", "text": "a"}, Text("a")),
        (
            {"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low"}},
            Media(MediaKind.IMAGE, url="https://x/a.png", detail="low"),
        ),
        ({"type": "image_url", "image_url": "https://x/a"}, Media(MediaKind.IMAGE, url="https://x/a")),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
            Media(MediaKind.IMAGE, "image/png", data="iVBO"),
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:image/svg+xml,%3Csvg%2F%3E"}},
            Media(MediaKind.IMAGE, "image/svg+xml", data="PHN2Zy8+"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            Media(MediaKind.AUDIO, "audio/wav", data="UklG"),
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "data:audio/mpeg;base64,UklG", "format": "mpeg"}},
            Media(MediaKind.AUDIO, "audio/mpeg", data="UklG"),
        ),
        (
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"},
            },
            Media(MediaKind.DOCUMENT, "application/pdf", data=PDF, name="a.pdf"),
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
            Media(MediaKind.DOCUMENT, "application/pdf", data=PDF, name="a.pdf"),
        ),
        (
            {"type": "file", "file": {"filename": "a.txt", "file_data": "aGk="}},
            Media(MediaKind.DOCUMENT, "text/plain", data="hi", name="a.txt"),
        ),
        (
            {"type": "file", "file": {"file_data": "data:video/mp4;base64,AAAA"}},
            Media(MediaKind.VIDEO, "video/mp4", data="AAAA"),
        ),
        ({"type": "file", "file": {"file_id": "file-1"}}, Media(MediaKind.DOCUMENT, file_id="file-1")),
        (
            {"type": "video_url", "video_url": {"url": "https://x/a.mp4"}},
            Media(MediaKind.VIDEO, url="https://x/a.mp4"),
        ),
        ({"type": "brand_new", "x": 1}, Native(Wire.CHAT, "brand_new", {"type": "brand_new", "x": 1})),
    ],
)
def test_parts_of_a_users_message(part: dict[str, Any], read_as: Part) -> None:
    assert said({"role": "user", "content": [part]}) == [read_as]


def test_E78_empty_texts_and_messages_are_left_out() -> None:
    assert said({"role": "assistant", "content": ""}, HI) == [Text("hi")]
    assert said(
        {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "a"}]}
    ) == [Text("a")]


CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


def test_E74_results_of_one_turn_are_one_turn() -> None:
    found = read(
        HI,
        {"role": "assistant", "content": "", "tool_calls": [CALL, {**CALL, "id": "call_2"}]},
        {"role": "tool", "tool_call_id": "call_2", "content": "b"},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "a"}], "name": "f"},
        {"role": "user", "content": "go on"},
    )
    assert found.turns[1:] == (
        Turn(Role.ASSISTANT, (ToolCall("call_1", "f", '{"a":1}'), ToolCall("call_2", "f", '{"a":1}'))),
        Turn(Role.USER, (ToolResult("call_2", (Text("b"),)), ToolResult("call_1", (Text("a"),), name="f"))),
        Turn(Role.USER, (Text("go on"),)),
    )


def test_E77_pictures_in_results_are_kept() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}
    (part,) = said({"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "a"}, image]})
    assert part == ToolResult("c", (Text("a"), Media(MediaKind.IMAGE, "image/png", data="iVBO")))


def test_E96_what_nobody_knows_in_a_result_is_text() -> None:
    (part,) = said({"role": "tool", "tool_call_id": "c", "content": [{"type": "new", "x": 1}]})
    assert part == ToolResult("c", (Text('{"type":"new","x":1}'),))


def test_E70_a_result_without_an_id_is_left_to_be_paired() -> None:
    for message in ({"role": "tool", "content": "a"}, {"role": "tool", "tool_call_id": None, "content": "a"}):
        assert said(message) == [ToolResult("", (Text("a"),))]


def test_arguments_that_are_an_object_or_missing() -> None:
    def arguments(function: dict[str, Any]) -> str:
        (call,) = said({"role": "assistant", "tool_calls": [{"id": "c", "function": function}]})
        assert isinstance(call, ToolCall)
        return call.arguments

    assert arguments({"name": "f", "arguments": {"a": 1}}) == '{"a":1}'
    assert arguments({"name": "f", "arguments": None}) == "{}"
    assert arguments({"name": "f", "arguments": '{"a":'}) == '{"a":'  # the model's own words


def test_E31_custom_calls_and_their_results() -> None:
    call = {"id": "c", "type": "custom", "custom": {"name": "ApplyPatch", "input": "*** Begin"}}
    found = read(
        {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "ok"}
    )
    assert found.turns[0].parts == (ToolCall("c", "ApplyPatch", "*** Begin", custom=True),)
    assert found.turns[1].parts == (ToolResult("c", (Text("ok"),), custom=True),)


def test_the_old_functions_are_tools_with_ids_of_their_own() -> None:
    found = read(
        HI,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "2"},
        functions=[{"name": "f", "parameters": {"type": "object"}}],
        function_call={"name": "f"},
    )
    calls = [part.id for turn in found.turns for part in turn.parts if isinstance(part, ToolCall)]
    results = [part.call_id for turn in found.turns for part in turn.parts if isinstance(part, ToolResult)]
    assert calls == results
    assert len(set(calls)) == 2
    assert found.tools == (FunctionTool("f", parameters={"type": "object"}),)
    assert found.tool_choice == ToolChoice("named", ("f",))
    assert found.parallel_tools is False
    assert found.legacy_functions
    assert found.extras == {}


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_are_reasoning_and_never_text(field: str) -> None:
    assert said({"role": "assistant", "content": "a", field: "hm"}) == [Reasoning("hm"), Text("a")]


def test_signed_details_are_a_seal() -> None:
    details = [{"type": "reasoning.text", "text": "hm", "signature": "c2ln"}]
    first, second = said({"role": "assistant", "content": "a", "reasoning_details": details})
    assert isinstance(first, Reasoning)
    assert first.text == "hm"
    assert first.seal == Seal(Wire.CHAT, json.dumps(details, separators=(",", ":")))
    assert second == Text("a")


def test_mistrals_thoughts_and_refusals_are_parts() -> None:
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "refusal", "refusal": "no"},
    ]
    assert said({"role": "assistant", "content": content}) == [Reasoning("hm"), Text("no", refusal=True)]
    assert said({"role": "assistant", "content": None, "refusal": "no"}) == [Text("no", refusal=True)]


def test_unknown_fields_of_messages_are_kept() -> None:
    assert said({"role": "user", "content": "a", "name": "anna", "nothing": None}) == [
        Text("a"),
        Native(Wire.CHAT, "name", {"name": "anna"}),
    ]
    assert said({"role": "assistant", "content": "a", "audio": {"id": "x"}}) == [
        Text("a"),
        Native(Wire.CHAT, "audio", {"audio": {"id": "x"}}),
    ]


def test_E60_cache_marks_in_every_place_where_tools_put_them() -> None:
    mark = {"type": "ephemeral"}
    found = read(
        {
            "role": "system",
            "content": [{"type": "text", "text": "s", "cache_control": {**mark, "ttl": "1h"}}],
        },
        {"role": "user", "content": "a", "cache_control": mark},
        {
            "role": "user",
            "content": [{"type": "text", "text": "b", "prompt_cache_breakpoint": {"mode": "explicit"}}],
        },
        {"role": "assistant", "tool_calls": [{**CALL, "cache_control": mark}]},
        {"role": "tool", "tool_call_id": "call_1", "content": "r", "cache_control": mark},
        tools=[{"type": "function", "function": {"name": "f"}, "cache_control": mark}],
    )
    assert found.system == (Text("s", CacheMark("1h")),)
    assert [turn.parts[0] for turn in found.turns] == [
        Text("a", CacheMark()),
        Text("b", CacheMark()),
        ToolCall("call_1", "f", '{"a":1}', cache=CacheMark()),
        ToolResult("call_1", (Text("r"),), cache=CacheMark()),
    ]
    assert found.tools == (FunctionTool("f", cache=CacheMark()),)


# Tools


def test_functions_as_tools_send_them() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    found = read(
        tools=[
            {
                "type": "function",
                "function": {"name": "f", "description": "d", "parameters": schema, "strict": True},
            },
            {"type": "function", "name": "g", "parameters": schema},
            {"function": {"name": "h"}},
        ]
    )
    assert found.tools == (
        FunctionTool("f", "d", schema, True),
        FunctionTool("g", parameters=schema),
        FunctionTool("h"),
    )


def test_E31_custom_tools_of_openai_and_of_cursor() -> None:
    grammar = {"syntax": "lark", "definition": 'start: "x"'}
    flat = {"type": "grammar", **grammar}
    found = read(
        tools=[
            {"type": "custom", "custom": {"name": "a", "format": {"type": "grammar", "grammar": grammar}}},
            {"type": "custom", "name": "b", "description": "d", "format": flat},
            {"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}},
        ]
    )
    assert found.tools == (CustomTool("a", format=flat), CustomTool("b", "d", flat), CustomTool("c"))


def test_E80_tools_of_the_server_are_kept_as_such() -> None:
    raw = {"type": "web_search", "max_results": 3}
    assert read(tools=[raw]).tools == (ServerTool(Wire.CHAT, "web_search", raw),)


@pytest.mark.parametrize(
    ("value", "choice"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("any")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("named", ("f",))),
        ({"type": "custom", "custom": {"name": "f"}}, ToolChoice("named", ("f",))),
        ({"type": "function", "name": "f"}, ToolChoice("named", ("f",))),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [
                        {"type": "function", "function": {"name": "f"}},
                        {"type": "custom", "custom": {"name": "g"}},
                    ],
                },
            },
            ToolChoice("allowed", ("f", "g"), required=True),
        ),
    ],
)
def test_tool_choice(value: Any, choice: ToolChoice) -> None:
    assert read(tool_choice=value).tool_choice == choice


# Settings


def test_settings() -> None:
    found = read(
        max_tokens=1,
        max_completion_tokens=2,
        temperature=0,
        top_p=0.5,
        top_k=40,
        stop="X",
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=-0.1,
        parallel_tool_calls=False,
        verbosity="low",
        service_tier="flex",
        user="anna",
        prompt_cache_key="k",
    )
    assert found == Conversation(
        model="m",
        turns=(Turn(Role.USER, (Text("hi"),)),),
        max_output=2,
        temperature=0,
        top_p=0.5,
        top_k=40,
        stop=("X",),
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=-0.1,
        parallel_tools=False,
        verbosity="low",
        service_tier="flex",
        user="anna",
        cache_key="k",
    )
    assert read(safety_identifier="s", user="u").user == "s"
    assert read(stop=["a", "", "b"]).stop == ("a", "b")


def test_E48_whether_usage_is_wanted() -> None:
    assert not read(stream=True).include_usage
    assert read(stream=True, stream_options={"include_usage": True}).include_usage
    assert not read(stream=True, stream_options={"include_usage": False}).include_usage


@pytest.mark.parametrize(
    ("value", "read_as"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, OutputFormat()),
        ({"type": "json_object", "schema": {"type": "object"}}, OutputFormat({"type": "object"})),
        (
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "n",
                    "schema": {"type": "object"},
                    "strict": True,
                    "description": "d",
                },
            },
            OutputFormat({"type": "object"}, "n", "d", True),
        ),
    ],
)
def test_response_format(value: Any, read_as: OutputFormat | None) -> None:
    assert read(response_format=value).format == read_as


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({"reasoning_effort": "high"}, Thinking(Effort.HIGH)),
        ({"reasoning_effort": "none"}, Thinking(Effort.NONE)),
        ({"reasoning": {"effort": "low", "exclude": True}}, Thinking(Effort.LOW, show="none")),
        ({"reasoning": {"max_tokens": 2000}}, Thinking(budget=2000)),
        ({"reasoning": {"enabled": True}}, Thinking(adaptive=True)),
        ({"reasoning": {"enabled": False}}, Thinking(Effort.NONE)),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, Thinking(budget=2000)),
        ({"thinking": {"type": "enabled"}}, Thinking(adaptive=True)),
        ({"thinking": {"type": "disabled"}}, Thinking(budget=0)),
        ({"thinking": {"type": "enabled"}, "reasoning_effort": "high"}, Thinking(Effort.HIGH)),
        ({}, None),
    ],
)
def test_thinking_in_the_words_of_several_servers(fields: dict[str, Any], thinking: Thinking | None) -> None:
    found = read(**fields)
    assert found.thinking == thinking
    assert found.extras == {}


def test_fields_that_only_this_protocol_knows_are_kept() -> None:
    extras = {
        "logprobs": True,
        "logit_bias": {"1": 2},
        "prediction": {"type": "content", "content": "a"},
        "modalities": ["text", "audio"],
        "enable_thinking": False,
        "chat_template_kwargs": {"enable_thinking": False},
        "reasoning_effort": "galactic",
        "response_format": {"type": "grammar", "grammar": "x"},
        "web_search_options": {},
        "brand_new": 1,
    }
    assert read(**extras).extras == extras


def test_fields_that_mean_nothing_elsewhere_are_not() -> None:
    quiet = {
        "store": False,
        "metadata": {"a": "b"},
        "n": 1,
        "logprobs": False,
        "modalities": ["text"],
        "usage": {"include": True},
        "prompt_cache_retention": "24h",
        "logit_bias": None,
        "stream_options": {"include_obfuscation": False},
    }
    assert read(**quiet).extras == {}


# Refusals


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        (["hi"], "messages[0]"),
        ([HI, {"content": "x"}], "messages[1].role"),
        ([{"role": "critic", "content": "x"}], "messages[0].role"),
        ([{"role": "user", "content": 3}], "messages[0].content"),
        ([{"role": "user", "content": [3]}], "messages[0].content[0]"),
        ([{"role": "user", "content": [{"text": "a"}]}], "messages[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "text", "text": 3}]}], "messages[0].content[0].text"),
        ([{"role": "user", "content": [{"type": "image_url"}]}], "messages[0].content[0].image_url.url"),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": []}]}],
            "messages[0].content[0].image_url",
        ),
        (
            [{"role": "user", "content": [{"type": "file", "file": {}}]}],
            "messages[0].content[0].file.file_data",
        ),
        (
            [{"role": "user", "content": [{"type": "input_audio"}]}],
            "messages[0].content[0].input_audio.data",
        ),
        ([{"role": "assistant", "tool_calls": {}}], "messages[0].tool_calls"),
        ([{"role": "assistant", "tool_calls": [3]}], "messages[0].tool_calls[0]"),
        ([{"role": "assistant", "tool_calls": [{"id": "c"}]}], "messages[0].tool_calls[0].function"),
        (
            [{"role": "assistant", "tool_calls": [{"function": {"arguments": "{}"}}]}],
            "messages[0].tool_calls[0].function.name",
        ),
        (
            [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": [1]}}]}],
            "messages[0].tool_calls[0].function.arguments",
        ),
        ([{"role": "tool", "tool_call_id": 3, "content": "a"}], "messages[0].tool_call_id"),
        ([{"role": "assistant", "function_call": "x"}], "messages[0].function_call"),
    ],
)
def test_a_refusal_names_the_field_in_the_messages(messages: list[Any], param: str) -> None:
    assert refused(*messages) == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": {}}, "messages"),
        ({"n": 2}, "n"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"stop": [1]}, "stop"),
        ({"stop": 1}, "stop"),
        ({"tools": {}}, "tools"),
        ({"tools": [1]}, "tools[0]"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": 1}}]}, "tools[0].function.parameters"),
        ({"tools": [{"type": "custom", "custom": {"name": ""}}]}, "tools[0].custom.name"),
        ({"functions": [1]}, "functions[0]"),
        ({"functions": [{"name": 1}]}, "functions[0].name"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.function.name"),
        ({"tool_choice": 1}, "tool_choice"),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": [1]}}}, "tool_choice.allowed_tools.tools"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        ({"stream_options": 1}, "stream_options"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
        ({"user": 1}, "user"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_field_at_the_top(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields) == param


@pytest.mark.parametrize(
    "body", [b"", b"nonsense", b"\xff", b"[]", b"3", b'{"messages":[', b'{"a":"\\ud800"}']
)
def test_a_body_that_is_no_json_object(body: bytes) -> None:
    with pytest.raises(BadBody):
        CODEC.read_request(body, model="m", stream=False)


@pytest.mark.parametrize("depth", [500, 900, 1500, 100_000])
def test_a_body_nested_deeper_than_anything(depth: int) -> None:
    body = b'{"messages":[{"role":"user","content":"hi"}],"x":%b}' % (b"[" * depth + b"]" * depth)
    refusal = refusal_of(body)
    assert refusal is None or "nested" in refusal.message


def test_two_thousand_tools_and_schemas_a_hundred_deep() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        schema = {"type": "object", "properties": {"a": schema}}
    tools = [{"type": "function", "function": {"name": f"f{at}", "parameters": schema}} for at in range(2000)]
    assert len(read(tools=tools).tools) == 2000


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = ["role", "content", "type", "text", "tool_calls", "function", "name", "arguments", "id", "tool_call_id", "reasoning_details", "image_url", "url", "file", "file_data", "custom", "input", "cache_control"]  # fmt: skip
words = st.sampled_from(["user", "assistant", "tool", "function", "system", "text", "image_url", "custom", "file", "data:,", "data:;base64,", "c~ws10AAAA"])  # fmt: skip
messy = st.recursive(
    json_values | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(names), inner, max_size=5),
    max_leaves=20,
)


@given(
    st.dictionaries(
        st.sampled_from(
            [
                "messages",
                "tools",
                "tool_choice",
                "functions",
                "thinking",
                "reasoning",
                "response_format",
                "stop",
            ]
        ),
        messy,
    )
)
def test_whatever_is_sent_is_read_or_refused(fields: dict[str, Any]) -> None:
    refusal = refusal_of(json.dumps({"messages": [HI], **fields}).encode())
    assert refusal is None or refusal.param


@given(
    st.lists(messy, min_size=1, max_size=4),
    st.sampled_from(["user", "assistant", "tool", "system", "function"]),
)
def test_whatever_is_said_is_read_or_refused(contents: list[Any], role: str) -> None:
    for message in (
        {"role": role, "content": contents},
        {"role": role, "tool_calls": contents, "content": "a"},
    ):
        refusal = refusal_of(json.dumps({"messages": [message]}).encode())
        assert refusal is None or (refusal.param or "").startswith("messages[0]")
