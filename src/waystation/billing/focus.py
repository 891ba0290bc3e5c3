"""The month in FOCUS: a row for each day, user, model and meter; seats as purchases; corrections as such."""

import datetime as dt
import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from waystation.billing.books import Books
from waystation.billing.charges import Charge, Kind, charges
from waystation.billing.focus_columns import columns
from waystation.billing.period import Month
from waystation.billing.split import METERS, Meter, Part, split
from waystation.model.billing import MILLION
from waystation.policy.kinds import KINDS
from waystation.pricing import Rates

Row = dict[str, Any]
"""A value for each column: text, Decimal, an aware datetime, or None."""

_VENDORS = {
    "anthropic": "Anthropic",
    "openai": "OpenAI",
    "google": "Google",
    "azure-openai": "Microsoft",
    "bedrock": "Amazon Web Services",
}
_MAKERS = (
    (re.compile(r"claude", re.IGNORECASE), "Anthropic"),
    (re.compile(r"\b(gpt|o[1-9]|codex)\b|gpt-|text-embedding", re.IGNORECASE), "OpenAI"),
    (re.compile(r"gemini|gemma", re.IGNORECASE), "Google"),
    (re.compile(r"qwen", re.IGNORECASE), "Alibaba"),
    (re.compile(r"llama", re.IGNORECASE), "Meta"),
    (re.compile(r"mistral|codestral|devstral", re.IGNORECASE), "Mistral AI"),
    (re.compile(r"deepseek", re.IGNORECASE), "DeepSeek"),
    (re.compile(r"grok", re.IGNORECASE), "xAI"),
)
_WHO = (
    "date, coalesce(principal_id, '') AS who, max(coalesce(nullif(principal_name, ''), principal_id, '')), "
    "coalesce(cost_center, '') AS center, array_to_string(list_sort(coalesce(groups, [])), ' + ') AS team, "
    "coalesce(provider, '') AS place, coalesce(upstream_model, '') AS model, coalesce(service_tier, '') AS tier"
)
_PROMPT = " + ".join(
    f"coalesce({name}, 0)::HUGEINT"
    for name in ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
)
_COUNTS = ", ".join(
    f"coalesce(sum({name}), 0)"
    for name in (
        "input_tokens",
        "cache_read_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
        "output_tokens",
        "web_searches",
        "reasoning_tokens",
    )
)


def rows(books: Books, month: Month, today: dt.date, version: str) -> Iterator[Row]:
    """Every line of the month, in a stable order. Amounts are exact: they add up to the statement's."""
    wanted = tuple(column.name for column in columns(version))
    empty: Row = dict.fromkeys(wanted)
    base = empty | {
        "BillingAccountId": books.terms.account,
        "BillingAccountName": books.terms.account_name,
        "BillingCurrency": "USD",
        "BillingPeriodStart": _midnight(month.first),
        "BillingPeriodEnd": _midnight(month.after),
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
    }
    other = charges(books, month, today)
    where = books.prepare(month.first, month.after)
    for row in (
        *_usage(books, base, where),
        *_corrections(books, base, month),
        *(_charge(books, base, month, charge) for charge in other),
    ):
        yield {name: row[name] for name in wanted}


def unpriced(books: Books, month: Month) -> int:
    """Attempts of the month that consumed something whose price is unknown: they are in no row."""
    ((count,),) = books.query(
        f"SELECT count(*) FROM requests WHERE date >= DATE '{month.first}' AND date < DATE '{month.after}' "  # noqa: S608
        "AND cost_nano IS NULL AND total_tokens > 0"
    )
    return int(count)


def _usage(books: Books, base: Row, where: str) -> Iterator[Row]:
    found = books.query(
        f"SELECT {_WHO}, seats, kept_ppm, len(list_filter(coalesce(steps, []), lambda x: {_PROMPT} > x)) AS step, "  # noqa: S608
        f"{_COUNTS}, count(*), sum(list_nano), sum(billed_nano) FROM bill_usage "
        f"WHERE {where} AND cost_nano IS NOT NULL GROUP BY ALL "
        "ORDER BY date, who, center, team, place, model, tier, step"
    )
    for row in found:
        day, _, _, _, _, place, model, tier, seats, kept, step, *numbers = row
        *counts, reasoning, attempts, listed, billed = map(int, numbers)
        rates = books.rates(place, model, day)
        above = _above(rates, tier, step)
        shared = base | _who(books, row) | _usage_facts(day, seats, attempts)
        for part in split(counts, reasoning, attempts, listed, billed, rates, tier, above + 1):
            yield shared | _part(shared, part, tier, above if step else 0, 0 if seats else int(kept))


def _usage_facts(day: dt.date, seats: str, attempts: int) -> Row:
    return {
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _midnight(day),
        "ChargePeriodEnd": _midnight(day + dt.timedelta(days=1)),
        "PricingCategory": "Standard",
        "ChargeDescription": f" (under {seats})" if seats else "",
        "x_Requests": Decimal(attempts),
    }


