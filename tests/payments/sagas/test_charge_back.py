"""A charge-back and its reversal, as conversations: they are done already, and only posted."""

import pytest

from checkout.payments.sagas import DEFINITIONS
from checkout.payments.sagas.operations.data import OperationData
from tests.payments.sagas.conversation import Conversation

KINDS = pytest.mark.parametrize(
    ("kind", "posting"),
    [("charge_back", "charged_back"), ("charge_back_reversal", "charge_back_reversed")],
)


def a_movement(kind: str, posting: str) -> Conversation:
    data = OperationData(payment="pay_1", attempt="pay_1-1", operation="op_1", minor=300, currency="GBP")
    saga = Conversation(DEFINITIONS[kind], data)
    return saga.asks("ledger.post", kind=posting, reference="op_1", minor=300, currency="GBP")


@KINDS
def test_it_is_posted_and_the_payment_follows_its_sums(kind: str, posting: str) -> None:
    saga = a_movement(kind, posting)
    assert saga.decision.recalculate
    assert saga.answered().ended("completed").decision.recalculate
    assert saga.events == []


@KINDS
def test_a_posting_that_got_lost_is_asked_for_again(kind: str, posting: str) -> None:
    a_movement(kind, posting).waited_too_long().asks("ledger.post", kind=posting).answered().ended(
        "completed"
    )


@KINDS
def test_what_the_ledger_rejects_waits_for_staff(kind: str, posting: str) -> None:
    saga = a_movement(kind, posting).answered_with_an_error().ended("parked")
    saga.resumed().asks("ledger.post", kind=posting)


@KINDS
def test_staff_who_try_again_have_it_asked_for_as_often_as_at_first(kind: str, posting: str) -> None:
    saga = a_movement(kind, posting)

    def repeated_until_parked() -> int:
        times = 0
        while saga.answered_with_an_error(retryable=True).decision.end is None:
            saga.asks("ledger.post", kind=posting)
            times += 1
        saga.ended("parked")
        return times

    at_first = repeated_until_parked()
    assert at_first > 0
    saga.resumed().asks("ledger.post", kind=posting)
    assert repeated_until_parked() == at_first


@KINDS
def test_nothing_that_is_heard_changes_what_an_issuer_did(kind: str, posting: str) -> None:
    a_movement(kind, posting).ignores("done").ignores("refused").ignores("doubted")
