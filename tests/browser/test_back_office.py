"""The back office in a real browser: wide and narrow, by keyboard, and without JavaScript."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.looking import assert_accessible
from tests.support.stack import Stack

pytestmark = pytest.mark.browser
SCHEMES = ["light", pytest.param("dark", marks=pytest.mark.long)]

PASSWORD = "checkout-admin"
# Rows as purchases and failures write them.
MAKE_ROWS = """
from tests.backoffice import rows
held, taken, parked = rows.authorised("h%(name)s"), rows.captured("t%(name)s"), rows.payment("p%(name)s")
letter = rows.dead_letter(message_id="%(name)s")
rows.notification(None, "unmatched", "No attempt has this order code.", digest="%(name)s")
saga, difference = rows.saga(parked, "parked"), rows.difference(taken)
unsettled = rows.waiting(rows.captured("u%(name)s"), "refund", 300)
rows.heard(unsettled, "refund_unknown", outcome="unknown", event="time-out")
rows.heard(unsettled, "inquire_refund_unknown", outcome="approved", event="REFUNDED", amount="12.50 GBP")
other = rows.operation(unsettled.payment, "refund", 200, state="done")
rows.heard(other, "notified_refunded", event="REFUNDED")
claim = rows.claimed(rows.captured("c%(name)s"))
conflicted = rows.captured("x%(name)s")
rows.operation(conflicted, "refund", 300, state="done")
type(conflicted).objects.filter(pk=conflicted.pk).update(state="conflicted")
from checkout.payments.models import ApprovalRequest
large = rows.captured("a%(name)s")
asked = ApprovalRequest.objects.create(
    merchant=large.merchant, payment=large, matter="money", action="refund", amount_minor=1250,
    currency="GBP", what="Refund £12.50 of order a%(name)s", seen="1250", key="%(name)s",
    requested_by="someone", requested_by_user=0,
    reason="Both cups arrived broken, and the shopper does not want others.",
)
found = held, taken, parked, saga, letter, difference, unsettled, unsettled.payment, claim, claim.payment
found = *found, conflicted, asked
print("KEYS", *(row.pk for row in found))
"""

NAMES = (
    "held",
    "taken",
    "parked",
    "saga",
    "letter",
    "difference",
    "unsettled",
    "unsettled_payment",
    "claim",
    "claim_payment",
    "conflicted",
    "asked",
)


@contextmanager
def at_work(browser: Browser, stack: Stack, **options: Any) -> Iterator[Page]:
    """Yield a page on which a member of staff has logged in."""
    context = browser.new_context(base_url=f"{stack.web_url}/admin/", **options)
    context.set_default_timeout(40_000)
    page = context.new_page()
    page.goto("login/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    yield page
    context.close()


@pytest.fixture
def keys(shared_stack: Stack) -> dict[str, str]:
    """Create rows and return their primary keys by kind."""
    printed = shared_stack.manage("shell", "--command", MAKE_ROWS % {"name": uuid4().hex[:12]})
    numbers = printed.rpartition("KEYS")[2].split()
    return dict(zip(NAMES, numbers, strict=True))


def refunds(page: Page) -> Locator:
    """Return the refunds in the table on a payment's page."""
    table = page.get_by_role("region", name="Captures, voids, refunds and charge-backs")
    return table.get_by_role("row").filter(has_text="refund")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [320, 1280])
