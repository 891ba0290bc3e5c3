"""One request on its way through the gateway: the state machine between the two sides.

Fed by callbacks from both sides, it never waits. Its way:

    start → (refuse | answer ourselves | attempt) → head → data… → end → settle

Nothing is retried after the first byte has gone to the tool. Every attempt is settled exactly once, before
the last byte of its answer goes out: what a tool has seen finished is in the journal.
"""

from waystation.model import (
    EndedBy,
    Operation,
    Outcome,
    Principal,
    Refusal,
    RefusalKind,
    Route,
    Usage,
    Wire,
)
from waystation.policy import Endpoint, Plan
from waystation.relay import attempt as attempts
from waystation.relay.addresses import Address
from waystation.relay.core import Relay
from waystation.relay.downstream import Downstream, Header, Request
from waystation.relay.headers import inbound, outbound
from waystation.relay.local import answer_locally
from waystation.relay.tools import identify_tool, tool_session
from waystation.relay.upstream import Lost, UpstreamCall
from waystation.wire import (
    BadBody,
    BodyReading,
    RequestFacts,
    SSEOverflow,
    StreamError,
    StreamTap,
    convert_stream_error,
    decode_body,
    keepalive,
    make_tap,
    read_body,
    read_request,
    refusal_response,
)

_RETRYABLE = frozenset((408, 429, 500, 502, 503, 504, 529))
_LOST: dict[Lost, tuple[RefusalKind, Outcome, str]] = {
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
_STREAM, _WHOLE, _ERROR = "stream", "whole", "error"


class Exchange:
    """See the module. Made by a listener once a request is whole; `client_gone` may come at any time."""

    __slots__ = (
        "_call",
        "_held",
        "_held_size",
        "_last_read",
        "_last_write",
        "_mode",
        "_parts",
        "_tried",
        "address",
        "attempt",
        "body",
        "bytes_in",
        "bytes_out",
        "content_encoding",
        "credentials",
        "done",
        "down",
        "facts",
        "head_sent",
        "plan",
        "principal",
        "relay",
        "request",
        "request_id",
        "response_headers",
        "route",
        "routes",
        "rule",
        "settled",
        "started_wall",
        "status",
        "tap",
        "tool",
        "tool_session",
        "ttft",
        "upstream_id",
    )

    def __init__(
        self, relay: Relay, request: Request, address: Address, who: Principal | None, down: Downstream
    ) -> None:
        self.relay = relay
        self.request = request
        self.address = address
        self.principal = who
        self.down = down
        self.request_id = relay.new_request_id()
        self.started_wall = relay.wall_clock()
        self.plan: Plan = relay.admission.plan
        self.credentials = relay.credentials
        self.bytes_in = len(request.body)
        self.bytes_out = 0
        self.tool = identify_tool(request)
        self.tool_session = ""
        self.facts: RequestFacts | None = None
        self.body = b""
        self.routes: tuple[Route, ...] = ()
        self.route: Route | None = None
        self.rule = ""
        self.attempt = 0
        self.settled = True  # no attempt is open
        self.done = False  # the answer is complete, or nobody waits for it any more
        self.head_sent = False
        self.status = 0
        self.response_headers: list[Header] = []
        self.content_encoding = b""
        self.tap: StreamTap | None = None
        self.ttft: float | None = None
        self.upstream_id = b""
        self._call: UpstreamCall | None = None
        self._mode = _WHOLE
        self._held: list[bytes] = []
        self._held_size = 0
        self._parts: list[bytes] = []
        self._tried = 0
        self._last_read = self._last_write = request.arrived

    # ---------------------------------------------------------------- the way in
    def start(self) -> None:
        """Decides, and sends the first attempt (or the refusal, or our own answer)."""
        try:
            if self.address.operation is Operation.LIST_MODELS:
                assert self.principal is not None
                self.answer(*answer_locally(self.plan, self.principal, self.address))
                return
            self._prepare()
        except BadBody as bad:
            self.refuse(Refusal(bad.kind, bad.message, rule="request.body", param=bad.param))

    def _prepare(self) -> None:
        request, address, settings = self.request, self.address, self.relay.settings
        body = request.body
        coding = request.header(b"content-encoding")
        if coding:
            body = decode_body(coding, body, settings.max_decoded_body)
        operation = address.operation or Operation.GENERATE
        facts = self.facts = read_request(
            address.wire, operation, body, model_in_path=address.model, stream_in_path=address.stream
        )
        self.tool_session = tool_session(request) or facts.tool_session
        assert self.principal is not None
        verdict = self.relay.admission.admit(self.plan, self.principal, address, facts)
        if isinstance(verdict, Refusal):
            self.refuse(verdict)
            return
        self.rule = verdict.rule
        self.body = body
        self.routes = verdict.order(self.relay.rng)
        self._next_attempt(None)

    # ---------------------------------------------------------------- attempts
    def _next_attempt(self, refusal: Refusal | None) -> None:
        """Tries the next route; with none left, refuses with what the last one came to."""
        assert self.facts is not None
        while self._tried < min(len(self.routes), self.relay.settings.max_attempts):
            route = self.routes[self._tried]
            self._tried += 1
            endpoint = self.plan.endpoint(
                route,
                self.address.wire,
                self.address.operation or Operation.GENERATE,
                self.facts.stream,
                self.address.action,
            )
            if endpoint is None:
                if self.address.operation is Operation.COUNT_TOKENS:
                    self.answer(*attempts.estimated_count(self.address.wire, self.body))
                    return
                continue
            if route.provider.id not in self.credentials:
                refusal = Refusal(
                    RefusalKind.NO_ROUTE,
                    f"The gateway has no key for the provider {route.provider.id}: "
                    "ask your platform team to set it.",
                    rule=f"providers.{route.provider.id}.credential",
                )
                continue
            self._send(route, endpoint)
            return
        self.refuse(
            refusal
            or Refusal(
                RefusalKind.NO_ROUTE,
                f"No provider of {self.facts.model} can answer this kind of request.",
                rule=f"models.{self.facts.model}.routes",
            )
        )

    def _send(self, route: Route, endpoint: Endpoint) -> None:
        relay = self.relay
        assert self.facts is not None
        self.route = route
        body = attempts.outgoing_body(self.address.wire, self.facts, route, self.body)
        head = attempts.request_head(
            endpoint.target_with(self.request.query),
            endpoint,
            self.credentials[route.provider.id],
            outbound(self.request.headers),
            len(body),
        )
        self.attempt += 1
        self.settled = False
        self._reset_response()
        self._last_read = relay.now()
        relay.active.add(self)
        relay.recorder.begin(attempts.begin_record(self))
        self._call = relay.pool(endpoint, route.provider.verify_tls).call(head, body, self)

    def _reset_response(self) -> None:
        self.status = 0
        self.tap = None
        self.upstream_id = b""
        self.content_encoding = b""
        self._held = []
        self._held_size = 0
        self._parts = []

    def _more_routes(self) -> bool:
        return self._tried < min(len(self.routes), self.relay.settings.max_attempts)

    # ---------------------------------------------------------------- the way back
    def on_upstream_head(self, status: int, headers: list[Header]) -> None:
        self.status = status
        self._last_read = self.relay.now()
        self.response_headers = headers
        content_type = b""
        for name, value in headers:
            if name == b"content-type":
                content_type = value
            elif name == b"content-encoding" and value.lower() != b"identity":
                self.content_encoding = value
        if status >= 400:
            self._mode = _ERROR
        elif content_type.startswith(b"text/event-stream") or (self.address.stream and status == 200):
            assert self.facts is not None
            self._mode = _STREAM
            self.tap = make_tap(
                self.address.wire,
                drop_usage_chunk=self.address.wire is Wire.CHAT and not self.facts.include_usage,
            )
        else:
            self._mode = _WHOLE

    def on_upstream_data(self, data: bytes) -> None:
        self._last_read = self.relay.now()
        if self._mode is _STREAM:
            self._stream_data(data)
        elif self._mode is _WHOLE:
            self._whole_data(data)
        elif self._held_size < self.relay.settings.max_error_body:
            self._held_size += len(data)
            self._parts.append(data)

    def _stream_data(self, data: bytes) -> None:
        tap = self.tap
        assert tap is not None
        try:
            out = tap.feed(data)
        except SSEOverflow:  # no protocol has events of this size: it would only fill memory
            self._abort_call()
            self._broken(Lost.GARBLED)
            return
        if self.head_sent:
            if tap.terminal and not self.settled:
                self._settle_stream()
            if out:
                self._forward(out)
            return
        if out:
            self._held.append(out)
        if not tap.committed:
            return
        if tap.error is not None and tap.output_events == 0:
            self._early_stream_error(tap.error)
            return
        self._commit()

    def _commit(self) -> None:
        """Sends the held head and preamble: from here on nothing can be retried."""
        tap, relay = self.tap, self.relay
        assert tap is not None
        headers, self.upstream_id = inbound(
            self.response_headers,
            self.request_id.encode(),
            attempts.id_header(self.address.surface),
            stream=True,
        )
        self.down.send_head(self.status, headers, None)
        self.head_sent = True
        if tap.committed:
            self.ttft = relay.now() - self.request.arrived
        self.body = b""  # nothing will be sent again: a long conversation need not be kept for its stream
        self.request.body = b""
        if tap.terminal and not self.settled:
            self._settle_stream()
        held, self._held = self._held, []
        if held:
            self._forward(held[0] if len(held) == 1 else b"".join(held))

    def _forward(self, data: bytes) -> None:
        self.bytes_out += len(data)
        self._last_write = self._last_read
        if self.ttft is None and self.tap is not None and self.tap.committed:
            self.ttft = self._last_read - self.request.arrived
        self.down.send_body(data)

    def _whole_data(self, data: bytes) -> None:
        self._parts.append(data)
        self._held_size += len(data)
        if self.head_sent:
            # One read is always held back, so that the row is in the journal before the last byte is out.
            self._forward(self._held[0])
            self._held[0] = data
        elif self._held_size > self.relay.settings.whole_buffer:
            length = self._declared_length()
            headers = self._whole_headers()
            self.down.send_head(self.status, headers, length)
            self.head_sent = True
            if len(self._parts) > 1:
                self._forward(b"".join(self._parts[:-1]))
            self._held = [data]

    def on_upstream_end(self) -> None:
        self._call = None
        if self._mode is _STREAM:
            self._end_stream()
        elif self._mode is _WHOLE:
            self._end_whole()
        else:
            self._end_error()

    def _end_stream(self) -> None:
        tap = self.tap
        assert tap is not None
        rest = tap.close()
        if rest:
            self._held.append(rest)
        if not tap.terminal:
            self._broken(Lost.CUT)
            return
        if not self.head_sent:
            if tap.error is not None and tap.output_events == 0:
                self._early_stream_error(tap.error)
                return
            self._commit()
        elif rest:
            if not self.settled:
                self._settle_stream()
            self._forward(rest)
        if not self.settled:
            self._settle_stream()
        self._finish()

    def _end_whole(self) -> None:
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        if self.ttft is None:
            self.ttft = self.relay.now() - self.request.arrived
        self.bytes_out = len(body)
        reading = self._read(body)
        if reading is not None and reading.error is not None and not self.head_sent and self._more_routes():
            self._settle(Outcome.UPSTREAM_ERROR, EndedBy.PROVIDER, None, "", reading.error.type)
            self._next_attempt(None)
            return
        headers = [] if self.head_sent else self._whole_headers()  # also reads the provider's id for the row
        if reading is None or reading.error is None:
            usage = reading.usage if reading is not None else None
            self._settle(
                Outcome.COMPLETE, EndedBy.PROVIDER, usage, reading.finish_reason if reading else "", ""
            )
        else:
            self._settle(Outcome.UPSTREAM_ERROR, EndedBy.PROVIDER, reading.usage, "", reading.error.type)
        if self.head_sent:
            self.down.send_body(self._held[0])
        else:
            self.down.send_head(self.status, headers, len(body))
            self.head_sent = True
            if body:
                self.down.send_body(body)
        self._finish()

    def _read(self, body: bytes) -> BodyReading | None:
        """What a whole answer says of itself; None where nobody can read it (it is passed on all the same)."""
        plain = body
        if self.content_encoding:
            try:
                plain = decode_body(self.content_encoding, body, self.relay.settings.max_decoded_body)
            except BadBody:
                return None
        return read_body(self.address.wire, self.address.operation or Operation.GENERATE, self.status, plain)

    def _whole_headers(self) -> list[Header]:
        headers, self.upstream_id = inbound(
            self.response_headers, self.request_id.encode(), attempts.id_header(self.address.surface)
        )
        return headers

    def _declared_length(self) -> int | None:
        for name, value in self.response_headers:
            if name == b"content-length" and value.isdigit():
                return int(value)
        return None

    # ---------------------------------------------------------------- when it goes wrong
    def _end_error(self) -> None:
        """The provider answered with an error status."""
        body = b"".join(self._parts)
        status, kept, sent = attempts.readable_error(self, body)
        self._settle(Outcome.UPSTREAM_ERROR, EndedBy.PROVIDER, None, "", attempts.error_type(self, sent))
        if status in _RETRYABLE and self._more_routes():
            self._next_attempt(None)
            return
        self.down.send_head(status, kept, len(sent))
        self.head_sent = True
        self.bytes_out = len(sent)
        if sent:
            self.down.send_body(sent)
        self._finish()

    def _early_stream_error(self, error: StreamError) -> None:
        """An error inside a 200 stream before any content: the tool gets a real error status (E13)."""
        self._abort_call()
        self._settle(Outcome.UPSTREAM_ERROR, EndedBy.PROVIDER, None, "", error.type)
        if self._more_routes():
            self._next_attempt(None)
            return
        status, headers, body = convert_stream_error(self.address.wire, error)
        kept, _ = inbound(
            self.response_headers,
            self.request_id.encode(),
            attempts.id_header(self.address.surface),
            decoded=True,
        )
        own = {name for name, _ in headers}
        self.answer(status, [pair for pair in kept if pair[0] not in own] + headers, body)

    def on_upstream_lost(self, reason: Lost) -> None:
        self._call = None
        if self.tap is not None:
            rest = self.tap.close()
            if self.tap.terminal and self.head_sent:  # it broke after it had said everything
                if rest:
                    self._held.append(rest)
                self._end_stream_after_all(rest)
                return
        self._broken(reason)

    def _end_stream_after_all(self, rest: bytes) -> None:
        if not self.settled:
            self._settle_stream()
        if rest:
            self._forward(rest)
        self._finish()

    def _broken(self, reason: Lost) -> None:
        """The answer will not be whole: next route if the tool has seen nothing, else an end in its dialect."""
        kind, outcome, what = _LOST[reason]
        assert self.route is not None
        refusal = Refusal(
            kind,
            f"The provider {self.route.provider.id} {what}: try again; if it stays so, tell your platform team "
            f"(request {self.request_id}).",
            rule=f"providers.{self.route.provider.id}",
        )
        self._fail(refusal, outcome, EndedBy.PROVIDER)

    def _fail(self, refusal: Refusal, outcome: Outcome, ended_by: EndedBy) -> None:
        usage = self.tap.usage if self.tap is not None else None
        if not self.settled:
            self._settle(outcome, ended_by, usage, "", refusal.kind)
        if not self.head_sent:
            self._next_attempt(refusal)
        elif self._mode is _STREAM:
            assert self.tap is not None
            self._forward(self.tap.failure(refusal))
            self._finish()
        else:
            self.done = True
            self._leave()
            self.down.abort()

    def client_gone(self) -> None:
        """The tool hung up. The provider is told to stop; what was seen is metered (E45)."""
        if self.done:
            return
        self.done = True
        self._abort_call()
        if not self.settled:
            usage = self.tap.usage if self.tap is not None else None
            self._settle(Outcome.CLIENT_GONE, EndedBy.CLIENT, usage, "", "")
        self._leave()

    def check(self, now: float) -> None:
        """Keeps the deadlines and the keep-alives; called by the watch every half second or so."""
        settings = self.relay.settings
        if self._call is None or self.done:
            return
        silent = now - self._last_read
        if silent > (settings.head_timeout if self.status == 0 else settings.idle_timeout):
            self._timed_out(silent)
            return
        tap = self.tap
        if tap is None:
            return
        if not self.head_sent:
            if self._held and silent > settings.hold_head:
                self._commit()
        elif now - self._last_write > settings.keepalive_after and tap.at_boundary and not tap.terminal:
            beat = keepalive(self.address.wire)
            self._last_write = now
            self.bytes_out += len(beat)
            self.relay.metrics.keepalives += 1
            self.down.send_body(beat)

    def _timed_out(self, silent: float) -> None:
        self._abort_call()
        assert self.route is not None
        refusal = Refusal(
            RefusalKind.UPSTREAM_TIMEOUT,
            f"The provider {self.route.provider.id} was silent for {silent:.0f} s: try again "
            f"(request {self.request_id}).",
            rule=f"providers.{self.route.provider.id}",
        )
        self._fail(refusal, Outcome.TIMEOUT, EndedBy.GATEWAY)

    def out_of_time(self) -> None:
        """The gateway ends before the answer does. The provider is told to stop; what was seen is metered."""
        if self.done:
            return
        self._abort_call()
        refusal = Refusal(
            RefusalKind.DRAINING,
            f"The gateway was restarted before the answer was whole: try again (request {self.request_id}).",
            rule="relay.drain",
        )
        self._tried = len(self.routes)  # another route would have no time either
        self._fail(refusal, Outcome.TIMEOUT, EndedBy.GATEWAY)

    def _abort_call(self) -> None:
        if self._call is not None:
            self._call.abort()
            self._call = None

    # ---------------------------------------------------------------- flow
    def pause(self) -> None:
        """The tool reads slowly: so does this one stream of its provider, and nothing else."""
        if self._call is not None:
            self._call.pause()

    def resume(self) -> None:
        if self._call is not None:
            self._call.resume()

    # ---------------------------------------------------------------- ends
    def refuse(self, refusal: Refusal) -> None:
        """Answers with a refusal in the tool's own shape, and keeps a row of it if we know whose it is."""
        status, headers, body = refusal_response(self.address.wire, refusal, self.request_id)
        self.relay.metrics.refusals[(self.address.surface, refusal.kind)] += 1
        if self.attempt == 0 and self.principal is not None and self.facts is not None:
            self.relay.recorder.settle(attempts.refused_record(self, refusal, status))
        attempts.log_refusal(self, refusal, status)
        self.answer(status, headers, body)

    def answer(self, status: int, headers: list[Header], body: bytes) -> None:
        """Sends a whole answer of our own."""
        names = {name for name, _ in headers}
        request_id = self.request_id.encode()
        for name in (attempts.id_header(self.address.surface), b"x-waystation-request-id"):
            if name not in names:
                headers = [*headers, (name, request_id)]
        self.down.send_head(status, headers, len(body))
        self.head_sent = True
        if body:
            self.down.send_body(body)
        self._finish()

    def _finish(self) -> None:
        self.done = True
        self._leave()
        self.down.finish()

    def _leave(self) -> None:
        self.relay.active.discard(self)

    def _settle_stream(self) -> None:
        tap = self.tap
        assert tap is not None
        if tap.error is not None:
            self._settle(
                Outcome.UPSTREAM_ERROR, EndedBy.PROVIDER, tap.usage, tap.finish_reason, tap.error.type
            )
        else:
            self._settle(Outcome.COMPLETE, EndedBy.PROVIDER, tap.usage, tap.finish_reason, "")

    def _settle(
        self, outcome: Outcome, ended_by: EndedBy, usage: Usage | None, finish_reason: str, error: str
    ) -> None:
        """Writes the attempt's one row. Must come before the last byte of its answer."""
        assert not self.settled
        self.settled = True
        row = attempts.settled_record(self, outcome, ended_by, usage, finish_reason, error)
        self.relay.recorder.settle(row)
        self.relay.metrics.count(row)
