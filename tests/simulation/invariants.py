"""The invariants that must hold when all work has ended, numbered as in docs/reliability.md.

The checks read the tables without the product's own code, and compare them with the provider's books.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from checkout.payments.models.payment import PURCHASE
from checkout.states import AttemptState, PaymentState
from messaging.memory.server import MemoryServer
from tests.simulation import amounts, disputed_money, listener, network, own_steps, saved_cards
from tests.simulation.chance import NONSENSE
from tests.support.memory_provider.books import Books, Order, OrderState
from tests.support.moves import MOVES

if TYPE_CHECKING:
    from tests.simulation.world import World

P, A = PaymentState, AttemptState
UNPAID = (P.OPEN, P.REFUSED, P.EXPIRED, P.CANCELLED, P.VOIDED)
PAYMENT_AT_REST = frozenset(PaymentState) - {
    P.PROCESSING, P.CHALLENGE_REQUIRED, P.CONFIRMING, P.CAPTURE_PENDING, P.VOID_PENDING, P.CONFLICTED
}  # fmt: skip
GIVEN_BACK = ("released", "cancelled")
# The sign with which each kind of operation counts towards the captured amount.
SIGNS = {"capture": 1, "refund": -1, "charge_back": -1, "charge_back_reversal": 1}
ATTEMPT_AT_REST = (A.AUTHORISED, A.REFUSED, A.NOT_SENT, A.EXPIRED)

HISTORY = """
CREATE TEMP TABLE history (payment TEXT, before TEXT, after TEXT);
CREATE TEMP TRIGGER payment_moves AFTER UPDATE OF state ON main.payments_payment WHEN old.state <> new.state
BEGIN INSERT INTO history VALUES (new.reference, old.state, new.state); END;
CREATE TEMP TABLE late_replies (awaited TEXT, taken TEXT);
CREATE TEMP TRIGGER reply_is_taken AFTER UPDATE OF replied_at ON main.payments_sagastep
WHEN new.correlation_id <> (SELECT awaiting FROM payments_saga WHERE id = new.saga_id)
BEGIN INSERT INTO late_replies
    SELECT awaiting, new.correlation_id FROM payments_saga WHERE id = new.saga_id; END;
CREATE TEMP TABLE taken_again (payment TEXT);
CREATE TEMP TRIGGER stock_is_taken_again AFTER UPDATE OF state ON main.orders_reservation
WHEN old.state = 'released' AND new.state = 'confirmed'
BEGIN INSERT INTO taken_again VALUES (new.payment_reference); END;
CREATE TEMP TRIGGER operation_is_done AFTER UPDATE OF state ON main.payments_operation
WHEN old.state <> 'done' AND new.state = 'done'
BEGIN SELECT called_done(new.reference, new.kind,
    (SELECT order_code FROM payments_attempt WHERE capture_reference = new.reference)); END;
