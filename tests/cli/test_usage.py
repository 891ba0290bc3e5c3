"""`waystation usage` as people and programs see it."""

import csv
import io
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from tests.ledger.records import attempt
from waystation.cli.usage import app
from waystation.cli.usage_table import print_table
from waystation.ledger import Journal
from waystation.ledger.drain import LakeWriter
from waystation.ledger.layout import journal_directories, lake_directory
from waystation.ledger.queries import open_usage
from waystation.ledger.summary import Dimension, Span, dollars, places_needed, summarize
from waystation.model import EndedBy, Outcome, UsageSource

NOW_US = time.time_ns() // 1000
DAY_US = 86_400_000_000

Rows = list[dict[str, Any]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def journal(data: Path) -> Iterator[Journal]:
    journal = Journal(data / "journal" / "main", "main")
    journal.open()
    yield journal
    journal.close()


def settle(journal: Journal, number: int, **changes: Any) -> None:
    times = {"started_us": NOW_US - 60_000_000, "ended_us": NOW_US}
    journal.settle(attempt(number, **(times | changes)))


def run(data: Path, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["--data", str(data), *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def rows(data: Path, *arguments: str) -> Rows:
    found: Rows = json.loads(run(data, "--json", *arguments))["rows"]
    return found


def test_sums_are_exact_below_a_cent_and_above_a_double(data: Path, journal: Journal) -> None:
    settle(journal, 1, cost_nano=1)
    settle(journal, 2, cost_nano=9_007_199_254_740_993, input_tokens=2**53 + 1)
    settle(journal, 3, cost_nano=12_345_677)
    document = json.loads(run(data, "--json"))
    total = document["total"]
    assert total["cost_nano"] == 9_007_199_254_740_993 + 12_345_678
    assert total["cost_usd"] == "9007199.267086671"
    assert total["input_tokens"] == 2**53 + 201
    assert document["rows"] == [
        {"user": "maria@example.com", "tool": "claude", "model": "claude-sonnet-5"} | total
    ]


def test_a_request_is_there_at_once_and_still_once_when_it_is_in_the_lake(
    data: Path, journal: Journal
) -> None:
    settle(journal, 1)
    before = run(data, "--json")
    LakeWriter(journal.directory, str(lake_directory(data)), "main").drain()
    settled = json.loads(before)["rows"]
    assert rows(data) == settled
    assert settled[0]["requests"] == 1
    settle(journal, 2)
    assert rows(data)[0]["requests"] == 2


def test_it_divides_by_whatever_is_asked(data: Path, journal: Journal) -> None:
    settle(journal, 1, cost_nano=5)
    settle(journal, 2, principal_name="", principal_id="usr_9", tool="codex", provider="openai", cost_nano=7)
    settle(
        journal, 3, cost_center="CC-2", requested_model="gpt-5", started_us=NOW_US - 2 * DAY_US, cost_nano=9
    )

    def by(*names: str) -> set[tuple[Any, ...]]:
        flags = [word for name in names for word in ("--by", name)]
        keys = [name.replace("-", "_") for name in names]
        return {(*(row[key] for key in keys), row["cost_nano"]) for row in rows(data, *flags)}

    assert by("user") == {("maria@example.com", 14), ("usr_9", 7)}
    assert by("tool") == {("claude", 14), ("codex", 7)}
    assert by("provider") == {("anthropic", 14), ("openai", 7)}
    assert by("cost-center") == {("CC-1", 12), ("CC-2", 9)}
    assert by("model", "tool") == {
        ("claude-sonnet-5", "claude", 5),
        ("claude-sonnet-5", "codex", 7),
        ("gpt-5", "claude", 9),
    }
    days = rows(data, "--by", "day")
    assert [row["cost_nano"] for row in days] == [9, 12], "the earliest day comes first"
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", row["day"]) for row in days)


def test_a_request_of_several_attempts_is_one_request(data: Path, journal: Journal) -> None:
    settle(journal, 1, outcome=Outcome.UPSTREAM_ERROR, usage_source=UsageSource.ABSENT, cost_nano=0)
    settle(journal, 2, attempt_id="r000001.2", request_id="r000001", attempt=2)
    (row,) = rows(data)
    assert (row["requests"], row["attempts"], row["failed"]) == (1, 2, 1)


def test_refused_requests_and_free_operations_are_no_usage(data: Path, journal: Journal) -> None:
    settle(journal, 1, operation="count_tokens")
    settle(journal, 2, attempt=0, outcome=Outcome.REFUSED, usage_source=UsageSource.ABSENT, cost_nano=0)
    settle(journal, 3)
    (row,) = rows(data)
    assert (row["requests"], row["attempts"], row["refused"]) == (1, 1, 1)
    assert "1 request refused by policy, at no cost." in run(data)


def test_time_and_names_narrow_it_down(data: Path, journal: Journal) -> None:
    settle(journal, 1, cost_nano=1)
    settle(journal, 2, started_us=NOW_US - 8 * DAY_US, cost_nano=2)
    settle(journal, 3, started_us=NOW_US - 400 * DAY_US, tool="codex", principal_id="usr_2", cost_nano=4)

    def cost(*arguments: str) -> int:
        return int(json.loads(run(data, "--json", *arguments))["total"]["cost_nano"] or 0)

    assert cost() == 3
    assert cost("--since", "all") == 7
    assert cost("--since", "7d") == 1
    assert cost("--since", "all", "--until", "7d") == 6
    assert cost("--since", "2020-01-01") == 7
    assert cost("--since", "all", "--until", "2020-01-01") == 0
    assert cost("--since", "all", "--tool", "codex") == 4
    assert cost("--since", "all", "--tool", "codex", "--tool", "claude") == 7
    assert cost("--since", "all", "--user", "usr_2") == 4
    assert cost("--user", "maria@example.com", "--model", "claude-sonnet-5") == 3
    assert cost("--user", "nobody' OR 1=1 --") == 0


def test_a_date_as_the_end_means_the_end_of_that_day(data: Path, journal: Journal) -> None:
    first_of_november = 1_793_491_200_000_000
    settle(journal, 1, started_us=first_of_november - 1, cost_nano=1)
    settle(journal, 2, started_us=first_of_november, cost_nano=2)
    settle(journal, 3, started_us=first_of_november + DAY_US - 1, cost_nano=4)
    settle(journal, 4, started_us=first_of_november + DAY_US, cost_nano=8)
    assert [row["cost_nano"] for row in rows(data, "--since", "2026-11-01", "--until", "2026-11-01")] == [6]
    assert [
        row["cost_nano"]
        for row in rows(data, "--since", "2026-11-01T00:00:00", "--until", "2026-11-02T00:00")
    ] == [6]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--since", "yesterday"], "--since does not understand 'yesterday'"),
        (["--until", "2026-13-01"], "--until does not understand"),
        (["--since", "1d", "--until", "2d"], "--until is not after --since"),
        (["--json", "--csv"], "--json or --csv, not both"),
        (["--by", "colour"], "colour"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(data: Path, arguments: list[str], sentence: str) -> None:
    result = CliRunner().invoke(app, ["--data", str(data), *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert sentence in result.output


def test_csv_has_a_line_a_group_and_no_formula(data: Path, journal: Journal) -> None:
    settle(journal, 1, requested_model="=cmd|' /C calc'!A0", cost_nano=12_345_678)
    settle(journal, 2, cost_nano=None)
    lines = list(csv.DictReader(io.StringIO(run(data, "--csv"))))
    assert [(line["model"], line["cost_nano"], line["cost_usd"]) for line in lines] == [
        ("'=cmd|' /C calc'!A0", "12345678", "0.012345678"),
        ("claude-sonnet-5", "", ""),
    ]


def test_the_table_shows_who_what_and_an_exact_aligned_cost(data: Path, journal: Journal) -> None:
    settle(journal, 1, cost_nano=12_345_678)
    settle(
        journal,
        2,
        principal_name="jonas@example.com",
        tool="codex",
        requested_model="gpt-5",
        cost_nano=1_234_500_000_000,
    )
    lines = run(data).splitlines()
    jonas = next(line for line in lines if "jonas" in line)
    maria = next(line for line in lines if "maria" in line)
    total = next(line for line in lines if "Total" in line)
    assert jonas.split() == [
        "jonas@example.com",
        "codex",
        "gpt-5",
        "1",
        "100",
        "2,000",
        "34",
        "500",
        "$1,234.500000000",
    ]
    assert maria.split() == [
        "maria@example.com",
        "claude",
        "claude-sonnet-5",
        "1",
        "100",
        "2,000",
        "34",
        "500",
        "$0.012345678",
    ]
    assert total.split() == ["Total", "2", "200", "4,000", "68", "1,000", "$1,234.512345678"]
    assert len({line.rstrip().rindex(".") for line in (jonas, maria, total)}) == 1, "points under each other"
    assert lines.index(jonas) < lines.index(maria), "the dearest first"
    assert not any("≈" in line or "†" in line for line in lines)


def test_E45_an_attempt_that_the_tool_left_is_counted_and_marked(data: Path, journal: Journal) -> None:
    settle(
        journal,
        1,
        outcome=Outcome.CLIENT_GONE,
        ended_by=EndedBy.CLIENT,
        usage_source=UsageSource.PARTIAL,
        cost_nano=10_000_000,
    )
    out = run(data)
    assert "≈ $0.01" in out
    assert "≈ Tokens of 1 attempt are our estimate" in out
    assert rows(data)[0]["estimated_attempts"] == 1


def test_E46_a_stated_zero_is_a_zero_and_an_unknown_price_is_not(data: Path, journal: Journal) -> None:
    nothing = dict.fromkeys(
        (
            "input_tokens",
            "cache_read_tokens",
            "cache_write_5m_tokens",
            "cache_write_1h_tokens",
            "output_tokens",
        ),
        0,
    )
    settle(journal, 1, requested_model="stated", cost_nano=0, **nothing)
    settle(journal, 2, requested_model="unknown", cost_nano=None)
    out = run(data)
    stated = next(line for line in out.splitlines() if "stated" in line)
    unknown = next(line for line in out.splitlines() if "unknown" in line)
    assert stated.split()[-1] == "$0.00"
    assert unknown.split()[-3:] == ["no", "price", "†"]
    assert "† 1 attempt (2,634 tokens) have no known price" in out
    costs = {row["model"]: row["cost_nano"] for row in rows(data)}
    assert costs == {"stated": 0, "unknown": None}


@pytest.mark.parametrize("width", [60, 80, 100, 130, 200])
def test_the_table_fits_any_terminal_and_never_shortens_money(
    data: Path, journal: Journal, width: int
) -> None:
    settle(
        journal,
        1,
        principal_name="a.very.long.name.of.somebody@subsidiary.example.com",
        cost_nano=123_456_789_012,
    )
    settle(journal, 2, input_tokens=123_456_789, cost_nano=None, usage_source=UsageSource.ESTIMATED)
    with open_usage(journal_directories(data), lake_directory(data)) as view:
        found = summarize(view, [Dimension.USER, Dimension.TOOL, Dimension.MODEL], Span())
    console = Console(width=width, force_terminal=True, file=io.StringIO(), record=True)
    print_table(console, found, Span())
    text = console.export_text()
    assert max(map(len, text.splitlines())) <= width
    assert text.count("$123.456789012") == 2
    assert "claude" in text or width < 80


def test_names_from_outside_cannot_steer_the_terminal(data: Path, journal: Journal) -> None:
    settle(journal, 1, requested_model="\x1b[31mred\x07", tool="[bold]x[/bold]")
    for out in (run(data), run(data, "--csv")):
        assert "\x1b" not in out
        assert "\x07" not in out
    assert "[bold]x[/bold]" in run(data)


def test_an_empty_ledger_says_what_to_do(data: Path) -> None:
    out = run(data)
    assert "waystation serve" in out
    assert "way claude" in out
    assert json.loads(run(data, "--json"))["rows"] == []


def test_nothing_found_says_what_there_is(data: Path, journal: Journal) -> None:
    settle(journal, 1, started_us=NOW_US - 400 * DAY_US)
    out = run(data)
    assert "Nothing matches. The ledger has 1 row," in out
    assert "--since all" in out


def test_a_lake_that_cannot_be_read_is_told_without_a_traceback(data: Path, journal: Journal) -> None:
    settle(journal, 1)
    LakeWriter(journal.directory, str(lake_directory(data)), "main").drain()
    for file in (lake_directory(data) / "_delta_log").glob("*.json"):
        file.write_text("torn")
    result = CliRunner().invoke(app, ["--data", str(data)])
    assert result.exit_code == 1
    assert result.stderr.startswith("The usage cannot be read: ")


def test_dollars_are_decimal_strings() -> None:
    assert dollars(0) == "0.000000000"
    assert dollars(-1_500_000_000) == "-1.500000000"
    assert dollars(1_234_567_890_000_000_000, 2, thousands=",") == "1,234,567,890.00"
    assert [places_needed(nano) for nano in (0, 10_000_000, 1_000_000, 1)] == [2, 2, 3, 9]
