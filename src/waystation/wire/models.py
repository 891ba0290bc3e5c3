"""Model lists, in each surface's shape."""

import datetime
from collections.abc import Sequence
from typing import Any

import msgspec

from waystation.model import ModelEntry, Surface, Wire


def model_list(wire_or_surface: Wire | Surface, models: Sequence[ModelEntry]) -> bytes:
    """The body of a `/models` answer, whole: it has no further page."""
    surface = wire_or_surface.surface if isinstance(wire_or_surface, Wire) else wire_or_surface
    if surface is Surface.ANTHROPIC:
        shape = _anthropic(models)
    elif surface is Surface.GEMINI:
        shape = {"models": [_gemini(entry) for entry in models]}
    else:
        shape = _openai(models)
    return msgspec.json.encode(shape)


def _anthropic(models: Sequence[ModelEntry]) -> dict[str, Any]:
    return {
        "data": [
            {
                "type": "model",
                "id": entry.id,
                "display_name": entry.display_name or entry.id,
                "created_at": _rfc3339(entry.created),
                "lifecycle": "active",
                "max_input_tokens": entry.context_window,
                "max_tokens": entry.max_output,
            }
            for entry in models
        ],
        "has_more": False,
        "first_id": models[0].id if models else None,
        "last_id": models[-1].id if models else None,
    }


def _openai(models: Sequence[ModelEntry]) -> dict[str, Any]:
    return {
        "object": "list",
        "data": [
            {"id": entry.id, "object": "model", "created": entry.created, "owned_by": "waystation"}
            for entry in models
        ],
        # Codex, where it gets its key by a command, wants its own `ModelsResponse` (codex-rs/protocol) and logs an
        # error for any other. An entry of ours would replace the instructions that it has for a model of that name,
        # so there is none: it keeps what it knows, and plain defaults for the rest.
        "models": [],
    }


def _gemini(entry: ModelEntry) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "name": f"models/{entry.id}",
        "baseModelId": entry.id,
        "version": entry.id,
        "displayName": entry.display_name or entry.id,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
    }
    if entry.context_window is not None:
        shape["inputTokenLimit"] = entry.context_window
    if entry.max_output is not None:
        shape["outputTokenLimit"] = entry.max_output
    return shape


def _rfc3339(seconds: int) -> str:
    """The epoch stands for an unknown date, as it does in Anthropic's own lists."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
