"""`way doctor`: looks at everything between a coding tool and the gateway, and says what to put right."""

from __future__ import annotations

import os
import ssl
import time
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from urllib.parse import urlsplit

from way import __version__, files, http, session, tools
from way.address import is_loopback
from way.errors import SignedOut, WayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from way.session import Session

SKEW_NOTICED = 30.0
SKEW_HARMFUL = 300.0
"""Seconds by which this machine's clock may differ from the gateway's before it is noted, and before tokens
that are good here are refused there."""
_VERSION_PATIENCE = 15.0
_MARKS = {"ok": "✓", "warn": "!", "fail": "✗"}


class Check:
    """One thing that was looked at. `advice` is what to do, for all but "ok"."""

    __slots__ = ("advice", "name", "said", "verdict")

    def __init__(self, name: str, verdict: str, said: str, advice: str = "") -> None:
        self.name = name
        self.verdict = verdict
        self.said = said
        self.advice = advice

    def fields(self) -> dict[str, str]:
        return {"name": self.name, "verdict": self.verdict, "said": self.said, "advice": self.advice}


def examine(*, wire: bool = False) -> list[Check]:
    """All checks, in the order in which a person would put things right."""
    checks: list[Check] = []
    found = session.load()
    if found is None or not found.storage:
        checks.append(Check("sign-in", "fail", "nobody is signed in", "run `way login`"))
    if found is not None:
        checks += _gateway(found)
        if found.storage:
            tokens = _token(found)
            checks += tokens
            if tokens[0].verdict == "ok":
                checks.append(_websocket(found))
    checks += _tools()
    checks += _environment()
    checks += _project(os.getcwd())
    checks += _left_over()
    if wire:
        from way.wirecheck import examine_wire

        checks += examine_wire(found)
    return checks


def lines(checks: list[Check]) -> list[str]:
    shown = []
    for check in checks:
        advice = f": {check.advice}" if check.advice else ""
        shown.append(f"{_MARKS[check.verdict]} {check.name}: {check.said}{advice}")
    bad = sum(check.verdict == "fail" for check in checks)
    noted = sum(check.verdict == "warn" for check in checks)
    shown.append("All is well." if not bad + noted else f"{bad} to put right, {noted} to know about.")
    return shown


def _gateway(found: Session) -> list[Check]:
    started = time.monotonic()
    try:
        answer = http.send(found.gateway, "/healthz", timeout=10.0)
    except WayError as error:
        return [Check("gateway", "fail", str(error), "then run `way doctor` again")]
    took = (time.monotonic() - started) * 1000
    if answer.status != 200:
        said = f"{found.gateway} answers {answer.status} for its health"
        return [Check("gateway", "fail", said, "tell whoever runs it")]
    checks = [Check("gateway", "ok", f"{found.gateway} answers in {took:.0f} ms")]
    checks.append(_transport(found.gateway))
    date = answer.headers.get("Date")
    if date:
        checks.append(_clock(time.time() - parsedate_to_datetime(date).timestamp()))
    return checks


def _clock(difference: float) -> Check:
    """`Date` has whole seconds, so a second says nothing."""
    size, way_off = abs(difference), "ahead of" if difference > 0 else "behind"
    if size < SKEW_NOTICED:
        return Check("clock", "ok", "agrees with the gateway's")
    said = f"this machine's clock is {size:.0f} s {way_off} the gateway's"
    return Check("clock", "fail" if size > SKEW_HARMFUL else "warn", said, "switch on automatic time")


def _transport(gateway: str) -> Check:
    parts = urlsplit(gateway)
    host = parts.hostname or ""
    if parts.scheme == "http":
        if is_loopback(host):
            return Check("encryption", "ok", "not needed on this machine")
        return Check(
            "encryption", "warn", "plain http: anybody on the way can read along", "give the gateway https"
        )
    try:
        days = _certificate_days(host, parts.port or 443)
    except OSError as error:  # it answered a moment ago, so a proxy is between us
        return Check("encryption", "ok", f"https, verified (by a proxy: {type(error).__name__})")
    if days < 14:
        return Check(
            "encryption", "warn", f"the certificate ends in {days:.0f} days", "tell whoever runs the gateway"
        )
    return Check("encryption", "ok", f"https, certificate verified, good for {days:.0f} days")


