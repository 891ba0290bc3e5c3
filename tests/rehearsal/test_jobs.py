"""The small grammar of wishes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.rehearsal.jobs import Edit, Job, Read, Run, Stage, Use, Write, parse, worded
from waystation.rehearsal.words import own_words, working_directory


@pytest.mark.parametrize(
    ("words", "jobs"),
    [
        ("create hello.txt containing hi", [Write("hello.txt", "hi")]),
        ("Please create a file called src/a-b.py with the content `x = 1`", [Write("src/a-b.py", "x = 1")]),
        ("create the file /tmp/a.txt containing: hi", [Write("/tmp/a.txt", "hi")]),
        ("run ls -la", [Run("ls -la")]),
        ("run the command: make test", [Run("make test")]),
        ("run `git status`, then read README.md", [Run("git status"), Read("README.md")]),
        ("read a.txt and then create b.txt containing x", [Read("a.txt"), Write("b.txt", "x")]),
        ("replace hi with hi there in hello.txt", [Edit("hello.txt", "hi", "hi there")]),
        ("change `x = 1` to `x = 2` in the file src/a.py", [Edit("src/a.py", "x = 1", "x = 2")]),
        ("create a.txt containing run away", [Write("a.txt", "run away")]),
        ('call lookup with {"q": "a"}', [Use("lookup", {"q": "a"})]),
        ("use the gw_lookup tool", [Use("gw_lookup", None)]),
        # Prose is not a job.
        ("run the tests", []),
        ("please read the docs", []),
        ("use pytest", []),
        ("write me a poem", []),
        ("replace the old code with better code", []),
        ("what does this project do?", []),
        ("call lookup with {not json}", []),
    ],
)
def test_jobs_are_read_in_the_order_they_are_written(words: str, jobs: list[Job]) -> None:
    assert list(parse(words).jobs) == jobs


def test_other_wishes_stand_beside_jobs() -> None:
    wish = parse(
        "think about the sea, then create a.txt containing one and create b.txt containing two in parallel"
    )
    assert wish.think == "the sea"
    assert wish.stages == (Stage((Write("a.txt", "one"), Write("b.txt", "two")), parallel=True),)
    assert parse("say good day").say == "good day"
    assert parse("long 500").long == 500
    assert parse("long 9999999").long == 1_000_000


def test_what_follows_by_then_is_another_stage() -> None:
    wish = parse(
        "create a.txt containing one, then replace one with two in a.txt and run ls >> b.txt in parallel, "
        "then read a.txt"
    )
    assert wish.stages == (
        Stage((Write("a.txt", "one"),)),
        Stage((Edit("a.txt", "one", "two"), Run("ls >> b.txt")), parallel=True),
        Stage((Read("a.txt"),)),
    )
    assert (
        parse("in parallel, create a.txt containing one and create b.txt containing two").stages[0].parallel
    )
    assert parse("do it in parallel").stages == (Stage((), parallel=True),)


def test_a_job_in_words_is_that_job() -> None:
    jobs: tuple[Job, ...] = (
        Write("a.txt", "one"),
        Edit("a.txt", "one", "two"),
        Run("ls >> b.txt"),
        Read("a.txt"),
        Use("lookup", {"q": "a"}),
    )
    assert parse(", then ".join(map(worded, jobs))).jobs == jobs


@given(st.text(max_size=300))
def test_any_words_at_all_can_be_read(words: str) -> None:
    parse(words)


def test_wrapped_context_and_outer_quotes_are_not_the_persons_words() -> None:
    assert own_words(["<system-reminder>\nsay no\n</system-reminder>", " say yes "]) == "say yes"
    assert own_words(["<current_datetime>2026</current_datetime>\n\nsay yes"]) == "say yes"
    assert own_words(['"say yes"']) == "say yes"
    assert own_words(["This is the Gemini CLI. We are setting up the context for our chat."]) == ""
    assert own_words(["is a < b and b > c?"]) == "is a < b and b > c?"


@pytest.mark.parametrize(
    "text",
    [
        "<environment_context>\n  <cwd>/home/dev/x</cwd>",
        " - Primary working directory: /home/dev/x\n",
        "<env>\n  Working directory: /home/dev/x\n  Workspace root folder: /",
        "I'm currently working in the directory: /home/dev/x\n",
        "- **Workspace Directories:**\n  - /home/dev/x\n",
        "* Current working directory: /home/dev/x\n",
    ],
)
def test_the_working_directory_is_found_where_each_tool_says_it(text: str) -> None:
    assert working_directory("nothing here", text) == "/home/dev/x"


def test_no_directory_is_invented() -> None:
    assert working_directory("commands run in the working directory by default", "") is None
