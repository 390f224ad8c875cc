"""Tests of ``claims``, the staff in tests who know the provider's true books."""

import pytest

from checkout.errors import OperationRejected
from checkout.payments.models import Fact, Operation, Payment
from checkout.states import PaymentState
from tests.backoffice import rows
from tests.support.claims import Truth, settle_claim_by

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("arrived", "said"), [((), "true"), (("op_ours",), "untrue")])
def test_an_open_refund_of_ours_explains_the_provider_s_only_if_it_has_arrived(arrived, said):
    payment = rows.captured()
    rows.operation(payment, "refund", 1250, state="unknown", reference="op_ours")
    claim = rows.claimed(payment, "refunded")
    made = frozenset(arrived)
    truth = Truth(captured=1250, refunded=1250 if made else 340, charged_back=0, made=made)
    settle_claim_by(truth, claim.pk, by="ann")
    assert Fact.objects.get(kind="claim_settled_by").data["said"] == said


@pytest.mark.parametrize(
    ("state", "said"), [(PaymentState.CONFLICTED, "untrue"), (PaymentState.PARTIALLY_CAPTURED, "refused")]
)
def test_a_charge_back_of_more_than_our_books_have_is_entered_when_the_payment_is_settled(state, said):
    payment = rows.captured()
    Operation.objects.update(amount_minor=500)
    Payment.objects.update(state=state)
    claim = rows.claimed(payment, minor=300)
    truth = Truth(captured=1250, refunded=0, charged_back=1250)
    if said == "refused":
        with pytest.raises(OperationRejected, match="If money is missing in our books"):
            settle_claim_by(truth, claim.pk, by="ann")
    else:
        settle_claim_by(truth, claim.pk, by="ann")
        assert Fact.objects.get(kind="claim_settled_by").data["said"] == said
