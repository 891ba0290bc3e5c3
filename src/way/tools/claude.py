"""Claude Code: talks to the gateway itself and asks `way token` for its key.

Everything travels in one settings file of ours, given by `--settings`, which ranks above the project's and
the user's own. Measured with 2.1.197: an `env` entry of a project's `.claude/settings.json` beats the
process's environment but not `--settings`, and an empty string there switches a key off; `apiKeyHelper` is
asked once at start and again at once after a 401; of two `--settings` only the last is read.

Its `/model` offers what is in its cache of the gateway's models, if `CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY` is
set. By itself it asks the gateway once, mostly before the helper has given it a key, and so learns nothing; of an
answer it takes only names that begin with `claude` or `anthropic`. We fill that cache. Where the helper is quicker (an
idle machine), Claude Code writes its own shorter list over ours, and other vendors' models are missing from it.
"""

from __future__ import annotations

import json
import os
import shlex
import sys
import time

from way import paths
from way.errors import UsageError
from way.session import MINIMUM_LEFT
from way.tools.arguments import has_option, take_option
from way.tools.projects import json_findings, read_text, table
from way.tools.tool import Finding, Launch, Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_SWITCHED_OFF = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_AUTH_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
    "ANTHROPIC_UNIX_SOCKET",
)
"""Each of these would take Claude Code elsewhere, or give it another key."""
_HELPER_TTL_MS = int(MINIMUM_LEFT * 1000) - 60_000
"""How long Claude Code keeps a token: less than `way token` promises that it is good for."""


class Claude(Tool):
    name = "claude"
    title = "Claude Code"
    binary = "claude"
    install_hint = "npm install -g @anthropic-ai/claude-code"
    surface = "anthropic"
    overriding = (*_SWITCHED_OFF, "ANTHROPIC_BASE_URL")

    def configure(self, launch: Launch) -> None:
        launch.unset(_SWITCHED_OFF, because="Claude Code signs in to the gateway through way")
        base = f"{launch.base}/anthropic"
        launch.set(ANTHROPIC_BASE_URL=base)  # also for what it does before it has read its settings
        variables = dict.fromkeys(_SWITCHED_OFF, "")
        variables["ANTHROPIC_BASE_URL"] = base
        variables["CLAUDE_CODE_API_KEY_HELPER_TTL_MS"] = str(_HELPER_TTL_MS)
        variables["CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY"] = "1"
        self._choose_models(launch)
        _offer_models(launch, base)
        settings = {"apiKeyHelper": _helper(), "env": variables}
        theirs = take_option(launch.args, "--settings")
        launch.args[:0] = ["--settings", _settings_file(_merged(theirs, settings))]

    def _choose_models(self, launch: Launch) -> None:
        """The policy's model, unless the person has chosen one here or one that the gateway offers before."""
        if launch.defaults.small_model:
            launch.env.setdefault("ANTHROPIC_DEFAULT_HAIKU_MODEL", launch.defaults.small_model)
        if (
            not launch.defaults.model
            or launch.env.get("ANTHROPIC_MODEL")
            or has_option(launch.args, "--model")
        ):
            return
        if not launch.defaults.offers(_saved_model(launch.env)):
            launch.set(ANTHROPIC_MODEL=launch.defaults.model)

    def project_findings(self, folder: str) -> list[Finding]:
        names = (".claude/settings.json", ".claude/settings.local.json")
        return json_findings(folder, names, _look) + json_findings(folder, (".mcp.json",), _look_at_servers)


TOOL = Claude()


def _helper() -> str:
    """The command line that prints a token. The shell puts Claude Code's own process id into it: asked again
    by the same process with a token that still looks good, way knows that it was refused."""
    command = [*paths.self_command(), "token"]
    if sys.platform == "win32":
        import subprocess

        return subprocess.list2cmdline(command)
    return f"{shlex.join(command)} --caller $PPID"


def _merged(theirs: str | None, ours: dict[str, Any]) -> dict[str, Any]:
    """The person's own `--settings` (a file or JSON) with ours on top: Claude Code reads only one."""
    if theirs is None:
        return ours
    text = theirs if theirs.lstrip().startswith("{") else read_text(theirs)
    try:
        settings = json.loads(text or "")
    except ValueError:
        raise UsageError(f"--settings {theirs[:80]!r} is neither a JSON file nor JSON.") from None
    if not isinstance(settings, dict):
        raise UsageError(f"--settings {theirs[:80]!r} is not a JSON object.")
    return {**settings, **ours, "env": {**table(settings.get("env")), **ours["env"]}}


def _settings_file(settings: dict[str, Any]) -> str:
    """Written once per content, and never changed: other sessions may be reading it."""
    from binascii import crc32

    content = json.dumps(settings, indent=1, sort_keys=True).encode("utf-8")
    path = paths.in_home("run", f"claude-{crc32(content):08x}.json")
    if paths.read(path) != content:
        paths.write_atomically(path, content)
    return path


def _offer_models(launch: Launch, base: str) -> None:
    """Puts the models that the person may use where `/model` looks. Nothing else depends on it."""
    models = [{"id": model.id, "display_name": model.name} for model in launch.defaults.models]
    path = os.path.join(_folder(launch.env), "cache", "gateway-models.json")
    try:
        known = table(json.loads(read_text(path) or "{}"))
    except ValueError:
        known = {}
    if models and (known.get("baseUrl"), known.get("models")) != (base, models):
        offered = {"baseUrl": base, "fetchedAt": int(time.time() * 1000), "models": models}
        try:
            paths.write_atomically(path, json.dumps(offered).encode("utf-8"))
        except OSError:
            return  # a home that cannot be written


def _folder(env: dict[str, str]) -> str:
    return env.get("CLAUDE_CONFIG_DIR") or os.path.join(os.path.expanduser("~"), ".claude")


def _saved_model(env: dict[str, str]) -> str:
    """What the person picked with `/model` earlier."""
    try:
        settings = json.loads(read_text(os.path.join(_folder(env), "settings.json")) or "{}")
    except ValueError:
        return ""
    model = table(settings).get("model")
    return model if isinstance(model, str) else ""


def _look(settings: dict[str, Any]) -> Iterator[str]:
    for name in table(settings.get("env")):
        if name == "ANTHROPIC_BASE_URL":
            yield "sends Claude Code to another address (ANTHROPIC_BASE_URL); way overrides it, plain claude does not"
        elif name in _SWITCHED_OFF or name.endswith("_BASE_URL"):
            yield f"sets {name}"
    for name in (
        "apiKeyHelper",
        "awsAuthRefresh",
        "awsCredentialExport",
        "otelHeadersHelper",
        "proxyAuthHelper",
    ):
        if settings.get(name):
            yield f"runs a command of the project's as {name}"
    hooks = [event for event, given in table(settings.get("hooks")).items() if given]
    if hooks:
        yield f"runs commands of the project's as hooks ({', '.join(sorted(hooks))})"
    if settings.get("enableAllProjectMcpServers"):
        yield "starts every MCP server of the project without asking"


def _look_at_servers(settings: dict[str, Any]) -> Iterator[str]:
    servers = sorted(table(settings.get("mcpServers")))
    if servers:
        yield f"brings MCP servers of its own ({', '.join(servers)})"
