"""The attempts at a payment, as its merchant reads them."""

from checkout.payments.models import Attempt, Event, Payment
from checkout.payments.providers.worldpay_wpg.parse import parse_reply
from checkout.payments.service.attempt_outcome import apply_to_attempt
from messaging.concurrency.database import in_thread
from tests.api.calling import document
from tests.flows.shopping import pay
from tests.payments.providers.worldpay_messages import amount, order_status, payment as told


async def test_all_attempts_are_listed_with_cards_reasons_and_challenges(api, payment, back_end):
    await pay(payment, "refuse:insufficient_funds")
    await pay(payment, "challenge", attempt_number=2)
    listed = document(await api.get(f"/payments/{payment.reference}/attempts"))
    second, first = listed["data"]
    assert [(each["object"], each["payment"]) for each in listed["data"]] == [
        ("attempt", payment.reference)
    ] * 2
    assert (first["number"], first["state"], first["id"]) == (1, "failed", f"{payment.reference}-1")
    assert first["card"] == {"brand": "visa", "last4": "1111"}
    assert first["last_error"]["code"] == "insufficient_funds"
    assert (first["three_d_secure"], first["merchant_initiated"]) == (None, None)
    assert (second["number"], second["state"]) == (2, "action_required")
    assert (second["last_error"], second["card"]) == (None, None)
    assert second["three_d_secure"] == {"result": None, "challenged": True, "protocol_version": "2.2.0"}
    assert second["created_at"] > first["created_at"]
    event = document(await api.get("/events?types=payment.action_required"))["data"][0]
    assert event["data"]["latest_attempt"] == second


async def test_attempts_come_in_pages_and_one_payment_has_only_its_own(api, payment, manual, back_end):
    for number in (1, 2, 3):
        await pay(payment, "refuse", attempt_number=number)
    await pay(manual, "refuse")
    path = f"/payments/{payment.reference}/attempts?limit=2"
    page = document(await api.get(path))
    assert ([each["number"] for each in page["data"]], page["has_more"]) == ([3, 2], True)
    rest = document(await api.get(f"{path}&cursor={page['next_cursor']}"))
    assert ([each["number"] for each in rest["data"]], rest["has_more"]) == ([1], False)
    bad = await api.get(f"/payments/{payment.reference}/attempts?cursor=x")
    assert (bad.status, document(bad)["errors"][0]["parameter"]) == (422, "cursor")
    assert document(await api.get("/payments/by-order?order_reference=order-1"))["state"] == "declined"


async def test_a_payment_without_attempts_has_an_empty_list(api, payment):
    listed = document(await api.get(f"/payments/{payment.reference}/attempts"))
    assert (listed["data"], listed["has_more"], listed["next_cursor"]) == ([], False, None)


def authenticated(payment: Payment, description: str, event: str = "AUTHORISED") -> None:
    """Let Worldpay answer an attempt with an authentication that has words and indicators of its own."""
    account = payment.merchant.provider_accounts.get()
    attempt = Attempt.objects.create(
        payment=payment, number=1, provider_account=account, order_code="order-1", state="submitted"
    )
    said = (
        f'<ThreeDSecureResult description="{description}"><threeDSVersion>2.1.0</threeDSVersion>'
        "<eci>05</eci><dsTransactionId>ds-1</dsTransactionId></ThreeDSecureResult>"
    )
    body = order_status(told(event, said, money=amount(1250, "EUR")))
    apply_to_attempt(attempt, parse_reply(body))


async def test_the_result_of_an_authentication_is_in_our_words_and_no_more_than_that(api, payment):
    await in_thread(authenticated, payment, "Cardholder authenticated")
    answer = await api.get(f"/payments/{payment.reference}/attempts")
    (attempt,) = document(answer)["data"]
    assert attempt["state"] == "succeeded"
    assert attempt["three_d_secure"] == {
        "result": "authenticated",
        "challenged": False,
        "protocol_version": "2.1.0",
    }
    assert "ds-1" not in answer.text + str(await in_thread(lambda: list(Event.objects.values("data"))))


async def test_a_failed_authentication_is_told_beside_the_reason_of_the_refusal(api, payment):
    await in_thread(authenticated, payment, "Failed", "REFUSED")
    (attempt,) = document(await api.get(f"/payments/{payment.reference}/attempts"))["data"]
    assert (attempt["state"], attempt["last_error"]["code"]) == ("failed", "authentication_failed")
    assert attempt["three_d_secure"]["result"] == "failed"


async def test_an_authentication_that_an_earlier_release_has_stored_has_no_result(api, payment):
    await in_thread(authenticated, payment, "Cardholder authenticated")
    stored = {"result": "Cardholder authenticated", "version": "2.1.0", "eci": "05", "transaction_id": "ds-1"}
    await in_thread(lambda: Attempt.objects.update(three_d_secure=stored))
    (attempt,) = document(await api.get(f"/payments/{payment.reference}/attempts"))["data"]
    assert attempt["three_d_secure"]["result"] is None
