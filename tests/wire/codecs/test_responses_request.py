"""A tool's request in the Responses protocol, read."""

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
from waystation.wire.codecs.responses import CODEC
from waystation.wire.codecs.seal import wrap

RECORDED = Path(__file__).parent / "fixtures"


def read(**fields: Any) -> Conversation:
    return CODEC.read_request(
        json.dumps({"model": "m", "input": "hi", **fields}).encode(), model="m", stream=False
    )


def read_items(*items: Any) -> Conversation:
    return read(input=list(items))


def recorded(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (RECORDED / name).read_text().splitlines()]


def refused(**fields: Any) -> BadBody:
    with pytest.raises(BadBody) as caught:
        read(**fields)
    return caught.value


# What real tools send.


def test_a_first_request_of_codex_is_understood_whole() -> None:
    body = recorded("codex_requests.jsonl")[0]
    asked = CODEC.read_request(json.dumps(body).encode(), model="gpt-5.4", stream=True)
    assert asked.stream
    assert len(asked.system) == 3
    assert [turn.role for turn in asked.turns] == [Role.USER, Role.USER]
    assert asked.turns[-1].parts == (Text("create hello.txt containing hi"),)
    assert asked.cache_key == body["prompt_cache_key"]
    assert asked.thinking == Thinking(show="summary")
    assert asked.parallel_tools is True
    assert asked.tool_choice == ToolChoice("auto")
    assert asked.extras == {}
    shell = asked.tools[0]
    assert isinstance(shell, FunctionTool)
    assert (shell.name, shell.strict) == ("exec_command", False)
    assert asked.tools[-1] == ServerTool(
        Wire.RESPONSES, "web_search", {"type": "web_search", "external_web_access": False}
    )


def test_a_second_request_of_codex_has_the_call_and_its_result() -> None:
    body = recorded("codex_requests.jsonl")[1]
    asked = CODEC.read_request(json.dumps(body).encode(), model="gpt-5.4", stream=True)
    call, result = asked.turns[-2], asked.turns[-1]
    assert call == Turn(
        Role.ASSISTANT,
        (ToolCall("call_8", "exec_command", '{"cmd": "printf \'hi\\\\n\' > hello.txt"}'),),
    )
    assert result.role is Role.USER
    assert isinstance(result.parts[0], ToolResult)
    assert result.parts[0].call_id == "call_8"


def test_requests_of_continue_are_understood_whole() -> None:
    for body in recorded("cn_requests.jsonl"):
        asked = CODEC.read_request(json.dumps(body).encode(), model="gpt-5.4", stream=True)
        assert asked.parallel_tools is False
        assert asked.extras == {}
        assert [tool.name for tool in asked.tools if isinstance(tool, FunctionTool)] == ["Read", "Write"]
    assert asked.turns[-1].parts == (ToolResult("call_48"),)  # it said nothing


# Input.


def test_a_string_is_what_the_user_says() -> None:
    assert read().turns == (Turn(Role.USER, (Text("hi"),)),)


def test_leading_instructions_are_the_system_and_later_ones_a_turn() -> None:
    asked = read(
        instructions="one",
        input=[
            {"role": "developer", "content": [{"type": "input_text", "text": "two"}]},
            {"type": "message", "role": "system", "content": "three"},
            {"role": "user", "content": "hi"},
            {"role": "developer", "content": "four"},
        ],
    )
    assert asked.system == (Text("one"), Text("two"), Text("three"))
    assert asked.turns[1] == Turn(Role.SYSTEM, (Text("four"),))


def test_items_of_the_model_in_a_row_are_one_turn() -> None:
    asked = read_items(
        {"role": "user", "content": "a"},
        {"role": "user", "content": "b"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "c"}]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "2", "name": "apply_patch", "input": "*** Begin"},
        {"type": "function_call_output", "call_id": "1", "output": "x"},
        {"type": "custom_tool_call_output", "call_id": "2", "output": "y"},
        {"role": "user", "content": "d"},
    )
    assert [turn.role for turn in asked.turns] == [
        Role.USER,
        Role.USER,
        Role.ASSISTANT,
        Role.USER,
        Role.USER,
    ]
    assert asked.turns[2].parts == (
        Reasoning(seal=Seal(Wire.RESPONSES, "gAAA"), id="rs_1"),
        Text("c"),
        ToolCall("1", "f", "{}"),
        ToolCall("2", "apply_patch", "*** Begin", custom=True),
    )
    assert asked.turns[3].parts == (
        ToolResult("1", (Text("x"),)),
        ToolResult("2", (Text("y"),), custom=True),
    )


