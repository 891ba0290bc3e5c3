"""Model lists, as each surface's clients read them."""

import json

from waystation.model import ModelEntry, Surface, Wire
from waystation.wire import model_list

MODELS = [
    ModelEntry("claude-sonnet-4-5", "Claude Sonnet 4.5", 1759104000, 200_000, 64_000),
    ModelEntry("local/qwen"),
]


def test_anthropic() -> None:
    shape = json.loads(model_list(Surface.ANTHROPIC, MODELS))
    assert shape["data"][0] == {
        "type": "model",
        "id": "claude-sonnet-4-5",
        "display_name": "Claude Sonnet 4.5",
        "created_at": "2025-09-29T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
    }
    assert shape["data"][1]["display_name"] == "local/qwen"
    assert (shape["first_id"], shape["last_id"], shape["has_more"]) == (
        "claude-sonnet-4-5",
        "local/qwen",
        False,
    )
    assert json.loads(model_list(Wire.MESSAGES, []))["data"] == []


def test_openai() -> None:
    shape = json.loads(model_list(Surface.OPENAI, MODELS))
    assert shape["object"] == "list"
    assert [model["id"] for model in shape["data"]] == ["claude-sonnet-4-5", "local/qwen"]
    assert model_list(Wire.RESPONSES, MODELS) == model_list(Wire.CHAT, MODELS)


def test_gemini() -> None:
    first, second = json.loads(model_list(Surface.GEMINI, MODELS))["models"]
    assert (first["name"], first["inputTokenLimit"]) == ("models/claude-sonnet-4-5", 200_000)
    assert "generateContent" in first["supportedGenerationMethods"]
    assert "inputTokenLimit" not in second
