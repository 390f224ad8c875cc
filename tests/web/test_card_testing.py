"""Card testing: limits, attack mode and CAPTCHA, over the whole application."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from time import monotonic

import pytest
import time_machine
from django.utils import timezone

from checkout.conf import conf
from checkout.payments.models import Attempt, CardTrial, Fact, Merchant, Payment, ProviderAccount
from checkout.privacy import pseudonyms
from checkout.rates import RateLimit, Turns
from checkout.states import PaymentState
from checkout.web.protection import captcha, pacing
from messaging.concurrency.database import in_thread
from payments_gateway.serving.process.graceful_shutdown import drain
from tests.support.asgi import AsgiClient
from tests.support.captchas import SUM
from tests.support.serving import until
from tests.web.paying import Checkout, fields_of

ADDRESS = "192.0.2.7"
NOW = timezone.now()


@pytest.fixture(autouse=True)
def _own_counts(monkeypatch) -> None:
    monkeypatch.setattr(pacing, "turns", Turns())
    monkeypatch.setattr(captcha, "answers", RateLimit("answers"))


def tried(
    *,
    address: str = "",
    email: str = "",
    declined: bool = True,
    ago: timedelta = timedelta(),
    of: Merchant | None = None,
) -> None:
    """Record a card that was tried for another payment, of the same merchant unless another is given."""
    merchant, number = of or Merchant.objects.get(), Payment.objects.count()
    payment = Payment.objects.create(
        merchant=merchant, order_reference=f"o-{number}", description="Tea", amount_minor=1, currency="EUR"
    )
    attempt = Attempt.objects.create(
        payment=payment,
        number=1,
        provider_account=ProviderAccount.objects.get(),
        order_code=f"{payment.reference}-1",
        session_id="s",
    )
    CardTrial.objects.create(
        attempt=attempt,
        merchant=merchant,
        client=pseudonyms.of_client(address),
        email=pseudonyms.of_email(email),
        is_declined=declined,
        answered_at=NOW - ago,
    )


def attacked(mode: str = "on") -> None:
    Merchant.objects.update(attack_mode=mode)


def attempts() -> int:
    return Attempt.objects.filter(payment__order_reference="order-1").count()


async def test_a_payment_is_tried_ten_times_and_then_its_pages_say_why_it_ends(
    back_end, books, checkout, settings
):
    settings.CHECKOUT_DECLINES_PER_ADDRESS = settings.CHECKOUT_DECLINES_PER_EMAIL = 1000
    form = await checkout.filled_form("refuse")
    for number in range(1, 11):
        answer = await checkout.client.post(checkout.path("pay/"), {**form, "attempt_number": str(number)})
        assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))
    answer = await checkout.client.post(checkout.path("pay/"), {**form, "attempt_number": "11"})
    assert (answer.status, "retry-after" in answer.headers) == (429, False)
    assert "This payment was tried too often and cannot be tried again. Nothing was charged." in answer.text
    assert await in_thread(attempts) == 10
    assert (await checkout.get()).headers["location"] == checkout.path("result/")
    result = await checkout.get("result/")
    assert "cannot be tried again. Nothing was charged." in result.text
    assert "another card" not in result.text


async def test_a_second_click_after_the_last_attempt_still_leads_to_its_result(
    back_end, books, checkout, settings
):
    settings.CHECKOUT_MAX_ATTEMPTS = 1
    form = await checkout.filled_form("refuse")
    answers = [await checkout.client.post(checkout.path("pay/"), form) for _ in range(2)]
    assert [answer.status for answer in answers] == [303, 303]


@pytest.mark.parametrize(
    ("setting", "who"),
    [
        ("CHECKOUT_DECLINES_PER_ADDRESS", {"address": ADDRESS}),
        ("CHECKOUT_DECLINES_PER_EMAIL", {"email": "Shopper@Example.com"}),
    ],
)
async def test_after_many_declines_no_card_is_tried_until_they_are_long_enough_ago(
    back_end, books, checkout, settings, who, setting
):
    setattr(settings, setting, 3)
    form = await checkout.filled_form("approve")
    for minutes in (50, 30, 10, 5):
        await in_thread(tried, **who, ago=timedelta(minutes=minutes))
    with time_machine.travel(NOW, tick=True):
        answer = await checkout.client.post(checkout.path("pay/"), form)
        # The third newest attempt is half an hour old, and leaves the counted hour in half an hour.
        assert (answer.status, answer.headers["retry-after"]) == (429, "1800")
        assert "Nothing was charged. You can try again in 30 minutes." in answer.text
        page = await checkout.get()
        assert (page.status, "encrypted_card" in page.text) == (429, False), "nobody types in vain"
        program = {"accept": "application/json"}
        problem = await checkout.client.post(checkout.path("pay/"), form, headers=program)
        assert (problem.status, json.loads(problem.body)["type"]) == (
            429,
            "http://localhost:8000/problems/too_many_attempts",
        )
        assert await in_thread(attempts) == 0
    with time_machine.travel(NOW + timedelta(seconds=1801), tick=True):
        assert (await checkout.client.post(checkout.path("pay/"), form)).status == 303
    assert await in_thread(attempts) == 1


async def test_declines_of_others_and_what_was_approved_do_not_count(back_end, books, checkout, settings):
    settings.CHECKOUT_DECLINES_PER_ADDRESS = settings.CHECKOUT_DECLINES_PER_EMAIL = 1
    await in_thread(tried, address="192.0.2.8", email="other@example.com")
    await in_thread(tried, address=ADDRESS, email="shopper@example.com", declined=False)
    await in_thread(tried, address=ADDRESS, ago=timedelta(hours=1, seconds=1))
    await in_thread(tried)
    assert (await checkout.pay("approve")).status == 303


def other_merchant(*, is_live: bool) -> Merchant:
    return Merchant.objects.create(code=f"live-{is_live}", name="Another", is_live=is_live)


@pytest.mark.parametrize(("is_live", "status"), [(False, 303), (True, 429)])
async def test_declined_test_cards_keep_nobody_from_paying(
    back_end, books, checkout, settings, is_live, status
):
    """A card that the test provider refuses costs nothing, and anybody's e-mail address can be typed."""
    settings.CHECKOUT_DECLINES_PER_EMAIL = 1
    other = await in_thread(lambda: other_merchant(is_live=is_live))
    await in_thread(Merchant.objects.exclude(pk=other.pk).update, is_live=True)
    form = await checkout.filled_form("approve")
    await in_thread(tried, email="shopper@example.com", of=other)
    assert (await checkout.client.post(checkout.path("pay/"), form)).status == status


