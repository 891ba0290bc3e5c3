"""From one attempt to the next: which route, whether at all, and what is said when there is none."""

from typing import TYPE_CHECKING

from waystation.model import Operation, Outcome, Refusal, RefusalKind, Route
from waystation.relay import counting, sealed, translating
from waystation.relay.errors import Told
from waystation.relay.router import TRANSIENT, another_may_do
from waystation.relay.tries import retry_after
from waystation.wire import StreamError
from waystation.wire.overflow import overflow_of

if TYPE_CHECKING:
    from waystation.relay.exchange import Exchange


def next_attempt(x: "Exchange", refusal: Refusal | None) -> None:
    """Tries the next route, now or after a pause; with none left, refuses with what the last one came to."""
    facts, address, tries = x.facts, x.address, x.tries
    assert facts is not None
    assert tries is not None
    if tries.pause is not None:
        x.after(tries.pause, lambda: _try_anew(x, refusal))
        return
    operation = address.operation or Operation.GENERATE
    while tries.left:
        route = tries.take()
        endpoint = x.plan.endpoint(route, address.wire, operation, facts.stream, address.action)
        if endpoint is None:
            if operation is Operation.COUNT_TOKENS:
                x.answer(*counting.estimate(x, route))
                return
            continue
        x.translation = None
        impossible = _keyless(x, route) or _full(x, route)
        if impossible is None and endpoint.wire is not address.wire:
            impossible = translating.prepare(x, route, endpoint.wire)
        if impossible is None:
            x.send(route, endpoint)
            return
        refusal = impossible
    if x.attempt and operation is Operation.COUNT_TOKENS:
        x.answer(*counting.estimate(x, tries.routes[0]))
        return
    x.refuse(
        refusal
        or Refusal(
            RefusalKind.NO_ROUTE,
            f"No provider of {facts.model} can answer this kind of request.",
            rule=f"models.{facts.model}.routes",
        )
    )


def may_try_again(x: "Exchange", error: StreamError | None, status: int) -> bool:
    """Whether `next_attempt` has something to try after an error of the provider's, which came with `status` or
    stands for it.

    Not for a prompt that was too long, which is too long elsewhere too, or goes to a lesser model unasked (E90).
    Without its seals a request is tried once more on the same route (E25).
    """
    tries = x.tries
    assert tries is not None
    if error is not None and sealed.retry(x, error):
        tries.repeat()
        return True
    if error is not None and overflow_of(error) is not None:
        return False
    if tries.left:
        return another_may_do(status)
    if status not in TRANSIENT or x.address.operation is not Operation.GENERATE:
        return False
    asked = error.retry_after if error is not None else None
    return tries.may_wait(asked if asked is not None else retry_after(x.response_headers))


def may_go_on(x: "Exchange", outcome: Outcome) -> bool:
    """The same after an attempt that came to no answer. Silence is not waited out twice on one route."""
    tries = x.tries
    assert tries is not None
    if tries.left:
        return True
    broken = outcome in (Outcome.UPSTREAM_CUT, Outcome.UPSTREAM_UNREACHABLE)
    return broken and x.address.operation is Operation.GENERATE and tries.may_wait(None)


def failed(x: "Exchange", answer: Told) -> None:
    """The provider's error is the answer."""
    if counting.estimated_instead(x):
        assert x.route is not None
        answer = counting.estimate(x, x.route)
    x.answer(*answer)


def _try_anew(x: "Exchange", refusal: Refusal | None) -> None:
    assert x.tries is not None
    x.tries.renew()
    next_attempt(x, refusal)


def _keyless(x: "Exchange", route: Route) -> Refusal | None:
    if route.provider.id in x.credentials:
        return None
    return Refusal(
        RefusalKind.NO_ROUTE,
        f"The gateway has no key for the provider {route.provider.id}: ask your platform team to set it.",
        rule=f"providers.{route.provider.id}.credential",
    )


def _full(x: "Exchange", route: Route) -> Refusal | None:
    assert x.tries is not None
    if not x.tries.is_full(route):
        return None
    return Refusal(
        RefusalKind.RATE_LIMITED,
        f"All {route.max_in_flight} places at {route.id} are taken: try again in a moment.",
        rule="models.routes.max_in_flight",
        retry_after=1,
    )
