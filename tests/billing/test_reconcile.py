"""Providers' own files against the ledger: what agrees, what drifts, and what is not a report at all."""

import contextlib
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.admin.organization import UsageCompletionsResponse, UsageCostsResponse

from tests.billing.ledger import MODEL, TODAY, books_of, keep, used
from tests.billing.test_statement import NOVEMBER
from waystation.billing import focus
from waystation.billing.focus_files import csv_text
from waystation.billing.reconcile import Drift, canonical, compare, summary
from waystation.billing.reports import BadReport, read

DAY = dt.date(2026, 11, 10)
DAY_S = int(dt.datetime(2026, 11, 10, tzinfo=dt.UTC).timestamp())
TOKENS: dict[str, Any] = {
    "input_tokens": 1_000, "cache_read_tokens": 200, "cache_write_5m_tokens": 30, "cache_write_1h_tokens": 4,
    "output_tokens": 500, "reasoning_tokens": 0, "service_tier": "",
}  # fmt: skip


def drifts(data: Path, *texts: str) -> list[Drift]:
    reports = [r for i, text in enumerate(texts) for r in read(f"file{i}.json", text.encode())]
    with books_of(data) as books:
        return compare(books, reports)


def anthropic(*results: dict[str, Any], **page: Any) -> str:
    bucket = {
        "starting_at": "2026-11-10T00:00:00Z",
        "ending_at": "2026-11-11T00:00:00Z",
        "results": list(results),
    }
    return json.dumps({"data": [bucket], "has_more": False, "next_page": None} | page, indent=1)


def anthropic_cost(amount: str, **more: Any) -> dict[str, Any]:
    """As in the reference of the cost report: cents as a decimal text."""
    return {
        "amount": amount, "context_window": "0-200k", "cost_type": "tokens", "currency": "USD",
        "description": "Claude Sonnet 4.5 Usage - Input Tokens", "inference_geo": "global",
        "model": f"{MODEL}-20250929", "service_tier": "standard", "token_type": "uncached_input_tokens",
        "workspace_id": None,
    } | more  # fmt: skip


ANTHROPIC_USAGE: dict[str, Any] = {
    "api_key_id": None, "cache_creation": {"ephemeral_1h_input_tokens": 4, "ephemeral_5m_input_tokens": 30},
    "cache_read_input_tokens": 200, "context_window": "0-200k", "model": f"{MODEL}-20250929", "output_tokens": 510,
    "server_tool_use": {"web_search_requests": 0}, "service_tier": "standard", "uncached_input_tokens": 1_000,
    "workspace_id": None,
}  # fmt: skip


def openai(*results: dict[str, Any]) -> dict[str, Any]:
    bucket = {"object": "bucket", "start_time": DAY_S, "end_time": DAY_S + 86_400, "results": list(results)}
    return {"object": "page", "data": [bucket], "has_more": False, "next_page": None}


def test_anthropics_cents_and_tokens(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=1_237_891_200, **TOKENS), used("2026-11-11T00:00", cost_nano=9, **TOKENS)])
    (drift,) = drifts(
        tmp_path, anthropic(anthropic_cost("100.78912"), anthropic_cost("23.1")), anthropic(ANTHROPIC_USAGE)
    )
    assert (drift.vendor, drift.model, drift.day, drift.our_rows) == ("anthropic", MODEL, DAY, 1)
    assert (drift.theirs.cost_nano, drift.cost_drift) == (1_238_891_200, 1_000_000)
    assert [
        drift.token_drift(f"{kind}_tokens") for kind in ("input", "cache_read", "cache_write", "output")
    ] == [0, 0, 0, 10]
    assert drift.sources == ["file0.json:7", "file0.json:19", "file1.json:7"]


def test_where_they_name_no_model_the_day_is_compared(tmp_path: Path) -> None:
    keep(
        tmp_path,
        [used(cost_nano=5, **TOKENS), used(cost_nano=7, upstream_model="claude-haiku-4-5", **TOKENS)],
    )
    (drift,) = drifts(tmp_path, anthropic(anthropic_cost("0.0000012", model=None, description=None)))
    assert (drift.model, drift.our_rows, drift.cost_drift) == ("", 2, 0)


