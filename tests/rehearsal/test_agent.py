"""What the rehearsal model does with the tools that real coding tools declare, and with plain words."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.rehearsal.asking import (
    FIXTURES,
    SCHEMA,
    WIRES,
    Got,
    ask,
    body,
    headers,
    provider,
    send,
    send_raw,
    target,
)

from waystation.model import Wire
from waystation.rehearsal.declared import plainest

PATCH = "*** Begin Patch\n*** Add File: hello.txt\n+hi\n*** End Patch"
UPDATE = "*** Begin Patch\n*** Update File: hello.txt\n@@\n-hi\n+hi there\n*** End Patch"
ABSOLUTE = "/home/dev/project/hello.txt"

CREATES: dict[str, tuple[str, Any]] = {
    "claude": ("Write", {"file_path": ABSOLUTE, "content": "hi"}),
    "codex": ("exec_command", {"cmd": "printf '%s\\n' hi > hello.txt"}),
    "gemini": ("write_file", {"file_path": ABSOLUTE, "content": "hi"}),
    "opencode": ("apply_patch", {"patchText": PATCH}),
    "opencode-anthropic": ("write", {"filePath": ABSOLUTE, "content": "hi"}),
    "qwen": ("write_file", {"file_path": ABSOLUTE, "content": "hi"}),
    "pi": ("write", {"path": ABSOLUTE, "content": "hi"}),
    "copilot": ("bash", {"command": "printf '%s\\n' hi > hello.txt", "description": "Write hello.txt"}),
    "copilot-responses": ("apply_patch", PATCH),
    "copilot-anthropic": ("create", {"path": ABSOLUTE, "file_text": "hi"}),
    "cn": ("Write", {"filepath": ABSOLUTE, "content": "hi"}),
}
_SED = "sed -i.rehearsal 's/hi/hi there/' hello.txt && rm hello.txt.rehearsal"
EDITS: dict[str, tuple[str, Any]] = {
    "claude": ("Edit", {"file_path": ABSOLUTE, "old_string": "hi", "new_string": "hi there"}),
    "codex": ("exec_command", {"cmd": _SED}),
    "gemini": (
        "replace",
        {
            "file_path": ABSOLUTE,
            "old_string": "hi",
            "new_string": "hi there",
            "instruction": "Replace hi with hi there",
        },
    ),
    "opencode": ("apply_patch", {"patchText": UPDATE}),
    "opencode-anthropic": ("edit", {"filePath": ABSOLUTE, "oldString": "hi", "newString": "hi there"}),
    "qwen": ("edit", {"file_path": ABSOLUTE, "old_string": "hi", "new_string": "hi there"}),
    "pi": ("edit", {"path": ABSOLUTE, "edits": [{"oldText": "hi", "newText": "hi there"}]}),
    "copilot": ("bash", {"command": _SED, "description": "Edit hello.txt"}),
    "copilot-responses": ("apply_patch", UPDATE),
    "copilot-anthropic": ("edit", {"path": ABSOLUTE, "old_str": "hi", "new_str": "hi there"}),
    "cn": ("MultiEdit", {"file_path": ABSOLUTE, "edits": [{"old_string": "hi", "new_string": "hi there"}]}),
}


def real(tool: str, words: str = "create hello.txt containing hi") -> tuple[str, dict[str, Any]]:
    """A request of the real tool, with these words in it, answered in one piece."""
    captured = (FIXTURES / "requests" / f"{tool}.json").read_text(encoding="utf-8")
    recorded = json.loads(captured.replace("create hello.txt containing hi", json.dumps(words)[1:-1]))
    said = recorded["body"]
    said.pop("stream", None)
    said.pop("stream_options", None)
    return recorded["target"].replace("streamGenerateContent?alt=sse", "generateContent"), said


def wire_of(where: str) -> Wire:
    for part, wire in (("messages", Wire.MESSAGES), ("responses", Wire.RESPONSES), ("chat", Wire.CHAT)):
        if part in where:
            return wire
    return Wire.GENERATE


def calls(wire: Wire, said: Any) -> list[tuple[str, Any]]:
    """The tool calls of a whole response: name and decoded input."""
    if wire is Wire.MESSAGES:
        return [(b["name"], b["input"]) for b in said["content"] if b["type"] == "tool_use"]
    if wire is Wire.CHAT:
        made = said["choices"][0]["message"].get("tool_calls", [])
        return [(c["function"]["name"], json.loads(c["function"]["arguments"])) for c in made]
    if wire is Wire.RESPONSES:
        made = [o for o in said["output"] if o["type"] in ("function_call", "custom_tool_call")]
        return [(c["name"], json.loads(c["arguments"]) if "arguments" in c else c["input"]) for c in made]
    parts = said["candidates"][0]["content"]["parts"]
    return [(p["functionCall"]["name"], p["functionCall"]["args"]) for p in parts if "functionCall" in p]


def schema_of(wire: Wire, said: dict[str, Any], name: str) -> dict[str, Any] | None:
    """The schema by which the request declares this tool; None for a freeform one."""
    declared = said["tools"]
    if wire is Wire.GENERATE:
        declared = [f for t in declared for f in t.get("functionDeclarations", ())]
    if wire is Wire.CHAT:
        declared = [t["function"] for t in declared if "function" in t]
    found = next(t for t in declared if t.get("name") == name)
    return next(
        (found[k] for k in ("input_schema", "parameters", "parametersJsonSchema") if k in found), None
    )


def text(wire: Wire, said: Any) -> str:
    if wire is Wire.MESSAGES:
        return "".join(b.get("text", "") for b in said["content"])
    if wire is Wire.CHAT:
        return said["choices"][0]["message"]["content"] or ""
    if wire is Wire.RESPONSES:
        return "".join(p["text"] for o in said["output"] if o["type"] == "message" for p in o["content"])
    return "".join(
        p.get("text", "") for p in said["candidates"][0]["content"]["parts"] if not p.get("thought")
    )


@pytest.mark.parametrize("tool", CREATES)
@pytest.mark.parametrize(
    ("words", "expected"),
    [("create hello.txt containing hi", CREATES), ("replace hi with hi there in hello.txt", EDITS)],
    ids=["create", "edit"],
)
def test_each_real_tool_is_asked_to_write_and_edit_by_what_it_declared(
    tool: str, words: str, expected: dict[str, tuple[str, Any]]
) -> None:
    where, said = real(tool, words)
    wire = wire_of(where)
    got = send_raw(provider(), "POST", where, headers(wire), json.dumps(said).encode())
    assert got.status == 200, got.raw
    assert calls(wire, got.json) == [expected[tool]]
    name, given_input = expected[tool]
    schema = schema_of(wire, said, name)
    if schema is not None:
        jsonschema.validate(given_input, schema)


@pytest.mark.parametrize("tool", CREATES)
@pytest.mark.parametrize("words", ["run ls -la", "read notes.md", "run ls and read notes.md in parallel"])
def test_each_real_tool_is_given_input_that_its_schema_allows(tool: str, words: str) -> None:
    where, said = real(tool, words)
    wire = wire_of(where)
    got = send_raw(provider(), "POST", where, headers(wire), json.dumps(said).encode())
    made = calls(wire, got.json)
    assert len(made) == (2 if "parallel" in words else 1)
    for name, given_input in made:
        schema = schema_of(wire, said, name)
        assert schema is not None
        jsonschema.validate(given_input, schema)
    assert ("ls" in json.dumps(made[0])) == ("ls" in words)
    assert ("notes.md" in json.dumps(made[-1])) == ("notes.md" in words)


def test_a_tool_that_wants_an_absolute_path_is_passed_over_where_none_is_known() -> None:
    declared = [
        {"name": "Write", "input_schema": {**SCHEMA, "properties": {
            "path": {"type": "string", "description": "must be absolute"}, "content": {"type": "string"}}}},
        {"name": "Bash", "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}},
    ]  # fmt: skip
    said = body(Wire.MESSAGES, "create its.txt containing it's", tools=declared)
    got = send(provider(), Wire.MESSAGES, said).json
    assert calls(Wire.MESSAGES, got) == [("Bash", {"command": "printf '%s\\n' 'it'\"'\"'s' > its.txt"})]


def test_an_older_codex_shell_takes_its_command_as_a_list() -> None:
    schema = {"type": "object", "properties": {"command": {"type": "array", "items": {"type": "string"}}}}
    declared = [{"type": "function", "name": "shell", "parameters": schema}]
    got = send(provider(), Wire.RESPONSES, body(Wire.RESPONSES, "run ls", tools=declared)).json
    assert calls(Wire.RESPONSES, got) == [("shell", {"command": ["bash", "-lc", "ls"]})]


def test_a_tool_is_called_by_the_end_of_its_name_with_the_input_given() -> None:
    schema = {
        "type": "object",
        "properties": {"q": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["n"],
    }
    declared = [{"name": "mcp__gw__lookup", "description": "", "input_schema": schema}]
    said = body(Wire.MESSAGES, 'call lookup with {"q": "sea"}', tools=declared)
    assert calls(Wire.MESSAGES, send(provider(), Wire.MESSAGES, said).json) == [
        ("mcp__gw__lookup", {"q": "sea", "n": 1})
    ]


@pytest.mark.parametrize("wire", WIRES)
def test_a_conversation_of_two_jobs_takes_two_rounds_and_ends_in_words(wire: Wire) -> None:
    to = provider()
    said = body(wire, "create a.txt containing hi and then run cat a.txt", with_tools=True)
    seen = []
    for turn in range(3):
        got = send(to, wire, said, stream=False).json
        seen.append(calls(wire, got))
        answer_tools(wire, said, got, f"result {turn}")
    assert seen == [[("write", {"path": "a.txt", "content": "hi"})], [("bash", {"command": "cat a.txt"})], []]
    assert text(wire, got) == '[rehearsal] Done. The tool answered: "result 1"'


def answer_tools(wire: Wire, said: dict[str, Any], got: Any, result: str) -> None:
    """Append the response and its tools' results to the conversation, as a client would."""
    if wire is Wire.MESSAGES:
        results = [
            {"type": "tool_result", "tool_use_id": b["id"], "content": result}
            for b in got["content"]
            if b["type"] == "tool_use"
        ]
        said["messages"] += [
            {"role": "assistant", "content": got["content"]},
            {"role": "user", "content": results},
        ]
    elif wire is Wire.CHAT:
        message = got["choices"][0]["message"]
        said["messages"].append(message)
        said["messages"] += [
            {"role": "tool", "tool_call_id": c["id"], "content": result}
            for c in message.get("tool_calls", ())
        ]
    elif wire is Wire.RESPONSES:
        if isinstance(said["input"], str):
            said["input"] = [{"role": "user", "content": said["input"]}]
        said["input"] += got["output"]
        said["input"] += [
            {"type": "function_call_output", "call_id": o["call_id"], "output": result}
            for o in got["output"]
            if o["type"] == "function_call"
        ]
    else:
        content = got["candidates"][0]["content"]
        parts = [
            {"functionResponse": {"name": p["functionCall"]["name"], "response": {"output": result}}}
            for p in content["parts"]
            if "functionCall" in p
        ]
        said["contents"] += [content, {"role": "user", "parts": parts}]


