"""A process to be killed: forks, on command, a child that does one thing until `kill -9` comes.

    {"do": "write" | "drain", ...} on standard input  →  the child's pid, then the child's own lines

Forking spares each round the seconds that imports take. The parent itself opens nothing.
"""

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

from tests.ledger.records import attempt, begin
from waystation.ledger import Journal


def say(line: str) -> None:
    os.write(1, line.encode() + b"\n")


def write(order: dict[str, Any]) -> None:
    """Begin and settle attempts for ever; say which are settled (`S`), and which a begin record names (`B`)."""
    choose = random.Random(order["round"])
    journal = Journal(Path(order["journal"]), "n", segment_bytes=order["segment_bytes"])
    for row in journal.open():
        say(f"S {row.attempt_id}")
    number = order["round"] * 100_000
    in_flight: list[int] = []
    while True:
        number += 1
        journal.begin(begin(number, started_us=time.time_ns() // 1000 - choose.choice([0, 60_000])))
        if choose.random() < 0.1:
            in_flight.append(number)
        else:
            journal.settle(attempt(number))
            say(f"S r{number:06d}.1")
        if choose.random() < 0.1:
            before = set(journal._traced)
            journal.tick()
            for attempt_id in set(journal._traced) - before:
                say(f"B {attempt_id}")
        if len(in_flight) > 5:
            done = in_flight.pop(choose.randrange(len(in_flight)))
            journal.settle(attempt(done))
            say(f"S r{done:06d}.1")


def drain(order: dict[str, Any]) -> None:
    """Move the journal into the lake, again and again."""
    from waystation.ledger.drain import LakeWriter

    writer = LakeWriter(Path(order["journal"]), order["lake"], "n")
    while True:
        writer.drain()


def main() -> None:
    if "drain" in sys.argv:
        import waystation.ledger.drain  # noqa: F401 - before the forks
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            {"write": write, "drain": drain}[order["do"]](order)
            os._exit(0)
        say(f"PID {child}")
        _, status = os.waitpid(child, 0)
        say(f"END {-status if os.WIFSIGNALED(status) else os.waitstatus_to_exitcode(status)}")


if __name__ == "__main__":
    main()
