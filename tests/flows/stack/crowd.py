"""Shoppers who go on buying while a test causes an outage, and all answers to them."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urlsplit

import requests

from checkout.tryout.browser import Browser, Hop, NotReachable, Page
from checkout.tryout.documents import UnexpectedPage
from checkout.tryout.shopper import acs_form, only_way_on
from tests.flows.stack.shopping import CHALLENGE, FRICTIONLESS, Customer, NotedCard, rows
from tests.support.stack import Stack
from tests.support.waiting import wait_until

PAID = ("<h1>Payment complete</h1>", "<h1>Payment accepted</h1>")
NOT_SENT = "could not be made just now"
CARD_MISSING = "Please enter them again"
# States in which a payment with automatic capture must not stay.
OPEN = """
    SELECT reference, state FROM payments_payment
    WHERE state IN ('processing', 'confirming', 'authorised', 'capture_pending')
"""
WHERE_THEY_STAND = """
    SELECT payment.reference, state, kind, step, status, awaiting, deadline_at::text, saga.updated_at::text
    FROM payments_payment payment JOIN payments_saga saga ON saga.payment_id = payment.id
    WHERE state IN ('processing', 'confirming', 'authorised', 'capture_pending')
"""
# The pause between two purchases of a shopper. It limits their number in an outage, where each ends fast.
PAUSE_SECONDS = 1.0
# After an outage a payment may still wait for a card that never came, and then be paid.
SETTLED_SECONDS = 120


@dataclass
class Crowd:
    """A context in which `size` shoppers buy one thing after another; half of them are challenged."""

    stack: Stack
    size: int = 4
    hops: list[Hop] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    told_paid: list[str] = field(default_factory=list)
    patient: list[Customer] = field(default_factory=list)
    _enough: threading.Event = field(default_factory=threading.Event)
    _buying: list["Future[None]"] = field(default_factory=list)
    _threads: ThreadPoolExecutor = field(init=False)

    def __enter__(self) -> "Crowd":
        self._threads = ThreadPoolExecutor(self.size)
        holders = (CHALLENGE, FRICTIONLESS)
        self._buying = [
            self._threads.submit(self._buy_until_told, holders[number % 2]) for number in range(self.size)
        ]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._enough.set()
        self._threads.shutdown()
        if kind is None:
            for buying in self._buying:
                buying.result()

    def until_more_have_paid(self, count: int = 6, *, seconds: float = 60) -> float:
        """Wait until so many more shoppers have seen that they have paid. Return the seconds."""
        enough, began = len(self.told_paid) + count, time.monotonic()
        wait_until(lambda: len(self.told_paid) >= enough, f"{count} purchases more", seconds=seconds)
        return time.monotonic() - began

    def when_the_patient_come_back(self) -> dict[str, int]:
        """Let shoppers return who were asked to wait. Return the number of purchases by ending."""
        with ThreadPoolExecutor(self.size) as windows:
            ends = list(windows.map(self._come_back, self.patient))
        return {end: ends.count(end) for end in sorted(set(ends))}

    @property
    def answers(self) -> dict[int, int]:
        """Return the number of the gateway's answers by status."""
        statuses = [hop.status for hop in self.hops if self._is_ours(hop.url)]
        return {status: statuses.count(status) for status in sorted(set(statuses))}

    @property
    def longest_seconds(self) -> float:
        """Return the longest time of any answer by the gateway."""
        return max(hop.duration.total_seconds() for hop in self.hops if self._is_ours(hop.url))

    @property
    def url(self) -> str:
        """Return the gateway's address for shoppers."""
        return self.stack.web_url

    def newcomer(self, holder: str) -> Customer:
        """Return a new shopper with a browser and a card."""
        return Customer(Browser(self.hops.append), self.url, NotedCard(holder))

    def _buy_until_told(self, holder: str) -> None:
        while not self._enough.wait(PAUSE_SECONDS):
            shopper = self.newcomer(holder)
            try:
                page = self._buy(shopper)
            except (UnexpectedPage, NotReachable) as error:
                last = f"after {shopper.browser.hops[-1].status}" if shopper.browser.hops else ""
                self.failures.append(f"{shopper.reference} {type(error).__name__} {last}: {error}")
            else:
                if is_paid(page):
                    self.told_paid.append(shopper.reference)
                else:
                    self.patient.append(shopper)

    def _buy(self, shopper: Customer) -> Page:
        """Buy one thing, until it is paid or the status page appears."""
        checkout = shopper.order()
        form, values = shopper.fill_in(checkout)
        page = self._forward(shopper, shopper.browser.submit(checkout, form, values))
        if not self._is_ours(page.url):
            page = shopper.browser.submit(page, acs_form(page), press=("choice", "approve"))
            page = self._forward(shopper, page)
        if is_paid(page) or "Please do not pay again" in page.text:
            return page
        raise UnexpectedPage(f"{page.url} answered {page.status}")

    def _come_back(self, shopper: Customer) -> str:
        """Open the status page again and complete a challenge if there is one. Return the ending."""
        wait_until(lambda: shopper.status().get("next"), "news on the status page", seconds=SETTLED_SECONDS)
        status = f"{self.url}/checkout/{shopper.reference}/status/"
        page = shopper.follow(shopper.browser.open(status))
        if not self._is_ours(page.url):
            page = shopper.decide(page, "approve")
        if CARD_MISSING in page.text:
            return "card to be entered again"
        if NOT_SENT in page.text:
            # The outage came between committing the intent and sending the request, so no request was sent.
            return "to be tried again"
        if not is_paid(page):
            raise UnexpectedPage(f"{page.url} answered {page.status}: {page.text}")
        self.told_paid.append(shopper.reference)
        return "paid"

    def _forward(self, shopper: Customer, page: Page) -> Page:
        while form := only_way_on(page):
            page = shopper.browser.submit(page, form)
        return page

    def _is_ours(self, url: str) -> bool:
        return urlsplit(url).netloc == urlsplit(self.url).netloc


def is_paid(page: Page) -> bool:
    return any(words in page.text for words in PAID)


def assert_settled(crowd: Crowd) -> dict[str, int]:
    """Wait until every payment has ended and the provider's books agree.

    Return the number of payments by final state.
    """
    stack = crowd.stack
    try:
        wait_until(lambda: not rows(stack, OPEN), "every payment to come to an end", seconds=SETTLED_SECONDS)
    except AssertionError as error:
        raise AssertionError(f"{error}: {rows(stack, WHERE_THEY_STAND)}\n{stack.log_tails(40)}") from None
    wait_until(lambda: _differences(stack) == [], "the provider's books to agree", seconds=30)
    states = dict(rows(stack, "SELECT reference, state FROM payments_payment"))
    assert {states[reference] for reference in crowd.told_paid} == {"captured"}
    return {state: list(states.values()).count(state) for state in sorted(set(states.values()))}


def _differences(stack: Stack) -> list[tuple[str, str, int, int]]:
    """Return payments whose captured amounts differ between the provider and the gateway."""
    orders = requests.get(f"{stack.sandbox_url}/books.json?brief=1", timeout=30).json()["orders"]
    captured: dict[str, int] = {}
    for order in orders:
        payment = order["order_code"].rpartition("-")[0]
        captured[payment] = captured.get(payment, 0) + order["captured"]
    ours = rows(stack, "SELECT reference, state, amount_minor FROM payments_payment")
    return [
        (reference, state, amount, captured.get(reference, 0))
        for reference, state, amount in ours
        if captured.get(reference, 0) != (amount if state == "captured" else 0)
    ]