@pytest.mark.parametrize("wire", WIRES)
def test_a_conversation_goes_on_from_its_summary(wire: Wire) -> None:
    """As tools do it when the window is full: they ask for a summary, and begin anew with it."""
    to = provider()
    said = body(wire, "create a.txt containing hi and then run ls and run pwd in parallel", with_tools=True)
    answer_tools(wire, said, send(to, wire, said, stream=False).json, "made")
    demand = "Your task is to create a detailed summary of the conversation so far."
    if wire is Wire.MESSAGES:  # behind the results, in the same message
        said["messages"][-1]["content"].append({"type": "text", "text": demand})
    elif wire is Wire.GENERATE:
        said["contents"].append({"role": "user", "parts": [{"text": demand}]})
    else:
        said["input" if wire is Wire.RESPONSES else "messages"].append({"role": "user", "content": demand})
    told = text(wire, send(to, wire, said, stream=False).json)
    assert told == "[rehearsal] Still to do: run ls and run pwd in parallel"
    again = body(
        wire, f"This session goes on. The summary: {told}\n\nRead /tmp/all.jsonl for more.", with_tools=True
    )
    assert calls(wire, send(to, wire, again, stream=False).json) == [
        ("bash", {"command": "ls"}),
        ("bash", {"command": "pwd"}),
    ]


