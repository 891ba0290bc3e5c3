"""Keeps the plan in force: loads the policy at start, and again when another process has applied one."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from waystation import policy
from waystation.app.credentials import Credentials, find_credentials, renew
from waystation.policy import Catalogue, Plan, PolicyDocument, PolicyErrors
from waystation.pricing import PriceBook
from waystation.store import Store, StoredPolicy, StoreUnreachable
from waystation.wire.translate import translatable

_log = logging.getLogger("waystation.policy")
_POLL_SECONDS = 0.5
_RENEWAL_SECONDS = 60.0


class PlanState(msgspec.Struct, frozen=True):
    """A plan and what goes with it; swapped as one."""

    plan: Plan
    prices: PriceBook
    credentials: Credentials
    document: PolicyDocument
    """What the plan was made of."""


class PlanKeeper:
    """`plan` and `prices` are always whole and of one version. A broken new version leaves the old in force."""

    def __init__(
        self,
        store: Store,
        env: Mapping[str, str],
        rehearsal_url: str,
        *,
        catalogue: Catalogue = policy.NOTHING_LISTED,
    ) -> None:
        self._store = store
        self._env = env
        self._rehearsal_url = rehearsal_url
        self.catalogue = catalogue
        """What providers list; a new one comes in by `take_catalogue`."""
        self._changing = asyncio.Lock()
        self._state: PlanState | None = None
        self._listeners: list[Callable[[PlanState], None]] = []
        self.last_error = ""

    @property
    def state(self) -> PlanState:
        assert self._state is not None, "load() comes first"
        return self._state

    @property
    def plan(self) -> Plan:
        return self.state.plan

    @property
    def prices(self) -> PriceBook:
        return self.state.prices

    @property
    def uses_rehearsal(self) -> bool:
        return any(p.kind == "rehearsal" for p in self.plan.providers.values())

    def on_change(self, listener: Callable[[PlanState], None]) -> None:
        """Calls `listener` on the event loop with each new state."""
        self._listeners.append(listener)

    def load(self) -> PlanState:
        """Reads the applied policy, or the embedded default where none was ever applied. Blocks."""
        stored = self._store.policies.current()
        if stored is None:
            text, version, name = policy.default_policy(self._env, ""), 0, "embedded default"
        else:
            text, version, name = stored.text, stored.version, f"policy version {stored.version}"
        self._state = self._compile(text, name, version)
        return self._state

    def apply_file(self, path: Path) -> None:
        """Applies a policy file unless it is the one in force already. Raises PolicyErrors."""
        text = path.read_text("utf-8")
        self._compile(text, str(path), 0)  # some faults only show there; a broken policy is never stored
        current = self._store.policies.current()
        if current is None or current.text != text:
            base = current.version if current is not None else None
            self._store.policies.append(text, who="serve --policy", note=str(path), base_version=base)

    def _compile(self, text: str, name: str, version: int) -> PlanState:
        document = policy.load(text, filename=name)
        book = PriceBook.builtin(policy.price_overrides(document), policy.price_factors(document))
        plan = self._plan(document, version, book, self.catalogue)
        return PlanState(plan, book, find_credentials(plan.providers.values(), self._env), document)

    def _plan(self, document: PolicyDocument, version: int, book: PriceBook, catalogue: Catalogue) -> Plan:
        return policy.compile_plan(
            document,
            version=version,
            prices=book,
            rehearsal_url=self._rehearsal_url,
            translatable=translatable,
            catalogue=catalogue,
        )

    async def take_catalogue(self, catalogue: Catalogue) -> None:
        """Puts the same policy in force with what providers list now."""
        async with self._changing:
            state = self.state
            plan = await asyncio.to_thread(
                self._plan, state.document, state.plan.version, state.prices, catalogue
            )
            self.catalogue = catalogue
            self._put(msgspec.structs.replace(state, plan=plan))

    def _put(self, state: PlanState) -> None:
        self._state = state
        for listener in self._listeners:
            listener(state)

    async def renew(self) -> None:
        """Renews credentials that run out (AWS), until cancelled."""
        while True:
            await asyncio.sleep(_RENEWAL_SECONDS)
            await renew(self.state.credentials.accounts)

    async def watch(self) -> None:
        """Looks twice a second whether another process has changed anything, and if so at the policy."""
        seen, changes, away = self.plan.version, -1, False
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            try:
                now = await asyncio.to_thread(self._store.changes)
                away = False
                if now == changes:
                    continue
                stored = await asyncio.to_thread(self._store.policies.current)
                if stored is not None and stored.version != seen:
                    seen = stored.version
                    await self._take(stored)
                changes = now
            except StoreUnreachable:
                if not away:  # once an outage; the last plan stays in force meanwhile
                    _log.warning(
                        "policy not read", extra={"fields": {"reason": "the database does not answer"}}
                    )
                away = True
            except Exception as error:
                self.last_error = type(error).__name__
                _log.exception("policy not read")

    async def _take(self, stored: StoredPolicy) -> None:
        """Puts a version in force, unless it is broken: then the last good one stays."""
        name = f"policy version {stored.version}"
        try:
            async with self._changing:
                self._put(await asyncio.to_thread(self._compile, stored.text, name, stored.version))
        except PolicyErrors as errors:
            self.last_error = str(errors)
            fields = {"version": stored.version, "errors": str(errors)}
            _log.error("policy not taken", extra={"fields": fields})
            return
        self.last_error = ""
        _log.info("policy in force", extra={"fields": {"version": stored.version}})
