"""Journal to lake: once, whatever is killed when; and seen as one meanwhile."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError

from tests.ledger.nursery import nursery
from tests.ledger.records import START_US, attempt, begin, segments
from waystation.ledger import Journal, drain, durable, lake, queries, tail
from waystation.ledger.delta import open_table
from waystation.ledger.drain import JournalBehindLake, LakeWriter
from waystation.ledger.queries import open_usage
from waystation.ledger.segments import read_identity, segment_path
from waystation.ledger.tail import Tail


class Ledger:
    """A journal with small segments and its lake, in one folder."""

    def __init__(self, folder: Path, *, segment_bytes: int = 2_000) -> None:
        self.journal_dir = folder / "journal" / "n"
        self.lake_dir = folder / "lake" / "requests"
        self.journal = Journal(self.journal_dir, "n", segment_bytes=segment_bytes)
        self.journal.open()
        self._next = 0

    def settle(self, count: int) -> None:
        for _ in range(count):
            self.journal.settle(attempt(self._next))
            self._next += 1

    def writer(self) -> LakeWriter:
        return LakeWriter(self.journal_dir, str(self.lake_dir), "n")

    def in_lake(self) -> list[str]:
        if not DeltaTable.is_deltatable(str(self.lake_dir)):
            return []
        return sorted(
            DeltaTable(self.lake_dir).to_pyarrow_table(columns=["attempt_id"])["attempt_id"].to_pylist()
        )

    def seen(self) -> list[str]:
        with open_usage([self.journal_dir], self.lake_dir) as view:
            assert not view.missing
            return sorted(row[0] for row in view.connection.sql("SELECT attempt_id FROM requests").fetchall())

    @property
    def all_ids(self) -> list[str]:
        return [f"r{number:06d}.1" for number in range(self._next)]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def test_rows_move_once_and_segments_go(ledger: Ledger) -> None:
    writer = ledger.writer()
    ledger.settle(50)
    assert writer.drain().rows == 50
    assert len(segments(ledger.journal_dir)) == 1
    assert writer.drain().rows == 0
    ledger.settle(3)
    assert writer.drain().rows == 3
    assert ledger.writer().drain().rows == 0, "a new writer asks the lake how far it is"
    assert ledger.in_lake() == ledger.all_ids
    ledger.journal.close()


def test_the_table_is_partitioned_by_day_and_read_by_everybody(ledger: Ledger) -> None:
    ledger.settle(5)
    ledger.journal.settle(attempt(900, started_us=START_US - 86_400_000_000))
    ledger.writer().drain()
    table = DeltaTable(ledger.lake_dir)
    assert sorted(partition["date"] for partition in table.partitions()) == ["2026-11-23", "2026-11-24"]
    assert table.metadata().partition_columns == ["date"]
    assert (table.protocol().min_reader_version, table.protocol().min_writer_version) == (1, 2)
    ledger.journal.close()


def test_usage_is_lake_and_journal_at_every_moment(ledger: Ledger) -> None:
    writer = ledger.writer()
    for step in range(4):
        ledger.settle(7)
        assert ledger.seen() == ledger.all_ids
        if step % 2:
            writer.drain()
            assert ledger.seen() == ledger.all_ids
    ledger.journal.close()


def test_a_reader_beside_a_busy_drain_misses_and_doubles_nothing(ledger: Ledger) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def draining() -> None:
        writer = ledger.writer()
        while not stop.is_set():
            try:
                writer.drain()
            except BaseException as error:  # shown by the test's own thread
                failures.append(error)
                return

    thread = threading.Thread(target=draining)
    thread.start()
    try:
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            ledger.settle(random.Random(len(ledger.all_ids)).randrange(12))
            assert ledger.seen() == ledger.all_ids
    finally:
        stop.set()
        thread.join()
    assert not failures
    ledger.journal.close()


def test_a_prune_between_the_two_reads_is_noticed(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.settle(20)
    ledger.writer().drain()
    ledger.settle(20)
    real = open_table
    raced: list[bool] = []

    def open_then_drain(uri: str) -> DeltaTable | None:
        table = real(uri)
        if not raced:  # the snapshot is taken; now everything moves and the segments go
            raced.append(True)
            ledger.writer().drain()
        return table

    monkeypatch.setattr(queries, "open_table", open_then_drain)
    assert ledger.seen() == ledger.all_ids
    ledger.journal.close()


def test_segments_stay_while_they_alone_know_of_an_attempt_in_flight(ledger: Ledger) -> None:
    ledger.journal.begin(begin(800))
    ledger.journal.tick(START_US + 60_000)
    ledger.settle(60)
    writer = ledger.writer()
    writer.drain()
    ledger.settle(60)
    writer.drain()
    assert ledger.journal._commit is not None
    ledger.journal._commit.stop()  # dies without closing
    ledger.journal._unlock()
    again = Journal(ledger.journal_dir, "n")
    assert [row.attempt_id for row in again.open()] == ["r000800.1"]
    again.close()


def test_a_segment_that_does_not_repeat_them_keeps_the_ones_before(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the process dies, or the disk fills, between a new segment and what is carried into it."""
    ledger.journal.begin(begin(800))
    ledger.journal.tick(START_US + 60_000)
    monkeypatch.setattr(Journal, "_carry", lambda _: None)
    ledger.settle(60)
    assert len(segments(ledger.journal_dir)) > 2
    ledger.writer().drain()
    assert ledger.journal._commit is not None
    ledger.journal._commit.stop()
    ledger.journal._unlock()
    again = Journal(ledger.journal_dir, "n")
    assert [row.attempt_id for row in again.open()] == ["r000800.1"]
    again.close()