CREATE TEMP TRIGGER saga_is_parked AFTER UPDATE OF status ON main.payments_saga
WHEN old.status <> 'parked' AND new.status = 'parked'
BEGIN SELECT saga_parks(new.id); END;
"""
# The condition for captures that purchases requested, and that no authorisation includes.
OWN_CAPTURE = f"o.kind = 'capture' AND o.requested_by = '{PURCHASE}' AND o.reference <> a.capture_reference"


def watch_history(database: sqlite3.Connection) -> None:
    """Create triggers that record what ``check`` needs, and report events to the other checks.

    They record the changes of payments' states, the replies that sagas accept, and payments whose released
    stock is reserved again. They call ``called_done`` when an operation becomes done, with its reference and
    kind, and with the order whose authorisation included it; ``charge_begins`` with the order code and the
    card when the intent to charge a saved card is written; ``saga_parks`` with the primary key of each saga
    that is parked; and ``request_begins`` with the intent of each capture and refund and the facts known
    then.
    """
    database.executescript(HISTORY + saved_cards.CHARGES + disputed_money.REQUESTS)


def check(world: "World") -> list[str]:
    """Return violations of I1 to I7, I9, I11 and I13 at the end; earlier ones are in ``world.violations``."""
    books = Ledgers(world.rows, world.bank.books, world.bank.given_up)
    findings = [
        *_nothing_lost(world, books),
        *_nothing_twice(world, books),
        *_nothing_stuck(books),
        *_compensated(books),
        *_stock(world, books),
        *_no_stock_was_given_away(books),
        *_no_late_returns(books),
        *_called_off_is_not_captured(books),
        *_statements_were_compared(books),
        *_truth_is_no_contradiction(world, books),
        *own_steps.check(books),
        *saved_cards.check(world, books),
        *_books_agree(books),
        *amounts.check(world, books),
        *_told_the_truth(world, books),
        *_history(books),
        *_events(books),
        *_amounts_told(books),
        *disputed_money.amounts_identity(books),
        *_messages(books),
        *listener.check(world, books),
        *_dead_letters(world, books),
        *_nothing_done_too_soon(world, books),
        *_one_decision_each(books),
    ]
    for table in ("history", "late_replies", "taken_again"):
        world.rows.execute(f"DELETE FROM {table}")
    return findings


WAITING = """
SELECT o.kind, o.reference, o.state FROM payments_operation o
WHERE o.state NOT IN ('done', 'refused') AND NOT EXISTS (
SELECT 1 FROM payments_saga s JOIN payments_fact f ON f.payment_id = s.payment_id
WHERE s.kind = o.kind AND s.key = o.reference AND s.status = 'parked'
AND f.kind = 'saga_parked' AND f.data ->> 'saga' = s.kind AND f.data ->> 'why' <> '')
"""


def check_waiting(world: "World") -> list[str]:
    """Return the operations that are open although no timer will act, and whose sagas were not parked."""
    waiting = world.rows.execute(WAITING).fetchall()
    return [f"I3: {kind} {key} is {state}, and nobody is told to look at it" for kind, key, state in waiting]


class Ledgers:
    """The gateway's rows and the provider's orders, by payment."""

    def __init__(self, database: sqlite3.Connection, books: Books, given_up: set[str]) -> None:
        self._database = database
        self._given_up = given_up
        self.payments: dict[str, str] = dict(self.rows("SELECT reference, state FROM payments_payment"))
        self.payment_of: dict[str, str] = dict(
            self.rows(
                "SELECT a.order_code, p.reference FROM payments_attempt a "
                "JOIN payments_payment p ON p.id = a.payment_id"
            )
        )
        self.all_orders = books.orders
        self.orders: dict[str, list[Order]] = defaultdict(list)
        for code, order in books.orders.items():
            self.orders[self.payment_of.get(code, "")].append(order)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""
        return self._database.execute(query, parameters).fetchall()

    def held(self, payment: str) -> int:
        """Return the money of the shopper that the provider has, or can still take, in minor units."""
        return sum(
            order.captured.minor - order.refunded.minor or order.amount.minor - order.captured.minor
            for order in self.orders[payment]
            if order.state == OrderState.AUTHORISED and order.order_code not in self._given_up
        )

    def kept(self, payment: str) -> int:
        """Return the captured amount less refunds and charge-backs, in minor units."""
        return sum(
            order.captured.minor - order.refunded.minor - order.charged_back.minor
            for order in self.orders[payment]
        )


def _nothing_lost(world: "World", books: Ledgers) -> Iterator[str]:
    for shopper in world.shoppers:
        if shopper.reference and shopper.reference not in books.payments:
            yield f"I1: {shopper.reference} was created and is gone"
    for code in books.all_orders:
        if code not in books.payment_of:
            yield f"I1: the provider's order {code} belongs to no payment"


def _nothing_twice(world: "World", books: Ledgers) -> Iterator[str]:
    for payment, orders in books.orders.items():
        live = [order.order_code for order in orders if order.state == OrderState.AUTHORISED]
        live = [code for code in live if code not in world.bank.given_up]
        if len(live) > 1:
            yield f"I2: {payment} is authorised more than once: {', '.join(live)}"


def _nothing_stuck(books: Ledgers) -> Iterator[str]:
    for kind, key, step, status in books.rows(
        "SELECT kind, key, step, status FROM payments_saga WHERE status IN ('running', 'parked')"
    ):
        yield f"I3: saga {kind} {key} is {status} at {step}"
    for payment, state in books.payments.items():
        if state not in PAYMENT_AT_REST:
            yield f"I3: {payment} is still {state}"
    for code, state in books.rows("SELECT order_code, state FROM payments_attempt"):
        if state not in ATTEMPT_AT_REST:
            yield f"I3: attempt {code} is still {state}"
    for reference, kind, state in books.rows(
        "SELECT reference, kind, state FROM payments_operation WHERE state NOT IN ('done', 'refused')"
    ):
        yield f"I3: {kind} {reference} is still {state}"
    for reference, kind in books.rows(
        "SELECT reference, kind FROM payments_operation o WHERE state <> 'refused' AND NOT EXISTS "
        "(SELECT 1 FROM payments_saga s WHERE s.kind = o.kind AND s.key = o.reference)"
    ):
        yield f"I3: {kind} {reference} has no flow, so that it is not posted"


def _compensated(books: Ledgers) -> Iterator[str]:
    for payment, state in books.payments.items():
        if state in UNPAID and (held := books.held(payment)):
            yield f"I4: {payment} is {state}, and the provider holds {held}"
        if PaymentState(state).is_paid and not books.held(payment):
            yield f"I4: {payment} is {state}, and the provider holds nothing"


def _stock(world: "World", books: Ledgers) -> Iterator[str]:
    reserved: Counter[str] = Counter()
    reservations = dict(books.rows("SELECT payment_reference, state FROM orders_reservation"))
    for payment, state in books.payments.items():
        reservation = reservations.get(payment, "released")
        if state in UNPAID and reservation not in GIVEN_BACK:
            yield f"I4: {payment} is {state}, and its stock is {reservation}"
        if PaymentState(state).is_paid and reservation != "confirmed":
            yield f"I4: {payment} is {state}, and its stock is {reservation}"
    for sku, quantity in books.rows(
        "SELECT line.value ->> 'sku', line.value ->> 'quantity' "
        "FROM orders_reservation r, json_each(r.lines) line WHERE r.state NOT IN ('released', 'cancelled')"
    ):
        reserved[sku] += quantity
    for sku, quantity in books.rows("SELECT sku, quantity FROM orders_stockitem"):
        if quantity + reserved[sku] != world.stock:
            yield f"I4: {quantity} of {sku} are left and {reserved[sku]} reserved, of {world.stock}"


def _no_stock_was_given_away(books: Ledgers) -> Iterator[str]:
    """Yield payments whose stock was released and then confirmed, unless conflicted or settled by staff."""
    for (payment,) in books.rows(
        "SELECT payment FROM taken_again WHERE payment NOT IN "
        "(SELECT payment FROM history WHERE after = 'conflicted' UNION "
        "SELECT p.reference FROM payments_payment p JOIN payments_fact f ON f.payment_id = p.id "
        "WHERE f.kind = 'payment_settled_by_applied')"
    ):
        yield f"I4: the stock of {payment} was given back while it was being paid for"


def _no_late_returns(books: Ledgers) -> Iterator[str]:
    for code, at, until in books.rows(
        "SELECT a.order_code, f.recorded_at, a.challenge_expires_at FROM payments_fact f "
        "JOIN payments_attempt a ON a.id = f.attempt_id "
        "WHERE f.kind = 'challenge_returned' AND f.recorded_at > a.challenge_expires_at"
    ):
        yield f"I7: a return token of {code} was taken at {at}, and expired at {until}"


def _called_off_is_not_captured(books: Ledgers) -> Iterator[str]:
    for (code,) in books.rows(
        "SELECT a.order_code FROM payments_attempt a JOIN payments_fact f ON f.attempt_id = a.id "
        "JOIN payments_operation o ON o.attempt_id = a.id "
        f"WHERE f.kind = 'challenge_called_off' AND {OWN_CAPTURE}"
    ):
        yield f"I7: {code} was called off during its challenge, and captured"


def _statements_were_compared(books: Ledgers) -> Iterator[str]:
    for number, told, kind, reference, ours in books.rows(
        "SELECT n.id, n.body ->> 'minor', o.kind, o.reference, o.amount_minor "
        "FROM (SELECT id, state, body FROM payments_providernotification WHERE body <> '' LIMIT -1) n "
        "JOIN payments_operation o ON o.reference = n.body ->> 'reference' "
        "WHERE n.state = 'applied' AND n.body ->> 'minor' <> o.amount_minor"
    ):
        yield f"I5: notification {number} of {told} was applied to the {kind} {reference} of {ours}"


def _truth_is_no_contradiction(world: "World", books: Ledgers) -> Iterator[str]:
    """Yield proven notifications with a right amount that were taken for a contradiction.

    Movements in the portal are left out, because they may contradict our books.
    """
    for number, reason, payment in books.rows(
        "SELECT n.id, n.reason, p.reference FROM payments_providernotification n "
        "LEFT JOIN payments_payment p ON p.id = n.payment_id WHERE n.state = 'conflicted' AND n.is_proven "
        "AND CASE n.body WHEN '' THEN FALSE ELSE n.body ->> 'number' NOT LIKE 'slip%' END"
    ):
        if payment not in world.bank.used_portal | world.bank.differing:
            yield f"I5: notification {number} is true, and was called a contradiction: it {reason}"


def _nothing_done_too_soon(world: "World", books: Ledgers) -> Iterator[str]:
    """Yield captures and refunds that became done before they were booked.

    A movement of the same amount in the portal cannot be told from ours, and counts as ours.
    """
    for kind, reference in world.bank.premature:
        ((payment,),) = books.rows(
            "SELECT p.reference FROM payments_operation o JOIN payments_payment p ON p.id = o.payment_id "
            "WHERE o.reference = ?",
            reference,
        )
        if payment not in world.bank.used_portal:
            yield f"I5: {kind} {reference} was called done, and the bank had not booked it"


def _one_decision_each(books: Ledgers) -> Iterator[str]:
    """Yield operations with two decisions of staff about the same state, unless a decision came too late."""
    for reference, seen in books.rows(
        "SELECT f.data ->> 'reference' AS reference, f.data ->> 'seen' FROM payments_fact f "
        "WHERE f.kind = 'operation_settled_by' AND NOT EXISTS (SELECT 1 FROM payments_fact late "
        "WHERE late.kind = 'operation_settled_by_not_applied' AND late.attempt_id = f.attempt_id) "
        "GROUP BY 1, 2 HAVING COUNT(*) > 1"
    ):
        yield f"I7: staff have decided twice on {reference}, of which they knew {seen}"


def _books_agree(books: Ledgers) -> Iterator[str]:
    for posting, total in books.rows(
        "SELECT posting, SUM(amount_minor) FROM ledger_ledgerentry "
        "GROUP BY posting HAVING SUM(amount_minor) <> 0"
    ):
        yield f"I5: posting {posting} adds up to {total}"
    ledger: dict[tuple[str, str], int] = {
        (payment, account): total
        for payment, account, total in books.rows(
            "SELECT payment_reference, account, SUM(amount_minor) FROM ledger_ledgerentry GROUP BY 1, 2"
        )
    }
    operations: dict[tuple[str, str], int] = {
        (payment, kind): total
        for payment, kind, total in books.rows(
            "SELECT p.reference, o.kind, SUM(o.amount_minor) FROM payments_operation o "
            "JOIN payments_payment p ON p.id = o.payment_id WHERE o.state = 'done' GROUP BY 1, 2"
        )
    }
    for payment in books.payments:
        kept = books.kept(payment)
        ours = ledger.get((payment, "provider:captured"), 0)
        if ours != kept:
            yield f"I5: {payment}: the ledger says {ours} captured, the provider {kept}"
        if in_process := ledger.get((payment, "provider:in_process"), 0):
            yield f"I5: {payment}: the ledger still has {in_process} in process"
        ours = sum(sign * operations.get((payment, kind), 0) for kind, sign in SIGNS.items())
        if ours != kept:
            yield f"I5: {payment}: the operations say {ours} captured, the provider {kept}"


def _told_the_truth(world: "World", books: Ledgers) -> Iterator[str]:
    """Yield payments with automatic capture that were reported as paid, and ended unpaid.

    A capture that the provider makes with the authorisation counts as accepted. If the issuer does not pay
    for it after all, staff are informed. A payment that staff settle may end without a capture.
    """
    automatic = books.rows("SELECT reference, state FROM payments_payment WHERE captures_automatically")
    excused = {books.payment_of.get(code) for code in world.bank.unpaid}
    settled = {
        payment
        for (payment,) in books.rows(
            "SELECT p.reference FROM payments_fact f JOIN payments_payment p ON p.id = f.payment_id "
            "WHERE f.kind = 'payment_settled_by_applied'"
        )
    }
    for payment, end in automatic:
        if payment in excused:
            continue
        left = [before for (before,) in books.rows("SELECT before FROM history WHERE payment = ?", payment)]
        paid = [state for state in left if PaymentState(state).is_paid]
        if paid and end in UNPAID and P.CONFLICTED not in left and payment not in settled:
            yield f"I6: {payment} was {paid[0]}, and ended {end}"


def _history(books: Ledgers) -> Iterator[str]:
    for payment, before, after in books.rows("SELECT payment, before, after FROM history"):
        if (before, after) not in MOVES:
            yield f"I9: {payment} went from {before} to {after}"
    for awaited, taken in books.rows("SELECT awaited, taken FROM late_replies"):
        yield f"I9: a saga that waits for {awaited or 'nothing'} took the reply to {taken}"


def _dead_letters(world: "World", books: Ledgers) -> Iterator[str]:
    kept = dict(books.rows("SELECT message_id, reason FROM payments_deadletter"))
    for message_id in world.poison:
        if kept.pop(message_id, None) is None:
            yield f"I11: the poison {message_id} is not among the dead letters"
    for message_id, reason in kept.items():
        if NONSENSE not in reason:  # a reply that was malformed on purpose
            yield f"I11: {message_id} is a dead letter: {reason}"


def _events(books: Ledgers) -> Iterator[str]:
    """Yield payments whose events are not numbered without gaps, or do not match the payment's moves."""
    told = books.rows(
        "SELECT p.reference, p.version, COUNT(e.id), MAX(e.sequence), SUM(e.type LIKE 'payment.%') "
        "FROM payments_payment p LEFT JOIN payments_event e ON e.payment_id = p.id GROUP BY p.id"
    )
    for payment, moves, count, last, about_payment in told:
        if (count, about_payment) != (last, moves + 1):
            yield f"I9: {payment} has {count} events up to {last}, {about_payment} of them for {moves} moves"