def test_openais_costs_and_usage_are_as_its_sdk_has_them(tmp_path: Path) -> None:
    costs = openai(
        {"object": "organization.costs.result", "amount": {"value": 0.06, "currency": "usd"},
         "line_item": "gpt-5.4-2026-03-05, input", "project_id": None},
        {"object": "organization.costs.result", "amount": {"value": 1e-07, "currency": "usd"},
         "line_item": "gpt-5.4-2026-03-05, output", "project_id": None},
    )  # fmt: skip
    usage = openai(
        {"object": "organization.usage.completions.result", "input_tokens": 1_200, "output_tokens": 500,
         "input_cached_tokens": 200, "num_model_requests": 1, "model": "gpt-5.4-2026-03-05"},
    )  # fmt: skip
    UsageCostsResponse.model_validate(costs)
    UsageCompletionsResponse.model_validate(usage)
    tokens = TOKENS | {"cache_write_5m_tokens": 0, "cache_write_1h_tokens": 0}
    keep(tmp_path, [used(cost_nano=60_000_100, provider="openai", upstream_model="gpt-5.4", **tokens)])
    (drift,) = drifts(tmp_path, json.dumps(costs), json.dumps(usage))
    assert (drift.model, drift.cost_drift) == ("gpt-5.4", 0)
    assert {drift.token_drift(f"{kind}_tokens") for kind in ("input", "cache_read", "output")} == {0}


GOOGLE: dict[str, Any] = {
    "service": {"id": "C7E2", "description": "Vertex AI"}, "sku": {"description": "Gemini 2.5 Flash GA Text Input"},
    "usage_start_time": "2026-11-10 08:00:00 UTC", "cost": 1.5, "currency": "USD", "currency_conversion_rate": 1,
    "credits": [{"name": "x", "amount": -0.25}],
}  # fmt: skip
GOOGLE_POLICY = """\
version: 1
providers:
  g: {kind: google, credential: env:KEY}
models:
  "gemini-*": {routes: [{provider: g}]}
"""


@pytest.mark.parametrize("form", ["lines", "list", "csv"])
def test_googles_export_finds_its_model_in_the_description(tmp_path: Path, form: str) -> None:
    rows = [GOOGLE, GOOGLE | {"sku": {"description": "Gemini 2.5 Flash Lite GA Text Output"}},
            GOOGLE | {"service": {"description": "Compute Engine"}},
            GOOGLE | {"currency": "EUR", "cost": 0.9, "currency_conversion_rate": 0.9, "credits": []}]  # fmt: skip
    if form == "csv":
        lines = [
            "service.description,sku.description,usage_start_time,cost,currency,currency_conversion_rate"
        ]
        for row in rows:
            net = row["cost"] - (0.25 if row["credits"] else 0)
            lines.append(f"{row['service']['description']},{row['sku']['description']},{row['usage_start_time']},"
                         f"{net},{row['currency']},{row['currency_conversion_rate']}")  # fmt: skip
        text = "\n".join(lines)
    else:
        text = "\n".join(map(json.dumps, rows)) if form == "lines" else json.dumps(rows)
    keep(tmp_path, [used(provider="g", upstream_model=m, cost_nano=1, **TOKENS)
                    for m in ("gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro")])  # fmt: skip
    (report,) = read("x", text.encode())
    assert (report.skipped, len(report.rows)) == (1, 3)
    with books_of(tmp_path, policy=GOOGLE_POLICY) as books:
        found = {d.model: d.theirs.cost_nano for d in compare(books, [report])}
    assert found == {
        "gemini-2.5-flash": 2_250_000_000,
        "gemini-2.5-flash-lite": 1_250_000_000,
        "gemini-2.5-pro": None,
    }


def test_our_own_focus_export_has_no_drift(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=123, **TOKENS),
                    used(cost_nano=77, provider="openai", upstream_model="gpt-5.4", **TOKENS)])  # fmt: skip
    with books_of(tmp_path) as books:
        text = csv_text(focus.rows(books, NOVEMBER, TODAY, "1.2"), "1.2")
        found = compare(books, read("f.csv", text.encode()))
    assert [(d.vendor, d.model, d.cost_drift) for d in found] == [
        ("anthropic", MODEL, 0),
        ("openai", "gpt-5.4", 0),
    ]
    assert summary(found)["openai"] == {"ours_nano": 77, "theirs_nano": 77, "drift_nano": 0}


