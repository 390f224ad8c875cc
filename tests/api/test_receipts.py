"""Receipts that a merchant's program requests again."""

from django.utils import timezone

from checkout.receipts.models import Receipt
from messaging.concurrency.database import in_thread
from tests.api.calling import document


def receipt_of(payment, **changes):
    fields = {"merchant": "The Shop", "order_reference": "A-1", "amount_minor": 1250, "currency": "EUR"}
    fields |= {"email": "ada@example.com", "sent_at": timezone.now(), **changes}
    return Receipt.objects.create(payment_reference=payment.reference, **fields)


async def resend(api, payment):
    return await api.post(f"/payments/{payment.reference}/receipt")


async def test_a_program_has_a_receipt_sent_again_once_for_each_time_that_it_was_sent(api, payment):
    await in_thread(receipt_of, payment)
    answer = await resend(api, payment)
    receipt = document(answer)
    assert (answer.status, receipt["object"], receipt["payment"]) == (202, "receipt", payment.reference)
    assert (receipt["state"], receipt["resendings"], receipt["sent_at"]) == ("owed", 1, None)
    assert (await in_thread(Receipt.objects.get)).next_try_at is not None
    again = await resend(api, payment)
    assert (again.status, document(again)["code"]) == (409, "not_possible_now")
    assert (await in_thread(Receipt.objects.get)).resendings == 1


async def test_a_program_cannot_flood_a_mailbox(api, payment):
    await in_thread(receipt_of, payment, resendings=5)
    answer = await resend(api, payment)
    assert (answer.status, document(answer)["code"]) == (409, "not_possible_now")
    assert "5 times" in document(answer)["detail"]
    assert (await in_thread(Receipt.objects.get)).next_try_at is None


async def test_nothing_is_sent_for_a_payment_without_a_receipt_or_to_an_erased_address(api, payment):
    answer = await resend(api, payment)
    assert (answer.status, document(answer)["code"]) == (409, "not_possible_now")
    assert "no receipt" in document(answer)["detail"]
    await in_thread(receipt_of, payment, email="")
    assert (await resend(api, payment)).status == 409


async def test_another_merchant_has_nothing_sent(stranger, payment):
    await in_thread(receipt_of, payment)
    answer = await resend(stranger, payment)
    assert (answer.status, document(answer)["code"]) == (404, "payment_not_found")
    assert (await in_thread(Receipt.objects.get)).resendings == 0
