"""From a checked document to a plan."""

from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from waystation.model import (
    Capabilities,
    LongContext,
    PriceOverride,
    Provider,
    Route,
    Routing,
    StatedRates,
)
from waystation.model.billing import BillingTerms, PriceFactor
from waystation.policy.billing import factors_of, terms_of
from waystation.policy.checking import named_models, prices_of
from waystation.policy.compiled import CompiledModel, entry_of
from waystation.policy.document import ModelSpec, Policy
from waystation.policy.errors import Path, PolicyError, PolicyErrors
from waystation.policy.known import NOTHING_LISTED, Catalogue, Known, Prices
from waystation.policy.limit_rules import Rules, compile_budget, compile_limit
from waystation.policy.load import PolicyDocument
from waystation.policy.names import by_precision, compile_pattern, did_you_mean, is_pattern
from waystation.policy.plan import Plan
from waystation.policy.price_specs import Amounts, PriceSpec
from waystation.policy.providers import Translatable, compile_provider
from waystation.policy.route_specs import ChoiceSpec
from waystation.policy.smart import Line


def compile_plan(
    doc: PolicyDocument,
    *,
    version: int,
    prices: Prices | None = None,
    rehearsal_url: str = "",
    translatable: Translatable | None = None,
    catalogue: Catalogue = NOTHING_LISTED,
) -> Plan:
    """The plan of `doc`. Raises PolicyErrors for what only shows when the parts meet.

    With `prices`, names of the price data are checked and context windows that the policy leaves open are
    taken from there. `rehearsal_url` is where the gateway's own rehearsal provider listens. `translatable` says
    which protocols can be translated to which; without it none can. `catalogue`: what providers list.
    """
    policy = doc.policy
    overrides = price_overrides(doc)
    if prices is not None:
        _check_price_names(doc, prices)
    known = Known(catalogue, prices)
    opened = _opened_by_patterns(policy)
    providers = {
        name: compile_provider(
            name, spec, built_in_url=rehearsal_url, translatable=translatable, opened=name in opened
        )
        for name, spec in policy.providers.items()
    }
    models = {
        name: _compile_model(name, spec, policy, providers, known) for name, spec in policy.models.items()
    }
    patterns = by_precision(n for n in models if is_pattern(n))
    return Plan(
        version=version,
        providers=providers,
        models={name: model for name, model in models.items() if model.pattern is None},
        aliases={alias: name for name, spec in policy.models.items() for alias in spec.aliases},
        patterns=tuple(models[name] for name in patterns),
        open_by_default=policy.access.default == "allow",
        contact=policy.access.contact,
        members=_by_member({g: spec.members for g, spec in policy.access.groups.items()}),
        roles=_by_member({role: names for role, names in policy.access.roles.items()}),  # noqa: C416 - widens the key type
        cost_centers={g: spec.cost_center for g, spec in policy.access.groups.items()},
        price_overrides=overrides,
        routing=Routing(**msgspec.structs.asdict(policy.routing)),
        known=known,
        rules=rules_of(policy),
    )


def rules_of(policy: Policy) -> Rules:
    """Its limits and budgets, ready to hold requests against."""
    aliases = {alias: name for name, spec in policy.models.items() for alias in spec.aliases}
    return Rules(
        limits=tuple(compile_limit(name, spec, aliases) for name, spec in policy.limits.items()),
        budgets=tuple(compile_budget(name, spec, aliases) for name, spec in policy.budgets.items()),
        refuse_unknown_price=policy.spending.unknown_price == "refuse",
        reserve_output=policy.spending.reserve_output,
        contact=policy.access.contact,
    )


def price_overrides(doc: PolicyDocument) -> tuple[PriceOverride, ...]:
    """The prices that the policy states, per provider and the provider's own model id.

    A price belongs to that pair: two names that lead to the same place have one price. Raises PolicyErrors
    where two entries state different ones.
    """
    stated: dict[tuple[str, str, object], tuple[PriceOverride, Path]] = {}
    errors: list[PolicyError] = []
    for override, path in _stated_prices(doc.policy):
        key = (override.provider, override.model, override.effective)
        first = stated.setdefault(key, (override, path))
        if first[0] != override:
            where = ".".join(str(step) for step in first[1][:2])
            errors.append(
                doc.error(
                    path,
                    f"another price for {override.provider}/{override.model} is already stated by `{where}`; "
                    "a price belongs to the provider's model, so state it once",
                )
            )
    if errors:
        raise PolicyErrors(errors)
    return tuple(override for override, _ in stated.values())


def price_factors(doc: PolicyDocument) -> tuple[PriceFactor, ...]:
    """What the policy's regions and tiers multiply prices by, for `PriceBook.builtin(factors=…)`."""
    return factors_of(doc.policy.billing)


def billing_terms(doc: PolicyDocument) -> BillingTerms:
    """What turns list cost into the bill."""
    return terms_of(doc.policy.billing)


