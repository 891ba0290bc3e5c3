"""The headers that providers send, and where they look for keys."""

from __future__ import annotations

import hashlib
import time

from waystation.rehearsal.exchange import Request
from waystation.rehearsal.sigv4 import access_key
from waystation.rehearsal.vendor import Vendor

_LIMIT = 4000
_TOKEN_LIMIT = 2_000_000


def key_of(request: Request, vendor: Vendor) -> str | None:
    """The key, from where this provider looks for it."""
    bearer = request.header("authorization") or ""
    token = bearer[7:].strip() if bearer[:7].lower() == "bearer " else ""
    if vendor is Vendor.ANTHROPIC:
        return request.header("x-api-key") or token
    if vendor is Vendor.BEDROCK:
        return token or access_key(bearer)
    if vendor is Vendor.GEMINI:
        return request.header("x-goog-api-key") or (request.query.get("key") or [""])[0] or token
    return token or request.header("api-key")


def provider_headers(request: Request, vendor: Vendor, number: int, now: float) -> list[tuple[bytes, bytes]]:
    """`number` counts the server's requests: ids are unique where bodies repeat. `now` in Unix seconds."""
    ident = hashlib.blake2b(f"{number} {now}".encode(), digest_size=12).hexdigest()
    left = str(max(_LIMIT - number % _LIMIT, 1)).encode()
    tokens_left = str(max(_TOKEN_LIMIT - len(request.body) // 4, 0)).encode()
    if vendor is Vendor.ANTHROPIC:
        reset = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 60)).encode()
        return [
            (b"request-id", b"req_01" + ident.encode()),
            (b"anthropic-organization-id", b"00000000-0000-4000-8000-000000000000"),
            (b"anthropic-ratelimit-requests-limit", str(_LIMIT).encode()),
            (b"anthropic-ratelimit-requests-remaining", left),
            (b"anthropic-ratelimit-requests-reset", reset),
            (b"anthropic-ratelimit-tokens-limit", str(_TOKEN_LIMIT).encode()),
            (b"anthropic-ratelimit-tokens-remaining", tokens_left),
            (b"anthropic-ratelimit-tokens-reset", reset),
        ]
    if vendor is Vendor.BEDROCK:
        grouped = f"{ident[:8]}-{ident[8:12]}-4{ident[13:16]}-8{ident[17:20]}-{ident[20:]}{ident[:8]}"
        return [(b"x-amzn-requestid", grouped.encode())]
    if vendor is Vendor.GEMINI:
        return [
            (b"vary", b"Origin, X-Origin, Referer"),
            (b"server-timing", b"gfet4t7; dur=12"),
            (b"server", b"scaffolding on HTTPServer2"),
        ]
    return [
        (b"x-request-id", b"req_" + ident.encode()),
        (b"openai-version", b"2020-10-01"),
        (b"openai-organization", b"waystation-rehearsal"),
        (b"openai-processing-ms", b"12"),
        (b"x-ratelimit-limit-requests", str(_LIMIT).encode()),
        (b"x-ratelimit-limit-tokens", str(_TOKEN_LIMIT).encode()),
        (b"x-ratelimit-remaining-requests", left),
        (b"x-ratelimit-remaining-tokens", tokens_left),
        (b"x-ratelimit-reset-requests", b"15ms"),
        (b"x-ratelimit-reset-tokens", b"1ms"),
    ]
