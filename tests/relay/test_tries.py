"""Routing that survives: other routes, pauses, breakers, sessions that stay, smart routes; seen from the tool."""

import asyncio
import json
from typing import Any

import pytest

from tests.relay.conftest import Harness, open_relay
from tests.relay.scripted import STREAM_HEAD, Connection, Received, Script, ScriptedProvider, stream, whole
from tests.relay.test_faults import OVERLOADED
from tests.relay.tool import (
    ANSWER,
    AUTH,
    BLOCK,
    DELTA,
    MESSAGES,
    START,
    STREAMED,
    WHOLE_STREAM,
    Answer,
    ask,
    request_bytes,
    sent,
)
from waystation.model import Outcome
from waystation.relay import RelaySettings

PATH = "/anthropic/v1/messages"
BUSY = whole(b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}', "529 Busy")
GOOD = whole(ANSWER)


def routed(*routes: str, routing: str = "patience: 5, backoff: 0.01", models: str = "", **urls: str) -> str:
    """A policy with one Messages provider a name, and a model over `routes` (flow mappings)."""
    lines = ["version: 1", f"routing: {{{routing}}}", "providers:"]
    for name, url in urls.items():
        lines.append(
            f"  {name}: {{kind: anthropic-compatible, base_url: {url}, credential: env:K, price_provider: anthropic}}"
        )
    lines += ["models:", "  claude-sonnet-4-5:", "    routes:", *(f"      - {{{route}}}" for route in routes)]
    return "\n".join(lines) + "\n" + models


def limited(seconds: int) -> Script:
    body = b'{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}'
    return whole(body, "429 Too Many Requests", headers=b"retry-after: %d\r\n" % seconds)


async def rows_of(gateway: Harness, count: int) -> list[Any]:
    return await gateway.ledger.wait_for(count)


async def test_a_passing_fault_is_made_good_on_the_only_route(kind: str) -> None:
    async with ScriptedProvider(BUSY, GOOD) as provider:
        async with open_relay(routed("provider: a", a=provider.url), kind=kind) as gateway:
            answer = await ask(gateway.port, PATH, MESSAGES)
            rows = await rows_of(gateway, 2)
    assert (answer.status, answer.body) == (200, ANSWER)
    assert [(row.attempt, row.http_status, row.route_reason) for row in rows] == [
        (1, 529, "only"),
        (2, 200, "retry"),
    ]


@pytest.mark.parametrize("broken", ["reset", "stream error"])
async def test_what_breaks_before_content_is_made_good(broken: str, kind: str) -> None:
    async def reset(_: Received, connection: Connection) -> None:
        await connection.reset()

    first = reset if broken == "reset" else stream(START + OVERLOADED)
    async with ScriptedProvider(first, stream(WHOLE_STREAM)) as provider:
        async with open_relay(routed("provider: a", a=provider.url), kind=kind) as gateway:
            answer = await ask(gateway.port, PATH, STREAMED)
            rows = await rows_of(gateway, 2)
    assert (answer.status, answer.body) == (200, WHOLE_STREAM), "one stream, one preamble (E99)"
    assert rows[1].outcome is Outcome.COMPLETE


async def test_nothing_is_tried_again_once_the_tool_has_seen_content(kind: str) -> None:
    async def cut(_: Received, connection: Connection) -> None:
        await connection.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        await connection.chunk(START + BLOCK + DELTA)
        await connection.reset()

    async with ScriptedProvider(cut) as provider, ScriptedProvider(GOOD) as other:
        text = routed("provider: a", "provider: b, priority: 1", a=provider.url, b=other.url)
        async with open_relay(text, kind=kind) as gateway:
            answer = await ask(gateway.port, PATH, STREAMED)
    assert b"event: error" in answer.body
    assert len(provider.requests) == 1
    assert other.requests == []


async def test_attempts_end(kind: str) -> None:
    async with ScriptedProvider(BUSY) as provider:
        text = routed("provider: a", routing="attempts: 3, patience: 5, backoff: 0.01", a=provider.url)
        async with open_relay(text, kind=kind) as gateway:
            answer = await ask(gateway.port, PATH, MESSAGES)
    assert (answer.status, answer.json["error"]["message"]) == (529, "busy")
    assert len(provider.requests) == 3


async def test_retry_after_is_waited_for_within_patience_and_handed_on_beyond(kind: str) -> None:
    async with ScriptedProvider(limited(0), GOOD) as soon, ScriptedProvider(limited(7200), GOOD) as late:
        async with open_relay(routed("provider: a", a=soon.url), kind=kind) as gateway:
            assert (await ask(gateway.port, PATH, MESSAGES)).status == 200
        async with open_relay(routed("provider: a", a=late.url), kind=kind) as gateway:
            answer = await ask(gateway.port, PATH, MESSAGES)
    assert (answer.status, answer.header("retry-after")) == (429, "7200")
    assert len(late.requests) == 1


