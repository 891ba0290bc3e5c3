"""Limits and budgets over several gateways, through a Valkey or Redis server: beside the hot path, never in it.

Every fifth of a second each gateway tells the server what it has spent and holds of each account that is in use, and
hears what the others have. What it tells are its own totals, not differences: a message that is sent twice, or a
server that has lost everything, changes no sum. With what it holds goes a lease, as large as what lately passed in
such a span, so that others leave room for what is about to come. See `docs/decisions/limits.md`.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Sequence
from importlib import resources
from typing import Any, Protocol

import msgspec

from waystation.limits.accounts import BudgetAccount, RateAccount
from waystation.limits.limiter import Limiter
from waystation.limits.windows import SlidingWindow

_log = logging.getLogger("waystation.limits")
INTERVAL = 0.2
_HELD_SECONDS = 15
"""What a gateway holds is forgotten when it has not been heard of for so long."""
_ACTIVE_SECONDS = 20.0
"""So long an account is kept in step after its last request."""
_BATCH = 500
_PREFIX = "ws:limits:"
_SCRIPT = resources.files("waystation.limits").joinpath("shared.lua").read_text("utf-8")


class Server(Protocol):
    """What is needed of `redis.asyncio.Redis`."""

    def pipeline(self, transaction: bool = ...) -> Any: ...

    def script_load(self, script: str) -> Awaitable[Any]: ...

    def aclose(self) -> Awaitable[None]: ...


class Report(msgspec.Struct, frozen=True):
    """One account's message to the server."""

    key: str
    spent: int
    held: int
    wanted: int
    limit: int
    life: int


class Shared:
    """Keeps one `Limiter` in step with those of other gateways."""

    def __init__(self, limiter: Limiter, server: Server, node: str) -> None:
        self._server = server
        self._node = node
        self._sha = ""
        self._touched: set[BudgetAccount | RateAccount] = set()
        self._active: dict[BudgetAccount | RateAccount, float] = {}
        limiter.watchers.append(self._touched)
        self._before: dict[str, int] = {}
        """What each account had used at the last round: what a lease is measured by."""
        self.reachable = False
        self.rounds = 0

    async def run(self) -> None:
        """Until cancelled. A server that does not answer is asked again; the relay goes on with what was last heard."""
        while True:
            with contextlib.suppress(TimeoutError, OSError):
                await self.step()
            await asyncio.sleep(INTERVAL)

    async def step(self) -> bool:
        """One round over all accounts in use; whether the server answered."""
        now = time.time()
        accounts = self._accounts(now)
        try:
            for start in range(0, len(accounts), _BATCH):
                await self._exchange(accounts[start : start + _BATCH], now)
        except Exception as error:  # the client's errors have no common base with those of the network
            if self.reachable or self.rounds == 0:
                fields = {"reason": type(error).__name__}
                _log.warning(
                    "limits are not shared: the Valkey server does not answer", extra={"fields": fields}
                )
            self.reachable, self._sha = False, ""
            self.rounds += 1
            return False
        if not self.reachable:
            _log.info("limits are shared")
        self.reachable = True
        self.rounds += 1
        return True

    async def close(self) -> None:
        """Says that nothing is held here any more."""
        with contextlib.suppress(Exception):
            await asyncio.wait_for(self.step(), 2.0)
        await self._server.aclose()

    async def _exchange(self, accounts: Sequence[tuple["Account", Report]], now: float) -> None:
        if not self._sha:
            self._sha = await self._server.script_load(_SCRIPT)
        pipe = self._server.pipeline(transaction=False)
        for _, r in accounts:
            pipe.evalsha(
                self._sha, 1, _PREFIX + r.key, self._node, r.spent, r.held, r.wanted, r.limit,
                int(now), int(now) + _HELD_SECONDS, r.life,
            )  # fmt: skip
        for (account, _), answer in zip(accounts, await pipe.execute(), strict=True):
            spent, held, _, own = (int(part) for part in answer)
            account.hear(spent, held, own)

    def _accounts(self, now: float) -> list[tuple["Account", Report]]:
        """Those that a request has used lately: of the others nothing has changed."""
        touched = list(self._touched)
        self._touched.clear()
        for account in touched:
            self._active[account] = now
        found: list[tuple[Account, Report]] = []
        for account, since in list(self._active.items()):
            if isinstance(account, BudgetAccount):
                parts: list[Account] = [_Budget(account)] if now < account.end else []
            else:
                parts = _parts(account, now)
            if now - since > _ACTIVE_SECONDS and not any(part.held for part in parts):
                del self._active[account]
                for part in parts:
                    part.rest()
                continue
            for part in parts:
                self._add(found, part)
        self._before = {report.key: report.spent + report.held for _, report in found}
        return found

    def _add(self, found: list[tuple["Account", Report]], account: "Account") -> None:
        key, spent, held = account.key, account.spent, account.held
        lately = max(0, spent + held - self._before.get(key, spent + held))
        found.append((account, Report(key, spent, held, 2 * lately, account.limit, account.life)))


