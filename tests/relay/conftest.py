"""A real relay behind a real uvicorn on loopback, both ways it can be served; only the people are made up."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn

from waystation.model import Attempt, Begin, Principal, Refusal, RefusalKind, Route, Usage
from waystation.policy import compile_plan, load
from waystation.pricing import PriceBook, cost_nano
from waystation.relay import Admission, Relay, RelayApp, RelaySettings, protocol_for
from waystation.wire.translate import translatable

TOKEN = "ws-token-of-ada"
ADA = Principal(
    id="u_ada", name="ada@example.com", groups=frozenset({"eng"}), cost_center="R&D", session="s_1"
)


class Tokens:
    """Knows one person and one token that has expired."""

    def verify(self, token: bytes) -> Principal | Refusal:
        if token == TOKEN.encode():
            return ADA
        if token == b"expired":
            return Refusal(
                RefusalKind.UNAUTHENTICATED,
                "Your Waystation sign-in has expired: run `way login`.",
                "identity.expired",
            )
        return Refusal(RefusalKind.UNAUTHENTICATED, "This is not a Waystation token.", rule="identity.token")


class Ledger:
    """Keeps the rows in memory, as the journal would be asked to."""

    def __init__(self) -> None:
        self.begun: list[Begin] = []
        self.rows: list[Attempt] = []
        self._changed = asyncio.Event()

    def begin_later(self, attempt_id: str, started_us: int, record: Callable[[], Begin]) -> None:
        begin = record()
        assert (begin.attempt_id, begin.started_us) == (attempt_id, started_us)
        self.begun.append(begin)

    def settle_all(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            assert attempt.attempt_id not in {row.attempt_id for row in self.rows}, "settled twice"
            self.rows.append(attempt)
        self._changed.set()

    async def wait_for(self, count: int) -> list[Attempt]:
        async with asyncio.timeout(10):
            while len(self.rows) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.rows


async def _nothing_here(scope: Any, receive: Any, send: Any) -> None:
    """Stands for the console and everything else that is not the relay's."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"the console"})


class Harness:
    """One gateway's data plane at `url`."""

    def __init__(
        self, relay: Relay, ledger: Ledger, server: uvicorn.Server, port: int, book: PriceBook
    ) -> None:
        self.relay = relay
        self.ledger = ledger
        self.server = server
        self.port = port
        self.book = book
        self.url = f"http://127.0.0.1:{port}"


def policy_text(url: str, *, second: str | None = None, extra: str = "") -> str:
    """Every model at one scripted provider; with `second`, a fallback behind it."""
    kinds = {"anth": "anthropic-compatible", "oai": "openai", "goog": "google"}
    suffix = {"anth": "", "oai": "/v1", "goog": ""}
    # No pauses: what a test's one provider does wrong once is then not made good behind the test's back.
    lines = ["version: 1", "routing: {patience: 0}", "providers:"]
    for place, base in (("", url), *((("2", second),) if second else ())):
        for name, kind in kinds.items():
            lines += [
                f"  {name}{place}:",
                f"    kind: {kind}",
                f"    base_url: {base}{suffix[name]}",
                "    credential: env:KEY",
            ]
            if kind != "google":
                lines.append(f"    price_provider: {'anthropic' if name == 'anth' else 'openai'}")
    lines.append("models:")
    for model, name in (("claude-sonnet-4-5", "anth"), ("gpt-5.4", "oai"), ("gemini-2.5-pro", "goog")):
        lines += [f"  {model}:", "    routes:", f"      - provider: {name}"]
        if second:
            lines += [f"      - provider: {name}2", "        priority: 1"]
    lines += ["  fast:", "    routes:", "      - {provider: anth, model: claude-haiku-4-5}"]
    return "\n".join(lines) + "\n" + extra


Open = Callable[..., Any]


@asynccontextmanager
async def open_relay(
    text: str,
    *,
    kind: str = "listener",
    settings: RelaySettings | None = None,
    credentials: dict[str, Any] | None = None,
) -> AsyncIterator[Harness]:
    loop = asyncio.get_running_loop()
    plan = compile_plan(load(text, filename="test.yaml"), version=7, translatable=translatable)
    book = PriceBook.builtin(plan.price_overrides)
    ledger = Ledger()

    def price(route: Route, usage: Usage, at: float) -> tuple[int | None, str]:
        rates = book.rates_for(route, int(at * 1e6))
        return (None if rates is None else cost_nano(rates, usage)), book.version

    relay = Relay(
        loop=loop,
        admission=Admission(Tokens(), plan),
        recorder=ledger,
        price=price,
        credentials=credentials
        if credentials is not None
        else dict.fromkeys(plan.providers, (b"x-api-key", b"sk-provider-key")),
        settings=settings or RelaySettings(tick=0.05),
    )
    fast = kind == "listener"
    config = uvicorn.Config(
        _nothing_here if fast else RelayApp(relay, _nothing_here),
        http=protocol_for(relay) if fast else "httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    server = uvicorn.Server(config)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    tasks = [loop.create_task(server.serve(sockets=[sock])), loop.create_task(relay.watch())]
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event for it
        await asyncio.sleep(0)
    try:
        yield Harness(relay, ledger, server, sock.getsockname()[1], book)
    finally:
        server.should_exit = True
        server.force_exit = True
        await tasks[0]
        tasks[1].cancel()
        relay.close()


@pytest.fixture(params=["listener", "asgi"])
def kind(request: pytest.FixtureRequest) -> str:
    """Both ways the relay can be served; a test that takes this proves the same of both."""
    return str(request.param)


Runner = Callable[[Coroutine[Any, Any, None]], None]
