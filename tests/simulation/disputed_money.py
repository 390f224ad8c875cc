"""Disputes whose notifications are unclear, and people who refund meanwhile or act in the portal.

``request_begins`` checks what the gateway knew when it decided to send a request. After it has stored a
proven notification of a dispute, it may send no refund of the disputed money. After it has stored a proven
notification of a movement that somebody made in the portal in place of an operation, it may not send that
operation unless staff have decided so.
"""

import json
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import TYPE_CHECKING, Any

from checkout.errors import CheckoutError
from checkout.money import Money
from checkout.payments import actions
from checkout.payments.providers.base import EventKind, Verb
from tests.simulation.web import Unanswered
from tests.support.memory_provider.books import Order, OrderState

if TYPE_CHECKING:
    from tests.simulation.invariants import Ledgers
    from tests.simulation.world import World

# The shares of disputes that are notified without an amount or in another currency, that are followed by
# another one of the same amount, and after which a clerk refunds the rest.
UNCLEAR, REPEATED, REFUNDED = 0.4, 0.3, 0.6
# In schedules with portal users: the share of captures and refunds that cannot be sent, in addition to other
# faults, and the share of those that somebody makes in the portal instead.
CUT_OFF, DONE_INSTEAD = 0.4, 0.7
MOVES = {Verb.CAPTURE: EventKind.CAPTURED, Verb.REFUND: EventKind.REFUNDED}

_CHECK = """
BEGIN SELECT request_begins(new.key, json_object(
    'order', a.order_code,
    'kind', o.kind,
    'minor', o.amount_minor,
    'currency', o.currency,
    'captured', (SELECT coalesce(SUM(amount_minor), 0) FROM payments_operation
        WHERE attempt_id = a.id AND kind = 'capture' AND state = 'done'),
    'refunded', (SELECT coalesce(SUM(amount_minor), 0) FROM payments_operation
        WHERE attempt_id = a.id AND kind = 'refund' AND state <> 'refused'),
    'alike', (SELECT COUNT(*) FROM payments_operation WHERE attempt_id = a.id AND kind = o.kind
        AND amount_minor = o.amount_minor AND state <> 'refused' AND id <> o.id),
    'is_decided', EXISTS (SELECT 1 FROM payments_fact WHERE attempt_id = a.id
        AND kind = 'operation_settled_by' AND data ->> 'reference' = new.key),
    'disputes', (SELECT json_group_array(data ->> 'event_id') FROM payments_fact
        WHERE attempt_id = a.id AND kind = 'notified_charged_back'),
    'movements', (SELECT json_group_array(json_array(data ->> 'reference', data ->> 'amount'))
        FROM payments_fact WHERE attempt_id = a.id AND data ->> 'not_applied' IS NULL
        AND kind IN ('notified_captured', 'notified_refund_sent', 'notified_refunded'))))
    FROM payments_attempt a JOIN payments_operation o ON o.reference = new.key WHERE a.id = new.attempt_id;
END;
"""
# The intent is inserted, or started again, in the transaction that decides to send the request.
REQUESTS = f"""
CREATE TEMP TRIGGER request_begins AFTER INSERT ON main.payments_providercall
WHEN new.verb IN ('capture', 'refund') {_CHECK}
CREATE TEMP TRIGGER request_begins_again AFTER UPDATE OF started_at ON main.payments_providercall
WHEN new.verb IN ('capture', 'refund') AND new.outcome = '' {_CHECK}
"""

PARKED_UNSENT = """
SELECT DISTINCT p.reference FROM payments_fact f JOIN payments_payment p ON p.id = f.payment_id
WHERE f.kind = 'saga_parked' AND f.data ->> 'saga' = 'refund' AND f.data ->> 'step' = 'refund'
"""


