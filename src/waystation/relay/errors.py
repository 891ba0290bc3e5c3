"""A provider's error as the tool gets it."""

from typing import TYPE_CHECKING

import msgspec

from waystation.model import Operation, Refusal, RefusalKind, Wire
from waystation.relay.downstream import Header
from waystation.relay.headers import answer_headers
from waystation.wire import (
    BadBody,
    StreamError,
    convert_stream_error,
    decode_body,
    estimate_tokens,
    read_body,
    refusal_response,
)
from waystation.wire.overflow import overflow_of
from waystation.wire.restate import restate

if TYPE_CHECKING:
    from waystation.relay.exchange import Exchange

_BAD_SIGNATURES = frozenset(
    (
        b"UnrecognizedClientException",
        b"InvalidSignatureException",
        b"IncompleteSignatureException",
        b"ExpiredTokenException",
        b"MissingAuthenticationTokenException",
    )
)
"""https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html"""

Told = tuple[int, list[Header], bytes]
"""Status, headers and body of an answer."""


class ErrorBody(msgspec.Struct, frozen=True):
    """What came with an error status."""

    body: bytes
    """Decoded, if it was compressed."""
    decoded: bool
    error: StreamError | None
    """None where the body could not be read."""

    @property
    def word(self) -> str:
        """For the ledger: the provider's own type of error."""
        return self.error.type[:64] if self.error is not None else ""


def read_error(x: "Exchange", body: bytes) -> ErrorBody:
    """Decodes and reads it, whether or not the provider said that it is compressed (E09)."""
    coding = x.content_encoding or (b"gzip" if body[:2] == b"\x1f\x8b" else b"")
    if not coding and body[:4] == b"\x28\xb5\x2f\xfd":
        coding = b"zstd"
    if coding:
        try:
            body = decode_body(coding, body, x.relay.settings.max_error_body * 8)
        except BadBody:
            return ErrorBody(b"", True, None)
    reading = read_body(x.spoken, x.address.operation or Operation.GENERATE, x.status, body)
    error = reading.error or StreamError("error", "", x.status)
    return ErrorBody(body, bool(coding), error)


def told(x: "Exchange", found: ErrorBody) -> Told:
    """What the tool is told.

    The bytes pass as they came, from a provider that speaks its protocol; else the error is said anew in the
    tool's. What cannot be read keeps its status and gets a body in the tool's own shape. A 401 is about the
    gateway's key, not the tool's: the tool must neither retry it nor ask its user to sign in again.
    """
    assert x.route is not None
    provider, wire = x.route.provider.id, x.address.wire
    if x.status == 401 or _refuses_signature(x):
        refusal = Refusal(
            RefusalKind.NO_ROUTE,
            f"The provider {provider} does not accept the gateway's key: tell your platform team "
            f"(request {x.request_id}).",
            rule=f"providers.{provider}.credential",
        )
        return refusal_response(wire, refusal, x.request_id)
    if found.error is None:
        refusal = Refusal(
            RefusalKind.UPSTREAM_BROKEN,
            f"The provider {provider} answered {x.status} with an error that cannot be read.",
        )
        _, headers, body = refusal_response(wire, refusal, x.request_id)
        return x.status, headers, body
    if x.translation is not None:
        return told_anew(x, found.error)
    return x.status, answer_headers(x, decoded=found.decoded), found.body


def _refuses_signature(x: "Exchange") -> bool:
    """AWS says 403 where others say 401, and names the reason in a header (`x-amzn-errortype: Name:uri`)."""
    if x.status != 403 or x.spoken is not Wire.CONVERSE:
        return False
    kinds = (value.partition(b":")[0] for name, value in x.response_headers if name == b"x-amzn-errortype")
    return any(kind in _BAD_SIGNATURES for kind in kinds)


def told_anew(x: "Exchange", error: StreamError) -> Told:
    """An error in the tool's own shape and words: it came in another protocol, or inside a stream of which nothing
    has gone out."""
    if x.translation is not None:
        assert x.route is not None
        assert x.facts is not None
        overflow = overflow_of(error)
        error = restate(
            error,
            x.spoken,
            x.address.wire,
            prompt=estimate_tokens(len(x.body) or x.bytes_in),
            window=x.route.capabilities.context_window,
        )
        if overflow is not None and x.facts.stream and x.address.wire is Wire.RESPONSES:
            # Codex compacts for the event; for a 400 it gives up.
            return 200, answer_headers(x, stream=True), x.translation.failed_stream(error)
    status, headers, body = convert_stream_error(x.address.wire, error, x.request_id)
    own = {name for name, _ in headers}
    return status, [p for p in answer_headers(x, decoded=True) if p[0] not in own] + headers, body
