"""Names of tools go out safe and come back as they were."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.conversations import strange_names
from waystation.model import Wire
from waystation.wire.translate.names import Names, Origin

WIRES = [wire for wire in Wire if wire is not Wire.EMBEDDINGS]
LONG = "mcp__9c1d2f3a-0000-4000-8000-000000000000__%s_a_very_long_name_of_a_tool_indeed"


def names(*origins: Origin, target: Wire = Wire.MESSAGES) -> tuple[Names, list[str]]:
    made = Names(target)
    return made, [name for name in map(made.declare, origins) if name is not None]


origins = st.builds(
    Origin, strange_names, st.sampled_from(["", "", "mcp__gw__", "a b", "x" * 70]), st.booleans()
)


@given(st.lists(origins, max_size=6, unique_by=lambda o: (o.namespace, o.name)), st.sampled_from(WIRES))
def test_E76_every_name_is_taken_is_unique_and_comes_back(tools: list[Origin], target: Wire) -> None:
    made, fitted = names(*tools, target=target)
    assert len(set(fitted)) == len(tools)
    for origin, name in zip(tools, fitted, strict=True):
        assert re.fullmatch("[a-zA-Z0-9_-]{1,64}", name)
        if target is Wire.GENERATE:
            assert re.match("[a-zA-Z_]", name)
        assert made.origin(name) == origin
        assert made.fitted(origin.namespace, origin.name, custom=origin.custom) == name


def test_E76_long_names_that_differ_early_stay_different() -> None:
    _, fitted = names(Origin(LONG % "get"), Origin(LONG % "delete"))
    assert len(set(fitted)) == 2
    assert all(len(name) == 64 for name in fitted)


def test_E76_a_long_name_does_not_depend_on_its_neighbours() -> None:
    _, alone = names(Origin(LONG % "get"))
    _, among = names(Origin("Read"), Origin(LONG % "delete"), Origin(LONG % "get"))
    assert alone[0] == among[2]


def test_E32_a_namespace_is_put_before_the_name() -> None:
    tools = Origin("lookup", "mcp__gw__"), Origin("spawn", "multi_agent_v1"), Origin("lookup")
    made, fitted = names(*tools)
    assert fitted == ["mcp__gw__lookup", "multi_agent_v1__spawn", "lookup"]
    assert [made.origin(name) for name in fitted] == list(tools)


def test_E32_two_tools_whose_flat_names_are_the_same_stay_two() -> None:
    tools = Origin("b", "mcp__a__"), Origin("mcp__a__b")
    made, fitted = names(*tools)
    assert len(set(fitted)) == 2
    assert [made.origin(name) for name in fitted] == list(tools)


def test_E32_a_provider_that_has_namespaces_keeps_them() -> None:
    _, fitted = names(Origin("lookup", "mcp__gw__"), target=Wire.RESPONSES)
    assert fitted == ["lookup"]


@pytest.mark.parametrize(
    "answered",
    [
        "mcp__gw__lookup",
        "MCP__gw__Lookup",
        "mcp_gw_lookup",
        "mcp.gw.lookup",
        "functions.mcp__gw__lookup",
        "default_api:mcp__gw__lookup",
        "lookup",
        "default_api.lookup",
        " lookup ",
    ],
)
def test_E32_a_model_that_bends_a_name_is_understood(answered: str) -> None:
    made, _ = names(Origin("exec_command"), Origin("lookup", "mcp__gw__"))
    assert made.origin(answered) == Origin("lookup", "mcp__gw__")


def test_E32_what_could_be_two_tools_is_neither() -> None:
    made, _ = names(Origin("lookup", "mcp__a__"), Origin("lookup", "mcp__b__"))
    assert made.origin("lookup") == Origin("lookup")


def test_E32_a_tools_whole_name_goes_before_the_last_part_of_anothers() -> None:
    made, _ = names(Origin("lookup", "mcp__a__"), Origin("Lookup"))
    assert made.origin("LOOKUP") == Origin("Lookup")


def test_a_name_that_means_nothing_is_left_to_the_tool_to_refuse() -> None:
    made, _ = names(Origin("Read"))
    assert made.origin("Write") == Origin("Write")
    assert made.origin("...") == Origin("...")


def test_a_tool_that_is_declared_twice_goes_out_once() -> None:
    _, fitted = names(Origin("Read"), Origin("Read", custom=True))
    assert fitted == ["Read"]


def test_a_tool_of_the_history_that_is_gone_keeps_a_name_of_its_own() -> None:
    made, fitted = names(Origin("fs.read"))
    gone = made.fitted("", "fs:read", custom=False)
    assert gone not in fitted
    assert made.fitted("", "fs:read", custom=False) == gone
    assert made.known("", "fs:read") is None


def test_a_choice_may_leave_the_namespace_out() -> None:
    made, fitted = names(Origin("lookup", "mcp__gw__"))
    assert made.known("", "lookup") == made.known("mcp__gw__", "lookup") == fitted[0]
    assert made.known("other", "lookup") is None


def test_E32_a_history_may_call_a_tool_by_its_flat_name() -> None:
    made, (flat,) = names(Origin("lookup", "mcp__gw__"))
    assert made.fitted("", "mcp__gw__lookup", custom=False) == flat
    assert made.origin(flat) == Origin("lookup", "mcp__gw__")
