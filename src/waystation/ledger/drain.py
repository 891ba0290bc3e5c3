"""The lake writer: a child process of the gateway that moves the journal into the lake, exactly once.

    python -m waystation.ledger.drain --journal DIR --lake DIR --node NAME [--interval 30] [--once] [--parent PID]

A record is in the lake if and only if its number is at most the position that the lake itself keeps for this
journal; rows and position are one commit. So it can be killed at any instruction: it starts from the position.
"""

import argparse
import contextlib
import datetime as dt
import fcntl
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
from deltalake.exceptions import CommitFailedError, DeltaError

from waystation.ledger import limit_events
from waystation.ledger.columns import to_table
from waystation.ledger.lake import Lake
from waystation.ledger.segments import Identity, read_identity
from waystation.ledger.tail import Tail, last_seq, prune

log = logging.getLogger("waystation.ledger.drain")
_PLAIN = "%(asctime)s %(levelname)s %(message)s"


class _JsonLines(logging.Formatter):
    """The shape of the gateway's own log lines, whose standard error this process shares."""

    def format(self, record: logging.LogRecord) -> str:
        moment = dt.datetime.fromtimestamp(record.created, dt.UTC)
        line = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        return msgspec.json.encode(line).decode()


class JournalBehindLake(RuntimeError):
    """The lake holds numbers that this journal has not given yet: it was restored from an old copy."""


class Drained(NamedTuple):
    rows: int
    position: int
    """Everything in the journal up to this number needs no further draining."""


class LakeWriter:
    """Moves one journal into one table. One at a time per journal; the caller sees to that."""

    def __init__(self, journal: Path, lake: str, node: str) -> None:
        self._journal = journal
        self._node = node
        self._lake = Lake(lake)
        self._tail: Tail | None = None
        self._app_id = ""

    def drain(self) -> Drained:
        """Move everything that is there now, then prune and maintain.

        Raises:
            JournalBehindLake: nothing was moved, and nothing will be until a person has looked.
            OSError, DeltaError: the lake could not be reached; call again later.
        """
        identity = self._identity()
        if identity is None:
            return Drained(0, 0)
        try:
            return self._drain(identity)
        except BaseException:
            self._tail = None  # start again from the lake's own position
            raise

    def _drain(self, identity: Identity) -> Drained:
        tail = self._tail = self._tail or self._start(identity)
        moved, more = 0, True
        while more:
            batch = tail.read()
            for first, last in batch.gaps:
                log.error("journal records %d to %d are missing: %s is damaged", first, last, self._journal)
            if batch.payloads:
                rows = to_table(batch.payloads, batch.seqs, identity.node)
                self._lake.append(rows, identity.app_id, batch.last_seq)
                moved += len(batch.payloads)
            more = batch.more
        position = batch.last_seq
        for path in prune(self._journal, position):
            log.error("a drained journal segment had unreadable bytes; it was kept as %s", path)
        self._lake.maintain()
        return Drained(moved, position)

    def _start(self, identity: Identity) -> Tail:
        for torn in self._lake.open():
            log.warning("a power loss had torn the end of the lake's log; it is now %s, and made again", torn)
        position = self._lake.position(identity.app_id)
        reached = last_seq(self._journal)
        if position > reached:
            raise JournalBehindLake(
                f"{self._journal} has come to record {reached}, but the lake holds {position} of it: the "
                "journal was restored from an old copy. Stop the gateway and move the directory away; the "
                "next start begins a new journal, and the lake keeps what it has."
            )
        return Tail(self._journal, position, sync=True)

    def _identity(self) -> Identity | None:
        identity = read_identity(self._journal)
        if identity is not None and identity.node != self._node:
            raise ValueError(
                f"{self._journal} is the journal of node {identity.node!r}, not of {self._node!r}"
            )
        return identity


def main(arguments: list[str] | None = None) -> int:
    options = _parse(arguments)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if options.log_json else logging.Formatter(_PLAIN, "%H:%M:%S"))
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if options.verbose else logging.INFO)
    os.nice(10)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    if not options.once:
        # Ctrl-C reaches all of the terminal's processes; the gateway finishes its streams, then tells us.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Rows live for one batch and form no cycles; the collector would walk them for nothing.
    gc.disable()
    with _only_one(options.journal, stop, options.parent) as alone:
        if not alone:
            return 0
        writer = LakeWriter(options.journal, options.lake, options.node)
        return _run(writer, stop, options)


def _run(writer: LakeWriter, stop: threading.Event, options: argparse.Namespace) -> int:
    while True:
        last_pass = stop.is_set() or options.once
        try:
            drained = writer.drain()
            if options.events is not None:
                limit_events.drain(options.events, options.events_lake, options.node)
            if drained.rows:
                log.debug("%d rows moved into the lake, up to record %d", drained.rows, drained.position)
        except (JournalBehindLake, ValueError) as error:
            log.critical("%s", error)
            return 2
        except CommitFailedError as error:
            log.warning("the lake was written by another process, trying again: %s", error)
        except (OSError, DeltaError) as error:
            log.error("the lake cannot be written, trying again: %s", error)
            if last_pass:
                return 1
        gc.collect()
        if last_pass:
            return 0
        if not _wait(stop, options.interval, options.parent):
            return 0


def _wait(stop: threading.Event, seconds: float, parent: int) -> bool:
    """Wait, or until told to stop; False when the parent has died, which leaves the rest to the next one."""
    left = seconds
    while left > 0 and not stop.wait(min(left, 1.0)):
        left -= 1.0
        if os.getppid() != parent:
            return False
    return True


@contextlib.contextmanager
def _only_one(journal: Path, stop: threading.Event, parent: int) -> Iterator[bool]:
    """Wait for the drain of this journal that may still run (of a gateway that was killed); then be the one.

    Gives False if told to stop first.
    """
    journal.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (journal / "drain.lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not _wait(stop, 1.0, parent) or stop.is_set():
                    yield False
                    return
            else:
                yield True
                return


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("waystation.ledger.drain", description="Move a journal into the lake.")
    parser.add_argument("--journal", type=Path, required=True, help="directory of the node's journal")
    parser.add_argument("--lake", required=True, help="folder or address of the `requests` table")
    parser.add_argument("--node", required=True, help="name of the node that keeps the journal")
    parser.add_argument("--events", type=Path, help="folder of the node's limit events")
    parser.add_argument("--events-lake", default="", help="folder or address of the `limit_events` table")
    parser.add_argument("--interval", type=float, default=30.0, help="seconds between passes")
    parser.add_argument("--once", action="store_true", help="make one pass and end")
    parser.add_argument(
        "--parent", type=int, default=os.getppid(), help="end when this process is no longer the parent"
    )
    parser.add_argument(
        "--log-json",
        action=argparse.BooleanOptionalAction,
        default=not sys.stderr.isatty(),
        help="log one JSON object a line; usual where standard error is no terminal",
    )
    parser.add_argument("--verbose", action="store_true", help="tell of each pass that moved something")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
