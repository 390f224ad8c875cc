"""From the card form to the result, over the whole application."""

import asyncio
import re
from datetime import timedelta
from functools import partial
from html import unescape
from urllib.parse import parse_qsl, urlsplit

import pytest
from django.utils import timezone
from standardwebhooks.webhooks import Webhook

from checkout.payments.models import Attempt, Merchant, Payment, ProviderAccount
from checkout.states import PaymentState
from checkout.web.pages import path_of
from checkout.webhooks.actions import create_endpoint
from messaging.concurrency.database import in_thread
from tests.web.paying import fields_of

PAY_FIELDS = {
    "csrfmiddlewaretoken",
    "encrypted_card",
    "attempt_number",
    "device_data_reference",
    "browser_language",
    "browser_colour_depth",
    "browser_screen_height",
    "browser_screen_width",
    "browser_time_zone",
    "browser_java_enabled",
    "browser_javascript_enabled",
}


@pytest.mark.parametrize("card", ["approve", "refuse"])
async def test_a_decided_payment_leads_to_its_result(back_end, books, checkout, card):
    answer = await checkout.pay(card)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))
    result = await checkout.get("result/")
    title = "Payment complete" if card == "approve" else "Payment not made"
    assert (result.status, f"<h1>{title}</h1>" in result.text) == (200, True)
    assert ("Try again with another card" in result.text) == (card == "refuse")
    assert "€12.50" in result.text


@pytest.mark.parametrize(
    ("state", "page"), [("open", ""), ("processing", "status/"), ("captured", "result/")]
)
async def test_every_page_writes_the_amount_as_in_the_payment_s_language(shop, checkout, state, page):
    written = {"de": "12,50\N{NO-BREAK SPACE}€", "": "€12.50"}
    for locale, amount in written.items():
        checkout.client.cookies.clear()
        await in_thread(partial(Payment.objects.update, state=state, locale=locale))
        assert amount in (await checkout.get(page)).text


@pytest.mark.parametrize(
    ("reason", "label"),
    [
        ("insufficient_funds", "Try again with another card"),
        ("lost_or_stolen", "Try again with another card"),
        ("cancelled", "Try again"),
        ("issuer_unavailable", "Try again"),
        ("security_code_invalid", "Try again"),
    ],
)
async def test_another_card_is_named_only_if_the_same_one_would_not_help(shop, checkout, reason, label):
    refused = partial(Payment.objects.update, state="refused", refusal_reason=reason)
    await in_thread(refused)
    assert f">{label}</h2>" in (await checkout.get("result/")).text


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://shop.example", "https://shop.example?payment={}"),
        ("https://shop.example/back?order=1#end", "https://shop.example/back?order=1&amp;payment={}#end"),
    ],
)
async def test_the_ways_back_to_the_merchant_have_the_payments_id(back_end, books, checkout, url, shown):
    await in_thread(partial(Merchant.objects.update, return_origins=["https://shop.example"]))
    await in_thread(partial(Payment.objects.update, return_url=url, cancel_url=url))
    shown = shown.format(checkout.reference)
    assert f'href="{shown}"' in (await checkout.get()).text, "the way out of the card form"
    await checkout.pay("approve")
    assert f'href="{checkout.path("return/")}"' in (await checkout.get("result/")).text
    answer = await checkout.get("return/")
    assert (answer.status, answer.headers["location"]) == (303, unescape(shown))


async def test_the_way_back_tells_the_result_signed_for_the_merchants_server(back_end, books, shop, checkout):
    await in_thread(partial(Merchant.objects.update, return_origins=["https://shop.example"]))
    await in_thread(partial(Payment.objects.update, return_url="https://shop.example/back?order=1"))
    created = await in_thread(partial(create_endpoint, shop.code, "https://shop.example/hooks"))
    await checkout.pay("approve")
    address = urlsplit((await checkout.get("return/")).headers["location"])
    told = dict(parse_qsl(address.query))
    assert (address.hostname, told["order"], told["payment"]) == ("shop.example", "1", checkout.reference)
    signed = {
        "webhook-id": told["payment"],
        "webhook-timestamp": told["timestamp"],
        "webhook-signature": told["signature"],
    }
    said = Webhook(created.secret).verify(told["result"], signed)
    assert (said["payment"], said["state"]) == (checkout.reference, "capture_pending")


async def test_only_the_page_of_a_new_result_leads_back_by_itself(back_end, books, checkout):
    await in_thread(partial(Merchant.objects.update, return_origins=["https://shop.example"]))
    await in_thread(partial(Payment.objects.update, return_url="https://shop.example/back"))
    await checkout.pay("approve")
    assert 'id="returning"' in (await checkout.get("result/")).text
    yesterday = timezone.now() - timedelta(days=1)
    await in_thread(partial(Attempt.objects.update, created_at=yesterday))
    assert 'id="returning"' not in (await checkout.get("result/")).text


