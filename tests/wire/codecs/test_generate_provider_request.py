"""A conversation, written as a request for Gemini."""

import json
from typing import Any

import pytest

from tests.wire.codecs.gemini import check_request
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
from waystation.wire.codecs.generate import CODEC

Json = dict[str, Any]
SKIP = "skip_thought_signature_validator"
GO = Turn(Role.USER, (Text("go"),))
PNG = Media(MediaKind.IMAGE, "image/png", data="QUJD")
WEATHER = FunctionTool("weather", "Tells it.", {"type": "object", "properties": {"city": {"type": "string"}}})


def write(
    *turns: Turn,
    model: str = "gemini-2.5-pro",
    notes: Notes | None = None,
    capabilities: Capabilities | None = None,
    json_schema: bool = True,
    **fields: Any,
) -> Json:
    conversation = Conversation(model="m", turns=turns, **fields)
    target = Target(Wire.GENERATE, "google", model, capabilities or Capabilities(), json_schema=json_schema)
    return check_request(CODEC.write_request(conversation, target, notes or Notes()))


def contents(*turns: Turn, model: str = "gemini-2.5-pro") -> list[Json]:
    found = write(*turns, model=model)["contents"]
    assert isinstance(found, list)
    return found


def config(model: str = "gemini-2.5-pro", **fields: Any) -> Json:
    return dict(write(GO, model=model, **fields).get("generationConfig", {}))


def said(*parts: Part) -> Turn:
    return Turn(Role.ASSISTANT, parts)


def told(*parts: Part) -> Turn:
    return Turn(Role.USER, parts)


# turns


def test_neighbours_of_one_role_are_one_content() -> None:
    assert contents(GO, told(Text("now")), said(Text("a")), said(Text("b")), told(Text("c"))) == [
        {"role": "user", "parts": [{"text": "go"}, {"text": "now"}]},
        {"role": "model", "parts": [{"text": "a"}, {"text": "b"}]},
        {"role": "user", "parts": [{"text": "c"}]},
    ]


def test_the_user_speaks_first() -> None:
    assert [content["role"] for content in contents(said(Text("hello")), GO)] == ["user", "model", "user"]
    assert len(contents()) == 1


def test_instructions_lead_and_those_in_between_are_the_users() -> None:
    notes = Notes()
    found = write(GO, Turn(Role.SYSTEM, (Text("Be brief."),)), system=(Text("A"), Text("B")), notes=notes)
    assert found["systemInstruction"] == {"parts": [{"text": "A"}, {"text": "B"}]}
    reminder = "<system-reminder>\nBe brief.\n</system-reminder>"
    assert found["contents"] == [{"role": "user", "parts": [{"text": "go"}, {"text": reminder}]}]
    assert list(notes.changed) == ["messages.role=system"]


def test_a_turn_with_nothing_to_say_leaves_no_content() -> None:
    assert contents(GO, said(Reasoning("hm"), Text("")), told(Text("on"))) == [
        {"role": "user", "parts": [{"text": "go"}, {"text": "on"}]}
    ]


def test_calls_and_results() -> None:
    assert contents(
        GO,
        said(ToolCall("c1", "weather", '{"city": "Rome",  "n": 1.50}'), ToolCall("c2", "weather", "")),
        told(
            Text("and hurry"),
            ToolResult("c1", (Text("sunny"), Text("warm")), name="weather"),
            ToolResult("c2", (Text("boom"),), is_error=True, name="weather"),
        ),
    )[1:] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"id": "c1", "name": "weather", "args": {"city": "Rome", "n": 1.5}}},
                {"functionCall": {"id": "c2", "name": "weather", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {
                    "functionResponse": {
                        "id": "c1",
                        "name": "weather",
                        "response": {"output": "sunny\nwarm"},
                    }
                },
                {"functionResponse": {"id": "c2", "name": "weather", "response": {"error": "boom"}}},
                {"text": "and hurry"},
            ],
        },
    ]