def test_a_failed_tool_ends_the_work_with_its_own_words() -> None:
    said = body(Wire.MESSAGES, "run false and then run true", with_tools=True)
    first = send(provider(), Wire.MESSAGES, said).json
    answer_tools(Wire.MESSAGES, said, first, "no such command")
    said["messages"][-1]["content"][0]["is_error"] = True
    got = send(provider(), Wire.MESSAGES, said).json
    assert calls(Wire.MESSAGES, got) == []
    assert "no such command" in text(Wire.MESSAGES, got)


@pytest.mark.parametrize("wire", WIRES)
def test_it_says_that_it_is_no_real_model(wire: Wire) -> None:
    said = text(wire, ask(wire, "What is the meaning of this?").json)
    assert said.startswith("[rehearsal]")
    assert "not a real model" in said


def test_an_opencode_title_call_gets_a_short_title() -> None:
    said = {
        "model": "gpt-5.4",
        "messages": [
            {"role": "system", "content": "You are a title generator. You output ONLY a thread title."},
            {"role": "user", "content": "Generate a title for this conversation:\n"},
            {"role": "user", "content": '"create hello.txt containing hi"'},
        ],
    }
    assert (
        text(Wire.CHAT, send(provider(), Wire.CHAT, said).json)
        == "[rehearsal] create hello.txt containing hi"
    )