@pytest.mark.parametrize("is_live", [True, False])
async def test_an_approved_test_card_spares_nobody_the_wait(
    back_end, books, checkout, settings, is_live, held
):
    settings.CHECKOUT_ATTACK_PACE_SECONDS = 10_000
    other = await in_thread(lambda: other_merchant(is_live=is_live))
    await in_thread(Merchant.objects.exclude(pk=other.pk).update, is_live=True, attack_mode="on")
    await in_thread(tried, address=ADDRESS, declined=False, of=other)
    paying = asyncio.create_task(checkout.pay("approve"))
    await until(lambda: paying.done() or bool(pacing.turns._last))
    assert bool(pacing.turns._last) != is_live
    drain.begin()  # the shutdown releases all waits
    await paying


async def test_cards_declined_one_after_the_other_come_to_their_limit(back_end, books, checkout, settings):
    settings.CHECKOUT_DECLINES_PER_EMAIL = 3
    form = await checkout.filled_form("refuse")
    statuses = [
        (await checkout.client.post(checkout.path("pay/"), {**form, "attempt_number": str(number)})).status
        for number in range(1, 6)
    ]
    assert statuses == [303, 303, 303, 429, 429]
    assert await in_thread(attempts) == 3


async def test_in_attack_mode_everybody_is_challenged_and_the_timeline_says_so(back_end, books, checkout):
    await in_thread(attacked)
    await in_thread(tried, address=ADDRESS, declined=False)
    answer = await checkout.pay("approve")
    assert answer.headers["location"] == checkout.path("challenge/")
    assert await in_thread(Fact.objects.filter(kind="challenge_demanded").count) == 1


