"""JSON Schema as the Messages API takes it: at the root of a tool's input, and for guaranteed output.

Guaranteed output (`output_config.format`, a tool's `strict`) takes a part of JSON Schema only, and refuses the
request for anything else. What it takes is an allow-list here; a constraint that is not on it goes into the
description, where the model may still heed it, as the SDK's own `transform_schema` does.
"""

from typing import Any

import msgspec

_DEPTH = 60
"""Deeper ones are not worth a compiled grammar."""
_TYPES = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_KEPT = frozenset({"type", "enum", "const", "$ref", "required", "description", "title", "default"})
_SILENT = frozenset({"$schema", "$id", "$comment", "additionalProperties", "examples"})
_DEFINITIONS = ("$defs", "definitions")
COMBINERS = frozenset({"anyOf", "oneOf", "allOf"})
NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}}
"""The schema of a tool that takes no arguments."""


class _Inexpressible(Exception):
    """There are values that the schema allows and that no schema of the API's kind does."""


def root_object(schema: dict[str, Any] | None) -> tuple[dict[str, Any], bool]:
    """A tool's parameters as `input_schema`, and whether that says less than they did.

    The root must be an object, and `anyOf`, `oneOf` and `allOf` are refused there (not below): their
    properties are gathered into one object, of which only what every branch requires is required.
    """
    if not schema:
        return NO_ARGUMENTS, False
    combined = [key for key in sorted(COMBINERS) if key in schema]
    if not combined:
        if schema.get("type") == "object":
            return schema, False
        return {**schema, "type": "object"}, schema.get("type") is not None
    merged = {key: value for key, value in schema.items() if key not in COMBINERS}
    properties = dict(_mapping(schema.get("properties")))
    required = [name for name in _list(schema.get("required")) if isinstance(name, str)]
    for key in combined:
        branches = [branch for branch in _list(schema[key]) if isinstance(branch, dict)]
        demanded = [set(_words(branch.get("required"))) for branch in branches]
        for branch in branches:
            for name, value in _mapping(branch.get("properties")).items():
                properties.setdefault(name, value)
        if demanded:
            shared = set.union(*demanded) if key == "allOf" else set.intersection(*demanded)
            required.extend(sorted(shared.difference(required)))
    merged["type"] = "object"
    merged["properties"] = properties
    if required:
        merged["required"] = required
    return merged, True


def guaranteed(schema: dict[str, Any]) -> dict[str, Any] | None:
    """`schema` as the API can guarantee it: any value that fits the result fits `schema` too, save for
    constraints that went into a description. None where that cannot be: open maps, recursion, no type.
    """
    if any(_is_recursive(_mapping(schema.get(key)), key) for key in _DEFINITIONS):
        return None
    try:
        return _convert(schema, 0)
    except _Inexpressible:
        return None


def _convert(schema: Any, depth: int) -> dict[str, Any]:
    if not isinstance(schema, dict) or depth > _DEPTH:
        raise _Inexpressible
    result: dict[str, Any] = {}
    left_over: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _DEFINITIONS:
            result[key] = {name: _convert(inner, depth + 1) for name, inner in _mapping(value).items()}
        elif key in ("anyOf", "oneOf"):
            result["anyOf"] = [_convert(inner, depth + 1) for inner in _list(value)]
        elif key == "allOf":
            result[key] = [_convert(inner, depth + 1) for inner in _list(value)]
        elif key == "properties":
            result[key] = {name: _convert(inner, depth + 1) for name, inner in _mapping(value).items()}
        elif key == "items":
            result[key] = _convert(value, depth + 1)
        elif (
            key in _KEPT or (key == "format" and value in _FORMATS) or (key == "minItems" and value in (0, 1))
        ):
            result[key] = value
        elif key not in _SILENT:
            left_over[key] = value
    _check(schema, result)
    if left_over:
        hint = msgspec.json.encode(left_over).decode()
        said = result.get("description")
        result["description"] = f"{said}\n\n{hint}" if isinstance(said, str) and said else hint
    return result


def _check(schema: dict[str, Any], result: dict[str, Any]) -> None:
    """Says of an object that it is closed; raises for what the API would not take, or take for less."""
    reference = result.get("$ref")
    if reference is not None:
        if not isinstance(reference, str) or not reference.startswith(("#/$defs/", "#/definitions/")):
            raise _Inexpressible
        return
    kind = result.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    if "properties" in result and kind is None:
        kinds = ["object"]
        result["type"] = "object"
    if not any(key in result for key in ("type", "enum", "const", "anyOf", "allOf")):
        raise _Inexpressible
    if kind is not None and not all(isinstance(word, str) and word in _TYPES for word in kinds):
        raise _Inexpressible
    if not all(_is_plain(value) for value in [*_list(result.get("enum")), result.get("const")]):
        raise _Inexpressible
    if "object" in kinds:
        closed = schema.get("additionalProperties") is False
        if not closed and (
            not result.get("properties") or isinstance(schema.get("additionalProperties"), dict)
        ):
            raise _Inexpressible
        result.setdefault("properties", {})
        result["additionalProperties"] = False
    if "array" in kinds and "items" not in result:
        raise _Inexpressible


def _is_recursive(definitions: dict[str, Any], key: str) -> bool:
    """Whether a definition leads back to itself."""
    prefix = f"#/{key}/"
    leads = {name: _references(inner, prefix) for name, inner in definitions.items()}
    for start in leads:
        seen: set[str] = set()
        ahead = list(leads[start])
        while ahead:
            name = ahead.pop()
            if name == start:
                return True
            if name not in seen:
                seen.add(name)
                ahead.extend(leads.get(name, ()))
    return False


def _references(schema: Any, prefix: str) -> set[str]:
    found: set[str] = set()
    ahead = [schema]
    while ahead:
        value = ahead.pop()
        if isinstance(value, dict):
            reference = value.get("$ref")
            if isinstance(reference, str) and reference.startswith(prefix):
                found.add(reference[len(prefix) :])
            ahead.extend(value.values())
        elif isinstance(value, list):
            ahead.extend(value)
    return found


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _words(value: Any) -> list[str]:
    return [word for word in _list(value) if isinstance(word, str)]
