"""Copilot CLI: talks to the gateway itself and runs `way token` for its key before every request.

All by environment, by its way for a model provider of one's own; GitHub is then needed for nothing but what
belongs to GitHub. Measured with 1.0.102: the command wins over a key, and is run for each request.
"""

from __future__ import annotations

import shlex
import subprocess
import sys

from way import paths
from way.tools.projects import json_findings, table
from way.tools.tool import Finding, Launch, Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


_PREFIX = "COPILOT_PROVIDER_"
_OTHER_KEYS = (
    f"{_PREFIX}API_KEY",
    f"{_PREFIX}BEARER_TOKEN",
    f"{_PREFIX}TRANSPORT",
    f"{_PREFIX}AZURE_API_VERSION",
    f"{_PREFIX}WIRE_MODEL",
    f"{_PREFIX}MODEL_ID",
)


class Copilot(Tool):
    name = "copilot"
    title = "Copilot CLI"
    binary = "copilot"
    install_hint = "npm install -g @github/copilot"
    surface = "openai"
    overriding = (f"{_PREFIX}BASE_URL", f"{_PREFIX}API_KEY", f"{_PREFIX}BEARER_TOKEN")

    def configure(self, launch: Launch) -> None:
        launch.unset(_OTHER_KEYS, because="Copilot CLI goes to the gateway")
        model = _chosen(launch)
        wires = next((m.wires for m in launch.defaults.models if m.id == model), ())
        words = [*paths.self_command(), "token", "--caller", "parent"]
        command = subprocess.list2cmdline(words) if sys.platform == "win32" else shlex.join(words)
        launch.set(
            COPILOT_PROVIDER_HEADERS="X-Waystation-Tool: copilot",  # its User-Agent does not name it
            COPILOT_PROVIDER_API_KEY_COMMAND=command,
            COPILOT_PROVIDER_WIRE_API="completions",
            COPILOT_MODEL=model,
        )
        if wires[:1] == ("anthropic.messages",):
            launch.set(
                COPILOT_PROVIDER_TYPE="anthropic", COPILOT_PROVIDER_BASE_URL=f"{launch.base}/anthropic"
            )
            return
        launch.set(COPILOT_PROVIDER_TYPE="openai", COPILOT_PROVIDER_BASE_URL=f"{launch.base}/openai/v1")
        if "openai.responses" in wires:
            launch.set(COPILOT_PROVIDER_WIRE_API="responses")

    def project_findings(self, folder: str) -> list[Finding]:
        names = (".github/copilot/settings.json", ".mcp.json", ".github/mcp.json")
        return json_findings(folder, names, _look)


TOOL = Copilot()


def _chosen(launch: Launch) -> str:
    """The model by option, by variable if the gateway offers it, else the gateway's default."""
    args = launch.args[: launch.args.index("--")] if "--" in launch.args else launch.args
    for at, word in enumerate(args):
        if word.startswith("--model="):
            return word.partition("=")[2]
        if word == "--model" and at + 1 < len(args):
            return args[at + 1]
    named = launch.env.get("COPILOT_MODEL", "")
    return named if launch.defaults.offers(named) else launch.defaults.model


def _look(settings: dict[str, Any]) -> Iterator[str]:
    servers = sorted(table(settings.get("mcpServers")))
    if servers:
        yield f"brings MCP servers of its own ({', '.join(servers)})"
    if settings.get("hooks"):
        yield "runs commands of the project's as hooks"
