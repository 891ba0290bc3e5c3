"""What a start makes of what a crash left."""

import os
import shutil
from pathlib import Path

import msgspec
import pytest

from tests.ledger.records import START_US, attempt, begin, kept, kept_ids, segments
from waystation.ledger import Journal
from waystation.ledger.frames import BEGIN, encode_frame, scan
from waystation.ledger.recovery import survey
from waystation.model import Attempt, Begin, EndedBy, Operation, Outcome, UsageSource


def _crash(journal: Journal) -> None:
    """Leave the files as they are, as `kill -9` would, and give the lock back, as the system would."""
    assert journal._commit is not None
    journal._commit.stop()
    os.close(journal._commit.fd)
    journal._unlock()


def _crashed_with_two_in_flight(directory: Path, *, segment_bytes: int = 1 << 20) -> None:
    journal = Journal(directory, "n", segment_bytes=segment_bytes)
    journal.open()
    journal.begin(begin(1))
    journal.begin(begin(2))
    journal.begin(begin(3))
    journal.tick(START_US + 60_000)
    journal.settle(attempt(2))
    for number in range(10, 20):
        journal.settle(attempt(number))
    _crash(journal)


def _price(b: Begin) -> tuple[int | None, str]:
    return b.estimated_input * 3, "v9"


def test_what_was_in_flight_becomes_killed_rows(tmp_path: Path) -> None:
    _crashed_with_two_in_flight(tmp_path)
    journal = Journal(tmp_path, "n", price=_price)
    rows = journal.open()
    journal.close()
    assert [row.attempt_id for row in rows] == ["r000001.1", "r000003.1"]
    row = rows[0]
    assert (row.outcome, row.ended_by, row.usage_source) == (
        Outcome.KILLED,
        EndedBy.GATEWAY,
        UsageSource.ESTIMATED,
    )
    assert (row.input_tokens, row.output_tokens, row.cost_nano, row.price_version) == (777, 0, 2331, "v9")
    assert row.ended_us == attempt(10).ended_us, "the last sign of life that the journal has"
    assert row.principal_name == "maria@example.com"
    assert kept(tmp_path)[-2:] == rows


def test_without_a_price_the_cost_of_a_killed_attempt_is_unknown(tmp_path: Path) -> None:
    _crashed_with_two_in_flight(tmp_path)
    journal = Journal(tmp_path, "n")
    assert {row.cost_nano for row in journal.open()} == {None}
    journal.close()


def test_a_killed_count_of_tokens_cost_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n")
    journal.open()
    journal.begin(begin(1, operation=Operation.COUNT_TOKENS))
    journal.tick(START_US + 60_000)
    _crash(journal)
    (row,) = Journal(tmp_path, "n", price=_price).open()
    assert (row.cost_nano, row.input_tokens, row.usage_source) == (0, 0, UsageSource.ABSENT)


@pytest.mark.parametrize("segment_bytes", [1 << 20, 1_500])
def test_recovering_twice_counts_once(tmp_path: Path, segment_bytes: int) -> None:
    _crashed_with_two_in_flight(tmp_path, segment_bytes=segment_bytes)
    for expected in (2, 0, 0):
        journal = Journal(tmp_path, "n", segment_bytes=segment_bytes)
        assert len(journal.open()) == expected
        _crash(journal)
    ids = kept_ids(tmp_path)
    assert sorted(ids) == sorted({*ids})
    assert len(ids) == 13


@pytest.mark.parametrize("survivors", [0, 1, 2])
def test_a_recovery_that_is_killed_itself_is_finished_by_the_next(tmp_path: Path, survivors: int) -> None:
    before = tmp_path / "before"
    _crashed_with_two_in_flight(before)
    done = tmp_path / "done"
    shutil.copytree(before, done)
    journal = Journal(done, "n")
    journal.open()
    _crash(journal)
    newest = segments(done)[-1]
    frames = scan(newest.read_bytes())
    assert len(frames) == 3, "two killed rows, then the mark"
    # Killed after writing so many of its rows, and half of the next.
    ends = [0, *(frame.end for frame in frames)]
    (before / newest.name).write_bytes(newest.read_bytes()[: ends[survivors] + 25])
    journal = Journal(before, "n")
    assert len(journal.open()) == 2 - survivors
    journal.close()
    assert sorted(kept_ids(before)) == sorted(kept_ids(done))


def test_a_torn_tail_is_cut_at_every_byte_and_kept_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda fd: None)  # a thousand times; not what is tested here
    origin = tmp_path / "origin"
    journal = Journal(origin, "n")
    journal.open()
    for number in range(2):
        journal.settle(attempt(number, groups=(), tool_session="", upstream_request_id=""))
    journal.close()
    (segment,) = segments(origin)
    whole = segment.read_bytes()
    ends = [frame.end for frame in scan(whole)]
    work = tmp_path / "work"
    work.mkdir()
    for cut in range(len(whole)):
        torn = work / segment.name
        torn.write_bytes(whole[:cut])
        found = survey(work)
        good = max([end for end in ends if end <= cut], default=0)
        assert torn.read_bytes() == whole[:good]
        assert found.last_seq == sum(end <= cut for end in ends)
        assert b"".join(path.read_bytes() for path in found.cut) == whole[good:cut]
        for path in found.cut:
            path.unlink()


def test_writing_goes_on_behind_a_torn_tail(tmp_path: Path) -> None:
    journal = Journal(tmp_path, "n")
    journal.open()
    for number in range(3):
        journal.settle(attempt(number))
    _crash(journal)
    (segment,) = segments(tmp_path)
    with segment.open("r+b") as file:
        file.truncate(segment.stat().st_size - 7)
    journal = Journal(tmp_path, "n")
    assert journal.open() == []
    journal.settle(attempt(3))
    journal.close()
    assert kept_ids(tmp_path) == ["r000000.1", "r000001.1", "r000003.1"]
    assert len(journal.cut_tails) == 1


def test_only_as_much_is_read_back_as_can_matter(tmp_path: Path) -> None:
    _crashed_with_two_in_flight(tmp_path, segment_bytes=1_500)
    oldest = segments(tmp_path)[0]
    oldest.unlink()  # as after a drain: whatever was in flight has been carried on since
    journal = Journal(tmp_path, "n")
    assert [row.attempt_id for row in journal.open()] == ["r000001.1", "r000003.1"]
    journal.close()


def test_a_begin_record_of_a_newer_release_is_understood(tmp_path: Path) -> None:
    """Fields are only appended, so an older reader leaves out what it does not know."""
    journal = Journal(tmp_path, "n")
    journal.open()
    _crash(journal)
    (segment,) = segments(tmp_path)
    record = msgspec.msgpack.encode([*msgspec.structs.astuple(begin(5)), "a field of tomorrow"])
    with segment.open("ab") as file:
        file.write(encode_frame(2, BEGIN, record))
    rows: list[Attempt] = Journal(tmp_path, "n").open()
    assert [row.attempt_id for row in rows] == ["r000005.1"]
