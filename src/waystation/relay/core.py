"""What all exchanges share: the plan in force, the pools, the journal, the counters and the settings."""

import asyncio
import itertools
import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from waystation.model import Attempt, Begin, Principal, Refusal, Route, Usage
from waystation.policy import Endpoint, Plan
from waystation.relay.addresses import Address
from waystation.relay.admit import Admission
from waystation.relay.downstream import Header, Request
from waystation.relay.greet import address_refusal, wants_upgrade
from waystation.relay.limiting import Limiting
from waystation.relay.metrics import RelayMetrics
from waystation.relay.pool import Origin, OriginPool, UpstreamPools
from waystation.relay.router import Router
from waystation.relay.sealed import SealMemory

if TYPE_CHECKING:
    from waystation.relay.exchange import Exchange


_STANDINGS = 100_000
"""Sessions whose standing is remembered."""


class Watched(Protocol):
    """Something with deadlines of its own. `now` is event-loop seconds."""

    def check(self, now: float) -> None: ...


class Recorder(Protocol):
    """Where attempts are kept; `waystation.ledger.Journal` implements it. Neither call waits on a disk."""

    def begin_later(self, attempt_id: str, started_us: int, record: Callable[[], Begin]) -> None: ...

    def settle_all(self, attempts: Sequence[Attempt]) -> None: ...


class Signer(Protocol):
    """Proves who we are for one request, where the proof depends on the request itself (AWS SigV4)."""

    def __call__(
        self, method: bytes, target: bytes, headers: Sequence[Header], body: bytes, now: float
    ) -> Sequence[Header]:
        """The headers to add. `headers` are those that are sent, `host` among them; `now` is Unix seconds."""


Credential = Header | Signer | None
"""The header that carries it; what makes such headers; None where none is needed."""

Pricer = Callable[[Route, Usage, float], tuple[int | None, str]]
"""(route, usage, Unix seconds) → (nano-dollars or None where no price is known, price-book version)."""


_LETTERS = str.maketrans("0123456789abcdef", "bcdfghjkmnpqrstv")
"""For hexadecimal without digits, and without vowels, so that it spells nothing."""


class RelaySettings(msgspec.Struct, frozen=True):
    """Bounds of the data plane. Times in seconds, sizes in bytes."""

    max_body: int = 64 * 1024 * 1024
    """A request body as sent; larger is refused 413. Vendors' own limits are 20 to 32 MB."""
    max_decoded_body: int = 128 * 1024 * 1024
    """A request body after content decoding (zip bombs end here)."""
    max_error_body: int = 1024 * 1024
    """A provider's error is kept whole up to this; the rest is dropped."""
    whole_buffer: int = 256 * 1024
    """A plain (not streamed) answer is held back up to this size, so that it goes out in one write."""
    connect_timeout: float = 10.0
    head_timeout: float = 600.0
    """Until the provider's response head: reasoning models think for minutes before they say a word."""
    idle_timeout: float = 600.0
    """Between two reads of a response (E94: providers are silent for minutes)."""
    receive_timeout: float = 60.0
    """For a request's head, and between two reads of its body (slow-loris)."""
    keepalive_after: float = 15.0
    """Silence towards the tool after which a stream gets a keep-alive, at an event boundary only."""
    hold_head: float = 10.0
    """How long a stream's head is held back for its first content (E13), if the provider dawdles."""
    client_keep_alive: float = 75.0
    upstream_keep_alive: float = 55.0
    flush_timeout: float = 2.0
    """For the last bytes to tools that read slowly, when the process ends."""
    tick: float = 0.5
    """How often deadlines are looked at."""


