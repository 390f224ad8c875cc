"""The card form while a shopper types, pastes, corrects and returns to it after a refusal."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.looking import assert_accessible
from tests.browser.test_pages import fill_in, order
from tests.support.stack import Stack

pytestmark = pytest.mark.browser

PAY = re.compile("^Pay ")
REFUSED = "4000000000009995"
PASTE = """(field, text) => {
  field.focus();
  document.execCommand("insertText", false, text);
}"""
CARET = "field => field.selectionStart"


@pytest.fixture(scope="module")
def reference(browser: Browser, shared_stack: Stack) -> str:
    """Return an unpaid payment, whose form the tests fill in."""
    context = browser.new_context()
    found = order(context.new_page(), shared_stack)
    context.close()
    return found


@pytest.fixture
def page(browser: Browser, shared_stack: Stack, reference: str) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    context.set_default_timeout(40_000)
    page = context.new_page()
    page.goto(f"{shared_stack.web_url}/checkout/{reference}/")
    expect(page.get_by_role("button", name=PAY)).to_be_visible()
    yield page
    context.close()


@pytest.fixture
def number(page: Page) -> Locator:
    return page.get_by_label("Card number")


@pytest.mark.parametrize(
    ("typed", "shown", "brand"),
    [
        ("4444333322221111", "4444 3333 2222 1111", "Visa"),
        ("378282246310005", "3782 822463 10005", "American Express"),
        ("36227206271667", "3622 720627 1667", "Diners Club"),
        ("5454545454545454", "5454 5454 5454 5454", "Mastercard"),
        ("2223000048400011", "2223 0000 4840 0011", "Mastercard"),
        ("6759649826438453", "6759 6498 2643 8453", "Maestro"),
        ("9999", "9999", ""),
    ],
)
def test_a_number_is_grouped_while_it_is_typed_and_its_brand_is_named(
    page: Page, number: Locator, typed: str, shown: str, brand: str
) -> None:
    number.press_sequentially(typed)
    expect(number).to_have_value(shown)
    expect(page.locator("#card-brand")).to_have_text(brand)


@pytest.mark.parametrize(
    "pasted",
    [
        "4444-3333-2222-1111",
        " 4444  3333 2222 1111 ",
        "4444\u20133333\u20132222\u20131111",
        "4444.3333.2222.1111",
        "4444\u00a03333\u00a02222\u00a01111",
        "4444\n3333\n2222\n1111",
        "Card no.: 4 4 4 4 - 3 3 3 3 - 2 2 2 2 - 1 1 1 1",
    ],
)
def test_a_pasted_number_is_taken_whole_whatever_separates_its_digits(number: Locator, pasted: str) -> None:
    number.evaluate(PASTE, pasted)
    expect(number).to_have_value("4444 3333 2222 1111")


def test_the_caret_stays_beside_its_digit_when_a_digit_is_put_in_or_taken_out(number: Locator) -> None:
    number.press_sequentially("444333322221111")
    for _ in range(12):
        number.press("ArrowLeft")
    number.press("Backspace")
    expect(number).to_have_value("4443 3322 2211 11")
    assert number.evaluate(CARET) == len("4443 ") - 1
    number.press_sequentially("43")
    expect(number).to_have_value("4443 4333 2222 1111")
    assert number.evaluate(CARET) == len("4443 43")


def test_backspace_after_a_gap_and_delete_before_it_take_the_digit_beside_it(number: Locator) -> None:
    number.press_sequentially("44443333")
    for _ in range(4):
        number.press("ArrowLeft")
    number.press("Backspace")
    expect(number).to_have_value("4443 333")
    number.press("Delete")
    number.press("Delete")
    expect(number).to_have_value("4443 3")


def test_the_security_code_is_that_of_the_brand(page: Page, number: Locator) -> None:
    code = page.get_by_label("Security code")
    number.press_sequentially("378282246310005")
    expect(code).to_have_accessible_description("The 4 digits on the front")
    code.fill("123")
    page.get_by_label("Name on card").focus()
    expect(code).to_have_accessible_description(re.compile("it is the 4 digits on the front of the card"))
    number.fill("4444333322221111")
    expect(code).to_have_accessible_description("The 3 digits on the back")


def test_a_number_of_a_length_that_its_brand_has_not_is_wrong(page: Page, number: Locator) -> None:
    number.fill("3782822463100")
    page.get_by_label("Security code").focus()
    expect(number).to_have_accessible_description(re.compile("American Express has 15 digits"))


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("1239", "12 / 39"),
        ("12/39", "12 / 39"),
        ("12 / 2039", "12 / 39"),
        ("3/39", "03 / 39"),
        ("2039-09", "09 / 39"),
    ],
)
def test_an_expiry_date_is_shown_as_on_the_card_when_its_field_is_left(
    page: Page, typed: str, shown: str
) -> None:
    expiry = page.get_by_label("Expiry date")
    expiry.press_sequentially(typed)
    page.get_by_label("Security code").focus()
    expect(expiry).to_have_value(shown)
    expect(expiry).not_to_have_attribute("aria-invalid", "true")


def test_a_field_is_called_wrong_when_it_is_left_and_not_while_it_is_typed_or_empty(
    page: Page, number: Locator
) -> None:
    number.press_sequentially("4444 3333 2222 1112")
    expect(number).not_to_have_attribute("aria-invalid", "true")
    page.get_by_label("Expiry date").focus()
    expect(number).to_have_accessible_description(re.compile("has a wrong digit"))
    page.get_by_label("Security code").focus()
    expect(page.locator("[aria-invalid=true]")).to_have_count(1)
    expect(page.get_by_role("alert")).to_have_count(0)
    number.press("End")
    number.press("Backspace")
    expect(page.locator("[aria-invalid=true]")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_pay_is_in_sight_with_the_amount_and_errors_can_be_read(
    page: Page, width: int, scheme: str
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 844})
    pay = page.get_by_role("button", name=re.compile(r"^Pay [£€¥][0-9.,]+$"))
    expect(pay).to_be_in_viewport(ratio=1)
    assert_accessible(page)
    pay.click()
    expect(page.get_by_role("alert", name="There is a problem")).to_be_in_viewport()
    assert_accessible(page)


def test_after_a_refusal_the_form_says_why_and_keeps_name_and_expiry_but_not_the_card(
    page: Page, shared_stack: Stack
) -> None:
    order(page, shared_stack)
    fill_in(page)
    page.get_by_label("Card number").fill(REFUSED)
    page.get_by_role("button", name=PAY).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment not made")
    expect(page.get_by_role("main")).to_contain_text("There is not enough money available on this card.")
    expect(page.get_by_label("Name on card")).to_have_value("A. Shopper")
    expect(page.get_by_label("Expiry date")).to_have_value("12 / 39")
    for label in ("Card number", "Security code"):
        expect(page.get_by_label(label)).to_have_value("")
    expect(page.get_by_role("button", name=PAY)).to_be_in_viewport(ratio=1)
    assert_accessible(page)
    page.get_by_label("Card number").fill("4444333322221111")
    page.get_by_label("Security code").fill("123")
    page.get_by_role("button", name=PAY).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Payment complete")
    assert page.evaluate("sessionStorage.getItem('card')") is None


def test_another_payment_in_the_same_window_begins_empty(page: Page, shared_stack: Stack) -> None:
    page.route("**/pay/", lambda route: route.fulfill(status=204))
    fill_in(page)
    page.get_by_role("button", name=PAY).click()
    expect(page.get_by_role("status")).to_contain_text("Paying")
    order(page, shared_stack)
    expect(page.get_by_role("button", name=PAY)).to_be_visible()
    expect(page.get_by_label("Name on card")).to_have_value("")


def test_a_payment_that_moves_no_money_has_a_badge(page: Page) -> None:
    expect(page.get_by_role("banner").get_by_text("Test", exact=True)).to_be_visible()


def test_a_brand_that_the_account_does_not_accept_is_told_when_the_number_is_left(
    page: Page, number: Locator
) -> None:
    page.evaluate("document.getElementById('pay-form').dataset.accepted = 'Visa'")
    error = page.locator("#card-number-error")
    for typed, told in (("5454545454545454", "Mastercard is not accepted here."), ("4444333322221111", "")):
        number.fill(typed)
        number.press("Tab")
        expect(error).to_contain_text(told) if told else expect(error).to_be_empty()
