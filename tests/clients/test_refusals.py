"""A refusal of ours in a real tool: the sentence is seen, and the tool does not ask again and again."""

import json

from tests.clients.laptop import Laptop, Tool

from waystation.rehearsal import RehearsalServer

MODEL = "mistake-9000"


def test_a_refusal_is_seen_and_not_retried(laptop: Laptop, provider: RehearsalServer, tool: Tool) -> None:
    run = laptop.run(tool, model=_named(tool), env=_own_settings(tool))
    refused = [row for row in run.rows if row["outcome"] == "refused"]
    assert run.status != 0, run
    assert run.hello is None, run
    told = run.said.count(f"There is no model “{MODEL}” here.")
    assert 1 <= told <= 2, f"our sentence, once (Codex says its errors on both streams): {run}"
    # OpenCode asks for a title beside its work: with the same model, so that is refused as well.
    assert 1 <= len(refused) <= (2 if tool.binary == "opencode" else 1), f"a retry storm: {run}"
    assert {row["http_status"] for row in refused} == {400}, run
    asked = [
        request for request in provider.requests if MODEL.encode() in request.body or MODEL in request.target
    ]
    assert asked == [], "nothing of it left the gateway"


def _named(tool: Tool) -> str:
    provider, _, _ = tool.model.rpartition("/")
    return f"{provider}/{MODEL}" if provider else MODEL


def _own_settings(tool: Tool) -> dict[str, str]:
    """OpenCode knows only the models that its settings list; a developer can list one that nobody offers."""
    if tool.binary != "opencode":
        return {}
    models = {MODEL: {"name": "A mistake"}}
    providers = {name: {"models": models} for name in ("waystation", "waystation-anthropic")}
    return {"OPENCODE_CONFIG_CONTENT": json.dumps({"provider": providers})}
