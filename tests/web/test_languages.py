"""The language of a shopper's pages: how it is chosen, on which pages it is used, and its formats."""

import json
import re
from datetime import UTC, datetime
from functools import partial
from html.parser import HTMLParser

import pytest
from django.utils import translation

from checkout import problems
from checkout.languages import LANGUAGES, translated
from checkout.localised_times import localised_time
from checkout.money import Money
from checkout.payments.actions.links import create_link
from checkout.payments.models import Appearance, Attempt, Payment
from checkout.states import PaymentState
from messaging.concurrency.database import in_thread
from payments_gateway.serving import problems as of_serving
from payments_gateway.serving.problems import Problem
from tests.support.asgi import AsgiClient
from tests.support.pseudo_language import in_place_of
from tests.web.paying import Checkout

PAY = {"en": "Pay ", "de": "bezahlen", "fr": "Payer", "ar": "دفع", "pl": "Zapłać"}


def language_of(page):
    [code] = re.findall('<html lang="([^"]+)"', page.text)
    assert page.headers["content-language"] == code
    return code


@pytest.mark.parametrize(
    ("locale", "accepted", "default", "code"),
    [
        ("de-CH", "fr", "pl", "de"),
        ("", "ja, fr-CA;q=0.8, de;q=0.9", "pl", "de"),
        ("ja", "fr-CA", "pl", "fr"),
        ("", "ja", "pl", "pl"),
        ("", "", "pl", "pl"),
        ("", "ja, *", "", "en"),
    ],
)
async def test_the_payment_chooses_the_language_else_the_browser_else_the_merchant(
    shop, checkout, locale, accepted, default, code
):
    await in_thread(partial(Payment.objects.update, locale=locale))
    await in_thread(partial(Appearance.objects.create, merchant=shop, default_language=default))
    page = await checkout.get(headers={"Accept-Language": accepted})
    assert language_of(page) == code
    assert PAY[code] in page.text
    assert {"Accept-Language", "Cookie"} <= {name.strip() for name in page.headers["vary"].split(",")}


async def test_a_link_of_the_page_changes_the_language_for_all_pages_of_the_payment(
    back_end, books, shop, checkout
):
    page = await checkout.get()
    assert 'href="?language=ar" lang="ar" hreflang="ar" dir="rtl"' in page.text
    switched = await checkout.get("?language=ar")
    assert (switched.status, switched.headers["location"]) == (303, checkout.path())
    page = await checkout.get()
    assert (language_of(page), 'dir="rtl"' in page.text) == ("ar", True)
    await checkout.pay("approve")
    result = await checkout.get("result/")
    assert (language_of(result), "اكتمل الدفع" in result.text) == ("ar", True)
    wrong_method = await checkout.client.post(checkout.path("result/"), {})
    assert 'lang="ar" dir="rtl"' in wrong_method.text


async def test_a_language_that_we_do_not_have_changes_nothing(shop, checkout):
    page = await checkout.get("?language=tlh")
    assert (page.status, language_of(page)) == (200, "en")


async def test_a_choice_holds_for_one_payment_alone(shop, checkout):
    answer = await checkout.get("?language=de")
    [cookie] = [value for name, value in answer.raw_headers if name == "set-cookie"]
    assert f"Path={checkout.path()};" in cookie
    assert "HttpOnly" in cookie


async def test_an_attempt_keeps_the_language_of_its_page_for_the_receipt_and_other_browsers(
    back_end, books, shop, checkout
):
    await checkout.get("?language=de")
    await checkout.pay("approve")
    attempt = await in_thread(Attempt.objects.get)
    assert attempt.language == "de"
    elsewhere = Checkout(AsgiClient(), checkout.reference)
    assert language_of(await elsewhere.get("result/")) == "de"


async def test_a_result_has_the_date_of_the_shopper_s_zone(back_end, books, shop, checkout):
    await checkout.pay("approve", browser_time_zone="-330")
    assert "UTC+5:30</bdi></time>" in (await checkout.get("result/")).text


@pytest.mark.parametrize("page", ["status.json", "nothing.json"])
async def test_programs_read_english_and_no_language_is_activated_for_them(shop, checkout, monkeypatch, page):
    def activated(language):
        raise AssertionError(f"{language} was activated")

    monkeypatch.setattr(translation, "activate", activated)
    answer = await checkout.get(page, headers={"Accept-Language": "de", "Accept": "application/json"})
    assert json.loads(answer.text)
    assert "content-language" not in answer.headers


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("seconds", [1, 2, 3, 6, 59, 60, 120, 180, 660, 6000])
def test_a_number_of_seconds_or_minutes_is_told_in_each_language(code, seconds):
    with translation.override(code):
        text = translated(problems.too_many_attempts(seconds).detail)
    assert "{" not in text
    assert "\N{SECTION SIGN}" not in text


@pytest.mark.parametrize(
    ("count", "text"),
    [(1, "1 minutę."), (2, "2 minuty."), (5, "5 minut."), (22, "22 minuty."), (25, "25 minut.")],
)
def test_polish_has_three_forms(count, text):
    with translation.override("pl"):
        assert translated(problems.too_many_attempts(60 * count).detail).endswith(text)


