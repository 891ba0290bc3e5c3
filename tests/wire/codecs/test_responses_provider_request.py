"""A conversation, written for a provider that speaks Responses."""

import json
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.codecs.responses_params import check
from tests.wire.conversations import broken_conversations, conversations, schemas, words
from waystation.model import Capabilities, Wire
from waystation.wire.canonical import (
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
from waystation.wire.codecs import Notes, Target
from waystation.wire.codecs.responses import CODEC

HI = (Turn(Role.USER, (Text("hi"),)),)
SEAL = Seal(Wire.RESPONSES, "gAAA")
THINKS = Capabilities(thinking="effort")


@dataclass
class Written:
    body: dict[str, Any]
    dropped: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)

    @property
    def input(self) -> Any:
        return self.body["input"]


def write(*turns: Turn, capabilities: Capabilities = THINKS, **fields: Any) -> Written:
    """Written, and valid by the official SDK's types."""
    notes = Notes()
    target = Target(Wire.RESPONSES, "openai", "gpt-5.4", capabilities)
    conversation = Conversation(model="asked-for", turns=turns or HI, **fields)
    body = check(CODEC.write_request(conversation, target, notes))
    return Written(body, list(notes.dropped), list(notes.changed))


def said(*parts: Part) -> Turn:
    return Turn(Role.ASSISTANT, parts)


def test_a_plain_request_keeps_nothing_at_the_provider() -> None:
    assert write(system=(Text("a"), Text("b")), stream=True).body == {
        "model": "gpt-5.4",
        "stream": True,
        "store": False,
        "instructions": "a\n\nb",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}],
        "include": ["reasoning.encrypted_content"],
    }


def test_what_the_model_said_is_a_message_of_its_own_kind() -> None:
    written = write(*HI, said(Text("a"), Text("b"), Text("no", refusal=True)), *HI)
    assert written.input[1] == {
        "type": "message",
        "role": "assistant",
        "id": "msg_0",
        "status": "completed",
        "content": [
            {"type": "output_text", "text": "a", "annotations": []},
            {"type": "output_text", "text": "b", "annotations": []},
            {"type": "refusal", "refusal": "no"},
        ],
    }


def test_instructions_in_mid_conversation_are_a_developer_message() -> None:
    assert write(*HI, Turn(Role.SYSTEM, (Text("be brief"),))).input[1] == {
        "type": "message",
        "role": "developer",
        "content": [{"type": "input_text", "text": "be brief"}],
    }


def test_E30_E32_calls_and_results_of_all_kinds() -> None:
    written = write(
        *HI,
        said(
            ToolCall("1", "lookup", "", namespace="mcp__gw__"),
            ToolCall("2", "apply_patch", "*** Begin", custom=True),
        ),
        Turn(
            Role.USER,
            (ToolResult("1", (Text("x"),)), ToolResult("2", custom=True), Text("and now?")),
        ),
    )
    assert written.input[1:] == [
        {
            "type": "function_call",
            "call_id": "1",
            "name": "lookup",
            "namespace": "mcp__gw__",
            "arguments": "{}",
        },
        {"type": "custom_tool_call", "call_id": "2", "name": "apply_patch", "input": "*** Begin"},
        {"type": "function_call_output", "call_id": "1", "output": "x"},
        {"type": "custom_tool_call_output", "call_id": "2", "output": ""},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "and now?"}]},
    ]


def test_E77_a_result_with_an_image_is_a_list() -> None:
    image = Media(MediaKind.IMAGE, "image/png", data="iVBOR")
    result = ToolResult("1", (Text("look"), image))
    written = write(*HI, said(ToolCall("1", "f", "{}")), Turn(Role.USER, (result,)))
    assert written.input[2]["output"] == [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,iVBOR"},
    ]
    blind = write(
        *HI,
        said(ToolCall("1", "f", "{}")),
        Turn(Role.USER, (result,)),
        capabilities=Capabilities(vision=False),
    )
    assert blind.dropped == ["image"]
    assert "cannot see images" in blind.input[2]["output"][1]["text"]


def test_a_failed_tool_that_said_nothing_is_not_taken_for_one_that_worked() -> None:
    written = write(*HI, said(ToolCall("1", "f", "{}")), Turn(Role.USER, (ToolResult("1", is_error=True),)))
    assert written.input[2]["output"] == "The tool failed and said nothing."
    assert written.dropped == ["is_error"]


