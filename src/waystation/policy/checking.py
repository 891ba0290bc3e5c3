"""What the types cannot say: names that must exist, secrets that must not, fields that exclude each other."""

import re
from collections.abc import Iterator
from typing import Protocol
from urllib.parse import urlsplit

from waystation.model import AuthScheme, Operation
from waystation.policy.billing import LISTS
from waystation.policy.document import ModelSpec, Policy, ProviderSpec
from waystation.policy.errors import Path, looks_like_secret
from waystation.policy.kinds import KINDS, ProviderKind, path_key, region_of
from waystation.policy.limit_checking import check_limits
from waystation.policy.names import compile_pattern, did_you_mean, is_pattern
from waystation.policy.nodes import Node
from waystation.policy.price_specs import PriceSpec
from waystation.policy.route_specs import ChoiceSpec

EVERYONE = "everyone"
"""The group that every signed-in person and service account is in."""

_SECRET_HEADERS = re.compile(
    r"^(proxy-)?authorization$|^cookie$|(^|-)(key|token|secret|authorization|password)$"
)
_OUR_HEADERS = re.compile(
    r"^(host|content-(length|type|encoding)|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect"
    r"|accept-encoding|x-waystation-.*)$"
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PLACEHOLDER = re.compile(r"\{[^}]*\}|[{}]")


class Fault(Protocol):
    def __call__(self, node: Node, path: Path, message: str, *, sensitive: bool = False) -> None: ...


def check(policy: Policy, root: Node, fault: Fault) -> None:
    """Reports every fault. A name counts as defined where it is written, even if its entry has faults."""
    declared = root.names_at(("providers",))
    groups = (*root.names_at(("access", "groups")), EVERYONE)
    for name, provider in policy.providers.items():
        _provider(name, provider, root, fault)
    for name, model in policy.models.items():
        _model(name, model, declared, groups, root, fault)
    for name, model in policy.models.items():
        _choose(name, model, policy, groups, root, fault)
    _names(policy, root, fault)
    _billing(policy, declared, root, fault)
    check_limits(policy, groups, root, fault)
    if EVERYONE in policy.access.groups:
        path: Path = ("access", "groups", EVERYONE)
        fault(root.key_at(path), path, f"`{EVERYONE}` is built in: every signed-in person is in it")


def _provider(name: str, spec: ProviderSpec, root: Node, fault: Fault) -> None:
    path: Path = ("providers", name)
    kind = KINDS[spec.kind]
    if spec.base_url is None and kind.base_url is None and not kind.built_in:
        fault(
            root.key_at(path), path, f"the field `base_url` is missing; the kind {spec.kind} has no usual one"
        )
    if spec.base_url is not None:
        _base_url(spec.base_url, kind, (*path, "base_url"), root, fault)
    _region(name, spec, root, fault)
    if kind.credential == "required" and not root.has((*path, "credential")):
        hint = f"credential: {kind.suggest}" if kind.suggest else "credential: env:NAME"
        fault(root.key_at(path), path, f"the field `credential` is missing; e.g. `{hint}`")
    if kind.credential == "none" and spec.credential is not None:
        fault(
            root.at((*path, "credential")), (*path, "credential"), f"the kind {spec.kind} takes no credential"
        )
    keys = {path_key(wire, Operation.LIST_MODELS) for wire in spec.wires or kind.wires}
    if spec.discover and keys.isdisjoint(kind.paths.keys() | spec.paths.keys()):
        below = (*path, "discover")
        fault(
            root.key_at(below), below, f"it has no list of models; add its path (`{min(keys)}`) under `paths`"
        )
    if spec.api_version is not None and not kind.versioned_paths:
        below = (*path, "api_version")
        fault(root.key_at(below), below, f"the kind {spec.kind} has no API versions")
    for i, wire in enumerate(spec.wires or ()):
        if wire not in kind.paths and wire not in spec.paths:
            below = (*path, "wires", i)
            fault(root.at(below), below, f"the kind {spec.kind} has no path for {wire}; add it under `paths`")
    for header, value in spec.headers.items():
        _header(header, value, (*path, "headers", header), root, fault)
    for key, template in spec.paths.items():
        _template(template, spec, (*path, "paths", key), root, fault)


def _region(name: str, spec: ProviderSpec, root: Node, fault: Fault) -> None:
    """Where AWS is; and that its credentials go to nobody else."""
    path: Path = ("providers", name)
    kind = KINDS[spec.kind]
    below = (*path, "region")
    if kind.auth is not AuthScheme.SIGV4:
        if spec.region is not None:
            fault(root.key_at(below), below, f"the kind {spec.kind} has no regions")
        if spec.credential is not None and spec.credential.startswith("aws:"):
            place = (*path, "credential")
            fault(root.at(place), place, f"the kind {spec.kind} takes a key, not AWS credentials")
        return
    needed = spec.base_url is None or (spec.credential or "").startswith("aws:")
    if needed and not root.has(below) and not region_of(kind, spec.region, spec.base_url):
        fault(root.key_at(path), path, "the field `region` is missing; e.g. `region: eu-central-1`")


def _base_url(url: str, kind: ProviderKind, path: Path, root: Node, fault: Fault) -> None:
    node = root.at(path)
    try:
        parts = urlsplit(url)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        fault(node, path, "this is not a URL")
        return
    if parts.username is not None or parts.password is not None:
        message = "secrets are references: take the user and password out of the URL, use `credential`"
        fault(node, path, message, sensitive=True)
    elif parts.query or parts.fragment:
        message = "a base URL has no `?query` or `#fragment` (secrets are references: use `credential`)"
        fault(node, path, message, sensitive=True)
    elif parts.scheme not in ("http", "https") or not parts.hostname or not port_ok:
        fault(node, path, "expected a URL such as `https://host/path`")
    elif re.search(r"[^!-~]", url):
        fault(node, path, "a URL has no spaces or letters beyond ASCII (write the host in its `xn--` form)")
    elif kind.base_without and parts.path.rstrip("/").endswith(kind.base_without):
        fault(node, path, f"leave `{kind.base_without}` off the end: the kind's paths begin with it")


def _header(name: str, value: str, path: Path, root: Node, fault: Fault) -> None:
    lower, node = name.lower(), root.at(path)
    if not _HEADER_NAME.fullmatch(name):
        fault(root.key_at(path), path, "this is not a header name")
    elif _OUR_HEADERS.match(lower):
        fault(root.key_at(path), path, "the gateway sets this header itself")
    elif (
        _SECRET_HEADERS.search(lower) or looks_like_secret(value) or re.match(r"(env|vault|file|aws):", value)
    ):
        message = "secrets are references: a key or token goes into `credential`, never into `headers`"
        fault(node, path, message, sensitive=True)
    elif re.search(r"[^ -~]", value):
        fault(node, path, "a header's value is plain ASCII on one line")


def _template(template: str, spec: ProviderSpec, path: Path, root: Node, fault: Fault) -> None:
    node = root.at(path)
    if not template.startswith("/") or re.search(r"[^!-~]|#", template):
        fault(node, path, "a path begins with `/` and is plain ASCII without spaces or `#`")
        return
    for found in _PLACEHOLDER.findall(template):
        if found not in ("{model}", "{api_version}"):
            fault(node, path, f"`{found}` is not filled in; only `{{model}}` and `{{api_version}}` are")
        elif found == "{api_version}" and spec.api_version is None:
            fault(node, path, "`{api_version}` needs the field `api_version` beside `paths`")


def _model(
    name: str, spec: ModelSpec, providers: tuple[str, ...], groups: tuple[str, ...], root: Node, fault: Fault
) -> None:
    path: Path = ("models", name)
    given = [field for field in ("routes", "choose") if root.has((*path, field))]
    if len(given) != 1:
        fault(root.key_at(path), path, f"give `routes` or `choose`{', not both' if given else ''}")
    seen: dict[tuple[str, str | None], int] = {}
    for i, route in enumerate(spec.routes or ()):
        below = (*path, "routes", i)
        if route.provider not in providers:
            place = (*below, "provider")
            fault(
                root.at(place), place, f"no provider has this name; {did_you_mean(route.provider, providers)}"
            )
        for found in _PLACEHOLDER.findall(route.model or ""):
            if found != "{model}":
                place = (*below, "model")
                fault(root.at(place), place, f"`{found}` is not filled in; only `{{model}}` is")
        if route.model is not None and is_pattern(route.model):
            place = (*below, "model")
            fault(
                root.at(place),
                place,
                "a provider's model id has no `*`; `{model}` stands for the name asked for",
            )
        key = (route.provider, route.model)
        if key in seen:
            fault(root.at(below), below, f"the same place as routes[{seen[key]}]; use `weight` for its share")
        seen.setdefault(key, i)
    for i, group in enumerate(spec.groups or ()):
        if group not in groups:
            place = (*path, "groups", i)
            hint = did_you_mean(group, groups)
            fault(root.at(place), place, f"`access.groups` has no such group; {hint}")
    for below, price in prices_of(spec, path):
        _price(price, below, root, fault)
    if is_pattern(name):
        for field in ("aliases", "agents"):
            if getattr(spec, field):
                place = (*path, field)
                fault(
                    root.key_at(place), place, "a pattern is not one model: give an exact name its own entry"
                )


_CONDITIONS = ("side_call", "prompt_over", "prompt_under", "images", "tools", "agents", "groups")


def _choose(
    name: str, spec: ModelSpec, policy: Policy, groups: tuple[str, ...], root: Node, fault: Fault
) -> None:
    lines = spec.choose or ()
    path: Path = ("models", name, "choose")
    if lines and is_pattern(name):
        fault(root.key_at(path), path, "a pattern has `routes`; a smart route has one exact name")
    for field in ("max_output", "context_window", "price"):
        place: Path = ("models", name, field)
        if lines and root.has(place):
            fault(root.key_at(place), place, "a smart route has none of its own: its models have")
    for i, line in enumerate(lines):
        conditional = any(getattr(line, field) not in (None, ()) for field in _CONDITIONS)
        if conditional and i == len(lines) - 1:
            message = "the last line has no conditions, so that there is always an answer"
            fault(root.at((*path, i)), (*path, i), message)
        if not conditional and i < len(lines) - 1:
            message = "a line without conditions comes last: those below it are never reached"
            fault(root.at((*path, i)), (*path, i), message)
        _chosen_models(line, policy, (*path, i, "model"), root, fault)
        for j, group in enumerate(line.groups):
            if group not in groups:
                place = (*path, i, "groups", j)
                hint = did_you_mean(group, groups)
                fault(root.at(place), place, f"`access.groups` has no such group; {hint}")


def _chosen_models(line: ChoiceSpec, policy: Policy, path: Path, root: Node, fault: Fault) -> None:
    plain = [n for n, spec in policy.models.items() if spec.choose is None]
    exact = [*(n for n in plain if not is_pattern(n)), *(a for n in plain for a in policy.models[n].aliases)]
    patterns = [compile_pattern(n) for n in plain if is_pattern(n)]
    several = not isinstance(line.model, str)
    for j, model in enumerate(named_models(line)):
        place = (*path, j) if several else path
        if model in policy.models and policy.models[model].choose is not None:
            fault(root.at(place), place, "a smart route leads to models, not to another smart route")
        elif model not in exact and not any(p.fullmatch(model) for p in patterns):
            fault(root.at(place), place, f"no model has this name; {did_you_mean(model, exact)}")


def named_models(line: ChoiceSpec) -> tuple[str, ...]:
    return (line.model,) if isinstance(line.model, str) else line.model


def prices_of(spec: ModelSpec, path: Path) -> Iterator[tuple[Path, PriceSpec]]:
    """A model's price entries, each with its place."""
    if isinstance(spec.price, PriceSpec):
        yield (*path, "price"), spec.price
    else:
        for i, price in enumerate(spec.price or ()):
            yield (*path, "price", i), price


def _price(price: PriceSpec, path: Path, root: Node, fault: Fault) -> None:
    rates = ("input", "output", "cache_read", "cache_write", "cache_write_1h", "web_search")
    stated = [f for f in (*rates, "long_context", "service_tiers") if getattr(price, f) not in (None, (), {})]
    if price.same_as is not None:
        if stated:
            place = (*path, stated[0])
            fault(root.key_at(place), place, "`same_as` takes the place of rates: give one or the other")
        return
    for needed in ("input", "output"):
        if not root.has((*path, needed)):
            fault(root.at(path), path, f"the field `{needed}` is missing (a price of 0 is written as 0)")
    thresholds = [step.above for step in price.long_context]
    for i, above in enumerate(thresholds):
        if above in thresholds[:i]:
            place = (*path, "long_context", i, "above")
            fault(root.at(place), place, "this threshold is already given")


def _names(policy: Policy, root: Node, fault: Fault) -> None:
    """Exact names and aliases are one namespace."""
    taken = {name: f"models.{name}" for name in policy.models}
    for name, spec in policy.models.items():
        for i, alias in enumerate(spec.aliases):
            path: Path = ("models", name, "aliases", i)
            if is_pattern(alias):
                fault(root.at(path), path, "an alias is one name, without `*`")
            elif alias in taken:
                fault(root.at(path), path, f"this name is taken by `{taken[alias]}`")
            taken.setdefault(alias, f"models.{name}.aliases[{i}]")


def _billing(policy: Policy, providers: tuple[str, ...], root: Node, fault: Fault) -> None:
    for field in LISTS:
        for i, entry in enumerate(getattr(policy.billing, field)):
            path: Path = ("billing", field, i)
            if entry.provider and entry.provider not in providers:
                place = (*path, "provider")
                hint = did_you_mean(entry.provider, providers)
                fault(root.at(place), place, f"no provider has this name; {hint}")
            if entry.since is not None and entry.until is not None and entry.until < entry.since:
                place = (*path, "until")
                fault(root.at(place), place, "this day is before `since`")
