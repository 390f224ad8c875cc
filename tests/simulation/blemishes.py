"""A proof that the checks can fail: spoil a clean schedule in one way after another, and check each time.

``python -m tests.simulation.blemishes`` prints the finding for each blemish. The exit status is 1 if a
blemish was not found.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import replace

from checkout.money import Money
from tests.simulation import runner
from tests.simulation.invariants import OWN_CAPTURE, check, check_waiting
from tests.simulation.world import World
from tests.support.tables import our_models

MANY = 500


def _strange_order(world: World) -> None:
    order = next(iter(world.bank.books.orders.values()))
    world.bank.books.orders["nobody's"] = order


def _second_authorisation(world: World) -> None:
    """Move all attempts to the first payment, which then has two authorisations."""
    world.rows.execute(
        "UPDATE payments_attempt SET number = 100 + id, payment_id = (SELECT MIN(id) FROM payments_payment)"
    )


def _captured_twice(world: World) -> None:
    order = next(iter(world.bank.books.orders.values()))
    order.captured += Money(order.amount.minor, order.amount.currency)


def _statement_of_another_amount(world: World) -> None:
    (reference,) = world.rows.execute("SELECT MIN(reference) FROM payments_operation").fetchone()
    body = json.dumps({"reference": reference, "minor": 1})
    world.rows.execute("UPDATE payments_providernotification SET state = 'applied', body = ?", (body,))


def _done_too_early(world: World) -> None:
    world.rows.execute(
        "UPDATE payments_operation SET state = 'pending', reference = reference || 'x' WHERE state = 'done'"
    )
    world.rows.execute("UPDATE payments_operation SET state = 'done' WHERE state = 'pending'")


def _late_return(world: World) -> None:
    world.rows.execute("UPDATE payments_attempt SET challenge_expires_at = '2030-01-01 00:00:00'")
    world.rows.execute("UPDATE payments_fact SET kind = 'challenge_returned'")


def _called_off(world: World) -> None:
    world.rows.execute("UPDATE payments_fact SET kind = 'challenge_called_off' WHERE attempt_id IS NOT NULL")


def _charged_back(world: World) -> None:
    for order in world.bank.books.orders.values():
        order.charged_back = order.captured


def _charged_back_for_refunded(world: World) -> None:
    """Let the bank's books have charge-backs in the amount of the captures, and ours refunds instead."""
    _charged_back(world)
    refund = {
        "reference": "reference || 'r'",
        "kind": "'refund'",
        "idempotency_key": "''",
        "reason": "'Found at'",
    }
    _copy(world, "payments_operation", refund)
    _copy(world, "ledger_ledgerentry", {"posting": "posting || 'r'", "amount_minor": "-amount_minor"})


def _copy(world: World, table: str, changes: dict[str, str]) -> None:
    """Copy all rows of a table, with changes."""
    columns = [name for _, name, *_ in world.rows.execute(f"PRAGMA table_info({table})") if name != "id"]
    values = ", ".join(changes.get(name, name) for name in columns)
    world.rows.execute(f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table}")


def _booked_less(world: World) -> None:
    """Let the bank have booked each capture and refund with another amount than we asked for."""
    for order in world.bank.books.orders.values():
        order.taken = [replace(each, amount=Money(1, "EUR")) for each in order.taken]


def _ended_by_nothing(world: World) -> None:
    world.rows.execute("UPDATE payments_operation SET state = 'unknown' WHERE state = 'done'")
    world.rows.execute("UPDATE payments_operation SET state = 'done' WHERE state = 'unknown'")
    world.proof.transaction_ends()


def _given_up_and_sent(world: World) -> None:
    world.rows.execute(
        "UPDATE payments_operation SET state = 'refused', refusal_reason = 'not_found_at_provider'"
    )
    for (reference,) in world.rows.execute("SELECT reference FROM payments_operation").fetchall():
        world.bank.asked_to_move(reference)


def _nobody_is_told(world: World) -> None:
    world.rows.execute("UPDATE payments_operation SET state = 'requested'")
    world.violations += check_waiting(world)


def _decided_twice(world: World) -> None:
    for _ in range(2):
        world.rows.execute(
            "INSERT INTO payments_fact (payment_id, attempt_id, source, kind, data, text, recorded_at) "
            "SELECT payment_id, attempt_id, 'staff', 'operation_settled_by', "
            "json_object('reference', reference, 'seen', '1.0'), '', created_at FROM payments_operation"
        )


def _sql(statement: str) -> Callable[[World], None]:
    def spoil(world: World) -> None:
        world.rows.execute(statement)

    return spoil


def _update(table: str, change: str) -> Callable[[World], None]:
    label = next(model._meta.app_label for model in our_models() if model._meta.model_name == table)
    return _sql(f"UPDATE {label}_{table} SET {change}")


