"""PATCH (RFC 7644 section 3.5.2), with what Entra and Okta make of it. Pure: gives a new resource.

Both send operations with or without `path`; Entra capitalises `op`, writes booleans as text, puts dotted names and
URNs into an object without `path`, and removes members by `path: members` with a list of values.
"""

from typing import Any

from waystation.identity.scim.errors import ScimError, invalid_path, invalid_syntax, invalid_value, no_target
from waystation.identity.scim.filters import Compare, Filter, PatchPath, absent, child, matches, parse_path
from waystation.identity.scim.schemas import PATCH, Attribute, Kind, coerce

_MOST_OPERATIONS = 1000


def operations(body: Any) -> list[dict[str, Any]]:
    """The operations of a PATCH body. Raises ScimError (`invalidSyntax`)."""
    schemas = body.get("schemas") if isinstance(body, dict) else None
    if not isinstance(schemas, list) or PATCH not in schemas:
        raise invalid_syntax(f"The body must be an object whose `schemas` has {PATCH}.")
    found = child(body, "Operations")
    if not isinstance(found, list) or not found or len(found) > _MOST_OPERATIONS:
        raise invalid_syntax(f"`Operations` must be a list of 1 to {_MOST_OPERATIONS} operations.")
    if not all(isinstance(entry, dict) and isinstance(entry.get("op"), str) for entry in found):
        raise invalid_syntax("Each operation is an object with an `op`.")
    return found


def apply(kind: Kind, resource: dict[str, Any], changes: list[dict[str, Any]]) -> dict[str, Any]:
    """The resource with every operation done in order, or ScimError and nothing done."""
    result: dict[str, Any] = _copy(resource)
    for change in changes:
        op = change["op"].lower()
        path, value = change.get("path"), change.get("value")
        if op not in ("add", "replace", "remove"):
            raise invalid_syntax(f"{op[:40]!r} is not one of add, replace and remove.")
        if path is not None and not isinstance(path, str):
            raise invalid_path("A path is a text.")
        if path:
            _one(kind, result, op, parse_path(path), value)
        elif op == "remove":
            raise no_target("To remove something, say what: `path` is missing.")
        else:
            _whole(kind, result, op, value)
    return result


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value


def _whole(kind: Kind, resource: dict[str, Any], op: str, value: Any) -> None:
    if not isinstance(value, dict):
        raise invalid_value("Without a `path`, `value` must be an object.")
    for key, inner in value.items():
        if kind.extension and key.lower() == kind.extension.lower():
            if not isinstance(inner, dict):
                raise invalid_value(f"{key} must be an object.")
            for name, deep in inner.items():
                if kind.find(name, kind.extension) is not None:
                    _one(kind, resource, op, parse_path(f"{kind.extension}:{name}"), deep)
            continue
        if key.lower() in ("schemas", "id", "meta"):
            continue
        path = parse_path(key)
        if kind.find(path.path.name, path.path.schema) is not None:  # what we do not know is not kept
            _one(kind, resource, op, path, inner)


def _one(kind: Kind, resource: dict[str, Any], op: str, path: PatchPath, value: Any) -> None:
    if kind.extension and f"{path.path.schema}:{path.path.name}".lower() == kind.extension.lower():
        if op == "remove":
            resource.pop(kind.extension, None)
        else:
            _whole(kind, resource, op, {kind.extension: value})
        return
    attribute = kind.find(path.path.name, path.path.schema)
    if attribute is None:
        raise invalid_path(f"{path.path.name[:80]} is not an attribute of a {kind.name}.")
    if attribute.read_only:
        raise ScimError(400, f"{attribute.name} cannot be changed.", "mutability")
    inside = resource.setdefault(kind.extension, {}) if path.path.schema else resource
    if attribute.many:
        _many(attribute, inside, op, path, value)
    elif path.inner is not None:
        raise invalid_path(f"{attribute.name} has one value: a filter makes no sense there.")
    elif path.sub:
        _sub(attribute, inside, op, path.sub, value)
    elif op == "remove" or value is None:
        inside.pop(attribute.name, None)
    elif attribute.type == "complex" and op == "add" and isinstance(inside.get(attribute.name), dict):
        inside[attribute.name] |= coerce(attribute, value)
    else:
        inside[attribute.name] = coerce(attribute, value)
    if path.path.schema and not resource[kind.extension]:
        del resource[kind.extension]


