"""A disk that refuses writes or syncs: the relay goes on, nothing is lost that memory can hold."""

import errno
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ledger.records import START_US, attempt, begin, kept_ids, segments
from waystation.ledger import Journal, commit, journal
from waystation.ledger.frames import scan

Write = Callable[[int, bytes], int]


class FaultyDisk:
    """Stands in for `os.write`: each write is whole, a part, or refused, as the plan says; then all is well."""

    def __init__(self, real: Write, plan: Iterator[str], error: int) -> None:
        self._real, self._plan, self._error = real, plan, error

    def __call__(self, fd: int, data: bytes) -> int:
        step = next(self._plan, "whole")
        if step == "part":
            return self._real(fd, data[: len(data) // 2])
        if step == "refuse":
            raise OSError(self._error, os.strerror(self._error))
        return self._real(fd, data)


def _ids(count: int) -> list[str]:
    return [f"r{number:06d}.1" for number in range(count)]


@given(
    plan=st.lists(st.sampled_from(["whole", "part", "refuse"]), max_size=40),
    error=st.sampled_from([errno.ENOSPC, errno.EIO]),
    segment_bytes=st.sampled_from([1_200, 1 << 20]),
    at_once=st.integers(1, 6),
)
@settings(max_examples=30, deadline=None)
def test_whatever_the_disk_refuses_every_record_is_kept_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, plan: list[str], error: int, segment_bytes: int, at_once: int
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    kept = Journal(directory, "n", segment_bytes=segment_bytes)
    kept.open()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "_RETRY_S", 0.0)
        patch.setattr(os, "write", FaultyDisk(os.write, iter(plan), error))
        kept.begin(begin(500))
        for first in range(0, 20, at_once):
            kept.settle_all([attempt(number) for number in range(first, min(first + at_once, 20))])
            kept.tick(START_US + 60_000)
        for _ in range(60):
            kept.tick(START_US + 60_000)
    assert kept.healthy
    assert kept.waiting == 0
    kept.settle(attempt(500))
    kept.close()
    assert kept_ids(directory) == [*_ids(20), "r000500.1"]
    assert Journal(directory, "n").open() == [], "nothing is left in flight"


def test_a_full_disk_is_told_and_healed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Journal(tmp_path, "n")
    kept.open()
    kept.settle(attempt(0))
    monkeypatch.setattr(journal, "_RETRY_S", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", FaultyDisk(os.write, iter(["refuse"] * 100), errno.ENOSPC))
        kept.settle(attempt(1))
        kept.settle(attempt(2))
        kept.tick()
        assert (kept.healthy, kept.waiting) == (False, 2)
        assert kept.last_error is not None
        assert kept.last_error.startswith("No space left on device")
        assert str(tmp_path) in kept.last_error
    kept.tick()
    assert (kept.healthy, kept.lost) == (True, 0)
    kept.close()
    assert kept_ids(tmp_path) == _ids(3)


def test_memory_is_bounded_and_what_is_dropped_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Journal(tmp_path, "n", backlog_bytes=2_000)
    kept.open()
    monkeypatch.setattr(journal, "_RETRY_S", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", FaultyDisk(os.write, iter(["refuse"] * 1000), errno.ENOSPC))
        for number in range(50):
            kept.settle(attempt(number))
    held = kept.waiting
    assert 0 < held < 50
    assert kept.lost == 50 - held
    kept.tick()
    kept.close()
    assert kept_ids(tmp_path) == _ids(held)
    assert kept.settled == held


def test_a_failed_sync_moves_on_to_a_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Journal(tmp_path, "n", sync_ms=1)
    kept.open()

    def failing(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(commit, "force_to_disk", failing)
        kept.settle(attempt(0))
        _until(lambda: not kept.healthy)
    kept.tick()
    assert kept.last_error is not None
    assert kept.last_error.startswith("Input/output error")
    assert len(segments(tmp_path)) == 2
    kept.settle(attempt(1))
    _until(lambda: kept.healthy)
    for _ in range(5):
        kept.tick()
    assert len(segments(tmp_path)) == 2, "one failure, one new file"
    kept.close()
    assert kept_ids(tmp_path) == _ids(2)


def _until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_a_real_limit_of_the_system_stops_nobody(tmp_path: Path) -> None:
    """The kernel itself refuses (a file may not grow past 20 KB), in the middle of a record."""
    code = (
        "import sys; from pathlib import Path; from waystation.ledger import Journal, journal\n"
        "from tests.ledger.records import attempt\n"
        "journal._RETRY_S = 0.0\n"
        "kept = Journal(Path(sys.argv[1]), 'n'); kept.open()\n"
        "for number in range(200): kept.settle(attempt(number))\n"
        "kept.tick(); print(kept.settled, kept.lost, kept.healthy, bool(kept.last_error)); kept.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert done.stdout.split() == ["200", "0", "True", "True"]
    assert kept_ids(tmp_path) == _ids(200)
    assert all(path.stat().st_size <= 20_000 for path in segments(tmp_path))
    assert all(scan(p.read_bytes())[-1].end == p.stat().st_size for p in segments(tmp_path))


def test_what_is_written_at_the_end_follows_what_still_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With records still waiting at the close, nothing may be written past them: numbers leave no gap."""
    kept = Journal(tmp_path, "n")
    kept.open()
    monkeypatch.setattr(journal, "_RETRY_S", 0.0)
    with pytest.MonkeyPatch.context() as patch:
        # The row is refused, and refused again at the close; from then on the disk is well.
        patch.setattr(os, "write", FaultyDisk(os.write, iter(["refuse", "refuse"]), errno.ENOSPC))
        kept.settle(attempt(0))
        kept.begin(begin(500))
        kept.close()
    numbers = [frame.seq for path in segments(tmp_path) for frame in scan(path.read_bytes())]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
