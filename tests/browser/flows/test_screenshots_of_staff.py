"""Screenshots of the back office, narrow and wide."""

import re
from uuid import uuid4

import pytest
from playwright.sync_api import Page, expect

from tests.browser.flows.books import assert_paid_once
from tests.browser.flows.pictures import WIDTHS, picture, pictures
from tests.browser.flows.shopper import CHALLENGED, TEA_PRICE, Shopper
from tests.browser.trouble import make_trouble

pytestmark = pictures
PASSWORD = "checkout-admin"


@pytest.fixture(params=WIDTHS)
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


# A payment of which a part was refunded, an open payment, and a saved card.
MAKE_REFUNDED = """
from checkout.payments.models import SavedCard
from checkout.payments.providers.saved_cards import IssuedToken
from tests.backoffice import rows
who = {"shopper_email": "mary@shop.example", "customer_reference": "customer-9"}
paid, is_open = rows.captured("refund-%(name)s", **who), rows.payment("open-%(name)s", **who)
rows.operation(paid, "refund", 200, state="done")
rows.operation(paid, "refund", 300, state="pending")
token = IssuedToken(token="token-%(name)s", brand="visa", last4="1111", expiry="12/2030")
card = SavedCard.of(paid.attempts.get(), token)
card.save()
print("KEYS", paid.pk, is_open.pk, card.pk)
"""

# A refund whose outcome the provider does not report.
MAKE_UNSETTLED = """
from tests.backoffice import rows
refund = rows.waiting(rows.captured("settle-%(name)s"), "refund", 300)
rows.heard(refund, "refund_requested_by", by="ann", reason="Damaged")
rows.heard(refund, "refund_unknown", outcome="unknown", event="time-out")
for number in range(3):
    rows.heard(refund, "inquire_refund_unknown", outcome="approved", event="REFUNDED", amount="12.50 GBP")
done = rows.operation(refund.payment, "refund", 200, state="done", requested_by="bob")
rows.heard(done, "notified_refunded", event="REFUNDED", amount="2.00 GBP")
print("KEYS", refund.pk, refund.payment_id)
"""

# A charge-back that neither the provider nor the notification describes sufficiently.
MAKE_CLAIMED = """
from tests.backoffice import rows
saga = rows.claimed(rows.captured("claim-%(name)s"), is_proven=False)
print("KEYS", saga.pk, saga.payment_id)
"""


# A conflicted payment whose provider reports no sums.
MAKE_CONFLICTED = """
from checkout.payments.models import Fact, Payment
from tests.backoffice import rows
payment = rows.captured("contradiction-%(name)s")
for requested_by in ("ann", "bob"):
    rows.heard(
        rows.operation(payment, "refund", 300, state="done", requested_by=requested_by), "notified_refunded",
        event="REFUNDED", amount="3.00 GBP",
    )
why = "The provider does not tell how much was captured and refunded."
Fact.objects.create(payment=payment, attempt=payment.attempts.get(), source="provider", kind="review_stands",
    data={"event": "SETTLED", "why": why})
Payment.objects.filter(pk=payment.pk).update(state="conflicted")
print("KEYS", payment.pk)
"""


# A disabled webhook endpoint with a pending delivery, and a colleague.
MAKE_DISABLED = """
from django.contrib.auth.models import User
from checkout.webhooks import actions
made = actions.create_endpoint("example", "https://shop.example/hook/%(name)s").endpoint
actions.ping(made.merchant, made.reference)
actions.disable(made.merchant, made.reference, "The shop moves")
user = User.objects.create_user("grace-%(name)s", password="a long enough password 1", is_staff=True)
print("KEYS", made.pk, user.pk)
"""


