"""The yardstick's own arithmetic: the workload is the same for all, ratios and added latency are right."""

import json

import pytest
from bench.metrics import Sample, combine
from bench.report import replace_between, summary, table
from bench.workload import MODEL, bodies

RESULTS: dict[str, dict[str, Sample]] = {
    "direct": {
        "rps_30k": {"value": 30_000, "errors": 0},
        "light_ms": {"value": 0.5, "p99": 1.0, "errors": 0},
    },
    "nginx": {
        "rps_30k": {"value": 20_000, "us_cpu": 25, "errors": 0},
        "light_ms": {"value": 0.75, "p99": 2.0, "errors": 0},
    },
    "waystation": {
        "rps_30k": {"value": 10_000, "us_cpu": 80, "errors": 3},
        "light_ms": {"value": 1.0, "p99": 3.0, "errors": 0},
    },
}


def _row(text: str, label: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {label} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_the_requests_are_of_the_size_that_the_metric_names() -> None:
    made = bodies()
    assert {name: round(len(made[name]) / 1000) for name in ("2k", "30k", "300k")} == {
        "2k": 2,
        "30k": 30,
        "300k": 299,
    }
    for name, body in made.items():
        request = json.loads(body)
        assert request["model"] == MODEL
        assert request["stream"] is (name in ("sse", "paced"))
        assert request["messages"][-1]["role"] == "user"
    assert b"MOCKPACE=50000" in made["paced"]


def test_ratios_are_to_the_peer_and_latency_is_what_is_added() -> None:
    text = table(RESULTS)
    assert _row(text, "requests/s, 30 KB") == ["30,000", "20,000", "10,000"]
    assert _row(text, "… × nginx") == ["1.50", "1.00", "0.50"]
    assert _row(text, "… CPU µs a request") == ["–", "25", "80"]
    assert _row(text, "50 requests/s of 30 KB: added ms, p50") == ["0.00", "0.25", "0.50"]
    assert _row(text, "… errors") == ["0", "0", "3"], "errors are not hidden"


def test_the_readmes_table_has_us_and_the_peers() -> None:
    text = summary(RESULTS)
    assert _row(text, "requests/s, 30 KB, one core") == ["10,000", "20,000"]
    assert _row(text, "added ms at 50 requests/s, p50") == ["0.50", "0.25"]


def test_a_run_without_us_has_no_table_for_the_readme() -> None:
    assert summary({"direct": RESULTS["direct"]}) == ""


def test_the_median_over_rounds_is_kept() -> None:
    assert combine([{"value": 1}, {"value": 9}, {"value": 2}]) == {"value": 2}


def test_a_round_without_an_answer_has_no_cost_of_one() -> None:
    assert combine([{"value": 0}, {"value": 10, "us_cpu": 80}]) == {"value": 5, "us_cpu": 80}


def test_only_what_stands_between_the_markers_is_replaced() -> None:
    text = "a\n<!-- b -->\nold\n<!-- e -->\nz\n"
    new = replace_between(text, "<!-- b -->", "<!-- e -->", "new\n")
    assert new == "a\n<!-- b -->\nnew\n<!-- e -->\nz\n"
    assert replace_between(new, "<!-- b -->", "<!-- e -->", "new\n") == new
    with pytest.raises(ValueError, match="markers"):
        replace_between("nothing here", "<!-- b -->", "<!-- e -->", "new")
