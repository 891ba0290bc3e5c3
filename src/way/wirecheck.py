"""`way doctor --wire`: real streams through everything, and what came out of them.

Two proofs. The loopback relay carries a made-up stream between a server and a client that are both ours, so
every byte can be compared, and the server waits with the second half until the client has seen the first.
Then each surface is asked for a short answer, straight and through the relay: what can be seen from here of
a gateway in order is that events come one by one and whole, in UTF-8, unpacked, with the provider's headers.
That costs a few tokens where the provider is a real one.
"""

from __future__ import annotations

import codecs
import json
import os
import threading
import time
from hashlib import sha256
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote, urlsplit

from way import agents, http, session, tools
from way.doctor import Check
from way.errors import WayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from way.agents import Defaults
    from way.session import Session

_PATIENCE = 60.0
_HELD_BACK_AFTER = 5.0
"""Seconds that the self-test's client has to see the first half of a stream."""
_QUESTION = "Say in one short sentence, with an umlaut in it, that the wire is in order. Grüße!"
_AT_A_PACE = " [[rehearse: pace ms=15]]"
"""The rehearsal provider answers at once if it is not asked to take its time."""
_COLLECTED = 0.02
"""Seconds within which all of an answer arrives that something has collected first …"""
_TOOK_TIME = 0.4
"""… where the answer as a whole took at least so long: below that, nobody can tell."""
_MOST_TOKENS = 64


class Stream:
    """One streamed answer as it arrived. Times are seconds since the request was sent."""

    __slots__ = ("arrivals", "body", "encoding", "kind", "status")

    def __init__(self, status: int, kind: str, encoding: str, arrivals: list[float], body: bytes) -> None:
        self.status = status
        self.kind = kind
        self.encoding = encoding
        self.arrivals = arrivals
        self.body = body

    @property
    def digest(self) -> str:
        return sha256(self.body).hexdigest()

    def events(self) -> list[bytes]:
        return [event for event in self.body.replace(b"\r\n", b"\n").split(b"\n\n") if event.strip()]


def examine_wire(found: Session | None) -> list[Check]:
    checks = [relay_check()]
    if found is None or not found.storage:
        return checks
    for tool in tools.every():
        try:
            entry = agents.defaults_for(tool.name, found)
        except WayError as error:
            return [*checks, Check("wire", "fail", str(error))]
        request = _REQUESTS.get(entry.wire)
        if request is not None:
            checks += _surface(found, f"wire, as {tool.title}", entry, request)
    return checks


def _question(entry: Defaults) -> str:
    name = next((offered.name for offered in entry.models if offered.id == entry.model), "")
    return _QUESTION + (_AT_A_PACE if "(rehearsal)" in name else "")


def _responses(entry: Defaults) -> tuple[str, dict[str, Any]]:
    body = {
        "model": entry.model,
        "input": _question(entry),
        "stream": True,
        "max_output_tokens": _MOST_TOKENS,
    }
    return "/openai/v1/responses", body


def _messages(entry: Defaults) -> tuple[str, dict[str, Any]]:
    turn = {"role": "user", "content": _question(entry)}
    return "/anthropic/v1/messages", {
        "model": entry.model,
        "max_tokens": _MOST_TOKENS,
        "stream": True,
        "messages": [turn],
    }


def _chat(entry: Defaults) -> tuple[str, dict[str, Any]]:
    turn = {"role": "user", "content": _question(entry)}
    return "/openai/v1/chat/completions", {"model": entry.model, "stream": True, "messages": [turn]}


def _generate(entry: Defaults) -> tuple[str, dict[str, Any]]:
    path = f"/gemini/v1beta/models/{quote(entry.model, safe='')}:streamGenerateContent?alt=sse"
    return path, {
        "contents": [{"role": "user", "parts": [{"text": _question(entry)}]}],
        "generationConfig": {"maxOutputTokens": _MOST_TOKENS},
    }


_REQUESTS: dict[str, Callable[[Defaults], tuple[str, dict[str, Any]]]] = {
    "openai.responses": _responses,
    "anthropic.messages": _messages,
    "openai.chat": _chat,
    "gemini.generate": _generate,
}
_ENDINGS = (b"message_stop", b"response.completed", b"response.incomplete", b"[DONE]", b'"finishReason"')


def _surface(
    found: Session, name: str, entry: Defaults, request: Callable[[Defaults], tuple[str, dict[str, Any]]]
) -> list[Check]:
    path, fields = request(entry)
    body = json.dumps(fields, ensure_ascii=False).encode("utf-8")
    try:
        straight = _ask(found.gateway, path, body, session.fresh_token())
        problem = _problem(straight)
        if problem:
            return [
                Check(
                    name, "fail", problem, "look for a proxy between you and the gateway that changes streams"
                )
            ]
        with _Relay(found.gateway) as relay:
            relayed = _ask(relay.base, path, body, relay.secret)
            if (
                relayed.digest != straight.digest
                and _ask(found.gateway, path, body, session.fresh_token()).digest == straight.digest
            ):
                return [
                    Check(name, "fail", "the loopback relay changes the stream", "tell the authors of way")
                ]
    except (WayError, OSError, HTTPException) as error:
        return [Check(name, "fail", str(error) or type(error).__name__, "run `way doctor` without --wire")]
    problem = _problem(relayed)
    if problem:
        return [Check(name, "fail", f"through the loopback relay {problem}", "tell the authors of way")]
    first, last = straight.arrivals[0] * 1000, straight.arrivals[-1] * 1000
    said = f"{entry.model}: {len(straight.events())} events, first after {first:.0f} ms, last after {last:.0f} ms"
    if relayed.digest == straight.digest:
        return [Check(name, "ok", f"{said}; straight and relayed the same to the byte")]
    return [Check(name, "ok", f"{said}; the model's answers differ each time, both whole")]


