"""Signing requests to AWS (Signature Version 4), by botocore's own signer.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html. About 0.1 ms for a request of 30 KB, most
of it botocore's; no I/O. Import this module only where there is something to sign: botocore takes a tenth of a
second and more to load.
"""

import time
from collections.abc import Mapping

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from waystation.vault.aws_keys import AwsKeys


def sign(
    method: str,
    url: str,
    headers: Mapping[str, str],
    body: bytes,
    credentials: AwsKeys,
    region: str,
    service: str,
    now: float,
) -> list[tuple[bytes, bytes]]:
    """The headers that sign the request, to be sent beside those given, which are signed along.

    `url` is the whole address with its path percent-encoded as it is sent; `host` is signed as `headers` have
    it, else as the URL has it. `now` in Unix seconds; AWS takes five minutes' difference.
    """
    request = AWSRequest(method, url, dict(headers), body)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    request.context["timestamp"] = stamp
    made = {"x-amz-date": stamp}
    if credentials.token:
        made["x-amz-security-token"] = credentials.token
    for name, value in made.items():
        request.headers[name] = value
    signer = SigV4Auth(credentials, service, region)
    signature = signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
    signed = signer.signed_headers(signer.headers_to_sign(request))
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={signer.scope(request)}, SignedHeaders={signed}, Signature={signature}"
    )
    made["authorization"] = authorization
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in made.items()]
