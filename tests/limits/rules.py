"""Limiters for tests: rules from a policy's own words, people, and a relay that plays by its rules."""

import itertools

from waystation.limits import Limiter, Lower, Over, Ticket, Who
from waystation.policy import compile_plan, load

NOW = 1_795_536_000.0
"""2026-11-24 16:00 UTC, a Tuesday."""
USD = 1_000_000_000
MODELS = "{r: {kind: rehearsal}}\nmodels:\n" + "".join(
    f"  {name}: {{routes: [{{provider: r}}]}}\n" for name in ("big", "small", "free")
)
_ids = itertools.count()


def limiter(rules: str, *, groups: str = "eng, ops") -> Limiter:
    made = Limiter()
    apply(made, rules, groups=groups)
    return made


def apply(made: Limiter, rules: str, *, groups: str = "eng, ops", now: float = NOW) -> frozenset[str]:
    named = "".join(f"{name.strip()}: {{}}, " for name in groups.split(","))
    text = f"version: 1\nproviders: {MODELS}access: {{groups: {{{named}}}, contact: '#ai'}}\n{rules}\n"
    return made.apply(compile_plan(load(text, filename="test.yaml"), version=1).rules, now)


def person(name: str, *groups: str, cost_center: str = "", service: bool = False) -> Who:
    return Who(f"u_{name}", f"{name}@example.com", service, frozenset(groups), cost_center)


ADA = person("ada", "eng", cost_center="4711")
BOB = person("bob", "eng")


def ask(
    made: Limiter,
    who: Who = ADA,
    *,
    usd: float | None = 0.0,
    tokens: int = 0,
    model: str = "big",
    tool: str = "claude",
    now: float = NOW,
    skip: frozenset[str] = frozenset(),
) -> Ticket | Over | Lower:
    charges = made.charges(who, who.id, model, tool, lambda: who)
    estimate = None if usd is None else round(usd * USD)
    return made.admit(charges, f"req_{next(_ids)}", estimate=estimate, tokens=tokens, now=now, skip=skip)


def let_in(answer: Ticket | Over | Lower) -> Ticket:
    assert isinstance(answer, Ticket), answer
    return answer


def end(made: Limiter, ticket: Ticket, *, usd: float = 0.0, tokens: int = 0, now: float = NOW) -> None:
    made.charge(ticket, round(usd * USD), tokens, now)
    made.close(ticket)
