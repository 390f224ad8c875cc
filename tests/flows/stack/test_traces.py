"""One purchase with 3-D Secure on the whole stack, as a collector of traces receives it."""

from collections.abc import Callable

import pytest

from messaging import traces
from tests.flows.stack.shopping import CHALLENGE, approved, paid_once, shopper_at
from tests.support.otlp import Received, Receiver, receiving
from tests.support.stack import Stack
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.timeout(400)]


# Each span after its parent.
PARENTS = {
    ("", "web: payment"),
    ("web: payment", "web: POST checkout:pay"),
    ("web: POST checkout:pay", "web: send checkout.submit_payment"),
    ("web: send checkout.submit_payment", "checkout: process checkout.submit_payment"),
    ("checkout: process checkout.submit_payment", "risk: process risk.assess"),
    ("risk: process risk.assess", "checkout: process reply to checkout"),
    ("checkout: process reply to checkout", "orders: process orders.reserve"),
    ("orders: process orders.reserve", "checkout: process reply to checkout"),
    ("checkout: process reply to checkout", "payments: process payments.authorise"),
    ("payments: process payments.authorise", "payments: authorise worldpay_wpg"),
    ("payments: process payments.authorise", "checkout: process reply to checkout"),
    ("web: payment", "web: POST checkout:challenge_return"),
    ("web: POST checkout:challenge_return", "web: send checkout.complete_challenge"),
    ("web: send checkout.complete_challenge", "checkout: process checkout.complete_challenge"),
    ("checkout: process checkout.complete_challenge", "payments: process payments.complete_challenge"),
    ("payments: process payments.complete_challenge", "payments: complete_challenge worldpay_wpg"),
    ("payments: process payments.complete_challenge", "checkout: process reply to checkout"),
    ("checkout: process reply to checkout", "payments: process payments.capture"),
    ("payments: process payments.capture", "payments: capture worldpay_wpg"),
    ("payments: process payments.capture", "checkout: process reply to checkout"),
    ("checkout: process reply to checkout", "ledger: process ledger.post"),
    ("checkout: process reply to checkout", "orders: process orders.confirm"),
    ("orders: process orders.confirm", "checkout: process reply to checkout"),
    ("checkout: process reply to checkout", "notifications: process notifications.send_receipt"),
}
LATER = {"process checkout.apply_provider_event", "process payments.apply_notification", "process webhooks"}


def programs_in(trace: dict[bytes, Received]) -> set[str]:
    return {each.program for each in trace.values()}


def linked_to(receiver: Receiver, trace_id: bytes) -> set[str]:
    """Return the names of spans of other traces that are linked to this one."""
    return {
        each.name
        for each in list(receiver.spans)
        if each.span.trace_id != trace_id and trace_id in {link.trace_id for link in each.span.links}
    }


def parents_in(trace: dict[bytes, Received]) -> set[tuple[str, str]]:
    """Return each span after its parent, by program and name. The first span has no parent."""
    return {
        (
            f"{parent.program}: {parent.name}" if (parent := trace.get(each.span.parent_span_id)) else "",
            f"{each.program}: {each.name}",
        )
        for each in trace.values()
    }


def test_one_purchase_is_one_trace_of_all_processes(start_stack: Callable[..., Stack]) -> None:
    with receiving() as receiver:
        stack = start_stack(
            environment={"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        )
        shopper = shopper_at(stack, CHALLENGE)
        back = approved(stack, shopper)
        shopper.browser.submit(back, back.document.forms[0])
        paid_once(stack, shopper)
        trace_id = bytes.fromhex(traces.trace_id_of(shopper.reference))
        programs = {"web", "checkout", "risk", "orders", "payments", "ledger", "notifications"}
        wait_until(lambda: programs_in(receiver.trace(trace_id)) == programs, "spans of all programs")
        wait_until(lambda: linked_to(receiver, trace_id) >= LATER, "the notification and the events")
    trace = receiver.trace(trace_id)
    assert parents_in(trace) == PARENTS
    everything = " ".join(f"{each.name} {each.span.attributes}" for each in receiver.spans)
    secrets = (shopper.card.number, *shopper.card.made, "?", "@example", stack.sandbox_url)
    assert [secret for secret in secrets if secret in everything] == []
