"""The choice of the shopper to have the card saved for the next purchase."""

import re

import pytest

from checkout.payments.models import Attempt, Payment, ProviderAccount, SavedCard
from messaging.concurrency.database import in_thread

BOX = re.compile(r'<input type="checkbox"[^>]*>')


@pytest.fixture
async def of_a_customer(checkout):
    await in_thread(Payment.objects.update, customer_reference="customer-7")
    return checkout


async def test_a_customer_is_asked_and_the_box_is_labelled_and_not_ticked(of_a_customer):
    page = (await of_a_customer.get()).text
    (box,) = BOX.findall(page)
    assert 'name="save_card"' in box
    assert "checked" not in box
    assert "hidden" not in box
    assert "tabindex" not in box
    assert '<label for="save-card">Save this card for the next purchase</label>' in page
    described = re.search(r'aria-describedby="([^"]+)"', box)
    assert described is not None
    hint = re.search(rf'id="{described[1]}">(.+?)</p>', page)
    assert hint is not None
    assert "number or security code" in hint[1]
    assert "have the card removed" in hint[1]


async def test_nobody_is_asked_without_a_customer_or_where_no_card_can_be_saved(checkout):
    assert not BOX.findall((await checkout.get()).text)

    def change():
        Payment.objects.update(customer_reference="customer-7")
        ProviderAccount.objects.update(options={"saved_cards": "no"})

    await in_thread(change)
    assert not BOX.findall((await checkout.get()).text)
    await checkout.client.post(checkout.path("pay/"), await checkout.filled_form("x", save_card="yes"))
    assert not (await in_thread(Attempt.objects.get)).saves_card


@pytest.mark.parametrize("chosen", [{"save_card": "yes"}, {}])
async def test_the_card_is_saved_only_if_the_box_was_ticked(back_end, books, of_a_customer, chosen):
    answer = await of_a_customer.pay("approve", **chosen)
    assert answer.status == 303
    assert await in_thread(SavedCard.objects.count) == len(chosen)


async def test_a_choice_without_a_customer_saves_nothing(back_end, books, checkout):
    await checkout.pay("approve", save_card="yes")
    assert not (await in_thread(Attempt.objects.get)).saves_card
    assert await in_thread(SavedCard.objects.count) == 0
