"""What the gateway wants each coding tool to be set up with: which model, and which others there are.

Kept in a file, so that starting a tool waits for the network only the first time. An answer older than ten
minutes is still used, and renewed by a process of its own that nobody waits for.
"""

from __future__ import annotations

import json
import os
import sys
import time

from way import paths
from way.errors import WayError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from way.session import Session

GOOD_FOR = 600.0
"""Seconds after which an answer is renewed."""


class Defaults:
    """One tool's entry. `models` are all that this person may use with it, each with the protocols it speaks."""

    __slots__ = ("model", "models", "small_model", "wire")

    def __init__(self, entry: dict[str, Any]) -> None:
        self.model = _text(entry.get("model"))
        self.small_model = _text(entry.get("small_model"))
        self.wire = _text(entry.get("wire"))
        listed = entry.get("models")
        self.models = [Model(m) for m in listed if isinstance(m, dict)] if isinstance(listed, list) else []

    def offers(self, model: str) -> bool:
        return any(model == offered.id for offered in self.models)


class Model:
    __slots__ = ("context_window", "id", "max_output", "name", "wires")

    def __init__(self, entry: dict[str, Any]) -> None:
        self.id = _text(entry.get("id"))
        self.name = _text(entry.get("name")) or self.id
        wires = entry.get("wires")
        self.wires = tuple(str(w) for w in wires) if isinstance(wires, list) else ()
        self.context_window = _number(entry.get("context_window"))
        self.max_output = _number(entry.get("max_output"))


def defaults_for(tool: str, session: Session) -> Defaults:
    """From the file where it is this gateway's; asks the gateway where it is not there yet."""
    known = _read(session.gateway)
    if known is None:
        return Defaults(_entry(renew(session), tool))
    age, agents = known
    if not 0 <= age < GOOD_FOR:
        _renew_behind_our_back()
    return Defaults(_entry(agents, tool))


def renew(session: Session) -> dict[str, Any]:
    """Asks the gateway and keeps the answer. Raises WayError where it does not answer."""
    from way import http
    from way.session import fresh_token

    answer = http.send(session.gateway, "/api/v1/agents", token=fresh_token(), timeout=10.0)
    if answer.status != 200:
        raise WayError(
            f"The gateway did not say which models you may use (it answered {answer.status}); "
            "run `way doctor`."
        )
    agents = answer.json()
    kept = {"gateway": session.gateway, "agents": agents}
    paths.write_atomically(_path(), json.dumps(kept).encode("utf-8"))
    return agents


def forget() -> None:
    """After a sign-in: another person may use other models."""
    paths.remove(_path())


def _path() -> str:
    return paths.in_home("agents.json")


def _read(gateway: str) -> tuple[float, dict[str, Any]] | None:
    """(age in seconds, answer), or None."""
    raw = paths.read(_path())
    if raw is None:
        return None
    try:
        kept = json.loads(raw)
        if kept["gateway"] != gateway:
            return None
        return time.time() - os.stat(_path()).st_mtime, dict(kept["agents"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _renew_behind_our_back() -> None:
    """Starts `way renew-agents` so that it is nobody's child: the tool that we become must not inherit one."""
    command = [*paths.self_command(), "renew-agents"]
    try:
        os.utime(_path())  # one renewal at a time, also if it fails
        if sys.platform == "win32":
            import subprocess

            subprocess.Popen(
                command,
                creationflags=subprocess.CREATE_NO_WINDOW | subprocess.DETACHED_PROCESS,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            return
        middle = os.fork()
    except OSError:
        return
    if middle:
        os.waitpid(middle, 0)
        return
    try:
        os.setsid()
        if os.fork() == 0:
            quiet = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(quiet, stream)
            os.execv(command[0], command)  # noqa: S606 - our own program, no shell wanted
    finally:
        os._exit(0)


def _entry(agents: dict[str, Any], tool: str) -> dict[str, Any]:
    entry = agents.get(tool)
    return entry if isinstance(entry, dict) else {}


def _number(value: object) -> int:
    """0 where nobody said."""
    return value if isinstance(value, int) and value > 0 else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