class Account(Protocol):
    """A budget account, or one of the things that a limit counts, as the server knows it."""

    key: str
    limit: int
    life: int
    """Seconds that the server keeps it."""

    @property
    def spent(self) -> int: ...

    @property
    def held(self) -> int: ...

    def hear(self, spent: int, held: int, own: int) -> None:
        """What the others have spent and hold, and what this gateway had spent by the server's memory."""

    def rest(self) -> None:
        """Nobody uses it here any more: what was heard last gets old."""


class _Budget:
    def __init__(self, account: BudgetAccount) -> None:
        self._account = account
        self._start = account.start
        self.key = f"{account.rule.rule}:{account.start}:{account.key}"
        self.limit = account.limit
        self.life = account.end - account.start + 3600

    @property
    def spent(self) -> int:
        return self._account.before + self._account.spent

    @property
    def held(self) -> int:
        return self._account.reserved

    def hear(self, spent: int, held: int, own: int) -> None:
        account = self._account
        if account.start != self._start:
            return  # a new period began while the server was asked
        if own > self.spent:
            account.set_before(own - account.spent)
        account.set_others(spent + held)

    def rest(self) -> None:
        """What was spent stays so; what is held elsewhere is asked again."""


class _Window:
    """All that is in a sliding window is held: it goes by itself."""

    spent = 0

    def __init__(self, window: SlidingWindow, key: str) -> None:
        self._window = window
        self.key = key
        self.limit = window.amount
        self.life = window.seconds + 60

    @property
    def held(self) -> int:
        return self._window.used + self._window.held

    def hear(self, spent: int, held: int, own: int) -> None:  # noqa: ARG002 - nothing is spent for good here
        self._window.others = held

    def rest(self) -> None:
        self._window.others = 0


class _Places:
    spent = 0

    def __init__(self, rate: RateAccount, places: int) -> None:
        self._rate = rate
        self.key = f"{rate.rule.rule}:concurrent:{rate.key}"
        self.limit = places
        self.life = 3600

    @property
    def held(self) -> int:
        return self._rate.in_flight

    def hear(self, spent: int, held: int, own: int) -> None:  # noqa: ARG002 - nothing is spent for good here
        self._rate.others_in_flight = held

    def rest(self) -> None:
        self._rate.others_in_flight = 0


def _parts(rate: RateAccount, now: float) -> list[Account]:
    """Each thing that a limit counts is an account of its own."""
    parts: list[Account] = []
    for kind, window in (("requests", rate.requests), ("tokens", rate.tokens)):
        if window is not None:
            window.forget(now)
            parts.append(_Window(window, f"{rate.rule.rule}:{kind}:{rate.key}"))
    if rate.rule.concurrent is not None:
        parts.append(_Places(rate, rate.rule.concurrent))
    return parts


def connect(url: str) -> Server:
    """A client of the server at `url`. Raises RuntimeError, with what to do, where its library is missing."""
    try:
        from redis.asyncio import Redis
    except ImportError:
        raise RuntimeError("Shared limits need the client library: install waystation[valkey].") from None
    client: Server = Redis.from_url(
        url, socket_timeout=1.0, socket_connect_timeout=1.0, decode_responses=True
    )
    return client
