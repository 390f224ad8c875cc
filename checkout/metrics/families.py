"""The metrics that a process serves. Their values are read when metrics are requested."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from checkout import tallies
from messaging import tallies as of_messages
from messaging.tallies import Distribution, Labels, Tally, Times
from payments_gateway.serving import tallies as of_requests

PREFIX = "gateway_"
# The views that pages poll, and those that answer at once.
POLLED = frozenset({"checkout:status", "checkout:status_json"})
IMMEDIATE = frozenset(
    {"checkout:live", "checkout:ready", "checkout:notifications", "checkout:proven_notifications"}
)
Samples = Iterable[tuple[Labels, float]]

TALLIES: Sequence[Tally] = (
    of_messages.redeliveries,
    of_messages.dead_letters,
    of_messages.relayed,
    of_messages.from_future,
    of_messages.refusals,
    tallies.steps,
    tallies.pushes,
)
TIMES: Sequence[Times] = (
    of_messages.waits,
    of_messages.handled,
    of_requests.loop_lags,
    tallies.provider_calls,
    tallies.webhook_attempts,
    tallies.webhook_lags,
)


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric whose values are read when metrics are requested.

    ``read`` yields each value with its labels.
    """

    name: str
    help: str
    read: Callable[[], Samples]
    labels: Sequence[str] = ()
    kind: Literal["gauge", "counter"] = "gauge"

    def family(self) -> Metric:
        """Return the metric with its present values."""
        kind = GaugeMetricFamily if self.kind == "gauge" else CounterMetricFamily
        family = kind(f"{PREFIX}{self.name}", self.help, labels=self.labels)
        for labels, value in self.read():
            family.add_metric([str(label) for label in labels], value)
        return family


class Families(Collector):
    """All metrics of a process: what it counts, and the figures that it was given."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """See ``Collector``."""
        yield from _of_requests()
        for tally in TALLIES:
            yield Figure(tally.name, tally.help, tally.read().items, tally.labels, "counter").family()
        for times in TIMES:
            yield _histogram(times, times.labels, times.read())
        for figure in self._figures:
            yield figure.family()


def _of_requests() -> Iterator[Metric]:
    """Yield requests by view, tier and outcome, and durations by tier.

    Durations by view would be too many.
    """
    counts: Counter[Labels] = Counter()
    by_tier: dict[Labels, Distribution] = {}
    for (tier, view, status), times in of_requests.answers.read().items():
        tier = _tier_of(str(tier), str(view))
        counts[view, tier, _outcome_of(int(status))] += sum(times.counts)
        by_tier[(tier,)] = _added(times, by_tier.get((tier,)))
    for (view,), number in of_requests.departures.read().items():
        counts[view, _tier_of("held", str(view)), "client_left"] += number
    yield Figure(
        "http_requests", "Requests by their outcome.", counts.items, ("view", "tier", "outcome"), "counter"
    ).family()
    yield _histogram(of_requests.answers, ("tier",), by_tier)


def _tier_of(tier: str, view: str) -> str:
    return "polled" if view in POLLED else "immediate" if view in IMMEDIATE else tier


def _outcome_of(status: int) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "failed" if status == HTTPStatus.INTERNAL_SERVER_ERROR else "unavailable"
    return "refused" if status >= HTTPStatus.BAD_REQUEST else "answered"


def _added(one: Distribution, other: Distribution | None) -> Distribution:
    if other is None:
        return one
    counts = [sum(pair) for pair in zip(one.counts, other.counts, strict=True)]
    return Distribution(counts, one.sum_seconds + other.sum_seconds)


def _histogram(times: Times, labels: Sequence[str], read: Mapping[Labels, Distribution]) -> Metric:
    family = HistogramMetricFamily(f"{PREFIX}{times.name}", times.help, labels=labels)
    for values, distribution in read.items():
        so_far, buckets = 0, []
        for bound, count in zip((*map(str, times.bounds), "+Inf"), distribution.counts, strict=True):
            so_far += count
            buckets.append((bound, so_far))
        family.add_metric([str(value) for value in values], buckets, distribution.sum_seconds)
    return family
