"""A budget that runs out in the middle of a session: the real tools say our sentence once, and ask no more."""

from pathlib import Path

import pytest
from tests.clients.laptop import TOOLS, Laptop, Run
from tests.gateway import running_gateway

from waystation.rehearsal import RehearsalServer, rehearsal_thread

POLICY = """\
version: 1
routing: {{patience: 0}}
providers: {{first: {{kind: rehearsal, base_url: "{url}"}}}}
models:
"""
MODELS = {
    "claude-sonnet-4-5": "claude, opencode",
    "claude-haiku-4-5": "claude/small, opencode/small",
    "gpt-5.4": "codex",
    "gemini-2.5-pro": "gemini",
    "gemini-2.5-flash": "gemini/small",
}
MODEL = (
    "  {model}: {{agents: [{agents}], routes: [{{provider: first}}], price: {{input: 0, output: 1000}}}}\n"
)
RULES = """\
spending: {reserve_output: 10}
budgets: {session: {per: user, usd: 0.03, every: month}}
access: {contact: "#ai-platform"}
"""
"""A tenth of a cent a word: a title fits, and the first answer that calls a tool uses up what is left."""


def policy(url: str) -> str:
    models = "".join(MODEL.format(model=model, agents=agents) for model, agents in MODELS.items())
    return POLICY.format(url=url) + models + RULES


@pytest.mark.parametrize("name", list(TOOLS))
def test_a_budget_that_runs_out_in_a_session_is_told_once(tmp_path: Path, name: str) -> None:
    with rehearsal_thread(keyless=True) as provider:
        document = tmp_path / "policy.yaml"
        document.write_text(policy(provider.url))
        with running_gateway(tmp_path / "data", "--policy", str(document)) as gateway:
            laptop = Laptop(tmp_path / "home", gateway)
            laptop.sign_in()
            run = laptop.run(TOOLS[name])
            _told_once(run, provider)
            status = laptop.way("status").stdout
            assert "budget session: $0.0" in status, status
            events = gateway.command("limits").stdout
            assert "refused" in events


def _told_once(run: Run, provider: RehearsalServer) -> None:
    assert run.hello == "hi", f"the session was under way when the budget ran out: {run}"
    refused = [row for row in run.rows if row["outcome"] == "refused"]
    assert {row["decision"] for row in refused} == {"budgets.session"}, run
    assert 1 <= len(refused) <= 2, f"a retry storm: {run}"  # OpenCode's title may be among them
    told = run.said.count("is used up until")
    assert 1 <= told <= 2, f"our sentence, once (Codex says its errors on both streams): {run}"
    assert "ask #ai-platform for more." in run.said
    paid = [row for row in run.rows if row["outcome"] != "refused"]
    assert len(provider.requests) >= len(paid)
