"""An answer that takes longer than a request is held reaches the status page in three ways."""

import pytest
from playwright.sync_api import Route, expect

from tests.browser.flows.books import assert_paid_once
from tests.browser.flows.halting import halted
from tests.browser.flows.shopper import CHALLENGED, FRICTIONLESS, TEA_PRICE, Shopper

pytestmark = pytest.mark.browser

# Only on the status page: the result page would return to the shop before the test has read it.
FASTER_TIMEOUTS = """
    const real = setTimeout;
    if (location.pathname.endsWith("/status/"))
        window.setTimeout = (run, ms, ...rest) => real(run, ms / 10, ...rest);
"""


def expect_patience(shopper: Shopper) -> None:
    shopper.is_at("status", "We are confirming your payment")
    expect(shopper.page.get_by_role("status")).to_contain_text("Please do not pay again.")


def times_loaded(shopper: Shopper) -> int:
    return len([request for request in shopper.traffic.requests if request.url == shopper.url_of("status")])


def answer_that_nothing_is_new(route: Route) -> None:
    route.fulfill(status=202, json={"next": None})


def assert_the_result_comes_without_a_reload(shopper: Shopper) -> None:
    with halted(shopper.stack, "payments"):
        reference = shopper.order_and_pay(FRICTIONLESS)
        expect_patience(shopper)
    shopper.is_told_paid()
    assert times_loaded(shopper) == 1
    assert_paid_once(shopper.stack, reference, *TEA_PRICE)


def test_a_push_brings_the_result_without_a_reload(framed_shopper: Shopper) -> None:
    framed_shopper.page.route("**/status.json", answer_that_nothing_is_new)
    assert_the_result_comes_without_a_reload(framed_shopper)


def test_asking_brings_the_result_where_websockets_are_blocked(framed_shopper: Shopper) -> None:
    framed_shopper.page.route_web_socket("**/ws/**", lambda socket: socket.close())
    assert_the_result_comes_without_a_reload(framed_shopper)


@pytest.mark.parametrize(
    "lack",
    [
        "delete window.WebSocket",
        "window.WebSocket = class { constructor() { throw new DOMException('', 'SecurityError') } }",
        "delete AbortSignal.timeout",
    ],
)
def test_asking_brings_the_result_in_browsers_that_can_do_less(framed_shopper: Shopper, lack: str) -> None:
    framed_shopper.page.route_web_socket("**/ws/**", lambda socket: socket.close())
    framed_shopper.page.add_init_script(lack)
    assert_the_result_comes_without_a_reload(framed_shopper)


def test_a_question_that_the_network_swallows_is_asked_again(framed_shopper: Shopper) -> None:
    framed_shopper.page.add_init_script(FASTER_TIMEOUTS)
    framed_shopper.page.route_web_socket("**/ws/**", lambda socket: socket.close())
    swallowed: list[Route] = []
    framed_shopper.page.route("**/status.json", lambda route: swallowed.append(route), times=1)
    with halted(framed_shopper.stack, "payments"):
        reference = framed_shopper.order_and_pay(FRICTIONLESS)
        expect_patience(framed_shopper)
    framed_shopper.is_told_paid()
    assert len(swallowed) == 1
    assert times_loaded(framed_shopper) == 1
    assert_paid_once(framed_shopper.stack, reference, *TEA_PRICE)


def test_a_shopper_without_a_connection_is_told_so_until_it_is_back(framed_shopper: Shopper) -> None:
    framed_shopper.page.add_init_script(FASTER_TIMEOUTS)
    framed_shopper.page.route_web_socket("**/ws/**", lambda socket: socket.close())
    framed_shopper.page.route("**/status.json", lambda route: route.abort("internetdisconnected"))
    status = framed_shopper.page.get_by_role("status")
    with halted(framed_shopper.stack, "payments"):
        framed_shopper.order_and_pay(FRICTIONLESS)
        expect_patience(framed_shopper)
        expect(status).to_contain_text(
            "This page has no connection to us at the moment.", use_inner_text=True
        )
        framed_shopper.page.unroute("**/status.json")
        expect(status).not_to_contain_text("no connection", use_inner_text=True)
    framed_shopper.is_told_paid()
    complaints = framed_shopper.traffic.complaints
    complaints[:] = [each for each in complaints if "ERR_INTERNET_DISCONNECTED" not in each]


def test_the_page_loads_itself_again_where_there_is_no_javascript(framed_shopper: Shopper) -> None:
    framed_shopper.lose_javascript_when_paying()
    with halted(framed_shopper.stack, "payments"):
        reference = framed_shopper.order_and_pay(FRICTIONLESS)
        expect_patience(framed_shopper)
    framed_shopper.is_told_paid()
    assert times_loaded(framed_shopper) > 1
    assert_paid_once(framed_shopper.stack, reference, *TEA_PRICE)


def test_a_push_leads_on_to_a_challenge_that_comes_late(framed_shopper: Shopper) -> None:
    framed_shopper.page.route("**/status.json", answer_that_nothing_is_new)
    with halted(framed_shopper.stack, "payments"):
        reference = framed_shopper.order_and_pay(CHALLENGED)
        expect_patience(framed_shopper)
    framed_shopper.decide("Approve", framed_shopper.page.frame_locator('iframe[name="challenge"]'))
    framed_shopper.is_told_paid()
    assert_paid_once(framed_shopper.stack, reference, *TEA_PRICE)


def test_a_reload_while_the_answer_is_awaited_pays_nothing_twice(framed_shopper: Shopper) -> None:
    with halted(framed_shopper.stack, "payments"):
        reference = framed_shopper.order_and_pay(FRICTIONLESS)
        expect_patience(framed_shopper)
        framed_shopper.page.reload()
        expect_patience(framed_shopper)
        framed_shopper.page.goto(f"{framed_shopper.stack.web_url}/checkout/{reference}/")
        expect_patience(framed_shopper)
    framed_shopper.is_told_paid()
    assert_paid_once(framed_shopper.stack, reference, *TEA_PRICE)
