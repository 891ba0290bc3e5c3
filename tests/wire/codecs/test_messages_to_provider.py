"""A conversation as a request to a provider that speaks Messages."""

import json
from typing import Any

import pytest

from tests.wire.codecs.messages_sdk import check_request
from waystation.model import Capabilities, Wire
from waystation.wire.canonical import (
    CacheMark,
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
    ToolCall,
    ToolChoice,
    ToolResult,
    Turn,
)
from waystation.wire.codecs import Notes, Target
from waystation.wire.codecs.messages import CODEC

HI = (Turn(Role.USER, (Text("hi"),)),)
BUDGET, ADAPTIVE = Capabilities(thinking="budget"), Capabilities(thinking="adaptive", sampling=False)
UNKNOWN = Capabilities()
SIGNED = Reasoning("hm", Seal(Wire.MESSAGES, "EqMB"))


class Sent:
    """What one conversation becomes, and what was noted."""

    def __init__(
        self, turns: tuple[Turn, ...] = HI, capabilities: Capabilities = UNKNOWN, **fields: Any
    ) -> None:
        notes = Notes()
        conversation = Conversation(model="asked-for", turns=turns, **fields)
        target = Target(Wire.MESSAGES, "anthropic", "claude-x", capabilities)
        self.body = json.loads(CODEC.write_request(conversation, target, notes))
        check_request(self.body)
        self.dropped, self.changed = list(notes.dropped), list(notes.changed)

    @property
    def notes(self) -> list[str]:
        return self.dropped + self.changed

    def said(self) -> list[tuple[str, list[str]]]:
        """Roles, and of each block its words or else its type."""
        return [
            (message["role"], [block.get("text", block["type"]) for block in message["content"]])
            for message in self.body["messages"]
        ]


def user(*parts: Part) -> Turn:
    return Turn(Role.USER, parts)


def model(*parts: Part) -> Turn:
    return Turn(Role.ASSISTANT, parts)


def order(*parts: Part) -> Turn:
    return Turn(Role.SYSTEM, parts)


def test_the_least_request() -> None:
    sent = Sent()
    assert sent.body == {
        "model": "claude-x",
        "max_tokens": 32000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }
    assert sent.notes == []


def test_E91_a_limit_is_always_sent_and_never_above_the_models() -> None:
    assert Sent(capabilities=Capabilities(max_output=8192)).body["max_tokens"] == 8192
    clamped = Sent(capabilities=Capabilities(max_output=8192), max_output=64000)
    assert (clamped.body["max_tokens"], clamped.changed) == (8192, ["max_tokens=8192"])
    kept = Sent(max_output=64000)
    assert (kept.body["max_tokens"], kept.notes) == (64000, [])


def test_the_sides_take_turns_and_the_user_begins() -> None:
    assert Sent(
        (model(Text("a")), user(Text("b")), user(Text("c")), model(Text("d")), model(Text("e")), *HI)
    ).said() == [
        ("user", ["(empty)"]),
        ("assistant", ["a"]),
        ("user", ["b", "c"]),
        ("assistant", ["d", "e"]),
        ("user", ["hi"]),
    ]
    assert Sent(()).said() == [("user", ["(empty)"])]


def test_the_user_has_the_last_word() -> None:
    """Models from 4.6 on refuse to continue an assistant's message."""
    sent = Sent((*HI, model(Text("well"))))
    assert sent.said()[-1] == ("user", ["Continue."])
    assert sent.changed == ["messages"]


def test_E81_a_paused_turn_is_sent_as_it_is() -> None:
    search = Native(Wire.MESSAGES, "server_tool_use", {"id": "s", "name": "web_search", "input": {}})
    raw = {"tool_use_id": "s", "content": [], "cache_control": {"type": "ephemeral"}}
    result = Native(Wire.MESSAGES, "web_search_tool_result", raw)
    sent = Sent((*HI, model(Text("let me see"), search, result)))
    assert sent.body["messages"][-1] == {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "let me see"},
            {"type": "server_tool_use", **search.raw},
            {"type": "web_search_tool_result", **raw},
        ],
    }
    assert sent.notes == []


