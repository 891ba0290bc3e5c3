"""What the types cannot say of `limits` and `budgets`: names that must exist, and downgrades that go round."""

from typing import TYPE_CHECKING, Protocol

from waystation.policy.errors import Path
from waystation.policy.limit_rules import window
from waystation.policy.names import compile_pattern, did_you_mean, is_pattern
from waystation.policy.nodes import Node

if TYPE_CHECKING:
    from waystation.policy.document import Policy
    from waystation.policy.limit_specs import CoverageSpec

_LONGEST_WINDOW = 86_400


class Fault(Protocol):
    def __call__(self, node: Node, path: Path, message: str, *, sensitive: bool = False) -> None: ...


def check_limits(policy: "Policy", groups: tuple[str, ...], root: Node, fault: Fault) -> None:
    """Reports every fault of the three sections. `groups`: those that the policy knows."""
    for name, limit in policy.limits.items():
        path: Path = ("limits", name)
        _covered(limit, path, policy, groups, root, fault)
        if not any(root.has((*path, field)) for field in ("requests", "tokens", "concurrent")):
            fault(root.key_at(path), path, "give at least one of `requests`, `tokens` and `concurrent`")
        for field in ("requests", "tokens"):
            rate = getattr(limit, field)
            if rate is not None and window(rate).seconds > _LONGEST_WINDOW:
                below = (*path, field)
                fault(
                    root.at(below), below, "a window is at most one day (`1d`); for longer ones use a budget"
                )
    for name, budget in policy.budgets.items():
        path = ("budgets", name)
        _covered(budget, path, policy, groups, root, fault)
        if budget.downgrade is not None:
            below = (*path, "downgrade", "to")
            if message := _not_a_model(budget.downgrade.to, policy):
                fault(root.at(below), below, message)
    _rounds(policy, root, fault)


def _covered(
    spec: "CoverageSpec", path: Path, policy: "Policy", groups: tuple[str, ...], root: Node, fault: Fault
) -> None:
    for i, group in enumerate(spec.groups):
        if group not in groups:
            place = (*path, "groups", i)
            fault(root.at(place), place, f"`access.groups` has no such group; {did_you_mean(group, groups)}")
    for i, model in enumerate(spec.models):
        if not is_pattern(model) and (message := _not_a_model(model, policy)):
            place = (*path, "models", i)
            fault(root.at(place), place, message)
    if getattr(spec, "per", "") == "service" and spec.services is False:
        place = (*path, "services")
        fault(root.at(place), place, "`per: service` counts service accounts, and this leaves them out")


def _not_a_model(name: str, policy: "Policy") -> str:
    """Why `name` is no model that requests can go to; empty if it is one."""
    spec = policy.models.get(name)
    if spec is not None and spec.choose is not None:
        return "this is a smart route; name the models that it leads to"
    exact = [n for n in policy.models if not is_pattern(n)]
    names = [*exact, *(a for n in exact for a in policy.models[n].aliases)]
    patterns = [compile_pattern(n) for n in policy.models if is_pattern(n)]
    if name in names or (not is_pattern(name) and any(p.fullmatch(name) for p in patterns)):
        return ""
    return f"no model has this name; {did_you_mean(name, names)}"


def _rounds(policy: "Policy", root: Node, fault: Fault) -> None:
    """Reports downgrades that lead back to where they came from: of such money nobody knows what it saves."""
    named = {a: n for n, spec in policy.models.items() for a in spec.aliases}
    targets = {named.get(b.downgrade.to, b.downgrade.to) for b in policy.budgets.values() if b.downgrade}
    known = [*dict.fromkeys([*(n for n in policy.models if not is_pattern(n)), *sorted(targets)])]
    edges: dict[str, dict[str, str]] = {}
    for name, budget in policy.budgets.items():
        if budget.downgrade is None or _not_a_model(budget.downgrade.to, policy):
            continue
        to = named.get(budget.downgrade.to, budget.downgrade.to)
        wanted = [compile_pattern(m) if is_pattern(m) else named.get(m, m) for m in budget.models]
        sources = [
            m
            for m in known
            if m != to
            and (not wanted or any(w == m if isinstance(w, str) else w.fullmatch(m) for w in wanted))
        ]
        for source in sources:
            way = _way(edges, to, source)
            if way is not None:
                path: Path = ("budgets", name, "downgrade", "to")
                shown = " → ".join((source, *way))
                fault(
                    root.at(path), path, f"the downgrades go round: {shown}; say with `models` which go down"
                )
                break
        for source in sources:
            edges.setdefault(source, {})[to] = name


def _way(edges: dict[str, dict[str, str]], start: str, goal: str) -> tuple[str, ...] | None:
    """The models on the way from `start` to `goal`, both included."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen = {start}
    while ways:
        way = ways.pop()
        if way[-1] == goal:
            return way
        for following in edges.get(way[-1], {}):
            if following not in seen:
                seen.add(following)
                ways.append((*way, following))
    return None
