"""The checker finds what it is there to find: healthy evidence is clean, and each blemish is seen."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.evidence import (
    Attempt,
    Evidence,
    LedgerEntry,
    Operation,
    Order,
    Payment,
    Saga,
    Step,
)
from tests.faults.invariants import INVARIANTS, violations_of
from tests.faults.recorder import Asked, Seen

PAID, REFUSED = "pay_1", "pay_2"


def healthy() -> Evidence:
    """One payment that was captured and partly refunded, and one that was refused."""
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
        steps={
            PAID: steps(
                PAID,
                ("submitted", "shopper", ""),
                ("authorised", "saga", "authorised"),
                ("capture_requested", "saga", "capture_pending"),
                ("captured", "saga", "captured"),
                ("refunded_in_part", "saga", "partially_refunded"),
            ),
            REFUSED: steps(REFUSED, ("submitted", "shopper", ""), ("refused", "saga", "refused")),
        },
        reservations={PAID: "confirmed", REFUSED: "released"},
        orders={
            "pay_1-1": Order("pay_1-1", "GBP", 1, 1000, 0, 1000, 1000, 300, 300),
            "pay_2-1": Order("pay_2-1", "GBP", 0, 0, 0, 0, 0, 0, 0),
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
    )


def posting(name: str, debit: str, credit: str, minor: int) -> list[LedgerEntry]:
    return [LedgerEntry(PAID, name, debit, minor), LedgerEntry(PAID, name, credit, -minor)]


def steps(payment: str, *events: tuple[str, str, str]) -> list[Step]:
    return [Step(payment, event, actor, state) for event, actor, state in events]


def told(at: float, payment: str, state: str, *, is_paid: bool = False) -> Seen:
    return Seen(at, 0.1, payment, "GET status.json", 200, state, is_paid=is_paid)


def order(evidence: Evidence, **changes: Any) -> None:
    evidence.orders["pay_1-1"] = replace(evidence.orders["pay_1-1"], **changes)


def state(evidence: Evidence, payment: str, new: str) -> None:
    evidence.payments[payment] = replace(evidence.payments[payment], state=new)


def forget_payment(evidence: Evidence) -> None:
    del evidence.payments[REFUSED]


def lose_operation(evidence: Evidence) -> None:
    evidence.asked.append(Asked(PAID, "refund", 5, "other", "op_9"))


def unknown_order(evidence: Evidence) -> None:
    evidence.orders["pay_9-1"] = replace(evidence.orders["pay_1-1"], code="pay_9-1")


def second_authorisation(evidence: Evidence) -> None:
    evidence.attempts[PAID].append(Attempt(PAID, "pay_1-2", "refused"))
    evidence.orders["pay_1-2"] = Order("pay_1-2", "GBP", 1, 1000, 0, 0, 0, 0, 0)


def running_saga(evidence: Evidence) -> None:
    evidence.sagas[PAID].append(Saga(PAID, "refund", "inquire", "running"))


def parked_saga(evidence: Evidence) -> None:
    evidence.sagas[PAID].append(Saga(PAID, "refund", "inquire", "parked"))


def held_after_refusal(evidence: Evidence) -> None:
    evidence.orders["pay_2-1"] = replace(evidence.orders["pay_2-1"], authorisations=1, authorised=500)


def stock_not_released(evidence: Evidence) -> None:
    evidence.reservations[REFUSED] = "reserved"


def sold_and_not_paid(evidence: Evidence) -> None:
    evidence.reservations[REFUSED] = "confirmed"


def wrong_posting(evidence: Evidence) -> None:
    evidence.ledger[PAID][1] = replace(evidence.ledger[PAID][1], minor=-999)


def posted_twice(evidence: Evidence) -> None:
    evidence.ledger[PAID] += posting("captured:x", "provider:captured", "provider:in_process", 1000)


def operation_not_done(evidence: Evidence) -> None:
    evidence.operations[PAID][1] = replace(evidence.operations[PAID][1], state="refused")


def told_paid_too_early(evidence: Evidence) -> None:
    evidence.histories[REFUSED].insert(1, told(1.5, REFUSED, "authorised", is_paid=True))


def told_paid_and_voided(evidence: Evidence) -> None:
    state(evidence, PAID, "voided")


def told_back_and_forth(evidence: Evidence) -> None:
    evidence.histories[PAID].append(told(3, PAID, "processing"))


def server_error(evidence: Evidence) -> None:
    evidence.histories[PAID].append(Seen(3, 0.1, PAID, "GET /", 500))


def two_answers_to_one_key(evidence: Evidence) -> None:
    evidence.asked.append(Asked(PAID, "refund", 300, "k", "op_1"))


def two_operations_with_one_key(evidence: Evidence) -> None:
    evidence.operations[PAID][0] = replace(evidence.operations[PAID][0], key="k")


def impossible_step(evidence: Evidence) -> None:
    evidence.steps[REFUSED].append(Step(REFUSED, "captured", "provider", "captured"))


def silent_step(evidence: Evidence) -> None:
    evidence.steps[PAID].pop()


def poison_lost(evidence: Evidence) -> None:
    evidence.poison_sent = 3


BLEMISHES: list[tuple[str, Callable[[Evidence], object]]] = [
    ("I1", forget_payment),
    ("I1", lose_operation),
    ("I1", unknown_order),
    ("I2", second_authorisation),
    ("I2", lambda evidence: order(evidence, authorisations=2)),
    ("I2", lambda evidence: order(evidence, capture_requested=1001)),
    ("I2", lambda evidence: order(evidence, captured=1001)),
    ("I2", lambda evidence: order(evidence, refund_requested=1001)),
    ("I2", lambda evidence: order(evidence, cancelled=1)),
    ("I3", running_saga),
    ("I3", parked_saga),
    ("I3", lambda evidence: state(evidence, PAID, "confirming")),
    ("I3", lambda evidence: state(evidence, PAID, "conflicted")),
    ("I4", held_after_refusal),
    ("I4", stock_not_released),
    ("I4", sold_and_not_paid),
    ("I5", wrong_posting),
    ("I5", posted_twice),
    ("I5", operation_not_done),
    ("I5", lambda evidence: order(evidence, captured=999)),
    ("I5", lambda evidence: evidence.differences.append("pay_1-1 captured: 1 / 2")),
    ("I6", told_paid_too_early),
    ("I6", told_paid_and_voided),
    ("I6", told_back_and_forth),
    ("I6", server_error),
    ("I7", two_answers_to_one_key),
    ("I7", two_operations_with_one_key),
    ("I8", lambda evidence: evidence.leaks.append("web holds 900 descriptors, 20 before")),
    ("I9", impossible_step),
    ("I9", silent_step),
    ("I10", lambda evidence: evidence.secrets.append("a card number in the log of web")),
    ("I11", lambda evidence: evidence.unpublished.append("payments.capture")),
    ("I11", lambda evidence: evidence.unhandled.append("payments.capture")),
    ("I11", lambda evidence: evidence.answered_twice.append("2 replies to m-1")),
    ("I11", lambda evidence: evidence.dead.append("payments.capture")),
    ("I11", lambda evidence: evidence.queued.update({"checkout.dead": 1})),
    ("I11", poison_lost),
    ("P", lambda evidence: evidence.mishaps.append("relay ended by itself with code 1")),
]


def test_healthy_evidence_is_clean():
    assert violations_of(healthy()) == []


@pytest.mark.parametrize(("invariant", "blemish"), BLEMISHES)
def test_a_blemish_is_seen(invariant, blemish):
    evidence = healthy()
    blemish(evidence)
    assert invariant in {violation.invariant for violation in violations_of(evidence)}


def test_every_invariant_has_a_blemish_that_it_finds():
    assert {invariant for invariant, _ in BLEMISHES} == set(INVARIANTS)


def test_two_answers_that_were_under_way_at_once_may_differ_in_either_order():
    evidence = healthy()
    evidence.histories[PAID].append(
        replace(told(2.05, PAID, "processing"), seconds=0.5),
    )
    assert violations_of(evidence) == []
