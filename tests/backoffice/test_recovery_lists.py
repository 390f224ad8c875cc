"""The lists that staff check after a failure: dead letters, differences, and unmatched notifications."""

import pytest
from django.urls import reverse
from django.utils import timezone

from checkout.payments.models import Fact, Saga
from checkout.states import PaymentState
from tests.backoffice import rows

pytestmark = pytest.mark.django_db


def page(client, model, row=None, **query):
    name = f"admin:payments_{model}_" + ("changelist" if row is None else "change")
    response = client.get(reverse(name, args=[] if row is None else [row.pk]), query)
    assert response.status_code == 200
    return response


def listed(client, model, **query):
    return list(page(client, model, **query).context["cl"].result_list)


def test_a_dead_letter_is_shown_with_its_body_and_why_it_died(admin_client):
    letter = rows.dead_letter("pay_1", body='{"minor": "ten"}', reason="minor is no number", copies=3)
    html = page(admin_client, "deadletter", letter).content.decode()
    assert "{&quot;minor&quot;: &quot;ten&quot;}" in html
    assert "minor is no number" in html
    assert "minor is no number" in page(admin_client, "deadletter").content.decode()


def test_a_body_that_is_no_json_is_shown_as_it_is(admin_client):
    assert "&lt;half a" in page(admin_client, "deadletter", rows.dead_letter(body="<half a")).content.decode()


def test_dead_letters_are_listed_by_whether_they_were_sent_again(admin_client):
    waiting, done = rows.dead_letter(), rows.dead_letter(requeued_at=timezone.now(), requeued_by="ann")
    assert listed(admin_client, "deadletter", status="waiting") == [waiting]
    assert listed(admin_client, "deadletter", status="requeued") == [done]
    assert len(listed(admin_client, "deadletter", status="nonsense")) == 2


def test_what_was_dealt_with_is_listed_apart_with_who_did_it_and_what(admin_client):
    mark = {"dealt_with_at": timezone.now(), "dealt_with_by": "ann", "dealt_with_note": "Paid by cheque"}
    rows.dead_letter()
    letter = rows.dead_letter(**mark)
    assert listed(admin_client, "deadletter", status="dealt_with") == [letter]
    assert letter not in listed(admin_client, "deadletter", status="waiting")
    waiting, done = (rows.notification(None, "unmatched", "No such order.") for _ in range(2))
    type(done).objects.filter(pk=done.pk).update(**mark)
    assert listed(admin_client, "providernotification", dealt_with_at__isempty="1") == [waiting]
    for model, row in (("deadletter", letter), ("providernotification", done)):
        html = page(admin_client, model, row).content.decode()
        assert "Paid by cheque" in html
        assert "ann" in html


def test_a_difference_is_shown_in_money_on_both_sides(admin_client):
    payment = rows.payment("ORDER-1")
    row = rows.difference(payment)
    for html in (
        page(admin_client, "difference", row).content.decode(),
        page(admin_client, "difference").content.decode(),
    ):
        assert "£12.50" in html
        assert "£12.00" in html
        assert reverse("admin:payments_payment_change", args=[payment.pk]) in html


def test_an_order_that_only_the_provider_knows_is_shown_without_a_payment(admin_client):
    payment = rows.payment("ORDER-1")
    row = rows.difference(payment, "order", currency="XXX", ours_minor=0, theirs_minor=1250)
    type(row).objects.update(payment=None)
    assert "1250 minor units" in page(admin_client, "difference", row).content.decode()


def test_an_order_that_is_not_told_is_shown_without_sums(admin_client):
    row = rows.difference(rows.payment("ORDER-1"), "unanswered", ours_minor=0, theirs_minor=0)
    html = page(admin_client, "difference", row).content.decode()
    assert "Unanswered" in html
    assert "£0.00" not in html


def test_differences_are_listed_by_whether_they_are_open(admin_client):
    payment = rows.payment("ORDER-1")
    still = rows.difference(payment)
    gone = rows.difference(payment, "refunded", resolved_at=timezone.now())
    done = rows.difference(payment, "authorised", dealt_with_at=timezone.now(), dealt_with_by="ann")
    assert listed(admin_client, "difference", status="open") == [still]
    assert listed(admin_client, "difference", status="dealt_with") == [done]
    assert listed(admin_client, "difference", status="resolved") == [gone]
    assert len(listed(admin_client, "difference", status="nonsense")) == 3
    assert "ann" in page(admin_client, "difference", done).content.decode()


def test_a_notification_says_why_it_was_not_applied(admin_client):
    row = rows.notification(None, "unmatched", "No attempt has this order code.", tries=2)
    for html in (
        page(admin_client, "providernotification", row).content.decode(),
        page(admin_client, "providernotification", state="unmatched").content.decode(),
    ):
        assert "No attempt has this order code." in html


def test_a_parked_saga_says_why(admin_client):
    payment = rows.payment("PARKED", PaymentState.CONFIRMING)
    saga = rows.saga(payment, Saga.Status.PARKED)
    for step, why in (("authorise", "Asked for three days in vain."), ("capture", "Another reason.")):
        data = {"saga": "purchase", "step": step, "why": why}
        Fact.objects.create(payment=payment, source="saga", kind="saga_parked", data=data)
    html = page(admin_client, "saga", saga).content.decode()
    assert '<div class="readonly">Asked for three days in vain.</div>' in html
