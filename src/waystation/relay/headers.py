"""What may cross the gateway: request headers by allow-list, response headers by deny-list."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from waystation.model import Surface
from waystation.relay import foreign
from waystation.relay.downstream import Header
from waystation.relay.tools import identify_tool

if TYPE_CHECKING:
    from waystation.relay.dispatch import Dispatch
    from waystation.relay.exchange import Exchange

_OUT_EXACT = frozenset(
    (
        b"accept",
        b"accept-language",
        b"content-type",
        b"idempotency-key",
        b"originator",
        b"session-id",
        b"session_id",
        b"conversation-id",
        b"conversation_id",
        b"thread-id",
        b"user-agent",
        b"version",
        b"x-app",
        b"x-client-request-id",
        b"x-goog-api-client",
        b"x-goog-api-version",
        b"x-initiator",
        b"x-session-affinity",
        b"x-session-id",
        b"x-server-timeout",
    )
)
_OUT_PREFIXES = (b"anthropic-", b"openai-", b"x-stainless-", b"x-codex-", b"x-claude-code-")

_BACK_DROP = frozenset(
    (
        # Ours to say, by RFC 9110 §7.6.1: they describe one connection, not the message.
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        # Recomputed for what we really send (E07).
        b"content-length",
        # State and hints that belong to the provider's own origin, not to ours.
        b"alt-svc",
        b"nel",
        b"report-to",
        b"reporting-endpoints",
        b"server",
        b"set-cookie",
        b"strict-transport-security",
        b"via",
        b"www-authenticate",
    )
)

_OURS = b"x-waystation-"
"""What is told in such headers is told by this gateway: a provider (or a gateway behind us) has no say in it."""

_TOKEN_HEADERS = (b"x-api-key", b"x-goog-api-key", b"api-key")
_SESSION_HEADERS = (b"x-claude-code-session-id", b"session-id", b"x-session-id", b"session_id")

_meanings: dict[bytes, int] = {}
_MEANINGS_LIMIT = 4096
_PASS, _BEARER, _TOKEN, _SESSION, _AGENT, _CODING, _UPGRADE, _TOOL = 1, 2, 4, 8, 16, 32, 64, 128


def _meaning(name: bytes) -> int:
    """What a request header is to us, as flags. Remembered, but not without bound: names come from outside."""
    flags = _PASS if name in _OUT_EXACT or name.startswith(_OUT_PREFIXES) else 0
    if name == b"authorization":
        flags |= _BEARER
    elif name in _TOKEN_HEADERS:
        flags |= _TOKEN
    elif name in _SESSION_HEADERS:
        flags |= _SESSION
    elif name == b"user-agent":
        flags |= _AGENT
    elif name == b"x-waystation-tool":
        flags |= _TOOL
    elif name == b"content-encoding":
        flags |= _CODING
    elif name == b"upgrade":
        flags |= _UPGRADE
    if len(_meanings) >= _MEANINGS_LIMIT:
        _meanings.clear()
    _meanings[name] = flags
    return flags


class RequestHead:
    """All that the relay takes from a request's headers, in one pass.

    A tool sends the same headers with each request of a connection (save the length, which is kept apart), so
    a listener may use one of these for as long as they stay the same.
    """

    __slots__ = ("coding", "dispatch", "headers", "outbound", "token", "tool", "tool_session", "upgrade")

    def __init__(self, headers: list[Header]) -> None:
        self.dispatch: Dispatch | None = None
        """What the latest request with this head was sent by; the next one's is mostly the same."""
        self.headers = headers
        """As they came, names in lower case, without content-length."""
        self.token = b""
        """From whichever header the tool put it in: `Authorization: Bearer`, x-api-key, x-goog-api-key. Claude
        Code's helper sends two with one value; where several differ, `Authorization` wins."""
        self.coding = b""
        self.upgrade = b""
        self.tool_session = ""
        """The tool's own session id, or empty."""
        bearer = agent = named = b""
        lines: list[bytes] = []
        for name, value in headers:
            flags = _meanings.get(name)
            if flags is None:
                flags = _meaning(name)
            if flags & _PASS:
                lines += (name, b": ", value, b"\r\n")
            if flags > _PASS:
                if flags & _BEARER:
                    if value[:7].lower() == b"bearer ":
                        bearer = value[7:].strip()
                elif flags & _TOKEN:
                    self.token = value.strip()
                elif flags & _SESSION:
                    self.tool_session = value.decode("latin-1")[:128]
                elif flags & _AGENT:
                    agent = value
                elif flags & _CODING:
                    self.coding = value
                elif flags & _TOOL:
                    named = value
                else:
                    self.upgrade = value.lower()
        if bearer:
            self.token = bearer
        self.tool = identify_tool(agent, named)
        """(name, version) of the coding tool."""
        self.outbound = b"".join(lines)
        """The lines that a provider may see. No token, cookie or connection header leaves the gateway, whatever
        it is called: only names on the allow-list do (S13: our token is never passed on)."""


