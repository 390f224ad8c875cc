"""Every change of state has an event, numbered without a gap; only this module changes states."""

import ast
from typing import get_args

import msgspec
import pytest
from django.db import IntegrityError, transaction

from checkout.participants import participants
from checkout.payments.events import (
    EVENT_TYPES,
    MOST_BYTES,
    move_attempt,
    move_operation,
    move_payment,
    object_of,
    open_operation,
    open_operation_once,
)
from checkout.payments.events.types import type_of_move, type_of_operation
from checkout.payments.models import Attempt, Event, Operation, Payment
from checkout.payments.models.payment import PURCHASE
from checkout.payments.objects import (
    OperationKind,
    OperationState,
    PaymentObject,
    event_object,
    webhook_object,
)
from checkout.payments.objects.attempt import STATUSES as OF_ATTEMPTS
from checkout.payments.objects.payment import STATUSES as OF_PAYMENTS
from checkout.payments.totals import operations_under_lock, sums_of
from checkout.states import PAYMENT_EDGES, Actor, AttemptState, PaymentEvent, PaymentState
from tests.payments.service.asking import operation_on
from tests.payments.service.contradicting import another
from tests.support.source import modules_of

pytestmark = pytest.mark.django_db

OURS = "checkout.payments.events.changes"


def types() -> list[str]:
    return list(Event.objects.order_by("sequence").values_list("type", flat=True))


def test_every_state_and_move_has_a_public_word_and_every_type_a_description():
    assert set(OF_PAYMENTS) == set(PaymentState)
    assert set(OF_ATTEMPTS) == set(AttemptState)
    reached = {"payment.created"}
    reached |= {type_of_move(edge.event, source) for edge in PAYMENT_EDGES for source in edge.sources}
    reached |= {type_of_operation(kind, state) for kind in OperationKind for state in OperationState}
    assert reached == set(EVENT_TYPES)
    assert {edge.event for edge in PAYMENT_EDGES} <= set(get_args(PaymentEvent))


def test_the_relay_may_publish_events_of_every_type():
    announced = {word for participant in participants() for word in participant.announces}
    assert announced == {type.partition(".")[0] for type in EVENT_TYPES}


