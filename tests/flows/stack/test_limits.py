"""Too many connections from one address: further ones are refused, and other addresses are not affected."""

from contextlib import ExitStack

import pytest

from checkout.payments.actions import status_token
from tests.flows.stack.shopping import shopper_at
from tests.flows.stack.test_bad_sockets import HANDSHAKE
from tests.flows.stack.wire import Wire, read
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(400)]

MOST = 2
JSON = ("Accept", "application/json")
# Anybody can send this header. It is believed only from a proxy that the setting names.
FROM_ELSEWHERE = ("X-Forwarded-For", "203.0.113.9")
ENVIRONMENT = {
    "CHECKOUT_MAX_HELD_PER_ADDRESS": str(MOST),
    "CHECKOUT_MAX_SOCKETS_PER_ADDRESS": str(MOST),
    "CHECKOUT_BODY_SECONDS": "60",
    "CHECKOUT_BODY_GRACE_SECONDS": "60",
}


def test_one_address_holds_so_many_requests_and_websockets_and_no_more(start_stack):
    stack = start_stack(web_environment=ENVIRONMENT)
    shopper = shopper_at(stack)
    shopper.order()
    page = f"/checkout/{shopper.reference}/"
    wire = Wire(stack.web_url)
    with ExitStack() as held:
        for _ in range(MOST):
            # The body never comes, so the request lasts as long as the client likes.
            held.enter_context(wire.opened()).sendall(wire.head("POST", page, [("Content-Length", "9")]))
        wait_until(lambda: wire.request("GET", page).status == 429, "the requests to be held")
        refused = wire.request("GET", page, headers=[JSON])
        refused.assert_clear(429, as_json=True)
        assert refused.headers["retry-after"] == "5"
        wire.request("GET", page).assert_clear(429, as_json=False)
        assert wire.request("GET", page, headers=[FROM_ELSEWHERE]).status == 429
        assert wire.request("GET", "/livez").status == 200
    wait_until(lambda: wire.request("GET", page).status == 200, "room for another one")

    socket = f"/ws{page}?token={status_token(shopper.reference)}"
    handshake = wire.head("GET", socket, [*HANDSHAKE, ("Origin", stack.web_url)])
    with ExitStack() as held:
        answers = []
        for _ in range(MOST + 1):
            connection = held.enter_context(wire.opened())
            connection.sendall(handshake)
            answers.append(read(connection, "GET"))
        assert [answer.status for answer in answers] == [*[101] * MOST, 429]
        answer = answers[-1]
        assert (answer.headers["retry-after"], answer.headers["content-type"]) == (
            "5",
            "application/problem+json",
        )
