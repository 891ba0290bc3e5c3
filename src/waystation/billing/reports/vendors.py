"""The documented forms, one function each."""

import datetime as dt
import re
from collections.abc import Callable, Iterator

from waystation.billing.reports.report import BadReport, Place, Report, Stated, nano

_BEDROCK = re.compile(r"bedrock", re.IGNORECASE)
_GOOGLE = re.compile(r"vertex ai|generative language|gemini|cloud ai|agent platform", re.IGNORECASE)
_AZURE = re.compile(r"openai|foundry|cognitive|ai services", re.IGNORECASE)
_SOLD_BY = {
    "aws": "bedrock",
    "amazon web services": "bedrock",
    "microsoft": "azure-openai",
    "microsoft azure": "azure-openai",
    "google": "google",
    "google cloud": "google",
    "anthropic": "anthropic",
    "openai": "openai",
}
_SERVICES = {"bedrock": _BEDROCK, "google": _GOOGLE, "azure-openai": _AZURE}
Rows = Callable[[Place, dt.date], Iterator[Stated]]


def anthropic_cost(bucket_result: Place, day: dt.date) -> Iterator[Stated]:
    """Cost report: `amount` is a decimal text of cents."""
    bucket_result.dollars_only("currency")
    cost = nano(bucket_result.amount("amount").scaleb(-2))
    model = bucket_result.text("model")
    yield Stated(bucket_result.line, day, model or _spoken(bucket_result), cost, exact=bool(model))


def anthropic_usage(result: Place, day: dt.date) -> Iterator[Stated]:
    """Messages usage report: buckets are disjoint."""
    written = 0
    if result.values.get("cache_creation") is not None:
        cache = result.below("cache_creation")
        written = cache.count("ephemeral_5m_input_tokens") + cache.count("ephemeral_1h_input_tokens")
    yield Stated(
        result.line,
        day,
        result.text("model"),
        input_tokens=result.count("uncached_input_tokens", needed=True),
        cache_read_tokens=result.count("cache_read_input_tokens"),
        cache_write_tokens=written,
        output_tokens=result.count("output_tokens", needed=True),
    )


def openai_cost(result: Place, day: dt.date) -> Iterator[Stated]:
    """Costs: `amount.value` in dollars; `line_item` is a model and what of it."""
    amount = result.below("amount")
    amount.dollars_only("currency")
    model, comma, _ = result.text("line_item").partition(", ")
    yield Stated(result.line, day, model, nano(amount.amount("value")), exact=bool(comma) or not model)


def openai_usage(result: Place, day: dt.date) -> Iterator[Stated]:
    """Completions and embeddings usage: `input_tokens` includes what was cached or written to a cache."""
    cached, written = result.count("input_cached_tokens"), result.count("input_cache_write_tokens")
    whole = result.count("input_tokens", needed=True)
    if cached + written > whole:
        raise result.bad("input_cached_tokens", "more than input_tokens, which includes them")
    yield Stated(
        result.line,
        day,
        result.text("model"),
        input_tokens=whole - cached - written,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        output_tokens=result.count("output_tokens"),
    )


def pages(
    file: str, documents: list[Place], *, start: str, vendor: str, cost: Rows, usage: Rows, cost_field: str
) -> Report:
    """Pages of time buckets, as both Anthropic and OpenAI have them."""
    rows: list[Stated] = []
    days: set[dt.date] = set()
    forms: set[str] = set()
    for page in documents:
        for i, bucket in enumerate(listed(page, "data")):
            day = bucket.day(start)
            days.add(day)
            results = "results" if "results" in bucket.values else "result"
            for result in listed(bucket, results, f"data[{i}].{results}"):
                is_cost = cost_field in result.values
                forms.add("costs" if is_cost else "usage")
                rows += (cost if is_cost else usage)(result, day)
        if page.values.get("has_more") is True and page is documents[-1]:
            raise page.bad(
                "has_more", "there is a further page; give all of them in one file, one after another"
            )
    return Report(
        file, vendor, f"{vendor} {' and '.join(sorted(forms)) or 'report'}", tuple(rows), frozenset(days)
    )


def google(file: str, rows: Iterator[Place]) -> Report:
    """Cloud Billing's standard or detailed export, as JSON or flat CSV, other services left out."""
    found: list[Stated] = []
    days: set[dt.date] = set()
    skipped = 0
    for row in rows:
        service = _either(row, "service", "description")
        if not _GOOGLE.search(service):
            skipped += 1
            continue
        cost = row.amount("cost")
        credits_ = row.values.get("credits")
        if isinstance(credits_, list):
            cost += sum(
                (Place(row.file, row.line, c, "credits").amount("amount") for c in credits_), start=cost * 0
            )
        if row.text("currency").upper() not in ("", "USD"):
            if not row.values.get("currency_conversion_rate"):
                row.dollars_only("currency")
            rate = row.amount("currency_conversion_rate")
            if rate <= 0:
                raise row.bad("currency_conversion_rate", "expected a rate above 0")
            cost /= rate
        day = row.day("usage_start_time")
        days.add(day)
        found.append(Stated(row.line, day, _either(row, "sku", "description"), nano(cost), exact=False))
    return Report(file, "google", "google billing export", tuple(found), frozenset(days), skipped)


def focus(file: str, rows: Iterator[Place]) -> list[Report]:
    """Any FOCUS file (AWS, Azure and Google export it): one report a vendor, other services left out."""
    found: dict[str, tuple[list[Stated], set[dt.date]]] = {}
    skipped = 0
    for row in rows:
        sold_by = row.text("ProviderName") or row.text("ServiceProviderName")
        vendor = _SOLD_BY.get(sold_by.lower(), sold_by)
        about = " ".join(row.text(name) for name in ("ServiceName", "SkuId", "SkuMeter", "ChargeDescription"))
        services = _SERVICES.get(vendor)
        if services is not None and not services.search(f"{row.text('PublisherName')} {about}"):
            skipped += 1
            continue
        row.dollars_only("BillingCurrency")
        day = row.day("ChargePeriodStart")
        stated, days = found.setdefault(vendor, ([], set()))
        days.add(day)
        text = f"{about} {row.text('ResourceName')} {row.text('ResourceId')}"
        stated.append(Stated(row.line, day, text.strip(), nano(row.amount("BilledCost")), exact=False))
    return [
        Report(file, vendor, "focus", tuple(stated), frozenset(days), skipped)
        for vendor, (stated, days) in found.items()
    ]


def listed(place: Place, field: str, path: str = "") -> Iterator[Place]:
    """The objects of a list, each with its line and path."""
    value = place.values.get(field)
    if not isinstance(value, list):
        raise place.bad(field, "expected a list")
    for i, item in enumerate(value):
        yield Place(place.file, getattr(item, "line", place.line), item, f"{path or field}[{i}]")


def _either(row: Place, outer: str, inner: str) -> str:
    """`service.description`, nested as in JSON or flat as in CSV."""
    for flat in (f"{outer}.{inner}", f"{outer}_{inner}"):
        if flat in row.values:
            return row.text(flat)
    if outer not in row.values:
        raise BadReport(row.file, row.line, f"{outer}.{inner}", "the field is missing")
    return row.below(outer).text(inner)


def _spoken(result: Place) -> str:
    """What a cost is for, where no model is named: `Web Search Usage`, `Claude Sonnet 4 Usage - Input Tokens`."""
    return result.text("description")
