"""Gemini CLI: has no way to ask for a fresh key, so it talks to the loopback relay.

Address and key go by environment. Measured with 0.61.0: it fills in variables from a project's `.env` only
where they are not set at all, so those that would lead it to Google are set empty; the kind of sign-in can
only be said in a settings file, and the system's is read only if every folder above it is root's. So where
the user's `~/.gemini/settings.json` says another kind, that one value is changed while the tool runs.
"""

from __future__ import annotations

import os
import sys

from way import files
from way.tools.arguments import has_option
from way.tools.projects import (
    dotenv_findings,
    extensions_in,
    folders_up,
    json_findings,
    setting_in,
    table,
)
from way.tools.tool import Finding, Launch, Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_KIND = ("security", "auth", "selectedType")
_API_KEY = "gemini-api-key"
_SWITCHED_OFF = (
    "GOOGLE_API_KEY",
    "GOOGLE_GENAI_USE_VERTEXAI",
    "GOOGLE_GENAI_USE_GCA",
    "GOOGLE_VERTEX_BASE_URL",
)
"""Each of these would take Gemini CLI elsewhere, or give it another key."""


class Gemini(Tool):
    name = "gemini"
    title = "Gemini CLI"
    binary = "gemini"
    install_hint = "npm install -g @google/gemini-cli"
    surface = "gemini"
    needs_relay = True
    overriding = ("GEMINI_API_KEY", "GOOGLE_GEMINI_BASE_URL", *_SWITCHED_OFF)

    def configure(self, launch: Launch) -> None:
        launch.unset(_SWITCHED_OFF, because="Gemini CLI goes to the gateway")
        launch.set(**dict.fromkeys(_SWITCHED_OFF, ""))
        launch.set(GOOGLE_GEMINI_BASE_URL=f"{launch.base}/gemini", GEMINI_API_KEY=launch.secret)
        if (
            launch.defaults.model
            and not launch.env.get("GEMINI_MODEL")
            and not has_option(launch.args, "-m", "--model")
            and not launch.defaults.offers(_saved_model(launch.env))
        ):
            launch.set(GEMINI_MODEL=launch.defaults.model)
        self._choose_kind(launch)

    def _choose_kind(self, launch: Launch) -> None:
        for here in folders_up(launch.folder):
            kind = _kind_in(os.path.join(here, ".gemini", "settings.json"))
            if kind not in ("", _API_KEY):
                launch.notices.append(
                    f"This project's .gemini/settings.json asks for the sign-in {kind!r}: if you trust the folder, "
                    "Gemini CLI follows it and not the gateway."
                )
        if _is_settled(launch.env):
            return
        held = files.set_json(
            self.name,
            os.path.join(_home(launch.env), "settings.json"),
            _KIND,
            _API_KEY,
            why="Gemini CLI reads the kind of sign-in from no other place",
        )
        if held is not None:
            launch.cleanups.append(held.release)

    def project_findings(self, folder: str) -> list[Finding]:
        variables = ("GOOGLE_GEMINI_BASE_URL", "GEMINI_API_KEY", *_SWITCHED_OFF)
        return dotenv_findings(folder, (".gemini/.env", ".env"), variables) + json_findings(
            folder, (".gemini/settings.json",), _look
        )


TOOL = Gemini()


def _home(env: dict[str, str]) -> str:
    return os.path.join(env.get("GEMINI_CLI_HOME") or os.path.expanduser("~"), ".gemini")


def _system_settings(env: dict[str, str]) -> str:
    if env.get("GEMINI_CLI_SYSTEM_SETTINGS_PATH"):
        return env["GEMINI_CLI_SYSTEM_SETTINGS_PATH"]
    if sys.platform == "darwin":
        return "/Library/Application Support/GeminiCli/settings.json"
    if sys.platform == "win32":
        return "C:\\ProgramData\\gemini-cli\\settings.json"
    return "/etc/gemini-cli/settings.json"


def _is_settled(env: dict[str, str]) -> bool:
    """Whether the machine's administrator has chosen our kind for everybody."""
    path = _system_settings(env)
    try:
        return _kind_in(path) == _API_KEY and (os.name == "nt" or os.stat(path).st_uid == 0)
    except OSError:
        return False


def _kind_in(path: str) -> str:
    return setting_in(path, *_KIND)


def _saved_model(env: dict[str, str]) -> str:
    return setting_in(os.path.join(_home(env), "settings.json"), "model", "name")


def _look(settings: dict[str, Any]) -> Iterator[str]:
    auth = table(table(settings.get("security")).get("auth"))
    for name in ("selectedType", "enforcedType"):
        if auth.get(name) not in (None, _API_KEY):
            yield f"asks for the sign-in {auth[name]!r}, which does not go through the gateway"
    if auth.get("useExternal"):
        yield "asks for a sign-in of its own"
    yield from extensions_in(settings)