@pytest.mark.parametrize("status", ["400 Bad Request", "413 Too Large", "422 Unprocessable"])
async def test_a_callers_mistake_is_tried_once(status: str, kind: str) -> None:
    async with (
        ScriptedProvider(whole(b'{"error":{"message":"no"}}', status)) as a,
        ScriptedProvider(GOOD) as b,
    ):
        text = routed("provider: a", "provider: b, priority: 1", a=a.url, b=b.url)
        async with open_relay(text, kind=kind) as gateway:
            answer = await ask(gateway.port, PATH, MESSAGES)
    assert answer.status == int(status[:3])
    assert (len(a.requests), len(b.requests)) == (1, 0)


@pytest.mark.parametrize("status", ["401 Unauthorized", "402 Payment", "403 Forbidden", "404 Not Found"])
async def test_what_is_wrong_with_our_account_there_is_no_reason_to_fail(status: str, kind: str) -> None:
    async with ScriptedProvider(whole(b"{}", status)) as a, ScriptedProvider(GOOD) as b:
        text = routed("provider: a", "provider: b, priority: 1", a=a.url, b=b.url)
        async with open_relay(text, kind=kind) as gateway:
            assert (await ask(gateway.port, PATH, MESSAGES)).status == 200
            again = await ask(gateway.port, PATH, MESSAGES)
            rows = await rows_of(gateway, 3)
    assert again.status == 200
    assert len(a.requests) == 1, "the second request does not ask it again"
    assert rows[2].route_reason == "priority; a/claude-sonnet-4-5 open"


async def test_a_route_that_keeps_failing_is_left_alone_and_asked_again_later(kind: str) -> None:
    async with ScriptedProvider(BUSY, BUSY, GOOD) as a, ScriptedProvider(GOOD) as b:
        rules = "failures: 2, window_seconds: 60, open_seconds: 0.2, patience: 0, affinity: none"
        text = routed("provider: a", "provider: b, priority: 1", routing=rules, a=a.url, b=b.url)
        async with open_relay(text, kind=kind) as gateway:
            for _ in range(4):
                assert (await ask(gateway.port, PATH, MESSAGES)).status == 200
            assert len(a.requests) == 2, "open after two failures"
            async with asyncio.timeout(10):
                while len(a.requests) < 3:  # the probe, once the time is over
                    assert (await ask(gateway.port, PATH, MESSAGES)).status == 200
            assert (await ask(gateway.port, PATH, MESSAGES)).status == 200
    assert len(a.requests) == 4, "closed again by one good answer"


async def test_a_session_stays_on_one_route_and_moves_only_when_it_must(kind: str) -> None:
    async with ScriptedProvider(GOOD) as a, ScriptedProvider(GOOD) as b:
        text = routed("provider: a", "provider: b", a=a.url, b=b.url)
        async with open_relay(text, kind=kind) as gateway:
            for session in range(8):
                headers = (AUTH, ("x-claude-code-session-id", f"s{session}"))
                before = len(a.requests), len(b.requests)
                for _ in range(3):
                    await ask(gateway.port, PATH, MESSAGES, headers=headers)
                moved = (len(a.requests) - before[0], len(b.requests) - before[1])
                assert moved in ((3, 0), (0, 3)), "all three to one"
            rows = await rows_of(gateway, 24)
    assert {row.route_reason for row in rows} == {"session", "last answer"}
    assert a.requests
    assert b.requests


async def test_a_full_route_sends_requests_elsewhere_or_says_so(kind: str) -> None:
    release = asyncio.Event()

    async def slow(_: Received, connection: Connection) -> None:
        await release.wait()
        await GOOD(_, connection)

    async with ScriptedProvider(slow) as a, ScriptedProvider(GOOD) as b:
        routes = ("provider: a, max_in_flight: 1", "provider: b, priority: 1")
        alone = "  alone: {routes: [{provider: a, model: claude-sonnet-4-5, max_in_flight: 1}]}\n"
        async with open_relay(routed(*routes, models=alone, a=a.url, b=b.url), kind=kind) as gateway:
            async with sent(
                gateway.port, request_bytes("POST", PATH, json.dumps(MESSAGES).encode())
            ) as waiting:
                async with asyncio.timeout(10):
                    while not a.requests:  # noqa: ASYNC110 - the provider offers no event for it
                        await asyncio.sleep(0)
                assert (await ask(gateway.port, PATH, MESSAGES)).status == 200
                full = await ask(gateway.port, PATH, {**MESSAGES, "model": "alone"})
                release.set()
                assert (await waiting.all()).status == 200
    assert (full.status, full.header("retry-after")) == (429, "1")
    assert "taken" in full.json["error"]["message"]
    assert (len(a.requests), len(b.requests)) == (1, 1)


