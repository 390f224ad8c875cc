from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from checkout.backoffice.attention.page import LABELS
from checkout.payments.actions import deal_with_dead_letter, deal_with_difference, deal_with_notification
from checkout.payments.models import Operation, Saga
from checkout.states import PaymentState
from tests.backoffice import rows

pytestmark = pytest.mark.django_db

PAGE = reverse("admin:payments_payment_attention")


def counted(client):
    """Return the count by table and reason of every line whose count is not zero."""
    page = client.get(PAGE)
    assert page.status_code == 200
    return {(row["table"], row["label"]): row["count"] for row in page.context["rows"] if row["count"]}


def test_nothing_waits(admin_client):
    rows.paid()
    assert counted(admin_client) == {}
    assert "Nothing needs attention." in admin_client.get(PAGE).content.decode()


def test_everything_that_waits_is_counted_and_listed(admin_client):
    stuck = rows.payment("STUCK", PaymentState.CONFIRMING, age=timedelta(hours=1))
    rows.saga(stuck, Saga.Status.PARKED)
    rows.dead_letter(stuck.reference)
    rows.dead_letter()
    rows.difference(rows.payment("DIFFERS", PaymentState.CAPTURED))
    rows.notification(None, "unmatched", "No attempt has this order code.")
    rows.notification(rows.payment("LIED", PaymentState.CAPTURED), "conflicted", "Another amount.")
    rows.notification(None, "unreadable")
    found = counted(admin_client)
    assert found == {
        ("payments", LABELS["unsettled"]): 1,
        ("payments", LABELS["parked"]): 1,
        ("payments", LABELS["conflicted"]): 1,
        ("payments", LABELS["dead_letter"]): 1,
        ("payments", LABELS["difference"]): 1,
        ("flows", "Stopped, and need a decision"): 1,
        ("steps that failed", "Can be tried again, or marked as dealt with"): 2,
        ("provider notifications", "Unmatched"): 1,
        ("provider notifications", "Conflicted"): 1,
        ("provider notifications", "Unreadable"): 1,
        ("differences", "Open"): 1,
    }
    for row in admin_client.get(PAGE).context["rows"]:
        assert admin_client.get(row["address"]).context["cl"].result_count == row["count"], row


@pytest.mark.parametrize(
    ("state", "age", "waits"),
    [
        (Operation.State.UNKNOWN, timedelta(minutes=6), True),
        (Operation.State.REQUESTED, timedelta(minutes=6), True),
        (Operation.State.UNKNOWN, timedelta(minutes=4), False),
        (Operation.State.PENDING, timedelta(hours=25), True),
        (Operation.State.PENDING, timedelta(hours=23), False),
        (Operation.State.DONE, timedelta(days=9), False),
        (Operation.State.REFUSED, timedelta(days=9), False),
    ],
)
def test_a_refund_waits_when_it_has_had_no_outcome_for_too_long(admin_client, state, age, waits):
    payment = rows.captured()
    rows.operation(payment, "refund", 100, state=state)
    payment.operations.update(updated_at=timezone.now() - age)
    assert counted(admin_client) == ({("payments", LABELS["operation"]): 1} if waits else {})


def test_a_capture_void_or_refund_that_only_staff_can_settle_waits_and_is_listed(admin_client):
    rows.waiting(rows.captured(), "refund", 100)
    page = admin_client.get(PAGE)
    found = {(row["table"], row["label"]): row for row in page.context["rows"]}
    for key in (("operations", "To be settled"), ("payments", LABELS["settle"])):
        assert found[key]["count"] == 1
        assert admin_client.get(found[key]["address"]).context["cl"].result_count == 1


def test_what_was_dealt_with_does_not_wait(admin_client):
    payment = rows.payment("FINE", PaymentState.CAPTURED)
    rows.dead_letter(payment.reference, requeued_at=timezone.now())
    rows.difference(payment, resolved_at=timezone.now())
    rows.notification(payment, "applied")
    assert counted(admin_client) == {}


def test_what_staff_say_they_have_dealt_with_waits_no_longer(admin_client):
    payment = rows.payment("FINE", PaymentState.CAPTURED)
    letter = rows.dead_letter(payment.reference)
    strange = [rows.notification(payment, state) for state in ("unmatched", "conflicted", "unreadable")]
    difference = rows.difference(payment)
    assert len(counted(admin_client)) == 8
    deal_with_difference(difference.pk, by="ann", note="Paid back")
    deal_with_dead_letter(letter.pk, by="ann", note="Sent by hand")
    for row in strange:
        deal_with_notification(row.pk, by="ann", note="Somebody played")
    assert counted(admin_client) == {}


def test_staff_see_what_they_may_see(staff_client):
    rows.saga(rows.payment("PARKED", PaymentState.AUTHORISED), Saga.Status.PARKED)
    assert counted(staff_client("view_saga")) == {("flows", "Stopped, and need a decision"): 1}


def test_who_may_see_none_of_it_is_refused(staff_client):
    assert staff_client("view_stockitem").get(PAGE).status_code == 403


def test_the_start_page_leads_there(admin_client):
    assert f'href="{PAGE}"' in admin_client.get(reverse("admin:index")).content.decode()


def test_more_of_it_takes_no_more_queries(queries_for):
    few = queries_for(PAGE)
    for number in range(5):
        rows.dead_letter()
        rows.difference(rows.payment(f"ORDER-{number}"))
    assert queries_for(PAGE) == few <= 27


@pytest.mark.parametrize(("path", "status"), [(PAGE, 403), ("/admin/no-such-page/", 404)])
def test_a_problem_page_leads_staff_back_to_the_back_office(staff_client, path, status):
    response = staff_client("view_stockitem").get(path)
    assert response.status_code == status
    assert f'href="{reverse("admin:index")}"' in response.content.decode()
