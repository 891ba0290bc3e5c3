"""Seals taken out of a body: exactly those, and every other byte of the history stays."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.model import Wire
from waystation.wire.canonical import Seal
from waystation.wire.codecs.seal import wrap
from waystation.wire.seals import refuses_seals, sealed_contents, without_envelopes, without_seals
from waystation.wire.stream_error import StreamError
from waystation.wire.translate import holds_envelopes

FOREIGN = wrap(Seal(Wire.GENERATE, "abc", "goog"))
WIRES = (Wire.MESSAGES, Wire.RESPONSES, Wire.CHAT, Wire.GENERATE)


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"nonsense",
        b'{"messages":7,"input":7,"contents":7}',
        b'{"messages":[1,"'
        + FOREIGN.encode()
        + b'"],"input":["'
        + FOREIGN.encode()
        + b'"],"contents":[null]}',
        b'{"messages":[{"role":"assistant","content":"' + FOREIGN.encode() + b'"}]}',
        b'{"input":"' + FOREIGN.encode() + b'","contents":[{"parts":"' + FOREIGN.encode() + b'"}]}',
        b"[" * 5000,
    ],
)
def test_what_holds_none_comes_back_as_it_is(wire: Wire, body: bytes) -> None:
    assert without_envelopes(wire, body) is body
    assert without_seals(body, lambda _: True) == body
    assert sealed_contents(body) == []


def test_members_without_a_foreign_seal_keep_their_bytes() -> None:
    odd = b'{ "role":"user",\n "content" : "\\u00e9 1.50 \xf0\x9f\x8e\x89" }'
    own = b'{"role":"assistant","content":[{"type":"thinking","thinking":"\\u2028","signature":"Eq+/=="} ] }'
    theirs = json.dumps(
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "x", "signature": FOREIGN},
                {"type": "text", "text": "said"},
            ],
        }
    ).encode()
    body = b'{"model":"m", "messages":[' + odd + b"," + own + b"," + theirs + b'], "n":1.50}'
    assert holds_envelopes(body)
    cleaned = without_envelopes(Wire.MESSAGES, body)
    assert odd in cleaned
    assert own in cleaned
    assert b"1.50" in cleaned
    assert json.loads(cleaned)["messages"][2] == {
        "role": "assistant",
        "content": [{"type": "text", "text": "said"}],
    }
    assert not holds_envelopes(cleaned)


def test_E24_a_message_of_nothing_but_foreign_thoughts_goes() -> None:
    said = {
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "redacted_thinking", "data": FOREIGN}]},
            {"role": "user", "content": "go on"},
        ]
    }
    cleaned = json.loads(without_envelopes(Wire.MESSAGES, json.dumps(said).encode()))
    assert [m["content"] for m in cleaned["messages"]] == ["hi", "go on"]


@pytest.mark.parametrize(
    ("thinking", "last_is_foreign", "expected"),
    [
        ({"type": "enabled", "budget_tokens": 1024}, True, {"type": "disabled"}),
        ({"type": "enabled", "budget_tokens": 1024}, False, {"type": "enabled", "budget_tokens": 1024}),
        ({"type": "adaptive"}, True, {"type": "adaptive"}),
    ],
)
def test_thinking_is_off_only_where_a_budgeted_turn_lost_its_first_thought(
    thinking: dict[str, Any], last_is_foreign: bool, expected: dict[str, Any]
) -> None:
    block = {"type": "thinking", "thinking": "x"}
    first, second = ("Eq==", FOREIGN) if last_is_foreign else (FOREIGN, "Eq==")
    said = {
        "thinking": thinking,
        "messages": [
            {"role": "assistant", "content": [{**block, "signature": first}, {"type": "text", "text": "a"}]},
            {"role": "user", "content": "b"},
            {"role": "assistant", "content": [{**block, "signature": second}, {"type": "text", "text": "c"}]},
            {"role": "user", "content": "d"},
        ],
    }
    assert json.loads(without_envelopes(Wire.MESSAGES, json.dumps(said).encode()))["thinking"] == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (StreamError("invalid_request_error", "x", 400, code="invalid_encrypted_content"), True),
        (StreamError("invalid_encrypted_content", "x", 400), True),
        (StreamError("error", "The encrypted content for item rs_1 could not be verified.", 400), True),
        (
            StreamError(
                "invalid_request_error", "messages.1.content.0: Invalid `signature` in `thinking` block", 400
            ),
            True,
        ),
        (
            StreamError("ValidationException", "messages.1: Invalid `signature` in `thinking` block", 400),
            True,
        ),
        (StreamError("INVALID_ARGUMENT", "Corrupted thought signature.", 400), True),
        (StreamError("INVALID_ARGUMENT", "Thought signature is not valid", 400), True),
        (StreamError("invalid_request_error", "Invalid signature of the webhook", 400), False),
        (StreamError("error", "The encrypted content could not be verified", 503), False),
        (StreamError("invalid_request_error", "prompt is too long", 400), False),
    ],
)
def test_a_refused_seal_is_known_by_every_providers_words(error: StreamError, expected: bool) -> None:
    assert refuses_seals(error) is expected


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=5)
    | st.just(FOREIGN)
    | st.just(f"c~{FOREIGN}"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                (
                    "messages",
                    "input",
                    "contents",
                    "content",
                    "parts",
                    "type",
                    "signature",
                    "data",
                    "encrypted_content",
                    "tool_calls",
                    "id",
                    "tool_call_id",
                    "thoughtSignature",
                    "functionCall",
                    "thought",
                    "text",
                    "thinking",
                    "context_management",
                    "edits",
                    "role",
                )
            ),
            inner | st.sampled_from(("thinking", "reasoning", "redacted_thinking", "enabled")),
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(_json)
def test_no_body_makes_it_fail(said: Any) -> None:
    raw = json.dumps(said).encode()
    for wire in WIRES:
        assert isinstance(json.loads(without_envelopes(wire, raw)), type(said))
    without_seals(raw, lambda _: True)
