"""The audit log's chain: whatever is changed in the database behind the gateway's back is found."""

import pytest
from sqlalchemy import text

from tests.store_fixture import OpenStore
from waystation.store import Store
from waystation.store.database import EngineDatabase


def _filled(store: Store, count: int = 5) -> None:
    for number in range(1, count + 1):
        store.audit.append("test.done", actor=f"actor-{number}", detail={"n": str(number), "é": '"'})


def _sql(store: Store, statement: str) -> None:
    database = store._database
    assert isinstance(database, EngineDatabase)
    with database.engine.begin() as connection:
        connection.execute(text(statement))


def test_an_untouched_log_verifies(store: Store, reopen: OpenStore) -> None:
    assert store.audit.verify().events == 0
    _filled(store)
    checked = reopen().audit.verify()
    assert (checked.events, checked.fault) == (5, "")
    assert checked.head == store.audit.since(4)[0].hash


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at_us", "1"),
        ("actor", "'mallory'"),
        ("actor_name", "'mallory'"),
        ("action", "'test.undone'"),
        ("subject", "'x'"),
        ("address", "'10.0.0.1'"),
        ("detail", "'{}'"),
        ("detail", "'no json'"),
        ("hash", "NULL"),
    ],
)
def test_a_changed_column_is_found(store: Store, column: str, value: str) -> None:
    _filled(store)
    _sql(store, f"UPDATE audit_events SET {column} = {value} WHERE seq = 3")
    assert store.audit.verify().fault


def test_missing_swapped_and_cut_off_events_are_found(store: Store) -> None:
    _filled(store)
    _sql(store, "DELETE FROM audit_events WHERE seq = 3")
    assert store.audit.verify().fault == "Event 3 is missing; the next one is 4."
    _sql(store, "UPDATE audit_events SET seq = seq - 1 WHERE seq = 4")
    assert store.audit.verify().fault == "Event 3 is not what was written."


def test_a_tail_that_was_cut_off_is_found(store: Store) -> None:
    _filled(store)
    exported = {event.seq: event.hash for event in store.audit.since()}
    _sql(store, "DELETE FROM audit_events WHERE seq > 3")
    assert store.audit.verify().fault == "5 events were written, and 3 are there."
    _sql(store, "UPDATE counters SET value = 3 WHERE name = 'audit'")
    assert not store.audit.verify().fault  # by itself the chain cannot know
    assert store.audit.verify(after=exported).fault == "Event 4 was exported and is not there any more."


def test_events_of_an_older_release_are_chained_once_and_it_shows(store: Store, reopen: OpenStore) -> None:
    _filled(store, 3)
    _sql(store, "UPDATE audit_events SET hash = NULL, previous_hash = NULL")
    again = reopen()
    assert again.audit.verify().events == 4
    assert again.audit.since(3)[0].action == "audit.chained"
    assert reopen().audit.verify().events == 4
