"""The web process dies while it holds a shopper's request: the payment is finished without it."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from checkout.tryout.browser import NotReachable
from tests.flows.stack.shopping import CHALLENGE, paid_once, shopper_at, until_handled
from tests.flows.stack.surroundings import paused

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(400)]


def test_killed_with_a_challenge_return_in_hand_the_payment_completes_and_a_reload_shows_it(start_stack):
    stack = start_stack()
    shopper = shopper_at(stack, CHALLENGE)
    challenge = shopper.pay(shopper.order())
    with ThreadPoolExecutor(1) as window, paused(stack.programs["payments"]):
        returning = window.submit(shopper.decide, challenge, "approve")
        until_handled(stack, shopper, "checkout.complete_challenge")
        assert not returning.done()
        stack.programs["web"].kill()
        with pytest.raises(NotReachable):
            returning.result()

    stack.programs["web"].start()
    stack.wait_until_ready()
    page = shopper.resume()
    assert page.url.endswith("/result/")
    assert "Payment complete" in page.text
    paid_once(stack, shopper)