class DisputedMoney:
    """The disputes and portal movements of a schedule, and the check of requests that are sent after them."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._random = Random(f"disputes of schedule {world.seed}")
        # The minor units of each dispute by the number of its notification, and what was reversed by order.
        self._disputed: dict[str, int] = {}
        self._reversed: Counter[str] = Counter()
        # The references of movements in the portal, by the references of the operations that they replace.
        self._instead: dict[str, str] = {}

    # What the bank and people do

    def as_told(self, letter: dict[str, Any]) -> dict[str, Any]:
        """Return the notification to send: perhaps a dispute without an amount, or in another currency."""
        if letter["event"] != "CHARGED_BACK":
            return letter
        self._disputed[str(letter["number"])] = letter["minor"]
        self._refund_soon(letter["order_code"])
        if self._random.random() >= UNCLEAR:
            return letter
        unclear = self._random.choice(({"minor": None, "currency": ""}, {"currency": "USD"}))
        return letter | unclear

    def charged_back(self, order: Order, amount: Money) -> None:
        """Perhaps let another dispute of the same amount follow, if that much is left."""
        left = order.captured - order.asked_for(EventKind.REFUNDED) - order.charged_back
        if amount <= left and self._random.random() < REPEATED:
            again = self._random.uniform(60, 3600)
            self._world.later(again, lambda: self._world.bank.charge_back(order, amount))

    def reversed(self, order: Order, amount: Money) -> None:
        """Note that an issuer has returned money."""
        self._reversed[order.order_code] += amount.minor

    def _refund_soon(self, order_code: str) -> None:
        if self._random.random() < REFUNDED:
            reference = order_code.rpartition("-")[0]
            pause_seconds = self._random.choice((5.0, 60.0, 900.0)) * self._random.random()
            self._world.later(pause_seconds, lambda: self._world.spawn(self._refund(reference)))

    async def _refund(self, reference: str) -> None:
        while True:
            try:
                await self._world.request(lambda: actions.request_refund(reference, by="clerk"))
            except Unanswered:
                await self._world.sleep(self._random.uniform(1, 5))
            except CheckoutError as rejection:
                self._world.trace.note("clerk", "is refused", reference, rejection)
                return
            else:
                return

    def is_cut_off(self, verb: Verb) -> bool:
        """Decide if a capture or refund cannot be sent; somebody may then make it in the portal instead."""
        return verb in MOVES and self._world.chance.has_portal and self._random.random() < CUT_OFF

    def not_sent(self, verb: Verb, reference: str) -> None:
        """Perhaps let somebody make a capture or refund, which could not be sent, in the portal."""
        if verb in MOVES and self._world.chance.has_portal and self._random.random() < DONE_INSTEAD:
            pause_seconds = self._random.choice((1.0, 60.0)) * self._random.random()
            self._world.later(pause_seconds, lambda: self._do_instead(verb, reference))

    def _do_instead(self, verb: Verb, reference: str) -> None:
        bank, kind = self._world.bank, MOVES[verb]
        code, payment, minor, currency = self._world.rows.execute(
            "SELECT a.order_code, p.reference, o.amount_minor, o.currency FROM payments_operation o "
            "JOIN payments_attempt a ON a.id = o.attempt_id JOIN payments_payment p ON p.id = o.payment_id "
            "WHERE o.reference = ?",
            (reference,),
        ).fetchone()
        order, amount = bank.books.orders[code], Money(minor, currency)
        given_back = order.asked_for(EventKind.REFUNDED) + order.charged_back
        left = order.captured - given_back if verb == Verb.REFUND else order.amount - order.captured
        is_done = any(each.reference == reference for each in order.taken)
        if is_done or order.state != OrderState.AUTHORISED or left < amount or code in bank.given_up:
            return
        bank.used_portal.add(payment)
        self._world.trace.note("portal", "does", verb, amount, code, "instead of", reference)
        self._instead[reference] = bank.move(order, kind, amount)

    # What the gateway must not do

    def request_begins(self, reference: str, known: str) -> None:
        """Check the decision to send a capture or refund against what the gateway knew at that time."""
        then = json.loads(known)
        taken = sum(self._disputed.get(number, 0) for number in set(then["disputes"]))
        disputed = max(0, taken - self._reversed[then["order"]])
        if then["kind"] == "refund" and disputed and then["refunded"] > then["captured"] - disputed:
            self._world.violations.append(
                f"I2: the refund {reference} was sent with {disputed} of {then['captured']} disputed, "
                f"and refunds of {then['refunded']}"
            )
        movement, amount = self._instead.get(reference), str(Money(then["minor"], then["currency"]))
        is_told = movement is not None and any(
            [movement, told] in then["movements"] for told in (None, amount)
        )
        if is_told and not (then["is_decided"] or then["alike"]):
            self._world.violations.append(f"I2: {reference} was sent, and {movement} was made instead")


def amounts_identity(books: "Ledgers") -> Iterator[str]:
    """Yield events in which the refundable amount is not the captured amount less all others.

    The pending refunds are those of the events so far, as the payment's merchant knows them.
    """
    refunds: dict[str, dict[str, tuple[str, int]]] = {}
    parked = {payment for (payment,) in books.rows(PARKED_UNSENT)}
    for payment, type_, data in books.rows(
        "SELECT p.reference, e.type, e.data FROM payments_event e "
        "JOIN payments_payment p ON p.id = e.payment_id ORDER BY e.payment_id, e.sequence"
    ):
        told = json.loads(data)["object"]
        if type_.startswith("refund."):
            refunds.setdefault(payment, {})[told["id"]] = (told["state"], told["amount"])
        if not type_.startswith("payment."):
            continue
        amounts, own = told["amounts"], refunds.get(payment, {}).values()
        asked = sum(amount for state, amount in own if state != "refused")
        left = amounts["captured"] - asked - amounts["disputed"] - amounts["dispute_claimed"]
        # In this state nothing can be requested.
        least = 0 if told["state"] == "unknown" else max(0, left)
        # A refund that waits for staff before it is sent holds no money back.
        waiting = asked - amounts["refunded"] if payment in parked else 0
        if not least <= amounts["refundable"] <= max(0, left + waiting):
            yield f"I9: {payment}: {type_} says {amounts}, and refunds that were not refused are of {asked}"
