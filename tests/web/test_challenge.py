"""The way to the challenge and back, which is a POST from another site."""

import asyncio
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import AsyncClient
from django.utils import timezone

from checkout.payments.models import Attempt, Payment
from checkout.states import PaymentState
from messaging.concurrency.database import in_thread
from payments_gateway.serving.scope import WHEN_LEFT
from tests.web.paying import fields_of

FRAMED = {"sec-fetch-dest": "iframe"}


@pytest.fixture
async def return_path(back_end, books, checkout):
    """Start a challenge, and return the path that leads back from it."""
    answer = await checkout.pay("challenge")
    assert answer.headers["location"] == checkout.path("challenge/")
    return await checkout.return_path()


def returned(**fields):
    return {"TransactionId": "transaction", "Response": "", "MD": "merchant data", **fields}


async def test_the_challenge_page_sends_the_form_that_the_provider_made(return_path, checkout):
    page = await checkout.get("challenge/")
    assert "TransactionId" in fields_of(page)
    assert "Continue to your bank" in page.text
    assert "data-send-on" in page.text
    assert "<iframe" not in page.text
    policy = page.headers["content-security-policy"]
    assert "form-action 'self' https:" in policy
    assert "frame-ancestors 'none'" in policy


async def test_a_challenge_in_a_frame_can_also_be_opened_in_the_window(return_path, checkout, settings):
    settings.CHECKOUT_CHALLENGE_WINDOW = "250x400"
    page = await checkout.get("challenge/")
    assert re.search(r'<iframe [^>]*name="challenge" title="[^"]+" width="250" height="400">', page.text)
    assert 'formtarget="_self"' in page.text
    assert "frame-src 'self' https:" in page.headers["content-security-policy"]


@pytest.mark.parametrize("is_try_out", [True, False])
async def test_plain_http_is_for_the_sandbox_only(return_path, checkout, settings, is_try_out):
    settings.CHECKOUT_TRY_OUT = is_try_out
    policy = (await checkout.get("challenge/")).headers["content-security-policy"]
    assert ("http:" in policy) == is_try_out


async def test_the_return_needs_no_cookie_and_sets_none(return_path, checkout):
    before = dict(checkout.client.cookies)
    answer = await checkout.client.post(return_path, returned(), cross_site=True)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))
    assert answer.set_cookies == []
    assert "cookie" not in answer.headers.get("vary", "").lower()
    assert checkout.client.cookies == before
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_the_return_sets_no_cookie_under_the_middleware_of_the_settings_either(return_path, checkout):
    answer = await AsyncClient(enforce_csrf_checks=True).post(return_path, returned())
    assert (answer.status_code, answer.headers["location"]) == (303, checkout.path("result/"))
    assert not answer.cookies


async def test_a_browser_that_drops_the_return_at_once_has_brought_it(return_path, checkout, settings):
    settings.MESSAGING_OUTBOX_GRACE_SECONDS = 3600  # so that the relay does not publish it meanwhile
    notes: dict[str, list[Callable[[], None]]] = {WHEN_LEFT: []}
    sent = checkout.client.started("POST", return_path, data=returned(), cross_site=True, notes=notes)
    async with asyncio.timeout(20):
        with sent as exchange:
            while not notes[WHEN_LEFT]:  # noqa: ASYNC110  nobody announces it
                await asyncio.sleep(0)
            notes[WHEN_LEFT][0]()
            await exchange.wait(20)
        while not await in_thread(lambda: PaymentState(Payment.objects.get().state).is_paid):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_a_return_by_get_counts_as_well(return_path, checkout):
    answer = await checkout.client.get(f"{return_path}?TransactionId=transaction&MD=x", cross_site=True)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))


async def test_a_second_return_gets_the_same_answer(return_path, checkout):
    answers = [await checkout.client.post(return_path, returned(), cross_site=True) for _ in range(2)]
    assert {answer.headers["location"] for answer in answers} == {checkout.path("result/")}
    assert await in_thread(Attempt.objects.count) == 1


