"""Refresh tokens: rotation, the grace for honest races, and what happens to a stolen one."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.identity_fixture import BASE_URL, agents, sign_in, who
from tests.store_fixture import Clock, OpenStore
from waystation import identity
from waystation.identity import OPERATOR, Identity, OAuthError, TokenSet
from waystation.model import Principal, Refusal, RefusalKind
from waystation.store import Store, open_store

DAY = 24 * 60 * 60


def refresh(home: Identity, token: str) -> TokenSet:
    return home.service.refresh.redeem({"client_id": "way", "refresh_token": token})


def refused(home: Identity, token: str) -> str:
    with pytest.raises(OAuthError) as raised:
        refresh(home, token)
    assert raised.value.error == "invalid_grant"
    return raised.value.description


def test_each_use_gives_a_new_pair(home: Identity, clock: Clock) -> None:
    first = sign_in(home)
    seen = {first.refresh_token}
    tokens = first
    for _ in range(3):
        clock.forward(60)
        tokens = refresh(home, tokens.refresh_token)
        assert tokens.refresh_token not in seen
        seen.add(tokens.refresh_token)
        assert who(home, tokens).session == who(home, first).session


def test_within_the_grace_the_same_successor_comes_back(home: Identity, clock: Clock) -> None:
    first = sign_in(home)
    one = refresh(home, first.refresh_token)
    clock.forward(20)
    two = refresh(home, first.refresh_token)
    assert one.refresh_token == two.refresh_token
    assert who(home, one).id == who(home, two).id
    refresh(home, two.refresh_token)


def test_after_the_grace_reuse_ends_the_family(home: Identity, clock: Clock) -> None:
    stolen = sign_in(home)
    honest = refresh(home, stolen.refresh_token)
    clock.forward(21)
    assert "ended for safety" in refused(home, stolen.refresh_token)
    for tokens in (stolen, honest):
        refusal = home.verifier.verify(tokens.access_token.encode())
        assert isinstance(refusal, Refusal)
        assert refusal.kind is RefusalKind.REVOKED
    assert "way login" in refused(home, honest.refresh_token)


def test_reuse_is_caught_within_the_grace_once_the_successor_is_used(home: Identity, clock: Clock) -> None:
    stolen = sign_in(home)
    honest = refresh(home, refresh(home, stolen.refresh_token).refresh_token)
    clock.forward(5)
    assert "ended for safety" in refused(home, stolen.refresh_token)
    assert isinstance(home.verifier.verify(honest.access_token.encode()), Refusal)


def test_reuse_only_ends_its_own_family(home: Identity, clock: Clock) -> None:
    other = sign_in(home)
    stolen = sign_in(home)
    refresh(home, stolen.refresh_token)
    clock.forward(60)
    refused(home, stolen.refresh_token)
    who(home, other)
    refresh(home, other.refresh_token)


def test_reuse_is_audited(home: Identity, store: Store, clock: Clock) -> None:
    stolen = sign_in(home)
    refresh(home, stolen.refresh_token)
    clock.forward(60)
    refused(home, stolen.refresh_token)
    event = store.audit.since()[-1]
    assert (event.action, event.detail["because"]) == ("session.revoked", "a spent refresh token came back")


def test_parallel_refreshes_get_one_successor(reopen: OpenStore, clock: Clock) -> None:
    """Two gateway processes, eight tools, one refresh token; on SQLite and on PostgreSQL."""
    homes = [identity.build(reopen(), base_url=BASE_URL, agents=agents, now=clock) for _ in range(2)]
    homes[0].service.first_run(name="ada@example.com")
    token = sign_in(homes[0]).refresh_token
    for _ in range(3):
        with ThreadPoolExecutor(8) as pool:
            given = list(pool.map(lambda n, token=token: refresh(homes[n % 2], token), range(8)))
        assert len({tokens.refresh_token for tokens in given}) == 1
        assert all(isinstance(homes[1].verifier.verify(t.access_token.encode()), Principal) for t in given)
        token = given[0].refresh_token


def test_a_sign_in_ends_after_thirty_days_without_use(home: Identity, clock: Clock) -> None:
    tokens = sign_in(home)
    clock.forward(30 * DAY - 1)
    tokens = refresh(home, tokens.refresh_token)
    clock.forward(30 * DAY)
    assert "expired" in refused(home, tokens.refresh_token)


def test_a_sign_in_ends_after_ninety_days_whatever_happens(home: Identity, clock: Clock) -> None:
    tokens = sign_in(home)
    started = int(clock.time)
    for _ in range(6):
        clock.forward(15 * DAY - 200)
        tokens = refresh(home, tokens.refresh_token)
    assert who(home, tokens).expires_at == started + 90 * DAY, "no access token outlives the sign-in"
    assert tokens.expires_in == 1200
    clock.forward(1200)
    assert "expired" in refused(home, tokens.refresh_token)


def test_somebody_switched_off_gets_no_more_tokens(home: Identity) -> None:
    home.service.add_user("bob@example.com", by=OPERATOR)
    tokens = sign_in(home, "bob@example.com")
    home.service.disable_user("bob@example.com", by=OPERATOR)
    assert "switched off" in refused(home, tokens.refresh_token)


def test_a_new_token_carries_what_the_store_says_now(home: Identity, clock: Clock) -> None:
    tokens = sign_in(home)
    clock.forward(600)
    assert who(home, refresh(home, tokens.refresh_token)).expires_at == int(clock.time) + 1800


def test_nothing_in_the_files_is_a_token(home: Identity, tmp_path: Path) -> None:
    first = sign_in(home)
    second = refresh(home, first.refresh_token)
    raw = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("control.db*"))
    assert b"ada@example.com" in raw, "the files were looked at"
    for secret in (first.refresh_token, second.refresh_token, first.access_token):
        assert secret.encode() not in raw
        assert secret[4:].encode() not in raw


def test_the_successor_cannot_be_computed_without_the_key(
    home: Identity, tmp_path: Path, clock: Clock
) -> None:
    first = sign_in(home)
    ours = refresh(home, first.refresh_token).refresh_token
    other = identity.build(
        open_store(tmp_path / "other", now=clock),
        base_url=BASE_URL,
        agents=agents,
        now=clock,
    )
    assert other.service.refresh._signins.successor(first.refresh_token) != ours
