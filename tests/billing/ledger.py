"""A ledger to bill, and what the policy says about it."""

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.ledger.records import attempt
from tests.policy.documents import read
from waystation.billing.books import Books, open_books
from waystation.ledger import Journal
from waystation.ledger.drain import LakeWriter
from waystation.ledger.layout import journal_directories, lake_directory
from waystation.model import Attempt
from waystation.policy import billing_terms, compile_plan, price_factors, price_overrides
from waystation.pricing import PriceBook

POLICY = """\
version: 1
providers:
  anthropic: {kind: anthropic, credential: env:KEY}
  openai: {kind: openai, credential: env:KEY}
models:
  "claude-*": {routes: [{provider: anthropic}]}
  "gpt-*": {routes: [{provider: openai}]}
"""
TODAY = dt.date(2026, 11, 24)
MODEL = "claude-sonnet-4-5"
_NUMBERS = itertools.count(1)


def at(text: str) -> int:
    """Microseconds of a moment in UTC."""
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp() * 1_000_000)


def used(when: str = "2026-11-10T12:00", **changes: Any) -> Attempt:
    start = at(when)
    times = {"started_us": start, "ended_us": start + 2_000_000, "ttft_us": 300_000}
    return attempt(next(_NUMBERS), **(times | {"upstream_model": MODEL, "requested_model": MODEL} | changes))


def keep(data: Path, rows: Iterable[Attempt], *, drain: bool = True, node: str = "main") -> None:
    journal = Journal(data / "journal" / node, node)
    journal.open()
    for row in rows:
        journal.settle(row)
    journal.close()
    if drain:
        LakeWriter(data / "journal" / node, str(lake_directory(data)), node).drain()


@contextmanager
def books_of(data: Path, billing: str = "", policy: str = POLICY) -> Iterator[Books]:
    document = read(policy + (f"billing:\n{billing}" if billing else ""))
    book = PriceBook.builtin(price_overrides(document), price_factors(document))
    plan = compile_plan(document, version=1, prices=book)
    with open_books(
        journal_directories(data), lake_directory(data), book, plan.providers, billing_terms(document)
    ) as books:
        yield books
