"""Several gateways share limits and budgets through a real Valkey or Redis server, and go on without it."""

import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from tests.limits.conftest import Server
from tests.limits.rules import ADA, USD, apply, ask, end, let_in, person
from waystation.limits import Limiter, Over, Ticket
from waystation.limits.shared import Shared, connect

BUDGET = "budgets: {all: {per: organisation, usd: 1}}"


class Node:
    def __init__(self, name: str, server: Server, rules: str) -> None:
        self.limiter = Limiter()
        apply(self.limiter, rules, now=time.time())
        self.shared = Shared(self.limiter, connect(server.url), name)

    def ask(self, usd: float = 0.0, tokens: int = 0, name: str = "ada") -> Ticket | Over:
        who = ADA if name == "ada" else person(name)
        answer = ask(self.limiter, who, usd=usd, tokens=tokens, now=time.time())
        assert isinstance(answer, Ticket | Over)
        return answer

    def spend(self, usd: float) -> None:
        end(self.limiter, let_in(self.ask(usd)), usd=usd, now=time.time())


@asynccontextmanager
async def nodes(server: Server, rules: str, count: int = 2) -> AsyncIterator[list[Node]]:
    made = [Node(f"node-{i}", server, rules) for i in range(count)]
    try:
        yield made
    finally:
        for node in made:
            await node.shared.close()


async def test_what_one_has_spent_and_holds_the_others_know_a_moment_later(server: Server) -> None:
    async with nodes(server, BUDGET) as (a, b):
        a.spend(0.5)
        held = let_in(a.ask(0.3))
        b.spend(0.0001)
        for node in (a, b):
            assert await node.shared.step()
        over = b.ask(0.3)
        assert isinstance(over, Over)
        assert 0.8 * USD <= over.used < 0.81 * USD
        a.limiter.close(held)
        for node in (a, b, a, b):  # once for the lease to end
            await node.shared.step()
        let_in(b.ask(0.3))


async def test_windows_and_places_are_shared(server: Server) -> None:
    async with nodes(server, "limits: {p: {per: organisation, requests: 10/1m, concurrent: 3}}") as (a, b):
        for _ in range(3):
            end(a.limiter, let_in(a.ask()), now=time.time())
        held = [let_in(a.ask()), let_in(a.ask())]
        mine = let_in(b.ask())
        for node in (a, b):
            await node.shared.step()
        full = b.ask()
        assert isinstance(full, Over)
        assert (full.what, full.used) == ("concurrent", 3)
        for ticket in held:
            a.limiter.close(ticket)
        b.limiter.close(mine)
        for node in (a, b):
            await node.shared.step()
        for _ in range(4):
            end(b.limiter, let_in(b.ask()), now=time.time())
        refused = b.ask()
        assert isinstance(refused, Over)
        assert refused.what == "requests"


async def test_together_they_overdraw_a_budget_by_no_more_than_passes_between_two_rounds(
    server: Server,
) -> None:
    rng = random.Random(3)
    async with nodes(server, BUDGET, 4) as made:
        between = 0.0
        for _ in range(60):
            passed = 0.0
            for node in made:
                for _ in range(rng.randrange(4)):
                    usd = rng.uniform(0.001, 0.02)
                    answer = node.ask(usd)
                    if isinstance(answer, Ticket):
                        end(node.limiter, answer, usd=usd, now=time.time())
                        passed += usd
            between = max(between, passed)
            for node in made:
                await node.shared.step()
        spent = sum(account.spent for node in made for account in node.limiter.budgets.values())
        assert all(isinstance(node.ask(0.05), Over) for node in made)
        assert USD * 0.98 <= spent <= USD * (1 + between)


async def test_a_server_that_has_lost_everything_is_told_anew(server: Server) -> None:
    async with nodes(server, BUDGET) as (a, b):
        a.spend(0.9)
        b.spend(0.01)
        await a.shared.step()
        server.stop()
        assert not await a.shared.step()
        a.spend(0.05)  # the relay goes on with what it knows
        b.spend(0.01)
        server.start()
        for node in (a, b, a, b):
            assert await node.shared.step()
        over = b.ask(0.1)
        assert isinstance(over, Over)
        assert round(over.used / USD, 2) == 0.97


async def test_what_is_told_twice_counts_once(server: Server) -> None:
    async with nodes(server, BUDGET) as (a, b):
        a.spend(0.4)
        b.spend(0.1)
        for _ in range(5):
            await a.shared.step()
        await b.shared.step()
        (account,) = b.limiter.budgets.values()
        assert (account.others, account.spent) == (int(0.4 * USD), int(0.1 * USD))


async def test_a_gateway_that_is_gone_holds_nothing_for_long(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:

    clock = _Clock(time.time)
    monkeypatch.setattr("waystation.limits.shared.time.time", clock)
    async with nodes(server, BUDGET) as (a, b):
        let_in(a.ask(0.9))
        b.spend(0.001)
        await a.shared.step()
        await b.shared.step()
        assert isinstance(b.ask(0.5), Over)
        clock.ahead = 16
        b.spend(0.001)
        await b.shared.step()
        let_in(b.ask(0.5))


class _Clock:
    def __init__(self, real: Callable[[], float]) -> None:
        self._real = real
        self.ahead = 0.0

    def __call__(self) -> float:
        return self._real() + self.ahead
