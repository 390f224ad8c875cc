"""The clock of a payment is moved in a try-out only."""

from checkout.payments.models import Payment
from messaging.concurrency.database import in_thread
from tests.api.calling import document


async def test_a_gateway_that_is_no_try_out_refuses_to_move_the_time(api, payment, settings):
    settings.CHECKOUT_TRY_OUT = False
    answer = await api.post(f"/payments/{payment.reference}/advance-clock", {"seconds": 10**7})
    assert (answer.status, document(answer)["code"]) == (403, "not_a_try_out")
    now = await in_thread(Payment.objects.get, pk=payment.pk)
    assert (now.state, now.created_at) == ("open", payment.created_at)
