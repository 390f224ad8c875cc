"""Payment links: made through the API, opened by shoppers."""

from datetime import datetime, timedelta

import pytest
import segno
from django.db import IntegrityError
from django.utils import timezone

from checkout.payments.actions import links
from checkout.payments.models import Payment, PaymentLink, link as models_link
from checkout.payments.timers.abandoned import expire_abandoned
from checkout.rates import RateLimit
from checkout.states import PaymentState
from checkout.web.link_form import suggestion_for
from checkout.web.views import links as page_of_links
from messaging.concurrency.database import in_thread
from tests.api.calling import document, header
from tests.support.asgi import AsgiClient

LINKS = "/payment-links"
WANTED = {
    "order_reference": "L-1",
    "amount": 1250,
    "currency": "EUR",
    "description": "Tea <b>",
    "metadata": {"a": "b"},
}


@pytest.fixture(autouse=True)
def _nobody_has_used_a_link(monkeypatch):
    monkeypatch.setattr(page_of_links, "uses_by_address", RateLimit("uses"))
    monkeypatch.setattr(page_of_links, "uses_by_link", RateLimit("uses"))


async def made(api, **changes):
    answer = await api.post(LINKS, {**WANTED, **changes})
    assert answer.status == 201, answer.text
    return document(answer)


async def opened(link, client=None):
    """Open the link as a shopper, and return the answer to the button."""
    browser, path = client or AsgiClient(), path_of(link)
    page = await browser.get(path)
    assert page.status == 200, page.text
    assert "€12.50" in page.text
    assert "Tea &lt;b&gt;" in page.text
    return await browser.post(path, {"csrfmiddlewaretoken": token_of(page)})


def path_of(link):
    return "/pay/" + link["url"].split("/pay/")[1]


def token_of(page):
    return page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]


async def orders():
    return await in_thread(
        lambda: list(Payment.objects.order_by("pk").values_list("order_reference", flat=True))
    )


async def test_a_link_leads_to_the_one_payment_of_its_order(api):
    link = await made(api)
    assert (link["state"], link["payments"], link["reusable"]) == ("active", 0, False)
    assert await orders() == [], "it is made when somebody pays"
    first, second = await opened(link), await opened(link)
    assert first.status == 303
    assert header(first, "Location") == header(second, "Location")
    [payment] = await in_thread(lambda: list(Payment.objects.all()))
    assert header(first, "Location") == f"/checkout/{payment.reference}/"
    assert (payment.order_reference, payment.amount_minor, payment.metadata) == ("L-1", 1250, {"a": "b"})
    read = document(await api.get(f"{LINKS}/{link['id']}"))
    assert read == {**link, "payments": 1}
    assert document(await api.get(LINKS))["data"] == [read]
    assert document(await api.get(f"/payments/{payment.reference}"))["payment_link"] == link["id"]


async def test_a_reusable_link_makes_a_payment_each_time(api):
    link = await made(api, reusable=True)
    first, second = await opened(link), await opened(link)
    assert header(first, "Location") != header(second, "Location")
    assert await orders() == ["L-1-1", "L-1-2"]
    listed = document(await api.get("/payments"))["data"]
    assert [each["payment_link"] for each in listed] == [link["id"]] * 2
    created = document(await api.get("/events?types=payment.created"))["data"]
    assert [each["data"]["object"]["payment_link"] for each in created] == [link["id"]] * 2


async def test_a_payment_that_the_link_has_only_found_is_not_made_by_it(api):
    link = await made(api)
    payment = document(await api.post("/payments", {**WANTED, "expires_at": link["expires_at"]}))
    assert header(await opened(link), "Location") == f"/checkout/{payment['id']}/"
    assert document(await api.get(f"/payments/{payment['id']}"))["payment_link"] is None


@pytest.mark.parametrize("reusable", [False, True])
async def test_the_page_of_a_link_names_the_order_that_its_payment_will_have(api, reusable):
    link = await made(api, reusable=reusable)
    page = await AsgiClient().get(path_of(link))
    assert (">L-1</bdi>" in page.text) == (not reusable), "a reusable link adds a number of its own"


async def test_looking_at_a_link_makes_nothing_and_a_post_needs_the_forms_token(api):
    link = await made(api, reusable=True)
    path = path_of(link)
    assert (await AsgiClient().get(path)).status == 200
    assert (await AsgiClient().post(path)).status == 403
    assert await orders() == []