def test_media() -> None:
    written = write(
        Turn(
            Role.USER,
            (
                Media(MediaKind.IMAGE, data="/9j/4AAQ"),
                Media(MediaKind.IMAGE, url="https://example.org/a.png", detail="low"),
                Media(MediaKind.DOCUMENT, "application/pdf", data="JVBERi0="),
                Media(MediaKind.DOCUMENT, "text/plain", data="hi", name="a.txt"),
                Media(MediaKind.DOCUMENT, file_id="file_1"),
                Media(MediaKind.AUDIO, "audio/wav", data="UklG"),
            ),
        )
    )
    assert written.input[0]["content"] == [
        {"type": "input_image", "detail": "auto", "image_url": "data:image/jpeg;base64,/9j/4AAQ"},
        {"type": "input_image", "detail": "low", "image_url": "https://example.org/a.png"},
        {
            "type": "input_file",
            "file_data": "data:application/pdf;base64,JVBERi0=",
            "filename": "document.pdf",
        },
        {"type": "input_file", "file_data": "data:text/plain;base64,aGk=", "filename": "a.txt"},
        {"type": "input_file", "file_id": "file_1"},
        {"type": "input_text", "text": "[Here was audio that cannot be sent to this model.]"},
    ]
    assert written.dropped == ["audio"]


# Reasoning.


def test_a_sealed_thought_is_replayed_with_its_id() -> None:
    written = write(*HI, said(Reasoning("thought", SEAL, id="rs_1"), Text("a")), *HI)
    assert written.input[1] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "thought"}],
        "encrypted_content": "gAAA",
    }


def test_a_seal_that_went_through_a_foreign_tool_still_has_its_id() -> None:
    answer = {
        "id": "resp_1",
        "status": "completed",
        "output": [
            {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"},
            {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        ],
    }
    thought, call = CODEC.read_reply(json.dumps(answer).encode()).parts
    assert isinstance(thought, Reasoning)
    came_back = Reasoning(seal=thought.seal)  # all that `thinking.signature` and the like can carry
    assert write(*HI, said(came_back, call), *HI).input[1] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [],
        "encrypted_content": "gAAA",
    }


@pytest.mark.parametrize(
    "thought",
    [
        Reasoning("bare"),
        Reasoning("ours, unsigned", Seal(Wire.RESPONSES, "")),
        Reasoning("foreign", Seal(Wire.MESSAGES, "EqQB")),
    ],
)
def test_E24_E26_a_thought_that_cannot_be_taken_back_is_dropped_and_never_said(thought: Reasoning) -> None:
    written = write(*HI, said(thought, Text("a")), *HI)
    assert [item["type"] for item in written.input] == ["message"] * 3
    assert written.dropped == ["reasoning"]


def test_a_thought_that_led_to_nothing_is_dropped() -> None:
    written = write(*HI, said(Text("a"), Reasoning("t", SEAL, id="rs_1")), *HI)
    assert [item["type"] for item in written.input] == ["message"] * 3
    assert written.dropped == ["reasoning"]
    kept = write(*HI, said(Reasoning("t", SEAL, id="rs_1")), said(ToolCall("1", "f", "{}")), *HI)
    assert [item["type"] for item in kept.input] == ["message", "reasoning", "function_call", "message"]


@pytest.mark.parametrize(
    ("thinking", "reasoning", "sealed"),
    [
        (None, None, True),
        (Thinking(Effort.MAX), {"effort": "max"}, True),
        (Thinking(Effort.LOW, show="summary"), {"effort": "low", "summary": "auto"}, True),
        (Thinking(budget=31999, show="full"), {"effort": "high", "summary": "detailed"}, True),
        (Thinking(budget=1024), {"effort": "low", "summary": "auto"}, True),
        (Thinking(budget=1024, show="none"), {"effort": "low"}, True),
        (Thinking(budget=-1), {"summary": "auto"}, True),
        (Thinking(Effort.LOW, adaptive=True), {"effort": "low", "summary": "auto"}, True),
        (Thinking(), None, True),
        (Thinking(budget=0), {"effort": "none"}, False),
        (Thinking(Effort.HIGH, budget=0), {"effort": "none"}, False),
        (Thinking(Effort.NONE), {"effort": "none"}, False),
    ],
)
def test_how_hard_to_think(thinking: Thinking | None, reasoning: Any, sealed: bool) -> None:
    body = write(thinking=thinking).body
    assert body.get("reasoning") == reasoning
    assert body.get("include") == (["reasoning.encrypted_content"] if sealed else None)


def test_where_nobody_knows_the_words_of_a_model_only_plain_ones_are_said() -> None:
    written = write(thinking=Thinking(Effort.MAX), capabilities=Capabilities())
    assert written.body["reasoning"] == {"effort": "high"}
    assert written.changed == ["reasoning.effort=high"]


def test_a_model_that_does_not_think_is_not_asked_about_it() -> None:
    body = write(thinking=Thinking(Effort.HIGH), capabilities=Capabilities(thinking="none")).body
    assert "reasoning" not in body
    assert "include" not in body
    assert "include" not in write(capabilities=Capabilities()).body  # nobody knows, nobody asked


# Tools.


def test_a_schema_is_strict_where_it_was_asked_for_and_nowhere_else() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    written = write(
        tools=(
            FunctionTool("a", "A.", schema),
            FunctionTool("b", parameters=schema, strict=True),
            FunctionTool("c"),
        )
    )
    assert written.body["tools"] == [
        {"type": "function", "name": "a", "description": "A.", "parameters": schema, "strict": False},
        {"type": "function", "name": "b", "parameters": schema, "strict": True},
        {
            "type": "function",
            "name": "c",
            "parameters": {"type": "object", "properties": {}},
            "strict": False,
        },
    ]


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ({"type": "object"}, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        (
            {
                "anyOf": [
                    {"type": "object", "properties": {"a": {"type": "string"}}},
                    {"type": "object", "properties": {"b": {}}},
                ],
                "properties": {"c": {}},
            },
            {"type": "object", "properties": {"a": {"type": "string"}, "b": {}, "c": {}}},
        ),
    ],
)
def test_a_schema_that_a_provider_would_refuse_at_its_top_is_made_an_object(schema: Any, sent: Any) -> None:
    assert write(tools=(FunctionTool("a", parameters=schema),)).body["tools"][0]["parameters"] == sent


