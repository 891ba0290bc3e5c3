"""A tool's generateContent request, read."""

import json
from typing import Any

import pytest
from google.genai import types

from waystation.model import Wire
from waystation.wire import BadBody
from waystation.wire.canonical import (
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
from waystation.wire.codecs.generate import CODEC
from waystation.wire.codecs.seal import wrap

Json = dict[str, Any]
HELLO = [{"role": "user", "parts": [{"text": "hello"}]}]


def read(body: Json) -> Conversation:
    return CODEC.read_request(json.dumps(body).encode(), model="gpt-5", stream=True)


def turns(*contents: Json) -> tuple[Turn, ...]:
    return read({"contents": list(contents)}).turns


def snake(value: Any) -> Any:
    """The same body with proto names for fields."""
    if isinstance(value, list):
        return [snake(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        "".join("_" + c.lower() if c.isupper() else c for c in key): snake(item)
        for key, item in value.items()
    }


GEMINI_CLI: Json = {
    "contents": [
        {"parts": [{"text": "<session_context>\n"}, {"text": "create hello.txt"}], "role": "user"},
        {
            "parts": [
                {
                    "functionCall": {
                        "id": "run_shell_command_1795512709655_0",
                        "args": {"command": "printf 'hi\n' > hello.txt"},
                        "name": "run_shell_command",
                    },
                    "thoughtSignature": "skip_thought_signature_validator",
                }
            ],
            "role": "model",
        },
        {
            "parts": [
                {
                    "functionResponse": {
                        "name": "run_shell_command",
                        "response": {"output": "Output: (empty)"},
                        "id": "run_shell_command_1795512709655_0",
                    }
                }
            ],
            "role": "user",
        },
    ],
    "systemInstruction": {"parts": [{"text": "You are a CLI agent."}], "role": "user"},
    "tools": [
        {
            "functionDeclarations": [
                {
                    "name": "run_shell_command",
                    "description": "Runs it.",
                    "parametersJsonSchema": {"type": "object", "properties": {"command": {"type": "string"}}},
                }
            ]
        }
    ],
    "generationConfig": {
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
        "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 8192},
    },
}
"""As Gemini CLI 0.61 sends it, shortened."""


@pytest.mark.parametrize("spelling", [lambda body: body, snake], ids=["camelCase", "snake_case"])
def test_what_gemini_cli_sends_is_understood_in_either_spelling(spelling: Any) -> None:
    assert read(spelling(GEMINI_CLI)) == Conversation(
        model="gpt-5",
        stream=True,
        system=(Text("You are a CLI agent."),),
        turns=(
            Turn(Role.USER, (Text("<session_context>\n"), Text("create hello.txt"))),
            Turn(
                Role.ASSISTANT,
                (
                    ToolCall(
                        "run_shell_command_1795512709655_0",
                        "run_shell_command",
                        '{"command":"printf \'hi\\n\' > hello.txt"}',
                    ),
                ),
            ),
            Turn(
                Role.USER,
                (
                    ToolResult(
                        "run_shell_command_1795512709655_0",
                        (Text("Output: (empty)"),),
                        name="run_shell_command",
                    ),
                ),
            ),
        ),
        tools=(
            FunctionTool(
                "run_shell_command",
                "Runs it.",
                {"type": "object", "properties": {"command": {"type": "string"}}},
            ),
        ),
        temperature=1.0,
        top_p=0.95,
        top_k=64,
        thinking=Thinking(budget=8192, show="summary"),
    )


def test_a_request_to_count_tokens_is_read_in_both_of_its_forms() -> None:
    plain = read({"contents": HELLO})
    assert read({"generateContentRequest": {"model": "models/gemini-2.5-pro", "contents": HELLO}}) == plain
    assert read({"generate_content_request": {"contents": HELLO}}) == plain


def test_roles_may_be_missing_and_a_single_content_stand_alone() -> None:
    hello = Turn(Role.USER, (Text("hi"),))
    assert turns({"parts": [{"text": "hi"}]}) == (hello,)
    assert read({"contents": {"parts": {"text": "hi"}}}).turns == (hello,)
    assert turns({"role": "system", "parts": [{"text": "hi"}]}) == (Turn(Role.SYSTEM, (Text("hi"),)),)


def test_media_of_every_kind_is_read() -> None:
    (turn,) = turns(
        {
            "parts": [
                {"inlineData": {"mimeType": "image/png", "data": "-_8="}},
                {"inline_data": {"mime_type": "application/pdf", "data": "QUJD", "display_name": "a.pdf"}},
                {"inlineData": {"mimeType": "text/plain", "data": "aMOp"}},
                {"fileData": {"mimeType": "video/mp4", "fileUri": "https://youtu.be/x"}},
                {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/f"}},
                {"fileData": {"fileUri": "gs://bucket/x.wav", "mimeType": "audio/wav"}},
            ]
        }
    )
    assert turn.parts == (
        Media(MediaKind.IMAGE, "image/png", data="+/8="),
        Media(MediaKind.DOCUMENT, "application/pdf", data="QUJD", name="a.pdf"),
        Media(MediaKind.DOCUMENT, "text/plain", data="hé"),
        Media(MediaKind.VIDEO, "video/mp4", url="https://youtu.be/x"),
        Media(MediaKind.DOCUMENT, file_id="https://generativelanguage.googleapis.com/v1beta/files/f"),
        Media(MediaKind.AUDIO, "audio/wav", file_id="gs://bucket/x.wav"),
    )


def test_parts_that_only_gemini_has_are_kept_as_they_came() -> None:
    code = {"executableCode": {"language": "PYTHON", "code": "1+1"}}
    result = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}}
    new = {"holographicData": {"x": 1}, "mood": "blue"}
    (turn,) = turns({"role": "model", "parts": [code, result, new]})
    assert turn.parts == (
        Native(Wire.GENERATE, "executableCode", code),
        Native(Wire.GENERATE, "codeExecutionResult", result),
        Native(Wire.GENERATE, "holographicData", new),
    )


def test_what_stands_beside_a_part_is_not_lost_without_notice() -> None:
    found = read(
        {
            "contents": [
                {
                    "parts": [
                        {"fileData": {"fileUri": "gs://b/v"}, "videoMetadata": {"fps": 2}},
                        {"functionResponse": {"name": "f", "response": {}, "scheduling": "SILENT"}},
                    ]
                }
            ],
            "safetySettings": [],
            "labels": {"team": "x"},
            "toolConfig": {"retrievalConfig": {"languageCode": "de"}},
            "generationConfig": {"responseModalities": ["TEXT", "IMAGE"], "response_logprobs": True},
            "newThing": 1,
        }
    )
    assert found.extras == {
        "contents.parts.videoMetadata": {"fps": 2},
        "contents.parts.functionResponse.scheduling": "SILENT",
        "safetySettings": [],
        "labels": {"team": "x"},
        "toolConfig.retrievalConfig": {"languageCode": "de"},
        "generationConfig.responseModalities": ["TEXT", "IMAGE"],
        "generationConfig.responseLogprobs": True,
        "newThing": 1,
    }


def test_empty_texts_and_what_is_left_empty_are_left_out() -> None:
    assert turns(
        {"role": "user", "parts": [{"text": "a"}, {"text": ""}]},
        {"role": "model", "parts": [{"text": ""}]},
        {"role": "user", "parts": None},
    ) == (Turn(Role.USER, (Text("a"),)),)


def test_chunks_that_the_sdk_keeps_as_contents_are_one_turn_again() -> None:
    """Google's Python SDK keeps every chunk of a stream as a content of its own."""
    assert turns(
        {"role": "user", "parts": [{"text": "go"}]},
        {"role": "model", "parts": [{"text": "think", "thought": True}]},
        {"role": "model", "parts": [{"text": "ing", "thought": True}]},
        {"role": "model", "parts": [{"text": "Hel"}]},
        {"role": "model", "parts": [{"text": "lo"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}, "id": "1"}}]},
        {"role": "model", "parts": [{"text": ""}]},
    )[1] == Turn(Role.ASSISTANT, (Reasoning("thinking"), Text("Hello"), ToolCall("1", "f", "{}")))