BLEMISHES: dict[str, tuple[str, Callable[[World], None]]] = {
    "an order that is nobody's": ("I1", _strange_order),
    "a payment that is gone": ("I1", _update("payment", "reference = reference || 'x'")),
    "two authorisations of one payment": ("I2", _second_authorisation),
    "a saga that never ended": ("I3", _update("saga", "status = 'running'")),
    "a parked saga": ("I3", _update("saga", "status = 'parked'")),
    "a payment under way": ("I3", _update("payment", "state = 'confirming'")),
    "an operation of unknown outcome": ("I3", _update("operation", "state = 'unknown'")),
    "money kept of a payment that failed": ("I4", _update("payment", "state = 'refused'")),
    "stock that was never confirmed": ("I4", _update("reservation", "state = 'reserved'")),
    "stock given away while it was paid for": (
        "I4",
        _sql("INSERT INTO taken_again SELECT reference FROM payments_payment"),
    ),
    "a token that was taken after its time": ("I7", _late_return),
    "a capture after the payment was called off": ("I7", _called_off),
    "a statement of another amount": ("I5", _statement_of_another_amount),
    "an operation that is done too early": ("I5", _done_too_early),
    "a charge-back that we have as a refund": ("I5", _charged_back_for_refunded),
    "a capture that was booked with another amount": ("I5", _booked_less),
    "an operation that ended without evidence": ("I5", _ended_by_nothing),
    "an operation that was given up and sent": ("I2", _given_up_and_sent),
    "an operation of which nobody is told": ("I3", _nobody_is_told),
    "two decisions of staff on one version": ("I7", _decided_twice),
    "a charge-back that is in no books of ours": ("I5", _charged_back),
    "stock that is lost": ("I4", _update("stockitem", "quantity = quantity - 1")),
    "a ledger that is one minor unit off": ("I5", _update("ledgerentry", "amount_minor = amount_minor + 1")),
    "a capture that the provider counts twice": ("I5", _captured_twice),
    "good news that was not true": ("I6", _update("payment", "state = 'voided'")),
    "a move that is no edge": ("I9", _sql("INSERT INTO history VALUES ('pay', 'refunded', 'open')")),
    "an event that was lost": ("I9", _sql("DELETE FROM payments_event WHERE sequence = 2")),
    "an event that promises too much": (
        "I9",
        _sql(
            "UPDATE payments_event SET data = json_set(data, '$.object.amounts.refundable', 1000000) "
            "WHERE type LIKE 'payment.%'"
        ),
    ),
    "a reply to another question": ("I9", _sql("INSERT INTO late_replies VALUES ('1:a:1', '1:b:2')")),
    "a message that was not published": ("I11", _update("outboxmessage", "published_at = NULL")),
    "an event that the listener did not get": ("I11", lambda world: world.listener.heard.clear()),
    "a message that was not handled": ("I11", _sql("DELETE FROM payments_inboxmessage")),
    "a notification that nobody looked at": ("I11", _update("providernotification", "state = 'received'")),
    "a message handled twice": (
        "I11",
        _update("outboxmessage", "causation_id = 'same', correlation_id = ''"),
    ),
}


def main() -> int:
    """Run and spoil the same schedule once per blemish."""
    seed = _seed_of_a_good_one()
    missed = 0
    for name, (invariant, spoil) in BLEMISHES.items():
        world = runner.installation().run(seed)
        spoil(world)
        findings = [*world.violations, *check(world)]
        found = [finding for finding in findings if finding.startswith(f"{invariant}:")]
        print(f"{invariant}, {name}: {found[0] if found else 'NOT FOUND'}")
        missed += not found
    return 1 if missed else 0


def _seed_of_a_good_one() -> int:
    """Return the seed of a schedule in which every blemish is possible: two payments, plainly captured."""
    for seed in range(1, MANY):
        world = runner.installation().run(seed)
        if world.ends()["captured"] == 2 and not world.violations and _is_plain(world):
            return seed
    raise LookupError("no schedule captures two payments")


def _is_plain(world: World) -> bool:
    """Return True if no payment is conflicted, and purchases have requested captures of their own."""
    contradicted = world.rows.execute(
        "SELECT 1 FROM history WHERE 'conflicted' IN (before, after)"
    ).fetchone()
    (asked_for,) = world.rows.execute(
        "SELECT COUNT(*) FROM payments_operation o JOIN payments_attempt a ON a.id = o.attempt_id "
        f"WHERE {OWN_CAPTURE}"
    ).fetchone()
    return contradicted is None and asked_for == 2


if __name__ == "__main__":
    sys.exit(main())
