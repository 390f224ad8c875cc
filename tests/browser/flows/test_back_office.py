"""Staff refund a part of a purchase, through every service and the provider."""

from collections.abc import Iterator

import pytest
import requests
from playwright.sync_api import Browser, Page, expect

from tests.browser.flows.books import assert_paid_once, given_back, state_of
from tests.browser.flows.shopper import FRICTIONLESS, TEA_PRICE, Shopper
from tests.support.stack import Stack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.browser

PASSWORD = "checkout-admin"
# A second superuser, and a limit of £10.00 for the refunds of one of them.
MAKE_SECOND = """
from django.contrib.auth.models import User
from checkout.payments.models import ApprovalRule, Merchant
if not User.objects.filter(username="grace").exists():
    User.objects.create_superuser("grace", password="checkout-admin")
example = Merchant.objects.get(code="example")
ApprovalRule.objects.create(merchant=example, matter="money", currency="GBP", above_minor=1000)
"""
NO_RULE = """
from checkout.payments.models import ApprovalRule
ApprovalRule.objects.all().delete()
"""


def log_in(page: Page, name: str) -> None:
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


@pytest.fixture
def limit(shared_stack: Stack) -> Iterator[None]:
    shared_stack.manage("shell", "--command", MAKE_SECOND)
    yield
    shared_stack.manage("shell", "--command", NO_RULE)


def test_a_refund_in_part_reaches_the_provider_and_comes_back_as_done(shopper: Shopper) -> None:
    reference = shopper.order_and_pay(FRICTIONLESS)
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)
    page = shopper.page
    page.goto(f"{shopper.stack.web_url}/admin/payments/payment/?q={reference}")
    log_in(page, "admin")
    page.get_by_role("link", name="Refund").click()
    page.get_by_label("Amount").fill("5.00")
    page.get_by_label("Reason").fill("One of two arrived broken")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Refund £5.00").click()
    expect(page.get_by_text("Refund of £5.00,")).to_be_visible()

    wait_until(lambda: state_of(shopper.stack, reference) == "partially_refunded", "the refund")
    page.reload()
    table = page.get_by_role("region", name="Captures, voids, refunds and charge-backs")
    expect(table.get_by_role("row").filter(has_text="refund")).to_contain_text("done")
    expect(page.locator(".sums")).to_contain_text("£7.50")
    expect(page.get_by_text("Balanced: every posting adds up to zero.")).to_be_visible()
    assert given_back(shopper.stack, reference) == 500


@pytest.mark.usefixtures("limit")
def test_a_refund_above_the_limit_is_done_once_another_member_of_staff_has_approved_it(
    shopper: Shopper, browser: Browser
) -> None:
    reference = shopper.order_and_pay(FRICTIONLESS)
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)
    page = shopper.page
    page.goto(f"{shopper.stack.web_url}/admin/payments/payment/?q={reference}")
    log_in(page, "admin")
    page.get_by_role("link", name="Refund").click()
    page.get_by_label("Reason").fill("Nothing arrived")
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Ask for approval: Refund £12.50").click()
    expect(
        page.get_by_text("Another member of staff has to decide on what you have requested.")
    ).to_be_visible()
    expect(page.get_by_role("link", name="Approve", exact=True)).to_have_count(0)
    address = page.url
    page.goto(address.replace("/change/", "/approve/"))
    expect(page.get_by_text("Approve: Another member of staff has to decide")).to_be_visible()
    assert given_back(shopper.stack, reference) == 0

    second = browser.new_context()
    other = second.new_page()
    other.goto(f"{shopper.stack.web_url}/admin/")
    log_in(other, "grace")
    other.get_by_role("link", name="Wait for approval").click()
    other.goto(address)
    expect(other.get_by_text("It waits for your decision.")).to_be_visible()
    other.get_by_role("link", name="Approve", exact=True).click()
    expect(other.get_by_text("Nothing arrived")).to_be_visible()
    other.get_by_role("button", name="Approve").click()
    expect(other.get_by_text("approved and done")).to_be_visible()
    second.close()

    wait_until(lambda: state_of(shopper.stack, reference) == "refunded", "the refund")
    page.goto(f"{shopper.stack.web_url}/admin/payments/payment/?q={reference}")
    table = page.get_by_role("region", name="Captures, voids, refunds and charge-backs")
    expect(table.get_by_role("row").filter(has_text="refund")).to_contain_text("done")
    assert given_back(shopper.stack, reference) == TEA_PRICE[0]


def dispute(shopper: Shopper, reference: str, event: str) -> None:
    """Let the shopper's bank dispute the payment at the provider, which notifies the gateway."""
    step = {"dispute": {"order": f"{reference}-1", "event": event}}
    requests.post(f"{shopper.stack.sandbox_url}/scenarios/", json=step, timeout=10).raise_for_status()


def test_a_dispute_is_answered_with_evidence_from_its_notification_to_its_outcome(shopper: Shopper) -> None:
    reference = shopper.order_and_pay(FRICTIONLESS)
    shopper.is_told_paid()
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)
    dispute(shopper, reference, "CHARGED_BACK")
    wait_until(lambda: state_of(shopper.stack, reference) == "charged_back", "the charge-back")

    page = shopper.page
    page.goto(f"{shopper.stack.web_url}/admin/payments/dispute/?q={reference}")
    log_in(page, "admin")
    row = page.get_by_role("row").filter(has_text="The shopper's bank took £12.50")
    row.get_by_role("rowheader").get_by_role("link").first.click()
    page.get_by_role("link", name="Reason and time limit").click()
    page.get_by_label("Reason code").fill("13.1")
    page.get_by_label("Answer by").fill("2030-12-24")
    page.get_by_role("button", name="Record").click()
    expect(page.get_by_text("13.1: Goods or services were not received")).to_be_visible()
    page.get_by_role("link", name="Add evidence").click()
    proof = {"name": "delivery.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-1.7 signed %%EOF"}
    page.get_by_label("File").set_input_files(proof)  # type: ignore[arg-type]
    page.get_by_role("button", name="Keep the file").click()
    expect(page.get_by_text("provider:captured: -£12.50")).to_be_visible()
    with page.expect_download() as downloaded:
        page.get_by_role("link", name="delivery.pdf").click()
    assert downloaded.value.path().read_bytes() == proof["buffer"]

    dispute(shopper, reference, "CHARGEBACK_REVERSED")
    wait_until(lambda: state_of(shopper.stack, reference) == "captured", "the reversal")
    page.reload()
    expect(page.locator(".field-state_in_words")).to_contain_text("reversed")
    expect(page.get_by_text("It returned £12.50")).to_be_visible()
