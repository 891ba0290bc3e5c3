"""What goes out for one attempt, and the rows that come of it."""

import logging
from typing import TYPE_CHECKING

import msgspec

from waystation.model import (
    Attempt,
    Begin,
    EndedBy,
    Operation,
    Outcome,
    Principal,
    Refusal,
    Route,
    Usage,
    UsageSource,
    Wire,
)
from waystation.relay.dispatch import Labels, labels
from waystation.wire import RequestFacts, estimate_tokens, request_usage_in_stream, set_model

if TYPE_CHECKING:
    from waystation.relay.exchange import Exchange

_log = logging.getLogger("waystation.relay")
_LONGEST_WORD = 64
"""Characters of a provider's own word that a row keeps."""
_NOTHING = Usage(source=UsageSource.ABSENT)
_SEEN_NOTHING = frozenset((Outcome.UPSTREAM_UNREACHABLE, Outcome.REFUSED))


# -------------------------------------------------------------------- going out
def outgoing_body(wire: Wire, facts: RequestFacts, route: Route, body: bytes) -> bytes:
    """The tool's bytes, save the model id where the route's differs and, on Chat Completions, the usage option."""
    if wire is Wire.GENERATE:
        return body  # the model is in the path
    if route.model != facts.model:
        body = set_model(body, facts.model, route.model)
    if wire is Wire.CHAT and facts.stream and not facts.include_usage and route.provider.usage_in_stream:
        body = request_usage_in_stream(body)
    return body


# -------------------------------------------------------------------- rows
def begin_record(x: "Exchange") -> Begin:
    """What a crash would leave of the present attempt."""
    counted = x.address.operation is Operation.COUNT_TOKENS
    return Begin(
        x.attempt_id,
        x.request_id,
        x.attempt,
        x.started_us,
        *x.labels,
        x.bytes_in,
        0 if counted else _estimated_input(x),
        x.plan.version,
    )


def settled_record(
    x: "Exchange", outcome: Outcome, ended_by: EndedBy, usage: Usage | None, finish_reason: str, error: str
) -> Attempt:
    """The attempt's row, its usage completed by estimate where the provider did not finish saying it."""
    relay, route = x.relay, x.route
    assert route is not None
    cost: int | None
    if x.address.operation is Operation.COUNT_TOKENS:
        usage, cost, version = _NOTHING, 0, ""
    else:
        usage = _complete_usage(x, outcome, usage)
        cost, version = (
            (0, "") if usage.source is UsageSource.ABSENT else relay.price(route, usage, x.started_wall)
        )
    return _row(x, x.labels, usage, cost, version, x.status, outcome, ended_by, finish_reason, error, x.rule)


def refused_record(x: "Exchange", refusal: Refusal, status: int) -> Attempt:
    """The row of a request that never left: attempt 0, no tokens, no cost, and the rule that decided."""
    x.attempt_id = f"{x.request_id}.0"
    return _row(
        x,
        labels(x, None),
        _NOTHING,
        0,
        "",
        status,
        Outcome.REFUSED,
        EndedBy.GATEWAY,
        "",
        refusal.kind,
        refusal.rule,
    )


def _row(
    x: "Exchange",
    who: Labels,
    usage: Usage,
    cost: int | None,
    price_version: str,
    status: int,
    outcome: Outcome,
    ended_by: EndedBy,
    finish_reason: str,
    error: str,
    decision: str,
) -> Attempt:
    started = x.started_wall
    return Attempt(
        x.attempt_id,
        x.request_id,
        x.attempt,
        x.started_us,
        int((started + x.relay.now() - x.request.arrived) * 1e6),
        *who,
        usage.input,
        usage.cache_read,
        usage.cache_write_5m,
        usage.cache_write_1h,
        usage.output,
        usage.reasoning,
        usage.web_searches,
        usage.source,
        usage.mismatch,
        usage.tier[:_LONGEST_WORD],
        cost,
        price_version,
        status,
        outcome,
        ended_by,
        finish_reason[:_LONGEST_WORD],
        error[:_LONGEST_WORD],
        decision,
        int(x.ttft * 1e6) if x.ttft is not None else None,
        x.bytes_in,
        x.bytes_out,
        x.upstream_id.decode("latin-1")[:128],
        x.plan.version,
        x.spoken,
        x.translation is not None,
        ", ".join(x.translation.dropped) if x.translation is not None else "",
        x.reason,
    )


def _complete_usage(x: "Exchange", outcome: Outcome, usage: Usage | None) -> Usage:
    """What the provider said, and where it was not done saying it, our estimate for the rest (E45, E46).

    An explicit zero is an answer; only absence is estimated. An attempt that failed before any content
    consumed nothing that anybody bills.
    """
    seen = x.seen
    if outcome is Outcome.COMPLETE:
        if usage is not None:
            return usage
        if x.status >= 300:
            return _NOTHING
        written = seen if x.streamed else x.bytes_out
        return Usage(input=_estimated_input(x), output=estimate_tokens(written), source=UsageSource.ESTIMATED)
    if outcome is Outcome.UPSTREAM_ERROR:
        return usage if usage is not None else _NOTHING
    if x.unsent or outcome in _SEEN_NOTHING or (outcome is Outcome.UPSTREAM_CUT and x.status == 0):
        return _NOTHING
    if x.status >= 400:
        return _NOTHING
    if usage is None:
        return Usage(input=_estimated_input(x), output=estimate_tokens(seen), source=UsageSource.ESTIMATED)
    output = max(usage.output, estimate_tokens(seen))
    return msgspec.structs.replace(usage, output=output, source=UsageSource.PARTIAL)


def _estimated_input(x: "Exchange") -> int:
    return estimate_tokens(len(x.body) or x.bytes_in)


# -------------------------------------------------------------------- the log
def log_refusal(x: "Exchange", refusal: Refusal, status: int) -> None:
    """One line for operators: what was refused, whose, by which rule. Never a header or a body."""
    principal: Principal | None = x.principal
    _log.warning(
        "refused",
        extra={
            "fields": {
                "request_id": x.request_id,
                "status": status,
                "kind": refusal.kind,
                "rule": refusal.rule,
                "principal": principal.id if principal else "",
                "tool": x.tool[0],
                "surface": x.address.surface,
                "model": x.facts.model[:128] if x.facts else "",
            }
        },
    )
