"""Which route a request goes to, and in what order the others follow.

By priority first, and within a priority those that need no translation. Among these: the route that the session's
last answer came from; else, for a session, a weighted rendezvous of session and route (Thaler and Ravishankar, 1998),
which every gateway process draws alike without asking another; else a draw by weight. Routes that are broken,
limited, full or far slower than the one beside them come last, and are still tried if nothing better is left.
"""

import hashlib
import math
import random
from collections import OrderedDict
from collections.abc import Sequence

import msgspec

from waystation.model import Route, Routing
from waystation.relay.health import Health, State

_SESSIONS = 50_000
_NEVER_SLOW = 1.0
"""Seconds to the first content below which no route counts as slow."""


class Choice(msgspec.Struct, frozen=True, gc=False):
    """Routes in order of trial, and why the first is first."""

    routes: tuple[Route, ...]
    reason: str
    """`only`, `priority`, `native`, `weight`, `session`, `last answer`; with what kept better ones back, if any:
    `weight; a/m open; b/m limited`."""


class Chooser:
    """See the module. Lives on one event loop."""

    def __init__(self, health: Health, rng: random.Random) -> None:
        self._health = health
        self._rng = rng
        self._answered: OrderedDict[tuple[str, str], str] = OrderedDict()

    def choose(
        self, routes: Sequence[Route], rules: Routing, *, model: str, session: str, now: float
    ) -> Choice:
        """`session` is empty where the request belongs to none that is known."""
        if len(routes) == 1:
            return Choice((routes[0],), "only")
        if rules.affinity == "none":
            session = ""
        last = self._answered.get((session, model)) if session else None
        keyed = []
        for at, route in enumerate(routes):
            keyed.append((route.priority, not route.native, route.id != last, self._draw(route, session), at))
        keyed.sort()
        order = [routes[at] for *_, at in keyed]
        reason = _reason(order, last, session)
        return self._healthy_first(order, rules, reason, now)

    def answered(self, model: str, session: str, route: Route) -> None:
        """The session has had an answer from this route: its cache and its seals are there now."""
        if session:
            key = (session, model)
            self._answered[key] = route.id
            self._answered.move_to_end(key)
            if len(self._answered) > _SESSIONS:
                self._answered.popitem(last=False)

    def _draw(self, route: Route, session: str) -> float:
        """An exponential variate over the weight: the smallest of several is a draw by weight."""
        if session:
            digest = hashlib.blake2b(f"{session}\0{route.id}".encode(), digest_size=7).digest()
            uniform = (int.from_bytes(digest, "big") + 0.5) / 2**56
        else:
            uniform = 1.0 - self._rng.random()
        return -math.log(uniform) / route.weight

    def _healthy_first(self, order: list[Route], rules: Routing, reason: str, now: float) -> Choice:
        fit: list[Route] = []
        slow: list[Route] = []
        unfit: list[tuple[float, Route]] = []
        notes = []
        bar = self._slowest_allowed(order, rules, now)
        for route in order:
            health = self._health.of(route)
            if not health.available(now, route.max_in_flight):
                unfit.append((health.wait(now), route))
                state = health.state(now)
                full = route.max_in_flight is not None and health.in_flight >= route.max_in_flight
                notes.append(
                    f"{route.id} {'full' if full else 'limited' if state is State.CLOSED else 'open'}"
                )
            elif (health.known_latency(now) or 0.0) > bar[route.priority]:
                slow.append(route)
                notes.append(f"{route.id} slow")
            else:
                fit.append(route)
        unfit.sort(key=lambda pair: pair[0])  # the one that may soonest be asked again; stable otherwise
        routes = (*_by_priority([*fit], slow), *(route for _, route in unfit))
        if notes and routes[0] is not order[0]:
            reason = "; ".join([reason, *notes[:3]])
        return Choice(routes, reason)

    def _slowest_allowed(self, order: Sequence[Route], rules: Routing, now: float) -> dict[int, float]:
        """By priority, the latency above which a route goes behind its neighbours."""
        fastest: dict[int, float] = {}
        for route in order:
            health = self._health.of(route)
            latency = health.known_latency(now)
            if latency is not None and health.available(now, route.max_in_flight):
                fastest[route.priority] = min(latency, fastest.get(route.priority, math.inf))
        return {
            route.priority: max(fastest.get(route.priority, math.inf) * rules.slow_factor, _NEVER_SLOW)
            for route in order
        }


def _reason(order: Sequence[Route], last: str | None, session: str) -> str:
    """Why the first one is first, health aside."""
    first = order[0]
    rivals = [route for route in order[1:] if route.priority == first.priority]
    if not rivals:
        return "priority"
    if first.id == last:
        return "last answer"
    if all(route.native != first.native for route in rivals):
        return "native"
    return "session" if session else "weight"


def _by_priority(fit: list[Route], slow: list[Route]) -> list[Route]:
    """Slow routes behind the quick ones of their own priority, and before the next priority."""
    slowly = {id(route) for route in slow}
    return sorted([*fit, *slow], key=lambda route: (route.priority, id(route) in slowly))
