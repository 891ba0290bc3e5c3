"""One gateway process: opens the rooms, joins them, serves, and closes them in order."""

import asyncio
import logging
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute
from uvicorn.server import HANDLED_SIGNALS

from waystation import console, identity
from waystation.app.announce import Announcement, write_gateway_file
from waystation.app.discovery import Discovery
from waystation.app.health import Health, health_routes
from waystation.app.lakewriter import LakeWriterProcess
from waystation.app.limits import LimitsKeeper
from waystation.app.limits_api import limits_routes
from waystation.app.memory import collect_garbage_less
from waystation.app.plan import PlanKeeper, PlanState
from waystation.app.settings import Settings
from waystation.app.unavailable import store_unreachable
from waystation.console.install import install_routes
from waystation.ledger import Journal
from waystation.model import Begin, Route, Usage
from waystation.policy import NOTHING_LISTED, Catalogue
from waystation.pricing import cost_nano
from waystation.rehearsal import RehearsalServer
from waystation.relay import Admission, Relay, RelayApp, protocol_for
from waystation.store import StoreUnreachable, open_store
from waystation.store.lists import read_lists

_log = logging.getLogger("waystation.app")
_SWITCH_SECONDS = 0.0005
"""How long a worker thread (the store's polls, sign-ins) may keep the interpreter from the event loop. Python's
own 5 ms would be felt in each stream's lateness."""


class Gateway:
    """Opened by `async with`; then `url` is known, and `serve()` runs until `stop()` or a signal."""

    def __init__(self, settings: Settings, announce: Callable[[Announcement], None] | None = None) -> None:
        self.settings = settings
        self._announce = announce
        self._stack = AsyncExitStack()
        self._server: _Server | None = None
        self._sockets: list[socket.socket] = []
        self.url = ""

    async def __aenter__(self) -> "Gateway":
        try:
            await self._open()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _open(self) -> None:
        settings, stack = self.settings, self._stack
        loop = asyncio.get_running_loop()
        sock = _bind(settings.host, settings.port)
        stack.callback(sock.close)
        self._sockets = [sock]
        port = sock.getsockname()[1]
        tls = settings.tls_certificate is not None
        self.url = (
            settings.base_url.rstrip("/") or f"{'https' if tls else 'http'}://{_host(settings.host)}:{port}"
        )

        store = open_store(settings.data, settings.database or None)
        stack.callback(store.close)
        rehearsal = await stack.enter_async_context(RehearsalServer(port=0, record=0, keyless=True))
        discovers = settings.discovery_interval > 0
        listed = (
            Catalogue(await asyncio.to_thread(read_lists, settings.data)) if discovers else NOTHING_LISTED
        )
        keeper = PlanKeeper(store, dict(os.environ), rehearsal.url, catalogue=listed)
        if settings.policy is not None:
            await asyncio.to_thread(keeper.apply_file, settings.policy)
        current = await asyncio.to_thread(keeper.load)
        home = identity.build(
            store,
            base_url=self.url,
            agents=lambda who: keeper.plan.agent_defaults(who),
            sign_in=lambda: keeper.state.document.policy.sign_in,
            policy_roles=lambda who: keeper.plan.standing(who).roles,
        )

        journal = Journal(settings.journal_dir, settings.node, price=_begin_pricer(keeper))
        recovered = journal.open()
        journal.attach(loop)
        stack.callback(journal.close)
        if recovered:
            _log.warning("recovered", extra={"fields": {"attempts_in_flight_at_crash": len(recovered)}})

        relay = Relay(
            loop=loop,
            admission=Admission(home.verifier, current.plan),
            recorder=journal,
            price=_pricer(keeper),
            credentials=current.credentials.by_provider,
        )
        stack.callback(relay.close)
        keeper.on_change(lambda state: _swap(relay, state))
        limits = LimitsKeeper(settings, store, keeper)
        relay.limiting = limits.limiting
        await limits.start()

        _expose_journal(relay, journal)
        lake = LakeWriterProcess(settings)
        await stack.enter_async_context(lake)
        stack.push_async_callback(limits.close)  # before the lake writer's last look
        health = Health(keeper, journal, lake, store, relay)
        registry = CollectorRegistry()
        registry.register(relay.metrics)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

        app = _application(
            [
                *health_routes(health, registry),
                *home.routes,
                *limits_routes(home, keeper, limits),
                *install_routes(self.url),
                *console.routes(home),
            ],
            [Middleware(identity.HostAllowList, base_url=self.url)],
        )
        config = uvicorn.Config(
            RelayApp(relay, app) if settings.plain_asgi else app,
            http="httptools" if settings.plain_asgi else protocol_for(relay),
            loop="none",
            ws="none",
            lifespan="off",
            access_log=False,
            proxy_headers=False,  # nobody's word for where a request comes from is taken
            log_config=None,
            server_header=False,
            backlog=4096,
            timeout_graceful_shutdown=settings.drain_timeout,
            ssl_certfile=settings.tls_certificate,
            ssl_keyfile=settings.tls_key,
            ssl_version=ssl.PROTOCOL_TLS_SERVER,
        )
        _load(config, settings)
        self._server = _Server(config, relay)
        works = [relay.watch(), home.watch(), keeper.watch(), keeper.renew(), limits.run()]
        if discovers:
            interval = settings.discovery_interval
            works.append(Discovery(keeper, relay.pools, settings.data, interval=interval).run())
        for work in works:
            task = loop.create_task(_keep_running(work))
            stack.callback(task.cancel)
        welcome = await asyncio.to_thread(home.service.first_run, self.url)
        announcement = Announcement(
            url=self.url,
            pid=os.getpid(),
            welcome=welcome.url if welcome is not None else None,
            rehearsal=keeper.uses_rehearsal,
            data=str(settings.data),
            policy_version=current.plan.version,
        )
        stack.callback(write_gateway_file(settings.data, announcement))
        if self._announce is not None:
            self._announce(announcement)

    async def serve(self) -> None:
        """Serves until SIGTERM, SIGINT or `stop()`; then lets what is in flight finish."""
        assert self._server is not None
        collect_garbage_less()
        sys.setswitchinterval(_SWITCH_SECONDS)
        await self._server.serve(sockets=self._sockets)

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True


