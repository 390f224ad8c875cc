"""The simulation of queues agrees with theory where there is one, and names the first limit."""

import pytest

from benchmarks import queues
from benchmarks.queues import installation, limits, simulate


@pytest.mark.parametrize("load", [0.5, 0.8])
def test_purchases_wait_at_one_server_as_long_as_the_theory_says(
    monkeypatch: pytest.MonkeyPatch, load: float
):
    """Customers that arrive at random stay on average 1 / (service rate - arrival rate): M/M/1."""
    monkeypatch.setattr(queues, "COSTS", {"web": 10.0})
    told = simulate(100 * load, {"web": 1}, ["web"], range(1), 200_000)
    assert sum(told.seconds) / len(told.seconds) == pytest.approx(1 / (100 - 100 * load), rel=0.03)
    assert told.busy["web"] == pytest.approx(load, rel=0.02)


def test_a_second_server_takes_half_of_the_work(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(queues, "COSTS", {"web": 10.0})
    told = simulate(80, {"web": 2}, ["web"], range(1), 50_000)
    assert told.busy["web"] == pytest.approx(0.4, rel=0.02)


def test_the_station_with_the_most_work_for_its_servers_gives_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(queues, "COSTS", {"web": 10.0, "PostgreSQL": 15.0})
    assert limits(installation(1)) == [(100.0, "web"), (pytest.approx(133.3, rel=0.01), "PostgreSQL")]
