"""A thousand held requests of the API at once, on the whole stack: threads and memory of the web process.

A shopper pays while the service that talks to the provider is stopped. Programs then ask for the payment with
``Prefer: wait=N``, and are answered when the service runs again.
"""

import time
from dataclasses import dataclass

import requests

from benchmarks.crowd import request_of, waiting_times
from benchmarks.held import allow_files
from benchmarks.process_figures import Figures, figures_of
from benchmarks.systems import BenchmarkError
from benchmarks.table import table
from checkout.conf.api import TRY_OUT_API_KEY
from tests.flows.stack.shopping import shopper_at
from tests.support.fresh_stack import fresh_stack
from tests.support.stack import Stack
from tests.support.waiting import wait_until

PER_SECOND = 100
WAIT_SECONDS = 60
# The time between the last request and the start of the service.
PAUSE_SECONDS = 5
WARM_UP = 100
MANY = "20000"
ENVIRONMENT = {
    "CHECKOUT_API_REQUESTS": "1000000",
    "CHECKOUT_API_HELD_PER_KEY": MANY,
    "CHECKOUT_API_AT_ONCE_PER_KEY": MANY,
    "CHECKOUT_API_LONGEST_WAIT_SECONDS": str(WAIT_SECONDS),
    "CHECKOUT_MAX_WAITERS": MANY,
    "CHECKOUT_MAX_HELD": MANY,
    "CHECKOUT_MAX_HELD_PER_ADDRESS": MANY,
    "CHECKOUT_MAX_CONNECTIONS_PER_ADDRESS": MANY,
    "CHECKOUT_REPLY_BUDGET_SECONDS": "1",
}


@dataclass(frozen=True)
class Held:
    """Figures of the web process before the requests, with all requests held, and after the answers."""

    count: int
    answered: int
    before: Figures
    during: Figures
    after: Figures


def measure(count: int) -> Held:
    """Hold so many requests at once. Raises BenchmarkError."""
    allow_files(count + 500)
    with fresh_stack(environment=ENVIRONMENT) as stack:
        web = stack.programs["web"].pid
        address = _pay_without_answer(stack)
        request = request_of("GET", address, Authorization=_KEY, Prefer="wait=1")
        waiting_times(address, request, WARM_UP, PER_SECOND, lambda: None)
        before, during = figures_of(web), figures_of(web)
        began = time.monotonic()

        def look() -> None:
            nonlocal during
            is_held = time.monotonic() > began + count / PER_SECOND + PAUSE_SECONDS
            if is_held and not stack.programs["payments"].is_alive:
                during = figures_of(web)
                stack.programs["payments"].start()

        request = request_of("GET", address, Authorization=_KEY, Prefer=f"wait={WAIT_SECONDS}")
        times = waiting_times(address, request, count, PER_SECOND, look)
        after = figures_of(web)
    if len(times) < count or min(times) < PAUSE_SECONDS:
        raise BenchmarkError(
            f"{len(times)} of {count} were held and answered, the first after {min(times)} s"
        )
    return Held(count, len(times), before, during, after)


def as_table(held: Held) -> str:
    """Return a table with one line for each of these moments."""
    head = [f"{held.answered:,} of {held.count:,} answered", "threads", "MB", "KB each", "CPU ms each"]
    each = (held.during.resident_bytes - held.before.resident_bytes) / held.count / 1000
    spent = 1000 * (held.after.cpu_seconds - held.before.cpu_seconds) / held.count
    lines = [
        [name, str(figures.threads), f"{figures.resident_bytes / 1e6:.1f}", kilobytes, milliseconds]
        for name, figures, kilobytes, milliseconds in (
            ("before", held.before, "", ""),
            (f"{held.count:,} held", held.during, f"{each:.1f}", ""),
            ("after", held.after, "", f"{spent:.2f}"),
        )
    ]
    return table(head, lines)


_KEY = f"Bearer {TRY_OUT_API_KEY}"


def _pay_without_answer(stack: Stack) -> str:
    """Return the address of a payment that stays in processing until the stopped service runs again."""
    order = {"order_reference": "held-1", "amount": 1250, "currency": "EUR", "description": "Tea"}
    headers = {"Authorization": _KEY, "Idempotency-Key": "held-1"}
    api = f"{stack.web_url}/api/v1/payments"
    shopper = shopper_at(stack)
    shopper.reference = requests.post(api, json=order, headers=headers, timeout=30).json()["id"]
    stack.programs["payments"].kill()
    page = shopper.order()
    shopper.browser.submit(page, *shopper.fill_in(page))
    address = f"{api}/{shopper.reference}"

    def is_processing() -> bool:
        return bool(requests.get(address, headers=headers, timeout=30).json()["state"] == "processing")

    wait_until(is_processing, "the payment's processing")
    return address
