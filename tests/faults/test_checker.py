"""Tests of the invariants: healthy evidence has no violation, and each blemish is found."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.evidence import (
    Attempt,
    DeadLetter,
    Event,
    Evidence,
    Fact,
    Operation,
    Saga,
    Statement,
)
from tests.faults.healthy import EVENTS, PAID, REFUSED, healthy, posting, told
from tests.faults.invariants import INVARIANTS, violations_of
from tests.faults.merchant.endpoint import Told
from tests.faults.provider_books import Entry, Order
from tests.faults.recorder import Asked, Repeated, Seen


def dead(payment: str = PAID, *, is_open: bool = True) -> DeadLetter:
    return DeadLetter(payment, "payments.capture", "17", "payments", "5 attempts failed", is_open)


def order(evidence: Evidence, **changes: Any) -> None:
    evidence.orders["pay_1-1"] = replace(evidence.orders["pay_1-1"], **changes)


def state(evidence: Evidence, payment: str, new: str) -> None:
    evidence.payments[payment] = replace(evidence.payments[payment], state=new)


def erase_payment(evidence: Evidence) -> None:
    del evidence.payments[REFUSED]


def lose_operation(evidence: Evidence) -> None:
    evidence.asked.append(Asked(PAID, "refund", 5, "other", "op_9"))


def unknown_order(evidence: Evidence) -> None:
    evidence.orders["pay_9-1"] = replace(evidence.orders["pay_1-1"], code="pay_9-1")


def second_authorisation(evidence: Evidence) -> None:
    evidence.attempts[PAID].append(Attempt(PAID, "pay_1-2", "refused"))
    evidence.orders["pay_1-2"] = Order("pay_1-2", authorisations=1, authorised=1000)


def entry(evidence: Evidence, kind: str, minor: int, reference: str) -> None:
    known = evidence.orders["pay_1-1"]
    order(evidence, entries=(*known.entries, Entry(9, kind, minor, reference)))


def more_is_asked_for_than_was_denied(evidence: Evidence) -> None:
    order(evidence, refund_requested=1301, refund_denied=300)


def booked_with_another_amount(evidence: Evidence) -> None:
    """Let the provider have booked 2.99 of a refund of 3.00, and balance the books elsewhere."""
    entries = evidence.orders["pay_1-1"].entries
    order(evidence, entries=(*entries[:-1], replace(entries[-1], minor=299)))


def charge_back(evidence: Evidence) -> None:
    """Add a partial charge-back that is in our books, too."""
    evidence.operations[PAID].append(Operation(PAID, "op_3", "charge_back", 200, "done", "provider", ""))
    evidence.ledger[PAID] += posting("charged_back:op_3", "merchant:payable", "provider:captured", 200)
    order(evidence, charged_back=200)
    state(evidence, PAID, "charged_back")
    add_event(evidence, Told("evt_10", PAID, 7, "payment.disputed", "disputed"))


def charged_back_unheard(evidence: Evidence) -> None:
    order(evidence, charged_back=200)


def reversal_unheard(evidence: Evidence) -> None:
    charge_back(evidence)
    order(evidence, charged_back=0)


def posted_too_early(evidence: Evidence) -> None:
    evidence.ledger[PAID] = [
        replace(each, at=2.5) if each.posting == "captured:op_1" else each for each in evidence.ledger[PAID]
    ]


def posted_and_never_booked(evidence: Evidence) -> None:
    known = evidence.orders["pay_1-1"].entries
    order(evidence, entries=tuple(each for each in known if each.kind != "captured"))


def believed(evidence: Evidence, amount: str) -> None:
    evidence.statements[PAID].append(Statement(PAID, "notified_refunded", amount, "op_2", ""))


def let_in_too_late(evidence: Evidence) -> None:
    evidence.facts[REFUSED] = [Fact(REFUSED, "challenge_returned", "shopper")]


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


def impossible_move(evidence: Evidence) -> None:
    state(evidence, REFUSED, "challenge_required")
    move = Told("evt_10", REFUSED, 4, "payment.action_required", "action_required")
    evidence.events[REFUSED].append(Event(move))


def silent_move(evidence: Evidence) -> None:
    del evidence.events[PAID][4]


def answered_differently(evidence: Evidence) -> None:
    evidence.repeated.append(Repeated(PAID, "/payments", "k", is_same=False))


def add_event(evidence: Evidence, event: Told) -> None:
    evidence.events[PAID].append(Event(event))
    evidence.told[event.event] = event
    evidence.heard.add(event.event)


def move_without_event(evidence: Evidence) -> None:
    evidence.events[PAID] = [*evidence.events[PAID][:4], Event(EVENTS[PAID][5])]


def webhook_differs(evidence: Evidence) -> None:
    evidence.told["evt_6"] = replace(evidence.told["evt_6"], sequence=3)


def card(evidence: Evidence, **changes: Any) -> None:
    evidence.cards[0] = replace(evidence.cards[0], **changes)


def charged(evidence: Evidence, **changes: Any) -> None:
    evidence.charges[0] = replace(evidence.charges[0], **changes)


def erased_and_named(evidence: Evidence) -> None:
    evidence.erased[PAID] = 200.0


def erased_and_kept(evidence: Evidence) -> None:
    card(evidence, customer="", is_removed=False)
    evidence.erased[PAID] = 200.0
    evidence.removed.clear()


def charged_after_the_erasure(evidence: Evidence) -> None:
    card(evidence, customer="")
    evidence.erased[PAID] = 200.0
    evidence.removed.clear()
    charged(evidence, began=201.0)


def poison_lost(evidence: Evidence) -> None:
    evidence.poison_sent = 3


BLEMISHES: list[tuple[str, Callable[[Evidence], object]]] = [
    ("I1", erase_payment),
    ("I1", lose_operation),
    ("I1", unknown_order),
    ("I2", second_authorisation),
    ("I2", lambda evidence: order(evidence, authorisations=2)),
    ("I2", lambda evidence: order(evidence, capture_requested=1001)),
    ("I2", lambda evidence: order(evidence, captured=1001)),
    ("I2", lambda evidence: order(evidence, refund_requested=1001)),
    ("I2", lambda evidence: order(evidence, cancelled=1)),
    ("I2", more_is_asked_for_than_was_denied),
    ("I2", lambda evidence: entry(evidence, "capture_requested", 1000, "op_1")),
    ("I2", lambda evidence: entry(evidence, "refund_requested", 300, "op_2")),
    ("I3", running_saga),
    ("I3", parked_saga),
    ("I3", lambda evidence: state(evidence, PAID, "confirming")),
    ("I3", lambda evidence: state(evidence, PAID, "conflicted")),
    ("I3", lambda evidence: evidence.unread.append("7 not XML")),
    ("I4", held_after_refusal),
    ("I4", stock_not_released),
    ("I4", sold_and_not_paid),
    ("I4", lambda evidence: evidence.taken_away.append("pay_1: pay_1-2")),
    ("I5", wrong_posting),
    ("I5", posted_twice),
    ("I5", operation_not_done),
    ("I5", lambda evidence: order(evidence, captured=999)),
    ("I5", booked_with_another_amount),
    ("I5", charged_back_unheard),
    ("I5", reversal_unheard),
    ("I5", posted_too_early),
    ("I5", posted_and_never_booked),
    ("I5", lambda evidence: believed(evidence, "3.01 GBP")),
    ("I5", lambda evidence: believed(evidence, "1.50 GBP")),
    ("I5", lambda evidence: evidence.differences.append("pay_1-1 captured: 1 / 2")),
    ("I6", told_paid_too_early),
    ("I6", told_paid_and_voided),
    ("I6", told_back_and_forth),
    ("I6", server_error),
    ("I6", let_in_too_late),
    ("I7", two_answers_to_one_key),
    ("I7", two_operations_with_one_key),
    ("I7", answered_differently),
    ("I8", lambda evidence: evidence.leaks.append("web holds 900 descriptors, 20 before")),
    ("I9", impossible_move),
    ("I9", silent_move),
    ("I10", lambda evidence: evidence.secrets.append("a card number in the log of web")),
    ("I11", lambda evidence: evidence.unpublished.append("payments.capture")),
    ("I11", lambda evidence: evidence.unhandled.append("payments.capture")),
    ("I11", lambda evidence: evidence.answered_twice.append("2 replies to m-1")),
    ("I11", lambda evidence: evidence.dead.append(dead())),
    ("I11", lambda evidence: evidence.queued.update({"checkout.dead": 1})),
    ("I11", poison_lost),
    ("I11", lambda evidence: evidence.heard.remove("evt_2")),
    ("I11", lambda evidence: evidence.heard.add("evt_99")),
    ("I12", lambda evidence: evidence.told.pop("evt_4")),
    ("I12", lambda evidence: evidence.events[REFUSED].pop()),
    ("I12", lambda evidence: evidence.events[PAID].pop(1)),
    ("I12", move_without_event),
    ("I12", webhook_differs),
    ("I12", lambda evidence: evidence.endpoint_faults.append("a webhook does not verify")),
    ("I13", lambda evidence: evidence.card_faults.append("a removed card is listed")),
    ("I13", lambda evidence: evidence.ticked.clear()),
    ("I13", lambda evidence: card(evidence, owner="2 ann")),
    ("I13", lambda evidence: card(evidence, is_removed=False)),
    ("I13", lambda evidence: card(evidence, is_owed=True)),
    ("I13", erased_and_named),
    ("I13", erased_and_kept),
    ("I13", charged_after_the_erasure),
    ("I13", lambda evidence: charged(evidence, began=201.0)),
    ("I13", lambda evidence: charged(evidence, is_anothers=True)),
    ("I13", lambda evidence: evidence.charges_refused.add("order-1")),
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


def test_an_event_that_was_written_after_the_end_may_not_have_been_delivered():
    evidence = healthy()
    evidence.events[PAID][-1] = replace(evidence.events[PAID][-1], is_due=False)
    del evidence.told["evt_6"]
    evidence.heard.remove("evt_6")
    assert violations_of(evidence) == []


def test_a_charge_back_that_we_know_of_is_clean():
    evidence = healthy()
    charge_back(evidence)
    assert violations_of(evidence) == []


def test_a_refund_that_failed_may_be_sent_again():
    evidence = healthy()
    for kind in ("refund_failed", "refund_requested", "refunded"):
        entry(evidence, kind, 300, "op_2")
    known = evidence.orders["pay_1-1"].entries
    order(evidence, entries=tuple(each for each in known if (each.at, each.kind) != (5, "refunded")))
    assert violations_of(evidence) == []


@pytest.mark.parametrize(("traits", "is_found"), [((), True), (("refunded_unselected",), False)])
def test_a_refund_made_after_all_is_in_our_books_if_a_notification_says_so(traits, is_found):
    evidence = healthy()
    order(evidence, refunded=600, refund_denied=300, traits=frozenset(traits))
    evidence.differences.append("pay_1-1 refunded: 300 / 600")
    found = [str(each) for each in violations_of(evidence)]
    for text in ("provider's books", "reconciliation found"):
        assert any(text in each for each in found) == is_found


def test_a_refund_that_failed_and_was_made_after_all_was_carried_out_once():
    evidence = healthy()
    known = evidence.orders["pay_1-1"].entries
    order(evidence, refund_denied=300, entries=(*known, Entry(4.5, "refund_failed", 300, "op_2")))
    assert violations_of(evidence) == []