def test_every_page_can_be_read_and_operated_at_any_width(
    browser: Browser,
    shared_stack: Stack,
    keys: dict[str, str],
    width: int,
    scheme: Literal["light", "dark"],
) -> None:
    pages = (
        "payments/payment/",
        "payments/dispute/",
        "payments/payment/attention/",
        "payments/payment/{held}/change/",
        "payments/payment/{taken}/change/",
        "payments/payment/{held}/capture/",
        "payments/payment/{held}/void/",
        "payments/payment/{taken}/refund/",
        "payments/payment/{parked}/cancel/",
        "payments/dispute/{claim_payment}/change/",
        "payments/dispute/{claim_payment}/record/",
        "payments/dispute/{claim_payment}/evidence/",
        "payments/approvalrequest/",
        "payments/approvalrequest/{asked}/change/",
        "payments/approvalrequest/{asked}/approve/",
        "payments/approvalrequest/{asked}/decline/",
        "payments/approvalrule/add/",
        "payments/saga/{saga}/change/",
        "payments/saga/{saga}/resume/",
        "payments/deadletter/",
        "payments/deadletter/{letter}/change/",
        "payments/deadletter/{letter}/requeue/",
        "payments/difference/",
        "payments/difference/{difference}/change/",
        "payments/providernotification/",
        "preferences/",
    )
    with at_work(
        browser, shared_stack, viewport={"width": width, "height": 800}, color_scheme=scheme
    ) as page:
        assert_accessible(page)
        for path in pages:
            response = page.goto(path.format(**keys))
            assert response is not None
            assert response.status == 200
            assert_accessible(page)
        page.goto("payments/payment/{taken}/refund/".format(**keys))
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("alert")).to_be_visible()
        assert_accessible(page)
        page.get_by_label("Reason").fill("Arrived broken")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("button", name="Refund £12.50")).to_be_visible()
        assert_accessible(page)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [320, 1280])
def test_what_became_of_a_refund_can_be_read_and_settled_at_any_width(
    browser: Browser,
    shared_stack: Stack,
    keys: dict[str, str],
    width: int,
    scheme: Literal["light", "dark"],
) -> None:
    pages = (
        "payments/payment/{unsettled_payment}/change/",
        "payments/operation/?settle=waiting",
        "payments/operation/{unsettled}/change/",
        "payments/operation/{unsettled}/settle/",
        "payments/saga/{claim}/change/",
        "payments/saga/{claim}/settle/",
        "payments/payment/{conflicted}/change/",
        "payments/payment/{conflicted}/settle/",
    )
    with at_work(
        browser, shared_stack, viewport={"width": width, "height": 800}, color_scheme=scheme
    ) as page:
        for path in pages:
            page.goto(path.format(**keys))
            assert_accessible(page)
        page.goto("payments/operation/{unsettled}/settle/".format(**keys))
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("alert")).to_be_visible()
        assert_accessible(page)
        page.get_by_label("It did not arrive: send it again").check()
        page.get_by_label("Reason").fill("Not in the portal")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("button", name="Send it again: refund of £3.00")).to_be_visible()
        assert_accessible(page)
        page.goto("payments/saga/{claim}/settle/".format(**keys))
        page.get_by_label("Amount").fill("3,00")
        page.get_by_label("It happened").check()
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("alert")).to_be_visible()
        assert_accessible(page)
        page.get_by_label("Amount").fill("3.00")
        page.get_by_label("Reason").fill("Seen in the portal")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("button", name="Book charge-back of £3.00")).to_be_visible()
        assert_accessible(page)


def test_what_is_wrong_is_said_at_the_field_that_it_is_about(
    browser: Browser, shared_stack: Stack, keys: dict[str, str]
) -> None:
    with at_work(browser, shared_stack) as page:
        page.goto("payments/payment/{taken}/refund/".format(**keys))
        page.get_by_label("Amount").fill("12,50")
        page.get_by_role("button", name="Continue").click()
        expect(page).to_have_title(re.compile("^Error: "))
        for label, error in (("Amount", "with digits and a point"), ("Reason", "required")):
            field = page.get_by_label(label)
            expect(field).to_have_attribute("aria-invalid", "true")
            expect(field).to_have_accessible_description(re.compile(error))
        expect(page.get_by_label("Amount")).to_have_value("12,50")


