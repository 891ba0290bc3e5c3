"""JSON Schema for Gemini: references inlined, depth and size bounded, its own Schema by allow-list."""

import json
from typing import Any

import jsonschema
import pytest
from google.genai import types
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.wire import BadBody
from waystation.wire.codecs.generate.schema import gemini_schema, json_schema, parameters
from waystation.wire.codecs.schema import MAX_DEPTH, Allowance, inline

Json = dict[str, Any]


def plain(schema: Json) -> Json:
    return parameters(schema, Allowance()).schema


def own(schema: Json) -> Json:
    allowance = Allowance()
    return gemini_schema(parameters(schema, allowance), allowance).schema


def own_property(schema: Json) -> Json:
    """The schema of one property, in Gemini's words."""
    found = own({"type": "object", "properties": {"x": schema}})["properties"]["x"]
    assert isinstance(found, dict)
    return found


def lossy(schema: Json) -> bool:
    allowance = Allowance()
    return gemini_schema(parameters(schema, allowance), allowance).lossy


def references(value: Any) -> bool:
    if isinstance(value, dict):
        return "$ref" in value or any(references(item) for item in value.values())
    return isinstance(value, list) and any(references(item) for item in value)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((depth(item) for item in value.values()), default=0)
    if isinstance(value, list):
        return max((depth(item) for item in value), default=0)
    return 0


ZOD = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "count": {"type": "integer", "exclusiveMinimum": 0, "maximum": 9007199254740991},
        "mode": {"const": "fast"},
        "url": {"type": "string", "format": "uri", "minLength": 1},
        "when": {"type": "string", "format": "date-time"},
        "who": {"oneOf": [{"type": "string"}, {"type": "null"}], "description": "Whose"},
    },
    "required": ["count"],
    "additionalProperties": False,
}


def test_E33_what_gemini_has_no_word_for_is_left_out_of_its_own_schema() -> None:
    assert own(ZOD) == {
        "type": "OBJECT",
        "properties": {
            "count": {"type": "INTEGER", "minimum": 1, "maximum": 9007199254740991},
            "mode": {"type": "STRING", "enum": ["fast"]},
            "url": {"type": "STRING", "minLength": 1},
            "when": {"type": "STRING", "format": "date-time"},
            "who": {"type": "STRING", "nullable": True, "description": "Whose"},
        },
        "required": ["count"],
    }
    assert lossy(ZOD)


def test_E33_as_json_schema_it_keeps_its_rules() -> None:
    schema = plain(ZOD)
    assert "$schema" not in schema
    assert schema["additionalProperties"] is False
    assert schema["properties"]["count"]["exclusiveMinimum"] == 0
    assert schema["properties"]["mode"] == {"enum": ["fast"]}
    assert not parameters(ZOD, Allowance()).lossy


def test_only_strings_have_an_enum_in_geminis_own_schema() -> None:
    assert own_property({"enum": [1, 2]}) == {"type": "INTEGER"}
    assert own_property({"type": "boolean", "const": True}) == {"type": "BOOLEAN"}
    assert own_property({"type": "string", "enum": ["a", "", "b"]}) == {"type": "STRING"}
    assert own_property({"enum": ["a", None]}) == {"type": "STRING", "enum": ["a"], "nullable": True}
    assert lossy({"type": "object", "properties": {"x": {"enum": [1, 2]}}})


def test_several_types_become_alternatives_of_which_each_has_its_own_rules() -> None:
    schema = {"type": ["string", "number", "null"], "minLength": 1, "minimum": 2, "description": "D"}
    assert own_property(schema) == {
        "anyOf": [
            {"description": "D", "type": "STRING", "minLength": 1, "nullable": True},
            {"type": "NUMBER", "minimum": 2, "nullable": True},
        ]
    }