async def test_a_link_that_is_over_pays_nothing(api, monkeypatch):
    disabled, expired, used = [await made(api, order_reference=n, reusable=True) for n in ("a", "b", "c")]
    off = document(await api.call("POST", f"{LINKS}/{disabled['id']}/disable"))
    assert off["state"] == "disabled"
    assert document(await api.call("POST", f"{LINKS}/{disabled['id']}/disable")) == off

    def pass_time():
        PaymentLink.objects.filter(reference=expired["id"]).update(expires_at=timezone.now())

    await in_thread(pass_time)
    monkeypatch.setattr(models_link, "MOST_OPENINGS", 1)
    assert (await opened(used)).status == 303
    for link in (disabled, expired, used):
        closed = await AsgiClient().get(path_of(link))
        assert closed.status == 410
        assert "no longer valid" in closed.text
    assert document(await api.get(f"{LINKS}/{expired['id']}"))["state"] == "expired"
    assert document(await api.get(f"{LINKS}/{used['id']}"))["state"] == "used_up"
    assert await orders() == ["c-1"]
    assert (await AsgiClient().get(f"/pay/{'x' * 32}/")).status == 404


async def test_the_payment_expires_with_its_link(api):
    until = timezone.now() + timedelta(days=2)
    link = await made(api, expires_at=until.isoformat())
    await opened(link)
    payment = await in_thread(Payment.objects.get)
    assert payment.expires_at == until


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"amount": 0}, "/amount"),
        ({"currency": "XXX"}, "/currency"),
        ({"description": "a\nb"}, "/description"),
        ({"order_reference": "x" * 95, "reusable": True}, "/order_reference"),
        ({"return_url": "https://elsewhere.example/"}, "/return_url"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"reusable": "yes"}, "/reusable"),
        ({"lines": []}, "/lines"),
    ],
)
async def test_what_could_not_be_paid_is_no_link(api, changes, pointer):
    refused = await api.post(LINKS, {**WANTED, **changes})
    assert refused.status == 422
    assert document(refused)["errors"][0]["pointer"] == pointer
    assert not await in_thread(PaymentLink.objects.count)


async def test_one_link_per_key(api):
    answers = [await api.post(LINKS, WANTED, idempotency_key="k") for _ in range(2)]
    assert document(answers[0]) == document(answers[1])
    assert await in_thread(PaymentLink.objects.count) == 1


async def test_a_reusable_link_passes_over_the_numbers_of_payments_that_others_have_made(api):
    link = await made(api, reusable=True)
    for order, amount in (("L-1-1", 1250), ("L-1-2", 99)):
        same = {**WANTED, "order_reference": order, "amount": amount}
        assert (await api.post("/payments", same)).status == 201
    answer = await opened(link)
    assert answer.status == 303
    [own] = await in_thread(lambda: list(Payment.objects.filter(order_reference="L-1-3")))
    assert header(answer, "Location") == f"/checkout/{own.reference}/"
    assert document(await api.get(f"{LINKS}/{link['id']}"))["payments"] == 1
    await opened(link)
    assert (await orders())[-1] == "L-1-4"


async def test_a_link_that_meets_too_many_numbers_of_others_goes_on_from_there(api, monkeypatch):
    link = await made(api, reusable=True)
    for number in (1, 2, 3):
        await api.post("/payments", {**WANTED, "order_reference": f"L-1-{number}"})
    monkeypatch.setattr(links, "MOST_NUMBERS_AT_ONCE", 2)
    assert (await opened(link)).status == 409
    assert (await opened(link)).status == 303
    assert (await orders())[-1] == "L-1-4"


async def test_two_reusable_links_cannot_begin_the_same_order_numbers(api, stranger):
    first = await made(api, reusable=True)
    await api.call("POST", f"{LINKS}/{first['id']}/disable")
    refused = await api.post(LINKS, {**WANTED, "reusable": True})
    assert refused.status == 422
    fault = document(refused)["errors"][0]
    assert fault["pointer"] == "/order_reference"
    assert "reusable link" in fault["detail"]
    assert (await api.post(LINKS, WANTED)).status == 201, "a link for a single payment is another order"
    theirs = await stranger.post(LINKS, {**WANTED, "reusable": True})
    assert theirs.status == 201, "another merchant's numbers are its own"


