"""The evidence to be judged after a campaign: the provider's books, our database, and what clients saw.

It consists of plain rows, so that the invariants are pure functions and can be tested on invented evidence.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row

from tests.faults.provider_books import Order, read_orders
from tests.faults.recorder import Asked, Seen


@dataclass(frozen=True, slots=True)
class Payment:
    reference: str
    order_reference: str
    state: str
    minor: int
    currency: str
    is_manual: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    payment: str
    order_code: str
    state: str


@dataclass(frozen=True, slots=True)
class Operation:
    payment: str
    reference: str
    kind: str
    minor: int
    state: str
    requested_by: str
    key: str


@dataclass(frozen=True, slots=True)
class Saga:
    payment: str
    kind: str
    step: str
    status: str


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    payment: str
    posting: str
    account: str
    minor: int
    # In seconds since the epoch. The ledger service never runs with a wrong clock.
    at: float = math.inf


@dataclass(frozen=True, slots=True)
class Step:
    """An event that moved a payment. `state` is the new state, or empty if the fact does not contain it."""

    payment: str
    event: str
    actor: str
    state: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A notification's statement about an operation of ours. `refused` is the reason for not applying it."""

    payment: str
    kind: str
    amount: str
    reference: str
    refused: str


@dataclass
class Evidence:
    payments: dict[str, Payment] = field(default_factory=dict)
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    operations: dict[str, list[Operation]] = field(default_factory=dict)
    sagas: dict[str, list[Saga]] = field(default_factory=dict)
    ledger: dict[str, list[LedgerEntry]] = field(default_factory=dict)
    steps: dict[str, list[Step]] = field(default_factory=dict)
    statements: dict[str, list[Statement]] = field(default_factory=dict)
    # Payments whose shoppers came back from the issuer only after the challenge had expired.
    late_returns: set[str] = field(default_factory=set)
    reservations: dict[str, str] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    histories: dict[str, list[Seen]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    # Faulty messages: never published; published and never handled; answered more than once; dead letters.
    unpublished: list[str] = field(default_factory=list)
    unhandled: list[str] = field(default_factory=list)
    answered_twice: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    queued: dict[str, int] = field(default_factory=dict)
    poison_sent: int = 0
    poison_found: int = 0
    differences: list[str] = field(default_factory=list)
    # Stock that was released although no command released the attempt for which it was reserved.
    taken_away: list[str] = field(default_factory=list)
    # Unreadable notifications that staff have not dealt with.
    unread: list[str] = field(default_factory=list)
    # Resources of which a process holds more at the end than at the beginning; see `resources`.
    leaks: list[str] = field(default_factory=list)
    mishaps: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)

    def orders_of(self, payment: str) -> list[Order]:
        """Return the provider's orders of a payment's attempts."""
        codes = (attempt.order_code for attempt in self.attempts.get(payment, ()))
        return [self.orders[code] for code in codes if code in self.orders]


PAYMENTS = """
    SELECT reference, order_reference, state, amount_minor AS minor, currency,
           NOT captures_automatically AS is_manual
    FROM payments_payment"""
ATTEMPTS = """
    SELECT payment.reference AS payment, order_code, attempt.state
    FROM payments_attempt attempt JOIN payments_payment payment ON payment.id = payment_id
    ORDER BY attempt.id"""
OPERATIONS = """
    SELECT payment.reference AS payment, operation.reference, kind, operation.amount_minor AS minor,
           operation.state, requested_by, idempotency_key AS key
    FROM payments_operation operation JOIN payments_payment payment ON payment.id = payment_id
    ORDER BY operation.id"""
SAGAS = """
    SELECT payment.reference AS payment, kind, step, status
    FROM payments_saga saga JOIN payments_payment payment ON payment.id = payment_id"""
LEDGER = """
    SELECT payment_reference AS payment, posting, account, amount_minor AS minor,
           extract(epoch FROM posted_at)::float AS at
    FROM ledger_ledgerentry"""
# Facts are written under the payment's lock, so the facts of one payment have ids in the order of events.
STEPS = """
    SELECT payment.reference AS payment, kind AS event, source AS actor,
           coalesce(fact.data ->> 'state', '') AS state
    FROM payments_fact fact JOIN payments_payment payment ON payment.id = payment_id
    WHERE kind = ANY (%s) ORDER BY fact.id"""
STATEMENTS = """
    SELECT payment.reference AS payment, kind, coalesce(fact.data ->> 'amount', '') AS amount,
           coalesce(fact.data ->> 'reference', '') AS reference,
           coalesce(fact.data ->> 'not_applied', '') AS refused
    FROM payments_fact fact JOIN payments_payment payment ON payment.id = payment_id
    WHERE kind IN ('notified_captured', 'notified_refunded')"""
# Releases of stock are recorded as they happen, since a later confirmation takes the stock again.
RECORD_RELEASES = """
    CREATE TABLE released_stock (payment_reference text, attempt text);
    CREATE FUNCTION record_release() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO released_stock VALUES (NEW.payment_reference, NEW.attempt);
        RETURN NULL;
    END
    $$;
    CREATE TRIGGER release_is_recorded AFTER UPDATE OF state ON orders_reservation
        FOR EACH ROW WHEN (OLD.state <> 'released' AND NEW.state = 'released')
        EXECUTE FUNCTION record_release()"""