def test_what_was_pruned_is_missed_even_where_nothing_follows_yet(tmp_path: Path) -> None:
    segment_path(tmp_path, 41).touch()
    batch = Tail(tmp_path, 30, sync=False).read()
    assert (batch.gaps, batch.last_seq) == ([(31, 40)], 40)


def _die(*_: object, **__: object) -> None:
    raise SystemExit("killed here")


def _after(real: Callable[..., object]) -> Callable[..., object]:
    def call(*arguments: object, **options: object) -> object:
        real(*arguments, **options)
        raise SystemExit("killed here")

    return call


@pytest.mark.parametrize(
    ("module", "name", "before"),
    [
        (drain, "to_table", True),
        (lake, "write_deltalake", True),
        (lake, "write_deltalake", False),
        (lake, "sync_commits", True),
        (drain, "prune", True),
        (drain, "prune", False),
        (lake, "sync_checkpoint", True),
    ],
)
def test_death_between_any_two_steps_is_harmless(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, module: object, name: str, before: bool
) -> None:
    monkeypatch.setattr(lake, "COMPACT_FROM", 1)
    ledger.settle(20)
    ledger.writer().drain()
    ledger.settle(30)
    with monkeypatch.context() as patch:
        patch.setattr(module, name, _die if before else _after(getattr(module, name)))
        with pytest.raises(SystemExit):
            ledger.writer().drain()
    assert ledger.seen() == ledger.all_ids, "after the death"
    ledger.settle(5)
    ledger.writer().drain()
    assert ledger.in_lake() == ledger.all_ids, "after the next one's work"
    assert ledger.seen() == ledger.all_ids
    ledger.journal.close()


@pytest.mark.faults
def test_kill_9_of_the_drain_at_random_moments(ledger: Ledger) -> None:
    choose = random.Random(9)
    ledger.settle(1)
    ledger.writer().drain()
    rounds, version, patience = 0, 1, 0.05
    with nursery("drain") as victims:
        while rounds < 20 or (version < 6 and rounds < 100):
            rounds += 1
            before, version = version, DeltaTable(ledger.lake_dir).version()
            patience = 0.05 if version > before else patience * 1.3  # a slow machine gets its commits, too
            ledger.settle(choose.randrange(40))
            victims.run_and_kill(
                choose.random() * patience,
                do="drain",
                round=rounds,
                journal=str(ledger.journal_dir),
                lake=str(ledger.lake_dir),
            )
            if rounds % 4 == 0:
                assert ledger.seen() == ledger.all_ids
    assert version >= 6, "some rounds lived long enough"
    ledger.writer().drain()
    assert ledger.in_lake() == ledger.all_ids
    ledger.journal.close()


