"""The tries of one request: over which routes, how many, with what pauses between them."""

from waystation.model import Outcome, Route
from waystation.policy import Plan, Resolution
from waystation.relay.downstream import Header
from waystation.relay.retry import pause_before
from waystation.relay.router import Router, verdict


class Tries:
    """Made when the policy has let the request pass; lives as long as the exchange."""

    __slots__ = (
        "_at",
        "_began",
        "_next_reason",
        "_resolution",
        "_router",
        "_rules",
        "_session",
        "_waited",
        "made",
        "pause",
        "reason",
        "routes",
        "under_way",
    )

    def __init__(self, router: Router, plan: Plan, resolution: Resolution, session: str, why: str) -> None:
        """`session` is empty where the request belongs to none that is known; `why` a smart route's reason."""
        self._router = router
        self._rules = plan.routing
        self._resolution = resolution
        self._session = session
        choice = router.order(resolution.routes, self._rules, model=resolution.model_id, session=session)
        self.routes = choice.routes
        self.reason = f"{why}; {choice.reason}" if why else choice.reason
        """Why the present route, for the ledger."""
        self._at = 0
        self._waited = 0.0
        self._began = 0.0
        self._next_reason = ""
        self.made = 0
        self.pause: float | None = None
        """Seconds to wait before `renew`, once no route is left and `may_wait` has said so."""
        self.under_way: Route | None = None

    @property
    def stall(self) -> float | None:
        """Seconds of silence before the first content after which the next route is better; None without one."""
        return self._rules.stall_seconds if self.left else None

    @property
    def left(self) -> bool:
        """Whether `take` has another route to give."""
        return self._at < len(self.routes) and self.made < self._rules.attempts

    def take(self) -> Route:
        route = self.routes[self._at]
        self._at += 1
        return route

    def repeat(self) -> None:
        """The same route once more: what it refused was about the request, and is mended (E25)."""
        self._at -= 1
        self.made -= 1
        self._next_reason = "without seals"

    def give_up(self) -> None:
        self._at = len(self.routes)
        self.made = self._rules.attempts

    def is_full(self, route: Route) -> bool:
        limit = route.max_in_flight
        return limit is not None and self._router.health.of(route).in_flight >= limit

    def may_wait(self, retry_after: int | None) -> bool:
        """Whether the request may be tried again after a pause, now that all its routes have failed in passing."""
        if self.made >= self._rules.attempts:
            return False
        self.pause = pause_before(self.made, self._waited, retry_after, self._rules, self._router.rng)
        return self.pause is not None

    def renew(self) -> None:
        """The pause is over: all routes once more, in the order that is now the best."""
        self._waited += self.pause or 0.0
        self.pause = None
        resolution = self._resolution
        choice = self._router.order(
            resolution.routes, self._rules, model=resolution.model_id, session=self._session
        )
        self.routes = choice.routes
        self._at = 0
        self._next_reason = "retry"

    def begin(self, route: Route, now: float) -> None:
        if self._next_reason or self.made:
            self.reason, self._next_reason = self._next_reason or "fallback", ""
        self.made += 1
        self.under_way = route
        self._began = now
        self._router.begin(route, now)

    def end(
        self, outcome: Outcome, status: int, error: str, first_content: float | None, retry_after: int | None
    ) -> None:
        """Must follow each `begin`, once. `first_content`: event-loop seconds; None where there was none, or the
        answer was not a stream and so says nothing of it."""
        route, self.under_way = self.under_way, None
        assert route is not None
        self._router.end(
            route,
            verdict(outcome, status, error),
            self._rules,
            model=self._resolution.model_id,
            session=self._session,
            latency=None if first_content is None else first_content - self._began,
            retry_after=retry_after,
        )


def retry_after(headers: list[Header]) -> int | None:
    """Seconds that a provider asks to be left alone for (RFC 9110 §10.2.3; a date is not believed)."""
    for name, value in headers:
        if name == b"retry-after" and value.isdigit():
            return int(value[:9])
        if name == b"retry-after-ms" and value.isdigit():
            return -(-int(value[:12]) // 1000)
    return None