def test_E81_what_another_protocol_alone_has_is_left_out_with_notice() -> None:
    sent = Sent((user(Text("hi"), Native(Wire.RESPONSES, "item_reference", {"id": "x"})),))
    assert (sent.said(), sent.dropped) == ([("user", ["hi"])], ["item_reference"])


def test_E74_results_come_first_in_one_user_turn() -> None:
    sent = Sent(
        (
            *HI,
            model(ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}")),
            user(Text("and"), ToolResult("a", (Text("1"),))),
            order(Text("quickly")),
            user(ToolResult("b", (Text("2"),)), Text("more")),
        )
    )
    assert sent.said()[-1] == (
        "user",
        ["tool_result", "tool_result", "and", "<system-reminder>\nquickly\n</system-reminder>", "more"],
    )


def test_instructions_in_mid_conversation_are_the_users_words() -> None:
    """Where nobody says that the model takes them: most refuse the whole request for them."""
    sent = Sent((*HI, model(Text("a")), order(Text("be brief", CacheMark())), user(Text("b"))))
    assert sent.said()[-1] == ("user", ["<system-reminder>\nbe brief\n</system-reminder>", "b"])
    assert sent.body["messages"][-1]["content"][0]["cache_control"] == {"type": "ephemeral"}


def test_instructions_in_mid_conversation_keep_their_authority_where_they_can() -> None:
    able = Capabilities(system_turns=True)
    picture = Media(MediaKind.IMAGE, url="https://e.org/a.png")
    turns = (
        *HI,
        order(Text("one"), picture),
        user(Text("b")),
        order(Text("two")),
        model(Text("c")),
        order(Text("three")),
    )
    sent = Sent((*turns, model(Text("d")), user(Text("e")), order(Text("four"))), able)
    assert sent.said() == [
        ("user", ["hi", "image", "b"]),
        ("system", ["one", "two"]),
        ("assistant", ["c"]),
        ("user", ["<system-reminder>\nthree\n</system-reminder>"]),  # one must follow a user's message
        ("assistant", ["d"]),
        ("user", ["e"]),
        ("system", ["four"]),
    ]


def test_E20_E23_thoughts_go_back_as_they_came() -> None:
    thoughts = Reasoning(" e\u0301 \n", Seal(Wire.MESSAGES, "EqMB+/==", "anthropic"))
    hidden = Reasoning(seal=Seal(Wire.MESSAGES, "EmwK"), redacted=True)
    sent = Sent((*HI, model(thoughts, hidden, Text("a")), *HI))
    assert sent.body["messages"][1]["content"][:2] == [
        {"type": "thinking", "thinking": " e\u0301 \n", "signature": "EqMB+/=="},
        {"type": "redacted_thinking", "data": "EmwK"},
    ]


@pytest.mark.parametrize("seal", [None, Seal(Wire.MESSAGES, ""), Seal(Wire.RESPONSES, "gAAA")])
def test_E22_E24_thoughts_without_a_seal_of_this_protocol_are_left_out(seal: Seal | None) -> None:
    sent = Sent((*HI, model(Reasoning("secret", seal), Text("a")), *HI))
    assert "secret" not in json.dumps(sent.body)
    assert sent.dropped == ["thoughts"]


def test_E78_text_without_words_is_left_out() -> None:
    sent = Sent((user(Text("hi"), Text(" \n")), model(Text("")), user(Text("there"))), system=(Text(""),))
    assert sent.said() == [("user", ["hi", "there"])]
    assert "system" not in sent.body


@pytest.mark.parametrize(
    ("text", "given"),
    [
        ('{"n": 12345678901234567890123, "f": 1.10}', {"n": 12345678901234567890123, "f": 1.1}),
        ("", {}),
        (" ", {}),
        ('{"a": 1', {"input": '{"a": 1'}),
        ("[1]", {"input": "[1]"}),
        ("null", {"input": "null"}),
        ("*** Begin Patch", {"input": "*** Begin Patch"}),
        ("[" * 5000, {"input": "[" * 5000}),
        ('{"a": 1e999}', {"input": '{"a": 1e999}'}),
    ],
)
def test_arguments_become_an_object(text: str, given: dict[str, Any]) -> None:
    sent = Sent((*HI, model(ToolCall("a", "f", text)), user(ToolResult("a"))))
    assert sent.body["messages"][1]["content"][0]["input"] == given


