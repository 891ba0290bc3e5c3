"""A conversation as exchanges: what the person said, and how far the model's work on it has come."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from waystation.rehearsal.ask import Result


class Turn(msgspec.Struct, frozen=True):
    """One message of the user's side: results of tools, then the person's own words."""

    results: tuple[Result, ...] = ()
    words: str = ""


class Exchange(msgspec.Struct, frozen=True):
    words: str = ""
    rounds: int = 0
    """How often the model has called tools since those words."""
    results: tuple[Result, ...] = ()
    """Of the last of those rounds."""


def last_exchanges(turns: Iterable[Turn]) -> tuple[Exchange, Exchange]:
    """The last exchange, and the one before it; empty where there is none."""
    before, last = Exchange(), Exchange()
    for turn in turns:
        if turn.results:
            last = Exchange(last.words, last.rounds + 1, turn.results)
        if turn.words:
            before, last = last, Exchange(turn.words)
    return last, before
