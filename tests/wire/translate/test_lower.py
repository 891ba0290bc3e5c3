"""What a target is given: tools, choices, thoughts, pictures and limits that it can take."""

import json

import pytest
from hypothesis import given

from tests.wire.conversations import broken_conversations
from tests.wire.translate.lowering import call, conversation, lowered, model, result, target, user, whole
from waystation.model import TOOL_WIRES, Wire
from waystation.wire.canonical import (
    Conversation,
    CustomTool,
    Effort,
    FunctionTool,
    Media,
    MediaKind,
    Native,
    OutputFormat,
    Reasoning,
    Seal,
    ServerTool,
    Text,
    Thinking,
    ToolCall,
    ToolChoice,
    ToolResult,
)

GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}
PATCH = CustomTool("apply_patch", "Edits files.", GRAMMAR)
LOOKUP = FunctionTool(
    "lookup", "Looks it up.", {"type": "object"}, namespace="mcp__gw__", namespace_description="The gateway."
)
READ = FunctionTool("Read", "Reads.", {"type": "object"})
SEARCH = ServerTool(Wire.MESSAGES, "web_search_20250305", {"name": "web_search"})
TARGETS = [wire for wire in Wire if wire is not Wire.EMBEDDINGS]


@given(broken_conversations())
def test_no_conversation_is_too_broken(asked: Conversation) -> None:
    for source in TOOL_WIRES:
        if source is not Wire.EMBEDDINGS:
            for wire in TARGETS:
                lowered(asked, source, target(wire, vision=False, max_output=8192, context_window=10_000))


# -------------------------------------------------------------------- E30, E31
@pytest.mark.parametrize("wire", [Wire.MESSAGES, Wire.CHAT, Wire.GENERATE, Wire.CONVERSE])
def test_E30_a_free_text_tool_becomes_a_function(wire: Wire) -> None:
    got, _ = lowered(conversation(user("go"), tools=(PATCH,)), Wire.RESPONSES, target(wire))
    (tool,) = got.tools
    assert isinstance(tool, FunctionTool)
    assert tool.name == "apply_patch"
    assert tool.parameters is not None
    assert tool.parameters["required"] == ["input"]
    assert 'start: "x"' in tool.description
    assert "raw text" in tool.description


def test_E30_so_do_its_calls_in_the_history() -> None:
    asked = conversation(
        user("go"),
        model(ToolCall("a", "apply_patch", '*** "Begin"\n', custom=True)),
        user(ToolResult("a", (Text("ok"),), custom=True)),
        tools=(PATCH,),
    )
    got, _ = lowered(asked, Wire.RESPONSES, target(Wire.CHAT))
    (replayed,) = got.turns[1].parts
    assert isinstance(replayed, ToolCall)
    assert json.loads(replayed.arguments) == {"input": '*** "Begin"\n'}
    assert not replayed.custom
    assert got.turns[2] == user(result("a", "ok", "apply_patch"))


def test_E31_a_free_text_tool_stays_one_where_the_target_has_them() -> None:
    asked = conversation(user("go"), model(ToolCall("a", "apply_patch", "raw", custom=True)), tools=(PATCH,))
    got, _ = lowered(asked, Wire.CHAT, target(Wire.RESPONSES))
    assert got.tools == (PATCH,)
    assert got.turns[1] == model(ToolCall("a", "apply_patch", "raw", custom=True))
    (answer,) = got.turns[2].parts
    assert isinstance(answer, ToolResult)
    assert answer.custom


# -------------------------------------------------------------------- E32
def test_E32_a_namespace_is_flattened_in_tools_and_history() -> None:
    asked = conversation(
        user("go"),
        model(ToolCall("a", "lookup", "{}", namespace="mcp__gw__")),
        user(result("a")),
        tools=(READ, LOOKUP),
    )
    made = whole(asked)
    got = made.conversation
    tool = got.tools[1]
    assert isinstance(tool, FunctionTool)
    assert tool.name == "mcp__gw__lookup"
    assert tool.description == "Looks it up.\n\nmcp__gw__: The gateway."
    assert tool.namespace == ""
    assert got.turns[1] == model(call("a", "mcp__gw__lookup"))
    assert got.turns[2] == user(result("a", "found", "mcp__gw__lookup"))
    origin = made.names.origin("mcp__gw__lookup")
    assert (origin.namespace, origin.name) == ("mcp__gw__", "lookup")