def test_E30_E32_freeform_and_namespaces_are_native_here() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": "start: x"}
    written = write(
        tools=(
            FunctionTool("one", parameters={"type": "object", "properties": {}}, namespace="ns"),
            CustomTool("apply_patch", "Edit.", grammar),
            CustomTool("two", namespace="ns", namespace_description="Later."),
        )
    )
    assert written.body["tools"] == [
        {
            "type": "namespace",
            "name": "ns",
            "description": "ns",
            "tools": [
                {
                    "type": "function",
                    "name": "one",
                    "parameters": {"type": "object", "properties": {}},
                    "strict": False,
                },
                {"type": "custom", "name": "two"},
            ],
        },
        {"type": "custom", "name": "apply_patch", "description": "Edit.", "format": grammar},
    ]


def test_E80_tools_of_other_providers_are_dropped_with_notice() -> None:
    mine = {"type": "web_search"}
    written = write(
        tools=(
            ServerTool(Wire.MESSAGES, "web_search_20250305", {"type": "web_search_20250305"}),
            ServerTool(Wire.RESPONSES, "web_search", mine),
        )
    )
    assert written.body["tools"] == [mine]
    assert written.dropped == ["tools.web_search_20250305"]


def test_words_that_other_protocols_use_in_their_own_sense_do_not_leak() -> None:
    extras = {"defer_loading": True, "allowed_callers": ["code_execution_20250825"], "input_examples": []}
    assert set(write(tools=(FunctionTool("a", extras=extras),)).body["tools"][0]) == {
        "type",
        "name",
        "parameters",
        "strict",
    }


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (ToolChoice("auto"), "auto"),
        (ToolChoice("any"), "required"),
        (ToolChoice("none"), "none"),
        (ToolChoice("named", ("f",)), {"type": "function", "name": "f"}),
        (ToolChoice("named", ("c",)), {"type": "custom", "name": "c"}),
        (
            ToolChoice("allowed", ("f", "c"), required=True),
            {
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}],
            },
        ),
    ],
)
def test_tool_choice(choice: ToolChoice, sent: Any) -> None:
    tools = (FunctionTool("f"), CustomTool("c"))
    body = write(tools=tools, tool_choice=choice, parallel_tools=False).body
    assert body["tool_choice"] == sent
    assert body["parallel_tool_calls"] is False


def test_a_choice_among_no_tools_is_not_sent() -> None:
    body = write(tool_choice=ToolChoice("any"), parallel_tools=True).body
    assert "tool_choice" not in body
    assert "parallel_tool_calls" not in body


# Limits and the rest.


def test_a_limit_below_what_a_provider_takes_is_raised() -> None:
    written = write(max_output=1)
    assert written.body["max_output_tokens"] == 16
    assert written.changed == ["max_output_tokens=16"]
    assert write(max_output=4096).body["max_output_tokens"] == 4096


