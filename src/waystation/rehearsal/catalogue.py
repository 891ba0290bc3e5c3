"""The models that the rehearsal provider lists. It answers to any other name too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from waystation.rehearsal.ask import Json
from waystation.rehearsal.vendor import Vendor

USUAL: Mapping[Vendor, tuple[str, ...]] = {
    Vendor.ANTHROPIC: (
        "claude-opus-5",
        "claude-sonnet-5",
        "claude-sonnet-4-5",
        "claude-haiku-4-5",
        "rehearsal",
    ),
    Vendor.OPENAI: ("gpt-5.5", "gpt-5.4", "gpt-5.4-mini", "text-embedding-3-small", "rehearsal"),
    Vendor.GEMINI: ("gemini-2.5-pro", "gemini-2.5-flash", "gemini-embedding-001", "rehearsal"),
    Vendor.BEDROCK: (
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "amazon.nova-2-lite-v1:0",
        "rehearsal.model-v1:0",
    ),
}
"""What each vendor lists, unless a script or a test says otherwise."""

PROFILES = "inference-profiles"
_PLACES = ("us.", "eu.", "apac.", "global.")
"""How the ids of Bedrock's inference profiles begin."""
_LARGEST_PAGE = 1000
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


def anthropic_page(names: Sequence[str], limit: int, after: str | None, before: str | None) -> Json:
    """One page of the list, by the API's cursor parameters."""
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


def openai_list(names: Sequence[str]) -> Json:
    return {"object": "list", "data": [openai_model(n) for n in names]}


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


def gemini_page(names: Sequence[str], size: int, token: str | None) -> Json:
    start = int(token) if token and token.isdigit() else 0
    page: Json = {"models": [gemini_model(n) for n in names[start : start + size]]}
    if start + size < len(names):
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


def bedrock_profile(name: str) -> Json:
    return {
        "inferenceProfileName": f"{name.partition('.')[0].upper()} {name.split('.')[-1][:30]} (rehearsal)",
        "createdAt": _CREATED_TEXT,
        "updatedAt": _CREATED_TEXT,
        "inferenceProfileArn": f"arn:aws:bedrock:us-east-1:000000000000:inference-profile/{name}",
        "models": [{"modelArn": f"arn:aws:bedrock:us-east-1::foundation-model/{name.partition('.')[2]}"}],
        "inferenceProfileId": name,
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    }


def listed(names: Sequence[str], vendor: Vendor, model: str, verb: str, query: dict[str, str]) -> Json:
    """The list of `names`, a page of it, or the one model that the path names."""
    if vendor is Vendor.ANTHROPIC:
        if model:
            return anthropic_model(model)
        limit = _size(query.get("limit", ""), 20)
        return anthropic_page(names, limit, query.get("after_id"), query.get("before_id"))
    if vendor is Vendor.OPENAI:
        return openai_model(model) if model else openai_list(names)
    if vendor is Vendor.BEDROCK:
        if verb == PROFILES:
            profiles = [bedrock_profile(n) for n in names if n.startswith(_PLACES)]
            return {"inferenceProfileSummaries": profiles}
        return {"modelSummaries": [bedrock_model(n) for n in names if not n.startswith(_PLACES)]}
    if model:
        return gemini_model(model)
    return gemini_page(names, _size(query.get("pageSize", ""), 50), query.get("pageToken"))


def _size(asked: str, usual: int) -> int:
    return min(int(asked), _LARGEST_PAGE) if asked.isdigit() else usual
