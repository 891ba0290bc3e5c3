"""Which address is for what."""

from __future__ import annotations

import re

import msgspec

from waystation.model import Operation, Surface, Wire
from waystation.rehearsal.exchange import Request

_GEMINI = re.compile(r"^/gemini/v1(?:beta|alpha)?/models(?:/(?P<model>[^:]+?)(?::(?P<verb>\w+))?)?$")
"""google-genai speaks to `v1` or `v1beta` as its version has it."""


class Place(msgspec.Struct, frozen=True):
    """What an address is for."""

    surface: Surface
    wire: Wire | None
    operation: Operation
    model: str = ""
    """The model that the path names."""
    verb: str = ""
    """Gemini's method, e.g. `streamGenerateContent`."""


_PLACES = {
    ("POST", "/anthropic/v1/messages"): Place(Surface.ANTHROPIC, Wire.MESSAGES, Operation.GENERATE),
    ("POST", "/anthropic/v1/messages/count_tokens"): Place(
        Surface.ANTHROPIC, Wire.MESSAGES, Operation.COUNT_TOKENS
    ),
    ("GET", "/anthropic/v1/models"): Place(Surface.ANTHROPIC, None, Operation.LIST_MODELS),
    ("POST", "/openai/v1/responses"): Place(Surface.OPENAI, Wire.RESPONSES, Operation.GENERATE),
    ("POST", "/openai/v1/responses/input_tokens"): Place(
        Surface.OPENAI, Wire.RESPONSES, Operation.COUNT_TOKENS
    ),
    ("POST", "/openai/v1/chat/completions"): Place(Surface.OPENAI, Wire.CHAT, Operation.GENERATE),
    ("POST", "/openai/v1/embeddings"): Place(Surface.OPENAI, Wire.EMBEDDINGS, Operation.EMBED),
    ("GET", "/openai/v1/models"): Place(Surface.OPENAI, None, Operation.LIST_MODELS),
}
_GEMINI_VERBS = {
    "generateContent": Operation.GENERATE,
    "streamGenerateContent": Operation.GENERATE,
    "countTokens": Operation.COUNT_TOKENS,
    "embedContent": Operation.EMBED,
    "batchEmbedContents": Operation.EMBED,
}
_ONE_MODEL = ((Surface.ANTHROPIC, "/anthropic/v1/models/"), (Surface.OPENAI, "/openai/v1/models/"))


def find(request: Request) -> Place | None:
    """What the request's method and path ask for; None where the provider has nothing there."""
    path = request.path.rstrip("/")
    fixed = _PLACES.get((request.method, path))
    if fixed is not None:
        return fixed
    if request.method == "GET":
        for surface, prefix in _ONE_MODEL:
            if path.startswith(prefix):
                return Place(surface, None, Operation.LIST_MODELS, path[len(prefix) :])
    match = _GEMINI.match(path)
    return _gemini(request.method, match["model"] or "", match["verb"] or "") if match else None


def _gemini(method: str, model: str, verb: str) -> Place | None:
    if method == "GET" and not verb:
        return Place(Surface.GEMINI, None, Operation.LIST_MODELS, model)
    operation = _GEMINI_VERBS.get(verb)
    if method != "POST" or operation is None:
        return None
    return Place(
        Surface.GEMINI, None if operation is Operation.EMBED else Wire.GENERATE, operation, model, verb
    )


def surface_of(path: str) -> Surface | None:
    """The provider whose part of the address space this is."""
    name = path.split("/", 2)[1] if path.startswith("/") else ""
    return Surface(name) if name in set(Surface) else None


def wants_sse(request: Request) -> bool:
    """Gemini streams a JSON array unless `alt=sse` is asked for."""
    return request.query.get("alt") == ["sse"]


def streams_array(request: Request, place: Place) -> bool:
    return place.verb == "streamGenerateContent" and not wants_sse(request)
