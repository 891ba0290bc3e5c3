"""Gemini's own `Schema`: a small part of OpenAPI 3.0, where one unknown word refuses the whole request (E33).

Made by allow-list from a plain JSON Schema, and read back into JSON Schema.
"""

from typing import Any

from waystation.wire.bad_body import BadBody
from waystation.wire.codecs.schema import (
    Allowance,
    Json,
    Plain,
    as_dict,
    as_list,
    inline,
    merged,
    strings,
    stump,
    with_object_root,
)

_COUNTS = ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties")
_NUMBERS = ("minimum", "maximum")
_OF_TYPE: dict[str, tuple[str, ...]] = {
    "string": ("minLength", "maxLength", "pattern"),
    "number": _NUMBERS,
    "integer": _NUMBERS,
    "array": ("items", "prefixItems", "minItems", "maxItems"),
    "object": ("properties", "required", "minProperties", "maxProperties", "propertyOrdering"),
}
"""Words that mean something for one type only."""
_FORMATS = {
    "string": ("date-time", "enum"),
    "number": ("float", "double"),
    "integer": ("int32", "int64"),
}
_SAID = frozenset(
    {"type", "format", "title", "description", "default", "example", "examples", "enum", "anyOf", "oneOf"}
    | {"nullable", "exclusiveMinimum", "exclusiveMaximum", "additionalProperties"}
    | {"readOnly", "writeOnly", "deprecated"}
    | {key for keys in _OF_TYPE.values() for key in keys}
)
"""Words that are said in one way or another, or that are no rules."""
_SHAPES = frozenset(("type", "properties", "items", "enum", "anyOf", "oneOf", "prefixItems"))
"""A schema with one of these says what a value looks like; without, it only adds a condition to another."""
_NOTES = ("title", "description", "default", "example", "examples")
_INT64 = 2**63 - 1
_FINITE = 1e300
_DEEPEST = 100


def parameters(schema: Json, allowance: Allowance) -> Plain:
    """For a function's `parametersJsonSchema`: JSON Schema that Gemini takes."""
    plain = inline(schema, allowance)
    return Plain(with_object_root(plain.schema), plain.lossy)


def gemini_schema(plain: Plain, allowance: Allowance) -> Plain:
    """The same for `parameters` and `responseSchema`: what the SDK's `Schema` and the API accept."""
    writer = _Writer(allowance)
    return Plain(writer.schema(plain.schema), plain.lossy or writer.lossy)


