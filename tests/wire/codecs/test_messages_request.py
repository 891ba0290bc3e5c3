"""A tool's Messages request as a conversation."""

import json
from pathlib import Path
from typing import Any

import pytest

from waystation.model import Wire
from waystation.wire import BadBody
from waystation.wire.canonical import (
    CacheMark,
    Conversation,
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
from waystation.wire.codecs import Notes, Target
from waystation.wire.codecs.messages import CODEC, PRIVATE
from waystation.wire.codecs.seal import wrap

REQUESTS = Path(__file__).parents[2] / "fixtures" / "requests"
HI = [{"role": "user", "content": "hi"}]


def read(*, model: str = "m", stream: bool = False, **fields: Any) -> Conversation:
    body = {"model": model, "max_tokens": 100, "messages": HI, **fields}
    return CODEC.read_request(json.dumps(body).encode(), model=model, stream=stream)


def parts(*blocks: dict[str, Any], role: str = "user") -> tuple[Any, ...]:
    conversation = read(messages=[{"role": role, "content": list(blocks)}])
    return conversation.turns[0].parts


@pytest.mark.parametrize("tool", ["claude", "opencode-anthropic", "copilot-anthropic"])
def test_a_real_tools_request_comes_out_as_it_went_in(tool: str) -> None:
    """What is not in it is reported."""
    sent = json.loads((REQUESTS / f"{tool}.json").read_text())["body"]
    conversation = CODEC.read_request(json.dumps(sent).encode(), model=sent["model"], stream=sent["stream"])
    notes = Notes()
    target = Target(Wire.MESSAGES, "anthropic", sent["model"])
    written = json.loads(CODEC.write_request(conversation, target, notes))
    assert list(notes.dropped) == []
    assert list(notes.changed) == []
    if "thinking" in sent:
        sent.pop("temperature", None)  # 1 is what it is anyway
    assert written == sent


def test_system_is_a_string_or_blocks() -> None:
    assert read(system="be brief").system == (Text("be brief"),)
    blocks = [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", "cache_control": {"type": "ephemeral"}},
    ]
    assert read(system=blocks).system == (Text("a"), Text("b", CacheMark("5m")))
    assert read(system="").system == ()


def test_E64_claude_codes_accounting_line_is_no_part_of_the_prompt() -> None:
    line = "x-anthropic-billing-header: cc_version=2.1.197.2bb; cc_entrypoint=sdk-cli; cch=36ee5;"
    conversation = read(
        system=[{"type": "text", "text": line}, {"type": "text", "text": "You are Claude Code."}]
    )
    assert conversation.system == (Text("You are Claude Code."),)
    assert conversation.extras == {"x-anthropic-billing-header": line}
    assert set(conversation.extras) <= PRIVATE
    assert read(system=f"{line}\nYou are Claude Code.").system == (Text("You are Claude Code."),)


def test_system_messages_stay_where_they_are_said() -> None:
    conversation = read(
        messages=[
            {"role": "system", "content": "first"},
            {"role": "user", "content": "hi"},
            {"role": "system", "content": [{"type": "text", "text": "be brief"}]},
            {"role": "system", "clear_at": "never", "output_config": {"effort": "low"}},
        ]
    )
    assert conversation.system == (Text("first"),)
    assert [(turn.role, turn.parts) for turn in conversation.turns] == [
        (Role.USER, (Text("hi"),)),
        (Role.SYSTEM, (Text("be brief"),)),
    ]
    assert conversation.extras == {"messages[].clear_at": True, "messages[].output_config": True}


def test_E60_cache_marks_are_read_wherever_they_stand() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    result = {
        "type": "tool_result",
        "tool_use_id": "t",
        "content": [{"type": "text", "text": "r", "cache_control": mark}],
        "cache_control": {"type": "ephemeral"},
    }
    image = {"type": "image", "source": {"type": "url", "url": "https://e.org/a.png"}, "cache_control": mark}
    assert parts({"type": "text", "text": "t", "cache_control": mark}, result, image) == (
        Text("t", CacheMark("1h")),
        ToolResult("t", (Text("r", CacheMark("1h")),), cache=CacheMark("5m")),
        Media(MediaKind.IMAGE, url="https://e.org/a.png", cache=CacheMark("1h")),
    )
    tool = read(tools=[{"name": "t", "input_schema": {"type": "object"}, "cache_control": mark}]).tools[0]
    assert isinstance(tool, FunctionTool)
    assert tool.cache == CacheMark("1h")


def test_E78_empty_text_is_left_out() -> None:
    conversation = read(
        messages=[
            {"role": "user", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "a"}]},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": ""}]},
        ]
    )
    assert conversation.turns == (
        Turn(Role.USER, (Text("a"),)),
        Turn(Role.USER, (ToolResult("t"),)),
    )