def _stated_prices(policy: Policy) -> Iterator[tuple[PriceOverride, Path]]:
    for name, spec in policy.models.items():
        for path, price in prices_of(spec, ("models", name)):
            for route in spec.routes or ():
                model = (route.model or "{model}").replace("{model}", name)
                yield _override(route.provider, model, price), path


def _override(provider: str, model: str, price: PriceSpec) -> PriceOverride:
    same_as: tuple[str, str] | None = None
    rates: StatedRates | None = None
    if price.same_as is not None:
        other_provider, _, other_model = price.same_as.partition("/")
        same_as = (other_provider, other_model)
    elif price.input is not None and price.output is not None:
        rates = _rates(price, price.input, price.output)
    return PriceOverride(
        provider=provider,
        model=model,
        rates=rates,
        long_context=tuple(LongContext(s.above, _rates(s, s.input, s.output)) for s in price.long_context),
        service_tiers=tuple((t, _rates(a, a.input, a.output)) for t, a in price.service_tiers.items()),
        same_as=same_as,
        effective=price.effective,
        source=price.source,
        verified=price.verified,
    )


def _rates(stated: Amounts | PriceSpec, plain: Decimal, output: Decimal) -> StatedRates:
    return StatedRates(
        input=_pico(plain),
        output=_pico(output),
        cache_read=None if stated.cache_read is None else _pico(stated.cache_read),
        cache_write_5m=None if stated.cache_write is None else _pico(stated.cache_write),
        cache_write_1h=None if stated.cache_write_1h is None else _pico(stated.cache_write_1h),
        web_search=None if stated.web_search is None else _pico(stated.web_search, scale=9),
    )


def _pico(amount: Decimal, *, scale: int = 6) -> int:
    """USD per million (scale 6) or thousand (scale 9) → pico-dollars each. Exact: the reader saw to it."""
    return int(amount.scaleb(scale).to_integral_value(ROUND_HALF_UP))


def _opened_by_patterns(policy: Policy) -> set[str]:
    """The providers whose models a pattern lets people ask for under their own names."""
    return {
        route.provider
        for name, spec in policy.models.items()
        if is_pattern(name)
        for route in spec.routes or ()
        if "{model}" in (route.model or "{model}")
    }


def _compile_model(
    name: str, spec: ModelSpec, policy: Policy, providers: dict[str, Provider], known: Known
) -> CompiledModel:
    pattern = is_pattern(name)
    stated = Capabilities(
        **msgspec.structs.asdict(spec.capabilities),
        context_window=spec.context_window,
        max_output=spec.max_output,
    )
    routes: list[Route] = []
    for route in sorted(spec.routes or (), key=lambda r: r.priority):
        model = route.model or "{model}"
        provider = providers[route.provider]
        if not pattern:  # a pattern's models are known once they are asked for
            model = model.replace("{model}", name)
        routes.append(
            Route(
                f"{provider.id}/{model}",
                provider,
                model,
                route.weight,
                route.priority,
                route.max_in_flight,
                capabilities=stated if pattern else known.of(provider, model, stated),
            )
        )
    return CompiledModel(
        name=name,
        entry=entry_of(name, spec.display_name, routes, known.catalogue),
        routes=tuple(routes),
        groups=None if spec.groups is None else frozenset(spec.groups),
        group_order=spec.groups or (),
        max_output=spec.max_output,
        agents=spec.agents,
        pattern=compile_pattern(name) if pattern else None,
        translated=(spec.translation or policy.translation) == "allow",
        choose=tuple(_line(line) for line in spec.choose or ()),
    )


def _line(spec: ChoiceSpec) -> Line:
    return Line(
        models=named_models(spec),
        quickest=spec.by == "latency",
        side_call=frozenset(spec.side_call),
        prompt_over=spec.prompt_over,
        prompt_under=spec.prompt_under,
        images=spec.images,
        tools=spec.tools,
        agents=frozenset(spec.agents),
        groups=frozenset(spec.groups),
    )


def _by_member(members: dict[str, tuple[str, ...]]) -> dict[str, frozenset[str]]:
    """Lists of members by group (or role) → groups by member; mail addresses are compared without case."""
    found: dict[str, set[str]] = {}
    for group, names in members.items():
        for name in names:
            found.setdefault(name.lower(), set()).add(group)
    return {name: frozenset(groups) for name, groups in found.items()}


def _check_price_names(doc: PolicyDocument, prices: Prices) -> None:
    known = prices.providers()
    errors: list[PolicyError] = []
    for name, provider in doc.policy.providers.items():
        if provider.price_provider is not None and provider.price_provider not in known:
            hint = did_you_mean(provider.price_provider, known)
            message = f"the price data has no such provider; {hint}".rstrip("; ")
            errors.append(doc.error(("providers", name, "price_provider"), message))
    for name, model in doc.policy.models.items():
        for path, price in prices_of(model, ("models", name)):
            if price.same_as is not None and price.same_as.partition("/")[0] not in known:
                hint = did_you_mean(price.same_as.partition("/")[0], known)
                message = f"the price data has no such provider; {hint}".rstrip("; ")
                errors.append(doc.error((*path, "same_as"), message))
    if errors:
        raise PolicyErrors(errors)
