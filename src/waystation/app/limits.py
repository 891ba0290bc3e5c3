"""Keeps limits and budgets going beside the relay: rules, raises, what the ledger has, events, the present state."""

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from waystation.app.plan import PlanKeeper, PlanState
from waystation.app.settings import Settings
from waystation.ledger.event_log import EventLog
from waystation.ledger.spending import Spent
from waystation.limits import BudgetAccount, Limiter, LimitEvent, Raise, RateAccount, Who
from waystation.limits.periods import bounds
from waystation.limits.shared import Shared, connect
from waystation.limits.state import state_of
from waystation.model import Route
from waystation.policy import Plan
from waystation.pricing.rates import Rates
from waystation.relay.limiting import Limiting
from waystation.store import Store

_log = logging.getLogger("waystation.limits")
_SECOND = 1.0
_TURN_SECONDS = 15.0
_TIDY_SECONDS = 3600.0
_RECENT = 500
"""Accounts that are shown."""
_LEDGER_SECONDS = 60.0
"""How long a start waits for the ledger to say what was spent."""
STATE_FILE = "limits.json"


class LimitsKeeper:
    """`limiting` is what the relay asks. `start` before serving, `run` beside it, `close` after it."""

    def __init__(self, settings: Settings, store: Store, keeper: PlanKeeper) -> None:
        self._settings = settings
        self._store = store
        self._keeper = keeper
        self._log = EventLog(settings.events_dir)
        self._raises: list[Raise] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._told: bytes = b""
        self._recent: dict[BudgetAccount | RateAccount, None] = {}
        self._touched: set[BudgetAccount | RateAccount] = set()
        self.limiter = Limiter()
        self.limiter.node = settings.node
        self.limiter.watchers.append(self._touched)
        self._shared = (
            Shared(self.limiter, connect(settings.valkey), settings.node) if settings.valkey else None
        )
        self.limiting = Limiting(self.limiter, self._rates_of)

    async def start(self) -> None:
        """Puts the rules in force, with what was spent before. Waits for the ledger only if money is limited."""
        await self._take_raises()
        if self._shared is not None:
            task = asyncio.get_running_loop().create_task(self._shared.run())
            self._tasks.add(task)
        now = time.time()
        fresh = self.limiter.apply(self._keeper.plan.rules, now)
        self._keeper.on_change(self._swap)
        if fresh:
            try:
                await asyncio.wait_for(self._remember(fresh, now), _LEDGER_SECONDS)
            except TimeoutError:
                _log.error("the ledger did not say in time what was spent; budgets begin with nothing")

    async def run(self) -> None:
        """Until cancelled."""
        turned = tidied = time.monotonic()
        while True:
            await asyncio.sleep(_SECOND)
            try:
                if late := self.limiter.sweep(time.time()):
                    _log.error("reservations taken back", extra={"fields": {"count": late}})
                await self._take_raises()
                turn = time.monotonic() - turned > _TURN_SECONDS
                await self._write(self.limiter.events.ripe(time.time()), turn=turn)
                if turn:
                    turned = time.monotonic()
                if time.monotonic() - tidied > _TIDY_SECONDS:
                    self.limiter.tidy(time.time())
                    tidied = time.monotonic()
            except Exception:
                _log.exception("limits: a step failed; it is tried again")

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._shared is not None:
            await self._shared.close()
        await self._write(self.limiter.events.ripe(time.time(), all_of_them=True), turn=True)

    def of(self, who: Who) -> list[dict[str, Any]]:
        """What a person has left."""
        now = time.time()
        return [state_of(account, now) for account in self.limiter.accounts_of(who, now)]

    # ---------------------------------------------------------------- rules and raises
    def _swap(self, state: PlanState) -> None:
        now = time.time()
        fresh = self.limiter.apply(state.plan.rules, now)
        if fresh:
            task = asyncio.get_running_loop().create_task(self._remember(fresh, now))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _take_raises(self) -> None:
        found = await asyncio.to_thread(self._store.raises.active)
        raises = [Raise(r.budget, r.owner, r.amount_nano, float(r.until)) for r in found]
        if raises != self._raises:
            self._raises = raises
            self.limiter.set_raises(raises, time.time())

    def _rates_of(self, route: Route, at_us: int) -> Rates | None:
        return self._keeper.prices.rates_for(route, at_us)

    # ---------------------------------------------------------------- what was spent before
    async def _remember(self, fresh: frozenset[str], now: float) -> None:
        """What ended before `now`, when the rules came in force, is in the ledger; the rest is counted here."""
        starts = [f"--{name}={bounds(name, now)[0]}" for name in ("day", "week", "month")]
        settings = self._settings
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "waystation.ledger.spent",
            f"--data={settings.data}",
            f"--lake={settings.lake_dir}",
            f"--before={now}",
            *starts,
            *([f"--node={settings.node}"] if settings.valkey else []),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            out, _ = await process.communicate()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            raise
        if process.returncode:
            _log.error("the ledger did not say what was spent; budgets begin with nothing")
            return
        users = await asyncio.to_thread(self._store.users.all)
        services = {user.id for user in users if user.kind == "service"}
        self.limiter.spent_before(fresh, self._known(out, services), now)

    def _known(self, out: bytes, services: set[str]) -> Iterator[tuple[Who, str, str, dict[str, int]]]:
        plan = self._keeper.plan
        for line in out.splitlines():
            row = msgspec.json.decode(line, type=Spent)
            who = Who(
                row.principal_id,
                row.principal_name,
                row.principal_id in services,
                frozenset(row.groups),
                row.cost_center,
            )
            amounts = {"day": row.day, "week": row.week, "month": row.month}
            yield who, model_of(plan, row.decision, row.requested_model), row.tool, amounts

    # ---------------------------------------------------------------- on the disk
    async def _write(self, events: Sequence[LimitEvent], *, turn: bool) -> None:
        lines = [msgspec.json.encode(event) for event in events]
        state = self._state()
        try:
            await asyncio.to_thread(self._write_now, lines, state, turn)
        except OSError as error:
            self.limiter.events.put_back(list(events))
            _log.warning("limit events not written", extra={"fields": {"reason": str(error)}})

    def _write_now(self, lines: Sequence[bytes], state: bytes, turn: bool) -> None:
        if lines:
            self._log.append(lines)
        if turn:
            self._log.turn()
        if state != self._told:
            self._told = state
            path = self._settings.events_dir / STATE_FILE
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = path.with_suffix(".new")
            with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(state)
            fresh.replace(path)

    def _state(self) -> bytes:
        """Who has used something lately, the nearest to a limit first: what `waystation limits` shows."""
        now = time.time()
        for account in self._touched:
            self._recent.pop(account, None)
            self._recent[account] = None
        self._touched.clear()
        while len(self._recent) > _RECENT:
            del self._recent[next(iter(self._recent))]
        accounts = [state_of(a, now) for a in self._recent if not isinstance(a, BudgetAccount) or now < a.end]
        accounts.sort(key=lambda found: -found["percent"])
        return msgspec.json.encode({"node": self.limiter.node, "accounts": accounts})


def model_of(plan: Plan, decision: str, asked: str) -> str:
    """The model's name in the policy, of a ledger's row: the rule that let it pass says it, also where a smart route
    or a budget chose."""
    name = decision.removeprefix("models.").removesuffix(".groups")
    if decision.startswith("models.") and "*" not in name:
        return name
    return plan.canonical(asked)