def test_awss_focus_export_is_bedrock_only(tmp_path: Path) -> None:
    heads = "BilledCost,BillingCurrency,ChargePeriodStart,ProviderName,ServiceName,SkuMeter,ChargeDescription"
    text = (
        f"{heads}\n0.01,USD,2026-11-10T00:00:00Z,AWS,Amazon Bedrock,,Claude Sonnet 4.5 input tokens\n"
        "9.99,USD,2026-11-10T00:00:00Z,AWS,Amazon EC2,,t3\n"
    )
    (report,) = read("aws.csv", text.encode())
    assert (report.vendor, len(report.rows), report.skipped) == ("bedrock", 1, 1)


def test_usage_that_only_one_side_has_is_shown(tmp_path: Path) -> None:
    keep(tmp_path, [used(cost_nano=5, **TOKENS)])
    found = drifts(tmp_path, anthropic(anthropic_cost("1", model="claude-opus-4-5")))
    assert {d.model: (d.our_rows, d.sources) for d in found} == {
        MODEL: (1, []), "claude-opus-4-5": (0, ["file0.json:7"]),
    }  # fmt: skip
    assert drifts(tmp_path, json.dumps({"data": []})) == []


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("gpt-5.4-2026-03-05", "gpt-5.4"),
        ("models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("gpt-4", "gpt-4"),
    ],
)
def test_a_models_snapshots_are_one_model(model: str, name: str) -> None:
    assert canonical(model) == name


@pytest.mark.parametrize(
    ("text", "line", "field"),
    [
        ("", 1, ""),
        ("{", 1, ""),
        ('{"data": [\n{"starting_at": ]}', 2, ""),
        ("[" * 100_000, 1, ""),
        ('{"a": 1}', 1, ""),
        ("[1]", 1, ""),
        (anthropic(anthropic_cost("one")), 7, "data[0].results[0].amount"),
        (anthropic(anthropic_cost("NaN")), 7, "data[0].results[0].amount"),
        (anthropic(anthropic_cost("1", currency="EUR")), 7, "data[0].results[0].currency"),
        (anthropic(ANTHROPIC_USAGE | {"output_tokens": -1}), 7, "data[0].results[0].output_tokens"),
        (anthropic(ANTHROPIC_USAGE | {"cache_creation": 5}), 7, "data[0].results[0].cache_creation"),
        (anthropic(has_more=True), 1, "has_more"),
        ('{"data": [{"starting_at": "soon", "results": []}]}', 1, "data[0].starting_at"),
        ('{"data": [{"starting_at": "2026-11-10T00:00:00Z"}]}', 1, "data[0].result"),
        (json.dumps(openai({"amount": {"value": True}})), 1, "data[0].results[0].amount.value"),
        (json.dumps(GOOGLE | {"cost": None}), 1, "cost"),
        (json.dumps(GOOGLE | {"sku": None}), 1, "sku"),
        ("BilledCost,ChargePeriodStart\n1,2026-11-10T00:00:00Z\nx,2026-11-10T00:00:00Z\n", 3, "BilledCost"),
        ("BilledCost,ChargePeriodStart\n1\n", 2, ""),
        ("name,cost\nx,1\n", 1, ""),
        ("\x00,\n", 1, ""),
    ],
)  # fmt: skip
def test_a_file_that_is_not_as_documented_names_line_and_field(text: str, line: int, field: str) -> None:
    with pytest.raises(BadReport) as bad:
        read("a/file", text.encode())
    assert (bad.value.line, bad.value.field) == (line, field)
    assert str(bad.value).startswith(f"a/file:{line}:")


def test_bytes_that_are_no_text_are_refused_with_the_line() -> None:
    with pytest.raises(BadReport, match="f:2: this is not UTF-8"):
        read("f", b"{\n\xff}")


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(_VALUES, st.sampled_from([anthropic_cost("1"), ANTHROPIC_USAGE, {}]), st.data())
def test_nothing_but_a_bad_report_is_ever_raised(
    value: Any, result: dict[str, Any], data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from([*result, "results", "data"]))
    for text in (
        json.dumps(value),
        anthropic(result | {name: value}),
        json.dumps(GOOGLE | {name: value, "cost": value}),
    ):
        with contextlib.suppress(BadReport):
            read("f", text.encode())


@given(st.binary(max_size=200))
def test_no_bytes_do_either(raw: bytes) -> None:
    with contextlib.suppress(BadReport):
        read("f", raw)