async def test_the_database_refuses_one_of_two_reusable_links_that_are_made_at_once(api):
    await made(api, reusable=True)
    with pytest.raises(IntegrityError):
        await in_thread(copy_of_the_link)


def copy_of_the_link():
    link = PaymentLink.objects.get()
    link.pk, link.reference, link.token = None, "lnk_copy", "copy"
    link.save(force_insert=True)


async def test_one_network_makes_so_many_payments_by_links_a_minute(api, settings):
    settings.CHECKOUT_MAX_LINK_USES_PER_ADDRESS = 2
    link = await made(api, reusable=True)
    answers = [await opened(link, AsgiClient(address="2001:db8::1")) for _ in range(2)]
    answers.append(await opened(link, AsgiClient(address="2001:db8::2")))
    assert [answer.status for answer in answers] == [303, 303, 429]
    assert "Nothing was charged" in answers[2].text
    assert 1 <= int(answers[2].headers["retry-after"]) <= 60
    assert await orders() == ["L-1-1", "L-1-2"]
    assert (await opened(link, AsgiClient(address="192.0.2.8"))).status == 303


async def test_one_link_makes_so_many_payments_a_minute_wherever_its_shoppers_are(api, settings):
    settings.CHECKOUT_MAX_LINK_USES_PER_LINK = 2
    link, other = await made(api, reusable=True), await made(api)
    shoppers = [AsgiClient(address=f"192.0.2.{number}") for number in range(3)]
    assert [(await opened(link, shopper)).status for shopper in shoppers] == [303, 303, 429]
    assert (await opened(other)).status == 303


async def test_links_that_do_not_exist_are_not_counted_for_those_that_do(api, settings, monkeypatch):
    monkeypatch.setattr(page_of_links, "uses_by_link", RateLimit("uses", most_keys=1))
    settings.CHECKOUT_MAX_LINK_USES_PER_LINK = 1
    link = await made(api)
    page = await (browser := AsgiClient()).get(path_of(link))
    token = token_of(page)
    for number in range(3):
        guessed = await browser.post(f"/pay/{number:032}/", {"csrfmiddlewaretoken": token})
        assert guessed.status == 404
    assert (await opened(link)).status == 303


async def test_a_link_for_one_payment_can_be_paid_a_year_long_also_after_a_first_look(api):
    link = await made(api)
    until = datetime.fromisoformat(link["expires_at"])
    assert timedelta(days=364) < until - timezone.now() <= timedelta(days=365)
    await opened(link)

    def pass_a_day_and_expire():
        Payment.objects.update(updated_at=timezone.now() - timedelta(days=2))
        return expire_abandoned()

    assert await in_thread(pass_a_day_and_expire) == 0
    assert (await opened(link)).status == 303
    payment = await in_thread(Payment.objects.get)
    assert (payment.state, payment.expires_at) == (PaymentState.OPEN, until)


async def test_a_reusable_link_has_no_end_and_its_payments_end_like_any_other(api):
    link = await made(api, reusable=True)
    assert link["expires_at"] is None
    await opened(link)
    assert (await in_thread(Payment.objects.get)).expires_at is None


# 20.5 in Arabic digits.
ARABIC = "\u0662\u0660\N{ARABIC DECIMAL SEPARATOR}\u0665"


async def sent(link, **fields):
    """Return the browser's answer after a shopper has sent the form with these fields."""
    browser, path = AsgiClient(), path_of(link)
    page = await browser.get(path)
    return await browser.post(path, {"csrfmiddlewaretoken": token_of(page), **fields})


async def the_payment():
    return await in_thread(lambda: Payment.objects.order_by("-pk").first())


@pytest.mark.parametrize("typed", ["3", " 3 ", "\N{ARABIC-INDIC DIGIT THREE}"])
async def test_a_shopper_buys_several_at_once(api, typed):
    link = await made(api, reusable=True, max_quantity=5)
    assert (await sent(link, quantity=typed)).status == 303
    payment = await the_payment()
    assert (payment.amount_minor, payment.description) == (3750, "3 \N{MULTIPLICATION SIGN} Tea <b>")
    assert payment.metadata == {"a": "b", "quantity": "3"}


@pytest.mark.parametrize("typed", ["0", "6", "", "-1", "1.5", "two", "999999"])
async def test_a_quantity_that_the_link_does_not_allow_makes_no_payment(api, typed):
    link = await made(api, reusable=True, max_quantity=5)
    page = await sent(link, quantity=typed)
    assert page.status == 400
    assert "Enter a number from 1 to 5." in page.text
    assert await orders() == []


