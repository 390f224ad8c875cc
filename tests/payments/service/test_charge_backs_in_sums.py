"""Money that issuers took, which a provider's sums may include without saying so."""

import pytest

from checkout.payments.models import Attempt, Operation, ProviderCall, Saga
from checkout.payments.providers.base import EventKind
from tests.payments.service.asking import inquire_operation, let_settle, operation_on, settle
from tests.payments.service.test_absence import (
    CAPTURE,
    REFUND,
    Answer,
    State,
    answers,
    authorised,
    done,
    gbp,
)

__all__ = ["answers", "authorised"]

pytestmark = pytest.mark.django_db


def lost(attempt: Attempt, kind: str, minor: int) -> Operation:
    """Return an operation whose answer was lost."""
    operation = operation_on(attempt, kind, minor)
    settle(operation, State.UNKNOWN)
    ProviderCall.objects.create(attempt=attempt, key=operation.reference, verb=kind, was_alone=True)
    let_settle(attempt)
    return operation


def charged_back(attempt: Attempt, minor: int) -> None:
    settle(operation_on(attempt, Operation.Kind.CHARGE_BACK, minor), State.DONE)


def open_claim(attempt: Attempt) -> Saga:
    return Saga.objects.create(
        kind="asking",
        key="charged_back:1",
        payment=attempt.payment,
        attempt=attempt,
        step="check",
        data={"claim": "charged_back"},
    )


@pytest.mark.parametrize(("gone_back", "outcome"), [(300, "approved"), (301, "undecided")])
def test_captures_are_certain_if_no_more_has_gone_back_than_we_know_of(
    authorised: Attempt, answers: Answer, gone_back: int, outcome: str
):
    done(authorised, CAPTURE, 800)
    charged_back(authorised, 300)
    capture = lost(authorised, CAPTURE, 450)
    answers(EventKind.CHARGED_BACK, captured=1250, refunded=gone_back)
    assert inquire_operation(capture) == outcome


def test_a_refund_is_not_done_by_money_that_an_issuer_took(authorised: Attempt, answers: Answer):
    done(authorised, CAPTURE, 1250)
    done(authorised, REFUND, 200)
    charged_back(authorised, 300)
    refund = lost(authorised, REFUND, 300)
    answers(EventKind.REFUNDED, captured=1250, refunded=500)
    assert inquire_operation(refund) == "undecided"


def test_a_refund_is_not_done_by_money_that_an_issuer_may_have_taken(authorised: Attempt, answers: Answer):
    done(authorised, CAPTURE, 1250)
    done(authorised, REFUND, 200)
    refund, claim = lost(authorised, REFUND, 300), open_claim(authorised)
    for told in ({"captured": 1250, "refunded": 500}, {"kept": gbp(750), "amount": gbp(1250)}):
        answers(EventKind.REFUNDED, **told)
        assert inquire_operation(refund) == "undecided"
    Saga.objects.filter(pk=claim.pk).update(status=Saga.Status.COMPLETED)
    assert inquire_operation(refund) == "approved"


def test_a_refund_is_not_done_by_what_is_kept_of_money_that_an_issuer_took(
    authorised: Attempt, answers: Answer
):
    done(authorised, CAPTURE, 1250)
    done(authorised, REFUND, 200)
    charged_back(authorised, 300)
    refund = lost(authorised, REFUND, 300)
    answers(EventKind.REFUNDED, kept=gbp(750), amount=gbp(1250))
    assert inquire_operation(refund) == "undecided"