def test_nothing_stands_beside_any_of() -> None:
    """The API: when using any_of, it must be the only field set."""
    schema = {
        "type": "object",
        "description": "base",
        "properties": {"q": {"type": "string"}},
        "anyOf": [{"properties": {"m": {"type": "string"}}, "required": ["m"]}, {"properties": {"n": {}}}],
    }
    found = own_property(schema)
    assert found.keys() == {"anyOf"}
    assert [sorted(member["properties"]) for member in found["anyOf"]] == [["m", "q"], ["n", "q"]]
    assert found["anyOf"][0]["description"] == "base"


def test_conditions_on_top_of_a_shape_go_and_the_shape_stays() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
        "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
    }
    assert own_property(schema) == {
        "type": "OBJECT",
        "properties": {"a": {"type": "STRING"}, "b": {"type": "STRING"}},
    }


def test_arrays_always_say_what_is_in_them() -> None:
    assert own_property({"type": "array"}) == {"type": "ARRAY", "items": {}}
    assert own_property({"type": "array", "items": [{"type": "string"}, {"type": "integer"}]})["items"] == {
        "anyOf": [{"type": "STRING"}, {"type": "INTEGER"}]
    }


def test_a_name_that_is_not_declared_is_not_required() -> None:
    schema = {"type": "object", "properties": {"a": {}}, "required": ["a", "b", 3]}
    assert plain(schema)["required"] == own(schema)["required"] == ["a"]


def test_a_functions_parameters_are_one_object_even_where_they_are_alternatives() -> None:
    schema = {
        "oneOf": [
            {"type": "object", "properties": {"a": {"type": "string"}, "k": {}}, "required": ["a", "k"]},
            {"type": "object", "properties": {"b": {"type": "number"}, "k": {}}, "required": ["k"]},
        ]
    }
    assert plain(schema) == {
        "type": "object",
        "properties": {"a": {"type": "string"}, "k": {}, "b": {"type": "number"}},
        "required": ["k"],
    }


@pytest.mark.parametrize(
    ("reference", "found"),
    [
        ("#/$defs/Name", {"type": "string"}),
        ("#/definitions/A~1B", {"type": "integer"}),
        ("#/properties/list/items", {"type": "boolean"}),
        ("#/properties/pick/anyOf/1", {"type": "number"}),
        ("#/$defs/caf%C3%A9", {"type": "null"}),
        ("#/$defs/Absent", {"type": "object"}),
        ("other.json#/x", {"type": "object"}),
        ("#/properties/pick/anyOf/7", {"type": "object"}),
        ("#/properties/pick/anyOf/99999999", {"type": "object"}),
        (17, {"type": "object"}),
    ],
)
def test_E34_any_pointer_into_the_document_is_followed(reference: Any, found: Json) -> None:
    schema = {
        "type": "object",
        "properties": {
            "x": {"$ref": reference},
            "list": {"type": "array", "items": {"type": "boolean"}},
            "pick": {"anyOf": [{"type": "string"}, {"type": "number"}]},
        },
        "$defs": {"Name": {"type": "string"}, "café": {"type": "null"}},
        "definitions": {"A/B": {"type": "integer"}},
    }
    assert plain(schema)["properties"]["x"] == found
    assert not references(plain(schema))


def test_E34_a_reference_keeps_what_stands_beside_it() -> None:
    schema = {
        "type": "object",
        "properties": {
            "x": {"$ref": "#/$defs/A", "description": "mine", "properties": {"b": {"type": "null"}}}
        },
        "$defs": {
            "A": {"type": "object", "description": "its", "properties": {"a": {}}, "required": ["a"]},
        },
    }
    assert plain(schema)["properties"]["x"] == {
        "type": "object",
        "description": "mine",
        "properties": {"a": {}, "b": {"type": "null"}},
        "required": ["a"],
    }


def test_E34_a_reference_at_the_root_is_followed() -> None:
    schema = {"$ref": "#/definitions/T", "definitions": {"T": {"type": "object", "properties": {"a": {}}}}}
    assert plain(schema) == {"type": "object", "properties": {"a": {}}}