def _amounts_told(books: Ledgers) -> Iterator[str]:
    """Yield payments whose last event does not have the sums of the payment's operations."""
    sums = Counter[tuple[str, str]]()
    for payment, kind, minor in books.rows(
        "SELECT p.reference, o.kind, SUM(o.amount_minor) FROM payments_operation o "
        "JOIN payments_payment p ON p.id = o.payment_id WHERE o.state = 'done' GROUP BY p.reference, o.kind"
    ):
        sums[payment, kind] = minor
    for payment, *told in books.rows(
        "SELECT p.reference, json_extract(e.data, '$.object.amounts.captured'), "
        "json_extract(e.data, '$.object.amounts.refunded'), "
        "json_extract(e.data, '$.object.amounts.disputed'), MAX(e.sequence) FROM payments_payment p "
        "JOIN payments_event e ON e.payment_id = p.id AND e.type LIKE 'payment.%' "
        "WHERE p.state <> 'conflicted' GROUP BY p.id"
    ):
        disputed = max(0, sums[payment, "charge_back"] - sums[payment, "charge_back_reversal"])
        ours = [sums[payment, "capture"], sums[payment, "refund"], disputed]
        if told[:3] != ours:
            yield f"I9: {payment} has moved {ours}, and its merchant was told {told[:3]}"


