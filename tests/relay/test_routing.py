"""Health, choice and retries: which route a request goes to, and what a failing one does to that."""

import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.model import AuthScheme, Provider, Route, Routing, Wire
from waystation.relay.choose import Chooser
from waystation.relay.health import Health, RouteHealth, State, Verdict
from waystation.relay.retry import pause_before

RULES = Routing()


def route(name: str, *, weight: int = 1, priority: int = 0, limit: int | None = None) -> Route:
    provider = Provider(name, "openai", "https://x.example", (Wire.CHAT,), {}, AuthScheme.NONE)
    return Route(f"{name}/m", provider, "m", weight, priority, limit)


A, B, C = route("a"), route("b"), route("c")


def fail(health: RouteHealth, now: float, times: int = 1, verdict: Verdict = Verdict.FAULT) -> None:
    for _ in range(times):
        health.begin(now)
        health.end(now, verdict, RULES, None, None)


def succeed(health: RouteHealth, now: float, times: int = 1, latency: float | None = None) -> None:
    for _ in range(times):
        health.begin(now)
        health.end(now, Verdict.GOOD, RULES, latency, None)


class Picker:
    def __init__(self, seed: int = 1) -> None:
        self.health = Health()
        self.chooser = Chooser(self.health, random.Random(seed))

    def order(self, *routes: Route, session: str = "", now: float = 0.0, rules: Routing = RULES) -> list[str]:
        found = self.chooser.choose(routes, rules, model="m", session=session, now=now)
        return [r.provider.id for r in found.routes]


def test_the_breaker_opens_after_repeated_faults_and_lets_one_probe_through_later() -> None:
    health = RouteHealth()
    fail(health, 0.0, RULES.failures - 1)
    assert health.available(0.0)
    fail(health, 0.0)
    assert health.state(0.0) is State.OPEN
    assert not health.available(RULES.open_seconds - 0.1)
    later = RULES.open_seconds + 0.1
    assert health.state(later) is State.HALF_OPEN
    assert health.available(later)
    health.begin(later)
    assert not health.available(later), "one probe at a time"
    health.end(later, Verdict.GOOD, RULES, None, None)
    assert health.state(later) is State.CLOSED


def test_a_failed_probe_opens_for_twice_as_long() -> None:
    health = RouteHealth()
    fail(health, 0.0, RULES.failures)
    later = RULES.open_seconds + 0.1
    fail(health, later)
    assert not health.available(later + 2 * RULES.open_seconds - 0.1)
    assert health.available(later + 2 * RULES.open_seconds + 0.1)


def test_a_probe_whose_tool_hung_up_leaves_the_question_open() -> None:
    health = RouteHealth()
    fail(health, 0.0, RULES.failures)
    later = RULES.open_seconds + 0.1
    fail(health, later, verdict=Verdict.NEUTRAL)
    assert health.state(later) is State.HALF_OPEN
    assert health.available(later)


def test_faults_among_many_good_answers_do_not_open_it() -> None:
    health = RouteHealth()
    for i in range(200):
        succeed(health, i * 0.1, 3)
        fail(health, i * 0.1)
    assert health.state(20.0) is State.CLOSED


def test_old_faults_are_forgotten() -> None:
    health = RouteHealth()
    for i in range(RULES.failures * 3):
        fail(health, i * RULES.window_seconds / 2)
    assert health.state(1000.0) is State.CLOSED


def test_a_limit_is_a_pause_and_not_a_fault() -> None:
    health = RouteHealth()
    health.begin(0.0)
    health.end(0.0, Verdict.LIMITED, RULES, None, 7)
    assert not health.available(6.9)
    assert health.wait(6.0) == pytest.approx(1.0)
    assert health.available(7.1)
    assert health.state(6.9) is State.CLOSED


def test_a_wrong_key_opens_it_at_once() -> None:
    health = RouteHealth()
    fail(health, 0.0, verdict=Verdict.USELESS)
    assert health.state(0.0) is State.OPEN


