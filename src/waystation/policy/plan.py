"""The plan: a policy resolved and indexed, immutable, answering each request from dictionaries."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal

import msgspec

from waystation.model import (
    ModelEntry,
    Operation,
    PriceOverride,
    Principal,
    Provider,
    Refusal,
    Route,
    Routing,
    Surface,
    Wire,
)
from waystation.policy import refusals
from waystation.policy.agents import choose_models
from waystation.policy.checking import EVERYONE
from waystation.policy.compiled import CompiledModel
from waystation.policy.found import find_models
from waystation.policy.known import Known
from waystation.policy.limit_rules import Rules
from waystation.policy.providers import LISTS, Endpoint, EndpointTable
from waystation.policy.smart import Circumstances, candidates

_REMEMBERED = 4096
"""Answers kept per set of groups, and sets of groups kept: names and groups come from outside."""
_LONGEST_NAME = 256
_USUAL_ROUTING = Routing()
_NOTHING_KNOWN = Known()
_NO_RULES = Rules()
_CLAUDE_CODE_SHOWS = ("claude", "anthropic")
"""It offers only models whose names begin so (2.1.197)."""


class Resolution(msgspec.Struct, frozen=True):
    """Yes: this request may go to these routes."""

    routes: tuple[Route, ...]
    """Lowest priority number first; within a priority, those that need no translation first, else as the policy
    lists them. The relay draws among them by weight, session and health."""
    model_id: str
    """The model's name in the policy; for a pattern, the name that was asked for."""
    rule: str
    """What let it pass, e.g. `models.gpt-5.groups`."""
    max_output: int | None = None
    """Tokens the model can generate in one answer, where the policy says."""


class Standing(msgspec.Struct, frozen=True):
    """What the policy adds to what the directory says about somebody."""

    groups: frozenset[str]
    """The principal's own groups and those whose `members` name it."""
    roles: frozenset[str]
    cost_center: str