def test_E70_a_result_without_an_id_is_kept_for_pairing_by_order() -> None:
    asked = read_items(
        {"type": "function_call", "call_id": "", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "output": "x"},
        {"type": "function_call_output", "call_id": None, "output": "y"},
    )
    assert asked.turns[0].parts == (ToolCall("", "f", "{}"),)
    assert asked.turns[1].parts == (ToolResult("", (Text("x"),)), ToolResult("", (Text("y"),)))


def test_E77_a_result_with_an_image_keeps_it() -> None:
    asked = read_items(
        {
            "type": "function_call_output",
            "call_id": "1",
            "output": [
                {"type": "input_text", "text": "a picture"},
                {"type": "input_image", "image_url": "data:image/png;base64,iVBOR", "detail": "high"},
                {"type": "encrypted_content", "encrypted_content": "xyz"},
            ],
        }
    )
    result = asked.turns[0].parts[0]
    assert isinstance(result, ToolResult)
    assert result.content[:2] == (
        Text("a picture"),
        Media(MediaKind.IMAGE, "image/png", data="iVBOR", detail="high"),
    )
    assert result.content[2] == Text("[Content that only the provider it came from can read.]")


def test_a_result_that_says_it_failed_is_an_error() -> None:
    asked = read_items(
        {"type": "function_call_output", "call_id": "1", "output": {"content": "no", "success": False}}
    )
    assert asked.turns[0].parts == (ToolResult("1", (Text("no"),), is_error=True),)


def test_E78_empty_texts_are_left_out() -> None:
    asked = read_items(
        {
            "role": "user",
            "content": [{"type": "input_text", "text": ""}, {"type": "input_text", "text": "a"}],
        },
        {"role": "assistant", "content": ""},
        {"type": "function_call_output", "call_id": "1", "output": ""},
    )
    assert asked.turns == (Turn(Role.USER, (Text("a"),)), Turn(Role.USER, (ToolResult("1"),)))


def test_E26_a_reasoning_item_with_nothing_in_it_is_left_out() -> None:
    assert read_items({"type": "reasoning", "id": "rs_1", "summary": []}).turns == ()


def test_E25_a_foreign_seal_comes_out_of_its_envelope() -> None:
    seal = Seal(Wire.MESSAGES, "EqQB", "anthropic")
    asked = read_items(
        {
            "type": "reasoning",
            "id": "rs_ours",
            "summary": [{"type": "summary_text", "text": "a\n\nb"}],
            "encrypted_content": wrap(seal),
        }
    )
    assert asked.turns[0].parts == (Reasoning("a\n\nb", seal),)