def log_in(page: Page) -> None:
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def test_pictures_of_the_back_office(shopper: Shopper, width: int) -> None:
    reference = shopper.order_and_pay(CHALLENGED)
    shopper.decide("Approve")
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)
    page = shopper.page
    page.goto(f"{shopper.stack.web_url}/admin/payments/payment/")
    picture(page, "admin-login", width)
    log_in(page)
    picture(page, "admin-payments", width)
    page.goto(f"{shopper.stack.web_url}/admin/payments/payment/?q={reference}")
    expect(page.get_by_role("heading", name="What happened")).to_be_visible()
    picture(page, "admin-payment", width)
    page.get_by_role("heading", name="What happened").evaluate("heading => heading.scrollIntoView()")
    picture(page, "admin-waterfall", width, full_page=False)


def test_pictures_of_a_refund(shopper: Shopper, width: int) -> None:
    made = shopper.stack.manage("shell", "--command", MAKE_REFUNDED % {"name": uuid4().hex[:6]})
    captured, is_open, card = made.rpartition("KEYS")[2].split()
    page, office = shopper.page, f"{shopper.stack.web_url}/admin/payments"
    page.goto(f"{office}/payment/{captured}/refund/")
    log_in(page)
    page.clock.install()
    page.reload()
    page.get_by_label("Amount").fill("1.005")
    page.get_by_label("Reason").fill("Damaged")
    picture(page, "admin-refund", width)
    page.clock.fast_forward(28 * 60_000)
    expect(page.get_by_role("button", name="Stay logged in")).to_be_visible()
    picture(page, "admin-refund-warning", width, full_page=False)
    page.get_by_role("button", name="Continue").click()
    picture(page, "admin-refund-wrong-fields", width)
    page.get_by_label("Amount").fill("1.00")
    page.get_by_role("button", name="Continue").click()
    picture(page, "admin-refund-confirm", width)
    page.goto(f"{office}/payment/{is_open}/cancel/")
    picture(page, "admin-cancel", width)
    page.goto(f"{office}/savedcard/{card}/remove/")
    picture(page, "admin-remove-card", width)
    page.goto(f"{shopper.stack.web_url}/admin/orders/stockitem/add/")
    page.clock.fast_forward(28 * 60_000)
    picture(page, "admin-stock-item-warning", width)


def test_pictures_of_an_endpoint_and_of_passwords(shopper: Shopper, width: int) -> None:
    made = shopper.stack.manage("shell", "--command", MAKE_DISABLED % {"name": uuid4().hex[:6]})
    endpoint, user = made.rpartition("KEYS")[2].split()
    page, admin = shopper.page, f"{shopper.stack.web_url}/admin"
    page.goto(f"{admin}/webhooks/webhookendpoint/{endpoint}/enable/")
    log_in(page)
    page.clock.install()
    picture(page, "admin-enable-endpoint", width)
    page.goto(f"{admin}/password_change/")
    expect(page.get_by_text("logs you out everywhere else at once")).to_be_visible()
    page.clock.fast_forward(28 * 60_000)
    expect(page.get_by_role("button", name="Stay logged in")).to_be_visible()
    picture(page, "admin-password", width)
    page.goto(f"{admin}/auth/user/{user}/password/")
    page.clock.fast_forward(28 * 60_000)
    expect(page.get_by_role("button", name="Stay logged in")).to_be_visible()
    picture(page, "admin-password-of-another", width)


def test_pictures_of_settling_a_refund(shopper: Shopper, width: int) -> None:
    made = shopper.stack.manage("shell", "--command", MAKE_UNSETTLED % {"name": uuid4().hex[:6]})
    operation, payment = made.rpartition("KEYS")[2].split()
    page = shopper.page
    page.goto(f"{shopper.stack.web_url}/admin/payments/payment/{payment}/change/")
    log_in(page)
    expect(page.get_by_role("link", name="Settle refund of £3.00")).to_be_visible()
    picture(page, "admin-payment-unsettled", width, full_page=False)
    page.goto(f"{shopper.stack.web_url}/admin/payments/operation/{operation}/settle/")
    picture(page, "admin-settle", width)
    page.get_by_role("button", name="Continue").click()
    picture(page, "admin-settle-wrong-fields", width)
    page.get_by_label("It did not arrive: send it again").check()
    page.get_by_label("Reason").fill("Not in the portal")
    page.get_by_role("button", name="Continue").click()
    picture(page, "admin-settle-confirm", width)
    page.goto(f"{shopper.stack.web_url}/admin/payments/payment/attention/")
    picture(page, "admin-attention", width)


