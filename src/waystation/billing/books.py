"""The ledger with prices and terms beside it, ready to be added up.

Each row has two figures. Its list cost is what the ledger says (`cost_nano`). Its billed cost is that less the
discount of its provider, model and day, rounded half up to the nano-dollar row by row; 0 under a seat. Sums of
either are exact.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from waystation.ledger.queries import UsageView, open_usage
from waystation.ledger.rerates import Rerates, rerates_uri
from waystation.ledger.schema import RERATES, TABLE
from waystation.model import Provider, Route
from waystation.model.billing import MILLION, BillingTerms
from waystation.pricing import PriceBook, Rates

_EPOCH = dt.date(1970, 1, 1)
_TERMS = pa.schema(
    [
        ("t_provider", pa.string()),
        ("t_model", pa.string()),
        ("t_tier", pa.string()),
        ("t_date", pa.date32()),
        ("kept_ppm", pa.int64()),
        ("seats", pa.string()),
        ("steps", pa.list_(pa.int64())),
    ]
)
_KEY = "coalesce(provider, ''), coalesce(upstream_model, ''), coalesce(service_tier, ''), date"
_JOIN = (
    "LEFT JOIN bill_terms ON t_provider = coalesce(provider, '') AND t_model = coalesce(upstream_model, '') "
    "AND t_tier = coalesce(service_tier, '') AND t_date = date"
)


def billed(nano: str) -> str:
    """SQL: what is billed for a list cost; the rule of rounding is the module's."""
    kept = f"((({nano})::HUGEINT * kept_ppm + {MILLION // 2}) // {MILLION})"
    return f"(CASE WHEN seats <> '' THEN 0::HUGEINT ELSE {kept} END)"


class Books:
    """One consistent look at the ledger and its corrections; `usage` and `corrections` are what to query."""

    def __init__(
        self,
        view: UsageView,
        rerates: Rerates,
        book: PriceBook,
        providers: Mapping[str, Provider],
        terms: BillingTerms,
    ) -> None:
        self.terms = terms
        self.book = book
        self.providers = providers
        self.missing = view.missing
        self._connection = view.connection
        self.rerates = rerates
        self._corrected = rerates.dataset()  # has to outlive the connection's use of it
        self._connection.register(RERATES, self._corrected)
        self._known: tuple[dt.date, dt.date] | None = None
        """The stretch whose terms are in `bill_terms`."""
        self._routes: dict[tuple[str, str], Route | None] = {}

    def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._connection.execute(sql, list(parameters)).fetchall()
        return found

    def batches(self, sql: str, parameters: Sequence[Any] = (), rows: int = 50_000) -> Iterator[Any]:
        """The answer in lists of rows, without having it all at once. No other query meanwhile."""
        answer = self._connection.execute(sql, list(parameters))
        while found := answer.fetchmany(rows):
            yield found

    def prepare(self, since: dt.date | None, before: dt.date) -> str:
        """Make the terms of that stretch known; returns the WHERE clause that chooses it.

        What was made known before stays so: a second call within that stretch reads nothing.
        """
        where = f"date < DATE '{before}'" + (f" AND date >= DATE '{since}'" if since else "")
        start = since or dt.date.min
        if self._known is not None and self._known[0] <= start and before <= self._known[1]:
            return where
        self._known = (start, before)
        pairs = self.query(
            f"SELECT DISTINCT {_KEY} FROM {TABLE} WHERE {where} "  # noqa: S608 - dates and names of ours
            f"UNION SELECT DISTINCT {_KEY} FROM {RERATES} WHERE date < DATE '{before}'"
        )
        columns = list(zip(*self._terms_of(pairs), strict=True)) or [()] * len(_TERMS)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, _TERMS, strict=True)]
        self._prepared = pa.table(arrays, schema=_TERMS)
        self._connection.register("bill_terms", self._prepared)
        self._connection.execute(
            "CREATE OR REPLACE TEMP VIEW bill_usage AS SELECT *, cost_nano::HUGEINT AS list_nano, "  # noqa: S608
            f"{billed('cost_nano')} AS billed_nano FROM {TABLE} {_JOIN}"
        )
        after, before_ = billed("after_nano"), billed("coalesce(before_nano, 0)")
        self._connection.execute(
            "CREATE OR REPLACE TEMP VIEW bill_corrections AS SELECT *, delta_nano::HUGEINT AS list_nano, "  # noqa: S608
            f"{after} - {before_} AS billed_nano, "
            f"greatest(date_trunc('month', date), date_trunc('month', rerated_on))::DATE AS booked "
            f"FROM {RERATES} {_JOIN}"
        )
        return where

    def rates(self, provider: str, model: str, day: dt.date) -> Rates | None:
        """Rates in force at the first instant of the day; None where the policy has no such provider or no price."""
        route = self.route(provider, model)
        return None if route is None else self.book.rates_for(route, (day - _EPOCH).days * 86_400_000_000)

    def route(self, provider: str, model: str) -> Route | None:
        """The place that was asked, as the price book wants it; None where the policy no longer knows it."""
        key = (provider, model)
        if key not in self._routes:
            known = self.providers.get(provider)
            self._routes[key] = (
                None if known is None else Route(id=f"{provider}/{model}", provider=known, model=model)
            )
        return self._routes[key]

    def _terms_of(self, pairs: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        for provider, model, tier, day in pairs:
            seats = self.terms.seats_of(provider, model, day)
            yield (
                provider,
                model,
                tier,
                day,
                self.terms.kept_ppm(provider, model, day),
                "" if seats is None else seats.name or "seats",
                self._steps(provider, model, tier, day),
            )

    def _steps(self, provider: str, model: str, tier: str, day: dt.date) -> list[int]:
        rates = self.rates(provider, model, day)
        if rates is None:
            return []
        served = rates.service_tiers.get(tier.lower(), rates) if tier else rates
        return [step.above for step in served.long_context]


@contextmanager
def open_books(
    journals: Sequence[Path],
    lake: str | Path,
    book: PriceBook,
    providers: Mapping[str, Provider],
    terms: BillingTerms,
) -> Iterator[Books]:
    """Lake and journals as of one moment, as `waystation usage` reads them, with the corrections beside."""
    with open_usage(journals, lake) as view:
        yield Books(view, Rerates(rerates_uri(lake)), book, providers, terms)
