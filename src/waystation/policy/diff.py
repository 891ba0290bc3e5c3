"""What changes from one policy to another, field by field, in sentences."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from waystation.policy.errors import Path, render_path
from waystation.policy.load import PolicyDocument
from waystation.policy.names import listing

_NOUNS = {
    "providers": "provider",
    "models": "model",
    "groups": "group",
    "roles": "role",
    "limits": "limit",
    "budgets": "budget",
}
_KEYED = {*_NOUNS, "headers", "paths", "service_tiers"}
"""Maps whose keys are names, so that a new key is a new thing and not a field that was set."""
_SETS = {"groups", "aliases", "members", "agents", "wires", "admin", "auditor", "finance"}
"""Lists whose order says little: what came and what went says more than both lists."""


class Change(msgspec.Struct, frozen=True):
    """One difference. `old` and `new` are plain values (as in JSON); None where there was or is nothing."""

    path: str
    old: Any
    new: Any
    sentence: str

    @property
    def sign(self) -> str:
        """`+` added, `-` removed, `~` changed."""
        return "+" if self.old is None else "-" if self.new is None else "~"


def diff(old: PolicyDocument | None, new: PolicyDocument) -> list[Change]:
    """Changes in the order of the document's sections. A default that is now spelt out is no change.

    `old` may be None: everything is then new.
    """
    was = _everyone(old.policy.access.default) if old is not None else ""
    comparison = _Comparison(was, _everyone(new.policy.access.default))
    before = {} if old is None else msgspec.to_builtins(old.policy, builtin_types=())
    return list(comparison.walk(before, msgspec.to_builtins(new.policy, builtin_types=()), ()))


def _everyone(default: str) -> str:
    return "open to everyone" if default == "allow" else "open to nobody"


class _Comparison:
    """Knows what both documents say about a model that names no groups."""

    def __init__(self, was_ungrouped: str, is_ungrouped: str) -> None:
        self._was_ungrouped = was_ungrouped
        self._is_ungrouped = is_ungrouped

    def walk(self, old: Any, new: Any, path: Path) -> Iterator[Change]:
        if old == new:
            return
        if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
            yield Change(render_path(path), _or_none(old), _or_none(new), self._changed(path, old, new))
            return
        named = bool(path) and path[-1] in _KEYED
        for key in dict.fromkeys((*new, *old)):
            before, after, below = old.get(key), new.get(key), (*path, key)
            if named and before is None:
                yield Change(render_path(below), None, after, self._added(below, after))
            elif named and after is None:
                yield Change(render_path(below), before, None, f"{_the(below)} is gone.")
            elif before is None and isinstance(after, Mapping) and (not path or key in _KEYED):
                yield from self.walk({}, after, below)
            else:
                yield from self.walk(before, after, below)

    def _added(self, path: Path, value: Any) -> str:
        if path[0] == "models" and len(path) == 2:
            served = f"served by {_routes(value['routes'], path)}"
            return f"{_the(path)} is new, {self._open_to(value['groups'], self._is_ungrouped)}, {served}."
        if path[0] == "providers" and len(path) == 2:
            place = f" at {value['base_url']}" if value["base_url"] else ""
            return f"{_the(path)} ({value['kind']}{place}) is new."
        shown = _show(value)
        return f"{_the(path)} is new: {shown}." if shown else f"{_the(path)} is new."

    def _changed(self, path: Path, old: Any, new: Any) -> str:
        where, field = render_path(path[:-1]), str(path[-1])
        if path == ("access", "default") and old is not None:
            return f"Models that name no groups were {_everyone(old)}, are now {_everyone(new)}."
        if path[0] == "models" and field == "groups":
            was, now = self._open_to(old, self._was_ungrouped), self._open_to(new, self._is_ungrouped)
            return f"{where} was {was}, is now {now}."
        if path[0] == "models" and field == "routes":
            return f"{where} was served by {_routes(old, path)}, is now served by {_routes(new, path)}."
        if field in _SETS and isinstance(old, Sequence | None) and isinstance(new, Sequence | None):
            came = [v for v in new or () if v not in (old or ())]
            went = [v for v in old or () if v not in (new or ())]
            parts = [f"{listing(came, 'and')} added"] * bool(came) + [
                f"{listing(went, 'and')} removed"
            ] * bool(went)
            return f"{where}.{field}: {', '.join(parts) or 'in another order'}."
        field = f"{where}.{field}" if where else field
        if _or_none(old) is None:
            return f"{field} is set to {_show(new)}."
        if _or_none(new) is None:
            return f"{field} is no longer set (it was {_show(old)})."
        return f"{field} changes from {_show(old)} to {_show(new)}."

    @staticmethod
    def _open_to(groups: Sequence[str] | None, ungrouped: str) -> str:
        return ungrouped if groups is None else f"open to {listing(list(groups), 'and')}"


def _or_none(value: Any) -> Any:
    return None if value in ("", [], (), {}) else value


def _the(path: Path) -> str:
    noun = _NOUNS.get(str(path[-2]), str(path[-2]).rstrip("s").replace("_", " "))
    inside = f" of {render_path(path[:-2])}" if len(path) > 2 and path[0] != "access" else ""
    return f"The {noun} {path[-1]}{inside}"


def _routes(routes: Sequence[Mapping[str, Any]] | None, path: Path) -> str:
    shown = []
    for route in routes or ():
        extra = [f"weight {route['weight']}"] * (route["weight"] != 1)
        extra += [f"priority {route['priority']}"] * (route["priority"] != 0)
        name = f"{route['provider']}/{route['model'] or path[1]}"
        shown.append(f"{name} ({', '.join(extra)})" if extra else name)
    return listing(shown, "and")


def _show(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_show(v)}" for k, v in value.items() if _or_none(v) is not None)
    if isinstance(value, list | tuple):
        return (
            "; ".join(map(_show, value))
            if value and isinstance(value[0], Mapping)
            else ", ".join(map(_show, value))
        )
    return str(value)