def test_pictures_of_settling_a_charge_back(shopper: Shopper, width: int) -> None:
    made = shopper.stack.manage("shell", "--command", MAKE_CLAIMED % {"name": uuid4().hex[:6]})
    saga, payment = made.rpartition("KEYS")[2].split()
    page = shopper.page
    page.goto(f"{shopper.stack.web_url}/admin/payments/payment/{payment}/change/")
    log_in(page)
    expect(page.get_by_role("link", name="Settle reported charge-back")).to_be_visible()
    picture(page, "admin-payment-claimed", width, full_page=False)
    page.goto(f"{shopper.stack.web_url}/admin/payments/saga/{saga}/settle/")
    picture(page, "admin-settle-claim", width)
    page.get_by_label("Amount").fill("3,00")
    page.get_by_role("button", name="Continue").click()
    picture(page, "admin-settle-claim-wrong-fields", width)
    page.get_by_label("It happened").check()
    page.get_by_label("Amount").fill("3.00")
    page.get_by_label("Reason").fill("Seen in the portal")
    page.get_by_role("button", name="Continue").click()
    picture(page, "admin-settle-claim-confirm", width)


def test_pictures_of_settling_by_figures(shopper: Shopper, width: int) -> None:
    made = shopper.stack.manage("shell", "--command", MAKE_CONFLICTED % {"name": uuid4().hex[:6]})
    payment = made.rpartition("KEYS")[2].strip()
    page = shopper.page
    page.goto(f"{shopper.stack.web_url}/admin/payments/payment/{payment}/change/")
    log_in(page)
    expect(page.get_by_role("link", name="Settle by figures")).to_be_visible()
    picture(page, "admin-payment-conflicted", width, full_page=False)
    page.get_by_role("link", name="Settle by figures").click()
    picture(page, "admin-settle-figures", width)
    page.get_by_label("Refunded").fill("3.00")
    page.get_by_label("Charged back").fill("12,50")
    page.get_by_role("button", name="Continue").click()
    picture(page, "admin-settle-figures-wrong-fields", width)
    page.get_by_label("No: it was captured").check()
    page.get_by_label("Charged back").fill("12.50")
    page.get_by_label(re.compile("refund of £3.00")).first.check()
    page.get_by_label("Reason").fill("Seen in the portal")
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_role("button", name="Book it")).to_be_visible()
    picture(page, "admin-settle-figures-confirm", width)


@pytest.fixture
def troubled(shopper: Shopper) -> tuple[str, str]:
    """Return the keys of a payment that needs attention, and of a denied notification."""
    return make_trouble(shopper.stack)


def test_pictures_of_what_needs_attention(shopper: Shopper, width: int, troubled: tuple[str, str]) -> None:
    payment, notification = troubled
    page, office = shopper.page, f"{shopper.stack.web_url}/admin/payments"
    page.goto(f"{office}/payment/{payment}/change/")
    log_in(page)
    expect(page.get_by_text("This payment needs attention")).to_be_visible()
    picture(page, "admin-payment-troubled", width)
    page.goto(f"{office}/providernotification/")
    picture(page, "admin-notifications", width)
    page.goto(f"{office}/providernotification/{notification}/change/")
    picture(page, "admin-notification", width)
    page.goto(f"{office}/merchant/")
    page.get_by_role("link", name="Example Shop").click()
    picture(page, "admin-merchant", width)
    shopper.lose_javascript()
    page.goto(f"{office}/payment/{payment}/change/")
    picture(page, "admin-payment-no-javascript", width)
    page.get_by_role("link", name="Say what became of it").click()
    picture(page, "admin-settle-no-javascript", width)
