"""Anthropic's beta flags go where they are understood (E82): all of them to Anthropic, to a platform what it takes."""

import json
import logging

import pytest

from tests.rehearsal_fixture import rehearsal
from tests.relay.crossing import crossing, named, policy
from tests.relay.scripted import ScriptedProvider, whole
from tests.relay.tool import ANSWER, AUTH, ask
from waystation.model import Wire
from waystation.policy.betas import betas_of
from waystation.rehearsal import RehearsalServer

__all__ = ["rehearsal"]

FLAGS = "claude-code-20250219,context-1m-2025-08-07, effort-2025-11-24,a-flag-of-tomorrow"
CLAUDE_CODE = [AUTH, ("anthropic-beta", FLAGS)]


def _asked(model: str, **more: object) -> dict[str, object]:
    return {"model": model, "max_tokens": 9, "messages": [{"role": "user", "content": "say hi"}], **more}


async def test_E82_anthropic_gets_them_all_and_the_version_it_demands(kind: str) -> None:
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with crossing(policy(provider.url), kind=kind) as gateway:
            said = _asked(named(Wire.MESSAGES))
            await ask(gateway.port, "/anthropic/v1/messages", said, headers=CLAUDE_CODE)
            older = [*CLAUDE_CODE, ("anthropic-version", "2023-01-01")]
            await ask(gateway.port, "/anthropic/v1/messages", said, headers=older)
        first, second = provider.requests
    assert first.headers("anthropic-beta") == [FLAGS]
    assert first.headers("anthropic-version") == ["2023-06-01"]
    assert second.headers("anthropic-version") == ["2023-01-01"]  # a tool's own is its own


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        ("[context-1m-2025-08-07, effort-2025-11-24]", ["context-1m-2025-08-07,effort-2025-11-24"]),
        ("[something-else]", []),
        ("[]", []),
    ],
)
async def test_E82_a_server_gets_those_that_the_policy_says_it_takes(
    taken: str, expected: list[str], kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with ScriptedProvider(whole(ANSWER)) as provider:
        text = policy(provider.url).replace("kind: anthropic,", f"kind: anthropic, betas: {taken},")
        async with crossing(text, kind=kind) as gateway:
            with caplog.at_level(logging.INFO, logger="waystation.relay"):
                answer = await ask(
                    gateway.port, "/anthropic/v1/messages", _asked(named(Wire.MESSAGES)), headers=CLAUDE_CODE
                )
        (request,) = provider.requests
    assert answer.status == 200
    assert request.headers("anthropic-beta") == expected
    (said,) = [r for r in caplog.records if r.message == "beta flags left out"]
    assert "a-flag-of-tomorrow" in said.fields["flags"]  # type: ignore[attr-defined]  # put there by the log call


async def test_E82_bedrock_gets_those_it_takes_in_the_body(rehearsal: RehearsalServer) -> None:
    async with crossing(policy(rehearsal.url)) as gateway:
        said = _asked(named(Wire.CONVERSE), anthropic_beta=["computer-use-2025-01-24", "another-unknown"])
        answer = await ask(gateway.port, "/anthropic/v1/messages", said, headers=CLAUDE_CODE)
    assert answer.status == 200, answer.body
    (request,) = rehearsal.requests
    assert "anthropic-beta" not in {name.decode() for name, _ in request.headers}
    sent = json.loads(request.body)["additionalModelRequestFields"]["anthropic_beta"]
    assert set(sent) == {"context-1m-2025-08-07", "effort-2025-11-24", "computer-use-2025-01-24"}
    assert answer.header("x-waystation-dropped")


@pytest.mark.parametrize("spoken", [Wire.RESPONSES, Wire.CHAT, Wire.GENERATE])
async def test_E82_nobody_else_hears_of_them(spoken: Wire, rehearsal: RehearsalServer) -> None:
    async with crossing(policy(rehearsal.url)) as gateway:
        said = _asked(named(spoken), anthropic_beta=["computer-use-2025-01-24"])
        answer = await ask(gateway.port, "/anthropic/v1/messages", said, headers=CLAUDE_CODE)
    assert answer.status == 200, answer.body
    (request,) = rehearsal.requests
    assert b"2025" not in request.body
    assert not any(name.startswith(b"anthropic") for name, _ in request.headers)


def test_E82_the_table_knows_bedrock_and_lets_anthropic_have_everything() -> None:
    assert betas_of("anthropic") is None
    assert "claude-code-20250219" not in (betas_of("bedrock") or ())
    assert "context-1m-2025-08-07" in (betas_of("bedrock") or ())