def test_a_claude_code_title_call_gets_json_with_the_sessions_words() -> None:
    schema = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
    said = body(
        Wire.MESSAGES,
        "<session>\ncreate hello.txt containing hi\n</session>\n\nWrite the title in the user's language.",
        system="Generate a concise, sentence-case title (3-7 words).",
        output_config={"format": {"type": "json_schema", "schema": schema}},
    )
    said_title = json.loads(text(Wire.MESSAGES, send(provider(), Wire.MESSAGES, said).json))
    assert said_title == {"title": "[rehearsal] create hello.txt containing hi"}


@pytest.mark.parametrize("wire", WIRES)
def test_long_n_says_exactly_n_tokens_and_the_limit_cuts_it(wire: Wire) -> None:
    whole = send(provider(), wire, body(wire, "long 500"), stream=False)
    assert output_tokens(wire, whole) == 500
    limits: dict[Wire, dict[str, Any]] = {
        Wire.MESSAGES: {"max_tokens": 100},
        Wire.RESPONSES: {"max_output_tokens": 100},
        Wire.CHAT: {"max_completion_tokens": 100},
        Wire.GENERATE: {"generationConfig": {"maxOutputTokens": 100}},
    }
    cut = send(provider(), wire, body(wire, "long 500", **limits[wire]), stream=False)
    assert output_tokens(wire, cut) == 100
    reasons = {
        Wire.MESSAGES: '"stop_reason":"max_tokens"',
        Wire.RESPONSES: '"incomplete_details":{"reason":"max_output_tokens"}',
        Wire.CHAT: '"finish_reason":"length"',
        Wire.GENERATE: '"finishReason":"MAX_TOKENS"',
    }
    assert reasons[wire] in cut.raw.decode()


def output_tokens(wire: Wire, got: Got) -> int:
    said = got.json
    if wire is Wire.GENERATE:
        return int(said["usageMetadata"]["candidatesTokenCount"])
    return int(said["usage"]["completion_tokens" if wire is Wire.CHAT else "output_tokens"])


def test_a_stop_sequence_ends_the_text_before_it() -> None:
    said = send(
        provider(), Wire.MESSAGES, body(Wire.MESSAGES, "say one two three", stop_sequences=["two"])
    ).json
    assert text(Wire.MESSAGES, said) == "[rehearsal] one "
    assert (said["stop_reason"], said["stop_sequence"]) == ("stop_sequence", "two")


