"""A real tool on a bad day: its token expires, the provider is busy, a stream breaks. It goes on, or fails cleanly."""

import time

from tests.clients.laptop import Laptop, Run, Tool

from waystation import identity
from waystation.identity import tokens
from waystation.rehearsal import RehearsalServer, Step, When
from waystation.store import open_store

WORK = When(tools=True)
"""The tool's work, not the title that OpenCode asks for first."""


def assert_each_attempt_has_one_row(run: Run, provider: RehearsalServer) -> None:
    """As many rows that went to the provider as requests that arrived there, none of them twice."""
    sent = [row for row in run.rows if row["outcome"] != "refused" and row["operation"] == "generate"]
    arrived = [request for request in provider.requests if request.method == "POST"]
    assert len(sent) == len(arrived), f"{arrived}\n{run}"
    assert len({row["attempt_id"] for row in run.rows}) == len(run.rows)


def test_an_expired_token_is_renewed_and_the_work_goes_on(
    laptop: Laptop, provider: RehearsalServer, tool: Tool
) -> None:
    laptop.replace_access_token(_expired_token(laptop))
    before = laptop.gateway.refusals("unauthenticated")
    run = laptop.run(tool)
    assert (run.status, run.hello) == (0, "hi"), run
    refused = laptop.gateway.refusals("unauthenticated") - before
    assert refused >= 1, "the expired token was never tried, so this proves nothing"
    # Codex lists models twice with it, each time with one retry, before it works.
    assert refused <= 6, f"a storm of {refused} refused requests: {run}"
    assert_each_attempt_has_one_row(run, provider)


def test_a_busy_provider_is_waited_for(laptop: Laptop, provider: RehearsalServer, tool: Tool) -> None:
    provider.play(Step(when=WORK, times=1, faults=("429 retry-after=1",)))
    run = laptop.run(tool)
    assert (run.status, run.hello) == (0, "hi"), run
    assert [row["http_status"] for row in run.rows].count(429) == 1, run
    assert_each_attempt_has_one_row(run, provider)


def test_a_stream_that_breaks_midway_ends_in_order(
    laptop: Laptop, provider: RehearsalServer, tool: Tool
) -> None:
    provider.play(Step(when=WORK, times=1, faults=("cut at=content ending=rst",)))
    run = laptop.run(tool)
    assert run.status != 0 or run.hello == "hi", f"a tool that did not do the work must not say it did: {run}"
    assert run.outcomes().count("upstream_cut") == 1, run
    cut = next(row for row in run.rows if row["outcome"] == "upstream_cut")
    assert cut["usage_source"] in ("estimated", "partial")
    assert_each_attempt_has_one_row(run, provider)


def test_an_error_inside_a_stream_is_not_a_success(
    laptop: Laptop, provider: RehearsalServer, tool: Tool
) -> None:
    provider.play(Step(when=WORK, times=1, faults=("error at=content status=529",)))
    run = laptop.run(tool)
    assert run.status != 0 or run.hello == "hi", run
    assert run.outcomes().count("upstream_error") == 1, run
    assert_each_attempt_has_one_row(run, provider)


def _expired_token(laptop: Laptop) -> str:
    """An access token of the laptop's own sign-in, signed by the gateway, that ended an hour ago."""
    store = open_store(laptop.gateway.data)
    try:
        keys = identity.build(store, base_url=laptop.gateway.url, agents=lambda _: {}).keys
        now = int(time.time())
        session = max(store.sessions.live(now=now), key=lambda session: session.created_at)
        user = store.users.get(session.user_id)
        assert user is not None
        return tokens.mint(
            keys, issuer=laptop.gateway.url, user=user, session=session, now=now - 3660, lifetime=60
        )
    finally:
        store.close()
