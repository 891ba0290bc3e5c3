"""E20: only the top-level model changes, and not a byte beside it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.model import Operation, Wire
from waystation.wire import BadBody, read_request, set_model

SIGNATURE = "EqQBCkYIBxgCKkA+/Zm9v\\u0059mFy=="
HISTORY = f'[{{"type":"thinking" , "thinking":"\\u00e9 \\"model\\":\\"a\\"","signature":"{SIGNATURE}"}}]'

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
)
keys = st.sampled_from(["model", "messages", "signature", "stop", "modèle", 'a"model":"', "\\", "m\nodel"])
values = st.recursive(
    scalars | st.sampled_from(["a", 'x","model":"a', "model", SIGNATURE]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
blanks = st.text(alphabet=" \t\r\n", max_size=3)
names = st.sampled_from(["a", "claude-sonnet-4-5", "openai/gpt", 'q"uote', "é", "back\\slash", "\U0001f600"])


def spelled(draw: st.DrawFn, text: str) -> str:
    """`text` as a JSON string, some of its characters spelled as escapes."""
    out = []
    for character in json.dumps(text, ensure_ascii=draw(st.booleans()))[1:-1]:
        plain = (
            character.isascii() and character.isalpha() and "\\" not in text and draw(st.integers(0, 9)) == 0
        )
        out.append(f"\\u{ord(character):04x}" if plain else character)
    return '"' + "".join(out) + '"'


def escaped_already(text: str) -> bool:
    return any(
        not character.isprintable() or character in '"\\' or ord(character) > 126 for character in text
    )


@st.composite
def bodies(draw: st.DrawFn) -> tuple[bytes, bytes, bytes, str]:
    """A body with one top-level model: what is before its value, the value, what is behind, and the model."""
    model = draw(names)
    others = draw(st.dictionaries(keys.filter(lambda key: key != "model"), values, max_size=5))
    members = []
    for key, value in others.items():
        text = json.dumps(value, ensure_ascii=draw(st.booleans()), indent=draw(st.none() | st.just(1)))
        name = json.dumps(key) if escaped_already(key) else spelled(draw, key)
        members.append(f"{draw(blanks)}{name}{draw(blanks)}:{draw(blanks)}{text}{draw(blanks)}")
    place = draw(st.integers(0, len(members)))
    before = ",".join(members[:place]) + ("," if place else "")
    behind = ("," if place < len(members) else "") + ",".join(members[place:])
    key = draw(st.sampled_from(['"model"', '"mod\\u0065l"', '"model"', '"\\u006dodel"']))
    head = f"{draw(blanks)}{{{before}{draw(blanks)}{key}{draw(blanks)}:{draw(blanks)}"
    value = json.dumps(model) if escaped_already(model) else spelled(draw, model)
    tail = f"{draw(blanks)}{behind}}}{draw(blanks)}"
    return head.encode(), value.encode(), tail.encode(), model


@given(bodies(), names)
def test_E20_only_the_model_changes(body: tuple[bytes, bytes, bytes, str], new: str) -> None:
    head, value, tail, model = body
    whole = head + value + tail
    facts = read_request(Wire.MESSAGES, Operation.GENERATE, whole, model_in_path=None)
    assert facts.model == model
    changed = set_model(whole, model, new)
    if new == model:
        assert changed is whole
    else:
        assert changed == head + json.dumps(new, ensure_ascii=False).encode() + tail


@pytest.mark.parametrize(
    "body",
    [
        '{"model":"a","messages":%s}',
        '{"messages":%s,"model":"a"}',
        '{"messages":%s,"model" : "a" , "x":{"model":"a"}}',
        '{"tools":[{"model":"a"},{"model":"b"}],"messages":%s,"model":"a"}',
        '{"x":["model"],"y":{"model":{"model":"a"}},"model":"a","messages":%s}',
        '{"z":{"model":"a"},"messages":%s,"mod\\u0065l":"\\u0061"}',
        '{"say \\"model":"a","messages":%s,"model":"a"}',
        '{"dup":{"model":"a"},"dup":1,"model":"a","messages":%s}',
        '{"dup":1,"model":"a","dup":{"model":"a"},"messages":%s}',
    ],
)
def test_E20_signed_history_is_never_touched(body: str) -> None:
    text = body.replace("%s", HISTORY)
    changed = set_model(text.encode(), "a", "provider/b").decode()
    assert HISTORY in changed
    expected = pairs(text)
    assert pairs(changed) == [(key, "provider/b" if key == "model" else value) for key, value in expected]
    assert len(changed) - len(text) in (len("provider/b") - len("a"), len("provider/b") - len("\\u0061"))


def pairs(text: str) -> list[tuple[str, Any]]:
    """The top-level members in order, repeated keys too."""
    found: list[list[tuple[str, Any]]] = []

    def keep(members: list[tuple[str, Any]]) -> dict[str, Any]:
        found.append(members)
        return dict(members)

    json.loads(text, object_pairs_hook=keep)
    return found[-1]


@pytest.mark.parametrize(
    "body", ['{"model":"a","model":"b"}', '{"mod\\u0065l":"b","x":{},"model":"a"}', '{"model":1,"model":"a"}']
)
def test_E20_two_models_are_refused_before_any_splice(body: str) -> None:
    with pytest.raises(BadBody, match="twice"):
        read_request(Wire.MESSAGES, Operation.GENERATE, body.encode(), model_in_path=None)
