"""The rehearsal server in a thread of its own, for callers that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from waystation.rehearsal.script import Script
from waystation.rehearsal.serve import RehearsalServer


@contextmanager
def rehearsal_thread(
    script: Script = Script(),  # noqa: B008 - frozen
    *,
    port: int = 0,
    keyless: bool = False,
) -> Iterator[RehearsalServer]:
    """A running server. Reading `requests` and calling `play` are safe from the caller's thread."""
    started = threading.Event()
    running: list[tuple[RehearsalServer, asyncio.AbstractEventLoop, asyncio.Event]] = []
    failed: list[BaseException] = []

    async def serve() -> None:
        stopping = asyncio.Event()
        async with RehearsalServer(script, port=port, keyless=keyless) as server:
            running.append((server, asyncio.get_running_loop(), stopping))
            started.set()
            await stopping.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as error:
            failed.append(error)
            started.set()

    thread = threading.Thread(target=run, name="rehearsal", daemon=True)
    thread.start()
    started.wait()
    if failed:
        raise failed[0]
    server, loop, stopping = running[0]
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join()
