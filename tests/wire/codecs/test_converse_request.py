"""Requests of Bedrock's Converse API. What we write is held against Amazon's own SDK."""

import base64
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from tests.wire.bedrock_model import check_request
from tests.wire.conversations import PIXEL, broken_conversations, conversations
from waystation.model import Capabilities, Wire
from waystation.wire import BadBody
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
from waystation.wire.codecs import Notes, Target
from waystation.wire.codecs.converse import CODEC, read_count, write_count_request
from waystation.wire.translate.lower import lower

CLAUDE = "eu.anthropic.claude-opus-4-6-v1"
OLD_CLAUDE = "anthropic.claude-sonnet-4-5-20250929-v1:0"
NEW_CLAUDE = "global.anthropic.claude-opus-5-5"
LLAMA = "us.meta.llama4-maverick-17b-instruct-v1:0"
NOVA = "us.amazon.nova-2-lite-v1:0"
OSS = "openai.gpt-oss-120b-1:0"
PROFILE = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2c3d4e5f6"
_quick = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
_TOOL = FunctionTool("read", "Read a file", {"type": "object", "properties": {"path": {"type": "string"}}})


def _target(model: str = CLAUDE, betas: tuple[str, ...] = (), **can: Any) -> Target:
    return Target(Wire.CONVERSE, "bedrock", model, Capabilities(**can), betas=betas)


