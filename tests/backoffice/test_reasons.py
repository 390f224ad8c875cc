"""The box on a payment's page: each line shows a reason for attention, its time, and a link to act."""

import re
from datetime import timedelta
from html import unescape

import pytest
from django.urls import reverse
from django.utils import timezone

from checkout.payments.events import move_payment
from checkout.payments.models import Fact, Operation, Payment, Saga
from checkout.states import Actor, PaymentState
from tests.backoffice import rows

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


def address(model, row, page="change"):
    return reverse(f"admin:payments_{model}_{page}", args=[row.pk])


def lines(client, payment):
    """Return the lines of the box: their texts and the targets of their links."""
    html = client.get(address("payment", payment)).content.decode()
    box = re.search(r'<div class="attention".*?</div>', html, re.DOTALL)
    items = re.findall(r"<li>(.*?)</li>", box[0] if box else "", re.DOTALL)
    return [
        (" ".join(unescape(re.sub(r"<[^>]+>", "", item)).split()), re.findall(r'href="([^"]+)"', item))
        for item in items
    ]


def written(moment):
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def test_a_payment_that_is_fine_has_no_box(admin_client):
    assert lines(admin_client, rows.paid()) == []


def test_a_payment_that_takes_too_long_says_when_its_flow_goes_on_by_itself(admin_client):
    payment = rows.payment("STUCK", PaymentState.CONFIRMING, age=HOUR)
    saga, due = rows.saga(payment), timezone.now() + timedelta(minutes=5)
    Saga.objects.update(deadline_at=due, look_at=due)
    [(text, links)] = lines(admin_client, payment)
    assert "The outcome is not known yet" in text
    assert f"Since {written(payment.updated_at)}." in text
    assert f"It moves on by itself, by {written(due)}." in text
    assert links == [address("saga", saga)]


def test_a_payment_of_which_the_provider_does_not_tell_can_be_asked_about_again_or_settled(admin_client):
    payment = rows.payment("UNTOLD", PaymentState.CONFIRMING)
    rows.attempt(payment, state="unknown")
    saga = rows.saga(payment, Saga.Status.PARKED, step="inquire")
    [(text, links)] = lines(admin_client, payment)
    assert "The purchase has stopped and needs a decision." in text
    assert links == [address("saga", saga, "resume"), address("payment", payment, "settle")]


def test_a_flow_that_no_relay_has_moved_on_in_time_says_so(admin_client):
    payment = rows.payment("STUCK", PaymentState.CONFIRMING, age=HOUR)
    rows.saga(payment)
    long_ago = timezone.now() - HOUR
    Saga.objects.update(deadline_at=long_ago, look_at=long_ago)
    [(text, _)] = lines(admin_client, payment)
    assert "see that a relay runs" in text


def test_a_payment_on_which_nothing_is_at_work_is_for_a_developer(admin_client):
    payment = rows.payment("STUCK", PaymentState.VOID_PENDING, age=timedelta(days=2))
    [(text, links)] = lines(admin_client, payment)
    assert "a developer must look" in text
    assert links == []


def test_an_operation_that_is_being_asked_about_says_when_it_goes_on(admin_client):
    payment = rows.captured()
    refund = rows.operation(payment, "refund", 300, state="unknown")
    rows.saga(payment)
    due = timezone.now() + timedelta(minutes=5)
    Saga.objects.update(kind="refund", key=refund.reference, deadline_at=due, look_at=due)
    Operation.objects.filter(pk=refund.pk).update(updated_at=timezone.now() - HOUR)
    [(text, links)] = lines(admin_client, payment)
    assert f"The refund of £3.00, {refund.reference}, was sent to the provider" in text
    assert f"by {written(due)}" in text
    assert links == [address("operation", refund)]


def test_an_operation_that_only_staff_can_settle_says_why_once_and_leads_to_the_page_that_settles_it(
    admin_client,
):
    payment = rows.captured()
    refund = rows.waiting(payment, "refund", 300)
    Operation.objects.filter(pk=refund.pk).update(updated_at=timezone.now() - HOUR)
    [(text, links)] = lines(admin_client, payment)
    assert "Nobody knows what became of the refund of £3.00" in text
    assert "The provider did not say what became of the refund." in text
    assert f"Since {written(Saga.objects.get(kind='refund').updated_at)}." in text
    assert links == [address("operation", refund, "settle")]