async def test_after_a_cancellation_the_way_back_is_that_for_shoppers_who_do_not_pay(checkout):
    await in_thread(partial(Merchant.objects.update, return_origins=["https://shop.example"]))
    urls = {"return_url": "https://shop.example/paid", "cancel_url": "https://shop.example/basket"}
    await in_thread(partial(Payment.objects.update, state="cancelled", **urls))
    address = (await checkout.get("return/")).headers["location"]
    assert address.startswith("https://shop.example/basket?payment=")


@pytest.mark.parametrize("origins", [[], ["https://shop.example:8443"], ["http://shop.example"]])
async def test_no_page_leads_to_an_origin_that_staff_have_taken_away(back_end, books, checkout, origins):
    # The merchant may have lost the domain since the payment was created.
    url = "https://shop.example/back"
    await in_thread(partial(Merchant.objects.update, return_origins=origins))
    await in_thread(partial(Payment.objects.update, return_url=url, cancel_url=url))
    assert "shop.example" not in (await checkout.get()).text
    await checkout.pay("approve")
    assert "shop.example" not in (await checkout.get("return/")).headers["location"]


@pytest.mark.parametrize("is_try_out", [True, False])
async def test_without_an_address_the_result_leads_only_to_the_shop_of_a_try_out(
    shop, checkout, settings, is_try_out
):
    settings.CHECKOUT_TRY_OUT = is_try_out
    await in_thread(lambda: Payment.objects.update(state="captured"))
    page = (await checkout.get("result/")).text
    assert ("return/" in page, "Back to" in page) == (is_try_out, is_try_out)
    address = (await checkout.get("return/")).headers["location"]
    assert address == ("/" if is_try_out else checkout.path("result/"))


async def test_without_an_address_the_card_form_has_no_way_out(shop, checkout):
    assert "without paying" not in (await checkout.get()).text


async def test_the_form_sends_what_the_page_says_and_no_card_field_has_a_name(shop, checkout):
    form = await checkout.filled_form("x")
    page = await checkout.get()
    assert set(form) >= PAY_FIELDS
    card_inputs = [
        line for line in page.text.splitlines() if "<input" in line and 'type="hidden"' not in line
    ]
    assert len(card_inputs) == 4
    assert all('autocomplete="cc-' in line and "name=" not in line for line in card_inputs)


async def test_what_the_browser_tells_is_kept_in_the_words_of_3d_secure(back_end, books, checkout):
    form = await checkout.filled_form(
        "approve", browser_language="zh-Hans-CN", browser_java_enabled="", browser_javascript_enabled="true"
    )
    headers = {"user-agent": "Browser/1", "accept": "text/html", "x-forwarded-for": "203.0.113.9"}
    await checkout.client.post(checkout.path("pay/"), form, headers=headers)
    attempt = await in_thread(Attempt.objects.get)
    assert attempt.browser == {
        "accept_header": "text/html",
        "user_agent": "Browser/1",
        "ip_address": "192.0.2.7",
        "javascript_enabled": True,
        "language": "zh-Hans",
        "java_enabled": False,
        "colour_depth": 24,
        "screen_height": None,
        "screen_width": None,
        "time_zone": "-60",
    }


@pytest.mark.parametrize(
    ("told", "language"),
    [
        ({"browser_language": "en_US"}, "en-US"),
        ({"browser_language": "en-US@posix"}, "en-US"),
        ({"browser_language": "\N{SNOWMAN}"}, ""),
        ({"browser_language": "x" * 36}, ""),
        ({"browser_language": "\0"}, ""),
        ({"browser_screen_width": "-1", "browser_screen_height": "NaN"}, "en-GB"),
        ({"browser_time_zone": "west"}, "en-GB"),
        ({"browser_colour_depth": "undefined"}, "en-GB"),
        ({"device_data_reference": "[object Object]"}, "en-GB"),
        ({"device_data_reference": "x" * 100_000}, "en-GB"),
        ({"device_data_reference": "\0"}, "en-GB"),
    ],
    ids=lambda value: ascii(value)[:60],
)
async def test_odd_things_told_to_the_issuer_keep_nobody_from_paying(
    back_end, books, checkout, told, language
):
    answer = await checkout.pay("approve", **told)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))
    attempt = await in_thread(Attempt.objects.get)
    assert attempt.device_data_reference == ""
    assert attempt.browser["language"] == language
    assert (attempt.browser["screen_width"], attempt.browser["screen_height"]) == (None, None)
    assert attempt.browser["time_zone"] in ("-60", "")