def test_E32_a_long_description_of_a_namespace_is_said_once() -> None:
    long = "x" * 1000
    tools = tuple(
        FunctionTool(name, "", namespace="n", namespace_description=long) for name in ("a", "b", "c")
    )
    got, _ = lowered(conversation(user("go"), tools=tools))
    assert sum(long in tool.description for tool in got.tools if isinstance(tool, FunctionTool)) == 1


def test_E76_history_and_choice_use_the_same_short_name() -> None:
    long = "mcp__9c1d2f3a-0000-4000-8000-000000000000__get_a_very_long_name_of_a_tool_indeed"
    asked = conversation(
        user("go"),
        model(call("a", long)),
        user(result("a")),
        tools=(FunctionTool(long),),
        tool_choice=ToolChoice("named", (long,)),
    )
    got, _ = lowered(asked)
    (tool,) = got.tools
    (replayed,) = got.turns[1].parts
    assert isinstance(tool, FunctionTool)
    assert isinstance(replayed, ToolCall)
    assert tool.name == replayed.name
    assert len(tool.name) == 64
    assert got.tool_choice == ToolChoice("named", (tool.name,))


# -------------------------------------------------------------------- E80, E81, choices
def test_E80_a_tool_that_only_another_provider_runs_goes_with_notice() -> None:
    got, notes = lowered(conversation(user("go"), tools=(SEARCH, READ)), Wire.MESSAGES, target(Wire.CHAT))
    assert got.tools == (READ,)
    assert "tools.web_search_20250305" in notes.dropped


def test_E80_a_choice_of_a_tool_that_went_is_no_choice() -> None:
    choice = ToolChoice("named", ("web_search",))
    asked = conversation(user("go"), tools=(SEARCH, READ), tool_choice=choice)
    got, notes = lowered(asked, Wire.MESSAGES, target(Wire.CHAT))
    assert got.tool_choice is None
    assert "tool_choice" in notes.dropped
    alone, _ = lowered(
        conversation(user("go"), tools=(SEARCH,), tool_choice=ToolChoice("any"), parallel_tools=False),
        Wire.MESSAGES,
        target(Wire.CHAT),
    )
    assert alone.tools == ()
    assert alone.tool_choice is None
    assert alone.parallel_tools is None


def test_E80_of_the_allowed_tools_those_that_are_left() -> None:
    some = ToolChoice("allowed", ("web_search", "lookup"), required=True)
    got, _ = lowered(conversation(user("go"), tools=(SEARCH, READ, LOOKUP), tool_choice=some))
    assert got.tool_choice == ToolChoice("allowed", ("mcp__gw__lookup",), required=True)
    none = ToolChoice("allowed", ("web_search",))
    got, _ = lowered(conversation(user("go"), tools=(SEARCH, READ), tool_choice=none))
    assert got.tool_choice == ToolChoice("none")


def test_E81_what_only_its_own_protocol_has_goes_with_notice() -> None:
    search = Native(Wire.MESSAGES, "server_tool_use", {"type": "server_tool_use"})
    asked = conversation(user("go"), model(search), user("and?"), model(search, "well"))
    got, notes = lowered(asked, Wire.MESSAGES, target(Wire.CHAT))
    assert got.turns == (user("go"), user("and?"), model("well"))
    assert list(notes.dropped) == ["server_tool_use"]


def test_E104_nothing_is_put_in() -> None:
    for wire in TARGETS:
        got, notes = lowered(conversation(user("go"), tools=(READ,)), Wire.MESSAGES, target(wire))
        assert got.tools == (READ,)
        assert got.system == ()
        assert got.turns == (user("go"),)
        assert not notes.dropped
        assert not notes.changed


# -------------------------------------------------------------------- seals
@pytest.mark.parametrize("wire", TARGETS)
@pytest.mark.parametrize("provider", ["", "elsewhere"])
def test_E21_E24_E25_thoughts_of_another_provider_are_not_shown(wire: Wire, provider: str) -> None:
    foreign = Wire.RESPONSES if provider == "" and wire is not Wire.RESPONSES else wire
    if provider == "" and wire is Wire.RESPONSES:
        foreign = Wire.MESSAGES
    thought = Reasoning("secret", Seal(foreign, "EqMB", provider))
    hidden = Reasoning(seal=Seal(foreign, "EqMB", provider), redacted=True)
    asked = conversation(user("go"), model(thought, hidden, "said", call("a")), user(result("a")))
    source = Wire.GENERATE if wire is not Wire.GENERATE else Wire.RESPONSES
    got, notes = lowered(asked, source, target(wire))
    assert got.turns[1] == model("said", call("a"))
    assert len(notes.dropped) == 1


