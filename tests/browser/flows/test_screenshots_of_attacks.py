"""Screenshots of the pages that shoppers see in attack mode, narrow and wide."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.flows.pictures import WIDTHS, picture, pictures, sized
from tests.browser.flows.shopper import CHALLENGED, Shopper, shopping
from tests.support.captchas import SUM
from tests.support.databases import database
from tests.support.stack import Stack
from tests.support.vhosts import fresh_vhost

pytestmark = pictures
ATTACKED = """
from checkout.payments.actions import set_attack_mode
from checkout.payments.models import Merchant
set_attack_mode(Merchant.objects.get().pk, "on", by="ann", reason="Many cards are being tried")
"""


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(scope="module")
def attacked_stack(tmp_path_factory: pytest.TempPathFactory, migrated_template: str) -> Iterator[Stack]:
    """Yield a stack whose merchant is in attack mode, with a CAPTCHA and one attempt per payment."""
    environment = {"CHECKOUT_CAPTCHA": SUM, "CHECKOUT_MAX_ATTEMPTS": "1"}
    with (
        fresh_vhost() as broker_url,
        database(migrated_template) as database_url,
        Stack(
            tmp_path_factory.mktemp("attacked-stack"),
            broker_url=broker_url,
            database_url=database_url,
            environment=environment,
        ) as stack,
    ):
        stack.manage("shell", "--command", ATTACKED)
        yield stack


def answer(shopper: Shopper, said: str) -> None:
    """Answer the CAPTCHA before the card form."""
    shopper.page.get_by_label("What is 2 + 5?").fill(said)
    shopper.page.get_by_role("button", name="Go on to your card").click()


def test_pictures_of_a_merchant_in_attack_mode(browser: Browser, attacked_stack: Stack, width: int) -> None:
    with shopping(browser, attacked_stack, viewport=sized(width)) as shopper:
        shopper.order()
        picture(shopper.page, "captcha", width)
        answer(shopper, "8")
        expect(shopper.page.get_by_role("alert")).to_be_visible()
        picture(shopper.page, "captcha-wrong", width)
        shopper.traffic.complaints.clear()  # the console reports the status 400
        answer(shopper, "7")
        expect(shopper.pay_button).to_be_visible()
        picture(shopper.page, "attacked-checkout", width)
        shopper.pay(CHALLENGED)
        shopper.decide("Fail")
        shopper.is_told_not_paid("")
        picture(shopper.page, "attacked-result", width)


def test_pictures_of_attack_mode_without_javascript(
    browser: Browser, attacked_stack: Stack, width: int
) -> None:
    options = {"viewport": sized(width), "java_script_enabled": False}
    with shopping(browser, attacked_stack, **options) as shopper:
        shopper.order()
        picture(shopper.page, "captcha-no-javascript", width)
        answer(shopper, "7")
        picture(shopper.page, "attacked-checkout-no-javascript", width)
