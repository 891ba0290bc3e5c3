"""`waystation bill` as people and programs see it."""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from tests.billing.ledger import POLICY, keep, used
from waystation.cli.bill import app
from waystation.store import open_store


def apply(data: Path, billing: str, policy: str = POLICY) -> None:
    text = policy + (f"billing:\n{billing}" if billing else "")
    open_store(data, None).policies.append(text, who="test", note="", base_version=None)


def invoke(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--data", str(data)], catch_exceptions=False)


def run(data: Path, *arguments: str) -> str:
    result = invoke(data, *arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    keep(folder, [
        used("2025-03-10T12:00", cost_nano=2_000_000_001, groups=("eng",)),
        used("2025-03-11T12:00", cost_nano=1, cost_center="=cmd()", principal_name="ana@example.com"),
    ])  # fmt: skip
    apply(folder, "  account_name: Acme\n  discounts: [{provider: anthropic, percent: 10}]")
    return folder


def test_the_table_shows_both_figures_in_full(data: Path) -> None:
    text = run(data, "2025-03", "--by", "user")
    assert "Acme: bill for 2025-03 (UTC)" in text
    assert "maria@example.com" in text
    assert "2.000000002" in text
    assert "1.800000002" in text
    assert "so far" not in text


def test_json_has_integers_and_exact_dollars(data: Path) -> None:
    document: dict[str, Any] = json.loads(run(data, "2025-03", "--by", "cost-center", "--json"))
    assert document["time_zone"] == "UTC"
    assert document["final"] is True
    assert document["total"]["list_nano"] == 2_000_000_002
    assert document["total"]["billed_usd"] == "1.800000002"
    assert {row["cost_center"] for row in document["rows"]} == {"CC-1", "=cmd()"}


def test_csv_adds_up_and_runs_no_formula(data: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run(data, "2025-03", "--by", "cost-center", "--csv"))))
    assert sum(Decimal(row["list_usd"]) for row in rows) == Decimal("2.000000002")
    assert {row["cost_center"] for row in rows} == {"CC-1", "'=cmd()"}


def test_parquet_is_exact(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "bill.parquet"
    run(data, "2025-03", "--parquet", "--out", str(path))
    table = pq.read_table(path)
    assert sum(table["billed_usd"].to_pylist()) == Decimal("1.800000002")


def test_a_month_without_usage_is_a_bill_of_nothing(data: Path) -> None:
    assert json.loads(run(data, "2024-01", "--json"))["total"]["billed_nano"] == 0
    assert "0.00" in run(data, "2024-01")


@pytest.mark.parametrize("arguments", [["2025-3"], ["march"], ["2025-03", "--json", "--csv"]])
def test_what_is_not_understood_is_refused(data: Path, arguments: list[str]) -> None:
    result = invoke(data, *arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_focus_is_csv_with_the_columns_of_its_version(data: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run(data, "2025-03", "--focus"))))
    assert sum(Decimal(row["BilledCost"]) for row in rows) == Decimal("1.800000002")
    assert "HostProviderName" not in rows[0]
    later = run(data, "2025-03", "--focus", "--focus-version", "1.3")
    assert "HostProviderName" in later.splitlines()[0]
    assert invoke(data, "2025-03", "--focus", "--focus-version", "2.0").exit_code == 2


def test_files_go_where_they_are_told(data: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "b.pdf"
    run(data, "2025-03", "--pdf", "--out", str(pdf))
    assert pdf.read_bytes().startswith(b"%PDF-")
    parquet = tmp_path / "f.parquet"
    run(data, "2025-03", "--focus", "--parquet", "--out", str(parquet))
    assert sum(pq.read_table(parquet)["BilledCost"].to_pylist()) == Decimal("1.800000002")
    result = invoke(data, "2025-03", "--pdf", "--out", str(tmp_path / "no" / "where.pdf"))
    assert result.exit_code == 1
    assert "Traceback" not in result.output


def test_rating_again_says_what_changes_and_does_it_once(data: Path) -> None:
    dry = json.loads(run(data, "rerate", "--from", "2025-01-01", "--dry-run", "--json"))
    assert (dry["dry_run"], dry["appended"]) == (True, 0)
    assert sum(change["attempts"] for change in dry["changes"]) == 2
    assert "2 corrections appended" in run(data, "rerate", "--from", "2025-01-01")
    assert "Nothing changes" in run(data, "rerate", "--from", "2025-01-01")
    assert invoke(data, "rerate", "--from", "yesterday").exit_code == 2


def test_reconciling_shows_drift_with_where_it_is_from(data: Path, tmp_path: Path) -> None:
    result = {"amount": "180.1", "currency": "USD", "model": "claude-sonnet-4-5-20250929"}
    bucket = {"starting_at": "2025-03-10T00:00:00Z", "ending_at": "2025-03-11T00:00:00Z", "results": [result]}
    file = tmp_path / "costs.json"
    file.write_text(json.dumps({"data": [bucket], "has_more": False}))
    document = json.loads(run(data, "reconcile", str(file), "--json"))
    (row,) = document["rows"]
    assert row["drift"]["cost_nano"] == 1_801_000_000 - 1_800_000_001
    assert row["sources"] == [f"{file}:1"]
    assert (row["our_rows"], row["ours_list_nano"]) == (1, 2_000_000_001)
    text = run(data, "reconcile", str(file))
    assert "costs.json:1" in text
    assert "+0.000999999 (0.1 %)" in text
    bucket["results"] = [{"amount": None}]
    file.write_text(json.dumps({"data": [bucket]}))
    refused = invoke(data, "reconcile", str(file))
    assert refused.exit_code == 1
    assert f"{file}:1: data[0].results[0].amount: expected an amount" in refused.output
    assert invoke(data, "reconcile", str(tmp_path / "none.json")).exit_code == 1
