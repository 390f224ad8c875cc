"""Block lists, amount limits and velocity, and the record of each decision."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from checkout.risk.messages import AssessRisk
from checkout.risk.models import BlockedValue, RiskAssessment
from checkout.risk.service import service
from tests.payments.service.delivering import command, deliver

pytestmark = pytest.mark.django_db


def assess(**changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "payment": "pay_1",
        "minor": 1250,
        "currency": "GBP",
        "email": "shopper@example.com",
        "ip_address": "192.0.2.7",
    }
    return deliver(service, command(AssessRisk(**(body | changes)))).result


ACCEPTED = {"decision": "accept", "reasons": []}


def rejected(*reasons: str) -> dict:
    return {"decision": "reject", "reasons": list(reasons)}


def test_an_ordinary_payment_is_accepted_and_the_decision_kept():
    assert assess() == ACCEPTED
    assessment = RiskAssessment.objects.get()
    assert (assessment.payment_reference, assessment.decision) == ("pay_1", "accept")
    assert "shopper" not in assessment.email_hash
    assert len(assessment.email_hash) == 64


def test_a_payment_without_address_or_email_is_accepted():
    assert assess(email="", ip_address="") == ACCEPTED
    assert assess(ip_address="not an address") == ACCEPTED


def test_a_blocked_email_is_rejected_in_any_case_of_letters():
    BlockedValue.objects.create(kind="email", value="bad@example.com")
    assert assess(email="Bad@Example.com") == rejected("email_blocked")
    assert assess(email="not.bad@example.com") == ACCEPTED
    assert assess(email="bad@example.co_") == ACCEPTED


# Names of one mailbox, all of which a payment may have: a domain in Unicode, in full-width letters or in
# ASCII, and needless quotation marks.
ONE_MAILBOX = [
    "bad@bücher.example",
    "bad@BÜCHER.example",
    "Bad@xn--bcher-kva.example",
    "bad@\uff42ücher.example",
    '"bad"@bücher.example',
]


@pytest.mark.parametrize("email", ONE_MAILBOX)
def test_a_blocked_email_is_rejected_however_its_domain_is_written(email):
    BlockedValue.objects.create(kind="email", value="bad@xn--bcher-kva.example")
    assert assess(email=email) == rejected("email_blocked")
    assert assess(email="bad@bucher.example") == ACCEPTED


def test_an_email_is_counted_as_one_however_its_domain_is_written(settings):
    settings.CHECKOUT_RISK_PAYMENTS_PER_EMAIL = 2
    assert [assess(email=email, ip_address="") for email in ONE_MAILBOX[:2]] == [ACCEPTED] * 2
    for email in ONE_MAILBOX[2:]:
        assert assess(email=email, ip_address="") == rejected("email_too_often")


def test_what_is_no_email_address_is_compared_as_it_is():
    BlockedValue.objects.create(kind="email", value="häns@example.com")
    assert assess(email="Häns@example.com") == rejected("email_blocked")
    assert assess(email="hans@example.com") == ACCEPTED


def test_a_blocked_ip_address_is_rejected_however_it_is_written():
    BlockedValue.objects.create(kind="ip_address", value="2001:db8::")
    assert assess(ip_address="2001:0DB8:0::1") == rejected("ip_address_blocked")
    assert assess(ip_address="2001:db8:0:1::1") == ACCEPTED


def test_a_blocked_ip_address_is_rejected_as_a_server_for_both_protocols_reports_it():
    BlockedValue.objects.create(kind="ip_address", value="192.0.2.7")
    assert assess(ip_address="::ffff:192.0.2.7") == rejected("ip_address_blocked")
    assert assess(ip_address="::ffff:192.0.2.8") == ACCEPTED


def test_a_blocked_ipv6_network_is_rejected_whatever_its_user_makes_of_the_rest():
    BlockedValue.objects.create(kind="ip_address", value="2001:db8::")
    assert assess(ip_address="2001:db8::1") == rejected("ip_address_blocked")
    assert assess(ip_address="2001:db8::7:1") == rejected("ip_address_blocked")
    assert assess(ip_address="2001:db8:0:1::1") == ACCEPTED


def test_an_address_with_a_zone_is_counted_without_it():
    for reported in ("fe80::1%eth0", "192.0.2.7%eth0"):
        assert assess(ip_address=reported) == ACCEPTED
    addresses = RiskAssessment.objects.values_list("ip_address", flat=True)
    assert {*addresses} == {"fe80::", "192.0.2.7"}


def test_an_email_address_on_the_list_of_ip_addresses_blocks_nobody():
    BlockedValue.objects.create(kind="ip_address", value="shopper@example.com")
    assert assess() == ACCEPTED


def test_an_amount_above_its_currencys_limit_is_rejected(settings):
    settings.CHECKOUT_RISK_AMOUNT_LIMITS = {"GBP": 1000}
    assert assess(minor=1000) == ACCEPTED
    assert assess(minor=1001) == rejected("amount_too_large")
    assert assess(minor=1001, currency="JPY") == ACCEPTED


def test_an_email_that_tries_too_often_is_rejected(settings):
    settings.CHECKOUT_RISK_PAYMENTS_PER_EMAIL = 2
    assert [assess(ip_address="") for _ in range(2)] == [ACCEPTED] * 2
    assert assess(email="SHOPPER@example.com", ip_address="") == rejected("email_too_often")
    assert assess(email="another@example.com", ip_address="") == ACCEPTED


def test_tries_with_test_cards_do_not_shut_out_the_email_of_a_live_merchants_shopper(settings):
    settings.CHECKOUT_RISK_PAYMENTS_PER_EMAIL = 2
    assert [assess(ip_address="", is_test=True) for _ in range(2)] == [ACCEPTED] * 2
    assert assess(ip_address="", is_test=True) == rejected("email_too_often")
    assert [assess(ip_address="") for _ in range(2)] == [ACCEPTED] * 2
    assert assess(ip_address="") == rejected("email_too_often")


def test_an_ip_address_that_tries_too_often_is_rejected(settings):
    settings.CHECKOUT_RISK_PAYMENTS_PER_IP_ADDRESS = 2
    assert [assess(email="") for _ in range(2)] == [ACCEPTED] * 2
    assert assess(email="") == rejected("ip_address_too_often")
    assert assess(email="", ip_address="192.0.2.8") == ACCEPTED


def test_an_ipv6_network_that_tries_too_often_is_rejected_whatever_the_rest_of_its_addresses(settings):
    settings.CHECKOUT_RISK_PAYMENTS_PER_IP_ADDRESS = 2
    assert [assess(email="", ip_address=f"2001:db8::{n}") for n in (1, 2)] == [ACCEPTED] * 2
    assert assess(email="", ip_address="2001:db8::3") == rejected("ip_address_too_often")
    assert assess(email="", ip_address="2001:db8:0:1::3") == ACCEPTED


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_try_as_often_as_it_likes(settings, address):
    settings.CHECKOUT_RISK_PAYMENTS_PER_IP_ADDRESS = 1
    assert [assess(email="", ip_address=address) for _ in range(3)] == [ACCEPTED] * 3


def test_tries_of_more_than_an_hour_ago_do_not_count(settings):
    settings.CHECKOUT_RISK_PAYMENTS_PER_EMAIL = 1
    assess()
    RiskAssessment.objects.update(assessed_at=timezone.now() - timedelta(hours=1, seconds=1))
    assert assess() == ACCEPTED


def test_every_reason_is_told():
    BlockedValue.objects.create(kind="email", value="shopper@example.com")
    BlockedValue.objects.create(kind="ip_address", value="192.0.2.7")
    assert assess(minor=10**9) == rejected("email_blocked", "ip_address_blocked", "amount_too_large")
