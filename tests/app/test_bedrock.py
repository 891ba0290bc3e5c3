"""Bedrock as a provider of a running gateway: requests are signed with the operator's AWS keys."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.stage import staged
from waystation.rehearsal import Script

POLICY = """\
version: 1
providers:
  aws: {{kind: bedrock, base_url: "{url}/bedrock", region: eu-central-1, credential: aws:env/TEAM}}
models:
  claude-on-bedrock: {{routes: [{{provider: aws, model: "anthropic.claude-sonnet-4-5-20250929-v1:0"}}]}}
"""
SCRIPT = Script(keys=("AKIATEAM",), aws={"AKIATEAM": "the-secret"})
BODY = {
    "model": "claude-on-bedrock",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "say hi"}],
}


@pytest.mark.parametrize(("secret", "status"), [("the-secret", 200), ("another-secret", 400)])
def test_requests_are_signed_with_the_referenced_keys(tmp_path: Path, secret: str, status: int) -> None:
    keys = {"TEAM_ACCESS_KEY_ID": "AKIATEAM", "TEAM_SECRET_ACCESS_KEY": secret}
    with staged(tmp_path, script=SCRIPT, policy=lambda url: POLICY.format(url=url), env=keys) as stage:
        request = urllib.request.Request(
            f"{stage.url}/anthropic/v1/messages",
            json.dumps(BODY).encode(),
            {"authorization": f"Bearer {stage.token}", "content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                found, told = answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            found, told = error.code, json.load(error)
        (row,) = stage.rows()
    assert found == status, told
    if status == 200:
        assert told["content"][-1]["text"] == "[rehearsal] hi"
        assert (row["upstream_wire"], row["translated"], row["usage_source"]) == (
            "bedrock.converse",
            True,
            "provider",
        )
    else:
        assert "platform team" in told["error"]["message"], "it is the gateway's key, not the developer's"
