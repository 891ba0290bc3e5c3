"""Temporary raises of budgets: in force until they end or are withdrawn, and audited."""

from tests.store_fixture import Clock, OpenStore
from waystation.store import Store


def test_a_raise_is_in_force_until_it_ends(store: Store, reopen: OpenStore, clock: Clock) -> None:
    now, changes = int(clock.time), store.changes()
    made = store.raises.add(
        "team", "eng", 20 * 10**9, until=now + 60, approver="fin@example.com", reason="release week"
    )
    assert reopen().raises.active() == [made]
    assert store.changes() == changes + 1
    event = store.audit.since()[-1]
    assert (event.action, event.actor, event.subject) == ("budget.raised", "fin@example.com", "team")
    assert event.detail["reason"] == "release week"
    clock.forward(61)
    assert store.raises.active() == []
    assert store.raises.every() == [made]


def test_a_raise_can_be_withdrawn_once(store: Store, clock: Clock) -> None:
    made = store.raises.add("team", "", 1, until=int(clock.time) + 60, approver="a", reason="")
    ended = store.raises.withdraw(made.id, by="b")
    assert ended is not None
    assert ended.withdrawn_at == int(clock.time)
    assert store.raises.withdraw(made.id, by="b") is None
    assert store.raises.active() == []
    assert store.audit.since()[-1].action == "budget.raise_withdrawn"
