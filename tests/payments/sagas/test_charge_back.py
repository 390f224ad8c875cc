"""A charge-back and its reversal, as conversations: both are done already, and are posted to the ledger."""

import pytest

from checkout.payments.sagas import DEFINITIONS
from checkout.payments.sagas.operations.data import OperationData
from tests.payments.sagas.conversation import Conversation

KINDS = pytest.mark.parametrize(
    ("kind", "posting"),
    [("charge_back", "charged_back"), ("charge_back_reversal", "charge_back_reversed")],
)


def a_movement(kind: str) -> Conversation:
    data = OperationData(payment="pay_1", attempt="pay_1-1", operation="op_1", minor=300, currency="GBP")
    return Conversation(DEFINITIONS[kind], data)


@KINDS
def test_it_is_posted_and_the_payment_follows_its_sums(kind: str, posting: str) -> None:
    saga = a_movement(kind).ended("completed")
    saga.tells("ledger.post", kind=posting, reference="op_1", minor=300, currency="GBP")
    assert (saga.postings, saga.events) == ([f"{posting}:op_1"], [])
    assert saga.decision.recalculate


@KINDS
def test_nothing_that_is_heard_changes_what_an_issuer_did(kind: str, posting: str) -> None:
    a_movement(kind).ignores("done").ignores("refused").ignores("doubted")