def _part(shared: Row, part: Part, tier: str, above: int, kept: int) -> Row:
    meter = part.meter
    sku = f"{shared['ServiceName']}/{shared['ResourceName'] or 'unknown'}/{meter.name}"
    details = {"x_ServiceTier": tier} if tier else {}
    more = details | ({"x_PromptTokensAbove": above} if above else {})
    price_id = sku + "".join(f"/{value}" for value in more.values())
    billed = _usd(part.billed_nano)
    return {
        "BilledCost": billed,
        "EffectiveCost": billed,
        "ContractedCost": billed,
        "ListCost": _usd(part.list_nano),
        "ListUnitPrice": part.unit_price,
        "ContractedUnitPrice": part.unit_price * kept / MILLION,
        "ConsumedQuantity": Decimal(part.quantity),
        "ConsumedUnit": meter.unit,
        "PricingQuantity": Decimal(part.quantity) / meter.per,
        "PricingUnit": f"{meter.per} {meter.unit}",
        "SkuId": sku,
        "SkuMeter": meter.name,
        "SkuPriceId": price_id,
        "SkuPriceDetails": _json(more) if more else None,
        "ChargeDescription": f"{shared['ResourceName'] or 'unknown model'}: {_words(meter)}"
        f"{shared['ChargeDescription']}",
    }


def _words(meter: Meter) -> str:
    return (
        f"{meter.name} tokens"
        if meter.unit == "Tokens"
        else f"{meter.name}{'es' if meter is METERS[5] else 's'}"
    )


def _corrections(books: Books, base: Row, month: Month) -> Iterator[Row]:
    found = books.query(
        f"SELECT {_WHO}, count(*), sum(list_nano), sum(billed_nano) FROM bill_corrections "  # noqa: S608
        f"WHERE booked = DATE '{month.first}' GROUP BY ALL ORDER BY date, who, center, team, place, model, tier"
    )
    for row in found:
        day, attempts, listed, billed = row[0], *map(int, row[-3:])
        earlier = day < month.first
        yield (
            base
            | _who(books, row)
            | _plain(listed, billed)
            | {
                "ChargeCategory": "Adjustment",
                "ChargeClass": "Correction" if earlier else None,
                "ChargeDescription": f"{row[6] or 'unknown model'}: rated again on a corrected price book",
                "ChargeFrequency": "One-Time",
                "ChargePeriodStart": _midnight(day),
                "ChargePeriodEnd": _midnight(day + dt.timedelta(days=1)),
                "x_Requests": Decimal(attempts),
            }
        )


def _charge(books: Books, base: Row, month: Month, charge: Charge) -> Row:
    row = base | _place(books, charge.provider, "") | _plain(charge.list_nano, charge.billed_nano)
    row |= _center(charge.cost_center)
    row |= {"ChargePeriodStart": _midnight(month.first), "ChargePeriodEnd": _midnight(month.after)}
    row["ChargeDescription"] = f"{charge.name} ({charge.note})" if charge.note else charge.name
    if charge.kind is Kind.CREDIT:
        return row | {"ChargeCategory": "Credit", "ChargeFrequency": "One-Time"}
    seats = charge.kind is Kind.SEATS
    price = _usd(charge.list_nano) / charge.quantity
    sku = f"{row['ServiceName']}/{charge.kind}/{charge.name}"
    return row | {
        "ChargeCategory": "Purchase",
        "ChargeFrequency": "Recurring" if seats else "One-Time",
        "PricingCategory": "Standard",
        "PricingQuantity": Decimal(charge.quantity),
        "PricingUnit": "Seats" if seats else "Units",
        "ListUnitPrice": price,
        "ContractedUnitPrice": price,
        "SkuId": sku,
        "SkuPriceId": sku,
        "SkuMeter": str(charge.kind),
    }


def _plain(listed: int, billed: int) -> Row:
    cost = _usd(billed)
    return {"BilledCost": cost, "EffectiveCost": cost, "ContractedCost": cost, "ListCost": _usd(listed)}


def _who(books: Books, row: tuple[Any, ...]) -> Row:
    _, who, name, center, team, place, model = row[:7]
    tags = {key: value for key, value in (("user", name), ("groups", team)) if value}
    return (
        _place(books, place, model)
        | _center(center)
        | {
            "Tags": _json(tags) if tags else None,
            "x_UserId": who or None,
            "x_UserName": name or None,
        }
    )


def _center(center: str) -> Row:
    if not center:
        return {"SubAccountId": None, "SubAccountName": None, "SubAccountType": None}
    return {"SubAccountId": center, "SubAccountName": center, "SubAccountType": "Cost Center"}


def _place(books: Books, place: str, model: str) -> Row:
    provider = books.providers.get(place)
    kind = "" if provider is None else provider.kind
    vendor = _VENDORS.get(kind) or place or "Unknown"
    maker = next((name for pattern, name in _MAKERS if pattern.search(model)), vendor)
    region = None if provider is None else provider.region or provider.terms.region
    return {
        "ProviderName": vendor,
        "HostProviderName": vendor,
        "ServiceProviderName": vendor,
        "InvoiceIssuerName": vendor,
        "PublisherName": maker,
        "RegionId": region,
        "ResourceId": f"{place}/{model}" if model else None,
        "ResourceName": model or None,
        "ResourceType": "Model" if model else None,
        "ServiceName": KINDS[kind].title.partition(" (")[0] if kind in _VENDORS else vendor,
        "x_ProviderAccount": place or None,
    }


def _above(rates: Rates | None, tier: str, step: int) -> int:
    """The threshold that was exceeded: the `step`-th lowest one; −1 where none was."""
    if rates is None or not step:
        return -1
    served = rates.service_tiers.get(tier.lower(), rates) if tier else rates
    thresholds = sorted(s.above for s in served.long_context)
    return thresholds[min(step, len(thresholds)) - 1] if thresholds else -1


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


def _usd(nano: int) -> Decimal:
    return Decimal(nano).scaleb(-9)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
