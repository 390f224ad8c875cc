"""A customer whom the merchant has identified pays with a saved card, and nobody else does."""

import re
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from checkout.errors import IllegalTransition
from checkout.money import Money
from checkout.payments.actions import cancel_payment, create_payment, make_session
from checkout.payments.actions.saved_cards import remove_card
from checkout.payments.models import Attempt, Fact, Payment, ProviderAccount, SavedCard
from checkout.states import PaymentState
from messaging.concurrency.database import in_thread
from tests.api.keeping import CUSTOMER, kept_card
from tests.support.asgi import AsgiClient
from tests.web.paying import Checkout, fields_of

PAID = {"authorised", "capture_pending", "captured"}
OFFER = re.compile(
    r'<input type="radio" id="card_[0-9a-f]{32}" name="saved_card" value="(card_[0-9a-f]{32})"'
)


def an_order(payment: Payment, number: str, **more: str) -> Payment:
    """Create the payment of another order of the same merchant."""
    order: dict[str, Any] = {"amount": Money(1, "EUR"), "description": "Tea", **more}
    return create_payment(payment.merchant, order_reference=number, **order)


@pytest.fixture
async def card(payment: Payment, books) -> SavedCard:
    """Return a card that was saved with an earlier payment of the customer, who has to pay `payment` now."""

    def keep() -> SavedCard:
        card = kept_card(an_order(payment, "earlier", customer_reference=CUSTOMER))
        Payment.objects.filter(pk=payment.pk).update(customer_reference=CUSTOMER)
        return card

    books.tokens["kept"] = "approve"
    return await in_thread(keep)


def address_of(payment: Payment) -> str:
    session = make_session(payment.merchant, payment.reference)
    return f"/checkout/{payment.reference}/customer/{session.token}/"


@pytest.fixture
async def identified(checkout: Checkout, card: SavedCard, payment: Payment) -> Checkout:
    """Return the pages in a browser that has opened a customer session."""
    answer = await checkout.client.get(await in_thread(address_of, payment))
    assert (answer.status, answer.headers["location"]) == (303, checkout.path())
    return checkout


async def offered(checkout: Checkout) -> list[str]:
    page = await checkout.get()
    assert page.status == 200
    return OFFER.findall(page.text)


async def choose(checkout: Checkout, card: SavedCard, **changes: str):
    form = {**fields_of(await checkout.get()), "saved_card": card.reference, "encrypted_card": "", **changes}
    return await checkout.client.post(checkout.path("pay/"), form)


async def attempts() -> list[Attempt]:
    return await in_thread(lambda: list(Attempt.objects.select_related("saved_card").order_by("number")))


async def test_a_customer_sees_the_saved_card_and_pays_with_it(back_end, identified, card):
    page = (await identified.get()).text
    assert OFFER.findall(page) == [card.reference]
    assert "Visa ending in 1111" in page
    assert "12/30" in page
    answer = await choose(identified, card, browser_language="en-GB", browser_javascript_enabled="true")
    assert (answer.status, answer.headers["location"]) == (303, identified.path("result/"))
    (attempt,) = await attempts()
    assert (attempt.saved_card, attempt.merchant_initiated) == (card, "")
    assert attempt.browser["language"] == "en-GB"
    assert (await in_thread(Payment.objects.get, reference=identified.reference)).state in PAID


async def test_without_a_session_the_page_shows_no_card_and_none_can_be_chosen(back_end, checkout, card):
    page = await checkout.get()
    assert "1111" not in page.text
    assert card.reference not in page.text
    answer = await choose(checkout, card)
    assert answer.status == 409
    assert "cannot be used any more" in answer.text
    assert await attempts() == []


async def test_a_session_can_be_opened_by_the_first_browser_alone(checkout, card, payment):
    address, stranger = await in_thread(address_of, payment), Checkout(AsgiClient(), payment.reference)
    await checkout.client.get(address)
    assert await offered(checkout) == [card.reference]
    again = await stranger.client.get(address)
    assert (again.status, again.headers["location"]) == (303, checkout.path())
    assert await offered(stranger) == []
    # The customer's own browser may load the address again.
    await checkout.client.get(address)
    assert await offered(checkout) == [card.reference]


async def test_a_second_session_in_the_same_browser_begins_anew_and_cannot_be_opened_elsewhere(
    identified, card, payment
):
    begun = timezone.now()
    with time_machine.travel(begun + timedelta(minutes=29), tick=True):
        address = await in_thread(address_of, payment)
        await identified.client.get(address)
        stranger = Checkout(AsgiClient(), payment.reference)
        await stranger.client.get(address)
        assert await offered(stranger) == []
    with time_machine.travel(begun + timedelta(minutes=31), tick=True):
        assert await offered(identified) == [card.reference]


@pytest.mark.parametrize("change", ["late", "changed", "of another payment"])
async def test_a_session_that_is_late_changed_or_of_another_payment_shows_no_card(
    checkout, card, payment, change
):
    address = await in_thread(address_of, payment)
    if change == "changed":
        address = f"{address[:-2]}{'A' if address[-2] != 'A' else 'B'}/"
    if change == "of another payment":
        other = await in_thread(Payment.objects.exclude(pk=payment.pk).get)
        address = address.replace(payment.reference, other.reference)
        checkout = Checkout(checkout.client, other.reference)
    late = timedelta(minutes=11 if change == "late" else 0)
    with time_machine.travel(timezone.now() + late, tick=True):
        assert (await checkout.client.get(address)).status == 303
        assert await offered(checkout) == []


async def test_the_cookie_of_one_payment_says_nothing_about_another(identified, card, payment):
    other = await in_thread(Payment.objects.exclude(pk=payment.pk).get)
    assert await offered(Checkout(identified.client, other.reference)) == []