def _user(*parts: Part | str) -> Turn:
    return Turn(Role.USER, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def _assistant(*parts: Part | str) -> Turn:
    return Turn(Role.ASSISTANT, tuple(Text(part) if isinstance(part, str) else part for part in parts))


def _written(
    *turns: Turn, target: Target | None = None, notes: Notes | None = None, **fields: Any
) -> dict[str, Any]:
    """The body, checked by the SDK."""
    conversation = Conversation(model="m", turns=turns or (_user("hi"),), **fields)
    body = CODEC.write_request(conversation, target or _target(), notes or Notes())
    check_request(body)
    written: dict[str, Any] = json.loads(body)
    return written


# -------------------------------------------------------------------- whole requests
def test_a_plain_request() -> None:
    body = _written(
        _user("hi"),
        system=(Text("Be brief."),),
        tools=(_TOOL,),
        max_output=4096,
        temperature=0.5,
        stop=("END", " "),
    )
    assert body == {
        "messages": [{"role": "user", "content": [{"text": "hi"}]}],
        "system": [{"text": "Be brief."}],
        "toolConfig": {
            "tools": [
                {
                    "toolSpec": {
                        "name": "read",
                        "description": "Read a file",
                        "inputSchema": {"json": _TOOL.parameters},
                    }
                }
            ]
        },
        "inferenceConfig": {"maxTokens": 4096, "temperature": 0.5, "stopSequences": ["END"]},
        "additionalModelResponseFieldPaths": ["/stop_sequence"],
    }


@_quick
@given(conversations())
def test_whatever_is_well_formed_the_sdk_takes(conversation: Conversation) -> None:
    for model in (CLAUDE, OLD_CLAUDE, LLAMA, NOVA, OSS, PROFILE):
        notes = Notes()
        lowered = lower(conversation, Wire.MESSAGES, _target(model), notes).conversation
        check_request(CODEC.write_request(lowered, _target(model), notes))


@_quick
@given(broken_conversations())
def test_whatever_is_broken_is_mended_into_what_the_sdk_takes(conversation: Conversation) -> None:
    notes = Notes()
    lowered = lower(conversation, Wire.CHAT, _target(), notes).conversation
    body = CODEC.write_request(lowered, _target(), notes)
    check_request(body)
    roles = [message["role"] for message in json.loads(body)["messages"]]
    assert roles[0] == "user"
    assert all(a != b for a, b in pairwise(roles))


@_quick
@given(broken_conversations())
def test_the_codec_alone_never_crashes(conversation: Conversation) -> None:
    CODEC.write_request(conversation, _target(), Notes())


@_quick
@given(conversations(Wire.CONVERSE))
def test_there_and_back_nothing_is_lost(conversation: Conversation) -> None:
    target = _target(OLD_CLAUDE)
    body = CODEC.write_request(conversation, target, Notes())
    back = CODEC.read_request(body, model="a-model", stream=conversation.stream)
    assert json.loads(CODEC.write_request(back, target, Notes())) == json.loads(body)
    declared = [(tool.name, tool.parameters) for tool in back.tools if isinstance(tool, FunctionTool)]
    asked = [(tool.name, tool.parameters) for tool in conversation.tools if isinstance(tool, FunctionTool)]
    assert declared == asked or conversation.tool_choice == ToolChoice("none")
    assert _said(back) == _said(conversation)


def _said(conversation: Conversation) -> list[Any]:
    """What is said, without what a request of Converse cannot say: blank text, unsigned thoughts."""
    said: list[Any] = []
    for part in (part for turn in conversation.turns for part in turn.parts):
        if isinstance(part, ToolCall):
            said.append((part.id, part.name, json.loads(part.arguments)))
        elif isinstance(part, ToolResult):
            kept = [p.data if isinstance(p, Media) else p.text for p in part.content]
            said.append((part.call_id, [p for p in kept if p.strip() and "left out" not in p], part.is_error))
        elif (
            isinstance(part, Text)
            and part.text.strip()
            and part.text != "(empty)"
            and "left out" not in part.text
        ):
            said.append(part.text)
        elif isinstance(part, Reasoning) and part.seal is not None and part.seal.data:
            said.append(part)
    return said


RICH = Conversation(
    model="m",
    stream=True,
    system=(Text("Be brief.", cache=CacheMark("1h")),),
    turns=(
        _user("Look", Media(MediaKind.IMAGE, "image/png", data=PIXEL, cache=CacheMark())),
        _assistant(
            Reasoning("Hm.", Seal(Wire.CONVERSE, "c2ln")),
            Reasoning(seal=Seal(Wire.CONVERSE, "cmVk"), redacted=True),
            "I read two files.",
            ToolCall("tooluse_1", "read", '{"path":"a.txt"}'),
            ToolCall("tooluse_2", "read", '{"path":"b.txt"}', cache=CacheMark()),
        ),
        _user(
            ToolResult("tooluse_1", (Text("A"), Media(MediaKind.IMAGE, "image/jpeg", data=PIXEL))),
            ToolResult("tooluse_2", (Text("no such file"),), is_error=True, cache=CacheMark()),
            Media(MediaKind.DOCUMENT, "application/pdf", data="JVBERi0xLjQK", name="report"),
            Media(MediaKind.DOCUMENT, "text/plain", data="plain words", name="note"),
            Media(MediaKind.VIDEO, "video/mp4", url="s3://bucket/film.mp4"),
            "Well?",
        ),
        _assistant(
            Text(
                "It says so.",
                citations=(
                    {
                        "type": "page_location",
                        "cited_text": "so",
                        "document_index": 0,
                        "document_title": "report",
                        "start_page_number": 1,
                        "end_page_number": 2,
                    },
                ),
            ),
            Native(Wire.CONVERSE, "guardContent", {"guardContent": {"text": {"text": "x"}}}),
        ),
        _user("Go on."),
    ),
    tools=(
        FunctionTool(
            "read", "Read a file", {"type": "object", "properties": {}, "required": []}, strict=True
        ),
        FunctionTool("list", parameters=None, cache=CacheMark()),
        ServerTool(Wire.CONVERSE, "systemTool", {"systemTool": {"name": "nova_grounding"}}),
    ),
    tool_choice=ToolChoice("any"),
    parallel_tools=False,
    max_output=4096,
    stop=("END",),
    thinking=Thinking(Effort.MEDIUM, adaptive=True, show="summary"),
    format=OutputFormat({"type": "object"}, "answer", "what to say"),
    user="user_1",
    service_tier="flex",
    extras={
        "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
        "performanceConfig": {"latency": "optimized"},
        "additionalModelRequestFields": {"some_field": 1},
    },
)


def test_the_rich_conversation_comes_back_as_it_was() -> None:
    notes = Notes()
    body = CODEC.write_request(RICH, _target(), notes)
    check_request(body)
    assert (notes.dropped, notes.changed) == ({}, {})
    assert CODEC.read_request(body, model="m", stream=True) == RICH


# -------------------------------------------------------------------- seals
def test_E23_redacted_thoughts_go_back_byte_for_byte() -> None:
    said = Reasoning(seal=Seal(Wire.CONVERSE, "cmVkYWN0ZWQ="), redacted=True)
    body = _written(_user("hi"), _assistant(said, "hello"), _user("again"))
    assert body["messages"][1]["content"][0] == {"reasoningContent": {"redactedContent": "cmVkYWN0ZWQ="}}


def test_E20_signed_thoughts_go_back_as_they_came() -> None:
    said = Reasoning("Ünïcode \u2028 thoughts", Seal(Wire.CONVERSE, "c2ln", "bedrock"))
    body = _written(_user("hi"), _assistant(said, "hello"), _user("again"))
    assert body["messages"][1]["content"][0] == {
        "reasoningContent": {"reasoningText": {"text": "Ünïcode \u2028 thoughts", "signature": "c2ln"}}
    }


@pytest.mark.parametrize(
    "seal",
    [None, Seal(Wire.MESSAGES, "c2ln"), Seal(Wire.CONVERSE, "c2ln", "another"), Seal(Wire.CONVERSE, "")],
)
def test_E21_E22_other_thoughts_are_not_shown_to_claude(seal: Seal | None) -> None:
    notes = Notes()
    body = _written(_user("hi"), _assistant(Reasoning("Hm.", seal), "hello"), _user("again"), notes=notes)
    assert body["messages"][1]["content"] == [{"text": "hello"}]
    assert notes.dropped == {"thinking": None}


def test_unsigned_thoughts_go_back_to_a_model_that_signs_none() -> None:
    said = Reasoning("Hm.", Seal(Wire.CONVERSE, "", "bedrock"))
    body = _written(_user("hi"), _assistant(said, "hello"), _user("again"), target=_target(OSS))
    assert body["messages"][1]["content"][0] == {"reasoningContent": {"reasoningText": {"text": "Hm."}}}


# -------------------------------------------------------------------- cache
def test_E60_cache_marks_become_cache_points_behind_what_they_mark() -> None:
    body = _written(
        _user(Text("long", cache=CacheMark("1h")), "short"),
        _assistant(ToolCall("t1", "read", "{}")),
        _user(ToolResult("t1", (Text("content", cache=CacheMark()),))),
        system=(Text("Be brief.", cache=CacheMark()),),
        tools=(_TOOL, FunctionTool("list", cache=CacheMark())),
    )
    point, hour = {"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body["system"] == [{"text": "Be brief."}, point]
    assert body["messages"][0]["content"] == [{"text": "long"}, hour, {"text": "short"}]
    assert body["messages"][2]["content"][1] == point
    assert body["toolConfig"]["tools"][2] == point


def test_E60_a_result_that_has_several_marks_has_the_longest_lived_behind_it() -> None:
    pieces = (Text("a", cache=CacheMark("5m")), Text("b", cache=CacheMark("1h")))
    body = _written(_user("x"), _assistant(ToolCall("t", "read", "{}")), _user(ToolResult("t", pieces)))
    assert body["messages"][2]["content"][1] == {"cachePoint": {"type": "default", "ttl": "1h"}}


@pytest.mark.parametrize("model", [LLAMA, NOVA, OSS, "anthropic.claude-3-5-sonnet-20240620-v1:0"])
def test_models_that_refuse_cache_points_get_none(model: str) -> None:
    notes = Notes()
    body = _written(
        _user(Text("long", cache=CacheMark())),
        system=(Text("s", cache=CacheMark()),),
        tools=(FunctionTool("list", cache=CacheMark()),),
        target=_target(model, caching=True if model == NOVA else None),
        notes=notes,
    )
    assert "cachePoint" not in json.dumps(body)
    assert notes.dropped == {"cache_control": None}


def test_a_profile_that_hides_its_model_gets_them_unless_the_policy_says_not() -> None:
    turn = _user(Text("long", cache=CacheMark()))
    assert "cachePoint" in json.dumps(_written(turn, target=_target(PROFILE)))
    assert "cachePoint" not in json.dumps(_written(turn, target=_target(PROFILE, caching=False)))


# -------------------------------------------------------------------- turns
def test_E71_calls_without_answers_are_answered_before_they_are_sent() -> None:
    conversation = Conversation(
        model="m",
        turns=(_user("go"), _assistant(ToolCall("call_1", "read", "{}")), _user("never mind")),
        tools=(_TOOL,),
    )
    lowered = lower(conversation, Wire.MESSAGES, _target(), Notes()).conversation
    body = json.loads(CODEC.write_request(lowered, _target(), Notes()))
    result = body["messages"][2]["content"][0]["toolResult"]
    assert result["toolUseId"] == body["messages"][1]["content"][0]["toolUse"]["toolUseId"]
    assert result["status"] == "error"


def test_E74_results_stand_first_in_one_user_turn() -> None:
    body = _written(
        _user("go"),
        _assistant(ToolCall("a", "read", "{}"), ToolCall("b", "read", "{}")),
        _user(ToolResult("a", (Text("A"),))),
        _user("by the way", ToolResult("b", (Text("B"),))),
        _user("Well?"),
    )
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    kinds = [next(iter(block)) for block in body["messages"][2]["content"]]
    assert kinds == ["toolResult", "toolResult", "text", "text"]


@pytest.mark.parametrize("model", [LLAMA, "mistral.mistral-large-3-675b-instruct"])
def test_E74_models_that_refuse_words_beside_results_get_them_within(model: str) -> None:
    notes = Notes()
    body = _written(
        _user("go"),
        _assistant("I look.", ToolCall("a", "read", "{}")),
        _user(ToolResult("a", (Text("A"),)), "and hurry"),
        target=_target(model),
        notes=notes,
    )
    assert [next(iter(block)) for block in body["messages"][1]["content"]] == ["toolUse"]
    result = body["messages"][2]["content"]
    assert len(result) == 1
    assert result[0]["toolResult"]["content"] == [{"text": "A"}, {"text": "and hurry"}]


@pytest.mark.parametrize("blank", ["", " ", "\n\t "])
def test_E78_no_blank_text_is_sent(blank: str) -> None:
    body = _written(
        _user(blank, "hi", Text(blank, cache=CacheMark())),
        _assistant(blank, ToolCall("a", "read", "{}")),
        _user(ToolResult("a", (Text(blank),))),
        _assistant(blank),
        _user("more"),
        system=(Text(blank), Text("s")),
        tools=(FunctionTool("read", description=blank),),
    )
    assert body["system"] == [{"text": "s"}]
    assert body["messages"][0]["content"] == [{"text": "hi"}, {"cachePoint": {"type": "default"}}]
    assert body["messages"][1]["content"][0]["toolUse"]["name"] == "read"
    result, more = body["messages"][2]["content"]
    assert result["toolResult"]["content"] == [{"text": "(empty)"}]
    assert more == {"text": "more"}
    assert "description" not in body["toolConfig"]["tools"][0]["toolSpec"]


def test_E78_a_conversation_begins_with_the_user_and_is_never_empty() -> None:
    nobody = Conversation(model="m", turns=(_user(" "),))
    assert json.loads(CODEC.write_request(nobody, _target(), Notes()))["messages"] == [
        {"role": "user", "content": [{"text": "(empty)"}]}
    ]
    assert [m["role"] for m in _written(_assistant("hi"), _user("ho"))["messages"]] == [
        "user",
        "assistant",
        "user",
    ]


def test_later_instructions_stay_where_they_are_as_the_users_words() -> None:
    body = _written(
        _user("hi"), Turn(Role.SYSTEM, (Text("Now in French."),)), _assistant("bonjour"), _user("?")
    )
    assert body["messages"][0]["content"] == [
        {"text": "hi"},
        {"text": "<system-reminder>\nNow in French.\n</system-reminder>"},
    ]
    assert "system" not in body


# -------------------------------------------------------------------- tools
def test_arguments_stay_as_they_were_written() -> None:
    calls = [
        ToolCall("a", "read", '{"n": 1.50, "big": 12345678901234567890}'),
        ToolCall("b", "read", ""),
        ToolCall("c", "read", "not json"),
        ToolCall("d", "read", "[1]"),
    ]
    results = [ToolResult(call.id, (Text("ok"),)) for call in calls]
    conversation = Conversation(model="m", turns=(_user("go"), _assistant(*calls), _user(*results)))
    body = CODEC.write_request(conversation, _target(), Notes())
    assert b'"input":{"n": 1.50, "big": 12345678901234567890}' in body
    inputs = [block["toolUse"]["input"] for block in json.loads(body)["messages"][1]["content"]]
    assert inputs[1:] == [{}, {"input": "not json"}, {"input": "[1]"}]


def test_history_with_calls_declares_tools_even_where_the_request_has_none() -> None:
    turns = (_user("go"), _assistant(ToolCall("a", "read", "{}")), _user(ToolResult("a", (Text("A"),))))
    config = _written(*turns)["toolConfig"]
    assert [tool["toolSpec"]["name"] for tool in config["tools"]] == ["read"]
    assert "toolConfig" not in _written(_user("hi"))


def test_no_tool_choice_none_but_no_tools() -> None:
    none = ToolChoice("none")
    assert "toolConfig" not in _written(_user("hi"), tools=(_TOOL,), tool_choice=none)
    notes = Notes()
    turns = (_user("go"), _assistant(ToolCall("a", "read", "{}")), _user(ToolResult("a", (Text("A"),))))
    assert "toolConfig" in _written(*turns, tools=(_TOOL,), tool_choice=none, notes=notes)
    assert notes.changed == {"tool_choice=auto": None}


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice("auto"), {"auto": {}}),
        (ToolChoice("any"), {"any": {}}),
        (ToolChoice("named", ("read",)), {"tool": {"name": "read"}}),
        (ToolChoice("named", ("gone",)), {"any": {}}),
        (ToolChoice("allowed", ("read",), required=True), {"any": {}}),
        (ToolChoice("allowed", ("read",)), None),
    ],
)
def test_tool_choices(choice: ToolChoice, written: dict[str, Any] | None) -> None:
    config = _written(_user("hi"), tools=(_TOOL, FunctionTool("list")), tool_choice=choice)["toolConfig"]
    assert config.get("toolChoice") == written
    assert len(config["tools"]) == (1 if choice.mode == "allowed" else 2)


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (None, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("any"), {"disable_parallel_tool_use": True}),
    ],
)
def test_one_call_at_a_time_is_said_in_claudes_words(choice: ToolChoice | None, written: Any) -> None:
    body = _written(_user("hi"), tools=(_TOOL,), tool_choice=choice, parallel_tools=False)
    assert body["additionalModelRequestFields"] == {"tool_choice": written}
    notes = Notes()
    body = _written(_user("hi"), tools=(_TOOL,), parallel_tools=False, target=_target(LLAMA), notes=notes)
    assert notes.dropped == {"parallel_tool_calls": None}


