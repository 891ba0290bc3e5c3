"""Free text goes out as JSON and comes back as text, wherever it is cut."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.wire.canonical import CustomTool
from waystation.wire.translate.custom import InputReader, arguments, description, raw_input

PATCH = '*** Begin Patch\n*** Add File: héllo.txt\n+say "hi" \\ 🐈\t\u2028\n*** End Patch'


def read(pieces: list[str]) -> str:
    reader = InputReader()
    return "".join(reader.feed(piece) for piece in pieces) + reader.close()


def cuts(text: str) -> list[list[str]]:
    """In two at every place, and letter by letter."""
    return [[text[:at], text[at:]] for at in range(len(text) + 1)] + [list(text)]


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" , ", "\n:\t")])
def test_E30_the_text_is_the_same_wherever_it_is_cut(ascii_only: bool, separators: tuple[str, str]) -> None:
    whole = json.dumps({"input": PATCH, "why": "x"}, ensure_ascii=ascii_only, separators=separators)
    for pieces in cuts(f" {whole}\n"):
        assert read(pieces) == PATCH


@given(st.text(), st.booleans(), st.data())
def test_E30_any_text_comes_back(text: str, ascii_only: bool, data: st.DataObject) -> None:
    whole = json.dumps({"input": text}, ensure_ascii=ascii_only)
    at = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    pieces = [whole[a:b] for a, b in zip([0, *at], [*at, len(whole)], strict=True)]
    assert read(pieces) == text


@given(st.text())
def test_E30_history_says_what_the_model_would_have_said(text: str) -> None:
    assert json.loads(arguments(text)) == {"input": text}
    assert raw_input(arguments(text)) == text


def test_E30_the_text_comes_as_the_model_writes_it() -> None:
    reader = InputReader()
    assert [reader.feed(piece) for piece in ['{"input": "a', "bc", "d\\", 'n"', "}"]] == [
        "a",
        "bc",
        "d",
        "\n",
        "",
    ]


@pytest.mark.parametrize(
    ("answered", "meant"),
    [
        ("*** Begin Patch\n", "*** Begin Patch\n"),
        ("  indented", "  indented"),
        ('{"patch": "x"}', "x"),
        ('{"why": "y", "input": "x"}', "x"),
        ('{"patch": "x", "n": 1}', "x"),
        ('{"a": "x", "b": "y"}', '{"a": "x", "b": "y"}'),
        ('"x\\ny"', "x\ny"),
        ("{ const x = 1 }", "{ const x = 1 }"),
        ('{"input": ["a"]}', '["a"]'),
        ('{"input": {"a": 1}}', '{"a":1}'),
        ("{}", ""),
        ("", ""),
        ("   ", "   "),
        ('{"inp', '{"inp'),
        ('"unfinished', '"unfinished'),
        ('{"input": "\\d+ \\u12 \\ud800x \\udc00"}', "\\d+ \\u12 \ufffdx \ufffd"),
        ('{"input": "\\ud83d\\u0041"}', "\ufffdA"),
        ('{"input": "cut off', "cut off"),
        ('{"input": "cut off\\', "cut off"),
        ('{"input": "cut off\\u00', "cut off"),
        ('{"input": "cut off\\ud83d\\ude', "cut off"),
        ("[" * 100_000, "[" * 100_000),
        ('{"a":' * 100_000, '{"a":' * 100_000),
    ],
)
def test_E30_a_model_that_sends_something_else_is_understood(answered: str, meant: str) -> None:
    assert raw_input(answered) == meant
    for pieces in cuts(answered) if len(answered) < 100 else []:
        assert read(pieces) == meant


def test_E30_a_long_text_is_read_in_time() -> None:
    reader = InputReader()
    pieces = ['{"input":"'] + ["x\\n"] * 100_000
    assert sum(len(reader.feed(piece)) for piece in pieces) == 200_000
    blank = InputReader()
    assert sum(len(blank.feed(" ")) for _ in range(100_000)) + len(blank.close()) == 100_000
    other = InputReader()
    for piece in ['{"patch":"'] + ["x\\n"] * 100_000 + ['"}']:
        other.feed(piece)
    assert len(other.close()) == 200_000


def test_E30_the_grammar_is_in_the_description() -> None:
    grammar = {"type": "grammar", "syntax": "lark", "definition": 'start: "x"'}
    about = description(CustomTool("apply_patch", "Edits files.", grammar))
    assert about.startswith("Edits files.\n\n")
    assert about.endswith('lark grammar:\nstart: "x"')
    assert "regular expression" in description(CustomTool("t", "", {"syntax": "regex", "definition": "a+"}))
    assert description(CustomTool("t", "", {"definition": 3})).startswith("Put the raw text")
