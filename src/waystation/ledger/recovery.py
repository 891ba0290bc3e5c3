"""What a start finds in a journal directory: how far it goes, and whom the last process left in flight."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import msgspec

from waystation.ledger.frames import BEGIN, CARRIED, SETTLE, scan
from waystation.ledger.segments import Segment, list_segments, sync_directory
from waystation.model import Attempt, Begin, EndedBy, Operation, Outcome, UsageSource

Price = Callable[[Begin], tuple[int | None, str]]
"""Nano-dollars (None: unknown) and price version of an attempt of which only the prompt's size is known."""


class _Settled(msgspec.Struct, array_like=True, gc=False):
    """The first fields of `Attempt`: all that recovery needs of a finished one."""

    attempt_id: str
    request_id: str
    attempt: int
    started_us: int
    ended_us: int


class Survey(NamedTuple):
    last_seq: int
    orphans: list[Begin]
    """Begun, never settled."""
    last_life_us: int
    """The latest moment that the journal speaks of: as close to the death as can be known."""
    cut: list[Path]
    """Where the bytes of torn tails went."""


def survey(directory: Path) -> Survey:
    """Read back as far as needed, and cut torn tails off. Doing it twice gives the same answer."""
    last_seq, last_life = 0, 0
    begun: dict[str, Begin] = {}
    settled: set[str] = set()
    cut: list[Path] = []
    read_begin = msgspec.msgpack.Decoder(Begin).decode
    read_settled = msgspec.msgpack.Decoder(_Settled).decode
    for segment in reversed(list_segments(directory)):
        data = segment.path.read_bytes()
        frames = scan(data)
        end = frames[-1].end if frames else 0
        if end < len(data):
            cut.append(_cut_tail(segment, data, end))
        last_seq = max(last_seq, frames[-1].seq if frames else segment.first_seq - 1)
        carried = False
        for frame in frames:
            if frame.kind == SETTLE:
                done = read_settled(frame.payload)
                settled.add(done.attempt_id)
                last_life = max(last_life, done.ended_us)
            elif frame.kind == BEGIN:
                begin = read_begin(frame.payload)
                begun.setdefault(begin.attempt_id, begin)
                last_life = max(last_life, begin.started_us)
            elif frame.kind == CARRIED:
                carried = True
        if carried:  # nothing older can still be in flight
            break
    orphans = [begin for begin in begun.values() if begin.attempt_id not in settled]
    orphans.sort(key=lambda begin: (begin.started_us, begin.attempt_id))
    return Survey(last_seq, orphans, last_life, cut)


def _cut_tail(segment: Segment, data: bytes, end: int) -> Path:
    """Keep the unreadable bytes in a file of their own and end the segment before them."""
    aside = segment.path.with_name(f"{segment.path.name}.cut-{end}")
    with aside.open("wb") as file:
        file.write(data[end:])
        file.flush()
        os.fsync(file.fileno())
    with segment.path.open("r+b") as file:
        file.truncate(end)
        os.fsync(file.fileno())
    sync_directory(segment.path.parent)
    return aside


def killed_rows(orphans: Iterable[Begin], last_life_us: int, price: Price | None) -> list[Attempt]:
    return [_killed(begin, last_life_us, price) for begin in orphans]


def _killed(begin: Begin, last_life_us: int, price: Price | None) -> Attempt:
    """The row of an attempt that the gateway took with it: the prompt was sent, the rest is unknown.

    What the provider generated before it noticed is not guessed: output is 0 and the row says `estimated`.
    """
    billable = begin.operation in (Operation.GENERATE, Operation.EMBED)
    cost, version = (price(begin) if price else (None, "")) if billable else (0, "")
    return Attempt(
        attempt_id=begin.attempt_id,
        request_id=begin.request_id,
        attempt=begin.attempt,
        started_us=begin.started_us,
        ended_us=max(begin.started_us, last_life_us),
        principal_id=begin.principal_id,
        principal_name=begin.principal_name,
        groups=begin.groups,
        cost_center=begin.cost_center,
        session_id=begin.session_id,
        device_id=begin.device_id,
        tool=begin.tool,
        tool_version=begin.tool_version,
        tool_session=begin.tool_session,
        surface=begin.surface,
        wire=begin.wire,
        operation=begin.operation,
        requested_model=begin.requested_model,
        route=begin.route,
        provider=begin.provider,
        upstream_model=begin.upstream_model,
        stream=begin.stream,
        input_tokens=begin.estimated_input if billable else 0,
        cache_read_tokens=0,
        cache_write_5m_tokens=0,
        cache_write_1h_tokens=0,
        output_tokens=0,
        reasoning_tokens=0,
        web_searches=0,
        usage_source=UsageSource.ESTIMATED if billable else UsageSource.ABSENT,
        usage_mismatch=False,
        service_tier="",
        cost_nano=cost,
        price_version=version,
        http_status=0,
        outcome=Outcome.KILLED,
        ended_by=EndedBy.GATEWAY,
        finish_reason="",
        error="gateway_died",
        decision="",
        ttft_us=None,
        bytes_in=begin.bytes_in,
        bytes_out=0,
        upstream_request_id="",
        plan_version=begin.plan_version,
    )
