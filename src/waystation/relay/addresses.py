"""Which request is ours, and what it asks for: the table of relay addresses."""

import re
from urllib.parse import unquote

import msgspec

from waystation.model import Operation, Surface, Wire


class Address(msgspec.Struct, frozen=True):
    """What one method and path mean. `wire` is None where the surface has no body protocol for it."""

    surface: Surface
    operation: Operation | None
    """None: a greeting (`HEAD /anthropic`), answered 200 without a token."""
    wire: Wire
    model: str | None = None
    """The model named in the path (Gemini), percent-decoded."""
    stream: bool = False
    """The path itself asks for a stream (Gemini's `:streamGenerateContent`)."""
    action: str = ""
    """The path's own verb, where the operation alone does not say which is meant (Gemini)."""
    method: bytes = b"POST"
    error: str = ""
    """Set where the surface is ours but the address is not: `not_found` or `method_not_allowed`."""


_PREFIXES: dict[bytes, tuple[Surface, Wire]] = {
    b"/anthropic": (Surface.ANTHROPIC, Wire.MESSAGES),
    b"/openai": (Surface.OPENAI, Wire.RESPONSES),
    b"/gemini": (Surface.GEMINI, Wire.GENERATE),
}

_POSTS: dict[bytes, Address] = {
    b"/anthropic/v1/messages": Address(Surface.ANTHROPIC, Operation.GENERATE, Wire.MESSAGES),
    b"/anthropic/v1/messages/count_tokens": Address(Surface.ANTHROPIC, Operation.COUNT_TOKENS, Wire.MESSAGES),
    b"/openai/v1/responses": Address(Surface.OPENAI, Operation.GENERATE, Wire.RESPONSES),
    b"/openai/v1/responses/input_tokens": Address(Surface.OPENAI, Operation.COUNT_TOKENS, Wire.RESPONSES),
    b"/openai/v1/chat/completions": Address(Surface.OPENAI, Operation.GENERATE, Wire.CHAT),
    b"/openai/v1/embeddings": Address(Surface.OPENAI, Operation.EMBED, Wire.EMBEDDINGS),
}

_LISTS: dict[bytes, Address] = {
    b"/anthropic/v1/models": Address(Surface.ANTHROPIC, Operation.LIST_MODELS, Wire.MESSAGES, method=b"GET"),
    b"/openai/v1/models": Address(Surface.OPENAI, Operation.LIST_MODELS, Wire.RESPONSES, method=b"GET"),
    b"/gemini/v1beta/models": Address(Surface.GEMINI, Operation.LIST_MODELS, Wire.GENERATE, method=b"GET"),
    b"/gemini/v1/models": Address(Surface.GEMINI, Operation.LIST_MODELS, Wire.GENERATE, method=b"GET"),
}

_GEMINI = re.compile(rb"/gemini/v1(?:beta)?/models/([^/:?]+(?:/[^/:?]+)*)(?::(\w+))?")
_GEMINI_ACTIONS: dict[bytes, tuple[Operation, bool]] = {
    b"generateContent": (Operation.GENERATE, False),
    b"streamGenerateContent": (Operation.GENERATE, True),
    b"countTokens": (Operation.COUNT_TOKENS, False),
    b"embedContent": (Operation.EMBED, False),
    b"batchEmbedContents": (Operation.EMBED, False),
}


_SIGN_IN = frozenset(
    b"/anthropic/" + rest
    for rest in (
        b".well-known/oauth-authorization-server",
        b"oauth/device_authorization",
        b"oauth/token",
        b"managed/settings",
    )
)
"""Where Claude Code signs in by itself: under its base address, and no request to a model."""


def is_relay_path(path: bytes) -> bool:
    """Whether a raw path (no query) belongs to one of the relay surfaces."""
    if path in _SIGN_IN:
        return False
    head = path[: path.find(b"/", 1)] if path.count(b"/") > 1 else path
    return head in _PREFIXES


def match(method: bytes, path: bytes) -> Address | None:
    """The address of a request, or None if it is not the relay's business.

    `path` is the raw path without its query. An address that lies on one of our surfaces but means
    nothing has `error` set, so that the refusal can be given in that surface's own shape.
    """
    known = _POSTS.get(path)
    if known is not None and method == b"POST":
        return known
    if not is_relay_path(path):
        return None
    prefix = path[: path.find(b"/", 1)] if path.count(b"/") > 1 else path
    surface, wire = _PREFIXES[prefix]
    if known is not None:
        return msgspec.structs.replace(known, error="method_not_allowed")
    listing = _LISTS.get(path)
    if listing is not None:
        return listing if method in (b"GET", b"HEAD") else _wrong_method(surface, wire)
    if path.rstrip(b"/") == prefix or path.rstrip(b"/") == prefix + b"/v1":
        return Address(surface, None, wire, method=method)
    if surface is Surface.GEMINI:
        return _match_gemini(method, path)
    for listed, address in _LISTS.items():
        if path.startswith(listed + b"/") and method in (b"GET", b"HEAD"):
            model = unquote(path[len(listed) + 1 :].decode("latin-1"))
            return msgspec.structs.replace(address, model=model)
    return Address(surface, None, wire, error="not_found")


def _match_gemini(method: bytes, path: bytes) -> Address:
    found = _GEMINI.fullmatch(path)
    if found is None:
        return Address(Surface.GEMINI, None, Wire.GENERATE, error="not_found")
    model, action = unquote(found[1].decode("latin-1")), found[2]
    if action is None:
        if method not in (b"GET", b"HEAD"):
            return _wrong_method(Surface.GEMINI, Wire.GENERATE)
        return Address(Surface.GEMINI, Operation.LIST_MODELS, Wire.GENERATE, model=model, method=b"GET")
    known = _GEMINI_ACTIONS.get(action)
    if known is None:
        return Address(Surface.GEMINI, None, Wire.GENERATE, error="not_found")
    if method != b"POST":
        return _wrong_method(Surface.GEMINI, Wire.GENERATE)
    operation, stream = known
    return Address(
        Surface.GEMINI,
        operation,
        Wire.GENERATE,
        model=model,
        stream=stream,
        action=action.decode("ascii") if operation is Operation.EMBED else "",
    )


def _wrong_method(surface: Surface, wire: Wire) -> Address:
    return Address(surface, None, wire, error="method_not_allowed")
