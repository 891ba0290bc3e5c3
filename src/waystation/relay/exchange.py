"""One request on its way through the gateway: the state machine between the two sides.

Fed by callbacks from both sides, it never waits. Its way:

    start → (refuse | answer ourselves | attempt) → head → data… → end → settle

Nothing is retried after the first byte has gone to the tool. Every attempt is settled exactly once, before
the last byte of its answer goes out: what a tool has seen finished is in the journal.
"""

from asyncio import TimerHandle
from collections.abc import Callable, Sequence
from functools import partial

from waystation.limits import Ticket
from waystation.model import (
    Begin,
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
from waystation.policy import Endpoint
from waystation.relay import attempt as attempts
from waystation.relay import counting, sealed, translated, translating, trying
from waystation.relay.addresses import Address
from waystation.relay.answer import LOST, Answer, ErrorAnswer, WholeAnswer
from waystation.relay.core import Relay
from waystation.relay.dispatch import NOBODY, Dispatch, Labels
from waystation.relay.downstream import Downstream, Header, Request
from waystation.relay.greet import greeting
from waystation.relay.headers import id_header
from waystation.relay.local import answer_locally
from waystation.relay.stream import StreamAnswer
from waystation.relay.tries import Tries, retry_after
from waystation.relay.upstream import Lost, UpstreamCall
from waystation.wire import (
    BadBody,
    RequestFacts,
    decode_body,
    read_request,
    refusal_response,
)
from waystation.wire.canonical import Conversation
from waystation.wire.translate import Translation


class Exchange:
    """See the module. Made by a listener once a request is whole; `client_gone` may come at any time."""

    __slots__ = (
        "_call",
        "_corked",
        "_reply",
        "_timer",
        "address",
        "attempt",
        "attempt_id",
        "body",
        "bytes_in",
        "bytes_out",
        "content_encoding",
        "conversation",
        "credentials",
        "done",
        "down",
        "facts",
        "gone",
        "head_sent",
        "labels",
        "last_read",
        "notice",
        "plan",
        "principal",
        "reason",
        "relay",
        "request",
        "request_id",
        "response_headers",
        "route",
        "route_header",
        "rule",
        "settled",
        "spoken",
        "started_wall",
        "status",
        "ticket",
        "tool",
        "tool_session",
        "translation",
        "tries",
        "ttft",
        "unsealed",
        "unsent",
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
        self.plan = relay.admission.plan
        self.credentials = relay.credentials
        self.bytes_in = len(request.body)
        self.bytes_out = 0
        self.tool = request.head.tool
        self.tool_session = ""
        self.facts: RequestFacts | None = None
        self.body = b""
        self.tries: Tries | None = None
        self.route: Route | None = None
        self.route_header: Header = (b"x-waystation-route", b"")
        self.reason = ""  # why this route
        self.spoken: Wire = address.wire  # the protocol of the present attempt's provider
        self.conversation: Conversation | None = None  # what is asked, once some attempt has to translate it
        self.translation: Translation | None = None  # the present attempt's, if it needs one
        self.unsealed = False  # tried again without the seals that a provider could not read
        self.rule = ""
        self.ticket: Ticket | None = None  # what it holds of limits and budgets
        self.notice = ""  # for the developer, of a budget
        self.attempt = 0
        self.attempt_id = ""
        self.labels: Labels = NOBODY
        self.settled = True  # no attempt is open
        self.done = False  # the answer is complete, or nobody waits for it any more
        self.gone = False  # the tool has hung up
        self.head_sent = False
        self.status = 0
        self.response_headers: list[Header] = []
        self.content_encoding = b""
        self.ttft: float | None = None
        self.unsent = False  # the attempt was given up before the provider had heard of it
        self.upstream_id = b""
        self.last_read = request.arrived
        self._call: UpstreamCall | None = None
        self._corked: list[Callable[[], None]] | None = None
        self._reply: Answer | None = None
        self._timer: TimerHandle | None = None  # before the next try

    # ---------------------------------------------------------------- the way in
    def start(self, refusal: Refusal | None = None) -> None:
        """Decides, and sends the first attempt (or the refusal, or our own answer).

        `refusal` is what was decided on the head alone, or on the body's size.
        """
        if refusal is not None:
            self.refuse(refusal)
            return
        if self.address.operation is None:
            self.answer(*greeting())
            return
        try:
            if self.address.operation is Operation.LIST_MODELS:
                assert self.principal is not None
                self.answer(*answer_locally(self.plan, self.principal, self.address, self.request.query))
                return
            self._admit()
        except BadBody as bad:
            self.refuse(Refusal(bad.kind, bad.message, rule="request.body", param=bad.param))

    def _admit(self) -> None:
        request, address = self.request, self.address
        body = request.body
        coding = request.head.coding
        if coding:
            body = decode_body(coding, body, self.relay.settings.max_decoded_body)
        facts = self.facts = read_request(
            address.wire,
            address.operation or Operation.GENERATE,
            body,
            model_in_path=address.model,
            stream_in_path=address.stream,
        )
        self.tool_session = request.head.tool_session or facts.tool_session
        assert self.principal is not None
        relay = self.relay
        verdict, why = relay.router.resolve(self.plan, self.principal, address, facts, body, self.tool[0])
        if not isinstance(verdict, Refusal):
            verdict = relay.admission.admit(self.principal, address, facts, verdict)
        if relay.limiting is not None and not isinstance(verdict, Refusal):
            self.body = body
            verdict = relay.limiting.admit(self, verdict)
            why = "budget" if self.notice else why
        if isinstance(verdict, Refusal):
            self.refuse(verdict)
            return
        self.rule = verdict.rule
        self.body = body
        session = f"{self.principal.session} {self.tool_session}" if self.tool_session else ""
        self.tries = Tries(relay.router, self.plan, verdict, session, why)
        self.next_attempt(None)

    # ---------------------------------------------------------------- attempts
    def next_attempt(self, refusal: Refusal | None) -> None:
        """Tries the next route, now or after a pause; with none left, refuses with what the last one came to."""
        trying.next_attempt(self, refusal)

    def after(self, pause: float, call: Callable[[], None]) -> None:
        """Calls later, unless the exchange has come to its end by then."""
        self._timer = self.relay.loop.call_later(pause, call)

    @property
    def may_switch(self) -> bool:
        """Whether another route could still take the place of the present one."""
        return not self.head_sent and self.tries is not None and self.tries.left

    def send(self, route: Route, endpoint: Endpoint) -> None:
        relay, head = self.relay, self.request.head
        assert self.facts is not None
        self.route = route
        dispatch = head.dispatch
        if dispatch is None or not dispatch.fits(self, route):
            dispatch = head.dispatch = Dispatch(self, route, endpoint)
        if self.translation is not None:
            body = translating.outgoing_body(self, route, endpoint.wire)
        else:
            body = attempts.outgoing_body(self.address.wire, self.facts, route, self.body)
            if relay.seals:
                body = sealed.cleaned(self, route.provider.id, body)
        self.labels = dispatch.labels
        self.route_header = dispatch.route_header
        self.spoken = endpoint.wire
        assert self.tries is not None
        self.last_read = now = relay.now()
        self.tries.begin(route, now)
        self.reason = self.tries.reason
        self.attempt += 1
        self.attempt_id = f"{self.request_id}.{self.attempt}"
        self.settled = False
        self.status = 0
        self._reply = None
        self.unsent = False
        self.upstream_id = self.content_encoding = b""
        relay.active.add(self)
        relay.recorder.begin_later(self.attempt_id, self.started_us, self.begin_record)
        sent = dispatch.sign(self, body) if dispatch.signed else dispatch.head + b"%d\r\n\r\n" % len(body)
        self._call = dispatch.pool.call(sent, body, self)

    def begin_record(self) -> Begin:
        """Asked for by the journal if the attempt is still under way after a while."""
        return attempts.begin_record(self)

    # ---------------------------------------------------------------- what the provider does
    def on_upstream_head(self, status: int, headers: list[Header]) -> None:
        self.status = status
        self.last_read = self.relay.now()
        self.response_headers = headers
        content_type = b""
        for name, value in headers:
            if name == b"content-type":
                content_type = value
            elif name == b"content-encoding" and value.lower() != b"identity":
                self.content_encoding = value
            elif name == b"request-id" or name == b"x-request-id":
                self.upstream_id = value  # at once: most wanted for an attempt that fails
        if status >= 400:
            self._reply = ErrorAnswer(self)
        elif self.translation is not None:
            self._reply = translated.answer_for(self, content_type)
        elif content_type.startswith(b"text/event-stream") or (self.address.stream and status == 200):
            self._reply = StreamAnswer(self)
        else:
            self._reply = WholeAnswer(self)

    def on_upstream_data(self, data: bytes) -> None:
        self.last_read = self.relay.now()
        assert self._reply is not None
        self._reply.data(data)

    def on_upstream_end(self) -> None:
        self._call = None
        assert self._reply is not None
        self._reply.end()

    def on_upstream_lost(self, reason: Lost) -> None:
        self._call = None
        if self._reply is not None:
            self._reply.lost(reason)
        else:
            self.broken(reason)

    def broken(self, reason: Lost) -> None:
        """The answer will not be whole: next route if the tool has seen nothing, else an end in its dialect."""
        kind, outcome, what = LOST[reason]
        assert self.route is not None
        refusal = Refusal(
            kind,
            f"The provider {self.route.provider.id} {what}: try again; if it stays so, tell your platform team "
            f"(request {self.request_id}).",
            rule=f"providers.{self.route.provider.id}",
        )
        self._fail(refusal, outcome, EndedBy.PROVIDER)

    def _fail(self, refusal: Refusal, outcome: Outcome, ended_by: EndedBy) -> None:
        reply = self._reply
        if not self.settled:
            usage = reply.usage if reply is not None else None
            self.settle(outcome, ended_by, usage, "", refusal.kind)
        if self.head_sent:
            assert reply is not None
            reply.fail(refusal)
        elif trying.may_go_on(self, outcome):
            self.next_attempt(refusal)
        elif self.address.operation is Operation.COUNT_TOKENS:  # always answered (E83)
            assert self.route is not None
            self.answer(*counting.estimate(self, self.route))
        else:
            self.refuse(refusal)

    # ---------------------------------------------------------------- what the tool does
    def client_gone(self) -> None:
        """The tool hung up. The provider is told to stop; what was seen is metered (E45)."""
        self.gone = True
        if self.done:
            return
        self.done = True
        self.abort_call()
        if not self.settled:
            usage = self._reply.usage if self._reply is not None else None
            self.settle(Outcome.CLIENT_GONE, EndedBy.CLIENT, usage, "", "")
        self._leave()

    def pause(self) -> None:
        """The tool reads slowly: so does this one stream of its provider, and nothing else."""
        if self._call is not None:
            self._call.pause()

    def resume(self) -> None:
        if self._call is not None:
            self._call.resume()

    # ---------------------------------------------------------------- time
    def check(self, now: float) -> None:
        """Keeps the deadlines and the keep-alives; called by the watch every half second or so."""
        settings = self.relay.settings
        if self._call is None or self.done:
            return
        silent = now - self.last_read
        limit = settings.head_timeout if self.status == 0 else settings.idle_timeout
        if self.may_switch:
            assert self.tries is not None
            limit = min(limit, self.tries.stall or limit)
        if silent > limit:
            self._timed_out(silent)
        elif self._reply is not None:
            self._reply.check(now, silent)

    def _timed_out(self, silent: float) -> None:
        self.abort_call()
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
        self.abort_call()
        refusal = Refusal(
            RefusalKind.DRAINING,
            f"The gateway was restarted before the answer was whole: try again (request {self.request_id}).",
            rule="relay.drain",
        )
        if self.tries is not None:
            self.tries.give_up()  # another route would have no time either
        self._fail(refusal, Outcome.TIMEOUT, EndedBy.GATEWAY)

    # ---------------------------------------------------------------- what goes out
    def send_head(self, status: int, headers: Sequence[Header], length: int | None) -> None:
        self.head_sent = True
        if self._corked is None:
            self.down.send_head(status, headers, length)
        else:
            self._corked.append(partial(self.down.send_head, status, headers, length))

    def forward(self, data: bytes) -> None:
        self.bytes_out += len(data)
        if self._corked is None:
            self.down.send_body(data)
        else:
            self._corked.append(partial(self.down.send_body, data))

    def cork(self) -> None:
        """What goes out from now on waits until the row just settled is in the journal."""
        if self._corked is None:
            self._corked = []

    def uncork(self) -> None:
        waiting, self._corked = self._corked, None
        if waiting and not self.gone:
            for send in waiting:
                send()

    def first_byte(self) -> None:
        """Content is about to reach the tool for the first time."""
        if self.ttft is None:
            self.ttft = self.relay.now() - self.request.arrived

    def refuse(self, refusal: Refusal) -> None:
        """Answers with a refusal in the tool's own shape, and keeps a row of it if we know whose it is."""
        status, headers, body = refusal_response(self.address.wire, refusal, self.request_id)
        self.relay.metrics.refusals[(self.address.surface, refusal.kind)] += 1
        if self.attempt == 0 and self.principal is not None and self.facts is not None:
            self.relay.settle(attempts.refused_record(self, refusal, status), self)
        attempts.log_refusal(self, refusal, status)
        self.answer(status, headers, body)

    def answer(self, status: int, headers: list[Header], body: bytes) -> None:
        """Sends a whole answer that is ready."""
        names = {name for name, _ in headers}
        request_id = self.request_id.encode()
        for name in (id_header(self.address.surface), b"x-waystation-request-id"):
            if name not in names:
                headers = [*headers, (name, request_id)]
        self.send_head(status, headers, len(body))
        if body:
            self.forward(body)
        self.finish()

    # ---------------------------------------------------------------- ends
    def settle(
        self, outcome: Outcome, ended_by: EndedBy, usage: Usage | None, finish_reason: str, error: str
    ) -> None:
        """Writes the attempt's one row. Must come before the last byte of its answer."""
        assert not self.settled
        self.settled = True
        row = attempts.settled_record(self, outcome, ended_by, usage, finish_reason, error)
        assert self.tries is not None
        assert self.facts is not None
        streamed = self.ttft is not None and self.facts.stream
        self.tries.end(
            outcome,
            self.status,
            error,
            self.request.arrived + (self.ttft or 0.0) if streamed else None,
            retry_after(self.response_headers) if self.status == 429 else None,
        )
        if self.ticket is not None:
            assert self.relay.limiting is not None
            self.relay.limiting.charge(self, row)
        self.relay.settle(row, self)

    def finish(self) -> None:
        self.done = True
        self._leave()
        self._at_last(self.down.finish)

    def cut(self) -> None:
        """Ends the connection in mid-answer: the only honest end where the protocol has no word for it."""
        self.done = True
        self._leave()
        self._at_last(self.down.abort)

    def _leave(self) -> None:
        """It is over, however it ended: nothing is held for it any more."""
        self.relay.active.discard(self)
        if self.ticket is not None:
            assert self.relay.limiting is not None
            self.relay.limiting.close(self)

    def _at_last(self, end: Callable[[], None]) -> None:
        if self._corked is None:
            end()
        else:
            self._corked.append(end)

    def abort_call(self) -> None:
        """Tells the provider to stop, if it is still at it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._call is not None:
            self.unsent = not self._call.sent
            self._call.abort()
            self._call = None

    def forget_request(self) -> None:
        self.body = self.request.body = b""
        self.conversation = None

    @property
    def started_us(self) -> int:
        return int(self.started_wall * 1e6)

    @property
    def seen(self) -> int:
        """Bytes of generated text that have come from the present attempt."""
        return self._reply.seen if self._reply is not None else 0

    @property
    def streamed(self) -> bool:
        return isinstance(self._reply, StreamAnswer)