def test_arguments_that_are_no_object_stay_readable_to_the_model() -> None:
    calls = [
        ToolCall(str(n), "f", text) for n, text in enumerate(['{"a":', "[1]", "null", '"x"', "{" * 5000])
    ]
    found = contents(GO, said(*calls))[1]["parts"]
    assert [part["functionCall"]["args"] for part in found] == [
        {"arguments": '{"a":'},
        {"arguments": "[1]"},
        {},
        {"arguments": '"x"'},
        {"arguments": "{" * 5000},
    ]


def test_E73_ids_that_were_made_here_go_back_to_nothing() -> None:
    body = {
        "contents": [
            {"role": "user", "parts": [{"text": "go"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {}}}] * 2},
            {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"output": "1"}}}] * 2},
        ]
    }
    read = CODEC.read_request(json.dumps(body).encode(), model="m", stream=True)
    assert contents(*read.turns) == body["contents"]


def test_pictures_in_results_are_inside_from_gemini_3_on_and_beside_before() -> None:
    clip = Media(MediaKind.VIDEO, "video/mp4", data="QUJD")
    turns = (
        GO,
        said(ToolCall("c1", "shot", "{}"), ToolCall("c2", "shot", "{}")),
        told(
            ToolResult("c1", (PNG,), name="shot"),
            ToolResult("c2", (Text("clip"), clip), name="shot"),
            Text("well?"),
        ),
    )
    inline = {"inlineData": {"mimeType": "image/png", "data": "QUJD"}}
    film = {"inlineData": {"mimeType": "video/mp4", "data": "QUJD"}}
    old, new = contents(*turns)[2]["parts"], contents(*turns, model="gemini-3-pro-preview")[2]["parts"]
    assert old[2:] == [inline, film, {"text": "well?"}]
    assert new[0]["functionResponse"]["parts"] == [inline]
    assert new[2:] == [film, {"text": "well?"}]


@pytest.mark.parametrize("text", ['{"a": [1, {"b": null}]}', '{"n": 1.5}'])
def test_a_result_that_is_an_object_stays_one(text: str) -> None:
    found = contents(GO, said(ToolCall("1", "f", "{}")), told(ToolResult("1", (Text(text),), name="f")))
    assert found[2]["parts"][0]["functionResponse"]["response"] == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"schema": {"$ref": "#/x"}}',
        '{"$defs": {}}',
        '{"\\u0024ref": "x"}',
        '{"output": "x"}',
        '{"error": "x", "n": 1}',
        '{"id": 1234567890123456789}',
        "{}",
        "{nope",
        "[1]",
        "plain",
    ],
)
def test_E35_a_result_with_references_and_any_other_stays_text(text: str) -> None:
    found = contents(GO, said(ToolCall("1", "f", "{}")), told(ToolResult("1", (Text(text),), name="f")))
    assert found[2]["parts"][0]["functionResponse"]["response"] == {"output": text}


def test_media() -> None:
    notes = Notes()
    found = write(
        told(
            PNG,
            Media(MediaKind.DOCUMENT, "text/plain", data="hé"),
            Media(MediaKind.IMAGE, url="https://x.org/a.JPG?s=1"),
            Media(MediaKind.DOCUMENT, url="https://x.org/a"),
            Media(MediaKind.IMAGE, url="data:image/webp;base64,QUJD"),
            Media(
                MediaKind.VIDEO,
                "video/mp4",
                file_id="https://generativelanguage.googleapis.com/v1beta/files/f",
            ),
            Media(MediaKind.IMAGE, url="http://x.org/a.png"),
            Media(MediaKind.DOCUMENT, file_id="file-123"),
        ),
        notes=notes,
    )
    parts = found["contents"][0]["parts"]
    assert parts[:6] == [
        {"inlineData": {"mimeType": "image/png", "data": "QUJD"}},
        {"inlineData": {"mimeType": "text/plain", "data": "aMOp"}},
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.org/a.JPG?s=1"}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.org/a"}},
        {"inlineData": {"mimeType": "image/webp", "data": "QUJD"}},
        {
            "fileData": {
                "mimeType": "video/mp4",
                "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/f",
            }
        },
    ]
    assert all("cannot be shown" in part["text"] for part in parts[6:])
    assert list(notes.dropped) == ["image", "document"]