def test_schemas_are_objects_and_strict_where_the_model_knows_it() -> None:
    odd = FunctionTool("odd", "", {"anyOf": [{"type": "object"}]}, strict=True)
    spec = _written(_user("hi"), tools=(odd,))["toolConfig"]["tools"][0]["toolSpec"]
    assert spec["inputSchema"]["json"] == {"anyOf": [{"type": "object"}], "type": "object"}
    assert spec["strict"] is True
    notes = Notes()
    body = _written(_user("hi"), tools=(odd,), target=_target(LLAMA), notes=notes)
    assert "strict" not in body["toolConfig"]["tools"][0]["toolSpec"]
    assert notes.dropped == {"tools.strict": None}


def test_tools_that_nobody_lowered_are_left_out_with_notice() -> None:
    notes = Notes()
    foreign = ServerTool(Wire.MESSAGES, "web_search_20250305", {"type": "web_search_20250305"})
    _written(_user("hi"), tools=(foreign, CustomTool("patch"), _TOOL), notes=notes)
    assert notes.dropped == {"tools.web_search_20250305": None, "tools.custom": None}


# -------------------------------------------------------------------- media
def test_documents_have_names_of_the_allowed_letters_and_no_two_alike() -> None:
    pdf = "JVBERi0xLjQK"
    names = ["my report_v2.pdf", "my report/v2.PDF", "", "日本.pdf", "a  (b) [c]-d.pdf", "x" * 300]
    body = _written(
        _user("read", *(Media(MediaKind.DOCUMENT, "application/pdf", data=pdf, name=n) for n in names))
    )
    made = [block["document"]["name"] for block in body["messages"][0]["content"][1:]]
    assert made[:5] == ["my report v2", "my report v2 2", "document", "document 2", "a (b) [c]-d"]
    assert len(made[5]) <= 200


