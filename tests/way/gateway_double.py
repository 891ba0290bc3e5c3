"""A small gateway over real HTTP: the OAuth endpoints, `/api/v1` and surfaces that say what they got.

It keeps what a test wants to look at, and does on request what a gateway does on bad days.
"""

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
LINK = "urn:waystation:one-time-link"

MODELS = [
    {"id": "claude-one", "name": "Claude One", "wires": ["anthropic.messages"]},
    {"id": "gpt-one", "name": "GPT One", "wires": ["openai.chat"]},
]
AGENTS: dict[str, Any] = {
    "claude": {
        "model": "claude-one",
        "small_model": "claude-small",
        "wire": "anthropic.messages",
        "models": MODELS,
    },
    "codex": {"model": "gpt-one", "wire": "openai.responses", "models": MODELS},
    "gemini": {
        "model": "gemini-one",
        "wire": "gemini.generate",
        "models": [{"id": "gemini-one", "name": "G", "wires": ["gemini.generate"]}],
    },
    **{
        tool: {"model": "gpt-one", "wire": "openai.chat", "models": MODELS}
        for tool in ("opencode", "qwen", "pi", "copilot", "cn")
    },
}


@dataclass
class Seen:
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")


@dataclass
class Double:
    """`expires_in` and the switches may be changed while it runs."""

    url: str = ""
    expires_in: int = 1800
    agents: dict[str, Any] = field(default_factory=lambda: json.loads(json.dumps(AGENTS)))
    seen: list[Seen] = field(default_factory=list)
    refreshes: int = 0
    refresh_gate: threading.Event = field(default_factory=threading.Event)
    """Cleared: a refresh waits until it is set."""
    token_status: int = 0
    """Answers the token endpoint with this status and no JSON, if set."""
    refused_tokens: set[str] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)
    device_answers: list[str] = field(default_factory=list)
    """OAuth errors that polling gives before it succeeds."""
    deny: bool = False
    revoked: list[str] = field(default_factory=list)
    issued: int = 0
    live_refresh: str = ""
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.refresh_gate.set()

    def tokens(self) -> dict[str, Any]:
        with self.lock:
            self.issued += 1
            self.live_refresh = f"refresh-{self.issued}"
            return {
                "access_token": f"access-{self.issued}",
                "token_type": "Bearer",
                "expires_in": self.expires_in,
                "refresh_token": self.live_refresh,
                "scope": "openid offline_access",
            }

    def requests(self, prefix: str) -> list[Seen]:
        return [s for s in self.seen if s.target.startswith(prefix)]


class Running:
    def __init__(self) -> None:
        self.double = Double()
        handler = type("Bound", (Handler,), {"double": self.double})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.double.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Double:
        self._thread.start()
        return self.double

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    double: Double

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Quiet."""

    def _reply(self, status: int, body: bytes, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, status: int, fields: object) -> None:
        self._reply(status, json.dumps(fields).encode())

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        seen = Seen(self.command, self.path, list(self.headers.items()), body)
        self.double.seen.append(seen)
        path = urlsplit(self.path).path
        form = {k: v[0] for k, v in parse_qs(body.decode("utf-8", "replace")).items()}
        if path == "/healthz":
            self._json(200, {"ok": True})
        elif path == "/.well-known/oauth-authorization-server":
            self._json(200, {"issuer": self.double.url})
        elif path == "/oauth/token":
            self._token(form)
        elif path == "/oauth/authorize":
            self._authorize()
        elif path == "/oauth/device":
            answer = {"device_code": "dc", "user_code": "BCDF-GHJK", "expires_in": 600, "interval": 1}
            self._json(200, {**answer, "verification_uri": "http://evil.example/device"})
        elif path == "/oauth/revoke":
            self.double.revoked.append(form.get("token", ""))
            self._reply(200, b"")
        elif path.startswith("/api/v1/"):
            self._api(path)
        else:
            self._surface(seen)

    do_GET = do_POST = do_HEAD = do_DELETE = _handle

    def _token(self, form: dict[str, str]) -> None:
        double, grant = self.double, form.get("grant_type", "")
        if double.token_status:
            self._reply(double.token_status, b"<html>", "text/html")
        elif grant == "refresh_token":
            with double.lock:
                double.refreshes += 1
            double.refresh_gate.wait(10)
            if form["refresh_token"] != double.live_refresh:
                self._json(400, {"error": "invalid_grant", "error_description": "This sign-in was ended."})
            else:
                self._json(200, double.tokens())
        elif grant == LINK:
            code = form["code"].rpartition("/")[2]
            if double.links.pop(code, None) is None:
                self._json(
                    400, {"error": "invalid_grant", "error_description": "This link was used already."}
                )
            else:
                self._json(200, double.tokens())
        elif grant == DEVICE:
            if double.device_answers:
                self._json(400, {"error": double.device_answers.pop(0)})
            else:
                self._json(200, double.tokens())
        else:
            self._code(form)

    def _code(self, form: dict[str, str]) -> None:
        asked = self.double.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form["redirect_uri"]
        ):
            self._json(400, {"error": "invalid_grant", "error_description": "PKCE does not match."})
        else:
            self._json(200, self.double.tokens())

    def _authorize(self) -> None:
        """Approves at once, as a person at the browser would, or denies."""
        asked = {k: v[0] for k, v in parse_qs(urlsplit(self.path).query).items()}
        if self.double.deny:
            answer = {"error": "access_denied", "error_description": "The person said no."}
        else:
            answer = {"code": f"code-{len(self.double.codes)}"}
            self.double.codes[answer["code"]] = asked
        answer |= {"state": asked["state"], "iss": self.double.url}
        self._reply(302, b"", Location=f"{asked['redirect_uri']}?{urlencode(answer)}")

    def _api(self, path: str) -> None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token.startswith("access-") or token in self.double.refused_tokens:
            self._json(401, {"error": {"type": "unauthenticated", "message": "Sign in again."}})
        elif path == "/api/v1/me":
            gateway = {"url": self.double.url, "version": "0.1.0"}
            self._json(200, {"principal": {"name": "ada@example.com"}, "gateway": gateway})
        else:
            self._json(200, self.double.agents)

    def _surface(self, seen: Seen) -> None:
        token = seen.header("authorization").removeprefix("Bearer ")
        if self.headers.get("Upgrade"):
            self._json(426, {"error": {"message": "POST instead."}})
        elif not token.startswith("access-") or token in self.double.refused_tokens:
            self._json(401, {"error": {"message": "this token is not good"}})
        else:
            told = {"method": seen.method, "target": seen.target, "headers": seen.headers}
            self._json(200, {**told, "sha256": hashlib.sha256(seen.body).hexdigest()})