def test_arguments_are_sent_to_the_byte() -> None:
    written = '{"b": 1.10,  "a": "\\u00e9"}'
    conversation = Conversation(
        model="m", turns=(*HI, model(ToolCall("a", "f", written)), user(ToolResult("a")))
    )
    body = CODEC.write_request(conversation, Target(Wire.MESSAGES, "p", "m"), Notes())
    assert f'"input":{written}'.encode() in body


def test_results() -> None:
    picture = Media(MediaKind.IMAGE, "image/png", data="iVBORw0KGgo=")
    sent = Sent(
        (
            *HI,
            model(*(ToolCall(name, "f", "{}") for name in "abcde")),
            user(
                ToolResult("a", (Text("plain"),)),
                ToolResult("b", (Text("one"), picture), cache=CacheMark("1h")),
                ToolResult("c", (Text("marked", CacheMark()),)),
                ToolResult("d"),
                ToolResult("e", (Text(""),), is_error=True),
            ),
        )
    )
    image = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    assert sent.body["messages"][-1]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": "plain"},
        {
            "type": "tool_result",
            "tool_use_id": "b",
            "content": [{"type": "text", "text": "one"}, {"type": "image", "source": image}],
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        },
        {
            "type": "tool_result",
            "tool_use_id": "c",
            "content": [{"type": "text", "text": "marked", "cache_control": {"type": "ephemeral"}}],
        },
        {"type": "tool_result", "tool_use_id": "d"},
        {"type": "tool_result", "tool_use_id": "e", "content": "(no output)", "is_error": True},
    ]


