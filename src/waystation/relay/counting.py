"""Counting tokens: by the counter of the route's provider, in its protocol, or by our own estimate.

A tool that asks is always answered (E83): it decides by the count when to compact, and without one runs into the
window instead.
"""

from typing import TYPE_CHECKING

from waystation.model import EndedBy, Operation, Outcome, Route
from waystation.relay import translating
from waystation.relay.answer import Answer
from waystation.relay.errors import Told
from waystation.relay.headers import answer_headers
from waystation.wire import BadBody, decode_body, estimate_tokens
from waystation.wire.counting import count_answer, counted, estimate_request

if TYPE_CHECKING:
    from waystation.relay.exchange import Exchange

_NO_COUNTER = frozenset((404, 405, 501))
"""Statuses of servers that have a protocol without its counter."""


def estimate(x: "Exchange", route: Route) -> Told:
    """The whole request as it would be sent there, instructions and tools with it, biased high (E84)."""
    wire = x.address.wire
    try:
        conversation = translating.conversation_of(x)
        spoken = route.provider.translations.get(wire, wire)
        rendered = x.body if route.native else translating.translate(x, route, spoken).body
        tokens = estimate_request(conversation, rendered)
    except BadBody:
        tokens = estimate_tokens(len(x.body))
    headers = [(b"content-type", b"application/json"), (b"x-waystation-estimated", b"true")]
    return 200, headers, count_answer(wire, tokens)


def estimated_instead(x: "Exchange") -> bool:
    """Whether a counter's failure is answered with an estimate, since there is none, or not one of the tool's own
    protocol, whose error would mean something to it."""
    if x.address.operation is not Operation.COUNT_TOKENS:
        return False
    return x.translation is not None or x.status in _NO_COUNTER


class CountAnswer(Answer):
    """The answer of another protocol's counter."""

    __slots__ = ("_parts",)

    def __init__(self, exchange: "Exchange") -> None:
        super().__init__(exchange)
        self._parts: list[bytes] = []

    def data(self, data: bytes) -> None:
        if len(self._parts) < 1000:  # no count is as long
            self._parts.append(data)

    def end(self) -> None:
        x = self.x
        assert x.route is not None
        body = b"".join(self._parts)
        try:
            if x.content_encoding:
                body = decode_body(x.content_encoding, body, x.relay.settings.max_error_body)
        except BadBody:
            body = b""
        tokens = counted(body)
        headers = answer_headers(x)
        x.settle(Outcome.COMPLETE, EndedBy.PROVIDER, None, "", "")
        if tokens is None:
            x.answer(*estimate(x, x.route))
        else:
            x.answer(200, headers, count_answer(x.address.wire, tokens))