def test_E23_E27_a_seal_goes_back_to_its_maker() -> None:
    parts = (
        Reasoning("thought", Seal(Wire.MESSAGES, "EqMB", "there")),
        Reasoning(seal=Seal(Wire.MESSAGES, "!hidden", "there")),
        call("a"),
    )
    got, notes = lowered(conversation(user("go"), model(*parts), user(result("a"))))
    assert got.turns[1].parts == (
        parts[0],
        Reasoning(seal=Seal(Wire.MESSAGES, "hidden", "there"), redacted=True),
        call("a"),
    )
    assert not notes.dropped


def test_E22_E26_thoughts_without_a_seal_are_not_shown_where_one_is_needed() -> None:
    ours = Reasoning("mine", Seal(Wire.MESSAGES, "", "there"))
    got, notes = lowered(conversation(user("go"), model(ours, Reasoning("whose?"), "said")), Wire.GENERATE)
    assert got.turns[1] == model("said")
    assert "contents.thought" in notes.dropped


@pytest.mark.parametrize("wire", [Wire.CHAT, Wire.CONVERSE, Wire.GENERATE])
def test_E22_but_where_none_is_needed_their_provider_sees_them_again(wire: Wire) -> None:
    ours = Reasoning("mine", Seal(wire, "", "there"))
    other = Reasoning("mine", Seal(wire, "", "elsewhere"))
    got, _ = lowered(conversation(user("go"), model(other, ours, "said")), Wire.MESSAGES, target(wire))
    assert got.turns[1] == model(ours, "said")


def test_E21_in_its_own_protocol_only_foreign_seals_go() -> None:
    kept = (
        Reasoning("unsigned"),
        Reasoning("bare", Seal(Wire.MESSAGES, "EqMB")),
        Native(Wire.MESSAGES, "server_tool_use", {}),
        Text(""),
        call("a", "a.b"),
    )
    foreign = Reasoning("other", Seal(Wire.CHAT, "", "elsewhere"))
    asked = conversation(user("go"), model(foreign, *kept), model(foreign), tools=(SEARCH,), extras={"x": 1})
    got, notes = lowered(asked, Wire.MESSAGES, target(Wire.MESSAGES))
    assert got.turns == (user("go"), model(*kept))
    assert got.tools == (SEARCH,)
    assert got.extras == {"x": 1}
    assert list(notes.dropped) == ["messages.thinking"]


# -------------------------------------------------------------------- E77, E91, E103 and the rest
def test_E77_a_model_without_eyes_gets_words() -> None:
    picture = Media(MediaKind.IMAGE, "image/png", data="AA==", name="shot.png")
    document = Media(MediaKind.DOCUMENT, "application/pdf", data="AA==")
    plain = Media(MediaKind.DOCUMENT, "text/plain", data="words", name="a.txt")
    asked = conversation(
        user(picture, document, plain), model(call("a")), user(ToolResult("a", (Text("see"), picture)))
    )
    got, notes = lowered(asked, Wire.MESSAGES, target(Wire.CHAT, vision=False, documents=False))
    words = Text("[Image shot.png: this model cannot see images]")
    assert got.turns[0] == user(
        words, Text("[Document: this model cannot read documents]"), Text("[Document a.txt]\nwords")
    )
    assert got.turns[2] == user(ToolResult("a", (Text("see"), words), name="lookup"))
    assert list(notes.dropped) == ["messages.image", "messages.document"]
    seeing, _ = lowered(asked, Wire.MESSAGES, target(Wire.CHAT, vision=True))
    assert seeing.turns[0] == user(picture, document, plain)


def test_a_file_at_another_provider_cannot_be_seen_by_anybody() -> None:
    got, notes = lowered(conversation(user(Media(MediaKind.IMAGE, file_id="file_1"))), Wire.MESSAGES)
    assert got.turns[0].parts  # in its own protocol it stays
    got, notes = lowered(
        conversation(user(Media(MediaKind.IMAGE, file_id="file_1"))), Wire.RESPONSES, target(Wire.CHAT)
    )
    assert got.turns[0] == user("[Image: it is kept at another provider]")
    assert "input.input_image" in notes.dropped


