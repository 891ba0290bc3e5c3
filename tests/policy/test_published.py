"""What is published of the policy: its JSON Schema and its reference page."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.policy.documents import COMPANY, faults, read
from waystation.policy import compile_plan, json_schema
from waystation.policy.kinds import KINDS
from waystation.policy.reference import page, schema_text
from waystation.pricing import PriceBook

DOCS = Path(__file__).parents[2] / "docs"


def test_the_committed_schema_is_the_generated_one() -> None:
    assert (DOCS / "policy.schema.json").read_text("utf-8") == schema_text(), (
        "run: python -m waystation.policy.reference schema > docs/policy.schema.json"
    )


def test_the_committed_page_is_the_generated_one() -> None:
    assert (DOCS / "policy-reference.md").read_text("utf-8") == page(), (
        "run: python -m waystation.policy.reference > docs/policy-reference.md"
    )


def test_the_schema_is_valid_and_accepts_a_sound_document() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.validate(yaml.load(COMPANY, yaml.BaseLoader) | {"version": 1}, _lenient(json_schema()))


@pytest.mark.parametrize(
    ("document", "sound"),
    [
        ({"version": 1}, True),
        ({"version": 2}, False),
        ({}, False),
        ({"version": 1, "modles": {}}, False),
        ({"version": 1, "providers": {"p": {"kind": "ollama"}}}, True),
        ({"version": 1, "providers": {"p": {"kind": "olama"}}}, False),
        ({"version": 1, "providers": {"p": {"kind": "ollama", "credential": "sk-x"}}}, False),
        ({"version": 1, "providers": {"p": {"kind": "ollama", "paths": {"nope": "/x"}}}}, False),
        ({"version": 1, "access": {"default": "deny", "roles": {"admin": ["a@b.c"]}}}, True),
        ({"version": 1, "access": {"roles": {"king": ["a@b.c"]}}}, False),
    ],
)
def test_schema_and_reader_agree(document: dict[str, object], sound: bool) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    assert validator.is_valid(document) is sound
    assert (faults(json.dumps(document)) == []) is sound


def test_every_field_is_described() -> None:
    for definition in json_schema()["$defs"].values():
        for name, field in definition.get("properties", {}).items():
            assert "description" in json.dumps(field), f"{definition['title']}.{name}"


def test_the_example_on_the_page_is_sound() -> None:
    [example] = re.findall(r"```yaml\n(.*?)```", page(), re.DOTALL)
    plan = compile_plan(read(example), version=1, prices=PriceBook.builtin())
    assert "lab" in plan.providers


def test_the_page_lists_every_kind_and_field() -> None:
    text = page()
    for kind in KINDS:
        assert f"| `{kind}` |" in text
    for definition in json_schema()["$defs"].values():
        for name in definition.get("properties", {}):
            assert f"| `{name}` |" in text


def _lenient(schema: dict[str, object]) -> dict[str, object]:
    """Numbers were read as text here (YAML's base loader keeps dates text, as our reader does)."""
    text = json.dumps(schema).replace('"type": "integer"', '"type": ["integer", "string"]')
    loaded: dict[str, object] = json.loads(text)
    return loaded
