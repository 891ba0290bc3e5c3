"""Model lists, in each surface's shape and by its way of asking for pages."""

import base64
import datetime
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from waystation.model import ModelEntry, Surface, Wire
from waystation.wire.bad_body import BadBody

_POSITIVE = re.compile(r"[1-9][0-9]{0,8}")
_LARGEST_PAGE = 1000
"""Anthropic's and Gemini's own bound."""


def model_list(wire_or_surface: Wire | Surface, models: Sequence[ModelEntry], query: bytes = b"") -> bytes:
    """The body of a `/models` answer: whole, unless `query` asks for a page of it.

    Raises BadBody for a page that cannot be: a size out of range, a cursor that is none.
    """
    surface = wire_or_surface.surface if isinstance(wire_or_surface, Wire) else wire_or_surface
    asked = dict(parse_qsl(query.decode("latin-1")))
    if surface is Surface.ANTHROPIC:
        shape = _anthropic(models, asked)
    elif surface is Surface.GEMINI:
        shape = _gemini(models, asked)
    else:
        shape = _openai(models)
    return msgspec.json.encode(shape)


def model_shape(surface: Surface, entry: ModelEntry) -> bytes:
    """One model, as the surface's lists have it."""
    shapes = {Surface.ANTHROPIC: _anthropic_model, Surface.GEMINI: _gemini_model}
    return msgspec.json.encode(shapes.get(surface, _openai_model)(entry))


def _anthropic(models: Sequence[ModelEntry], asked: dict[str, str]) -> dict[str, Any]:
    limit = _size(asked, "limit")
    after, before = asked.get("after_id"), asked.get("before_id")
    if after and before:
        raise BadBody("before_id: give it or after_id, not both.", param="before_id")
    if before:
        earlier = models[: _place(models, before, "before_id")]
        page = earlier[-limit:] if limit is not None else earlier
        more = len(page) < len(earlier)
    else:
        rest = models[_place(models, after, "after_id") + 1 :] if after else models
        page = rest[:limit] if limit is not None else rest
        more = len(page) < len(rest)
    return {
        "data": [_anthropic_model(entry) for entry in page],
        "has_more": more,
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
    }


def _anthropic_model(entry: ModelEntry) -> dict[str, Any]:
    return {
        "type": "model",
        "id": entry.id,
        "display_name": entry.display_name or entry.id,
        "created_at": _rfc3339(entry.created),
        "lifecycle": "active",
        "max_input_tokens": entry.context_window,
        "max_tokens": entry.max_output,
    }


def _openai(models: Sequence[ModelEntry]) -> dict[str, Any]:
    return {
        "object": "list",
        "data": [_openai_model(entry) for entry in models],
        # Codex, where it gets its key by a command, wants its own `ModelsResponse` (codex-rs/protocol) and logs an
        # error for any other. An entry of ours would replace the instructions that it has for a model of that name,
        # so there is none: it keeps what it knows, and plain defaults for the rest.
        "models": [],
    }


def _openai_model(entry: ModelEntry) -> dict[str, Any]:
    """OpenAI's own list tells no more than the first four; for the rest the names are OpenRouter's."""
    shape: dict[str, Any] = {
        "id": entry.id,
        "object": "model",
        "created": entry.created,
        "owned_by": "waystation",
        "name": entry.display_name or entry.id,
    }
    if entry.context_window is not None:
        shape["context_length"] = entry.context_window
    if entry.max_output is not None:
        shape["top_provider"] = {"max_completion_tokens": entry.max_output}
    return shape


def _gemini(models: Sequence[ModelEntry], asked: dict[str, str]) -> dict[str, Any]:
    size, token = _size(asked, "pageSize"), asked.get("pageToken")
    rest = models[_place(models, _untoken(token), "pageToken") + 1 :] if token else models
    page = rest[:size] if size is not None else rest
    shape: dict[str, Any] = {"models": [_gemini_model(entry) for entry in page]}
    if len(page) < len(rest):
        shape["nextPageToken"] = base64.urlsafe_b64encode(page[-1].id.encode()).decode().rstrip("=")
    return shape


def _gemini_model(entry: ModelEntry) -> dict[str, Any]:
    methods = ["generateContent", "streamGenerateContent", "countTokens"]
    shape: dict[str, Any] = {
        "name": f"models/{entry.id}",
        "baseModelId": entry.id,
        "version": entry.id,
        "displayName": entry.display_name or entry.id,
        "supportedGenerationMethods": ["embedContent", "batchEmbedContents"] if entry.embeds else methods,
    }
    if entry.context_window is not None:
        shape["inputTokenLimit"] = entry.context_window
    if entry.max_output is not None:
        shape["outputTokenLimit"] = entry.max_output
    return shape


def _size(asked: dict[str, str], field: str) -> int | None:
    """How many at most; None where it was not asked, and then it is all of them: many clients read one page only."""
    text = asked.get(field)
    if text is None:
        return None
    if not _POSITIVE.fullmatch(text):
        raise BadBody(f"{field}: it is a whole number of at least 1.", param=field)
    return min(int(text), _LARGEST_PAGE)


def _place(models: Sequence[ModelEntry], name: str, field: str) -> int:
    for index, entry in enumerate(models):
        if entry.id == name:
            return index
    raise BadBody(f"{field}: no model of your list is meant by it; ask without it.", param=field)


def _untoken(token: str) -> str:
    try:
        padded = token + "=" * (-len(token) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except ValueError:  # also of the text inside
        return ""


def _rfc3339(seconds: int) -> str:
    """The epoch stands for an unknown date, as it does in Anthropic's own lists."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