class _Writer:
    """Plain JSON Schema → Gemini's. Its depth is bounded by the plain schema's."""

    __slots__ = ("_allowance", "_copies", "lossy")

    def __init__(self, allowance: Allowance) -> None:
        self._allowance = allowance
        self._copies = 0
        self.lossy = False

    def schema(self, source: Json) -> Json:
        if self._copies:
            self._allowance.left -= 1
            if self._allowance.left < 0:
                self.lossy = True
                return _stump(source)
        kinds, nullable = _kinds(source)
        members = [as_dict(member) for key in ("anyOf", "oneOf") for member in as_list(source.get(key))]
        shapes = [member for member in members if member.get("type") != "null"]
        nullable = nullable or len(shapes) < len(members)
        base = {key: value for key, value in source.items() if key not in ("anyOf", "oneOf")}
        if shapes and all(_SHAPES & member.keys() for member in shapes):
            out = self._alternatives(base, shapes)
        elif len(kinds) > 1:
            out = self._any_of(base, [self._one_type(_only(base, kind), kind) for kind in kinds])
        else:
            out = self._one_type(base, kinds[0] if kinds else "")
            _annotate(base, out)
            self.lossy = self.lossy or bool(shapes)
        return _nullable(out) if nullable else out

    def _alternatives(self, base: Json, shapes: list[Json]) -> Json:
        """Each of `shapes`, with what `base` demands of all of them."""
        if not _SHAPES & base.keys():
            return self._any_of(base, [self.schema(shape) for shape in shapes])
        shared = {key: value for key, value in base.items() if key not in _NOTES}
        self._copies += 1
        try:
            return self._any_of(base, [self.schema(merged(shape, shared)) for shape in shapes])
        finally:
            self._copies -= 1

    def _any_of(self, base: Json, shapes: list[Json]) -> Json:
        """Nothing may stand beside `anyOf`, so the first of its members says what does."""
        flat: list[Json] = []
        for shape in shapes:
            for member in shape.get("anyOf", (shape,)):
                if member not in flat:
                    flat.append(member)
        notes: Json = {}
        _annotate(base, notes)
        flat[0] = {**notes, **flat[0]}
        return {"anyOf": flat} if len(flat) > 1 else flat[0]

    def _one_type(self, source: Json, kind: str) -> Json:
        out: Json = {}
        choices = self._choices(source, kind)
        kind = kind or _implied(source, choices)
        if kind:
            out["type"] = kind.upper()
        if choices:
            out["enum"] = choices
        if kind == "object":
            self._object(source, out)
        elif kind == "array":
            out["items"] = self._items(source)
        self._limits(source, kind, out)
        form = source.get("format")
        if isinstance(form, str) and form in _FORMATS.get(kind, ()):
            out["format"] = form
        elif form is not None:
            self.lossy = True
        self.lossy = self.lossy or not source.keys() <= _SAID
        return out

    def _object(self, source: Json, out: Json) -> None:
        properties = {
            name: self.schema(as_dict(schema)) for name, schema in as_dict(source.get("properties")).items()
        }
        if properties:
            out["properties"] = properties
            for key in ("required", "propertyOrdering"):
                names = [name for name in dict.fromkeys(strings(source.get(key))) if name in properties]
                if names:
                    out[key] = names
        if source.get("additionalProperties", True) is not True:
            self.lossy = True

    def _items(self, source: Json) -> Json:
        """The API demands them of every array."""
        members = as_list(source.get("prefixItems"))
        if members:
            self.lossy = True
            return self._any_of({}, [self.schema(as_dict(member)) for member in members])
        return self.schema(as_dict(source.get("items")))

    def _choices(self, source: Json, kind: str) -> list[str]:
        """The values of an enum, which only strings may have, and none of them empty."""
        values = as_list(source.get("enum"))
        texts = [value for value in dict.fromkeys(strings(values)) if value]
        if kind not in ("", "string") or len(texts) != len(values):
            self.lossy = self.lossy or bool(values)
            return []
        return texts

    def _limits(self, source: Json, kind: str, out: Json) -> None:
        for key in _OF_TYPE.get(kind, ()):
            value = source.get(key)
            if key in _COUNTS:
                value = _count(value)
            elif key in _NUMBERS:
                value = _number(value)
            elif key != "pattern" or not isinstance(value, str):
                continue
            if value is not None:
                out[key] = value
        for key, limit, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
            bound = _number(source.get(key))
            if kind == "integer" and isinstance(bound, int):
                out.setdefault(limit, bound + step)
            elif bound is not None:
                self.lossy = True


def json_schema(schema: Json, param: str) -> Json:
    """A tool's `Schema` as JSON Schema. Raises BadBody naming `param` where it is nested too deeply."""
    return _json_schema(schema, param, 0)


