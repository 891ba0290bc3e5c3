"""A provider's answer as it comes: streamed, whole, or an error. Made when its head is there."""

from typing import TYPE_CHECKING

from waystation.model import EndedBy, Operation, Outcome, Refusal, RefusalKind, Usage
from waystation.relay import errors, trying
from waystation.relay.downstream import Header
from waystation.relay.headers import answer_headers
from waystation.relay.upstream import Lost
from waystation.wire import BadBody, BodyReading, decode_body, read_body

if TYPE_CHECKING:
    from waystation.relay.exchange import Exchange

LOST: dict[Lost, tuple[RefusalKind, Outcome, str]] = {
    Lost.UNREACHABLE: (
        RefusalKind.UPSTREAM_UNREACHABLE,
        Outcome.UPSTREAM_UNREACHABLE,
        "could not be reached",
    ),
    Lost.UNTRUSTED: (
        RefusalKind.UPSTREAM_UNREACHABLE,
        Outcome.UPSTREAM_UNREACHABLE,
        "showed a certificate that the gateway does not trust",
    ),
    Lost.RESET: (
        RefusalKind.UPSTREAM_BROKEN,
        Outcome.UPSTREAM_CUT,
        "closed the connection without an answer",
    ),
    Lost.CUT: (RefusalKind.UPSTREAM_BROKEN, Outcome.UPSTREAM_CUT, "broke off in the middle of its answer"),
    Lost.GARBLED: (RefusalKind.UPSTREAM_BROKEN, Outcome.UPSTREAM_CUT, "answered something that is not HTTP"),
}
"""What each kind of break is called: to the tool, in the ledger, and in the sentence."""


class Answer:
    """What the exchange tells an answer, and what it asks of it."""

    __slots__ = ("x",)

    def __init__(self, exchange: "Exchange") -> None:
        self.x = exchange

    @property
    def usage(self) -> Usage | None:
        """What the provider has said so far of tokens."""
        return None

    @property
    def seen(self) -> int:
        """Bytes of generated text that have come: what an aborted answer is estimated from."""
        return 0

    def data(self, data: bytes) -> None:
        raise NotImplementedError

    def end(self) -> None:
        """The provider's answer is complete on the level of HTTP."""
        raise NotImplementedError

    def lost(self, reason: Lost) -> None:
        """The connection broke."""
        self.x.broken(reason)

    def fail(self, refusal: Refusal) -> None:  # noqa: ARG002 - a stream has words for it, see there
        """Ends what the tool has begun to read and will not get whole."""
        self.x.cut()

    def check(self, now: float, silent: float) -> None:
        """Time has passed; `silent` seconds since the provider's last byte."""

    def _headers(self) -> list[Header]:
        return answer_headers(self.x)


class WholeAnswer(Answer):
    """A plain answer. Small ones go out in one write; of large ones one read is always held back, so that
    the row is in the journal before the last byte is out."""

    __slots__ = ("_parts", "_size")

    def __init__(self, exchange: "Exchange") -> None:
        super().__init__(exchange)
        self._parts: list[bytes] = []
        self._size = 0

    def data(self, data: bytes) -> None:
        x, parts = self.x, self._parts
        parts.append(data)
        self._size += len(data)
        if x.head_sent:
            x.forward(parts[-2])
        elif self._size > x.relay.settings.whole_buffer and len(parts) > 1:
            x.send_head(x.status, self._headers(), self._declared_length())
            x.forward(b"".join(parts[:-1]))

    def end(self) -> None:
        x, parts = self.x, self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        reading = self._read(body)
        error = reading.error if reading is not None else None
        if error is not None and not x.head_sent and trying.may_try_again(x, error, error.http_status):
            x.settle(Outcome.UPSTREAM_ERROR, EndedBy.PROVIDER, None, "", error.type)
            x.next_attempt(None)
            return
        headers = [] if x.head_sent else self._headers()  # also finds the provider's id, for the row
        rest = parts[-1] if x.head_sent and parts else body
        x.first_byte()
        x.bytes_out += len(rest)  # the row comes before them; after it nobody counts
        usage = reading.usage if reading is not None else None
        if error is not None:
            x.settle(Outcome.UPSTREAM_ERROR, EndedBy.PROVIDER, usage, "", error.type)
        else:
            finish = reading.finish_reason if reading is not None else ""
            x.settle(Outcome.COMPLETE, EndedBy.PROVIDER, usage, finish, "")
        if not x.head_sent:
            x.send_head(x.status, headers, len(body))
        if rest:
            x.forward(rest)
        x.finish()

    def _read(self, body: bytes) -> BodyReading | None:
        """What the answer says of itself; None where nobody can read it (it is passed on all the same)."""
        x = self.x
        plain = body
        if x.content_encoding:
            try:
                plain = decode_body(x.content_encoding, body, x.relay.settings.max_decoded_body)
            except BadBody:
                return None
        return read_body(x.address.wire, x.address.operation or Operation.GENERATE, x.status, plain)

    def _declared_length(self) -> int | None:
        for name, value in self.x.response_headers:
            if name == b"content-length" and value.isdigit():
                return int(value)
        return None


class ErrorAnswer(Answer):
    """An error status. It is kept whole up to a bound, since nothing of it goes out before it is read."""

    __slots__ = ("_parts", "_size")

    def __init__(self, exchange: "Exchange") -> None:
        super().__init__(exchange)
        self._parts: list[bytes] = []
        self._size = 0

    def data(self, data: bytes) -> None:
        if self._size < self.x.relay.settings.max_error_body:
            self._size += len(data)
            self._parts.append(data)

    def end(self) -> None:
        x = self.x
        found = errors.read_error(x, b"".join(self._parts))
        answer = errors.told(x, found)  # also finds the provider's id, for the row
        x.settle(Outcome.UPSTREAM_ERROR, EndedBy.PROVIDER, None, "", found.word or f"http_{x.status}")
        if trying.may_try_again(x, found.error, x.status):
            x.next_attempt(None)
        else:
            trying.failed(x, answer)
