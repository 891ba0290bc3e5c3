"""Every program of docs/frameworks, with a model of each vendor: what its user sees, and what the ledger has."""

import re

import pytest

from tests.documents import ROOT
from tests.frameworks.conftest import ACCOUNT, DEVELOPER, PROVIDERS, Runner
from tests.frameworks.pages import NATIVE, PAGES, PROGRAMS, SPOKEN, Program, blocks, family
from waystation.rehearsal import RehearsalServer, Step

TASK = "create hello.txt containing hi and create more.txt containing ho in parallel"
MODELS = ["claude-sonnet-4-5", "gpt-5.4", "gemini-2.5-pro", "qwen3-coder"]
FIRST = [program for program in PROGRAMS if program == next(p for p in PROGRAMS if p.page == program.page)]
"""One program of each page."""


@pytest.mark.parametrize(
    ("program", "model"),
    [
        pytest.param(program, model, id=f"{program.id}-{model}")
        for program in PROGRAMS
        for model in (MODELS[:2] if program.asks_way else MODELS)  # the others differ in nothing that is ours
    ],
)
def test_the_agent_does_its_task(program: Program, model: str, run: Runner) -> None:
    done = run(program.page, program.text(model), TASK, asks_way=program.asks_way)
    assert done.status == 0, done
    assert (done.read("hello.txt"), done.read("more.txt")) == ("hi", "ho"), done
    assert sorted(done.writes) == ["hello.txt", "more.txt"], "each tool call ran once"
    told = re.findall(r"\[write_file: wrote (?:.*/)?(.*)\]", done.said)
    assert sorted(told) == ["hello.txt", "more.txt"]
    first, *_, last = [line for line in done.said.splitlines() if line]
    assert first == "[rehearsal] I will create hello.txt and create more.txt."
    assert last.startswith("[rehearsal] Done.")
    assert "more.txt" in last

    asks, answers = done.rows
    for row in (asks, answers):
        assert (row["outcome"], row["http_status"], row["stream"]) == ("complete", 200, True)
        assert row["principal_name"] == (DEVELOPER if program.asks_way else ACCOUNT)
        assert (row["tool"], row["wire"]) == (program.named, program.wire)
        assert (row["requested_model"], row["upstream_model"]) == (model, model)
        assert row["provider"] == PROVIDERS[family(model)]
        assert row["translated"] is (program.wire not in SPOKEN[family(model)])
        assert row["upstream_wire"] in SPOKEN[family(model)]
        assert row["usage_source"] == "provider"
        assert row["output_tokens"] > 0


@pytest.mark.parametrize("program", FIRST, ids=lambda program: program.id)
def test_a_model_of_others_is_refused_with_our_sentence(
    program: Program, provider: RehearsalServer, run: Runner
) -> None:
    done = run(program.page, program.text("claude-of-others"), TASK)
    assert done.status != 0
    assert "#ai-platform" in done.said + done.complained
    assert {row["outcome"] for row in done.rows} == {"refused"}
    assert (provider.requests, done.writes) == ([], [])


@pytest.mark.parametrize("program", FIRST, ids=lambda program: program.id)
def test_E13_an_answer_that_is_cut_is_not_taken_for_a_whole_one(
    program: Program, provider: RehearsalServer, run: Runner
) -> None:
    """By translation, too, the framework sees that something is missing; Claude Code asks again then."""
    provider.play(Step(faults=("cut at=content",), times=1))
    foreign = next(model for model in MODELS if model != NATIVE[program.wire])
    done = run(program.page, program.text(foreign), "say one two three four five six")
    assert done.rows[0]["outcome"] == "upstream_cut"
    assert (done.status == 0) is (program.page == "claude-agent-sdk") is ("five six" in done.said), done


@pytest.mark.parametrize("program", FIRST, ids=lambda program: program.id)
def test_a_provider_that_is_busy_for_a_moment_goes_unnoticed(
    program: Program, provider: RehearsalServer, run: Runner
) -> None:
    provider.play(Step(faults=("429 retry-after=0.1",), times=1))
    foreign = next(model for model in MODELS if model != NATIVE[program.wire])
    done = run(program.page, program.text(foreign), "create hello.txt containing hi")
    assert done.status == 0, done
    assert done.writes == ["hello.txt"]
    assert [row["http_status"] for row in done.rows] == [429, 200, 200]


@pytest.mark.needs_no_framework
@pytest.mark.parametrize("page", sorted({program.page for program in PROGRAMS}))
def test_every_block_of_a_page_is_in_a_program(page: str) -> None:
    assert len(blocks(page)) == 1 + sum(program.page == page for program in PROGRAMS)


@pytest.mark.needs_no_framework
def test_every_page_has_a_program() -> None:
    pages = {path.stem for path in PAGES.glob("*.md")} - {"README"}
    assert pages == {program.page for program in PROGRAMS}


@pytest.mark.needs_no_framework
@pytest.mark.parametrize("page", sorted({program.page for program in PROGRAMS}))
def test_the_page_names_the_versions_that_it_was_tried_with(page: str) -> None:
    text = (PAGES / f"{page}.md").read_text("utf-8")
    pinned = dict(
        re.findall(r"(?m)^([a-z0-9-]+)==(\S+)", (ROOT / "requirements-frameworks.lock").read_text("utf-8"))
    )
    installed = re.findall(r"[a-z][a-z-]+", re.sub(r"\[.*?\]", "", re.findall(r"pip install (.*)", text)[0]))
    measured = text[text.index("\nMeasured with ") :].partition("\n\n")[0].replace("\n", " ")
    for name in installed:
        assert f"{name} {pinned[name]}" in measured
