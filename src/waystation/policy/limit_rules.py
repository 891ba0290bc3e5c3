"""`limits` and `budgets`, compiled: rules that a request can be held against."""

import re
from typing import TYPE_CHECKING, Literal

import msgspec

from waystation.policy.names import compile_pattern, is_pattern

if TYPE_CHECKING:
    from waystation.policy.limit_specs import BudgetSpec, CoverageSpec, LimitSpec

Per = Literal["user", "service", "group", "cost_center", "model", "tool", "organisation"]
Period = Literal["day", "week", "month"]
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
NANO = 1_000_000_000


class Coverage(msgspec.Struct, frozen=True):
    """Which requests a rule is about."""

    users: frozenset[str] = frozenset()
    """In lower case."""
    groups: frozenset[str] = frozenset()
    cost_centers: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
    tools: frozenset[str] = frozenset()
    services: bool | None = None

    def covers_model(self, model: str) -> bool:
        if not self.models and not self.patterns:
            return True
        return model in self.models or any(compile_pattern(p).fullmatch(model) for p in self.patterns)


class Window(msgspec.Struct, frozen=True):
    amount: int
    seconds: int


class LimitRule(msgspec.Struct, frozen=True):
    """One entry of `limits`."""

    name: str
    per: Per
    coverage: Coverage
    requests: Window | None = None
    tokens: Window | None = None
    concurrent: int | None = None

    @property
    def rule(self) -> str:
        return f"limits.{self.name}"


class BudgetRule(msgspec.Struct, frozen=True):
    """One entry of `budgets`; money in nano-dollars."""

    name: str
    per: Per
    coverage: Coverage
    amount: int
    period: Period
    notify: tuple[int, ...] = ()
    """Percents, rising."""
    downgrade_to: str = ""
    downgrade_at: int = 100
    """Percent."""
    hard: bool = True

    @property
    def rule(self) -> str:
        return f"budgets.{self.name}"


class Rules(msgspec.Struct, frozen=True):
    """All of a policy's."""

    limits: tuple[LimitRule, ...] = ()
    budgets: tuple[BudgetRule, ...] = ()
    refuse_unknown_price: bool = False
    reserve_output: int = 32_000
    contact: str = ""

    @property
    def any(self) -> bool:
        return bool(self.limits or self.budgets)


def compile_limit(name: str, spec: "LimitSpec", aliases: dict[str, str]) -> LimitRule:
    return LimitRule(
        name=name,
        per=spec.per,
        coverage=_coverage(spec, aliases),
        requests=None if spec.requests is None else window(spec.requests),
        tokens=None if spec.tokens is None else window(spec.tokens),
        concurrent=spec.concurrent,
    )


def compile_budget(name: str, spec: "BudgetSpec", aliases: dict[str, str]) -> BudgetRule:
    down = spec.downgrade
    return BudgetRule(
        name=name,
        per=spec.per,
        coverage=_coverage(spec, aliases),
        amount=int(spec.usd * NANO),
        period=spec.every,
        notify=tuple(sorted({*spec.notify, *((100,) if spec.at_limit == "notify" else ())})),
        downgrade_to="" if down is None else aliases.get(down.to, down.to),
        downgrade_at=100 if down is None else down.at,
        hard=spec.at_limit == "refuse",
    )


def window(text: str) -> Window:
    """`60/1m` → 60 in 60 seconds."""
    found = re.fullmatch(r"(\d+)/(\d*)([smhd])", text)
    assert found is not None, "the reader saw to it"
    return Window(int(found[1]), int(found[2] or 1) * _SECONDS[found[3]])


def _coverage(spec: "CoverageSpec", aliases: dict[str, str]) -> Coverage:
    return Coverage(
        users=frozenset(name.lower() for name in spec.users),
        groups=frozenset(spec.groups),
        cost_centers=frozenset(spec.cost_centers),
        models=frozenset(aliases.get(m, m) for m in spec.models if not is_pattern(m)),
        patterns=tuple(m for m in spec.models if is_pattern(m)),
        tools=frozenset(spec.tools),
        services=spec.services,
    )