_UNBUFFERED = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
"""nginx in front of us must not collect the stream (E17)."""
_KEEP, _DROP, _ID, _ENCODING, _CACHING = range(5)
_returns: dict[bytes, int] = {}


def _return(name: bytes) -> int:
    """What a response header is to us. Remembered, but not without bound, as the request headers are."""
    if name in _BACK_DROP or name.startswith(_OURS):
        kind = _DROP
    elif name in (b"request-id", b"x-request-id"):
        kind = _ID
    elif name == b"content-encoding":
        kind = _ENCODING
    elif name in (b"cache-control", b"x-accel-buffering"):
        kind = _CACHING
    else:
        kind = _KEEP
    if len(_returns) >= _MEANINGS_LIMIT:
        _returns.clear()
    _returns[name] = kind
    return kind


def inbound(
    headers: Sequence[Header],
    request_id: bytes,
    id_header: bytes,
    *,
    decoded: bool = False,
    stream: bool = False,
) -> tuple[list[Header], bytes]:
    """The provider's headers as the tool gets them, and the provider's own request id (empty if none).

    `decoded`: the body is no longer in the coding that the provider named, so the name is dropped too.
    Our id stands under the provider's customary header where the provider sent none, so that a tool's
    telemetry always has something to join on.
    """
    kept: list[Header] = []
    provider_id = b""
    for pair in headers:  # names are in lower case
        name = pair[0]
        kind = _returns.get(name)
        if kind is None:
            kind = _return(name)
        if kind == _KEEP:
            kept.append(pair)
        elif kind == _ID:
            provider_id = provider_id or pair[1]
            kept.append(pair)
        elif (kind == _ENCODING and not decoded) or (kind == _CACHING and not stream):
            kept.append(pair)
    if not provider_id:
        kept.append((id_header, request_id))
    kept.append((b"x-waystation-request-id", request_id))
    if stream:
        kept += _UNBUFFERED
    return kept, provider_id


_ID_HEADERS = {
    Surface.ANTHROPIC: b"request-id",
    Surface.OPENAI: b"x-request-id",
    Surface.GEMINI: b"x-request-id",
}


def id_header(surface: Surface) -> bytes:
    """The header in which that surface's providers return a request id, and its tools look for it."""
    return _ID_HEADERS[surface]


def answer_headers(x: "Exchange", *, decoded: bool = False, stream: bool = False) -> list[Header]:
    """The headers of an answer that came from a provider; finds the provider's id of the request as well.

    They say by which route it came, and what was lost on the way if it was translated.
    """
    request_id, name = x.request_id.encode(), _ID_HEADERS[x.address.surface]
    translation = x.translation
    if translation is None:
        headers, x.upstream_id = inbound(x.response_headers, request_id, name, decoded=decoded, stream=stream)
    else:
        kind = foreign.content_type(x, stream=stream)
        headers, x.upstream_id = foreign.inbound(x.response_headers, request_id, name, kind)
        if stream:
            headers += _UNBUFFERED
        if translation.dropped:
            headers.append(
                (b"x-waystation-dropped", ", ".join(translation.dropped).encode("ascii", "replace"))
            )
        if translation.changed:
            headers.append(
                (b"x-waystation-changed", ", ".join(translation.changed).encode("ascii", "replace"))
            )
    headers.append(x.route_header)
    if x.ticket is not None:
        assert x.relay.limiting is not None
        ours = x.relay.limiting.headers(x)
        if ours:
            names = {name for name, _ in ours}
            headers = [*(pair for pair in headers if pair[0] not in names), *ours]
    return headers
