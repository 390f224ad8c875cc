"""The money in the sandbox's books, which every browser flow checks at its end."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import requests

from tests.support.stack import Stack
from tests.support.waiting import wait_until


def assert_paid_once(stack: Stack, reference: str, minor: int, currency: str) -> None:
    """Wait until exactly this amount is captured, and check that all attempts have one authorisation."""
    wait_until(lambda: state_of(stack, reference) == "captured", f"the capture of {reference}")
    events = list(_events(stack, reference))
    kinds = Counter(event["kind"] for event in events)
    assert (kinds["authorised"], kinds["capture_requested"], kinds["captured"]) == (1, 1, 1), kinds
    assert {event["amount"] for event in events if event["kind"] == "captured"} == {minor}
    (paid,) = [order for order in _orders(stack, reference) if order["authorised"]]
    amounts = (paid["authorised"], paid["captured"], paid["cancelled"], paid["refunded"])
    assert (*amounts, paid["currency"]) == (minor, minor, 0, 0, currency)


def assert_nothing_taken(stack: Stack, reference: str, *, tries: int = 1) -> None:
    """Check that the provider received this many attempts and authorised none of them."""
    assert len(_orders(stack, reference)) == tries
    kinds = {event["kind"] for event in _events(stack, reference)}
    assert not kinds & {"authorised", "capture_requested", "captured"}, kinds


def given_back(stack: Stack, reference: str) -> int:
    """Return the sum that the provider has refunded for all attempts, in minor units."""
    return sum(order["refunded"] for order in _orders(stack, reference))


def state_of(stack: Stack, reference: str) -> str:
    """Return the payment's state in the gateway."""
    answer = requests.get(f"{stack.web_url}/checkout/{reference}/status.json", timeout=10)
    return str(answer.json()["state"])


def _orders(stack: Stack, reference: str) -> list[dict[str, Any]]:
    statement = requests.get(f"{stack.sandbox_url}/books.json", timeout=10).json()
    return [order for order in statement["orders"] if order["order_code"].startswith(f"{reference}-")]


def _events(stack: Stack, reference: str) -> Iterator[dict[str, Any]]:
    for order in _orders(stack, reference):
        yield from order["events"]
