"""Model lists, as each surface's clients read them."""

import json

import pytest

from waystation.model import ModelEntry, Surface, Wire
from waystation.wire import BadBody, model_list, model_shape

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


def test_vectors_are_made_by_other_methods() -> None:
    [shape] = json.loads(model_list(Surface.GEMINI, [ModelEntry("gemini-embedding-001", embeds=True)]))[
        "models"
    ]
    assert shape["supportedGenerationMethods"] == ["embedContent", "batchEmbedContents"]


def test_one_model_is_as_its_line_in_the_list() -> None:
    for surface in Surface:
        listed = json.loads(model_list(surface, MODELS))
        assert (
            json.loads(model_shape(surface, MODELS[0]))
            == (listed["models"] if surface is Surface.GEMINI else listed["data"])[0]
        )


NAMES = [f"m{i}" for i in range(7)]
SEVEN = [ModelEntry(name) for name in NAMES]


def anthropic_page(query: str) -> tuple[list[str], bool]:
    shape = json.loads(model_list(Surface.ANTHROPIC, SEVEN, query.encode()))
    ids = [model["id"] for model in shape["data"]]
    assert (shape["first_id"], shape["last_id"]) == ((ids[0], ids[-1]) if ids else (None, None))
    return ids, shape["has_more"]


@pytest.mark.parametrize(
    ("query", "ids", "more"),
    [
        ("", NAMES, False),
        ("limit=1000", NAMES, False),
        ("limit=99999", NAMES, False),
        ("limit=3", NAMES[:3], True),
        ("limit=7", NAMES, False),
        ("limit=3&after_id=m2", NAMES[3:6], True),
        ("limit=3&after_id=m5", NAMES[6:], False),
        ("after_id=m6", [], False),
        ("limit=2&before_id=m4", NAMES[2:4], True),
        ("limit=2&before_id=m2", NAMES[:2], False),
        ("before_id=m2", NAMES[:2], False),
        ("limit=2&after_id=", NAMES[:2], True),
        ("beta=true&limit=2", NAMES[:2], True),
    ],
)
def test_anthropics_pages(query: str, ids: list[str], more: bool) -> None:
    assert anthropic_page(query) == (ids, more)


def test_geminis_pages() -> None:
    seen, token = [], ""
    for _ in range(10):
        query = f"pageSize=3&pageToken={token}" if token else "pageSize=3"
        page = json.loads(model_list(Surface.GEMINI, SEVEN, query.encode()))
        seen.append([model["baseModelId"] for model in page["models"]])
        token = page.get("nextPageToken", "")
        if not token:
            break
    assert seen == [NAMES[:3], NAMES[3:6], NAMES[6:]]
    assert len(json.loads(model_list(Surface.GEMINI, SEVEN))["models"]) == 7


@pytest.mark.parametrize(
    ("surface", "query", "param"),
    [
        (Surface.ANTHROPIC, "limit=0", "limit"),
        (Surface.ANTHROPIC, "limit=-1", "limit"),
        (Surface.ANTHROPIC, "limit=ten", "limit"),
        (Surface.ANTHROPIC, "limit=%C2%B2", "limit"),
        (Surface.ANTHROPIC, "after_id=gone", "after_id"),
        (Surface.ANTHROPIC, "before_id=gone", "before_id"),
        (Surface.ANTHROPIC, "after_id=m1&before_id=m3", "before_id"),
        (Surface.GEMINI, "pageSize=0", "pageSize"),
        (Surface.GEMINI, "pageToken=%00", "pageToken"),
        (Surface.GEMINI, "pageToken=AAAA", "pageToken"),
        (Surface.GEMINI, "pageToken=_w", "pageToken"),
    ],
)
def test_a_page_that_cannot_be_is_refused_by_its_field(surface: Surface, query: str, param: str) -> None:
    with pytest.raises(BadBody) as refused:
        model_list(surface, SEVEN, query.encode())
    assert refused.value.param == param
    assert refused.value.message.startswith(f"{param}: ")


def test_openai_has_no_pages() -> None:
    assert model_list(Surface.OPENAI, SEVEN, b"limit=0&after=x") == model_list(Surface.OPENAI, SEVEN)
