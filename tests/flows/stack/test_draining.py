"""SIGTERM for a web process that holds a request, a poll and a WebSocket: all are answered soon."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from checkout.payments.actions import status_token
from tests.flows.stack.shopping import paid_once, shopper_at, until_handled
from tests.flows.stack.surroundings import paused
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(400)]

# The reply budget is longer than the test, so that no wait ends because of it.
ENVIRONMENT = {"CHECKOUT_REPLY_BUDGET_SECONDS": "60", "CHECKOUT_DRAIN_SECONDS": "4"}


def readiness(stack):
    return requests.get(f"{stack.web_url}/readyz", timeout=10)


def code_at_the_end(socket):
    with suppress(ConnectionClosed):
        for _told in socket:
            pass
    return socket.close_code


def test_everybody_who_waits_is_answered_and_the_process_ends(start_stack):
    stack = start_stack(web_environment=ENVIRONMENT)
    web = stack.programs["web"]
    shopper = shopper_at(stack)
    checkout = shopper.order()
    status = f"{stack.web_url}/checkout/{shopper.reference}/status.json"
    socket_url = f"{stack.web_url}/ws/checkout/{shopper.reference}/?token={status_token(shopper.reference)}"
    with ThreadPoolExecutor(2) as windows, paused(stack.programs["payments"]):
        form, values = shopper.fill_in(checkout)
        paying = windows.submit(shopper.browser.submit, checkout, form, values)
        until_handled(stack, shopper, "checkout.submit_payment")
        polling = windows.submit(requests.get, status, headers={"Prefer": "wait=60"}, timeout=50)
        with connect(socket_url.replace("http", "ws"), origin=stack.web_url) as socket:
            assert "processing" in socket.recv(timeout=30)
            assert readiness(stack).status_code == 200

            os.kill(web.pid, signal.SIGTERM)
            wait_until(lambda: readiness(stack).status_code == 503, "/readyz to say no")
            assert code_at_the_end(socket) == 1012
        page = paying.result(timeout=30)
        assert (page.status, page.url.endswith("/status/")) == (200, True)
        assert "Please do not pay again" in page.text
        assert polling.result(timeout=30).status_code == 202
        # Until the load balancer has had time to notice, connections are accepted, but requests are not held.
        late = requests.get(status, headers={"Prefer": "wait=60"}, timeout=10)
        assert late.status_code == 202
        web.wait(seconds=20)
        assert "Traceback" not in web.text()

    web.start()
    stack.wait_until_ready()
    paid_once(stack, shopper)