def test_E91_the_answer_is_not_longer_than_the_model_can() -> None:
    asked = conversation(user("go"), max_output=64_000)
    got, notes = lowered(asked, Wire.MESSAGES, target(Wire.CHAT, max_output=8192))
    assert got.max_output == 8192
    assert list(notes.changed) == ["max_tokens=8192"]
    got, notes = lowered(asked, Wire.RESPONSES, target(Wire.CHAT, max_output=64_000))
    assert got.max_output == 64_000
    assert not notes.changed


def test_E91_and_leaves_room_for_the_prompt() -> None:
    asked = conversation(user("x" * 400_000), max_output=64_000)
    got, notes = lowered(asked, Wire.RESPONSES, target(context_window=128_000))
    assert got.max_output == 28_000
    assert list(notes.changed) == ["max_output_tokens=28000"]
    got, _ = lowered(asked, Wire.RESPONSES, target(context_window=100_000))
    assert got.max_output == 4096  # enough to say why, and to compact


@pytest.mark.parametrize("choice", [ToolChoice("any"), ToolChoice("named", ("Read",))])
def test_E103_a_forced_tool_goes_before_thinking(choice: ToolChoice) -> None:
    asked = conversation(user("go"), tools=(READ,), tool_choice=choice, thinking=Thinking(effort=Effort.HIGH))
    got, notes = lowered(asked)
    assert got.tool_choice == choice
    assert got.thinking == Thinking(effort=Effort.NONE, budget=0)
    assert "reasoning" in notes.dropped
    able, _ = lowered(asked, to=target(forced_tools_with_thinking=True))
    assert able.thinking == asked.thinking
    chat, _ = lowered(asked, to=target(Wire.CHAT))
    assert chat.thinking == asked.thinking
    kimi, _ = lowered(asked, to=target(Wire.CHAT, forced_tools_with_thinking=False))
    assert kimi.thinking == Thinking(effort=Effort.NONE, budget=0)


def test_E103_a_free_choice_changes_nothing() -> None:
    for choice in (None, ToolChoice("auto"), ToolChoice("none"), ToolChoice("allowed", ("Read",))):
        asked = conversation(
            user("go"), tools=(READ,), tool_choice=choice, thinking=Thinking(effort=Effort.HIGH)
        )
        assert lowered(asked)[0].thinking == asked.thinking


def test_a_model_that_cannot_think_or_call_is_not_asked_to() -> None:
    asked = conversation(
        user("go"), tools=(READ,), tool_choice=ToolChoice("any"), thinking=Thinking(effort=Effort.HIGH)
    )
    got, notes = lowered(asked, Wire.MESSAGES, target(Wire.CHAT, tools=False, thinking="none"))
    assert (got.tools, got.tool_choice, got.thinking) == ((), None, None)
    assert list(notes.dropped) == ["tools", "thinking"]


def test_what_only_the_callers_protocol_knows_goes_with_notice() -> None:
    asked = conversation(
        user("go"),
        tools=(FunctionTool("Read", extras={"defer_loading": True}),),
        extras={"context_management": {}, "anthropic_beta": ["a"]},
        service_tier="auto",
        format=OutputFormat(),
    )
    got, notes = lowered(asked, Wire.MESSAGES, target(Wire.CHAT, structured_output=False))
    assert (got.extras, got.service_tier, got.format) == ({}, "", None)
    assert got.tools == (FunctionTool("Read"),)
    assert list(notes.dropped) == [
        "tools.defer_loading",
        "context_management",
        "anthropic_beta",
        "service_tier",
        "output_config.format",
    ]
    bedrock, _ = lowered(asked, Wire.MESSAGES, target(Wire.CONVERSE))
    assert bedrock.extras == {"anthropic_beta": ["a"]}


def test_a_service_tier_is_kept_within_a_family() -> None:
    asked = conversation(user("go"), service_tier="priority")
    assert lowered(asked, Wire.RESPONSES, target(Wire.CHAT))[0].service_tier == "priority"


def test_the_model_is_the_targets() -> None:
    assert lowered(conversation(user("go")))[0].model == "its-model"