async def test_two_clicks_lead_to_the_same_result_by_one_attempt(back_end, books, checkout):
    form = await checkout.filled_form("approve")
    answers = await asyncio.gather(*(checkout.client.post(checkout.path("pay/"), form) for _ in range(2)))
    assert {answer.headers["location"] for answer in answers} == {checkout.path("result/")}
    assert await in_thread(Attempt.objects.count) == 1


async def test_a_form_without_an_encrypted_card_says_why_and_changes_nothing(shop, checkout):
    answer = await checkout.pay("")
    assert answer.status == 400
    assert "did not arrive encrypted" in answer.text
    assert await in_thread(Attempt.objects.count) == 0


async def test_without_an_answer_in_time_the_status_page_takes_over(shop, checkout, settings):
    settings.CHECKOUT_REPLY_BUDGET_SECONDS = 0.05
    answer = await checkout.pay("approve")
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("status/"))
    page = await checkout.get("status/")
    assert "Please do not pay again" in page.text
    assert "failed" not in page.text.lower()
    assert '<meta http-equiv="refresh"' in page.text


async def test_where_nothing_is_in_stock_no_other_card_is_asked_for(shop, checkout):
    await in_thread(Payment.objects.update, state=PaymentState.REFUSED, refusal_reason="out_of_stock")
    result = await checkout.get("result/")
    assert ("has just sold out" in result.text, "another card" in result.text) == (True, False)


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("points_short", "You have too few points."),
        ("gone_since", "The shop cannot accept this payment as it is."),
    ],
)
async def test_a_refusal_by_a_step_of_ones_own_blames_no_bank_and_no_card(
    shop, checkout, settings, reason, advice
):
    settings.CHECKOUT_OWN_APPS = "tests.support.loyalty"
    await in_thread(Payment.objects.update, state=PaymentState.REFUSED, refusal_reason=reason)
    # The texts of the form's scripts are in the page, too.
    text = re.sub("<script.*?</script>", "", (await checkout.get("result/")).text, flags=re.DOTALL)
    assert (advice in text, ">Try again</h2>" in text) == (True, True)
    assert not {"bank", "another card"} & {word for word in ("bank", "another card") if word in text}


@pytest.mark.parametrize("state", [PaymentState.CAPTURED, PaymentState.AUTHORISED])
async def test_a_receipt_is_spoken_of_only_to_a_shopper_who_gets_one(shop, checkout, state):
    of_a_payment = {"state": state, "captures_automatically": state == PaymentState.CAPTURED}
    await in_thread(partial(Payment.objects.update, **of_a_payment, shopper_email="someone@example.com"))
    assert "You will get a receipt by e-mail" in (await checkout.get("result/")).text
    await in_thread(Payment.objects.update, shopper_email="")
    result = await checkout.get("result/")
    assert ("Thank you." in result.text, "receipt" in result.text) == (True, False)


@pytest.mark.parametrize("state", [PaymentState.CANCELLED, PaymentState.EXPIRED])
async def test_a_card_for_a_payment_that_has_ended_leads_to_the_page_that_says_so(shop, checkout, state):
    form = await checkout.filled_form("approve")
    await in_thread(Payment.objects.update, state=state)
    answer = await checkout.client.post(checkout.path("pay/"), form)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))
    program = await checkout.client.post(checkout.path("pay/"), form, headers={"accept": "application/json"})
    assert program.status == 409
    assert await in_thread(Attempt.objects.count) == 0


async def test_a_post_without_a_csrf_token_is_refused_clearly(shop, checkout):
    form = await checkout.filled_form("approve")
    del form["csrfmiddlewaretoken"]
    answer = await checkout.client.post(checkout.path("pay/"), form)
    assert answer.status == 403
    assert "This form is no longer valid" in answer.text
    assert await in_thread(Attempt.objects.count) == 0


async def test_a_form_without_a_csrf_token_does_not_say_that_a_payment_which_was_made_was_not(
    back_end, books, checkout
):
    form = await checkout.filled_form("approve")
    assert (await checkout.client.post(checkout.path("pay/"), form)).status == 303
    del form["csrfmiddlewaretoken"]
    answer = await checkout.client.post(checkout.path("pay/"), form)
    assert answer.status == 403
    assert "Nothing has been paid" not in answer.text
    assert f'href="{checkout.path()}"' in answer.text, "the payment's own page says where it stands"


PAGES = {"": "checkout", "challenge/": "challenge", "status/": "status", "result/": "result"}


@pytest.mark.parametrize(
    ("state", "home"),
    [
        (PaymentState.OPEN, ""),
        (PaymentState.PROCESSING, "status/"),
        (PaymentState.CONFIRMING, "status/"),
        (PaymentState.CONFLICTED, "status/"),
        (PaymentState.CAPTURED, "result/"),
        (PaymentState.EXPIRED, "result/"),
        (PaymentState.REFUNDED, "result/"),
    ],
)
async def test_every_page_leads_to_the_one_that_shows_the_present_state(shop, checkout, state, home):
    await in_thread(lambda: Payment.objects.update(state=state))
    for page in PAGES:
        answer = await checkout.get(page)
        if page == home:
            assert answer.status == 200
        else:
            assert (answer.status, answer.headers["location"]) == (303, checkout.path(home))