def test_E20_thoughts_keep_every_character() -> None:
    thoughts = " \u00e9\u0301 \n\t 読む "
    block = {"type": "thinking", "thinking": thoughts, "signature": "EqMB+/=="}
    assert parts(block, role="assistant") == (Reasoning(thoughts, Seal(Wire.MESSAGES, "EqMB+/==")),)


def test_E21_a_seal_of_ours_says_whose_it_is() -> None:
    seal = Seal(Wire.GENERATE, "c2VhbA==", "google")
    thinking = {"type": "thinking", "thinking": "", "signature": wrap(seal)}
    redacted = {"type": "redacted_thinking", "data": wrap(seal)}
    assert parts(thinking, redacted, role="assistant") == (
        Reasoning(seal=seal),
        Reasoning(seal=seal, redacted=True),
    )


@pytest.mark.parametrize("signature", [{}, {"signature": ""}, {"signature": wrap(Seal(Wire.MESSAGES, ""))}])
def test_E22_unsigned_thoughts_have_no_seal(signature: dict[str, str]) -> None:
    block = {"type": "thinking", "thinking": "hm", **signature}
    assert parts(block, role="assistant") == (Reasoning("hm"),)


def test_E22_unsigned_thoughts_of_a_provider_are_known_for_its_own() -> None:
    seal = Seal(Wire.CHAT, "", "groq")
    block = {"type": "thinking", "thinking": "hm", "signature": wrap(seal)}
    assert parts(block, role="assistant") == (Reasoning("hm", seal),)


def test_E23_redacted_thinking_is_kept() -> None:
    block = {"type": "redacted_thinking", "data": "EmwKAhgB"}
    assert parts(block, role="assistant") == (Reasoning(seal=Seal(Wire.MESSAGES, "EmwKAhgB"), redacted=True),)


def test_calls_and_results() -> None:
    call = {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "Bash",
        "input": {"n": 12345678901234567890123, "b": [1.5]},
    }
    assert parts(call, role="assistant") == (
        ToolCall("toolu_1", "Bash", '{"n":12345678901234567890123,"b":[1.5]}'),
    )
    failed = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "no", "is_error": True}
    assert parts(failed) == (ToolResult("toolu_1", (Text("no"),), is_error=True),)


@pytest.mark.parametrize(("given", "text"), [(None, "{}"), ('{"a": 1', '{"a": 1'), ([1], "[1]")])
def test_malformed_input_of_a_call_is_kept_as_text(given: Any, text: str) -> None:
    call = {"type": "tool_use", "id": "t", "name": "Bash", "input": given}
    assert parts(call, role="assistant") == (ToolCall("t", "Bash", text),)


def test_E70_ids_may_be_missing() -> None:
    assert parts({"type": "tool_result", "content": "r"}) == (ToolResult("", (Text("r"),)),)
    call = {"type": "tool_use", "name": "Bash", "input": {}}
    assert parts(call, role="assistant") == (ToolCall("", "Bash", "{}"),)


