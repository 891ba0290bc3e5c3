"""kill -9 under load: what a tool has seen finished is in the ledger once, what was in flight at most once."""

import asyncio
import contextlib
import json
import os
import random
import signal
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.faults.traffic import WIRES, Call, Seen, make
from tests.gateway import RunningGateway, running_gateway
from tests.stage import NO_PAUSES, Row, Stage, eventually, free_port, lake_rows, ledger_rows, sign_in
from waystation.policy import default_policy
from waystation.rehearsal import rehearsal_thread

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]
_ROUNDS = 8
_TOOLS = 16
"""How many tools ask at once, each again and again."""
_FAULTS = ("", "", "pace ms=2", "pace ms=10", "delay seconds=0.07", "429 retry-after=1", "cut at=content")


async def test_kill_9_of_the_gateway_and_of_its_lake_writer_loses_nothing_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    chance = random.Random(8)
    data, policy = tmp_path / "data", tmp_path / "policy.yaml"
    seen: list[Seen] = []
    long_ago: list[Call] = []
    with rehearsal_thread(keyless=True) as provider:
        policy.write_text(default_policy({}, provider.url) + NO_PAUSES)
        words = ("--port", str(free_port()), "--lake-interval", "0.1", "--policy", str(policy))
        tokens = None
        for number in range(_ROUNDS):
            with running_gateway(data, *words) as gateway:
                tokens = tokens or sign_in(gateway.url, gateway.welcome)
                stage = Stage(gateway, provider, tokens)
                waiting = Call(
                    f"{number}.waiting", chance.choice(WIRES), True, "stall at=start seconds=60", "stays"
                )
                long_ago.append(waiting)
                seen += await _work_until_killed(stage, waiting, chance, kill_writer=number % 2 == 1)
        with running_gateway(data, *words) as gateway:  # the start that finds what the last death left
            rows = ledger_rows(data)
            counted = json.loads(gateway.command("usage", "--since", "all", "--json").stdout)["total"]
    _check(rows, seen, long_ago)
    assert counted["attempts"] == len(rows)
    assert counted["cost_nano"] == sum(row["cost_nano"] for row in rows)
    assert _by_id(lake_rows(data)) == _by_id(rows), "after an orderly end the lake has them all"


async def _work_until_killed(
    stage: Stage, waiting: Call, chance: random.Random, *, kill_writer: bool
) -> list[Seen]:
    stage.provider.requests.clear()
    load = [asyncio.create_task(make(stage, [waiting], at_once=1))]
    await asyncio.to_thread(eventually, lambda: stage.provider.requests)
    load += [
        asyncio.create_task(_keep_asking(stage, f"{waiting.marker}.{n}", random.Random(chance.random())))
        for n in range(_TOOLS)
    ]
    await asyncio.to_thread(eventually, lambda: len(stage.provider.requests) > 2 * _TOOLS)
    await asyncio.sleep(
        0.2 + chance.random() * 0.3
    )  # death comes by chance, and a while after `waiting` began
    if kill_writer:
        _kill_lake_writer(stage.gateway)
        await asyncio.sleep(chance.random() * 0.05)
    stage.gateway.process.kill()
    stage.gateway.process.wait()
    return [one for seen in await asyncio.gather(*load) for one in seen]


async def _keep_asking(stage: Stage, name: str, chance: random.Random) -> list[Seen]:
    """One tool: request after request until nobody is there any more."""
    seen: list[Seen] = []
    while not seen or seen[-1].whole:
        call = Call(
            f"{name}.{len(seen)}",
            chance.choice(WIRES),
            chance.random() < 0.7,
            chance.choice(_FAULTS),
            "stays",
        )
        try:
            seen += await make(stage, [call], at_once=1)
        except ConnectionError:
            break
    return seen


def _kill_lake_writer(gateway: RunningGateway) -> None:
    """The gateway's child, by its parent: no other process is touched."""
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            if (
                not folder.name.isdecimal()
                or b"waystation.ledger.drain" not in (folder / "cmdline").read_bytes()
            ):
                continue
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == gateway.process.pid:
                os.kill(int(folder.name), signal.SIGKILL)


def _check(rows: Sequence[Row], seen: Sequence[Seen], long_ago: Sequence[Call]) -> None:
    assert max(Counter(row["attempt_id"] for row in rows).values()) == 1, "a row is there twice"
    by_marker: dict[str, list[Row]] = {}
    for row in rows:
        by_marker.setdefault(row["tool_session"], []).append(row)
    finished = [one for one in seen if one.whole]
    assert len(finished) > 100, "too little load to prove anything"
    for one in finished:
        found = by_marker.get(one.call.marker, [])
        assert [(row["request_id"], row["outcome"] == "killed") for row in found] == [
            (one.request_id, False)
        ], one
    for call in long_ago:
        (row,) = by_marker[call.marker]
        assert (row["outcome"], row["ended_by"], row["usage_source"]) == ("killed", "gateway", "estimated")
        assert row["input_tokens"] > 0
        assert row["cost_nano"] > 0
    in_flight = {one.call.marker for one in seen if not one.whole}
    killed = [row for row in rows if row["outcome"] == "killed"]
    assert {row["tool_session"] for row in killed} <= in_flight
    assert all(len(found) <= 1 for found in by_marker.values())


def _by_id(rows: Sequence[Row]) -> dict[str, Row]:
    return {row["attempt_id"]: row for row in rows}