@pytest.mark.parametrize("state", [PaymentState.CAPTURED, PaymentState.PROCESSING])
async def test_a_payment_that_needs_no_card_is_shown_whatever_has_become_of_its_account(
    shop, checkout, state
):
    token = (await checkout.filled_form("x"))["csrfmiddlewaretoken"]
    await in_thread(lambda: Payment.objects.update(state=state))
    await in_thread(lambda: ProviderAccount.objects.update(provider="gone"))
    answers = [
        await checkout.get(),
        await checkout.client.post(checkout.path("captcha/"), {"csrfmiddlewaretoken": token}),
    ]
    for answer in answers:
        assert (answer.status, answer.headers["location"]) == (303, path_of(checkout.reference, state))


@pytest.mark.parametrize("state", [state for state in PaymentState if state.is_decided])
async def test_every_ending_has_words_of_its_own(shop, checkout, state):
    await in_thread(lambda: Payment.objects.update(state=state))
    assert (await checkout.get("result/")).status == 200


@pytest.mark.parametrize("state", [PaymentState.CAPTURED, PaymentState.REFUSED])
async def test_a_result_can_be_kept_as_a_record_unless_it_can_be_tried_again(shop, checkout, state):
    await in_thread(partial(Payment.objects.update, state=state))
    page = (await checkout.get("result/")).text
    assert f">{checkout.reference}</bdi></dd>" in page
    advice = "You can close this page. To keep a record, print it or save its address."
    assert (advice in page) == (state == PaymentState.CAPTURED)


@pytest.mark.parametrize("page", ["", "result/"])
async def test_pages_are_never_stored_and_ask_for_nothing_elsewhere(shop, checkout, page):
    await in_thread(lambda: Payment.objects.update(state="refused"))
    answer = await checkout.get(page)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-frame-options"] == "DENY"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert not [name for name in checkout.client.cookies if name not in ("csrftoken", "checkout_language")]


async def test_only_scripts_with_this_answers_nonce_may_run(shop, checkout):
    first, second = await checkout.get(), await checkout.get()
    nonces = {answer.text.split('nonce="')[1].split('"')[0] for answer in (first, second)}
    assert len(nonces) == 2
    nonce = first.text.split('nonce="')[1].split('"')[0]
    assert f"script-src 'nonce-{nonce}'" in first.headers["content-security-policy"]
    scripts = re.findall("<script[^>]*>", first.text)
    assert len(scripts) > 2
    assert all(nonce in script or 'type="application/json"' in script for script in scripts)


async def test_the_status_document_is_202_until_the_end_and_200_after(shop, checkout):
    waiting = await checkout.get("status.json")
    assert waiting.status == 202
    assert waiting.headers["retry-after"] == "2"
    assert waiting.headers["location"] == checkout.path("status.json")
    await in_thread(lambda: Payment.objects.update(state="captured"))
    decided = await checkout.get("status.json")
    assert decided.status == 200
    assert decided.headers["content-type"] == "application/json"
    assert decided.text == (
        f'{{"reference": "{checkout.reference}", "state": "captured", "is_final": true, "is_paid": true, '
        f'"next": "{checkout.path("result/")}"}}'
    )


async def test_a_shopper_may_cancel_instead_of_paying(back_end, checkout):
    assert f'href="{checkout.path("cancel/")}"' in (await checkout.get()).text
    page = await checkout.get("cancel/")
    token = {"csrfmiddlewaretoken": fields_of(page)["csrfmiddlewaretoken"]}
    answer = await checkout.client.post(checkout.path("cancel/"), token)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))
    assert "Payment cancelled" in (await checkout.get("result/")).text


async def test_a_shopper_may_cancel_while_the_result_is_waited_for_and_is_not_told_that_it_is_cancelled(
    back_end, checkout, settings
):
    settings.CHECKOUT_REPLY_BUDGET_SECONDS = 0.5
    await checkout.pay("pending")
    assert f'href="{checkout.path("cancel/")}"' in (await checkout.get("status/")).text
    page = await checkout.get("cancel/")
    assert "its result is not known yet" in page.text
    token = {"csrfmiddlewaretoken": fields_of(page)["csrfmiddlewaretoken"]}
    answer = await checkout.client.post(checkout.path("cancel/"), token)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("status/"))
    waiting = (await checkout.get("status/")).text
    assert "We are cancelling your payment" in waiting
    assert checkout.path("cancel/") not in waiting
    assert (await in_thread(Payment.objects.get)).state == PaymentState.CONFIRMING