def test_no_other_module_moves_a_payment_an_attempt_or_an_operation():
    """Merchants' programs would not learn of a state that is written elsewhere."""
    offenders = []
    for module in modules_of("checkout"):
        if module.name == OURS or not module.name.startswith("checkout.payments."):
            continue
        for node in ast.walk(ast.parse(module.source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value)
                if node.func.attr == "apply" and owner.split(".")[-1] in ("payment", "attempt"):
                    offenders.append((module.name, node.lineno))
                if ast.unparse(node.func) in ("Operation.objects.create", "Attempt.objects.create"):
                    offenders.append((module.name, node.lineno))
            if isinstance(node, ast.Assign):
                names = [ast.unparse(target) for target in node.targets]
                if {"operation.state", "refund.state", "attempt.state", "payment.state"} & set(names):
                    offenders.append((module.name, node.lineno))
    assert not offenders


def test_events_are_numbered_and_published_with_the_objects_after_the_change(attempt: Attempt):
    payment = attempt.payment
    move_attempt(payment, attempt, "submitted", Actor.SAGA)
    move_attempt(payment, attempt, "authorised", Actor.PROVIDER)
    move_payment(payment, "authorised", Actor.SAGA)
    operation = Operation(
        payment=payment,
        attempt=attempt,
        kind="capture",
        amount_minor=1250,
        currency="GBP",
        metadata={"a": "2"},
    )
    payment.metadata = {"a": "1", "b": "1"}
    open_operation(payment, operation)
    move_operation(payment, operation, Operation.State.DONE)
    move_payment(payment, "captured", Actor.SAGA)
    assert types() == [
        "payment.authorised",
        "capture.requested",
        "capture.succeeded",
        "payment.captured",
    ]
    events = list(Event.objects.order_by("sequence"))
    assert [event.sequence for event in events] == [1, 2, 3, 4]
    assert [event.changes for event in events[:3]] == [
        {"state": "processing"},
        {},
        {"state": "requested"},
    ]
    assert events[3].changes["state"] == "authorised"
    assert events[3].changes["amounts"] == {"capturable": 1250, "captured": 0, "refundable": 0}
    assert (events[1].operation, events[1].data["metadata"]) == (operation.reference, {"a": "2", "b": "1"})
    told = events[3].data["object"]
    assert (told["state"], told["amounts"]["captured"], told["is_final"]) == ("captured", 1250, True)
    for event in events:
        assert msgspec.convert(event.data["object"], object_of(event.type))
        assert webhook_object(event, "2026-12-01", is_thin=True).sequence == event.sequence


def test_a_second_move_in_a_transaction_does_not_read_the_events_again(
    attempt: Attempt, django_assert_num_queries
):
    payment = attempt.payment
    move_payment(payment, "authorised", Actor.SAGA)
    open_operation(payment, Operation(payment=payment, attempt=attempt, kind="capture", amount_minor=1250))
    with django_assert_num_queries(4):  # attempt, operations, payment, event
        move_payment(payment, "captured", Actor.SAGA)
    assert list(Event.objects.order_by("sequence").values_list("sequence", flat=True)) == [1, 2, 3]
    assert Event.objects.get(sequence=3).changes["state"] == "authorised"


def test_an_operation_is_recorded_without_reading_earlier_events(attempt: Attempt, django_assert_num_queries):
    move_payment(attempt.payment, "authorised", Actor.SAGA)
    payment = Payment.objects.select_related("merchant").get()
    operation = Operation(payment=payment, attempt=attempt, kind="capture", amount_minor=1250)
    with django_assert_num_queries(2):  # the operation and its event, whose number the database finds
        open_operation(payment, operation)
    with django_assert_num_queries(3):  # now the numbers are read, and the next ones are known
        move_operation(payment, operation, "pending")
    with django_assert_num_queries(2):
        move_operation(payment, operation, "done")
    numbers = Event.objects.order_by("sequence").values_list("sequence", "type")
    assert list(numbers) == [
        (1, "payment.authorised"),
        (2, "capture.requested"),
        (3, "capture.pending"),
        (4, "capture.succeeded"),
    ]


def test_the_order_code_of_an_operation_costs_no_statement(attempt: Attempt, django_assert_num_queries):
    move_payment(attempt.payment, "authorised", Actor.SAGA)
    payment = Payment.objects.select_related("merchant").get()
    capture = Operation(payment=payment, attempt_id=attempt.pk, kind="capture", amount_minor=1250)
    with django_assert_num_queries(2):  # the operation and its event
        open_operation_once(payment, capture, order_code=attempt.order_code)
    own = Attempt.objects.select_related("payment__merchant").get()
    (capture,) = operations_under_lock(own)
    with django_assert_num_queries(2):
        move_operation(own.payment, capture, "done")
    told = [event.data["object"]["attempt"] for event in Event.objects.filter(type__startswith="capture.")]
    assert told == [attempt.order_code] * 2


def test_an_operation_is_of_the_attempt_that_holds_the_money_and_not_of_the_latest(attempt: Attempt):
    operation_on(attempt, Operation.Kind.REFUND)
    another(attempt, AttemptState.REFUSED)
    move_operation(attempt.payment, Operation.objects.get(), Operation.State.DONE)
    assert Event.objects.get().data["object"]["attempt"] == attempt.order_code


def test_what_a_user_called_purchase_requests_has_events_of_its_own(attempt: Attempt):
    wanted = {"kind": "refund", "requested_by": "purchase"}
    refund = Operation(payment=attempt.payment, attempt=attempt, amount_minor=100, **wanted)
    open_operation(attempt.payment, refund)
    assert types() == ["refund.requested"]


def test_a_long_event_loses_the_metadata_of_operations_as_well(attempt: Attempt):
    payment = attempt.payment
    payment.metadata = {f"{number:040}": "v" * 500 for number in range(50)}
    payment.save()
    capture = Operation(payment=payment, attempt=attempt, kind="capture", amount_minor=1250)
    capture.requested_by = PURCHASE
    open_operation_once(payment, capture)
    move_payment(payment, "authorised", Actor.SAGA)
    event = Event.objects.get()
    assert [each["metadata"] for each in event.data["operations"]] == [{}]
    assert len(msgspec.json.encode(event_object(event))) <= MOST_BYTES


def test_a_move_that_goes_on_at_once_is_one_event_and_one_version(attempt: Attempt):
    move_payment(attempt.payment, "authorised", Actor.SAGA, then="captured")
    event = Event.objects.get()
    assert (event.type, event.changes["state"]) == ("payment.captured", "processing")
    payment = Payment.objects.get()
    assert (payment.version, payment.state) == (1, PaymentState.CAPTURED)
    assert payment.held_since is not None


def test_a_refund_that_comes_back_does_not_look_like_a_capture():
    assert type_of_move("captured", PaymentState.CAPTURE_PENDING) == "payment.captured"
    assert type_of_move("captured", PaymentState.REFUNDED) == "payment.refund_returned"
    assert type_of_move("refunded_in_part", PaymentState.REFUNDED) == "payment.refund_returned"
    assert type_of_move("charge_back_reversed", PaymentState.CHARGED_BACK) == "payment.dispute_reversed"


def test_what_was_left_out_of_a_long_event_has_not_changed(attempt: Attempt):
    payment = attempt.payment
    payment.lines = [{"sku": "T" * 50, "quantity": 1}] * 500
    payment.metadata = {f"{number:040}": "v" * 500 for number in range(50)}
    payment.save()
    move_payment(payment, "authorised", Actor.SAGA)
    move_payment(payment, "captured", Actor.SAGA)
    changes = Event.objects.get(sequence=2).changes
    assert changes["state"] == "authorised"
    assert not {"lines", "metadata"} & set(changes)


def test_a_long_event_loses_what_the_merchant_knows_and_says_so(attempt: Attempt):
    payment = attempt.payment
    payment.lines = [{"sku": "T" * 50, "quantity": 1}] * 500
    payment.metadata = {f"{number:040}": "v" * 500 for number in range(50)}
    payment.save()
    move_payment(payment, "authorised", Actor.SAGA)
    event = Event.objects.get()
    assert len(msgspec.json.encode(event_object(event))) <= MOST_BYTES
    assert event.data["left_out"] == ["lines", "metadata"]
    assert event.data["object"]["state"] == "authorised"
    assert msgspec.convert(event.data["object"], PaymentObject).amount == 1250


def test_a_number_is_given_once(attempt: Attempt):
    payment = attempt.payment
    move_payment(payment, "authorised", Actor.SAGA)
    again = Event.objects.get()
    again.pk, again.reference = None, "evt_another"
    with pytest.raises(IntegrityError), transaction.atomic():
        again.save()
    assert Payment.objects.get().version == 1


def test_an_operation_that_was_read_apart_counts_in_its_new_state(attempt: Attempt):
    operation_on(attempt, Operation.Kind.CAPTURE)
    payment = attempt.payment
    assert sums_of(payment).captured == 0
    move_operation(payment, Operation.objects.get(), Operation.State.DONE)
    assert sums_of(payment).captured == payment.amount_minor