@pytest.mark.parametrize(
    ("media", "source"),
    [
        (
            Media(MediaKind.IMAGE, "image/jpg", data="AAAA"),
            {"type": "base64", "media_type": "image/jpeg", "data": "AAAA"},
        ),
        (
            Media(MediaKind.IMAGE, "", data="iVBORw0KGgoAAA"),
            {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgoAAA"},
        ),
        (Media(MediaKind.IMAGE, url="https://e.org/a"), {"type": "url", "url": "https://e.org/a"}),
        (Media(MediaKind.IMAGE, file_id="file_1"), {"type": "file", "file_id": "file_1"}),
        (
            Media(MediaKind.DOCUMENT, "application/pdf", data="JVBE"),
            {"type": "base64", "media_type": "application/pdf", "data": "JVBE"},
        ),
        (
            Media(MediaKind.DOCUMENT, "text/plain", data="words"),
            {"type": "text", "media_type": "text/plain", "data": "words"},
        ),
        (
            Media(MediaKind.DOCUMENT, "text/markdown", data="d29yZHM="),
            {"type": "text", "media_type": "text/plain", "data": "words"},
        ),
    ],
)
def test_media(media: Media, source: dict[str, str]) -> None:
    sent = Sent((user(media),))
    assert sent.body["messages"][0]["content"][0]["source"] == source
    assert sent.notes == []


@pytest.mark.parametrize(
    ("media", "capabilities"),
    [
        (Media(MediaKind.AUDIO, "audio/wav", data="UklGRg=="), UNKNOWN),
        (Media(MediaKind.VIDEO, url="https://e.org/a.mp4"), UNKNOWN),
        (Media(MediaKind.IMAGE, "image/svg+xml", data="PHN2Zz4="), UNKNOWN),
        (Media(MediaKind.DOCUMENT, "application/msword", data="0M8R"), UNKNOWN),
        (Media(MediaKind.IMAGE, "image/png", data="iVBORw0KGgo="), Capabilities(vision=False)),
        (Media(MediaKind.DOCUMENT, "application/pdf", data="JVBE"), Capabilities(documents=False)),
    ],
)
def test_E77_media_that_cannot_be_sent_leave_a_visible_trace(
    media: Media, capabilities: Capabilities
) -> None:
    sent = Sent((user(media),), capabilities)
    assert sent.said() == [("user", [f"[{media.kind} left out: the model cannot take it]"])]
    assert sent.dropped == [media.kind]


def test_what_belongs_to_the_other_side_is_left_out() -> None:
    picture = Media(MediaKind.IMAGE, url="https://e.org/a.png")
    sent = Sent((user(Text("hi"), SIGNED, ToolCall("a", "f", "{}")), model(picture, ToolResult("a")), *HI))
    assert sent.said() == [("user", ["hi"]), ("assistant", ["[image left out]"]), ("user", ["hi"])]
    assert set(sent.dropped) == {"thoughts", "tool_call", "image", "tool_result"}


@pytest.mark.parametrize(
    ("thinking", "capabilities", "written", "effort", "notes"),
    [
        # Nobody knows the model: in the tool's own words.
        (Thinking(), UNKNOWN, None, None, []),
        (Thinking(Effort.HIGH), UNKNOWN, None, "high", []),
        (Thinking(budget=4096), UNKNOWN, {"type": "enabled", "budget_tokens": 4096}, None, []),
        (
            Thinking(Effort.LOW, 4096),
            UNKNOWN,
            {"type": "enabled", "budget_tokens": 4096},
            "low",
            [],
        ),
        (Thinking(adaptive=True), UNKNOWN, {"type": "adaptive"}, None, []),
        (Thinking(Effort.MINIMAL), UNKNOWN, None, "low", ["effort=low"]),
        (Thinking(budget=0), UNKNOWN, {"type": "disabled"}, None, []),
        (Thinking(Effort.NONE), UNKNOWN, {"type": "disabled"}, None, []),
        (Thinking(Effort.MAX, 0), UNKNOWN, {"type": "disabled"}, "high", ["effort=high"]),
        # It thinks as it sees fit.
        (Thinking(Effort.HIGH), ADAPTIVE, {"type": "adaptive"}, "high", []),
        (
            Thinking(Effort.XHIGH, show="summary"),
            ADAPTIVE,
            {"type": "adaptive", "display": "summarized"},
            "xhigh",
            [],
        ),
        (Thinking(adaptive=True), ADAPTIVE, {"type": "adaptive"}, None, []),
        (Thinking(budget=8000), ADAPTIVE, {"type": "adaptive"}, "medium", ["thinking=medium"]),
        (Thinking(budget=10**6), ADAPTIVE, {"type": "adaptive"}, "max", ["thinking=max"]),
        (Thinking(show="full"), ADAPTIVE, {"type": "adaptive", "display": "summarized"}, None, []),
        # It is given tokens.
        (Thinking(Effort.MEDIUM), BUDGET, {"type": "enabled", "budget_tokens": 8192}, None, []),
        (
            Thinking(adaptive=True, show="none"),
            BUDGET,
            {"type": "enabled", "budget_tokens": 16384, "display": "omitted"},
            None,
            [],
        ),
        (Thinking(budget=7), BUDGET, {"type": "enabled", "budget_tokens": 1024}, None, ["thinking=1024"]),
        (Thinking(Effort.MAX), BUDGET, {"type": "enabled", "budget_tokens": 24000}, None, ["thinking=24000"]),
        (
            # Who asks for a summary expects thoughts: Codex, of a model that it does not know.
            Thinking(show="summary"),
            BUDGET,
            {"type": "enabled", "budget_tokens": 16384, "display": "summarized"},
            None,
            [],
        ),
        (Thinking(show="none"), BUDGET, None, None, []),
        # A word, or nothing at all.
        (Thinking(adaptive=True), Capabilities(thinking="effort"), None, None, []),
        (Thinking(budget=4096), Capabilities(thinking="effort"), None, "low", ["thinking=low"]),
        (Thinking(Effort.HIGH), Capabilities(thinking="none"), None, None, ["thinking"]),
        (Thinking(budget=0), Capabilities(thinking="none"), None, None, []),
    ],
)
def test_thinking_is_said_as_the_model_takes_it(
    thinking: Thinking,
    capabilities: Capabilities,
    written: dict[str, Any] | None,
    effort: str | None,
    notes: list[str],
) -> None:
    sent = Sent(thinking=thinking, capabilities=capabilities)
    assert sent.body.get("thinking") == written
    assert sent.body.get("output_config", {}).get("effort") == effort
    assert sent.notes == notes


@pytest.mark.parametrize(
    ("limit", "budget"), [(32000, 31999), (31999, 23999), (2000, 1500), (1100, 1024), (1024, None)]
)
def test_a_budget_leaves_room_for_the_answer(limit: int, budget: int | None) -> None:
    sent = Sent(thinking=Thinking(budget=31999), max_output=limit)
    assert sent.body.get("thinking", {}).get("budget_tokens") == budget
    assert sent.notes == {31999: [], None: ["thinking"]}.get(budget, [f"thinking={budget}"])


@pytest.mark.parametrize(
    ("thoughts", "capabilities", "on"),
    [((SIGNED,), BUDGET, True), ((), BUDGET, False), ((), ADAPTIVE, True)],
)
def test_thinking_is_off_where_another_model_made_the_calls_that_are_answered(
    thoughts: tuple[Part, ...], capabilities: Capabilities, on: bool
) -> None:
    """With a budget, "a final assistant message must start with a thinking block"."""
    turns = (*HI, model(*thoughts, ToolCall("a", "f", "{}")), user(ToolResult("a", (Text("1"),))))
    sent = Sent(turns, capabilities, thinking=Thinking(Effort.HIGH))
    assert ("thinking" in sent.body) is on
    assert sent.dropped == ([] if on else ["thinking"])
    assert (
        "thinking" in Sent((*turns, model(Text("a")), *HI), capabilities, thinking=Thinking(Effort.HIGH)).body
    )


@pytest.mark.parametrize(
    ("fields", "capabilities", "written", "notes"),
    [
        ({"temperature": 0.2, "top_k": 9}, UNKNOWN, {"temperature": 0.2, "top_k": 9}, []),
        ({"temperature": 1.5}, UNKNOWN, {"temperature": 1.0}, ["temperature=1"]),
        ({"temperature": 0.2, "top_p": 0.9}, UNKNOWN, {"temperature": 0.2}, ["top_p"]),
        ({"temperature": 0.2, "top_p": 1.0}, UNKNOWN, {"temperature": 0.2}, []),
        ({"temperature": 0.2, "top_p": 0.9, "top_k": 9}, ADAPTIVE, {}, ["temperature", "top_p", "top_k"]),
        ({"temperature": 1.0, "top_p": 1.0}, ADAPTIVE, {}, []),
        (
            {"temperature": 0.2, "top_p": 0.97, "top_k": 9, "thinking": Thinking(budget=2000)},
            BUDGET,
            {"top_p": 0.97},
            ["temperature", "top_k"],
        ),
        ({"top_p": 0.5, "thinking": Thinking(budget=2000)}, BUDGET, {}, ["top_p"]),
        ({"temperature": 0.2, "thinking": Thinking(budget=0)}, BUDGET, {"temperature": 0.2}, []),
    ],
)
def test_sampling(
    fields: dict[str, Any], capabilities: Capabilities, written: dict[str, float], notes: list[str]
) -> None:
    sent = Sent(capabilities=capabilities, **fields)
    assert {key: sent.body[key] for key in ("temperature", "top_p", "top_k") if key in sent.body} == written
    assert sent.notes == notes


def test_what_the_api_cannot_say_is_left_out_with_notice() -> None:
    sent = Sent(
        seed=1,
        presence_penalty=0.5,
        frequency_penalty=0.0,
        verbosity="low",
        service_tier="flex",
        stop=("END", "\n", ""),
        user="u" * 300,
        extras={
            "messages[].tool_use.caller": True,
            "context_management": {"edits": []},
            "thinking.display": "updates",
        },
    )
    assert set(sent.dropped) == {
        "seed",
        "presence_penalty",
        "verbosity",
        "service_tier",
        "stop",
        "user",
        "messages[].tool_use.caller",
        "thinking.display",
    }
    assert sent.body["stop_sequences"] == ["END"]
    assert sent.body["context_management"] == {"edits": []}
    assert "metadata" not in sent.body


TOOLS = (FunctionTool("f", "does"), FunctionTool("g", parameters={"type": "object", "properties": {"a": {}}}))


@pytest.mark.parametrize(
    ("choice", "parallel", "written"),
    [
        (None, None, None),
        (None, True, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("auto"), True, {"type": "auto", "disable_parallel_tool_use": False}),
        (ToolChoice("any"), None, {"type": "any"}),
        (
            ToolChoice("named", ("f",)),
            False,
            {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        ),
        (ToolChoice("none"), False, {"type": "none"}),
    ],
)
def test_E103_the_choice_of_tools(
    choice: ToolChoice | None, parallel: bool | None, written: dict[str, Any] | None
) -> None:
    sent = Sent(tools=TOOLS, tool_choice=choice, parallel_tools=parallel)
    assert sent.body.get("tool_choice") == written
    assert "tool_choice" not in Sent(tool_choice=choice, parallel_tools=parallel).body


@pytest.mark.parametrize(("required", "kind"), [(True, "any"), (False, "auto")])
def test_only_the_tools_that_may_be_called_are_sent(required: bool, kind: str) -> None:
    sent = Sent(tools=TOOLS, tool_choice=ToolChoice("allowed", ("g",), required))
    assert [tool["name"] for tool in sent.body["tools"]] == ["g"]
    assert sent.body["tool_choice"] == {"type": kind}


def test_tools() -> None:
    search = {"type": "web_search_20250305", "name": "web_search"}
    sent = Sent(
        tools=(
            *TOOLS,
            FunctionTool("h", cache=CacheMark("1h"), extras={"defer_loading": True}),
            ServerTool(Wire.MESSAGES, "web_search_20250305", search),
            ServerTool(Wire.RESPONSES, "image_generation", {}),
        )
    )
    empty = {"type": "object", "properties": {}}
    assert sent.body["tools"] == [
        {"name": "f", "description": "does", "input_schema": empty},
        {"name": "g", "input_schema": {"type": "object", "properties": {"a": {}}}},
        {
            "name": "h",
            "input_schema": empty,
            "defer_loading": True,
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        },
        search,
    ]
    assert sent.notes == ["tools.image_generation"]


@pytest.mark.parametrize(
    ("schema", "written", "notes"),
    [
        ({"properties": {"a": {}}}, {"type": "object", "properties": {"a": {}}}, []),
        (
            {
                "type": "object",
                "properties": {"a": {}},
                "required": ["a"],
                "anyOf": [
                    {"required": ["b", "c"], "properties": {"b": {}, "c": {}}},
                    {"required": ["c"], "properties": {"c": {"type": "string"}}},
                ],
                "$defs": {},
            },
            {
                "type": "object",
                "properties": {"a": {}, "b": {}, "c": {}},
                "required": ["a", "c"],
                "$defs": {},
            },
            ["tools.parameters"],
        ),
        (
            {"allOf": [{"properties": {"a": {}}, "required": ["a"]}, {"required": ["b"]}, True]},
            {"type": "object", "properties": {"a": {}}, "required": ["a", "b"]},
            ["tools.parameters"],
        ),
        ({"oneOf": "nonsense"}, {"type": "object", "properties": {}}, ["tools.parameters"]),
    ],
)
def test_the_root_of_a_schema_is_an_object(
    schema: dict[str, Any], written: dict[str, Any], notes: list[str]
) -> None:
    """ "input_schema does not support oneOf, allOf, or anyOf at the top level"."""
    sent = Sent(tools=(FunctionTool("f", parameters=schema),))
    assert sent.body["tools"][0]["input_schema"] == written
    assert sent.notes == notes


CLOSED = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}


def test_a_strict_tool_stays_strict_where_that_can_be_guaranteed() -> None:
    open_map = {"type": "object", "properties": {"m": {"type": "object"}}}
    sent = Sent(
        tools=(FunctionTool("f", parameters=CLOSED, strict=True), FunctionTool("g", parameters=CLOSED))
    )
    assert sent.body["tools"][0] == {"name": "f", "input_schema": CLOSED, "strict": True}
    assert sent.notes == []
    loose = Sent(tools=(FunctionTool("f", parameters=open_map, strict=True),))
    assert loose.body["tools"][0] == {"name": "f", "input_schema": open_map}
    assert loose.dropped == ["tools.strict"]
    many = tuple(FunctionTool(f"f{number}", parameters=CLOSED, strict=True) for number in range(21))
    assert not any("strict" in tool for tool in Sent(tools=many).body["tools"])


def test_guaranteed_json() -> None:
    sent = Sent(format=OutputFormat(CLOSED, "answer", strict=True))
    assert sent.body["output_config"] == {"format": {"type": "json_schema", "schema": CLOSED}}
    assert sent.notes == []
    described = Sent(format=OutputFormat(CLOSED, description="the answer"), thinking=Thinking(Effort.LOW))
    assert described.body["output_config"]["effort"] == "low"
    assert described.body["output_config"]["format"]["schema"]["description"] == "the answer"


def test_a_schema_is_tightened_to_what_the_api_guarantees() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 1, "description": "a number"},
            "s": {"type": ["string", "null"], "format": "color"},
            "l": {"type": "array", "items": {"oneOf": [{"const": 1}, {"$ref": "#/$defs/d"}]}, "minItems": 1},
        },
        "$defs": {"d": {"properties": {"x": {"enum": ["a"]}}}},
    }
    sent = Sent(format=OutputFormat(schema))
    assert sent.body["output_config"]["format"]["schema"] == {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "description": 'a number\n\n{"minimum":1}'},
            "s": {"type": ["string", "null"], "description": '{"format":"color"}'},
            "l": {"type": "array", "items": {"anyOf": [{"const": 1}, {"$ref": "#/$defs/d"}]}, "minItems": 1},
        },
        "additionalProperties": False,
        "$defs": {
            "d": {"type": "object", "properties": {"x": {"enum": ["a"]}}, "additionalProperties": False}
        },
    }
    assert sent.changed == ["json_schema"]


