"""How requests are spread over routes, and what happens when one fails."""

from typing import Literal

import msgspec


class Routing(msgspec.Struct, frozen=True, gc=False):
    """The rules of a plan. Times in seconds."""

    attempts: int = 4
    """Tries of one request, over all its routes."""
    patience: float = 10.0
    """How long a request may wait between its tries, all waits together: the tool waits meanwhile, and has
    a time-out of its own."""
    backoff: float = 0.3
    """Before the first try of a route that has just failed; doubled each time, and spread by half at random."""
    failures: int = 5
    """So many failed attempts within the window open a route's breaker…"""
    failure_rate: float = 0.5
    """…if they are at least this share of all."""
    window_seconds: float = 30.0
    open_seconds: float = 10.0
    """How long a breaker stays open at first; doubled each time in a row, up to five minutes."""
    stall_seconds: float = 60.0
    """Silence before the first content after which the next route is tried, if there is one."""
    slow_factor: float = 4.0
    """A route this many times slower to its first content than the fastest beside it goes last."""
    affinity: Literal["session", "none"] = "session"
    """Whether a session's requests go to one route while it is healthy, for its prompt cache and its sealed
    reasoning."""
