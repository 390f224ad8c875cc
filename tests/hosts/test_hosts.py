"""Shoppers go on paying while a host is cut off, slow, heard by some only, or has a wrong clock."""

import pytest

from tests.faults.injectors.processes import FAKETIME
from tests.flows.stack.crowd import assert_settled
from tests.hosts.installation import opened

pytestmark = [
    pytest.mark.rabbitmq,
    pytest.mark.postgresql,
    pytest.mark.nginx,
    pytest.mark.long,
    pytest.mark.timeout(900),
]
# The time until all have noticed that a host is gone: TCP's user timeout, the heartbeat of the broker, its
# net tick, and the time-out of transactions that the host left open.
NOTICED_SECONDS = 90
UNAVAILABLE = {503, 504}


@pytest.fixture(scope="module")
def installation():
    with opened() as installation:
        yield installation


def bought_during(installation, fault):
    """Let shoppers buy before, during and after a fault, and check that every payment ends well."""
    with installation.shoppers() as crowd:
        crowd.until_more_have_paid(4)
        with fault:
            crowd.until_more_have_paid(8, seconds=NOTICED_SECONDS)
        crowd.until_more_have_paid(8, seconds=NOTICED_SECONDS)
    crowd.when_the_patient_come_back()
    assert_settled(crowd)
    return crowd


def errors(crowd):
    """Return the statuses of the gateway's answers that report a fault of its own."""
    return {status for status in crowd.answers if status >= 500}


def test_shoppers_pay_over_all_hosts(installation):
    with installation.shoppers() as crowd:
        crowd.until_more_have_paid(12)
    crowd.when_the_patient_come_back()
    assert_settled(crowd)
    assert crowd.failures == []


@pytest.mark.parametrize("host", ["services-1", "services-2"])
def test_while_a_host_of_services_is_cut_off_the_other_does_the_work(installation, host):
    crowd = bought_during(installation, installation.hosts[host].cut_off())
    assert errors(crowd) == set()


@pytest.mark.parametrize("host", ["web-1", "web-2"])
def test_while_a_host_of_web_is_cut_off_nginx_sends_shoppers_to_the_other(installation, host):
    crowd = bought_during(installation, installation.hosts[host].cut_off())
    # Shoppers whose request was at the lost host read that the payment may have been made.
    assert errors(crowd) <= UNAVAILABLE


def test_while_a_broker_s_host_is_cut_off_the_other_two_do_the_work(installation):
    crowd = bought_during(installation, installation.hosts["broker-1"].cut_off())
    assert errors(crowd) == set()


@pytest.mark.parametrize(
    ("deaf", "speaker"),
    [("broker-1", "services-1"), ("services-1", "broker-1"), ("web-1", "broker-2"), ("broker-2", "web-1")],
)
def test_two_hosts_of_which_one_does_not_hear_the_other_lose_nothing(installation, deaf, speaker):
    crowd = bought_during(installation, installation.hosts[deaf].deaf_to(installation.hosts[speaker]))
    assert errors(crowd) == set()


@pytest.mark.parametrize("host", ["services-1", "web-1"])
def test_a_slow_host_slows_some_purchases_and_fails_none(installation, host):
    crowd = bought_during(installation, installation.slow(host))
    assert crowd.failures == []


def test_hosts_whose_clocks_are_apart_agree_about_every_payment(installation):
    for host, skew in (("services-2", "+20s"), ("web-2", "-20s")):
        installation.restart(
            host, LD_PRELOAD=str(FAKETIME[0]), FAKETIME=skew, FAKETIME_DONT_FAKE_MONOTONIC="1"
        )
    try:
        with installation.shoppers() as crowd:
            crowd.until_more_have_paid(12, seconds=NOTICED_SECONDS)
        crowd.when_the_patient_come_back()
        assert_settled(crowd)
        assert crowd.failures == []
    finally:
        for host in ("services-2", "web-2"):
            installation.restart(host)
