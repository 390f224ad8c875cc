"""The evidence of a campaign: the provider's books, our databases, and the answers to clients.

It consists of plain rows, so that the invariants are pure functions that can be tested on invented evidence.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeVar

import psycopg
from psycopg.rows import class_row

from tests.faults.databases import Databases
from tests.faults.merchant.endpoint import Told
from tests.faults.provider_books import Order, read_orders
from tests.faults.recorder import Asked, Repeated, Seen


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
    """One attempt. `included` is our reference of the capture that its authorisation included, if any."""

    payment: str
    order_code: str
    state: str
    included: str = ""


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
class Fact:
    payment: str
    kind: str
    source: str


@dataclass(frozen=True, slots=True)
class Statement:
    """The statement of a notification about an operation. `refused` is the reason for not applying it."""

    payment: str
    kind: str
    amount: str
    reference: str
    refused: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter about a payment, if it names one. It `is_open` until staff have dealt with it.

    Poisonous messages are never open: they are only counted.
    """

    payment: str
    type: str
    message_id: str
    service: str
    reason: str
    is_open: bool

    def __str__(self) -> str:
        return f"{self.type} {self.message_id} {self.service} {self.reason}"


@dataclass(frozen=True, slots=True)
class SavedCard:
    """A saved card. It `is_removed` only if its token is erased, too. Owners are merchant and customer.

    The token `is_owed` until the provider has confirmed that it has deleted the token.
    """

    reference: str
    payment: str
    customer: str
    owner: str
    owner_of_payment: str
    is_removed: bool
    is_owed: bool


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge of a saved card, whose intent was written when it `began`, in seconds since the epoch."""

    payment: str
    order_code: str
    card: str
    began: float
    is_anothers: bool


@dataclass(frozen=True, slots=True)
class Event:
    """An event. It `is_due` if it was written before all work had ended."""

    told: Told
    is_due: bool = True


@dataclass
class Evidence:
    payments: dict[str, Payment] = field(default_factory=dict)
    attempts: dict[str, list[Attempt]] = field(default_factory=dict)
    operations: dict[str, list[Operation]] = field(default_factory=dict)
    sagas: dict[str, list[Saga]] = field(default_factory=dict)
    ledger: dict[str, list[LedgerEntry]] = field(default_factory=dict)
    facts: dict[str, list[Fact]] = field(default_factory=dict)
    statements: dict[str, list[Statement]] = field(default_factory=dict)
    # Payments whose shoppers returned from the issuer only after the challenge had expired.
    late_returns: set[str] = field(default_factory=set)
    reservations: dict[str, str] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    histories: dict[str, list[Seen]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    repeated: list[Repeated] = field(default_factory=list)
    # Our events by payment, in order; the merchant's webhooks, by event; and the faults that its endpoint
    # found.
    events: dict[str, list[Event]] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)
    endpoint_faults: list[str] = field(default_factory=list)
    # The ids of the events that a listener got from the broker.
    heard: set[str] = field(default_factory=set)
    # Saved cards and their charges, and what the merchant and the shoppers know about them, see `Recorder`.
    cards: list[SavedCard] = field(default_factory=list)
    charges: list[Charge] = field(default_factory=list)
    ticked: set[str] = field(default_factory=set)
    removed: dict[str, float] = field(default_factory=dict)
    erased: dict[str, float] = field(default_factory=dict)
    charges_refused: set[str] = field(default_factory=set)
    card_faults: list[str] = field(default_factory=list)
    used_portal: set[str] = field(default_factory=set)
    # Faulty messages: never published; published and never handled; answered more than once.
    unpublished: list[str] = field(default_factory=list)
    unhandled: list[str] = field(default_factory=list)
    answered_twice: list[str] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    queued: dict[str, int] = field(default_factory=dict)
    poison_sent: int = 0
    poison_found: int = 0
    differences: list[str] = field(default_factory=list)
    # Stock that was released although no command released the attempt for which it was reserved.
    taken_away: list[str] = field(default_factory=list)
    # Unreadable notifications that staff have not dealt with.
    unread: list[str] = field(default_factory=list)
    # Resources of which a process holds more at the end than at the start; see `resources`.
    leaks: list[str] = field(default_factory=list)
    mishaps: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)

    def orders_of(self, payment: str) -> list[Order]:
        """Return the provider's orders for a payment's attempts."""
        codes = (attempt.order_code for attempt in self.attempts.get(payment, ()))
        return [self.orders[code] for code in codes if code in self.orders]


PAYMENTS = """
    SELECT reference, order_reference, state, amount_minor AS minor, currency,
           NOT captures_automatically AS is_manual
    FROM payments_payment"""
ATTEMPTS = """
    SELECT payment.reference AS payment, order_code, attempt.state, capture_reference AS included
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
FACTS = """
    SELECT payment.reference AS payment, kind, source
    FROM payments_fact fact JOIN payments_payment payment ON payment.id = payment_id
    WHERE kind = ANY (%s) ORDER BY fact.id"""