async def test_a_return_to_an_earlier_challenge_of_the_payment_gets_the_answer_of_the_present_one(
    return_path, checkout
):
    """The provider may require a second challenge, and the browser's history has the first one's return."""
    await checkout.client.post(return_path, returned(), cross_site=True)
    second = {"challenge_count": 2, "challenge_token_hash": "that of the second"}
    await in_thread(lambda: Attempt.objects.update(**second))
    answer = await checkout.client.post(return_path, returned(), cross_site=True)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))


async def test_a_return_in_a_frame_leads_out_of_it(return_path, checkout):
    answer = await checkout.client.post(return_path, returned(), headers=FRAMED, cross_site=True)
    assert answer.status == 200
    assert re.search(rf'<form method="get" action="{checkout.path("result/")}" target="_top"', answer.text)
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert answer.set_cookies == []


@pytest.mark.parametrize(("window", "status"), [("fullPage", 303), ("390x400", 200)])
async def test_a_browser_that_does_not_say_where_it_shows_the_answer(
    return_path, checkout, settings, window, status
):
    settings.CHECKOUT_CHALLENGE_WINDOW = window
    answer = await checkout.client.post(return_path, returned(), cross_site=True)
    assert answer.status == status


async def test_a_wrong_token_is_404_and_changes_nothing(return_path, checkout):
    path = checkout.path("challenge/return/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/")
    answer = await checkout.client.post(path, returned(), cross_site=True)
    assert answer.status == 404
    assert "Address not valid" in answer.text
    assert (await in_thread(Payment.objects.get)).state == PaymentState.CHALLENGE_REQUIRED


async def test_no_shopper_is_sent_to_a_challenge_from_which_no_return_is_taken_any_more(
    return_path, checkout
):
    past = timezone.now() - timedelta(seconds=1)
    await in_thread(lambda: Attempt.objects.update(challenge_expires_at=past))
    page = await checkout.get("challenge/")
    assert (page.status, "Continue to your bank" in page.text) == (410, False)
    assert page.headers["refresh"] == "10", "it leads on when the provider has cancelled the order"
    assert "Please do not pay again yet" in page.text
    assert f'href="{checkout.path()}"' in page.text, "some browsers do not load a page again by themselves"


async def test_an_expired_token_is_410_and_leads_to_the_payment(return_path, checkout):
    past = timezone.now() - timedelta(seconds=1)
    await in_thread(lambda: Attempt.objects.update(challenge_expires_at=past))
    answer = await checkout.client.post(return_path, returned(), headers=FRAMED, cross_site=True)
    assert answer.status == 410
    assert f'href="{checkout.path()}"' in answer.text
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert (await in_thread(Payment.objects.get)).state == PaymentState.CHALLENGE_REQUIRED


async def test_the_links_of_a_problem_in_the_frame_lead_out_of_it(return_path, checkout, settings):
    """No other page of ours may be shown in a frame."""
    settings.CHECKOUT_TRY_OUT = True
    past = timezone.now() - timedelta(seconds=1)
    await in_thread(lambda: Attempt.objects.update(challenge_expires_at=past))
    answer = await checkout.client.post(return_path, returned(), headers=FRAMED, cross_site=True)
    links = re.findall(r'<a class="button[^>]*>', answer.text)
    assert len(links) == 2
    assert all('target="_top"' in link for link in links)


@pytest.mark.parametrize(
    ("most_held", "fields", "status"),
    [
        (0, {}, 503),
        (9, {"MD": "x" * 300_000}, 413),
        (9, {"MD": "4111 1111 1111 1111"}, 400),
        (9, {"x": "a", **{f"field{number}": "" for number in range(1001)}}, 400),
    ],
)
async def test_a_return_that_is_refused_before_it_is_read_shows_why_in_the_frame(
    return_path, checkout, settings, most_held, fields, status
):
    settings.SERVING_MAX_HELD = most_held
    answer = await checkout.client.post(return_path, returned(**fields), headers=FRAMED, cross_site=True)
    assert answer.status == status
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    assert answer.headers.get("refresh") == ("5" if status == 503 else None)


async def test_a_return_while_the_database_is_away_is_tried_again_by_its_page(
    return_path, checkout, settings, lose_queries
):
    """The shopper could only go back to the bank, which has no more questions."""
    settings.CHECKOUT_REPLY_BUDGET_SECONDS = 0
    lose_queries(Payment)
    answer = await checkout.client.post(return_path, returned(), headers=FRAMED, cross_site=True)
    assert (answer.status, answer.headers["refresh"]) == (503, "5")
    assert "frame-ancestors 'self'" in answer.headers["content-security-policy"]


