"""pi: reads its key once at start, so it talks to the loopback relay.

Its providers are added by an extension of ours, given on the command line: pi has no other way to add one
without editing the user's models.json. The extension holds nothing; what it adds is in the environment.
Measured with 0.73.1.
"""

from __future__ import annotations

import json
import os

from way import paths
from way.errors import WayError
from way.tools.arguments import has_option
from way.tools.projects import folders_up, json_findings
from way.tools.tool import Finding, Launch, Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from way.agents import Model

_CHAT = "waystation"
_MESSAGES = "waystation-anthropic"
_PROVIDERS = "WAYSTATION_PI_PROVIDERS"
_KEY = "WAYSTATION_PI_KEY"
_EXTENSION = f"""\
// Written by way: adds the gateway's models to pi for this start. It may be deleted at any time.
export default function (pi) {{
  const providers = JSON.parse(process.env.{_PROVIDERS} ?? "{{}}");
  for (const [name, provider] of Object.entries(providers)) pi.registerProvider(name, provider);
}}
"""


class Pi(Tool):
    name = "pi"
    title = "pi"
    binary = "pi"
    install_hint = "npm install -g @mariozechner/pi-coding-agent"
    surface = "openai"
    needs_relay = True

    def configure(self, launch: Launch) -> None:
        extension = paths.in_home("tools", "pi.ts")
        if paths.read(extension) != _EXTENSION.encode("utf-8"):
            paths.write_atomically(extension, _EXTENSION.encode("utf-8"))
        messages = [m for m in launch.defaults.models if m.wires[:1] == ("anthropic.messages",)]
        chat = [m for m in launch.defaults.models if m not in messages and "openai.chat" in m.wires]
        providers = {}
        if chat:
            providers[_CHAT] = _provider("openai-completions", f"{launch.base}/openai/v1", chat)
        if messages:
            providers[_MESSAGES] = _provider("anthropic-messages", f"{launch.base}/anthropic", messages)
        if not providers:
            raise WayError("The gateway offers you no model that pi can use; ask whoever runs it.")
        launch.set(**{_PROVIDERS: json.dumps(providers), _KEY: launch.secret})
        options = ["--extension", extension]
        if not has_option(launch.args, "--model", "--provider", "--models"):
            name = _MESSAGES if any(m.id == launch.defaults.model for m in messages) else _CHAT
            options += ["--model", f"{name}/{launch.defaults.model}"]
        launch.args[:0] = options

    def project_findings(self, folder: str) -> list[Finding]:
        findings = json_findings(folder, (".pi/settings.json",), _look)
        for here in folders_up(folder):
            extensions = os.path.join(here, ".pi", "extensions")
            if os.path.isdir(extensions):
                findings.append(Finding(extensions, "holds extensions that pi runs"))
        return findings


TOOL = Pi()


def _provider(api: str, base: str, models: list[Model]) -> dict[str, Any]:
    return {
        "baseUrl": base,
        "apiKey": _KEY,
        "api": api,
        "models": [_model(model) for model in models],
    }


def _model(model: Model) -> dict[str, Any]:
    """Costs are the gateway's business; pi would only guess them."""
    return {
        "id": model.id,
        "name": model.name,
        "reasoning": False,
        "input": ["text", "image"],
        "cost": {"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0},
        "contextWindow": model.context_window or 200_000,
        "maxTokens": model.max_output or 32_000,
    }


def _look(settings: dict[str, Any]) -> Iterator[str]:
    if settings.get("extensions") or settings.get("packages"):
        yield "brings extensions that pi runs"
