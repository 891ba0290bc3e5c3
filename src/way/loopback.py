"""The one request that a browser makes to us at the end of a sign-in (RFC 8252 §7.3)."""

from __future__ import annotations

import hmac
import http.server
import time
from urllib.parse import parse_qs, urlsplit

from way.errors import WayError

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Waystation</title>
<meta name="viewport" content="width=device-width"><style>
body{{font:17px/1.5 system-ui,sans-serif;margin:18vh auto;max-width:28em;padding:0 1.5em;color:#1d2733}}
@media(prefers-color-scheme:dark){{body{{background:#12181f;color:#e6edf3}}}}</style>
<h1>{title}</h1><p>{text}</p></html>
"""


class Callback:
    """Listens on 127.0.0.1, any free port, for exactly one answer with our `state`."""

    def __init__(self, state: str) -> None:
        self._state = state
        self.code = ""
        self.error = ""
        self.issuer = ""
        handler = type("Handler", (_Handler,), {"callback": self})
        self._server = http.server.HTTPServer(("127.0.0.1", 0), handler)
        self.redirect_uri = f"http://127.0.0.1:{self._server.server_address[1]}/callback"

    def close(self) -> None:
        self._server.server_close()

    def wait(self, seconds: float) -> str:
        """The authorization code. Raises if the person said no or nobody came in time."""
        deadline = time.monotonic() + seconds
        while not (self.code or self.error):
            left = deadline - time.monotonic()
            if left <= 0:
                raise WayError("Nobody finished the sign-in in the browser; run `way login` again.")
            self._server.timeout = min(left, 1.0)
            self._server.handle_request()
        if self.error:
            raise WayError(f"The sign-in was refused: {self.error}")
        return self.code

    def take(self, target: str) -> tuple[int, str, str]:
        """Status, title and text for a request. Anything but our own answer changes nothing here."""
        parts = urlsplit(target)
        fields = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path != "/callback":
            return 404, "Nothing here", "This address only takes the answer of a Waystation sign-in."
        if not hmac.compare_digest(fields.get("state", "").encode(), self._state.encode()):
            return 400, "Not ours", "This answer belongs to another sign-in. Go back to your terminal."
        self.issuer = fields.get("iss", "")
        if "code" in fields:
            self.code = fields["code"]
            return 200, "You are signed in", "Go back to your terminal. This page can be closed."
        self.error = fields.get("error_description") or fields.get("error") or "no reason was given"
        return 200, "You are not signed in", "The sign-in was refused. Your terminal says what to do."


class _Handler(http.server.BaseHTTPRequestHandler):
    callback: Callback
    timeout = 5  # a connection that says nothing must not hold up the one that does

    def do_GET(self) -> None:
        status, title, text = self.callback.take(self.path)
        page = _PAGE.format(title=title, text=text).encode("utf-8")
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(page)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Nothing: the code is in the request line."""