class Plan:
    """Immutable, but for its memory of past answers. Swapped whole when the policy changes, or what providers list."""

    def __init__(
        self,
        *,
        version: int,
        providers: dict[str, Provider],
        models: dict[str, CompiledModel],
        aliases: dict[str, str],
        patterns: tuple[CompiledModel, ...],
        open_by_default: bool,
        contact: str,
        members: dict[str, frozenset[str]],
        roles: dict[str, frozenset[str]],
        cost_centers: dict[str, str],
        price_overrides: tuple[PriceOverride, ...],
        routing: Routing = _USUAL_ROUTING,
        known: Known = _NOTHING_KNOWN,
        rules: Rules = _NO_RULES,
    ) -> None:
        self.version = version
        """Version of the stored policy; 0 for the embedded default."""
        self.providers: Mapping[str, Provider] = providers
        self.price_overrides = price_overrides
        """Prices that the policy states, for `PriceBook.builtin(overrides=…)`."""
        self.routing = routing
        self.rules = rules
        """Its limits and budgets."""
        self.smart: Mapping[str, str] = {
            name: model.name
            for model in models.values()
            if model.choose
            for name in (model.name, *(a for a, m in aliases.items() if m == model.name))
        }
        """Every name of a smart route → the route's own name. Requests for one go through `choose`."""
        self._models = models
        self._aliases = aliases
        self._patterns = patterns
        self._open = open_by_default
        self._contact = contact
        self._members = members
        self._roles = roles
        self._cost_centers = cost_centers
        self._endpoints = EndpointTable(providers)
        self._known = known
        self._found = find_models(patterns, self._find, known)
        self._relevant = frozenset().union(
            *(m.groups or () for m in (*models.values(), *patterns)), {EVERYONE}
        )
        self._views: dict[frozenset[str], _View] = {}
        self._view_of: dict[frozenset[str], _View] = {}

    def resolve(
        self, principal: Principal, wire: Wire, operation: Operation, model: str
    ) -> Resolution | Refusal:
        """Where a request may go, or why it may not: two or three look-ups once seen.

        A route whose provider does not speak `wire` is among them where the request can be translated (and the
        policy lets it be); its `native` is False, and the `endpoint` says which protocol to translate to.
        COUNT_TOKENS is answered like GENERATE even where no provider can count (`endpoint` is then None, and
        the caller estimates).
        """
        view = self._view(principal)
        key = (wire, operation, model)
        answer = view.answers.get(key)
        if answer is None:
            answer = self._decide(view, wire, operation, model)
            while len(view.answers) >= _REMEMBERED:
                view.answers.pop(next(iter(view.answers)), None)
            view.answers[key] = answer
        return answer

    def choose(
        self,
        principal: Principal,
        wire: Wire,
        operation: Operation,
        name: str,
        seen: Circumstances,
        latency: Callable[[str], float | None],
    ) -> tuple[Resolution | Refusal, str]:
        """Where a request for the smart route `name` goes, and why: `auto: prompt over 100000`.

        The first line that fits and names a model that the person may use decides. `latency` says how soon a
        model lately answered, in seconds.
        """
        view = self._view(principal)
        model = self._models[name]
        if not self._allows(view, model):
            return self.resolve(principal, wire, operation, name), ""
        groups = self.standing(principal).groups | {EVERYONE}
        refused: Resolution | Refusal | None = None
        for line in model.choose:
            if not line.fits(seen, groups):
                continue
            answers = {n: self.resolve(principal, wire, operation, n) for n in line.models}
            allowed = frozenset(n for n, answer in answers.items() if isinstance(answer, Resolution))
            usable = candidates(line, latency, allowed)
            if usable:
                return answers[usable[0]], f"{name}: {line.reason}"
            refused = refused or next(iter(answers.values()))
        assert refused is not None, "the last line fits always"
        return refused, ""

    def models_for(self, principal: Principal, surface: Surface) -> tuple[ModelEntry, ...]:
        """The models that a principal may ask for on a surface: in the policy's order, then those of its patterns
        that a provider lists."""
        view = self._view(principal)
        listed = view.lists.get(surface)
        if listed is None:
            shown = [m for m in self._listed(view) if self._shows(m, surface)]
            entries = [m.entry for m in shown]
            if surface is Surface.ANTHROPIC:
                entries += self._claude_names(shown)
            listed = view.lists[surface] = tuple(entries)
        return listed

    def model_for(self, principal: Principal, surface: Surface, name: str) -> ModelEntry | None:
        """One of `models_for`, by its name or an alias."""
        canonical = self._aliases.get(name, name)
        return next((e for e in self.models_for(principal, surface) if e.id in (canonical, name)), None)

    def agent_defaults(self, principal: Principal) -> dict[str, dict[str, object]]:
        """What `way` sets each tool to, for this principal; see `agents.choose_models`."""
        view = self._view(principal)
        stated, found = (
            [
                (m.entry, m.wires, self._reach(m), m.agents)
                for m in models
                if self._allows(view, m) and not m.entry.embeds
            ]
            for models in (self._models.values(), self._found)
        )
        return choose_models(stated, found)

    def lines(self, principal: Principal | None = None) -> Iterator["CatalogueLine"]:
        """The whole catalogue, patterns included; with a principal, as far as it may use it."""
        view = self._view(principal) if principal is not None else None
        found = {id(model) for model in self._found}
        for model in (*self._models.values(), *self._patterns, *self._found):
            if view is None or self._allows(view, model):
                yield CatalogueLine(
                    name=model.name,
                    entry=model.entry,
                    origin=_origin(model, found=id(model) in found),
                    aliases=tuple(alias for alias, name in self._aliases.items() if name == model.name),
                    routes=model.routes,
                    wires=model.wires,
                    reach=self._reach(model),
                    groups=None if model.groups is None else model.group_order,
                    choices=tuple(dict.fromkeys(n for line in model.choose for n in line.models)),
                )

    @property
    def open_by_default(self) -> bool:
        """Whether everybody may use a model that names no groups."""
        return self._open

    def lists_of(self, provider: Provider) -> tuple[Endpoint, ...]:
        """Where a provider can be asked for its list of models; each address once."""
        found = (
            self._endpoints.find(provider, "", wire, Operation.LIST_MODELS, False, action)
            for wire in provider.wires
            for action in LISTS
        )
        return tuple({(e.host, e.port, e.target): e for e in found if e is not None}.values())

    def endpoint(
        self, route: Route, wire: Wire, operation: Operation, stream: bool, action: str = ""
    ) -> Endpoint | None:
        """Where to send it; None where the provider has no address for such a request.

        `action` tells Gemini's `batchEmbedContents` from `embedContent`, the one case in which the operation
        does not say which path is meant.
        """
        return self._endpoints.find(route.provider, route.model, wire, operation, stream, action)

    def canonical(self, name: str) -> str:
        """The model's own name, for an alias of it."""
        return self._aliases.get(name, name)

    def named_routes(self) -> Iterator[tuple[str, Route]]:
        """Every route of every exactly named model, with that name."""
        return ((model.name, route) for model in self._models.values() for route in model.routes)

    def standing(self, principal: Principal) -> Standing:
        """Groups, roles and cost centre, with what the policy's `access` section adds by name."""
        name = principal.name.lower()
        groups = principal.groups | self._members.get(name, frozenset())
        center = principal.cost_center
        if not center:
            center = next((c for group, c in self._cost_centers.items() if c and group in groups), "")
        return Standing(groups, principal.roles | self._roles.get(name, frozenset()), center)

    def _view(self, principal: Principal) -> "_View":
        groups = principal.groups
        if self._members:
            extra = self._members.get(principal.name.lower())
            if extra is not None:
                groups = groups | extra
        view = self._view_of.get(groups)
        if view is None:
            relevant = (groups | {EVERYONE}) & self._relevant
            view = self._views.setdefault(relevant, _View(relevant))
            while len(self._view_of) >= _REMEMBERED:
                self._view_of.pop(next(iter(self._view_of)), None)
            self._view_of[groups] = view
        return view

    def _decide(self, view: "_View", wire: Wire, operation: Operation, asked: str) -> Resolution | Refusal:
        model = self._find(asked)
        if model is None:
            return refusals.unknown_model(asked, wire, self._names(view, wire))
        name = asked if model.pattern is not None else model.name
        if not self._allows(view, model):
            rule = f"models.{model.name}.groups" if model.groups is not None else "access.default"
            return refusals.not_allowed(name, model.group_order, rule, self._contact, self._names(view, wire))
        if model.choose:  # nothing is known of the request: as the last line says
            answers = [self._decide(view, wire, operation, n) for n in model.choose[-1].models]
            return next((a for a in answers if isinstance(a, Resolution)), answers[0])
        routes = model.named(asked, self._known).routes_for(wire)
        if operation is Operation.EMBED:
            routes = tuple(r for r in routes if self.endpoint(r, wire, operation, False) is not None)
        if not routes:
            usable = self._names(view, wire)
            if operation is not Operation.EMBED and not model.translated:
                return refusals.not_translated(
                    name, wire, model.wires, f"models.{model.name}.translation", usable
                )
            return refusals.no_route(name, wire, model.wires, f"models.{model.name}.routes", usable)
        rule = f"models.{model.name}.groups" if model.groups is not None else f"models.{model.name}"
        return Resolution(routes, name, rule, model.max_output)

    def _reach(self, model: CompiledModel) -> frozenset[Wire]:
        """The protocols that it can be asked in; a smart route in those of any of its models."""
        if not model.choose:
            return model.reachable
        named = (self._find(name) for line in model.choose for name in line.models)
        return frozenset().union(*(found.reachable for found in named if found is not None))

    def _find(self, asked: str) -> CompiledModel | None:
        """Exact names before aliases before patterns."""
        model = self._models.get(asked) or self._models.get(self._aliases.get(asked, ""))
        if model is not None or not 0 < len(asked) <= _LONGEST_NAME or not asked.isprintable():
            return model
        for candidate in self._patterns:
            if candidate.pattern is not None and candidate.pattern.fullmatch(asked):
                return candidate
        return None

    def _allows(self, view: "_View", model: CompiledModel) -> bool:
        return self._open if model.groups is None else not view.groups.isdisjoint(model.groups)

    def _listed(self, view: "_View") -> Iterator[CompiledModel]:
        """What the view may ask for by name."""
        return (m for m in (*self._models.values(), *self._found) if self._allows(view, m))

    def _shows(self, model: CompiledModel, surface: Surface) -> bool:
        if model.entry.embeds:
            return model.embeds_on(surface)
        return any(wire.surface is surface for wire in self._reach(model))

    def _claude_names(self, models: Iterable[CompiledModel]) -> Iterator[ModelEntry]:
        """Aliases by which Claude Code offers models that it would not show under their names."""
        aliases = [a for a in self._aliases if a.startswith(_CLAUDE_CODE_SHOWS)]
        for model in models:
            if not model.name.startswith(_CLAUDE_CODE_SHOWS):
                shown = model.entry.display_name or model.name
                for alias in aliases:
                    if self._aliases[alias] == model.name:
                        yield msgspec.structs.replace(model.entry, id=alias, display_name=shown)

    def _names(self, view: "_View", wire: Wire) -> list[str]:
        """What the view may ask for over `wire`, for a refusal to suggest; patterns last."""
        models = (*self._models.values(), *self._patterns, *self._found)
        return [m.name for m in models if self._allows(view, m) and wire in self._reach(m)]


