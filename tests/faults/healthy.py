"""Invented evidence without a violation, for the tests of the invariants."""

from tests.faults.evidence import (
    Attempt,
    Charge,
    Event,
    Evidence,
    LedgerEntry,
    Operation,
    Payment,
    Saga,
    SavedCard,
    Statement,
)
from tests.faults.merchant.endpoint import Told
from tests.faults.provider_books import Entry, Order
from tests.faults.recorder import Asked, Repeated, Seen

PAID, REFUSED = "pay_1", "pay_2"

EVENTS = {
    PAID: [
        Told("evt_1", PAID, 1, "payment.created", "open"),
        Told("evt_2", PAID, 2, "payment.processing", "processing"),
        Told("evt_3", PAID, 3, "payment.capture_pending", "capture_pending"),
        Told("evt_4", PAID, 4, "payment.captured", "captured"),
        Told("evt_5", PAID, 5, "payment.partially_refunded", "partially_refunded"),
        Told("evt_6", PAID, 6, "refund.succeeded", "succeeded"),
    ],
    REFUSED: [
        Told("evt_7", REFUSED, 1, "payment.created", "open"),
        Told("evt_8", REFUSED, 2, "payment.processing", "processing"),
        Told("evt_9", REFUSED, 3, "payment.declined", "declined"),
    ],
}


def healthy() -> Evidence:
    """Return evidence of a payment that was captured and partly refunded, and of one that was refused."""
    capture, refund = (
        Operation(PAID, "op_1", "capture", 1000, "done", "saga", ""),
        Operation(PAID, "op_2", "refund", 300, "done", "staff", "k"),
    )
    return Evidence(
        payments={
            PAID: Payment(PAID, "order-1", "partially_refunded", 1000, "GBP"),
            REFUSED: Payment(REFUSED, "order-2", "refused", 500, "GBP"),
        },
        attempts={
            PAID: [Attempt(PAID, "pay_1-1", "authorised")],
            REFUSED: [Attempt(REFUSED, "pay_2-1", "refused")],
        },
        operations={PAID: [capture, refund]},
        sagas={
            PAID: [Saga(PAID, "purchase", "finished", "completed")],
            REFUSED: [Saga(REFUSED, "purchase", "release_stock", "compensated")],
        },
        ledger={
            PAID: [
                *posting("capture_requested:op_1", "provider:in_process", "merchant:payable", 1000),
                *posting("captured:op_1", "provider:captured", "provider:in_process", 1000),
                *posting("refunded:op_2", "merchant:payable", "provider:captured", 300),
            ]
        },
        reservations={PAID: "confirmed", REFUSED: "released"},
        statements={
            PAID: [
                Statement(PAID, "notified_captured", "10.01 GBP", "op_1", "says 10.01, we asked for 10.00"),
                Statement(PAID, "notified_captured", "10.00 GBP", "op_1", ""),
                Statement(PAID, "notified_refunded", "3.00 GBP", "op_2", ""),
            ]
        },
        late_returns={REFUSED},
        orders={
            "pay_1-1": Order(
                "pay_1-1",
                authorisations=1,
                authorised=1000,
                capture_requested=1000,
                captured=1000,
                refund_requested=300,
                refunded=300,
                entries=(
                    Entry(1, "authorised", 1000, ""),
                    Entry(2, "capture_requested", 1000, "op_1"),
                    Entry(3, "captured", 1000, "op_1"),
                    Entry(4, "refund_requested", 300, "op_2"),
                    Entry(5, "refunded", 300, "op_2"),
                ),
            ),
            "pay_2-1": Order("pay_2-1"),
        },
        histories={
            PAID: [told(1, PAID, "processing"), told(2, PAID, "capture_pending", is_paid=True)],
            REFUSED: [told(1, REFUSED, "processing"), told(2, REFUSED, "refused")],
        },
        asked=[
            Asked(PAID, "refund", 300, "k", "op_2"),
            Asked(PAID, "refund", 300, "k", "op_2"),
            Asked(PAID, "refund", 301, "k", "DuplicateRequest"),
        ],
        repeated=[Repeated(PAID, "/payments/pay_1/refund", "k", is_same=True)],
        events={payment: [Event(each) for each in of_payment] for payment, of_payment in EVENTS.items()},
        cards=[SavedCard("card_1", PAID, "ann", "1 ann", "1 ann", is_removed=True, is_owed=False)],
        charges=[Charge(PAID, "pay_1-1", "card_1", began=100.0, is_anothers=False)],
        ticked={PAID},
        removed={"card_1": 200.0},
        charges_refused={"order-3"},
        told={each.event: each for of_payment in EVENTS.values() for each in of_payment},
        heard={each.event for of_payment in EVENTS.values() for each in of_payment},
    )


def posting(name: str, debit: str, credit: str, minor: int) -> list[LedgerEntry]:
    return [LedgerEntry(PAID, name, debit, minor), LedgerEntry(PAID, name, credit, -minor)]


def told(at: float, payment: str, state: str, *, is_paid: bool = False) -> Seen:
    return Seen(at, 0.1, payment, "GET status.json", 200, state, is_paid=is_paid)
