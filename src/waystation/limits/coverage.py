"""Which rules a request falls under, found without looking at all of them."""

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

import msgspec

from waystation.policy.limit_rules import BudgetRule, LimitRule

EVERYONE = "everyone"
R = TypeVar("R", LimitRule, BudgetRule)


class Who(msgspec.Struct, frozen=True):
    """Who asks, as rules see it."""

    id: str
    name: str
    service: bool
    groups: frozenset[str]
    cost_center: str


class Index(Generic[R]):
    """Rules by what they name first, so that of a thousand budgets of a thousand groups only the caller's are
    looked at."""

    def __init__(self, rules: Sequence[R]) -> None:
        self._order = {rule.name: i for i, rule in enumerate(rules)}
        self._by_user: dict[str, list[R]] = {}
        self._by_group: dict[str, list[R]] = {}
        self._by_center: dict[str, list[R]] = {}
        self._others: list[R] = []
        for rule in rules:
            coverage = rule.coverage
            if coverage.users:
                _file(self._by_user, coverage.users, rule)
            elif coverage.groups and EVERYONE not in coverage.groups:
                _file(self._by_group, coverage.groups, rule)
            elif coverage.cost_centers:
                _file(self._by_center, coverage.cost_centers, rule)
            else:
                self._others.append(rule)

    def about(self, who: Who) -> list[R]:
        """Those that cover the person, whatever the model and tool; in the policy's order."""
        found = {rule.name: rule for rule in self._others}
        found |= {rule.name: rule for rule in self._by_user.get(who.name.lower(), ())}
        for group in who.groups:
            found |= {rule.name: rule for rule in self._by_group.get(group, ())}
        found |= {rule.name: rule for rule in self._by_center.get(who.cost_center, ())}
        return sorted(
            (rule for rule in found.values() if covers(rule, who)), key=lambda r: self._order[r.name]
        )


def covers(rule: LimitRule | BudgetRule, who: Who) -> bool:
    coverage = rule.coverage
    return (
        (not coverage.users or who.name.lower() in coverage.users)
        and (not coverage.groups or EVERYONE in coverage.groups or not coverage.groups.isdisjoint(who.groups))
        and (not coverage.cost_centers or who.cost_center in coverage.cost_centers)
        and (coverage.services is None or coverage.services is who.service)
        and (rule.per != "service" or who.service)
    )


def asks_for(rule: LimitRule | BudgetRule, model: str, tool: str) -> bool:
    coverage = rule.coverage
    return (not coverage.tools or tool in coverage.tools) and coverage.covers_model(model)


def owners(rule: LimitRule | BudgetRule, who: Who, model: str, tool: str) -> Iterable[tuple[str, str]]:
    """(key, name) of each whose allowance it is. Somebody in several groups uses each group's."""
    match rule.per:
        case "user" | "service":
            return ((who.id, who.name),)
        case "group":
            groups = who.groups
            if rule.coverage.groups and EVERYONE not in rule.coverage.groups:
                groups &= rule.coverage.groups
            return tuple((group, group) for group in sorted(groups))
        case "cost_center":
            return ((who.cost_center, who.cost_center),) if who.cost_center else ()
        case "model":
            return ((model, model),)
        case "tool":
            return ((tool, tool),)
        case "organisation":
            return (("", ""),)


def _file(shelf: dict[str, list[R]], names: Iterable[str], rule: R) -> None:
    for name in names:
        shelf.setdefault(name, []).append(rule)
