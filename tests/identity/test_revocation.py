"""Revocation: at once in this process, within one poll in every other."""

import asyncio
import logging

import pytest

from tests.identity_fixture import BASE_URL, agents, sign_in, who
from tests.store_fixture import Clock, OpenStore
from waystation import identity
from waystation.identity import OPERATOR, Identity, NotFound, TokenSet, watch
from waystation.model import PrincipalKind, Refusal, RefusalKind
from waystation.store import RevocationKind, Store


def refusal(home: Identity, tokens: TokenSet) -> Refusal:
    found = home.verifier.verify(tokens.access_token.encode())
    assert isinstance(found, Refusal)
    return found


@pytest.fixture
def nodes(reopen: OpenStore, clock: Clock) -> tuple[Identity, Identity]:
    """Two gateway processes over one database (SQLite, then PostgreSQL)."""
    one = identity.build(reopen(), base_url=BASE_URL, agents=agents, now=clock)
    one.service.first_run(name="ada@example.com")
    two = identity.build(reopen(), base_url=BASE_URL, agents=agents, now=clock)
    return one, two


def test_an_ended_session_is_refused_from_the_next_call_on(home: Identity) -> None:
    tokens, other = sign_in(home), sign_in(home)
    principal = who(home, tokens)
    home.service.end_session(principal.session, by=principal)
    assert refusal(home, tokens).kind is RefusalKind.REVOKED
    who(home, other)


def test_the_verifier_can_be_told_directly(home: Identity) -> None:
    tokens, other = sign_in(home), sign_in(home)
    home.verifier.revoke_session(who(home, tokens).session)
    assert refusal(home, tokens).kind is RefusalKind.REVOKED
    home.verifier.revoke_principal(who(home, other).id)
    assert refusal(home, other).kind is RefusalKind.REVOKED


def test_other_processes_learn_of_it_by_one_poll(nodes: tuple[Identity, Identity]) -> None:
    one, two = nodes
    tokens, other = sign_in(one), sign_in(one)
    who(two, tokens)
    one.service.end_session(who(one, tokens).session, by=OPERATOR)
    assert two.poller.poll() is True
    assert refusal(two, tokens).kind is RefusalKind.REVOKED
    who(two, other)
    assert two.poller.poll() is False, "nothing new costs one look-up"


def test_switching_somebody_off_reaches_other_processes(
    nodes: tuple[Identity, Identity], clock: Clock
) -> None:
    one, two = nodes
    one.service.add_user("bob@example.com", by=OPERATOR)
    tokens, mine = sign_in(one, "bob@example.com"), sign_in(one)
    who(two, tokens)
    one.service.disable_user("bob@example.com", by=OPERATOR)
    assert refusal(one, tokens).kind is RefusalKind.REVOKED
    two.poller.poll()
    assert refusal(two, tokens).kind is RefusalKind.REVOKED
    who(two, mine)
    clock.forward(1)
    one.service.enable_user("bob@example.com", by=OPERATOR)
    assert refusal(two, tokens).kind is RefusalKind.REVOKED, "what was ended stays ended"
    two.poller.poll()
    who(two, sign_in(one, "bob@example.com"))


def test_clocks_apart_do_not_let_a_switched_off_person_in(reopen: OpenStore) -> None:
    fast, slow = Clock(1_800_000_050.0), Clock(1_800_000_000.0)
    one = identity.build(reopen(), base_url=BASE_URL, agents=agents, now=slow)
    two = identity.build(reopen(), base_url=BASE_URL, agents=agents, now=fast)
    one.service.first_run(name="ada@example.com")
    one.service.add_user("bob@example.com", by=OPERATOR)
    tokens = sign_in(two, "bob@example.com")
    one.service.disable_user("bob@example.com", by=OPERATOR)
    two.poller.poll()
    assert refusal(two, tokens).kind is RefusalKind.REVOKED


def test_a_process_that_starts_later_knows_too(reopen: OpenStore, clock: Clock) -> None:
    one = identity.build(reopen(), base_url=BASE_URL, agents=agents, now=clock)
    one.service.first_run(name="ada@example.com")
    tokens = sign_in(one)
    one.service.end_session(who(one, tokens).session, by=OPERATOR)
    clock.forward(600)
    late = identity.build(reopen(), base_url=BASE_URL, agents=agents, now=clock)
    assert refusal(late, tokens).kind is RefusalKind.REVOKED