RECURSIVE = {
    "$ref": "#/$defs/n",
    "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}},
}


@pytest.mark.parametrize(
    ("schema", "capabilities"),
    [
        ({"type": "object"}, UNKNOWN),
        ({"type": "object", "properties": {"a": {}}}, UNKNOWN),
        ({"type": "object", "properties": {"a": True}}, UNKNOWN),
        ({"type": "array"}, UNKNOWN),
        (
            {"type": "object", "properties": {"a": {}}, "additionalProperties": {"type": "string"}},
            UNKNOWN,
        ),
        ({"$ref": "https://e.org/x"}, UNKNOWN),
        ({"type": "decimal"}, UNKNOWN),
        ({"enum": [{}]}, UNKNOWN),
        (RECURSIVE, UNKNOWN),
        (CLOSED, Capabilities(structured_output=False)),
        (None, UNKNOWN),
    ],
)
def test_json_that_cannot_be_guaranteed_is_asked_for(
    schema: dict[str, Any] | None, capabilities: Capabilities
) -> None:
    sent = Sent(system=(Text("be brief"),), format=OutputFormat(schema), capabilities=capabilities)
    assert "output_config" not in sent.body
    assert sent.body["system"][0] == {"type": "text", "text": "be brief"}
    asked = sent.body["system"][1]["text"]
    assert asked.startswith("Answer with one JSON object")
    assert (schema is None) or json.loads(asked.split("\n", 2)[2]) == schema
    assert sent.changed == ["json_schema=asked" if schema is not None else "json_object=asked"]


def test_E60_marks_are_rendered_where_they_are() -> None:
    sent = Sent(
        (
            user(Text("hi", CacheMark("1h"))),
            model(ToolCall("a", "f", "{}", cache=CacheMark())),
            user(ToolResult("a")),
        ),
        system=(Text("s", CacheMark()),),
    )
    assert json.dumps(sent.body).count('"cache_control"') == 3
    assert sent.body["messages"][0]["content"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}


def test_fields_of_this_protocol_go_back_where_they_were() -> None:
    sent = Sent(
        thinking=Thinking(Effort.LOW, adaptive=True),
        user="u",
        extras={
            "x-anthropic-billing-header": "x-anthropic-billing-header: cc_version=1;",
            "metadata.tag": "t",
            "inference_geo": "eu",
        },
    )
    assert sent.body["system"] == [{"type": "text", "text": "x-anthropic-billing-header: cc_version=1;"}]
    assert sent.body["metadata"] == {"user_id": "u", "tag": "t"}
    assert sent.body["inference_geo"] == "eu"
