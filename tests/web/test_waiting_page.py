"""The page for shoppers who wait for the result of a payment: how long it takes, and whom to ask."""

import re
from datetime import timedelta
from functools import partial

import pytest
import time_machine
from django.utils import timezone

from checkout.payments.models import Merchant, Payment
from checkout.states import PaymentState
from messaging.concurrency.database import in_thread

THREE_DAYS = "in rare cases it takes up to three days"


async def status_in(checkout, state, **changes):
    await in_thread(partial(Payment.objects.update, state=state, **changes))
    return (await checkout.get("status/")).text


@pytest.mark.parametrize("state", [PaymentState.PROCESSING, PaymentState.CONFIRMING])
async def test_a_shopper_is_told_how_long_an_answer_can_take(shop, checkout, state):
    page = await status_in(checkout, state)
    assert "<title>Confirming your payment</title>" in page
    assert (THREE_DAYS in page, 'class="waiting"' in page) == (True, True)


async def test_a_shopper_whose_payment_staff_have_to_check_is_not_shown_a_wait_of_seconds(shop, checkout):
    page = await status_in(checkout, PaymentState.CONFLICTED)
    assert "<title>Checking your payment</title>" in page
    assert "<h1>We are checking your payment</h1>" in page
    assert "Please do not pay again." in page
    assert "a person has to check them. This can take some days." in page
    assert (THREE_DAYS in page, 'class="waiting"' in page) == (False, False)


@pytest.mark.parametrize("state", [PaymentState.CONFIRMING, PaymentState.CONFLICTED])
async def test_a_shopper_who_waits_knows_whom_to_ask_and_can_go_back_to_the_shop(shop, checkout, state):
    await in_thread(partial(Merchant.objects.update, return_origins=["https://shop.example"]))
    page = await status_in(checkout, state, return_url="https://shop.example/back")
    assert "the result will be shown at the same address" in page
    assert 'contact <bdi translate="no">The Shop</bdi> and give the order number below' in page
    assert page.index("order number below") < page.index(">order-1</bdi>")
    assert f'href="{checkout.path("return/")}"' in page
    address = (await checkout.get("return/")).headers["location"]
    assert address == f"https://shop.example/back?payment={checkout.reference}"
    assert "Back to <bdi" not in await status_in(checkout, state, return_url="")


@pytest.mark.parametrize("state", [PaymentState.CONFIRMING, PaymentState.CONFLICTED])
async def test_without_javascript_the_page_is_loaded_again_ever_more_rarely_but_never_not_at_all(
    shop, checkout, state
):
    now = timezone.now()
    pauses = []
    with time_machine.travel(now, tick=False):
        for minutes in (-1, 0, 0.5, 5, 60, 60 * 24 * 7):
            page = await status_in(checkout, state, updated_at=now - timedelta(minutes=minutes))
            pauses += re.findall(r'<noscript><meta http-equiv="refresh" content="([^"]*)"></noscript>', page)
    assert pauses == ["5", "5", "5", "30", "360", "600"]