def test_a_document_is_never_without_words() -> None:
    body = _written(_user(Media(MediaKind.DOCUMENT, "text/plain", data="plain", name="n")))
    document, words = body["messages"][0]["content"]
    assert document["document"]["source"] == {"bytes": base64.b64encode(b"plain").decode()}
    assert words["text"].strip()


@pytest.mark.parametrize(
    "media",
    [
        Media(MediaKind.IMAGE, "image/png", url="https://example.org/a.png"),
        Media(MediaKind.IMAGE, file_id="file_1"),
        Media(MediaKind.IMAGE, "image/tiff", data="AAAA"),
        Media(MediaKind.DOCUMENT, "application/zip", data="AAAA"),
    ],
)
def test_what_cannot_be_sent_is_named_in_its_place(media: Media) -> None:
    notes = Notes()
    body = _written(_user("look", media), notes=notes)
    words = body["messages"][0]["content"][1]["text"]
    assert media.kind.value in words
    assert media.url in words
    assert notes.dropped == {media.kind.value: None}


def test_E77_pictures_in_results_are_kept_unless_the_model_is_blind() -> None:
    result = ToolResult("a", (Text("see"), Media(MediaKind.IMAGE, "image/png", data=PIXEL)))
    turns = (_user("go"), _assistant(ToolCall("a", "read", "{}")), _user(result))
    content = _written(*turns)["messages"][2]["content"][0]["toolResult"]["content"]
    assert content[1] == {"image": {"format": "png", "source": {"bytes": PIXEL}}}
    blind = _written(*turns, target=_target(LLAMA, vision=False))
    assert "image" in blind["messages"][2]["content"][0]["toolResult"]["content"][1]["text"]