def test_two_drains_of_one_journal_do_not_double(ledger: Ledger) -> None:
    """The lock keeps them apart; should it not (a network file system), the table itself does."""
    ledger.settle(10)
    ledger.writer().drain()
    first, second = ledger.writer(), ledger.writer()
    first.drain()
    second.drain()
    ledger.settle(10)
    first.drain()
    with pytest.raises(CommitFailedError):
        second.drain()
    assert second.drain().rows == 0
    assert ledger.in_lake() == ledger.all_ids
    ledger.journal.close()


def test_a_journal_that_is_older_than_the_lake_is_not_drained(ledger: Ledger) -> None:
    ledger.settle(3)
    identity = read_identity(ledger.journal_dir)
    assert identity is not None
    ledger.writer().drain()
    write_deltalake(
        ledger.lake_dir,
        DeltaTable(ledger.lake_dir).to_pyarrow_table().slice(0, 0),
        mode="append",
        commit_properties=CommitProperties(app_transactions=[Transaction(identity.app_id, 1_000)]),
    )
    with pytest.raises(JournalBehindLake, match="restored from an old copy"):
        ledger.writer().drain()
    ledger.journal.close()


def test_a_new_journal_of_the_same_node_starts_its_numbers_over(ledger: Ledger, tmp_path: Path) -> None:
    ledger.settle(10)
    ledger.writer().drain()
    ledger.journal.close()
    ledger.journal_dir.rename(tmp_path / "gone")
    fresh = Journal(ledger.journal_dir, "n")
    fresh.open()
    fresh.settle(attempt(700))
    assert ledger.writer().drain().rows == 1
    assert ledger.in_lake() == [*ledger.all_ids, "r000700.1"]
    fresh.close()


def test_an_older_table_takes_new_columns_and_keeps_its_rows(ledger: Ledger) -> None:
    ledger.settle(2)
    ledger.writer().drain()
    table = DeltaTable(ledger.lake_dir)
    old = table.to_pyarrow_table().drop_columns(["plan_version", "decision"])
    write_deltalake(ledger.lake_dir, old, mode="overwrite", schema_mode="overwrite", partition_by=["date"])
    with open_usage([ledger.journal_dir], ledger.lake_dir) as view:
        assert view.connection.sql("SELECT plan_version FROM requests").fetchall() == [(None,), (None,)]
    ledger.settle(1)
    assert ledger.seen() == ledger.all_ids
    ledger.writer().drain()
    rows = DeltaTable(ledger.lake_dir).to_pyarrow_table(columns=["attempt_id", "plan_version"]).to_pylist()
    assert {row["attempt_id"]: row["plan_version"] for row in rows} == {
        "r000000.1": None,
        "r000001.1": None,
        "r000002.1": 3,
    }
    ledger.journal.close()


def test_small_files_are_compacted_and_the_log_is_checkpointed(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake, "COMPACT_FROM", 4)
    writer = ledger.writer()
    for _ in range(8):
        ledger.settle(2)
        writer.drain()
    assert len(DeltaTable(ledger.lake_dir).file_uris()) <= 5
    assert (ledger.lake_dir / "_delta_log" / "_last_checkpoint").exists()
    ledger.settle(1)
    ledger.writer().drain()
    assert ledger.in_lake() == ledger.all_ids
    ledger.journal.close()


@pytest.mark.parametrize("torn", ["log", "rows", "checkpoint"])
def test_a_lake_that_a_power_loss_tore_is_mended_from_the_journal(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, torn: str
) -> None:
    ledger.settle(10)
    ledger.writer().drain()
    if torn == "checkpoint":
        DeltaTable(ledger.lake_dir).create_checkpoint()
        (file,) = (ledger.lake_dir / "_delta_log").glob("*.checkpoint.parquet")
    else:
        ledger.settle(10)
        with monkeypatch.context() as patch:  # the machine dies before anything of the last commit is synced
            patch.setattr(lake, "sync_commits", _die)
            with pytest.raises(SystemExit):
                ledger.writer().drain()
        file = durable.commit_path(ledger.lake_dir, 2)
        if torn == "rows":
            (added,) = durable._added(file)
            file = ledger.lake_dir / added.path
    file.write_bytes(file.read_bytes()[:40])
    ledger.writer().drain()
    assert ledger.in_lake() == ledger.all_ids
    assert len(list((ledger.lake_dir / "_delta_log").glob("*.torn"))) == 1
    ledger.journal.close()