def test_media_of_every_kind() -> None:
    plain = {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}
    asked = read_items(
        {
            "role": "user",
            "content": [
                {"type": "input_image", "image_url": "https://example.org/a.png", "detail": "auto"},
                {"type": "input_image", "file_id": "file_1"},
                {"type": "input_file", "filename": "a.pdf", "file_data": "JVBERi0="},
                {"type": "input_file", "file_url": "https://example.org/a.pdf"},
                plain,
                {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
                {"type": "input_hologram", "data": 1},
            ],
        }
    )
    assert asked.turns[0].parts == (
        Media(MediaKind.IMAGE, url="https://example.org/a.png"),
        Media(MediaKind.IMAGE, file_id="file_1"),
        Media(MediaKind.DOCUMENT, "application/pdf", data="JVBERi0=", name="a.pdf"),
        Media(MediaKind.DOCUMENT, url="https://example.org/a.pdf"),
        Media(MediaKind.DOCUMENT, "text/plain", data="hi", name="a.txt"),
        Media(MediaKind.AUDIO, "audio/wav", data="UklG"),
        Native(Wire.RESPONSES, "input_hologram", {"type": "input_hologram", "data": 1}),
    )


def test_items_that_only_this_protocol_has_are_kept_as_they_are() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
    compacted = {"type": "compaction", "encrypted_content": "gAAA"}
    asked = read_items(search, compacted, {"role": "user", "content": "hi"})
    assert asked.turns[0] == Turn(Role.ASSISTANT, (Native(Wire.RESPONSES, "web_search_call", search),))
    assert asked.turns[1] == Turn(Role.USER, (Native(Wire.RESPONSES, "compaction", compacted),))


def test_tools_that_come_to_light_in_the_conversation_may_be_called() -> None:
    late = {"type": "function", "name": "late", "parameters": {"type": "object", "properties": {}}}
    asked = read(
        tools=[{"type": "function", "name": "early", "parameters": None}],
        input=[
            {"type": "additional_tools", "role": "developer", "tools": [late]},
            {"type": "tool_search_output", "call_id": "1", "execution": "client", "tools": [late]},
        ],
    )
    assert [tool.name for tool in asked.tools if isinstance(tool, FunctionTool)] == ["early", "late"]


def test_a_message_between_agents_is_said_to_the_model() -> None:
    asked = read_items(
        {
            "type": "agent_message",
            "author": "/root",
            "recipient": "/root/a",
            "content": [{"type": "input_text", "text": "count the files"}],
        }
    )
    assert asked.turns == (Turn(Role.USER, (Text("[Message from /root]"), Text("count the files"))),)


def test_a_breakpoint_of_the_cache_is_a_mark() -> None:
    part = {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}
    assert read_items({"role": "user", "content": [part]}).turns[0].parts == (
        Text("a", cache=CacheMark("1h")),
    )


# Tools.

GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: x"}


def test_E30_a_freeform_tool_keeps_its_grammar() -> None:
    asked = read(
        tools=[{"type": "custom", "name": "apply_patch", "description": "Edit.", "format": GRAMMAR}],
        tool_choice={"type": "custom", "name": "apply_patch"},
    )
    assert asked.tools == (CustomTool("apply_patch", "Edit.", GRAMMAR),)
    assert asked.tool_choice == ToolChoice("named", ("apply_patch",))


def test_a_freeform_tool_of_any_text_has_no_format() -> None:
    assert read(tools=[{"type": "custom", "name": "x", "format": {"type": "text"}}]).tools == (
        CustomTool("x"),
    )


def test_E32_tools_of_a_namespace_know_it() -> None:
    asked = read(
        tools=[
            {
                "type": "namespace",
                "name": "mcp__gw__",
                "description": "The gateway.",
                "tools": [
                    {"type": "function", "name": "lookup", "parameters": {"type": "object"}, "strict": False},
                    {"type": "custom", "name": "say"},
                ],
            }
        ],
        input=[
            {
                "type": "function_call",
                "namespace": "mcp__gw__",
                "name": "lookup",
                "call_id": "1",
                "arguments": "{}",
            }
        ],
    )
    assert asked.tools == (
        FunctionTool(
            "lookup", "", {"type": "object"}, False, "mcp__gw__", namespace_description="The gateway."
        ),
        CustomTool("say", namespace="mcp__gw__", namespace_description="The gateway."),
    )
    assert asked.turns[0].parts == (ToolCall("1", "lookup", "{}", namespace="mcp__gw__"),)


@pytest.mark.parametrize(
    "kind", ["web_search", "tool_search", "local_shell", "image_generation", "mcp", "new"]
)
def test_E80_tools_of_the_provider_are_named_as_such(kind: str) -> None:
    raw = {"type": kind, "server_label": "x"}
    assert read(tools=[raw]).tools == (ServerTool(Wire.RESPONSES, kind, raw),)


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("any")),
        ({"type": "function", "name": "f"}, ToolChoice("named", ("f",))),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("named", ("f",))),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            ToolChoice("allowed", ("f",), required=True),
        ),
    ],
)
def test_tool_choice(given: Any, understood: ToolChoice) -> None:
    assert read(tool_choice=given).tool_choice == understood


def test_a_choice_of_a_tool_of_the_provider_is_an_extra() -> None:
    asked = read(tool_choice={"type": "web_search"})
    assert asked.tool_choice is None
    assert asked.extras == {"tool_choice": {"type": "web_search"}}


# How to answer.


def test_reasoning_and_text() -> None:
    schema = {"type": "object"}
    asked = read(
        reasoning={"effort": "xhigh", "summary": "detailed", "context": "all_turns"},
        text={
            "verbosity": "low",
            "format": {"type": "json_schema", "name": "n", "schema": schema, "strict": True},
        },
    )
    assert asked.thinking == Thinking(Effort.XHIGH, show="full")
    assert asked.extras == {"reasoning.context": "all_turns"}
    assert asked.verbosity == "low"
    assert asked.format == OutputFormat(schema, "n", strict=True)


def test_an_effort_that_nobody_knows_is_an_extra() -> None:
    asked = read(reasoning={"effort": "ultra"})
    assert (asked.thinking, asked.extras) == (None, {"reasoning.effort": "ultra"})


