"""Whatever is written, reading ends in a document or in errors that point into the text."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.policy.documents import COMPANY
from waystation.policy import PolicyErrors, compile_plan, diff, load

UNHURRIED = settings(deadline=None)  # shared machines stall now and then; that is not a fault of the code
WORDS = st.sampled_from(
    [
        "version",
        "providers",
        "models",
        "access",
        "routes",
        "provider",
        "kind",
        "ollama",
        "groups",
        "price",
        "input",
        "m",
        "p",
        "*",
        "a-*",
        "env:X",
        "deny",
        "everyone",
        "1",
        "1.5",
        "true",
        "null",
        "~",
        "",
        "{model}",
        "2026-01-01",
    ]
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(WORDS, st.none(), st.booleans(), st.integers(-3, 10**20), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=4)),
    max_leaves=12,
)


def read_or_check_errors(text: str) -> bool:
    """Whether it was sound; if not, every error must point at a line of the text."""
    try:
        document = load(text, filename="p")
        compile_plan(document, version=1)
    except PolicyErrors as errors:
        lines = (
            text.count("\n")
            + text.count("\r")
            + text.count("\x85")
            + text.count("\u2028")
            + text.count("\u2029")
        )
        pointed = [1 <= e.line <= lines + 2 and e.column >= 1 and bool(e.message) for e in errors.errors]
        if not pointed or not all(pointed):
            pytest.fail(f"points nowhere: {errors}")
        return False
    assert diff(document, document) == []
    return True


@UNHURRIED
@given(st.text(st.characters(), max_size=300))
def test_any_text(text: str) -> None:
    read_or_check_errors(text)


@UNHURRIED
@given(VALUES)
def test_any_structure(value: Any) -> None:
    read_or_check_errors(json.dumps(value))


@UNHURRIED
@given(st.dictionaries(WORDS, VALUES, max_size=4), st.dictionaries(WORDS, VALUES, max_size=3))
def test_any_sections(models: dict[str, Any], provider: dict[str, Any]) -> None:
    read_or_check_errors(
        json.dumps({"version": 1, "providers": {"p": {"kind": "ollama"} | provider}, "models": models})
    )


@UNHURRIED
@given(st.integers(0, len(COMPANY) - 1), st.integers(0, 5), st.text(max_size=3))
def test_a_sound_document_with_anything_typed_into_it(at: int, removed: int, typed: str) -> None:
    read_or_check_errors(COMPANY[:at] + typed + COMPANY[at + removed :])


@UNHURRIED
@given(st.integers(0, 10**12).map(lambda n: f"{n // 10**6}.{n % 10**6:06d}"))
def test_any_price_is_kept_to_the_last_digit(price: str) -> None:
    text = (
        "version: 1\nproviders: {p: {kind: ollama}}\n"
        f"models: {{m: {{routes: [{{provider: p}}], price: {{input: {price}, output: '{price}'}}}}}}\n"
    )
    [override] = compile_plan(load(text, filename="p"), version=1).price_overrides
    assert override.rates is not None
    assert override.rates.input == override.rates.output == int(price.replace(".", ""))
