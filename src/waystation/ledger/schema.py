"""The `requests` table: one row an attempt. Derived from `Attempt`, documented here, nowhere else.

A field appended to `Attempt` becomes a nullable column at the end; it needs a line in `_DOCS`. Run as a
module, this prints `docs/usage-tables.md`.
"""

import sys
import types
import typing
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, NamedTuple

import pyarrow as pa

from waystation.model import Attempt

SCHEMA_VERSION = 2
"""Goes up by one with each column that is added; columns are never renamed, retyped or removed."""
TABLE = "requests"
RERATES = "rerates"
"""The table of corrections; its columns are in `ledger.rerates`."""
PARTITION = "date"


class Column(NamedTuple):
    name: str
    type: pa.DataType
    doc: str
    values: tuple[str, ...] = ()
    """All values it can have, where they are few."""


_TIMES = {"started_us": "started_at", "ended_us": "ended_at"}
"""Fields that become timestamps."""

_DOCS = {
    "attempt_id": "Unique: `<request_id>.<attempt>`.",
    "request_id": "What the tool got as `request-id` / `x-request-id`. Several attempts share it.",
    "attempt": "1, 2, … in order of trial; 0 for a request refused before any attempt.",
    "started_us": "When the attempt began (UTC, microseconds).",
    "ended_us": "When it ended. For a killed attempt, the last moment the gateway is known to have lived.",
    "principal_id": "Who asked: the stable, opaque id of a user or service account.",
    "principal_name": "What people call them: a mail address, or a service account's name.",
    "groups": "The groups they were in at the time.",
    "cost_center": "Who pays; empty where none is set.",
    "session_id": "The sign-in that the access token descends from.",
    "device_id": "The device that signed in.",
    "tool": "The coding tool, by its short name, e.g. `claude`.",
    "tool_version": "As the tool states it.",
    "tool_session": "The tool's own session id, where it sends one.",
    "surface": "The family of addresses that was used: `anthropic`, `openai`, `gemini`.",
    "wire": "The protocol of request and response, e.g. `openai.responses`.",
    "operation": "What was asked for: `generate`, `embed`, `count_tokens`, `list_models`.",
    "requested_model": "The model as the tool named it.",
    "route": "The route that the policy chose.",
    "provider": "The provider account that was tried.",
    "upstream_model": "The provider's own name of the model.",
    "stream": "Whether a stream was asked for.",
    "input_tokens": "Prompt tokens neither read from nor written to a cache. Disjoint from the three below.",
    "cache_read_tokens": "Prompt tokens read from the provider's cache.",
    "cache_write_5m_tokens": "Prompt tokens written to a cache that lives five minutes (or the usual time).",
    "cache_write_1h_tokens": "Prompt tokens written to a cache that lives an hour.",
    "output_tokens": "Everything generated, reasoning included.",
    "reasoning_tokens": "The part of `output_tokens` that was reasoning.",
    "web_searches": "Server-side searches, billed by the call.",
    "usage_source": "Where the token counts come from; only `provider` is the provider's own, whole count.",
    "usage_mismatch": "The provider's own parts do not add up to its own total.",
    "service_tier": "The tier that the provider says it served.",
    "cost_nano": "Cost in nano-dollars (1 = 0.000000001 USD), an integer. Null where no price is known: "
    "unknown is not free.",
    "price_version": "The version of the price book that the cost was computed with.",
    "http_status": "What the provider answered; 0 where it did not. For a refusal, what the tool got.",
    "outcome": "How it ended.",
    "ended_by": "Which side ended it.",
    "finish_reason": "The provider's own word for why it stopped generating.",
    "error": "The kind of error, in our words or the provider's type; never its text.",
    "decision": "The policy rule that let it pass or refused it.",
    "ttft_us": "Microseconds from the request's arrival to the first content byte towards the tool.",
    "bytes_in": "Bytes of the request's body.",
    "bytes_out": "Bytes of the response's body as sent to the tool.",
    "upstream_request_id": "The provider's own id of the request, for its support.",
    "plan_version": "The version of the policy in force.",
    "upstream_wire": "The protocol that the provider was asked in; empty where nothing was sent.",
    "translated": "Whether that is another protocol than the tool's, so that request and answer were translated.",
    "dropped": "What the translation left out: names of the tool's protocol, separated by commas.",
    "route_reason": "Why this route, e.g. `only`, `priority`, `weight`, `native`; `fallback` after another failed.",
}