def test_a_refund_that_is_said_to_have_failed_is_not_one_that_nobody_knows_of(admin_client):
    payment = rows.captured()
    refund = rows.waiting(payment, "refund", 300)
    Operation.objects.filter(pk=refund.pk).update(state="done")
    Saga.objects.filter(kind="refund").update(data={"is_doubted": True})
    [(text, _)] = lines(admin_client, payment)
    assert "A notification says that the refund of £3.00" in text


def test_a_claim_that_only_staff_can_judge_leads_to_the_page_that_settles_it(admin_client):
    payment = rows.captured()
    saga = rows.claimed(payment)
    [(text, links)] = lines(admin_client, payment)
    assert "A notification says: The shopper's bank took money back." in text
    assert "neither does the notification" in text
    assert links == [address("saga", saga, "settle")]


def test_a_parked_flow_says_why_and_leads_to_where_it_is_tried_again(admin_client):
    payment = rows.payment("PARKED", PaymentState.AUTHORISED)
    saga = rows.saga(payment, Saga.Status.PARKED, "confirm_order")
    data = {"saga": "purchase", "step": "confirm_order", "why": "the orders service rejected it."}
    Fact.objects.create(payment=payment, attempt=saga.attempt, source="saga", kind="saga_parked", data=data)
    [(text, links)] = lines(admin_client, payment)
    assert text.startswith(
        "The purchase has stopped and needs a decision. The orders service rejected it. Since"
    )
    assert links == [address("saga", saga, "resume")]


def test_a_question_about_a_payment_that_has_stopped_is_called_one(admin_client):
    payment = rows.payment("PARKED", PaymentState.AUTHORISED)
    saga = rows.saga(payment, Saga.Status.PARKED, "review")
    Saga.objects.filter(pk=saga.pk).update(kind="asking")
    [(text, links)] = lines(admin_client, payment)
    assert text.startswith("The question to the provider has stopped and needs a decision.")
    assert links == [address("saga", saga, "resume")]


def conflicted():
    payment = rows.captured()
    move_payment(payment, "conflicted", Actor.SAGA)
    return payment


def test_a_contradiction_says_what_the_provider_was_asked_and_leads_to_where_it_is_settled(admin_client):
    payment = conflicted()
    data = {"why": "It says captured 1.00 GBP."}
    Fact.objects.create(payment=payment, source="provider", kind="review_stands", data=data)
    [(text, links)] = lines(admin_client, payment)
    assert "It says captured 1.00 GBP." in text
    assert f"Since {written(payment.events.get().created_at)}." in text
    assert links == [address("payment", payment, "settle"), address("payment", payment, "review")]


def test_a_contradiction_that_cannot_be_settled_yet_says_what_comes_first(admin_client):
    payment = conflicted()
    claim = rows.claimed(payment)
    (_, first), (text, links) = lines(admin_client, payment)
    assert first == [address("saga", claim, "settle")]
    assert "Before it can be settled: What a notification claims waits for staff." in text
    assert address("payment", payment, "settle") not in links


def test_a_notification_that_contradicts_us_says_what_it_told_and_if_anybody_may_have_sent_it(admin_client):
    payment = rows.captured()
    lie = rows.notification(payment, "conflicted", "says 1.00 GBP, the payment is 12.50 GBP")
    true = rows.notification(payment, "conflicted", "is for another merchant", is_proven=True)
    (of_lie, to_lie), (of_true, to_true) = lines(admin_client, payment)
    assert "Somebody, in the provider's name and without proof, told us" in of_lie
    assert "says 1.00 GBP, the payment is 12.50 GBP." in of_lie
    assert of_true.startswith("The provider told us")
    assert (to_lie, to_true) == (
        [address("providernotification", lie)],
        [address("providernotification", true)],
    )


def test_a_message_that_died_says_where_and_why_and_leads_to_it(admin_client):
    payment = rows.paid()
    letter = rows.dead_letter(payment.reference, reason="minor is no number")
    [(text, links)] = lines(admin_client, payment)
    assert text.startswith("A step of the ledger service failed (ledger.post): minor is no number. Since")
    assert links == [address("deadletter", letter)]


