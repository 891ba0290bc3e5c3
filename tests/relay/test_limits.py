"""Limits and budgets at a real relay: refusals in each protocol's shape, headers, downgrades, and what is given back."""

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.relay.conftest import ADA, Harness, open_relay, policy_text
from tests.relay.scripted import Connection, Received, Script, ScriptedProvider, stream, whole
from tests.relay.tool import ANSWER, AUTH, MESSAGES, START, STREAMED, WHOLE_STREAM, ask, request_bytes, sent
from waystation.limits import Limiter
from waystation.relay.limiting import Limiting

PATHS = {
    "anthropic": "/anthropic/v1/messages",
    "responses": "/openai/v1/responses",
    "chat": "/openai/v1/chat/completions",
    "gemini": "/gemini/v1beta/models/gemini-2.5-pro:generateContent",
}
BODIES: dict[str, Any] = {
    "anthropic": MESSAGES,
    "responses": {"model": "gpt-5.4", "input": "hi", "max_output_tokens": 100},
    "chat": {"model": "gpt-5.4", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 100},
    "gemini": {
        "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
        "generationConfig": {"maxOutputTokens": 100},
    },
}
ACCESS = "access: {contact: '#ai-platform', groups: {eng: {}}}\n"


@asynccontextmanager
async def limited(url: str, rules: str, *, kind: str = "listener") -> AsyncIterator[tuple[Harness, Limiter]]:
    async with open_relay(policy_text(url, extra=ACCESS + rules), kind=kind) as gateway:
        limiter = Limiter()
        limiter.apply(gateway.relay.admission.plan.rules, gateway.relay.wall_clock())
        gateway.relay.limiting = Limiting(limiter, gateway.book.rates_for)
        yield gateway, limiter


@pytest.mark.parametrize("surface", list(PATHS))
async def test_a_used_up_budget_is_told_in_the_tools_own_shape(surface: str, kind: str) -> None:
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with limited(
            provider.url, "budgets: {team: {per: group, groups: [eng], usd: 0.000001}}", kind=kind
        ) as (
            gateway,
            _,
        ):
            answer = await ask(gateway.port, PATHS[surface], BODIES[surface])
            error = answer.json["error"]
            assert answer.status == (400 if surface == "responses" else 402)
            said = error["message"]
            assert said.startswith("The budget “team” of the group eng ($0.000001 a month)")
            assert said.endswith("or ask #ai-platform for more.")
            assert provider.requests == []
            (row,) = await gateway.ledger.wait_for(1)
            assert (row.outcome, row.decision, row.error) == ("refused", "budgets.team", "budget_exhausted")


@pytest.mark.parametrize("surface", list(PATHS))
async def test_E92_a_rate_is_told_with_when_to_come_again(surface: str, kind: str) -> None:
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with limited(provider.url, "limits: {pace: {requests: 1/30s}}", kind=kind) as (gateway, _):
            first = await ask(gateway.port, PATHS[surface], BODIES[surface])
            assert first.status == 200
            style = "anthropic-ratelimit-requests-" if surface == "anthropic" else "x-ratelimit-{}-requests"
            names = [
                style + p if "{" not in style else style.format(p) for p in ("limit", "remaining", "reset")
            ]
            assert [first.header(n) for n in names[:2]] == ["1", "0"]
            reset = first.header(names[2]) or ""
            assert reset.endswith("Z") if surface == "anthropic" else reset in ("30s", "31s")
            answer = await ask(gateway.port, PATHS[surface], BODIES[surface])
            assert answer.status == 429
            seconds = int(answer.header("retry-after") or 0)
            assert 28 <= seconds <= 31
            said = answer.json["error"]["message"]
            assert said.startswith(
                "The limit “pace” of ada@example.com (1 request in 30 s) is used up until "
            )
            assert f"(in {seconds} s): ask #ai-platform for more." in said
            if surface == "gemini":
                assert answer.json["error"]["details"][0]["retryDelay"] == f"{seconds}s"


async def test_a_long_wait_is_told_as_the_end_of_an_allowance(kind: str) -> None:
    """Tools wait out, or try again and again, what says 429: for hours, if that is how long it takes."""
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with limited(provider.url, "limits: {day: {requests: 1/1d}}", kind=kind) as (gateway, _):
            await ask(gateway.port, PATHS["anthropic"], MESSAGES)
            answer = await ask(gateway.port, PATHS["anthropic"], MESSAGES)
            assert answer.status == 402
            assert int(answer.header("retry-after") or 0) > 86_000
            assert "(1 request in a day) is used up until" in answer.json["error"]["message"]