def _sub(attribute: Attribute, inside: dict[str, Any], op: str, name: str, value: Any) -> None:
    sub = _sub_attribute(attribute, name)
    target = inside.setdefault(attribute.name, {})
    if op == "remove" or value is None:
        target.pop(sub.name, None)
    else:
        target |= coerce(attribute, {sub.name: value})
    if not target:
        del inside[attribute.name]


def _sub_attribute(attribute: Attribute, name: str) -> Attribute:
    found = next((sub for sub in attribute.subs if sub.name.lower() == name.lower()), None)
    if found is None:
        raise invalid_path(f"{attribute.name} has no {name[:80]}.")
    return found


def _many(attribute: Attribute, inside: dict[str, Any], op: str, path: PatchPath, value: Any) -> None:
    elements: list[dict[str, Any]] = list(inside.get(attribute.name, []))
    if path.inner is not None:
        elements = _matching(attribute, elements, op, path.inner, path.sub, value)
    elif path.sub:
        sub = _sub_attribute(attribute, path.sub)
        for element in elements:
            _set(attribute, element, op, sub.name, value)
    elif op == "remove":
        elements = _without(attribute, elements, value)
    else:
        new = coerce(attribute, [] if value is None else value)
        elements = new if op == "replace" else elements + _unlike(new, elements)
        _one_primary(elements, new)
    if elements:
        inside[attribute.name] = elements
    else:
        inside.pop(attribute.name, None)


def _without(attribute: Attribute, elements: list[dict[str, Any]], value: Any) -> list[dict[str, Any]]:
    """All of them, or (Entra) those whose `value` is listed."""
    if value is None or value == []:
        return []
    gone = {element.get("value") for element in coerce(attribute, value)}
    return [element for element in elements if element.get("value") not in gone]


def _unlike(new: list[dict[str, Any]], elements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that are not there yet: an element is the same if its `value` (and `type`) is."""
    seen = {(element.get("value"), element.get("type")) for element in elements if "value" in element}
    return [e for e in new if e not in elements and (e.get("value"), e.get("type")) not in seen]


def _matching(
    attribute: Attribute, elements: list[dict[str, Any]], op: str, inner: Filter, sub: str, value: Any
) -> list[dict[str, Any]]:
    found = [element for element in elements if matches(inner, element)]
    name = _sub_attribute(attribute, sub).name if sub else ""
    if op == "remove":
        if not name:
            return [element for element in elements if element not in found]
        for element in found:
            element.pop(name, None)
        return [element for element in elements if element]
    if not found:
        if op == "replace":
            raise no_target(f"No element of {attribute.name} fits the filter.")
        made = coerce(attribute, [_of_filter(attribute, inner)])[0]  # Entra: add emails[type eq "work"].value
        elements.append(made)
        found = [made]
    for element in found:
        if name:
            _set(attribute, element, op, name, value)
        else:
            if not isinstance(value, dict):
                raise invalid_value(f"An element of {attribute.name} is an object.")
            new = coerce(attribute, [value])[0]
            if op == "replace":
                element.clear()
            element |= new
    _one_primary(elements, found)
    return elements


def _set(attribute: Attribute, element: dict[str, Any], op: str, name: str, value: Any) -> None:
    if op == "remove" or value is None:
        element.pop(name, None)
    else:
        element |= coerce(attribute, [{name: value}])[0]


def _of_filter(attribute: Attribute, inner: Filter) -> dict[str, Any]:
    if not isinstance(inner, Compare) or inner.operator != "eq" or inner.path.sub:
        raise no_target(f"No element of {attribute.name} fits the filter.")
    return {_sub_attribute(attribute, inner.path.name).name: inner.value}


def _one_primary(elements: list[dict[str, Any]], newest: list[dict[str, Any]]) -> None:
    """Only one element may be the primary one: the last that was said to be."""
    chosen = next((element for element in reversed(newest) if element.get("primary") is True), None)
    if chosen is not None:
        for element in elements:
            if element is not chosen and not absent(child(element, "primary")):
                element["primary"] = False
