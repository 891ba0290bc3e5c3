"""What providers answer when they are asked for their models, in the shapes of their own SDKs and references."""

import json
from typing import Any

import anthropic
import pytest
from google.genai import types as gemini
from hypothesis import given
from hypothesis import strategies as st

from waystation.model import Capabilities, ListedModel, Wire
from waystation.wire import FIRST_PAGE, NotAList, read_list

YES, NO = {"supported": True}, {"supported": False}
CLAUDE: dict[str, Any] = {
    "type": "model",
    "id": "claude-sonnet-5",
    "display_name": "Claude Sonnet 5",
    "created_at": "2026-02-17T00:00:00Z",
    "lifecycle": "active",
    "max_input_tokens": 1_000_000,
    "max_tokens": 128_000,
    "capabilities": {
        "image_input": YES,
        "pdf_input": YES,
        "structured_outputs": YES,
        "thinking": {"supported": True, "types": {"adaptive": YES, "enabled": NO, "disabled": YES}},
    },
}


def listed(wire: Wire, shape: object) -> tuple[ListedModel, ...]:
    return read_list(wire, json.dumps(shape).encode()).models


def following(wire: Wire, shape: object) -> bytes:
    return read_list(wire, json.dumps(shape).encode()).following


def test_anthropic() -> None:
    anthropic.types.ModelInfo.model_construct(**CLAUDE)
    shape = {"data": [CLAUDE], "has_more": False, "first_id": CLAUDE["id"], "last_id": CLAUDE["id"]}
    known = Capabilities(1_000_000, 128_000, None, None, True, True, True, thinking="adaptive")
    assert listed(Wire.MESSAGES, shape) == (
        ListedModel("claude-sonnet-5", "Claude Sonnet 5", 1_771_286_400, known),
    )
    assert following(Wire.MESSAGES, shape) == b""
    assert following(Wire.MESSAGES, shape | {"has_more": True}) == b"limit=1000&after_id=claude-sonnet-5"
    assert following(Wire.MESSAGES, {"data": [], "has_more": True, "last_id": None}) == b""


@pytest.mark.parametrize(
    ("thinking", "meant"),
    [
        ({"supported": True, "types": {"adaptive": YES, "enabled": YES}}, "adaptive"),
        ({"supported": True, "types": {"adaptive": NO, "enabled": YES}}, "budget"),
        ({"supported": False, "types": {"adaptive": NO, "enabled": NO}}, "none"),
        ({"supported": True}, None),
        (None, None),
    ],
)
def test_anthropic_says_how_a_model_thinks(thinking: object, meant: str | None) -> None:
    [model] = listed(Wire.MESSAGES, {"data": [CLAUDE | {"capabilities": {"thinking": thinking}}]})
    assert model.capabilities.thinking == meant


def test_a_retired_claude_is_no_model_to_ask_for() -> None:
    old = CLAUDE | {"id": "claude-2.1", "lifecycle": "retired"}
    aging = CLAUDE | {"id": "claude-opus-4", "lifecycle": "deprecated"}
    assert [m.id for m in listed(Wire.MESSAGES, {"data": [old, aging]})] == ["claude-opus-4"]


def test_openai_says_only_names_and_dates() -> None:
    shape = {
        "object": "list",
        "data": [{"id": "gpt-5.5", "object": "model", "created": 1_770_000_000, "owned_by": "openai"}],
    }
    for wire in (Wire.RESPONSES, Wire.CHAT):
        assert listed(wire, shape) == (ListedModel("gpt-5.5", "", 1_770_000_000),)
    assert listed(Wire.CHAT, shape["data"]) == listed(Wire.CHAT, shape), (
        "a bare list, as some servers give it"
    )


OPENROUTER = {
    "id": "anthropic/claude-sonnet-5",
    "name": "Anthropic: Claude Sonnet 5",
    "created": 1_771_286_400,
    "context_length": 1_000_000,
    "architecture": {"input_modalities": ["text", "image", "file"], "output_modalities": ["text"]},
    "top_provider": {"context_length": 1_000_000, "max_completion_tokens": 128_000, "is_moderated": True},
    "supported_parameters": ["max_tokens", "tools", "tool_choice"],
}


@pytest.mark.parametrize(
    ("model", "title", "known"),
    [
        (
            OPENROUTER,
            "Anthropic: Claude Sonnet 5",
            Capabilities(1_000_000, 128_000, True, None, True, True, False, task="chat"),
        ),
        (
            {"id": "Qwen/Qwen3", "root": "Qwen/Qwen3", "max_model_len": 65_536},
            "",
            Capabilities(65_536),
        ),  # vLLM
        (
            {"id": "llama", "context_window": 131_072, "max_completion_tokens": 32_768, "active": True},
            "",
            Capabilities(131_072, 32_768),
        ),  # Groq
        (
            {
                "id": "devstral",
                "name": "devstral",
                "max_context_length": 131_072,
                "capabilities": {"completion_chat": True, "function_calling": True, "vision": False},
            },
            "",
            Capabilities(131_072, None, True, None, False, task="chat"),
        ),  # Mistral
        (
            {"id": "mistral-embed", "capabilities": {"completion_chat": False}},
            "",
            Capabilities(task="embeddings"),
        ),
        ({"id": "mistral-ocr", "capabilities": {"completion_chat": False}}, "", Capabilities(task="other")),
        ({"id": "flux", "architecture": {"output_modalities": ["image"]}}, "", Capabilities(task="other")),
        (
            {"id": "local", "capabilities": ["completion", "tools"]},
            "",
            Capabilities(),
        ),  # another meaning of the word
    ],
)
def test_compatible_servers_say_more(model: object, title: str, known: Capabilities) -> None:
    [found] = listed(Wire.CHAT, {"data": [model]})
    assert (found.display_name, found.capabilities) == (title, known)