_DERIVED = (
    Column("date", pa.date32(), "The day of `started_at` in UTC. The table is partitioned by it."),
    Column("node", pa.string(), "The gateway node that kept the journal."),
    Column(
        "seq",
        pa.int64(),
        "Number of the row in the node's journal; rises, with holes. With `node` it is unique as long as the "
        "node keeps its journal directory.",
    ),
    Column("duration_us", pa.int64(), "`ended_at` − `started_at`, in microseconds."),
    Column(
        "total_tokens",
        pa.int64(),
        "`input` + `cache_read` + `cache_write_5m` + `cache_write_1h` + `output`; no token twice.",
    ),
)
_ARROW: dict[type, pa.DataType] = {str: pa.string(), int: pa.int64(), bool: pa.bool_()}
GROUPS_TYPE = pa.list_(pa.field("element", pa.string()))
TIMESTAMP = pa.timestamp("us", tz="UTC")

FIELDS: tuple[str, ...] = Attempt.__struct_fields__
"""In the order in which the journal stores them."""


def attempt_columns() -> Iterator[Column]:
    """One column for each field of `Attempt`, in its order."""
    for name, hint in typing.get_type_hints(Attempt).items():
        values = tuple(hint) if isinstance(hint, type) and issubclass(hint, StrEnum) else ()
        arrow = TIMESTAMP if name in _TIMES else _arrow_type(hint)
        yield Column(_TIMES.get(name, name), arrow, _DOCS[name], tuple(str(value) for value in values))


def _arrow_type(hint: Any) -> pa.DataType:
    if isinstance(hint, types.UnionType):
        (hint,) = (part for part in typing.get_args(hint) if part is not type(None))
    if typing.get_origin(hint) is tuple:
        return GROUPS_TYPE
    if issubclass(hint, StrEnum):
        return pa.string()
    return _ARROW[hint]


COLUMNS: tuple[Column, ...] = (*_DERIVED, *attempt_columns())
# Every column is nullable, for each may be younger than the rows that lack it.
SCHEMA = pa.schema([pa.field(column.name, column.type) for column in COLUMNS])

_TYPE_NAMES = {
    pa.string(): "string",
    pa.int64(): "long",
    pa.bool_(): "boolean",
    pa.date32(): "date",
    TIMESTAMP: "timestamp",
    GROUPS_TYPE: "array<string>",
}


def reference() -> str:
    """The page `docs/usage-tables.md`."""
    from waystation.ledger import rerates  # it is made of this module's types

    lines = [
        "# The usage tables",
        "",
        "<!-- Generated from src/waystation/ledger/schema.py by `python -m waystation.ledger.schema`; "
        "do not edit. -->",
        "",
        "The gateway keeps its usage as [Delta](https://delta.io) tables under `lake/` of its data "
        "directory. Delta-rs, DuckDB, Polars, Spark and Databricks read them without the gateway.",
        "",
        f"## `{TABLE}`",
        "",
        f"One row for each attempt at a provider, and for each request that was refused. Partitioned by "
        f"`{PARTITION}`. Schema version {SCHEMA_VERSION}: columns are added, never renamed, retyped or "
        "removed; a row older than a column has null there.",
        "",
        "Money is in integer nano-dollars: sums are exact. Token counts are disjoint, save "
        "`reasoning_tokens`, which is part of `output_tokens`.",
        "",
        "A finished attempt is in the gateway's journal at once and in this table within the drain interval "
        "(30 s unless set otherwise). `waystation usage` reads both.",
        "",
        *table_of(COLUMNS),
        "",
        *rerates.reference(),
    ]
    return "\n".join(lines) + "\n"


def table_of(columns: Iterable[Column]) -> Iterator[str]:
    """Columns as a table of the page."""
    yield "| column | type | meaning |"
    yield "|---|---|---|"
    for column in columns:
        values = f" One of {', '.join(f'`{value}`' for value in column.values)}." if column.values else ""
        yield f"| `{column.name}` | {_TYPE_NAMES[column.type]} | {column.doc}{values} |"


if __name__ == "__main__":
    sys.stdout.write(reference())
