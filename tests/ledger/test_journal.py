"""The journal while nothing breaks: counted once, in order, cheaply."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.ledger.records import START_US, attempt, begin, kept, kept_ids, segments
from waystation.ledger import Journal, JournalBusy, commit
from waystation.ledger.frames import BEGIN, scan
from waystation.ledger.segments import Identity, read_identity
from waystation.model import Attempt

_text = st.text(max_size=20)
_count = st.integers(min_value=0, max_value=2**63 - 1)
_attempts = st.lists(
    st.builds(
        attempt,
        st.integers(min_value=0, max_value=999),
        principal_name=_text,
        groups=st.lists(_text, max_size=3).map(tuple),
        requested_model=_text,
        input_tokens=_count,
        output_tokens=_count,
        cost_nano=st.none() | st.integers(min_value=-(2**63), max_value=2**63 - 1),
        ttft_us=st.none() | _count,
        usage_mismatch=st.booleans(),
    ),
    unique_by=lambda row: row.attempt_id,
    max_size=20,
)


@given(rows=_attempts)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_was_settled_is_read_back_whole_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Attempt]
) -> None:
    directory = tmp_path_factory.mktemp("journal")
    journal = Journal(directory, "n")
    journal.open()
    for row in rows:
        journal.settle(row)
    assert kept(directory) == rows, "before anything was closed or synced"
    journal.close()
    assert kept(directory) == rows


def test_a_second_settlement_is_ignored_and_counted(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n")
    journal.open()
    journal.begin(begin(1))
    journal.settle(attempt(1))
    journal.settle(attempt(1, cost_nano=999))
    journal.settle(attempt(2))
    journal.close()
    assert kept(tmp_path) == [attempt(1), attempt(2)]
    assert (journal.settled, journal.duplicates) == (2, 1)


def _begins(directory: Path) -> list[bytes]:
    return [
        bytes(frame.payload)
        for path in segments(directory)
        for frame in scan(path.read_bytes())
        if frame.kind == BEGIN
    ]


def test_short_attempts_leave_no_begin_record_and_long_ones_leave_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n")
    journal.open()
    journal.begin(begin(1))
    journal.begin(begin(2, started_us=START_US + 40_000))
    journal.tick(START_US + 49_000)
    assert _begins(tmp_path) == []
    journal.settle(attempt(1))
    journal.begin(begin(3, started_us=START_US + 60_000))
    journal.tick(START_US + 95_000)
    assert [b"r000002.1" in record for record in _begins(tmp_path)] == [True]
    journal.tick(START_US + 99_000)
    assert len(_begins(tmp_path)) == 1, "one is enough"
    assert journal.open_attempts == 2
    journal.settle(attempt(2))
    journal.settle(attempt(3))
    assert journal.open_attempts == 0
    journal.close()
    assert kept_ids(tmp_path) == ["r000001.1", "r000002.1", "r000003.1"]


def test_a_clock_set_back_does_not_hold_begin_records_back(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n")
    journal.open()
    journal.begin(begin(1))
    journal.tick(START_US - 3_600_000_000)
    assert len(_begins(tmp_path)) == 1
    journal.close()


async def test_attached_to_a_loop_it_looks_after_itself(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n")
    journal.open()
    journal.attach(asyncio.get_running_loop())
    journal.begin(begin(1, started_us=time.time_ns() // 1000))
    for _ in range(500):
        if _begins(tmp_path):
            break
        await asyncio.sleep(0.01)
    assert len(_begins(tmp_path)) == 1
    journal.settle(attempt(1))
    journal.close()


def test_segments_follow_each_other_and_repeat_what_is_in_flight(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n", segment_bytes=2_000)
    journal.open()
    journal.begin(begin(0))
    journal.tick(START_US + 60_000)
    for number in range(1, 30):
        journal.settle(attempt(number))
    files = segments(tmp_path)
    assert len(files) > 3
    for path in files:
        frames = scan(path.read_bytes())
        assert frames[0].seq == int(path.name.split(".")[0])
        assert any(frame.kind == BEGIN and b"r000000.1" in bytes(frame.payload) for frame in frames)
    journal.settle(attempt(0))
    journal.close()
    assert kept_ids(tmp_path) == [f"r{number:06d}.1" for number in [*range(1, 30), 0]]


def test_writes_reach_the_disk_within_the_group_commit(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n")
    journal.open()
    for number in range(200):
        journal.settle(attempt(number))
    until = time.monotonic() + 5
    while journal.durable_seq < journal.last_seq and time.monotonic() < until:
        time.sleep(0.001)
    assert journal.durable_seq == journal.last_seq
    assert journal.healthy
    journal.close()


def test_many_bytes_are_synced_before_the_timer(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n", sync_ms=60_000, sync_bytes=10_000)
    journal.open()
    journal.settle(attempt(0))
    for number in range(1, 100):
        journal.settle(attempt(number))
    until = time.monotonic() + 5
    while journal.durable_seq < 20 and time.monotonic() < until:
        time.sleep(0.001)
    assert journal.durable_seq >= 20
    journal.close()


def test_a_full_segment_is_synced_after_its_last_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, "n", segment_bytes=2_000, sync_ms=60_000)
    journal.open()
    synced: dict[int, int] = {}

    def noting(fd: int) -> None:
        found = os.fstat(fd)
        synced[found.st_ino] = found.st_size

    monkeypatch.setattr(commit, "force_to_disk", noting)
    for number in range(30):
        journal.settle(attempt(number))
    journal.close()
    assert synced == {path.stat().st_ino: path.stat().st_size for path in segments(tmp_path)}


def test_absurd_figures_of_a_provider_do_not_stop_the_journal(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n")
    journal.open()
    journal.settle(attempt(1, output_tokens=10**30))
    journal.settle(attempt(2))
    journal.close()
    assert [row.output_tokens for row in kept(tmp_path)] == [2**63 - 1, 500]


def test_a_second_process_is_refused_with_a_sentence(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from waystation.ledger import Journal\n"
        "Journal(Path(sys.argv[1]), 'n').open(); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(JournalBusy, match=rf"another gateway \(process {other.pid}\) writes to"):
            Journal(tmp_path, "n").open()
        other.kill()
        other.wait()
    journal = Journal(tmp_path, "n")
    journal.open()
    journal.close()


def test_a_directory_belongs_to_one_node_and_can_be_taken_again(tmp_path: Path) -> None:
    first = Journal(tmp_path, "a")
    first.open()
    first.close()
    identity = read_identity(tmp_path)
    with pytest.raises(ValueError, match="is the journal of node 'a', not of 'b'"):
        Journal(tmp_path, "b").open()
    again = Journal(tmp_path, "a")
    again.open()
    again.close()
    assert isinstance(identity, Identity)
    assert read_identity(tmp_path) == identity


def test_numbers_go_on_where_they_ended(tmp_path: Path) -> None:
    for number in range(4):
        journal = Journal(tmp_path, "n")
        journal.open()
        journal.settle(attempt(number))
        journal.close()
    assert kept_ids(tmp_path) == [f"r{number:06d}.1" for number in range(4)]


def test_settling_on_a_closed_journal_is_a_plain_error(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="not open"):
        Journal(tmp_path, "n").settle(attempt(1))


def test_several_rows_at_once_are_kept_in_order_and_once_each(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n")
    journal.open()
    journal.settle(attempt(1))
    journal.settle_all([attempt(2), attempt(1), attempt(3, output_tokens=10**30), attempt(4)])
    journal.settle_all([attempt(5)])
    journal.settle_all([])
    assert (journal.settled, journal.duplicates) == (5, 1)
    journal.close()
    assert [row.attempt_id for row in kept(tmp_path)] == [attempt(n).attempt_id for n in range(1, 6)]
