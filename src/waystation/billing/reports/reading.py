"""Which documented form a file is."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from waystation.billing.reports import vendors
from waystation.billing.reports.located import documents
from waystation.billing.reports.report import BadReport, Place, Report

KNOWN = (
    "Anthropic's usage and cost reports, OpenAI's usage and costs, Google Cloud's billing export (JSON or CSV), or "
    "a FOCUS CSV file"
)


def read(file: str, raw: bytes) -> list[Report]:
    """The reports in one file (a FOCUS file may have several vendors). Raises BadReport."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadReport(file, raw.count(b"\n", 0, error.start) + 1, "", "this is not UTF-8 text") from None
    return _json(file, text) if text.lstrip()[:1] in ("{", "[") else _csv(file, text)


def _json(file: str, text: str) -> list[Report]:
    values = documents(file, text)
    flat: list[Any] = [item for value in values for item in (value if isinstance(value, list) else [value])]
    places = [Place(file, getattr(item, "line", 1), item) for item in flat]
    if not places:
        raise BadReport(file, 1, "", "the file is empty")
    first = places[0]
    if "data" in first.values:
        bucket = next((b for page in places for b in vendors.listed(page, "data")), None)
        if bucket is None or "starting_at" in bucket.values:
            return [vendors.pages(
                file, places, start="starting_at", vendor="anthropic", cost=vendors.anthropic_cost,
                usage=vendors.anthropic_usage, cost_field="amount",
            )]  # fmt: skip
        if "start_time" in bucket.values:
            return [vendors.pages(
                file, places, start="start_time", vendor="openai", cost=vendors.openai_cost,
                usage=vendors.openai_usage, cost_field="amount",
            )]  # fmt: skip
        raise bucket.bad("", f"this is no report that is known: {KNOWN}")
    if "usage_start_time" in first.values:
        return [vendors.google(file, iter(places))]
    raise BadReport(file, first.line, "", f"this is no report that is known: {KNOWN}")


def _csv(file: str, text: str) -> list[Report]:
    table = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        heads = [name.strip() for name in next(table, [])]
        rows = _rows(file, table, heads)
        if {"BilledCost", "ChargePeriodStart"} <= set(heads):
            return vendors.focus(file, rows)
        if "usage_start_time" in heads:
            return [vendors.google(file, rows)]
    except csv.Error as error:
        raise BadReport(file, table.line_num, "", f"this is not CSV: {error}") from None
    raise BadReport(file, 1, "", f"this is no report that is known: {KNOWN}")


def _rows(file: str, table: Any, heads: list[str]) -> Iterator[Place]:
    line = table.line_num + 1
    for cells in table:
        if cells:
            if len(cells) != len(heads):
                raise BadReport(file, line, "", f"the row has {len(cells)} cells, the heading {len(heads)}")
            yield Place(file, line, dict(zip(heads, (cell or None for cell in cells), strict=True)))
        line = table.line_num + 1