async def test_in_attack_mode_an_address_that_has_paid_before_does_not_wait(
    back_end, books, checkout, settings
):
    settings.CHECKOUT_ATTACK_PACE_SECONDS = 10_000
    await in_thread(attacked)
    await in_thread(tried, address=ADDRESS, declined=False)
    assert (await checkout.pay("approve")).status == 303


async def test_without_an_attack_nobody_waits(back_end, books, checkout, settings):
    settings.CHECKOUT_ATTACK_PACE_SECONDS = 10_000
    await in_thread(attacked, "off")
    assert (await checkout.pay("approve")).status == 303


async def test_in_attack_mode_a_new_address_waits_for_its_turn_and_then_pays(
    back_end, books, checkout, settings
):
    settings.CHECKOUT_ATTACK_PACE_SECONDS = 0.05
    await in_thread(attacked)
    assert (await checkout.pay("approve")).headers["location"] == checkout.path("challenge/")
    assert set(pacing.turns._last) == {pseudonyms.of_client(ADDRESS)}


@pytest.fixture
def held() -> Iterator[None]:
    """Undo the shutdown after a test that begins one to release its held requests."""
    yield
    drain.reset()


async def test_who_waits_holds_no_thread_and_no_row_until_it_is_their_turn(
    back_end, books, payment, settings, held
):
    settings.CHECKOUT_ATTACK_PACE_SECONDS = 1000
    await in_thread(attacked)
    # More shoppers than there are database threads, each from another address.
    count = 2 * conf.database_threads
    shoppers = [Checkout(AsgiClient(address=f"198.51.100.{n}"), payment.reference) for n in range(count)]
    waiting = [asyncio.create_task(shopper.pay("approve")) for shopper in shoppers]
    await until(lambda: len(pacing.turns._last) == count)
    assert await in_thread(attempts) == 0
    assert await in_thread(Payment.objects.update, description="Nobody has locked it") == 1
    assert not [task for task in waiting if task.done()]
    drain.begin()  # the shutdown releases all waits
    answers = await asyncio.gather(*waiting)
    assert {answer.status for answer in answers} == {303}
    assert await in_thread(attempts) == 1


async def test_who_comes_when_enough_are_waiting_is_told_when_to_come_back(
    back_end, books, checkout, settings, held
):
    settings.CHECKOUT_ATTACK_PACE_SECONDS = 1000
    await in_thread(attacked)
    form = await checkout.filled_form("approve")
    waiting = [asyncio.create_task(checkout.client.post(checkout.path("pay/"), form)) for _ in range(2)]
    await until(lambda: max(pacing.turns._last.values(), default=0) > monotonic() + 1900)
    answer = await checkout.client.post(checkout.path("pay/"), form)
    assert answer.status == 429
    assert 900 < int(answer.headers["retry-after"]) <= 1000
    drain.begin()
    await asyncio.gather(*waiting)
    assert await in_thread(attempts) == 1


@pytest.fixture
def asked(settings) -> None:
    settings.CHECKOUT_CAPTCHA = SUM
    settings.CHECKOUT_CAPTCHA_ALWAYS = True


async def solve(checkout: Checkout, answer: str = "7"):
    page = await checkout.get()
    return await checkout.client.post(checkout.path("captcha/"), {**fields_of(page), "sum": answer})


async def test_without_a_captcha_in_the_settings_there_is_none(shop, checkout):
    await in_thread(attacked)
    page = await checkout.get()
    assert "encrypted_card" in page.text
    answer = await checkout.client.post(checkout.path("captcha/"), fields_of(page))
    assert (answer.status, answer.headers["location"]) == (303, checkout.path())
    assert not [name for name in checkout.client.cookies if name not in ("csrftoken", "checkout_language")]


async def test_a_captcha_comes_before_the_card_form_and_needs_no_script_of_ours(
    back_end, books, checkout, asked
):
    page = await checkout.get()
    assert page.status == 200
    assert "What is 2 + 5?" in page.text
    assert "encrypted_card" not in page.text
    assert "<script" not in page.text
    answer = await solve(checkout)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path())
    [cookie] = [line for line in answer.set_cookies if line.startswith(captcha.COOKIE)]
    assert "HttpOnly" in cookie
    assert f"Path={checkout.path()}" in cookie
    assert (await checkout.pay("approve")).headers["location"] == checkout.path("result/")


