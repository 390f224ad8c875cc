"""A thousand slow clients at a web process, or at nginx in front of it, while shoppers buy.

`pytest -s` shows the figures.

SLOW_CLIENTS sets their number.
"""

import os
import resource
import time
from contextlib import contextmanager, suppress
from statistics import quantiles

import pytest

from benchmarks.process_figures import figures_of
from tests.flows.stack.crowd import Crowd, assert_settled
from tests.flows.stack.memory import Watch, resident_mb, resident_mb_of_all
from tests.flows.stack.production import Visitors, in_production
from tests.flows.stack.shopping import shopper_at
from tests.flows.stack.slow_clients import SlowClients
from tests.support.waiting import wait_until

SLOW_CLIENTS = int(os.environ.get("SLOW_CLIENTS", "1000"))
PURCHASES = 12
KINDS = {"silent", "byte_by_byte", "slow_header", "slow_body", "not_reading"}
MORE_MEMORY_MB = 48
# After the keep-alive time and the time for sending a request, all connections but the shoppers' are closed.
GONE_SECONDS = 60

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.postgresql,
    pytest.mark.long,
    pytest.mark.timeout(600),
]


@contextmanager
def many_files(count):
    """Raise the limit of file descriptors, which the web process inherits: each connection needs one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"no more than {hard} files may be open")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def connections_of(program):
    """Return the number of sockets that the process has open (proc(5))."""
    folder = f"/proc/{program.pid}/fd"
    count = 0
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):
            count += os.readlink(f"{folder}/{name}").startswith("socket:")
    return count


def percentiles(hops):
    """Return the median and the 99th percentile of the gateway's times, in milliseconds."""
    hundredths = quantiles([1000 * hop.duration.total_seconds() for hop in hops], n=100, method="inclusive")
    return f"p50 {hundredths[49]:.0f} ms, p99 {hundredths[98]:.0f} ms"


def test_slow_clients_are_dropped_and_shoppers_go_on_paying(start_stack, tmp_path):
    with many_files(SLOW_CLIENTS + 1_000):
        stack = start_stack(
            environment={"CHECKOUT_RISK_PAYMENTS_PER_EMAIL": "1000000"},
            web_environment={"CHECKOUT_SEND_SECONDS": "5", "CHECKOUT_MAX_HELD_PER_ADDRESS": "5000"},
        )
        web = stack.programs["web"]
        victim = shopper_at(stack)
        victim.order()
        with Crowd(stack) as crowd:
            crowd.until_more_have_paid(PURCHASES)
            calm, before, sockets = list(crowd.hops), resident_mb(web), connections_of(web)
            path = f"/checkout/{victim.reference}/pay/"
            with (
                Watch(web) as memory,
                SlowClients(stack.web_url, path, SLOW_CLIENTS, tmp_path / "slow.log") as slow,
            ):
                begun, used, began = len(crowd.hops), figures_of(web.pid).cpu_seconds, time.monotonic()
                crowd.until_more_have_paid(PURCHASES, seconds=300)
                wait_until(lambda: set(slow.dropped) >= KINDS, "each kind to be dropped", seconds=120)
                attacked, dropped = crowd.hops[begun:], slow.dropped
                share = (figures_of(web.pid).cpu_seconds - used) / (time.monotonic() - began)
            wait_until(lambda: connections_of(web) < sockets + 20, "room", seconds=GONE_SECONDS)
            crowd.until_more_have_paid()
            after = resident_mb(web)
    came_back = crowd.when_the_patient_come_back()
    ends = assert_settled(crowd)
    print(
        f"\n{SLOW_CLIENTS} slow clients, dropped {dropped}:"
        f" calm {percentiles(calm)}; attacked {percentiles(attacked)} of {len(attacked)} requests;"
        f" web {before:.0f} MB before, {memory.peak_mb:.0f} at most, {after:.0f} after;"
        f" {share:.0%} of a processor under attack;"
        f" {len(crowd.told_paid)} paid, {came_back} later; ends {ends}"
    )
    assert crowd.failures == []
    assert max(crowd.answers) < 400, crowd.answers
    assert "never" not in dropped
    assert after < before + MORE_MEMORY_MB


@pytest.mark.nginx
def test_nginx_keeps_most_slow_clients_from_the_gateway_and_shoppers_go_on_paying(
    tmp_path, rabbitmq_url, postgresql_url
):
    with (
        many_files(SLOW_CLIENTS + 1_000),
        in_production(tmp_path, broker_url=rabbitmq_url, database_url=postgresql_url) as production,
    ):
        nginx, web = production.nginx, production.stack.programs["web"]
        victim, *references = production.orders(1 + 40 * PURCHASES)
        with Visitors(production.stack, production=production, references=references) as crowd:
            crowd.until_more_have_paid(PURCHASES)
            calm, sockets = list(crowd.hops), connections_of(web)
            before = resident_mb_of_all(nginx.program), resident_mb(web)
            with (
                Watch(nginx.program, resident_mb_of_all) as of_nginx,
                Watch(web) as of_web,
                SlowClients(
                    nginx.url,
                    f"/checkout/{victim}/pay/",
                    SLOW_CLIENTS,
                    tmp_path / "slow.log",
                    certificate=nginx.certificate.certificate,
                ) as slow,
            ):
                begun = len(crowd.hops)
                crowd.until_more_have_paid(PURCHASES, seconds=300)
                most = connections_of(web)
                wait_until(lambda: set(slow.dropped) >= KINDS, "each kind to be dropped", seconds=120)
                attacked, dropped = crowd.hops[begun:], slow.dropped
            crowd.until_more_have_paid()
            after = resident_mb_of_all(nginx.program), resident_mb(web)
        came_back = crowd.when_the_patient_come_back()
        ends = assert_settled(crowd)
    print(
        f"\n{SLOW_CLIENTS} slow clients at nginx, dropped {dropped}:"
        f" calm {percentiles(calm)} of {len(calm)};"
        f" attacked {percentiles(attacked)} of {len(attacked)} requests;"
        f" nginx {before[0]:.0f} MB before, {of_nginx.peak_mb:.0f} at most, {after[0]:.0f} after;"
        f" web {before[1]:.0f} MB before, {of_web.peak_mb:.0f} at most, {after[1]:.0f} after;"
        f" {most} connections at the web process, {sockets} before;"
        f" {len(crowd.told_paid)} paid, {came_back} later; ends {ends}"
    )
    assert crowd.failures == []
    assert max(crowd.answers) < 400, crowd.answers
    assert "never" not in dropped
    # nginx handles incomplete heads and clients that do not read. Only slow bodies, a fifth of the clients,
    # reach us.
    assert most < sockets + SLOW_CLIENTS / 3
    assert after[1] < before[1] + MORE_MEMORY_MB
