"""A purchase is one trace, to which later work is linked."""

from checkout.money import Money
from checkout.payments.actions import create_payment
from checkout.payments.models import Merchant
from checkout.web import held_tier
from messaging import traces
from messaging.concurrency.database import in_thread
from tests.flows.shopping import (
    PATIENCE_SECONDS,
    eventually,
    notify_all,
    pay,
    returned,
    saga_status,
)
from tests.support.memory_provider.books import Books
from tests.support.spans import Recorded, linked_traces, recorded_spans


async def purchased(shop: Merchant, spans: Recorded, books: Books) -> str:
    """Buy with 3-D Secure, each request of the shopper in a span of its own. Return the reference."""
    payment = await in_thread(
        create_payment,
        shop,
        order_reference="order-1",
        amount=Money(1250, "EUR"),
        lines=[{"sku": "tea", "quantity": 1}],
        description="Tea",
        shopper_email="shopper@example.com",
    )
    with traces.entry("pay", "server", {}, about=payment.reference):
        await pay(payment, "challenge")
    with traces.entry("return", "server", {}, about=payment.reference):
        await held_tier.answer(await returned(payment), budget_seconds=PATIENCE_SECONDS)
    await eventually(saga_status(payment), "completed")
    await eventually(lambda: bool(spans.of("process notifications.send_receipt")), True)
    return payment.reference


async def test_a_purchase_is_one_trace_with_the_calls_of_the_provider(
    shop: Merchant, back_end: None, books: Books
) -> None:
    with recorded_spans() as spans:
        reference = await purchased(shop, spans, books)
    lines = {span.name: list(spans.line_of(span)) for span in spans.trace_of(reference)}
    assert lines["authorise memory"] == [
        *("payment", "pay", "send checkout.submit_payment", "process checkout.submit_payment"),
        *("process risk.assess", "process reply to checkout"),
        *("process orders.reserve", "process reply to checkout"),
        *("process payments.authorise", "authorise memory"),
    ]
    answered = [
        *("payment", "return", "send checkout.complete_challenge", "process checkout.complete_challenge"),
        "process payments.complete_challenge",
    ]
    assert lines["complete_challenge memory"] == [*answered, "complete_challenge memory"]
    captured = [*answered, "process reply to checkout", "process payments.capture"]
    assert lines["capture memory"] == [*captured, "capture memory"]
    booked = [*captured, "process reply to checkout"]
    assert lines["process ledger.post"] == [*booked, "process ledger.post"]
    assert lines["process notifications.send_receipt"][: len(booked)] == booked


async def test_the_providers_notification_and_the_webhook_are_linked_to_the_payment(
    shop: Merchant, back_end: None, books: Books
) -> None:
    with recorded_spans() as spans:
        reference = await purchased(shop, spans, books)
        with traces.entry("notified", "server", {}):
            await notify_all(books)
        await eventually(lambda: bool(spans.of("process checkout.apply_provider_event")), True)
        await eventually(lambda: bool(spans.of("process webhooks")), True)
    for span in (*spans.of("process checkout.apply_provider_event"), *spans.of("process webhooks")):
        assert linked_traces(span) == {traces.trace_id_of(reference)}
    [request] = spans.of("notified")
    applied = spans.of("process checkout.apply_provider_event")[0]
    assert spans.line_of(applied)[0] == "notified"
    assert applied.context.trace_id == request.context.trace_id