def test_books_that_differ_say_by_how_much_and_when_they_are_compared_again(admin_client):
    payment = rows.paid()
    difference = rows.difference(payment)
    [(text, links)] = lines(admin_client, payment)
    assert text.startswith("Captured: the provider's books have £12.00, ours have £12.50.")
    assert "they are compared every 60 minutes" in text
    assert links == [address("difference", difference), address("payment", payment, "settle")]


def test_an_order_that_is_not_told_says_who_must_answer(admin_client):
    payment = rows.paid()
    difference = rows.difference(payment, "unanswered", ours_minor=0, theirs_minor=0)
    [(text, links)] = lines(admin_client, payment)
    assert text.startswith(f"The provider does not say what it has of the order {payment.reference}")
    assert "It is asked again every 60 minutes" in text
    assert links == [address("difference", difference)]


@pytest.fixture
def unsettled():
    return rows.waiting(rows.captured(), "refund", 300)


def test_who_may_not_act_is_told_so_instead_of_led_to_a_page_that_refuses(staff_client, unsettled):
    [(text, links)] = lines(staff_client("view_payment"), unsettled.payment)
    assert links == []
    assert text.endswith("You lack the permission to act on it.")


def test_who_may_only_look_is_led_to_where_they_may_look(staff_client, unsettled):
    [(text, links)] = lines(staff_client("view_payment", "view_operation"), unsettled.payment)
    assert links == [address("operation", unsettled)]
    assert "See the operation" in text


def test_more_reasons_take_no_more_queries(queries_for):
    payment = conflicted()
    rows.dead_letter(payment.reference)
    rows.difference(payment)
    rows.waiting(payment, "refund", 100)
    few = queries_for(address("payment", payment))
    for number in range(4):
        rows.dead_letter(payment.reference)
        rows.waiting(payment, "refund", 100)
        rows.difference(payment, kind=("refunded", "charged_back", "currency", "order")[number])
    assert queries_for(address("payment", payment)) == few <= 48


@pytest.mark.parametrize(("minor", "is_offered"), [(1300, True), (300, False)])
def test_a_charge_back_of_more_than_was_taken_can_be_answered_by_settling_the_payment(
    admin_client, minor, is_offered
):
    payment = rows.captured()
    saga = rows.claimed(payment, minor=minor)
    [(_, links)] = lines(admin_client, payment)
    both = [address("saga", saga, "settle"), address("payment", payment, "settle")]
    assert links == both[: 1 + is_offered]


def test_an_order_that_cannot_be_confirmed_is_not_sent_to_the_provider_s_portal(admin_client):
    payment = rows.captured()
    saga = rows.saga(payment, Saga.Status.PARKED, step="confirm_order")
    [(_, links)] = lines(admin_client, payment)
    assert links == [address("saga", saga, "resume")]


def test_a_payment_whose_sums_differ_can_be_settled_from_the_line_that_says_so(admin_client):
    payment = rows.captured()
    rows.difference(payment, order_code=payment.attempts.get().order_code)
    [(text, links)] = lines(admin_client, payment)
    assert "the provider's books have £12.00, ours have £12.50" in text
    assert links[-1] == address("payment", payment, "settle")


def test_a_payment_that_was_authorised_without_authentication_waits_until_staff_accept_it(staff_client):
    payment = rows.unauthenticated()
    client = staff_client("view_payment", "accept_payment")
    [(text, links)] = lines(client, payment)
    assert text.startswith("3-D Secure failed: the shopper's bank did not authenticate the shopper.")
    assert links == [address("payment", payment, "accept")]
    client.post(address("payment", payment, "accept"), {"reason": "The shopper was called"})
    assert lines(client, payment) == []
    page = client.get(address("payment", payment)).content.decode()
    assert "failed, and authorised nevertheless" in page, "the mark stays"
    assert "Staff accept that the payment was authorised without authentication" in page
    assert address("payment", payment, "accept") not in page


@pytest.mark.parametrize("state", [PaymentState.REFUNDED, PaymentState.VOIDED, PaymentState.EXPIRED])
def test_it_waits_for_nobody_once_nothing_of_it_is_kept(admin_client, state):
    payment = rows.unauthenticated()
    Payment.objects.update(state=state)
    assert lines(admin_client, payment) == []
