"""Attempts to keep, and ways to read back what was kept."""

from pathlib import Path
from typing import Any

import msgspec

from waystation.ledger.tail import Tail
from waystation.model import Attempt, Begin, EndedBy, Outcome, UsageSource

START_US = 1_795_500_000_000_000  # 2026-11-24 06:00 UTC

_ATTEMPT = Attempt(
    attempt_id="",
    request_id="",
    attempt=1,
    started_us=START_US,
    ended_us=START_US + 2_500_000,
    principal_id="usr_1",
    principal_name="maria@example.com",
    groups=("eng", "platform"),
    cost_center="CC-1",
    session_id="ses_1",
    device_id="dev_1",
    tool="claude",
    tool_version="2.1.4",
    tool_session="s-1",
    surface="anthropic",
    wire="anthropic.messages",
    operation="generate",
    requested_model="claude-sonnet-5",
    route="direct",
    provider="anthropic",
    upstream_model="claude-sonnet-5-20260901",
    stream=True,
    input_tokens=100,
    cache_read_tokens=2_000,
    cache_write_5m_tokens=30,
    cache_write_1h_tokens=4,
    output_tokens=500,
    reasoning_tokens=50,
    web_searches=0,
    usage_source=UsageSource.PROVIDER,
    usage_mismatch=False,
    service_tier="standard",
    cost_nano=12_345_678,
    price_version="2026-11-01",
    http_status=200,
    outcome=Outcome.COMPLETE,
    ended_by=EndedBy.PROVIDER,
    finish_reason="end_turn",
    error="",
    decision="access.members",
    ttft_us=300_000,
    bytes_in=30_000,
    bytes_out=9_000,
    upstream_request_id="req_up",
    plan_version=3,
)


def attempt(number: int, **changes: Any) -> Attempt:
    ids = {"attempt_id": f"r{number:06d}.1", "request_id": f"r{number:06d}"}
    return msgspec.structs.replace(_ATTEMPT, **(ids | changes))


def begin(number: int, **changes: Any) -> Begin:
    full = attempt(number)
    fields: dict[str, Any] = {name: getattr(full, name, 0) for name in Begin.__struct_fields__}
    return Begin(**(fields | {"estimated_input": 777} | changes))


def kept(directory: Path) -> list[Attempt]:
    """Every row of a journal, in order, as whoever drains it would see them."""
    tail = Tail(directory, 0, sync=False)
    decode = msgspec.msgpack.Decoder(Attempt).decode
    rows: list[Attempt] = []
    more = True
    while more:
        batch = tail.read()
        assert not batch.gaps
        rows += map(decode, batch.payloads)
        more = batch.more
    return rows


def kept_ids(directory: Path) -> list[str]:
    return [row.attempt_id for row in kept(directory)]


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob("*.wsj1"))
