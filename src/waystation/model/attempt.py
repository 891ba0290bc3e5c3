"""One try at one route: what the ledger keeps."""

from enum import StrEnum

import msgspec

from waystation.model.usage import UsageSource


class Outcome(StrEnum):
    COMPLETE = "complete"
    CLIENT_GONE = "client_gone"
    UPSTREAM_ERROR = "upstream_error"
    """The provider answered with an error, as a status or inside a 200 stream."""
    UPSTREAM_CUT = "upstream_cut"
    """The connection broke or the stream ended before its terminal event."""
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    """We refused it; nothing left the gateway."""
    KILLED = "killed"
    """The gateway died with the attempt in flight; written by the next start."""


class EndedBy(StrEnum):
    PROVIDER = "provider"
    CLIENT = "client"
    GATEWAY = "gateway"


class Begin(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Kept in the journal for an attempt that has been in flight for a while, so that a crash leaves a trace.

    New fields are appended, never inserted: old journals must stay readable.
    """

    attempt_id: str
    request_id: str
    attempt: int
    started_us: int
    principal_id: str
    principal_name: str
    groups: tuple[str, ...]
    cost_center: str
    session_id: str
    device_id: str
    tool: str
    tool_version: str
    tool_session: str
    surface: str
    wire: str
    operation: str
    requested_model: str
    route: str
    provider: str
    upstream_model: str
    stream: bool
    bytes_in: int
    estimated_input: int
    plan_version: int


class Attempt(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One row of the `requests` table. Times are Unix microseconds, money is nano-dollars (1e-9 USD).

    New fields are appended with a default, never inserted: old journals must stay readable.
    """

    attempt_id: str
    """Unique: `<request_id>.<attempt>`."""
    request_id: str
    """What the tool got as `request-id`/`x-request-id`."""
    attempt: int
    """1, 2, …; 0 for a request that was refused before any attempt."""
    started_us: int
    ended_us: int
    principal_id: str
    principal_name: str
    groups: tuple[str, ...]
    cost_center: str
    session_id: str
    device_id: str
    tool: str
    tool_version: str
    tool_session: str
    """The tool's own session id, where it sends one."""
    surface: str
    wire: str
    operation: str
    requested_model: str
    route: str
    provider: str
    upstream_model: str
    stream: bool
    input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    web_searches: int
    usage_source: UsageSource
    usage_mismatch: bool
    service_tier: str
    cost_nano: int | None
    """None where no price is known: unknown is not free."""
    price_version: str
    http_status: int
    """What the provider answered; 0 where it did not. For a refusal, what the tool got."""
    outcome: Outcome
    ended_by: EndedBy
    finish_reason: str
    error: str
    """Kind of error, in our words or the provider's type; never its text."""
    decision: str
    """The rule that let it pass or refused it."""
    ttft_us: int | None
    """From the request's arrival to the first content byte towards the tool."""
    bytes_in: int
    bytes_out: int
    upstream_request_id: str
    plan_version: int
    upstream_wire: str = ""
    """The protocol that the provider was asked in; empty for a request that never left."""
    translated: bool = False
    dropped: str = ""
    """What the translation left out, names of the tool's protocol, separated by commas."""
    route_reason: str = ""
    """Why this route: `only`, `priority`, `weight`, `native`, `fallback`, `without seals`, …"""