def test_the_keyboard_alone_refunds(browser: Browser, shared_stack: Stack, keys: dict[str, str]) -> None:
    with at_work(browser, shared_stack) as page:
        page.goto("payments/payment/{taken}/change/".format(**keys))
        page.get_by_role("link", name="Refund").focus()
        page.keyboard.press("Enter")
        amount = page.get_by_label("Amount")
        amount.focus()
        page.keyboard.press("ControlOrMeta+A")
        page.keyboard.type("2.50")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Reason")).to_be_focused()
        page.keyboard.type("Arrived broken")
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Continue")).to_be_focused()
        page.keyboard.press("Enter")
        confirm = page.get_by_role("button", name="Refund £2.50")
        expect(confirm).to_be_visible()
        confirm.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_text(re.compile("^Refund of £2.50, op_[0-9a-f]+: requested"))).to_be_visible()
        expect(refunds(page)).to_have_count(1)
        expect(refunds(page)).to_contain_text("Arrived broken")


def test_the_keyboard_alone_settles_what_became_of_a_refund(
    browser: Browser, shared_stack: Stack, keys: dict[str, str]
) -> None:
    with at_work(browser, shared_stack) as page:
        page.goto("payments/payment/{unsettled_payment}/change/".format(**keys))
        page.get_by_role("link", name="Settle refund of £3.00").focus()
        page.keyboard.press("Enter")
        first = page.get_by_label("It arrived")
        choice = page.get_by_role("group", name="What became of it?")
        expect(choice).to_have_accessible_description(re.compile("the shopper gets the money twice"))
        first.focus()
        page.keyboard.press("Space")
        expect(first).to_be_checked()
        page.keyboard.press("Tab")
        expect(page.get_by_label("Reason")).to_be_focused()
        page.keyboard.type("Seen in the portal")
        page.keyboard.press("Enter")
        confirm = page.get_by_role("button", name="It arrived: refund of £3.00")
        expect(confirm).to_be_visible()
        confirm.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_text("Refund of £3.00: It arrived. See below how it goes.")).to_be_visible()


def test_the_keyboard_alone_books_a_charge_back_that_the_provider_does_not_tell_enough_of(
    browser: Browser, shared_stack: Stack, keys: dict[str, str]
) -> None:
    with at_work(browser, shared_stack, java_script_enabled=False) as page:
        page.goto("payments/payment/{claim_payment}/change/".format(**keys))
        page.get_by_role("link", name="Settle reported charge-back").focus()
        page.keyboard.press("Enter")
        first = page.get_by_label("It happened")
        choice = page.get_by_role("group", name="Is it so?")
        expect(choice).to_have_accessible_description(re.compile("makes them differ from the provider's"))
        expect(page.get_by_label("Amount")).to_have_value("3.00")
        first.focus()
        page.keyboard.press("Space")
        expect(first).to_be_checked()
        page.keyboard.press("Tab")
        expect(page.get_by_label("Amount")).to_be_focused()
        page.keyboard.type("4.50")
        page.keyboard.press("Tab")
        page.keyboard.type("Seen in the portal")
        page.keyboard.press("Enter")
        confirm = page.get_by_role("button", name="Book charge-back of £4.50")
        expect(confirm).to_be_visible()
        confirm.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_text(re.compile(r"book it \(£4\.50\)\. See below how it goes"))).to_be_visible()


def test_the_keyboard_alone_settles_a_contradiction(
    browser: Browser, shared_stack: Stack, keys: dict[str, str]
) -> None:
    with at_work(browser, shared_stack) as page:
        page.goto("payments/payment/{conflicted}/change/".format(**keys))
        page.get_by_role("link", name="Settle by figures").focus()
        page.keyboard.press("Enter")
        question = page.get_by_role("group", name="Does the provider still hold an authorisation?")
        expect(question).to_have_accessible_description(re.compile("what you say is booked"))
        page.get_by_label("No: it was captured").focus()
        page.keyboard.press("Space")
        page.keyboard.press("Tab")
        expect(page.get_by_role("textbox", name="Captured")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.type("0.00")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Charged back")).to_be_focused()
        page.keyboard.type("1.00")
        page.get_by_label("Reason").focus()
        page.keyboard.type("Seen in the portal")
        page.keyboard.press("Enter")
        expect(page.get_by_text("A charge-back of £1.00 is booked")).to_be_visible()
        confirm = page.get_by_role("button", name="Book it")
        confirm.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_text(re.compile("charged back 1.00 GBP.*See below how it goes"))).to_be_visible()