STATEMENTS = """
    SELECT payment.reference AS payment, kind, coalesce(fact.data ->> 'amount', '') AS amount,
           coalesce(fact.data ->> 'reference', '') AS reference,
           coalesce(fact.data ->> 'not_applied', '') AS refused
    FROM payments_fact fact JOIN payments_payment payment ON payment.id = payment_id
    WHERE kind IN ('notified_captured', 'notified_refunded')"""
CARDS = """
    SELECT card.reference, payment.reference AS payment, card.customer_reference AS customer,
           card.merchant_id || ' ' || card.customer_reference AS owner,
           payment.merchant_id || ' ' || payment.customer_reference AS owner_of_payment,
           card.state = 'removed' AND card.sealed_token = '' AS is_removed,
           card.token_to_delete <> '' OR card.deletion_due_at IS NOT NULL AS is_owed
    FROM payments_savedcard card JOIN payments_payment payment ON payment.id = payment_id"""
CHARGES = """
    SELECT payment.reference AS payment, order_code, card.reference AS card,
           extract(epoch FROM call.started_at)::float AS began,
           payment.merchant_id <> card.merchant_id
           OR payment.customer_reference <> '' AND card.customer_reference <> ''
           AND payment.customer_reference <> card.customer_reference AS is_anothers
    FROM payments_attempt attempt JOIN payments_payment payment ON payment.id = payment_id
    JOIN payments_savedcard card ON card.id = saved_card_id
    JOIN payments_providercall call ON call.attempt_id = attempt.id AND call.verb = 'authorise'"""
UNREAD = """
    SELECT id || ' ' || reason FROM payments_providernotification
    WHERE state = 'unreadable' AND dealt_with_at IS NULL"""
# Messages with a greater id were written after all work had ended, for abandoned checkouts, and may not have
# been delivered yet. The id is used because the clocks of some processes are wrong.
AT_REST = "id <= %s"
UNPUBLISHED = f"""
    SELECT type || ' ' || message_id || ' ' || subject || ' ' || last_error FROM payments_outboxmessage
    WHERE published_at IS NULL AND {AT_REST}"""  # noqa: S608 (constants)
# Commands to a service, and replies to the orchestrator. Replies to a web process may be lost.
TO_BE_HANDLED = f"""
    SELECT message_id, type || ' ' || message_id || ' ' || subject FROM payments_outboxmessage
    WHERE published_at IS NOT NULL AND {AT_REST}
      AND (exchange = 'checkout.commands' OR routing_key = 'checkout.replies.saga')"""  # noqa: S608
ANSWERED_TWICE = """
    SELECT count(*) || ' replies to ' || causation_id || ' ' || min(subject) FROM payments_outboxmessage
    WHERE type = 'reply' GROUP BY causation_id, correlation_id HAVING count(*) > 1"""
IS_OPEN = "requeued_at IS NULL AND dealt_with_at IS NULL"
IS_POISON = "(message_id LIKE 'poison-%' OR type = 'malformed')"
DEAD = f"""
    SELECT subject AS payment, type, message_id, service, reason, {IS_OPEN} AND NOT {IS_POISON} AS is_open
    FROM payments_deadletter ORDER BY id"""  # noqa: S608 (constants)
INNOCENT = f"SELECT id FROM payments_deadletter WHERE {IS_OPEN} AND NOT {IS_POISON}"  # noqa: S608
POISON = f"SELECT count(*) FROM payments_deadletter WHERE {IS_POISON}"  # noqa: S608
DIFFERENCES = """
    SELECT order_code || ' ' || kind || ': ' || ours_minor || ' / ' || theirs_minor
    FROM payments_difference WHERE resolved_at IS NULL"""
