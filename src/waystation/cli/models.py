"""`waystation models`: what can be asked for, where it leads, what it costs, and who may."""

import datetime as dt
import os
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from waystation import policy
from waystation.cli.models_table import Shown, ShownRoute, print_models
from waystation.cli.options import DEFAULT_DATA, Data, Database
from waystation.model import Principal, Route, Wire
from waystation.policy import TOOLS, Catalogue, CatalogueLine, Plan, PolicyErrors, ProviderList
from waystation.pricing import PriceBook, Rates
from waystation.store import Store, StoreError, open_store
from waystation.store.lists import read_lists
from waystation.wire.translate import translatable

app = typer.Typer(add_completion=False)

_HELP = (
    "Show the models: where they lead, what they can do and cost, who may use them.\n\n"
    "From the policy in force, the price data and what the running gateway last found at its providers. With --for and "
    "--tool: what that person gets, in that coding tool."
)
_ANYBODY = Principal("", "")


@app.command(help=_HELP)
def models(
    person: Annotated[
        str | None, typer.Option("--for", help="Only what this person or service account may use.")
    ] = None,
    tool: Annotated[
        str | None, typer.Option(help="Only what this coding tool can be set to: claude, codex, …")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data: Data = DEFAULT_DATA,
    database: Database = "",
) -> None:
    if tool is not None and tool not in TOOLS:
        raise typer.BadParameter(f"{tool!r} is none of {', '.join(TOOLS)}", param_hint="--tool")
    folder = data.expanduser()
    try:
        store = open_store(folder, database or None)
        try:
            principal = _principal(store, person) if person is not None else None
            plan, book = _plan(store, lists := read_lists(folder))
        finally:
            store.close()
    except (StoreError, PolicyErrors) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    found = list(_shown(plan, book, principal, tool))
    if as_json:
        typer.echo(_json(found, plan, lists, person, tool))
        return
    print_models(Console(), found, _title(plan, principal, tool), _notes(plan, lists, found))


def _principal(store: Store, name: str) -> Principal:
    user = store.users.find(name)
    if user is None:
        typer.echo(f"There is nobody called {name}; `waystation users list` shows everybody.", err=True)
        raise typer.Exit(1)
    if not user.active:
        typer.echo(f"{user.name} is switched off, and may use nothing until enabled again.", err=True)
    return Principal(user.id, user.name, user.kind, frozenset(user.groups), frozenset(user.roles))


def _plan(store: Store, lists: Mapping[str, ProviderList]) -> tuple[Plan, PriceBook]:
    """As the gateway makes it."""
    stored = store.policies.current()
    text, version = (stored.text, stored.version) if stored else (policy.default_policy(os.environ, ""), 0)
    document = policy.load(text, filename=f"policy version {version}" if version else "embedded default")
    book = PriceBook.builtin(policy.price_overrides(document))
    plan = policy.compile_plan(
        document, version=version, prices=book, translatable=translatable, catalogue=Catalogue(lists)
    )
    return plan, book


def _shown(plan: Plan, book: PriceBook, principal: Principal | None, tool: str | None) -> Iterator[Shown]:
    wires = TOOLS[tool].wires if tool is not None else ()
    chosen = plan.agent_defaults(principal or _ANYBODY).get(tool, {}) if tool is not None else {}
    now = int(dt.datetime.now(dt.UTC).timestamp() * 1e6)
    for line in plan.lines(principal):
        if tool is not None and (line.entry.embeds or line.reach.isdisjoint(wires)):
            continue
        priced = line.origin != "pattern"  # which is no model that costs something
        yield Shown(
            line=line,
            routes=tuple(
                _route(route, book.rates_for(route, now) if priced else None, wires) for route in line.routes
            ),
            who=_who(plan, line),
            default=line.name == chosen.get("model"),
            small=line.name == chosen.get("small_model"),
        )


def _route(route: Route, rates: Rates | None, wires: tuple[Wire, ...]) -> ShownRoute:
    native = not wires or any(wire in route.provider.wires for wire in wires)
    return ShownRoute(route, rates, translated=not native)


def _who(plan: Plan, line: CatalogueLine) -> str:
    if line.groups is not None:
        return ", ".join(line.groups)
    return "everyone" if plan.open_by_default else "nobody"


def _title(plan: Plan, principal: Principal | None, tool: str | None) -> str:
    whose = f" that {principal.name} may use" if principal is not None else ""
    where = f" in {tool}" if tool is not None else ""
    source = f"policy version {plan.version}" if plan.version else "the embedded default policy"
    return f"Models{whose}{where}, by {source}"


def _notes(plan: Plan, lists: Mapping[str, ProviderList], found: list[Shown]) -> Iterator[str]:
    if any(shown.default or shown.small for shown in found):
        yield "● What the tool starts with; ○ what it takes for its side jobs."
    if any(shown.line.origin == "pattern" for shown in found):
        yield "A name with * lets every name through that fits; those that its provider lists are shown below it."
    for provider in plan.providers.values():
        kept = lists.get(provider.id)
        if not provider.discover:
            continue
        if kept is None or kept.base_url != provider.base_url:
            yield f"{provider.id} has not been asked for its models yet, or did not answer (see the gateway's log)."
        else:
            at = dt.datetime.fromtimestamp(kept.at, dt.UTC)
            models = f"{len(kept.models):,} model{'' if len(kept.models) == 1 else 's'}"
            yield f"{provider.id} listed {models} on {at:%Y-%m-%d %H:%M} UTC."


# ------------------------------------------------------------------ JSON
def _json(
    found: list[Shown], plan: Plan, lists: Mapping[str, ProviderList], person: str | None, tool: str | None
) -> str:
    document = {
        "policy_version": plan.version,
        "for": person,
        "tool": tool,
        "currency": "USD",
        "models": [_fields(shown) for shown in found],
        "lists": {
            name: {"base_url": kept.base_url, "at": kept.at, "models": len(kept.models)}
            for name, kept in lists.items()
        },
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _fields(shown: Shown) -> dict[str, Any]:
    line, entry = shown.line, shown.line.entry
    return {
        "name": line.name,
        "display_name": entry.display_name or line.name,
        "aliases": line.aliases,
        "origin": line.origin,
        "created": entry.created or None,
        "context_window": entry.context_window,
        "max_output": entry.max_output,
        "protocols": sorted(line.reach),
        "groups": line.groups,
        "who": shown.who,
        "default": shown.default,
        "small_default": shown.small,
        "leads_to": line.choices,
        "routes": [_route_fields(route) for route in shown.routes],
    }


def _route_fields(shown: ShownRoute) -> dict[str, Any]:
    route = shown.route
    return {
        "route": route.id,
        "provider": route.provider.id,
        "kind": route.provider.kind,
        "model": route.model,
        "protocols": route.provider.wires,
        "translated": shown.translated,
        "priority": route.priority,
        "weight": route.weight,
        "capabilities": msgspec.structs.asdict(route.capabilities),
        "price_per_million": None if shown.rates is None else _price(shown.rates),
        "terms": msgspec.structs.asdict(route.provider.terms),
    }


def _price(rates: Rates) -> dict[str, str | None]:
    """Dollars, as text: they are exact."""
    figures = {
        "input": rates.input,
        "output": rates.output,
        "cache_read": rates.cache_read,
        "cache_write_5m": rates.cache_write_5m,
        "cache_write_1h": rates.cache_write_1h,
    }
    return {name: f"{Decimal(pico) / 10**6:f}" for name, pico in figures.items()} | {
        "source": rates.origin or None
    }