def _certificate_days(host: str, port: int) -> float:
    import socket

    from way.tls import client_context

    plain = socket.create_connection((host, port), timeout=10.0)
    with client_context().wrap_socket(plain, server_hostname=host) as secured:
        ends = (secured.getpeercert() or {}).get("notAfter", "")
    return (ssl.cert_time_to_seconds(str(ends)) - time.time()) / 86_400


def _token(found: Session) -> list[Check]:
    try:
        token = session.fresh_token()
    except SignedOut as error:
        return [Check("token", "fail", error.reason, "run `way login`")]
    except WayError as error:
        return [Check("token", "fail", str(error))]
    try:
        answer = http.send(found.gateway, "/api/v1/me", token=token)
    except WayError as error:
        return [Check("token", "fail", str(error))]
    if answer.status != 200:
        said = f"the gateway does not accept it ({answer.status})"
        return [Check("token", "fail", said, "run `way login`")]
    fields = answer.json()
    name = _at(fields, "principal", "name")
    checks = [Check("token", "ok", f"accepted, as {name}")]
    theirs = _at(fields, "gateway", "version")
    if theirs and theirs != __version__:
        said = f"way is {__version__}, the gateway {theirs}"
        advice = f"run `curl -fsS {found.gateway}/install | sh`"
        checks.append(Check("version", "warn", said, advice))
    elif theirs:
        checks.append(Check("version", "ok", f"way and gateway are both {theirs}"))
    return checks


def _websocket(found: Session) -> Check:
    """Codex asks for one where it is not told otherwise; only 426 makes it go on without (E100)."""
    headers = {
        "Authorization": f"Bearer {session.fresh_token()}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "d2F5LWRvY3Rvci0xMjM0NQ==",
    }
    connection = http.connect(found.gateway, timeout=10.0)
    try:
        connection.request("GET", f"{urlsplit(found.gateway).path}/openai/v1/responses", headers=headers)
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return Check("websocket", "warn", f"an upgrade is not answered ({type(error).__name__})")
    finally:
        connection.close()
    if status == 426:
        return Check("websocket", "ok", "refused with 426, as Codex expects")
    advice = "if Codex is started without way, set supports_websockets = false for it"
    return Check("websocket", "warn", f"an upgrade is answered with {status} and not 426", advice)


def _tools() -> list[Check]:
    environment = dict(os.environ)
    checks = []
    for tool in tools.every():
        path = tools.executable(tool, environment)
        if path:
            checks.append(Check(tool.name, "ok", f"{_version_of(path)}, {path}"))
    if not checks:
        hints = "; ".join(tool.install_hint for tool in tools.every())
        checks.append(
            Check("tools", "warn", "none of the coding tools is installed", f"install one: {hints}")
        )
    return checks


def _version_of(path: str) -> str:
    import subprocess

    try:
        done = subprocess.run(
            [path, "--version"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # pi says it there
            text=True,
            timeout=_VERSION_PATIENCE,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "does not say its version"
    return done.stdout.strip().partition("\n")[0] or "does not say its version"


def _environment() -> list[Check]:
    """What is harmless under way, and leads a tool that is started without it around the gateway."""
    checks = []
    for tool in tools.every():
        for name in tool.overriding:
            if os.environ.get(name):
                said = f"{name} is set: {tool.title} started without way would follow it"
                checks.append(
                    Check("environment", "warn", said, f"start it as `way {tool.name}`, or unset it")
                )
    return checks


def _project(folder: str) -> list[Check]:
    """What the project in this folder would change, by itself, for whoever opens it with a tool (S7)."""
    seen: set[tuple[str, str]] = set()
    checks = []
    for tool in tools.every():
        for finding in tool.project_findings(folder):
            if (finding.path, finding.text) not in seen:
                seen.add((finding.path, finding.text))
                checks.append(
                    Check(
                        "project", "warn", f"{finding.path} {finding.text}", "look at it before you trust it"
                    )
                )
    return checks


def _left_over() -> list[Check]:
    return [
        Check(
            "changed file",
            "warn",
            f"{edit.path} is still as a {edit.owner} session left it",
            "run `way revert`",
        )
        for edit in files.left_over()
    ]


def _at(fields: dict[str, Any], first: str, second: str) -> str:
    inner = fields.get(first)
    found = inner.get(second) if isinstance(inner, dict) else None
    return found if isinstance(found, str) else ""
