"""Scripted shoppers at a stack, and the rows of gateway and provider about their payments."""

from dataclasses import dataclass, field
from typing import Any

import psycopg
import requests

from checkout.tryout.browser import Browser, Page
from checkout.tryout.card import Card
from checkout.tryout.scenarios import CHALLENGE, FRICTIONLESS
from checkout.tryout.shopper import Shopper, acs_form, only_way_on
from tests.support.stack import Stack
from tests.support.waiting import wait_until

__all__ = [
    "CHALLENGE",
    "FRICTIONLESS",
    "Customer",
    "NotedCard",
    "approved",
    "paid_once",
    "rows",
    "shopper_at",
    "until_handled",
]


@dataclass(frozen=True)
class NotedCard(Card):
    """A card that remembers its sealed forms."""

    made: list[str] = field(default_factory=list)

    def sealed(self, public_key: str) -> str:
        self.made.append(super().sealed(public_key))
        return self.made[-1]


@dataclass
class Customer(Shopper):
    """A shopper with a `NotedCard`."""

    card: NotedCard


def shopper_at(stack: Stack, holder: str = FRICTIONLESS, **card: Any) -> Customer:
    """Return a shopper with a new browser. The holder's name on the card determines the outcome."""
    return Customer(Browser(), stack.web_url, NotedCard(holder, **card))


def approved(stack: Stack, shopper: Shopper) -> Page:
    """Pay and approve at the issuer. Return the page whose form leads back to the gateway."""
    challenge = shopper.pay(shopper.order())
    page = shopper.browser.submit(challenge, acs_form(challenge), press=("choice", "approve"))
    while (form := only_way_on(page)) and not form.action.startswith(stack.web_url):
        page = shopper.browser.submit(page, form)
    return page


def paid_once(stack: Stack, shopper: Shopper) -> None:
    """Wait until the payment is paid, and check that the provider's books have its amount once."""
    assert shopper.end("captured") == "captured"
    statement = requests.get(f"{stack.sandbox_url}/books.json", timeout=10).json()
    orders = [order for order in statement["orders"] if order["order_code"].startswith(shopper.reference)]
    events = [event["kind"] for order in orders for event in order["events"]]
    assert [events.count(kind) for kind in ("authorised", "capture_requested", "captured")] == [1, 1, 1]
    paid = next(order for order in orders if order["captured"])
    amounts = rows(stack, "SELECT amount_minor FROM payments_payment WHERE reference = %s", shopper.reference)
    assert amounts == [(paid["captured"],)]


def rows(stack: Stack, query: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Run a statement on the gateway's database, and return the rows, if any."""
    with psycopg.connect(stack.database_url, autocommit=True) as connection:
        cursor = connection.execute(query.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


def until_handled(stack: Stack, shopper: Shopper, type: str) -> None:
    """Wait until a service has handled a command of this type for the shopper's payment."""
    query = "SELECT 1 FROM payments_inboxmessage WHERE type = %s AND subject = %s"
    wait_until(lambda: rows(stack, query, type, shopper.reference), f"{type} to be handled")
