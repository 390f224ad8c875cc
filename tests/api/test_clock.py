"""The clock of a payment can be moved only in a try-out."""

from datetime import timedelta

from django.utils import timezone

from checkout.payments.models import Payment
from messaging.concurrency.database import in_thread
from tests.api.calling import document, order

DAY = 86_400


async def test_a_gateway_that_is_no_try_out_refuses_to_move_the_time(api, payment, settings):
    settings.CHECKOUT_TRY_OUT = False
    answer = await api.post(f"/payments/{payment.reference}/advance-clock", {"seconds": 10**7})
    assert (answer.status, document(answer)["code"]) == (403, "not_a_try_out")
    now = await in_thread(Payment.objects.get, pk=payment.pk)
    assert (now.state, now.created_at) == ("open", payment.created_at)


async def test_a_clock_that_was_moved_on_and_on_leaves_the_payment_readable(api, payment):
    """A time before the year 1 could be stored, and then never be read."""
    path = f"/payments/{payment.reference}"
    answers = [await api.post(f"{path}/advance-clock", {"seconds": 366 * DAY}) for _ in range(30)]
    assert [answer.status for answer in answers[:20]] == [200] * 20
    assert (answers[-1].status, document(answers[-1])["code"]) == (409, "not_possible_now")
    assert (await api.get(path)).status == 200


async def test_a_list_by_time_still_has_every_payment_after_the_time_of_one_was_moved(api, payment):
    begun = f"{timezone.now() - timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    first, second = [document(await api.post("/payments", order(each)))["id"] for each in ("A-7", "A-8")]
    await api.post(f"/payments/{second}/advance-clock", {"seconds": DAY})
    listed = document(await api.get(f"/payments?created_from={begun}"))["data"]
    assert [each["id"] for each in listed] == [second, first, payment.reference]