def test_E77_results_keep_their_pictures_and_documents() -> None:
    png = {"type": "base64", "media_type": "image/png", "data": "iVBO"}
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}
    content = [
        {"type": "text", "text": "seen"},
        {"type": "image", "source": png},
        {"type": "document", "source": pdf, "title": "a.pdf"},
        {"type": "tool_reference", "tool_name": "mcp__x__y"},
        {
            "type": "search_result",
            "title": "T",
            "source": "https://e.org",
            "content": [{"type": "text", "text": "found"}],
        },
        {"type": "browser_state", "tabs": [1], "cache_control": {"type": "ephemeral"}},
    ]
    assert parts({"type": "tool_result", "tool_use_id": "t", "content": content}) == (
        ToolResult(
            "t",
            (
                Text("seen"),
                Media(MediaKind.IMAGE, "image/png", data="iVBO"),
                Media(MediaKind.DOCUMENT, "application/pdf", data="JVBE", name="a.pdf"),
                Text("The tool mcp__x__y is available now."),
                Text("T\nhttps://e.org\nfound"),
                Text('{"type":"browser_state","tabs":[1]}', CacheMark("5m")),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("source", "read_as"),
    [
        (
            {"type": "text", "media_type": "text/plain", "data": "words"},
            Media(MediaKind.DOCUMENT, "text/plain", data="words"),
        ),
        ({"type": "content", "content": "words"}, Media(MediaKind.DOCUMENT, "text/plain", data="words")),
        (
            {"type": "content", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            Media(MediaKind.DOCUMENT, "text/plain", data="a\nb"),
        ),
        ({"type": "url", "url": "https://e.org/a.pdf"}, Media(MediaKind.DOCUMENT, url="https://e.org/a.pdf")),
        ({"type": "file", "file_id": "file_1"}, Media(MediaKind.DOCUMENT, file_id="file_1")),
    ],
)
def test_documents(source: dict[str, Any], read_as: Media) -> None:
    assert parts({"type": "document", "source": source}) == (read_as,)


def test_what_a_document_says_beyond_its_words_is_reported() -> None:
    source = {"type": "text", "media_type": "text/plain", "data": "words"}
    block = {"type": "document", "source": source, "context": "c", "citations": {"enabled": True}}
    conversation = read(messages=[{"role": "user", "content": [block]}])
    assert set(conversation.extras) == {"messages[].document.context", "messages[].document.citations"}


def test_E81_E96_blocks_that_only_this_protocol_has_are_kept_as_they_are() -> None:
    blocks: list[dict[str, Any]] = [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"type": "web_search_result"}]},
        {"type": "mcp_tool_use", "id": "x", "name": "n", "server_name": "s", "input": {}},
        {"type": "compaction", "content": "summary"},
        {"type": "brand_new", "anything": [1, None]},
        {"type": "image", "source": {"type": "hologram"}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "image", "source": {}}]}},
    ]
    assert parts(*blocks, role="assistant") == tuple(Native(Wire.MESSAGES, b["type"], b) for b in blocks)


def test_citations_are_kept_with_their_text() -> None:
    citation = {"type": "char_location", "cited_text": "w", "document_index": 0}
    block = {"type": "text", "text": "so it says", "citations": [citation]}
    assert parts(block, role="assistant") == (Text("so it says", citations=(citation,)),)


def test_tools() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/x"}},
        "$defs": {"x": {"type": "string"}},
    }
    extras = {"defer_loading": True, "input_examples": [{"a": "b"}], "eager_input_streaming": True}
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 5}
    toolset = {"type": "mcp_toolset", "mcp_server_name": "x"}
    conversation = read(
        tools=[
            {"name": "edit", "description": "d", "input_schema": schema, "strict": True, **extras},
            {"type": "custom", "name": "go", "input_schema": {"type": "object", "properties": {}}},
            search,
            toolset,
        ],
        mcp_servers=[{"type": "url", "name": "x", "url": "https://e.org"}],
    )
    assert conversation.tools == (
        FunctionTool("edit", "d", schema, True, extras=extras),
        FunctionTool("go"),
        ServerTool(Wire.MESSAGES, "web_search_20250305", search),
        ServerTool(Wire.MESSAGES, "mcp_toolset", toolset),
    )
    assert set(conversation.extras) == {"mcp_servers"}


@pytest.mark.parametrize(
    ("choice", "read_as", "parallel"),
    [
        ({"type": "auto"}, ToolChoice("auto"), None),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice("any"), False),
        (
            {"type": "tool", "name": "t", "disable_parallel_tool_use": False},
            ToolChoice("named", ("t",)),
            True,
        ),
        ({"type": "none"}, ToolChoice("none"), None),
    ],
)
def test_E103_tool_choice(choice: dict[str, Any], read_as: ToolChoice, parallel: bool | None) -> None:
    conversation = read(tool_choice=choice)
    assert (conversation.tool_choice, conversation.parallel_tools) == (read_as, parallel)