def test_parts_of_gemini_go_back_and_those_of_others_do_not() -> None:
    notes = Notes()
    code = {"executableCode": {"language": "PYTHON", "code": "1+1"}}
    found = write(
        GO,
        said(
            Native(Wire.GENERATE, "executableCode", code),
            Native(Wire.GENERATE, "groundingMetadata", {"groundingMetadata": {}}),
            Native(Wire.MESSAGES, "server_tool_use", {"type": "server_tool_use"}),
        ),
        notes=notes,
    )
    assert found["contents"][1]["parts"] == [code]
    assert list(notes.dropped) == ["server_tool_use"]


# thoughts and signatures


def sealed(data: str) -> Reasoning:
    return Reasoning(seal=Seal(Wire.GENERATE, data, "google"))


def test_E27_a_signature_goes_on_the_part_that_it_precedes() -> None:
    found = contents(
        GO,
        said(
            Reasoning("plan", Seal(Wire.GENERATE, "AAAA")),
            Text("I will look."),
            sealed("BBBB"),
            ToolCall("1", "f", "{}"),
            ToolCall("2", "f", "{}"),
            sealed("CCCC"),
            sealed("DDDD"),
        ),
        model="gemini-3-flash-preview",
    )
    assert found[1]["parts"] == [
        {"text": "I will look.", "thoughtSignature": "AAAA"},
        {"functionCall": {"id": "1", "name": "f", "args": {}}, "thoughtSignature": "BBBB"},
        {"functionCall": {"id": "2", "name": "f", "args": {}}},
        {"text": "", "thoughtSignature": "CCCC"},
        {"text": "", "thoughtSignature": "DDDD"},
    ]


def test_E27_where_gemini_3_made_no_call_of_its_own_the_first_of_each_step_asks_not_to_be_checked() -> None:
    history = (
        GO,
        said(Text("Let me see."), ToolCall("1", "f", "{}"), ToolCall("2", "f", "{}")),
        told(ToolResult("1", (Text("a"),), name="f"), ToolResult("2", (Text("b"),), name="f")),
        said(sealed("AAAA"), ToolCall("3", "f", "{}")),
        told(ToolResult("3", (Text("c"),), name="f")),
        said(ToolCall("4", "f", "{}")),
        told(ToolResult("4", (Text("d"),), name="f")),
    )

    def signatures(model: str) -> list[list[str]]:
        return [
            [part.get("thoughtSignature", "") for part in content["parts"] if "functionCall" in part]
            for content in contents(*history, model=model)
            if content["role"] == "model"
        ]

    for model in ("gemini-3-pro-preview", "models/gemini-3.8-flash", "gemini-flash-latest"):
        assert signatures(model) == [[SKIP, ""], ["AAAA"], [SKIP]]
    assert signatures("gemini-2.5-pro") == [["", ""], ["AAAA"], [""]]


def test_E24_thoughts_are_never_replayed_as_text() -> None:
    found = contents(GO, said(Reasoning("secret plan"), Text("Hello.")), told(Text("go on")))
    assert "secret plan" not in json.dumps(found)


def test_E21_a_seal_of_another_protocol_is_never_a_signature() -> None:
    foreign = Reasoning("x", Seal(Wire.MESSAGES, "AAAA", "anthropic"))
    assert "AAAA" not in json.dumps(contents(GO, said(foreign, ToolCall("1", "f", "{}"))))


@pytest.mark.parametrize(
    ("thinking", "written"),
    [
        (Thinking(budget=2000), {"thinkingBudget": 2000, "includeThoughts": True}),
        (Thinking(budget=2000, show="none"), {"thinkingBudget": 2000, "includeThoughts": False}),
        (Thinking(adaptive=True, show="summary"), {"thinkingBudget": -1, "includeThoughts": True}),
        (
            Thinking(adaptive=True, effort=Effort.LOW, show="none"),
            {"thinkingBudget": 1024, "includeThoughts": False},
        ),
        (Thinking(effort=Effort.MEDIUM), {"thinkingBudget": 8192}),
        (Thinking(effort=Effort.NONE), {"thinkingBudget": 0}),
        (Thinking(), {}),
    ],
)
def test_gemini_2_5_thinks_by_budget(thinking: Thinking, written: Json) -> None:
    assert config("gemini-2.5-flash", thinking=thinking).get("thinkingConfig", {}) == written


