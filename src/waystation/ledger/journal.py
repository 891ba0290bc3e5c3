"""The journal: what finished attempts are counted in before anybody is told that they finished."""

import asyncio
import contextlib
import errno
import fcntl
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from waystation.ledger.commit import GroupCommit, force_to_disk
from waystation.ledger.frames import BEGIN, CARRIED, SETTLE, encode_frame
from waystation.ledger.recovery import Price, killed_rows, survey
from waystation.ledger.segments import ensure_identity, segment_path, sync_directory
from waystation.model import Attempt, Begin

LONG_US = 50_000
"""An attempt in flight for longer than this leaves a begin record."""
TICK_S = 0.05
_BEGINS_PER_TICK = 256  # bounds a tick to about a millisecond when thousands of streams start at once
_RETRY_S = 0.25
_RECENT = 16_384  # remembered ids of settled attempts: twice this many at most


class JournalBusy(RuntimeError):
    """Another process writes to this journal."""


class Journal:
    """Append-only log of attempts; one writer process, and within it one thread (the event loop's).

    `settle` has handed its record to the operating system when it returns, so it survives `kill -9` of this
    process; a background thread puts it on the disk within `sync_ms`, so it survives a power loss from then
    on. A write that fails (disk full, I/O error) stops nobody: records wait in memory, up to
    `backlog_bytes`, until the disk takes them again; `healthy` is False meanwhile.
    """

    def __init__(
        self,
        directory: Path,
        node: str,
        *,
        segment_bytes: int = 16 << 20,
        sync_ms: float = 5,
        sync_bytes: int = 65_536,
        backlog_bytes: int = 64 << 20,
        price: Price | None = None,
    ) -> None:
        """`price` prices the attempts that a crash left behind; without it their cost is unknown."""
        self.directory = directory
        self.node = node
        self.last_error: str | None = None
        """The latest failure, in words; kept after it has healed."""
        self.settled = 0
        self.duplicates = 0
        """Second settlements of an attempt, which were ignored: each is a bug of the caller."""
        self.lost = 0
        """Records dropped because the disk took nothing and the backlog was full."""
        self.cut_tails: list[Path] = []
        """Where the unreadable ends of segments were put by `open`."""
        self._segment_bytes = segment_bytes
        self._sync_s = sync_ms / 1000
        self._sync_bytes = sync_bytes
        self._backlog_limit = backlog_bytes
        self._price = price
        self._encode = msgspec.msgpack.Encoder().encode
        self._young: dict[str, tuple[int, Callable[[], Begin]]] = {}  # begun, no begin record yet
        self._traced: dict[str, Begin] = {}  # begun, with a begin record in the active segment
        self._recent: set[str] = set()
        self._less_recent: set[str] = set()
        self._backlog: deque[bytes] = deque()
        self._backlog_size = 0
        self._retry_at = 0.0
        self._write_error: OSError | None = None
        self._sync_error: OSError | None = None  # the one that has been dealt with
        self._carry_due = False
        self._must_rotate = False
        self._seq = 0  # last number given
        self._written_seq = 0  # last number in the file
        self._size = 0
        self._limit = segment_bytes
        self._lock_fd = -1
        self._commit: GroupCommit | None = None
        self._timer: asyncio.TimerHandle | None = None

    # Life

    def open(self) -> list[Attempt]:
        """Take the directory, mend what the last process left, and be ready to write.

        Returns the attempts that were in flight when the last process died. Each is in the journal, once,
        even if this very start is killed and repeated.

        Raises:
            JournalBusy: another process has the journal open.
            ValueError: the directory belongs to another node.
            OSError: the directory cannot be read or written.
        """
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock()
        opened: list[int] = []
        try:
            ensure_identity(self.directory, self.node)
            found = survey(self.directory)
            self.cut_tails = found.cut
            self._seq = self._written_seq = found.last_seq
            rows = killed_rows(found.orphans, found.last_life_us, self._price)
            fd = self._create_segment()
            opened.append(fd)
            for frame in [*((SETTLE, self._encode(row)) for row in rows), (CARRIED, b"")]:
                self._seq += 1
                self._size += _write_whole(fd, encode_frame(self._seq, *frame))
                self._written_seq = self._seq
            force_to_disk(fd)
            sync_directory(self.directory)
        except BaseException:
            for fd in opened:
                os.close(fd)
            self._unlock()
            raise
        self._commit = GroupCommit(
            self.directory,
            fd,
            wait_s=self._sync_s,
            batch_bytes=self._sync_bytes,
            position=lambda: self._written_seq,
        )
        self._commit.start()
        return rows

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Call `tick` from this loop every 50 ms until the journal is closed."""

        def beat() -> None:
            self.tick()
            self._timer = loop.call_later(TICK_S, beat)

        self._timer = loop.call_later(TICK_S, beat)

    def close(self) -> None:
        """Write and sync everything, and give the directory back. What is still open will count as killed."""
        if self._commit is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._retry_backlog()
        self._trace(list(self._young))
        self._commit.stop()
        os.close(self._commit.fd)
        self._commit = None
        self._unlock()

    # The hot path

    def begin(self, b: Begin) -> None:
        """Note that an attempt is in flight. Costs a dictionary entry, unless it stays for long."""
        self._young[b.attempt_id] = (b.started_us, lambda: b)

    def begin_later(self, attempt_id: str, started_us: int, record: Callable[[], Begin]) -> None:
        """The same, for a record that is only made if it is needed: few attempts last long enough."""
        self._young[attempt_id] = (started_us, record)

    def settle(self, a: Attempt) -> None:
        """Count an attempt, once: a second settlement of the same attempt is ignored. Never raises OSError."""
        self.settle_all((a,))

    def settle_all(self, attempts: Sequence[Attempt]) -> None:
        """The same for several at once, with one write for all of them."""
        rows = [self._row(a) for a in attempts if self._is_new(a.attempt_id)]
        if not rows:
            return
        kept = self._append(SETTLE, rows)
        self.settled += kept
        self.lost += len(rows) - kept
        if self._size >= self._limit:
            self._rotate()

    def _row(self, a: Attempt) -> bytes:
        try:
            return self._encode(a)
        except OverflowError:
            return self._encode(bounded(a))

    def _is_new(self, attempt_id: str) -> bool:
        if attempt_id in self._recent or attempt_id in self._less_recent:
            self.duplicates += 1
            return False
        self._recent.add(attempt_id)
        if len(self._recent) >= _RECENT:
            self._recent, self._less_recent = set(), self._recent
        if self._young.pop(attempt_id, None) is None:
            self._traced.pop(attempt_id, None)
        return True

    # Now and then

    def tick(self, now_us: int | None = None) -> None:
        """Leave begin records for long attempts, and mend what failed. Call it every 50 ms or so."""
        if self._backlog and time.monotonic() >= self._retry_at:
            self._retry_backlog()
        if self._commit is not None and not self._backlog:
            self._leave_unsynced_file(self._commit.error)
        if self._carry_due and not self._backlog:
            self._carry()
        if self._young and not self._backlog:
            now = time.time_ns() // 1000 if now_us is None else now_us
            due: list[str] = []
            for attempt_id, (started_us, _) in self._young.items():
                # A clock set back makes ages negative; then write rather than wait for it to catch up.
                if 0 <= now - started_us < LONG_US or len(due) == _BEGINS_PER_TICK:
                    break
                due.append(attempt_id)
            self._trace(due)

    # What others may know

    @property
    def healthy(self) -> bool:
        """Every record is where it was promised to be: in the file at once, on the disk soon after."""
        return (
            self._commit is not None
            and self._commit.error is None
            and self._write_error is None
            and not self._backlog
        )

    @property
    def open_attempts(self) -> int:
        return len(self._young) + len(self._traced)

    @property
    def waiting(self) -> int:
        """Records that wait in memory for a disk that refuses them."""
        return len(self._backlog)

    @property
    def last_seq(self) -> int:
        return self._seq

    @property
    def durable_seq(self) -> int:
        """Records up to this one are on the disk."""
        return self._commit.durable_seq if self._commit else 0

    # Writing

    def _append(self, kind: int, payloads: Sequence[bytes]) -> int:
        """Write frames, in one write, or queue them behind others that could not be written.

        Returns how many were kept: all, or the first ones if the queue is full.
        """
        if self._commit is None:
            raise RuntimeError("the journal is not open")
        if self._backlog and time.monotonic() >= self._retry_at:
            self._retry_backlog()
        frames = [encode_frame(seq, kind, payload) for seq, payload in enumerate(payloads, self._seq + 1)]
        if not self._backlog and self._write(b"".join(frames)):
            self._seq += len(frames)
            self._written_seq = self._seq
            return len(frames)
        for kept, frame in enumerate(frames):
            if self._backlog and self._backlog_size + len(frame) > self._backlog_limit:
                return kept
            self._backlog.append(frame)
            self._backlog_size += len(frame)
            self._seq += 1
        return len(frames)

    def _write(self, frame: bytes) -> bool:
        commit = self._commit
        assert commit is not None
        try:
            count = os.write(commit.fd, frame)
            if count != len(frame):
                count += self._write_rest(commit.fd, frame[count:])
        except OSError as error:
            self._write_error = error
            self._note(error)
            self._retry_at = time.monotonic() + _RETRY_S
            return False
        self._size += count
        commit.wrote(count)
        return True

    def _write_rest(self, fd: int, rest: bytes) -> int:
        """Complete a frame of which only a part was taken, or take that part back and say why."""
        try:
            return _write_whole(fd, rest)
        except OSError:
            try:
                os.ftruncate(fd, self._size)
            except OSError:
                self._must_rotate = True  # nothing may follow the torn frame in this file
            raise

    def _retry_backlog(self) -> None:
        # Another file may help against anything but a lack of space.
        stuck = self._write_error is not None and self._write_error.errno not in (errno.ENOSPC, errno.EDQUOT)
        if (stuck or self._must_rotate) and not self._rotate() and self._must_rotate:
            self._retry_at = time.monotonic() + _RETRY_S
            return
        while self._backlog:
            frame = self._backlog[0]
            if not self._write(frame):
                return
            self._backlog.popleft()
            self._backlog_size -= len(frame)
            self._written_seq += 1
        self._write_error = None

    def _trace(self, attempt_ids: list[str]) -> None:
        """Leave begin records, all in one write: each write may have to wait for a disk that is busy."""
        begins = [self._young[attempt_id][1]() for attempt_id in attempt_ids]
        kept = self._append(BEGIN, [self._encode(begin) for begin in begins]) if begins else 0
        for attempt_id, begin in zip(attempt_ids[:kept], begins, strict=False):
            self._traced[attempt_id] = begin
            del self._young[attempt_id]

    # Segments

    def _leave_unsynced_file(self, error: OSError | None) -> None:
        """After a failed sync the kernel may have dropped the pages: trust a new file, not this one."""
        if error is not None and error is not self._sync_error:
            self._note(error)
            self._rotate()
        self._sync_error = error

    def _create_segment(self) -> int:
        path = segment_path(self.directory, self._written_seq + 1)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _rotate(self) -> bool:
        """Go on in a new file; on failure stay in this one. An empty one is new enough."""
        commit = self._commit
        assert commit is not None
        if self._size == 0 and not self._must_rotate:
            return False
        try:
            fd = self._create_segment()
        except OSError as error:
            self._note(error)
            self._limit = self._size + self._segment_bytes
            return False
        commit.seal(fd)
        self._size, self._limit, self._must_rotate = 0, self._segment_bytes, False
        self._carry()
        return True

    def _carry(self) -> None:
        """Repeat the begin records of what is in flight, so that older segments may go."""
        self._carry_due = True
        for begin in self._traced.values():
            if self._backlog or not self._append(BEGIN, [self._encode(begin)]):
                return
        if self._backlog:
            return
        self._append(CARRIED, [b""])
        self._carry_due = bool(self._backlog)
        self._limit = max(self._segment_bytes, 2 * self._size)

    def _note(self, error: OSError) -> None:
        self.last_error = f"{error.strerror or error} ({self.directory})"

    # The lock

    def _lock(self) -> None:
        fd = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(fd, 32, 0).decode("ascii", "replace").strip()
            os.close(fd)
            raise JournalBusy(
                f"another gateway (process {holder or 'unknown'}) writes to {self.directory}; "
                "stop it, or give this one another --data directory or node name"
            ) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        self._lock_fd = fd

    def _unlock(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._lock_fd)
        self._lock_fd = -1


def bounded(a: Attempt) -> Attempt:
    """The attempt with every figure cut to what 64 bits hold: a provider may state anything."""
    most = (1 << 63) - 1
    fields = msgspec.structs.asdict(a)
    return msgspec.structs.replace(
        a, **{name: min(value, most) for name, value in fields.items() if isinstance(value, int)}
    )


def _write_whole(fd: int, frame: bytes) -> int:
    count = os.write(fd, frame)
    if count != len(frame):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return count