def _problem(stream: Stream) -> str:
    """What is wrong with the stream, "" if nothing."""
    if stream.status != 200:
        return f"the answer is {stream.status}: {_message(stream.body)}"
    if not stream.kind.startswith("text/event-stream"):
        return f"the stream arrives as {stream.kind or 'nothing in particular'}"
    if stream.encoding not in ("", "identity"):
        return f"something has packed the stream ({stream.encoding}), which holds events back"
    try:
        codecs.decode(stream.body, "utf-8", "strict")
    except UnicodeDecodeError:
        return "the stream is not UTF-8 any more"
    for event in stream.events():
        for line in event.split(b"\n"):
            if line.startswith(b"data:") and not _is_data(line[5:].strip()):
                return "an event is broken in the middle"
    if not any(ending in stream.body[-4096:] for ending in _ENDINGS):
        return "the stream ends without its last event"
    first, last = stream.arrivals[0], stream.arrivals[-1]
    if len(stream.events()) > 2 and last > _TOOK_TIME and last - first < _COLLECTED:
        return "all events came in one piece: something collects them first"
    return ""


def _is_data(data: bytes) -> bool:
    if data == b"[DONE]":
        return True
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def _message(body: bytes) -> str:
    try:
        found = json.loads(body)["error"]
        return str(found["message"] if isinstance(found, dict) else found)[:300]
    except (ValueError, KeyError, TypeError):
        return body[:200].decode("utf-8", "replace")


def _ask(base: str, path: str, body: bytes, key: str) -> Stream:
    connection = http.connect(base, timeout=_PATIENCE)
    headers = {
        "Authorization": f"Bearer {key}",
        "Content-Type": "application/json",
        "Accept": "text/event-stream",
        "anthropic-version": "2023-06-01",
        "User-Agent": "way-doctor",
    }
    try:
        sent = time.monotonic()
        connection.request("POST", urlsplit(base).path + path, body=body, headers=headers)
        answer = connection.getresponse()
        arrivals: list[float] = []
        pieces: list[bytes] = []
        while True:
            piece = answer.read1(65_536)
            if not piece:
                break
            arrivals.append(time.monotonic() - sent)
            pieces.append(piece)
        return Stream(
            answer.status,
            answer.headers.get("Content-Type", ""),
            answer.headers.get("Content-Encoding", ""),
            arrivals or [time.monotonic() - sent],
            b"".join(pieces),
        )
    finally:
        connection.close()


class _Relay:
    """A loopback relay in front of `gateway`, as a tool would get one."""

    def __init__(self, gateway: str, tokens: Callable[..., str] = session.fresh_token) -> None:
        from way import launch, relay

        listener, self.secret = launch.listen()
        self.base = launch.address(listener)
        self._listener = listener
        thread = threading.Thread(
            target=relay.run, args=(listener, gateway, self.secret, tokens), daemon=True
        )
        thread.start()

    def __enter__(self) -> _Relay:
        return self

    def __exit__(self, *_: object) -> None:
        """The thread ends with the process."""


def relay_check() -> Check:
    """The relay between a server and a client of ours: every byte both ways, and nothing held back."""
    script = _Script()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"script": script}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with _Relay(f"http://127.0.0.1:{server.server_address[1]}", _self_test_token) as relay:
            return _compare(relay.base, relay.secret, script)
    except (OSError, HTTPException) as error:
        return Check("relay", "fail", f"the loopback relay does not work here ({type(error).__name__})")
    finally:
        server.shutdown()
        server.server_close()


def _self_test_token(refused: str = "") -> str:
    return "renewed" if refused else "self-test"


def _compare(base: str, secret: str, script: _Script) -> Check:
    body = os.urandom(200_000)
    connection = http.connect(base, timeout=10.0)
    try:
        connection.request("POST", "/openai/v1/responses", body=body, headers={"x-api-key": secret})
        answer = connection.getresponse()
        received = answer.read1(1)
        script.first_seen.set()
        received += answer.read()
    finally:
        connection.close()
    advice = "tell the authors of way"
    if script.received != sha256(body).hexdigest():
        return Check(
            "relay", "fail", "a request's bytes change on their way through the loopback relay", advice
        )
    if received != script.first + script.second:
        return Check(
            "relay", "fail", "an answer's bytes change on their way through the loopback relay", advice
        )
    if script.held_back:
        return Check("relay", "fail", "the loopback relay holds a stream's first bytes back", advice)
    return Check("relay", "ok", "the loopback relay passes every byte, both ways, at once")


class _Script:
    """What the self-test's server says, and what it saw."""

    def __init__(self) -> None:
        text = "".join(f'event: delta\ndata: {{"n": {n}, "text": "Grüße, 世界 🌍"}}\n\n' for n in range(200))
        whole = text.encode("utf-8")
        cut = whole.index("🌍".encode()) + 2  # in the middle of a character
        self.first, self.second = whole[:cut], whole[cut:]
        self.first_seen = threading.Event()
        self.received = ""
        self.held_back = False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: _Script

    def do_POST(self) -> None:
        script = self.script
        script.received = sha256(self.rfile.read(int(self.headers["Content-Length"]))).hexdigest()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self._chunk(script.first)
        script.held_back = not script.first_seen.wait(_HELD_BACK_AFTER)
        self._chunk(script.second)
        self._chunk(b"")

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n")
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Nothing: the terminal is for the result."""
