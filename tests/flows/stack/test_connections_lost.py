"""The web process loses RabbitMQ or PostgreSQL: shoppers get a page, and their payments are finished."""

import asyncio

import pytest

from checkout.tryout.browser import NotReachable
from tests.flows.stack.shopping import CHALLENGE, approved, paid_once, rows, shopper_at, until_handled
from tests.flows.stack.surroundings import paused

pytestmark = [
    pytest.mark.long,
    pytest.mark.rabbitmq,
    pytest.mark.postgresql,
    pytest.mark.timeout(400),
    pytest.mark.asyncio(loop_scope="module"),
]

in_thread = asyncio.to_thread

# The number of concurrent requests, most of which find all database threads of the web process busy.
MORE_THAN_THREADS = 5


async def test_the_broker_is_lost_while_an_answer_is_awaited(around):
    shopper = shopper_at(around.stack)
    checkout = await in_thread(shopper.order)
    form, values = await in_thread(shopper.fill_in, checkout)
    with paused(around.stack.programs["payments"]):
        paying = asyncio.create_task(in_thread(shopper.browser.submit, checkout, form, values))
        await in_thread(until_handled, around.stack, shopper, "checkout.submit_payment")
        await around.broker.refuse()
        assert_patience(await paying)
    await around.back_to_normal()
    assert (await in_thread(shopper.resume)).url.endswith("/result/")
    await in_thread(paid_once, around.stack, shopper)


async def test_the_broker_is_silent_at_a_challenge_return_and_the_relay_sees_to_it(around):
    shopper = shopper_at(around.stack, CHALLENGE)
    page = await in_thread(approved, around.stack, shopper)
    connections = around.broker.open
    around.broker.hold()
    waiting = await in_thread(go_back, shopper, page)
    assert_patience(waiting)
    # The wait was ended by the reply budget, not by a lost connection.
    assert around.broker.open == connections
    await in_thread(paid_once, around.stack, shopper)
    assert (await in_thread(shopper.follow, waiting)).url.endswith("/result/")
    await around.back_to_normal()


async def test_killed_before_it_has_published_anything_the_relay_sees_to_it(around):
    shopper = shopper_at(around.stack, CHALLENGE)
    page = await in_thread(approved, around.stack, shopper)
    around.broker.hold()
    returning = asyncio.create_task(in_thread(go_back, shopper, page))
    await in_thread(around.until_committed, shopper, "checkout.complete_challenge")
    assert not returning.done()
    around.stack.programs["web"].kill()
    with pytest.raises(NotReachable):
        await returning
    around.stack.programs["web"].start()
    await around.back_to_normal()
    assert (await in_thread(shopper.resume)).url.endswith("/result/")
    await in_thread(paid_once, around.stack, shopper)


async def test_a_card_that_could_not_be_passed_on_is_passed_on_when_the_broker_is_back(around):
    shopper, waiting = await pay_in_vain(around)
    await around.back_to_normal()
    assert (await in_thread(shopper.follow, waiting)).url.endswith("/result/")
    await in_thread(paid_once, around.stack, shopper)


async def test_a_card_that_is_lost_with_its_process_is_asked_for_again(around):
    shopper, waiting = await pay_in_vain(around)
    around.stack.programs["web"].kill()
    around.stack.programs["web"].start()
    await around.back_to_normal()

    # The card is stored nowhere. Because it may still arrive, its command stays in the outbox for a minute.
    time_is_up = "UPDATE payments_outboxmessage SET available_at = now() WHERE subject = %s"
    await in_thread(rows, around.stack, time_is_up, shopper.reference)
    result = await in_thread(shopper.follow, waiting)
    assert result.url.endswith("/result/")
    assert "The card details did not reach the bank" in result.text
    again = await in_thread(around.get, f"/checkout/{shopper.reference}/")
    assert again.ok
    page = await in_thread(shopper.browser.open, again.url)
    assert (await in_thread(shopper.pay, page)).url.endswith("/result/")
    await in_thread(paid_once, around.stack, shopper)


async def test_the_database_is_away(around):
    shopper = shopper_at(around.stack)
    checkout = await in_thread(shopper.order)
    form, values = await in_thread(shopper.fill_in, checkout)
    path = f"/checkout/{shopper.reference}/"
    await around.database.refuse()

    addresses = (path, "/", f"{path}result/", f"{path}status.json", "/readyz")
    *answers, refused = await asyncio.gather(
        *(in_thread(around.get, address) for address in addresses),
        in_thread(shopper.browser.submit, checkout, form, values),
    )
    *pages, document, readiness = answers
    for answer in [*pages, document]:
        assert (answer.status_code, bool(answer.headers.get("Retry-After"))) == (503, True)
        assert "Traceback" not in answer.text
        assert "psycopg" not in answer.text
    assert all("<h1>Not available right now</h1>" in page.text for page in pages)
    assert document.headers["Content-Type"] == "application/problem+json"
    assert refused.status == 503
    assert (readiness.status_code, readiness.json()["missing"]) == (503, ["database"])

    await around.back_to_normal()
    assert (await in_thread(shopper.pay, checkout)).url.endswith("/result/")
    await in_thread(paid_once, around.stack, shopper)


async def test_a_database_that_falls_silent_holds_nobody_for_long(around):
    shopper = shopper_at(around.stack)
    checkout = await in_thread(shopper.order)
    form, values = await in_thread(shopper.fill_in, checkout)
    around.database.hold()
    path = f"/checkout/{shopper.reference}/"
    *answers, refused = await asyncio.gather(
        *(in_thread(around.get, path) for _ in range(MORE_THAN_THREADS)),
        in_thread(shopper.browser.submit, checkout, form, values),
    )
    assert refused.status == 503
    assert {(answer.status_code, answer.headers.get("Retry-After")) for answer in answers} == {(503, "5")}
    assert (await in_thread(around.get, "/livez")).ok

    around.database.cut()
    await around.back_to_normal()
    page = await in_thread(shopper.resume)
    assert (await in_thread(shopper.pay, page)).url.endswith("/result/")
    await in_thread(paid_once, around.stack, shopper)


async def pay_in_vain(around):
    """Pay while the broker is down. Return the shopper and the page that asks to wait."""
    shopper = shopper_at(around.stack)
    checkout = await in_thread(shopper.order)
    form, values = await in_thread(shopper.fill_in, checkout)
    await around.broker.refuse()
    waiting = await in_thread(shopper.browser.submit, checkout, form, values)
    assert_patience(waiting)
    return shopper, waiting


def assert_patience(page):
    assert page.url.endswith("/status/")
    assert page.status == 200
    assert "Please do not pay again" in page.text


def go_back(shopper, page):
    """Send the form that leads back to the gateway. Return the page of the answer."""
    return shopper.browser.submit(page, page.form(to="/challenge/return/"))
