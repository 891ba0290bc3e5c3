"""A streamed answer: bytes pass as they come, a tap reads what they say."""

from typing import TYPE_CHECKING

from waystation.model import EndedBy, Outcome, Refusal, Usage, Wire
from waystation.relay import errors, trying
from waystation.relay.answer import Answer
from waystation.relay.headers import answer_headers
from waystation.relay.upstream import Lost
from waystation.wire import SSEOverflow, StreamError, keepalive, make_tap
from waystation.wire.overflow import overflow_of

if TYPE_CHECKING:
    from waystation.relay.exchange import Exchange


class StreamAnswer(Answer):
    """Head and preamble are held until the first content event: until then an error is a real status, or
    another route's chance (E13, E93, E99). From then on each read is written at once."""

    __slots__ = ("_held", "_last_write", "tap")

    def __init__(self, exchange: "Exchange") -> None:
        super().__init__(exchange)
        facts, wire = exchange.facts, exchange.address.wire
        assert facts is not None
        if exchange.translation is not None:
            self.tap = exchange.translation.tap()
        else:
            self.tap = make_tap(wire, drop_usage_chunk=wire is Wire.CHAT and not facts.include_usage)
        self._held: list[bytes] = []
        self._last_write = exchange.last_read

    @property
    def usage(self) -> Usage | None:
        return self.tap.usage

    @property
    def seen(self) -> int:
        return self.tap.output_chars

    def data(self, data: bytes) -> None:
        x, tap = self.x, self.tap
        try:
            out = tap.feed(data)
        except SSEOverflow:  # no protocol has events of this size: it would only fill memory
            x.abort_call()
            x.broken(Lost.GARBLED)
            return
        if x.head_sent:
            if tap.terminal and not x.settled:
                self._settle(len(out))
            if out:
                self._write(out)
            return
        if out:
            self._held.append(out)
        if tap.committed:
            if tap.error is not None and tap.output_events == 0:
                self._error_before_content(tap.error)
            else:
                self._commit()

    def end(self) -> None:
        x, tap = self.x, self.tap
        rest = tap.close()
        if not tap.terminal and not self._ended_without_saying_so():
            if rest:
                self._held.append(rest)
            x.broken(Lost.CUT)
        elif not x.head_sent and tap.error is not None and tap.output_events == 0:
            if rest:
                self._held.append(rest)
            if self._error_before_content(tap.error):
                x.finish()
        else:
            self._end_well(rest)

    def _ended_without_saying_so(self) -> bool:
        """Some servers of Chat Completions end without `[DONE]`: a finish reason and a clean end will do.

        A translated stream knows that by itself, and has its own end.
        """
        x = self.x
        return x.address.wire is Wire.CHAT and x.translation is None and bool(self.tap.finish_reason)

    def lost(self, reason: Lost) -> None:
        rest = self.tap.close()
        if self.tap.terminal and self.x.head_sent:
            self._end_well(rest)  # it broke after it had said everything
        else:
            self.x.broken(reason)

    def fail(self, refusal: Refusal) -> None:
        """Ends the stream in the tool's own dialect (E15); success is never made up."""
        self._write(self.tap.failure(refusal))
        self.x.finish()

    def check(self, now: float, silent: float) -> None:
        x, tap, settings = self.x, self.tap, self.x.relay.settings
        if not x.head_sent:
            if self._held and silent > settings.hold_head and not x.may_switch:
                self._commit()
        elif now - self._last_write > settings.keepalive_after and tap.at_boundary and not tap.terminal:
            beat = keepalive(x.address.wire)
            self._last_write = now
            x.relay.metrics.keepalives += 1
            x.forward(beat)

    def _end_well(self, rest: bytes) -> None:
        x = self.x
        if not x.head_sent:
            if rest:
                self._held.append(rest)
            self._commit()
            rest = b""
        if not x.settled:
            self._settle(len(rest))
        if rest:
            self._write(rest)
        x.finish()

    def _commit(self) -> None:
        """Sends the held head and preamble: from here on nothing can be tried again."""
        x = self.x
        x.send_head(x.status, answer_headers(x, stream=True), None)
        x.forget_request()  # a long conversation need not be kept for its stream
        held, self._held = self._held, []
        if self.tap.committed:
            x.first_byte()
        if self.tap.terminal and not x.settled:
            self._settle(sum(map(len, held)))
        if held:
            self._write(held[0] if len(held) == 1 else b"".join(held))

    def _write(self, data: bytes) -> None:
        x = self.x
        self._last_write = x.last_read
        if x.ttft is None and self.tap.committed:
            x.first_byte()
        x.forward(data)

    def _error_before_content(self, error: StreamError) -> bool:
        """Another route, or a real status. True where the stream goes on to the tool as it came."""
        x = self.x
        if x.translation is None and x.address.wire is Wire.RESPONSES and overflow_of(error) is not None:
            self._commit()  # Codex compacts for the event as it came; for a status it gives up (E90)
            return True
        x.abort_call()
        answer = errors.told_anew(x, error)
        x.settle(Outcome.UPSTREAM_ERROR, EndedBy.PROVIDER, None, "", error.type)
        if trying.may_try_again(x, error, error.http_status):
            x.next_attempt(None)
        else:
            trying.failed(x, answer)
        return False

    def _settle(self, about_to_go: int) -> None:
        """Writes the row ahead of the stream's last bytes, `about_to_go` of them, which it counts as sent."""
        tap = self.tap
        self.x.bytes_out += about_to_go
        outcome = Outcome.COMPLETE if tap.error is None else Outcome.UPSTREAM_ERROR
        error = "" if tap.error is None else tap.error.type
        self.x.settle(outcome, EndedBy.PROVIDER, tap.usage, tap.finish_reason, error)
