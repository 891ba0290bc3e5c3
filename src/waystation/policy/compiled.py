"""One entry of `models`, its routes made."""

import re
from collections.abc import Iterable, Sequence

import msgspec

from waystation.model import TOOL_WIRES, ModelEntry, Route, Surface, Wire
from waystation.policy.known import Catalogue, Known
from waystation.policy.smart import Line

_EMBEDDING = {Surface.OPENAI: Wire.EMBEDDINGS, Surface.GEMINI: Wire.GENERATE}
"""What vectors are asked in, by surface."""


class CompiledModel(msgspec.Struct, frozen=True):
    """An exact name, a smart route or a pattern. A pattern's routes without a fixed model are templates."""

    name: str
    entry: ModelEntry
    routes: tuple[Route, ...]
    groups: frozenset[str] | None
    group_order: tuple[str, ...]
    max_output: int | None
    agents: tuple[str, ...]
    pattern: re.Pattern[str] | None = None
    translated: bool = True
    """Requests may be translated to providers that do not speak the tool's protocol."""
    choose: tuple[Line, ...] = ()
    """A smart route: it has these instead of routes."""

    @property
    def wires(self) -> tuple[Wire, ...]:
        """What its providers speak."""
        return tuple(dict.fromkeys(wire for route in self.routes for wire in route.provider.wires))

    @property
    def reachable(self) -> frozenset[Wire]:
        """The protocols that it can be asked in, translated or not."""
        translations = (
            {wire for r in self.routes for wire in r.provider.translations} if self.translated else ()
        )
        return frozenset(wire for wire in TOOL_WIRES if wire in self.wires or wire in translations)

    @property
    def task(self) -> str | None:
        """What it is for, if that is the same on every route."""
        tasks = {route.capabilities.task for route in self.routes}
        return tasks.pop() if len(tasks) == 1 else None

    def routes_for(self, wire: Wire) -> tuple[Route, ...]:
        """Where requests over `wire` can go: those that need no translation first, within a priority."""
        routes = [r for r in self.routes if wire in r.provider.wires]
        if self.translated:
            routes += [
                msgspec.structs.replace(r, native=False)
                for r in self.routes
                if wire in r.provider.translations
            ]
            routes.sort(key=lambda r: (r.priority, not r.native))
        return tuple(routes)

    def embeds_on(self, surface: Surface) -> bool:
        return _EMBEDDING.get(surface) in self.wires

    def named(self, asked: str, known: Known) -> "CompiledModel":
        """The model that a pattern stands for when `asked` is asked for. An exact one is itself."""
        if self.pattern is None:
            return self
        routes = tuple(_filled(route, asked, known) for route in self.routes)
        return msgspec.structs.replace(
            self,
            name=asked,
            entry=entry_of(asked, "", routes, known.catalogue),
            routes=routes,
            pattern=None,
        )


def entry_of(name: str, display_name: str, routes: Sequence[Route], catalogue: Catalogue) -> ModelEntry:
    """What lists show of it: the policy's words, else those of the first provider that lists it."""
    listings = (catalogue.find(route.provider, route.model) for route in routes)
    listed = next((found for found in listings if found is not None), None)
    if (
        listed is not None and not display_name and name in listed.id
    ):  # not for a name of the policy's own making
        display_name = listed.display_name
    return ModelEntry(
        id=name,
        display_name=display_name,
        created=listed.created if listed is not None else 0,
        context_window=_least(r.capabilities.context_window for r in routes),
        max_output=_least(r.capabilities.max_output for r in routes),
        embeds=bool(routes) and all(r.capabilities.task == "embeddings" for r in routes),
    )


def _filled(route: Route, asked: str, known: Known) -> Route:
    model = route.model.replace("{model}", asked)
    return msgspec.structs.replace(
        route,
        id=f"{route.provider.id}/{model}",
        model=model,
        capabilities=known.of(route.provider, model, route.capabilities),
    )


def _least(figures: Iterable[int | None]) -> int | None:
    """What holds on every route, of those that are known."""
    return min((figure for figure in figures if figure is not None), default=None)
