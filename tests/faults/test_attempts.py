"""Exactly one ledger row for each attempt at a provider, whatever happens on either side."""

import asyncio
import json
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.faults.traffic import WIRES, Call, Seen, every_fault, make
from tests.rehearsal.asking import body
from tests.relay.tool import request_bytes, sent
from tests.stage import Row, Stage, eventually, fetch, staged
from waystation.model import Wire
from waystation.policy import default_policy
from waystation.rehearsal import RehearsalServer, Step, When, rehearsal_thread
from waystation.rehearsal.serve import Recorded

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("attempts"), "--lake-interval", "0.5") as running:
        yield running


@pytest.fixture(scope="module")
def asgi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The fallback, which must keep the same promise."""
    with staged(tmp_path_factory.mktemp("asgi"), "--lake-interval", "0.5", "--plain-asgi") as running:
        yield running


@pytest.mark.parametrize(("engine", "seed"), [("listener", 1), ("listener", 2), ("asgi", 3)])
async def test_E45_whoever_breaks_whatever_each_attempt_has_one_row(
    request: pytest.FixtureRequest, engine: str, seed: int
) -> None:
    stage: Stage = request.getfixturevalue(engine)
    stage.provider.requests.clear()
    calls = every_fault(seed)
    seen = await make(stage, calls, at_once=12)
    await asyncio.to_thread(eventually, lambda: not unmatched(stage, calls), "", 10)

    rows = rows_of(stage, calls)
    ids = Counter(row["attempt_id"] for row in stage.rows())
    assert max(ids.values()) == 1, "a row is there twice"
    for one in seen:
        check(one, rows[one.call.marker])
    assert "Traceback" not in stage.gateway.log.read_text()


@pytest.mark.parametrize("leaves", [False, True])
@pytest.mark.parametrize(
    "fault", ["", "429", "500", "reset", "cut at=content", "stall at=start seconds=0.2", "not-json"]
)
async def test_counting_and_embedding_have_a_row_for_each_attempt_too(
    listener: Stage, fault: str, leaves: bool
) -> None:
    stage = listener
    stage.provider.requests.clear()
    stage.provider.rehearsal.prompter.clear()
    if fault:
        stage.provider.play(Step(when=When(operation=None), faults=(fault,)))
    marker = uuid.uuid4().hex
    headers = (stage.auth, ("anthropic-version", "2023-06-01"), ("x-session-id", marker))
    gemini = "/gemini/v1beta/models/gemini-embedding-001"
    for path, said in (
        ("/anthropic/v1/messages/count_tokens", body(Wire.MESSAGES, "hi")),
        ("/gemini/v1beta/models/gemini-2.5-pro:countTokens", body(Wire.GENERATE, "hi")),
        ("/openai/v1/embeddings", {"model": "text-embedding-3-small", "input": "hi"}),
        (f"{gemini}:embedContent", {"content": {"parts": [{"text": "hi"}]}}),
    ):
        before = len(stage.provider.requests)
        async with sent(
            stage.port, request_bytes("POST", path, json.dumps(said).encode(), headers)
        ) as answer:
            if leaves:
                await asyncio.to_thread(eventually, partial(_has_more_than, stage, before))
                answer.hang_up()
            else:
                await answer.all()
    await asyncio.to_thread(eventually, lambda: fetch(f"{stage.url}/readyz").json["in_flight"] == 0)
    rows = [row for row in stage.rows() if row["tool_session"] == marker]
    assert [row["operation"] for row in rows] == ["count_tokens", "count_tokens", "embed", "embed"]
    assert {row["attempt"] for row in rows} == {1}
    assert {row["cost_nano"] for row in rows if row["operation"] == "count_tokens"} == {0}
    assert len(stage.provider.requests) >= 4
    if not fault and not leaves:
        assert {row["outcome"] for row in rows} == {"complete"}


@pytest.mark.parametrize(
    "fault", ["429 retry-after=0", "529", "reset", "eof at=head", "error at=first", "cut at=first"]
)
@pytest.mark.parametrize("wire", WIRES)
async def test_a_request_that_goes_on_to_the_next_route_has_a_row_for_each(
    two_routes: tuple[Stage, RehearsalServer], wire: Wire, fault: str
) -> None:
    stage, second = two_routes
    call = Call(f"{wire} {fault}", wire, True, "", "stays")
    stage.provider.rehearsal.prompter.clear()
    stage.provider.play(Step(faults=(fault,)))
    for server in (stage.provider, second):
        server.requests.clear()
    (seen,) = await make(stage, [call], at_once=1)
    assert seen.ending == "success", seen
    rows = rows_of(stage, [call])[call.marker]
    assert [(row["attempt"], row["provider"]) for row in rows] == [(1, "rehearsal"), (2, "second")]
    assert [row["outcome"] == "complete" for row in rows] == [False, True]
    assert {row["request_id"] for row in rows} == {seen.request_id}
    assert len(second.requests) == 1
    assert 1 <= len(stage.provider.requests) <= 2  # a reset on a kept connection is tried once more


@pytest.fixture(scope="module")
def two_routes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stage, RehearsalServer]]:
    """A provider that may fail, and one behind it that does not."""
    with rehearsal_thread(keyless=True) as second:

        def policy(url: str) -> str:
            routes = "routes: [{provider: rehearsal}]"
            # However often the first one fails here, the next test's request asks it again.
            rules = "\nrouting: {patience: 0, failures: 100000, affinity: none}\n"
            return (
                (default_policy({}, url) + rules)
                .replace(
                    "models:\n", f"  second:\n    kind: rehearsal\n    base_url: {second.url}\nmodels:\n", 1
                )
                .replace(routes, "routes: [{provider: rehearsal}, {provider: second, priority: 1}]")
            )

        with staged(tmp_path_factory.mktemp("routes"), policy=policy) as stage:
            yield stage, second


async def test_a_tool_that_leaves_before_its_provider_was_reached_costs_nothing(tmp_path: Path) -> None:
    """The connection is not up yet (here: its TLS), so the provider has not heard of the request."""
    async with AsyncExitStack() as stack:

        async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            await reader.read()

        mute = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        stack.push_async_callback(mute.wait_closed)
        stack.callback(mute.close)
        port = mute.sockets[0].getsockname()[1]

        def policy(_: str) -> str:
            return (
                "version: 1\nproviders:\n  mute:\n    kind: anthropic-compatible\n"
                f"    base_url: https://127.0.0.1:{port}\n    price_provider: anthropic\n"
                "models:\n  claude-sonnet-4-5: {routes: [{provider: mute}]}\n"
            )

        stage = stack.enter_context(staged(tmp_path, policy=policy))
        async with sent(stage.port, stage.request(Wire.MESSAGES, "hi")) as answer:
            await asyncio.to_thread(eventually, lambda: fetch(f"{stage.url}/readyz").json["in_flight"] == 1)
            answer.hang_up()
        row = await asyncio.to_thread(eventually, lambda: next(iter(stage.rows()), None))
    assert (row["outcome"], row["http_status"], row["attempt"]) == ("client_gone", 0, 1)
    assert (row["usage_source"], row["total_tokens"], row["cost_nano"]) == ("absent", 0, 0)


def _has_more_than(stage: Stage, count: int) -> bool:
    return len(stage.provider.requests) > count


def unmatched(stage: Stage, calls: Sequence[Call]) -> list[str]:
    """Calls whose rows and requests at the provider do not fit each other."""
    rows = rows_of(stage, calls)
    arrived: defaultdict[str, list[Recorded]] = defaultdict(list)
    for request in list(stage.provider.requests):
        arrived[request.header("x-session-id") or ""].append(request)
    return [
        f"{call}: rows {[(r['outcome'], r['http_status']) for r in rows[call.marker]]}, provider {arrived[call.marker]}"
        for call in calls
        if not _fit(rows[call.marker], arrived[call.marker])
    ]


def _fit(rows: Sequence[Row], arrived: Sequence[Recorded]) -> bool:
    # A tool may leave before the gateway has a connection: an attempt, but the provider never heard of it.
    unheard = [r for r in rows if r["outcome"] == "client_gone" and r["http_status"] == 0]
    # A kept connection that breaks before a byte of an answer says nothing of the provider: the request goes out
    # once more on a fresh one, as the same attempt (RFC 9112 section 9.3.1).
    unanswered = [r for r in arrived if r.status == 0]
    return len(arrived) - len(unanswered) <= len(rows) <= len(arrived) + len(unheard) and bool(rows) >= bool(
        arrived
    )


def rows_of(stage: Stage, calls: Iterable[Call]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {call.marker: [] for call in calls}
    for row in stage.rows():
        if row["tool_session"] in found:
            found[row["tool_session"]].append(row)
    return found


def check(seen: Seen, rows: Sequence[Row]) -> None:
    """What the tool saw and what the ledger says are the same story."""
    context = f"{seen.call} → {seen.status} {seen.body[-300:]!r}\n{rows}"
    last = max(rows, key=lambda row: row["attempt"], default=None)
    if seen.request_id is not None:
        assert last is not None, context
        assert {row["request_id"] for row in rows} == {seen.request_id}, context
    if last is None:
        return
    assert [row["attempt"] for row in rows] == list(range(1, len(rows) + 1)), context
    assert seen.status != 500 or seen.call.fault == "500", context
    if seen.call.patience == "stays" and seen.readable:
        if seen.ending == "success":
            assert last["outcome"] == "complete", context
            assert last["usage_source"] == ("estimated" if seen.call.fault == "no-usage" else "provider"), (
                context
            )
        elif seen.ending == "error":
            assert last["outcome"] not in ("complete", "client_gone"), context
        else:  # only a plain answer may end without an end: its connection is cut
            assert not seen.whole, context
            assert not seen.call.stream, context
            assert last["outcome"] == "upstream_cut", context
    if last["usage_source"] == "absent":
        assert last["total_tokens"] == 0, context
        assert last["cost_nano"] == 0, context
    else:
        assert last["cost_nano"] > 0, context