@pytest.mark.parametrize(
    ("fields", "thinking", "extras"),
    [
        ({}, None, {}),
        ({"thinking": {"type": "enabled", "budget_tokens": 31999}}, Thinking(budget=31999), {}),
        (
            {"thinking": {"type": "adaptive", "display": "omitted"}, "output_config": {"effort": "xhigh"}},
            Thinking(Effort.XHIGH, adaptive=True, show="none"),
            {},
        ),
        ({"thinking": {"type": "disabled"}}, Thinking(budget=0), {}),
        ({"output_config": {"effort": "low"}}, Thinking(Effort.LOW), {}),
        (
            {"thinking": {"type": "between_tools"}, "output_config": {"effort": "frantic"}},
            Thinking(budget=0),
            {"thinking.type": "between_tools", "output_config.effort": "frantic"},
        ),
        (
            {"thinking": {"type": "adaptive", "display": "updates", "block_binding": {}}},
            Thinking(adaptive=True),
            {"thinking.display": "updates", "thinking.block_binding": {}},
        ),
        (
            {"thinking": {"type": "daydream"}},
            Thinking(),
            {"thinking.type": "daydream"},
        ),
    ],
)
def test_thinking(fields: dict[str, Any], thinking: Thinking | None, extras: dict[str, Any]) -> None:
    conversation = read(**fields)
    assert conversation.thinking == thinking
    assert conversation.extras == extras


@pytest.mark.parametrize("where", ["output_format", "output_config"])
def test_json_output(where: str) -> None:
    wanted = {"type": "json_schema", "schema": {"type": "object"}}
    fields = {"output_format": wanted} if where == "output_format" else {"output_config": {"format": wanted}}
    assert read(**fields).format == OutputFormat({"type": "object"})


def test_the_rest_of_the_request() -> None:
    management = {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}
    conversation = read(
        model="claude-sonnet-5",
        stream=True,
        max_tokens=64000,
        temperature=1,
        top_p=0.9,
        top_k=40,
        stop_sequences=["END"],
        metadata={"user_id": "u", "other": 1},
        service_tier="standard_only",
        output_config={"task_budget": {"type": "tokens", "total": 9}},
        context_management=management,
        container="c",
        betas=["b"],
        brand_new=[1],
    )
    assert (conversation.model, conversation.stream) == ("claude-sonnet-5", True)
    assert (conversation.max_output, conversation.temperature, conversation.top_p) == (64000, 1.0, 0.9)
    assert (conversation.top_k, conversation.stop) == (40, ("END",))
    assert (conversation.user, conversation.service_tier) == ("u", "standard_only")
    assert conversation.extras == {
        "context_management": management,
        "container": "c",
        "betas": ["b"],
        "brand_new": [1],
        "metadata.other": 1,
        "output_config.task_budget": {"type": "tokens", "total": 9},
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": ["user"], "content": "hi"}]}, "messages[0].role"),
        ({"messages": [*HI, {"role": "user"}]}, "messages[1].content"),
        ({"messages": [*HI, {"role": "user", "content": 7}]}, "messages[1].content"),
        ({"messages": [{"role": "user", "content": ["hi"]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [{}]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
            "messages[0].content[0].source",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}]},
            "messages[0].content[0].source.data",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "tool_result", "content": [{"type": "text"}]}]}
                ]
            },
            "messages[0].content[0].content[0].text",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "content": 3}]}]},
            "messages[0].content[0].content",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": 7, "name": "n"}]}]},
            "messages[0].content[0].id",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "7"}]}]},
            "messages[0].content[0].name",
        ),
        ({"system": 3}, "system"),
        ({"tools": {}}, "tools"),
        ({"tools": ["t"]}, "tools[0]"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tools": [{"name": "t", "input_schema": "{}"}]}, "tools[0].input_schema"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"max_tokens": "many"}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"thinking": True}, "thinking"),
        ({"thinking": {"type": "enabled"}}, "thinking.budget_tokens"),
        ({"output_config": []}, "output_config"),
        ({"output_format": "json"}, "output_format"),
        ({"metadata": "me"}, "metadata"),
    ],
)
def test_what_nobody_could_make_sense_of_is_named(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadBody) as caught:
        read(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b"\xff", b'{"messages":' + b"[" * 5000 + b"]" * 5000 + b"}"]
)
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(BadBody):
        CODEC.read_request(body, model="m", stream=False)


def test_large_and_deep_requests_are_read() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        deep = {"type": "object", "properties": {"a": deep}}
    tools = [{"name": f"tool_{number}", "input_schema": deep} for number in range(2000)]
    assert len(read(tools=tools).tools) == 2000
