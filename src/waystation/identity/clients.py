"""The OAuth clients that may sign people in. Data: a new client is one entry.

All are public clients (RFC 8252): they have no secret, so PKCE and the redirect rule carry the proof.
"""

import re

import msgspec

from waystation.identity.errors import OAuthError, invalid_request

SCOPES = ("openid", "offline_access")

_LOOPBACK = re.compile(r"http://(?:127\.0\.0\.1|\[::1\]):(\d{1,5})(/[!-~]*)", re.ASCII)


class Client(msgspec.Struct, frozen=True):
    id: str
    name: str
    """What the consent page calls it."""
    loopback_path: str
    """The one path of its redirect address."""

    def accepts_redirect(self, uri: str) -> bool:
        """A loopback literal, any port, exactly our path (RFC 8252 §7.3): no host name, query or fragment."""
        match = _LOOPBACK.fullmatch(uri)
        return match is not None and 0 < int(match[1]) < 65536 and match[2] == self.loopback_path


CLIENTS = {
    client.id: client
    for client in (
        Client(id="way", name="way, the command line", loopback_path="/callback"),
        Client(id="claude-code", name="Claude Code", loopback_path=""),  # by device code only
        Client(id="codex", name="Codex", loopback_path="/callback"),
    )
}


def find_client(client_id: str) -> Client:
    if not client_id:
        raise invalid_request("client_id is missing.")
    client = CLIENTS.get(client_id)
    if client is None:
        raise OAuthError("invalid_client", "This client is not known here.", status=401)
    return client


def check_scope(scope: str) -> str:
    """The scope that is granted: all we have if nothing is asked for, else what is asked for."""
    wanted = scope.split()
    if unknown := sorted(set(wanted) - set(SCOPES)):
        raise OAuthError("invalid_scope", f"Unknown scope: {unknown[0][:40]!r}. Known: {' '.join(SCOPES)}.")
    return " ".join(wanted or SCOPES)