def test_revocations_are_forgotten_when_their_tokens_are_dead(home: Identity, clock: Clock) -> None:
    for _ in range(5):
        home.verifier.revoke_session(who(home, sign_in(home)).session)
    clock.forward(3600 + 61)
    home.verifier.revoke_session("ses_last")
    assert set(home.verifier._revoked_sessions) == {"ses_last"}


def test_ending_what_is_not_there_says_so(home: Identity) -> None:
    with pytest.raises(NotFound):
        home.service.end_session("ses_nowhere", by=OPERATOR)


def test_ending_twice_is_no_error(home: Identity) -> None:
    session = who(home, sign_in(home)).session
    home.service.end_session(session, by=OPERATOR)
    home.service.end_session(session, by=OPERATOR)


# Keys


def test_a_rotated_key_signs_when_every_node_knows_it(nodes: tuple[Identity, Identity], clock: Clock) -> None:
    one, two = nodes
    old = sign_in(one)
    old_key = one.keys.signing().kid
    new_key = one.keys.rotate()
    assert one.keys.signing().kid == old_key
    two.poller.poll()
    clock.forward(601)
    assert one.keys.signing().kid == new_key
    fresh = sign_in(one)
    who(two, fresh)
    who(two, old)
    assert len(two.keys.verifying.keys) == 2
    clock.forward(2 * 3600)
    two.keys.reload()
    assert [key.kid for key in two.keys.verifying.keys] == [new_key]


def test_an_old_key_is_followed_by_a_new_one(home: Identity, clock: Clock) -> None:
    first = home.keys.signing().kid
    clock.forward(91 * 24 * 3600)
    home.poller.tidy()
    clock.forward(601)
    assert home.keys.signing().kid != first
    home.poller.tidy()
    assert len(home.keys.verifying.keys) == 2, "one new key is enough"


# The poller as a task


async def test_the_poller_survives_a_store_that_is_away(
    home: Identity, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(watch, "INTERVAL", 0)
    tokens = sign_in(home)
    enough = asyncio.Event()
    loop = asyncio.get_running_loop()
    calls = 0

    def poll() -> bool:
        nonlocal calls
        calls += 1
        if calls <= 3:
            raise ConnectionError("secret-dsn-canary")
        loop.call_soon_threadsafe(enough.set)
        return False

    monkeypatch.setattr(home.poller, "poll", poll)
    with caplog.at_level(logging.DEBUG):
        task = asyncio.create_task(home.watch())
        async with asyncio.timeout(10):
            await enough.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [record.getMessage() for record in caplog.records if record.name.startswith("waystation")] == [
        "identity: the store does not answer (ConnectionError)"
    ]
    assert "canary" not in caplog.text
    who(home, tokens)


def test_tidying_forgets_what_nobody_needs(home: Identity, store: Store, clock: Clock) -> None:
    home.service.sign_in_link(by=OPERATOR)
    store.revocations.add(RevocationKind.SESSION, "ses_x", at=int(clock.time))
    clock.forward(3 * 24 * 3600)
    home.poller.tidy()
    assert store.revocations.since(0) == []
    assert store.codes.forget_expired(before=int(clock.time)) == 0


# Service accounts


def test_a_service_token_works_for_an_hour_at_most(home: Identity, clock: Clock) -> None:
    home.service.add_user("ci", by=OPERATOR, kind=PrincipalKind.SERVICE, groups=["build"])
    issued = home.service.service_token("ci", by=OPERATOR, lifetime=10 * 3600)
    assert "hidden" in repr(issued)
    assert issued.expires_at == int(clock.time) + 3600
    principal = home.verifier.verify(issued.access_token.encode())
    assert not isinstance(principal, Refusal)
    assert (principal.kind, principal.groups) == (PrincipalKind.SERVICE, frozenset({"build"}))
    home.service.end_session(issued.session_id, by=OPERATOR)
    assert isinstance(home.verifier.verify(issued.access_token.encode()), Refusal)