EVENTS = """
    SELECT event.reference AS event, payment.reference AS payment, sequence, type,
           coalesce(event.data -> 'object' ->> 'state', '') AS state, event.id <= %s AS is_due
    FROM payments_event event JOIN payments_payment payment ON payment.id = payment_id
    ORDER BY payment_id, sequence"""
RESERVATIONS = "SELECT payment_reference, state FROM orders_reservation"

RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class AtRest:
    """The ids of each database's last outbox message and of the last event, when all work had ended."""

    messages: Mapping[str, int]
    event: int


def read_database(
    evidence: Evidence,
    databases: Databases,
    kinds: Iterable[str],
    excused: Iterable[str],
    at_rest: AtRest,
) -> None:
    """Read the gateway's databases into `evidence`.

    `kinds` are the kinds of facts to read, `excused` the ids of messages that may be unhandled.
    """
    with ExitStack() as closing:
        # All queries of a database need one snapshot, because abandoned checkouts go on expiring meanwhile.
        snapshots = {url: closing.enter_context(_snapshot(url)) for url in databases.addresses}
        _read_payments(evidence, snapshots[databases.default], list(kinds))
        _read_events(evidence, snapshots[databases.default], at_rest.event)
        ledger, orders = (snapshots[databases.of(app)] for app in ("ledger", "orders"))
        evidence.ledger = _grouped(_read(ledger, LEDGER, LedgerEntry), _by_payment)
        evidence.reservations = dict(orders.execute(RESERVATIONS).fetchall())
        owed: dict[str, str] = {}
        for url, connection in snapshots.items():
            evidence.unpublished += _texts(connection, UNPUBLISHED, at_rest.messages[url])
            evidence.answered_twice += _texts(connection, ANSWERED_TWICE)
            owed |= dict(connection.execute(TO_BE_HANDLED.encode(), [at_rest.messages[url]]).fetchall())
    # Inboxes are read last, so that they contain all messages in the outboxes' snapshots.
    for message_id in databases.handled() | set(excused):
        owed.pop(message_id, None)
    evidence.unhandled = list(owed.values())
    evidence.taken_away = [f"{payment}: {attempt}" for payment, attempt in databases.taken_away()]


def _read_payments(evidence: Evidence, connection: psycopg.Connection[Any], kinds: list[str]) -> None:
    evidence.payments = {row.reference: row for row in _read(connection, PAYMENTS, Payment)}
    evidence.attempts = _grouped(_read(connection, ATTEMPTS, Attempt), _by_payment)
    evidence.operations = _grouped(_read(connection, OPERATIONS, Operation), _by_payment)
    evidence.sagas = _grouped(_read(connection, SAGAS, Saga), _by_payment)
    evidence.facts = _grouped(_read(connection, FACTS, Fact, kinds), _by_payment)
    evidence.statements = _grouped(_read(connection, STATEMENTS, Statement), _by_payment)
    evidence.cards = _read(connection, CARDS, SavedCard)
    evidence.charges = _read(connection, CHARGES, Charge)
    evidence.unread = _texts(connection, UNREAD)
    evidence.dead = _read(connection, DEAD, DeadLetter)
    evidence.differences = _texts(connection, DIFFERENCES)
    ((evidence.poison_found,),) = connection.execute(POISON.encode()).fetchall()


def _read_events(evidence: Evidence, connection: psycopg.Connection[Any], last: int) -> None:
    events: dict[str, list[Event]] = defaultdict(list)
    for *told, is_due in connection.execute(EVENTS.encode(), [last]):
        event = Event(Told(*told), is_due)
        events[event.told.payment].append(event)
    evidence.events = dict(events)


def _by_payment(row: Any) -> str:
    return str(row.payment)


@contextmanager
def _snapshot(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.execute("SELECT 1")  # begins it
        yield connection


def read_books(evidence: Evidence, sandbox_url: str) -> None:
    """Read the provider's books, with the faults of each order. Our database must be read before."""
    attempts = chain.from_iterable(evidence.attempts.values())
    included = {attempt.order_code: attempt.included for attempt in attempts}
    evidence.orders = {order.code: order for order in read_orders(sandbox_url, included)}


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
