"""Limit events: where people push ahead. Kept in memory until somebody writes them down."""

from typing import Literal

import msgspec

EventKind = Literal["refused", "notified", "downgraded"]
_SAME_SECONDS = 60
_WAITING = 10_000


class LimitEvent(msgspec.Struct, gc=False):
    """One row of `limit_events`. Repetitions within a minute are one event with a count."""

    at_us: int
    kind: EventKind
    rule: str
    """`limits.pace` or `budgets.team`."""
    what: str
    """`requests`, `tokens`, `concurrent`, `budget` or `unknown_price`."""
    per: str
    owner: str
    """Whose allowance: the name of a person, group, cost centre, model or tool; empty for the organisation."""
    principal_id: str
    principal_name: str
    cost_center: str
    tool: str
    model: str
    used: int
    """Of the limit: requests, tokens, places or nano-dollars."""
    reserved: int
    wanted: int
    """What this request would have needed."""
    limit: int
    until_us: int
    """When there may be room again."""
    percent: int
    request_id: str
    count: int = 1
    node: str = ""


class EventQueue:
    """Collects events. The first of a kind is there to be written at once; those like it within the next minute
    become one more, with their count: a storm is two rows."""

    def __init__(self) -> None:
        self._waiting: list[LimitEvent] = []
        self._recent: dict[tuple[str, ...], tuple[int, list[LimitEvent]]] = {}
        self.lost = 0

    def put(self, event: LimitEvent) -> None:
        key = (event.kind, event.rule, event.what, event.owner, event.principal_id, str(event.percent))
        first = self._recent.get(key)
        if first is not None and event.at_us - first[0] < _SAME_SECONDS * 1_000_000:
            if first[1]:
                first[1][0].count += 1
            else:
                first[1].append(event)
            return
        if len(self._waiting) >= _WAITING or len(self._recent) >= _WAITING:
            self.lost += 1
            return
        if first is not None:
            self._waiting += first[1]
        self._recent[key] = (event.at_us, [])
        self._waiting.append(event)

    def ripe(self, now: float, *, all_of_them: bool = False) -> list[LimitEvent]:
        """Takes what is to be written now."""
        taken, self._waiting = self._waiting, []
        old = now * 1e6 - _SAME_SECONDS * 1_000_000
        for key, (at, more) in list(self._recent.items()):
            if all_of_them or at <= old:
                taken += more
                del self._recent[key]
        return taken

    def put_back(self, events: list[LimitEvent]) -> None:
        """They could not be written; the next time they are among the ripe ones again."""
        room = max(0, _WAITING - len(self._waiting))
        self.lost += max(0, len(events) - room)
        self._waiting = events[:room] + self._waiting
