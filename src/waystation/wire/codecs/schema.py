"""JSON Schema without references: finite, shallow, and in words that are its own.

Providers ignore a keyword they do not know but refuse a whole request for a reference they cannot follow
(E34). So references into the same document are inlined, whatever pointer they are and whatever stands beside
them; cycles, depths and explosions are cut to a plain type, which allows more than the original but never
less; and what is not JSON Schema's own word is left out.
"""

from typing import Any
from urllib.parse import unquote

import msgspec

Json = dict[str, Any]

MAX_DEPTH = 32
"""Levels of schemas within schemas; what is deeper is cut to its type."""
_MAX_REFERENCES = 32
"""References within references."""

_TYPES = frozenset(("string", "number", "integer", "boolean", "array", "object", "null"))
_REFERENCES = frozenset(("$ref", "$dynamicRef", "$recursiveRef"))
_ALTERNATIVES = ("anyOf", "oneOf")
_LISTS = frozenset((*_ALTERNATIVES, "prefixItems"))
_MAPS = frozenset(("properties", "patternProperties", "dependentSchemas"))
_SCHEMAS = frozenset(
    {"items", "additionalItems", "unevaluatedItems", "contains", "additionalProperties"}
    | {"unevaluatedProperties", "propertyNames", "not", "if", "then", "else"}
)
_VALUES = frozenset(
    {"title", "description", "default", "examples", "example", "format", "pattern", "nullable", "const"}
    | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength"}
    | {"minItems", "maxItems", "uniqueItems", "minContains", "maxContains", "minProperties", "maxProperties"}
    | {"dependentRequired", "contentEncoding", "contentMediaType", "propertyOrdering", "readOnly"}
    | {"writeOnly", "deprecated"}
)


class Allowance:
    """How many schemas references may still add. A few lines can refer to each other into millions, so one
    allowance is shared by all schemas of a request."""

    __slots__ = ("left",)

    def __init__(self, left: int = 10_000) -> None:
        self.left = left


class Plain(msgspec.Struct, frozen=True):
    """A schema without references."""

    schema: Json
    lossy: bool
    """It allows more than the original did."""


def inline(schema: Json, allowance: Allowance | None = None) -> Plain:
    """`schema` with every reference inlined and every `allOf` joined."""
    document = _Document(schema, allowance or Allowance())
    return Plain(document.plain(schema, 0, ()), document.lossy)


def with_object_root(schema: Json) -> Json:
    """A plain schema as the parameters of a function, which are always an object: alternatives at its root
    become one object with the properties of all, of which those are required that all require."""
    if schema.get("type") == "object" and not any(key in schema for key in _ALTERNATIVES):
        return schema
    root = {key: value for key, value in schema.items() if key not in _ALTERNATIVES}
    properties = dict(as_dict(root.get("properties")))
    shared: list[str] | None = None
    for key in _ALTERNATIVES:
        for alternative in as_list(schema.get(key)):
            for name, value in as_dict(as_dict(alternative).get("properties")).items():
                properties.setdefault(name, value)
            names = strings(as_dict(alternative).get("required"))
            shared = names if shared is None else [name for name in shared if name in names]
    root["type"] = "object"
    root["properties"] = properties
    required = dict.fromkeys((*strings(root.get("required")), *(shared or ())))
    if required:
        root["required"] = [name for name in required if name in properties]
    return root


