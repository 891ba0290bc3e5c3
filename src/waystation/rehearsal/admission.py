"""Keys and bodies: what a provider refuses before it looks at what is asked."""

from __future__ import annotations

import msgspec

from waystation.rehearsal import refusals
from waystation.rehearsal.ask import Json, Rejection
from waystation.rehearsal.exchange import Request
from waystation.rehearsal.vendor import Vendor


def refuse_key(vendor: Vendor, key: str | None) -> Rejection:
    """What the provider answers where the key is missing or wrong. Gemini has no 401 for it."""
    if vendor is Vendor.ANTHROPIC:
        message = "invalid x-api-key" if key else "x-api-key header is required"
        return Rejection(401, message, kind="authentication_error")
    if vendor is Vendor.BEDROCK:
        if key:
            message = "The security token included in the request is invalid."
            return Rejection(403, message, kind="UnrecognizedClientException")
        return Rejection(403, "Missing Authentication Token", kind="MissingAuthenticationTokenException")
    if vendor is Vendor.GEMINI:
        if key:
            return Rejection(400, "API key not valid. Please pass a valid API key.", kind="INVALID_ARGUMENT")
        return Rejection(
            403,
            "Method doesn't allow unregistered callers (callers without established identity). "
            "Please use API Key or other form of API consumer identity to call this API.",
            kind="PERMISSION_DENIED",
        )
    if key:
        return Rejection(
            401,
            "Incorrect API key provided. "
            "You can find your API key at https://platform.openai.com/account/api-keys.",
            kind="invalid_request_error",
            code="invalid_api_key",
        )
    return Rejection(
        401,
        "You didn't provide an API key. You need to provide your API key in an Authorization header "
        "using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        kind="invalid_request_error",
    )


def decoded(request: Request, vendor: Vendor) -> Json:
    """The JSON object in the body. Raises Rejection in the provider's words, for compressed bodies too."""
    coding = request.header("content-encoding")
    if coding not in (None, "", "identity"):
        raise refusals.rejection(vendor, 415, f"Content-Encoding {coding} is not supported.")
    if vendor is Vendor.ANTHROPIC and request.header("anthropic-version") is None:
        raise Rejection(400, "anthropic-version: header is required", kind="invalid_request_error")
    try:
        body = msgspec.json.decode(request.body)
    except (msgspec.DecodeError, RecursionError):
        body = None
    if isinstance(body, dict):
        return body
    if vendor is Vendor.BEDROCK:
        raise Rejection(400, "Unexpected token in the request body", kind="SerializationException")
    if vendor is Vendor.GEMINI:
        raise Rejection(400, "Invalid JSON payload received.", kind="INVALID_ARGUMENT")
    if vendor is Vendor.ANTHROPIC:
        raise Rejection(400, "The request body is not valid JSON", kind="invalid_request_error")
    raise Rejection(
        400,
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using "
        "your HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not "
        "valid JSON.)",
        kind="invalid_request_error",
    )