def test_damage_in_a_sealed_segment_is_told_and_kept(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.settle(30)
    damaged = segments(ledger.journal_dir)[1]
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    with open_usage([ledger.journal_dir], ledger.lake_dir) as view:
        (runs,) = view.missing.values()
    lost = sum(last - first + 1 for first, last in runs)
    assert 0 < lost < 10
    assert ledger.writer().drain().rows >= 30 - lost
    assert f"{damaged.name}.damaged" in caplog.text
    assert damaged.with_name(damaged.name + ".damaged").exists()
    assert ledger.seen() == ledger.in_lake()
    ledger.journal.close()


def test_what_the_drain_copies_is_on_the_disk_first(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []

    def noting(fd: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))

    monkeypatch.setattr(tail, "force_to_disk", noting)
    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    ledger.settle(20)
    Tail(ledger.journal_dir, 0, sync=True).read()
    assert synced == [str(path) for path in segments(ledger.journal_dir)]
    ledger.journal.close()


def _command(ledger: Ledger, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "waystation.ledger.drain"),
        *("--journal", str(ledger.journal_dir), "--lake", str(ledger.lake_dir), "--node", "n", *more),
    ]


def test_the_process_moves_what_is_left_when_it_is_told_to_stop(ledger: Ledger) -> None:
    command = _command(ledger, "--interval", "60", "--verbose")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        ledger.settle(5)
        assert child.stderr is not None
        _wait_for(lambda: bool(ledger.in_lake()))
        child.send_signal(signal.SIGINT)  # Ctrl-C in the gateway's terminal is the gateway's to answer
        ledger.settle(5)
        child.terminate()
        assert child.wait(20) == 0
        lines = [json.loads(line) for line in child.stderr.read().splitlines()]
    assert {"time", "level", "logger", "message"} == set(lines[-1])
    assert "rows moved into the lake" in lines[-1]["message"]
    assert ledger.in_lake() == ledger.all_ids
    ledger.journal.close()


def test_the_process_ends_when_its_parent_dies(ledger: Ledger) -> None:
    """A parent that is killed takes nothing with it, so the child has to look."""
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen({_command(ledger, '--interval', '0.2')!r})\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        ledger.settle(1)
        _wait_for(lambda: bool(ledger.in_lake()))
        parent.kill()
        parent.wait()
    _wait_for(lambda: not _alive(child))
    ledger.journal.close()


def test_the_process_refuses_a_journal_of_another_node(ledger: Ledger) -> None:
    command = _command(ledger, "--once", "--node", "other")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "is the journal of node 'n', not of 'other'" in done.stderr
    ledger.journal.close()


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_ids_are_unique_in_every_view(ledger: Ledger) -> None:
    ledger.settle(40)
    ledger.writer().drain()
    ledger.settle(5)
    with open_usage([ledger.journal_dir], ledger.lake_dir) as view:
        numbers = view.connection.sql("SELECT node, seq FROM requests").fetchall()
    assert max(Counter(numbers).values()) == 1
    ledger.journal.close()


@pytest.mark.parametrize("limit", [1, 500, 700, 5_000])
def test_batches_of_any_size_add_up(ledger: Ledger, limit: int) -> None:
    ledger.settle(40)
    tail, seqs, batches = Tail(ledger.journal_dir, 0, sync=False), [], 0
    more = True
    while more:
        batch = tail.read(limit)
        assert not batch.gaps
        seqs += batch.seqs
        batches += 1
        more = batch.more
    assert len(seqs) == len(set(seqs)) == 40
    assert batches > 1
    ledger.journal.close()
