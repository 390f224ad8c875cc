"""The sandbox repeats the text that the shopper has typed, as the provider does, whatever it is."""

import pytest
from defusedxml.ElementTree import fromstring

from tests.sandbox.merchant import Merchant
from tests.support.waiting import wait_until

NAMES = ["A. Shopper", 'A. Smith pan="', "A. Smith token='", "<cvc>&amp;", "Ångström ☕", "\x00\x07\ud800"]


@pytest.mark.parametrize("name", NAMES)
def test_replies_and_notifications_repeat_the_card_holders_name_as_it_was_sealed(notifying, inbox, name):
    reply = notifying.submit("order-1", name)
    expected = "���" if "\x00" in name else name
    wait_until(lambda: inbox.bodies, "the notification")
    assert reply.text("cardHolderName") == expected
    assert notifying.inquire("order-1").text("cardHolderName") == expected
    assert fromstring(inbox.bodies[0]).findtext(".//payment/cardHolderName") == expected


def test_notifications_repeat_the_shoppers_address_if_the_order_has_one(notifying, inbox):
    assert notifying.submit("order-1").text("shopperEmailAddress") == "shopper@example.com"
    wait_until(lambda: inbox.bodies, "the notification")
    assert fromstring(inbox.bodies[0]).findtext(".//payment/shopperEmailAddress") == "shopper@example.com"


def test_the_charge_of_a_saved_card_has_the_name_with_which_it_was_saved(merchant):
    token = merchant.save_card("order-1", "A. Saver").text("paymentTokenID")
    instrument = f"<TOKEN-SSL><paymentTokenID>{token}</paymentTokenID></TOKEN-SSL>"
    reply = merchant.post(
        '<submit><order orderCode="order-2"><description>A teapot</description>'
        '<amount value="1050" currencyCode="GBP" exponent="2"/>'
        f"<paymentDetails>{instrument}</paymentDetails>"
        "<shopper><authenticatedShopperID>cus_1</authenticatedShopperID></shopper></order></submit>"
    )
    assert reply.text("cardHolderName") == "A. Saver"


def test_the_user_is_the_merchant_code_unless_it_is_set(sandbox_of):
    with sandbox_of() as url:
        assert Merchant(url).submit("order-1").text("lastEvent") == "AUTHORISED"
        assert Merchant(url).post_raw(b"x", auth=("sandbox", "sandbox-password")).status_code == 401