# Only the release command of its own attempt may release a reservation.
TAKEN_AWAY = """
    SELECT DISTINCT payment_reference, attempt FROM released_stock release
    WHERE attempt <> '' AND NOT EXISTS (
        SELECT 1 FROM payments_outboxmessage message
        WHERE message.type = 'orders.release' AND message.subject = release.payment_reference
          AND position('"' || release.attempt || '"' IN message.body) > 0)"""
UNREAD = """
    SELECT id || ' ' || reason FROM payments_providernotification
    WHERE state = 'unreadable' AND dealt_with_at IS NULL"""
# Messages with a greater id were written after everything had come to rest, for abandoned checkouts, and may
# not have been delivered yet. The id is used because the clocks of some processes are wrong.
AT_REST = "id <= %s"
UNPUBLISHED = f"""
    SELECT type || ' ' || message_id || ' ' || subject || ' ' || last_error FROM payments_outboxmessage
    WHERE published_at IS NULL AND {AT_REST}"""  # noqa: S608 (constants)
# Commands to a service, and replies to the orchestrator. Replies to a web process may be lost.
UNHANDLED = f"""
    SELECT type || ' ' || message_id || ' ' || subject FROM payments_outboxmessage message
    WHERE published_at IS NOT NULL AND message.{AT_REST} AND NOT message_id = ANY (%s)
      AND (exchange = 'checkout.commands' OR routing_key = 'checkout.replies.saga')
      AND NOT EXISTS (
        SELECT 1 FROM payments_inboxmessage inbox WHERE inbox.message_id = message.message_id)"""  # noqa: S608
ANSWERED_TWICE = """
    SELECT count(*) || ' replies to ' || causation_id || ' ' || min(subject) FROM payments_outboxmessage
    WHERE type = 'reply' GROUP BY causation_id, correlation_id HAVING count(*) > 1"""
IS_POISON = "(message_id LIKE 'poison-%' OR type = 'malformed')"
DEAD = f"""
    SELECT type || ' ' || service || ' ' || reason FROM payments_deadletter
    WHERE requeued_at IS NULL AND NOT {IS_POISON}"""  # noqa: S608 (constants)
INNOCENT = f"SELECT id FROM payments_deadletter WHERE requeued_at IS NULL AND NOT {IS_POISON}"  # noqa: S608
POISON = f"SELECT count(*) FROM payments_deadletter WHERE {IS_POISON}"  # noqa: S608
DIFFERENCES = """
    SELECT order_code || ' ' || kind || ': ' || ours_minor || ' / ' || theirs_minor
    FROM payments_difference WHERE resolved_at IS NULL"""
RESERVATIONS = "SELECT payment_reference, state FROM orders_reservation"

RowT = TypeVar("RowT")


def read_database(
    evidence: Evidence, url: str, events: Iterable[str], excused: Iterable[str], at_rest: int
) -> None:
    """Read the gateway's database into `evidence`.

    `events` are those that move payments, `excused` the ids of messages that need not have been handled.
    `at_rest` is the id of the last outbox message when everything had come to rest.
    """
    with psycopg.connect(url) as connection:
        # All queries need the same snapshot, since abandoned checkouts go on expiring meanwhile.
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        payments = _read(connection, PAYMENTS, Payment)
        evidence.payments = {payment.reference: payment for payment in payments}
        by_payment: Callable[[Any], str] = lambda row: row.payment  # noqa: E731
        evidence.attempts = _grouped(_read(connection, ATTEMPTS, Attempt), by_payment)
        evidence.operations = _grouped(_read(connection, OPERATIONS, Operation), by_payment)
        evidence.sagas = _grouped(_read(connection, SAGAS, Saga), by_payment)
        evidence.ledger = _grouped(_read(connection, LEDGER, LedgerEntry), by_payment)
        evidence.steps = _grouped(_read(connection, STEPS, Step, list(events)), by_payment)
        evidence.statements = _grouped(_read(connection, STATEMENTS, Statement), by_payment)
        evidence.taken_away = [
            f"{payment}: {attempt}" for payment, attempt in connection.execute(TAKEN_AWAY.encode())
        ]
        evidence.unread = _texts(connection, UNREAD)
        evidence.reservations = dict(connection.execute(RESERVATIONS).fetchall())
        evidence.unpublished = _texts(connection, UNPUBLISHED, at_rest)
        evidence.unhandled = _texts(connection, UNHANDLED, at_rest, list(excused))
        evidence.answered_twice = _texts(connection, ANSWERED_TWICE)
        evidence.dead = _texts(connection, DEAD)
        evidence.differences = _texts(connection, DIFFERENCES)
        ((evidence.poison_found,),) = connection.execute(POISON.encode()).fetchall()


def read_books(evidence: Evidence, sandbox_url: str) -> None:
    """Read the provider's books, including the faults that struck each order."""
    evidence.orders = {order.code: order for order in read_orders(sandbox_url)}


def _read(connection: psycopg.Connection[Any], query: str, kind: type[RowT], *parameters: Any) -> list[RowT]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query.encode(), parameters or None).fetchall()


def _texts(connection: psycopg.Connection[Any], query: str, *parameters: Any) -> list[str]:
    return [text for (text,) in connection.execute(query.encode(), parameters or None)]


def _grouped(rows: Iterable[RowT], key: Callable[[RowT], str]) -> dict[str, list[RowT]]:
    groups: dict[str, list[RowT]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return dict(groups)
