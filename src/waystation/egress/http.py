"""HTTP that connects to the very address that was checked: a name cannot lead elsewhere in between."""

import ssl
from collections.abc import Iterator
from typing import Any

import httpx2
import msgspec

from waystation.egress.guard import Reach, Refused, resolve

MAX_BYTES = 1 << 20
_TIMEOUT = httpx2.Timeout(5.0)


class Unreachable(Exception):
    """No usable answer. The message names the host and says what was wrong, never what was sent."""


def client(reach: Reach) -> httpx2.Client:
    """For one exchange or a few. Follows no redirects, heeds no proxy settings, reads at most a megabyte."""
    return httpx2.Client(
        transport=GuardedTransport(reach), timeout=_TIMEOUT, follow_redirects=False, trust_env=False
    )


def fetch_json(url: str, reach: Reach) -> Any:
    """The JSON value at an address. Raises Unreachable, also for what the rules refuse."""
    host = httpx2.URL(url).host
    try:
        with client(reach) as session:
            answer = session.get(url, headers={"accept": "application/json"})
        if answer.status_code != 200:
            raise Unreachable(f"{host} answered with status {answer.status_code}.")
        return msgspec.json.decode(answer.content)
    except Refused as refused:
        raise Unreachable(str(refused)) from None
    except httpx2.HTTPError as error:
        raise Unreachable(f"{host} does not answer ({type(error).__name__}).") from None
    except msgspec.DecodeError:
        raise Unreachable(f"{host} did not answer with JSON.") from None


class GuardedTransport(httpx2.BaseTransport):
    """Each request resolves, checks and connects anew, so that no connection outlives its check."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self._inner = httpx2.HTTPTransport(
            verify=ssl.create_default_context(), limits=httpx2.Limits(max_keepalive_connections=0)
        )

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        if url.scheme not in ("https", "http"):
            raise Refused(f"{url.host}: only http and https addresses are asked.")
        if url.scheme == "http" and self._reach is Reach.PUBLIC:
            raise Refused(f"{url.host}: only https is spoken on the public internet.")
        if url.userinfo:
            raise Refused(f"{url.host}: addresses with a user name are not asked.")
        address = resolve(url.host, url.port or (443 if url.scheme == "https" else 80), self._reach)
        # The certificate and the Host header are still for the name.
        request.extensions = {**request.extensions, "sni_hostname": url.host}
        request.url = url.copy_with(host=address)
        response = self._inner.handle_request(request)
        request.url = url
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _Bounded(response.stream, url.host)
        return response

    def close(self) -> None:
        self._inner.close()


class _Bounded(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, host: str) -> None:
        self._stream = stream
        self._host = host

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self._stream:
            size += len(chunk)
            if size > MAX_BYTES:
                raise httpx2.ReadError(f"{self._host} sends too much.")
            yield chunk

    def close(self) -> None:
        self._stream.close()