def test_what_means_nothing_elsewhere_is_no_extra_and_the_rest_is() -> None:
    asked = read(
        store=True,
        include=["reasoning.encrypted_content", "message.output_text.logprobs"],
        client_metadata={"a": "b"},
        stream_options={"include_obfuscation": False},
        background=False,
        truncation="disabled",
        prompt_cache_retention="24h",
        previous_response_id=None,
        conversation=None,
        max_tool_calls=3,
        brand_new=None,
        also_new=1,
    )
    assert asked.extras == {
        "include": ["message.output_text.logprobs"],
        "max_tool_calls": 3,
        "also_new": 1,
    }


def test_limits_and_names() -> None:
    asked = read(
        max_output_tokens=100.0,
        temperature=1,
        top_p=0.5,
        service_tier="priority",
        user="u",
        safety_identifier="s",
        prompt_cache_key="k",
        parallel_tool_calls=False,
    )
    assert (asked.max_output, asked.temperature, asked.top_p) == (100, 1.0, 0.5)
    assert (asked.service_tier, asked.user, asked.cache_key) == ("priority", "s", "k")
    assert asked.parallel_tools is False


# What cannot be answered.


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"conversation": {"id": "conv_1"}}, "conversation"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"background": True}, "background"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [{"id": "msg_1"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": "x"}, {"type": "compaction_trigger"}]}, "input[1]"),
    ],
)
def test_E85_what_a_provider_keeps_is_refused_with_the_field_and_a_way_out(
    fields: dict[str, Any], param: str
) -> None:
    error = refused(**fields)
    assert error.param == param
    assert f"'{param}'" in error.message
    assert error.message.endswith(".")
    assert any(way in error.message for way in ("send the whole", "without", "turn the feature"))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": None}, "input"),
        ({"input": 3}, "input"),
        ({"input": ["hi"]}, "input[0]"),
        ({"input": [{"text": "hi"}]}, "input[0].type"),
        ({"input": [{"role": "user", "content": 3}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [3]}]}, "input[0].content[0]"),
        (
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": 3}]}]},
            "input[0].content[0].text",
        ),
        ({"input": [{"type": "function_call", "call_id": "1"}]}, "input[0].name"),
        ({"tools": {}}, "tools"),
        ({"tools": [{}]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "f", "parameters": "x"}]}, "tools[0].parameters"),
        ({"tools": [{"type": "namespace", "name": "n"}]}, "tools[0].tools"),
        (
            {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function"}]}]},
            "tools[0].tools[0].name",
        ),
        ({"max_output_tokens": "many"}, "max_output_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.schema"),
    ],
)
def test_bad_input_names_the_field(fields: dict[str, Any], param: str) -> None:
    assert refused(**fields).param == param


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"\xff"', b'{"input":' + b"[" * 100_000])
def test_what_is_no_request_is_a_bad_body(body: bytes) -> None:
    with pytest.raises(BadBody):
        CODEC.read_request(body, model="m", stream=False)


def test_deep_schemas_and_thousands_of_tools_are_read() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        schema = {"type": "object", "properties": {"a": schema}}
    asked = read(tools=[{"type": "function", "name": f"f{n}", "parameters": schema} for n in range(2000)])
    assert len(asked.tools) == 2000


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
strange_items = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            [
                "message",
                "reasoning",
                "function_call",
                "function_call_output",
                "custom_tool_call",
                "custom_tool_call_output",
                "additional_tools",
                "tool_search_output",
                "agent_message",
                "brand_new",
            ]
        )
    },
    optional=dict.fromkeys(
        ("role", "content", "call_id", "name", "arguments", "input", "output", "summary", "tools", "id"),
        anything,
    )
    | {
        "content": st.lists(
            st.fixed_dictionaries(
                {
                    "type": st.sampled_from(
                        ["input_text", "input_image", "input_file", "input_audio", "refusal"]
                    )
                },
                optional=dict.fromkeys(
                    ("text", "image_url", "file_data", "input_audio", "filename"), anything
                ),
            ),
            max_size=2,
        ),
        "role": st.sampled_from(["user", "assistant", "developer", "critic"]),
        "name": st.text(min_size=1, max_size=3),
        "encrypted_content": st.text(max_size=9),
    },
)


@given(
    st.fixed_dictionaries(
        {"input": st.lists(strange_items, max_size=4) | anything},
        optional=dict.fromkeys(
            (
                "tools",
                "tool_choice",
                "reasoning",
                "text",
                "include",
                "instructions",
                "max_output_tokens",
                "temperature",
                "metadata",
                "service_tier",
            ),
            anything,
        ),
    )
)
def test_no_request_does_more_than_a_bad_body(body: dict[str, Any]) -> None:
    try:
        asked = CODEC.read_request(json.dumps(body).encode(), model="m", stream=True)
    except BadBody:
        return
    assert asked.model == "m"
