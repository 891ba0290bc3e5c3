"""Checking AWS signatures (Signature Version 4), as Bedrock does before it looks at a request.

Written from Amazon's description and without its SDK, so that it agrees with the SDK's signer only if both are
right. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

from __future__ import annotations

import calendar
import hashlib
import hmac
import re
import time
from collections.abc import Mapping
from urllib.parse import quote

from waystation.rehearsal.ask import Rejection
from waystation.rehearsal.exchange import Request

_ALGORITHM = "AWS4-HMAC-SHA256"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/\s]+)/(?P<date>\d{8})/(?P<region>[a-z0-9-]+)/(?P<service>[a-z0-9-]+)"
    r"/aws4_request, ?SignedHeaders=(?P<names>[a-z0-9;-]+), ?Signature=(?P<signature>[0-9a-f]{64})"
)
_STAMP = re.compile(r"\d{8}T\d{6}Z")
_SERVICE = "bedrock"
_MOST_SKEW = 300


def access_key(authorization: str) -> str | None:
    """Whose signature it says to be; None where it is no signature."""
    if not authorization.startswith(_ALGORITHM):
        return None
    found = re.search(r"Credential=([^/,\s]+)", authorization)
    return found[1] if found else "?"


def refuse_signature(request: Request, secrets: Mapping[str, str], now: float) -> Rejection | None:
    """What AWS answers where the signature is not one; None where there is none, or nothing wrong with it.

    A secret that is not in `secrets` is unknown here, and its signature is only looked at.
    """
    authorization = request.header("authorization") or ""
    if not authorization.startswith(_ALGORITHM):
        return None
    found = _AUTHORIZATION.fullmatch(authorization)
    stamp = request.header("x-amz-date") or ""
    if found is None or not _STAMP.fullmatch(stamp):
        message = (
            "Authorization header requires 'Credential', 'Signature' and 'SignedHeaders' parameters, and the "
            "existence of either a 'X-Amz-Date' or a 'Date' header."
        )
        return Rejection(403, message, kind="IncompleteSignatureException")
    names = found["names"].split(";")
    if found["service"] != _SERVICE:
        message = f"Credential should be scoped to correct service: '{_SERVICE}'. "
        return Rejection(403, message, kind="InvalidSignatureException")
    if (
        found["date"] != stamp[:8]
        or "host" not in names
        or "x-amz-date" not in names
        or names != sorted(names)
    ):
        return Rejection(403, "Date and host must be signed, in order.", kind="InvalidSignatureException")
    secret = secrets.get(found["key"])
    if secret is None:
        return None
    signed_at = calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
    if abs(now - signed_at) > _MOST_SKEW:
        return Rejection(
            403, f"Signature expired: {stamp} is too far from now.", kind="InvalidSignatureException"
        )
    scope = f"{found['date']}/{found['region']}/{found['service']}/aws4_request"
    text = "\n".join((_ALGORITHM, stamp, scope, _sha256(_canonical(request, names).encode())))
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    if not hmac.compare_digest(hmac.digest(key, text.encode(), "sha256").hex(), found["signature"]):
        message = (
            "The request signature we calculated does not match the signature you provided. Check your AWS "
            "Secret Access Key and signing method. Consult the service documentation for details."
        )
        return Rejection(403, message, kind="InvalidSignatureException")
    return None


def _canonical(request: Request, names: list[str]) -> str:
    path, _, query = request.target.partition("?")
    pairs = sorted(tuple(pair.partition("=")[::2]) for pair in query.split("&") if pair)
    return "\n".join(
        (
            request.method,
            quote(path, safe="/~"),  # every service but S3 encodes the path a second time
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{' '.join((request.header(name) or '').split())}" for name in names),
            "",
            ";".join(names),
            _sha256(request.body),
        )
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