@pytest.mark.parametrize(
    ("typed", "minor"), [("20", 2000), ("20,5", 2050), ("20.05", 2005), ("1 000", 100_000), (ARABIC, 2050)]
)
async def test_a_shopper_chooses_the_amount(api, typed, minor):
    link = await made(api, reusable=True, min_amount=500, max_amount=100_000)
    assert (await sent(link, amount=typed)).status == 303
    assert (await the_payment()).amount_minor == minor


@pytest.mark.parametrize("typed", ["4.99", "1000.01", "", "1.200", "1,200.00", "-20", "20 EUR", "1e3", "NaN"])
async def test_an_amount_that_the_link_does_not_allow_or_that_has_two_meanings_is_asked_for_again(api, typed):
    link = await made(api, reusable=True, min_amount=500, max_amount=100_000)
    page = await sent(link, amount=typed)
    assert page.status == 400
    assert "Enter an amount from €5.00 to €1,000.00." in page.text
    assert await orders() == []


async def test_what_a_form_adds_to_a_link_without_a_choice_changes_nothing(api):
    link = await made(api, reusable=True)
    assert (await sent(link, quantity="7", amount="1", email="thief@example.com")).status == 303
    payment = await the_payment()
    assert (payment.amount_minor, payment.shopper_email) == (1250, "")


@pytest.mark.parametrize("reusable", [True, False])
async def test_the_receipt_goes_to_the_address_that_the_page_asks_for(api, reusable):
    link = await made(api, reusable=reusable, asks_email=True)
    wrong = await sent(link, email="ella")
    assert (wrong.status, "Enter an e-mail address" in wrong.text) == (400, True)
    for email in ("ella@example.com", "anna@example.com"):
        assert (await sent(link, email=email)).status == 303
        assert (await the_payment()).shopper_email == email


async def test_an_address_that_may_be_mistyped_is_asked_about_once(api):
    link = await made(api, reusable=True, asks_email=True)
    asked = await sent(link, email="ella@gmial.com")
    assert (asked.status, "ella@gmail.com" in asked.text) == (200, True)
    assert await orders() == []
    assert (await sent(link, email="ella@gmial.com", confirmed_email="ella@gmial.com")).status == 303
    assert (await the_payment()).shopper_email == "ella@gmial.com"
    assert (await sent(link, email="ella@gmail.com", confirmed_email="ella@gmial.com")).status == 303
    assert (await the_payment()).shopper_email == "ella@gmail.com"


@pytest.mark.parametrize("email", ["a@gmail.com", "a@example.com", "a@gmx.de", "a@my-company.co.uk"])
def test_an_address_without_a_mistake_is_not_asked_about(email):
    assert suggestion_for(email) == ""


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"max_quantity": 2}, "max_quantity"),
        ({"max_amount": 5000}, "max_amount"),
        ({"reusable": True, "min_amount": 100}, "max_amount"),
        ({"reusable": True, "max_amount": 1000}, "amount"),
        ({"reusable": True, "min_amount": 2000, "max_amount": 3000}, "amount"),
        ({"reusable": True, "max_amount": 5000, "max_quantity": 2}, "max_quantity"),
        ({"reusable": True, "amount": 9_999_999_999, "max_quantity": 2}, "max_quantity"),
    ],
)
async def test_a_choice_that_no_shopper_could_make_is_no_link(api, changes, pointer):
    answer = await api.post(LINKS, {**WANTED, **changes})
    assert answer.status == 422
    assert [error["pointer"] for error in document(answer)["errors"]] == [f"/{pointer}"]


async def test_a_link_has_a_qr_code_until_it_is_disabled(api):
    link = await made(api)
    path = path_of(link) + "qr.svg"
    assert link["qr_code_url"].endswith(path)
    image = await AsgiClient().get(path)
    assert (image.status, header(image, "Content-Type")) == (200, "image/svg+xml")
    expected = segno.make(link["url"], error="m", micro=False)
    assert image.text.count("<path") == 2
    assert expected.svg_inline(scale=4, border=4).split(' d="')[1].split('"')[0] in image.text
    await api.post(f"{LINKS}/{link['id']}/disable")
    assert (await AsgiClient().get(path)).status == 410