def test_E34_a_cycle_is_cut_to_an_object() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}, "self": {"$ref": "#"}}}
    schema = {"type": "object", "properties": {"first": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": node}}
    first = plain(schema)["properties"]["first"]
    assert first["properties"]["next"] == {"type": "object"}
    assert not references(plain(schema))
    assert parameters(schema, Allowance()).lossy
    assert plain({"type": "object", "properties": {"x": {"$ref": "#/properties/x"}}}) == {
        "type": "object",
        "properties": {"x": {"type": "object"}},
    }


def test_E34_all_of_is_joined() -> None:
    schema = {
        "type": "object",
        "properties": {"x": {"allOf": [{"$ref": "#/$defs/A"}, {"properties": {"b": {}}, "required": ["b"]}]}},
        "$defs": {"A": {"type": "object", "properties": {"a": {}}, "required": ["a"]}},
    }
    assert plain(schema)["properties"]["x"] == {
        "type": "object",
        "properties": {"b": {}, "a": {}},
        "required": ["a", "b"],
    }


def test_E34_a_hundred_levels_are_cut_to_what_gemini_takes() -> None:
    schema: Json = {"type": "string"}
    for _ in range(100):
        schema = {"type": "object", "properties": {"p": schema}}
    assert depth(plain(schema)) <= 2 * MAX_DEPTH + 1
    assert parameters(schema, Allowance()).lossy
    types.Schema.model_validate(own(schema))


def test_E34_references_cannot_multiply_without_end() -> None:
    definitions = {
        f"d{i}": {"type": "object", "properties": {key: {"$ref": f"#/$defs/d{i + 1}"} for key in "ab"}}
        for i in range(31)
    }
    schema = {"type": "object", "properties": {"p": {"$ref": "#/$defs/d0"}}, "$defs": definitions}
    allowance = Allowance(500)
    assert len(json.dumps(parameters(schema, allowance).schema)) < 200_000
    chain = {f"d{i}": {"$ref": f"#/$defs/d{i + 1}"} for i in range(12_000)}
    assert plain({"type": "object", "properties": {"p": {"$ref": "#/$defs/d0"}}, "$defs": chain})


def test_E34_alternatives_on_a_shape_cannot_multiply_without_end() -> None:
    schema: Json = {"type": "string"}
    for _ in range(28):
        schema = {"type": "object", "properties": {"p": schema}, "anyOf": [{"properties": {"m": {}}}] * 2}
        schema["anyOf"] = [{"properties": {"m": {}}}, {"properties": {"n": {}}}]
    allowance = Allowance(500)
    whole = {"type": "object", "properties": {"x": schema}}
    assert len(json.dumps(gemini_schema(parameters(whole, allowance), allowance).schema)) < 500_000


def test_a_schema_of_geminis_own_is_read_as_json_schema() -> None:
    schema = {
        "type": "OBJECT",
        "properties": {
            "b": {"type": "STRING", "nullable": True, "enum": ["x"], "format": "enum"},
            "a": {"type": "ARRAY", "items": {"type": "INTEGER"}, "min_items": "1", "example": [1]},
            "c": {"any_of": [{"type": "NUMBER"}, {"type": "BOOLEAN"}], "nullable": True},
        },
        "required": ["a"],
        "propertyOrdering": ["a", "b"],
    }
    found = json_schema(schema, "p")
    assert found == {
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "examples": [[1]]},
            "b": {"type": ["string", "null"], "enum": ["x", None]},
            "c": {"anyOf": [{"type": "number"}, {"type": "boolean"}, {"type": "null"}]},
        },
        "required": ["a"],
    }
    assert list(found["properties"]) == ["a", "b", "c"]
    jsonschema.Draft202012Validator.check_schema(found)


def test_a_schema_that_is_nested_too_deeply_names_its_place() -> None:
    schema: Json = {"type": "STRING"}
    for _ in range(150):
        schema = {"type": "ARRAY", "items": schema}
    with pytest.raises(BadBody) as caught:
        json_schema(schema, "tools[0].functionDeclarations[0].parameters")
    assert caught.value.param == "tools[0].functionDeclarations[0].parameters"


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.text(max_size=5),
    st.floats(allow_nan=False, allow_infinity=False),
)
NAMES = st.sampled_from(["a", "b", "$ref", "type", "x-y", ""])
POINTERS = st.sampled_from(
    ["#", "#/$defs/a", "#/properties/a", "#/anyOf/0", "#/items", "#/$defs/b/properties/a", "nope"]
)


