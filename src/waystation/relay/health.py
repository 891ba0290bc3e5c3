"""How each route is doing, as this process sees it: breakers, cool-downs, latency, requests in flight.

Memory only, on the event loop, by the clock that the caller passes in. Nothing here decides where a request
goes; `relay.choose` does, and asks here.
"""

import math
from collections.abc import Iterator
from enum import StrEnum

import msgspec

from waystation.model import Route, Routing

_BUCKETS = 6
_KEPT = 4096
"""Routes remembered: patterns make routes of what people ask for."""
_LONGEST_OPEN = 300.0
_LATENCY_SHARE = 0.2
_LATENCY_HOLDS = 60.0
"""Seconds after which a latency is out of date: a route that was slow, and got nothing since, gets its chance."""
_ENOUGH = 5
"""Answers after which a latency is believed."""
_USUAL_COOLDOWN = 5.0
_LONGEST_COOLDOWN = 3600.0


class Verdict(StrEnum):
    """What an attempt says about its route."""

    GOOD = "good"
    FAULT = "fault"
    """It failed in a way that another request might meet too: unreachable, silent, cut, 5xx."""
    LIMITED = "limited"
    """It is well, and wants to be left alone for a while (429)."""
    USELESS = "useless"
    """It will fail for everybody until somebody mends it: a wrong key, an unknown model."""
    NEUTRAL = "neutral"
    """Nothing: the tool hung up, or asked for what no route can do."""


class State(StrEnum):
    CLOSED = "closed"
    """Requests go to it."""
    OPEN = "open"
    """None do, until the time is over."""
    HALF_OPEN = "half_open"
    """The time is over: one goes to it, and decides."""


class RouteHealth:
    """One route. `now` is event-loop seconds everywhere."""

    __slots__ = (
        "_bad",
        "_bucket",
        "_cool_until",
        "_good",
        "_open_until",
        "_opened",
        "_probing",
        "_sampled",
        "_samples",
        "in_flight",
        "latency",
    )

    def __init__(self) -> None:
        self._good = [0] * _BUCKETS
        self._bad = [0] * _BUCKETS
        self._bucket = -1
        self._open_until = 0.0
        self._opened = 0  # times in a row
        self._probing = False
        self._cool_until = 0.0
        self.in_flight = 0
        self.latency = 0.0
        """Seconds to the first content, averaged with more weight on what is recent; 0 before the first."""
        self._samples = 0
        self._sampled = -math.inf

    def state(self, now: float) -> State:
        if not self._opened:
            return State.CLOSED
        return State.OPEN if now < self._open_until else State.HALF_OPEN

    def available(self, now: float, limit: int | None = None) -> bool:
        """Whether a request may go to it now. `limit` is how many may be in flight."""
        if now < self._cool_until or (limit is not None and self.in_flight >= limit):
            return False
        if not self._opened:
            return True
        return now >= self._open_until and not self._probing

    def wait(self, now: float) -> float:
        """Seconds until it may be asked again, as far as that is known; 0 where it may be now."""
        return max(0.0, self._cool_until - now, self._open_until - now if self._opened else 0.0)

    def known_latency(self, now: float) -> float | None:
        """Seconds to the first content, if enough answers have lately said so."""
        believed = self._samples >= _ENOUGH and now - self._sampled < _LATENCY_HOLDS
        return self.latency if believed else None

    def begin(self, now: float) -> None:
        """A request goes to it."""
        self.in_flight += 1
        if self._opened and now >= self._open_until:
            self._probing = True

    def end(
        self, now: float, verdict: Verdict, rules: Routing, latency: float | None, retry_after: int | None
    ) -> None:
        """The request has ended. `latency`: seconds to its first content, if there was any."""
        self.in_flight = max(0, self.in_flight - 1)
        probe, self._probing = self._probing, False
        if verdict is Verdict.NEUTRAL:
            return
        if verdict is Verdict.LIMITED:
            pause = min(retry_after if retry_after is not None else _USUAL_COOLDOWN, _LONGEST_COOLDOWN)
            self._cool_until = max(self._cool_until, now + pause)
            return
        if verdict is Verdict.GOOD:
            self._count(now, rules, good=True)
            self._opened = 0
            if latency is not None:
                self._sample(now, latency)
            return
        self._count(now, rules, good=False)
        if verdict is Verdict.USELESS or probe or self._too_many(rules):
            self._open(now, rules, retry_after)

    def _sample(self, now: float, latency: float) -> None:
        if now - self._sampled >= _LATENCY_HOLDS:
            self._samples = 0
        self._sampled = now
        self._samples += 1
        share = max(_LATENCY_SHARE, 1 / self._samples)
        self.latency += share * (latency - self.latency)

    def _open(self, now: float, rules: Routing, retry_after: int | None) -> None:
        self._opened += 1
        pause = min(rules.open_seconds * 2 ** min(self._opened - 1, 10), _LONGEST_OPEN)
        self._open_until = now + max(pause, min(retry_after or 0, _LONGEST_COOLDOWN))
        self._good = [0] * _BUCKETS
        self._bad = [0] * _BUCKETS

    def _too_many(self, rules: Routing) -> bool:
        bad = sum(self._bad)
        return bad >= rules.failures and bad >= rules.failure_rate * (bad + sum(self._good))

    def _count(self, now: float, rules: Routing, *, good: bool) -> None:
        bucket = int(now / (rules.window_seconds / _BUCKETS))
        stale = min(bucket - self._bucket, _BUCKETS) if self._bucket >= 0 else _BUCKETS
        for i in range(stale):
            self._good[(bucket - i) % _BUCKETS] = self._bad[(bucket - i) % _BUCKETS] = 0
        self._bucket = bucket
        counts = self._good if good else self._bad
        counts[bucket % _BUCKETS] += 1


class RouteStatus(msgspec.Struct, frozen=True):
    """For pages and metrics."""

    route: str
    state: State
    in_flight: int
    latency: float
    wait: float


class Health:
    """All routes of the process, by route id. What was learnt about a route outlives a change of the plan."""

    def __init__(self) -> None:
        self._routes: dict[str, RouteHealth] = {}

    def of(self, route: Route) -> RouteHealth:
        found = self._routes.get(route.id)
        if found is None:
            if len(self._routes) >= _KEPT:
                self._forget()
            found = self._routes[route.id] = RouteHealth()
        return found

    def statuses(self, now: float) -> Iterator[RouteStatus]:
        for name, health in self._routes.items():
            yield RouteStatus(name, health.state(now), health.in_flight, health.latency, health.wait(now))

    def _forget(self) -> None:
        """Drops the older half of the routes that nothing is going to at the moment."""
        idle = [name for name, health in self._routes.items() if not health.in_flight]
        for name in idle[: max(1, len(idle) // 2)]:
            del self._routes[name]
