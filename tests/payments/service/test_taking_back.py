"""A purchase whose capture was refused voids the authorisation, and reports no other state meanwhile."""

import pytest

from checkout.payments.actions import available, request_void
from checkout.payments.models import Attempt, Operation, Saga
from checkout.states import PaymentState
from tests.payments.service.contradicting import HELD, conflicted, settled
from tests.payments.service.replying import answered, commands_of
from tests.payments.service.test_orchestrator import (
    Status,
    announced,
    capturing,
    child_of,
    deliver_row,
    pass_deadline,
    purchase,
    resume,
    settle,
    state,
)

__all__ = ["capturing", "purchase"]

pytestmark = pytest.mark.django_db


def test_a_refused_capture_voids_releases_and_ends_compensated(capturing):
    settle(Operation.State.REFUSED)
    assert commands_of(answered(child_of(capturing), outcome="refused")) == ["payments.void"]
    void = child_of(capturing)
    assert (void.kind, state()) == ("void", PaymentState.PROCESSING)
    Operation.objects.filter(kind="void").update(state=Operation.State.PENDING)
    assert commands_of(answered(void, outcome="pending")) == []
    assert state() == PaymentState.VOID_PENDING
    Operation.objects.filter(kind="void").update(state=Operation.State.DONE)
    pass_deadline(void)
    assert commands_of(answered(void, outcome="approved")) == ["orders.release"]
    assert state() == PaymentState.VOIDED
    answered(capturing)
    assert capturing.status == Status.COMPENSATED
    told = {"payment.authorised", "payment.capture_pending"} & set(announced())
    assert not told, "nobody was ever told that it was paid"


def test_a_void_that_is_refused_after_all_makes_no_good_news_of_a_refused_capture(capturing):
    settle(Operation.State.REFUSED)
    answered(child_of(capturing), outcome="refused")
    void, operations = child_of(capturing), Operation.objects.filter(kind="void")
    operations.update(state=Operation.State.PENDING)
    answered(void, outcome="pending")
    assert state() == PaymentState.VOID_PENDING
    operations.update(state=Operation.State.REFUSED)
    pass_deadline(void)
    answered(void, outcome="refused")
    capturing.refresh_from_db()
    assert (capturing.status, capturing.step) == (Status.PARKED, "void")
    assert state() == PaymentState.CONFIRMING
    assert available(capturing.payment.reference).can_be_voided


def test_a_purchase_whose_void_was_refused_sends_another_one_when_resumed(capturing):
    settle(Operation.State.REFUSED)
    answered(child_of(capturing), outcome="refused")
    settle(Operation.State.REFUSED)
    answered(child_of(capturing), outcome="refused")
    capturing.refresh_from_db()
    assert (capturing.step, capturing.status) == ("void", Status.PARKED)
    assert commands_of(resume(capturing)) == ["payments.void"]
    assert capturing.status == Status.RUNNING
    assert Operation.objects.filter(kind="void").count() == 2


def test_a_void_by_staff_frees_a_purchase_whose_own_void_was_refused(capturing):
    settle(Operation.State.REFUSED)
    answered(child_of(capturing), outcome="refused")
    settle(Operation.State.REFUSED)
    answered(child_of(capturing), outcome="refused")
    capturing.refresh_from_db()
    assert (capturing.status, capturing.step) == (Status.PARKED, "void")
    asked = request_void(capturing.payment.reference, by="ada")
    deliver_row("checkout.start_operation")
    void = Saga.objects.get(key=asked.reference)
    Operation.objects.filter(reference=asked.reference).update(state=Operation.State.DONE)
    assert commands_of(answered(void, outcome="approved")) == ["orders.release"]
    assert state() == PaymentState.VOIDED
    capturing.refresh_from_db()
    assert (capturing.status, capturing.step) == (Status.RUNNING, "release_stock")


def test_a_purchase_hears_of_a_capture_that_it_has_adopted_when_that_was_over_and_is_taken_back(capturing):
    """The timer of lost operations may start the capture without its purchase, while that is conflicted."""
    settle(Operation.State.DONE)
    Saga.objects.filter(parent=capturing).update(parent=None, status=Status.COMPLETED, step="finished")
    Saga.objects.filter(pk=capturing.pk).update(status=Status.PARKED)
    assert commands_of(resume(capturing)) == ["orders.confirm"]
    answered(capturing)
    assert capturing.status == Status.COMPLETED
    settled(conflicted(capturing.attempt, Attempt.State.AUTHORISED), HELD)
    assert Operation.objects.get().state == Operation.State.REFUSED
    capturing.refresh_from_db()
    assert (capturing.step, capturing.status) == ("unpaid", Status.PARKED)
