"""Counters of the data plane: plain integers on the path, turned into Prometheus families at scrape time.

prometheus-client's own counters take a lock for each increment; here only the event loop counts, so none
is needed. Names follow the Prometheus conventions (base units, `_total`).
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from waystation.model import Attempt
from waystation.relay.health import RouteStatus, State

_TTFT_BOUNDS_US = tuple(int(s * 1e6) for s in (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0))


_MOST_CELLS = 2_000
_MOST_NAMES = 500
_OTHER_MODEL = "(other)"


class _Cell:
    """The sums of one combination of surface, provider, model and outcome."""

    __slots__ = ("attempts", "cache_read", "cache_write", "cost_nano", "input", "output")

    def __init__(self) -> None:
        self.attempts = self.input = self.cache_read = self.cache_write = self.output = self.cost_nano = 0


class RelayMetrics(Collector):
    """What has happened since the start. Counted on the event loop only."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str, str, str], _Cell] = {}
        self.refusals: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.translations: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.keepalives = 0
        self._dropped: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._ttft_counts = [0] * (len(_TTFT_BOUNDS_US) + 1)
        self._ttft_sum_us = 0
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}
        self.routes: Callable[[], Iterable[RouteStatus]] = tuple
        """How each route is doing now."""

    def count_dropped(self, surface: str, names: Sequence[str]) -> None:
        """Counts what a translation left out. Unknown fields come from tools, so their names are bounded."""
        for name in names:
            key = (surface, name)
            if key not in self._dropped and len(self._dropped) >= _MOST_NAMES:
                key = (surface, _OTHER_MODEL)
            self._dropped[key] += 1

    def count(self, row: Attempt) -> None:
        """Counts one settled attempt."""
        key = (row.surface, row.provider, row.upstream_model, row.outcome)
        cell = self._cells.get(key)
        if cell is None:
            cell = self._new_cell(key)
        cell.attempts += 1
        cell.input += row.input_tokens
        cell.cache_read += row.cache_read_tokens
        cell.cache_write += row.cache_write_5m_tokens + row.cache_write_1h_tokens
        cell.output += row.output_tokens
        cell.cost_nano += row.cost_nano or 0
        ttft = row.ttft_us
        if ttft is not None:
            self._ttft_counts[bisect_left(_TTFT_BOUNDS_US, ttft)] += 1
            self._ttft_sum_us += ttft

    def _new_cell(self, key: tuple[str, str, str, str]) -> _Cell:
        """A cell for a combination not seen yet; once there are too many, the one of its kind without a model.

        Where the policy has a pattern, anybody can ask for names without end, and each would be a time series.
        """
        if len(self._cells) >= _MOST_CELLS:
            key = (*key[:2], _OTHER_MODEL, key[3])
        return self._cells.setdefault(key, _Cell())

    def collect(self) -> Iterator[Metric]:
        attempts: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        tokens: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        cost: defaultdict[tuple[str], int] = defaultdict(int)
        for (surface, provider, model, outcome), cell in list(self._cells.items()):
            attempts[(surface, provider, outcome)] += cell.attempts
            cost[(provider,)] += cell.cost_nano
            for kind in ("input", "cache_read", "cache_write", "output"):
                tokens[(provider, model, kind)] += getattr(cell, kind)
        yield _counter(
            "waystation_attempts",
            "Attempts at providers, by how they ended.",
            ("surface", "provider", "outcome"),
            attempts,
        )
        yield _counter(
            "waystation_refusals",
            "Requests refused or failed without a whole answer of a provider.",
            ("surface", "kind"),
            dict(self.refusals),
        )
        yield _counter("waystation_tokens", "Tokens metered.", ("provider", "model", "kind"), tokens)
        yield _counter("waystation_cost_nanodollars", "Cost metered, in 1e-9 USD.", ("provider",), cost)
        yield _counter(
            "waystation_translations",
            "Attempts in another protocol than the tool's.",
            ("from", "to"),
            dict(self.translations),
        )
        yield _counter(
            "waystation_translation_dropped",
            "Requests of which a translation left something out, by what it was.",
            ("surface", "what"),
            dict(self._dropped),
        )
        yield self._ttft()
        yield from _route_families(list(self.routes()))
        yield CounterMetricFamily(
            "waystation_keepalives", "Keep-alives put into silent streams.", value=self.keepalives
        )
        for name, (text, read) in self.gauges.items():
            yield GaugeMetricFamily(name, text, value=read())

    def _ttft(self) -> HistogramMetricFamily:
        total = 0
        buckets: list[tuple[str, float]] = []
        bounds = [*(str(bound / 1e6) for bound in _TTFT_BOUNDS_US), "+Inf"]
        for bound, count in zip(bounds, self._ttft_counts, strict=True):
            total += count
            buckets.append((bound, total))
        family = HistogramMetricFamily(
            "waystation_time_to_first_token_seconds", "From the request's arrival to its first content byte."
        )
        family.add_metric([], buckets, self._ttft_sum_us / 1e6)
        return family


def _counter(name: str, text: str, labels: Sequence[str], values: Mapping[Any, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, value in values.items():
        if value:
            family.add_metric(key, value)
    return family


def _route_families(statuses: Sequence[RouteStatus]) -> Iterator[Metric]:
    available = GaugeMetricFamily(
        "waystation_route_available",
        "1 where requests go to a route now, 0 where it is left alone.",
        labels=["route"],
    )
    in_flight = GaugeMetricFamily(
        "waystation_route_in_flight", "Requests under way to a route.", labels=["route"]
    )
    latency = GaugeMetricFamily(
        "waystation_route_first_content_seconds",
        "Time to the first content, averaged lately.",
        labels=["route"],
    )
    for status in statuses[:_MOST_CELLS]:
        fit = status.state is not State.OPEN and not status.wait
        available.add_metric([status.route], float(fit))
        in_flight.add_metric([status.route], float(status.in_flight))
        latency.add_metric([status.route], status.latency)
    yield from (available, in_flight, latency)
