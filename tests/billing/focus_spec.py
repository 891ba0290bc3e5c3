"""What FOCUS 1.2 and 1.3 ask of the columns that we export, from the published specification, column by column.

The official validator on the package index knows 1.0 at most, so its later rules are restated here.
"""

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from waystation.billing.focus_columns import Type, columns

MANDATORY = {
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd",
    "ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity",
    "PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName",
}  # fmt: skip
MANDATORY_1_3 = MANDATORY | {"ServiceProviderName", "HostProviderName"}
MAY_BE_NULL = {
    "BillingAccountName", "ChargeClass", "ChargeDescription", "ConsumedQuantity", "ConsumedUnit",
    "ContractedUnitPrice", "InvoiceId", "ListUnitPrice", "PricingCategory", "PricingQuantity", "PricingUnit",
    "RegionId", "ResourceId", "ResourceName", "ResourceType", "SkuId", "SkuMeter", "SkuPriceDetails",
    "SkuPriceId", "RegionName", "CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName",
    "CommitmentDiscountQuantity", "CommitmentDiscountStatus", "CommitmentDiscountType", "CommitmentDiscountUnit",
    "SubAccountId", "SubAccountName", "SubAccountType", "Tags",
}  # fmt: skip
ALLOWED: dict[str, set[str | None]] = {
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {None, "Correction"},
    "ChargeFrequency": {"One-Time", "Recurring", "Usage-Based"},
    "PricingCategory": {None, "Standard", "Committed", "Dynamic", "Other"},
    "ServiceCategory": {"AI and Machine Learning"},
    "ServiceSubcategory": {"AI Platforms", "Generative AI", "Machine Learning", "Bots"},
    "BillingCurrency": {"USD"},
}


def faults(row: dict[str, Any], version: str) -> Iterator[str]:
    """Every rule that the row breaks."""
    needed = MANDATORY_1_3 if version == "1.3" else MANDATORY
    yield from (f"{name} is missing" for name in needed - row.keys())
    for column in columns(version):
        value = row[column.name]
        custom = column.name.startswith("x_")
        if value is None and not custom and column.name not in MAY_BE_NULL:
            yield f"{column.name} is null"
        if value is not None and not isinstance(value, _TYPES[column.type]):
            yield f"{column.name} is no {column.type}"
        if column.name in ALLOWED and value not in ALLOWED[column.name]:
            yield f"{column.name} is {value!r}"
        if column.type is Type.JSON and value is not None:
            pairs = json.loads(value)
            if not isinstance(pairs, dict) or any(isinstance(v, list | dict) for v in pairs.values()):
                yield f"{column.name} has a nested value"
        if isinstance(value, str) and value != value.strip():
            yield f"{column.name} has blanks around it"
    yield from _together(row)


def _together(row: dict[str, Any]) -> Iterator[str]:
    category, correction = row["ChargeCategory"], row["ChargeClass"] == "Correction"
    sold = category in ("Usage", "Purchase") and not correction
    for name in ("SkuId", "SkuPriceId", "PricingQuantity", "PricingUnit", "ListUnitPrice", "ContractedUnitPrice",
                 "PricingCategory"):  # fmt: skip
        if sold and row[name] is None:
            yield f"{name} must not be null for {category}"
    if (row["ConsumedQuantity"] is None) is not (category != "Usage"):
        yield "ConsumedQuantity must be null unless it is usage"
    if (row["ConsumedUnit"] is None) is not (row["ConsumedQuantity"] is None):
        yield "ConsumedUnit goes with ConsumedQuantity"
    if category == "Purchase" and row["ChargeFrequency"] == "Usage-Based":
        yield "a purchase is not usage-based"
    if row["SkuPriceId"] is None and row["SkuPriceDetails"] is not None:
        yield "SkuPriceDetails without SkuPriceId"
    for price in ("ListUnitPrice", "ContractedUnitPrice"):
        if row[price] is not None and row[price] < 0:
            yield f"{price} is negative"
    for price, cost in (("ListUnitPrice", "ListCost"), ("ContractedUnitPrice", "ContractedCost")):
        if row[price] is None:
            continue
        # Costs are whole nano-dollars an attempt, so that is how near a product can come.
        off = abs(row[price] * row["PricingQuantity"] - row[cost])
        if sold and off > Decimal("1e-9") * ((row["x_Requests"] or 0) + 2) + abs(row[cost]) / 10**6:
            yield f"{price} × PricingQuantity is {off} off {cost}"
    if row["ContractedUnitPrice"] is None and row["ContractedCost"] != row["BilledCost"]:
        yield "ContractedCost must be BilledCost"
    if category in ("Credit", "Adjustment") and row["EffectiveCost"] != row["BilledCost"]:
        yield "EffectiveCost must be BilledCost"
    if correction is not (category == "Adjustment" and row["ChargePeriodEnd"] <= row["BillingPeriodStart"]):
        yield "ChargeClass is for what was rated again of an earlier month"
    if (
        row["ChargePeriodStart"] >= row["ChargePeriodEnd"]
        or row["BillingPeriodStart"] >= row["BillingPeriodEnd"]
    ):
        yield "a period ends before it starts"


_TYPES: dict[Type, type] = {
    Type.STRING: str,
    Type.JSON: str,
    Type.DECIMAL: Decimal,
    Type.TIME: dt.datetime,
}