def test_a_healthy_payment_is_settled_only_by_who_types_its_order_number(
    browser: Browser, shared_stack: Stack, keys: dict[str, str]
) -> None:
    with at_work(browser, shared_stack, java_script_enabled=False) as page:
        page.goto("payments/payment/{taken}/change/".format(**keys))
        page.get_by_role("link", name="Settle by figures").click()
        expect(page.get_by_text("Nothing about this payment is open.").first).to_be_visible()
        page.get_by_label("No: it was captured").check()
        page.get_by_label("Reason").fill("Seen in the portal")
        page.get_by_role("button", name="Continue").click()
        number = page.get_by_label("Order number")
        expect(number).to_have_accessible_description(re.compile("required"))
        number.fill("another")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_text("This is not the order number of this payment.")).to_be_visible()


def test_without_javascript_everything_can_be_done(
    browser: Browser, shared_stack: Stack, keys: dict[str, str]
) -> None:
    with at_work(browser, shared_stack, java_script_enabled=False) as page:
        page.goto("payments/payment/{taken}/refund/".format(**keys))
        page.get_by_label("Reason").fill("Arrived broken")
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("button", name="Change").click()
        page.get_by_label("Amount").fill("3.00")
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("button", name="Refund £3.00").click()
        expect(page.get_by_text("Refund of £3.00,")).to_be_visible()
        page.goto("payments/operation/{unsettled}/settle/".format(**keys))
        page.get_by_label("It did not arrive: send it again").check()
        page.get_by_label("Reason").fill("Not in the portal")
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("button", name="Change").click()
        page.get_by_label("It arrived").check()
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("button", name="It arrived: refund of £3.00").click()
        expect(page.get_by_text("Refund of £3.00: It arrived.")).to_be_visible()
        page.goto("payments/payment/{parked}/cancel/".format(**keys))
        page.get_by_role("button", name="Cancel").click()
        expect(
            page.get_by_text("Cancelled, or about to be. The state of the payment says what came of it.")
        ).to_be_visible()
        page.goto("payments/deadletter/")
        page.locator("summary").filter(has_text="Status").click()
        page.get_by_role("link", name="Waiting for staff").click()
        page.get_by_label(re.compile("^Select this object")).first.check()
        page.get_by_role("combobox", name="Action").select_option(label="Requeue the selected dead letters")
        page.get_by_role("button", name="Go").click()
        expect(page.get_by_text("1 dead letter", exact=True)).to_be_visible()
        # No outbox has this message.
        expect(page.get_by_text("It cannot be sent again")).to_be_visible()
        expect(page.get_by_role("button", name="Requeue the selected dead letters")).to_have_count(0)


def test_a_double_click_refunds_once(browser: Browser, shared_stack: Stack, keys: dict[str, str]) -> None:
    with at_work(browser, shared_stack) as page:
        page.goto("payments/payment/{taken}/refund/".format(**keys))
        page.get_by_label("Amount").fill("1.00")
        page.get_by_label("Reason").fill("Arrived broken")
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("button", name="Refund £1.00").dblclick()
        expect(refunds(page)).to_have_count(1)
        page.reload()
        expect(refunds(page)).to_have_count(1)


def test_the_second_of_two_people_who_refund_all_of_the_money_is_told(
    browser: Browser, shared_stack: Stack, keys: dict[str, str]
) -> None:
    with at_work(browser, shared_stack) as first, at_work(browser, shared_stack) as second:
        for page in (first, second):
            page.goto("payments/payment/{held}/capture/".format(**keys))
            page.get_by_label("Reason").fill("Sent")
            page.get_by_role("button", name="Continue").click()
        first.get_by_role("button", name="Capture £12.50").click()
        expect(first.get_by_text("Capture of £12.50,")).to_be_visible()
        second.get_by_role("button", name="Capture £12.50").click()
        told = second.get_by_text("Capture: nothing is left for it. Nothing was requested.")
        expect(told).to_be_visible()
