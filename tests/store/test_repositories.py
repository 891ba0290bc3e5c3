"""The repositories, on SQLite and PostgreSQL alike."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store_fixture import Clock, OpenStore
from waystation.model import PrincipalKind
from waystation.store import (
    Code,
    CodeState,
    MasterKey,
    NameTaken,
    Purpose,
    RevocationKind,
    SealError,
    Session,
    SigningKey,
    Store,
    VersionConflict,
)


def _session(store: Store, session_id: str, user_name: str = "ada@example.com", **changes: int) -> Session:
    user = store.users.find(user_name) or store.users.add(user_name, at=1)
    values: dict[str, Any] = {
        "created_at": 100,
        "used_at": 100,
        "idle_seconds": 50,
        "expires_at": 1000,
        **changes,
    }
    return Session(
        id=session_id, user_id=user.id, user_name=user.name, client="way", device="", address="", **values
    )


# People


def test_names_are_unique_without_case(store: Store) -> None:
    ada = store.users.add("Ada@Example.com", at=1, groups=["b", "a", "b"], cost_center="R&D")
    assert (ada.name, ada.groups) == ("ada@example.com", ("a", "b"))
    with pytest.raises(NameTaken):
        store.users.add("aDA@example.com", at=2)
    assert store.users.find("ADA@EXAMPLE.COM") == ada
    assert store.users.all() == [ada]


def test_ids_say_what_they_are(store: Store) -> None:
    assert store.users.add("a@b", at=1).id.startswith("usr_")
    assert store.users.add("ci", at=1, kind=PrincipalKind.SERVICE).id.startswith("svc_")


def test_switching_a_user_off_says_whether_it_changed_anything(store: Store) -> None:
    user = store.users.add("ada@example.com", at=1)
    assert store.users.set_active(user.id, False, at=7)
    assert not store.users.set_active(user.id, False, at=8)
    found = store.users.get(user.id)
    assert found is not None
    assert (found.active, found.disabled_at) == (False, 7)


# Sessions


def test_a_session_ends_when_idle_and_at_its_last_day(store: Store) -> None:
    session = _session(store, "ses_1")
    assert session.live(149)
    assert not session.live(150)
    assert not _session(store, "ses_2", used_at=990).live(1000)


def test_only_live_sessions_are_listed(store: Store) -> None:
    store.sessions.open(_session(store, "ses_live", used_at=120))
    store.sessions.open(_session(store, "ses_idle", idle_seconds=5))
    store.sessions.open(_session(store, "ses_gone"))
    assert store.sessions.revoke("ses_gone", because="signed out", at=110)
    assert not store.sessions.revoke("ses_gone", because="again", at=111)
    assert [session.id for session in store.sessions.live(now=125)] == ["ses_live"]


def test_ended_sessions_are_forgotten_with_their_tokens(store: Store) -> None:
    store.sessions.open(_session(store, "ses_old", expires_at=200), refresh_digest=b"o" * 32)
    store.sessions.open(_session(store, "ses_new"), refresh_digest=b"n" * 32)
    assert store.sessions.forget_ended(before=300) == 1
    assert store.sessions.get("ses_old") is None
    assert store.sessions.refresh(b"o" * 32) is None
    assert store.sessions.refresh(b"n" * 32) is not None


# Codes


def _code(**changes: object) -> Code:
    values: dict[str, object] = {
        "digest": b"d" * 32,
        "purpose": Purpose.WELCOME,
        "state": CodeState.APPROVED,
        "created_at": 100,
        "expires_at": 200,
    }
    return Code(**(values | changes))  # type: ignore[arg-type]


def test_a_code_is_consumed_by_exactly_one_of_many(store: Store) -> None:
    store.codes.put(_code())
    with ThreadPoolExecutor(8) as pool:
        wins = list(pool.map(lambda _: store.codes.consume(b"d" * 32, at=150), range(16)))
    assert wins.count(True) == 1


def test_an_expired_code_cannot_be_consumed(store: Store) -> None:
    store.codes.put(_code())
    assert not store.codes.consume(b"d" * 32, at=200)


def test_a_code_is_only_found_for_its_own_purpose(store: Store) -> None:
    store.codes.put(_code(purpose=Purpose.DEVICE))
    assert store.codes.get(b"d" * 32, Purpose.AUTHORIZATION) is None
    assert store.codes.get(b"d" * 32, Purpose.DEVICE) is not None


def test_a_device_code_is_decided_once(store: Store) -> None:
    user = store.users.add("ada@example.com", at=1)
    store.codes.put(_code(purpose=Purpose.DEVICE, state=CodeState.PENDING, short_digest=b"s" * 32))
    assert store.codes.decide(b"d" * 32, CodeState.DENIED, user_id=user.id, at=150)
    assert not store.codes.decide(b"d" * 32, CodeState.APPROVED, user_id=user.id, at=151)
    found = store.codes.find_short(b"s" * 32)
    assert found is not None
    assert found.state is CodeState.DENIED


def test_expired_codes_are_forgotten(store: Store) -> None:
    store.codes.put(_code())
    assert store.codes.forget_expired(before=200) == 0
    assert store.codes.forget_expired(before=201) == 1


# Keys


def _key(kid: str, signs_from: int = 0) -> SigningKey:
    return SigningKey(
        kid, "Ed25519", b"public" * 4, b"private-canary-" * 2, created_at=1, signs_from=signs_from
    )


def test_private_keys_are_sealed_at_rest(tmp_path: Path, reopen: OpenStore, database_url: str | None) -> None:
    store = reopen()
    store.keys.add(_key("k1"))
    assert reopen().keys.usable(now=5)[0].private_key == b"private-canary-" * 2
    assert "private" not in repr(_key("k1"))
    if database_url is None:
        raw = b"".join(path.read_bytes() for path in (tmp_path / "data").glob("control.db*"))
        assert b"k1" in raw
        assert b"private-canary" not in raw


def test_keys_do_not_open_with_another_master_key(tmp_path: Path, reopen: OpenStore) -> None:
    reopen().keys.add(_key("k1"))
    (tmp_path / "data" / "master.key").write_bytes(b"x" * 32)
    with pytest.raises(SealError, match="another data directory"):
        reopen().keys.usable(now=5)


def test_only_one_of_many_nodes_makes_the_first_key(store: Store) -> None:
    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(lambda number: store.keys.add_first(_key(f"k{number}")), range(6)))
    assert made.count(True) == 1
    assert len(store.keys.usable(now=5)) == 1


def test_a_new_key_retires_those_before_it(store: Store) -> None:
    store.keys.add(_key("old"))
    store.keys.add(_key("new", signs_from=10), retire_others_at=50)
    assert [key.kid for key in store.keys.usable(now=49)] == ["old", "new"]
    assert [key.kid for key in store.keys.usable(now=50)] == ["new"]


@given(st.binary(max_size=64), st.text(max_size=8), st.text(max_size=8))
def test_seals_open_under_their_own_label_only(plain: bytes, label: str, other: str) -> None:
    master = MasterKey(b"k" * 32)
    sealed = master.seal(plain, label=label)
    assert master.open(sealed, label=label) == plain
    assert sealed != master.seal(plain, label=label)
    if other != label:
        with pytest.raises(SealError):
            master.open(sealed, label=other)


def test_each_purpose_has_a_key_of_its_own() -> None:
    master = MasterKey(b"k" * 32)
    assert master.derive("a") != master.derive("b")
    assert len(master.derive("a")) == 32
    assert "k" not in repr(master).removeprefix("MasterKey")


# Policies


def test_policy_versions_follow_each_other(store: Store, clock: Clock) -> None:
    assert store.policies.current() is None
    before = store.changes()
    first = store.policies.append("one", who="ada@example.com", note="start", base_version=None)
    second = store.policies.append("zwei ü", who="bob", note="", base_version=1)
    assert store.changes() > before
    assert (first.version, second.version, first.at) == (1, 2, int(clock.time))
    assert second.sha256 == hashlib.sha256("zwei ü".encode()).hexdigest()
    assert store.policies.current() == second
    assert store.policies.history() == [second, first]


@pytest.mark.parametrize("base", [None, 2, 7])
def test_a_policy_change_against_another_version_is_refused(store: Store, base: int | None) -> None:
    store.policies.append("one", who="ada", note="", base_version=None)
    before = store.changes()
    with pytest.raises(VersionConflict, match="version 1 is in force"):
        store.policies.append("two", who="bob", note="", base_version=base)
    assert [policy.text for policy in store.policies.history()] == ["one"]
    assert store.changes() == before


def test_of_many_policy_changes_at_once_one_wins(store: Store) -> None:
    store.policies.append("one", who="ada", note="", base_version=None)

    def apply(number: int) -> bool:
        try:
            store.policies.append(f"by {number}", who=str(number), note="", base_version=1)
        except VersionConflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(apply, range(8))).count(True) == 1
    assert [policy.version for policy in store.policies.history()] == [2, 1]


def test_policy_changes_are_audited(store: Store) -> None:
    stored = store.policies.append("one", who="ada@example.com", note="why", base_version=None)
    event = store.audit.since()[-1]
    assert (event.action, event.actor, event.subject) == ("policy.applied", "ada@example.com", "1")
    assert event.detail == {"sha256": stored.sha256, "note": "why"}


# Audit


def test_audit_events_are_numbered_without_gaps(store: Store) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: store.audit.append("test.done", actor=f"a{n}"), range(20)))
    assert [event.seq for event in store.audit.since()] == list(range(1, 21))
    assert [event.seq for event in store.audit.since(18)] == [19, 20]


# Revocations and the change counter


def test_a_reader_of_changes_misses_no_revocation(store: Store) -> None:
    """The number is taken in commit order: having seen n, nothing at or below n can still turn up."""
    writers, each = 4, 10
    seen: list[str] = []
    done = threading.Event()

    def write(writer: int) -> None:
        for number in range(each):
            with store.transaction() as tx:
                tx.revocations.add(RevocationKind.SESSION, f"ses_{writer}_{number}", at=100)
                tx.audit.append("session.revoked", actor="operator")

    def read() -> None:
        position = 0
        while True:
            finished = done.is_set()
            changes = store.changes()
            found = [entry for entry in store.revocations.since(position) if entry.seq <= changes]
            seen.extend(entry.subject for entry in found)
            position = changes
            if finished:
                return

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    done.set()
    reader.join()
    assert sorted(seen) == sorted(
        f"ses_{writer}_{number}" for writer in range(writers) for number in range(each)
    )


def test_old_revocations_can_be_left_out_and_forgotten(store: Store) -> None:
    store.revocations.add(RevocationKind.SESSION, "ses_old", at=10)
    store.revocations.add(RevocationKind.PRINCIPAL, "usr_new", at=20)
    assert [entry.subject for entry in store.revocations.since(0, newer_than=15)] == ["usr_new"]
    assert store.revocations.forget(before=15) == 1
    assert [entry.subject for entry in store.revocations.since(0)] == ["usr_new"]


# Facts


def test_the_last_fact_wins(reopen: OpenStore) -> None:
    store = reopen()
    assert store.facts.get("base_url") is None
    store.facts.put("base_url", "http://one")
    reopen().facts.put("base_url", "http://two")
    assert store.facts.get("base_url") == "http://two"
