"""What the gateway leans on is away: the relay goes on, says what is wrong, and catches up afterwards."""

import asyncio
import contextlib
import os
import resource
import shutil
import sqlite3
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.traffic import WIRES, Call, Seen, make
from tests.stage import Stage, eventually, fetch, staged
from tests.store_fixture import postgres
from waystation.model import Wire

__all__ = ["postgres"]
pytestmark = pytest.mark.faults


async def test_a_full_disk_stops_no_request_and_loses_no_row(tmp_path: Path) -> None:
    """The limit on the size of files stands for the full disk: the kernel refuses each write beyond it."""
    with staged(tmp_path, "--lake-interval", "600") as stage:
        calls = _calls("full")
        assert stage.say(Wire.MESSAGES).status == 200
        with _no_file_may_grow(stage):
            seen = await make(stage, calls, at_once=4)
            assert {(one.status, one.ending) for one in seen} == {(200, "success")}
            told = fetch(f"{stage.url}/readyz")
            assert told.status == 503
            assert told.json["ready"] is False
            assert "not writing" in told.json["journal"]
            assert "too large" in told.json["journal"].lower(), "it says why"
            assert fetch(f"{stage.url}/healthz").status == 200, (
                "restarting would not help, and lose what waits"
            )
            assert _attempts_counted(stage) == len(calls) + 1
        await asyncio.to_thread(eventually, lambda: fetch(f"{stage.url}/readyz").status == 200)
        rows = Counter(row["request_id"] for row in stage.rows())
        assert rows == Counter([one.request_id for one in seen] + [_first_id(stage, seen)])
        assert "Traceback" not in stage.gateway.log.read_text()


async def test_a_locked_control_database_stops_no_request(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        other = stage.visitor("new@example.com")  # a token that the gateway has not seen yet
        database = sqlite3.connect(stage.gateway.data / "control.db", isolation_level=None)
        with contextlib.closing(database):
            database.execute("BEGIN EXCLUSIVE")
            seen = await make(stage, _calls("locked"), at_once=4)
            assert {(one.status, one.ending) for one in seen} == {(200, "success")}
            assert other.say(Wire.MESSAGES).status == 200
            assert fetch(f"{stage.url}/readyz").status == 200
            database.execute("ROLLBACK")
        assert fetch(f"{stage.url}/readyz").json["store"] == "ok"


async def test_a_control_database_that_is_away_stops_no_request(tmp_path: Path, postgres: str) -> None:
    with _interruptible(postgres) as line, staged(tmp_path, "--database", line.url) as stage:
        assert stage.say(Wire.MESSAGES).status == 200
        before = fetch(f"{stage.url}/readyz").json
        assert before["store"] == "ok"
        line.cut()
        await asyncio.to_thread(
            eventually, lambda: "unreachable" in fetch(f"{stage.url}/readyz").json["store"]
        )
        seen = await make(stage, _calls("away"), at_once=4)
        assert {(one.status, one.ending) for one in seen} == {(200, "success")}
        told = fetch(f"{stage.url}/readyz")
        assert (told.status, told.json["ready"]) == (200, True), "the relay goes on with the last plan"
        assert told.json["policy"]["version"] == before["policy"]["version"]
        form = f"grant_type=refresh_token&client_id=way&refresh_token={stage.tokens.refresh}".encode()
        renewal = fetch(f"{stage.url}/oauth/token", data=form)
        assert renewal.status == 503
        assert "postgres" not in renewal.body.decode().lower()
        await asyncio.to_thread(eventually, lambda: _times_told(stage) == 1)
        looked_again = time.monotonic() + 1.2  # the policy is looked at twice a second
        while time.monotonic() < looked_again:
            assert fetch(f"{stage.url}/readyz").status == 200
        assert _times_told(stage) == 1, "an outage is told once, not at each look"
        line.mend()
        await asyncio.to_thread(eventually, lambda: fetch(f"{stage.url}/readyz").json["store"] == "ok")
        assert fetch(f"{stage.url}/oauth/token", data=form).status == 200
        assert fetch(f"{stage.url}/readyz").json["policy"] == before["policy"]
        rows = Counter(row["request_id"] for row in stage.rows())
        assert max(rows.values()) == 1
        assert {one.request_id for one in seen} < set(rows)


def _times_told(stage: Stage) -> int:
    return stage.gateway.log.read_text().count('"policy not read"')


def _calls(name: str) -> list[Call]:
    return [
        Call(f"{name}-{number}-{wire}-{stream}", wire, stream, "", "stays")
        for number in range(3)
        for wire in WIRES
        for stream in (True, False)
    ]


def _attempts_counted(stage: Stage) -> float:
    metrics = fetch(f"{stage.url}/metrics").body.decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(metrics)
        for sample in family.samples
        if sample.name == "waystation_attempts_total"
    )


def _first_id(stage: Stage, seen: list[Seen]) -> str:
    """The request that was there before the trouble."""
    (found,) = {row["request_id"] for row in stage.rows()} - {one.request_id for one in seen}
    return str(found)


@contextlib.contextmanager
def _no_file_may_grow(stage: Stage) -> Iterator[None]:
    """For the gateway's process alone; its lake writer and its tools are as free as before."""
    pid = stage.gateway.process.pid
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    segment = max((stage.gateway.data / "journal" / "node-1").glob("*.wsj1"))
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (segment.stat().st_size, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))


class _Line:
    """A socket that leads to the database until it is cut."""

    def __init__(self, admin: str) -> None:
        parts = urlsplit(admin)
        where = parse_qs(parts.query)
        self._server = f"{where['host'][0]}/.s.PGSQL.{where['port'][0]}"
        self.folder = tempfile.mkdtemp(prefix="ws-line-")
        self._address = f"{self.folder}/.s.PGSQL.5432"
        self._name = f"t_{uuid.uuid4().hex}"
        self.url = f"postgresql://waystation@/{self._name}?host={self.folder}&port=5432"
        import psycopg

        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {self._name}".encode())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._listener: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.mend()

    def mend(self) -> None:
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()

    def cut(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()

    def close(self) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        shutil.rmtree(self.folder)

    async def _listen(self) -> None:
        self._listener = await asyncio.start_unix_server(self._join, self._address)

    async def _close(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for writer in self._writers:
            writer.transport.abort()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._address)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_unix_connection(self._server)
        self._writers |= {writer, back}
        await asyncio.gather(_copy(reader, back), _copy(there, writer))
        self._writers -= {writer, back}


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


@contextlib.contextmanager
def _interruptible(admin: str) -> Iterator[_Line]:
    line = _Line(admin)
    try:
        yield line
    finally:
        line.close()
