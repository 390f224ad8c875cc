"""The webhooks process in the whole product: webhooks report a purchase, whatever happens to the process."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest
from standardwebhooks.webhooks import Webhook

from checkout.tryout.scenarios import FRICTIONLESS
from tests.flows.stack.shopping import rows, shopper_at
from tests.support.stack import Stack
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(400)]

CREATE = (
    "from checkout.webhooks import actions;"
    " print(actions.create_endpoint('{merchant}', 'http://127.0.0.1:{port}/').secret)"
)
UNSENT = "SELECT 1 FROM webhooks_delivery WHERE state <> 'delivered'"
LEASED = "SELECT 1 FROM webhooks_delivery WHERE lease <> '' AND next_try_at > now() + interval '30 seconds'"


class Shop(ThreadingHTTPServer):
    """A merchant's program. While it `is_stuck`, it answers no webhook."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.goes_on = threading.Event()
        self.goes_on.set()

    def events(self, secret: str) -> list[dict[str, Any]]:
        """Return the received events in their order, verified."""
        told = [Webhook(secret).verify(body, headers) for headers, body in self.received]
        return sorted(told, key=lambda event: event["sequence"])


class Handler(BaseHTTPRequestHandler):
    server: Shop

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.received.append((dict(self.headers), body))
        self.server.goes_on.wait(60)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Print nothing."""


@pytest.fixture
def shop() -> Iterator[Shop]:
    server = Shop()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.goes_on.set()
    server.shutdown()
    thread.join()
    server.server_close()


def registered(stack: Stack, shop: Shop) -> str:
    """Register the shop's endpoint, and return its secret."""
    ((merchant,),) = rows(stack, "SELECT code FROM payments_merchant")
    command = CREATE.format(merchant=merchant, port=shop.server_address[1])
    return stack.manage("shell", "--verbosity=0", "--command", command).split()[-1]


def test_a_purchase_is_told_event_by_event_also_when_the_process_is_killed_and_restarted(start_stack, shop):
    stack = start_stack()
    secret = registered(stack, shop)
    webhooks = stack.programs["webhooks"]
    shop.goes_on.clear()
    shopper = shopper_at(stack, FRICTIONLESS)
    shopper.pay(shopper.order())
    wait_until(lambda: shop.received and rows(stack, LEASED), "the first webhook")
    webhooks.kill()
    asked_first = {json.loads(body)["id"] for _, body in shop.received}
    shop.goes_on.set()
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        connection.execute("UPDATE webhooks_delivery SET next_try_at = now() WHERE lease <> ''")
    webhooks.start()
    wait_until(
        lambda: any(b'"payment.captured"' in body for _, body in shop.received) and not rows(stack, UNSENT),
        "every event to be told",
    )
    told = shop.events(secret)
    ids = [event["id"] for event in told]
    assert all(ids.count(each) == 2 for each in asked_first), "sent again with the same id"
    sequences = sorted({event["sequence"] for event in told})
    assert sequences == list(range(1, len(sequences) + 1)), "none is missing"
    assert webhooks.terminate() == 0
