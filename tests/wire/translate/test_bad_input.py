"""Whatever a tool sends, it is answered: by a translation, or by a refusal that names the field."""

import copy
import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.conversations import json_values
from tests.wire.translate.golden_files import provider_stream, tool_request
from tests.wire.translate.lowering import call, conversation, model, user
from tests.wire.translate.pairs import (
    NAMES,
    PAIR_IDS,
    PAIRS,
    SOURCES,
    TARGETS,
    head_of,
    target_of,
    translation,
    whole,
)
from waystation.model import Wire
from waystation.wire import BadBody, SSEOverflow
from waystation.wire.canonical import Conversation, FunctionTool, Reply, StopReason, Text, ToolCall
from waystation.wire.translate import Translation

T = TypeVar("T")
by_source = pytest.mark.parametrize("source", SOURCES, ids=NAMES.get)
by_pair = pytest.mark.parametrize(("source", "target"), PAIRS, ids=PAIR_IDS)
strange: st.SearchStrategy[Any] = st.one_of(
    json_values, st.sampled_from([None, "", [], {}, -1, 2**70, 1.5, True, [[]], [None], {"type": None}])
)


def places(value: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything in a JSON value."""
    found = [where] if where else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*where, key))
    return found


def replaced(value: Any, where: tuple[Any, ...], new: Any) -> Any:
    changed = copy.deepcopy(value)
    inner = changed
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = new
    return changed


REQUESTS = {source: json.loads(tool_request(source)) for source in SOURCES}
PLACES = {source: places(REQUESTS[source]) for source in SOURCES}


def or_refusal(work: Callable[[], T]) -> T | BadBody:
    try:
        return work()
    except BadBody as refusal:
        return refusal


def answered(source: Wire, body: bytes) -> None:
    """A translation to every provider, or a refusal that says which field."""
    asked = or_refusal(lambda: Translation.read(source, body, model="asked-for", stream=True))
    if isinstance(asked, BadBody):
        assert asked.message
        assert asked.param
        return
    for target in TARGETS:
        made = or_refusal(partial(Translation, source, asked, target_of(target), head_of(asked)))
        if isinstance(made, BadBody):
            assert made.param
        else:
            json.loads(made.body)


@by_source
@settings(max_examples=150)
@given(data=st.data())
def test_E02_E96_any_field_may_be_anything(source: Wire, data: st.DataObject) -> None:
    where = data.draw(st.sampled_from(PLACES[source]))
    body = replaced(REQUESTS[source], where, data.draw(strange))
    answered(source, json.dumps(body).encode())


@by_source
def test_E70_any_field_may_be_missing(source: Wire) -> None:
    whole = REQUESTS[source]
    for where in PLACES[source]:
        body = copy.deepcopy(whole)
        inner = body
        for key in where[:-1]:
            inner = inner[key]
        del inner[where[-1]]
        answered(source, json.dumps(body).encode())


@by_pair
def test_two_thousand_tools_are_no_trouble(source: Wire, target: Wire) -> None:
    schema = {"type": "object", "properties": {"path": {"type": "string"}}}
    tools = tuple(FunctionTool(f"a_tool_with_a_name_{n}", "It does.", schema) for n in range(2000))
    began = time.process_time()
    made = translation(source, target, Conversation(model="m", turns=(user("hi"),), tools=tools))
    assert time.process_time() - began < 2
    assert made.body.count(b"a_tool_with_a_name_") == 2000


@by_pair
def test_schemas_a_hundred_deep_are_no_trouble(source: Wire, target: Wire) -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(100):
        schema = {"type": "object", "properties": {"inner": schema}}
    asked = Conversation(model="m", turns=(user("hi"),), tools=(FunctionTool("t", parameters=schema),))
    json.loads(translation(source, target, asked).body)


@by_pair
@pytest.mark.parametrize("arguments", ["", "{", "[1]", "null", '"x"', '{"a": NaN}', "*** Begin", "{}" * 3])
def test_malformed_arguments_in_the_history_go_out_as_well_as_they_can(
    source: Wire, target: Wire, arguments: str
) -> None:
    asked = conversation(user("go"), model(call("c", "t", arguments)), tools=(FunctionTool("t"),))
    json.loads(translation(source, target, asked).body)


@by_pair
@pytest.mark.parametrize("arguments", ["{", "[1]", "null", '"x"', "*** Begin", '{"a": NaN}'])
def test_malformed_arguments_in_an_answer_reach_the_tool(source: Wire, target: Wire, arguments: str) -> None:
    """What the model wrote is the tool's to judge; the answer around it stays whole. (Gemini has a finish reason
    for it, and no words.)"""
    if target is Wire.GENERATE:
        return
    asked = Conversation(model="m", turns=(user("go"),), tools=(FunctionTool("t"),))
    reply = Reply((Text("Now."), ToolCall("c", "t", arguments)), StopReason.TOOL_USE)
    made = translation(source, target, asked)
    told = made.reply(whole(target, reply, asked))
    assert b"Now." in told
    json.loads(told)


@by_pair
@settings(max_examples=20)
@given(data=st.data())
def test_E112_no_stream_is_too_broken(source: Wire, target: Wire, data: st.DataObject) -> None:
    """Bytes changed, lost and doubled: the tap says what it can, and raises nothing but an overflow."""
    stream = provider_stream(target)
    at = data.draw(st.integers(0, len(stream)))
    length = data.draw(st.integers(0, 40))
    junk = data.draw(st.one_of(st.binary(max_size=20), st.sampled_from([b'"', b"}", b"\n\n", b"null", b"0"])))
    broken = stream[:at] + junk + stream[at + length :]
    tap = translation(source, target, Conversation(model="m", stream=True, turns=(user("go"),))).tap()
    try:
        tap.feed(broken)
        tap.close()
    except SSEOverflow:
        return


@by_pair
@settings(max_examples=20)
@given(body=st.one_of(st.binary(max_size=40), json_values.map(lambda value: json.dumps(value).encode())))
def test_an_answer_that_is_none_is_a_bad_body(source: Wire, target: Wire, body: bytes) -> None:
    made = translation(source, target, Conversation(model="m", turns=(user("go"),)))
    try:
        made.reply(body)
    except BadBody:
        return