class _Document:
    """One schema on its way, and what its references point into."""

    __slots__ = ("_allowance", "_root", "lossy")

    def __init__(self, root: Json, allowance: Allowance) -> None:
        self._root = root
        self._allowance = allowance
        self.lossy = False

    def plain(self, value: Any, depth: int, trail: tuple[str, ...]) -> Json:
        """One schema. `trail` are the references that led to it: one of them again is a cycle."""
        if not isinstance(value, dict):
            self.lossy = self.lossy or value is not True
            return {}
        if trail:
            self._allowance.left -= 1
        if depth >= MAX_DEPTH or (trail and self._allowance.left < 0):
            self.lossy = True
            return stump(value)
        value, trail = self._resolve(value, trail)
        if "allOf" in value:
            value, trail = self._join(value, trail)
        return self._plain(value, depth + 1, trail)

    def _plain(self, source: Json, depth: int, trail: tuple[str, ...]) -> Json:
        out: Json = {}
        for key, value in source.items():
            if key in _VALUES:
                out[key] = value
            elif key in _MAPS:
                out[key] = {
                    name: self.plain(schema, depth, trail)
                    for name, schema in as_dict(value).items()
                    if schema is not False
                }
            elif key == "type":
                _put_type(out, value)
            elif key == "enum":
                out[key] = value
            elif key in _LISTS or (key == "items" and isinstance(value, list)):
                if as_list(value):
                    name = "prefixItems" if key == "items" else key
                    out[name] = [self.plain(member, depth, trail) for member in value]
            elif key in _SCHEMAS:
                out[key] = value if isinstance(value, bool) else self.plain(value, depth, trail)
        if "enum" in out or "const" in out:
            _put_choices(out)
        if "required" in source:
            properties = as_dict(out.get("properties"))
            known = [name for name in dict.fromkeys(strings(source["required"])) if name in properties]
            if known:
                out["required"] = known  # a name that is not declared makes Gemini refuse the request
        return out

    def _resolve(self, value: Json, trail: tuple[str, ...]) -> tuple[Json, tuple[str, ...]]:
        """The schema without its reference: what that points at, with what stands beside it."""
        while not _REFERENCES.isdisjoint(value):
            reference = next(value[key] for key in value if key in _REFERENCES)
            beside = {key: item for key, item in value.items() if key not in _REFERENCES}
            cut = reference in trail or len(trail) >= _MAX_REFERENCES
            target = None if cut else self._find(reference)
            if target is None:  # a cycle, another document, or nothing at all
                self.lossy = True
                return {"type": "object", **beside}, trail
            trail = (*trail, reference)
            value = merged(beside, target)
        return value, trail

    def _find(self, reference: Any) -> Json | None:
        """What a JSON pointer into this document points at, if that is a schema."""
        if reference == "#":
            return self._root
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return None
        found: Any = self._root
        for step in unquote(reference).split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, dict):
                found = found.get(name)
            elif isinstance(found, list) and name.isascii() and name.isdecimal():
                found = found[int(name)] if len(name) < 6 and int(name) < len(found) else None
            else:
                return None
        return found if isinstance(found, dict) else None

    def _join(self, source: Json, trail: tuple[str, ...]) -> tuple[Json, tuple[str, ...]]:
        """A schema and its `allOf`, and theirs, as one."""
        joined = {key: value for key, value in source.items() if key != "allOf"}
        waiting = list(reversed(as_list(source["allOf"])))
        while waiting:
            member = waiting.pop()
            self._allowance.left -= 1
            if not isinstance(member, dict) or self._allowance.left < 0:
                self.lossy = True
                continue
            member, trail = self._resolve(member, trail)
            waiting.extend(reversed(as_list(member.get("allOf"))))
            joined = merged(joined, {key: value for key, value in member.items() if key != "allOf"})
        return joined, trail


def merged(first: Json, second: Json) -> Json:
    """What both say; where they differ, what the first says."""
    both = {**second, **first}
    if isinstance(first.get("properties"), dict) and isinstance(second.get("properties"), dict):
        both["properties"] = {**second["properties"], **first["properties"]}
    if isinstance(first.get("required"), list) and isinstance(second.get("required"), list):
        both["required"] = [*first["required"], *second["required"]]
    return both


def stump(value: Json) -> Json:
    """What is left of a schema that is too deep."""
    kind = value.get("type")
    rest: Json = {"type": kind if isinstance(kind, str) and kind in _TYPES else "object"}
    if isinstance(value.get("description"), str):
        rest["description"] = value["description"]
    return rest


def _put_type(out: Json, value: Any) -> None:
    if isinstance(value, str):
        if value in _TYPES:
            out["type"] = value
    else:
        known = [kind for kind in dict.fromkeys(strings(value)) if kind in _TYPES]
        if known:
            out["type"] = known if len(known) > 1 else known[0]


def _put_choices(out: Json) -> None:
    """An enum of strings and numbers, which is what Gemini's JSON Schema has; `const` is an enum of one, and
    null an alternative to it."""
    if "const" in out and "enum" not in out:
        out["enum"] = [out["const"]]
    out.pop("const", None)
    values = as_list(out.pop("enum", None))
    known = [
        value for value in values if isinstance(value, str | int | float) and not isinstance(value, bool)
    ]
    if not known:
        if values and all(isinstance(value, bool) for value in values):
            out.setdefault("type", "boolean")
        elif values == [None]:
            out["type"] = "null"
    elif len(known) == len(values):
        out["enum"] = known
    elif len(known) + values.count(None) == len(values) and "anyOf" not in out:
        kinds = [kind for kind in _kinds(out.pop("type", None)) if kind != "null"]
        one_of_them: Json = {"enum": known}
        _put_type(one_of_them, kinds)
        out["anyOf"] = [one_of_them, {"type": "null"}]


def _kinds(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else strings(value)


def as_dict(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