class Relay:
    """The data plane of one process. Everything here lives on one event loop; nothing takes a lock."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        admission: Admission,
        recorder: Recorder,
        price: Pricer,
        credentials: Mapping[str, Credential],
        settings: RelaySettings | None = None,
        metrics: RelayMetrics | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.loop = loop
        self.now = loop.time
        self.wall_clock = wall_clock
        self.admission = admission
        self.recorder = recorder
        self.price = price
        self.credentials = credentials
        """Provider id → its credential; absent where the reference could not be resolved."""
        self.settings = settings or RelaySettings()
        self.metrics = metrics or RelayMetrics()
        self.pools = UpstreamPools(
            loop,
            connect_timeout=self.settings.connect_timeout,
            keep_alive=self.settings.upstream_keep_alive,
        )
        self.active: set[Exchange] = set()
        self.connections: set[Watched] = set()
        """Connections from tools, so that one that sends its request drop by drop is closed."""
        self.seals = SealMemory()
        self.draining = False
        self.rng = random.Random()  # noqa: S311  # spreads load by weight; nothing secret hangs on it
        self.limiting: Limiting | None = None
        """Holds requests against limits and budgets, where there is something to hold them with."""
        self.router = Router(self.rng, self.now)
        self.metrics.routes = lambda: list(self.router.health.statuses(self.now()))
        self._settled: list[tuple[Attempt, Exchange]] = []
        self._standings: dict[str, tuple[Plan, Principal, tuple[tuple[str, ...], str]]] = {}
        self._id_prefix = "req_" + os.urandom(8).hex().translate(_LETTERS)
        self._id_count = itertools.count(1)
        self.metrics.gauges["waystation_requests_in_flight"] = (
            "Requests being relayed now.",
            lambda: float(len(self.active)),
        )

    def new_request_id(self) -> str:
        """Unique across processes and restarts: 64 random bits a process, then a counter.

        Letters only. OpenCode looks for 429, 500, 502, … anywhere in the body of an error to decide whether to
        try again (measured with 1.18.33), and a refusal's body holds this id: in digits, one process in a few
        had ids that made it ask five times for what it was refused.
        """
        return self._id_prefix + f"{next(self._id_count):08x}".translate(_LETTERS)

    def settle(self, row: Attempt, exchange: "Exchange") -> None:
        """Records a row before anything more of its exchange goes out.

        Rows of one turn of the event loop go to the journal in one write, and then the last bytes of all
        their answers go out: a write for each would cost more than everything else that is done for it.
        """
        exchange.cork()
        self._settled.append((row, exchange))
        if len(self._settled) == 1:
            self.loop.call_soon(self.flush)

    def flush(self) -> None:
        """Writes what has been settled, and lets the answers go."""
        settled, self._settled = self._settled, []
        if not settled:
            return
        self.recorder.settle_all([row for row, _ in settled])
        for row, exchange in settled:
            if row.attempt:  # a request refused before any attempt is counted as a refusal
                self.metrics.count(row)
            exchange.uncork()

    def judge(self, request: Request, address: Address) -> Principal | Refusal | None:
        """What can be decided on the head alone: who asks, or why it goes no further; None for a greeting."""
        if wants_upgrade(request):
            return address_refusal("upgrade_required", request)
        if address.error:
            return address_refusal(address.error, request)
        if address.operation is None:
            return None
        return self.admission.identify(request, address.surface)

    def standing(self, plan: Plan, principal: Principal) -> tuple[tuple[str, ...], str]:
        """Groups (sorted) and cost centre, by directory and policy, as they go into the ledger."""
        known = self._standings.get(principal.session)
        if known is not None and known[0] is plan and known[1] is principal:
            return known[2]
        if len(self._standings) >= _STANDINGS:
            self._standings.clear()
        found = plan.standing(principal)
        standing = (tuple(sorted(found.groups)), found.cost_center)
        self._standings[principal.session] = (plan, principal, standing)
        return standing

    def pool(self, endpoint: Endpoint, verify: bool) -> OriginPool:
        return self.pools.of(Origin(endpoint.host, endpoint.port, endpoint.tls, verify))

    def sweep(self) -> None:
        """Looks at every deadline; called each `settings.tick` by the watch."""
        now = self.now()
        for exchange in list(self.active):
            exchange.check(now)
        for connection in list(self.connections):
            connection.check(now)
        self.pools.sweep()

    async def watch(self) -> None:
        """Keeps deadlines until cancelled. One timer for all exchanges: a timer for each costs more than it."""
        while True:
            await asyncio.sleep(self.settings.tick)
            self.sweep()

    async def end_all(self) -> None:
        """Ends what is still in flight, in each tool's own dialect and with its row: the drain is over."""
        for exchange in list(self.active):
            exchange.out_of_time()
        give_up = self.now() + self.settings.flush_timeout
        while self.connections and self.now() < give_up:  # noqa: ASYNC110 - sockets flush without an event
            await asyncio.sleep(0.01)

    def close(self) -> None:
        self.flush()
        self.pools.close()
