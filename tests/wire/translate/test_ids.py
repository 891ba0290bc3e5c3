"""Ids of tool calls survive a protocol that does not take them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.conversations import ids
from waystation.model import TOOL_WIRES, Wire
from waystation.wire.translate.ids import AnswerIds, CallIds, decode, encode

WIRES = [wire for wire in Wire if wire is not Wire.EMBEDDINGS]


@given(ids, st.sampled_from(WIRES), st.sampled_from(["", "ans_1", "x"]))
def test_E75_an_id_comes_back(ident: str, wire: Wire, salt: str) -> None:
    assert decode(encode(ident, wire, salt)) == ident


@given(ids)
def test_E75_anthropic_takes_every_id(ident: str) -> None:
    assert re.fullmatch("[a-zA-Z0-9_-]+", encode(ident, Wire.MESSAGES))


@given(st.lists(ids, min_size=2, max_size=4, unique=True))
def test_E75_two_ids_are_never_the_same_one(some: list[str]) -> None:
    assert len({encode(ident, Wire.MESSAGES) for ident in some}) == len(some)


@pytest.mark.parametrize("ident", ["call_1", "toolu_01A-b", "chatcmpl-tool-" + "a" * 32])
def test_E75_an_id_that_is_taken_everywhere_stays(ident: str) -> None:
    assert encode(ident, Wire.MESSAGES) == ident


@pytest.mark.parametrize("ident", ["ws1_", "ws1_!!", "ws1_QUFB", "ws1_Y2FsbF8xAA", "ws1h_0", "ws1_zzzz="])
def test_E75_an_id_that_only_looks_like_ours_is_itself(ident: str) -> None:
    assert decode(ident) == ident
    assert decode(encode(ident, Wire.CHAT)) == ident


@given(st.lists(ids, max_size=6), st.sampled_from(WIRES))
def test_E73_every_call_gets_an_id_of_its_own(replayed: list[str], wire: Wire) -> None:
    fitted = CallIds(wire, replayed)
    given_out = [fitted.fit(ident) for ident in [*replayed, "", *replayed]]
    assert len(set(given_out)) == len(given_out)
    longest = {Wire.CHAT: 40, Wire.GENERATE: 256}.get(wire, 64)
    assert all(0 < len(ident) <= longest for ident in given_out)
    if wire in (Wire.MESSAGES, Wire.CONVERSE):
        assert all(re.fullmatch("[a-zA-Z0-9_-]+", ident) for ident in given_out)


@given(st.lists(ids, min_size=1, max_size=6), st.sampled_from(WIRES))
def test_E75_ids_do_not_change_as_the_conversation_grows(replayed: list[str], wire: Wire) -> None:
    shorter, longer = CallIds(wire, replayed[:-1]), CallIds(wire, replayed)
    assert [shorter.fit(i) for i in replayed[:-1]] == [longer.fit(i) for i in replayed[:-1]]


def test_E70_a_missing_id_is_made_up_and_no_other_call_has_it() -> None:
    fitted = CallIds(Wire.MESSAGES, ["", "call_ws1", ""])
    assert [fitted.fit(ident) for ident in ["", "call_ws1", ""]] == ["call_ws2", "call_ws1", "call_ws3"]


@given(ids, st.sampled_from(TOOL_WIRES), st.sampled_from(WIRES))
def test_E75_a_provider_sees_its_own_id_again(ident: str, source: Wire, target: Wire) -> None:
    replayed = AnswerIds(source, "ans_1", []).raised(ident)
    again = CallIds(target, [replayed]).fit(replayed)
    assert again == CallIds(target, [ident]).fit(ident)


def test_E73_a_model_that_repeats_its_ids_does_not_confuse_the_tool() -> None:
    first = AnswerIds(Wire.MESSAGES, "ans_1", []).raised("call_1")
    second = AnswerIds(Wire.MESSAGES, "ans_2", [first]).raised("call_1")
    ids_of_third = AnswerIds(Wire.MESSAGES, "ans_3", [first, second])
    third, fourth = ids_of_third.raised("call_1"), ids_of_third.raised("call_1")
    assert len({first, second, third, fourth}) == 4
    assert {decode(ident) for ident in (first, second, third, fourth)} == {"call_1"}


def test_E70_a_provider_without_ids_is_given_unique_ones() -> None:
    of_answer = AnswerIds(Wire.CHAT, "ans_1", ["call_ans_1_1"])
    assert [of_answer.raised(""), of_answer.raised("")] == ["call_ans_1_2", "call_ans_1_3"]
