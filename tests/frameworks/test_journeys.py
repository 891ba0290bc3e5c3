"""What an agent of more than one turn needs: typed tools, thoughts that go back to their model, typed answers.

The rehearsal provider refuses reasoning whose seal is not its own or does not fit its text, and calls without their
results, so a program that comes to its end has had every one of its requests taken by the model's own provider.
"""

import json
from pathlib import Path

import pytest

from tests.frameworks.conftest import Runner
from tests.frameworks.pages import SPOKEN, family
from waystation.rehearsal import Line, RehearsalServer, Step, When

PROGRAMS = Path(__file__).with_name("programs")
JOURNEYS = [
    ("langgraph", "anthropic.messages"),
    ("langgraph", "openai.responses"),
    ("openai-agents", "openai.responses"),
    ("claude-agent-sdk", "anthropic.messages"),
    ("google-adk", "gemini.generate"),
    ("pydantic-ai", "anthropic.messages"),
    ("pydantic-ai", "openai.responses"),
    ("pydantic-ai", "gemini.generate"),
]
MODELS = ["claude-sonnet-4-5", "gpt-5.4", "gemini-2.5-pro"]
SEALS = {"claude": "signature", "gpt": "encrypted_content", "gemini": "thoughtSignature"}
"""Where each family's own protocol has the seal of a thought."""
_THOUGHT = Line(thinking="The tool is known by name only.")
_JOURNEY = {
    "traveller": "Ada",
    "legs": [
        {"start": {"city": "Oslo"}, "end": {"city": "Bergen", "country": "NO"}},
        {"start": {"city": "Bergen"}, "end": {"city": "Tórshavn", "country": "FO"}, "by": "ship"},
    ],
}
CLAUDE_CODES_WAYS = (
    Step(
        when=When(contains="think about the way", rounds=0),
        reply=(
            _THOUGHT,
            Line(tool="ToolSearch", input={"query": "select:mcp__clerk__book", "max_results": 1}),
        ),
    ),
    Step(
        when=When(contains="think about the way", rounds=1),
        reply=(_THOUGHT, Line(tool="mcp__clerk__book", input=_JOURNEY)),
    ),
    Step(
        when=When(contains="give me a receipt", rounds=0),
        reply=(Line(tool="StructuredOutput", input={"number": 1}),),
    ),
)
"""With its own tools on, those of the program are deferred: the model looks ours up before its first call. And a typed
answer is the input of a tool."""


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("framework", "wire"), JOURNEYS)
def test_two_turns_with_thoughts_and_a_typed_tool(
    framework: str, wire: str, model: str, provider: RehearsalServer, run: Runner
) -> None:
    steps = 4
    if framework == "claude-agent-sdk":
        steps = 5
        provider.play(*CLAUDE_CODES_WAYS)
    program = (PROGRAMS / f"{framework.replace('-', '_')}_journey.py").read_text()
    done = run(framework, program, model, wire, beside=[PROGRAMS / "words.py"])
    assert done.status == 0, done
    told = json.loads(done.said.splitlines()[-1])
    assert told["booked"] == [["Bergen", "Tórshavn"]] * 2, "each call ran once, with what the model gave"
    assert [answer.partition("]")[0] for answer in told["answers"]] == ["[rehearsal"] * 2
    assert all("booked for Ada" in answer for answer in told["answers"])
    assert told["thoughts"] >= 4, "one before each call, and one before each answer"
    assert told["receipt"]["number"] == 1

    assert {(row["outcome"], row["http_status"]) for row in done.rows} == {("complete", 200)}
    assert {row["translated"] for row in done.rows} == {wire not in SPOKEN[family(model)]}
    of_turns = [row for row in done.rows if row["stream"]][:steps]
    prompts = sum(
        row[f"{kind}_tokens"]
        for row in of_turns
        for kind in ("input", "cache_read", "cache_write_5m", "cache_write_1h")
    )
    assert (told["input"], told["output"]) == (prompts, sum(row["output_tokens"] for row in of_turns))
    # Before the last answer, the seals of both calls are back with the model. (That of an answer's text, which only
    # Gemini gives, is not: no other protocol can end an answer with it.)
    last = [request.body.decode() for request in provider.requests][steps - 1]
    assert last.count(f'"{SEALS[family(model)]}"') >= 2
