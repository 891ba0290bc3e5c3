"""Counters of the data plane: plain integers on the path, turned into Prometheus families at scrape time.

prometheus-client's own counters take a lock for each increment; here only the event loop counts, so none
is needed. Names follow the Prometheus conventions (base units, `_total`).
"""

from collections import defaultdict
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from waystation.model import Attempt

_TTFT_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class RelayMetrics(Collector):
    """What has happened since the start. Counted on the event loop only."""

    def __init__(self) -> None:
        self.attempts: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self.tokens: defaultdict[tuple[str, str, str], int] = defaultdict(int)
        self.cost_nano: defaultdict[str, int] = defaultdict(int)
        self.refusals: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.keepalives = 0
        self.ttft_counts = [0] * (len(_TTFT_BOUNDS) + 1)
        self.ttft_sum = 0.0
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}

    def count(self, row: Attempt) -> None:
        """Counts one settled attempt."""
        provider = row.provider
        self.attempts[(row.surface, provider, row.outcome)] += 1
        tokens = self.tokens
        if row.input_tokens:
            tokens[(provider, row.upstream_model, "input")] += row.input_tokens
        if row.cache_read_tokens:
            tokens[(provider, row.upstream_model, "cache_read")] += row.cache_read_tokens
        written = row.cache_write_5m_tokens + row.cache_write_1h_tokens
        if written:
            tokens[(provider, row.upstream_model, "cache_write")] += written
        if row.output_tokens:
            tokens[(provider, row.upstream_model, "output")] += row.output_tokens
        if row.cost_nano:
            self.cost_nano[provider] += row.cost_nano
        if row.ttft_us is not None:
            self._observe_ttft(row.ttft_us / 1e6)

    def _observe_ttft(self, seconds: float) -> None:
        self.ttft_sum += seconds
        for index, bound in enumerate(_TTFT_BOUNDS):
            if seconds <= bound:
                self.ttft_counts[index] += 1
                return
        self.ttft_counts[-1] += 1

    def collect(self) -> Iterator[Metric]:
        attempts = CounterMetricFamily(
            "waystation_attempts",
            "Attempts at providers, by how they ended.",
            labels=["surface", "provider", "outcome"],
        )
        for labels, value in list(self.attempts.items()):
            attempts.add_metric(labels, value)
        yield attempts
        refusals = CounterMetricFamily(
            "waystation_refusals", "Requests refused before any attempt.", labels=["surface", "kind"]
        )
        for pair, value in list(self.refusals.items()):
            refusals.add_metric(pair, value)
        yield refusals
        tokens = CounterMetricFamily(
            "waystation_tokens", "Tokens metered.", labels=["provider", "model", "kind"]
        )
        for triple, value in list(self.tokens.items()):
            tokens.add_metric(triple, value)
        yield tokens
        cost = CounterMetricFamily(
            "waystation_cost_nanodollars", "Cost metered, in 1e-9 USD.", labels=["provider"]
        )
        for provider, value in list(self.cost_nano.items()):
            cost.add_metric([provider], value)
        yield cost
        yield self._ttft()
        yield CounterMetricFamily(
            "waystation_keepalives", "Keep-alives put into silent streams.", value=self.keepalives
        )
        for name, (text, read) in self.gauges.items():
            yield GaugeMetricFamily(name, text, value=read())

    def _ttft(self) -> HistogramMetricFamily:
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, _TTFT_BOUNDS), "+Inf"), self.ttft_counts, strict=True):
            total += count
            buckets.append((bound, total))
        family = HistogramMetricFamily(
            "waystation_time_to_first_token_seconds", "From the request's arrival to its first content byte."
        )
        family.add_metric([], buckets, self.ttft_sum)
        return family
