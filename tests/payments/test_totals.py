"""The state of a payment follows from its operations, in any order and counted at any time.

All cases are tested: a payment of two units, with up to four operations that start and move as the rules
allow, counted at any time or not.
"""

from collections import Counter
from collections.abc import Iterator

import pytest

from checkout.payments.models import Operation
from checkout.payments.totals import Sums
from checkout.states import COUNTED, Actor, PaymentState, payment_machine

Kind, State = Operation.Kind, Operation.State
Operations = tuple[tuple[str, int, str], ...]  # kind, amount, state

OWED = 2
MOST_OPERATIONS = 4
NEXT: dict[str, tuple[str, ...]] = {
    State.REQUESTED: (State.UNKNOWN, State.PENDING, State.DONE, State.REFUSED),
    State.UNKNOWN: (State.PENDING, State.DONE, State.REFUSED),
    State.PENDING: (State.DONE, State.REFUSED),
}


def sums_of(operations: Operations) -> Sums:
    totals: Counter[tuple[str, str]] = Counter()
    for kind, minor, state in operations:
        totals[kind, state] += minor
    return Sums(OWED, totals)


def started(operations: Operations) -> Iterator[Operations]:
    if len(operations) == MOST_OPERATIONS:
        return
    sums = sums_of(operations)
    for minor in range(1, sums.left_to_capture + 1):
        yield (*operations, (Kind.CAPTURE, minor, State.REQUESTED))
    for minor in range(1, sums.left_to_refund + 1):
        yield (*operations, (Kind.REFUND, minor, State.REQUESTED))
    if sums.can_be_voided:
        yield (*operations, (Kind.VOID, OWED, State.REQUESTED))
    # An issuer's operation is done when we learn of it.
    for minor in range(1, sums.left_to_charge_back + 1):
        yield (*operations, (Kind.CHARGE_BACK, minor, State.DONE))
    for minor in range(1, sums.charged_back + 1):
        yield (*operations, (Kind.CHARGE_BACK_REVERSAL, minor, State.DONE))


def moved(operations: Operations) -> Iterator[Operations]:
    for number, (kind, minor, state) in enumerate(operations):
        comes_back = kind == Kind.REFUND and state == State.DONE
        for further in (State.REFUSED,) if comes_back else NEXT.get(state, ()):
            yield (*operations[:number], (kind, minor, further), *operations[number + 1 :])


def all_operations() -> set[Operations]:
    seen: set[Operations] = set()
    ahead: list[Operations] = [()]
    while ahead:
        operations = tuple(sorted(ahead.pop()))
        if operations not in seen:
            seen.add(operations)
            ahead += [*started(operations), *moved(operations)]
    return seen


def counted(operations: Operations, state: PaymentState) -> PaymentState:
    target = sums_of(operations).state
    if target == state:
        return state
    event = payment_machine.event_between(state, target, COUNTED)
    assert event is not None, f"{state} does not lead to {target}: {operations}"
    return PaymentState(payment_machine.next(state, event, Actor.SAGA))


def test_whenever_it_is_counted_there_is_an_event_that_leads_where_the_sums_are() -> None:
    seen: set[tuple[Operations, PaymentState]] = set()
    ahead: list[tuple[Operations, PaymentState]] = [((), PaymentState.AUTHORISED)]
    while ahead:
        operations, state = ahead.pop()
        here = (tuple(sorted(operations)), state)
        if here not in seen:
            seen.add(here)
            target = counted(operations, state)
            assert target == sums_of(operations).state
            ahead.append((operations, target))
            for later in (*started(operations), *moved(operations)):
                ahead.append((later, state))
    assert {state for _, state in seen} == {
        PaymentState.AUTHORISED,
        PaymentState.CAPTURE_PENDING,
        PaymentState.PARTIALLY_CAPTURED,
        PaymentState.CAPTURED,
        PaymentState.VOID_PENDING,
        PaymentState.VOIDED,
        PaymentState.PARTIALLY_REFUNDED,
        PaymentState.REFUNDED,
        PaymentState.CHARGED_BACK,
    }


def test_no_more_is_captured_than_owed_and_no_more_given_back_than_captured() -> None:
    for operations in all_operations():
        sums = sums_of(operations)
        assert 0 <= sums.refunded <= sums.captured <= OWED
        assert sums.left_to_capture >= 0
        assert sums.left_to_refund >= 0
        assert 0 <= sums.charged_back <= sums.captured
        assert sums.left_to_refund + sums.charged_back <= sums.captured
        assert not (sums.captured and sums.total(Kind.VOID, State.DONE))


TAKEN = (Kind.CAPTURE, 2, State.DONE)
GIVEN_BACK = (Kind.REFUND, 1, State.DONE)
CHARGED_BACK = (Kind.CHARGE_BACK, 1, State.DONE)
RETURNED = (Kind.CHARGE_BACK_REVERSAL, 1, State.DONE)


@pytest.mark.parametrize(
    ("operations", "event", "state"),
    [
        ((TAKEN,), "charge_back_reversed", PaymentState.CAPTURED),
        (
            ((Kind.CAPTURE, 1, State.DONE),),
            "charge_back_reversed_captured_in_part",
            PaymentState.PARTIALLY_CAPTURED,
        ),
        ((TAKEN, GIVEN_BACK), "charge_back_reversed_refunded_in_part", PaymentState.PARTIALLY_REFUNDED),
        ((TAKEN, (Kind.REFUND, 2, State.DONE)), "charge_back_reversed_refunded", PaymentState.REFUNDED),
    ],
)
def test_after_a_full_reversal_a_payment_is_where_its_captures_and_refunds_put_it(
    operations: Operations, event: str, state: PaymentState
) -> None:
    assert sums_of((*operations, CHARGED_BACK)).state == PaymentState.CHARGED_BACK
    assert sums_of((*operations, CHARGED_BACK, RETURNED)).state == state
    assert payment_machine.event_between(PaymentState.CHARGED_BACK, state, COUNTED) == event


def test_what_is_charged_back_cannot_be_refunded_as_well() -> None:
    assert sums_of((TAKEN, CHARGED_BACK)).left_to_refund == 1
    assert sums_of((TAKEN, GIVEN_BACK, CHARGED_BACK)).left_to_refund == 0
    assert sums_of((TAKEN, (Kind.REFUND, 2, State.PENDING), CHARGED_BACK)).left_to_refund == 0
    assert sums_of((TAKEN, CHARGED_BACK, RETURNED)).left_to_refund == 2
