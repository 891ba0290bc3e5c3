"""What admission costs: `.venv/bin/python -m bench.admit`. See README.md.

Token, plan, limits, and a budget's reservation with its settlement, for one request after another of different
people: with 10 people and 10 budgets, and with 100,000 people and 1,000 budgets. Exit code 1 where the dearer of both
takes more than 15 µs a request, or more than half as much again as the other.
"""

import argparse
import random
import statistics
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from bench.metrics import machine
from waystation.app.memory import collect_garbage_less
from waystation.identity import KeyRing, TokenVerifier
from waystation.limits import Limiter
from waystation.model import Attempt, Operation, Principal, Refusal, Surface, UsageSource, Wire
from waystation.policy import Plan, Resolution, compile_plan, load
from waystation.pricing import PriceBook
from waystation.relay.addresses import Address
from waystation.relay.limiting import Limiting
from waystation.wire import RequestFacts

_MOST_US = 15.0
_MOST_RATIO = 1.5
_SIZES = ((10, 10), (100_000, 1_000))
_MODEL = "claude-sonnet-4-5"
_NOW = time.time()


class Gate:
    """People, a policy with budgets, and everything that is asked of a request before it may go."""

    def __init__(self, people: int, budgets: int) -> None:
        groups = max(1, budgets - 5)
        self.plan = compile_plan(load(_policy(groups, budgets), filename="bench"), version=1)
        self.tokens = [f"{i:09d}.{'x' * 500}.{'y' * 86}".encode() for i in range(people)]
        self.verifier = TokenVerifier(_NoKeys(), issuer="http://bench", now=time.time, capacity=people + 1)
        for i, token in enumerate(
            self.tokens
        ):  # as if each had come once: its signature is checked once an hour
            self.verifier._known[token] = _person(i, groups)
        limiter = Limiter()
        limiter.apply(self.plan.rules, _NOW)
        self.limiting = Limiting(limiter, PriceBook.builtin(self.plan.price_overrides).rates_for)
        self.relay = SimpleNamespace(standing=self._standing, wall_clock=time.time)
        self._standings: dict[str, tuple[tuple[str, ...], str]] = {}
        self.body = b"x" * 30_000
        self.address = Address(Surface.ANTHROPIC, Operation.GENERATE, Wire.MESSAGES)
        self.facts = RequestFacts(Wire.MESSAGES, Operation.GENERATE, _MODEL, True, 8000, "", False, None)

    def _standing(self, plan: Plan, principal: Principal) -> tuple[tuple[str, ...], str]:
        found = plan.standing(principal)
        return tuple(sorted(found.groups)), found.cost_center

    def admit(self, token: bytes, request_id: str) -> Any:
        """One request: who, may, limits and budgets; and, once it is over, what it came to."""
        principal = self.verifier.verify(token)
        assert isinstance(principal, Principal)
        resolution = self.plan.resolve(principal, Wire.MESSAGES, Operation.GENERATE, _MODEL)
        assert isinstance(resolution, Resolution)
        x = SimpleNamespace(
            principal=principal,
            started_wall=_NOW,
            address=self.address,
            tool=("claude", ""),
            request_id=request_id,
            body=self.body,
            facts=self.facts,
            plan=self.plan,
            relay=self.relay,
            ticket=None,
            notice="",
        )
        verdict = self.limiting.admit(x, resolution)  # type: ignore[arg-type]  # as much of an exchange as it looks at
        assert not isinstance(verdict, Refusal), verdict
        self.limiting.charge(x, _ROW)  # type: ignore[arg-type]  # as above
        self.limiting.close(x)  # type: ignore[arg-type]  # as above
        return verdict

    def bare(self, token: bytes, request_id: str) -> Any:
        """The same loop without any of it, to be taken off."""
        return SimpleNamespace(
            principal=token,
            started_wall=_NOW,
            address=self.address,
            tool=("claude", ""),
            request_id=request_id,
            body=self.body,
            facts=self.facts,
            plan=self.plan,
            relay=self.relay,
            ticket=None,
            notice="",
        )


class _NoKeys(KeyRing):
    def __init__(self) -> None:
        """Without a store."""


def _person(i: int, groups: int) -> Principal:
    return Principal(
        id=f"u_{i:08d}",
        name=f"person-{i}@example.com",
        groups=frozenset({f"team-{i % groups}"}),
        cost_center=f"{i % 50}",
        session=f"s_{i}",
        expires_at=int(_NOW) + 3600,
    )


def _policy(groups: int, budgets: int) -> str:
    lines = [
        "version: 1",
        "providers: {anthropic: {kind: anthropic, credential: env:KEY}}",
        f"models: {{{_MODEL}: {{routes: [{{provider: anthropic}}], max_output: 64000}}}}",
        "limits: {pace: {requests: 1000000/1m, tokens: 900000000000/1h, concurrent: 1000}}",
        "access:",
        "  groups:",
        *(f"    team-{i}: {{}}" for i in range(groups)),
        "budgets:",
        "  person: {per: user, usd: 1000000, every: day}",
        "  everything: {per: organisation, usd: 900000000}",
        "  centre: {per: cost_center, usd: 900000000}",
        "  model: {per: model, usd: 900000000}",
        *(
            f"  team-{i}: {{per: group, groups: [team-{i % groups}], usd: 900000000}}"
            for i in range(budgets - 4)
        ),
    ]
    return "\n".join(lines)


_FIELDS: dict[str, Any] = {
    **dict.fromkeys(Attempt.__struct_fields__, ""),
    "cost_nano": 1_000_000,
    "ended_us": int(_NOW * 1e6),
    **dict.fromkeys(
        (f for f in Attempt.__struct_fields__ if f.endswith("_tokens")),
        100,
    ),
    "usage_source": UsageSource.PROVIDER,
}
_ROW = Attempt(**_FIELDS)


def _microseconds(work: Callable[[bytes, str], Any], tokens: list[bytes], count: int) -> float:
    """CPU of one, of `count` different people in no order."""
    picked = random.Random(1).choices(tokens, k=count)
    ids = [f"req_{i}" for i in range(count)]
    before = time.process_time()
    for token, request_id in zip(picked, ids, strict=True):
        work(token, request_id)
    return (time.process_time() - before) / count * 1e6


def main() -> int:
    parser = argparse.ArgumentParser("bench.admit", description="What admission costs a request.")
    parser.add_argument("--count", type=int, default=20_000, help="requests a round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    collect_garbage_less()
    print(machine())
    found: list[float] = []
    for people, budgets in _SIZES:
        gate = Gate(people, budgets)
        first = _microseconds(gate.admit, gate.tokens, options.count)
        for token in gate.tokens:  # everybody has been here before
            gate.admit(token, "req_warm")
        rounds = [
            _microseconds(gate.admit, gate.tokens, options.count)
            - _microseconds(gate.bare, gate.tokens, options.count)
            for _ in range(options.rounds)
        ]
        found.append(statistics.median(rounds))
        print(
            f"{people:>7,} people, {budgets:>5,} budgets: {found[-1]:5.1f} µs a request; "
            f"{first:5.1f} µs while most come for the first time"
        )
    ratio = found[1] / found[0]
    print(
        f"many to few: {ratio:.2f} (at most {_MOST_RATIO}); of {_MOST_US:g} µs: {max(found) / _MOST_US:.2f}"
    )
    return int(ratio > _MOST_RATIO or max(found) > _MOST_US)


if __name__ == "__main__":
    sys.exit(main())
