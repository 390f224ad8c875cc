"""Authorisations despite a failed 3-D Secure: an option of the account decides if they are kept."""

import pytest
from django.db import transaction

from checkout.errors import OperationRejected
from checkout.payments.actions import accept_unauthenticated, available
from checkout.payments.messages import ProviderAnswered
from checkout.payments.models import Attempt, CardTrial, Operation, Payment, ProviderAccount
from checkout.payments.providers.authentication import Authentication, ThreeDSecure
from checkout.payments.providers.base import EventKind, Outcome, ProviderResult, Refusal, RefusalReason
from checkout.payments.service.attempt_outcome import answer_of, apply_to_attempt
from checkout.states import PaymentState
from tests.payments.service.asking import operation_on

pytestmark = pytest.mark.django_db

REASON = "authentication_failed"


@pytest.fixture
def submitted(attempt: Attempt) -> Attempt:
    """Return an attempt that was sent, at an account that refuses failed authentications."""
    ProviderAccount.objects.update(options={"refuses_failed_authentication": "yes"})
    Attempt.objects.update(state=Attempt.State.SUBMITTED)
    Payment.objects.update(state=PaymentState.PROCESSING)
    return Attempt.objects.select_related("payment", "provider_account__merchant").get()


def answered(
    attempt: Attempt,
    status: Authentication | None,
    outcome: Outcome,
    kind: EventKind = EventKind.AUTHORISED,
) -> ProviderAnswered:
    three_ds = ThreeDSecure(result="told", status=status)
    result = ProviderResult(outcome=outcome, kind=kind, three_ds=three_ds)
    with transaction.atomic():
        return apply_to_attempt(attempt, result)


def test_it_is_held_and_answered_with_the_reason_to_give_it_up(submitted: Attempt) -> None:
    answer = answered(submitted, Authentication.FAILED, Outcome.APPROVED)
    assert (answer.outcome, answer.refusal_reason) == ("approved", REASON)
    submitted.refresh_from_db()
    assert submitted.state == "authorised", "the money is held until it is released"
    again = answer_of(submitted, otherwise="unknown")
    assert (again.outcome, again.refusal_reason) == ("approved", REASON)
    assert CardTrial.objects.get().is_declined


@pytest.mark.parametrize(
    ("status", "options", "capture_reference"),
    [
        (Authentication.FAILED, {}, ""),
        (Authentication.FAILED, {"refuses_failed_authentication": "no"}, ""),
        (Authentication.FAILED, {"refuses_failed_authentication": "yes"}, "op_included"),
        (Authentication.AUTHENTICATED, {"refuses_failed_authentication": "yes"}, ""),
        (Authentication.ATTEMPTED, {"refuses_failed_authentication": "yes"}, ""),
        (None, {"refuses_failed_authentication": "yes"}, ""),
    ],
)
def test_otherwise_the_money_is_taken(
    submitted: Attempt, status: Authentication | None, options: dict[str, str], capture_reference: str
) -> None:
    submitted.provider_account.options = options
    submitted.capture_reference = capture_reference
    answer = answered(submitted, status, Outcome.APPROVED)
    assert (answer.outcome, answer.refusal_reason) == ("approved", "")
    assert not CardTrial.objects.get().is_declined


def test_what_was_taken_in_the_portal_is_not_released(submitted: Attempt) -> None:
    answer = answered(submitted, Authentication.FAILED, Outcome.APPROVED, EventKind.CAPTURED)
    assert (answer.outcome, answer.refusal_reason) == ("approved", "")


def test_the_refusal_of_an_earlier_copy_releases_nothing(submitted: Attempt) -> None:
    refusal = Refusal(reason=RefusalReason.AUTHENTICATION_FAILED, code="65")
    with transaction.atomic():
        apply_to_attempt(submitted, ProviderResult(outcome=Outcome.UNKNOWN, refusal=refusal))
    assert submitted.refusal_reason == REASON
    answer = answered(submitted, Authentication.AUTHENTICATED, Outcome.APPROVED)
    assert (answer.outcome, answer.refusal_reason) == ("approved", "")
    submitted.refresh_from_db()
    assert (submitted.refusal_reason, submitted.refusal_code) == ("", "")


def test_an_account_that_has_become_unusable_loses_no_answer(submitted: Attempt) -> None:
    submitted.provider_account.provider = "gone"
    assert answered(submitted, Authentication.FAILED, Outcome.APPROVED).outcome == "approved"
    submitted.refresh_from_db()
    assert submitted.state == "authorised"


def test_a_refusal_stays_one(submitted: Attempt) -> None:
    assert answered(submitted, Authentication.FAILED, Outcome.REFUSED).outcome == "refused"
    submitted.refresh_from_db()
    assert submitted.state == "refused"


def test_staff_may_void_what_could_not_be_released(submitted: Attempt) -> None:
    answered(submitted, Authentication.FAILED, Outcome.APPROVED)
    Payment.objects.update(state=PaymentState.CONFIRMING)
    void = operation_on(submitted, Operation.Kind.VOID)
    assert not available(submitted.payment.reference).can_be_voided
    Operation.objects.filter(pk=void.pk).update(state=Operation.State.REFUSED)
    assert available(submitted.payment.reference).can_be_voided


def test_only_what_was_authorised_without_authentication_is_accepted(submitted: Attempt) -> None:
    with pytest.raises(OperationRejected, match="without authentication"):
        accept_unauthenticated(submitted.payment.reference, by="ada", reason="x")
