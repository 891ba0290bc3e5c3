"""Each call is answered once, directly behind its turn, whatever the tool sent."""

from hypothesis import given, settings

from tests.wire.conversations import broken_conversations, conversations
from tests.wire.translate.lowering import call, conversation, lowered, model, result, target, user
from waystation.model import Wire
from waystation.wire.canonical import (
    Conversation,
    Media,
    MediaKind,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from waystation.wire.translate.pairing import INTERRUPTED

HISTORY = "tool_history"


def turns(*asked: Turn, source: Wire = Wire.RESPONSES) -> list[Turn]:
    return list(lowered(conversation(*asked), source)[0].turns)


def named(ident: str, text: str = "found") -> ToolResult:
    """A result as it goes out: with the name of its call."""
    return result(ident, text, "lookup")


def interrupted(ident: str) -> ToolResult:
    return ToolResult(ident, (Text(INTERRUPTED),), is_error=True, name="lookup")


def check_paired(conversation: Conversation) -> None:
    """What Messages demands: results first in the turn after their calls, one for each, ids unique."""
    turns = conversation.turns
    seen: set[str] = set()
    for number, turn in enumerate(turns):
        calls = [part for part in turn.parts if isinstance(part, ToolCall)]
        results = [part for part in turn.parts if isinstance(part, ToolResult)]
        assert not calls or turn.role is Role.ASSISTANT
        assert not results or turn.role is Role.USER
        assert not seen & {part.id for part in calls}
        seen |= {part.id for part in calls}
        if calls:
            following = turns[number + 1].parts
            answers = following[: len(calls)]
            assert [part.call_id for part in answers if isinstance(part, ToolResult)] == [c.id for c in calls]
            assert [part.name for part in answers if isinstance(part, ToolResult)] == [c.name for c in calls]
            assert not any(isinstance(part, ToolResult) for part in following[len(calls) :])
        elif results:
            assert number > 0
            assert any(isinstance(part, ToolCall) for part in turns[number - 1].parts)


@given(broken_conversations())
def test_E71_E72_E97_whatever_the_history_it_goes_out_in_order(asked: Conversation) -> None:
    for wire in (Wire.MESSAGES, Wire.CHAT):
        given_to, _ = lowered(asked, Wire.GENERATE, target(wire))
        check_paired(given_to)


@given(conversations(Wire.RESPONSES))
@settings(max_examples=50)
def test_a_history_in_order_is_left_alone(asked: Conversation) -> None:
    given_to, notes = lowered(asked, Wire.RESPONSES, target(Wire.CHAT))
    assert HISTORY not in notes.changed
    assert sum(len(turn.parts) for turn in given_to.turns) == sum(
        not isinstance(part, Reasoning) for turn in asked.turns for part in turn.parts
    )
    check_paired(given_to)


def test_E70_results_without_an_id_are_paired_by_order() -> None:
    got = turns(user("go"), model(call("a"), call("b")), user(result("", "1"), result("", "2")))
    assert got[2] == user(named("a", "1"), named("b", "2"))


def test_E70_calls_without_an_id_get_one() -> None:
    got = turns(user("go"), model(call(""), call("call_1")), user(result("call_1", "2"), result("", "1")))
    assert got[1:] == [
        model(call("call_ws1"), call("call_1")),
        user(named("call_ws1", "1"), named("call_1", "2")),
    ]


def test_E70_gemini_pairs_by_name() -> None:
    asked = (
        user("go"),
        model(call("", "read"), call("", "write"), call("", "read")),
        user(result("", "w", "write"), result("", "r1", "read"), result("", "r2", "read")),
    )
    got = turns(*asked, source=Wire.GENERATE)
    contents = [part.content[0] for part in got[2].parts if isinstance(part, ToolResult)]
    assert contents == [Text("r1"), Text("w"), Text("r2")]


def test_E70_a_result_of_another_name_is_not_taken_for_it() -> None:
    got = turns(user("go"), model(call("", "read")), user(result("", "w", "write")), source=Wire.GENERATE)
    assert isinstance(got[2].parts[0], ToolResult)
    assert got[2].parts[0].is_error
    assert got[2].parts[1] == Text("[Result of an earlier call of write]\nw")


def test_E71_a_call_that_was_interrupted_gets_a_result_that_says_so() -> None:
    asked = conversation(user("go"), model(call("a"), call("b")), user(result("b"), "stop that"))
    got, notes = lowered(asked)
    assert got.turns[2] == user(interrupted("a"), named("b"), "stop that")
    assert HISTORY in notes.changed


def test_E71_also_at_the_very_end() -> None:
    assert turns(user("go"), model(call("a")))[2:] == [user(interrupted("a"))]


def test_E72_a_result_whose_call_is_gone_becomes_text() -> None:
    picture = Media(MediaKind.IMAGE, "image/png", data="AA==")
    gone = ToolResult("gone", (Text("seen"), picture))
    assert turns(user(gone, "and now?")) == [
        user("[Result of an earlier tool call]\nseen", picture, "and now?")
    ]
    assert turns(user(ToolResult("gone", (picture,)))) == [user("[Result of an earlier tool call]", picture)]
    assert turns(user("a", ToolResult("gone"))) == [user("a")]


def test_E73_an_id_that_comes_again_is_paired_within_its_turn() -> None:
    got = turns(
        user("go"),
        model(call("call_1", arguments='{"n":1}')),
        user(result("call_1", "one")),
        model(call("call_1", arguments='{"n":2}')),
        user(result("call_1", "two")),
    )
    first, second = got[1].parts[0], got[3].parts[0]
    assert isinstance(first, ToolCall)
    assert isinstance(second, ToolCall)
    assert first.id == "call_1"
    assert second.id != "call_1"
    assert got[2] == user(named("call_1", "one"))
    assert got[4] == user(named(second.id, "two"))


def test_E73_an_interrupted_call_does_not_take_the_result_of_its_namesake() -> None:
    got = turns(user("go"), model(call("a")), user("again"), model(call("a")), user(result("a", "two")))
    assert got[2] == user(interrupted("a"), "again")
    second = got[3].parts[0]
    assert isinstance(second, ToolCall)
    assert got[4] == user(named(second.id, "two"))


def test_E74_separate_results_become_one_turn_with_the_text_behind() -> None:
    got = turns(
        user("go"),
        model(call("a")),
        model(call("b")),
        user("by the way"),
        user(result("b")),
        user(result("a")),
    )
    assert got == [
        user("go"),
        model(call("a"), call("b")),
        user(named("a"), named("b"), "by the way"),
    ]


def test_E74_instructions_between_call_and_result_come_behind() -> None:
    note = Turn(Role.SYSTEM, (Text("be quick"),))
    got = turns(user("go"), model(call("a")), note, user(result("a"), "thanks"))
    assert got[2:] == [user(named("a")), note, user("thanks")]


def test_E74_a_late_result_goes_to_its_call() -> None:
    got = turns(
        user("go"), model(call("a"), call("b")), user(result("b")), model("meanwhile"), user(result("a"))
    )
    assert got[2:] == [user(named("a"), named("b")), model("meanwhile")]


def test_E97_of_two_results_the_last_one_wins() -> None:
    asked = conversation(user("go"), model(call("a")), user(result("a", "1"), result("a", "2")))
    got, notes = lowered(asked)
    assert got.turns[2] == user(named("a", "2"))
    assert HISTORY in notes.changed


def test_E78_empty_text_and_turns_left_with_nothing_go() -> None:
    got = turns(user("go", ""), model(""), user(""), model("", call("a")), user(ToolResult("a", (Text(""),))))
    assert got == [user("go"), model(call("a")), user(ToolResult("a", name="lookup"))]


def test_E78_where_a_user_must_have_spoken_first_one_has() -> None:
    assert turns(model("hello")) == [user("(empty)"), model("hello")]
    assert turns() == [user("(empty)")]
    chat, _ = lowered(conversation(model("hello")), Wire.RESPONSES, target(Wire.CHAT))
    assert list(chat.turns) == [model("hello")]


def test_thousands_of_calls_are_paired_in_time() -> None:
    many = 5_000
    calls = [call("", f"t{n % 7}") for n in range(many)]
    results = [result("", str(n)) for n in range(many)]
    got = turns(user("go"), model(*calls), user(*results))
    assert len(got[2].parts) == many
    got = turns(
        user("go"), model(*[call("a") for _ in range(many)]), user(*[result("a") for _ in range(many)])
    )
    assert len(got[2].parts) == many
