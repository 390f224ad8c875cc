"""Pages in a language with longer texts, in a narrow window: nothing is cut off."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import resolve
from playwright.sync_api import Browser, Page

from checkout import problems
from checkout.money import Money
from checkout.payments.actions import CheckoutPage, PaymentView
from checkout.payments.models import Appearance
from checkout.payments.providers.base import BrowserForm, CardEncryption
from checkout.states import PaymentState
from checkout.web.rendering import in_language_of_shopper
from checkout.web.views.card_form import card_form_page
from checkout.web.views.wording import ending_of
from payments_gateway.serving.security.headers import ContentSecurity
from tests.support.program import ROOT
from tests.support.pseudo_language import in_place_of

pytestmark = pytest.mark.browser

STYLES = ROOT / "checkout" / "web" / "static" / "checkout"
CUT = """() => [...document.querySelectorAll("body *")]
  .filter((each) => each.checkVisibility() && !each.matches(".only-heard, .skip, input"))
  .filter((each) => each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).display !== "inline")
  .map((each) => each.outerHTML.slice(0, 80))"""
REFERENCE = f"pay_{'0' * 32}"
NOON = datetime(2026, 12, 2, 12, tzinfo=UTC)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 320, "height": 800})
    yield context.new_page()
    context.close()


def request_for(path: str, language: str) -> HttpRequest:
    request = RequestFactory().get(path, headers={"Accept-Language": language})
    request.content_security = ContentSecurity()  # type: ignore[attr-defined]
    request.resolver_match = resolve(path)
    return request


def payment_in(state: PaymentState) -> PaymentView:
    look = Appearance(support_email="help@a-shop-with-a-long-name.example", terms_url="https://a.example")
    return PaymentView(
        reference=REFERENCE,
        state=state,
        amount=Money(123_456_789, "GBP"),
        description="A description of fifty characters, which is a lot",
        order_reference="A" * 40,
        merchant_code="shop",
        merchant_name="A merchant with a rather long name",
        locale="",
        language="",
        appearance=look,
        minutes_behind_utc=None,
        is_test=True,
        refusal_reason="insufficient_funds",
        return_url="https://shop.example/",
        cancel_url="",
        captures_automatically=True,
        created_at=NOON,
        dated_at=NOON,
        attempts_left=2,
    )


def card_form(language: str) -> str:
    shown = CheckoutPage(
        payment=payment_in(PaymentState.REFUSED),
        attempt_number=2,
        requires_captcha=False,
        card_encryption=CardEncryption(script_url="https://a.example/cse.js", public_key="1#10001#ff"),
        device_data=BrowserForm(action="http://127.0.0.1:8001/ddc", fields={}),
        offers_to_save=True,
    )
    return card_form_page(request_for(f"/checkout/{REFERENCE}/", language), shown).content.decode()


def page_about(template: str, state: PaymentState, language: str) -> str:
    payment = payment_in(state)
    with in_language_of_shopper(request_for(f"/checkout/{REFERENCE}/status/", language), payment) as reader:
        ending = ending_of(payment) if state.is_decided else None
        context = {"ending": ending, "card": "Visa", "return_address": "/", "dated_at": "2 December 2026"}
        return reader.payment_page(f"checkout/{template}.html", payment, context).content.decode()


def problem(language: str) -> str:
    problems.page_of.cache_clear()
    told = problems.UNAVAILABLE
    return problems.page_of(told.status, told.code, told.title, told.detail, "/", "checkout:shop", language)


PAGES = {
    "form": card_form,
    "paid": lambda language: page_about("result", PaymentState.CAPTURED, language),
    "waiting": lambda language: page_about("status", PaymentState.CONFIRMING, language),
    "cancelling": lambda language: page_about("give_up", PaymentState.CHALLENGE_REQUIRED, language),
    "problem": problem,
}


@pytest.mark.parametrize("language", ["de", "ar"])
@pytest.mark.parametrize("name", PAGES)
def test_longer_texts_fit_into_a_narrow_window(page: Page, language: str, name: str) -> None:
    with in_place_of(language):
        html = PAGES[name](language)
    problems.page_of.cache_clear()
    html = re.sub("<script.*?</script>|<link[^>]*>", "", html, flags=re.DOTALL)
    style = "".join((STYLES / sheet).read_text() for sheet in ("tokens.css", "checkout.css"))
    page.set_content(f"{html}<style>{style}</style>")
    page.evaluate("document.querySelectorAll('[hidden]').forEach((each) => each.hidden = false)")
    assert "⟦" in page.inner_text("h1")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert page.evaluate(CUT) == []
