"""What operators and their tools see of a running gateway: health, metrics, request ids."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.traffic import WIRES
from tests.relay.tool import ask, request_bytes, sent
from tests.stage import Stage, fetch, staged
from waystation import __version__
from waystation.model import Wire

_ID_HEADER = {"anthropic": "request-id", "openai": "x-request-id", "gemini": "x-request-id"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("operations")) as running:
        yield running


def test_health_and_readiness_tell_what_they_should(stage: Stage) -> None:
    assert fetch(f"{stage.url}/healthz").json == {"status": "ok", "version": __version__}
    ready = fetch(f"{stage.url}/readyz")
    assert ready.status == 200
    told = ready.json
    assert (told["ready"], told["draining"], told["in_flight"]) == (True, False, 0)
    assert (told["journal"], told["store"], told["lake_writer"]) == ("ok", "ok", "ok")
    assert told["policy"] == {"version": 1, "last_error": None}


def test_metrics_parse_and_say_what_the_ledger_says(stage: Stage) -> None:
    """After traffic of every kind: good, refused, failed, broken."""
    for wire in WIRES:
        assert stage.say(wire, stream=True).status == 200
        assert stage.say(wire).status == 200
        stage.say(wire, "[[rehearse: 429 retry-after=1]] hi")
        stage.say(wire, "[[rehearse: cut at=content]] say one two three four", stream=True)
        assert stage.say(wire, headers={"authorization": "Bearer nonsense"}).status == 401
    assert stage.say(Wire.MESSAGES, model="nobody-has-this").status == 400
    answer = fetch(f"{stage.url}/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.body.decode())}
    attempts = [row for row in stage.rows() if row["attempt"] > 0]

    assert _values(families["waystation_attempts"], "surface", "provider", "outcome") == Counter(
        (row["surface"], row["provider"], row["outcome"]) for row in attempts
    )
    tokens: Counter[tuple[str, ...]] = Counter()
    cost: Counter[tuple[str, ...]] = Counter()
    for row in attempts:
        place = (row["provider"], row["upstream_model"])
        tokens[(*place, "input")] += row["input_tokens"]
        tokens[(*place, "cache_read")] += row["cache_read_tokens"]
        tokens[(*place, "cache_write")] += row["cache_write_5m_tokens"] + row["cache_write_1h_tokens"]
        tokens[(*place, "output")] += row["output_tokens"]
        cost[(row["provider"],)] += row["cost_nano"]
    assert _values(families["waystation_tokens"], "provider", "model", "kind") == +tokens
    assert _values(families["waystation_cost_nanodollars"], "provider") == +cost

    refused = _values(families["waystation_refusals"], "surface", "kind")
    for surface, count in (("anthropic", 1), ("openai", 2), ("gemini", 1)):
        assert refused[(surface, "unauthenticated")] == count
    assert refused[("anthropic", "unknown_model")] == 1

    first = families["waystation_time_to_first_token_seconds"]
    samples = {(s.name.rpartition("_")[2], s.labels.get("le")): s.value for s in first.samples}
    timed = [row["ttft_us"] for row in attempts if row["ttft_us"] is not None]
    assert samples[("count", None)] == samples[("bucket", "+Inf")] == len(timed)
    assert samples[("sum", None)] == pytest.approx(sum(timed) / 1e6, abs=0.001)
    buckets = [value for (kind, _), value in samples.items() if kind == "bucket"]
    assert buckets == sorted(buckets), "a histogram's buckets add up"
    (in_flight,) = families["waystation_requests_in_flight"].samples
    assert in_flight.value == 0
    assert "process_resident_memory_bytes" in families


def _values(family: Any, *labels: str) -> Counter[tuple[str, ...]]:
    """Samples by their labels; a total that is 0 does not count."""
    return +Counter(
        {
            tuple(sample.labels[label] for label in labels): int(sample.value)
            for sample in family.samples
            if not sample.name.endswith("_created")
        }
    )


# Request ids


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("wire", WIRES)
def test_an_answer_has_the_ids_that_its_row_has(stage: Stage, wire: Wire, stream: bool) -> None:
    """The provider's own id stays where its SDK looks for it, ours stands there where it sent none."""
    answer = stage.say(wire, stream=stream)
    row = stage.row(answer.headers["x-waystation-request-id"])
    there = answer.headers[_ID_HEADER[wire.surface]]
    if wire is Wire.GENERATE:  # Google sends no id
        assert (there, row["upstream_request_id"]) == (row["request_id"], "")
    else:
        assert there == row["upstream_request_id"] != row["request_id"]


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    "fault", ["404", "429 retry-after=1", "500", "401", "reset", "cut at=start", "error at=first"]
)
def test_a_failure_has_the_ids_that_its_row_has(stage: Stage, wire: Wire, fault: str) -> None:
    answer = stage.say(wire, f"[[rehearse: {fault}]] hi", stream=True)
    assert answer.status >= 400
    row = stage.row(answer.headers["x-waystation-request-id"])
    there = answer.headers[_ID_HEADER[wire.surface]]
    assert there
    assert there in (row["upstream_request_id"], row["request_id"])
    if row["http_status"] and wire is not Wire.GENERATE:
        assert row["upstream_request_id"], "the provider's support will ask for it"


def test_a_request_id_of_the_gateway_is_in_its_row_and_in_its_log(stage: Stage) -> None:
    answer = stage.say(Wire.MESSAGES, model="nobody-has-this")
    ours = answer.headers["x-waystation-request-id"]
    assert answer.headers["request-id"] == answer.json["request_id"] == ours
    assert (stage.row(ours)["outcome"], stage.row(ours)["http_status"]) == ("refused", 400)
    lines = [json.loads(line) for line in stage.gateway.log.read_text().splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line.get("request_id") == ours]
    assert (line["level"], line["message"], line["status"]) == ("warning", "refused", 400)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/anthropic/v1/models", 200),
        ("GET", "/openai/v1/models", 200),
        ("GET", "/gemini/v1beta/models", 200),
        ("GET", "/openai/v1/models/nobody-has-this", 404),
        ("POST", "/anthropic/v1/nothing", 404),
        ("GET", "/openai/v1/responses", 405),
        ("POST", "/gemini/v1beta/models/gemini-2.5-pro:dance", 404),
        ("POST", "/openai/v1/chat/completions", 400),
        ("HEAD", "/anthropic", 200),
    ],
)
async def test_every_answer_of_a_surface_has_an_id(stage: Stage, method: str, path: str, status: int) -> None:
    answer = await ask(
        stage.port, path, b"" if method != "POST" else b"{", method=method, headers=(stage.auth,)
    )
    assert answer.status == status
    ours = answer.header("x-waystation-request-id")
    assert ours
    assert answer.header(_ID_HEADER[path.split("/")[1]]) == ours


async def test_ids_are_never_given_twice(stage: Stage) -> None:
    ids = Counter(stage.say(Wire.CHAT).headers["x-waystation-request-id"] for _ in range(30))
    ids.update(row["request_id"] for row in stage.rows() if row["request_id"] not in ids)
    assert max(ids.values()) == 1


async def test_a_websocket_is_refused_with_an_id(stage: Stage) -> None:
    upgrade = (stage.auth, ("connection", "upgrade"), ("upgrade", "websocket"))
    async with sent(stage.port, request_bytes("GET", "/openai/v1/responses", headers=upgrade)) as answer:
        await answer.all()
    assert answer.status == 426
    assert answer.header("x-request-id") == answer.header("x-waystation-request-id")