def test_a_model_that_thinks_is_not_sent_a_temperature() -> None:
    written = write(temperature=0.5, top_p=1.0)
    assert "temperature" not in written.body
    assert "top_p" not in written.body
    assert written.dropped == ["temperature"]  # 1 is what it has in any case
    assert write(temperature=0.5, capabilities=Capabilities()).body["temperature"] == 0.5
    assert write(temperature=0.5, thinking=Thinking(Effort.NONE)).body["temperature"] == 0.5
    able = Capabilities(thinking="effort", sampling=True)
    assert write(temperature=1.0, capabilities=able).body["temperature"] == 1.0
    assert write(temperature=0.5, capabilities=Capabilities(sampling=False)).dropped == ["temperature"]
    assert write(temperature=1.0, capabilities=Capabilities(thinking="none")).body["temperature"] == 1.0


def test_what_the_protocol_cannot_say_is_named() -> None:
    written = write(
        top_k=1,
        seed=1,
        stop=("x",),
        presence_penalty=0.1,
        frequency_penalty=0.1,
        service_tier="standard_only",
    )
    assert set(written.dropped) == {
        "top_k",
        "seed",
        "stop",
        "presence_penalty",
        "frequency_penalty",
        "service_tier",
    }


def test_keys_are_made_to_fit_the_same_way_each_time() -> None:
    long = "x" * 65
    body = write(user=long, cache_key="thread", service_tier="priority").body
    assert len(body["user"]) == 64
    assert body["user"] == write(user=long).body["user"]
    assert body["prompt_cache_key"] == "thread"
    assert body["service_tier"] == "priority"


@pytest.mark.parametrize(
    ("form", "sent"),
    [
        (OutputFormat(), {"type": "json_object"}),
        (
            OutputFormat({"type": "object"}, "my name!", strict=True),
            {"type": "json_schema", "name": "my_name_", "schema": {"type": "object"}, "strict": True},
        ),
        (
            OutputFormat({"type": "object"}, description="d"),
            {"type": "json_schema", "name": "answer", "schema": {"type": "object"}, "description": "d"},
        ),
    ],
)
def test_the_format_of_the_answer(form: OutputFormat, sent: Any) -> None:
    assert write(format=form, verbosity="low").body["text"] == {"format": sent, "verbosity": "low"}


# There and back.


def normal(part: Part) -> Part:
    """A part as this protocol says it."""
    if isinstance(part, Reasoning):
        return msgspec.structs.replace(part, id="rs_1")
    if isinstance(part, ToolResult):
        content = tuple(_untyped(inner) if isinstance(inner, Media) else inner for inner in part.content)
        return msgspec.structs.replace(part, content=content, is_error=False)
    return _untyped(part) if isinstance(part, Media) else part


def _untyped(part: Media) -> Media:
    """The type of a picture is in its data, or nowhere."""
    return msgspec.structs.replace(part, media_type="") if part.url else part


def expressible(
    conversation: Conversation, system: tuple[Text, ...], tools: tuple[FunctionTool, ...]
) -> Conversation:
    """What this protocol can say of a conversation, with all else that it can say."""
    turns: list[Turn] = []
    for turn in conversation.turns:
        parts = tuple(
            normal(part)
            for part in turn.parts
            if not isinstance(part, Reasoning) or (part.seal is not None and part.seal.data)
        )
        if parts and not isinstance(parts[-1], Reasoning):
            turns.append(Turn(turn.role, parts))
    return msgspec.structs.replace(
        conversation,
        turns=tuple(turns),
        system=system,
        tools=tools,
        tool_choice=ToolChoice("auto") if tools else None,
        parallel_tools=True if tools else None,
        max_output=100,
        temperature=0.5,
        stop=(),
        thinking=Thinking(Effort.HIGH, show="summary"),
        user="u",
        cache_key="k",
        verbosity="low",
        extras={"reasoning.context": "all_turns", "max_tool_calls": 1, "include": ["x"]},
    )


functions = st.builds(FunctionTool, st.text("abc", min_size=1, max_size=3), words, schemas, st.booleans())