class CatalogueLine(msgspec.Struct, frozen=True):
    """One entry of the catalogue, as people look at it."""

    name: str
    entry: ModelEntry
    origin: Literal["stated", "pattern", "smart", "found"]
    """An exact name of the policy, a pattern of it, a smart route, or a provider's list."""
    aliases: tuple[str, ...]
    routes: tuple[Route, ...]
    wires: tuple[Wire, ...]
    """What its providers speak."""
    reach: frozenset[Wire]
    """What it can be asked in, translated or not."""
    groups: tuple[str, ...] | None
    """Who may use it; None where the policy names nobody, and `open_by_default` decides."""
    choices: tuple[str, ...]
    """A smart route: what it leads to."""


def _origin(model: CompiledModel, *, found: bool) -> Literal["stated", "pattern", "smart", "found"]:
    if found:
        return "found"
    return "pattern" if model.pattern is not None else "smart" if model.choose else "stated"


class _View:
    """What everybody with the same relevant groups sees."""

    __slots__ = ("answers", "groups", "lists")

    def __init__(self, groups: frozenset[str]) -> None:
        self.groups = groups
        self.answers: dict[tuple[Wire, Operation, str], Resolution | Refusal] = {}
        self.lists: dict[Surface, tuple[ModelEntry, ...]] = {}