# tool calls and results


def call(name: str, ident: str | None = None) -> Json:
    return {"functionCall": {"name": name, "args": {}, **({"id": ident} if ident else {})}}


def answer(name: str, ident: str | None = None, text: str = "ok") -> Json:
    shape: Json = {"name": name, "response": {"output": text}}
    return {"functionResponse": {**shape, "id": ident} if ident else shape}


def pairs(*contents: Json) -> list[tuple[str, str]]:
    """Each result with the id of the call that it answers, all of them by their texts."""
    calls = {p.id: p.name for turn in turns(*contents) for p in turn.parts if isinstance(p, ToolCall)}
    return [
        (calls.get(part.call_id, ""), part.content[0].text)
        for turn in turns(*contents)
        for part in turn.parts
        if isinstance(part, ToolResult) and isinstance(part.content[0], Text)
    ]


def test_E73_calls_without_an_id_get_one_that_no_other_turn_has() -> None:
    contents: list[Json] = [
        {"parts": [{"text": "go"}]},
        {"role": "model", "parts": [call("f"), call("f")]},
        {"parts": [answer("f", text="1"), answer("f", text="2")]},
        {"role": "model", "parts": [call("f")]},
        {"parts": [answer("f", text="3")]},
    ]
    found = turns(*contents)
    ids = [part.id for turn in found for part in turn.parts if isinstance(part, ToolCall)]
    assert len(set(ids)) == 3
    assert [p.call_id for turn in found for p in turn.parts if isinstance(p, ToolResult)] == ids
    assert turns(*contents, {"parts": [{"text": "more"}]})[:5] == found  # stable as the conversation grows


