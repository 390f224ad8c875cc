"""A simulation of the queues of an installation, from measured costs: `python -m benchmarks.queues`.

It answers where purchases would wait on more cores than the measured machine has. Each process, and each core
of RabbitMQ and PostgreSQL, serves one visit at a time, in the order of arrival. A purchase visits them one
after the other. Service times are exponential with the measured means. The provider answers at once. Locks,
disks and networks are not simulated.
"""

import argparse
import heapq
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from statistics import quantiles

from benchmarks.table import table

# Milliseconds of a processor for one purchase, from `make bench WHAT=cost` (docs/scaling.md).
COSTS = {
    "web": 15.4,
    "checkout": 17.3,
    "payments": 17.0,
    "orders": 3.4,
    "notifications": 2.2,
    "risk": 2.6,
    "ledger": 2.1,
    "relay": 2.8,
    "webhooks": 0.8,
    "RabbitMQ": 13.8,
    "PostgreSQL": 23.6,
}
SERVERS = ("RabbitMQ", "PostgreSQL")
CORES_OF_SERVERS = 2
HANDLING = ("RabbitMQ", "{}", "PostgreSQL")
# Before a provider call, its intent is committed, too.
CALLING = ("RabbitMQ", "payments", "PostgreSQL", "payments", "PostgreSQL")


def _handled_by(*services: str) -> list[str]:
    steps: list[str] = []
    for service in services:
        steps += CALLING if service == "payments" else [step.format(service) for step in HANDLING]
    return steps


PAGES = ["web", "PostgreSQL"] * 3
PAYING = [
    "web",
    "PostgreSQL",
    *_handled_by("checkout", "risk", "checkout", "orders", "checkout", "payments", "checkout"),
    *_handled_by("payments", "checkout"),
    "RabbitMQ",
]
AFTERWARDS = [
    *("web", "PostgreSQL"),
    *_handled_by("ledger", "orders", "checkout", "notifications", "relay", "webhooks"),
]
VISITS = [*PAGES, *PAYING, *AFTERWARDS]


@dataclass(frozen=True)
class Outcome:
    """The seconds from sending the card to the answer, and the share of time that each station is busy."""

    seconds: Sequence[float]
    busy: Mapping[str, float]


def simulate(
    rate: float,
    servers: Mapping[str, int],
    visits: Sequence[str],
    paying: range,
    purchases: int,
    seed: int = 1,
) -> Outcome:
    """Let `purchases` begin at `rate` a second. `paying` has the visits during which the shopper waits."""
    draw = random.Random(seed)  # noqa: S311 (repeatable by design)
    means = {name: COSTS[name] / 1000 / visits.count(name) for name in set(visits)}
    free = {name: [0.0] * servers[name] for name in means}
    worked: defaultdict[str, float] = defaultdict(float)
    began: dict[int, float] = {}
    seconds, order = [], count()
    arrival, events = 0.0, []
    for purchase in range(purchases):
        arrival += draw.expovariate(rate)
        events.append((arrival, next(order), purchase, 0))
    now = 0.0
    while events:
        now, _, purchase, visit = heapq.heappop(events)
        if visit == paying.start:
            began[purchase] = now
        if visit == paying.stop:
            seconds.append(now - began.pop(purchase))
        if visit == len(visits):
            continue
        name = visits[visit]
        service = draw.expovariate(1 / means[name])
        end = max(now, free[name][0]) + service
        heapq.heapreplace(free[name], end)
        worked[name] += service
        heapq.heappush(events, (end, next(order), purchase, visit + 1))
    return Outcome(seconds, {name: worked[name] / now / servers[name] for name in means})


def installation(copies: int) -> dict[str, int]:
    """Return the servers of each station: `copies` of each process, twice as many cores of the servers."""
    return {name: copies * (CORES_OF_SERVERS if name in SERVERS else 1) for name in COSTS}


def limits(servers: Mapping[str, int]) -> list[tuple[float, str]]:
    """Return the purchases per second at which each station would always be busy, the lowest first."""
    return sorted((1000 * servers[name] / cost, name) for name, cost in COSTS.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--purchases", type=int, default=20_000, help="of each simulation (default: 20000)")
    options = parser.parse_args()
    paying = range(len(PAGES), len(PAGES) + len(PAYING))
    lines = []
    for copies in (1, 2, 4):
        servers = installation(copies)
        (limit, first), (_, second), *_ = limits(servers)
        for load in (0.5, 0.7, 0.9):
            told = simulate(load * limit, servers, VISITS, paying, options.purchases)
            hundredths = quantiles(told.seconds, n=100)
            times = [f"{1000 * hundredths[index]:.0f}" for index in (49, 98)]
            busy = f"{first} {100 * told.busy[first]:.0f} %, {second} {100 * told.busy[second]:.0f} %"
            lines.append([f"{copies}, {load * limit:.0f} a second", *times, busy])
    print(table(["copies of each process, rate", "p50 ms", "p99 ms", "busiest"], lines))
    for copies in (1, 2, 4):
        told_limits = ", ".join(f"{name} {rate:.0f}" for rate, name in limits(installation(copies))[:5])
        print(f"{copies}: always busy at so many a second: {told_limits}")


if __name__ == "__main__":
    main()
