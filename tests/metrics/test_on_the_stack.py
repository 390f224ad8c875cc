"""The whole stack as Prometheus sees it: each process shows its metrics, and a missing one is noticed."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from scripts.services.process import free_port
from tests.flows.stack.shopping import paid_once, shopper_at
from tests.metrics.scraping import Samples, alerts_of, samples_at, series_of
from tests.support.stack import SERVICES, Stack
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(400)]
PROGRAMS = {"web", "relay", "webhooks", *SERVICES}


def each_process(ports: range) -> Iterator[Samples]:
    for port in ports:
        try:
            yield {_of(port, name): value for name, value in samples_at(f"http://127.0.0.1:{port}/").items()}
        except requests.RequestException:
            continue


def _of(port: int, series: str) -> str:
    """Return a series with the label that Prometheus adds."""
    name, _, labels = series.rstrip("}").partition("{")
    own = f'instance="{port}"'
    return f"{name}{{{labels},{own}}}" if labels else f"{name}{{{own}}}"


def together(ports: range) -> Samples:
    return {name: value for samples in each_process(ports) for name, value in samples.items()}


def shown_by(ports: range, series: str) -> list[float]:
    beginning = series.rstrip("}")
    return [value for name, value in together(ports).items() if name.startswith(beginning)]


def unread(ports: range) -> list[str]:
    """Return the series of queues without a reader. Nothing ever reads the queue of parked messages."""
    return [
        name
        for name, value in together(ports).items()
        if name.startswith("gateway_queue_readers{") and ".parked" not in name and not value
    ]


def test_what_is_lost_is_missed(start_stack: Callable[..., Stack], tmp_path: Path) -> None:
    first = free_port()
    ports = range(first, first + 40)
    environment = {"CHECKOUT_METRICS_PORTS": f"{ports[0]}-{ports[-1]}"}
    # The relay may ask before the sandbox answers. It learns only at the next comparison that the sandbox
    # does.
    environment["CHECKOUT_RECONCILIATION_SECONDS"] = "5"
    stack = start_stack(environment=environment)
    programs = {
        program for program in PROGRAMS if shown_by(ports, f'gateway_program_info{{program="{program}"')
    }
    assert programs == PROGRAMS
    readers = series_of("gateway_queue_readers", {"queue": "checkout.commands.risk"})
    wait_until(lambda: shown_by(ports, readers) == [1.0], "the relay to have looked at the queues")

    shopper = shopper_at(stack)
    shopper.pay(shopper.order())
    paid_once(stack, shopper)
    wait_until(lambda: shown_by(ports, "gateway_flows_overdue") == [0.0], "the relay to have looked")
    wait_until(lambda: 1.0 not in shown_by(ports, "gateway_outage{"), "each process to reach everything")
    wait_until(lambda: not unread(ports), "the relay to have seen a reader of each queue")
    well = together(ports)
    assert alerts_of(well, well, tmp_path) == set()

    stack.programs["risk"].kill()
    wait_until(lambda: shown_by(ports, readers) == [0.0], "the relay to miss the reader")
    lost = together(ports)
    assert {"GatewayProgramMissing", "GatewayQueueUnread"} <= alerts_of(lost, lost, tmp_path)