def test_a_forced_tool_is_called_even_without_a_job_for_it() -> None:
    said = body(Wire.MESSAGES, "hello", with_tools=True, tool_choice={"type": "tool", "name": "write"})
    assert calls(Wire.MESSAGES, send(provider(), Wire.MESSAGES, said).json) == [
        ("write", {"path": "rehearsal", "content": "rehearsal"})
    ]


def test_reasoning_is_only_shown_to_those_who_ask_for_it() -> None:
    hidden = ask(Wire.MESSAGES, "think. say hi").json
    assert [b["type"] for b in hidden["content"]] == ["text"]
    sealed = send(
        provider(), Wire.RESPONSES, body(Wire.RESPONSES, "think. say hi", reasoning={"effort": "low"})
    ).json
    assert sealed["output"][0]["summary"] == []
    assert sealed["usage"]["output_tokens_details"]["reasoning_tokens"] > 0


def test_open_models_show_their_reasoning_in_chat_and_openais_do_not() -> None:
    for model, shown in (("gpt-5.4", False), ("qwen3-coder", True), ("openai/gpt-oss-120b", True)):
        said = body(Wire.CHAT, "think. say hi", model=model)
        message = send(provider(), Wire.CHAT, said).json["choices"][0]["message"]
        assert ("reasoning_content" in message) == shown
        events = send(provider(), Wire.CHAT, {**said, "stream": True}).events
        pieces = [e["choices"][0]["delta"].get("reasoning_content", "") for e in events]
        assert "".join(pieces) == message.get("reasoning_content", "")


def test_gemini_3_goes_on_only_with_its_own_seals() -> None:
    to = provider()
    said = body(Wire.GENERATE, "run ls and then run pwd", with_tools=True)
    raw = target(Wire.GENERATE, model="gemini-3-pro")
    first = send_raw(to, "POST", raw, headers(Wire.GENERATE), json.dumps(said).encode()).json
    answer_tools(Wire.GENERATE, said, first, "a.txt")
    call = said["contents"][1]["parts"][-1]
    seal = call["thoughtSignature"]

    def again() -> Got:
        return send_raw(to, "POST", raw, headers(Wire.GENERATE), json.dumps(said).encode())

    assert again().status == 200
    call["thoughtSignature"] = "d3JvbmcgaGFuZA=="
    assert "Corrupted thought signature" in again().raw.decode()
    del call["thoughtSignature"]
    assert "missing a thought_signature" in again().raw.decode()
    call["thoughtSignature"] = "skip_thought_signature_validator"
    assert again().status == 200
    call["thoughtSignature"] = seal
    said["contents"] += [
        {"role": "model", "parts": [{"text": "Done."}]},
        {"role": "user", "parts": [{"text": "say hi"}]},
    ]
    del call["thoughtSignature"]
    assert again().status == 200, "it asks for the seals of the current turn only"


schemas = st.recursive(
    st.one_of(
        st.builds(lambda lo: {"type": "integer", "minimum": lo}, st.integers(-5, 5)),
        st.builds(lambda hi: {"type": "number", "maximum": hi}, st.integers(-5, 5)),
        st.builds(lambda n: {"type": "string", "minLength": n, "maxLength": n + 3}, st.integers(0, 20)),
        st.just({"type": "boolean"}),
        st.just({"type": ["null", "string"]}),
        st.just({"enum": ["x", 1]}),
        st.just({"const": {"a": 1}}),
    ),
    lambda inner: st.one_of(
        st.builds(lambda s, n: {"type": "array", "items": s, "minItems": n}, inner, st.integers(0, 2)),
        st.builds(lambda s: {"anyOf": [s, {"type": "null"}]}, inner),
        st.dictionaries(st.sampled_from("abc"), inner).map(
            lambda d: {
                "type": "object",
                "properties": d,
                "required": sorted(d),
                "additionalProperties": False,
            }
        ),
    ),
    max_leaves=6,
)


@given(schemas)
def test_the_plainest_value_satisfies_its_schema(schema: dict[str, Any]) -> None:
    jsonschema.validate(plainest(schema), schema)
