"""What tools and providers say of themselves goes into rows, and may not fill the ledger."""

import json

from tests.ledger.records import attempt
from tests.relay.conftest import open_relay, policy_text
from tests.relay.scripted import ScriptedProvider, whole
from tests.relay.tool import ANSWER, MESSAGES, ask
from waystation.model import Outcome
from waystation.relay import RelayMetrics

_LONG = "x" * 1_000_000
_MOST = 2_000
"""Bytes that one such text may take in a row."""


async def test_a_providers_own_words_are_kept_short(kind: str) -> None:
    said = json.loads(ANSWER)
    said["stop_reason"] = said["usage"]["service_tier"] = _LONG
    headers = f"request-id: {'r' * 20_000}\r\n".encode()
    async with ScriptedProvider(whole(json.dumps(said).encode(), headers=headers)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            answer = await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
            (row,) = gateway.ledger.rows
    assert answer.json == said, "the tool gets all of it"
    assert row.outcome is Outcome.COMPLETE
    assert row.input_tokens == 100
    for text in (row.finish_reason, row.service_tier, row.upstream_request_id):
        assert 0 < len(text) <= _MOST


async def test_a_providers_error_type_is_kept_short(kind: str) -> None:
    error = json.dumps({"type": "error", "error": {"type": _LONG, "message": _LONG}}).encode()
    for status in ("200 OK", "500 Oops"):
        async with ScriptedProvider(whole(error, status)) as provider:
            async with open_relay(policy_text(provider.url), kind=kind) as gateway:
                await ask(gateway.port, "/anthropic/v1/messages", MESSAGES)
                (row,) = gateway.ledger.rows
        assert row.outcome is Outcome.UPSTREAM_ERROR
        assert 0 < len(row.error) <= _MOST


async def test_a_model_with_an_endless_name_is_refused_and_leaves_nothing(kind: str) -> None:
    patterns = "  claude-*:\n    routes: [{provider: anth}]\n"
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with open_relay(policy_text(provider.url, extra=patterns), kind=kind) as gateway:
            for prefix in ("claude-", "nobody-"):
                answer = await ask(
                    gateway.port, "/anthropic/v1/messages", MESSAGES | {"model": prefix + _LONG}
                )
                assert answer.status == 400
                assert "256 characters" in answer.json["error"]["message"]
            path = f"/gemini/v1beta/models/gemini-{'x' * 5000}:generateContent"
            assert (await ask(gateway.port, path, {"contents": []})).status == 400
            assert gateway.ledger.rows == []
    assert provider.requests == []


async def test_a_tools_session_is_kept_short(kind: str) -> None:
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with open_relay(policy_text(provider.url), kind=kind) as gateway:
            said = MESSAGES | {"metadata": {"user_id": json.dumps({"session_id": _LONG})}}
            await ask(gateway.port, "/anthropic/v1/messages", said)
            await ask(
                gateway.port,
                "/openai/v1/responses",
                {"model": "gpt-5.4", "input": "hi", "prompt_cache_key": _LONG},
            )
            rows = gateway.ledger.rows
    assert len(rows) == 2
    assert all(0 < len(row.tool_session) <= 128 for row in rows)


def test_metrics_do_not_grow_with_every_name_that_somebody_thinks_of() -> None:
    """A pattern lets through any name; each would be a time series for ever."""
    metrics = RelayMetrics()
    for number in range(20_000):
        metrics.count(attempt(number, upstream_model=f"claude-{number}", input_tokens=1))
    samples = [sample for family in metrics.collect() for sample in family.samples]
    assert len(samples) < 10_000
    read = [s.value for s in samples if s.name == "waystation_tokens_total" and s.labels["kind"] == "input"]
    assert sum(read) == 20_000, "and nothing goes uncounted"