async def test_a_captcha_is_asked_in_attack_mode_only_unless_it_is_always(shop, checkout, asked, settings):
    settings.CHECKOUT_CAPTCHA_ALWAYS = False
    assert "encrypted_card" in (await checkout.get()).text
    await in_thread(attacked)
    assert "What is 2 + 5?" in (await checkout.get()).text


@pytest.mark.parametrize("answer", ["8", "no number", ""])
async def test_a_wrong_answer_and_one_that_breaks_the_captcha_are_asked_again(shop, checkout, asked, answer):
    again = await solve(checkout, answer)
    assert again.status == 400
    assert "Nothing was charged. Please try again." in again.text
    assert "What is 2 + 5?" in again.text
    assert captcha.COOKIE not in checkout.client.cookies
    assert (await checkout.get("captcha/")).headers["location"] == checkout.path()


async def test_a_captcha_that_does_not_answer_in_time_lets_nobody_in(shop, checkout, asked, monkeypatch):
    monkeypatch.setattr(captcha, "CHECK_SECONDS", 0.05)
    assert (await solve(checkout, "never")).status == 400


async def test_answers_to_a_captcha_are_limited_by_address(shop, checkout, asked, monkeypatch):
    monkeypatch.setattr(captcha, "MOST_ANSWERS", 2)
    statuses = [(await solve(checkout, "8")).status for _ in range(3)]
    assert statuses == [400, 400, 429]


async def test_who_has_not_solved_it_pays_nothing(back_end, books, checkout, settings):
    form = await checkout.filled_form("approve")
    settings.CHECKOUT_CAPTCHA, settings.CHECKOUT_CAPTCHA_ALWAYS = SUM, True
    answer = await checkout.client.post(checkout.path("pay/"), form)
    assert (answer.status, answer.headers["location"]) == (303, checkout.path())
    program = {"accept": "application/json"}
    problem = await checkout.client.post(checkout.path("pay/"), form, headers=program)
    assert (problem.status, json.loads(problem.body)["type"]) == (
        403,
        "http://localhost:8000/problems/captcha_required",
    )
    assert await in_thread(attempts) == 0


async def test_a_pass_is_for_one_attempt_at_one_payment(back_end, books, checkout, asked, client):
    await solve(checkout)
    await checkout.pay("refuse")
    assert await in_thread(attempts) == 1
    form = {**fields_of(await checkout.get()), "encrypted_card": "refuse", "attempt_number": "2"}
    again = await client.post(checkout.path("pay/"), form)
    assert (again.headers["location"], await in_thread(attempts)) == (checkout.path(), 1)
    client.cookies[captcha.COOKIE] = client.cookies[captcha.COOKIE].replace(":1:", ":2:")
    await client.post(checkout.path("pay/"), form)
    assert await in_thread(attempts) == 1, "a pass that somebody has changed is none"
    await solve(checkout)
    await client.post(checkout.path("pay/"), form)
    assert await in_thread(attempts) == 2


async def test_a_pass_is_over_after_half_an_hour(shop, checkout, asked):
    await solve(checkout)
    assert "encrypted_card" in (await checkout.get()).text
    with time_machine.travel(timezone.now() + timedelta(minutes=31), tick=True):
        assert "What is 2 + 5?" in (await checkout.get()).text


async def test_the_captchas_address_of_a_payment_that_is_over_leads_to_its_page(shop, checkout, asked):
    page = await checkout.get()
    await in_thread(Payment.objects.update, state=PaymentState.CAPTURED)
    answer = await checkout.client.post(checkout.path("captcha/"), {**fields_of(page), "sum": "7"})
    assert (answer.status, answer.headers["location"]) == (303, checkout.path("result/"))


async def test_an_issuer_that_demands_the_shopper_is_let_to_challenge_at_the_next_attempt(
    back_end, books, checkout
):
    assert (await checkout.pay("refuse:authentication_required")).status == 303
    assert (await in_thread(Attempt.objects.get)).refusal_reason == "authentication_required"
    answer = await checkout.pay("approve")
    assert answer.headers["location"] == checkout.path("challenge/")
