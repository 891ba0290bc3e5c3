"""One request to the gateway and its whole answer. (What the tools say goes through `relay`, not here.)"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import urllib.error
import urllib.request
from urllib.parse import urlencode, urlsplit

from way import __version__
from way.address import is_loopback
from way.errors import Unreachable, WayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message
    from typing import Any

MAX_ANSWER = 4 * 1024 * 1024


class Answer:
    """Status, headers (a mail message: names in any case) and body of one answer."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Message, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; {} where it is something else."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A gateway does not redirect; whoever does must not get our tokens."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


def send(
    gateway: str,
    path: str,
    *,
    method: str = "",
    form: Mapping[str, str] | None = None,
    body: bytes | None = None,
    token: str = "",
    headers: Mapping[str, str] | None = None,
    timeout: float = 15.0,
) -> Answer:
    """Asks and waits. Any status is an answer; raises Unreachable where there is none."""
    data = urlencode(form).encode("ascii") if form is not None else body
    request = urllib.request.Request(  # the scheme was checked by `address.normal`
        gateway + path, data=data, method=method or ("GET" if data is None else "POST")
    )
    request.add_header("User-Agent", f"way/{__version__}")
    request.add_header("Accept", "application/json")
    for name, value in (headers or {}).items():
        request.add_header(name, value)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with _opener(gateway).open(request, timeout=timeout) as answer:
            return Answer(answer.status, answer.headers, _limited(answer))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, _limited(error))
    except (OSError, urllib.error.URLError) as error:
        raise Unreachable(explain(gateway, error)) from None


def connect(gateway: str, *, timeout: float) -> http.client.HTTPConnection:
    """A connection of one's own, for what `send` would tidy up. Knows no proxy."""
    parts = urlsplit(gateway)
    host = parts.hostname or ""
    if parts.scheme == "https":
        from way.tls import client_context

        return http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=client_context())
    return http.client.HTTPConnection(host, parts.port, timeout=timeout)


def _limited(answer: Any) -> bytes:
    content: bytes = answer.read(MAX_ANSWER + 1)
    if len(content) > MAX_ANSWER:
        raise WayError("The gateway's answer is too long to be one; check the address.")
    return content


def _opener(gateway: str) -> urllib.request.OpenerDirector:
    parts = urlsplit(gateway)
    handlers: list[urllib.request.BaseHandler] = [_NoRedirect()]
    if is_loopback(parts.hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))  # a proxy cannot reach this machine's loopback
    if parts.scheme == "https":
        from way.tls import client_context

        handlers.append(urllib.request.HTTPSHandler(context=client_context()))
    return urllib.request.build_opener(*handlers)


def explain(gateway: str, error: BaseException) -> str:
    """Why there was no answer, as one sentence with a next step."""
    reason: object = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"The certificate of {gateway} is not trusted ({reason.verify_message}); if your company has its own "
            "authority, set WAY_CA_FILE to its PEM file."
        )
    if isinstance(reason, ssl.SSLError):
        return f"{gateway} does not speak TLS ({reason.reason or 'no handshake'}); check the address."
    if isinstance(reason, socket.gaierror):
        return f"The name of {gateway} cannot be found; check the address and your network."
    if isinstance(reason, (TimeoutError, socket.timeout)):
        return f"{gateway} did not answer in time; check your network or VPN."
    if isinstance(reason, ConnectionRefusedError):
        return f"Nothing listens at {gateway}; is the gateway running?"
    return f"{gateway} cannot be reached ({type(reason).__name__}); check your network or VPN."
