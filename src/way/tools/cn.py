"""Continue's `cn`: reads its key from its configuration, so it talks to the loopback relay.

It takes one configuration file whole and has no way to add a model to the user's: ours is written for this
start and deleted at its end. Measured with 1.5.47: given as `--config`, it needs no account at Continue.
"""

from __future__ import annotations

import json
import os

from way import paths
from way.errors import WayError
from way.tools.arguments import has_option, take_option
from way.tools.projects import folders_up
from way.tools.tool import Finding, Launch, Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from way.agents import Model


class Continue(Tool):
    name = "cn"
    title = "Continue CLI"
    binary = "cn"
    install_hint = "npm install -g @continuedev/cli"
    surface = "openai"
    needs_relay = True

    def configure(self, launch: Launch) -> None:
        if has_option(launch.args, "--config"):
            raise WayError(
                "`way cn` brings a configuration of its own, so it cannot take another by --config; "
                "start `cn` without way to use yours."
            )
        models = self._models(launch)
        path = paths.in_home("tools", f"cn-{os.getpid()}.yaml")
        paths.write_atomically(path, json.dumps(_config(launch, models)).encode("utf-8"))  # JSON is YAML too
        launch.cleanups.append(lambda: paths.remove(path))
        launch.args[:0] = ["--config", path]
        if os.path.exists(os.path.join(os.path.expanduser("~"), ".continue", "config.yaml")):
            launch.notices.append(
                "Rules and MCP servers of your ~/.continue/config.yaml are not used through way."
            )

    def _models(self, launch: Launch) -> list[Model]:
        """The gateway's models, the one to use first. A `--model` that the gateway offers is taken as that
        choice; others are names in Continue's hub and stay."""
        models = list(launch.defaults.models)
        if not models:
            raise WayError("The gateway offers you no model that cn can use; ask whoever runs it.")
        first = launch.defaults.model
        trial = list(launch.args)
        named = take_option(trial, "--model")
        if named is not None and launch.defaults.offers(named):
            launch.args[:] = trial
            first = named
        return sorted(models, key=lambda model: model.id != first)

    def project_findings(self, folder: str) -> list[Finding]:
        findings = []
        for here in folders_up(folder):
            for name in ("mcpServers", "rules"):
                path = os.path.join(here, ".continue", name)
                if os.path.isdir(path):
                    findings.append(Finding(path, f"brings {name} of the project's"))
        return findings


TOOL = Continue()


def _config(launch: Launch, models: list[Model]) -> dict[str, Any]:
    return {
        "name": "Waystation",
        "version": "1.0.0",
        "schema": "v1",
        "models": [_model(launch, model) for model in models],
    }


def _model(launch: Launch, model: Model) -> dict[str, Any]:
    native = model.wires[:1] == ("anthropic.messages",)
    return {
        "name": model.name,
        "model": model.id,
        "provider": "anthropic" if native else "openai",
        "apiBase": f"{launch.base}/anthropic/v1/" if native else f"{launch.base}/openai/v1",
        "apiKey": launch.secret,
        "roles": ["chat", "edit", "apply"],
        "capabilities": ["tool_use", "image_input"],
    }
