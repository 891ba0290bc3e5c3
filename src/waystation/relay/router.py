"""Where each try of a request goes: smart routes, the order of routes, and what their answers teach.

The exchange asks `resolve` once, `order` once (and again before a retry), and tells of each try's beginning and
end. All of it is memory on one event loop.
"""

import random
from collections.abc import Callable

from waystation.model import Operation, Outcome, Principal, Refusal, Route, Routing
from waystation.policy import Circumstances, Plan, Resolution
from waystation.relay.addresses import Address
from waystation.relay.choose import Choice, Chooser
from waystation.relay.health import Health, Verdict
from waystation.wire import STATUS_BY_TYPE, RequestFacts, read_shape

TRANSIENT = frozenset((408, 409, 424, 425, 429, 500, 502, 503, 504, 529))
"""Statuses that the same request may not get a moment later; 424 is Bedrock's for a model that failed."""
_ROUTES_OWN = frozenset((401, 402, 403, 404))
"""Statuses that are about our account at the provider, or about what it offers: another route may do."""
_LATENCIES = 4096


class Router:
    def __init__(self, rng: random.Random, now: Callable[[], float]) -> None:
        self.rng = rng
        self.health = Health()
        self._chooser = Chooser(self.health, rng)
        self._now = now
        self._latencies: dict[str, float] = {}
        """Seconds to the first content by model name, lately."""

    def resolve(
        self, plan: Plan, principal: Principal, address: Address, facts: RequestFacts, body: bytes, agent: str
    ) -> tuple[Resolution | Refusal, str]:
        """Where the policy lets the request go, and the reason if a smart route chose; the body is looked at only
        then."""
        operation = address.operation or Operation.GENERATE
        name = plan.smart.get(facts.model)
        if name is None or operation is not Operation.GENERATE:
            return plan.resolve(principal, address.wire, operation, facts.model), ""
        shape = read_shape(address.wire, body, facts.max_output)
        seen = Circumstances(shape.prompt_tokens, shape.tools, shape.images, shape.side_call, agent)
        return plan.choose(principal, address.wire, operation, name, seen, self._latencies.get)

    def order(self, routes: tuple[Route, ...], rules: Routing, *, model: str, session: str) -> Choice:
        """The routes in order of trial; see `relay.choose`."""
        if len(routes) == 1:
            return Choice(routes, "only")
        return self._chooser.choose(routes, rules, model=model, session=session, now=self._now())

    def begin(self, route: Route, now: float) -> None:
        self.health.of(route).begin(now)

    def end(
        self,
        route: Route,
        verdict: Verdict,
        rules: Routing,
        *,
        model: str,
        session: str,
        latency: float | None,
        retry_after: int | None,
    ) -> None:
        """`latency`: seconds from the try's beginning to its first content."""
        self.health.of(route).end(self._now(), verdict, rules, latency, retry_after)
        if verdict is not Verdict.GOOD:
            return
        self._chooser.answered(model, session, route)
        if latency is not None:
            before = self._latencies.get(model)
            if before is None and len(self._latencies) >= _LATENCIES:
                self._latencies.clear()
            self._latencies[model] = latency if before is None else before + 0.2 * (latency - before)


def verdict(outcome: Outcome, status: int, error: str) -> Verdict:
    """What an attempt says about its route. `status` is what the provider answered, `error` its word for what
    went wrong inside a 200."""
    if outcome is Outcome.COMPLETE:
        return Verdict.GOOD
    if outcome in (Outcome.UPSTREAM_CUT, Outcome.UPSTREAM_UNREACHABLE, Outcome.TIMEOUT):
        return Verdict.FAULT
    if outcome is not Outcome.UPSTREAM_ERROR:
        return Verdict.NEUTRAL
    if status < 400:
        status = STATUS_BY_TYPE.get(error, 500)
    if status == 429:
        return Verdict.LIMITED
    if status in _ROUTES_OWN:
        return Verdict.USELESS
    return Verdict.FAULT if status >= 500 or status in TRANSIENT else Verdict.NEUTRAL


def another_may_do(status: int) -> bool:
    """Whether another route may answer what this one refused with `status`."""
    return status in TRANSIENT or status in _ROUTES_OWN or status >= 500
