"""Metrics of this process: its broker connection, pools, outages, and the work in progress."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from django.db import connections

from checkout.database.owners import databases
from checkout.metrics.families import Figure
from messaging.broker import Broker
from messaging.logs import outage
from messaging.tallies import Labels

# The broker's numbers that may also fall, and so are gauges and not counters.
_LEVELS = ("unconfirmed", "unconfirmed_bytes", "waiters")


def figures(
    programs: Sequence[str], broker: Broker, in_progress: Mapping[str, Callable[[], int]]
) -> list[Figure]:
    """Return the metrics of a process that runs these programs. ``in_progress`` counts work by kind."""

    def level(name: str) -> Callable[[], Iterator[tuple[Labels, float]]]:
        return lambda: iter([((), broker.metrics().get(name, 0))])

    def events() -> Iterator[tuple[Labels, float]]:
        return (((name,), value) for name, value in broker.metrics().items() if name not in _LEVELS)

    return [
        Figure(
            "program_info",
            "The programs of this process.",
            lambda: (((program,), 1) for program in programs),
            ("program",),
        ),
        Figure(
            "in_progress",
            "Requests and connections that this process has now.",
            lambda: (((kind,), count()) for kind, count in in_progress.items()),
            ("kind",),
        ),
        Figure(
            "broker_connected",
            "1 if this process can publish and receive messages.",
            lambda: [((), broker.is_connected)],
        ),
        Figure("broker_events", "Events at the broker connection.", events, ("event",), "counter"),
        Figure("broker_unconfirmed_messages", "Messages without a confirm.", level("unconfirmed")),
        Figure("broker_unconfirmed_bytes", "Bytes of these messages.", level("unconfirmed_bytes")),
        Figure("reply_waiters", "Callers that wait for a reply.", level("waiters")),
        Figure(
            "outage",
            "1 while this process does not reach a database, the broker or a provider.",
            lambda: _outages().items(),
            ("of", "name"),
        ),
        Figure(
            "database_pool_connections",
            "Connections of this process to a database.",
            _pool_connections,
            ("database", "state"),
        ),
        Figure(
            "database_pool_waiting",
            "Callers that wait for a free connection to a database.",
            lambda: (((name,), stats.get("requests_waiting", 0)) for name, stats in _pools()),
            ("database",),
        ),
    ]


def _outages() -> dict[Labels, float]:
    found: dict[Labels, float] = {}
    for each in outage.known():
        labels = (each.what, " ".join(map(str, each.about.values())))
        found[labels] = max(found.get(labels, 0), each.is_on)
    return found


def _pool_connections() -> Iterator[tuple[Labels, float]]:
    for name, stats in _pools():
        idle = stats.get("pool_available", 0)
        yield (name, "idle"), idle
        yield (name, "busy"), stats.get("pool_size", 0) - idle


def _pools() -> Iterator[tuple[str, Mapping[str, int]]]:
    """Yield the existing connection pools. No pool is created for this."""
    for alias in databases():
        pools = getattr(connections[alias], "_connection_pools", {})  # only PostgreSQL's
        if pool := pools.get(alias):
            yield alias, pool.get_stats()