def test_E73_results_without_an_id_answer_by_name_then_in_order() -> None:
    go = {"parts": [{"text": "go"}]}
    assert pairs(
        go, {"role": "model", "parts": [call("a"), call("b")]}, {"parts": [answer("b"), answer("a")]}
    ) == [("b", "ok"), ("a", "ok")]
    assert pairs(go, {"role": "model", "parts": [call("a", "x1")]}, {"parts": [answer("a")]}) == [("a", "ok")]
    assert pairs(go, {"role": "model", "parts": [call("a")]}, {"parts": [answer("a", "y9")]}) == [("a", "ok")]


def test_a_result_that_answers_nothing_has_an_id_of_its_own() -> None:
    found = turns({"parts": [answer("a"), answer("a"), answer("b", "z")]})
    ids = [part.call_id for part in found[0].parts if isinstance(part, ToolResult)]
    assert len(set(ids)) == 3
    assert ids[2] == "z"


@pytest.mark.parametrize(
    ("response", "text", "failed"),
    [
        ({"output": "done"}, "done", False),
        ({"output": {"a": 1}}, '{"a":1}', False),
        ({"error": "no such file"}, "no such file", True),
        ({"error": {"code": 5}}, '{"code":5}', True),
        ({"files": ["a"], "n": 2}, '{"files":["a"],"n":2}', False),
        ({"result": 1, "error": None}, '{"result":1,"error":null}', False),
        ({"error": "bad", "hint": "x"}, '{"error":"bad","hint":"x"}', True),
        ({"output": "partly", "error": "late"}, '{"output":"partly","error":"late"}', False),
        ({}, "", False),
    ],
)
def test_what_a_function_gave_back_becomes_text(response: Json, text: str, failed: bool) -> None:
    (turn,) = turns({"parts": [{"functionResponse": {"id": "1", "name": "f", "response": response}}]})
    content = (Text(text),) if text else ()
    assert turn.parts == (ToolResult("1", content, is_error=failed, name="f"),)


def test_pictures_inside_a_result_are_part_of_it() -> None:
    (turn,) = turns(
        {
            "parts": [
                {
                    "functionResponse": {
                        "id": "1",
                        "name": "shot",
                        "response": {"output": "see"},
                        "parts": [{"inlineData": {"mimeType": "image/png", "data": "QUJD"}}],
                    }
                }
            ]
        }
    )
    picture = Media(MediaKind.IMAGE, "image/png", data="QUJD")
    assert turn.parts == (ToolResult("1", (Text("see"), picture), name="shot"),)


# thoughts and signatures


def test_E27_a_signature_comes_before_the_part_that_it_seals() -> None:
    (turn,) = turns(
        {
            "role": "model",
            "parts": [
                {"text": "plan", "thought": True},
                {"text": "I will look.", "thoughtSignature": "AAAA"},
                {**call("f", "1"), "thought_signature": "BBBB"},
                {"text": "", "thoughtSignature": "CCCC"},
            ],
        }
    )
    seals = [Reasoning(seal=Seal(Wire.GENERATE, data)) for data in ("AAAA", "BBBB", "CCCC")]
    assert turn.parts == (
        Reasoning("plan"),
        seals[0],
        Text("I will look."),
        seals[1],
        ToolCall("1", "f", "{}"),
        seals[2],
    )