async def test_a_providers_own_rate_headers_give_way_to_ours(kind: str) -> None:
    theirs = b"anthropic-ratelimit-requests-limit: 4000\r\nanthropic-ratelimit-input-tokens-limit: 9\r\n"
    async with ScriptedProvider(whole(ANSWER, headers=theirs)) as provider:
        async with limited(provider.url, "limits: {pace: {requests: 5/1m}}", kind=kind) as (gateway, _):
            answer = await ask(gateway.port, PATHS["anthropic"], MESSAGES)
    got = [v for n, v in answer.headers if n == "anthropic-ratelimit-requests-limit"]
    assert got == ["5"]
    assert answer.header("anthropic-ratelimit-input-tokens-limit") == "9"


async def test_what_an_answer_cost_is_spent_and_what_was_held_is_given_back(kind: str) -> None:
    async with ScriptedProvider(whole(ANSWER), stream(WHOLE_STREAM)) as provider:
        async with limited(
            provider.url, "budgets: {own: {usd: 1}}\nlimits: {t: {tokens: 10000/1h}}", kind=kind
        ) as (
            gateway,
            limiter,
        ):
            await ask(gateway.port, PATHS["anthropic"], MESSAGES)
            await ask(gateway.port, PATHS["anthropic"], STREAMED)
            rows = await gateway.ledger.wait_for(2)
            (account,) = limiter.budgets.values()
            assert account.spent == sum(row.cost_nano or 0 for row in rows) > 0
            assert (account.reserved, limiter.open) == (0, {})
            (rate,) = limiter.rates.values()
            assert rate.tokens is not None
            assert (rate.tokens.used, rate.tokens.held) == (2 * 165, 0)
            assert account.owner == ADA.name


async def test_from_a_threshold_on_answers_carry_a_notice_and_nothing_else_changes(kind: str) -> None:
    async with ScriptedProvider(stream(WHOLE_STREAM)) as provider:
        async with limited(provider.url, "budgets: {own: {usd: 0.01, notify: [5]}}", kind=kind) as (
            gateway,
            limiter,
        ):
            first = await ask(gateway.port, PATHS["anthropic"], STREAMED)
            second = await ask(gateway.port, PATHS["anthropic"], STREAMED)
    assert first.header("x-waystation-notice") is None
    notice = second.header("x-waystation-notice") or ""
    assert notice.startswith('6 percent of the budget "own" of ada@example.com is used ($0.0006')
    assert first.body == second.body == WHOLE_STREAM
    assert [(e.kind, e.percent) for e in limiter.events.ripe(0, all_of_them=True)] == [("notified", 5)]


async def test_a_downgrade_goes_to_the_cheaper_model_and_says_so(kind: str) -> None:
    rules = "budgets: {own: {usd: 0.01, downgrade: {to: fast, at: 5}, models: [claude-sonnet-4-5, fast]}}"
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with limited(provider.url, rules, kind=kind) as (gateway, limiter):
            await ask(gateway.port, PATHS["anthropic"], {**MESSAGES, "max_tokens": 1})
            answer = await ask(gateway.port, PATHS["anthropic"], MESSAGES)
            rows = await gateway.ledger.wait_for(2)
    assert [json.loads(r.body)["model"] for r in provider.requests] == [
        "claude-sonnet-4-5",
        "claude-haiku-4-5",
    ]
    notice = answer.header("x-waystation-notice") or ""
    assert notice.startswith(
        'fast answers instead of claude-sonnet-4-5: the budget "own" of ada@example.com is '
    )
    assert rows[1].requested_model == "claude-sonnet-4-5"
    assert rows[1].route_reason.startswith("budget; ")
    kinds = [e.kind for e in limiter.events.ripe(0, all_of_them=True)]
    assert kinds.count("downgraded") == 1


async def test_a_downgrade_to_what_is_not_open_or_not_cheaper_is_none(kind: str) -> None:
    rules = "budgets: {own: {usd: 0.0001, downgrade: {to: gpt-5.4, at: 1}, models: [fast]}}"
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with limited(provider.url, rules, kind=kind) as (gateway, _):
            answer = await ask(gateway.port, PATHS["anthropic"], {**MESSAGES, "model": "fast"})
    assert answer.status == 402
    assert "The budget “own”" in answer.json["error"]["message"]


