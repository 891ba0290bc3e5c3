"""`/healthz`, `/readyz` and `/metrics`."""

import asyncio
from collections.abc import Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from waystation import __version__
from waystation.app.lakewriter import LakeWriterProcess
from waystation.app.plan import PlanKeeper
from waystation.ledger import Journal
from waystation.relay import Relay
from waystation.store import Store


class Health:
    """What has to be well for requests to be served and counted."""

    def __init__(
        self, keeper: PlanKeeper, journal: Journal, lake: LakeWriterProcess, store: Store, relay: Relay
    ) -> None:
        self._keeper = keeper
        self._journal = journal
        self._lake = lake
        self._store = store
        self._relay = relay

    async def checks(self) -> tuple[bool, Mapping[str, object]]:
        """(ready, one entry a part). The store or the lake being away is told but does not stop the relay:
        it goes on with the last plan and the journal on disk."""
        try:
            await asyncio.wait_for(asyncio.to_thread(self._store.changes), 2.0)
            store = "ok"
        except Exception as error:
            store = f"unreachable ({type(error).__name__})"
        journal = "ok" if self._journal.healthy else f"not writing ({self._journal.last_error})"
        ready = self._journal.healthy and not self._relay.draining
        return ready, {
            "ready": ready,
            "draining": self._relay.draining,
            "journal": journal,
            "store": store,
            "lake_writer": "ok" if self._lake.running else "restarting",
            "policy": {"version": self._keeper.plan.version, "last_error": self._keeper.last_error or None},
            "in_flight": len(self._relay.active),
        }


def health_routes(health: Health, registry: CollectorRegistry) -> list[Route]:
    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__})

    async def readyz(_: Request) -> Response:
        ready, body = await health.checks()
        return JSONResponse(body, status_code=200 if ready else 503)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]
