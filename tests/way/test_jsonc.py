"""One value changes, and nothing else."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from way import jsonc

KEYS = ("security", "auth", "selectedType")
VALUE = '"ours"'

leaves = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.integers(), max_size=3)
objects = st.recursive(
    st.dictionaries(st.sampled_from([*KEYS, "other", ""]), leaves, max_size=4),
    lambda inner: st.dictionaries(st.sampled_from([*KEYS, "other"]), inner | leaves, max_size=4),
    max_leaves=8,
)
indents = st.sampled_from([None, 1, 2, "\t"])


def expected(data: dict[str, object]) -> dict[str, object] | None:
    """`data` with our value in it, None where something else is in the way."""
    result: dict[str, object] = json.loads(json.dumps(data))
    here: Any = result
    for key in KEYS[:-1]:
        here = here.setdefault(key, {})
        if not isinstance(here, dict):
            return None
    here[KEYS[-1]] = "ours"
    return result


@given(data=objects, indent=indents)
def test_put_sets_that_value_alone(data: dict[str, object], indent: int | str | None) -> None:
    text = json.dumps(data, indent=indent)
    wanted = expected(data)
    if wanted is None:
        with pytest.raises(ValueError, match="not an object"):
            jsonc.put(text, KEYS, VALUE)
    else:
        assert json.loads(jsonc.put(text, KEYS, VALUE)) == wanted


@given(data=objects, indent=indents)
def test_drop_undoes_put_where_there_was_nothing(data: dict[str, object], indent: int | str | None) -> None:
    text = json.dumps({**data, "security": {"auth": {"x": 1}}}, indent=indent)
    assert jsonc.drop(jsonc.put(text, KEYS, VALUE), KEYS) == text


@given(data=objects, indent=indents, key=st.sampled_from([*KEYS, "other"]))
def test_drop_leaves_valid_json(data: dict[str, object], indent: int | str | None, key: str) -> None:
    dropped = json.loads(jsonc.drop(json.dumps(data, indent=indent), (key,)))
    assert dropped == {k: v for k, v in data.items() if k != key}


def test_comments_and_spacing_stay() -> None:
    text = '// mine\n{\n  "theme": "dark", /* nice */\n  "security": {\n    "auth": { "selectedType": "oauth-personal" }, // why\n  },\n}\n'
    changed = jsonc.put(text, KEYS, VALUE)
    assert changed == text.replace('"oauth-personal"', VALUE)
    assert jsonc.get(changed, KEYS) == "ours"


def test_a_new_member_takes_its_neighbours_indentation() -> None:
    assert jsonc.put('{\n    "a": 1\n}\n', ("b",), "2") == '{\n    "a": 1,\n    "b": 2\n}\n'
    assert jsonc.put('{\n  "a": 1, // one\n}\n', ("b",), "2") == '{\n  "a": 1,\n  "b": 2, // one\n}\n'


@pytest.mark.parametrize(
    "text", ["", "[]", "1", '{"a": 1', '{"a" 1}', "{} x", '{"a": /* }', "{1: 2}", "[" * 300, '{"a":' * 300]
)
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        jsonc.put(text, ("a",), "1")


def test_the_last_of_two_equal_names_counts_as_for_other_parsers() -> None:
    assert jsonc.get('{"a": 1, "a": 2}', ("a",)) == 2
    assert jsonc.put('{"a": 1, "a": 2}', ("a",), "3") == '{"a": 1, "a": 3}'


def test_a_byte_order_mark_is_passed_over() -> None:
    assert jsonc.put('\ufeff{"a": 1}', ("a",), "2") == '\ufeff{"a": 2}'