async def test_a_session_ends_after_half_an_hour(identified, card):
    with time_machine.travel(timezone.now() + timedelta(minutes=31), tick=True):
        assert await offered(identified) == []


async def test_a_session_is_for_a_payment_that_can_be_paid_and_names_a_customer(card, payment):
    nobodys = await in_thread(an_order, payment, "another")
    with pytest.raises(IllegalTransition, match="customer_reference"):
        await in_thread(make_session, payment.merchant, nobodys.reference)
    await in_thread(lambda: cancel_payment(payment.reference, by="ada"))
    with pytest.raises(IllegalTransition, match="cannot be paid"):
        await in_thread(make_session, payment.merchant, payment.reference)


async def test_another_customers_card_is_neither_shown_nor_charged_nor_removed(back_end, identified, card):
    await in_thread(SavedCard.objects.update, customer_reference="customer-8")
    assert await offered(identified) == []
    assert (await choose(identified, card)).status == 409
    path = identified.path(f"cards/{card.reference}/remove/")
    assert (await identified.get(f"cards/{card.reference}/remove/")).status == 303
    assert (await identified.client.post(path, fields_of(await identified.get()))).status == 303
    assert (await in_thread(SavedCard.objects.get)).state == "active"
    assert await attempts() == []


@pytest.mark.parametrize("change", ["removed", "expired", "of another account", "not accepted"])
async def test_a_card_that_cannot_be_used_any_more_is_not_charged(
    back_end, identified, card, payment, change
):
    form = {**fields_of(await identified.get()), "saved_card": card.reference}

    def spoil() -> None:
        if change == "removed":
            remove_card(card.merchant, card.reference, by="another tab")
        elif change == "expired":
            SavedCard.objects.update(expiry="01/2020")
        elif change == "of another account":
            account = ProviderAccount.objects.get()
            account.pk, account.code = None, "second"
            account.save()
            SavedCard.objects.update(provider_account=account)
        else:
            ProviderAccount.objects.update(accepted_brands=["amex"])

    await in_thread(spoil)
    answer = await identified.client.post(identified.path("pay/"), form)
    assert answer.status == 409
    assert OFFER.findall(answer.text) == []
    assert await attempts() == []
    assert (await in_thread(Payment.objects.get, pk=payment.pk)).state == PaymentState.OPEN


async def test_a_form_that_is_sent_twice_charges_the_card_once(back_end, identified, card):
    form = {**fields_of(await identified.get()), "saved_card": card.reference}
    for _ in range(2):
        answer = await identified.client.post(identified.path("pay/"), form)
        assert answer.headers["location"] == identified.path("result/")
    assert len(await attempts()) == 1


async def test_the_bank_may_challenge_the_customer(back_end, identified, card, books):
    books.tokens["kept"] = "challenge"
    answer = await choose(identified, card)
    assert answer.headers["location"] == identified.path("challenge/")
    back = await identified.client.post(await identified.return_path(), {"MD": "x"}, cross_site=True)
    assert back.headers["location"] == identified.path("result/")
    assert (await in_thread(Payment.objects.get, reference=identified.reference)).state in PAID


async def test_a_refused_saved_card_leads_to_the_form_with_another_card(back_end, identified, card, books):
    books.tokens["kept"] = "refuse:insufficient_funds"
    answer = await choose(identified, card)
    page = (await identified.get("result/")).text
    assert answer.headers["location"] == identified.path("result/")
    assert "not enough money" in page
    assert OFFER.findall(page) == [card.reference]
    assert (await identified.pay("approve")).headers["location"] == identified.path("result/")
    assert [attempt.saved_card for attempt in await attempts()] == [card, None]


async def test_a_card_that_is_typed_wins_over_none_and_a_saved_card_over_one_that_is_typed(
    back_end, identified, card
):
    await choose(identified, card, encrypted_card="approve", save_card="yes")
    (attempt,) = await attempts()
    assert (attempt.saved_card, attempt.saves_card) == (card, False)


async def test_a_customer_removes_a_card_after_a_question(identified, card):
    page = await identified.get(f"cards/{card.reference}/remove/")
    assert "Visa ending in 1111" in page.text
    assert (await in_thread(SavedCard.objects.get)).state == "active"
    path = identified.path(f"cards/{card.reference}/remove/")
    for _ in range(2):
        answer = await identified.client.post(path, fields_of(page))
        assert (answer.status, answer.headers["location"]) == (303, identified.path())
    removed = await in_thread(SavedCard.objects.get)
    assert (removed.state, removed.removed_by, removed.sealed_token) == ("removed", "customer", "")
    assert await offered(identified) == []


async def test_a_stranger_removes_nothing(checkout, card):
    path = f"cards/{card.reference}/remove/"
    assert (await checkout.get(path)).status == 303
    await checkout.client.post(checkout.path(path), fields_of(await checkout.get()))
    assert (await in_thread(SavedCard.objects.get)).state == "active"


async def test_no_line_of_the_log_has_the_token_of_a_session(checkout, card, payment, caplog):
    address = await in_thread(address_of, payment)
    form = fields_of(await checkout.get())
    assert (await checkout.client.post(address, form)).status == 405
    assert "/customer/" in caplog.text
    assert address.split("/")[-2].partition(":")[0] not in caplog.text


async def test_no_token_of_a_session_is_kept(checkout, card, payment):
    address = await in_thread(address_of, payment)
    await checkout.client.get(address)
    (fact,) = await in_thread(lambda: list(Fact.objects.filter(kind="customer_identified")))
    token = address.split("/")[-2]
    assert token.partition(":")[0] not in str(fact.data)