@settings(max_examples=50)
@given(
    st.builds(
        expressible,
        conversations(Wire.RESPONSES),
        st.lists(st.builds(Text, words), max_size=1).map(tuple),
        st.lists(functions, max_size=2).map(tuple),
    )
)
def test_a_conversation_that_can_be_said_here_comes_back_the_same(conversation: Conversation) -> None:
    target = Target(Wire.RESPONSES, "openai", conversation.model)
    notes = Notes()
    body = CODEC.write_request(conversation, target, notes)
    back = CODEC.read_request(body, model=conversation.model, stream=conversation.stream)
    assert back == conversation
    assert not notes.dropped


RICH = Conversation(
    model="m",
    stream=True,
    system=(Text("Be exact."),),
    turns=(
        Turn(
            Role.USER,
            (
                Text("Look."),
                Media(MediaKind.IMAGE, "image/png", data="iVBOR", detail="high"),
                Media(MediaKind.IMAGE, url="https://example.org/a.png"),
                Media(MediaKind.DOCUMENT, "application/pdf", data="JVBERi0=", name="a.pdf"),
                Media(MediaKind.DOCUMENT, "text/plain", data="naïve 猫", name="a.txt"),
                Media(MediaKind.DOCUMENT, file_id="file_1"),
            ),
        ),
        Turn(
            Role.ASSISTANT,
            (
                Reasoning("I should look.\n\nAnd act.", Seal(Wire.RESPONSES, "gAAA"), id="rs_1"),
                Text("I look."),
                ToolCall("c1", "lookup", '{"q":1}', namespace="ns"),
                ToolCall("c2", "apply_patch", "*** Begin", custom=True),
                Native(Wire.RESPONSES, "web_search_call", {"type": "web_search_call", "id": "ws_1"}),
            ),
        ),
        Turn(
            Role.USER,
            (
                ToolResult("c1", (Text("a"), Media(MediaKind.IMAGE, "image/png", data="iVBOR"))),
                ToolResult("c2", (Text("done"),), custom=True),
            ),
        ),
        Turn(Role.SYSTEM, (Text("Be brief."),)),
        Turn(Role.ASSISTANT, (Text("Sorry."), Text("I cannot.", refusal=True))),
        Turn(Role.USER, (Text("Why?"),)),
    ),
    tools=(
        FunctionTool(
            "lookup",
            "Look up.",
            {"type": "object", "properties": {}},
            False,
            namespace="ns",
            namespace_description="Space.",
        ),
        CustomTool("say", namespace="ns", namespace_description="Space."),
        CustomTool("apply_patch", "Edit.", {"type": "grammar", "syntax": "lark", "definition": "x"}),
        ServerTool(Wire.RESPONSES, "web_search", {"type": "web_search"}),
    ),
    tool_choice=ToolChoice("allowed", ("apply_patch",), required=True),
    parallel_tools=False,
    max_output=1000,
    temperature=0.25,
    top_p=0.5,
    thinking=Thinking(Effort.LOW, show="full"),
    format=OutputFormat({"type": "object"}, "answer", "An answer.", strict=True),
    verbosity="high",
    service_tier="flex",
    user="someone",
    cache_key="thread",
    extras={"max_tool_calls": 2, "text.format": {"never": "seen"}, "metadata": {"a": "b"}},
)


def test_a_rich_conversation_comes_back_the_same() -> None:
    notes = Notes()
    body = CODEC.write_request(RICH, Target(Wire.RESPONSES, "openai", "m"), notes)
    back = CODEC.read_request(body, model="m", stream=True)
    extras = {"max_tool_calls": 2, "metadata": {"a": "b"}}  # a field that is set is not set again
    assert back == msgspec.structs.replace(RICH, extras=extras)
    assert not notes.dropped
    check(body)


@settings(max_examples=50)
@given(broken_conversations(), st.sampled_from([Capabilities(), THINKS, Capabilities(vision=False)]))
def test_no_conversation_breaks_the_writer(conversation: Conversation, capabilities: Capabilities) -> None:
    body = CODEC.write_request(conversation, Target(Wire.RESPONSES, "openai", "m", capabilities), Notes())
    assert json.loads(body)["store"] is False


@settings(max_examples=50)
@given(conversations(Wire.RESPONSES))
def test_every_conversation_of_good_days_is_valid_by_the_types_of_the_sdk(conversation: Conversation) -> None:
    with_ids = tuple(
        Turn(
            turn.role,
            tuple(
                msgspec.structs.replace(part, id="rs_1") if isinstance(part, Reasoning) else part
                for part in turn.parts
            ),
        )
        for turn in conversation.turns
    )
    lowered = msgspec.structs.replace(conversation, turns=with_ids)
    check(CODEC.write_request(lowered, Target(Wire.RESPONSES, "openai", "m", THINKS), Notes()))
