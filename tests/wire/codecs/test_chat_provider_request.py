"""A conversation, written as a provider's request: for OpenAI, and for the servers that speak its protocol."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given

from tests.wire.codecs.chat_sdk import asked, check_request, request_for
from tests.wire.conversations import broken_conversations, conversations
from waystation.model import Capabilities, Wire
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
from waystation.wire.codecs import Notes, Target
from waystation.wire.codecs.chat import CODEC

OPENAI = Target(Wire.CHAT, "openai", "gpt-5.4", Capabilities(thinking="effort", vision=True, documents=True))
VLLM = Target(Wire.CHAT, "vllm", "qwen")
OPENROUTER = Target(Wire.CHAT, "openrouter", "claude", Capabilities(caching=True, thinking="adaptive"))


def user(*parts: Part) -> Turn:
    return Turn(Role.USER, parts)


def model(*parts: Part) -> Turn:
    return Turn(Role.ASSISTANT, parts)


def messages(*turns: Turn, target: Target = VLLM, **fields: Any) -> list[dict[str, Any]]:
    return written(*turns, target=target, **fields)["messages"]  # type: ignore[no-any-return]  # it is JSON


def written(*turns: Turn, target: Target = VLLM, **fields: Any) -> dict[str, Any]:
    conversation = Conversation(model="a-model", turns=turns or (user(Text("hi")),), **fields)
    body = CODEC.write_request(conversation, target, Notes())
    return check_request(body)


def dropped(*turns: Turn, target: Target = VLLM, **fields: Any) -> list[str]:
    _, notes = request_for(Conversation(model="m", turns=turns or (user(Text("hi")),), **fields), target)
    return list(notes.dropped)


def test_a_plain_request() -> None:
    assert written(system=(Text("Be brief."),)) == {
        "model": "qwen",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
    }


def test_E48_usage_is_always_asked_for_where_the_server_knows_it() -> None:
    for wanted in (True, False):
        body = written(stream=True, include_usage=wanted)
        assert body["stream"] is True
        assert body["stream_options"] == {"include_usage": True}
    deaf = msgspec.structs.replace(VLLM, usage_in_stream=False)
    assert "stream_options" not in written(stream=True, target=deaf)
    assert "stream_options" not in written()


# Messages


def test_instructions_are_one_message_and_first() -> None:
    found = messages(system=(Text("a"), Text("b")))
    assert found[0] == {"role": "system", "content": "a\n\nb"}


def test_instructions_in_mid_conversation() -> None:
    later = Turn(Role.SYSTEM, (Text("Now in French."),))
    turns = (user(Text("hi")), model(Text("hello")), later, user(Text("go on")))
    assert messages(*turns, target=OPENAI)[2] == {"role": "system", "content": "Now in French."}
    # The templates of most open models fail for any system message but the first.
    reminder = "<system-reminder>\nNow in French.\n</system-reminder>\n\ngo on"
    assert messages(*turns)[2] == {"role": "user", "content": reminder}
    assert messages(later, user(Text("hi")))[0] == {"role": "system", "content": "Now in French."}


def test_words_are_a_string_for_servers_that_take_nothing_else() -> None:
    turns = (user(Text("a"), Text("b")), user(Text("c")))
    assert messages(*turns) == [{"role": "user", "content": "a\n\nb\n\nc"}]
    assert messages(*turns, target=OPENAI) == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "user", "content": "c"},
    ]


LS = ToolCall("call_1", "bash", '{"command":"ls"}')
CAT = ToolCall("call_2", "bash", '{"command":"cat"}')


def test_E74_each_result_is_a_message_directly_behind_the_calls() -> None:
    found = messages(
        user(Text("hi")),
        model(Text("I look."), LS, CAT),
        user(Text("and hurry"), ToolResult("call_1", (Text("a"), Text("b")))),
        user(ToolResult("call_2", (Text("c"),)), Text("please")),
    )
    function = {"name": "bash", "arguments": '{"command":"ls"}'}
    assert found[1]["content"] == "I look."
    assert found[1]["tool_calls"][0] == {"id": "call_1", "type": "function", "function": function}
    assert found[2:] == [
        {"role": "tool", "tool_call_id": "call_1", "content": "a\nb"},
        {"role": "tool", "tool_call_id": "call_2", "content": "c"},
        {"role": "user", "content": "and hurry\n\nplease"},
    ]


PNG = Media(MediaKind.IMAGE, "image/png", data="iVBO")
SHOWN = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}}


def test_E77_pictures_of_results_follow_in_a_message_of_the_user() -> None:
    found = messages(
        model(LS, CAT),
        user(
            ToolResult("call_1", (Text("a"), PNG), name="bash"),
            ToolResult("call_2", (PNG,)),
            Text("What is it?"),
        ),
    )
    assert [message["role"] for message in found] == ["assistant", "tool", "tool", "user"]
    assert found[1]["content"] == "a\n[image: see the next message of the user]"
    assert found[2]["content"] == "[image: see the next message of the user]"
    assert found[3]["content"] == [
        {"type": "text", "text": "From the result of bash:"},
        SHOWN,
        {"type": "text", "text": "From the result of call_2:"},
        SHOWN,
        {"type": "text", "text": "What is it?"},
    ]


def test_E77_pictures_of_the_last_results_are_shown_too() -> None:
    assert messages(model(LS), user(ToolResult("call_1", (PNG,))))[-1]["content"][1] == SHOWN


def test_E77_a_model_without_eyes_is_told_that_there_was_a_picture() -> None:
    blind = Target(Wire.CHAT, "p", "m", Capabilities(vision=False))
    turns = (user(Text("see"), PNG), model(LS), user(ToolResult("call_1", (PNG,))))
    found = messages(*turns, target=blind)
    assert found[0]["content"] == "see\n\n[image: this model cannot see images]"
    assert found[2]["content"] == "[image: this model cannot see images]"
    assert dropped(*turns, target=blind) == ["image"]


@pytest.mark.parametrize(
    ("media", "part"),
    [
        (Media(MediaKind.IMAGE, url="https://x/a.png", detail="low"), {"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low"}}),
        (Media(MediaKind.AUDIO, "audio/wav", data="UklG"), {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}}),
        (Media(MediaKind.AUDIO, "audio/mpeg", data="UklG"), {"type": "input_audio", "input_audio": {"data": "UklG", "format": "mp3"}}),
        (Media(MediaKind.DOCUMENT, "application/pdf", data="JVBE", name="a.pdf"), {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}}),
        (Media(MediaKind.DOCUMENT, file_id="file-1"), {"type": "file", "file": {"file_id": "file-1"}}),
        (Media(MediaKind.DOCUMENT, "text/plain", data="words", name="a.txt"), {"type": "text", "text": '<document name="a.txt">\nwords\n</document>'}),
        (Media(MediaKind.DOCUMENT, url="https://x/a.pdf"), {"type": "text", "text": "[document at https://x/a.pdf: this model cannot open URLs]"}),
        (Media(MediaKind.IMAGE, file_id="file_1"), {"type": "text", "text": "[image: the file is at another provider]"}),
    ],
)  # fmt: skip
def test_pictures_sounds_and_documents(media: Media, part: dict[str, Any]) -> None:
    found = messages(user(Text("see"), media), target=OPENAI)
    assert found[0]["content"] == [{"type": "text", "text": "see"}, part]


def test_videos_are_as_open_servers_take_them() -> None:
    body, _ = request_for(asked(), VLLM)
    video = Media(MediaKind.VIDEO, "video/mp4", data="AAAA")
    body, _ = request_for(Conversation(model="m", turns=(user(video),)), VLLM)
    assert body["messages"][0]["content"] == [
        {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AAAA"}}
    ]


def test_a_model_that_reads_no_documents_is_told_their_name() -> None:
    target = Target(Wire.CHAT, "p", "m", Capabilities(documents=False))
    pdf = Media(MediaKind.DOCUMENT, "application/pdf", data="JVBE", name="a.pdf")
    assert (
        messages(user(pdf), target=target)[0]["content"]
        == "[document a.pdf: this model cannot read documents]"
    )
    assert dropped(user(pdf), target=target) == ["document"]


def test_E78_no_content_beside_calls_is_null_and_nothing_at_all_is_left_out() -> None:
    found = messages(user(Text("hi")), model(LS), model(Text("")), user(Text("")), user())
    assert found[1:] == [
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "bash", "arguments": '{"command":"ls"}'},
                }
            ],
        }
    ]


def test_what_the_model_said_is_one_text() -> None:
    assert messages(model(Text("a"), Text("b"), LS, Text("c")))[0]["content"] == "ab\n\nc"
    assert messages(model(Text("no", refusal=True)))[0] == {
        "role": "assistant",
        "content": None,
        "refusal": "no",
    }


def test_E70_a_failed_call_says_so() -> None:
    turns = (model(LS), user(ToolResult("call_1", (), is_error=True)))
    assert messages(*turns)[1]["content"] == "The tool failed and said nothing."
    assert dropped(*turns) == ["is_error"]
    assert messages(model(LS), user(ToolResult("call_1")))[1]["content"] == ""


def test_arguments_that_are_no_json_object_are_made_one() -> None:
    """vLLM and others parse them, and fail for the whole conversation."""
    for text in ('{"command":', "[1]", "ls"):
        turns = (model(ToolCall("c", "bash", text)),)
        arguments = messages(*turns)[0]["tool_calls"][0]["function"]["arguments"]
        assert json.loads(arguments) == {"arguments": text}
        _, notes = request_for(Conversation(model="m", turns=turns))
        assert list(notes.changed) == ["tool_calls.function.arguments"]
    assert messages(model(ToolCall("c", "f", "")))[0]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_natives_of_its_own_are_where_they_were_and_others_dropped() -> None:
    part = Native(Wire.CHAT, "brand_new", {"type": "brand_new", "x": 1})
    field = Native(Wire.CHAT, "name", {"name": "anna"})
    foreign = Native(Wire.MESSAGES, "server_tool_use", {"type": "server_tool_use"})
    body, notes = request_for(Conversation(model="m", turns=(user(Text("a"), part, field, foreign),)))
    assert body["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, part.raw], "name": "anna"}
    ]
    assert list(notes.dropped) == ["server_tool_use"]


# Thoughts


def test_E24_foreign_thoughts_are_dropped_and_never_words() -> None:
    turns = (
        model(
            Reasoning("secret", Seal(Wire.MESSAGES, "c2ln", "claude")),
            Reasoning("secret", Seal(Wire.CHAT, "reasoning_content", "another")),
            Text("a"),
        ),
    )
    assert messages(*turns) == [{"role": "assistant", "content": "a"}]
    assert dropped(*turns) == ["reasoning"]
    assert messages(model(Reasoning("secret", Seal(Wire.RESPONSES, "x")))) == []


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_thoughts_go_back_to_whoever_gave_them(field: str) -> None:
    own = Seal(Wire.CHAT, field, "vllm")
    body, notes = request_for(
        Conversation(model="m", turns=(model(Reasoning("one", own), LS, Reasoning("two", own)),)), VLLM
    )
    assert body["messages"][0][field] == "one\n\ntwo"
    assert not notes.dropped


def test_deepseek_finds_the_field_on_each_of_its_calls() -> None:
    own = Seal(Wire.CHAT, "reasoning_content", "vllm")
    body, _ = request_for(Conversation(model="m", turns=(model(Reasoning("a", own), LS), model(CAT))), VLLM)
    assert [message["reasoning_content"] for message in body["messages"]] == ["a", ""]
    body, _ = request_for(Conversation(model="m", turns=(model(CAT),)), VLLM)
    assert "reasoning_content" not in body["messages"][0]


def test_signed_details_and_signatures_on_calls_go_back_as_they_came() -> None:
    details = [{"type": "reasoning.text", "text": "hm", "signature": "c2ln"}]
    extra = {"google": {"thought_signature": "c2ln"}}
    turn = model(
        Reasoning("hm", Seal(Wire.CHAT, json.dumps(details), "vllm")),
        Reasoning(seal=Seal(Wire.CHAT, json.dumps(extra), "vllm")),
        LS,
        CAT,
    )
    body, _ = request_for(Conversation(model="m", turns=(turn,)), VLLM)
    (message,) = body["messages"]
    assert message["reasoning_details"] == details
    assert [call.get("extra_content") for call in message["tool_calls"]] == [extra, None]


def test_mistral_gets_its_thoughts_as_parts() -> None:
    turn = model(Reasoning("hm", Seal(Wire.CHAT, "thinking", "vllm")), Text("a"))
    body, _ = request_for(Conversation(model="m", turns=(turn,)), VLLM)
    assert body["messages"][0]["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "text", "text": "a"},
    ]


@pytest.mark.parametrize(
    ("capability", "thinking", "effort", "notes"),
    [
        ("effort", Thinking(Effort.XHIGH), "xhigh", []),
        ("effort", Thinking(budget=31999), "high", []),
        ("effort", Thinking(budget=4000), "medium", []),
        ("effort", Thinking(budget=1024), "low", []),
        ("effort", Thinking(budget=0), "none", []),
        ("effort", Thinking(adaptive=True), None, []),
        ("adaptive", Thinking(Effort.MAX), "high", ["reasoning_effort=high"]),
        ("budget", Thinking(budget=31999), "high", []),
        ("none", Thinking(Effort.HIGH), None, ["thinking"]),
        ("none", Thinking(Effort.NONE), None, []),
        (None, Thinking(Effort.MEDIUM), "medium", []),
        (None, Thinking(Effort.MINIMAL), "low", ["reasoning_effort=low"]),
        (None, Thinking(budget=4000), None, ["thinking"]),
        (None, Thinking(budget=0), None, []),
        (None, Thinking(show="summary"), None, []),
    ],
)
def test_how_hard_to_think(capability: Any, thinking: Thinking, effort: str | None, notes: list[str]) -> None:
    target = Target(Wire.CHAT, "p", "m", Capabilities(thinking=capability))
    body, found = request_for(asked(thinking=thinking), target)
    assert body.get("reasoning_effort") == effort
    assert [*found.dropped, *found.changed] == notes


# Limits and sampling


def test_the_limit_is_called_as_the_model_knows_it() -> None:
    assert written(max_output=100, target=OPENAI)["max_completion_tokens"] == 100
    assert written(max_output=100)["max_tokens"] == 100  # Mistral refuses the other one


def test_models_that_think_by_a_word_take_no_sampling() -> None:
    fields: dict[str, Any] = {"temperature": 0.2, "top_p": 0.9, "presence_penalty": 0.5, "stop": ("X",)}
    assert written(target=OPENAI, **fields).keys() == {"model", "messages"}
    assert dropped(target=OPENAI, **fields) == ["temperature", "top_p", "presence_penalty", "stop"]
    assert dropped(target=OPENAI, temperature=1.0, top_p=1.0, frequency_penalty=0.0) == []
    body = written(**fields)
    assert (body["temperature"], body["top_p"], body["presence_penalty"], body["stop"]) == (
        0.2,
        0.9,
        0.5,
        ["X"],
    )
    samples = Target(Wire.CHAT, "p", "m", Capabilities(thinking="effort", sampling=True))
    assert written(target=samples, **fields)["temperature"] == 0.2


def test_more_stop_sequences_than_it_takes() -> None:
    body, notes = request_for(asked(stop=tuple("abcdef"), seed=7, top_k=40))
    assert (body["stop"], body["seed"]) == (["a", "b", "c", "d"], 7)
    assert list(notes.changed) == ["stop=4"]
    assert list(notes.dropped) == ["top_k"]


def test_hints_go_only_to_those_that_know_them() -> None:
    fields: dict[str, Any] = {"user": "anna", "cache_key": "k", "verbosity": "low"}
    assert written(**fields).keys() == {"model", "messages"}
    assert dropped(**fields) == ["verbosity", "user", "prompt_cache_key"]
    body = written(target=OPENAI, **fields)
    assert (body["user"], body["prompt_cache_key"], body["verbosity"]) == ("anna", "k", "low")


def test_claude_codes_user_is_made_to_fit() -> None:
    long = json.dumps({"device_id": "d" * 64, "account_uuid": "a", "session_id": "s"})
    first, second = (written(target=OPENAI, user=long)["user"] for _ in range(2))
    assert first == second
    assert len(first) == 64


# Tools


SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}


def test_tools_and_what_goes_with_them() -> None:
    tools = (
        FunctionTool("f", "d", SCHEMA, strict=True),
        FunctionTool("g"),
        FunctionTool("h", parameters={"type": "object"}),
    )
    body = written(tools=tools, tool_choice=ToolChoice("any"), parallel_tools=False)
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True},
        },
        {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}}}},
        {"type": "function", "function": {"name": "h", "parameters": {"type": "object", "properties": {}}}},
    ]
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("required", False)


def test_without_tools_there_is_no_choice_of_them() -> None:
    assert written(tool_choice=ToolChoice("auto"), parallel_tools=True).keys() == {"model", "messages"}


@pytest.mark.parametrize(
    ("choice", "written_as", "left"),
    [
        (ToolChoice("auto"), "auto", 2),
        (ToolChoice("none"), "none", 2),
        (ToolChoice("named", ("f",)), {"type": "function", "function": {"name": "f"}}, 2),
        (ToolChoice("named", ("p",)), {"type": "custom", "custom": {"name": "p"}}, 2),
        (ToolChoice("allowed", ("f",)), "auto", 1),
        (ToolChoice("allowed", ("f", "p"), required=True), "required", 2),
        (ToolChoice("allowed", ("unknown",)), "auto", 2),
    ],
)
def test_tool_choice(choice: ToolChoice, written_as: Any, left: int) -> None:
    body = written(tools=(FunctionTool("f"), CustomTool("p")), tool_choice=choice)
    assert body["tool_choice"] == written_as
    assert len(body["tools"]) == left


def test_a_model_without_tools_or_without_parallel_calls() -> None:
    none = Target(Wire.CHAT, "p", "m", Capabilities(tools=False))
    assert "tools" not in written(tools=(FunctionTool("f"),), tool_choice=ToolChoice("any"), target=none)
    assert dropped(tools=(FunctionTool("f"),), target=none) == ["tools"]
    one = Target(Wire.CHAT, "p", "m", Capabilities(parallel_tools=False))
    assert "parallel_tool_calls" not in written(tools=(FunctionTool("f"),), parallel_tools=True, target=one)
    assert dropped(tools=(FunctionTool("f"),), parallel_tools=True, target=one) == ["parallel_tool_calls"]


def test_E31_custom_tools_as_openai_has_them() -> None:
    form = {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}
    body = written(
        model(ToolCall("c", "p", "*** Begin", custom=True)),
        user(ToolResult("c", (Text("ok"),), custom=True)),
        tools=(CustomTool("p", "d", form),),
    )
    grammar = {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: "x"'}}
    assert body["tools"] == [
        {"type": "custom", "custom": {"name": "p", "description": "d", "format": grammar}}
    ]
    assert body["messages"][0]["tool_calls"] == [
        {"id": "c", "type": "custom", "custom": {"name": "p", "input": "*** Begin"}}
    ]


def test_E80_tools_that_only_another_provider_runs_are_dropped_with_notice() -> None:
    search = ServerTool(Wire.MESSAGES, "web_search_20250305", {"type": "web_search_20250305"})
    assert dropped(tools=(search,)) == ["tools.web_search_20250305"]
    assert "tools" not in written(tools=(search,))


def test_the_form_of_the_answer() -> None:
    assert written(format=OutputFormat())["response_format"] == {"type": "json_object"}
    whole = OutputFormat({"type": "object"}, "my answer!", "d", True)
    assert written(format=whole)["response_format"] == {
        "type": "json_schema",
        "json_schema": {
            "name": "my_answer_",
            "schema": {"type": "object"},
            "description": "d",
            "strict": True,
        },
    }
    unable = Target(Wire.CHAT, "p", "m", Capabilities(structured_output=False))
    assert dropped(format=whole, target=unable) == ["response_format"]


# Cache marks


def test_E60_cache_marks_reach_a_server_that_takes_them() -> None:
    mark = CacheMark("1h")
    there = {"type": "ephemeral", "ttl": "1h"}
    body, notes = request_for(
        Conversation(
            model="m",
            system=(Text("a"), Text("b", mark)),
            turns=(
                user(Text("hi", CacheMark())),
                model(Text("yes"), LS),
                user(ToolResult("call_1", (Text("r"),), cache=mark)),
                user(Text("see"), Media(MediaKind.IMAGE, url="https://x/a", cache=mark)),
            ),
            tools=(FunctionTool("f", cache=mark),),
        ),
        OPENROUTER,
    )
    system, first, answer, result, last = body["messages"]
    assert system["content"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", "cache_control": there},
    ]
    assert first["content"] == [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]
    assert answer["content"] == "yes"
    assert result["content"] == [{"type": "text", "text": "r", "cache_control": there}]
    assert last["content"][1]["cache_control"] == there
    assert body["tools"][0]["cache_control"] == there
    assert not notes.dropped


def test_E60_nobody_else_is_shown_them() -> None:
    turns = (user(Text("hi", CacheMark())), model(ToolCall("c", "f", "{}", cache=CacheMark())))
    assert b"cache_control" not in CODEC.write_request(Conversation(model="m", turns=turns), VLLM, Notes())
    assert dropped(*turns) == ["cache_control"]


# Properties


def test_nested_too_deeply_is_said_so() -> None:
    schema: dict[str, Any] = {}
    for _ in range(100_000):
        schema = {"a": schema}
    with pytest.raises(BadBody, match="nested"):
        request_for(asked(tools=(FunctionTool("f", parameters=schema),)))


def test_text_that_is_no_unicode_is_refused_not_a_fault() -> None:
    with pytest.raises(BadBody):
        request_for(Conversation(model="m", turns=(user(Text("\ud800")),)))


TARGETS = [VLLM, OPENAI, OPENROUTER, Target(Wire.CHAT, "p", "m", Capabilities(vision=False, documents=False))]


@given(conversations())
def test_the_sdk_takes_whatever_is_written(conversation: Conversation) -> None:
    for target in TARGETS:
        body = CODEC.write_request(conversation, target, Notes())
        check_request(body)


@given(broken_conversations())
def test_nothing_is_a_fault(conversation: Conversation) -> None:
    for target in TARGETS:
        notes = Notes()
        raw = json.loads(CODEC.write_request(conversation, target, notes))
        assert raw["messages"] is not None
        for message in raw["messages"]:
            assert message["role"] in ("system", "user", "assistant", "tool")


def _expressible(conversation: Conversation) -> Conversation:
    """What of it this protocol can say: it cannot say thoughts, errors, or what is behind a URL."""
    turns = []
    for turn in conversation.turns:
        parts: list[Part] = []
        for part in turn.parts:
            if isinstance(part, Reasoning):
                continue
            if isinstance(part, Media) and part.url:
                part = msgspec.structs.replace(part, media_type="")
            if isinstance(part, ToolResult):
                said = " ".join(one.text for one in part.content if isinstance(one, Text))
                part = msgspec.structs.replace(part, content=(Text(said),) if said else (), is_error=False)
            parts.append(part)
        if parts:
            turns.append(Turn(turn.role, tuple(parts)))
    return msgspec.structs.replace(
        conversation,
        turns=tuple(turns),
        system=conversation.system[:1],
        tools=tuple(
            msgspec.structs.replace(tool, parameters=tool.parameters or {"type": "object", "properties": {}})
            if isinstance(tool, FunctionTool)
            else tool
            for tool in conversation.tools
        ),
        tool_choice=conversation.tool_choice if conversation.tools else None,
        parallel_tools=conversation.parallel_tools if conversation.tools else None,
        thinking=Thinking(Effort.HIGH) if conversation.thinking else None,
        extras={},
    )


@given(conversations(Wire.CHAT))
def test_what_it_can_say_comes_back_the_same(conversation: Conversation) -> None:
    said = _expressible(conversation)
    target = Target(Wire.CHAT, "p", said.model, Capabilities(thinking="effort", sampling=True))
    body = CODEC.write_request(said, target, Notes())
    assert CODEC.read_request(body, model=said.model, stream=said.stream) == said
