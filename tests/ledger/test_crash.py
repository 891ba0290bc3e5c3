"""kill -9 at random moments, for real: what was acknowledged is there, and nothing is there twice."""

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.ledger.nursery import nursery
from tests.ledger.records import kept
from waystation.ledger import Journal
from waystation.model import Outcome

ROUNDS = 30


@pytest.mark.faults
@pytest.mark.parametrize("segment_bytes", [8_000, 16 << 20])
def test_kill_9_of_the_gateway_loses_nothing_and_doubles_nothing(tmp_path: Path, segment_bytes: int) -> None:
    choose = random.Random(segment_bytes)
    settled: list[str] = []
    traced: set[str] = set()
    with nursery() as victims:
        for number in range(1, ROUNDS + 1):
            # Some deaths come while the directory is still being opened and the last crash mended.
            said = victims.run_and_kill(
                choose.choice([0.0, 0.002, 0.01, 0.03]) * choose.random(),
                do="write",
                journal=str(tmp_path),
                round=number,
                segment_bytes=segment_bytes,
            )
            settled += [line.split()[1] for line in said if line.startswith("S ") and line.endswith(".1")]
            traced |= {line.split()[1] for line in said if line.startswith("B ") and line.endswith(".1")}
    journal = Journal(tmp_path, "n", segment_bytes=segment_bytes)
    journal.open()
    journal.close()
    rows = kept(tmp_path)
    counts = Counter(row.attempt_id for row in rows)
    assert settled, "the rounds did something"
    assert set(settled) <= set(counts), "acknowledged, and lost"
    assert traced <= set(counts), "known to be in flight, and forgotten"
    assert set(counts.values()) == {1}, "counted twice"
    killed = [row for row in rows if row.outcome is Outcome.KILLED]
    assert killed, "the crashes left attempts in flight"
