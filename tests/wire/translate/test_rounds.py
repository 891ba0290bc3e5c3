"""Two requests in a row: what a provider put into its answer comes back to it, through any tool, and to nobody else."""

import json

import msgspec
import pytest

from tests.wire.translate import sdk
from tests.wire.translate.pairs import NAMES, PAIR_IDS, PAIRS, head_of, streamed, target_of, translation
from waystation.model import Capabilities, Wire
from waystation.wire.canonical import (
    Conversation,
    CustomTool,
    FunctionTool,
    Part,
    Reasoning,
    Reply,
    Role,
    Seal,
    StopReason,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
    Turn,
)
from waystation.wire.codecs import Notes, codec_for
from waystation.wire.translate import Translation, holds_envelopes
from waystation.wire.translate.collect import parts_of

SEALED = "c2VhbGVkLXRob3VnaHRz"
LOOKUP = FunctionTool("lookup", parameters={"type": "object", "properties": {}})
SPACED = msgspec.structs.replace(LOOKUP, namespace="mcp__gw__")
PATCH = CustomTool("apply_patch")
by_pair = pytest.mark.parametrize(("source", "target"), PAIRS, ids=PAIR_IDS)


def first_request(source: Wire) -> Conversation:
    own: tuple[FunctionTool | CustomTool, ...] = (PATCH, SPACED) if source is Wire.RESPONSES else (LOOKUP,)
    return Conversation(
        model="asked-for",
        stream=True,
        turns=(Turn(Role.USER, (Text("go"),)),),
        tools=own,
        max_output=32_000,
        thinking=Thinking(budget=16_000, show="summary"),
    )


def answer(source: Wire, target: Wire, ident: str = "call_1") -> Reply:
    """Thoughts, sealed as that protocol seals them, and a call."""
    flat = source is Wire.RESPONSES
    call = ToolCall(ident, "mcp__gw__lookup" if flat else "lookup", "{}")
    parts: list[Part] = [Reasoning("Hm.", Seal(target, SEALED)), call]
    if target is Wire.GENERATE:
        parts = [Reasoning("Hm."), Reasoning(seal=Seal(target, SEALED)), call]
    elif target is Wire.CHAT:
        parts = [Reasoning("Hm.", Seal(target, "reasoning_content")), call]
    if flat:
        parts.append(ToolCall("call_2", "apply_patch", '{"input": "raw \\u00e9"}'))
    return Reply(tuple(parts), StopReason.TOOL_USE, id="up_1", model="up-model")


def heard(source: Wire, target: Wire, reply: Reply, asked: Conversation) -> tuple[Part, ...]:
    """What the tool has in its hands after the answer: every seal as a bare one of its own protocol."""
    tap = translation(source, target, asked).tap()
    stream = tap.feed(streamed(target, reply, asked)) + tap.close()
    sdk.check_stream(source, stream)
    reader = codec_for(source).reader()
    return parts_of([*reader.feed(stream), *reader.close()])


def replayed(source: Wire, asked: Conversation, said: tuple[Part, ...]) -> bytes:
    """The tool's next request: the answer as it got it, and the results."""
    results = [
        ToolResult(part.id, (Text("found"),), name=part.name, custom=part.custom)
        for part in said
        if isinstance(part, ToolCall)
    ]
    turns = (*asked.turns, Turn(Role.ASSISTANT, said), Turn(Role.USER, tuple(results)))
    more = msgspec.structs.replace(asked, turns=turns)
    return codec_for(source).write_request(more, target_of(source), Notes())


def second_body(source: Wire, target: Wire, body: bytes, provider: str = "there") -> bytes:
    asked = Translation.read(source, body, model="asked-for", stream=True)
    made = Translation(source, asked, target_of(target, provider), head_of(asked))
    sdk.check_request(target, made.body)
    return made.body


@by_pair
def test_E20_E21_E25_E27_a_seal_comes_back_to_its_maker_through_every_tool(
    source: Wire, target: Wire
) -> None:
    asked = first_request(source)
    said = heard(source, target, answer(source, target), asked)
    body = second_body(source, target, replayed(source, asked, said))
    if target is Wire.CHAT:
        # Servers of this protocol seal nothing; tools of it replay no thoughts but sealed ones.
        assert b'"reasoning_content":"Hm."' in body
        return
    assert body.count(SEALED.encode()) == 1
    if target is not Wire.GENERATE and not (target is Wire.RESPONSES and source is Wire.GENERATE):
        assert b"Hm." in body or source is Wire.CHAT


@by_pair
def test_E21_E24_E25_and_to_nobody_else(source: Wire, target: Wire) -> None:
    asked = first_request(source)
    said = heard(source, target, answer(source, target), asked)
    request = replayed(source, asked, said)
    for other in (wire for src, wire in PAIRS if src is source):
        body = second_body(source, other, request, "elsewhere")
        assert SEALED.encode() not in body
        assert b"Hm." not in body
        assert b"ws10" not in body