# -------------------------------------------------------------------- options
@pytest.mark.parametrize(
    ("model", "thinking", "written"),
    [
        (CLAUDE, Thinking(Effort.HIGH), {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        (CLAUDE, Thinking(adaptive=True), {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        (CLAUDE, Thinking(Effort.MINIMAL), {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        (
            CLAUDE,
            Thinking(budget=8000, show="summary"),
            {"thinking": {"type": "adaptive", "display": "summarized"}, "output_config": {"effort": "medium"}},
        ),
        (CLAUDE, Thinking(budget=0), {"thinking": {"type": "disabled"}}),
        (CLAUDE, Thinking(Effort.NONE), {"thinking": {"type": "disabled"}}),
        (OLD_CLAUDE, Thinking(budget=4096), {"thinking": {"type": "enabled", "budget_tokens": 4096}}),
        (OLD_CLAUDE, Thinking(budget=10), {"thinking": {"type": "enabled", "budget_tokens": 1024}}),
        (OLD_CLAUDE, Thinking(budget=50_000), {"thinking": {"type": "enabled", "budget_tokens": 15000}}),
        (OLD_CLAUDE, Thinking(Effort.MEDIUM), {"thinking": {"type": "enabled", "budget_tokens": 8192}}),
        (NOVA, Thinking(Effort.LOW), {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}),
        (NOVA, Thinking(budget=0), {"reasoningConfig": {"type": "disabled"}}),
        (OSS, Thinking(Effort.XHIGH), {"reasoning_effort": "high"}),
        ("global.openai.gpt-6-sol", Thinking(Effort.XHIGH), {"reasoning": {"effort": "xhigh"}}),
        (LLAMA, Thinking(Effort.HIGH), None),
        (PROFILE, Thinking(Effort.HIGH), {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
    ],
)  # fmt: skip
def test_thinking_is_asked_for_in_the_makers_words(model: str, thinking: Thinking, written: Any) -> None:
    body = _written(_user("hi"), thinking=thinking, max_output=20_000, target=_target(model))
    assert body.get("additionalModelRequestFields") == written


def test_the_catalogues_word_on_thinking_beats_the_id() -> None:
    budget = _written(thinking=Thinking(Effort.LOW), target=_target(PROFILE, thinking="budget"))
    assert budget["additionalModelRequestFields"]["thinking"]["type"] == "enabled"
    assert "additionalModelRequestFields" not in _written(
        thinking=Thinking(Effort.LOW), target=_target(CLAUDE, thinking="none")
    )


def test_there_is_no_thinking_where_there_is_no_room_for_it() -> None:
    notes = Notes()
    body = _written(thinking=Thinking(budget=2000), max_output=1000, target=_target(OLD_CLAUDE), notes=notes)
    assert "additionalModelRequestFields" not in body
    assert notes.dropped == {"thinking": None}


@pytest.mark.parametrize(
    ("model", "thinking", "left", "dropped"),
    [
        (OLD_CLAUDE, None, {"temperature": 0.2}, ["top_p"]),
        (OLD_CLAUDE, Thinking(budget=2048), {}, ["temperature", "top_p", "top_k"]),
        (NEW_CLAUDE, None, {}, ["temperature", "top_p", "top_k"]),
        (LLAMA, None, {"temperature": 0.2, "topP": 0.9}, ["top_k"]),
        (NOVA, None, {"temperature": 0.2, "topP": 0.9}, []),
    ],
)
def test_sampling_parameters_that_the_model_refuses_are_left_out(
    model: str, thinking: Thinking | None, left: dict[str, Any], dropped: list[str]
) -> None:
    notes = Notes()
    body = _written(
        temperature=0.2, top_p=0.9, top_k=40, thinking=thinking, target=_target(model), notes=notes
    )
    assert body.get("inferenceConfig", {}) == left
    assert list(notes.dropped) == dropped


def test_top_k_is_said_in_the_makers_words() -> None:
    assert _written(top_k=40, target=_target(OLD_CLAUDE))["additionalModelRequestFields"] == {"top_k": 40}
    nova = _written(top_k=40, target=_target(NOVA))["additionalModelRequestFields"]
    assert nova == {"inferenceConfig": {"topK": 40}}


def test_temperature_is_within_the_range() -> None:
    notes = Notes()
    body = _written(temperature=1.7, target=_target(LLAMA), notes=notes)
    assert body["inferenceConfig"] == {"temperature": 1.0}
    assert notes.changed == {"temperature=1": None}


def test_a_schema_for_the_answer() -> None:
    form = OutputFormat({"type": "object", "properties": {}}, "title", "A title")
    definition = _written(format=form)["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert json.loads(definition["schema"]) == form.schema
    assert (definition["name"], definition["description"]) == ("title", "A title")


@pytest.mark.parametrize("model", [LLAMA, "anthropic.claude-3-haiku-20240307-v1:0"])
def test_models_without_schemas_are_asked_in_words(model: str) -> None:
    notes = Notes()
    body = _written(format=OutputFormat({"type": "object"}), target=_target(model), notes=notes)
    assert '{"type":"object"}' in body["system"][-1]["text"]
    assert notes.changed == {"response_format": None}
    assert "JSON" in _written(format=OutputFormat())["system"][-1]["text"]


def test_E82_beta_flags_by_allow_list() -> None:
    asked = ["claude-code-20250219", "context-1m-2025-08-07", "oauth-2025-04-20", "context-1m-2025-08-07"]
    notes = Notes()
    target = _target(OLD_CLAUDE, betas=("context-1m-2025-08-07", "effort-2025-11-24"))
    body = _written(extras={"anthropic_beta": asked}, target=target, notes=notes)
    assert body["additionalModelRequestFields"] == {"anthropic_beta": ["context-1m-2025-08-07"]}
    assert notes.dropped == {"anthropic-beta": None}


def test_E82_no_flag_goes_to_a_provider_that_names_none_or_to_another_makers_model() -> None:
    asked = {"anthropic_beta": ["context-1m-2025-08-07"]}
    assert "additionalModelRequestFields" not in _written(extras=asked)
    llama = _target(LLAMA, betas=("context-1m-2025-08-07",))
    assert "additionalModelRequestFields" not in _written(extras=asked, target=llama)


def test_the_user_goes_into_the_accounts_own_log() -> None:
    assert _written(user="user_1")["requestMetadata"] == {"user": "user_1"}
    odd = '{"device_id":"d1","session_id":"s1"}'
    assert _written(user=odd)["requestMetadata"] == {"user": "device_id:d1,session_id:s1"}
    notes = Notes()
    assert "requestMetadata" not in _written(user="日本", notes=notes)
    assert notes.dropped == {"user": None}


def test_nothing_is_lost_silently() -> None:
    notes = Notes()
    _written(
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.1,
        verbosity="low",
        service_tier="auto",
        extras={"brand_new": 1},
        notes=notes,
    )
    assert set(notes.dropped) == {
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "verbosity",
        "service_tier",
        "brand_new",
    }


# -------------------------------------------------------------------- counting
def test_counting_asks_for_the_same_prompt() -> None:
    body = write_count_request(RICH, _target())
    check_request(body, "CountTokens")
    counted = json.loads(body)["input"]["converse"]
    whole = json.loads(CODEC.write_request(RICH, _target(), Notes()))
    assert counted.keys() == {"messages", "system", "toolConfig", "additionalModelRequestFields"}
    assert all(counted[name] == whole[name] for name in counted)


def test_the_count_is_read() -> None:
    assert read_count(b'{"inputTokens": 12}') == 12
    assert read_count(b'{"inputTokens": 0}') == 0
    assert all(read_count(body) is None for body in (b"", b"[]", b"{}", b'{"inputTokens": "x"}'))


# -------------------------------------------------------------------- reading
@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b'{"messages": {}}', "messages"),
        (b'{"messages": [1]}', "messages[0]"),
        (b'{"messages": [{"role": "tool"}]}', "messages[0].role"),
        (b'{"messages": [{"role": "user", "content": "hi"}]}', "messages[0].content"),
        (b'{"messages": [{"role": "user", "content": [{}]}]}', "messages[0].content[0]"),
        (b'{"messages": [{"role": "user", "content": [{"text": 1}]}]}', "messages[0].content[0].text"),
        (
            b'{"messages": [{"role": "assistant", "content": [{"toolUse": {}}]}]}',
            "messages[0].content[0].toolUse.toolUseId",
        ),
        (
            b'{"messages": [{"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": 1}}]}]}',
            "messages[0].content[0].toolResult.content",
        ),
        (b'{"system": 1}', "system"),
        (b'{"toolConfig": []}', "toolConfig.tools"),
        (b'{"toolConfig": {"tools": [{"toolSpec": {}}]}}', "toolConfig.tools[0].toolSpec.name"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(body: bytes, param: str | None) -> None:
    with pytest.raises(BadBody) as caught:
        CODEC.read_request(body, model="m", stream=False)
    assert caught.value.param == param


def test_unknown_blocks_are_kept() -> None:
    blocks = [
        {"brandNew": {"x": 1}},
        {"searchResult": {"source": "s", "title": "t", "content": [{"text": "x"}]}},
        {"toolUse": {"toolUseId": "a", "name": "search", "input": {}, "type": "server_tool_use"}},
        {
            "document": {
                "format": "pdf",
                "name": "n",
                "source": {"bytes": "AAAA"},
                "citations": {"enabled": True},
            }
        },
        {"cachePoint": {"type": "default"}},
    ]
    body = json.dumps({"messages": [{"role": "user", "content": blocks}]}).encode()
    conversation = CODEC.read_request(body, model="m", stream=False)
    assert [type(part) for part in conversation.turns[0].parts] == [Native] * 5
    written = json.loads(CODEC.write_request(conversation, _target(), Notes()))
    assert written["messages"][0]["content"][:4] == blocks[:4]


def test_2000_tools_and_100_deep_schemas() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(100):
        schema = {"type": "object", "properties": {"a": schema}}
    tools = tuple(FunctionTool(f"tool_{i}", "x", schema if i == 0 else None) for i in range(2000))
    body = CODEC.write_request(Conversation(model="m", turns=(_user("hi"),), tools=tools), _target(), Notes())
    assert CODEC.read_request(body, model="m", stream=False).tools == tools
