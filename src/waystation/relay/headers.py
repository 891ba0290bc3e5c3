"""What may cross the gateway: request headers by allow-list, response headers by deny-list."""

from collections.abc import Iterable, Sequence

from waystation.relay.downstream import Header

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

_passes: dict[bytes, bool] = {}
_PASSES_LIMIT = 4096


def _may_leave(name: bytes) -> bool:
    verdict = name in _OUT_EXACT or name.startswith(_OUT_PREFIXES)
    if len(_passes) >= _PASSES_LIMIT:
        _passes.clear()
    _passes[name] = verdict
    return verdict


def outbound(headers: Iterable[Header]) -> bytes:
    """The tool's headers that a provider may see, as header lines.

    No token, cookie or connection header leaves the gateway, whatever it is called: only names on the
    allow-list do (S13: the gateway's token is never passed on).
    """
    passes = _passes
    lines: list[bytes] = []
    for name, value in headers:
        verdict = passes.get(name)
        if verdict is None:
            verdict = _may_leave(name)
        if verdict:
            lines += (name, b": ", value, b"\r\n")
    return b"".join(lines)


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
    for name, value in headers:
        key = name.lower()
        if key in _BACK_DROP:
            continue
        if key == id_header or key in (b"request-id", b"x-request-id"):
            provider_id = provider_id or value
        elif (decoded and key == b"content-encoding") or (
            stream and key in (b"cache-control", b"x-accel-buffering")
        ):
            continue
        kept.append((key, value))
    if not provider_id:
        kept.append((id_header, request_id))
    kept.append((b"x-waystation-request-id", request_id))
    if stream:
        kept.append((b"cache-control", b"no-cache"))
        kept.append((b"x-accel-buffering", b"no"))  # nginx in front of us must not collect the stream (E17)
    return kept, provider_id
