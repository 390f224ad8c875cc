"""The address to which the shopper goes back, which depends on the outcome of the payment."""

import pytest
from django.utils import timezone

from checkout.payments.models import Attempt, Merchant, Payment
from checkout.states import PaymentState
from messaging.concurrency.database import in_thread

PAID, LEFT = "https://shop.example/thanks", "https://shop.example/left"


@pytest.mark.parametrize(
    ("state", "is_called_off", "address"),
    [
        (PaymentState.CANCELLED, False, LEFT),
        (PaymentState.VOID_PENDING, True, LEFT),
        (PaymentState.VOIDED, True, LEFT),
        # The shop itself has released the money, for example because the goods are gone.
        (PaymentState.VOIDED, False, PAID),
        # The money was captured before the cancellation reached the provider.
        (PaymentState.CAPTURED, True, PAID),
    ],
)
async def test_a_shopper_who_has_cancelled_goes_back_to_the_address_for_that(
    back_end, checkout, state, is_called_off, address
):
    await checkout.pay("approve")

    def end() -> None:
        Merchant.objects.update(return_origins=["https://shop.example"])
        Payment.objects.update(state=state, return_url=PAID, cancel_url=LEFT)
        Attempt.objects.update(called_off_at=timezone.now() if is_called_off else None)

    await in_thread(end)
    answer = await checkout.get("return/")
    assert answer.status == 303
    assert answer.headers["location"].partition("?")[0] == address