def test_E27_the_value_that_asks_not_to_be_checked_is_no_signature() -> None:
    for value in ("skip_thought_signature_validator", "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="):
        (turn,) = turns({"role": "model", "parts": [{**call("f", "1"), "thoughtSignature": value}]})
        assert turn.parts == (ToolCall("1", "f", "{}"),)


def test_E21_a_foreign_seal_comes_out_of_its_envelope() -> None:
    seal = Seal(Wire.RESPONSES, "gAAAA", "openai-eu")
    (turn,) = turns({"role": "model", "parts": [{**call("f", "1"), "thoughtSignature": wrap(seal)}]})
    assert turn.parts == (Reasoning(seal=seal), ToolCall("1", "f", "{}"))


def test_thoughts_may_have_a_seal_of_their_own() -> None:
    (turn,) = turns(
        {"role": "model", "parts": [{"text": "plan", "thought": True, "thoughtSignature": "AAAA"}]}
    )
    assert turn.parts == (Reasoning("plan", Seal(Wire.GENERATE, "AAAA")),)


# settings


@pytest.mark.parametrize(
    ("config", "thinking"),
    [
        ({"thinkingBudget": -1}, Thinking(adaptive=True, show="none")),
        ({"thinkingBudget": 0}, Thinking(budget=0, show="none")),
        ({"thinkingBudget": 512, "includeThoughts": False}, Thinking(budget=512, show="none")),
        ({"thinkingLevel": "LOW"}, Thinking(effort=Effort.LOW, show="none")),
        ({"thinking_level": "high", "include_thoughts": True}, Thinking(effort=Effort.HIGH, show="summary")),
        ({}, Thinking(show="none")),
    ],
)
def test_thinking_is_a_budget_or_a_level(config: Json, thinking: Thinking) -> None:
    assert read({"contents": HELLO, "generationConfig": {"thinkingConfig": config}}).thinking == thinking


@pytest.mark.parametrize(
    ("config", "choice"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto")),
        ({"mode": "NONE"}, ToolChoice("none")),
        ({"mode": "ANY"}, ToolChoice("any")),
        ({"mode": "any", "allowed_function_names": ["f"]}, ToolChoice("named", ("f",))),
        (
            {"mode": "ANY", "allowedFunctionNames": ["f", "g"]},
            ToolChoice("allowed", ("f", "g"), required=True),
        ),
        ({"mode": "VALIDATED"}, ToolChoice("auto")),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["f", "g"]}, ToolChoice("allowed", ("f", "g"))),
    ],
)
def test_how_tools_may_be_called(config: Json, choice: ToolChoice) -> None:
    assert read({"contents": HELLO, "toolConfig": {"functionCallingConfig": config}}).tool_choice == choice


def test_tools_that_google_runs_are_told_from_functions() -> None:
    schema = {"type": "OBJECT", "properties": {"a": {"type": "STRING", "nullable": True}}}
    found = read(
        {
            "contents": HELLO,
            "tools": [
                {"googleSearch": {}},
                {"url_context": {}, "codeExecution": {}},
                {"functionDeclarations": [{"name": "f", "parameters": schema, "behavior": "BLOCKING"}]},
            ],
        }
    )
    assert found.tools == (
        ServerTool(Wire.GENERATE, "googleSearch", {"googleSearch": {}}),
        ServerTool(Wire.GENERATE, "urlContext", {"urlContext": {}}),
        ServerTool(Wire.GENERATE, "codeExecution", {"codeExecution": {}}),
        FunctionTool(
            "f",
            parameters={"type": "object", "properties": {"a": {"type": ["string", "null"]}}},
            extras={"behavior": "BLOCKING"},
        ),
    )


def test_an_answer_in_json_is_asked_for_with_either_kind_of_schema() -> None:
    def asked(**config: Any) -> OutputFormat | None:
        return read({"contents": HELLO, "generationConfig": config}).format

    plain = {"type": "object", "properties": {"a": {"type": "string"}}}
    own = {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}
    assert asked(responseMimeType="application/json") == OutputFormat()
    assert asked(responseMimeType="application/json", responseSchema=own) == OutputFormat(schema=plain)
    assert asked(responseMimeType="application/json", responseJsonSchema=plain) == OutputFormat(schema=plain)
    assert asked(responseMimeType="text/plain") is None
    enum = {"contents": HELLO, "generationConfig": {"responseMimeType": "text/x.enum", "responseSchema": own}}
    assert read(enum).extras["generationConfig.responseMimeType"] == "text/x.enum"