@pytest.mark.parametrize(
    ("locale", "written"),
    [
        ("", "2 December 2026, 19:40 UTC"),
        ("de", "2. Dezember 2026, 19:40 UTC"),
        ("fr", "2 décembre 2026, 19:40 UTC"),
        ("cy", "2 Rhagfyr 2026 19:40 UTC"),
        ("en-US", "December 2, 2026, 7:40\N{NARROW NO-BREAK SPACE}PM UTC"),
    ],
)
def test_a_date_is_written_as_the_language_does(locale, written):

    assert localised_time(datetime(2026, 12, 2, 19, 40, tzinfo=UTC), locale) == written


SPOKEN = ("title", "alt", "placeholder", "aria-label")


class Untranslated(HTMLParser):
    """The text of a page without names, and without texts in the brackets of the pseudo-language."""

    def __init__(self):
        super().__init__()
        self.text, self.attributes, self.inside, self.scripts = "", [], [], ""

    def handle_starttag(self, tag, attrs):
        told = dict(attrs)
        is_name = tag == "bdi" or told.get("translate") == "no" or (tag != "html" and "lang" in told)
        if tag not in ("meta", "link", "input", "br"):
            self.inside.append(tag if not is_name and tag not in ("style", "script") else f"-{tag}")
        self.attributes += [
            told[name] for name in ("title", "alt", "placeholder", "aria-label") if name in told
        ]

    def handle_endtag(self, tag):
        if self.inside:
            self.inside.pop()

    def handle_data(self, data):
        if any(tag == "-script" for tag in self.inside):
            self.scripts += data
        elif not any(tag.startswith("-") for tag in self.inside):
            self.text += data


def untranslated(html, *names):
    """Return the words of a page that no catalogue has. ``names`` are not texts of ours."""
    page = Untranslated()
    page.feed(html)
    texts = [page.text, *page.attributes]
    if page.scripts.strip():
        texts += json.loads(page.scripts).values()
    rest = " ".join(re.sub("⟦[^⟦⟧]*⟧", " ", text) for text in texts)
    for name in names:
        rest = rest.replace(name, " ")
    return re.findall(r"[^\W\d_]{2,}", rest)


@pytest.fixture
def pseudo():
    with in_place_of("de"):
        yield


ASK = {"Accept-Language": "de"}


@pytest.mark.usefixtures("pseudo")
@pytest.mark.parametrize("state", [state for state in PaymentState if state.is_decided or state == "open"])
async def test_no_page_of_a_state_has_a_text_outside_the_catalogue(shop, checkout, state):
    await in_thread(partial(Payment.objects.update, state=state, shopper_email="a@shop.example"))
    page = await checkout.get("" if state == "open" else "result/", headers=ASK)
    assert page.status == 200
    assert not untranslated(page.text, "Deutsch", "UTC", "Dezember")


@pytest.mark.usefixtures("pseudo")
@pytest.mark.parametrize("state", ["processing", "conflicted"])
async def test_no_page_to_wait_on_has_a_text_outside_the_catalogue(shop, checkout, state):
    await in_thread(partial(Payment.objects.update, state=state))
    page = await checkout.get("status/", headers=ASK)
    assert not untranslated(page.text, "Deutsch")


@pytest.mark.usefixtures("pseudo")
async def test_no_page_around_a_challenge_has_a_text_outside_the_catalogue(back_end, books, shop, checkout):
    await checkout.get(headers=ASK)
    await checkout.pay("challenge")
    for path in ("challenge/", "cancel/"):
        page = await checkout.get(path, headers=ASK)
        assert page.status == 200
        assert not untranslated(page.text, "Deutsch")


@pytest.mark.usefixtures("pseudo")
async def test_no_page_of_a_link_has_a_text_outside_the_catalogue(shop, client):
    link = await in_thread(
        partial(create_link, shop, order_reference="L-1", amount=Money(100, "EUR"), description="Tea")
    )
    page = await client.get(f"/pay/{link.token}/", headers=ASK)
    assert page.status == 200
    assert not untranslated(page.text, "Deutsch", "The Shop", "EUR")


ALL_PROBLEMS = {
    problem.code + problem.detail: problem
    for module in (problems, of_serving)
    for problem in vars(module).values()
    if isinstance(problem, Problem)
}
FOR_PROGRAMS = {"notification_not_authentic", "notification_format_not_supported", "account_not_found"}


@pytest.mark.usefixtures("pseudo")
@pytest.mark.parametrize(
    "problem",
    [
        *(problem for problem in ALL_PROBLEMS.values() if problem.code not in FOR_PROGRAMS),
        problems.too_many_attempts(61),
        problems.too_many_link_uses(2),
        problems.method_not_allowed(("GET",)),
    ],
    ids=lambda problem: problem.code,
)
def test_no_page_about_a_problem_has_a_text_outside_the_catalogue(problem):
    problems.page_of.cache_clear()
    page = problems.page_of(
        problem.status, problem.code, problem.title, problem.detail, "/back/", "checkout:shop", "de"
    )
    problems.page_of.cache_clear()
    assert not untranslated(page)
