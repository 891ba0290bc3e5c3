"""The one function through which every request goes: what it lets pass, refuses, sends elsewhere, and gives back."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.limits.rules import ADA, BOB, NOW, USD, apply, ask, end, let_in, limiter, person
from waystation.limits import BudgetAccount, Lower, Over, Raise, Ticket
from waystation.limits.periods import bounds


def test_a_budget_is_spent_to_its_end_and_begins_again_with_its_period() -> None:
    made = limiter("budgets: {day: {usd: 1, every: day}}")
    for _ in range(10):
        end(made, let_in(ask(made, usd=0.1)), usd=0.1)
    over = ask(made, usd=0.1)
    assert isinstance(over, Over)
    assert (over.what, over.used, over.limit) == ("budget", USD, USD)
    assert over.until == bounds("day", NOW)[1]
    let_in(ask(made, usd=0.1, now=over.until))


def test_each_person_has_their_own_and_a_group_shares_one() -> None:
    made = limiter("budgets: {own: {usd: 1}, team: {usd: 1.5, per: group, groups: [eng]}}")
    end(made, let_in(ask(made, ADA, usd=1)), usd=1)
    end(made, let_in(ask(made, BOB, usd=0.5)), usd=0.5)
    over = ask(made, BOB, usd=0.1)
    assert isinstance(over, Over)
    assert (over.rule.name, over.account.owner) == ("team", "eng")
    let_in(ask(made, person("eve", "ops"), usd=1))


def test_cost_centres_models_tools_services_and_the_organisation_have_theirs() -> None:
    made = limiter(
        "limits:\n"
        "  m: {per: model, models: [big], concurrent: 1}\n"
        "  t: {per: tool, tools: [codex], concurrent: 1}\n"
        "  s: {per: service, concurrent: 1}\n"
        "budgets:\n"
        "  c: {per: cost_center, cost_centers: ['4711'], usd: 1}\n"
        "  o: {per: organisation, usd: 5}\n"
    )
    ci = person("ci", service=True)
    let_in(ask(made, BOB))
    assert _refused_by(ask(made, ADA)) == "m"
    let_in(ask(made, ADA, model="small", tool="codex"))
    assert _refused_by(ask(made, BOB, model="small", tool="codex")) == "t"
    let_in(ask(made, ci, model="small"))
    assert _refused_by(ask(made, ci, model="small")) == "s"
    assert _refused_by(ask(made, ADA, model="small", usd=1.1)) == "c"
    assert _refused_by(ask(made, BOB, model="small", usd=5.1)) == "o"
    let_in(ask(made, BOB, model="small", usd=4.9))


def test_requests_tokens_and_places_are_counted() -> None:
    made = limiter("limits: {pace: {requests: 3/1m, tokens: 1000/1h, concurrent: 2}}")
    first, second = let_in(ask(made, tokens=300)), let_in(ask(made, tokens=300))
    assert _what(ask(made, tokens=300)) == "concurrent"
    end(made, first, tokens=100)
    end(made, second, tokens=100)
    end(made, let_in(ask(made, tokens=800)), tokens=700)
    assert _what(ask(made, tokens=0)) == "requests"
    later = NOW + 62
    assert _what(ask(made, tokens=200, now=later)) == "tokens"
    let_in(ask(made, tokens=100, now=later))


def test_nothing_is_taken_by_a_request_that_one_rule_refuses() -> None:
    made = limiter("limits: {pace: {requests: 2/1m, concurrent: 5}}\nbudgets: {b: {usd: 1}}")
    for _ in range(20):
        assert isinstance(ask(made, usd=2), Over)
    ticket = let_in(ask(made, usd=1))
    assert isinstance(ask(made, usd=0.01), Over)
    made.close(ticket)
    let_in(ask(made, usd=1))


# ---------------------------------------------------------------- what was wrong elsewhere
def test_E107_a_refusal_is_never_false_and_its_figures_are_of_one_reading() -> None:
    """Sustained requests, each costing less than it was taken to cost: none is refused while there is room."""
    made, rng = limiter("budgets: {b: {usd: 10}}"), random.Random(7)
    spent = reserved = 0.0
    flying: list[tuple[Ticket, float]] = []
    for _ in range(5000):
        estimate = rng.uniform(0.001, 0.05)
        answer = ask(made, usd=estimate)
        if isinstance(answer, Ticket):
            flying.append((answer, estimate))
            reserved += estimate
        else:
            assert isinstance(answer, Over)
            assert spent + reserved + estimate > 10 - 1e-6, "a false block"
            assert answer.used + answer.reserved + answer.wanted > answer.limit
            assert abs(answer.used - spent * USD) < 5000
        if len(flying) > 30 or (flying and rng.random() < 0.5):
            ticket, held = flying.pop(rng.randrange(len(flying)))
            cost = held * rng.random() * 0.3
            end(made, ticket, usd=cost)
            spent, reserved = spent + round(cost * USD) / USD, reserved - held
    for ticket, _ in flying:
        made.close(ticket)
    (account,) = made.budgets.values()
    assert (account.reserved, account.taken) == (0, account.spent)


def test_E107_nobody_without_a_budget_is_blocked_by_one() -> None:
    made = limiter("budgets: {b: {usd: 0, groups: [ops]}}")
    let_in(ask(made, ADA, usd=100))
    assert isinstance(ask(made, person("eve", "ops"), usd=0.000001), Over)


def test_E107_a_reservation_that_nobody_gives_back_expires() -> None:
    made = limiter("budgets: {b: {usd: 1}}\nlimits: {p: {concurrent: 1}}")
    lost = let_in(ask(made, usd=1))
    assert isinstance(ask(made, usd=1), Over)
    assert made.sweep(NOW + 60) == 0
    assert made.sweep(NOW + 3601) == 1
    let_in(ask(made, usd=1, now=NOW + 3601))
    made.close(lost)  # comes late, and gives nothing back twice
    assert next(iter(made.budgets.values())).reserved == USD


CALLERS = 500


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    room=st.floats(0.0, 3.0),
    error=st.floats(0.0, 2.0),
    largest=st.floats(0.001, 1.0),
)
def test_E108_500_callers_at_the_edge_overdraw_by_at_most_one_estimates_error(
    seed: int, room: float, error: float, largest: float
) -> None:
    """All at once, with `room` dollars left; one estimate is too low by `error`. Some hang up, some fail, some are
    tried twice; in any order."""
    rng = random.Random(seed)
    made = limiter("budgets: {all: {per: organisation, usd: 100}}")
    end(made, let_in(ask(made, usd=100 - room)), usd=100 - room)
    callers = [person(f"p{i}") for i in range(CALLERS)]
    waiting = [(who, rng.uniform(0, largest)) for who in callers]
    wrong = rng.randrange(CALLERS)
    flying: list[tuple[Ticket, float, float]] = []
    (account,) = made.budgets.values()
    while waiting or flying:
        if waiting and (not flying or rng.random() < 0.7):
            who, estimate = waiting.pop()
            room_now = account.limit - account.spent - account.reserved
            answer = ask(made, who, usd=estimate)
            fits = round(estimate * USD) <= room_now or round(estimate * USD) == 0
            assert isinstance(answer, Ticket) is fits
            if isinstance(answer, Ticket):
                flying.append((answer, estimate, error if len(waiting) == wrong else 0.0))
        else:
            ticket, estimate, more = flying.pop(rng.randrange(len(flying)))
            _live(made, ticket, estimate, more, rng)
    assert account.spent <= account.limit + round(error * USD)
    assert (account.reserved, account.taken, made.open) == (0, account.spent, {})


def _live(made: object, ticket: Ticket, estimate: float, more: float, rng: random.Random) -> None:
    from waystation.limits import Limiter

    assert isinstance(made, Limiter)
    fate = rng.choice(("whole", "whole", "cut", "gone", "failed", "twice", "closed twice"))
    real = estimate if fate == "whole" else estimate * rng.random()
    cost = int(real * USD) + round(more * USD)
    if fate in ("gone", "failed"):  # before anybody billed anything
        cost = 0
    if fate == "twice":  # two attempts, each with a row of its own
        made.charge(ticket, cost // 2, 0, NOW)
        cost -= cost // 2
    made.charge(ticket, cost, 0, NOW)
    made.close(ticket)
    if fate == "closed twice":
        made.close(ticket)


def test_E108_every_way_in_is_counted() -> None:
    """People, service accounts, any tool, any model: one function, so that there is no way round it."""
    made = limiter("budgets: {all: {per: organisation, usd: 1}}")
    for who in (ADA, BOB, person("ci", service=True), person("nobody")):
        for model in ("big", "small", "x-unheard-of"):
            for tool in ("claude", "codex", ""):
                let_in(ask(made, who, model=model, tool=tool, usd=1 / 40))
    assert next(iter(made.budgets.values())).reserved == pytest.approx(36 / 40 * USD)


def test_E109_what_is_free_is_never_stopped_by_money() -> None:
    made = limiter("budgets: {b: {usd: 1, downgrade: {to: free, at: 50}}, none: {usd: 0}}")
    end(made, let_in(ask(made, usd=0, model="free")), usd=0)
    ask(made, usd=5)
    let_in(ask(made, usd=0, model="free"))
    let_in(ask(made, usd=0, model="big"))


def test_E109_an_unknown_price_is_not_zero() -> None:
    rule = "budgets: {b: {usd: 1}}"
    let_in(ask(limiter(rule), usd=None))
    assert _what(ask(limiter(rule + "\nspending: {unknown_price: refuse}"), usd=None)) == "unknown_price"
    let_in(ask(limiter("spending: {unknown_price: refuse}"), usd=None))


# ---------------------------------------------------------------- downgrades, notices, raises
def test_a_downgrade_begins_at_its_percent_and_free_or_fitting_models_go_on() -> None:
    made = limiter("budgets: {b: {usd: 1, downgrade: {to: small, at: 50}}}")
    end(made, let_in(ask(made, usd=0.5)), usd=0.5)
    lower = ask(made, usd=0.1)
    assert isinstance(lower, Lower)
    assert (lower.to, lower.must) == ("small", False)
    end(made, let_in(ask(made, usd=0.1, model="small")), usd=0.1)
    lower = ask(made, usd=0.45)
    assert isinstance(lower, Lower)
    assert lower.must
    assert isinstance(ask(made, usd=0.45, model="small"), Over)
    assert isinstance(ask(made, usd=0.45, skip=frozenset({"b"})), Over)
    let_in(ask(made, usd=0.4, skip=frozenset({"b"})))


def test_a_threshold_is_told_once_a_period_and_a_soft_budget_goes_on() -> None:
    made = limiter("budgets: {b: {usd: 1, every: day, notify: [50, 80], at_limit: notify}}")
    for _ in range(30):
        end(made, let_in(ask(made, usd=0.1)), usd=0.1)
    told = [(e.kind, e.percent) for e in made.events.ripe(NOW, all_of_them=True)]
    assert told == [("notified", 50), ("notified", 80), ("notified", 100)]
    tomorrow = NOW + 86_400
    for _ in range(6):
        end(made, let_in(ask(made, usd=0.1, now=tomorrow)), usd=0.1, now=tomorrow)
    assert [e.percent for e in made.events.ripe(tomorrow, all_of_them=True)] == [50]


def test_a_raise_holds_for_whom_it_is_and_until_it_ends() -> None:
    made = limiter("budgets: {b: {usd: 1}}")
    made.set_raises([Raise("b", "Ada@example.com", 2 * USD, NOW + 60)], NOW)
    let_in(ask(made, ADA, usd=2.9))
    assert isinstance(ask(made, BOB, usd=2.9), Over)
    other = limiter("budgets: {b: {usd: 1}}")
    end(other, let_in(ask(other, usd=0.9)), usd=0.9)
    other.set_raises([Raise("b", "", USD, NOW + 60)], NOW)
    end(other, let_in(ask(other, usd=0.9)), usd=0.9)
    over = ask(other, usd=0.05, now=NOW + 61)
    assert isinstance(over, Over)
    assert (over.used, over.limit) == (1_800_000_000, USD)


# ---------------------------------------------------------------- rules and time that change meanwhile
def test_what_is_spent_stays_spent_when_the_amount_changes() -> None:
    made = limiter("budgets: {b: {usd: 1}}")
    flying = let_in(ask(made, usd=0.5))
    assert apply(made, "budgets: {b: {usd: 2}}") == frozenset()
    end(made, flying, usd=0.5)
    (account,) = made.budgets.values()
    assert (account.spent, account.reserved, account.limit) == (USD // 2, 0, 2 * USD)


def test_a_request_under_way_counts_on_rules_that_came_meanwhile() -> None:
    made = limiter("budgets: {b: {usd: 1}}")
    flying = let_in(ask(made, usd=0.5))
    assert apply(made, "budgets: {c: {usd: 1, per: organisation}}") == {"c"}
    let_in(ask(made, usd=0))
    end(made, flying, usd=0.5)
    assert [(a.rule.name, a.spent, a.reserved) for a in made.budgets.values()] == [("c", USD // 2, 0)]


def test_what_a_request_costs_belongs_to_the_period_it_began_in() -> None:
    made = limiter("budgets: {b: {usd: 1, every: day}}")
    midnight = bounds("day", NOW)[1]
    flying = let_in(ask(made, usd=0.8, now=midnight - 1))
    let_in(ask(made, BOB, usd=0.1, now=midnight + 1))
    assert isinstance(ask(made, usd=0.5, now=midnight + 1), Over), "what it holds is held on"
    end(made, flying, usd=0.8, now=midnight + 2)
    let_in(ask(made, usd=1, now=midnight + 3))


def test_what_the_ledger_has_is_spent_before_anybody_asks() -> None:
    made = limiter("budgets: {own: {usd: 1, every: day}, team: {usd: 5, per: group, groups: [eng]}}")
    spent = [
        (ADA, "big", "claude", {"day": USD, "week": USD, "month": 3 * USD}),
        (BOB, "small", "codex", {"month": USD // 2}),
    ]
    made.spent_before(frozenset({"own", "team"}), spent, NOW)
    assert _refused_by(ask(made, ADA, usd=0.01)) == "own"
    let_in(ask(made, BOB, usd=1))
    assert _refused_by(ask(made, BOB, usd=0.6)) == "own"
    assert made.budgets["team", "eng"].used == 3 * USD + USD // 2
    assert made.events.ripe(NOW, all_of_them=True) == []


def test_a_person_sees_what_is_theirs() -> None:
    made = limiter(
        "budgets: {own: {usd: 1}, ops: {usd: 1, groups: [ops]}}\nlimits: {pace: {requests: 9/1m}, c: {per: tool, concurrent: 2}}"
    )
    end(made, let_in(ask(made, usd=0.25)), usd=0.25)
    found = {a.rule.rule: a for a in made.accounts_of(ADA, NOW)}
    assert set(found) == {"budgets.own", "limits.pace", "limits.c"}
    own = found["budgets.own"]
    assert isinstance(own, BudgetAccount)
    assert own.percent == 25


def test_a_storm_of_refusals_is_two_events() -> None:
    made = limiter("budgets: {b: {usd: 0}}")
    charges = made.charges(ADA, ADA.id, "big", "claude", lambda: ADA)
    for i in range(100):
        over = ask(made, usd=1, now=NOW + i / 10)
        assert isinstance(over, Over)
        made.note("refused", over, charges, f"r{i}", NOW + i / 10)
    assert [e.count for e in made.events.ripe(NOW + 20)] == [1]
    (rest,) = made.events.ripe(NOW + 61)
    assert (rest.count, rest.owner, rest.model) == (99, "ada@example.com", "big")


def _what(answer: object) -> str:
    assert isinstance(answer, Over), answer
    return answer.what


def _refused_by(answer: object) -> str:
    assert isinstance(answer, Over), answer
    return answer.rule.name