@by_pair
def test_E21_nor_to_the_tools_own_provider(source: Wire, target: Wire) -> None:
    asked = first_request(source)
    said = heard(source, target, answer(source, target), asked)
    request = replayed(source, asked, said)
    if target is Wire.CHAT and source is Wire.GENERATE:
        pass  # thoughts without a seal: nothing that Google would look at
    elif source is not Wire.CHAT or target is not Wire.CHAT:
        assert holds_envelopes(request)
    own = Translation.read(source, request, model="asked-for", stream=True)
    body = Translation(source, own, target_of(source, "own"), head_of(own)).body
    sdk.check_request(source, body)
    assert not holds_envelopes(body)
    assert b"ws10" not in body
    assert SEALED.encode() not in body
    assert body.count(b"found") == request.count(b"found")


@by_pair
@pytest.mark.parametrize("ident", ["functions.lookup:0", "fc_1|call_1", "a" * 70, "ünïcode"])
def test_E75_a_provider_sees_its_own_ids_again(source: Wire, target: Wire, ident: str) -> None:
    if target in (Wire.MESSAGES, Wire.CONVERSE):
        return  # they make no such ids
    asked = first_request(source)
    said = heard(source, target, answer(source, target, ident), asked)
    (call, *_) = (part for part in said if isinstance(part, ToolCall))
    if source is Wire.MESSAGES:
        assert call.id.replace("_", "").replace("-", "").isalnum()
        assert call.id.isascii()
    body = second_body(source, target, replayed(source, asked, said))
    if len(ident) < 40:
        assert body.count(json.dumps(ident, ensure_ascii=False).encode()) == 2


@pytest.mark.parametrize(
    "target", [wire for source, wire in PAIRS if source is Wire.RESPONSES], ids=NAMES.get
)
def test_E30_E32_codexs_own_tools_go_round(target: Wire) -> None:
    asked = first_request(Wire.RESPONSES)
    said = heard(Wire.RESPONSES, target, answer(Wire.RESPONSES, target), asked)
    calls = [part for part in said if isinstance(part, ToolCall)]
    assert [(call.name, call.namespace, call.custom, call.arguments) for call in calls] == [
        ("lookup", "mcp__gw__", False, "{}"),
        ("apply_patch", "", True, "raw é"),
    ]
    body = second_body(Wire.RESPONSES, target, replayed(Wire.RESPONSES, asked, said)).decode()
    assert "mcp__gw__lookup" in body
    assert "raw é" in body


def test_E22_unsigned_thoughts_never_reach_anthropic() -> None:
    asked = first_request(Wire.RESPONSES)
    unsigned = Reply((Reasoning("Hm."), ToolCall("c", "mcp__gw__lookup", "{}")), StopReason.TOOL_USE)
    said = heard(Wire.RESPONSES, Wire.GENERATE, unsigned, asked)
    body = replayed(Wire.RESPONSES, asked, said)
    assert b'"signature"' not in second_body(Wire.RESPONSES, Wire.MESSAGES, body)


def test_E103_no_thinking_while_another_models_calls_are_answered() -> None:
    """Anthropic refuses thinking where the turn that is being answered does not begin with thoughts of its own."""
    asked = first_request(Wire.RESPONSES)
    said = heard(Wire.RESPONSES, Wire.GENERATE, answer(Wire.RESPONSES, Wire.GENERATE), asked)
    read = Translation.read(
        Wire.RESPONSES, replayed(Wire.RESPONSES, asked, said), model="asked-for", stream=True
    )
    for wire in (Wire.MESSAGES, Wire.CONVERSE):
        where = msgspec.structs.replace(
            target_of(wire), capabilities=Capabilities(max_output=64_000, thinking="budget")
        )
        body = json.loads(Translation(Wire.RESPONSES, read, where, head_of(read)).body)
        fields = body if wire is Wire.MESSAGES else body.get("additionalModelRequestFields", {})
        assert fields.get("thinking", {"type": "disabled"})["type"] == "disabled"


def test_E35_a_result_with_references_stays_a_string_for_gemini() -> None:
    """Google takes `$ref` in a result for one of its own, and refuses the request."""
    found = Text('{"$ref": "#/a", "$defs": {"a": {}}}')
    asked = msgspec.structs.replace(
        first_request(Wire.MESSAGES),
        turns=(
            Turn(Role.USER, (Text("go"),)),
            Turn(Role.ASSISTANT, (ToolCall("c", "lookup", "{}"),)),
            Turn(Role.USER, (ToolResult("c", (found,)),)),
        ),
    )
    body = json.loads(translation(Wire.MESSAGES, Wire.GENERATE, asked).body)
    response = body["contents"][2]["parts"][0]["functionResponse"]["response"]
    assert list(response.values()) == [found.text]
