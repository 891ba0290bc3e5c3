"""Headers to and from a provider that speaks another protocol than the tool.

Out, it gets what its protocol needs and nothing that the tool said for its own provider (`x-stainless-*`,
`openai-*`, `x-goog-*`, session ids). Back, the tool gets what means the same in every protocol: when to try again,
and how much of a limit is left.
"""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from waystation import __version__
from waystation.model import Operation, Wire
from waystation.relay.downstream import Header

if TYPE_CHECKING:
    from waystation.relay.exchange import Exchange

_log = logging.getLogger("waystation.relay")
ANTHROPIC_VERSION = (b"anthropic-version", b"2023-06-01")
VERSION = b"%b: %b\r\n" % ANTHROPIC_VERSION
_AGENT = b"user-agent: waystation/" + __version__.encode() + b"\r\n"
_EVENTS = {Wire.CONVERSE: b"application/vnd.amazon.eventstream"}
_BACK_EXACT = frozenset((b"retry-after", b"retry-after-ms", b"x-should-retry"))
_BACK_PREFIXES = (b"anthropic-ratelimit-", b"x-ratelimit-")
_ID_HEADERS = (b"request-id", b"x-request-id", b"x-amzn-requestid")
_SSE = b"text/event-stream; charset=utf-8"
_JSON = b"application/json"


def outbound(wire: Wire, operation: Operation, *, stream: bool) -> bytes:
    """The request's own lines, without host, credential and length."""
    events = stream and operation is Operation.GENERATE
    accept = _EVENTS.get(wire, b"text/event-stream") if events else _JSON
    version = VERSION if wire is Wire.MESSAGES else b""
    return b"content-type: application/json\r\naccept: " + accept + b"\r\n" + version + _AGENT


def inbound(
    headers: Sequence[Header], request_id: bytes, id_header: bytes, content_type: bytes
) -> tuple[list[Header], bytes]:
    """The headers that the tool gets, and the provider's own id of the request (empty if none).

    The request's id is ours here, under the name that the tool looks for: the provider's says nothing to whoever
    is asked about it with the name of another provider.
    """
    kept = [(b"content-type", content_type)]
    kept += [p for p in headers if p[0] in _BACK_EXACT or p[0].startswith(_BACK_PREFIXES)]
    provider_id = next((value for name, value in headers if name in _ID_HEADERS), b"")
    kept += [(id_header, request_id), (b"x-waystation-request-id", request_id)]
    return kept, provider_id


def content_type(x: "Exchange", *, stream: bool) -> bytes:
    """Of an answer in the tool's protocol."""
    return _SSE if stream and wants_events(x) else _JSON


def wants_events(x: "Exchange") -> bool:
    """Gemini's streams are one JSON array unless server-sent events are asked for."""
    return x.address.wire is not Wire.GENERATE or b"alt=sse" in x.request.query.split(b"&")


def betas(x: "Exchange") -> tuple[str, ...]:
    """The Anthropic beta flags of the tool's header, for a platform that takes them in the body."""
    found: list[str] = []
    for name, value in x.request.head.headers:
        if name == b"anthropic-beta":
            found += (flag.strip() for flag in value.decode("latin-1").split(","))
    return tuple(flag for flag in dict.fromkeys(found) if flag)


def without_betas(outbound_lines: bytes, provider: str, taken: Sequence[str]) -> bytes:
    """A request's own lines with only such beta flags as the provider takes; without the header if none is left.

    A platform refuses the whole request for a flag that it does not know (E82).
    """
    lines = []
    for line in outbound_lines.split(b"\r\n"):
        name, colon, value = line.partition(b": ")
        if name == b"anthropic-beta":
            flags = [flag for flag in (part.strip() for part in value.split(b",")) if flag]
            kept = [flag for flag in flags if flag.decode("latin-1") in taken]
            if len(kept) < len(flags):
                left_out = b",".join(flag for flag in flags if flag not in kept).decode("latin-1")
                fields = {"provider": provider, "flags": left_out[:500]}
                _log.info("beta flags left out", extra={"fields": fields})
            if not kept:
                continue
            line = name + colon + b",".join(kept)
        lines.append(line)
    return b"\r\n".join(lines)