def _messages(books: Ledgers) -> Iterator[str]:
    for (number,) in books.rows("SELECT id FROM payments_providernotification WHERE state = 'received'"):
        yield f"I11: notification {number} was acknowledged and never looked at"
    for kind, message_id, error in books.rows(
        "SELECT type, message_id, last_error FROM payments_outboxmessage WHERE published_at IS NULL"
    ):
        yield f"I11: {kind} {message_id} was never published: {error}"
    for (event,) in books.rows(
        "SELECT e.reference FROM payments_event e LEFT JOIN payments_eventposition p ON 1 "
        "WHERE e.id > COALESCE(p.last_pk, 0) "
        "OR EXISTS (SELECT 1 FROM json_each(p.under_way) WHERE key = CAST(e.id AS TEXT))"
    ):
        yield f"I11: event {event} was never published"
    for kind, message_id in books.rows(
        "SELECT o.type, o.message_id FROM payments_outboxmessage o "
        "WHERE o.exchange LIKE '%.commands' AND NOT EXISTS "
        "(SELECT 1 FROM payments_inboxmessage i "
        "WHERE i.message_id = o.message_id AND i.consumer = o.routing_key)"
    ):
        yield f"I11: {kind} {message_id} was never handled"
    for kind, cause, number in books.rows(
        "SELECT type, causation_id, COUNT(*) FROM payments_outboxmessage WHERE causation_id <> '' "
        "GROUP BY causation_id, exchange, routing_key, type, correlation_id, body HAVING COUNT(*) > 1"
    ):
        yield f"I11: {cause} caused {kind} {number} times"
    for queue, contents in MemoryServer.at(network.URL).queues.items():
        if len(contents) and ".node." not in queue:  # the queues of ended processes expire
            yield f"I11: {len(contents)} messages are left in {queue}"