async def test_a_picture_is_not_taken_for_a_million_tokens(kind: str) -> None:
    body = {**MESSAGES, "messages": [{"role": "user", "content": "x" * 3_000_000}]}
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with limited(provider.url, "budgets: {own: {usd: 2}}", kind=kind) as (gateway, _):
            assert (await ask(gateway.port, PATHS["anthropic"], body)).status == 200


async def test_counting_tokens_costs_nothing_and_is_never_refused(kind: str) -> None:
    async with ScriptedProvider(whole(b'{"input_tokens": 5}')) as provider:
        async with limited(
            provider.url, "budgets: {own: {usd: 0}}\nlimits: {p: {requests: 1/1d}}", kind=kind
        ) as (
            gateway,
            limiter,
        ):
            for _ in range(3):
                answer = await ask(gateway.port, "/anthropic/v1/messages/count_tokens", MESSAGES)
                assert answer.status == 200
            assert limiter.open == {}


async def test_places_are_given_back_however_a_request_ends(kind: str) -> None:
    """Random disconnects and faults: nothing is held afterwards, and what was spent is what the ledger has."""
    rng = random.Random(11)

    async def reset(_: Received, connection: Connection) -> None:
        await connection.reset()

    async def cut(_: Received, connection: Connection) -> None:
        await stream(START)(_, connection)

    async def slow(_: Received, connection: Connection) -> None:
        await connection.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        await connection.chunk(WHOLE_STREAM[: len(WHOLE_STREAM) // 2])
        await asyncio.sleep(0.05)
        await connection.chunk(WHOLE_STREAM[len(WHOLE_STREAM) // 2 :])
        await connection.end()

    fates: list[Script] = [
        whole(ANSWER), stream(WHOLE_STREAM), reset, cut, slow,
        whole(b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}', "529 Overloaded"),
        whole(b'{"type":"error","error":{"type":"invalid_request_error","message":"x"}}', "400 Bad"),
    ]  # fmt: skip

    async def any_of_them(received: Received, connection: Connection) -> None:
        await rng.choice(fates)(received, connection)

    async def one(port: int) -> None:
        body = json.dumps(rng.choice((MESSAGES, STREAMED))).encode()
        async with sent(port, request_bytes("POST", PATHS["anthropic"], body, (AUTH,))) as answer:
            if rng.random() < 0.4:
                await asyncio.sleep(rng.random() * 0.06)
                answer.hang_up()
            else:
                await answer.all()

    rules = (
        "budgets: {own: {usd: 100}}\nlimits: {p: {concurrent: 400, requests: 9000/1m, tokens: 90000000/1h}}"
    )
    async with ScriptedProvider(any_of_them) as provider:
        async with limited(provider.url, rules, kind=kind) as (gateway, limiter):
            for _ in range(4):
                await asyncio.gather(*(one(gateway.port) for _ in range(40)))
            async with asyncio.timeout(10):
                while gateway.relay.active or limiter.open:  # noqa: ASYNC110 - nothing tells of it
                    await asyncio.sleep(0.02)
            (account,) = limiter.budgets.values()
            (rate,) = limiter.rates.values()
            assert rate.tokens is not None
            assert (account.reserved, rate.in_flight, rate.tokens.held) == (0, 0, 0)
            assert account.spent == account.taken == sum(r.cost_nano or 0 for r in gateway.ledger.rows)


async def test_E108_many_at_once_at_the_edge_of_a_budget_do_not_overdraw_it(kind: str) -> None:
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with limited(provider.url, "budgets: {own: {usd: 0.02}}", kind=kind) as (gateway, limiter):
            answers = await asyncio.gather(
                *(ask(gateway.port, PATHS["anthropic"], MESSAGES) for _ in range(120))
            )
            (account,) = limiter.budgets.values()
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {200, 402}
    assert account.spent <= account.limit
    assert account.spent == statuses.count(200) * (account.spent // statuses.count(200))


async def test_a_new_policy_keeps_what_was_spent(kind: str) -> None:
    async with ScriptedProvider(whole(ANSWER)) as provider:
        async with limited(provider.url, "budgets: {own: {usd: 1}}", kind=kind) as (gateway, limiter):
            await ask(gateway.port, PATHS["anthropic"], MESSAGES)
            limiter.apply(gateway.relay.admission.plan.rules, gateway.relay.wall_clock())
            await ask(gateway.port, PATHS["anthropic"], MESSAGES)
            (account,) = limiter.budgets.values()
            assert account.spent == sum(r.cost_nano or 0 for r in gateway.ledger.rows)