@pytest.mark.parametrize(
    ("thinking", "level"),
    [
        (Thinking(effort=Effort.MINIMAL), "MINIMAL"),
        (Thinking(effort=Effort.MAX), "HIGH"),
        (Thinking(budget=0), "MINIMAL"),
        (Thinking(budget=1024), "LOW"),
        (Thinking(budget=8192), "MEDIUM"),
        (Thinking(budget=31999), "HIGH"),
        (Thinking(adaptive=True), None),
    ],
)
def test_gemini_3_thinks_by_level(thinking: Thinking, level: str | None) -> None:
    found = config("gemini-3-flash-preview", thinking=thinking).get("thinkingConfig", {})
    assert found.get("thinkingLevel") == level
    assert "thinkingBudget" not in found


def test_thinking_stays_within_what_the_model_takes() -> None:
    notes = Notes()
    assert config("gemini-2.5-pro", thinking=Thinking(budget=0), notes=notes)["thinkingConfig"] == {
        "thinkingBudget": 128
    }
    assert list(notes.changed) == ["thinkingBudget=128"]
    assert (
        config("gemini-2.5-flash", thinking=Thinking(budget=60000))["thinkingConfig"]["thinkingBudget"]
        == 24576
    )
    assert (
        config("gemini-2.5-flash-lite", thinking=Thinking(budget=9))["thinkingConfig"]["thinkingBudget"]
        == 512
    )
    pro = config("gemini-3-pro-preview", thinking=Thinking(effort=Effort.MINIMAL))
    assert pro["thinkingConfig"] == {"thinkingLevel": "LOW"}  # it cannot think less


def test_what_the_catalogue_says_of_thinking_counts_more_than_the_name() -> None:
    asked = Thinking(effort=Effort.HIGH)
    notes = Notes()
    by_level = write(GO, capabilities=Capabilities(thinking="effort"), thinking=asked)
    assert by_level["generationConfig"]["thinkingConfig"] == {"thinkingLevel": "HIGH"}
    none = write(GO, capabilities=Capabilities(thinking="none"), thinking=asked, notes=notes)
    assert "generationConfig" not in none
    assert list(notes.dropped) == ["thinking"]
    assert "generationConfig" not in write(GO, model="gemma-4", thinking=asked)


# tools and settings


def test_E33_parameters_are_plain_json_schema_where_the_server_takes_it() -> None:
    rich = {"type": "object", "properties": {"n": {"type": "integer", "exclusiveMinimum": 0}}, "$schema": "x"}
    tools = (WEATHER, FunctionTool("rich", "", rich), FunctionTool("bare"))
    notes = Notes()
    found = write(GO, tools=tools, notes=notes)["tools"]
    assert found == [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "Tells it.",
                    "parametersJsonSchema": {"type": "object", "properties": {"city": {"type": "string"}}},
                },
                {
                    "name": "rich",
                    "parametersJsonSchema": {
                        "type": "object",
                        "properties": {"n": {"type": "integer", "exclusiveMinimum": 0}},
                    },
                },
                {"name": "bare"},
            ]
        }
    ]
    assert not notes.changed


def test_E33_parameters_are_geminis_own_schema_where_it_does_not() -> None:
    rich = {"type": "object", "properties": {"n": {"type": "integer", "multipleOf": 3}}, "$schema": "x"}
    notes = Notes()
    tools = (WEATHER, FunctionTool("rich", "", rich), FunctionTool("empty", "", {"type": "object"}))
    found = write(GO, tools=tools, json_schema=False, notes=notes)["tools"][0]["functionDeclarations"]
    assert found[0]["parameters"] == {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}
    assert found[1]["parameters"] == {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}}}
    assert found[2] == {"name": "empty"}
    assert list(notes.changed) == ["tools.parameters"]


