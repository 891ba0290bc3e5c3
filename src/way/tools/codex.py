"""Codex: talks to the gateway itself and runs `way token` for its key.

All by `-c` on the command line, so that no file is touched. Measured with 0.169.0: those win over the
user's config.toml, a profile, the project's `.codex/config.toml` and CODEX_API_KEY/OPENAI_API_KEY; the
command is run once at start and again after a 401. WebSockets are off: the gateway answers them with 426.
"""

from __future__ import annotations

import json
import os
import re

from way import paths
from way.session import MINIMUM_LEFT
from way.tools.arguments import has_option
from way.tools.projects import folders_up, read_text
from way.tools.tool import Finding, Launch, Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from way.agents import Defaults

PROVIDER = "waystation"
_REFRESH_MS = int(MINIMUM_LEFT * 1000) - 60_000
_KNOWN = ("gpt-", "o3", "o4", "codex-")
"""Codex brings what it must know of these."""
_TOKEN_PATIENCE_MS = 20_000
"""`way token` may have to wait for the network."""


class Codex(Tool):
    name = "codex"
    title = "Codex"
    binary = "codex"
    install_hint = "npm install -g @openai/codex"
    surface = "openai"
    overriding = ("OPENAI_API_KEY", "CODEX_API_KEY", "OPENAI_BASE_URL")

    def configure(self, launch: Launch) -> None:
        command = [*paths.self_command(), "token", "--caller", "parent"]
        provider = {
            "name": "Waystation",
            "base_url": f"{launch.base}/openai/v1",
            "wire_api": "responses",
            "supports_websockets": False,
            "auth": {
                "command": command[0],
                "args": command[1:],
                "timeout_ms": _TOKEN_PATIENCE_MS,
                "refresh_interval_ms": _REFRESH_MS,
            },
        }
        options = [f"model_provider={_toml(PROVIDER)}", f"model_providers.{PROVIDER}={_toml(provider)}"]
        if launch.defaults.model and not self._has_chosen(launch):
            options.append(f"model={_toml(launch.defaults.model)}")
            options += _limits(launch.defaults)
        launch.args[:0] = [word for option in options for word in ("-c", option)]

    def _has_chosen(self, launch: Launch) -> bool:
        """Whether the person named a model here, or earlier one that the gateway offers."""
        if has_option(launch.args, "-m", "--model", "-p", "--profile"):
            return True
        configured = _setting(read_text(os.path.join(_home(launch.env), "config.toml")) or "", "model")
        return launch.defaults.offers(configured)

    def project_findings(self, folder: str) -> list[Finding]:
        findings: list[Finding] = []
        for here in folders_up(folder):
            path = os.path.join(here, ".codex", "config.toml")
            findings += [Finding(path, problem) for problem in _look(read_text(path) or "")]
        return findings


TOOL = Codex()


def _limits(defaults: Defaults) -> list[str]:
    """What fits into a model that Codex does not know by name; without it, Codex compacts too late or too soon."""
    window = next((m.context_window for m in defaults.models if m.id == defaults.model), 0)
    if not window or defaults.model.startswith(_KNOWN):
        return []
    return [f"model_context_window={window}"]


def _home(env: dict[str, str]) -> str:
    return env.get("CODEX_HOME") or os.path.join(os.path.expanduser("~"), ".codex")


def _toml(value: object) -> str:
    """A value as TOML on one line. (JSON's strings are TOML's basic strings, with DEL escaped.)"""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}={_toml(item)}" for key, item in value.items()) + "}"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


_TOP_LEVEL = re.compile(r"^\s*([A-Za-z0-9_]+)\s*=\s*[\"']([^\"'\n]*)[\"']", re.MULTILINE)
_TABLE = re.compile(r"^\s*\[+\s*([^\]\n]+?)\s*\]+", re.MULTILINE)


def _setting(text: str, name: str) -> str:
    """A top-level string of a config.toml. (Python 3.9 and 3.10 have no TOML reader; this much is regular.)"""
    first_table = _TABLE.search(text)
    head = text[: first_table.start()] if first_table else text
    found = ""
    for key, value in _TOP_LEVEL.findall(head):
        if key == name:
            found = str(value)
    return found


def _look(text: str) -> list[str]:
    problems: list[str] = []
    if _setting(text, "model_provider"):
        problems.append(f"asks for the provider {_setting(text, 'model_provider')!r}; way overrides it")
    addresses = [name for name in ("openai_base_url", "chatgpt_base_url") if _setting(text, name)]
    if addresses:
        problems.append(f"sends Codex to another address ({', '.join(addresses)})")
    tables = [t.replace('"', "").replace("'", "") for t in _TABLE.findall(text)]
    if any(t.startswith("model_providers.") for t in tables):
        problems.append("defines model providers of its own")
    servers = sorted({t.split(".")[1] for t in tables if t.startswith("mcp_servers.")})
    if servers:
        problems.append(f"brings MCP servers of its own ({', '.join(servers)})")
    if re.search(r"^\s*notify\s*=", text, re.MULTILINE) or any(t.split(".")[0] == "hooks" for t in tables):
        problems.append("runs commands of the project's (notify or hooks)")
    return problems