def test_openrouters_pages_stay_at_the_same_address() -> None:
    shape = {
        "data": [OPENROUTER],
        "links": {"next": "https://elsewhere.example/api/v1/models?offset=500&limit=500"},
    }
    assert following(Wire.CHAT, shape) == b"offset=500&limit=500"
    assert following(Wire.CHAT, {"data": [], "links": {"next": None}}) == b""
    assert following(Wire.CHAT, {"data": [], "links": {"next": "/models?a=ü\r\nx"}}) == b""


def test_gemini() -> None:
    pro = {
        "name": "models/gemini-2.5-pro",
        "displayName": "Gemini 2.5 Pro",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
        "thinking": True,
    }
    gemini.Model.model_validate({"name": pro["name"], "displayName": pro["displayName"]})
    others = [
        {"name": "models/gemini-embedding-001", "supportedGenerationMethods": ["embedContent"]},
        {"name": "models/veo", "supportedGenerationMethods": ["predictLongRunning"]},
        {"name": "tunedModels/mine"},
    ]
    shape = {"models": [pro, *others], "nextPageToken": "a+b/="}
    assert listed(Wire.GENERATE, shape) == (
        ListedModel("gemini-2.5-pro", "Gemini 2.5 Pro", 0, Capabilities(1_048_576, 65_536, task="chat")),
        ListedModel("gemini-embedding-001", "", 0, Capabilities(task="embeddings")),
        ListedModel("veo", "", 0, Capabilities(task="other")),
        ListedModel("tunedModels/mine"),
    )
    assert following(Wire.GENERATE, shape) == b"pageSize=1000&pageToken=a%2Bb%2F%3D"
    assert listed(Wire.GENERATE, {}) == (), "how protobuf writes an empty list"


def test_bedrock() -> None:
    nova = {
        "modelId": "amazon.nova-pro-v1:0",
        "modelName": "Nova Pro",
        "inputModalities": ["TEXT", "IMAGE"],
        "outputModalities": ["TEXT"],
        "inferenceTypesSupported": ["ON_DEMAND"],
    }
    bought = {"modelId": "anthropic.claude-x", "inferenceTypesSupported": ["PROVISIONED"]}
    embedding = {
        "modelId": "amazon.titan-embed",
        "outputModalities": ["EMBEDDING"],
        "inferenceTypesSupported": ["ON_DEMAND"],
    }
    assert listed(Wire.CONVERSE, {"modelSummaries": [nova, bought, embedding]}) == (
        ListedModel("amazon.nova-pro-v1:0", "Nova Pro", 0, Capabilities(vision=True, task="chat")),
        ListedModel("amazon.titan-embed", "", 0, Capabilities(task="embeddings")),
    )
    profile = {
        "inferenceProfileId": "eu.anthropic.claude-sonnet-5",
        "inferenceProfileName": "EU Claude Sonnet 5",
        "createdAt": "2026-02-17T00:00:00+00:00",
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    }
    shape = {"inferenceProfileSummaries": [profile], "nextToken": "n 1"}
    assert listed(Wire.CONVERSE, shape) == (
        ListedModel("eu.anthropic.claude-sonnet-5", "EU Claude Sonnet 5", 1_771_286_400),
    )
    assert following(Wire.CONVERSE, shape) == b"nextToken=n+1"


def test_one_odd_line_spoils_nothing_beside_it() -> None:
    odd: list[object] = [
        {"id": "two words"},
        {"id": ""},
        {"id": 7},
        {},
        None,
        "gpt",
        {"id": "x" * 201},
        {"id": "a\u202eb"},
        {"id": "ok", "created": "yesterday", "max_model_len": -1, "name": "A\x1b[2J" + "b" * 500},
        {"id": "ok", "created": 5},
        {"id": "late", "created": 1_770_000_000_000},
        {"id": "float", "created": 1.5e9},
    ]
    found = listed(Wire.CHAT, {"data": odd})
    assert [(m.id, m.created) for m in found] == [("ok", 0), ("late", 0), ("float", 1_500_000_000)]
    assert found[0].display_name.startswith("A[2Jbbb")
    assert len(found[0].display_name) == 120
    assert found[0].capabilities == Capabilities()


@pytest.mark.parametrize("wire", [Wire.MESSAGES, Wire.CHAT, Wire.GENERATE, Wire.CONVERSE])
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"[", b'{"error": {"message": "no"}}', b'{"data": 7, "models": 7}']
)
def test_what_is_no_list_is_said_to_be_none(wire: Wire, body: bytes) -> None:
    with pytest.raises(NotAList):
        read_list(wire, body)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "data",
                    "id",
                    "models",
                    "name",
                    "created",
                    "created_at",
                    "has_more",
                    "last_id",
                    "capabilities",
                    "thinking",
                    "types",
                    "modelSummaries",
                    "inferenceProfileSummaries",
                    "links",
                    "next",
                    "nextPageToken",
                    "architecture",
                    "supported_parameters",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


@given(st.sampled_from([Wire.MESSAGES, Wire.CHAT, Wire.GENERATE, Wire.CONVERSE]), ANYTHING)
def test_no_answer_does_harm(wire: Wire, answer: object) -> None:
    try:
        page = read_list(wire, json.dumps(answer).encode())
    except NotAList:
        return
    assert all(m.id and m.id.isprintable() and " " not in m.id for m in page.models)
    assert page.following.isascii()
    assert b"\n" not in page.following


def test_the_largest_page_is_asked_for_at_once() -> None:
    assert FIRST_PAGE == {Wire.MESSAGES: b"limit=1000", Wire.GENERATE: b"pageSize=1000"}
