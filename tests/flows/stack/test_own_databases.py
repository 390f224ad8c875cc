"""Orders, risk, ledger and receipts on databases of their own: each service reaches no other database."""

from collections.abc import Iterator

import psycopg
import pytest

from checkout.tryout.scenarios import FRICTIONLESS
from tests.flows.stack.shopping import Customer, paid_once, rows, shopper_at
from tests.support.databases import only_own, own_databases, variable_of
from tests.support.stack import Stack
from tests.support.vhosts import fresh_vhost
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.rabbitmq, pytest.mark.postgresql, pytest.mark.long, pytest.mark.timeout(400)]

AT_REST = """
    SELECT 1 WHERE NOT EXISTS (SELECT FROM payments_saga WHERE status = 'running')
    AND NOT EXISTS (SELECT FROM payments_outboxmessage WHERE published_at IS NULL AND available_at < now())"""

RESERVATION = "SELECT state FROM orders_reservation WHERE payment_reference = %s"
ASSESSMENT = "SELECT decision FROM risk_riskassessment WHERE payment_reference = %s"
SENT_RECEIPT = "SELECT 1 FROM receipts_receipt WHERE payment_reference = %s AND sent_at IS NOT NULL"
SENT_REPLY = """
    SELECT 1 FROM payments_outboxmessage reply
    JOIN payments_inboxmessage cause ON cause.message_id = causation_id
    WHERE cause.type = 'orders.confirm' AND reply.subject = %s AND published_at IS NOT NULL"""
# A worker does the same with a message that the broker refuses (messaging/outbox/cause.py).
LEAVE_REPLY_TO_RELAY = """
    UPDATE payments_outboxmessage reply SET published_at = NULL, available_at = now()
    FROM payments_inboxmessage cause WHERE cause.message_id = causation_id
    AND cause.type = 'orders.confirm' AND reply.subject = %s RETURNING 1"""
BELIEVED = """
    SELECT 1 FROM payments_sagastep step
    JOIN payments_saga saga ON saga.id = saga_id JOIN payments_payment payment ON payment.id = payment_id
    WHERE step.command = 'orders.confirm' AND step.outcome = 'ok' AND payment.reference = %s"""
REFUND = "from checkout.payments.actions import request_refund; request_refund('{}', by='Ada')"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with own_databases() as urls, fresh_vhost() as broker_url:
        stack = Stack(
            tmp_path_factory.mktemp("databases"),
            broker_url=broker_url,
            database_url=urls["DATABASE_URL"],
            environment={**urls, "CHECKOUT_RECONCILIATION_SECONDS": "86400"},
            own=only_own(urls),
        )
        stack.manage("migrate", "--verbosity=0")
        with stack:
            yield stack


def read(stack: Stack, app: str, query: str, *parameters: str) -> list[tuple[object, ...]]:
    """Run a query on the database of an app."""
    with psycopg.connect(stack.environment[variable_of(app)]) as connection:
        return connection.execute(query.encode(), parameters).fetchall()


def until_at_rest(stack: Stack) -> None:
    wait_until(lambda: rows(stack, AT_REST), "everything to come to rest")


def postings(stack: Stack, payment: str) -> set[object]:
    query = "SELECT split_part(posting, ':', 1) FROM ledger_ledgerentry WHERE payment_reference = %s"
    return {kind for (kind,) in read(stack, "ledger", query, payment)}


def test_a_purchase_and_a_refund_leave_each_record_in_the_database_of_its_owner(stack: Stack) -> None:
    shopper = shopper_at(stack, FRICTIONLESS)
    shopper.pay(shopper.order())
    paid_once(stack, shopper)
    until_at_rest(stack)
    payment = shopper.reference
    assert read(stack, "orders", RESERVATION, payment) == [("confirmed",)]
    assert read(stack, "risk", ASSESSMENT, payment) == [("accept",)]
    wait_until(lambda: postings(stack, payment) == {"capture_requested", "captured"}, "the postings")
    wait_until(lambda: read(stack, "receipts", SENT_RECEIPT, payment), "the receipt")
    stack.manage("shell", "--command", REFUND.format(payment))
    assert shopper.end("refunded") == "refunded"
    until_at_rest(stack)
    wait_until(lambda: "refunded" in postings(stack, payment), "the posting of the refund")
    assert postings(stack, payment) == {"capture_requested", "captured", "refunded"}
    assert " compared, 0 differences" in stack.manage("reconcile", "--since", "2020-01-01")
    assert not rows(stack, "SELECT reason FROM payments_deadletter")


def test_each_database_has_its_own_tables_and_messages_alone(stack: Stack) -> None:
    tables = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition AND relname <> 'django_migrations' ORDER BY 1"
    )
    messages = ["payments_inboxmessage", "payments_outboxmessage"]
    assert [name for (name,) in read(stack, "ledger", tables)] == ["ledger_ledgerentry", *messages]
    assert [name for (name,) in read(stack, "receipts", tables)] == [*messages, "receipts_receipt"]
    assert not [
        name for (name,) in rows(stack, tables) if str(name).startswith(("ledger_", "orders_", "risk_"))
    ]


def test_what_a_service_that_died_has_left_in_its_outbox_is_sent_at_the_redelivery(stack: Stack) -> None:
    shopper = confirmed_by_a_service_that_died(stack)
    assert not rows(stack, BELIEVED, shopper.reference)
    stack.programs["orders"].start()
    wait_until(lambda: rows(stack, BELIEVED, shopper.reference), "the saga to believe the reply")
    assert_ends_well(stack, shopper)


def test_what_a_service_has_left_to_the_relay_is_sent_while_the_service_is_away(stack: Stack) -> None:
    """The orchestrator cannot look for the reply in that outbox, and believes it because of its proof."""
    shopper = confirmed_by_a_service_that_died(stack)
    assert len(read(stack, "orders", LEAVE_REPLY_TO_RELAY, shopper.reference)) == 1
    wait_until(lambda: read(stack, "orders", SENT_REPLY, shopper.reference), "the relay to send its reply")
    wait_until(lambda: rows(stack, BELIEVED, shopper.reference), "the saga to believe the reply")
    stack.programs["orders"].start()
    assert_ends_well(stack, shopper)


def confirmed_by_a_service_that_died(stack: Stack) -> Customer:
    """Return a shopper whose order was confirmed by a process that ended before it could reply."""
    orders = stack.programs["orders"]
    orders.kill()
    # The first message is the reservation.
    orders.start(CHECKOUT_CRASH_AT="worker.committed:2")
    shopper = shopper_at(stack, FRICTIONLESS)
    shopper.pay(shopper.order())
    wait_until(lambda: not orders.is_alive, "the service to die after its commit")
    assert read(stack, "orders", RESERVATION, shopper.reference) == [("confirmed",)]
    return shopper


def assert_ends_well(stack: Stack, shopper: Customer) -> None:
    paid_once(stack, shopper)
    until_at_rest(stack)
    assert not rows(stack, "SELECT reason FROM payments_deadletter")