def test_the_other_settings() -> None:
    found = read(
        {
            "contents": HELLO,
            "serviceTier": "flex",
            "generationConfig": {
                "maxOutputTokens": 100,
                "stopSequences": ["X"],
                "seed": 7,
                "presencePenalty": 0.5,
                "frequencyPenalty": 1,
                "candidateCount": 1,
            },
        }
    )
    assert (found.max_output, found.stop, found.seed, found.service_tier) == (100, ("X",), 7, "flex")
    assert (found.presence_penalty, found.frequency_penalty) == (0.5, 1.0)
    assert found.extras == {}


DEEP: Json = {"type": "STRING"}
for _ in range(120):
    DEEP = {"type": "ARRAY", "items": DEEP}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ([], None),
        ({"contents": []}, "contents"),
        ({}, "contents"),
        ({"contents": "hi"}, "contents"),
        ({"contents": ["hi"]}, "contents[0]"),
        ({"contents": [{"role": "assistant", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": ["hi"]}]}, "contents[0].parts[0]"),
        ({"contents": [{"parts": [{"functionCall": {}}]}]}, "contents[0].parts[0].functionCall"),
        (
            {"contents": [{"parts": [{"functionCall": {"name": "f", "args": "x"}}]}]},
            "contents[0].parts[0].functionCall.args",
        ),
        (
            {"contents": [{"parts": [{"functionResponse": {"name": "f", "response": []}}]}]},
            "contents[0].parts[0].functionResponse.response",
        ),
        ({"contents": [{"parts": [{"inlineData": {"data": 3}}]}]}, "contents[0].parts[0].inlineData"),
        ({"contents": [{"parts": [{"fileData": {}}]}]}, "contents[0].parts[0].fileData"),
        ({"contents": HELLO, "cachedContent": "cachedContents/x"}, "cachedContent"),
        ({"contents": HELLO, "generationConfig": {"candidateCount": 2}}, "generationConfig.candidateCount"),
        ({"contents": HELLO, "generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        (
            {"contents": HELLO, "generationConfig": {"maxOutputTokens": -1}},
            "generationConfig.maxOutputTokens",
        ),
        ({"contents": HELLO, "generationConfig": {"stopSequences": [1]}}, "generationConfig.stopSequences"),
        (
            {"contents": HELLO, "generationConfig": {"thinkingConfig": {"thinkingBudget": -5}}},
            "generationConfig.thinkingConfig.thinkingBudget",
        ),
        ({"contents": HELLO, "tools": [7]}, "tools[0]"),
        (
            {"contents": HELLO, "tools": [{"functionDeclarations": [{"name": "f"}, {}]}]},
            "tools[0].functionDeclarations[1].name",
        ),
        (
            {"contents": HELLO, "tools": [{"functionDeclarations": [{"name": "f", "parameters": DEEP}]}]},
            "tools[0].functionDeclarations[0].parameters",
        ),
        ({"contents": HELLO, "toolConfig": []}, "toolConfig"),
    ],
)
def test_what_no_model_could_make_sense_of_names_the_field(body: Any, param: str | None) -> None:
    with pytest.raises(BadBody) as caught:
        read(body)
    assert caught.value.param == param


@pytest.mark.parametrize("body", [b"", b"nope", b'"x"', b'{"contents": "\xff"}', b"[" * 5000])
def test_what_is_no_json_object_is_a_bad_body(body: bytes) -> None:
    with pytest.raises(BadBody):
        CODEC.read_request(body, model="m", stream=False)


def test_two_thousand_tools_are_read() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    functions = [{"name": f"t{i}", "parametersJsonSchema": schema} for i in range(2000)]
    assert len(read({"contents": HELLO, "tools": [{"functionDeclarations": functions}]}).tools) == 2000


def test_what_the_sdks_types_write_is_understood() -> None:
    content = types.Content(
        role="model",
        parts=[
            types.Part(text="hm", thought=True),
            types.Part(
                function_call=types.FunctionCall(name="f", args={"a": 1}), thought_signature=b"\xfb\xff"
            ),
        ],
    )
    body = {"contents": [*HELLO, content.model_dump(mode="json", exclude_none=True, by_alias=True)]}
    assert read(body).turns[1].parts == (
        Reasoning("hm"),
        Reasoning(seal=Seal(Wire.GENERATE, "-_8=")),
        ToolCall("gmcall_c1p1", "f", '{"a":1}'),
    )