def _json_schema(schema: Json, param: str, depth: int) -> Json:
    if depth > _DEEPEST:
        raise BadBody(f"The schema is nested more than {_DEEPEST} levels deep.", param=param)
    out: Json = {}
    nullable = False
    for key, value in schema.items():
        name = _CAMEL.get(key, key)
        if name == "type":
            if isinstance(value, str) and value.upper() != "TYPE_UNSPECIFIED":
                out["type"] = value.lower()
        elif name == "nullable":
            nullable = value is True
        elif name in ("items", "additionalProperties") and isinstance(value, dict):
            out[name] = _json_schema(value, param, depth + 1)
        elif name in ("properties", "defs"):
            out["$defs" if name == "defs" else name] = {
                label: _json_schema(as_dict(member), param, depth + 1)
                for label, member in as_dict(value).items()
            }
        elif name in ("anyOf", "prefixItems"):
            out[name] = [_json_schema(as_dict(member), param, depth + 1) for member in as_list(value)]
        elif name in _COUNTS:
            out[name] = int(value) if isinstance(value, str) and value.isdecimal() else value
        elif name == "ref":
            out["$ref"] = value.replace("#/defs/", "#/$defs/") if isinstance(value, str) else value
        elif name == "example":
            out["examples"] = [value]
        elif name not in ("propertyOrdering", "format") or (name == "format" and value != "enum"):
            out[name] = value
    _put_order(out, schema.get("propertyOrdering", schema.get("property_ordering")))
    return _or_null(out) if nullable else out


_CAMEL = {
    "any_of": "anyOf",
    "additional_properties": "additionalProperties",
    "property_ordering": "propertyOrdering",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_items": "minItems",
    "max_items": "maxItems",
    "min_properties": "minProperties",
    "max_properties": "maxProperties",
    "prefix_items": "prefixItems",
    "$ref": "ref",
    "$defs": "defs",
}


def _put_order(out: Json, ordering: Any) -> None:
    """Properties in the order that `propertyOrdering` asks for, which JSON Schema has no word for."""
    properties = out.get("properties")
    if isinstance(properties, dict):
        first = {name: properties[name] for name in strings(ordering) if name in properties}
        out["properties"] = {**first, **properties}


def _or_null(out: Json) -> Json:
    if "anyOf" in out:
        return {**out, "anyOf": [*out["anyOf"], {"type": "null"}]}
    if isinstance(out.get("type"), str):
        out["type"] = [out["type"], "null"]
        if isinstance(out.get("enum"), list):
            out["enum"] = [*out["enum"], None]
    return out


def _kinds(source: Json) -> tuple[list[str], bool]:
    """The types that a value may have, save null, and whether it may be null."""
    value = source.get("type")
    kinds = [value] if isinstance(value, str) else strings(value)
    if "number" in kinds and "integer" in kinds:
        kinds = [kind for kind in kinds if kind != "integer"]
    others = [kind for kind in kinds if kind != "null"]
    nullable = "null" in kinds or source.get("nullable") is True
    return (others, nullable) if others or not kinds else (["null"], False)


def _only(source: Json, kind: str) -> Json:
    """The schema for one of its types."""
    own = _OF_TYPE.get(kind, ())
    foreign = {key for keys in _OF_TYPE.values() for key in keys if key not in own}
    return {
        key: value
        for key, value in source.items()
        if key not in foreign and (key != "enum" or kind == "string") and key != "format"
    }


def _implied(source: Json, choices: list[str]) -> str:
    """The type of a schema that names none."""
    if choices:
        return "string"
    values = as_list(source.get("enum"))
    if values and all(isinstance(value, int | float) for value in values):
        return "integer" if all(isinstance(value, int) for value in values) else "number"
    for kind in ("object", "array", "string", "number"):
        if any(key in source for key in _OF_TYPE[kind]):
            return kind
    return ""


def _annotate(source: Json, out: Json) -> None:
    for key in ("title", "description"):
        if isinstance(source.get(key), str):
            out[key] = source[key]
    if source.get("default") is not None:
        out["default"] = source["default"]
    example = source.get("example", next(iter(as_list(source.get("examples"))), None))
    if example is not None:
        out["example"] = example


def _stump(source: Json) -> Json:
    rest = stump(source)
    rest["type"] = rest["type"].upper()
    return rest if rest["type"] != "ARRAY" else {**rest, "items": {}}


def _nullable(shape: Json) -> Json:
    if "anyOf" in shape:
        return {**shape, "anyOf": [_nullable(member) for member in shape["anyOf"]]}
    return {**shape, "nullable": True}


def _count(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _INT64:
        return None
    return int(value) if value == int(value) else None


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not -_FINITE <= value <= _FINITE:
        return None
    return value
