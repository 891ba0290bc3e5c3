"""Looking at a project's files for settings that would lead a tool around the gateway."""

from __future__ import annotations

import os
import re

from way import jsonc, paths
from way.tools.tool import Finding

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

LARGEST = 4 * 1024 * 1024


def folders_up(folder: str) -> Iterator[str]:
    """The project's folders from here up to its root (where `.git` is), at most to the home folder."""
    home = os.path.realpath(os.path.expanduser("~"))
    here = os.path.realpath(folder)
    while here != home:
        yield here
        parent = os.path.dirname(here)
        if parent == here or os.path.exists(os.path.join(here, ".git")):
            return
        here = parent


def read_text(path: str) -> str | None:
    try:
        if os.path.getsize(path) > LARGEST:
            return None
    except OSError:
        return None
    raw = paths.read(path)
    return None if raw is None else raw.decode("utf-8", "replace")


def json_findings(
    folder: str, names: Sequence[str], look: Callable[[dict[str, Any]], Iterator[str]]
) -> list[Finding]:
    """`look` gets each file that is there, parsed, and gives what is wrong with it, one sentence each."""
    findings: list[Finding] = []
    for here in folders_up(folder):
        for name in names:
            path = os.path.join(here, name)
            text = read_text(path)
            if text is None:
                continue
            try:
                settings = jsonc.parse(text)
            except ValueError:
                findings.append(Finding(path, "is not valid JSON"))
                continue
            findings += [Finding(path, problem) for problem in look(settings)]
    return findings


_ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=", re.MULTILINE)


def dotenv_findings(folder: str, names: Sequence[str], variables: Sequence[str]) -> list[Finding]:
    """Variables of `variables` that an env file of the project sets."""
    findings: list[Finding] = []
    for here in folders_up(folder):
        for name in names:
            path = os.path.join(here, name)
            found = set(_ASSIGNMENT.findall(read_text(path) or ""))
            findings += [Finding(path, f"sets {variable}") for variable in variables if variable in found]
    return findings


def setting_in(path: str, *keys: str) -> str:
    """A text in a JSON settings file; "" where there is no such file, no such text, or no JSON."""
    try:
        found = jsonc.get(read_text(path) or "{}", keys)
    except ValueError:
        return ""
    return found if isinstance(found, str) else ""


def extensions_in(settings: dict[str, Any]) -> Iterator[str]:
    """What settings of Gemini CLI and its kin bring along beside a sign-in."""
    servers = sorted(table(settings.get("mcpServers")))
    if servers:
        yield f"brings MCP servers of its own ({', '.join(servers)})"
    if settings.get("hooks"):
        yield "runs commands of the project's as hooks"
    if table(settings.get("telemetry")).get("otlpEndpoint"):
        yield "sends telemetry to an address of its own"


def table(value: object) -> dict[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}
