"""The columns of FOCUS that are exported, with what the specification says of each."""

import sys
from enum import StrEnum
from typing import NamedTuple


class Type(StrEnum):
    STRING = "String"
    DECIMAL = "Decimal"
    TIME = "Date/Time"
    JSON = "JSON"


class Column(NamedTuple):
    name: str
    type: Type
    nullable: bool
    what: str
    """What we put there."""
    since: str = "1.2"


_S, _D, _T, _J = Type.STRING, Type.DECIMAL, Type.TIME, Type.JSON
COLUMNS = (
    Column("BilledCost", _D, False, "What is to be paid: list cost less discounts; 0 under a seat."),
    Column("BillingAccountId", _S, False, "`billing.account` of the policy."),
    Column("BillingAccountName", _S, True, "`billing.account_name` of the policy."),
    Column("BillingCurrency", _S, False, "`USD`."),
    Column("BillingPeriodEnd", _T, False, "First moment of the next month, UTC."),
    Column("BillingPeriodStart", _T, False, "First moment of the month, UTC."),
    Column(
        "ChargeCategory",
        _S,
        False,
        "`Usage`, `Purchase`, `Credit`, or `Adjustment` for what was rated again.",
    ),
    Column("ChargeClass", _S, True, "`Correction` for what was rated again of an earlier month."),
    Column("ChargeDescription", _S, True, "In words."),
    Column("ChargeFrequency", _S, False, "`Usage-Based`, `Recurring` for seats, else `One-Time`."),
    Column("ChargePeriodEnd", _T, False, "End of the day, or of the month for a charge of it."),
    Column("ChargePeriodStart", _T, False, "Start of that."),
    Column(
        "CommitmentDiscountCategory", _S, True, "Null, as all of these: commitments here are sums of money."
    ),
    Column("CommitmentDiscountId", _S, True, "Null."),
    Column("CommitmentDiscountName", _S, True, "Null."),
    Column("CommitmentDiscountQuantity", _D, True, "Null."),
    Column("CommitmentDiscountStatus", _S, True, "Null."),
    Column("CommitmentDiscountType", _S, True, "Null."),
    Column("CommitmentDiscountUnit", _S, True, "Null."),
    Column("ConsumedQuantity", _D, True, "Tokens, searches or requests."),
    Column("ConsumedUnit", _S, True, "`Tokens` or `Requests`."),
    Column("ContractedCost", _D, False, "List cost less discounts; as `BilledCost`."),
    Column("ContractedUnitPrice", _D, True, "`ListUnitPrice` less the discount."),
    Column("EffectiveCost", _D, False, "As `BilledCost`: a seat's price stays with the seat."),
    Column("HostProviderName", _S, False, "As `ProviderName`.", "1.3"),
    Column("InvoiceId", _S, True, "Empty: the vendor's invoice has it."),
    Column("InvoiceIssuerName", _S, False, "As `ProviderName`."),
    Column("ListCost", _D, False, "By the price list, as the ledger has it."),
    Column("ListUnitPrice", _D, True, "By the price list; the average where that changed within the line."),
    Column("PricingCategory", _S, True, "`Standard`."),
    Column("PricingQuantity", _D, True, "`ConsumedQuantity` in `PricingUnit`; seats; 1."),
    Column("PricingUnit", _S, True, "`1000000 Tokens`, `1000 Requests`, `Seats`, `Units`."),
    Column("ProviderName", _S, False, "The vendor whose account was used."),
    Column("PublisherName", _S, False, "Who made the model."),
    Column("RegionId", _S, True, "The provider's `region`."),
    Column("RegionName", _S, True, "Null."),
    Column("ResourceId", _S, True, "Provider and the provider's model id."),
    Column("ResourceName", _S, True, "The provider's model id."),
    Column("ResourceType", _S, True, "`Model`."),
    Column("ServiceCategory", _S, False, "`AI and Machine Learning`."),
    Column("ServiceName", _S, False, "The kind of provider."),
    Column("ServiceProviderName", _S, False, "As `ProviderName`.", "1.3"),
    Column("ServiceSubcategory", _S, False, "`Generative AI`."),
    Column("SkuId", _S, True, "Kind of provider, model, meter."),
    Column("SkuMeter", _S, True, "`input`, `cache read`, `cache write 5m`, `cache write 1h`, `output`, …"),
    Column("SkuPriceDetails", _J, True, "Service tier and long-context step, where there is one."),
    Column("SkuPriceId", _S, True, "`SkuId` with these."),
    Column("SubAccountId", _S, True, "The cost centre."),
    Column("SubAccountName", _S, True, "The cost centre."),
    Column("SubAccountType", _S, True, "`Cost Center`."),
    Column("Tags", _J, True, "`user` and `groups`."),
    Column("x_ProviderAccount", _S, True, "The policy's name of the provider."),
    Column("x_Requests", _D, True, "Attempts that the line is of."),
    Column("x_UserId", _S, True, "Stable id of the user or service account."),
    Column("x_UserName", _S, True, "Mail address or name."),
)
VERSIONS = ("1.2", "1.3")


def columns(version: str) -> tuple[Column, ...]:
    """Those of a version, in alphabetical order, ours last. Raises ValueError for a version that is not known."""
    if version not in VERSIONS:
        raise ValueError(f"FOCUS {version} is not known: there are {' and '.join(VERSIONS)}")
    return tuple(column for column in COLUMNS if column.since <= version)


def reference() -> str:
    """The page `docs/focus-columns.md`."""
    lines = [
        "# The FOCUS export, column by column",
        "",
        "<!-- Generated from src/waystation/billing/focus_columns.py by `python -m "
        "waystation.billing.focus_columns`; do not edit. -->",
        "",
        "What `waystation bill MONTH --focus` writes. Columns are in alphabetical order, our own (`x_…`) last. In CSV "
        "null is an empty cell; in Parquet decimals have 18 places. [billing.md](billing.md) says how they add up.",
        "",
        "| column | type | null | what we put there |",
        "|---|---|---|---|",
    ]
    for column in COLUMNS:
        later = "" if column.since == "1.2" else f" Only in FOCUS {column.since}."
        null = "may be" if column.nullable else "never"
        lines.append(f"| `{column.name}` | {column.type} | {null} | {column.what}{later} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
