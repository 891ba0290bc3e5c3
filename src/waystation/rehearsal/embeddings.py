"""Vectors derived from the text by hashing: unit length, the same text the same vector."""

from __future__ import annotations

import base64
import hashlib
import math
import struct
from typing import Any

from waystation.rehearsal.ask import Json, Rejection
from waystation.rehearsal.tokens import tokens

OPENAI_DIMENSIONS = 1536
GEMINI_DIMENSIONS = 3072


def vector(text: str, dimensions: int) -> list[float]:
    """Deterministic and of unit length. Nearness means nothing."""
    raw = hashlib.shake_128(text.encode()).digest(dimensions * 2)
    numbers = [n / 32768 for n in struct.unpack(f"<{dimensions}h", raw)]
    length = math.sqrt(sum(n * n for n in numbers)) or 1.0
    return [n / length for n in numbers]


def openai(body: Json) -> Json:
    """`POST /embeddings`. Raises Rejection."""
    if not isinstance(body.get("model"), str):
        raise Rejection(400, "you must provide a model parameter", kind="invalid_request_error")
    texts = _inputs(body.get("input"))
    size = body.get("dimensions") or OPENAI_DIMENSIONS
    if not isinstance(size, int) or not 1 <= size <= GEMINI_DIMENSIONS:
        raise Rejection(
            400, "Invalid value for 'dimensions'.", kind="invalid_request_error", param="dimensions"
        )
    packed = body.get("encoding_format") == "base64"
    data = []
    for index, text in enumerate(texts):
        numbers = vector(text, size)
        value: Any = base64.b64encode(struct.pack(f"<{size}f", *numbers)).decode() if packed else numbers
        data.append({"object": "embedding", "index": index, "embedding": value})
    spent = sum(tokens(t) for t in texts)
    return {
        "object": "list",
        "data": data,
        "model": body["model"],
        "usage": {"prompt_tokens": spent, "total_tokens": spent},
    }


def _inputs(given: Any) -> list[str]:
    """A string, a list of strings, token numbers, or a list of those."""
    if isinstance(given, str) and given:
        return [given]
    if isinstance(given, list) and given:
        if all(isinstance(g, int) for g in given):
            return [str(given)]
        return [g if isinstance(g, str) else str(g) for g in given]
    raise Rejection(
        400, "'$.input' is invalid. Please check the API reference.", kind="invalid_request_error"
    )


def gemini(body: Json) -> Json:
    """`:embedContent`. Raises Rejection."""
    return {"embedding": _gemini_vector(body)}


def gemini_batch(body: Json) -> Json:
    """`:batchEmbedContents`. Raises Rejection."""
    requests = body.get("requests")
    if not isinstance(requests, list) or not requests:
        raise Rejection(
            400, "* BatchEmbedContentsRequest.requests: requests is empty\n", kind="INVALID_ARGUMENT"
        )
    return {"embeddings": [_gemini_vector(r) for r in requests if isinstance(r, dict)]}


def _gemini_vector(request: Json) -> Json:
    content = request.get("content") or {}
    parts = content.get("parts") if isinstance(content, dict) else None
    text = "".join(str(p.get("text", "")) for p in parts or () if isinstance(p, dict))
    if not text:
        raise Rejection(
            400, "* EmbedContentRequest.content: contents is not specified\n", kind="INVALID_ARGUMENT"
        )
    size = request.get("outputDimensionality") or GEMINI_DIMENSIONS
    return {"values": vector(text, min(int(size), GEMINI_DIMENSIONS))}