def test_E34_deep_and_circular_parameters_go_through_with_notice() -> None:
    deep: Json = {"type": "string"}
    for _ in range(100):
        deep = {"type": "object", "properties": {"p": deep}}
    circular = {"type": "object", "properties": {"x": {"$ref": "#"}}}
    for schema in (deep, circular):
        for json_schema in (True, False):
            notes = Notes()
            write(GO, tools=(FunctionTool("f", "", schema),), json_schema=json_schema, notes=notes)
            assert list(notes.changed) == ["tools.parameters"]


def test_two_thousand_tools_are_written() -> None:
    tools = tuple(FunctionTool(f"t{i}", "", WEATHER.parameters) for i in range(2000))
    assert len(write(GO, tools=tools)["tools"][0]["functionDeclarations"]) == 2000


def test_server_tools_of_gemini_go_out_and_those_of_others_do_not() -> None:
    notes = Notes()
    search = ServerTool(Wire.GENERATE, "googleSearch", {"googleSearch": {}})
    foreign = ServerTool(Wire.MESSAGES, "web_search_20250305", {"type": "web_search_20250305"})
    found = write(GO, tools=(WEATHER, search, foreign, CustomTool("patch")), notes=notes)["tools"]
    assert [next(iter(tool)) for tool in found] == ["functionDeclarations", "googleSearch"]
    assert [function["name"] for function in found[0]["functionDeclarations"]] == ["weather", "patch"]
    assert list(notes.dropped) == ["tools.web_search_20250305"]


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("any"), {"mode": "ANY"}),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("named", ("weather",)), {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
        (
            ToolChoice("allowed", ("weather", "x"), required=True),
            {"mode": "ANY", "allowedFunctionNames": ["weather", "x"]},
        ),
        (ToolChoice("allowed", ("weather",)), {"mode": "VALIDATED", "allowedFunctionNames": ["weather"]}),
    ],
)
def test_how_tools_may_be_called(choice: ToolChoice, written: Json) -> None:
    found = write(GO, tools=(WEATHER,), tool_choice=choice)
    assert found["toolConfig"] == {"functionCallingConfig": written}
    assert "toolConfig" not in write(GO, tool_choice=choice)


def test_settings_and_what_gemini_has_no_word_for() -> None:
    notes = Notes()
    found = config(
        max_output=100,
        temperature=0.5,
        top_p=0.9,
        top_k=40,
        stop=("a", "b", "c", "d", "e", "f"),
        seed=3,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        parallel_tools=False,
        verbosity="low",
        user="u",
        cache_key="k",
        service_tier="flex",
        notes=notes,
    )
    assert found == {
        "maxOutputTokens": 100,
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 40,
        "stopSequences": ["a", "b", "c", "d", "e"],
        "seed": 3,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
    }
    assert list(notes.dropped) == ["parallel_tool_calls", "verbosity", "service_tier"]
    assert list(notes.changed) == ["stop=5"]


def test_a_model_that_takes_no_sampling_is_not_told_of_any() -> None:
    notes = Notes()
    found = write(
        GO,
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        seed=1,
        notes=notes,
        capabilities=Capabilities(sampling=False),
    )
    assert found["generationConfig"] == {"seed": 1}
    assert list(notes.dropped) == ["temperature", "top_p", "top_k"]


def test_an_answer_in_json() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": "#/$defs/A"}},
        "$defs": {"A": {"type": "string"}},
    }
    plain = {"type": "object", "properties": {"a": {"type": "string"}}}
    assert config(format=OutputFormat()) == {"responseMimeType": "application/json"}
    assert config(format=OutputFormat(schema=schema))["responseJsonSchema"] == plain
    own = config(format=OutputFormat(schema=schema), json_schema=False)["responseSchema"]
    assert own == {"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}


def test_what_its_own_protocol_brought_goes_back() -> None:
    extras = {
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
        "generationConfig.responseModalities": ["TEXT"],
        "contents.parts.videoMetadata": {"fps": 2},
        "store": False,
        "metadata": {"a": 1},
    }
    found = write(GO, extras=extras)
    assert found["safetySettings"] == extras["safetySettings"]
    assert found["generationConfig"] == {"responseModalities": ["TEXT"]}
    assert found.keys() == {"contents", "safetySettings", "generationConfig"}
