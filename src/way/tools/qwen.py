"""Qwen Code: has no way to ask for a fresh key, so it talks to the loopback relay.

Address and key go by environment, the kind of sign-in by its own option. Measured with 0.15.10: the address as
an option wins over a project's `.qwen/settings.json` and `.env`; a variable that is set wins over `.env`.
"""

from __future__ import annotations

import os

from way.tools.arguments import has_option
from way.tools.projects import dotenv_findings, extensions_in, json_findings, setting_in, table
from way.tools.tool import Finding, Launch, Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Qwen(Tool):
    name = "qwen"
    title = "Qwen Code"
    binary = "qwen"
    install_hint = "npm install -g @qwen-code/qwen-code"
    surface = "openai"
    needs_relay = True
    overriding = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "QWEN_MODEL")

    def configure(self, launch: Launch) -> None:
        base = f"{launch.base}/openai/v1"
        launch.set(OPENAI_API_KEY=launch.secret, OPENAI_BASE_URL=base)
        options = ["--auth-type", "openai", "--openai-base-url", base]
        if not has_option(launch.args, "-m", "--model"):
            model = _saved_model()
            if not launch.defaults.offers(model):
                model = launch.defaults.model
            if model:
                launch.set(OPENAI_MODEL=model)
                options += ["--model", model]
        launch.args[:0] = options

    def project_findings(self, folder: str) -> list[Finding]:
        return dotenv_findings(folder, (".qwen/.env", ".env"), self.overriding) + json_findings(
            folder, (".qwen/settings.json",), _look
        )


TOOL = Qwen()


def _saved_model() -> str:
    return setting_in(os.path.join(os.path.expanduser("~"), ".qwen", "settings.json"), "model", "name")


def _look(settings: dict[str, Any]) -> Iterator[str]:
    auth = table(table(settings.get("security")).get("auth"))
    if auth.get("selectedType") not in (None, "openai"):
        yield f"asks for the sign-in {auth['selectedType']!r}; way overrides it"
    if auth.get("baseUrl"):
        yield "sends Qwen Code to another address; way overrides it, plain qwen does not"
    if settings.get("modelProviders"):
        yield "brings model providers of its own"
    yield from extensions_in(settings)
