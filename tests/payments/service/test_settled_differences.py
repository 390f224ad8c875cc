"""A payment whose sums differ from the provider's is settled by figures, as after a restore."""

import pytest
from django.utils import timezone

from checkout.money import Money
from checkout.payments.actions import request_refund
from checkout.payments.models import Attempt, Difference, Operation, Payment, Saga
from checkout.payments.sagas.settlement.settleable import attempt_to_settle, needs_figures
from checkout.states import PaymentState
from tests.payments.service.contradicting import (
    NOTHING,
    another,
    balances,
    books_with,
    conflicted,
    posted,
    refused,
    settled,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def forgotten_refund(attempt: Attempt) -> Attempt:
    """Return a captured attempt with a refund that the provider has and our database has forgotten."""
    conflicted(attempt, Attempt.State.AUTHORISED)
    posted(attempt, Operation.Kind.CAPTURE)
    Payment.objects.update(state=PaymentState.CAPTURED)
    differs(attempt, ours=0, theirs=400)
    attempt.refresh_from_db()
    return attempt


def differs(attempt: Attempt, kind: str = "refunded", *, ours: int, theirs: int) -> Difference:
    return Difference.objects.create(
        account=attempt.provider_account,
        payment=attempt.payment,
        order_code=attempt.order_code,
        kind=kind,
        currency="GBP",
        ours_minor=ours,
        theirs_minor=theirs,
    )


def test_a_forgotten_refund_is_booked_by_what_staff_found(forgotten_refund):
    payment = settled(forgotten_refund, books_with(1250, refunded=400))
    assert payment.state == PaymentState.PARTIALLY_REFUNDED
    assert not needs_figures(payment)
    assert balances() == {"provider:captured": 850, "merchant:payable": -850}


def test_the_differences_of_a_payment_are_resolved_by_what_staff_found(forgotten_refund):
    """The provider may not report its sums any more, so that no comparison would resolve them."""
    differs(forgotten_refund, "ledger_refunded", ours=0, theirs=400)
    settled(forgotten_refund, books_with(1250, refunded=1250))
    resolved = {each.kind: each.resolved_at is not None for each in Difference.objects.all()}
    assert resolved == {"refunded": True, "ledger_refunded": False}


def test_a_difference_that_staff_have_dealt_with_stays_so(forgotten_refund):
    Difference.objects.update(dealt_with_at=timezone.now())
    settled(forgotten_refund, books_with(1250, refunded=400))
    assert Difference.objects.get().resolved_at is None


@pytest.mark.parametrize(
    ("told", "is_dealt_with"),
    [
        ({"authorised": 1250, "captured": 1250, "refunded": 1250}, True),
        ({"captured": 1250, "refunded": 250, "charged_back": 1000}, True),
        ({"authorised": 1250}, False),
        ({"captured": 1250, "refunded": 1249}, False),
    ],
)
def test_an_order_of_which_nothing_was_kept_does_not_stand_in_the_way_of_another(
    attempt: Attempt, told: dict[str, int], is_dealt_with: bool
):
    """The page has the order entered as one without a capture, since another order pays. It always differs.

    If money was kept, this is a mistake, and the order stays among those that need attention.
    """
    pays = another(attempt, Attempt.State.AUTHORISED)
    posted(pays, Operation.Kind.CAPTURE)
    conflicted(attempt)
    for kind, minor in told.items():
        differs(attempt, kind, ours=0, theirs=minor)
    differs(pays, ours=0, theirs=400)
    settled(attempt, NOTHING)
    marks = {each.dealt_with_by for each in Difference.objects.filter(order_code=attempt.order_code)}
    assert marks == ({"ada"} if is_dealt_with else {""})
    waits = pays if is_dealt_with else attempt
    assert attempt_to_settle(Payment.objects.get()) == waits


@pytest.fixture
def forgotten_payment(attempt: Attempt) -> Attempt:
    """Return an attempt without money in our books, of which the provider has a capture."""
    conflicted(attempt, Attempt.State.NOT_SENT)
    Payment.objects.update(state=PaymentState.REFUSED)
    differs(attempt, "captured", ours=0, theirs=1250)
    return attempt


def test_an_attempt_that_ended_without_money_is_settled_as_captured(forgotten_payment):
    assert settled(forgotten_payment, books_with(1250)).state == PaymentState.CAPTURED


@pytest.mark.parametrize("kind", ["ledger_refunded", "currency", "order", "unanswered"])
def test_differences_of_other_kinds_are_no_reason(forgotten_payment, kind):
    Difference.objects.update(kind=kind)
    refused(forgotten_payment, books_with(1250), "nothing to settle")


def test_a_difference_that_is_resolved_or_dealt_with_is_no_reason(forgotten_payment):
    Difference.objects.update(resolved_at=timezone.now())
    refused(forgotten_payment, books_with(1250), "nothing to settle")
    Difference.objects.update(resolved_at=None, dealt_with_at=timezone.now())
    refused(forgotten_payment, books_with(1250), "nothing to settle")


def test_it_waits_until_no_flow_is_at_work(forgotten_refund):
    saga = Saga.objects.create(
        kind="refund", key="op_other", payment=forgotten_refund.payment, attempt=forgotten_refund
    )
    refused(forgotten_refund, books_with(1250), "still at work")
    Saga.objects.filter(pk=saga.pk).update(status=Saga.Status.PARKED)
    settled(forgotten_refund, books_with(1250, refunded=400))


def test_a_payment_is_not_settled_between_a_request_and_the_beginning_of_its_flow(forgotten_refund):
    request_refund(forgotten_refund.payment.reference, amount=Money(100, "GBP"), by="ada")
    assert not Saga.objects.filter(status=Saga.Status.RUNNING).exists()
    refused(forgotten_refund, books_with(1250), "is under way")


def test_the_difference_of_an_attempt_that_is_still_open_is_no_reason(forgotten_payment):
    open_one = another(forgotten_payment, Attempt.State.UNKNOWN)
    Difference.objects.update(order_code=open_one.order_code)
    refused(forgotten_payment, books_with(1250), "nothing to settle")


@pytest.mark.parametrize("kind", ["captured", "authorised"])
def test_the_other_of_two_orders_with_money_is_given_up_before_the_one_that_differs(forgotten_payment, kind):
    """The payment stays as it is until both orders are known: it must not be called off before."""
    Difference.objects.update(kind=kind)
    paid = another(forgotten_payment, Attempt.State.AUTHORISED)
    posted(paid, Operation.Kind.CAPTURE)
    Payment.objects.update(state=PaymentState.CAPTURED)
    refused(forgotten_payment, books_with(1250), "holds money, too")
    refused(paid, books_with(1250, refunded=300), "contradicts us as well")
    assert settled(paid, NOTHING).state == PaymentState.CAPTURED
    assert settled(forgotten_payment, books_with(1250)).state == PaymentState.CAPTURED
    assert balances() == {"provider:captured": 1250, "merchant:payable": -1250}
    paid.refresh_from_db()
    assert (paid.state, forgotten_payment.state) == (Attempt.State.REFUSED, Attempt.State.AUTHORISED)


def test_an_order_that_was_looked_into_stands_in_the_way_of_no_other(forgotten_payment):
    """The order's difference may stay, because reconciliation goes on comparing the order."""
    paid = another(forgotten_payment, Attempt.State.AUTHORISED)
    posted(paid, Operation.Kind.CAPTURE)
    Payment.objects.update(state=PaymentState.CAPTURED)
    settled(forgotten_payment, NOTHING)
    assert Difference.objects.get().dealt_with_at is None
    assert settled(paid, books_with(1250, refunded=300)).state == PaymentState.PARTIALLY_REFUNDED