@given(
    st.lists(
        st.tuples(st.sampled_from(list(Verdict)), st.floats(0, 20), st.integers(0, 3)),
        min_size=1,
        max_size=60,
    )
)
def test_a_route_always_comes_back(steps: list[tuple[Verdict, float, int]]) -> None:
    """Whatever has happened to a route, it is asked again within the longest pause there is."""
    health, now, open_requests = RouteHealth(), 0.0, 0
    for verdict, pause, beginnings in steps:
        now += pause
        for _ in range(beginnings):
            health.begin(now)
            open_requests += 1
        if open_requests:
            open_requests -= 1
            health.end(now, verdict, RULES, pause, int(pause))
    while open_requests:
        open_requests -= 1
        health.end(now, Verdict.NEUTRAL, RULES, None, None)
    assert health.in_flight == 0
    assert health.available(now + 301.0)


def test_shares_follow_the_weights() -> None:
    picker = Picker()
    first = Counter(picker.order(route("a", weight=9), route("b", weight=1))[0] for _ in range(4000))
    assert 3400 < first["a"] < 3800


def test_sessions_spread_by_weight_and_each_stays() -> None:
    routes = (route("a", weight=3), route("b", weight=1))
    one, other = Picker(1), Picker(2)
    first = [one.order(*routes, session=f"s{i}")[0] for i in range(2000)]
    assert first == [other.order(*routes, session=f"s{i}")[0] for i in range(2000)], "no process-wide memory"
    assert 1350 < Counter(first)["a"] < 1650


def test_a_session_stays_where_its_last_answer_came_from() -> None:
    picker = Picker()
    home = picker.order(A, B, C, session="s")[0]
    fallback = next(r for r in (A, B, C) if r.provider.id != home)
    picker.chooser.answered("m", "s", fallback)
    assert picker.order(A, B, C, session="s")[0] == fallback.provider.id
    assert picker.order(A, B, C, session="s", rules=msgspec.structs.replace(RULES, affinity="none"))


def test_a_broken_route_comes_last_and_is_still_there() -> None:
    picker = Picker()
    fail(picker.health.of(A), 0.0, RULES.failures)
    assert picker.order(A, B) == ["b", "a"]
    choice = picker.chooser.choose(
        (route("a"), route("b", priority=1)), RULES, model="m", session="", now=0.0
    )
    assert [r.provider.id for r in choice.routes] == ["b", "a"]
    assert "a/m open" in choice.reason


def test_of_two_broken_routes_the_one_that_recovers_first_is_tried_first() -> None:
    picker = Picker()
    fail(picker.health.of(A), 5.0, RULES.failures)
    fail(picker.health.of(B), 0.0, RULES.failures)
    assert picker.order(A, B, now=6.0) == ["b", "a"]


def test_a_full_route_is_passed_over() -> None:
    picker = Picker()
    small = route("a", limit=1)
    picker.health.of(small).begin(0.0)
    assert picker.order(small, route("b", priority=5)) == ["b", "a"]


def test_a_far_slower_route_goes_behind_its_neighbours_and_gets_another_chance() -> None:
    picker = Picker()
    succeed(picker.health.of(A), 0.0, 10, latency=9.0)
    succeed(picker.health.of(B), 0.0, 10, latency=0.5)
    assert {tuple(picker.order(A, B)) for _ in range(50)} == {("b", "a")}
    assert len({tuple(picker.order(A, B, now=100.0)) for _ in range(50)}) == 2


def test_slow_is_still_before_a_lower_priority() -> None:
    picker = Picker()
    succeed(picker.health.of(A), 0.0, 10, latency=9.0)
    succeed(picker.health.of(B), 0.0, 10, latency=0.5)
    assert picker.order(A, B, route("z", priority=3)) == ["b", "a", "z"]


@given(st.integers(1, 12), st.floats(0, 20), st.integers(0, 2**32))
def test_a_pause_never_outlasts_the_patience(tries: int, waited: float, seed: int) -> None:
    pause = pause_before(tries, waited, None, RULES, random.Random(seed))
    assert pause is None or 0 < pause <= RULES.patience - waited


def test_retry_after_is_kept_to_the_second_or_handed_on() -> None:
    assert pause_before(1, 0.0, 3, RULES, random.Random()) == 3.0
    assert pause_before(1, 0.0, 7200, RULES, random.Random()) is None