async def test_a_tool_that_hangs_up_during_a_pause_is_not_served_further(kind: str) -> None:
    async with ScriptedProvider(limited(1), GOOD) as provider:
        async with open_relay(routed("provider: a", a=provider.url), kind=kind) as gateway:
            async with sent(
                gateway.port, request_bytes("POST", PATH, json.dumps(MESSAGES).encode())
            ) as answer:
                await rows_of(gateway, 1)
                answer.hang_up()
                async with asyncio.timeout(10):
                    while gateway.relay.active:  # noqa: ASYNC110 - nor does the relay
                        await asyncio.sleep(0)
    assert len(provider.requests) == 1


async def test_a_pause_ends_with_the_gateway(kind: str) -> None:
    async with ScriptedProvider(limited(5), GOOD) as provider:
        async with open_relay(routed("provider: a", a=provider.url), kind=kind) as gateway:
            async with sent(
                gateway.port, request_bytes("POST", PATH, json.dumps(MESSAGES).encode())
            ) as waiting:
                await rows_of(gateway, 1)
                await gateway.relay.end_all()
                answer: Answer = await waiting.all()
    assert answer.status == 503
    assert "restarted" in answer.json["error"]["message"]


SMART = """\
  small: {routes: [{provider: a, model: claude-haiku-4-5}]}
  auto:
    choose:
      - {side_call: [title], model: small}
      - {prompt_over: 50000, model: claude-opus-4-1}
      - {model: claude-sonnet-4-5}
  "claude-opus-*": {routes: [{provider: a}]}
"""


@pytest.mark.parametrize(
    ("body", "model", "reason"),
    [
        ({"system": "You are a title generator."}, "claude-haiku-4-5", "auto: side call title; only"),
        ({"system": "x" * 400_000}, "claude-opus-4-1", "auto: prompt over 50000; only"),
        ({}, "claude-sonnet-4-5", "auto: otherwise; only"),
    ],
)
async def test_a_smart_route_chooses_by_the_request(
    body: dict[str, Any], model: str, reason: str, kind: str
) -> None:
    async with ScriptedProvider(GOOD) as provider:
        async with open_relay(routed("provider: a", models=SMART, a=provider.url), kind=kind) as gateway:
            answer = await ask(gateway.port, PATH, {**MESSAGES, **body, "model": "auto"})
            (row,) = await rows_of(gateway, 1)
    assert answer.status == 200
    assert json.loads(provider.requests[0].body)["model"] == model
    assert (row.requested_model, row.upstream_model, row.route_reason) == ("auto", model, reason)
    assert answer.header("x-waystation-route") == f"a/{model}"


@pytest.mark.parametrize("after", [b"", START])
async def test_a_route_that_stalls_before_content_is_left_for_the_next(after: bytes, kind: str) -> None:
    async def stall(_: Received, connection: Connection) -> None:
        if after:
            await connection.send(STREAM_HEAD + b"\r\n")
            await connection.chunk(after)
        await connection.client_gone()

    async with ScriptedProvider(stall) as a, ScriptedProvider(stream(WHOLE_STREAM)) as b:
        rules = "stall_seconds: 0.1, patience: 0"
        text = routed("provider: a", "provider: b, priority: 1", routing=rules, a=a.url, b=b.url)
        settings = RelaySettings(tick=0.02, hold_head=0.01)
        async with open_relay(text, kind=kind, settings=settings) as gateway:
            answer = await ask(gateway.port, PATH, STREAMED)
            rows = await rows_of(gateway, 2)
    assert answer.body == WHOLE_STREAM
    assert [row.outcome for row in rows] == [Outcome.TIMEOUT, Outcome.COMPLETE]


async def test_what_is_known_of_routes_is_a_metric() -> None:
    async with ScriptedProvider(whole(b"{}", "401 Unauthorized")) as a, ScriptedProvider(GOOD) as b:
        text = routed("provider: a", "provider: b, priority: 1", a=a.url, b=b.url)
        async with open_relay(text) as gateway:
            await ask(gateway.port, PATH, MESSAGES)
            families = {family.name: family for family in gateway.relay.metrics.collect()}
    available = {s.labels["route"]: s.value for s in families["waystation_route_available"].samples}
    assert available == {"a/claude-sonnet-4-5": 0.0, "b/claude-sonnet-4-5": 1.0}
