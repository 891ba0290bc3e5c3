"""OpenCode: reads its key once at start, so it talks to the loopback relay.

All by OPENCODE_CONFIG_CONTENT, which is merged over the user's and the project's files. Measured with
1.18.33: it wins over a project's `opencode.json`, key by key; `enabled_providers` keeps every other provider
out. Its Anthropic provider wants an address that ends in `/v1`.
"""

from __future__ import annotations

import json

from way.errors import UsageError, WayError
from way.tools.projects import json_findings, table
from way.tools.tool import Finding, Launch, Tool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from way.agents import Defaults, Model

_CHAT = "waystation"
_MESSAGES = "waystation-anthropic"
_VARIABLE = "OPENCODE_CONFIG_CONTENT"
_USUAL_ANSWER = 32_000
"""Tokens; OpenCode's own bound."""


class OpenCode(Tool):
    name = "opencode"
    title = "OpenCode"
    binary = "opencode"
    install_hint = "npm install -g opencode-ai"
    surface = "openai"
    needs_relay = True
    overriding = ()

    def configure(self, launch: Launch) -> None:
        given = launch.env.get(_VARIABLE)
        try:
            theirs = table(json.loads(given)) if given else {}
        except ValueError:
            raise UsageError(f"{_VARIABLE} is not JSON; put it right or unset it.") from None
        launch.set(**{_VARIABLE: json.dumps(_over(theirs, _config(launch)))})
        # It knows its models from us; asking the internet for a list of others makes it wait up to half a minute
        # where packets get lost.
        launch.env.setdefault("OPENCODE_DISABLE_MODELS_FETCH", "1")

    def project_findings(self, folder: str) -> list[Finding]:
        names = ("opencode.json", "opencode.jsonc", ".opencode/opencode.json", ".opencode/opencode.jsonc")
        return json_findings(folder, names, _look)


TOOL = OpenCode()


def _config(launch: Launch) -> dict[str, Any]:
    chat = [m for m in launch.defaults.models if "openai.chat" in m.wires]
    messages = [m for m in launch.defaults.models if "anthropic.messages" in m.wires]
    providers: dict[str, Any] = {}
    if chat:
        providers[_CHAT] = _provider(
            "Waystation", "@ai-sdk/openai-compatible", f"{launch.base}/openai/v1", launch.secret, chat
        )
    if messages:
        providers[_MESSAGES] = _provider(
            "Waystation (Anthropic)",
            "@ai-sdk/anthropic",
            f"{launch.base}/anthropic/v1",
            launch.secret,
            messages,
        )
    if not providers:
        raise WayError("The gateway offers you no model that OpenCode can use; ask whoever runs it.")
    config: dict[str, Any] = {"enabled_providers": sorted(providers), "provider": providers}
    model = _named(launch.defaults.model, launch.defaults)
    small = _named(launch.defaults.small_model, launch.defaults) or model
    if model:
        config["model"] = model
    if small:
        config["small_model"] = small
    return config


def _provider(name: str, package: str, base: str, key: str, models: list[Model]) -> dict[str, Any]:
    return {
        "name": name,
        "npm": package,
        "options": {"baseURL": base, "apiKey": key},
        "models": {model.id: _model(model) for model in models},
    }


def _model(model: Model) -> dict[str, Any]:
    """With what fits into it: of a model without a limit, OpenCode never makes a conversation shorter.

    What it reserves for an answer it takes off the context (1.18.33): more than a quarter would leave a small one
    with nothing, and OpenCode with shortening for ever.
    """
    about: dict[str, Any] = {"name": model.name}
    if model.context_window:
        answer = min(model.max_output or _USUAL_ANSWER, model.context_window // 4)
        about["limit"] = {"context": model.context_window, "output": answer}
    return about


def _named(model: str, defaults: Defaults) -> str:
    """`provider/model` as OpenCode wants it: by the protocol that the model's own provider speaks."""
    for offered in defaults.models:
        if offered.id == model:
            native = offered.wires[:1] == ("anthropic.messages",) or "openai.chat" not in offered.wires
            return f"{_MESSAGES if native else _CHAT}/{model}"
    return ""


def _over(theirs: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    """Ours merged over theirs as OpenCode merges its own layers: objects by key, all else whole."""
    merged = dict(theirs)
    for key, value in ours.items():
        below = merged.get(key)
        merged[key] = _over(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def _look(settings: dict[str, Any]) -> Iterator[str]:
    for name, provider in table(settings.get("provider")).items():
        if table(table(provider).get("options")).get("baseURL"):
            yield f"has an address of its own for the provider {name}; way keeps it out, plain opencode does not"
    if settings.get("plugin"):
        yield "loads plugins of the project's"
    servers = sorted(table(settings.get("mcp")))
    if servers:
        yield f"brings MCP servers of its own ({', '.join(servers)})"
