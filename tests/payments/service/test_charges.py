"""The purchase of a charge without a shopper: its card is the provider's token, which no message contains."""

import pytest

from checkout.payments.checkout_messages import SubmitPayment
from checkout.payments.models import Attempt, Saga
from checkout.payments.sagas.service import service
from tests.payments.service.delivering import command, deliver
from tests.payments.service.replying import commands_of
from tests.payments.service.test_saved_cards import TOKEN, charge, kept

pytestmark = pytest.mark.django_db


def test_a_charge_is_begun_although_no_card_comes_with_its_submission(attempt: Attempt, books):
    books.tokens[TOKEN.token] = "approve"
    charged = charge(kept(attempt, books))
    submission = SubmitPayment(payment=charged.payment.reference, attempt=charged.order_code)
    assert commands_of(deliver(service, command(submission))) == ["risk.assess"]
    assert Saga.objects.get(kind="purchase").status == Saga.Status.RUNNING
