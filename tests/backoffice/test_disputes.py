"""The list of disputes: charge-backs that are booked, claimed or reversed, and requests for information."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from checkout.payments.models import Fact, Payment, Saga
from checkout.states import PaymentState
from tests.backoffice import rows

pytestmark = pytest.mark.django_db

LIST = reverse("admin:payments_dispute_changelist")


def charged_back(order, minor=300):
    payment = rows.captured(order)
    rows.operation(payment, "charge_back", minor, state="done")
    Payment.objects.filter(pk=payment.pk).update(state=PaymentState.CHARGED_BACK)
    return payment


def reversed_(order):
    payment = rows.captured(order)
    rows.operation(payment, "charge_back", 300, state="done")
    rows.operation(payment, "charge_back_reversal", 300, state="done")
    return payment


def claimed(order, status=Saga.Status.PARKED):
    payment = rows.captured(order)
    rows.claimed(payment)
    payment.sagas.update(status=status)
    Payment.objects.filter(pk=payment.pk).update(at_risk_minor=300)
    return payment


def told(payment, event, *, ago=timedelta()):
    Fact.objects.create(
        payment=payment, attempt=payment.attempts.get(), source="provider", kind="notified_other",
        data={"event": event}, recorded_at=timezone.now() - ago,
    )  # fmt: skip
    return payment


def listed(client, **query):
    """Return the order numbers and states of the disputes in the list."""
    page = client.get(LIST, query)
    assert page.status_code == 200
    return {row.order_reference: row.standing for row in page.context["cl"].result_list}


EVERY = {
    "LOST": "charged_back",
    "WON": "reversed",
    "OPEN": "decision",
    "ASKED": "asked",
    "QUESTION": "information",
}


@pytest.fixture
def every():
    charged_back("LOST")
    reversed_("WON")
    claimed("OPEN")
    claimed("ASKED", Saga.Status.RUNNING)
    told(rows.captured("QUESTION"), "INFORMATION_REQUESTED")
    claimed("DENIED", Saga.Status.COMPLETED)
    told(rows.captured("OTHER"), "REFUND_REQUESTED")
    rows.captured("FINE")


def test_every_dispute_is_listed_once_with_its_state(admin_client, every):
    assert listed(admin_client) == EVERY


@pytest.mark.parametrize(("order", "state"), EVERY.items())
def test_disputes_are_filtered_by_their_state(admin_client, every, order, state):
    assert listed(admin_client, standing=state) == {order: state}


def test_a_dispute_is_found_by_its_order_number_and_filtered_by_merchant(admin_client):
    charged_back("LOST")
    other = rows.merchant("other")
    told(rows.captured("THEIRS", owner=other), "INFORMATION_REQUESTED")
    assert listed(admin_client, q="lost") == {"LOST": "charged_back"}
    assert listed(admin_client, merchant__id__exact=other.pk) == {"THEIRS": "information"}


def test_the_list_tells_amount_and_what_is_known_and_leads_to_the_payment(admin_client):
    payment = charged_back("LOST", 450)
    told(payment, "DISPUTE_EXPIRED", ago=timedelta(days=3))
    html = admin_client.get(LIST).content.decode()
    assert '<span class="state tone-lost">charged back</span>' in html
    assert "The shopper&#x27;s bank took £4.50. The time to answer the dispute is over." in html
    assert f'href="{reverse("admin:payments_payment_change", args=[payment.pk])}">LOST</a>' in html
    began = timezone.now() - timedelta(days=3)
    assert f"{began:%-d %b %Y}, " in html


def reasons(client, payment):
    page = client.get(reverse("admin:payments_payment_change", args=[payment.pk]))
    return [reason.what for reason in page.context["attention"]]


def test_a_bank_that_asks_for_information_needs_attention_until_the_provider_tells_more(admin_client):
    payment = told(rows.captured("QUESTION"), "INFORMATION_REQUESTED", ago=timedelta(days=44))
    assert "answer it in the provider's portal" in reasons(admin_client, payment)[0]
    listed_payments = reverse("admin:payments_payment_changelist")
    found = admin_client.get(listed_payments, {"attention": "information"}).context["cl"].result_list
    assert list(found) == [payment]
    told(payment, "INFORMATION_SUPPLIED")
    assert reasons(admin_client, payment) == []
    told(payment, "INFORMATION_REQUESTED")
    assert len(reasons(admin_client, payment)) == 1, "it has asked once more"


def test_a_question_of_long_ago_does_not_wait_any_more(admin_client):
    payment = told(rows.captured("QUESTION"), "INFORMATION_REQUESTED", ago=timedelta(days=46))
    assert reasons(admin_client, payment) == []


def test_a_claim_tells_what_is_at_risk_and_who_acts_next(admin_client):
    claimed("OPEN")
    html = admin_client.get(LIST).content.decode()
    assert "£3.00" in html
    assert (
        "The shopper&#x27;s bank took money back, says a notification: say on the payment&#x27;s page" in html
    )


def test_the_page_of_a_dispute_is_that_of_its_payment(admin_client):
    payment = charged_back("LOST")
    page = admin_client.get(reverse("admin:payments_dispute_change", args=[payment.pk]))
    assert page.headers["Location"] == reverse("admin:payments_payment_change", args=[payment.pk])


def test_disputes_are_seen_by_those_who_may_view_payments_and_by_nobody_else(staff_client):
    charged_back("LOST")
    assert listed(staff_client("view_payment")) == {"LOST": "charged_back"}


def test_staff_who_may_not_view_payments_see_no_disputes(staff_client):
    client = staff_client("view_operation")
    assert client.get(LIST).status_code == 403
    assert LIST not in client.get(reverse("admin:index")).content.decode()


def test_more_disputes_take_no_more_queries(queries_for):
    charged_back("LOST-0")
    few = queries_for(LIST)
    for number in range(1, 20):
        claimed(f"OPEN-{number}")
        told(charged_back(f"LOST-{number}"), "INFORMATION_REQUESTED")
    assert queries_for(LIST) == few