def _schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    maps = st.dictionaries(NAMES, inner, max_size=3)
    lists = st.lists(inner, max_size=3)
    return st.fixed_dictionaries(
        {},
        optional={
            "type": st.one_of(
                st.sampled_from(["string", "integer", "number", "object", "array", "boolean", "null", "any"]),
                st.lists(st.sampled_from(["string", "integer", "null", "array"]), max_size=3),
                JUNK,
            ),
            "properties": maps | JUNK,
            "required": st.lists(NAMES | JUNK, max_size=3) | JUNK,
            "items": inner | lists,
            "prefixItems": lists | JUNK,
            "anyOf": lists | JUNK,
            "oneOf": lists | JUNK,
            "allOf": lists | JUNK,
            "not": inner,
            "enum": st.lists(JUNK, max_size=3) | JUNK,
            "const": JUNK,
            "default": JUNK,
            "description": JUNK,
            "title": st.text(max_size=5),
            "examples": st.lists(JUNK, max_size=2) | JUNK,
            "format": st.sampled_from(["date-time", "uri", "int32"]) | JUNK,
            "minimum": JUNK,
            "exclusiveMaximum": JUNK,
            "minLength": JUNK,
            "maxItems": JUNK,
            "pattern": JUNK,
            "nullable": JUNK,
            "additionalProperties": inner,
            "propertyOrdering": st.lists(NAMES, max_size=3) | JUNK,
            "$ref": POINTERS | JUNK,
            "$defs": maps | JUNK,
            "$schema": st.text(max_size=3),
            "x-vendor": JUNK,
        },
    )


ANYTHING: st.SearchStrategy[Any] = JUNK | st.just({})
SCHEMAS: st.SearchStrategy[Any] = st.recursive(ANYTHING, _schemas, max_leaves=12).filter(
    lambda schema: isinstance(schema, dict)
)
WORDS = set(types.Schema.model_json_schema()["$defs"]["Schema"]["properties"])


def check(schema: Json) -> None:
    """What the API demands beyond what the SDK does."""
    assert schema.keys() <= WORDS - {"defs", "ref", "additionalProperties", "additional_properties"}
    if "anyOf" in schema:
        assert schema.keys() == {"anyOf"}
        assert len(schema["anyOf"]) > 1
    if "enum" in schema:
        assert schema["type"] == "STRING"
        assert all(isinstance(value, str) and value for value in schema["enum"])
    if schema.get("type") == "ARRAY":
        assert "items" in schema
    assert set(schema.get("required", ())) <= schema.get("properties", {}).keys()
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", ())]
    for member in [*inner, schema["items"]] if "items" in schema else inner:
        check(member)


def unresolved(schema: Any) -> bool:
    """Whether a reference is left; a property may have the name of one."""
    if not isinstance(schema, dict):
        return False
    inner = [*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("prefixItems", ())]
    inner += [schema.get(key) for key in ("items", "not", "additionalProperties")]
    inner += schema.get("properties", {}).values()
    return "$ref" in schema or any(unresolved(member) for member in inner)


@settings(max_examples=80)
@given(SCHEMAS)
def test_E33_any_schema_becomes_one_that_the_sdk_and_the_api_take(schema: Json) -> None:
    allowance = Allowance(200)
    found = gemini_schema(parameters(schema, allowance), allowance).schema
    json.dumps(found)
    types.Schema.model_validate(found)
    check(found)


@settings(max_examples=80)
@given(SCHEMAS)
def test_E34_any_schema_becomes_one_without_references(schema: Json) -> None:
    found = inline(schema, Allowance(200)).schema
    assert not unresolved(found)
    types.FunctionDeclaration.model_validate({"name": "f", "parametersJsonSchema": found})
