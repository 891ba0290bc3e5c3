"""The lake writer's process: started with the gateway, restarted if it dies, asked to finish at the end.

A process of its own, so that writing Parquet neither holds the relay's interpreter lock nor takes the relay
down with it. It shares nothing with us but the journal's files.
"""

import asyncio
import logging
import os
import signal
import sys
from contextlib import suppress

from waystation.app.settings import Settings

_log = logging.getLogger("waystation.ledger")
_FINISH_SECONDS = 30.0
_BACKOFF_MAX = 60.0


class LakeWriterProcess:
    """`async with` starts it and, at the end, lets it drain what is left."""

    def __init__(self, settings: Settings) -> None:
        self._command = (
            sys.executable,
            "-m",
            "waystation.ledger.drain",
            "--journal",
            str(settings.journal_dir),
            "--lake",
            str(settings.lake_dir),
            "--node",
            settings.node,
            "--events",
            str(settings.events_dir),
            "--events-lake",
            str(settings.events_lake_dir),
            "--interval",
            str(settings.lake_interval),
            "--parent",  # told, not asked for: we may be gone by the time it could ask
            str(os.getpid()),
            "--log-json" if settings.log_json else "--no-log-json",
        )
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def __aenter__(self) -> "LakeWriterProcess":
        self._task = asyncio.create_task(self._supervise())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), _FINISH_SECONDS)
            except TimeoutError:
                process.kill()  # nothing is lost: the journal is drained by the next start
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    def _is_stopping(self) -> bool:  # asked anew after each wait; the loop's own test is long past
        return self._stopping

    async def _supervise(self) -> None:
        backoff = 1.0
        while not self._stopping:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
            )
            code = await self._process.wait()
            if self._is_stopping():
                return
            # A signal to the whole group (Ctrl-C, a service manager) reaches it before we are told to stop.
            level = logging.INFO if code in (0, -signal.SIGTERM) else logging.WARNING
            _log.log(level, "lake writer ended", extra={"fields": {"exit": code, "restart_in_s": backoff}})
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _BACKOFF_MAX)
