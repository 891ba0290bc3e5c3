"""Which address is for what."""

from __future__ import annotations

import re

import msgspec

from waystation.model import Operation, Wire
from waystation.rehearsal.exchange import Request
from waystation.rehearsal.vendor import Vendor

_GEMINI = re.compile(r"^/gemini/v1(?:beta|alpha)?/models(?:/(?P<model>[^:]+?)(?::(?P<verb>\w+))?)?$")
"""google-genai speaks to `v1` or `v1beta` as its version has it."""
_BEDROCK = re.compile(r"^/bedrock/model/(?P<model>.+)/(?P<verb>converse|converse-stream|count-tokens)$")


class Place(msgspec.Struct, frozen=True):
    """What an address is for."""

    vendor: Vendor
    wire: Wire | None
    operation: Operation
    model: str = ""
    """The model that the path names."""
    verb: str = ""
    """Gemini's or Bedrock's method, e.g. `streamGenerateContent`."""


_PLACES = {
    ("POST", "/anthropic/v1/messages"): Place(Vendor.ANTHROPIC, Wire.MESSAGES, Operation.GENERATE),
    ("POST", "/anthropic/v1/messages/count_tokens"): Place(
        Vendor.ANTHROPIC, Wire.MESSAGES, Operation.COUNT_TOKENS
    ),
    ("GET", "/anthropic/v1/models"): Place(Vendor.ANTHROPIC, None, Operation.LIST_MODELS),
    ("POST", "/openai/v1/responses"): Place(Vendor.OPENAI, Wire.RESPONSES, Operation.GENERATE),
    ("POST", "/openai/v1/responses/input_tokens"): Place(
        Vendor.OPENAI, Wire.RESPONSES, Operation.COUNT_TOKENS
    ),
    ("POST", "/openai/v1/chat/completions"): Place(Vendor.OPENAI, Wire.CHAT, Operation.GENERATE),
    ("POST", "/openai/v1/embeddings"): Place(Vendor.OPENAI, Wire.EMBEDDINGS, Operation.EMBED),
    ("GET", "/openai/v1/models"): Place(Vendor.OPENAI, None, Operation.LIST_MODELS),
    ("GET", "/bedrock/foundation-models"): Place(Vendor.BEDROCK, None, Operation.LIST_MODELS),
    ("GET", "/bedrock/inference-profiles"): Place(
        Vendor.BEDROCK, None, Operation.LIST_MODELS, verb="inference-profiles"
    ),
}
_GEMINI_VERBS = {
    "generateContent": Operation.GENERATE,
    "streamGenerateContent": Operation.GENERATE,
    "countTokens": Operation.COUNT_TOKENS,
    "embedContent": Operation.EMBED,
    "batchEmbedContents": Operation.EMBED,
}
_ONE_MODEL = ((Vendor.ANTHROPIC, "/anthropic/v1/models/"), (Vendor.OPENAI, "/openai/v1/models/"))


def find(request: Request) -> Place | None:
    """What the request's method and path ask for; None where the provider has nothing there."""
    path = request.path.rstrip("/")
    fixed = _PLACES.get((request.method, path))
    if fixed is not None:
        return fixed
    if request.method == "GET":
        for vendor, prefix in _ONE_MODEL:
            if path.startswith(prefix):
                return Place(vendor, None, Operation.LIST_MODELS, path[len(prefix) :])
    bedrock = _BEDROCK.match(path)
    if bedrock and request.method == "POST":
        operation = Operation.COUNT_TOKENS if bedrock["verb"] == "count-tokens" else Operation.GENERATE
        return Place(Vendor.BEDROCK, Wire.CONVERSE, operation, bedrock["model"], bedrock["verb"])
    match = _GEMINI.match(path)
    return _gemini(request.method, match["model"] or "", match["verb"] or "") if match else None


def _gemini(method: str, model: str, verb: str) -> Place | None:
    if method == "GET" and not verb:
        return Place(Vendor.GEMINI, None, Operation.LIST_MODELS, model)
    operation = _GEMINI_VERBS.get(verb)
    if method != "POST" or operation is None:
        return None
    return Place(
        Vendor.GEMINI, None if operation is Operation.EMBED else Wire.GENERATE, operation, model, verb
    )


def vendor_at(path: str) -> Vendor | None:
    """The provider whose part of the address space this is."""
    name = path.split("/", 2)[1] if path.startswith("/") else ""
    return Vendor(name) if name in set(Vendor) else None


def wants_sse(request: Request) -> bool:
    """Gemini streams a JSON array unless `alt=sse` is asked for."""
    return request.query.get("alt") == ["sse"]


def streams_array(request: Request, place: Place) -> bool:
    return place.verb == "streamGenerateContent" and not wants_sse(request)
