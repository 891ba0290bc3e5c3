"""The models that the rehearsal provider lists. It answers to any other name too."""

from __future__ import annotations

from waystation.rehearsal.ask import Json
from waystation.rehearsal.vendor import Vendor

ANTHROPIC = ("claude-opus-5", "claude-sonnet-5", "claude-sonnet-4-5", "claude-haiku-4-5", "rehearsal")
OPENAI = ("gpt-5.5", "gpt-5.4", "gpt-5.4-mini", "text-embedding-3-small", "rehearsal")
GEMINI = ("gemini-2.5-pro", "gemini-2.5-flash", "gemini-embedding-001", "rehearsal")
BEDROCK = ("anthropic.claude-sonnet-4-5-20250929-v1:0", "amazon.nova-2-lite-v1:0", "rehearsal.model-v1:0")

_CREATED = 1_763_942_400
_CREATED_TEXT = "2025-11-24T00:00:00Z"


def _display(name: str) -> str:
    return f"{name} (rehearsal)" if name != "rehearsal" else "Rehearsal"


def anthropic_model(name: str) -> Json:
    return {
        "type": "model",
        "id": name,
        "display_name": _display(name),
        "created_at": _CREATED_TEXT,
        "lifecycle": "active",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
    }


def anthropic_page(limit: int, after: str | None, before: str | None) -> Json:
    """One page of the list, by the API's cursor parameters."""
    names = list(ANTHROPIC)
    if after in names:
        names = names[names.index(after) + 1 :]
    if before in names:
        names = names[: names.index(before)]
        page = names[-limit:]
    else:
        page = names[:limit]
    return {
        "data": [anthropic_model(n) for n in page],
        "has_more": len(page) < len(names),
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
    }


def openai_model(name: str) -> Json:
    return {"id": name, "object": "model", "created": _CREATED, "owned_by": "waystation-rehearsal"}


def openai_list() -> Json:
    return {"object": "list", "data": [openai_model(n) for n in OPENAI]}


def gemini_model(name: str) -> Json:
    embeds = "embedding" in name
    methods = ["embedContent", "batchEmbedContents"] if embeds else ["generateContent", "countTokens"]
    model: Json = {
        "name": f"models/{name}",
        "version": "001",
        "displayName": _display(name),
        "description": "Scripted answers of Waystation's rehearsal provider.",
        "inputTokenLimit": 2_048 if embeds else 1_048_576,
        "outputTokenLimit": 1 if embeds else 65_536,
        "supportedGenerationMethods": methods,
    }
    if not embeds:
        model |= {"temperature": 1, "topP": 0.95, "topK": 64, "maxTemperature": 2, "thinking": True}
    return model


def gemini_page(size: int, token: str | None) -> Json:
    start = int(token) if token and token.isdigit() else 0
    page: Json = {"models": [gemini_model(n) for n in GEMINI[start : start + size]]}
    if start + size < len(GEMINI):
        page["nextPageToken"] = str(start + size)
    return page


def bedrock_model(name: str) -> Json:
    maker, _, model = name.partition(".")
    return {
        "modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{name}",
        "modelId": name,
        "modelName": f"{model.partition('-')[0]} (rehearsal)"[:20],
        "providerName": maker.capitalize(),
        "inputModalities": ["TEXT", "IMAGE"],
        "outputModalities": ["TEXT"],
        "responseStreamingSupported": True,
        "customizationsSupported": [],
        "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE"},
    }


def listed(vendor: Vendor, model: str, query: dict[str, str]) -> Json:
    """The list, a page of it, or the one model that the path names."""
    if vendor is Vendor.ANTHROPIC:
        if model:
            return anthropic_model(model)
        limit = int(query["limit"]) if query.get("limit", "").isdigit() else 20
        return anthropic_page(limit, query.get("after_id"), query.get("before_id"))
    if vendor is Vendor.OPENAI:
        return openai_model(model) if model else openai_list()
    if vendor is Vendor.BEDROCK:
        return {"modelSummaries": [bedrock_model(n) for n in BEDROCK]}
    if model:
        return gemini_model(model)
    size = int(query["pageSize"]) if query.get("pageSize", "").isdigit() else 50
    return gemini_page(size, query.get("pageToken"))
