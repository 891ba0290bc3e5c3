"""Limits and budgets at the relay: what a request may cost, where it goes instead, and what its answer says of it."""

import datetime
from collections.abc import Callable
from typing import TYPE_CHECKING

from waystation.limits import NOTHING, Limiter, Lower, Over, Ticket, Who, words
from waystation.limits.windows import SlidingWindow
from waystation.model import Attempt, Operation, PrincipalKind, Refusal, Route, Surface
from waystation.policy import Resolution
from waystation.pricing.rates import Rates
from waystation.pricing.worst import worst_nano
from waystation.relay.downstream import Header
from waystation.wire import estimate_tokens

if TYPE_CHECKING:
    from waystation.relay.exchange import Exchange

RatesOf = Callable[[Route, int], Rates | None]
"""(route, Unix microseconds) → what it costs there and then; None where nobody knows."""
_UNBOUNDED = 1 << 62


class Limiting:
    def __init__(self, limiter: Limiter, rates_of: RatesOf) -> None:
        self.limiter = limiter
        self._rates_of = rates_of

    def admit(self, x: "Exchange", resolution: Resolution) -> Resolution | Refusal:
        """Lets the request pass as resolved, or to a cheaper model, or not. What it holds is `x.ticket`."""
        limiter = self.limiter
        rules = limiter.rules
        operation = x.address.operation
        if not limiter.active or operation is Operation.COUNT_TOKENS:
            return resolution
        principal, now, asked = x.principal, x.started_wall, resolution.model_id
        assert principal is not None
        skip = NOTHING
        if operation is not Operation.GENERATE:  # vectors of two models cannot be compared
            skip = frozenset(b.name for b in rules.budgets)
        lowered: Lower | None = None
        while True:
            model = resolution.model_id
            charges = limiter.charges(principal, principal.id, model, x.tool[0], lambda: _who(x))
            prompt, output = _size(x, resolution, rules.reserve_output)
            estimate = self._estimate(resolution, prompt, output, now) if charges.budgets else 0
            found = limiter.admit(
                charges,
                x.request_id,
                estimate=estimate,
                tokens=prompt + output,
                now=now,
                skip=skip,
            )
            if isinstance(found, Ticket):
                x.ticket = found
                if lowered is not None:
                    x.notice = words.lowered(lowered, asked)
                    limiter.note("downgraded", lowered.over, charges, x.request_id, now)
                return resolution
            if isinstance(found, Over):
                limiter.note("refused", found, charges, x.request_id, now)
                return words.refusal(found, rules.contact, now, model=model)
            cheaper = x.plan.resolve(principal, x.address.wire, operation or Operation.GENERATE, found.to)
            if isinstance(cheaper, Refusal) or not self._saves(
                x, cheaper, estimate, rules.reserve_output, now
            ):
                skip |= {found.over.rule.name}
            else:
                resolution, lowered = cheaper, found

    def charge(self, x: "Exchange", row: Attempt) -> None:
        """Counts an attempt's row. The relay settles each attempt once, and so is this called once for each."""
        ticket = x.ticket
        assert ticket is not None
        tokens = (
            row.input_tokens
            + row.cache_read_tokens
            + row.cache_write_5m_tokens
            + row.cache_write_1h_tokens
            + row.output_tokens
        )
        self.limiter.charge(ticket, row.cost_nano, tokens, row.ended_us / 1e6)

    def close(self, x: "Exchange") -> None:
        if x.ticket is not None:
            self.limiter.close(x.ticket)

    def headers(self, x: "Exchange") -> list[Header]:
        """What an answer says of its limits: in the style of its protocol, and a notice for the developer."""
        ticket = x.ticket
        if ticket is None:
            return []
        notice = x.notice or next(
            (words.warned(b) for b in ticket.budgets if b.told or _reached(b.rule.notify, b.percent)), ""
        )
        found: list[Header] = []
        if notice:
            found.append((b"x-waystation-notice", notice.encode("ascii", "replace")))
        now = x.relay.wall_clock()
        surface = x.address.surface
        for kind in ("requests", "tokens"):
            windows = [w for rate in ticket.rates if (w := getattr(rate, kind)) is not None]
            if windows:
                for window in windows:
                    window.forget(now)
                found += _rate_headers(surface, kind, min(windows, key=lambda w: w.left / w.amount), now)
        return found

    def _estimate(self, resolution: Resolution, prompt: int, output: int, now: float) -> int | None:
        """The most that any of its routes may cost; None if no price is known on one of them."""
        at_us, most = int(now * 1e6), 0
        for route in resolution.routes:
            rates = self._rates_of(route, at_us)
            if rates is None:
                return None
            worst = worst_nano(rates, prompt, output)
            if worst > most:
                most = worst
        return most

    def _saves(
        self, x: "Exchange", cheaper: Resolution, estimate: int | None, reserve_output: int, now: float
    ) -> bool:
        """Whether it is in fact cheaper there: prices change, and policies are older than they are."""
        other = self._estimate(cheaper, *_size(x, cheaper, reserve_output), now)
        return other is not None and estimate is not None and other < estimate


def _size(x: "Exchange", resolution: Resolution, reserve_output: int) -> tuple[int, int]:
    """Prompt and answer in tokens, at most. Pictures make bodies large and prompts not: never more than fits."""
    facts = x.facts
    assert facts is not None
    prompt = estimate_tokens(len(x.body))
    capabilities = resolution.routes[0].capabilities
    fits = capabilities.context_window
    if fits is not None and prompt > fits:
        prompt = fits
    if facts.operation is Operation.EMBED:
        return prompt, 0
    output = min(
        facts.max_output or _UNBOUNDED,
        resolution.max_output or capabilities.max_output or _UNBOUNDED,
        reserve_output,
    )
    return prompt, output


def _who(x: "Exchange") -> Who:
    principal = x.principal
    assert principal is not None
    groups, cost_center = x.relay.standing(x.plan, principal)
    return Who(
        principal.id,
        principal.name,
        principal.kind is PrincipalKind.SERVICE,
        frozenset(groups),
        cost_center,
    )


def _reached(notify: tuple[int, ...], percent: int) -> bool:
    return bool(notify) and percent >= notify[0]


def _rate_headers(surface: Surface, kind: str, window: SlidingWindow, now: float) -> list[Header]:
    """Google's protocol has none of its own; it gets OpenAI's."""
    limit, left = str(window.amount).encode(), str(window.left).encode()
    wait = window.empty_in(now)
    name = kind.encode()
    if surface is Surface.ANTHROPIC:
        moment = datetime.datetime.fromtimestamp(now + wait, datetime.UTC)
        prefix = b"anthropic-ratelimit-" + name
        return [
            (prefix + b"-limit", limit),
            (prefix + b"-remaining", left),
            (prefix + b"-reset", f"{moment:%Y-%m-%dT%H:%M:%SZ}".encode()),
        ]
    return [
        (b"x-ratelimit-limit-" + name, limit),
        (b"x-ratelimit-remaining-" + name, left),
        (b"x-ratelimit-reset-" + name, _duration(wait)),
    ]


def _duration(seconds: float) -> bytes:
    """`6m0s`, `12s`, as OpenAI writes it."""
    whole = -int(-seconds // 1)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h{minutes}m{rest}s" if hours else f"{minutes}m{rest}s" if minutes else f"{rest}s"
    return text.encode()