@pytest.mark.parametrize(
    "fields",
    [
        {"MD": "x" * 1025},
        {"TransactionId": "a\0b"},
        {"TransactionId": "x" * 100_000},
        {"Response": "x" * 5000},
        {"cres": "x" * 5000},
    ],
    ids=lambda fields: ascii(fields)[:40],
)
async def test_a_return_with_odd_fields_counts_because_none_of_them_is_its_result(
    return_path, checkout, fields
):
    answer = await checkout.client.post(return_path, returned(**fields), cross_site=True)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", ""])
async def test_a_return_counts_whatever_it_is_said_to_be(return_path, checkout, content_type):
    headers = {"content-type": content_type}
    answer = await checkout.client.post(return_path, b"{", headers=headers, cross_site=True)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))


async def test_a_return_that_is_refused_leads_to_the_payment(return_path, checkout):
    fields = returned(MD="4111 1111 1111 1111")
    answer = await checkout.client.post(return_path, fields, cross_site=True)
    assert answer.status == 400
    assert f'href="{checkout.path()}"' in answer.text


async def test_the_fields_of_a_multipart_form_are_not_read(return_path, checkout):
    part = b'--x\r\nContent-Disposition: form-data; name="TransactionId"\r\n\r\n+2AA-\r\n--x--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=x; charset=utf-7"}
    answer = await checkout.client.post(return_path, part, headers=headers, cross_site=True)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))


async def test_the_challenge_page_of_a_returned_challenge_leads_on(return_path, checkout):
    await checkout.client.post(return_path, returned(), cross_site=True)
    answer = await checkout.get("challenge/")
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))


async def test_no_shopper_is_sent_to_the_bank_while_an_earlier_attempt_may_hold_the_money(
    return_path, checkout
):
    await in_thread(lambda: Payment.objects.update(state="conflicted"))
    answer = await checkout.get("challenge/")
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("status/"))


async def test_a_shopper_who_comes_back_to_it_then_is_asked_for_patience(return_path, checkout):
    await in_thread(lambda: Payment.objects.update(state="conflicted"))
    answer = await checkout.client.post(return_path, returned(), cross_site=True)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("status/"))
    assert (await in_thread(Attempt.objects.get)).state == Attempt.State.CHALLENGE_REQUIRED


async def test_a_challenge_that_began_before_a_change_of_the_key_still_leads_back(
    return_path, checkout, settings
):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key", [settings.SECRET_KEY]
    assert await checkout.return_path() == return_path, "the page leads to where the provider will"
    answer = await checkout.client.post(return_path, returned(), cross_site=True)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))
    repeated = await checkout.client.post(return_path, returned(), cross_site=True)
    assert repeated.status == 303


@pytest.mark.parametrize("window", ["fullPage", "250x400"])
async def test_a_shopper_may_cancel_instead_of_going_to_the_bank(return_path, checkout, settings, window):
    settings.CHECKOUT_CHALLENGE_WINDOW = window
    page = await checkout.get("challenge/")
    assert f'href="{checkout.path("cancel/")}"' in page.text
    page = await checkout.get("cancel/")
    token = {"csrfmiddlewaretoken": fields_of(page)["csrfmiddlewaretoken"]}
    answer = await checkout.client.post(checkout.path("cancel/"), token)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))
    assert (await in_thread(Payment.objects.get)).state == PaymentState.CANCELLED
    again = await checkout.get("cancel/")
    assert (again.status, again.headers["location"]) == (303, checkout.path("result/"))
    late = await checkout.client.post(return_path, returned(), cross_site=True)
    assert checkout.path("result/") in (late.headers.get("location") or late.text)


async def test_no_other_site_cancels_a_payment_for_its_shopper(return_path, checkout):
    answer = await checkout.client.post(checkout.path("cancel/"), {}, cross_site=True)
    assert answer.status == 403
    assert (await in_thread(Payment.objects.get)).state == PaymentState.CHALLENGE_REQUIRED