class _Server(uvicorn.Server):
    """uvicorn's server; tells the relay that it is draining before connections are closed."""

    def __init__(self, config: uvicorn.Config, relay: Relay) -> None:
        super().__init__(config)
        self._relay = relay

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's own, save that a signal which was obeyed is not raised again at the end.

        uvicorn does so to die of it; but the rooms are closed after the server, and the exit status is 0.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._relay.draining = True
        await super().shutdown(sockets)
        await self._relay.end_all()


def run(settings: Settings, announce: Callable[[Announcement], None] | None = None) -> None:
    """Serves until told to stop, on uvloop where there is one."""

    async def main() -> None:
        async with Gateway(settings, announce) as gateway:
            await gateway.serve()

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main())


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not built for Windows
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise SystemExit(
            f"Cannot listen on {host}:{port}: {error.strerror}. Is another gateway running there?"
        ) from None
    sock.setblocking(False)
    return sock


def _load(config: uvicorn.Config, settings: Settings) -> None:
    """Reads the certificate now, so that nobody is told of a gateway that then cannot serve."""
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        raise SystemExit(
            f"Cannot serve https with {settings.tls_certificate} and the key in "
            f"{settings.tls_key or settings.tls_certificate}: {error.strerror or error}"
        ) from None


def _host(host: str) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104  # compared with, not bound to
    return f"[{shown}]" if ":" in shown else shown


def _application(routes: Sequence[BaseRoute], middleware: Sequence[Middleware]) -> Starlette:
    return Starlette(
        routes=list(routes),
        middleware=list(middleware),
        exception_handlers={StoreUnreachable: store_unreachable},
    )


def _swap(relay: Relay, state: PlanState) -> None:
    """Puts a new plan in force; requests under way keep the one they began with."""
    relay.credentials = state.credentials.by_provider
    relay.admission.plan = state.plan


def _expose_journal(relay: Relay, journal: Journal) -> None:
    gauges = relay.metrics.gauges
    gauges["waystation_journal_waiting"] = (
        "Rows that wait in memory for a disk that refuses them.",
        lambda: float(journal.waiting),
    )
    gauges["waystation_journal_lost"] = (
        "Rows given up because that queue was full.",
        lambda: float(journal.lost),
    )
    gauges["waystation_journal_unsynced"] = (
        "Rows written but not yet forced to the disk.",
        lambda: float(journal.last_seq - journal.durable_seq),
    )
    gauges["waystation_journal_duplicates"] = (
        "Second settlements that were ignored; each is a bug.",
        lambda: float(journal.duplicates),
    )


def _pricer(keeper: PlanKeeper) -> Callable[[Route, Usage, float], tuple[int | None, str]]:
    def price(route: Route, usage: Usage, at: float) -> tuple[int | None, str]:
        book = keeper.prices
        rates = book.rates_for(route, int(at * 1e6))
        return (None if rates is None else cost_nano(rates, usage)), book.version

    return price


def _begin_pricer(keeper: PlanKeeper) -> Callable[[Begin], tuple[int | None, str]]:
    """Prices an attempt that a crash left behind, from what was known when it began."""

    def price(begin: Begin) -> tuple[int | None, str]:
        provider = keeper.plan.providers.get(begin.provider)
        if provider is None:
            return None, keeper.prices.version
        route = Route(begin.route, provider, begin.upstream_model)
        rates = keeper.prices.rates_for(route, begin.started_us)
        usage = Usage(input=begin.estimated_input)
        return (None if rates is None else cost_nano(rates, usage)), keeper.prices.version

    return price


async def _keep_running(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except asyncio.CancelledError:
        raise
    except Exception:
        _log.exception("a background task of the gateway failed")
        raise


__all__ = ["Gateway", "run"]
