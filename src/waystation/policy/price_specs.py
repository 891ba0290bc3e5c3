"""Prices in the policy document: their fields, and what each is for."""

import datetime
from decimal import Decimal
from typing import Annotated

import msgspec
from msgspec import Meta

_USD_SCHEMA = {"type": ["number", "string"], "format": None, "minimum": 0}
UsdPerMillion = Annotated[
    Decimal,
    Meta(
        extra_json_schema=_USD_SCHEMA,
        extra={"decimals": 6, "expected": "US dollars per million tokens, e.g. `2.50`"},
    ),
]
UsdPerThousand = Annotated[
    Decimal,
    Meta(
        extra_json_schema=_USD_SCHEMA,
        extra={"decimals": 9, "expected": "US dollars per 1,000 calls, e.g. `10`"},
    ),
]
InputPrice = Annotated[
    UsdPerMillion, Meta(description="Per million prompt tokens that no cache is involved in.")
]
OutputPrice = Annotated[UsdPerMillion, Meta(description="Per million generated tokens, reasoning included.")]
CacheReadPrice = Annotated[
    UsdPerMillion | None, Meta(description="Per million tokens read from a cache; unset: as `input`.")
]
CacheWritePrice = Annotated[
    UsdPerMillion | None,
    Meta(description="Per million tokens written to a cache (for 5 minutes); unset: as `input`."),
]
CacheWrite1hPrice = Annotated[
    UsdPerMillion | None,
    Meta(description="Per million tokens written to a cache for an hour; unset: as `cache_write`."),
]
WebSearchPrice = Annotated[
    UsdPerThousand | None, Meta(description="Per 1,000 searches that the provider runs; unset: nothing.")
]


class Amounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rates in US dollars."""

    input: InputPrice
    output: OutputPrice
    cache_read: CacheReadPrice = None
    cache_write: CacheWritePrice = None
    cache_write_1h: CacheWrite1hPrice = None
    web_search: WebSearchPrice = None


class LongContextSpec(Amounts, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Rates for the whole request once its prompt is longer than `above`."""

    above: Annotated[
        Annotated[int, Meta(ge=0)],
        Meta(
            description="Prompt tokens (cached ones count) to be exceeded; for “from 200,000” write 199999."
        ),
    ]


class PriceSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a model costs, where it is not what the price data says. A price of zero is a price."""

    input: InputPrice | None = None
    output: OutputPrice | None = None
    cache_read: CacheReadPrice = None
    cache_write: CacheWritePrice = None
    cache_write_1h: CacheWrite1hPrice = None
    web_search: WebSearchPrice = None
    long_context: Annotated[
        tuple[LongContextSpec, ...],
        Meta(description="Other rates for long prompts; they reprice the whole request."),
    ] = ()
    service_tiers: Annotated[
        dict[str, Amounts],
        Meta(description="Other rates by the service tier that the provider says it served."),
    ] = {}
    same_as: Annotated[
        Annotated[
            str,
            Meta(
                pattern=r"^[^/\s]+(/\S+)?$",
                extra={"expected": "a provider of the price data, or `provider/model`"},
            ),
        ]
        | None,
        Meta(
            description="Instead of rates: the price data's for this `provider/model` (or `provider`: same "
            "model id). For deployments under names of your own."
        ),
    ] = None
    effective: Annotated[
        datetime.date | None, Meta(description="First day (UTC) that it holds, `YYYY-MM-DD`; unset: always.")
    ] = None
    source: Annotated[str, Meta(description="Where the figures come from: a price page, a contract.")] = ""
    verified: Annotated[
        datetime.date | None, Meta(description="Day that somebody last compared them with the source.")
    ] = None
